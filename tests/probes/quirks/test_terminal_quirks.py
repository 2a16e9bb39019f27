"""Terminals: each Python is typed to on a pseudo-terminal of its own."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pyassay.places.host import run
from pyassay.probes.quirks import catalogue
from pyassay.probes.quirks.scripts import assembled
from pyassay.subjects import Interpreter

Ask = Callable[..., Any]
BuiltBy = Callable[[str], Interpreter]

QUIRKS = [quirk.id for quirk in catalogue().values() if quirk.consequence == "terminals"]


@pytest.mark.parametrize("quirk", QUIRKS)
def test_every_script_gives_an_answer_of_the_catalogue(
    typical: Interpreter, quirk: str, ask_catalogued: Ask
) -> None:
    ask_catalogued(quirk, typical.executable)


@pytest.mark.parametrize("quirk", ["readline_backend", "readline_gnu_bindings", "history_file", "pty_utf8"])
def test_every_interpreter_answers_at_once(interpreter: Interpreter, quirk: str, ask_catalogued: Ask) -> None:
    started = time.monotonic()
    seen = ask_catalogued(quirk, interpreter.executable)
    assert "in time" not in seen.reason
    # A lost key stroke shows as a wait for the timeout of ten seconds.
    assert time.monotonic() - started < 9


def test_the_system_s_python_edits_lines_as_gnu_readline_does(built_by: BuiltBy, ask_catalogued: Ask) -> None:
    debian = built_by("debian").executable
    expected = {
        "readline_backend": "gnu",
        "readline_gnu_bindings": "understood",
        "history_file": "plain",
        "repl_dumb_warning": "works",
        "pty_utf8": "works",
    }
    assert {quirk: ask_catalogued(quirk, debian).answer for quirk in expected} == expected


def test_a_standalone_build_edits_lines_as_libedit_does(built_by: BuiltBy, ask_catalogued: Ask) -> None:
    standalone = built_by("python-build-standalone").executable
    if ask_catalogued("readline_backend", standalone).answer != "libedit":
        pytest.skip("this build has GNU readline")
    assert ask_catalogued("readline_gnu_bindings", standalone).answer == "ignored"
    history = ask_catalogued("history_file", standalone)
    assert history.answer in {"libedit", "libedit_only"}
    assert history.details["first_line"] == "_HiStOrY_V2_"
    # The warning of the quirks page, at a terminal that nothing describes.
    editing = ask_catalogued("repl_dumb_warning", standalone)
    assert editing.details["unknown_terminal"] == "warns"
    bundled = ask_catalogued("terminfo_bundled", standalone)
    if bundled.outcome == "measured" and bundled.answer != "none":
        assert bundled.answer == "ignored"
        assert bundled.details["found_by_TERMINFO_DIRS"] is True


@pytest.mark.parametrize(
    ("quirk", "body", "within_s"),
    [
        ("repl_dumb_warning", "exit 3", 5),
        ("pty_utf8", "echo nonsense", 5),
        pytest.param(
            "pty_utf8", "trap '' TERM HUP INT; while :; do sleep 1; done", 25, marks=pytest.mark.slow
        ),
    ],
    ids=["ends at once", "says nonsense", "deaf and dumb"],
)
def test_a_prompt_that_never_comes_is_not_measured(
    quirk: str, body: str, within_s: float, tmp_path: Path
) -> None:
    sick = tmp_path / "sick-python"
    sick.write_text(f"#!/bin/sh\n{body}\n")
    sick.chmod(0o755)
    own = b"EXECUTABLE = sys.executable\n"
    source = assembled(quirk, "sick", {})
    assert source.count(own) == 1
    ended = run(
        [sys.executable, "-I", "-B", "-"],
        timeout_s=60,
        input_bytes=source.replace(own, f"EXECUTABLE = {str(sick)!r}\n".encode()),
        extra_environment={"TMPDIR": str(tmp_path)},
    )
    said = json.loads(ended.stdout.decode().splitlines()[-1].removeprefix("sick "))
    assert said["outcome"] == "not measured"
    assert "the probe failed" not in said["reason"]
    assert ended.duration_s < within_s
    # Killed, and reaped: nothing of it runs on.
    processes = (path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists())
    assert not any(os.fsencode(sick) in words for words in processes)
