"""The rules that hold the committed notebooks, tried on notebooks that break them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

CONFTEST = Path(__file__).resolve().parents[2] / "notebooks" / "conftest.py"


def _notebook(source: str, output: object, *, count: int | None = 1) -> nbformat.NotebookNode:
    outputs = [output] if output is not None else []
    notebook = new_notebook(cells=[new_code_cell(source, outputs=outputs, execution_count=count)])
    # A kernel that no machine has: it must not matter.
    notebook.metadata["kernelspec"] = {"name": "nowhere", "display_name": "Nowhere", "language": "python"}
    return notebook


def _result(text: str, **further: object) -> nbformat.NotebookNode:
    return new_output("execute_result", {"text/plain": text, **further}, execution_count=1)


CHART = "from IPython.display import display\ndisplay({data}, raw=True)"
CHART_NOW = (
    '{"image/svg+xml": "<svg>2</svg>", "text/plain": "c", '
    '"application/vnd.vegalite.v6+json": {"values": [1.5, 3]}}'
)


def _chart(values: list[float]) -> nbformat.NotebookNode:
    spec = {"values": values}
    data = {"image/svg+xml": "<svg>1</svg>", "application/vnd.vegalite.v6+json": spec, "text/plain": "c"}
    return new_output("display_data", data)


CASES = {
    "same": _notebook("print('x')\n1 + 1", None),
    "changed": _notebook("'floor 2.28'", _result("'floor 2.17'")),
    "version": _notebook("print('2.10')", new_output("stream", name="stdout", text="2.1\n")),
    "never_run": _notebook("1 + 1", None, count=None),
    "noise": _notebook("0.1 + 0.2", _result("0.3000000000000001")),
    "chart_same": _notebook(CHART.format(data=CHART_NOW), _chart([1.5000000000001, 3])),
    "chart_changed": _notebook(CHART.format(data=CHART_NOW), _chart([1.5, 4])),
    "raises": _notebook("1 / 0", None),
    "environment": _notebook(
        "import os, sys\nprint(os.environ['TZ'], 'pyassay-nbval-' in os.environ['IPYTHONDIR'])",
        new_output("stream", name="stdout", text="UTC True\n"),
    ),
}
CASES["same"].cells[0].outputs = [new_output("stream", name="stdout", text="x\n"), _result("2")]


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, str], str]:
    folder = tmp_path_factory.mktemp("notebooks")
    shutil.copy(CONFTEST, folder)
    (folder / "pytest.ini").write_text("[pytest]\n")
    for name, notebook in CASES.items():
        nbformat.write(notebook, folder / f"{name}.ipynb")
    environment = os.environ | {
        "JUPYTER_PATH": str(folder / "none"),
        "JUPYTER_DATA_DIR": str(folder / "none"),
    }
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "--nbval",
            "-p",
            "no:cacheprovider",
            "-rA",
            "--color=no",
            str(folder),
        ],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    found = re.findall(r"^(PASSED|FAILED|ERROR) (\w+)\.ipynb::", done.stdout, re.MULTILINE)
    results = {name: verdict for verdict, name in found}
    return results, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("name", "verdict"),
    [
        ("same", "PASSED"),
        ("changed", "FAILED"),
        ("version", "FAILED"),
        ("never_run", "FAILED"),
        ("noise", "PASSED"),
        ("chart_same", "PASSED"),
        ("chart_changed", "FAILED"),
        ("raises", "FAILED"),
        ("environment", "PASSED"),
    ],
)
def test_verdict_of_nbval(outcome: tuple[dict[str, str], str], name: str, verdict: str) -> None:
    results, output = outcome
    assert results.get(name) == verdict, output


def test_a_change_is_shown_as_old_against_new(outcome: tuple[dict[str, str], str]) -> None:
    output = outcome[1]
    assert "-'floor 2.17'\n+'floor 2.28'" in output
    assert "values[1]: 4 before, 3 now" in output
    assert "the cell was never run" in output
