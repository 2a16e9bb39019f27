"""A small article with three charts, and evidence of the interpreter that runs the tests."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from pyassay.subjects.model import Interpreter

SETUP = """
import altair as alt
import pandas as pd
from pyassay import tables, theme
from pyassay.evidence import load
from pyassay.reference import distributions, glibc_releases
from pyassay.verdicts import judge

theme.enable()
found = load(evidence)
releases = glibc_releases().tail(limit)
distros = distributions()
"""

CELLS = [
    ("md", "# Which glibc does a distribution have?\n\nAn article for the tests of the *report engine*."),
    ("parameters", 'evidence: str = ""\npolicy: str = "default"\nlimit: int = 12'),
    ("setup", SETUP.strip()),
    ("md", "## Verdict\n\nJudged by the policy, with `code` and a [link](https://example.org/x?a=1&b=2)."),
    (
        "code",
        'tables.verdict_box(judge(found), dict(found.table("subjects")[["subject_id", "label"]].values))',
    ),
    ("md", "## Charts\n\n### By number"),
    (
        "code",
        'counted = distros.groupby("distro").size().rename("releases").reset_index()\n'
        'alt.Chart(counted, title="Some distributions have many releases, and this is a sentence long enough '
        'to need two lines when it is set above a chart", description="Bars: releases per distribution")'
        '.mark_bar(cornerRadius=2).encode(x="releases", y=alt.Y("distro", sort="-x"), tooltip="releases")',
    ),
    ("md", "### By number"),
    (
        "code",
        'alt.Chart(distros, title="glibc by distribution").mark_point().encode('
        'x="libc_version:N", y="distro:N", color="libc:N")',
    ),
    (
        "code",
        'alt.Chart(releases, title="glibc comes twice a year").mark_line(point=True).encode('
        'x="release_date:T", y="version:N")',
    ),
    ("md", "## Tables"),
    ("code", 'tables.table(distros.iloc[:, :6], caption="Distributions", limit=10, code=["distro"])'),
    ("code", "releases"),
    ("code", "print('streamed', 1); {1, 2, 3}"),
    ("result", "{'rows': len(distros)}"),
]

SIDECAR = """
[evidence]
type = "path"
default = ""
description = "A recorded evidence set."

[policy]
type = "str"
default = "default"
description = "What to judge by."

[limit]
type = "int"
default = 12
minimum = 1
maximum = 100
description = "How many releases."
"""


def written(folder: Path, name: str, cells: list[tuple[str, str]], sidecar: str = "") -> Path:
    """Write a notebook of (kind, source) cells; a kind that is not md or code is a tag."""
    notebook = new_notebook()
    for kind, source in cells:
        if kind == "md":
            notebook.cells.append(new_markdown_cell(source))
            continue
        cell = new_code_cell(source)
        if kind != "code":
            cell.metadata["tags"] = [kind]
        notebook.cells.append(cell)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.ipynb"
    nbformat.write(notebook, path)
    if sidecar:
        path.with_suffix(".toml").write_text(sidecar)
    return path


@pytest.fixture(scope="session")
def notebooks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the article."""
    folder = tmp_path_factory.mktemp("notebooks")
    written(folder, "portability", CELLS, SIDECAR)
    return folder


@pytest.fixture(scope="session")
def evidence_folder(tmp_path_factory: pytest.TempPathFactory, running_interpreter: Interpreter) -> Path:
    """Return recorded evidence of one interpreter."""
    from pyassay.gathering import gather

    folder = tmp_path_factory.mktemp("evidence") / "set"
    return gather("portability", [running_interpreter]).save(folder)
