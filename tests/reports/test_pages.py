"""Pages: whole, self-contained, small, the same bytes for the same evidence."""

from __future__ import annotations

import base64
import csv
import gzip
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pyassay.reports import ReportResult, build
from pyassay.reports.execution import Status
from pyassay.reports.html import Provenance, csv_gz, write
from pyassay.reports.index import ArticleLink, Change, front_page
from pyassay.reports.parameters import ParameterError

from .conftest import SIDECAR, written

BUILD = (
    "import os, sys\nfrom pathlib import Path\nfrom pyassay.reports import build\n"
    "notebooks, evidence, output = map(Path, sys.argv[1:])\n"
    "assert build(['portability'], evidence, output, {'limit': '9'}, notebooks=notebooks).complete\n"
    "print(sum(os.times()[:4]))"
)


@pytest.fixture(scope="module")
def report(
    notebooks: Path, evidence_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[ReportResult, str]:
    output = tmp_path_factory.mktemp("report")
    result = build(
        ["portability"], evidence_folder, output, {"limit": "9"}, notebooks=notebooks, interactive=True
    )
    return result, result.pages[0].read_text()


def test_the_report_is_complete(report: tuple[ReportResult, str]) -> None:
    result, html = report
    assert result.complete, result.statuses
    assert [status.question for status in result.statuses] == ["portability"]
    assert result.index.name == "index.html"
    assert html.count("<figure") == 3
    assert html.count("<h1>") == 1
    assert "<title>Which glibc does a distribution have? · pyassay</title>" in html
    assert "This article is incomplete" not in html


def test_contents_lead_to_headings_and_verdicts_are_linked(report: tuple[ReportResult, str]) -> None:
    result, html = report
    ids = re.findall(r'\sid="?([^\s">]+)', html)
    assert len(ids) == len(set(ids))
    links = re.findall(r'href="#([^"]+)"', html)
    assert {"by-number", "by-number-2", "provenance"} <= set(links)
    assert set(links) <= set(ids)
    front = result.index.read_text()
    for page, anchor in re.findall(r'href="([a-z]+\.html)#([^"]+)"', front):
        assert page == "portability.html"
        assert anchor in ids


def test_nothing_is_fetched_from_anywhere(report: tuple[ReportResult, str]) -> None:
    result, html = report
    for text in (html, result.index.read_text()):
        without_data = re.sub(r'<script type="application/json".*?</script>', "", text, flags=re.DOTALL)
        for attribute, value in re.findall(r"\b(src|href|srcset|data|action)=\"([^\"]*)\"", without_data):
            if value.startswith("http"):
                assert value == "https://example.org/x?a=1&amp;b=2"
            else:
                assert value.startswith(
                    ("#", "data:application/gzip", "data/", "index.html", "portability.html", "vega-")
                )
                assert attribute in {"href", "src"}
        assert "@import" not in text
        assert " style=" not in without_data
        assert not re.search(r"<[^>]*\son[a-z]+=", without_data)


def test_the_policy_allows_exactly_what_is_there(report: tuple[ReportResult, str]) -> None:
    result, html = report
    for text in (html, result.index.read_text()):
        policy = re.findall(r'Content-Security-Policy" content="([^"]+)"', text)[0]
        assert policy.startswith("default-src 'none'; style-src 'sha256-")
        for unsafe in ("unsafe-inline", "unsafe-eval", "*", "http", "file:"):
            assert unsafe not in policy
        assert text.index("Content-Security-Policy") < text.index("<style>")
        inline = re.findall(r"<(style|script)>(.*?)</\1>", text, flags=re.DOTALL)
        for _, content in inline:
            assert base64.b64encode(hashlib.sha256(content.encode()).digest()).decode() in policy
        scripts = re.findall(r'<script src="([^"]+)"', text)
        for name in scripts:
            raw = (result.index.parent / name).read_bytes()
            assert name == f"vega-{hashlib.sha256(raw).hexdigest()[:12]}.js"
        # Files beside the page may run only where there is one.
        assert ("'self'" in policy) == bool(scripts)
        # Two of our own, and nothing that the policy would allow but the page does not have.
        assert policy.count("sha256-") == len(inline)


def test_charts_keep_their_specification_and_follow_the_colours(report: tuple[ReportResult, str]) -> None:
    _, html = report
    specs = re.findall(r'<script type="application/json" class="spec">(.*?)</script>', html)
    assert len(specs) == 3
    for spec in map(json.loads, specs):
        assert spec["datasets"]["data-1"]
    drawings = re.findall(r"<svg.*?</svg>", html)
    assert len(drawings) == 3
    for drawing in drawings:
        assert "var(--ink)" in drawing
        assert "#1c2128" not in drawing
        assert 'role="img" aria-labelledby=' in drawing
        assert "role-title" not in drawing
    assert "Bars: releases per distribution</desc>" in drawings[0]
    assert "Some distributions have many releases" in re.findall(r"<figcaption>.*?</figcaption>", html)[0]


def test_the_page_is_small_and_carries_its_data(report: tuple[ReportResult, str]) -> None:
    result, html = report
    assert len(html) <= 150_000
    links = dict(re.findall(r'<a download="([^"]+)" href="([^"]+)"', html))
    assert {"subjects.csv.gz", "floors.csv.gz", "files.csv.gz"} <= set(links)
    embedded = 0
    for name, href in links.items():
        if href.startswith("data:"):
            embedded += 1
            raw = base64.b64decode(href.partition(",")[2])
        else:
            raw = (result.index.parent / href).read_bytes()
        rows = list(csv.DictReader(io.StringIO(gzip.decompress(raw).decode())))
        assert raw[4:8] == b"\0\0\0\0"
        assert name.endswith(".csv.gz")
        assert len(rows) == int(
            re.findall(rf"{name}</a> <span class=\"note\">([\d,]+) rows", html)[0].replace(",", "")
        )
    assert embedded >= 4


def test_equal_evidence_gives_equal_bytes(notebooks: Path, evidence_folder: Path, tmp_path: Path) -> None:
    """In two processes, from two folders, with two seeds of hashing."""
    import shutil

    copy = tmp_path / "elsewhere"
    shutil.copytree(evidence_folder, copy)
    pages, costs = [], []
    for number, folder in enumerate((evidence_folder, copy)):
        output = tmp_path / f"out{number}"
        done = subprocess.run(
            [sys.executable, "-c", BUILD, str(notebooks), str(folder), str(output)],
            env=os.environ | {"PYTHONHASHSEED": str(number + 1)},
            capture_output=True,
            text=True,
            check=True,
        )
        costs.append(float(done.stdout))
        pages.append({path.name: path.read_bytes() for path in sorted(output.rglob("*")) if path.is_file()})
    assert {"index.html", "portability.html", "subjects.csv.gz"} <= set(pages[0])
    assert pages[0] == pages[1]
    # A wide margin over the four seconds that it takes on an idle machine: this guards against doubling.
    assert min(costs) < 9


def test_a_failing_notebook_leaves_a_page_that_says_so(
    evidence_folder: Path, notebooks: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "notebooks"
    cells = [
        ("md", "# Broken"),
        ("parameters", 'evidence: str = ""\npolicy: str = "default"\nlimit: int = 12'),
        ("code", "print('before <b>')"),
        ("code", "raise RuntimeError('<script>alert(1)</script>\\x1b[31m')"),
        ("code", "print('after')"),
    ]
    written(folder, "portability", cells, SIDECAR)
    result = build(["portability"], evidence_folder, tmp_path / "out", notebooks=folder)
    assert not result.complete
    status = result.statuses[0]
    assert status.status is Status.FAILED
    assert status.message.startswith("RuntimeError: <script>")
    html, front = result.pages[0].read_text(), result.index.read_text()
    assert "This article is incomplete:</strong> RuntimeError: &lt;script&gt;" in html
    assert "before &lt;b&gt;" in html
    assert "<script>alert" not in html + front
    assert "\x1b" not in html + front
    assert "</span> incomplete</span>" in front


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"limti": "3"}, "did you mean limit"),
        ({"limit": "3.0"}, "must be a whole number"),
        ({"limit": 101}, "more than 100"),
        ({"policy": "x"}, "use the option --policy"),
    ],
)
def test_wrong_parameters_are_refused_before_anything_runs(
    notebooks: Path, evidence_folder: Path, tmp_path: Path, given: dict[str, Any], message: str
) -> None:
    with pytest.raises(ParameterError, match=message):
        build(["portability"], evidence_folder, tmp_path / "out", given, notebooks=notebooks)
    assert not (tmp_path / "out").exists()


