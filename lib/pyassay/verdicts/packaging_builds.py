"""What the tables hold on one packaged application, and the mark that a rule gives it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pyassay.verdicts.packaging_criteria import Mark

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "BUILT",
    "EVERYWHERE",
    "FAILED",
    "OF_BUILDS",
    "RAN",
    "Build",
    "Marked",
    "first_failure",
    "first_names",
    "is_package",
    "known",
    "resting_on",
    "shown_names",
    "stated_reason",
    "unmeasured",
    "why_not_run",
]

BUILT, RAN, FAILED = "built", "ran", "failed"
OF_BUILDS = (
    "packaging_runs",
    "packaging_circumstances",
    "packaging_footprints",
    "packaging_repeats",
    "packaging_contents",
)
"""Tables with a column ``subject_id`` that hold what happened to a build."""

# On every Linux that has a Python, or a package manager: no packager has to carry them.
EVERYWHERE = re.compile(r"(libz\.so\.1|libgcc_s\.so\.1|libstdc\+\+\.so\.6)$")
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Marked:
    """A mark and what it follows from."""

    mark: Mark
    value: str
    why: str
    table: str = ""
    where: Mapping[str, str] = field(default_factory=dict)
    command: str = ""
    error_line: str = ""


@dataclass(frozen=True, slots=True)
class Build:
    """What the tables hold on one build."""

    id: str
    row: Mapping[str, Any]
    tables: Mapping[str, Sequence[Mapping[str, Any]]]

    @property
    def slides_row(self) -> str:
        """Return the row of the slides' table that it belongs to; empty: none."""
        return str(self.row["slides_row"])

    @property
    def runs(self) -> list[Mapping[str, Any]]:
        """Return the runs that were measured."""
        return [run for run in self.tables.get("packaging_runs", ()) if run["outcome"] in (RAN, FAILED)]

    @property
    def counted(self) -> list[Mapping[str, Any]]:
        """Return the runs that count for this form.

        Those in distributions; where the very Python was brought only if it carries none.
        """
        carries = known(self.row["carries_python"]) and bool(self.row["carries_python"])
        return [run for run in self.runs if run["distribution"] and not (carries and run["has_builder"])]

    def bare(self) -> list[Mapping[str, Any]]:
        """Return the runs in bare images of distributions."""
        return [
            run
            for run in self.counted
            if not (run["has_python"] or run["has_libraries"] or run["has_builder"])
        ]

    def started(self, state: str, what: str = "help") -> Mapping[str, Any] | None:
        """Return the comparison of its start with ``python -m``; None: it was not measured."""
        rows = [row for row in self.tables.get("starts", ()) if row["state"] == state]
        return next((row for row in rows if row["what"] == what), rows[0] if rows else None)


def known(value: object) -> bool:
    """Tell whether a cell holds something: neither None, nor NaN, nor pandas' NA."""
    return value is not None and not (isinstance(value, float) and math.isnan(value)) and str(value) != "<NA>"


def shown_names(tables: Mapping[str, pd.DataFrame]) -> dict[str, str]:
    """Return what to call each subject: ``shiv (raw wheels, 3.12.10)``, which can stand in a list."""
    forms = dict(
        zip(tables["packaging_builds"]["subject_id"], tables["packaging_builds"]["label"], strict=True)
    )
    names = {}
    for subject, label in zip(tables["subjects"]["subject_id"], tables["subjects"]["label"], strict=True):
        form = str(forms.get(subject, ""))
        rest = str(label).removeprefix(f"{form}, ")
        names[str(subject)] = str(label) if not form or rest == label else f"{form} ({rest})"
    return names


def first_names(names: Sequence[str], most: int = _SHOWN) -> str:
    """Return the first of several names, and how many more there are."""
    listed = list(dict.fromkeys(names))
    rest = len(listed) - most
    return ", ".join(listed[:most]) + (f" and {rest} more" if rest > 0 else "")


def unmeasured(why: str, table: str = "", **where: str) -> Marked:
    """Return the mark of what was not measured."""
    return Marked(Mark.NOT_MEASURED, "", why, table, where)


def why_not_run(build: Build) -> str:
    """Return why it ran nowhere."""
    reasons = [
        str(run["error_line"])
        for run in build.tables.get("packaging_runs", ())
        if run["outcome"] not in (RAN, FAILED) and run["error_line"]
    ]
    return reasons[0] if reasons else "it was run nowhere"


def resting_on(run: Mapping[str, Any], mark: Mark, value: str, why: str) -> Marked:
    """Return a mark that rests on one run."""
    where = {"environment": str(run["environment"])}
    error = str(run["error_line"]) if run["outcome"] == FAILED else ""
    return Marked(mark, value, why, "packaging_runs", where, str(run["command"]), error)


def first_failure(runs: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Return the first run that failed."""
    return next((run for run in runs if run["outcome"] == FAILED), None)


def is_package(build: Build) -> bool:
    """Tell whether a package manager installs it."""
    return str(build.row["delivery"]) == "package"


def stated_reason(rows: Sequence[Mapping[str, Any]], otherwise: str) -> str:
    """Return the first reason that rows give."""
    return next((str(row["reason"]) for row in rows if row["reason"]), otherwise)
