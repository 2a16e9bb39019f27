"""Embedding: a program compiled and started, and what others find of an interpreter."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pyassay.subjects import Interpreter

Ask = Callable[..., Any]
BuiltBy = Callable[[str], Interpreter]

QUICK = ("exported_symbols", "embed", "pkgconfig", "libpython_shared", "libcrypt")


@pytest.mark.parametrize("quirk", QUICK)
def test_every_interpreter_answers(quirk: str, interpreter: Interpreter, ask_catalogued: Ask) -> None:
    ask_catalogued(quirk, interpreter.executable)


@pytest.mark.slow
def test_cmake_finds_every_interpreter(typical: Interpreter, ask_catalogued: Ask) -> None:
    ask_catalogued("cmake_findpython", typical.executable)


def test_pyenv_with_a_shared_library(ask_catalogued: Ask, built_by: BuiltBy) -> None:
    executable = built_by("pyenv").executable
    if ask_catalogued("libpython_shared", executable).answer != "shared":
        pytest.skip("built without --enable-shared")
    assert ask_catalogued("pkgconfig", executable).answer == "works"
    assert ask_catalogued("exported_symbols", executable).answer == "none"
    if shutil.which("gcc"):
        embedded = ask_catalogued("embed", executable)
        assert embedded.answer == "works", embedded
    if shutil.which("cmake") and shutil.which("cc"):
        assert ask_catalogued("cmake_findpython", executable).answer == "both"


def test_a_standalone_build_embeds_with_help_only(ask_catalogued: Ask, built_by: BuiltBy) -> None:
    standalone = built_by("python-build-standalone")
    if shutil.which("gcc") is None:
        pytest.skip("no gcc here")
    seen = ask_catalogued("embed", standalone.executable)
    assert seen.answer == "does not start"
    assert "cannot open shared object file" in seen.observed
    assert "it works" in seen.details["helps"]
    # Nothing of this machine's scratch folder is told.
    assert "quirk-" not in seen.observed
    assert ask_catalogued("exported_symbols", standalone.executable).answer == "none"


def test_debian_holds_the_interpreter_and_shares_zlib(ask_catalogued: Ask, built_by: BuiltBy) -> None:
    executable = built_by("debian").executable
    assert ask_catalogued("libpython_shared", executable).answer in {"both", "executable", "static"}
    symbols = ask_catalogued("exported_symbols", executable)
    assert symbols.answer == "shared"
    assert "libz.so" in symbols.details["visible"]["deflate"]


def test_only_the_crypt_module_needs_libcrypt(interpreter: Interpreter, ask_catalogued: Ask) -> None:
    seen = ask_catalogued("libcrypt", interpreter.executable)
    gone = tuple(map(int, interpreter.version.split(".")[:2])) >= (3, 13)
    assert seen.answer == "nowhere" if gone else seen.answer in {"crypt only", "nowhere"}
    if not gone and interpreter.provenance.builder in {"debian", "python-build-standalone"}:
        assert seen.answer == "crypt only"
        assert [name.startswith("libcrypt.so") for names in seen.details.values() for name in names] == [True]


def test_no_compiler_no_program(ask_catalogued: Ask, built_by: BuiltBy, tmp_path: Path) -> None:
    bare = {"PATH": str(tmp_path)}
    for quirk in ("embed", "cmake_findpython"):
        seen = ask_catalogued(quirk, built_by("pyenv").executable, environment=bare)
        assert seen.outcome == "not measured"
        assert "this place has no" in seen.reason
