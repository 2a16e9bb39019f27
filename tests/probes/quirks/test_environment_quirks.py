"""Environments and installing, asked of every interpreter of this host."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pyassay.subjects import Interpreter

Ask = Callable[..., Any]
BuiltBy = Callable[[str], Interpreter]

QUICK = ("venv", "venv_copies", "externally_managed", "pip_shebang")


@pytest.mark.parametrize("quirk", QUICK)
def test_every_interpreter_answers(quirk: str, interpreter: Interpreter, ask_catalogued: Ask) -> None:
    seen = ask_catalogued(quirk, interpreter.executable)
    assert seen.outcome == ("measured" if interpreter.version[0] == "3" else seen.outcome)


@pytest.mark.slow
def test_pip_comes_with_an_environment(typical: Interpreter, ask_catalogued: Ask) -> None:
    seen = ask_catalogued("ensurepip", typical.executable)
    if typical.version[0] == "2":
        assert seen.outcome == "not applicable"
    elif typical.provenance.builder in {"pyenv", "python-build-standalone"}:
        assert seen.answer == "works"
        assert seen.observed == f"pip {seen.details['pip']}"


def test_pyenv_makes_environments_and_is_nobody_elses(ask_catalogued: Ask, built_by: BuiltBy) -> None:
    executable = built_by("pyenv").executable
    assert ask_catalogued("venv", executable).answer == "works"
    assert ask_catalogued("venv_copies", executable).answer == "works"
    assert ask_catalogued("externally_managed", executable).answer == "no"


def test_debian_says_why_pip_may_not_install(ask_catalogued: Ask, built_by: BuiltBy) -> None:
    debian = built_by("debian")
    if tuple(map(int, debian.version.split(".")[:2])) < (3, 11):
        pytest.skip("Debian marks its Python from bookworm on")
    seen = ask_catalogued("externally_managed", debian.executable)
    assert seen.answer == "yes"
    assert "apt install" in seen.observed


@pytest.fixture
def environment(tmp_path: Path, built_by: BuiltBy) -> Path:
    """Make an environment without pip."""
    folder = tmp_path / "env"
    python = str(built_by("pyenv").executable)
    subprocess.run([python, "-m", "venv", "--without-pip", str(folder)], check=True, timeout=60)
    return folder / "bin"


@pytest.mark.parametrize(
    ("lines", "answer"),
    [
        ("#!/nowhere/bin/python3\n", "broken"),
        ("#!/usr/bin/env -S nowhere-python3 -E\n", "broken"),
        ("#!{bin}/python\n", "works"),
        ("#!{bin}/missing\n", "broken"),
        ("#!{other}/python3\n", "elsewhere"),
        ('#!/bin/sh\n\'\'\'exec\' "$(dirname -- "$(realpath -- "$0")")/python3" "$0" "$@"\n', "works"),
        ('#!/bin/sh\n\'\'\'exec\' "$(dirname -- "$(realpath -- "$0")")/python3.99" "$0" "$@"\n', "broken"),
        ("#!/bin/sh\n'''exec' /nowhere/python3 \"$0\" \"$@\"\n", "broken"),
        ("no script at all", "works"),
        ("", "works"),
        ("#!", "works"),
    ],
)
def test_first_lines_of_scripts(
    environment: Path, tmp_path: Path, lines: str, answer: str, ask_catalogued: Ask
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "python3").write_bytes(b"\x7fELF")
    (environment / "pip3").write_text(lines.format(bin=environment, other=other))
    seen = ask_catalogued("pip_shebang", environment / "python")
    assert seen.answer == answer
    assert "pip3" in seen.observed or answer != "broken"


def test_an_environment_without_scripts(environment: Path, ask_catalogued: Ask) -> None:
    assert ask_catalogued("pip_shebang", environment / "python").answer == "absent"
