"""What changed between two evidence sets: verdicts, versions, floors, modules and libraries; subjects."""

from __future__ import annotations

import re
from collections.abc import Mapping, Set
from typing import TYPE_CHECKING

import pandas as pd

from pyassay.verdicts import judge
from pyassay.verdicts.lowering import some
from pyassay.verdicts.policy import Policy
from pyassay.verdicts.requirements import flag, rows_by_subject, text

if TYPE_CHECKING:
    from pyassay.evidence import Evidence

__all__ = ["CHANGE_COLUMNS", "changes"]

CHANGE_COLUMNS = ("subject_id", "label", "what", "before", "after")
_MODULES = {
    "stdlib": "standard modules",
    "site": "modules of its packages",
    "library": "libraries of its own",
}
_OUTSIDE = "libraries from outside"
_MEMBERS = (*_MODULES.values(), _OUTSIDE)


def changes(before: Evidence, after: Evidence, policy: Policy | None = None) -> pd.DataFrame:
    """Compare two evidence sets under one policy.

    Parameters
    ----------
    before, after : Evidence
        Sets of the same questions. Each is judged as of its own day.
    policy : Policy, optional
        The shipped default when omitted.

    Returns
    -------
    DataFrame
        One row per difference: ``subject_id``, ``label``, ``what`` (``subject``, ``version``, ``provenance``,
        ``verdict on portability``, ``floor of GLIBC``, ``standard modules``, ``libraries from outside`` ...),
        ``before`` and ``after`` (text; empty: was or is not there; of modules and libraries those that are
        gone, and those that are new, counted and named). Subjects are matched by their ids. Empty when
        nothing changed.
    """
    old, new = _facts(before, policy), _facts(after, policy)
    old_members, new_members = _members(before), _members(after)
    labels = {**_labels(before), **_labels(after)}
    rows: list[dict[str, str]] = []

    def add(subject_id: str, what: str, was: str, now: str) -> None:
        label = labels[subject_id]
        rows.append({"subject_id": subject_id, "label": label, "what": what, "before": was, "after": now})

    for subject_id in [*new, *(gone for gone in old if gone not in new)]:
        if subject_id not in old:
            add(subject_id, "subject", "", "new")
        elif subject_id not in new:
            add(subject_id, "subject", "was there", "")
        else:
            was, now = old[subject_id], new[subject_id]
            for what in dict.fromkeys([*now, *was]):
                if was.get(what, "") != now.get(what, ""):
                    add(subject_id, what, was.get(what, ""), now.get(what, ""))
            for what in _MEMBERS:
                had = old_members.get((subject_id, what), set())
                has = new_members.get((subject_id, what), set())
                if had != has:
                    add(subject_id, what, _counted(had - has, "gone"), _counted(has - had, "new"))
    return pd.DataFrame(rows, columns=list(CHANGE_COLUMNS))


def _members(evidence: Evidence) -> dict[tuple[str, str], set[str]]:
    """Return the modules and libraries of each subject, by subject and kind."""
    found: dict[tuple[str, str], set[str]] = {}
    for subject_id, rows in rows_by_subject(evidence.tables.get("files"), "file", "scope").items():
        for file, scope in rows:
            if (kind := _MODULES.get(text(scope))) is not None:
                found.setdefault((subject_id, kind), set()).add(_module(text(file)))
    libraries = rows_by_subject(evidence.tables.get("libraries"), "soname", "inside", "allowed")
    for subject_id, rows in libraries.items():
        outside = {text(soname) for soname, inside, allowed in rows if not flag(inside) and not flag(allowed)}
        found[subject_id, _OUTSIDE] = outside
    return found


def _module(file: str) -> str:
    """Return the name of a module without what changes with every version of Python: folder and suffix."""
    path = re.sub(r"^.*/(?:site-packages|dist-packages|lib-dynload)/|^lib/python[0-9.]+t?/", "", file)
    folder, slash, name = path.rpartition("/")
    return folder + slash + name.partition(".")[0]


def _counted(names: Set[str], what: str) -> str:
    return f"{len(names)} {what}: {some(sorted(names))}" if names else ""


def _labels(evidence: Evidence) -> dict[str, str]:
    subjects = evidence.table("subjects")
    return dict(zip(subjects["subject_id"], subjects["label"], strict=True))


def _facts(evidence: Evidence, policy: Policy | None) -> Mapping[str, dict[str, str]]:
    """Return what is compared, by subject."""
    facts: dict[str, dict[str, str]] = {}
    for row in evidence.table("subjects").to_dict("records"):
        facts[str(row["subject_id"])] = {
            "version": str(row["version"]),
            "provenance": str(row["provenance"]),
            "build date": str(row["build_date"]),
        }
    for verdict in judge(evidence, policy):
        facts[verdict.subject_id][f"verdict on {verdict.question}"] = str(verdict.level)
        facts[verdict.subject_id][f"headline on {verdict.question}"] = verdict.headline
    if "floors" in evidence.tables:
        floors = evidence.table("floors")
        for row in floors[floors["hard"] != ""].to_dict("records"):
            of = "" if row["scope"] == "own" else " in its packages"
            facts[str(row["subject_id"])][f"floor of {row['family']}{of}"] = str(row["hard"])
    return facts
