"""A headless Chromium without any network, and pages to open in it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

ARTIFACTS = Path(__file__).resolve().parents[1] / "artifacts"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
ARGUMENTS = [
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND",
]


@dataclass
class Opened:
    """A page that was opened, with what it asked for and what went wrong in it."""

    page: Any
    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def shot(self, name: str) -> None:
        """Keep a picture of the top of the page, and one of all of it."""
        ARTIFACTS.mkdir(exist_ok=True)
        self.page.screenshot(path=ARTIFACTS / f"{name}.png")
        size = self.page.viewport_size
        height = min(self.page.evaluate("document.documentElement.scrollHeight"), 6000)
        self.page.set_viewport_size({"width": size["width"], "height": height})
        self.page.screenshot(path=ARTIFACTS / f"{name}-whole.png")
        self.page.set_viewport_size(size)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """Return a browser; skip where there is none."""
    sync_api = pytest.importorskip("playwright.sync_api")
    executable = os.environ.get("PYASSAY_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if executable is None:
        pytest.skip(f"none of {', '.join(NAMES)} on PATH")
    # Chromium refuses its sandbox to root, which containers of CI run as.
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=[*sandbox, *ARGUMENTS])
        yield browser
        browser.close()


@pytest.fixture
def opened(chromium: Any) -> Iterator[Callable[..., Opened]]:
    """Return a function that opens a file with the network off."""
    contexts = []

    def open_page(path: Path, *, width: int = 1280, height: int = 900, **options: Any) -> Opened:
        size = {"width": width, "height": height}
        context = chromium.new_context(offline=True, viewport=size, reduced_motion="reduce", **options)
        contexts.append(context)
        result = Opened(context.new_page())
        own = path.as_uri()
        result.page.on("request", lambda request: result.requests.append(request.url))
        result.page.on("pageerror", lambda error: result.errors.append(str(error)))
        result.page.on(
            "console",
            lambda message: (
                result.errors.append(message.text) if message.type in {"error", "warning"} else None
            ),
        )
        result.page.goto(own, wait_until="load")
        result.requests.remove(own)
        return result

    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory, running_interpreter: Any) -> Callable[[bool], Path]:
    """Return a function that gives the folder of a report, with or without interactive charts."""
    from pyassay.gathering import gather
    from pyassay.reports import build

    folder = tmp_path_factory.mktemp("browser")
    evidence = gather("portability", [running_interpreter]).save(folder / "evidence")
    made: dict[bool, Path] = {}

    def make(interactive: bool) -> Path:
        if interactive not in made:
            output = folder / f"report-{interactive}"
            assert build(["portability"], evidence, output, interactive=interactive).complete
            made[interactive] = output
        return made[interactive]

    return make
