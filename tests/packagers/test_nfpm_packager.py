"""The tree in a package of the system: made by nfpm for real, read with dpkg-deb where it is."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from pyassay.packagers import nfpm
from pyassay.packagers.model import BuildError, Built, Delivery, Project
from pyassay.packagers.outer_needs import OuterNeeds, outer_needs

DEB, RPM = nfpm.FORMS
NEEDS = OuterNeeds("2.34", ("libpq.so.5",), ("ld-linux-x86-64.so.2",))


def _tool(*argv: str | Path) -> str:
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True).stdout


def test_the_deb_holds_a_tree_that_works_and_says_what_it_needs(
    build_pure: Callable[..., Built], pure_patient: Project, tmp_path: Path
) -> None:
    if shutil.which("dpkg-deb") is None:
        pytest.skip("dpkg-deb is not installed")
    built = build_pure(DEB)
    assert built.delivery is Delivery.PACKAGE
    _tool("dpkg-deb", "-x", built.path, tmp_path)
    needs = outer_needs(tmp_path)
    assert f"libc6 (>= {needs.glibc})" in _tool("dpkg-deb", "-f", built.path, "Depends")
    assert (tmp_path / "usr/bin" / pure_patient.script).readlink() == Path("/opt/patient/patient")
    ran = _tool(tmp_path / "opt/patient/patient", "run")
    assert set(json.loads(ran)["works"]) >= set(pure_patient.expected)


@pytest.mark.slow
def test_the_rpm_is_one(build_pure: Callable[..., Built]) -> None:
    built = build_pure(RPM)
    assert built.path.read_bytes()[:4] == b"\xed\xab\xee\xdb"


def test_dependencies_are_those_of_the_tree(pure_patient: Project) -> None:
    project = dataclasses.replace(pure_patient, name="My_App", version="1.0rc2")
    settings = nfpm.configuration(project, "x86_64", Path("/tree"), NEEDS, ("libpq5",))
    assert settings["name"] == "my-app"
    assert settings["version"] == "1.0~rc2"
    assert settings["arch"] == "amd64"
    overrides = settings["overrides"]
    assert isinstance(overrides, dict)
    assert overrides["deb"] == {"depends": ["libc6 (>= 2.34)", "libpq5"]}
    assert overrides["rpm"] == {"depends": ["libc.so.6(GLIBC_2.34)(64bit)", "libpq.so.5()(64bit)"]}


@pytest.mark.parametrize("name", ["a b", "${HOME}", "../up", "a", "", "a\nb"])
def test_a_name_that_no_package_has_is_refused(name: str, pure_patient: Project) -> None:
    with pytest.raises(BuildError):
        nfpm.configuration(dataclasses.replace(pure_patient, name=name), "x86_64", Path("/tree"), NEEDS, ())
    if len(name) != 1:
        project = dataclasses.replace(pure_patient, script=name)
        with pytest.raises(BuildError):
            nfpm.configuration(project, "x86_64", Path("/tree"), NEEDS, ())


def test_needs_are_read_from_programs_only(tmp_path: Path) -> None:
    shutil.copy(Path(shutil.which("true") or "/bin/true"), tmp_path / "program")
    (tmp_path / "broken.so").write_bytes(b"\x7fELF")
    (tmp_path / "text.so").write_text("no program")
    (tmp_path / "dangling").symlink_to("nowhere")
    needs = outer_needs(tmp_path)
    assert needs.glibc.startswith("2.")
    assert needs.libraries == ()
    assert len(needs.loaders) == 1
