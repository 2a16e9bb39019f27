"""Rules on compatibility: how each answer is read, what the policy needs, and what was to be expected."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import TYPE_CHECKING, Any

from pyassay.probes.compatibility import MEASURED, NOT_APPLICABLE, NOT_MEASURED
from pyassay.probes.observations import records
from pyassay.probes.quirks import CONSEQUENCES, Quirk, catalogue
from pyassay.reference import load
from pyassay.verdicts.expectations import FIXED, KNOWN, UNEXPECTED, Expectation, day_of_build, expectation
from pyassay.verdicts.model import Level, Reason, Verdict, unanswered
from pyassay.verdicts.policy import CompatibilityPolicy, Policy

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["READING_COLUMNS", "judge", "readings"]

QUESTION = "compatibility"
_NOTE = "note"
READING_COLUMNS = (
    *("subject_id", "quirk", "consequence", "question", "outcome", "answer", "level", "means", "observed"),
    *("reason", "needed", "state", "note", "reference", "workaround", "command"),
)
_SHARED_STATES = {
    KNOWN: "known of builds of this kind",
    UNEXPECTED: "unexpected: other builds of this kind do better",
}


def readings(tables: Mapping[str, pd.DataFrame], policy: Policy, on: date) -> pd.DataFrame:
    """Read every answer.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        ``subjects`` and ``quirks``.
    policy : Policy
        Its section ``compatibility``.
    on : date
        The day of the evidence: a table of expectations past its shelf life says nothing.

    Returns
    -------
    DataFrame
        One row per interpreter and question: ``subject_id``, ``quirk``, ``consequence``, ``question``,
        ``outcome``, ``answer``; ``level`` (good, caution, bad; unknown: not measured; empty: does not apply),
        ``means`` (the answer in words), ``observed``, ``reason`` (why not), ``needed`` (whether the policy
        needs it), ``state``, ``note`` and ``reference`` (see :mod:`pyassay.verdicts.expectations`),
        ``workaround``, ``command``.
    """
    import pandas as pd

    known = catalogue()
    stale = load("quirk_expectations").stale(on)
    builds = {
        str(row["subject_id"]): (
            str(row["builder"]),
            str(row["version"]),
            day_of_build(str(row["build_date"])),
        )
        for row in records(tables["subjects"])
    }
    rows = []
    for row in records(tables["quirks"]):
        # A quirk that this catalogue no longer has (older evidence) cannot be read.
        quirk = known.get(str(row["quirk"]))
        if quirk is None or quirk.id in policy.compatibility.ignore:
            continue
        builder, version, built = builds[str(row["subject_id"])]
        expected = Expectation("")
        if row["outcome"] == MEASURED and row["answer"] in quirk.answers and not stale:
            expected = expectation(quirk, row["answer"], builder=builder, version=version, built=built)
        rows.append(_reading(row, quirk, policy.compatibility, expected))
    return pd.DataFrame(rows, columns=list(READING_COLUMNS))


def _reading(
    row: Mapping[str, Any], quirk: Quirk, policy: CompatibilityPolicy, expected: Expectation
) -> dict[str, Any]:
    read = quirk.answers.get(row["answer"])
    # What plain builds lack, too, is missed only by who asks for that very thing.
    is_note = read is not None and read.level == _NOTE
    named = {quirk.id, *quirk.uses} if is_note else {quirk.id, quirk.consequence, *quirk.uses}
    needed = bool(named & set(policy.needs))
    level, means = "", ""
    if row["outcome"] == MEASURED and read is not None:
        level, means = read.level, read.means
        if level != Level.GOOD and (needed or level == _NOTE):
            level = str(Level.BAD if needed else Level.GOOD)
    elif row["outcome"] != NOT_APPLICABLE:
        level = str(Level.UNKNOWN)
    return {
        "subject_id": str(row["subject_id"]),
        "quirk": quirk.id,
        "consequence": quirk.consequence,
        "question": quirk.question,
        "outcome": row["outcome"] if read or row["outcome"] != MEASURED else NOT_MEASURED,
        "answer": row["answer"],
        "level": level,
        "means": means,
        "observed": row["observed"],
        "reason": row["reason"],
        "needed": needed,
        "state": expected.state,
        "note": expected.note,
        "reference": expected.reference or (quirk.reference[0] if quirk.reference else ""),
        "workaround": quirk.workaround,
        "command": row["command"],
    }


def judge(tables: Mapping[str, pd.DataFrame], policy: Policy, on: date) -> list[Verdict]:
    """Give one verdict on each interpreter.

    Parameters
    ----------
    tables, policy, on
        As for :func:`readings`.
    """
    read = readings(tables, policy, on)
    by_subject = {str(subject): records(rows) for subject, rows in read.groupby("subject_id")}
    verdicts = []
    for row in records(tables["subjects"]):
        if row["kind"] not in ("interpreter", "environment"):
            continue
        subject = str(row["subject_id"])
        if found := by_subject.get(subject):
            verdicts.append(_verdict(subject, found, policy.compatibility))
        else:
            verdicts.append(
                unanswered(
                    subject,
                    QUESTION,
                    tables["skipped"],
                    error=str(row["error"]),
                    otherwise="it was not asked",
                    words="could not be asked",
                )
            )
    return verdicts


def _verdict(subject: str, rows: list[dict[str, Any]], policy: CompatibilityPolicy) -> Verdict:
    measured = [row for row in rows if row["outcome"] == MEASURED]
    bad = [row for row in measured if row["level"] == Level.BAD]
    nuisances = [row for row in measured if row["level"] == Level.CAUTION]
    unseen = [row for row in rows if row["needed"] and row["outcome"] == NOT_MEASURED]
    reasons = [_reason(subject, row) for row in (*bad, *nuisances)]
    reasons += [
        Reason(
            Level.UNKNOWN,
            f"{row['question']} Needed, but not measured: {row['reason']}",
            "quirks",
            {"subject_id": subject, "quirk": row["quirk"]},
        )
        for row in unseen
    ]
    if not measured:
        why = next((row["reason"] for row in rows if row["reason"]), "no question was answered")
        return Verdict(subject, QUESTION, Level.UNKNOWN, f"could not be asked: {why}", tuple(reasons))
    silent = [row for row in rows if row["outcome"] == NOT_MEASURED]
    if len(silent) > len(measured):
        text = f"{len(silent)} of {len(rows)} questions got no answer, such as: {silent[0]['reason']}"
        reasons.append(Reason(Level.UNKNOWN, text, "quirks", {"subject_id": subject}))
    level = Level.worst(reason.level for reason in reasons)
    headline = _headline(bad, nuisances, unseen, len(measured))
    if len(silent) > len(measured) and not bad:
        headline = f"only {len(measured)} of {len(rows)} questions were answered"
    return Verdict(subject, QUESTION, level, headline, tuple(reasons))


def _headline(
    bad: list[dict[str, Any]], nuisances: list[dict[str, Any]], unseen: list[dict[str, Any]], measured: int
) -> str:
    if bad:
        wanted = (
            "what the policy needs" if any(row["needed"] for row in bad) else "what nearly everybody needs"
        )
        return f"lacks {wanted}: {_first([_short(row) for row in bad], 2)}"
    if unseen:
        return f"{len(unseen)} of the things that the policy needs could not be measured"
    if nuisances:
        return f"nothing here should stop you, except for {_counted(nuisances)}"
    return f"nothing here should stop you: {measured} questions, no answer worse than of a plain build"


def _short(row: Mapping[str, Any]) -> str:
    return f"{row['quirk'].replace('_', ' ')} ({row['means']})"


def _counted(rows: Iterable[Mapping[str, Any]]) -> str:
    counts: dict[str, int] = {}
    for row in rows:
        counts[row["consequence"]] = counts.get(row["consequence"], 0) + 1
    ordered = [consequence for consequence in CONSEQUENCES if consequence in counts]
    words = [f"{_NOUNS[consequence]} ({counts[consequence]})" for consequence in ordered]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


_NOUNS = {
    "environments": "environments",
    "extensions": "building extensions",
    "embedding": "embedding",
    "relocation": "moving it",
    "tls": "TLS",
    "terminals": "terminals",
    "modules": "the standard library",
    "system": "the operating system",
    "debugging": "debugging",
}


def _first(texts: list[str], count: int) -> str:
    rest = len(texts) - count
    return "; ".join(texts[:count]) + (f"; and {rest} more" if rest > 0 else "")


def _reason(subject: str, row: Mapping[str, Any]) -> Reason:
    parts = [f"{row['question']} {row['means'][:1].upper()}{row['means'][1:]}"]
    if row["observed"]:
        parts.append(f": {row['observed']}")
    if state := _state(row):
        parts.append(f" ({state})")
    return Reason(
        Level(row["level"]), "".join(parts), "quirks", {"subject_id": subject, "quirk": row["quirk"]}
    )


def _state(row: Mapping[str, Any]) -> str:
    if row["state"] == FIXED:
        return str(row["note"]) or "known, and fixed in newer builds: upgrade"
    return _SHARED_STATES.get(row["state"], "")
