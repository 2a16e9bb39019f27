"""Marks of packaged applications: each follows from rows of the evidence, and says from which."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, Any

from pyassay.reference import load
from pyassay.verdicts.packaging_builds import BUILT, OF_BUILDS, Build, Marked
from pyassay.verdicts.packaging_costs import COSTS, OF_DAYS, OF_TOOL, circumstance
from pyassay.verdicts.packaging_criteria import CIRCUMSTANCES, CRITERIA, SLIDES, Mark, criterion
from pyassay.verdicts.packaging_reach import REACH
from pyassay.verdicts.packaging_starts import starts
from pyassay.verdicts.policy import Policy

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MARK_COLUMNS", "builds", "marks"]

MARK_COLUMNS = (
    *("subject_id", "criterion", "group", "mark", "value", "why", "theirs"),
    *("table", "where", "command", "error_line"),
)


_RULES = {**REACH, **COSTS}


def builds(tables: Mapping[str, pd.DataFrame]) -> list[Build]:
    """Return what is known of each build, in the order of the table of builds."""
    timed = starts(tables)
    by: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for name in OF_BUILDS:
        for row in _records(tables[name]):
            by.setdefault(str(row["subject_id"]), {}).setdefault(name, []).append(row)
    for row in _records(timed[timed["command_id"] != timed["reference"]]):
        by.setdefault(str(row["command_id"]), {}).setdefault("starts", []).append(row)
    return [
        Build(str(row["subject_id"]), row, by.get(str(row["subject_id"]), {}))
        for row in _records(tables["packaging_builds"])
    ]


def marks(
    tables: Mapping[str, pd.DataFrame], policy: Policy, on: date, found: list[Build] | None = None
) -> pd.DataFrame:
    """Mark every build by every criterion.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        Those of :mod:`pyassay.probes.packaging.tables`.
    policy : Policy
        Its section ``packaging`` sets the limits.
    on : date
        The day of the evidence: as of it branches of OpenSSL have ended and tools are dormant.
    found : list of Build, optional
        What :func:`builds` returned for the same, if that is known already.

    Returns
    -------
    DataFrame
        One row per build and criterion: ``subject_id``, ``criterion`` (a key of
        :data:`pyassay.verdicts.packaging_criteria.CRITERIA`, or of a circumstance that has no title),
        ``group``, ``mark`` (see :class:`~pyassay.verdicts.packaging_criteria.Mark`), ``value`` (what was
        counted or measured: ``12 of 13``), ``why`` (one sentence), ``theirs`` (whether the mark is the
        slides' because it could not be measured), ``table`` and ``where`` (which rows), ``command`` (what was
        run) and ``error_line`` (what it said).
    """
    import pandas as pd

    found = builds(tables) if found is None else found
    circumstances = list(dict.fromkeys([*CIRCUMSTANCES, *tables["packaging_circumstances"]["circumstance"]]))
    seen = set(tables["packaging_circumstances"]["circumstance"])
    # Where one form of a tool was built, the slides' marks say nothing on another.
    made = {build.slides_row.casefold() for build in found if build.row["status"] == BUILT}
    given = {key: mark for key, mark in _slides_marks().items() if key[0] not in made}
    rows = []
    for build in found:
        for key in CRITERIA:
            if key not in circumstances:
                rows.append(_row(build, key, _marked(build, key, policy, on), given))
        rows += [_row(build, key, circumstance(build, key), given) for key in circumstances if key in seen]
    return pd.DataFrame(rows, columns=list(MARK_COLUMNS))


def _marked(build: Build, key: str, policy: Policy, on: date) -> Marked:
    if key in OF_TOOL:
        return OF_TOOL[key](build, on)
    if build.row["status"] != BUILT:
        reason = f"{build.row['status']}: {build.row['reason']}".strip(": ")
        return Marked(Mark.NOT_MEASURED, "", reason, "packaging_builds")
    if key in OF_DAYS:
        return OF_DAYS[key](build, on)
    return _RULES[key](build, policy.packaging)


def _row(build: Build, key: str, marked: Marked, given: Mapping[tuple[str, str], str]) -> dict[str, Any]:
    mark, theirs, why = marked.mark, False, marked.why
    if mark is Mark.NOT_MEASURED and (taken := given.get((build.slides_row.casefold(), key))):
        mark, theirs = Mark(taken), True
        why = f"The slides' mark, not ours: {why}"
    return {
        "subject_id": build.id,
        "criterion": key,
        "group": criterion(key).group,
        "mark": str(mark),
        "value": marked.value,
        "why": why,
        "theirs": theirs,
        "table": marked.table,
        "where": {"subject_id": build.id, **marked.where},
        "command": marked.command,
        "error_line": marked.error_line,
    }


def _slides_marks() -> dict[tuple[str, str], str]:
    """Return the slides' marks that are marks of ours, too: what is not handed down is none."""
    columns = {one.key for one in SLIDES}
    return {
        (str(row["tool"]).casefold(), str(row["criterion"])): str(row["mark"])
        for row in load("packaging_slides").frame.to_dict("records")
        if row["mark"] in set(Mark) and row["criterion"] in columns
    }


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return rows; a flag that is not known is None, which is as good as False where it is asked for."""
    import pandas as pd

    return [
        {str(key): None if value is pd.NA else value for key, value in row.items()}
        for row in frame.to_dict("records")
    ]
