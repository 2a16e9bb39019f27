"""Differences between uv and pip: real installers, known facts."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
from corpus.installer_bench import PIP, UV, answered, bench_of
from pyassay.probes.installers import differences
from pyassay.probes.installers.catalogue import catalogue
from pyassay.probes.installers.difference_samples import make_seeing_sdist
from pyassay.subjects.model import Interpreter

KNOWN = {
    "build_isolation": ("isolated", "isolated"),
    "prerelease_transitive": ("stops", "takes"),
    "pip_variables": ("ignored", "read"),
    "hash_on_one": ("checks", "demands"),
    "breaks_installed": ("silent", "warns"),
    "keyring_unasked": ("not_asked", "asked"),
    "reads_project": ("read", "ignored"),
    "requested_recorded": ("all", "right"),
}
Rows = dict[tuple[str, str], dict[str, Any]]


@pytest.fixture(scope="module")
def rows(running_interpreter: Interpreter, tmp_path_factory: pytest.TempPathFactory) -> Rows:
    return answered(
        differences, bench_of(running_interpreter, tmp_path_factory.mktemp("differences"), *KNOWN)
    )


@pytest.mark.parametrize("claim", KNOWN)
def test_what_each_of_them_does(rows: Rows, claim: str) -> None:
    assert (rows[claim, UV]["answer"], rows[claim, PIP]["answer"]) == KNOWN[claim]


def test_the_password_is_not_shown(rows: Rows) -> None:
    shown = "".join(f"{row['seen']} {row['details']} {row['command']}" for row in rows.values())
    assert "alice" in shown
    assert differences._PASSWORD not in shown


def test_a_build_says_what_it_sees(tmp_path: Path) -> None:
    sdist = make_seeing_sdist(tmp_path, "seeing", requires=(), looks_for="looked_for")
    (tmp_path / "looked_for.py").write_text("VERSION = '7'\n")
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    program = (
        "import backend, zipfile; print(zipfile.ZipFile(backend.build_wheel('.')).read('seeing/saw.txt'))"
    )
    environment = {"PYTHONPATH": str(tmp_path)}
    for variables, saw in ((environment, "b'7'"), ({}, "b''")):
        said = subprocess.run(
            [sys.executable, "-c", program],
            cwd=tmp_path / "seeing-1.0",
            env=variables,
            capture_output=True,
            text=True,
            check=True,
        )
        assert said.stdout.strip() == saw


def test_every_probe_has_its_claim() -> None:
    assert set(differences._PROBES) == {
        claim.key for claim in catalogue().values() if claim.group == "differences"
    }
