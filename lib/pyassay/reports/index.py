"""The front page: every subject's verdict on every question, what changed, how old the facts are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pyassay.reports.html import Provenance, page
from pyassay.tables import verdict_anchor
from pyassay.verdicts.model import Level

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ArticleLink", "Change", "front_page"]


@dataclass(frozen=True, slots=True)
class ArticleLink:
    """An article of this run; ``failure`` says in one line why it is incomplete."""

    question: str
    title: str
    href: str
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that is not as it was in the last run."""

    label: str
    what: str
    before: str
    now: str


@dataclass(frozen=True, slots=True)
class _Cell:
    level: str
    headline: str
    href: str


@dataclass(slots=True)
class _Row:
    label: str
    cells: list[_Cell | None] = field(default_factory=list)


def front_page(
    verdicts: pd.DataFrame,
    articles: Sequence[ArticleLink],
    provenance: Provenance,
    *,
    changes: Sequence[Change] = (),
) -> str:
    """Return the page that links to all others.

    Parameters
    ----------
    verdicts : DataFrame
        ``subject_id``, ``label``, ``question``, ``level``, ``headline``: one row per subject and question.
    articles : sequence of ArticleLink
        In the order in which they are listed.
    provenance : Provenance
        Of the evidence; its references and downloads are listed.
    changes : sequence of Change
        Since the last run; their section is left out when there are none.
    """
    from datetime import datetime

    questions = list(dict.fromkeys([*(link.question for link in articles), *verdicts["question"]]))
    links = {link.question: link.href for link in articles}
    found = {(row.subject_id, row.question): row for row in verdicts.itertuples()}
    rows = []
    for subject, label in dict(zip(verdicts["subject_id"], verdicts["label"], strict=True)).items():
        row = _Row(str(label))
        for question in questions:
            verdict = found.get((subject, question))
            if verdict is None:
                row.cells.append(None)
                continue
            href = f"{links[question]}#{verdict_anchor(question, str(subject))}" if question in links else ""
            row.cells.append(_Cell(str(verdict.level), str(verdict.headline), href))
        rows.append(row)
    counts = [(str(level), int((verdicts["level"].astype(str) == level).sum())) for level in Level]
    number = len(rows)
    kinds = set(verdicts["kind"]) if "kind" in verdicts else set()
    noun = "Python" if kinds <= {"interpreter", "environment"} else "subject"
    return page(
        "index.html.j2",
        title=f"Assay of {number} {noun}{'' if number == 1 else 's'}",
        questions=questions,
        rows=rows,
        tally=[(level, count) for level, count in counts if count],
        articles=articles,
        changes=changes,
        provenance=provenance,
        on=datetime.fromisoformat(provenance.recorded_at).date(),
    )
