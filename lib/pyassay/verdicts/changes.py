"""What changed between two evidence sets: verdicts, versions, floors, modules, libraries, answers, speed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from pyassay.verdicts import judge
from pyassay.verdicts.lowering import some
from pyassay.verdicts.performance import comparisons, reference_of
from pyassay.verdicts.policy import Policy
from pyassay.verdicts.requirements import flag, rows_by_subject, text

if TYPE_CHECKING:
    from pyassay.evidence import Evidence

__all__ = ["CHANGE_COLUMNS", "Speed", "changes", "speeds"]

CHANGE_COLUMNS = ("subject_id", "label", "what", "before", "after")
_MODULES = {
    "stdlib": "standard modules",
    "site": "modules of its packages",
    "library": "libraries of its own",
}
_OUTSIDE = "libraries from outside"
_SPEED = "performance"
_SPEED_CHANGED = "speed (not measured side by side)"
_MEMBERS = (*_MODULES.values(), _OUTSIDE)


@dataclass(frozen=True, slots=True)
class Speed:
    """The suite's CPU time as times that of a reference, with its interval and the margin that counts."""

    reference: str
    ratio: float
    low: float
    high: float
    margin_percent: float

    def __str__(self) -> str:
        return f"{self.ratio:.3f} ({self.low:.3f} to {self.high:.3f}) times {self.reference}"


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
        ``verdict on portability``, ``floor of GLIBC``, ``standard modules``, ``libraries from outside``,
        ``answer to venv_copies``, ``version of openssl inside``, ``speed (not measured side by side)`` ...),
        ``before`` and ``after`` (text; empty: was or is not there; of modules and libraries those that are
        gone, and those that are new, counted and named). Subjects are matched by their ids. Empty when
        nothing changed.
    """
    old, new = _facts(before, policy), _facts(after, policy)
    old_members, new_members = _members(before), _members(after)
    old_speeds, new_speeds = (speeds(one, policy) for one in (before, after))
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
            if (sped := _speeds_apart(old_speeds.get(subject_id), new_speeds.get(subject_id))) is not None:
                add(subject_id, _SPEED_CHANGED, *sped)
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


def _carried(evidence: Evidence) -> dict[str, dict[str, set[str]]]:
    found: dict[str, dict[str, set[str]]] = {}
    for row in evidence.table("bundled_libraries").to_dict("records"):
        if row["library"] and row["version"] and row["scope"] != "site":
            versions = found.setdefault(str(row["subject_id"]), {}).setdefault(str(row["library"]), set())
            versions.add(str(row["version"]))
    return found


def speeds(evidence: Evidence, policy: Policy | None) -> dict[str, Speed]:
    """Return how fast each interpreter is over the suite, as times the reference; empty: not measured."""
    if "performance_samples" not in evidence.tables:
        return {}
    tables = evidence.about(_SPEED)
    reference = reference_of(tables)
    if not reference:
        return {}
    found = comparisons(tables, policy or Policy.load())
    suite = found[(found["scope"] == "suite") & (found["metric"] == "cpu") & (found["entry"] == "subject")]
    return {
        str(row["subject_id"]): Speed(reference, row["ratio"], row["low"], row["high"], row["margin_percent"])
        for row in suite.to_dict("records")
    }


def _speeds_apart(was: Speed | None, now: Speed | None) -> tuple[str, str] | None:
    """Return both figures where the intervals, widened by the margins, lie apart."""
    if was is None or now is None or was.reference != now.reference:
        return None
    room = max(was.margin_percent, now.margin_percent) / 100
    if not now.low > was.high * (1 + room) and not now.high < was.low * (1 - room):
        return None
    return str(was), str(now)


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
        # Figures of speed are never the same twice: they are compared with their intervals, below.
        if verdict.question != _SPEED:
            facts[verdict.subject_id][f"headline on {verdict.question}"] = verdict.headline
    if "quirks" in evidence.tables:
        for row in evidence.table("quirks").to_dict("records"):
            answer = str(row["answer"]) or str(row["outcome"])
            facts[str(row["subject_id"])][f"answer to {row['quirk']}"] = answer
    if "bundled_libraries" in evidence.tables:
        for subject_id, versions in _carried(evidence).items():
            for library, found in versions.items():
                facts[subject_id][f"version of {library} inside"] = ", ".join(sorted(found))
    if "floors" in evidence.tables:
        floors = evidence.table("floors")
        for row in floors[floors["hard"] != ""].to_dict("records"):
            of = "" if row["scope"] == "own" else " in its packages"
            facts[str(row["subject_id"])][f"floor of {row['family']}{of}"] = str(row["hard"])
    return facts
