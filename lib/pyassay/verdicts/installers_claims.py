"""Claims about installers: what each of them answered, and whether the claim still holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from packaging.version import InvalidVersion, Version

from pyassay.probes.installers.catalogue import Claim, catalogue
from pyassay.probes.observations import Column, TableSchema
from pyassay.verdicts.installers_speed import SPEED_CLAIMS, speed_claims

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ANSWERS", "CLAIMS", "Held", "answers", "claims", "family_of", "newest"]

_NO_ANSWER = ("not measured", "not applicable")


class Held(StrEnum):
    """Whether a claim still holds."""

    YES = "yes"
    PARTLY = "partly"
    NO = "no"
    NOT_MEASURED = "not measured"


ANSWERS = TableSchema(
    "installers_answers_judged",
    "One row per claim and installer: its answer, in words, and whether it is the claimed one.",
    (
        Column("claim", "text", "Key of the catalogue."),
        Column("group", "text", "The group of probes that tried it."),
        Column("subject_id", "text", "Which installer."),
        Column("family", "text", "`uv` or `pip`."),
        Column("answer", "text", "One of the claim's answers, or `not measured`, `not applicable`."),
        Column("means", "text", "What that answer means; why it was not measured."),
        Column("as_claimed", "flag", "Whether it is what is claimed of its family; missing: nothing is."),
        Column("seen", "text", "What was seen."),
        Column("command", "text", "The command that shows it."),
        Column("exit_code", "count", "Its exit status."),
        Column("duration_s", "number", "Its wall seconds."),
    ),
)

CLAIMS = TableSchema(
    "installers_claims_judged",
    "One row per claim of the catalogue: whether it still holds, and what changed between versions of uv.",
    (
        Column("claim", "text", "Key of the catalogue."),
        Column("group", "text", "The group of probes that tried it."),
        Column("title", "text", "A few words."),
        Column("statement", "text", "What is claimed."),
        Column("source", "text", "Where."),
        Column("still_true", "text", "yes, partly, no, not measured: of the newest of each family."),
        Column("changed", "flag", "Whether the oldest and the newest uv that were tried differ."),
        Column("why", "text", "What decides, one sentence."),
    ),
)


def family_of(subject_id: str) -> str:
    """Return the family of an installer: ``uv-0.13.8`` is of ``uv``."""
    return subject_id.split("-", 1)[0]


def newest(subjects: Iterable[str], family: str) -> str:
    """Return the newest installer of a family; empty: there is none."""
    own = [subject for subject in subjects if family_of(subject) == family]
    return max(own, key=_version, default="")


def _version(subject_id: str) -> tuple[bool, Version, str]:
    try:
        return True, Version(subject_id.split("-", 1)[1]), subject_id
    except (InvalidVersion, IndexError):
        return False, Version("0"), subject_id


def answers(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return every answer beside what is claimed: see :data:`ANSWERS`.

    An answer that the catalogue does not know (of a newer probe) is shown as it stands.
    """
    known = catalogue()
    rows: list[dict[str, Any]] = []
    for row in tables["installer_answers"].to_dict("records"):
        claim = known.get(str(row["claim"]))
        if claim is None:
            continue
        family, answer = family_of(str(row["subject_id"])), str(row["answer"])
        claimed = claim.claimed.get(family)
        has_answer = answer not in _NO_ANSWER
        rows.append(
            {
                "claim": claim.key,
                "group": claim.group,
                "subject_id": row["subject_id"],
                "family": family,
                "answer": answer,
                "means": claim.answers.get(answer, answer) if has_answer else str(row["reason"]),
                "as_claimed": None if claimed is None or not has_answer else answer == claimed,
                "seen": row["seen"],
                "command": row["command"],
                "exit_code": row["exit_code"],
                "duration_s": row["duration_s"],
            }
        )
    order = {key: place for place, key in enumerate(known)}
    rows.sort(key=lambda one: order[one["claim"]])
    return ANSWERS.frame(rows)


def claims(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Judge every claim of the catalogue: see :data:`CLAIMS`.

    A claim holds if the newest installer of every family that it speaks of answers as is claimed, and holds
    partly if some do. Of a claim whose measurements are times, :mod:`.installers_speed` decides.
    """
    given = answers(tables)
    timed = speed_claims(tables)
    rows = []
    for claim in catalogue().values():
        if claim.key in SPEED_CLAIMS:
            held, why, changed = *timed[claim.key], False
        else:
            held, why, changed = _judged(claim, given[given["claim"] == claim.key])
        rows.append(
            {
                "claim": claim.key,
                "group": claim.group,
                "title": claim.title,
                "statement": claim.statement,
                "source": claim.source,
                "still_true": str(held),
                "changed": changed,
                "why": why,
            }
        )
    return CLAIMS.frame(rows)


def _judged(claim: Claim, rows: pd.DataFrame) -> tuple[Held, str, bool]:
    by_subject = {str(row["subject_id"]): row for row in rows.to_dict("records")}
    decisive = [by_subject[subject] for family in claim.claimed if (subject := newest(by_subject, family))]
    told = [row for row in decisive if row["answer"] not in _NO_ANSWER]
    if not told:
        reasons = [str(row["means"]) for row in decisive if row["means"]]
        return Held.NOT_MEASURED, reasons[0] if reasons else "no installer of its kind took part", False
    right = [row for row in told if row["as_claimed"] is True]
    held = Held.YES if len(right) == len(told) else (Held.PARTLY if right else Held.NO)
    shown = told if held is Held.YES else [row for row in told if row["as_claimed"] is not True]
    why = "; ".join(f"{row['family']}: {row['means']}" for row in shown)
    if held is Held.YES and len({row["means"] for row in shown}) == 1 and len(shown) > 1:
        why = f"both: {shown[0]['means']}"
    uvs = sorted((one for one in by_subject if family_of(one) == "uv"), key=_version)
    seen = {by_subject[one]["answer"] for one in uvs if by_subject[one]["answer"] not in _NO_ANSWER}
    return held, why, len(seen) > 1
