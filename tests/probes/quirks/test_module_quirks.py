"""The standard library: what is there, and whose."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pyassay.subjects import Interpreter

Ask = Callable[..., Any]
BuiltBy = Callable[[str], Interpreter]

QUIRKS = (
    "builtin_without_file",
    "missing_modules",
    "removed_modules",
    "dbm_backends",
    "tkinter",
    "tix",
    "test_modules",
    "sqlite_features",
    "zoneinfo",
    "ctypes_find_library",
    "static_modules_musl",
)


@pytest.mark.parametrize("quirk", QUIRKS)
def test_every_interpreter_answers(quirk: str, interpreter: Interpreter, ask_catalogued: Ask) -> None:
    ask_catalogued(quirk, interpreter.executable)


def test_pyenv_is_plain_cpython(ask_catalogued: Ask, built_by: BuiltBy) -> None:
    executable = built_by("pyenv").executable
    assert ask_catalogued("builtin_without_file", executable).answer == "files"
    assert ask_catalogued("removed_modules", executable).answer in {"as CPython", "kept"}
    assert ask_catalogued("static_modules_musl", executable).answer == "dynamic"
    assert ask_catalogued("test_modules", executable).answer == "complete"


def test_a_standalone_build_has_its_libraries_inside(ask_catalogued: Ask, built_by: BuiltBy) -> None:
    executable = built_by("python-build-standalone").executable
    builtin = ask_catalogued("builtin_without_file", executable)
    assert builtin.answer == "builtin"
    assert "_ssl" in builtin.details["builtin"]
    assert "nis" in ask_catalogued("missing_modules", executable).details
    assert ask_catalogued("sqlite_features", executable).answer == "all"
    assert ask_catalogued("dbm_backends", executable).answer in {"berkeley db", "sqlite3"}


def test_what_google_left_out_is_named(ask_catalogued: Ask, built_by: BuiltBy) -> None:
    standalone = built_by("python-build-standalone")
    if standalone.provenance.installer != "google-cloud-sdk":
        pytest.skip("not the one that comes with the Google Cloud SDK")
    missing = ask_catalogued("missing_modules", standalone.executable)
    assert missing.answer == "some"
    assert "pydoc_data" in missing.details
    assert ask_catalogued("removed_modules", standalone.executable).answer == "gone early"
    assert ask_catalogued("test_modules", standalone.executable).answer == "absent"
    assert ask_catalogued("tix", standalone.executable).outcome == "not measured"


def test_removed_modules_follow_the_version(interpreter: Interpreter, ask_catalogued: Ask) -> None:
    seen = ask_catalogued("removed_modules", interpreter.executable)
    if interpreter.version[0] == "2":
        assert seen.outcome == "not applicable"
        return
    series = tuple(map(int, interpreter.version.split(".")[:2]))
    assert ("distutils" in seen.details["gone"]) == (
        series >= (3, 12) and "distutils" not in seen.details["kept"]
    )
    assert ("telnetlib" in seen.details["gone"]) == (
        series >= (3, 13) and "telnetlib" not in seen.details["kept"]
    )


def test_no_module_is_missing_by_a_wrong_list(interpreter: Interpreter, ask_catalogued: Ask) -> None:
    """A full build of any version lacks nothing but what its libraries deny."""
    if interpreter.provenance.builder != "pyenv" or interpreter.version[0] == "2":
        pytest.skip("not a plain build of Python 3")
    seen = ask_catalogued("missing_modules", interpreter.executable)
    pure = {
        name
        for name, why in seen.details.items()
        if not why.startswith("ModuleNotFoundError: No module named '_")
    }
    assert pure <= {"nis", "ossaudiodev", "spwd"}, seen.details


def test_where_no_tools_are_the_c_library_may_be_missed(
    ask_catalogued: Ask, built_by: BuiltBy, tmp_path: Path
) -> None:
    seen = ask_catalogued(
        "ctypes_find_library", built_by("pyenv").executable, environment={"PATH": str(tmp_path)}
    )
    if seen.outcome == "measured":
        assert not {"gcc", "ld", "objdump"} & set(seen.details["tools"])
