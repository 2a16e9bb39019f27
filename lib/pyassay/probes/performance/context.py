"""What the steps of a measurement share: settings, what opens workers, the record of what came out."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pyassay.probes.performance.calibrate import Task
from pyassay.probes.performance.execute import AskError, Executor, Worker, WorkerLostError
from pyassay.probes.performance.settings import Settings
from pyassay.probes.performance.spool import Spool
from pyassay.probes.performance.tables import ENVIRONMENT, FAILURES, SAMPLES

if TYPE_CHECKING:
    from pyassay.subjects.model import Interpreter

__all__ = ["PREPARE_S", "PROBE_SEED", "SPAWN_S", "Context", "Entry", "Progress", "Record"]

Progress = Callable[[int, int, str], None]

PREPARE_S = 60.0
"""Wall seconds within which a workload has to import what it needs."""

SPAWN_S = 60.0
"""Wall seconds for the start of a program that was not timed yet."""

PROBE_SEED = 1
"""The hash seed outside blocks."""

# A cell that is lost in so many blocks is left out from then on.
_STRIKES = 2


@dataclass(frozen=True, slots=True)
class Entry:
    """A worker's place in every block."""

    subject: Interpreter
    entry: str

    @property
    def shown(self) -> str:
        """What the orders of a block call it."""
        return self.subject.id + ("*" if self.entry == "control" else "")


@dataclass(slots=True)
class Record:
    """Rows as they come, and which cells are left out."""

    spool: Spool
    failed: dict[str, str]
    _dropped: set[tuple[str, str, str]] = field(default_factory=set)
    _strikes: Counter[tuple[str, str, str]] = field(default_factory=Counter)

    def sample(
        self, block: int, entry: Entry, task: Task, count: int, position: int, answer: dict[str, Any]
    ) -> None:
        """Add a chunk: the worker's answer, in the given round and position."""
        self.spool.add(
            SAMPLES.name,
            {
                "block": block,
                "subject_id": entry.subject.id,
                "entry": entry.entry,
                "workload": task.name,
                "round": count,
                "position": position,
                "iterations": task.iterations,
                "cpu_s": answer["cpu"] / 1e9,
                "wall_s": answer["wall"] / 1e9,
                "involuntary_switches": answer.get("switches"),
                "rss_bytes": answer.get("rss"),
            },
        )

    def lose(
        self, block: int, entry: Entry, workload: str, kind: str, reason: str, *, for_good: bool = False
    ) -> None:
        """Note a lost cell (without a workload: the whole worker's); the second time it is left out."""
        key = (entry.subject.id, entry.entry, workload)
        self._strikes[key] += 1
        dropped = for_good or self._strikes[key] >= _STRIKES
        self.failure(block, entry, workload, kind, reason, dropped=dropped)
        if dropped:
            self._dropped.add(key)
            if not workload and entry.entry == "subject":
                self.failed[entry.subject.id] = reason

    def failure(
        self, block: int, entry: Entry, workload: str, kind: str, reason: str, *, dropped: bool
    ) -> None:
        """Add a row on what was lost."""
        self.spool.add(
            FAILURES.name,
            {
                "block": block,
                "subject_id": entry.subject.id,
                "entry": entry.entry,
                "workload": workload,
                "kind": kind,
                "reason": reason,
                "dropped": dropped,
            },
        )

    def is_dropped(self, entry: Entry, workload: str) -> bool:
        """Tell whether a cell, or its whole worker, is left out."""
        key = (entry.subject.id, entry.entry)
        return (*key, workload) in self._dropped or (*key, "") in self._dropped

    def fact(self, subject_id: str, fact: str, value: object, warning: str = "") -> None:
        """Add a fact on the machine, an interpreter or the run."""
        row = {"subject_id": subject_id, "fact": fact, "value": str(value), "warning": warning}
        self.spool.add(ENVIRONMENT.name, row)


@dataclass(slots=True)
class Context:
    """What the steps share.

    Attributes
    ----------
    scratch : callable, optional
        Returns a folder of a subject's place that its workers may write to.
    bytecode : dict of str to str
        By the id of a subject that lies without bytecode: the folder that has some.
    """

    settings: Settings
    executor: Executor
    record: Record
    cores: tuple[int, ...]
    progress: Progress | None = None
    scratch: Callable[[Interpreter], str] | None = None
    clock: Callable[[], float] = time.monotonic
    started: float = 0.0
    bytecode: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.started = self.clock()

    @property
    def elapsed_s(self) -> float:
        """Wall seconds since the start."""
        return self.clock() - self.started

    def open(self, subject: Interpreter, entry: str, hash_seed: int, core: int | None) -> Worker:
        """Start a worker.

        Raises
        ------
        WorkerLostError
            If it does not start.
        """
        worker = self.executor.open(subject, entry, hash_seed, core)
        if folder := self.bytecode.get(subject.id):
            try:
                with contextlib.suppress(AskError):
                    worker.ask("use_bytecode", SPAWN_S, folder=folder)
            except WorkerLostError:
                worker.close(gently=False)
                raise
        return worker

    def open_aside(self, subject: Interpreter) -> Worker:
        """Start a worker outside of the blocks; see :meth:`open`."""
        return self.open(subject, "subject", PROBE_SEED, self.cores[0] if self.cores else None)

    def timeout_s(self, task: Task) -> float:
        """Return the wall seconds within which a chunk has to be done."""
        return self.settings.chunk_timeout_s + 100 * max(task.cpu_s, task.wall_s)

    def tell(self, label: str) -> None:
        """Tell the progress; without a label: the end of it."""
        if self.progress is not None:
            total = max(1, round(self.settings.budget_s))
            self.progress(min(total, round(self.elapsed_s)) if label else total, total, label)
