"""What lies in an environment against its records."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import pytest
from pyassay.probes.installers.consistency import state_of
from pyassay.probes.installers.samples import make_wheel


@pytest.fixture
def site(tmp_path: Path) -> Path:
    put(tmp_path, "1.0")
    return tmp_path / "site"


def put(folder: Path, version: str) -> None:
    files = {f"racer/{name}.py": f"VERSION = '{version}'\n" for name in ("__init__", "one", "two")}
    wheel = make_wheel(folder / "wheels", "racer", version, files=files)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")


def test_a_whole_installation_is_consistent(site: Path) -> None:
    state = state_of(site, "racer")
    assert state.consistent
    assert state.seen == "1 .dist-info; modules of 1.0"


def test_nothing_is_not_consistent(tmp_path: Path) -> None:
    state = state_of(tmp_path, "racer")
    assert not state.consistent
    assert state.seen == "not installed"


def test_two_versions_one_over_the_other(site: Path) -> None:
    put(site.parent, "2.0")
    state = state_of(site, "racer")
    assert (len(state.records), state.wrong, state.consistent) == (2, 3, False)


@pytest.mark.parametrize("what", ["missing", "changed", "foreign", "record", "mixed"])
def test_each_fault_is_seen(site: Path, what: str) -> None:
    match what:
        case "missing":
            (site / "racer/one.py").unlink()
        case "changed":
            (site / "racer/one.py").write_text("VERSION = '1.0'\n# more\n")
        case "foreign":
            (site / "racer/three.py").write_text("VERSION = '1.0'\n")
        case "record":
            (site / "racer-1.0.dist-info/RECORD").unlink()
        case "mixed":
            (site / "racer/one.py").write_text("VERSION = '2.0'\n")
    state = state_of(site, "racer")
    assert not state.consistent
    counts = {"missing": state.missing, "changed": state.wrong, "foreign": state.foreign}
    counts |= {"record": state.missing, "mixed": len(state.versions) - 1}
    assert counts[what] == 1


def test_what_installers_leave_behind_is_counted(site: Path) -> None:
    shutil.copytree(site / "racer", site / "~acer")
    state = state_of(site, "racer")
    assert state.leftovers == 1
    assert "1 temporary files are left" in state.seen
