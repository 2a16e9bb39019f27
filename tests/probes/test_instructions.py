"""Instructions: twice the work is twice the count, and there is a reason where there is no count."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from pyassay.probes.instructions import INSTRUCTIONS, Counter, count_instructions, find_counter
from pyassay.subjects.model import Interpreter


@pytest.fixture(scope="module")
def counter() -> Counter:
    found = find_counter()
    if isinstance(found, str):
        pytest.skip(found)
    return found


@pytest.mark.slow
def test_twice_the_work_is_twice_the_count(counter: Counter, running_interpreter: Interpreter) -> None:
    once = count_instructions(running_interpreter, "floats", 8, counter=counter)
    twice = count_instructions(running_interpreter, "floats", 16, counter=counter)
    assert once["reason"] == ""
    assert once["instructions"] > 100_000
    assert twice["instructions"] == pytest.approx(2 * once["instructions"], rel=0.005)
    frame = INSTRUCTIONS.frame([once, twice])
    assert list(frame["tool"]) == [counter.name] * 2


# A counter of the test's own: what it says is known, so what is made of it can be checked anywhere.
def _fake(said: str, status: int = 0) -> Counter:
    script = f'"$@" || exit $?; echo "{said}" >&2; exit {status}'
    return Counter("fake", ("sh", "-c", script, "sh"), re.compile(rb"Collected: (\d+)"))


def test_what_is_not_counted_has_a_reason(running_interpreter: Interpreter) -> None:
    def reason(counter: Counter, interpreter: Interpreter = running_interpreter, name: str = "calls") -> str:
        row = count_instructions(interpreter, name, 1, counter=counter)
        assert row["instructions"] is None
        INSTRUCTIONS.frame([row])
        return str(row["reason"])

    good = _fake("Collected: 5")
    assert count_instructions(running_interpreter, "calls", 1, counter=good)["instructions"] == 0
    assert reason(_fake("nothing")) == "fake did not say a count"
    assert reason(_fake("gone", 4)) == "exit status 4: gone"
    assert reason(good, replace(running_interpreter, image="debian:trixie")).startswith("it lies in an image")
    assert reason(good, replace(running_interpreter, error="it crashes")) == "it crashes"
    assert reason(good, name="no such").startswith("exit status 1: ")
    missing = Counter("none", ("/nowhere/counter",), good.said)
    assert "/nowhere/counter" in reason(missing)


def test_a_workload_that_is_not_available_says_why(tmp_path: Path, running_interpreter: Interpreter) -> None:
    program = tmp_path / "python3"
    program.write_text(
        f"#!/bin/sh\n(echo \"import sys; sys.modules['bz2'] = None\"; cat) > {tmp_path}/script\n"
        f"exec {running_interpreter.executable} - < {tmp_path}/script\n"
    )
    program.chmod(0o755)
    # What stands before the script would make its future imports fail, so they are taken out on the way.
    program.write_text(program.read_text().replace("cat)", "grep -v __future__)"))
    row = count_instructions(
        replace(running_interpreter, executable=program), "bz2", 1, counter=_fake("Collected: 5")
    )
    assert row["reason"].startswith("ModuleNotFoundError: ")
