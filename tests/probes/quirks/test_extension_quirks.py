"""Building extensions: what sysconfig says, and a module of ten lines really built by three backends."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from pyassay.places.host import run
from pyassay.probes.quirks.backends import PACKAGES, Backends, backends_at_hand
from pyassay.subjects import Interpreter

Ask = Callable[..., Any]
BuiltBy = Callable[[str], Interpreter]

QUICK = ("build_paths", "install_prefix", "compiler_named", "headers")
BUILDING = ("extension_setuptools", "extension_meson_python", "extension_scikit_build_core")


@pytest.fixture(scope="module")
def backends() -> Iterator[Backends]:
    with backends_at_hand() as lent:
        yield lent


@pytest.mark.parametrize("quirk", QUICK)
def test_every_interpreter_answers(quirk: str, interpreter: Interpreter, ask_catalogued: Ask) -> None:
    ask_catalogued(quirk, interpreter.executable)


@pytest.mark.slow
@pytest.mark.parametrize("quirk", BUILDING)
def test_every_interpreter_builds(
    quirk: str, typical: Interpreter, ask_catalogued: Ask, backends: Backends
) -> None:
    seen = ask_catalogued(quirk, typical.executable, given=backends.given())
    if typical.provenance.builder == "pyenv" and seen.outcome == "measured":
        assert seen.answer == "works", seen.observed


@pytest.mark.parametrize("quirk", BUILDING)
def test_pyenv_builds(quirk: str, ask_catalogued: Ask, built_by: BuiltBy, backends: Backends) -> None:
    if shutil.which("gcc") is None:
        pytest.skip("no gcc here")
    seen = ask_catalogued(quirk, built_by("pyenv").executable, given=backends.given())
    if seen.outcome != "measured":
        pytest.skip(seen.reason)
    assert seen.answer == "works", seen.observed


def test_standalone_builds_name_folders_and_compiler_of_their_builder(
    ask_catalogued: Ask, built_by: BuiltBy, backends: Backends
) -> None:
    standalone = built_by("python-build-standalone")
    if standalone.provenance.installer == "uv":
        pytest.skip("uv corrects sysconfig when it installs")
    paths = ask_catalogued("build_paths", standalone.executable)
    assert paths.answer == "misleading"
    assert paths.details["LIBDIR"] == ["/install/lib"]
    assert len(paths.details) > 20
    assert ask_catalogued("install_prefix", standalone.executable).answer == "no"
    assert ask_catalogued("headers", standalone.executable).answer == "complete"
    if shutil.which("clang") or not shutil.which("gcc"):
        pytest.skip("the compiler that it names is here, or none is")
    assert ask_catalogued("compiler_named", standalone.executable).answer == "absent"
    built = ask_catalogued("extension_setuptools", standalone.executable, given=backends.given())
    assert built.answer == "needs CC"
    assert "clang" in built.details["failed"]


def test_debian_names_what_it_has(ask_catalogued: Ask, built_by: BuiltBy) -> None:
    executable = built_by("debian").executable
    assert ask_catalogued("install_prefix", executable).answer == "yes"
    assert ask_catalogued("build_paths", executable).answer == "leftovers"


def test_without_a_compiler_nothing_is_said(
    ask_catalogued: Ask, built_by: BuiltBy, backends: Backends, tmp_path: Path
) -> None:
    bare = {"PATH": str(tmp_path)}
    executable = built_by("pyenv").executable
    assert "no C compiler" in ask_catalogued("compiler_named", executable, environment=bare).reason
    for quirk in BUILDING:
        seen = ask_catalogued(quirk, executable, given=backends.given(), environment=bare)
        assert seen.reason == "this place has no gcc or cc or clang"


def test_a_backend_for_newer_versions_is_not_tried(interpreter: Interpreter, ask_catalogued: Ask) -> None:
    given = {
        "backends": "/nowhere",
        "backend_versions": dict.fromkeys(PACKAGES, "9"),
        "backend_requires_python": dict.fromkeys(PACKAGES, ">=3.99"),
    }
    seen = ask_catalogued("extension_meson_python", interpreter.executable, given=given)
    if shutil.which("gcc") and seen.outcome != "measured":
        assert seen.reason == "meson-python 9 wants Python 3.99"


def test_no_backend_at_all(built_by: BuiltBy, ask_catalogued: Ask) -> None:
    seen = ask_catalogued("extension_scikit_build_core", built_by("pyenv").executable)
    assert seen.outcome in {"measured", "not measured"}
    if seen.outcome == "not measured":
        assert "scikit-build-core" in seen.reason or "gcc" in seen.reason


@pytest.mark.parametrize("copied", [False, True])
def test_what_is_lent(copied: bool) -> None:
    with backends_at_hand(copied=copied) as lent:
        assert set(lent.versions) <= set(PACKAGES)
        assert {name: version(name) for name in lent.versions} == lent.versions
        entries = list(lent.packages.iterdir())
        assert entries
        assert all(path.is_symlink() != copied for path in entries)
        for program in lent.programs.iterdir():
            assert program.is_symlink() != copied
            assert run([str(program), "--version"], timeout_s=20).ok
        where = lent.given("/lent")
        assert where["backends"] == "/lent/packages"
        assert where["bin"] == "/lent/bin"
    assert not lent.packages.parent.exists()
