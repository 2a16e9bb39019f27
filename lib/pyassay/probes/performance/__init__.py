"""How fast interpreters are, beside each other: raw samples of work done in turns.

The design in one paragraph: all interpreters have a live worker on the same core and take turns in chunks of
some milliseconds, so that whatever slows the machine slows all of them; CPU time is taken, not the clock on
the wall; and everything that is drawn once for a process (hash seed, address layout, core) is drawn anew for
each block, the unit of which the statistics are made. The reference is entered twice: whatever difference is
seen between the two is noise.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pyassay.places.interruption import unwound_by_signals
from pyassay.probes.build import BUILD_FACTS
from pyassay.probes.build import probe as probe_build
from pyassay.probes.instructions import INSTRUCTIONS, count_instructions
from pyassay.probes.measured import Measured
from pyassay.probes.performance.context import Context, Progress, Record
from pyassay.probes.performance.engine import Measurement
from pyassay.probes.performance.estimate import ESTIMATES, estimate
from pyassay.probes.performance.execute import Executor, Processes
from pyassay.probes.performance.machine import allowed_cores
from pyassay.probes.performance.prepare import ReferenceLostError
from pyassay.probes.performance.settings import MIN_BLOCKS, OwnWorkload, Settings, SettingsError
from pyassay.probes.performance.spool import Spool, recovered
from pyassay.probes.performance.tables import TABLES as MEASURED_TABLES
from pyassay.subjects.identity import guest_script
from pyassay.subjects.model import Interpreter, Subject

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "ESTIMATES",
    "MIN_BLOCKS",
    "TABLES",
    "Measured",
    "OwnWorkload",
    "Settings",
    "SettingsError",
    "estimate",
    "measure",
    "recovered",
    "takes",
]


# Under a simulated processor a thousand iterations of the smallest workloads take some seconds.
_COUNTED = 50

TABLES = (*MEASURED_TABLES, BUILD_FACTS, INSTRUCTIONS)
"""What is measured, and how each interpreter was built: what may explain it."""


def takes(subject: Subject) -> bool:
    """Tell whether the question makes sense for a subject."""
    return isinstance(subject, Interpreter)


def measure(
    subjects: Sequence[Subject],
    settings: Settings | None = None,
    *,
    progress: Progress | None = None,
    workload_source: str | None = None,
    executor: Executor | None = None,
) -> Measured:
    """Measure interpreters side by side.

    Parameters
    ----------
    subjects : sequence of Interpreter
        The first is the reference, unless the settings name another.
    settings : Settings, optional
    progress : callable, optional
        Called as ``progress(done, total, label)`` with seconds of the budget.
    workload_source : str, optional
        Of the module with ``WORKLOADS`` and ``SPAWNS``; ours unless given.
    executor : Executor, optional
        What opens workers; real processes unless given.

    Raises
    ------
    SettingsError
        If the settings name a reference that is none of the subjects.
    """
    settings = settings or Settings()
    seed = settings.seed or secrets.token_hex(8)
    failed: dict[str, str] = {}
    able: list[Interpreter] = []
    for subject in subjects:
        if not isinstance(subject, Interpreter):
            failed[subject.id] = "a program cannot be timed as an interpreter"
        elif subject.error is not None:
            failed[subject.id] = subject.error
        elif subject.id not in (one.id for one in able):
            able.append(subject)
    if settings.reference is not None:
        if settings.reference not in (subject.id for subject in subjects):
            raise SettingsError(f"{settings.reference}: the reference is none of the subjects")
        able.sort(key=lambda subject: subject.id != settings.reference)
    with Spool(settings.spool) as spool:
        if able and settings.reference not in failed:
            source = guest_script("workloads").decode() if workload_source is None else workload_source
            with (
                unwound_by_signals(),
                Processes(source, settings.own, settings.memory_bytes) as processes,
            ):
                context = Context(
                    settings,
                    executor or processes,
                    Record(spool, failed),
                    allowed_cores(settings.cores),
                    progress,
                    processes.scratch,
                )
                try:
                    Measurement(context, able, seed).run()
                except ReferenceLostError as error:
                    for subject in able:
                        failed.setdefault(subject.id, str(error))
        else:
            for subject in able:
                failed.setdefault(subject.id, "the reference cannot be measured")
        frames = spool.frames()
    # One that could not even be started has said why; asking it again may take long.
    measured = [subject for subject in able if subject.id not in failed]
    frames[BUILD_FACTS.name] = _built(measured)
    frames[INSTRUCTIONS.name] = INSTRUCTIONS.frame(
        count_instructions(subject, name, _COUNTED) for subject in measured for name in settings.instructions
    )
    return Measured(frames, failed)


def _built(subjects: Sequence[Interpreter]) -> pd.DataFrame:
    import pandas as pd

    found = [probe_build(subject)[BUILD_FACTS.name] for subject in subjects]
    return pd.concat(found, ignore_index=True) if found else BUILD_FACTS.frame([])
