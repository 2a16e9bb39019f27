"""The workloads in every interpreter at hand: the same results, nothing piled up, what is missing said."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pyassay
import pytest
from pyassay.places.host import run
from pyassay.subjects.identity import guest_script
from pyassay.subjects.model import Interpreter

SCRIPT = guest_script("workloads").decode()
FLAGS = ("-E", "-s", "-S", "-B", "-")
GROUPS = {"core", "c", "library", "system", "unit"}
EXPECTED = (
    "pystone-like calls attributes dicts strings bytes floats exceptions generators asyncio regex json "
    "pickle datetime decimal sqlite3 hashing zlib bz2 lzma ssl subprocess files import"
)
# The future imports must stay at the head, so a test's own lines go behind the script.
TELL = """
import json
reasons = available()
done = []
for name in ORDER:
    if not reasons[name]:
        for n in (1, 2):
            if WORKLOADS[name].run(n) is not None:
                raise SystemExit(name + " returned something")
        done.append(name)
print(json.dumps({"reasons": reasons, "done": done, "order": ORDER,
    "all": [[w.name, w.group, w.n, w.meaning] for w in (WORKLOADS[name] for name in ORDER)]}))
"""


def _cpythons() -> list[Interpreter]:
    found = pyassay.find()
    return [
        one
        for one in found
        if isinstance(one, Interpreter) and one.error is None and not one.image and not one.environment
    ]


INTERPRETERS = _cpythons()


def _modern() -> list[Interpreter]:
    return [one for one in INTERPRETERS if one.version and int(one.version.split(".")[0]) >= 3]


def _run(interpreter: Interpreter, program: str, extra: dict[str, str] | None = None) -> str:
    completed = run(
        (interpreter.executable, *FLAGS),
        timeout_s=60,
        input_bytes=program.encode(),
        extra_environment=extra,
    )
    assert completed.ok, completed.stderr.decode()[-2000:]
    return completed.stdout.decode()


def _told(interpreter: Interpreter) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(_run(interpreter, SCRIPT + TELL).splitlines()[-1])
    return told


@pytest.mark.parametrize("interpreter", INTERPRETERS, ids=lambda one: one.id)
def test_every_workload_runs_or_says_why_not(interpreter: Interpreter) -> None:
    told = _told(interpreter)
    assert {name for name, reason in told["reasons"].items() if not reason} == set(told["done"])
    # A wrong result would be a reason here; a module that is not there is one anywhere.
    for name, reason in told["reasons"].items():
        assert not reason.startswith("WrongResult"), f"{name}: {reason}"
        if reason:
            assert re.match(r"\w+: .+", reason), f"{name}: {reason}"
    if not interpreter.version.startswith("2."):
        missing = {name for name, reason in told["reasons"].items() if reason}
        assert missing <= {"sqlite3", "zlib", "bz2", "lzma", "ssl", "hashing", "subprocess"}
        assert len(told["done"]) >= 20


def test_the_list_is_the_documented_one(running_interpreter: Interpreter) -> None:
    told = _told(running_interpreter)
    names = [name for name, _, _, _ in told["all"]]
    assert set(names) == {*EXPECTED.split(), "big integers"}
    assert len(names) == 25
    for name, group, n, meaning in told["all"]:
        assert group in GROUPS, name
        assert n >= 1, name
        assert meaning, name
    assert {group for _, group, _, _ in told["all"]} == GROUPS


def test_a_module_that_is_missing_makes_one_workload_unavailable(running_interpreter: Interpreter) -> None:
    hidden = "import sys\nsys.modules['_sqlite3'] = None\nsys.modules['sqlite3'] = None\n"
    told = json.loads(_run(running_interpreter, SCRIPT + hidden + TELL).splitlines()[-1])
    assert told["reasons"]["sqlite3"].startswith(("ModuleNotFoundError: ", "ImportError: "))
    assert "json" in told["done"]
    assert told["reasons"]["json"] == ""


def test_a_wrong_result_is_refused(running_interpreter: Interpreter) -> None:
    """The checks can fail: with a json module that loses a record, the workload is not available."""
    broken = (
        "import json\nreal = json.loads\n"
        "json.loads = lambda text: {'version': 3, 'users': real(text)['users'][1:]}\n"
        "reasons = available()\nprint(reasons['json'])\n"
    )
    assert _run(running_interpreter, SCRIPT + broken).startswith("WrongResult: gave ")


def test_an_unprepared_workload_has_imported_nothing(running_interpreter: Interpreter) -> None:
    """What is not measured must not weigh on start-up or memory."""
    told = "import sys\nprint(sorted({'json', 'sqlite3', 'ssl', 'asyncio', 'decimal'} & set(sys.modules)))\n"
    assert _run(running_interpreter, SCRIPT + told) == "[]\n"


@pytest.mark.parametrize("interpreter", _modern()[-1:], ids=lambda one: one.id)
def test_nothing_piles_up(interpreter: Interpreter) -> None:
    """What many iterations leave is less than one object for each two of them (sqlite3 tidies up late)."""
    program = SCRIPT + (
        "\nimport gc, json\ngrown = {}\navailable()\n"
        "for name in ORDER:\n"
        "    if WORKLOADS[name].reason:\n        continue\n"
        "    run = WORKLOADS[name].run\n    run(4)\n    gc.collect()\n"
        "    many = 200 if WORKLOADS[name].n >= 20 else 12\n"
        "    before = len(gc.get_objects())\n    run(many)\n    gc.collect()\n"
        "    grown[name] = (len(gc.get_objects()) - before) / many\n"
        "print(json.dumps(grown))\n"
    )
    grown = json.loads(_run(interpreter, program))
    assert {name: count for name, count in grown.items() if count > 0.5} == {}


@pytest.mark.parametrize("interpreter", _modern()[-1:], ids=lambda one: one.id)
def test_files_are_made_in_the_given_folder_and_removed(interpreter: Interpreter, tmp_path: Path) -> None:
    # Nothing given: a temporary folder, gone at exit.
    program = SCRIPT + "\nprepare('import')\nprepare('files')(2)\n"
    _run(interpreter, program, {"TMPDIR": str(tmp_path)})
    assert list(tmp_path.iterdir()) == []
    _run(interpreter, SCRIPT + f"\nSCRATCH = {str(tmp_path)!r}\nprepare('import')\nprepare('files')(2)\n")
    (own,) = tmp_path.iterdir()
    assert own.name.startswith("worker-")
    assert [path.name.split("-")[0] for path in own.iterdir()] == ["imports"]


@pytest.mark.parametrize("interpreter", _modern(), ids=lambda one: one.id)
def test_whole_processes_start(interpreter: Interpreter) -> None:
    names: dict[str, object] = {"__name__": "workloads"}
    exec(compile(SCRIPT, "workloads.py", "exec"), names)
    spawns = names["SPAWNS"]
    assert isinstance(spawns, dict)
    assert len(spawns) == 4
    for name, arguments in spawns.items():
        completed = run((interpreter.executable, *arguments), timeout_s=30)
        assert completed.ok, f"{name}: {completed.stderr.decode()[-500:]}"
        assert (b"usage: tool" in completed.stdout) == ("--help" in name)
