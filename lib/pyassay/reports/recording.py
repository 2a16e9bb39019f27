"""Record the evidence that the committed notebooks show, and run them on it (``make record``).

For a checkout: writes ``data/evidence/recorded`` and the outputs in ``notebooks/``, which nbval then checks.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import nbformat

from pyassay.evidence import gather, redacted
from pyassay.probes import QUESTIONS
from pyassay.reports.canonical import canonical
from pyassay.reports.execution import Execution, Status, execute_all
from pyassay.reports.html import write
from pyassay.resources import share
from pyassay.subjects import find

__all__ = ["record", "run_notebooks"]


def record(folder: Path, selectors: Sequence[str] = ()) -> Path:
    """Probe this machine's Pythons and keep the evidence without this machine's folders.

    Raises
    ------
    EvidenceError
        If the folder cannot be written.
    SelectorError
        If a selector finds nothing.
    """
    evidence = gather(QUESTIONS[0], find(*selectors))
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


if __name__ == "__main__":
    place = share("data", "reference").parent / "evidence" / "recorded"
    if "--outputs-only" not in sys.argv:
        record(place, [word for word in sys.argv[1:] if not word.startswith("-")])
    sys.exit("\n".join(run_notebooks(share("notebooks"))) or 0)
