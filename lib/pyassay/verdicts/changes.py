"""What changed between two evidence sets: verdicts, versions and floors; new and vanished subjects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd

from pyassay.verdicts import judge
from pyassay.verdicts.policy import Policy

if TYPE_CHECKING:
    from pyassay.evidence import Evidence

__all__ = ["CHANGE_COLUMNS", "changes"]

CHANGE_COLUMNS = ("subject_id", "label", "what", "before", "after")


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
        ``verdict on portability``, ``floor of GLIBC`` ...), ``before`` and ``after`` (text; empty: was or is
        not there). Subjects are matched by their ids. Empty when nothing changed.
    """
    old, new = _facts(before, policy), _facts(after, policy)
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
    return pd.DataFrame(rows, columns=list(CHANGE_COLUMNS))


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
