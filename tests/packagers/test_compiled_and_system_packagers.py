"""Nuitka, dh-virtualenv, PyOxidizer: their commands and reasons; real builds if there is time."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pyassay.packagers import dh_virtualenv, nuitka, pyoxidizer
from pyassay.packagers.model import BuildError, Built, Inputs, Project
from pyassay.packagers.workshop import Workshop

HOSTILE = ["a b", "$(touch x)", "../up", "-m", "a;b", "a\nb", "`x`"]


@pytest.fixture
def workshop(tmp_path: Path, pure_wheels: Inputs) -> Iterator[Workshop]:
    with Workshop.open(tmp_path, build_key="reasons", timeout_s=60.0, python=pure_wheels.python) as opened:
        yield opened


def test_nuitka_is_told_of_data_and_metadata(pure_patient: Project) -> None:
    for form, program in zip(nuitka.FORMS, ("patient.bin", "patient"), strict=True):
        argv = nuitka.command(form, pure_patient, "python", "start.py", "made")
        assert argv[:3] == ["python", "-m", "nuitka"]
        assert f"--mode={form.name.removeprefix('nuitka-')}" in argv
        assert {"--include-package-data=patient", "--include-distribution-metadata=patient"} <= set(argv)
        assert f"--output-filename={program}" in argv
        assert argv[-1] == "start.py"


def test_what_came_from_ccache_is_told_as_nuitka_says_it() -> None:
    compiled = "Nuitka-Scons: Compiled 36 C files using ccache"
    result = "Nuitka-Scons: Cached C files (using ccache) with result"
    for said, told in (
        ("nothing of it", {}),
        (f"{compiled}.\n", {"from ccache": "0 of 36 files"}),
        (
            f"{compiled}.\n{result} 'cache hit': 25\n{result} 'cache miss': 11\n",
            {"from ccache": "25 of 36 files"},
        ),
    ):
        assert nuitka._ccache(said) == told


def test_from_the_container_come_no_build_folders(tmp_path: Path) -> None:
    """A link to an absolute path lies in them, which no archive of ours may hold."""
    (tmp_path / "cache").mkdir()
    made = (
        "mkdir -p made/start.build made/start.onefile-build made/start.dist; "
        "ln -s /bin/sh made/start.onefile-build/c"
    )
    subprocess.run(
        ["/bin/sh", "-c", nuitka._WITH_CACHE, "sh", tmp_path / "cache", "/bin/sh", "-c", made],
        cwd=tmp_path,
        env={"PATH": os.defpath, "NUITKA_CACHE_DIR": str(tmp_path / "copy")},
        check=True,
        timeout=60,
    )
    assert [path.name for path in (tmp_path / "made").iterdir()] == ["start.dist"]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_end_before_any_command(name: str, pure_patient: Project, tmp_path: Path) -> None:
    script = dataclasses.replace(pure_patient, script=name)
    for project in (script, dataclasses.replace(pure_patient, entry_point=f"{name}:main")):
        with pytest.raises(BuildError) as error:
            nuitka.command(nuitka.FORMS[0], project, "python", "start.py", "made")
        assert "\n" not in str(error.value)
        with pytest.raises(BuildError):
            pyoxidizer.configuration(project, Path("archive"), "0" * 64, tmp_path)
    for project in (script, dataclasses.replace(pure_patient, name=name)):
        with pytest.raises(BuildError):
            dh_virtualenv.debian_folder(project, tmp_path, 0)
        assert not list(tmp_path.iterdir())


def test_debians_files_name_the_package_and_nothing_of_it_is_in_the_rules(
    pure_patient: Project, tmp_path: Path
) -> None:
    project = dataclasses.replace(pure_patient, name="My_App", script="starter")
    dh_virtualenv.debian_folder(project, tmp_path, 0)
    debian = tmp_path / "debian"
    assert "Package: my-app\n" in (debian / "control").read_text()
    assert (debian / "links").read_text() == "opt/venvs/my-app/bin/starter usr/bin/starter\n"
    assert "Thu, 01 Jan 1970" in (debian / "changelog").read_text()
    rules = (debian / "rules").read_text()
    assert "my-app" not in rules
    assert "--no-index" in rules
    assert (debian / "rules").stat().st_mode & 0o100


def test_pyoxidizer_says_all_that_it_lacks(
    workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in (pyoxidizer.CRATES, pyoxidizer.DISTRIBUTION):
        monkeypatch.setenv(variable, str(tmp_path / "absent"))
    reason = pyoxidizer.available(pyoxidizer.FORMS[0], workshop)
    for word in ("dormant", "crates", "python-build-standalone", pyoxidizer.CRATES, pyoxidizer.DISTRIBUTION):
        assert word in reason
    assert "\n" not in reason


def test_pyoxidizers_recipe_quotes_paths(pure_patient: Project, tmp_path: Path) -> None:
    (tmp_path / "click").mkdir()
    (tmp_path / "click" / "__init__.py").touch()
    recipe = pyoxidizer.configuration(pure_patient, Path('/a"b'), "0" * 64, tmp_path)
    assert json.dumps('/a"b') in recipe
    assert 'packages=["click"]' in recipe
    compile(recipe, "pyoxidizer.bzl", "exec")


@pytest.mark.proof
def test_nuitkas_folder_works(build_pure: Callable[..., Built], pure_patient: Project) -> None:
    built = build_pure(nuitka.FORMS[0])
    ran = subprocess.run([built.path / built.program, "run"], capture_output=True, timeout=60, check=True)
    assert set(json.loads(ran.stdout)["works"]) >= set(pure_patient.expected)


@pytest.mark.proof
def test_dh_virtualenvs_package_depends_on_its_python(build_pure: Callable[..., Built]) -> None:
    built = build_pure(dh_virtualenv.FORMS[0])
    said = subprocess.run(
        ["dpkg-deb", "-f", built.path, "Depends"], capture_output=True, text=True, timeout=60, check=True
    )
    assert "python3 (<<" in said.stdout
