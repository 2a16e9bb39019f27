"""Where a package goes when no environment is active: real uv, real pip, a Python to throw away."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from corpus.installer_bench import PIP, UV, answered, bench_of
from pyassay.probes.installers import environments
from pyassay.probes.installers.bench import BenchError
from pyassay.probes.installers.catalogue import catalogue
from pyassay.probes.installers.python_copy import copy_python
from pyassay.subjects.model import Interpreter

CLAIMS = ("no_environment", "environment_above", "user_option", "require_virtualenv", "system_option")
Rows = dict[tuple[str, str], dict[str, Any]]


@pytest.fixture(scope="module")
def rows(running_interpreter: Interpreter, tmp_path_factory: pytest.TempPathFactory) -> Rows:
    before = {folder: sorted(folder.iterdir()) for folder in running_interpreter.site_folders}
    found = answered(
        environments, bench_of(running_interpreter, tmp_path_factory.mktemp("environments"), *CLAIMS)
    )
    # Whatever was installed, nothing of it is in the Python that was copied.
    assert {folder: sorted(folder.iterdir()) for folder in running_interpreter.site_folders} == before
    return found


@pytest.mark.parametrize(
    ("claim", "uv", "pip"),
    [
        ("no_environment", "refuses", "global"),
        ("environment_above", "environment", "global"),
        ("user_option", "refuses", "user"),
        ("require_virtualenv", "ignored", "refuses"),
        ("system_option", "global", "not applicable"),
    ],
)
def test_where_the_package_goes(rows: Rows, claim: str, uv: str, pip: str) -> None:
    assert rows[claim, UV]["answer"] == uv
    assert rows[claim, PIP]["answer"] == pip


def test_a_refusal_has_its_status_and_its_words(rows: Rows) -> None:
    row = rows["no_environment", UV]
    assert row["exit_code"] == 2
    assert "No virtual environment found" in row["seen"]
    assert rows["require_virtualenv", PIP]["exit_code"] == 3


def test_the_environment_above_is_named_and_no_path_is(rows: Rows) -> None:
    row = rows["environment_above", UV]
    assert "work/.venv" in row["seen"]
    assert all("/tmp" not in f"{one['seen']} {one['command']}" for one in rows.values())


def test_the_copy_is_a_python_of_its_own(running_interpreter: Interpreter, tmp_path: Path) -> None:
    python = copy_python(running_interpreter, tmp_path / "copy")
    said = subprocess.run(
        [python.folder / "bin" / "python3", "-I", "-c", "import sys, json, zlib; print(sys.prefix)"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    assert Path(said) == python.folder.resolve()
    assert list(python.site_packages.iterdir()) == []
    assert not list(python.stdlib.glob("EXTERNALLY-MANAGED"))


def test_a_copy_that_cannot_be_made_says_so(running_interpreter: Interpreter, tmp_path: Path) -> None:
    (tmp_path / "copy").write_text("in the way")
    with pytest.raises(BenchError, match="cannot be copied"):
        copy_python(running_interpreter, tmp_path / "copy")


def test_a_copy_that_still_uses_the_original_is_refused(
    running_interpreter: Interpreter, tmp_path: Path
) -> None:
    import dataclasses

    wrapper = tmp_path / "wrapper"
    wrapper.write_text(f'#!/bin/sh\nexec {running_interpreter.executable} "$@"\n')
    wrapper.chmod(0o755)
    odd = dataclasses.replace(running_interpreter, executable=wrapper)
    with pytest.raises(BenchError, match="still looks for its files"):
        copy_python(odd, tmp_path / "copy")
    shutil.rmtree(tmp_path / "copy")


def test_every_trial_has_its_claim() -> None:
    tried = {trial.claim for trial in environments._TRIALS}
    assert tried == {claim.key for claim in catalogue().values() if claim.group == "environments"}
