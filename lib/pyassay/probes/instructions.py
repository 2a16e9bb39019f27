"""How many instructions a workload takes: a number that a noisy machine does not move.

It is no speed: builds that differ by 36 % in CPU time were seen to differ by 22 % in instructions, for a
processor runs some of them several at once and waits for others. It does not rank builds.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from functools import cache
from typing import Any

from pyassay.places.host import Completed, StartError, run
from pyassay.probes.observations import Column, TableSchema
from pyassay.subjects.display import display_text
from pyassay.subjects.identity import guest_script
from pyassay.subjects.model import Interpreter

__all__ = ["INSTRUCTIONS", "TABLES", "Counter", "count_instructions", "find_counter"]

INSTRUCTIONS = TableSchema(
    "instructions",
    "one row per interpreter and workload: instructions counted, not timed",
    (
        Column("subject_id", "text", "which subject of the table `subjects`"),
        Column("workload", "text", "name of the workload"),
        Column("iterations", "count", "how many iterations were counted, after as many to warm up"),
        Column("instructions", "count", "instructions in user space that they took; missing: see reason"),
        Column("tool", "text", "perf (counted by the processor) or callgrind (by a simulated one)"),
        Column("reason", "text", "why there is no count; empty when there is one"),
    ),
)
TABLES: tuple[TableSchema, ...] = (INSTRUCTIONS,)

_TIMEOUT_S = 120.0
_MAX_OUTPUT_BYTES = 1 << 20
_UNAVAILABLE = "pyassay-unavailable:"
# A random seed for hashes would change the count; so -E, which would ignore this one, is left out.
_ENVIRONMENT = {"PYTHONHASHSEED": "0"}
_FLAGS = ("-s", "-S", "-B", "-")
_TAIL = """
import sys
try:
    counted = prepare({name!r})
except Exception:
    sys.stdout.write({mark!r} + WORKLOADS[{name!r}].reason + chr(10))
else:
    counted({n})
"""


@dataclass(frozen=True, slots=True)
class Counter:
    """A program that counts the instructions of another.

    Attributes
    ----------
    name : str
        ``perf`` or ``callgrind``.
    command : tuple of str
        What is put before the command whose instructions are counted.
    said : pattern
        What it says on its standard error; the first group is the count.
    """

    name: str
    command: tuple[str, ...]
    said: re.Pattern[bytes]

    def count(self, completed: Completed) -> int | None:
        """Return the count of a run; None if it was not said."""
        match = self.said.search(completed.stderr)
        return int(match[1].replace(b",", b"")) if match else None


_COUNTERS = (
    Counter(
        "perf",
        ("perf", "stat", "-x", ",", "-e", "instructions:u", "--"),
        re.compile(rb"^(\d+),[^,\n]*,instructions", re.MULTILINE),
    ),
    Counter(
        "callgrind",
        ("valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"),
        re.compile(rb"Collected\s*: (\d+)"),
    ),
)


@cache
def find_counter() -> Counter | str:
    """Return what counts instructions on this machine, the cheapest first; else why there is none."""
    reasons = []
    for counter in _COUNTERS:
        program = counter.command[0]
        if shutil.which(program) is None:
            reasons.append(f"{program} is not installed")
            continue
        try:
            completed = run((*counter.command, "true"), timeout_s=30, max_output_bytes=_MAX_OUTPUT_BYTES)
        except StartError as error:
            reasons.append(str(error))
            continue
        # A virtual machine may have no counters, a container no right to them: then perf counts nothing.
        if completed.ok and counter.count(completed):
            return counter
        reasons.append(f"{program} does not count here")
    return "; ".join(reasons)


def count_instructions(
    interpreter: Interpreter,
    workload: str,
    n: int,
    *,
    counter: Counter | None = None,
    timeout_s: float = _TIMEOUT_S,
) -> dict[str, Any]:
    """Count the instructions that a workload takes, as a row of :data:`INSTRUCTIONS`.

    Two processes are counted, one that does `n` iterations and one that does twice as many: the difference
    leaves out the start, the preparation and the warm-up. Hashes are seeded alike.

    Parameters
    ----------
    interpreter : Interpreter
    workload : str
        One of the names of ``guest/workloads.py``.
    n : int
        Iterations; under callgrind each takes about fifty times as long.
    counter : Counter, optional
        By default what :func:`find_counter` finds.
    timeout_s : float
        Wall seconds for each of the two processes.
    """
    row = {
        "subject_id": interpreter.id,
        "workload": workload,
        "iterations": n,
        "instructions": None,
        "tool": "",
        "reason": "",
    }
    found = counter or find_counter()
    if isinstance(found, str):
        return row | {"reason": found}
    row["tool"] = found.name
    if interpreter.error or interpreter.image:
        return row | {
            "reason": interpreter.error or "it lies in an image: instructions are counted here only"
        }
    counts = []
    for times in (n, 2 * n):
        counted = _count(interpreter, workload, times, found, timeout_s)
        if isinstance(counted, str):
            return row | {"reason": counted}
        counts.append(counted)
    return row | {"instructions": counts[1] - counts[0]}


def _count(interpreter: Interpreter, workload: str, n: int, counter: Counter, timeout_s: float) -> int | str:
    script = guest_script("workloads") + _TAIL.format(name=workload, mark=_UNAVAILABLE, n=int(n)).encode()
    try:
        completed = run(
            (*counter.command, interpreter.executable, *_FLAGS),
            timeout_s=timeout_s,
            input_bytes=script,
            extra_environment=_ENVIRONMENT,
            max_output_bytes=_MAX_OUTPUT_BYTES,
        )
    except StartError as error:
        return display_text(str(error))
    said = completed.stdout.decode("utf-8", "replace")
    if _UNAVAILABLE in said:
        return display_text(said.partition(_UNAVAILABLE)[2].strip()) or "the workload is not available"
    if completed.timed_out:
        return f"no end within {timeout_s:g} s"
    if completed.returncode != 0:
        lines = completed.stderr.decode("utf-8", "replace").strip().splitlines()
        own = [line for line in lines if not line.startswith("==")]
        return f"exit status {completed.returncode}" + (f": {display_text(own[-1])}" if own else "")
    count = counter.count(completed)
    return count if count is not None else f"{counter.name} did not say a count"
