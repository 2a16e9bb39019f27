"""What is asked of an artifact in each circumstance, and how its answer is read."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Protocol

from pyassay.places.host import Completed
from pyassay.probes.packaging.candidates import Candidate
from pyassay.probes.packaging.scripts import KILLED, TERMINATED, answers
from pyassay.probes.packaging.telling import telling_line, worked

__all__ = ["CHECKS", "MARK", "Outcome", "facts_of", "judge_check"]

MARK = "PYASSAY-PLANTED"
_WORDS = ("a b", "", 'it\'s "quoted"', "$HOME", "*", "-x", "grün")
_INPUT = "line 1\nline 2 – ü\n"


@dataclass(frozen=True)
class Outcome:
    """What was seen.

    Attributes
    ----------
    outcome : str
        ``works``, ``fails``, ``differs`` or ``not measured``.
    seen : str
        One line.
    """

    outcome: str
    seen: str = ""


class Run(Protocol):
    """Starts the artifact with arguments, in a script, with input."""

    def __call__(self, arguments: Any, script: str = ..., input_bytes: bytes = ...) -> Completed: ...


Check = Callable[[Run, Candidate], Outcome]


def judge_check(done: Completed, candidate: Candidate) -> Outcome:
    """Judge the project's own check; foreign modules that were imported count against it."""
    text = (done.stderr + done.stdout).decode("utf-8", "replace")
    names = sorted({line.partition(MARK)[2].strip() for line in text.splitlines() if MARK in line})
    if names:
        return Outcome("fails", f"imported the foreign {', '.join(names)}")
    if done.ok and worked(done.stdout, candidate.project.expected):
        return Outcome("works")
    return Outcome("fails", f"{_ended(done)}: {telling_line(done.stderr, done.stdout)}")


def _ended(done: Completed) -> str:
    return "not done in time" if done.timed_out else f"exit code {done.returncode}"


def facts_of(done: Completed) -> Mapping[str, Any] | None:
    """Return the patient's facts; None: it printed none."""
    text = done.stdout.decode("utf-8", "replace")
    try:
        found = json.loads(text[text.index("{") : text.rindex("}") + 1])
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _fact(read: Callable[[Mapping[str, Any]], Outcome]) -> Check:
    def check(run: Run, candidate: Candidate) -> Outcome:
        done = run(["facts"])
        facts = facts_of(done)
        if facts is None:
            return Outcome("fails", f"{_ended(done)}: {telling_line(done.stderr, done.stdout)}")
        return read(facts)

    return check


def _file(facts: Mapping[str, Any]) -> Outcome:
    shown = str(facts.get("file", "not set"))
    exists = facts.get("file_exists")
    return Outcome(
        "works" if exists is True else "fails", "" if exists is True else f"{shown} does not exist"
    )


def _present(key: str) -> Callable[[Mapping[str, Any]], Outcome]:
    def read(facts: Mapping[str, Any]) -> Outcome:
        value = facts.get(key)
        text = " ".join(str(value).split())
        if value in (None, "", False) or text.startswith("!"):
            return Outcome("fails", text.lstrip("!") or "nothing")
        return Outcome("works", text)

    return read


def _sys_path(facts: Mapping[str, Any]) -> Outcome:
    entries = facts.get("sys_path")
    if not isinstance(entries, list):
        return Outcome("not measured", "it does not say its sys.path")
    odd = [str(one) for one in entries if not str(one).startswith("/") or "/.local/" in str(one)]
    if odd:
        return Outcome("fails", f"has {', '.join(map(repr, odd[:3]))}")
    cwd = str(facts.get("working_folder", ""))
    if cwd and cwd != "/" and cwd in entries:
        return Outcome("fails", "has the current folder")
    return Outcome("works", f"{len(entries)} entries")


def _subprocess(facts: Mapping[str, Any]) -> Outcome:
    value = facts.get("subprocess")
    text = " ".join(str(value).split())
    executable = PurePosixPath(str(facts.get("executable") or "")).name or "nothing"
    if text == "42":
        return Outcome("works", f"sys.executable is {executable}")
    return Outcome(
        "fails", f"sys.executable is {executable}, which says {text.lstrip('!')[:150] or 'nothing'!r}"
    )


def _spawn(run: Run, candidate: Candidate) -> Outcome:
    done = run(["spawn"])
    if done.ok and b"42" in done.stdout:
        return Outcome("works")
    return Outcome("fails", f"{_ended(done)}: {telling_line(done.stderr, done.stdout)}")


def _exit_code(run: Run, candidate: Candidate) -> Outcome:
    done = run(["exit", "7"])
    return Outcome("works") if done.returncode == 7 else Outcome("fails", f"{_ended(done)} instead of 7")


def _arguments(run: Run, candidate: Candidate) -> Outcome:
    done = run(["args", "--", *_WORDS], input_bytes=_INPUT.encode())
    said = facts_of(done)
    if said is None:
        return Outcome("fails", f"{_ended(done)}: {telling_line(done.stderr, done.stdout)}")
    if list(said.get("args", [])) != list(_WORDS):
        return Outcome("fails", f"arguments arrive as {said.get('args')!r}")
    if said.get("stdin") != _INPUT:
        return Outcome("fails", f"standard input arrives as {said.get('stdin')!r}")
    return Outcome("works")


def _sigterm(run: Run, candidate: Candidate) -> Outcome:
    done = run(["wait"], script=TERMINATED)
    told = answers(done.stdout)
    status, left = told.get("status", "none"), int(told.get("left") or 0)
    if status == "none":
        return Outcome("fails", f"it did not get ready: {telling_line(done.stderr)}")
    if status != "7":
        return Outcome("fails", f"exit code {status} instead of 7" + _leavings(left, told.get("names", "")))
    if left:
        return Outcome("differs", "exit code 7" + _leavings(left, told.get("names", "")))
    return Outcome("works")


def _sigkill(run: Run, candidate: Candidate) -> Outcome:
    done = run(["wait"], script=KILLED)
    told = answers(done.stdout)
    if "first_left" not in told:
        return Outcome("fails", f"it did not get ready: {telling_line(done.stderr)}")
    left = int(told["first_left"] or 0)
    return Outcome("fails", _leavings(left, told.get("first_names", ""))[2:]) if left else Outcome("works")


def _leavings(left: int, names: str) -> str:
    return f", left {left} bytes in the temporary folder ({names.strip()})" if left else ""


CHECKS: dict[str, Check] = {
    "file": _fact(_file),
    "resource": _fact(_present("resource")),
    "metadata": _fact(_present("version")),
    "sys-path": _fact(_sys_path),
    "subprocess": _fact(_subprocess),
    "spawn": _spawn,
    "exit-code": _exit_code,
    "arguments-and-stdin": _arguments,
    "sigterm": _sigterm,
    "sigkill": _sigkill,
}
"""By the key of a circumstance; the others run the project's own check."""
