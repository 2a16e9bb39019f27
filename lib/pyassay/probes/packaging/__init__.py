"""Packaging: one application packed in every way, run everywhere, and looked at from all sides.

Each part keeps its results by content, so that an interrupted run goes on where it was, and a packager that
fails leaves the others. Whatever was not measured is a row that says why.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from pyassay.packagers.wheels import ProjectError
from pyassay.packagers.wheels import project as read_project
from pyassay.places.interruption import unwound_by_signals
from pyassay.probes.measured import Measured
from pyassay.probes.packaging.pythons import chosen, takes
from pyassay.probes.packaging.session import Measurement
from pyassay.probes.packaging.settings import Settings, SettingsError
from pyassay.probes.packaging.tables import TABLES
from pyassay.subjects.model import Subject

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TABLES", "Measured", "Settings", "SettingsError", "measure", "takes"]

Progress = Callable[[int, int, str], None]


def measure(
    subjects: Sequence[Subject],
    settings: Settings | None = None,
    progress: Progress | None = None,
    *,
    saved: Callable[[dict[str, pd.DataFrame]], None] | None = None,
) -> Measured:
    """Pack, run and look.

    Parameters
    ----------
    subjects : sequence of Interpreter or Artifact
        Pythons that may pack; see :func:`takes` and :mod:`pyassay.probes.packaging.pythons`.
    settings : Settings, optional
    progress : callable, optional
        Called as ``progress(done, total, label)``.
    saved : callable, optional
        Given all tables as far as they are, after each part.

    Raises
    ------
    SettingsError
        If there is no Python that packs, or the project is none.
    """
    settings = settings or Settings()
    try:
        project = read_project(settings.project_folder)
    except ProjectError as error:
        raise SettingsError(str(error)) from error
    pythons = chosen(subjects, settings.pythons)
    if not pythons:
        raise SettingsError("no Python that packs: a CPython of this host, 3.9 or newer, is needed")

    def frames(rows: dict[str, list[dict[str, Any]]]) -> dict[str, pd.DataFrame]:
        return {schema.name: schema.frame(rows[schema.name]) for schema in TABLES}

    with unwound_by_signals(), Measurement.open(settings, project, progress or _silent) as measurement:
        for rows in measurement.parts(pythons):
            if saved is not None:
                saved(frames(rows))
    candidates = measurement.candidates
    return Measured(
        frames(measurement.rows),
        {one.subject_id: one.reason or one.status for one in candidates if one.status == "failed"},
        tuple(one.subject for one in candidates),
    )


def _silent(done: int, total: int, label: str) -> None:
    """Say nothing."""