def test_the_shipped_article_is_made(evidence_folder: Path, tmp_path: Path) -> None:
    result = build(["portability"], evidence_folder, tmp_path)
    assert result.complete, result.statuses
    html = result.pages[0].read_text()
    assert 'class="failed' not in html
    assert html.count("<figure") == 3
    assert len(html) <= 150_000
    assert str(tmp_path) not in html
    assert str(evidence_folder) not in html


def test_spreadsheets_get_no_formula() -> None:
    frame = pd.DataFrame(
        {"a": ["=1+1", "-2", "-x", "@f", "b=c", None], "n": [1, 2, 3, 4, 5, 6], "l": [["b"], [], *[None] * 4]}
    )
    text = gzip.decompress(csv_gz(frame)).decode()
    assert [line.split(",")[0] for line in text.splitlines()] == ["a", "'=1+1", "-2", "'-x", "'@f", "b=c", ""]
    assert '"[""b""]"' in text
    assert csv_gz(frame) == csv_gz(frame.copy())


def test_readers_see_the_old_page_or_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "page.html"
    texts = ["a" * 300_000, "b" * 300_000]
    write(path, texts[0])
    stop = threading.Event()

    def writer() -> None:
        while not stop.is_set():
            for text in texts:
                write(path, text)

    thread = threading.Thread(target=writer)
    thread.start()
    try:
        seen = {path.read_text() for _ in range(200)}
    finally:
        stop.set()
        thread.join()
    assert seen <= set(texts)
    assert [entry.name for entry in path.parent.iterdir()] == ["page.html"]
    assert path.stat().st_mode & 0o777 == 0o666 & ~_umask()


def test_a_page_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.mkdir()
    with pytest.raises(OSError, match=r"page\.html"):
        write(path, "x")
    assert [entry.name for entry in tmp_path.iterdir()] == ["page.html"]


def test_the_front_page_shows_what_is_given() -> None:
    verdicts = pd.DataFrame(
        {
            "subject_id": ["a", "a", "b"],
            "label": ["3.12 <x>", "3.12 <x>", "3.13"],
            "question": ["portability", "security", "portability"],
            "level": ["good", "bad", "unknown"],
            "headline": ["runs", "has holes", "who knows"],
        }
    )
    links = [ArticleLink("portability", "Where?", "portability.html")]
    provenance = Provenance("2026-11-21T00:00:00+00:00", [("Machine", "m")])
    html = front_page(verdicts, links, provenance, changes=[Change("3.12", "level", "bad", "good")])
    assert "Assay of 2 Pythons" in html
    assert "3.12 &lt;x&gt;" in html
    assert 'href="portability.html#verdict-portability-a"' in html
    assert "not asked" in html
    assert "What changed since the last run" in html
    assert "What changed" not in front_page(verdicts, links, provenance)
    assert "Nothing was judged" in front_page(verdicts.head(0), links, provenance)


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask
