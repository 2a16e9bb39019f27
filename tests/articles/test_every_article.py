"""Every article: each cell of its notebook shows something, of real evidence, of none, of hostile names."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import altair as alt
import pytest
from pyassay.articles import article
from pyassay.evidence import SCHEMA_VERSION, Evidence, Manifest, load, schemas
from pyassay.reports.notebooks import notebook_name
from pyassay.tables import Shown
from pyassay.verdicts.policy import Policy

ROOT = Path(__file__).resolve().parents[2]
RECORDED = ROOT / "data" / "evidence" / "recorded"
CALL = re.compile(r"article\.(\w+)\((?:\"(\w+)\")?\)")
QUESTIONS = load(RECORDED).manifest.questions
NASTY = "<script>alert(1)</script>\x1b[31m"


def cells(question: str) -> list[tuple[str, tuple[str, ...]]]:
    """Return the calls of a notebook's cells."""
    notebook = json.loads((ROOT / "notebooks" / f"{notebook_name(question)}.ipynb").read_text())
    sources = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    found = [match for source in sources if (match := CALL.fullmatch(source.strip()))]
    return [(match[1], (match[2],) if match[2] else ()) for match in found]


CALLS = [(question, name, given) for question in QUESTIONS for name, given in cells(question)]


def opened(question: str, evidence: Evidence) -> Any:
    module = __import__(f"pyassay.articles.{question}", fromlist=["Article"])
    return module.Article(evidence, Policy.load())


def empty(question: str) -> Evidence:
    manifest = Manifest(SCHEMA_VERSION, "2026-11-21T12:00:00+00:00", (question,), {}, {})
    return Evidence(manifest, {schema.name: schema.frame([]) for schema in schemas((question,))})


def hostile(question: str) -> Evidence:
    """Return the recorded evidence with nasty labels, and nasty words for what was seen."""
    recorded = load(RECORDED)
    tables = {name: frame.copy() for name, frame in recorded.tables.items()}
    tables["subjects"]["label"] = [f"{NASTY}{number}" for number in range(len(tables["subjects"]))]
    for table, column in (
        ("quirks", "observed"),
        ("bundled_libraries", "evidence"),
        ("build_facts", "evidence"),
        ("packaging_runs", "error_line"),
        ("packaging_circumstances", "seen"),
        ("installer_answers", "seen"),
        ("backend_features", "seen"),
    ):
        if table in tables:
            tables[table][column] = NASTY
    return Evidence(recorded.manifest, tables)


@pytest.fixture(scope="module")
def articles() -> dict[tuple[str, str], Any]:
    return {}


def of(articles: dict[tuple[str, str], Any], kind: str, question: str) -> Any:
    if (kind, question) not in articles:
        made = {"real": lambda: load(RECORDED), "empty": lambda: empty(question)}
        evidence = made[kind]() if kind in made else hostile(question)
        articles[kind, question] = opened(question, evidence)
    return articles[kind, question]


@pytest.mark.parametrize(("question", "name", "given"), CALLS)
def test_every_cell_shows_something(
    articles: dict[tuple[str, str], Any], question: str, name: str, given: tuple[str, ...]
) -> None:
    shown = getattr(of(articles, "real", question), name)(*given)
    if isinstance(shown, Shown):
        assert shown.text.strip()
        assert shown.html.strip()
    elif isinstance(shown, dict):
        assert shown["question"] == question
        json.dumps(shown, allow_nan=False)
    else:
        assert isinstance(shown, (alt.LayerChart, alt.FacetChart))
        assert shown.to_dict()["title"]


@pytest.mark.parametrize(("question", "name", "given"), CALLS)
def test_no_cell_needs_a_subject(
    articles: dict[tuple[str, str], Any], question: str, name: str, given: tuple[str, ...]
) -> None:
    shown = getattr(of(articles, "empty", question), name)(*given)
    assert shown is not None
    if not isinstance(shown, (Shown, dict)):
        shown.to_dict()


@pytest.mark.parametrize(("question", "name", "given"), CALLS)
def test_names_do_no_harm_in_any_cell(
    articles: dict[tuple[str, str], Any], question: str, name: str, given: tuple[str, ...]
) -> None:
    shown = getattr(of(articles, "hostile", question), name)(*given)
    if isinstance(shown, Shown):
        assert "<script" not in shown.html
        assert "\x1b" not in shown.html + shown.text


def test_evidence_on_another_question_is_refused(tmp_path: Path) -> None:
    from pyassay.evidence import EvidenceError

    folder = empty("portability").save(tmp_path / "set")
    with pytest.raises(EvidenceError, match="holds nothing on security"):
        article("security", evidence=folder)
