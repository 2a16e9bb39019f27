"""Verdicts: a level, a headline, and the reasons that point at evidence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Level", "Reason", "Verdict", "to_frame", "unanswered"]


class Level(StrEnum):
    """How a subject fares. ``unknown`` is an answer of its own: worse than ``caution``, not ``bad``."""

    GOOD = "good"
    CAUTION = "caution"
    UNKNOWN = "unknown"
    BAD = "bad"

    @property
    def severity(self) -> int:
        """Return 0 for good up to 3 for bad."""
        return list(Level).index(self)

    @staticmethod
    def worst(levels: Iterable[Level]) -> Level:
        """Return the most severe level; good for none at all."""
        return max(levels, key=lambda level: level.severity, default=Level.GOOD)


@dataclass(frozen=True, slots=True)
class Reason:
    """One finding.

    Attributes
    ----------
    level : Level
        What it does to the verdict.
    text : str
        One sentence for a reader.
    table : str
        The table of evidence it rests on; empty for a reference table or the manifest.
    where : dict of str to str
        Column and value that select the rows.
    """

    level: Level
    text: str
    table: str = ""
    where: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judgement on one subject and one question."""

    subject_id: str
    question: str
    level: Level
    headline: str
    reasons: tuple[Reason, ...] = ()


def unanswered(
    subject_id: str, question: str, skipped: pd.DataFrame, *, error: str, otherwise: str, words: str
) -> Verdict:
    """Return the verdict on a subject of which nothing was observed: unknown, and why.

    Parameters
    ----------
    subject_id, question : str
    skipped : DataFrame
        The table of that name; its first reason is taken, unless there is an `error`.
    error, otherwise : str
        Why the subject could not be asked at all; what is said where nobody knows.
    words : str
        What the headline begins with: ``could not be measured``.
    """
    reasons = [str(reason) for reason in skipped.loc[skipped["subject_id"] == subject_id, "reason"]]
    why = error or (reasons[0] if reasons else otherwise)
    reason = Reason(Level.UNKNOWN, why, "skipped", {"subject_id": subject_id})
    return Verdict(subject_id, question, Level.UNKNOWN, f"{words}: {why}", (reason,))


def to_frame(verdicts: Iterable[Verdict]) -> pd.DataFrame:
    """Return verdicts as a DataFrame.

    Returns
    -------
    DataFrame
        ``subject_id``, ``question``, ``level``, ``headline`` (text) and ``reasons`` (a list of dicts with
        ``level``, ``text``, ``table``, ``where``).
    """
    import pandas as pd

    rows = [
        {
            "subject_id": verdict.subject_id,
            "question": verdict.question,
            "level": str(verdict.level),
            "headline": verdict.headline,
            "reasons": [
                {
                    "level": str(reason.level),
                    "text": reason.text,
                    "table": reason.table,
                    "where": dict(reason.where),
                }
                for reason in verdict.reasons
            ],
        }
        for verdict in verdicts
    ]
    return pd.DataFrame(rows, columns=["subject_id", "question", "level", "headline", "reasons"])
