"""The article on build backends: every cell of its notebook, on some evidence, on none, with nasty names."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import altair as alt
import pytest
from corpus.backend_tables import backend_tables
from pyassay.articles.backends import Article
from pyassay.evidence import SCHEMA_VERSION, SKIPPED, SUBJECTS, Evidence, Manifest, ProbeRun
from pyassay.probes.backends import TABLES
from pyassay.tables import Shown
from pyassay.verdicts.policy import Policy

NOTEBOOK = Path(__file__).resolve().parents[2] / "notebooks" / "build_backends.ipynb"
NASTY = "<script>alert(1)</script>\x1b[31m"


def calls() -> list[str]:
    found = json.loads(NOTEBOOK.read_text())
    sources = ["".join(cell["source"]) for cell in found["cells"] if cell["cell_type"] == "code"]
    return [match[1] for source in sources if (match := re.fullmatch(r"article\.(\w+)\(\)", source.strip()))]


def article(kind: str) -> Any:
    tables = backend_tables()
    if kind == "empty":
        tables = {schema.name: schema.frame([]) for schema in (*TABLES, SUBJECTS, SKIPPED)}
    if kind == "hostile":
        tables["subjects"]["label"] = [f"{NASTY}{number}" for number in range(len(tables["subjects"]))]
        tables["backend_features"]["seen"] = NASTY
        tables["backend_outputs"]["reason"] = NASTY
        tables["backend_context"]["value"] = NASTY
        tables["backend_closures"]["vendored"] = [[NASTY]] * len(tables["backend_closures"])
    runs = tuple(ProbeRun("backends", one, "done", "", 0.0) for one in tables["subjects"]["subject_id"])
    manifest = Manifest(SCHEMA_VERSION, "2026-11-21T12:00:00+00:00", ("backends",), {}, {}, {}, runs)
    return Article(Evidence(manifest, tables), Policy.load())


def test_the_notebook_calls_everything_that_the_article_has() -> None:
    public = {name for name in dir(Article) if not name.startswith("_") and callable(getattr(Article, name))}
    inherited = {"provenance", "supply", "clues"}
    assert public - set(calls()) == inherited


@pytest.mark.parametrize("kind", ["real", "empty", "hostile"])
def test_every_cell_shows_something(kind: str) -> None:
    opened = article(kind)
    for name in calls():
        shown = getattr(opened, name)()
        if isinstance(shown, Shown):
            assert shown.text.strip(), name
            assert "<script" not in shown.html, name
            assert "\x1b" not in shown.html + shown.text, name
        elif isinstance(shown, dict):
            assert shown["question"] == "backends"
            json.dumps(shown, allow_nan=False)
        else:
            assert isinstance(shown, (alt.LayerChart, alt.FacetChart)), name
            assert shown.to_dict()["title"], name


def test_the_result_has_the_numbers_of_every_backend_and_the_claims() -> None:
    told = article("real").result()
    assert told["subjects"]["uv-build-1"]["crates"] == 293
    assert told["subjects"]["flit-core-4"]["crates"] is None
    assert told["subjects"]["flit-core-4"]["packages"] == 1
    assert told["claims"]["equal"]["still_true"] == "yes"


def test_the_answer_names_readers_and_counts_claims() -> None:
    text = article("real").answer().text
    assert "For the distribution packager nothing speaks against flit-core 4." in text
    assert "Of 10 claims of the dispute" in text
