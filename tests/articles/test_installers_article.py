"""The article on installers: each cell on a small measurement, on none, and on hostile words."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

import pytest
from corpus.installer_tables import NEW, OLD, PIP, Bench, put_to_the_test
from pyassay.articles.installers import InstallersArticle
from pyassay.evidence import SCHEMA_VERSION, Evidence, Manifest, ProbeRun
from pyassay.probes.installers import GROUPS
from pyassay.tables import Shown
from pyassay.theme import MIME, render
from pyassay.verdicts.policy import Policy

NOTEBOOK = Path(__file__).resolve().parents[2] / "notebooks" / "installers.ipynb"
CALL = re.compile(r"article\.(\w+)\((?:\"(\w+)\")?\)")
NASTY = "<script>alert(1)</script>\x1b[31m"
CHARTS = {
    ("speed_chart", ("cold",)),
    ("speed_chart", ("warm",)),
    ("imports_chart", ()),
    ("index_chart", ()),
    ("races_chart", ()),
}
MAX_BYTES = 400_000


def calls() -> list[tuple[str, tuple[str, ...]]]:
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    sources = ["".join(cell["source"]).strip() for cell in cells if cell["cell_type"] == "code"]
    found = [match for source in sources if (match := CALL.fullmatch(source))]
    return [(match[1], (match[2],) if match[2] else ()) for match in found]


@cache
def article(kind: str) -> InstallersArticle:
    bench = Bench() if kind == "empty" else put_to_the_test()
    if kind == "hostile":
        for rows in bench.rows.values():
            for row in rows:
                for column in ("label", "seen", "reason", "command", "state", "meaning", "race", "answer"):
                    if row.get(column):
                        row[column] = f"{NASTY}{row[column]}"
    tables = bench.tables()
    runs = tuple(
        ProbeRun("installers", str(name), "done", "", 1.0) for name in tables["subjects"]["subject_id"]
    )
    manifest = Manifest(SCHEMA_VERSION, "2026-11-21T12:00:00+00:00", ("installers",), {}, {}, runs=runs)
    return InstallersArticle(Evidence(manifest, tables), Policy.load())


@pytest.mark.parametrize(("name", "given"), calls())
def test_every_cell_shows_something(name: str, given: tuple[str, ...]) -> None:
    shown = getattr(article("full"), name)(*given)
    if (name, given) in CHARTS:
        bundle, metadata = render(shown.to_dict())
        assert metadata["pyassay"]["caption"]
        assert bundle[MIME]["datasets"]
        assert "<path" in bundle["image/svg+xml"]
    elif isinstance(shown, dict):
        json.dumps(shown, allow_nan=False)
    else:
        assert isinstance(shown, Shown)
        assert shown.text.strip()
        assert shown.html.strip()


@pytest.mark.parametrize(("name", "given"), calls())
def test_no_cell_needs_a_measurement(name: str, given: tuple[str, ...]) -> None:
    shown = getattr(article("empty"), name)(*given)
    assert isinstance(shown, (Shown, dict))


@pytest.mark.parametrize(("name", "given"), calls())
def test_words_do_no_harm_in_any_cell(name: str, given: tuple[str, ...]) -> None:
    shown = getattr(article("hostile"), name)(*given)
    if isinstance(shown, Shown):
        assert "<script>" not in shown.html
        assert "\x1b" not in shown.html + shown.text


def test_all_groups_and_charts_have_a_cell() -> None:
    found = calls()
    assert {given[0] for name, given in found if name == "claims"} == set(GROUPS)
    assert set(found) >= CHARTS


def test_the_page_is_small() -> None:
    sizes = {}
    for name, given in calls():
        shown = getattr(article("full"), name)(*given)
        if isinstance(shown, Shown):
            sizes[name, given] = len(shown.html)
    assert sum(sizes.values()) < MAX_BYTES, sorted(sizes.items(), key=lambda item: -item[1])[:5]


def test_the_answer_names_speed_price_and_what_does_not_hold() -> None:
    text = article("full").answer().text
    assert "uv 0.13.8:" in text
    assert "Integration cost" in text
    assert "internal index, public as an extra one" in text
    assert "a wheel that is not what the page says" in text


def test_a_claim_stands_beside_its_answers_and_its_proof() -> None:
    text = article("full").claims("indexes").text
    assert "uv 0.9.30" in text
    assert "it is installed all the same" in text
    assert "yes (it changed)" in text
    assert "uv: seen of file_tampered" in text


def test_a_claim_on_speed_stands_beside_seconds() -> None:
    lines = article("full").claims("speed").text.splitlines()
    warm = next(line for line in lines if line.startswith("With a warm cache uv takes a fraction"))
    cells = re.findall(r"\d+(?:\.\d+)? s\b", warm)
    assert cells[:3] == ["0.51 s", "0.61 s", "64 s"]


def test_an_unknown_part_is_refused() -> None:
    with pytest.raises(KeyError, match="no such part"):
        article("full").claims("rumours")


def test_the_index_chart_counts_public_packages() -> None:
    title = article("full").index_chart().to_dict()["title"]
    assert "uv 0.13.8" in title
    assert "pip 26.3" in title


def test_the_worst_trial_of_a_race_is_drawn() -> None:
    chart = article("full").races_chart().to_dict()
    rows = next(iter(chart["datasets"].values()))
    outcomes = {row["column"]: row["outcome"] for row in rows}
    assert outcomes == {"uv 0.13.8": "all succeed, whole", "pip 26.3": "a mixture, or incomplete"}


def test_the_result_is_for_machines() -> None:
    result = article("full").result()
    assert result["claims"]["file_tampered"] == {
        "still_true": "yes",
        "changed": True,
        "answers": {OLD: "installed", NEW: "refused", PIP: "refused"},
    }
    assert result["subjects"][OLD]["faults"] == 1
    assert {one["what"] for one in result["speed"]} >= {"in all", "compiling", "the rest"}
