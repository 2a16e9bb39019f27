"""Record the evidence that the committed notebooks show, and run them on it (``make record``).

For a checkout: writes ``data/evidence/recorded`` and the outputs in ``notebooks/``, which nbval then checks.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import nbformat

from pyassay.evidence import redacted
from pyassay.gathering import gather
from pyassay.probes import QUESTIONS
from pyassay.probes.trials import NoPlace, places_at_hand
from pyassay.reports.assembly import build
from pyassay.reports.canonical import canonical
from pyassay.reports.execution import Execution, Status, execute_all
from pyassay.reports.html import write
from pyassay.resources import share
from pyassay.subjects import find

__all__ = ["drawing_versions", "gallery", "record", "run_notebooks"]

_DRAWN_BY = ("altair", "jinja2", "mistune", "nbconvert", "pandas", "pyarrow", "pygments", "vl-convert-python")


def record(folder: Path, selectors: Sequence[str] = ()) -> Path:
    """Probe this machine's Pythons and keep the evidence without this machine's folders.

    They are tried, too, in the images of the Docker engine, if there is one.

    Raises
    ------
    EvidenceError
        If the folder cannot be written.
    SelectorError
        If a selector finds nothing.
    """
    with places_at_hand() as found:
        places = [place for place in found if not isinstance(place, NoPlace)]
        evidence = gather(QUESTIONS, find(*selectors), places=places)
    return redacted(evidence).save(folder, replace_existing=True)


def run_notebooks(folder: Path) -> list[str]:
    """Run every notebook of a folder as it stands, and keep its outputs in it; return what failed."""
    paths = [folder / f"{question}.ipynb" for question in QUESTIONS]
    failures: list[str] = []
    executed = execute_all([Execution(path) for path in paths])
    for path, result in zip(paths, executed, strict=True):
        if result.status is not Status.DONE:
            failures.append(f"{path}: {result.message}")
        else:
            text: str = nbformat.writes(canonical(result.nb))  # type: ignore[no-untyped-call]
            write(path, text + "\n")
    return failures


def drawing_versions() -> dict[str, str]:
    """Return the versions of the libraries that decide about the bytes of a page."""
    return {name: version(name) for name in _DRAWN_BY}


def gallery(evidence: Path, folder: Path) -> list[str]:
    """Write the report on recorded evidence to a folder that is kept under version control; return failures.

    Equal evidence and equal versions of the libraries give equal bytes: a test writes it again and compares.
    """
    result = build(QUESTIONS, evidence, folder)
    write(folder / "made-with.json", json.dumps(drawing_versions(), indent=1) + "\n")
    return [f"{status.question}: {status.message}" for status in result.statuses if status.message]


if __name__ == "__main__":
    place = share("data", "reference").parent / "evidence" / "recorded"
    if "--outputs-only" not in sys.argv:
        record(place, [word for word in sys.argv[1:] if not word.startswith("-")])
    failed = [
        *run_notebooks(share("notebooks")),
        *gallery(place, share("notebooks").parent / "reports" / "gallery"),
    ]
    sys.exit("\n".join(failed) or 0)
