"""A machine whose truth is known: samples, and workers that only say how long they took."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from pyassay.probes.performance.execute import AskError, WorkerLostError
from pyassay.probes.performance.tables import SAMPLES
from pyassay.subjects.model import Confidence, Interpreter, Provenance, SubjectKind


def interpreter(name: str, executable: str = "/nowhere/python") -> Interpreter:
    from pathlib import Path

    return Interpreter(
        id=name,
        label=name,
        kind=SubjectKind.INTERPRETER,
        executable=Path(executable),
        version="3.12.1",
        implementation="cpython",
        architecture="x86_64",
        libc="glibc",
        libc_version="2.36",
        compiler="",
        build_date="",
        prefix=None,
        stdlib=None,
        platstdlib=None,
        library_folders=(),
        site_folders=(),
        aliases=(),
        environments=(),
        environment=None,
        provenance=Provenance("unknown", "unknown", Confidence.UNKNOWN),
    )


def samples(
    seed: int,
    truth: Mapping[str, float],
    *,
    blocks: int = 24,
    rounds: int = 10,
    workloads: int = 1,
    between: float = 0.01,
    within: float = 0.03,
    drift: float = 0.0,
    spikes: float = 0.0,
    apart: bool = False,
) -> pd.DataFrame:
    """Return samples of `a` (entered twice) and of the subjects of `truth` (name -> ratio to `a`).

    Parameters
    ----------
    between, within : float
        Standard deviations of a process's own luck and of each chunk, on the logarithmic scale.
    drift : float
        The machine's speed within a block walks by steps of this size; all workers feel it.
    spikes : float
        The share of chunks that take several times as long.
    apart : bool
        Each workload has a luck of its own: as many comparisons as there are workloads, at once.
    """
    chance = np.random.default_rng(seed)
    workers = [("a", "subject", 1.0), ("a", "control", 1.0)]
    workers += [(name, "subject", ratio) for name, ratio in truth.items()]
    count = len(workers)
    shape = (blocks, workloads, rounds, count)
    logs = np.log([ratio for *_, ratio in workers]) + within * chance.standard_normal(shape)
    logs += between * chance.standard_normal((blocks, workloads if apart else 1, 1, count))
    logs += drift * chance.standard_normal((blocks, workloads, rounds, 1)).cumsum(axis=2)
    logs += np.where(chance.random(shape) < spikes, chance.exponential(1.0, shape), 0.0)
    block, workload, turn, worker = (axis.ravel() for axis in np.indices(shape))
    seconds = 0.01 * np.exp(logs.ravel())
    size = logs.size
    return SAMPLES.restore(
        pd.DataFrame(
            {
                "block": block + 1,
                "subject_id": np.array([name for name, *_ in workers])[worker],
                "entry": np.array([entry for _, entry, _ in workers])[worker],
                "workload": np.array([f"w{number}" for number in range(workloads)])[workload],
                "round": turn + 1,
                "position": worker + 1,
                "iterations": np.full(size, 100),
                "cpu_s": seconds,
                "wall_s": 1.5 * seconds,
                "involuntary_switches": np.zeros(size, dtype=int),
                "rss_bytes": np.zeros(size, dtype=int),
            }
        )
    )


@dataclass
class Clock:
    """Time that passes only when somebody works."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class FakeWorker:
    machine: FakeMachine
    subject: str
    entry: str
    core: int | None
    hash_seed: int
    closed: bool = False

    def ask(self, do: str, timeout_s: float, **arguments: Any) -> dict[str, Any]:
        assert not self.closed, "a closed worker was asked"
        machine = self.machine
        machine.asked.append((self.subject, self.entry, do, arguments.get("name", "")))
        if do in ("prepare", "use_bytecode"):
            return {}
        if do == "bytecode":
            return {"compiled": 0, "note": ""}
        if do in ("peak", "bare"):
            return {"baseline": 1000, "peak": 2000}
        name = arguments.get("name") or " ".join(arguments["argv"])
        fault = machine.fault(self.subject, self.entry, name, arguments["n"])
        if fault == "hang":
            machine.clock.now += timeout_s
        if fault == "error":
            raise AskError("ValueError: no")
        if fault:
            raise WorkerLostError(fault, f"it is said to {fault}")
        seconds = arguments["n"] * machine.seconds[name] * machine.truth.get(self.subject, 1.0)
        luck = random.Random(f"{self.hash_seed} {self.subject} {self.entry}").random()
        seconds *= 1 + machine.uneven * luck
        machine.clock.now += seconds
        nanoseconds = round(1e9 * seconds)
        return {"cpu": nanoseconds, "wall": nanoseconds, "switches": 0, "rss": 1 << 20}

    def close(self, *, gently: bool = True) -> None:
        assert not self.closed, "closed twice"
        self.closed = True
        self.machine.open_workers.remove(self)


@dataclass
class FakeMachine:
    """An executor whose workers say what they are told to.

    `faults` holds (subject, entry, workload) -> (kind, from which chunk on, how often); `uneven` is how much
    the hash seed of a process may slow it.
    """

    seconds: dict[str, float]
    truth: dict[str, float] = field(default_factory=dict)
    spawns: dict[str, list[str]] = field(default_factory=dict)
    faults: dict[tuple[str, str, str], tuple[str, int, int]] = field(default_factory=dict)
    unstartable: dict[str, int] = field(default_factory=dict)
    uneven: float = 0.0
    clock: Clock = field(default_factory=Clock)
    hello: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: list[tuple[str, str, str, str]] = field(default_factory=list)
    opened: list[FakeWorker] = field(default_factory=list)
    open_workers: list[FakeWorker] = field(default_factory=list)
    most_open: int = 0
    _seen: dict[tuple[str, str, str], int] = field(default_factory=dict)

    def fault(self, subject: str, entry: str, name: str, count: int) -> str:
        key = (subject, entry, name)
        if key not in self.faults:
            return ""
        kind, first, times = self.faults[key]
        self._seen[key] = self._seen.get(key, 0) + 1
        return kind if first <= self._seen[key] < first + times else ""

    def open(self, subject: Interpreter, entry: str, hash_seed: int, core: int | None) -> FakeWorker:
        if self.unstartable.get(subject.id, 1 << 30) <= len(self.opened):
            raise WorkerLostError("start", "it does not start")
        self.clock.now += 0.05
        loaded = {
            "workloads": {
                name: {"group": "core", "n": 10}
                for name in self.seconds
                if name not in {" ".join(argv) for argv in self.spawns.values()}
            },
            "spawns": self.spawns,
        }
        self.hello[subject.id] = {"cpu_clock": "process_time", "cpu_step_s": 1e-7, "loaded": loaded}
        worker = FakeWorker(self, subject.id, entry, core, hash_seed)
        self.opened.append(worker)
        self.open_workers.append(worker)
        self.most_open = max(self.most_open, len(self.open_workers))
        return worker
