"""Every page of the committed gallery, opened with the network off: silent, whole, usable by everybody."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pyassay.evidence import load
from pyassay.reports.notebooks import notebook_name
from pyassay.resources import share

pytestmark = pytest.mark.browser

GALLERY = Path(__file__).resolve().parents[2] / "reports" / "gallery"
PAGES = [
    notebook_name(question) for question in load(share("data", "evidence", "recorded")).manifest.questions
]
Open = Callable[..., Any]


@pytest.mark.parametrize("name", ["index", *PAGES])
@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 400)])
def test_a_page_of_the_gallery_is_silent_and_usable(opened: Open, name: str, scheme: str, width: int) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page = GALLERY / f"{name}.html"
    # Ninety builds with a verdict each: what is folded away is still in the page.
    most = 700_000 if name == "packaging" else 400_000
    assert page.stat().st_size < most, "a page can be mailed"
    result = opened(page, width=width, color_scheme=scheme)
    result.page.wait_for_timeout(200)
    assert result.errors == []
    assert result.requests == []
    found = axe.run(result.page).response["violations"]
    serious = [one["id"] for one in found if one["impact"] in ("serious", "critical")]
    assert serious == []
    across = result.page.evaluate("document.documentElement.scrollWidth")
    assert across <= width, "a phone scrolls in one direction"


@pytest.mark.parametrize("name", PAGES)
def test_every_chart_of_an_article_is_drawn(opened: Open, name: str) -> None:
    page = opened(GALLERY / f"{name}.html").page
    charts = page.locator("figure svg")
    assert charts.count() >= 1
    for number in range(charts.count()):
        box = charts.nth(number).bounding_box()
        assert box is not None
        assert box["width"] > 100
        assert box["height"] > 50
