"""Build backends: what each brings along, where it runs, what it makes of the same project, how fast.

Wheels are downloaded once, with the user's own configuration of pip; everything after that is built from this
folder of wheels, without network, in throw-away folders.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pyassay.places.interruption import unwound_by_signals
from pyassay.probes.backends.session import Session
from pyassay.probes.backends.settings import Settings, SettingsError
from pyassay.probes.backends.tables import (
    BACKENDS,
    CLOSURES,
    CONTEXT,
    CRATES,
    FEATURES,
    FILES,
    METADATA,
    OUTPUTS,
    PLATFORMS,
    REPEATS,
)
from pyassay.probes.backends.timing import BUILD_SAMPLES
from pyassay.probes.measured import Measured
from pyassay.subjects.model import Interpreter, Subject, SubjectKind

__all__ = ["TABLES", "Measured", "Settings", "SettingsError", "measure", "takes"]

Progress = Callable[[int, int, str], None]

TABLES = (
    CONTEXT,
    BACKENDS,
    CLOSURES,
    CRATES,
    PLATFORMS,
    OUTPUTS,
    FILES,
    METADATA,
    REPEATS,
    FEATURES,
    BUILD_SAMPLES,
)
"""Every table of the question."""

_OLDEST = (3, 10)


def takes(subject: Subject) -> bool:
    """Tell whether a subject can be the Python that builds: a CPython of this host, 3.10 or newer."""
    if not isinstance(subject, Interpreter) or subject.error is not None or subject.image:
        return False
    numbers = tuple(int(part) for part in subject.version.split(".")[:2] if part.isdigit())
    return subject.implementation == "cpython" and numbers >= _OLDEST


def measure(
    subjects: Sequence[Subject],
    settings: Settings | None = None,
    *,
    progress: Progress | None = None,
) -> Measured:
    """Measure build backends with one Python: the first of the subjects that can build.

    Parameters
    ----------
    subjects : sequence of Interpreter
        See :func:`takes`. A virtual environment counts as the Python behind it.
    settings : Settings, optional
    progress : callable, optional
        Called as ``progress(done, total, label)``.

    Raises
    ------
    SettingsError
        If there is no Python that can build.
    """
    settings = settings or Settings()
    able = [one for one in subjects if isinstance(one, Interpreter) and takes(one)]
    # Of one that is no environment its folder says which Python it is.
    able.sort(key=lambda one: one.kind is not SubjectKind.INTERPRETER)
    if not able:
        raise SettingsError("no Python that builds: a CPython of this host, 3.10 or newer, is needed")
    with unwound_by_signals():
        found = Session(able[0].executable, able[0].label, settings, progress).run()
    frames = {schema.name: schema.frame(found.rows.get(schema.name, [])) for schema in TABLES}
    return Measured(frames, found.failed, tuple(found.subjects))
