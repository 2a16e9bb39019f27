"""The article on packaging: each cell on a small real measurement, on none, and on hostile words."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from corpus.packaging_tables import BARE_PEX, NO_GLIBC, NO_LIBSSL, Packed, measured
from pyassay.articles.packaging import PackagingArticle
from pyassay.evidence import SCHEMA_VERSION, Evidence, Manifest, ProbeRun
from pyassay.tables import Shown
from pyassay.theme import MIME, render
from pyassay.verdicts.policy import Policy

NOTEBOOK = Path(__file__).resolve().parents[2] / "notebooks" / "packaging.ipynb"
CALL = re.compile(r"article\.(\w+)\((?:\"(\w+)\")?\)")
NASTY = "<script>alert(1)</script>\x1b[31m"
CHARTS = {
    ("portability_chart", ("raw",)),
    ("portability_chart", ("oldest",)),
    ("inputs_chart", ()),
    ("start_chart", ()),
    ("size_chart", ()),
    ("circumstances_chart", ()),
}


def calls() -> list[tuple[str, tuple[str, ...]]]:
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    sources = ["".join(cell["source"]).strip() for cell in cells if cell["cell_type"] == "code"]
    found = [match for source in sources if (match := CALL.fullmatch(source))]
    return [(match[1], (match[2],) if match[2] else ()) for match in found]


def of(packed: Packed) -> PackagingArticle:
    tables = packed.tables()
    runs = tuple(
        ProbeRun("packaging", str(name), "done", "", 1.0) for name in tables["subjects"]["subject_id"]
    )
    manifest = Manifest(SCHEMA_VERSION, "2026-11-21T12:00:00+00:00", ("packaging",), {}, {}, runs=runs)
    return PackagingArticle(Evidence(manifest, tables), Policy.load())


def full() -> Packed:
    """Return the measurement with something in every table."""
    packed = measured()
    for key, outcome, seen in (
        ("read-only", "works", "all parts work"),
        ("sigterm", "fails", "exit status 1 instead of 7"),
        ("pythonpath", "differs", "HIJACKED"),
        ("fuse", "not measured", "no device"),
    ):
        packed.add(
            "packaging_circumstances",
            subject_id="pyinstaller-onefile",
            circumstance=key,
            environment="debian:12 bare",
            outcome=outcome,
            seen=seen,
            command="run it",
        )
    for start in ("first", "second"):
        packed.add(
            "packaging_footprints",
            subject_id="pyinstaller-onefile",
            start=start,
            home_bytes=0,
            temporary_bytes=54_955_406,
            left_bytes=0,
            left_after_kill_bytes=54_955_406,
        )
    packed.build("by-hand-raw", label="by hand", slides_row="By hand", inputs_kind="raw", carries_python=True)
    packed.everywhere("by-hand-raw", {"debian:11": NO_GLIBC}, predicted=True)
    packed.run("by-hand-raw", NO_LIBSSL, environment="debian:12 bare", predicted=True)
    return packed


@cache
def article(kind: str) -> PackagingArticle:
    if kind == "hostile":
        packed = full()
        for rows in packed.rows.values():
            for row in rows:
                for column in ("label", "error_line", "seen", "reason", "floor_set_by", "path", "licence"):
                    if row.get(column):
                        row[column] = f"{NASTY}{row[column]}"
                if row.get("commands"):
                    row["commands"] = [NASTY]
        return of(packed)
    return of({"full": full, "empty": Packed}[kind]())


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
def test_no_cell_needs_a_build(name: str, given: tuple[str, ...]) -> None:
    shown = getattr(article("empty"), name)(*given)
    assert isinstance(shown, (Shown, dict))


@pytest.mark.parametrize(("name", "given"), calls())
def test_words_do_no_harm_in_any_cell(name: str, given: tuple[str, ...]) -> None:
    shown = getattr(article("hostile"), name)(*given)
    if isinstance(shown, Shown):
        assert "<script" not in shown.html
        assert "\x1b" not in shown.html + shown.text
    elif not isinstance(shown, dict):
        bundle, _ = render(shown.to_dict())
        assert "<script" not in bundle["image/svg+xml"]


def test_the_answer_and_the_uses_come_from_the_rules() -> None:
    found = article("full")
    answer = found.answer().text
    assert "The wheels decide more than the packager" in answer
    assert "One file for customers on unknown Linux: PyInstaller --onefile (oldest wheels)" in answer
    text = found.uses().text
    assert "take: by hand (oldest wheels), ran in 12 of 12, 1.0" in text
    assert "1.1.1w (a wheel; ended 2023-09-11)" in text


def test_the_slides_stand_beside_what_was_measured() -> None:
    found = article("full")
    lines = found.slides().text.splitlines()
    pex = next(line for line in lines if line.startswith("Pex"))
    assert "yes → by hand" in pex
    assert "no → no" in pex
    oxidizer = next(line for line in lines if line.startswith("PyOxidizer"))
    assert oxidizer.count("· → ?") == 6
    differing = found.disagreements().text
    assert BARE_PEX in differing
    assert "libcurl.so.4" in differing


def test_what_was_said_is_shown_with_its_command() -> None:
    text = article("full").refusals().text
    assert NO_GLIBC in text
    assert "./nuitka-raw run" in text


def test_predictions_that_failed_are_listed() -> None:
    text = article("full").foretold().text
    assert "foretold to run: " in text
    assert "1 failed" in text
    assert "by hand (raw wheels)" in text


def test_the_outer_file_misleads() -> None:
    text = article("full").outer_floors().text
    assert "2.14" in text
    assert "2.28" in text
    assert "PyInstaller --onefile" in text


def test_the_price_of_an_old_toolchain_holds_the_interpreter_fixed() -> None:
    text = article("full").old_toolchain().text
    assert "by hand" in text
    assert "1.83 times" in text
    assert "8 of 13 → 12 of 12" in text


def test_what_was_not_measured_is_listed_with_its_reason() -> None:
    text = article("full").not_measured().text
    assert "its Rust crates are out of reach" in text


def test_what_nobody_offers_is_refused() -> None:
    with pytest.raises(KeyError, match="there are: raw, repaired, oldest"):
        article("full").portability_chart("new")
    with pytest.raises(KeyError, match="there are: slides, reach"):
        article("full").marks("beauty")


def test_the_result_is_for_machines() -> None:
    result: Any = article("full").result()
    assert result["question"] == "packaging"
    assert result["subjects"]["by-hand"]["marks"]["python"] == "yes"
    assert result["subjects"]["by-hand"]["environments"] == "12 of 12"
    assert 0.9 < result["subjects"]["by-hand"]["start_ratio"] < 1.2
    assert result["by_use"]["customers"] == ["pyinstaller-onefile"]
    assert len(result["slides"]) == 36
