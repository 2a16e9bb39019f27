"""The front page: every subject's verdict on every question, what changed, how old the facts are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pyassay.probes import ABOUT_TOOLS
from pyassay.reports.html import Provenance, page
from pyassay.reports.notebooks import question_title
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


@dataclass(frozen=True, slots=True)
class _Section:
    """Subjects of one kind, with the questions that were asked about them."""

    title: str
    anchor: str
    noun: str
    questions: list[str]
    rows: list[_Row]
    tally: list[tuple[str, int]]


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

    links = {link.question: link.href for link in articles}
    questions = list(dict.fromkeys([*links, *verdicts["question"]]))
    families = [[one for one in questions if one not in ABOUT_TOOLS]]
    families += [[one] for one in questions if one in ABOUT_TOOLS]
    sections = [_section(verdicts, family, links) for family in families if family]
    kinds = set(verdicts["kind"]) if "kind" in verdicts else set()
    number = verdicts["subject_id"].nunique()
    noun = "Python" if kinds <= {"interpreter", "environment"} else "subject"
    return page(
        "index.html.j2",
        title=f"Assay of {number} {noun}{'' if number == 1 else 's'}",
        sections=sections,
        articles=articles,
        changes=changes,
        provenance=provenance,
        on=datetime.fromisoformat(provenance.recorded_at).date(),
    )


def _section(verdicts: pd.DataFrame, questions: list[str], links: Mapping[str, str]) -> _Section:
    answered = verdicts[verdicts["question"].isin(questions)]
    found = {(row.subject_id, row.question): row for row in answered.itertuples()}
    rows = []
    for subject, label in dict(zip(answered["subject_id"], answered["label"], strict=True)).items():
        row = _Row(str(label))
        for question in questions:
            verdict = found.get((subject, question))
            if verdict is None:
                row.cells.append(None)
                continue
            href = f"{links[question]}#{verdict_anchor(question, str(subject))}" if question in links else ""
            row.cells.append(_Cell(str(verdict.level), str(verdict.headline), href))
        rows.append(row)
    counts = [(str(level), int((answered["level"].astype(str) == level).sum())) for level in Level]
    kinds = set(answered["kind"]) if "kind" in answered else set()
    return _Section(
        question_title(questions[0]),
        "verdicts" if questions[0] not in ABOUT_TOOLS else questions[0],
        "Python" if kinds <= {"interpreter", "environment"} else "subject",
        questions,
        rows,
        [(level, count) for level, count in counts if count],
    )
