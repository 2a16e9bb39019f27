"""The arrows of the design run down only, and what must start quickly imports nothing heavy."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
HEAVY = {
    "pandas",
    "numpy",
    "pyarrow",
    "altair",
    "vl_convert",
    "papermill",
    "nbconvert",
    "nbclient",
    "nbformat",
    "rich",
}


def test_the_arrows_of_the_design_run_down_only() -> None:
    """Contracts under [tool.importlinter] in pyproject.toml."""
    program = "from importlinter.cli import lint_imports; raise SystemExit(lint_imports(no_cache=True))"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


def test_a_broken_arrow_is_seen(tmp_path: Path) -> None:
    """The contracts are not empty: the same ones, on a copy in which elf imports subjects, fail."""
    import shutil

    shutil.copytree(ROOT / "lib", tmp_path / "lib", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with (tmp_path / "lib/pyassay/elf/__init__.py").open("a") as file:
        file.write("\nimport pyassay.subjects\n")
    program = (
        "import sys; sys.path.insert(0, 'lib')\n"
        "from importlinter.cli import lint_imports; raise SystemExit(lint_imports(no_cache=True))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "elf knows bytes, not Pythons BROKEN" in done.stdout


@pytest.mark.parametrize(
    "statement",
    [
        "import pyassay",
        "import pyassay.cli",
        "import pyassay.elf.reader, pyassay.elf.symbols, pyassay.elf.versions, pyassay.elf.closure",
        "import pyassay.subjects",
        "import pyassay.places.host",
    ],
)
def test_quick_modules_import_nothing_heavy(statement: str) -> None:
    program = f"{statement}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert HEAVY.isdisjoint(json.loads(done.stdout))
