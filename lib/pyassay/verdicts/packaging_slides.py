"""The measured table beside the slides': where they differ, and by what evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from pyassay.reference import load
from pyassay.verdicts.packaging_criteria import Mark
from pyassay.verdicts.packaging_marks import marks
from pyassay.verdicts.policy import Policy

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "AGREES",
    "COMPARED_COLUMNS",
    "DEPENDS",
    "DIFFERS",
    "NOT_GIVEN",
    "NOT_MEASURED",
    "slides_comparison",
]

AGREES, DIFFERS, NOT_GIVEN, NOT_MEASURED = "agrees", "differs", "no mark handed down", "not measured"
DEPENDS = "depends"
"""Some of the builds of this tool are as the slides say, and some are not."""

COMPARED_COLUMNS = (
    *("tool", "criterion", "slides", "measured", "theirs", "finding", "why", "hand_check"),
    *("subject_id", "table", "where", "command", "error_line"),
)
_NOT_YES = "not yes"


def slides_comparison(
    tables: Mapping[str, pd.DataFrame], policy: Policy, on: date, marked: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Put what was measured beside what the slides say.

    Parameters
    ----------
    tables, policy, on, marked
        As for :func:`pyassay.verdicts.packaging.judge`.

    Returns
    -------
    DataFrame
        One row per tool and criterion of the slides: ``tool``, ``criterion``; ``slides`` (their mark; empty:
        not handed down, ``not yes``: anything else); ``measured`` (a list: the marks of the builds of this
        tool, best first, each once), ``theirs`` (whether that is the slides' mark, for want of a
        measurement), ``finding`` (agrees, differs, depends, not measured, no mark handed down), ``why`` (the
        evidence in a sentence; where it depends: on what), ``hand_check`` (what was found by hand) and the
        evidence of one build that is not as they say: ``subject_id``, ``table``, ``where``, ``command``,
        ``error_line``.
    """
    import pandas as pd

    marked = marks(tables, policy, on) if marked is None else marked
    builds = tables["packaging_builds"]
    facts = {str(row["subject_id"]): row for row in builds.to_dict("records")}
    rows = []
    for cell in load("packaging_slides").frame.to_dict("records"):
        ids = builds.loc[builds["slides_row"].str.casefold() == str(cell["tool"]).casefold(), "subject_id"]
        chosen = marked[marked["subject_id"].isin(ids) & (marked["criterion"] == cell["criterion"])]
        own = [{str(key): value for key, value in row.items()} for row in chosen.to_dict("records")]
        rows.append(_compared({str(key): str(value) for key, value in cell.items()}, own, facts))
    return pd.DataFrame(rows, columns=list(COMPARED_COLUMNS))


def _compared(
    cell: Mapping[str, str], own: Sequence[Mapping[str, Any]], facts: Mapping[str, Mapping[Any, Any]]
) -> dict[str, Any]:
    measured = [row for row in own if not row["theirs"] and row["mark"] != Mark.NOT_MEASURED]
    row = {
        "tool": cell["tool"],
        "criterion": cell["criterion"],
        "slides": cell["mark"],
        "measured": [str(mark) for mark in Mark if any(one["mark"] == mark for one in measured)],
        "theirs": False,
        "hand_check": cell["hand_check"],
        **{"subject_id": "", "table": "", "where": {}, "command": "", "error_line": ""},
    }
    if not measured:
        why = own[0]["why"] if own else "no form of it was built here"
        why = str(why).removeprefix("The slides' mark, not ours: ")
        theirs = bool(cell["mark"]) and cell["mark"] != _NOT_YES
        taken = [cell["mark"]] if theirs else []
        return row | {"measured": taken, "theirs": theirs, "finding": NOT_MEASURED, "why": why}
    like = [one for one in measured if _as_they_say(cell["mark"], str(one["mark"]))]
    unlike = [one for one in measured if one not in like]
    shown = (unlike or measured)[0]
    row |= {key: shown[key] for key in ("subject_id", "table", "where", "command", "error_line")}
    if not cell["mark"]:
        finding, why = NOT_GIVEN, _spread(measured, facts) or str(shown["why"])
    elif not unlike:
        finding, why = AGREES, str(shown["why"])
    elif not like:
        finding, why = DIFFERS, str(shown["why"])
    else:
        finding = DEPENDS
        why = f"{_spread(measured, facts)}. {shown['why']}"
    return row | {"finding": finding, "why": why}


def _as_they_say(theirs: str, ours: str) -> bool:
    return ours != Mark.YES if theirs == _NOT_YES else ours == theirs


def _spread(measured: Sequence[Mapping[str, Any]], facts: Mapping[str, Mapping[Any, Any]]) -> str:
    """Return on what a mark depends: the wheels, the form, or both; empty: they are all alike."""
    of: dict[str, dict[str, list[str]]] = {"inputs_kind": {}, "label": {}, "python": {}}
    for one in measured:
        for column, groups in of.items():
            name = str(facts[str(one["subject_id"])][column])
            groups.setdefault(name, []).append(str(one["mark"]))
    if len({str(one["mark"]) for one in measured}) == 1:
        return ""
    causes = (("inputs_kind", "the wheels"), ("label", "the form"), ("python", "the Python that packs"))
    for column, words in causes:
        groups = of[column]
        if all(len(set(found)) == 1 for found in groups.values()):
            told = ", ".join(f"{found[0]} ({name or 'any'})" for name, found in groups.items())
            return f"It depends on {words}: {told}"
    return "It depends on more than one thing: form, wheels or Python"
