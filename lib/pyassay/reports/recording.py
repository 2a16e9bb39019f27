"""Record the evidence that the committed notebooks show, and run them on it (``make record``).

For a checkout: writes ``data/evidence/recorded`` and the outputs in ``notebooks/``, which nbval then checks.
Questions about tools are recorded one by one, with ``--only``: each takes as long as all about Pythons.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import nbformat

from pyassay.evidence import load, redacted
from pyassay.gathering import gather
from pyassay.probes import ABOUT_PYTHONS, ABOUT_TOOLS, probe_module
from pyassay.probes.compatibility import Settings as CompatibilitySettings
from pyassay.probes.performance.reference import default_reference
from pyassay.probes.performance.settings import Settings
from pyassay.probes.trials import NoPlace, places_at_hand
from pyassay.reports.assembly import build
from pyassay.reports.canonical import canonical
from pyassay.reports.execution import Execution, Status, execute_all
from pyassay.reports.html import write
from pyassay.reports.notebooks import notebook_name
from pyassay.resources import share
from pyassay.subjects import find

__all__ = ["drawing_versions", "gallery", "record", "record_tools", "run_notebooks"]

_MINUTES = 10.0
_DRAWN_BY = ("altair", "jinja2", "mistune", "nbconvert", "pandas", "pyarrow", "pygments", "vl-convert-python")


def record(
    folder: Path, selectors: Sequence[str] = (), images: Sequence[str] = (), minutes: float = _MINUTES
) -> Path:
    """Probe this machine's Pythons and keep the evidence without this machine's folders.

    What was recorded of tools stays. The Pythons are tried, too, in images of the Docker engine, if there
    is one.

    Parameters
    ----------
    folder : Path
        Where the evidence goes; what was there is replaced.
    selectors : sequence of str
        Further subjects: ``docker:debian:trixie-python3``.
    images : sequence of str
        Try them in these images only; by default in every one that has a name.
    minutes : float
        How long to measure speed.

    Raises
    ------
    EvidenceError
        If the folder cannot be written.
    SelectorError
        If a selector finds nothing.
    """
    subjects = [*find(), *(find(*selectors) if selectors else ())]
    with places_at_hand(images) as found:
        places = [place for place in found if not isinstance(place, NoPlace)]
        speed = Settings(budget_s=60 * minutes, reference=default_reference(subjects))
        evidence = gather(
            ABOUT_PYTHONS,
            subjects,
            places=places,
            settings={"performance": speed, "compatibility": CompatibilitySettings(own_tests=True)},
        )
    recorded = redacted(evidence)
    if (folder / "manifest.json").exists():
        recorded = load(folder).answered_by(recorded)
    return recorded.save(folder, replace_existing=True)


def record_tools(folder: Path, questions: Sequence[str]) -> Path:
    """Ask questions about tools, all that they can answer, and keep the evidence with what was recorded.

    Raises
    ------
    EvidenceError
        If the folder holds no evidence set, or cannot be written.
    """
    subjects = find()
    recorded = load(folder)
    settings = {question: probe_module(question).Settings(profile="full") for question in questions}
    found = redacted(gather(questions, subjects, settings=settings))
    return recorded.answered_by(found).save(folder, replace_existing=True)


def run_notebooks(folder: Path, questions: Sequence[str]) -> list[str]:
    """Run the notebooks of some questions, and keep their outputs in them; return what failed."""
    paths = [folder / f"{notebook_name(question)}.ipynb" for question in questions]
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
    result = build(load(evidence).manifest.questions, evidence, folder)
    write(folder / "made-with.json", json.dumps(drawing_versions(), indent=1) + "\n")
    return [f"{status.question}: {status.message}" for status in result.statuses if status.message]


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what ``make record`` asks for; return the exit status."""
    parser = argparse.ArgumentParser(prog="recording", description=__doc__)
    parser.add_argument("selectors", nargs="*", help="further subjects, besides every Python found")
    parser.add_argument(
        "--in", dest="images", action="append", default=[], help="try them in this image only"
    )
    parser.add_argument("--minutes", type=float, default=_MINUTES, help="how long to measure speed")
    parser.add_argument("--outputs-only", action="store_true", help="probe nothing, run the notebooks anew")
    parser.add_argument("--only", action="append", choices=ABOUT_TOOLS, help="record this question only")
    asked = parser.parse_args(arguments)
    place = share("data", "reference").parent / "evidence" / "recorded"
    if asked.only:
        record_tools(place, asked.only)
    elif not asked.outputs_only:
        record(place, asked.selectors, asked.images, asked.minutes)
    failed = [
        *run_notebooks(share("notebooks"), asked.only or load(place).manifest.questions),
        *gallery(place, share("notebooks").parent / "reports" / "gallery"),
    ]
    for line in failed:
        sys.stderr.write(f"{line}\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
