"""Pages as a reader meets them: offline, light and dark, on a phone, on paper, by keyboard."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from pyassay import tables, theme
from pyassay.reports.execution import ExecutedNotebook, Status
from pyassay.reports.html import Download, Provenance, article
from pyassay.reports.index import ArticleLink, Change, front_page
from pyassay.verdicts.model import Level, Reason, Verdict

from .conftest import ARTIFACTS, Opened

pytestmark = pytest.mark.browser

Open = Callable[..., Opened]
Report = Callable[[bool], Path]
PAGES = ("portability.html", "index.html")

NASTY = [
    "<script>window.pwned=1</script>",
    "</script><script>window.pwned=2</script>",
    '"><img src=x onerror="window.pwned=3">',
    "' onmouseover='window.pwned=4' x='",
    "</style><script>window.pwned=5</script>",
    "javascript:window.pwned=6",
    "a\nb\r\nc\td",
    "\x1b[31mred\x1b]0;title\x07\x9b31m",
    "\u202egnp.exe\u2066\u200b",
    "<!-- <script> -->{{7*7}}{% raw %}${7*7}",
    "-->]]><svg onload=window.pwned=7>",
    "x" * 3000,
    "é\u0301\u4f60\u597d\U0001f40d",
    "&lt;b&gt; &amp; &#x3c;script&#x3e;",
]


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_is_silent_and_whole(opened: Open, report: Report, name: str, scheme: str) -> None:
    seen = opened(report(False) / name, color_scheme=scheme)
    assert seen.requests == []
    assert seen.errors == []
    seen.shot(f"{name[:-5]}-{scheme}")
    background = seen.page.evaluate("getComputedStyle(document.body).backgroundColor")
    brightness = sum(map(int, background[4:-1].split(",")))
    assert brightness > 700 if scheme == "light" else brightness < 150


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
def test_axe_finds_nothing_serious(opened: Open, report: Report, name: str, scheme: str, width: int) -> None:
    pytest.importorskip("axe_playwright_python")
    seen = opened(report(False) / name, color_scheme=scheme, width=width)
    seen.page.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
    assert _violations(seen.page) == []


@pytest.mark.parametrize("name", PAGES)
def test_a_phone_scrolls_in_one_direction(opened: Open, report: Report, name: str) -> None:
    seen = opened(report(False) / name, width=400, height=800, is_mobile=True, has_touch=True)
    seen.page.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
    assert seen.page.evaluate("document.documentElement.scrollWidth") <= 400
    seen.shot(f"{name[:-5]}-phone")


def test_the_contents_lead_to_their_headings(opened: Open, report: Report) -> None:
    seen = opened(report(False) / "portability.html")
    links = seen.page.locator("nav.contents a")
    assert links.count() >= 8
    for number in range(links.count()):
        links.nth(number).click()
        fragment = seen.page.evaluate("decodeURIComponent(location.hash.slice(1))")
        top = seen.page.evaluate("id => document.getElementById(id).getBoundingClientRect().top", fragment)
        bottom = seen.page.evaluate("innerHeight + scrollY >= document.documentElement.scrollHeight - 1")
        assert bottom or -1 <= top < 120, fragment
    assert seen.requests == []


def test_a_verdict_of_the_front_page_leads_to_its_paragraph(opened: Open, report: Report) -> None:
    seen = opened(report(False) / "index.html")
    seen.page.locator(".matrix td a").first.click()
    seen.page.wait_for_url("**/portability.html#verdict-*")
    assert seen.page.locator(":target").is_visible()
    seen.page.locator(".kicker a").click()
    seen.page.wait_for_url("**/index.html")


def test_it_prints(opened: Open, report: Report) -> None:
    seen = opened(report(False) / "portability.html", color_scheme="dark")
    ARTIFACTS.mkdir(exist_ok=True)
    pdf = seen.page.pdf(path=ARTIFACTS / "portability.pdf", prefer_css_page_size=True)
    assert pdf.startswith(b"%PDF-")
    assert 2 <= pdf.count(b"/Type /Page\n") + pdf.count(b"/Type/Page/") + pdf.count(b"/Type /Page ") <= 40
    seen.page.emulate_media(media="print")
    assert seen.page.locator("nav.contents").is_hidden()
    assert seen.page.locator("details.code").first.is_hidden()
    assert seen.page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"


def test_tables_sort_and_filter_by_keyboard(opened: Open, tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"version": [f"2.{n}" for n in range(20)], "n": [1000 * (7 * n % 20) for n in range(20)]}
    )
    seen = opened(_page(tmp_path, [tables.table(frame, caption="Twenty")]))
    column = "[...document.querySelectorAll('tbody tr:not([hidden])')].map(row => row.cells[%d].textContent)"
    version = seen.page.get_by_role("button", name="version")
    version.focus()
    seen.page.keyboard.press("Enter")
    assert seen.page.evaluate(column % 0) == [f"2.{n}" for n in range(20)]
    assert seen.page.locator("th[aria-sort=ascending]").inner_text().startswith("version")
    seen.page.keyboard.press("Enter")
    assert seen.page.evaluate(column % 0)[0] == "2.19"
    seen.page.get_by_role("button", name="n", exact=True).click()
    assert seen.page.evaluate(column % 1)[:3] == ["0", "1000", "2000"]
    assert seen.page.evaluate(column % 1)[-1] == "19,000"
    seen.page.get_by_label("Filter rows").fill("2.1 9")
    assert seen.page.evaluate(column % 0) == ["2.17", "2.19"] or len(seen.page.evaluate(column % 0)) < 11
    assert seen.errors == []


def test_without_scripts_everything_is_there(opened: Open, report: Report) -> None:
    seen = opened(report(False) / "portability.html", java_script_enabled=False)
    assert seen.page.locator("figure svg").count() == 3
    assert seen.page.locator("th button").count() == 0
    assert seen.page.locator("nav.contents a").first.is_visible()


def test_interactive_charts_are_drawn_offline_under_the_strict_policy(opened: Open, report: Report) -> None:
    folder = report(True)
    seen = opened(folder / "portability.html", color_scheme="dark")
    seen.page.wait_for_selector("figure.interactive >> nth=2", state="attached", timeout=20_000)
    assert [Path(url).name for url in seen.requests] == [path.name for path in folder.glob("vega-*.js")]
    assert seen.errors == []
    assert seen.page.locator("figure.interactive svg.marks").count() == 3
    seen.page.locator("figure.interactive").first.scroll_into_view_if_needed()
    seen.shot("portability-interactive")
    assert _violations(seen.page) == []


def test_nasty_names_do_nothing(opened: Open, tmp_path: Path) -> None:
    """Every way in which a subject's name reaches a page, with names made to break out of it."""
    frame = pd.DataFrame({"name": NASTY, "list": [[name] for name in NASTY], "n": range(len(NASTY))})
    frame.columns = ["name", NASTY[0], NASTY[2]]
    verdicts = [
        Verdict(name, "portability", Level.BAD, name, (Reason(Level.BAD, name, name, {name: name}),))
        for name in NASTY
    ]
    values = [{"name": name, "n": number} for number, name in enumerate(NASTY)]
    spec = {
        "title": NASTY[0],
        "description": NASTY[1],
        "datasets": {"d": values},
        "data": {"name": "d"},
        "mark": "bar",
        "encoding": {"y": {"field": "name", "type": "nominal", "title": NASTY[2]}, "x": {"field": "n"}},
        "config": theme.config(),
    }
    raw = [new_output("display_data", {"text/html": name, "text/plain": name}) for name in NASTY]
    raw += [new_output("display_data", {"text/markdown": f"# {name}\n[x]({name})"}) for name in NASTY]
    raw += [new_output("stream", name="stderr", text=name) for name in NASTY]
    raw.append(new_output("error", ename=NASTY[0], evalue=NASTY[1], traceback=NASTY))
    content = [tables.table(frame, caption=NASTY[0], code=["name"]), tables.verdict_box(verdicts)]
    path = _page(tmp_path, content, spec=spec, raw=raw, names=NASTY)
    front = pd.DataFrame(
        [
            dict.fromkeys(("subject_id", "label", "headline"), name)
            | {"question": "portability", "level": "bad"}
            for name in NASTY
        ]
    )
    index = tmp_path / "index.html"
    provenance = Provenance("2026-11-21T00:00:00+00:00", [(NASTY[0], NASTY[2])])
    index.write_text(
        front_page(
            front,
            [ArticleLink("portability", NASTY[0], "page.html", NASTY[1])],
            provenance,
            changes=[Change(*NASTY[:4])],
        ),
        encoding="utf-8",
    )
    for file in (path, index):
        seen = opened(file)
        seen.page.evaluate(
            "document.querySelectorAll('*').forEach(e => e.dispatchEvent(new Event('mouseover')))"
        )
        assert seen.page.evaluate("window.pwned") is None
        assert seen.requests == []
        assert seen.errors == []
        text = seen.page.evaluate("document.documentElement.outerHTML")
        for character in "\x1b\x07\x9b\u202e\u2066\u200b":
            assert character not in text
        assert seen.page.evaluate("document.documentElement.scrollWidth") <= 1280
        assert seen.page.evaluate(
            "[...document.scripts].every(s => !s.textContent.includes('pwned') || s.type)"
        )
        assert seen.page.locator("main").count() == 1
        assert NASTY[0] in seen.page.inner_text("main")
        seen.shot(f"nasty-{file.stem}")
        assert _violations(seen.page) == []


