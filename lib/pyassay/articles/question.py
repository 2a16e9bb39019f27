"""What all articles share: the verdict, where each Python comes from, how old the facts are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from functools import cached_property
from html import escape
from typing import Any, ClassVar

import pandas as pd

from pyassay import tables
from pyassay.evidence import Evidence
from pyassay.reference import load
from pyassay.subjects.display import display_path
from pyassay.verdicts.model import Verdict
from pyassay.verdicts.policy import Policy

__all__ = ["QuestionArticle", "first_few", "groups", "said", "strong"]


class QuestionArticle(ABC):
    """One evidence set and one policy, and what every article shows of them.

    Parameters
    ----------
    evidence : Evidence
        With the tables of the question.
    policy : Policy
        What the reader requires.

    Attributes
    ----------
    question : str
        One of :data:`pyassay.probes.QUESTIONS`.
    references_used : tuple of str
        The reference tables that its verdicts rest on.
    """

    question: ClassVar[str]
    references_used: ClassVar[tuple[str, ...]]

    def __init__(self, evidence: Evidence, policy: Policy) -> None:
        self.evidence = Evidence(evidence.manifest, evidence.about(self.question))
        self.policy = policy
        self.on = evidence.manifest.on

    @cached_property
    @abstractmethod
    def verdicts(self) -> list[Verdict]:
        """One verdict per subject."""

    @cached_property
    def _labels(self) -> pd.Series[str]:
        return self.evidence.table("subjects").set_index("subject_id")["label"]

    @cached_property
    def _noun(self) -> str:
        """What the reader calls a subject: a Python, unless there are others."""
        kinds = set(self.evidence.table("subjects")["kind"])
        return "Python" if kinds <= {"interpreter", "environment"} else "subject"

    def _named(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return a frame with the subject's label in front, in the order of the table of subjects."""
        order = {subject: place for place, subject in enumerate(self._labels.index)}
        chosen = frame[frame["subject_id"].isin(order)]
        ranked = chosen.assign(_place=chosen["subject_id"].map(order)).sort_values("_place", kind="stable")
        ranked.insert(0, self._noun, ranked["subject_id"].map(self._labels))
        return ranked.drop(columns=["_place", "subject_id"])

    def verdict(self) -> tables.Shown:
        """Show the verdict on every subject, the best first."""
        return tables.verdict_box(self.verdicts, dict(zip(self._labels.index, self._labels, strict=True)))

    def provenance(self) -> tables.Shown:
        """Show where each Python comes from and the first clue to it."""
        subjects = self.evidence.table("subjects")
        subjects = subjects[subjects["kind"].isin(["interpreter", "environment"])]
        if not len(subjects):
            return said("No interpreter is among the subjects: these are artifacts only.")
        frame = pd.DataFrame(
            {
                "Python": subjects["label"],
                "built by": subjects["provenance"],
                "sure": subjects["provenance_confidence"],
                "the first clue": subjects["provenance_clues"].map(lambda clues: clues[0] if clues else ""),
                "executable": subjects["executable"].map(display_path),
            }
        )
        return tables.table(
            frame, caption="Where each Python comes from, and how that is known.", code=["executable"]
        )

    def supply(self) -> tables.Shown:
        """Show who can release a new build of each kind, and what brings it to a machine."""
        subjects = self.evidence.table("subjects")
        subjects = subjects[subjects["kind"].isin(["interpreter", "environment"])]
        known = {
            (str(row["builder"]), str(row["installer"])): row
            for row in load("builders").frame.to_dict("records")
        }
        rows = []
        groups = subjects.groupby(["builder", "installer", "provenance"], sort=False)
        for (builder, installer, words), group in groups:
            key = (str(builder), str(installer))
            found = known.get(key) or known.get((key[0], "")) or {}
            rows.append(
                {
                    "built by": words,
                    "Pythons": first_few(group["label"]),
                    "who can release": found.get("released_by", "not known"),
                    "what updates it": found.get("updated_by", "not known"),
                    "easily forgotten": found.get("caution", ""),
                }
            )
        columns = ["built by", "Pythons", "who can release", "what updates it", "easily forgotten"]
        return tables.table(
            pd.DataFrame(rows, columns=columns),
            caption="Who can release a new build of each kind, and what brings it to a machine.",
        )

    def clues(self) -> tables.Shown:
        """Show every clue to where each Python comes from."""
        subjects = self.evidence.table("subjects")
        frame = subjects[["subject_id", "provenance_clues"]].explode("provenance_clues").dropna()
        return tables.table(
            self._named(frame.rename(columns={"provenance_clues": "clue"})),
            caption="Every clue.",
            limit=0,
        )

    def not_observed(self) -> tables.Shown:
        """Show what could not be observed, and why."""
        skipped = self.evidence.table("skipped")[["subject_id", "file", "reason"]]
        return tables.table(
            self._named(skipped.rename(columns={"reason": "why"})),
            caption="What could not be observed.",
            code=["file"],
            limit=15,
        )

    def references(self) -> tables.Shown:
        """Show the reference tables that the verdicts rest on, with their dates."""
        found = [load(name) for name in self.references_used]
        frame = pd.DataFrame(
            {
                "table": [table.title for table in found],
                "as of": [table.as_of for table in found],
                "age": [table.age_days(self.on) for table in found],
                "shelf life": [table.shelf_life_days for table in found],
                "sources": ["; ".join(table.sources) for table in found],
            }
        )
        return tables.table(
            frame,
            caption="Facts about the world, with the day on which they were compiled.",
            units={"age": "days", "shelf life": "days"},
        )

    def _result(self, **key_numbers: dict[str, Any]) -> dict[str, Any]:
        """Return the verdicts with key numbers (by name, then subject) for machines."""
        return {
            "question": self.question,
            "policy": self.policy.name,
            "on": self.on.isoformat(),
            "subjects": {
                verdict.subject_id: {
                    "level": str(verdict.level),
                    "headline": verdict.headline,
                    **{name: numbers.get(verdict.subject_id) for name, numbers in key_numbers.items()},
                }
                for verdict in self.verdicts
            },
        }


def said(sentence: str) -> tables.Shown:
    """Show one sentence."""
    text = tables.shown_text(sentence)
    return tables.Shown(f"<p>{escape(text)}</p>", text)


def strong(sentences: list[str]) -> tables.Shown:
    """Show the sentences that an article begins with."""
    text = " ".join(tables.shown_text(sentence) for sentence in sentences)
    return tables.Shown(f"<p><strong>{escape(text)}</strong></p>", text)


def first_few(names: Iterable[Any], most: int = 3) -> str:
    """Return the first of several names, and how many more there are."""
    listed = list(dict.fromkeys(map(str, names)))
    rest = len(listed) - most
    return ", ".join(listed[:most]) + (f" and {rest} more" if rest > 0 else "")


def groups(frame: pd.DataFrame, *by: str) -> Iterator[tuple[tuple[str, ...], pd.DataFrame]]:
    """Yield each group of rows with its key as text, in the order of their first rows."""
    for key, group in frame.groupby(list(by), sort=False):
        yield tuple(map(str, key if isinstance(key, tuple) else (key,))), group