def _violations(page: Any) -> list[str]:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    found = axe.Axe().run(page).response["violations"]
    serious = [violation for violation in found if violation["impact"] in {"serious", "critical"}]
    return [f"{violation['id']}: {json.dumps(violation['nodes'][0])[:900]}" for violation in serious]


def _page(
    folder: Path,
    shown: list[tables.Shown],
    *,
    spec: dict[str, Any] | None = None,
    raw: list[nbformat.NotebookNode] | None = None,
    names: list[str] | None = None,
) -> Path:
    outputs = [new_output("display_data", item._repr_mimebundle_()) for item in shown]
    if spec is not None:
        bundle, metadata = theme.render(spec)
        outputs.append(new_output("display_data", bundle, metadata=metadata))
    heading = "# A page\n\n## Section"
    if names:
        heading = f"# {names[0]}\n\n" + "\n\n".join(f"## {name}" for name in names)
    cells = [new_markdown_cell(heading), new_code_cell("x = '<b>'", outputs=[*outputs, *(raw or [])])]
    name = names[1] if names else ""
    executed = ExecutedNotebook("page", new_notebook(cells=cells), Status.DONE, None, name, name, 0.0, None)
    facts = [(text, text) for text in names or []]
    downloads = [Download(text, "data/x.csv.gz", 1, 1) for text in names or []]
    provenance = Provenance("2026-11-21T00:00:00+00:00", facts, (), downloads)
    path = folder / "page.html"
    path.write_text(article(executed, provenance, question=name or "test"), encoding="utf-8")
    return path
