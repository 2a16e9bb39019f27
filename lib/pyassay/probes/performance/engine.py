"""The measurement: blocks of workers that take turns, until the intervals are narrow or the time is spent."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from pyassay.probes.performance import machine
from pyassay.probes.performance.calibrate import Task, calibrated
from pyassay.probes.performance.estimate import estimate
from pyassay.probes.performance.execute import AskError, Executor, Worker, WorkerLostError
from pyassay.probes.performance.schedule import BlockPlan, Turn, choose_rounds, plan_block
from pyassay.probes.performance.settings import Settings
from pyassay.probes.performance.spool import Spool
from pyassay.probes.performance.tables import (
    BLOCKS,
    ENVIRONMENT,
    FAILURES,
    MEMORY,
    SAMPLES,
    SPAWNS,
    WORKLOADS,
)

if TYPE_CHECKING:
    from pyassay.subjects.model import Interpreter

__all__ = ["Entry", "Measurement", "Progress", "ReferenceLostError"]

Progress = Callable[[int, int, str], None]
Clock = Callable[[], float]

# A cell that is lost in so many blocks is left out from then on; a hang costs too much to be seen twice.
_STRIKES = 2
_PREPARE_S = 60.0
_SPAWN_S = 60.0
# The width is looked at only so often: a look at every block would stop a little too early, on intervals that
# are narrow by chance.
_LOOK_EVERY = 4
_PROBE_SEED = 1


class ReferenceLostError(Exception):
    """Without the reference there is nothing to compare with: one line, why."""


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
class Measurement:
    """One comparison.

    Parameters
    ----------
    subjects : sequence of Interpreter
        The reference first.
    """

    subjects: Sequence[Interpreter]
    settings: Settings
    seed: str
    executor: Executor
    spool: Spool
    progress: Progress | None = None
    clock: Clock = time.monotonic
    scratch: Callable[[Interpreter], str] | None = None
    failed: dict[str, str] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)
    tasks: dict[str, Task] = field(default_factory=dict)
    cores: tuple[int, ...] = ()
    stopped: str = ""
    blocks: int = 0
    rounds: int = 0
    _started: float = 0.0
    _dropped: set[tuple[str, str, str]] = field(default_factory=set)
    _strikes: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    _bytecode: dict[str, str] = field(default_factory=dict)
    _start_s: float = 0.0
    _round_s: float = 0.0

    def run(self) -> None:
        """Measure; rows go to the spool.

        Raises
        ------
        ReferenceLostError
            If the reference cannot be started, or runs none of the workloads.
        """
        self._started = self.clock()
        self.cores = machine.allowed_cores(self.settings.cores)
        for fact, value, warning in machine.facts(self.cores):
            self._fact("", fact, value, warning)
        self._prepare()
        self._measure_blocks()
        if self.settings.memory:
            for subject in self._present():
                self._measure_memory(subject)
        self._tell("")
        self._closing_facts()

    # Before the first block ------------------------------------------------------------------------------

    def _prepare(self) -> None:
        reference = self.subjects[0]
        for subject in self.subjects:
            self._tell(f"{subject.label}: what it can do")
            try:
                self._inspect(subject, is_reference=subject is reference)
            except WorkerLostError as error:
                self.failed[subject.id] = str(error)
                self._failure(0, Entry(subject, "subject"), "", error.kind, str(error), dropped=True)
                if subject is reference:
                    raise ReferenceLostError(f"the reference {subject.label}: {error}") from error
        if not self.tasks:
            raise ReferenceLostError(f"the reference {reference.label} runs none of the workloads")
        for task in self.tasks.values():
            self.spool.add(
                WORKLOADS.name,
                {
                    "workload": task.name,
                    "group": task.group,
                    "in_suite": task.name in self._suite(),
                    "iterations": task.iterations,
                    "expected_cpu_s": task.cpu_s,
                    "waits": task.waits,
                },
            )
        present = [subject for subject in self.subjects if subject.id not in self.failed]
        self.entries = [*(Entry(subject, "subject") for subject in present), Entry(reference, "control")]
        # The control is the reference's: what the one cannot do, the other need not try.
        self._dropped |= {(one, "control", name) for one, _, name in self._dropped if one == reference.id}
        # A round is every workload once in every worker.
        self._round_s = sum(max(task.cpu_s, task.wall_s) for task in self.tasks.values()) * len(self.entries)
        self._start_s *= len(self.entries) / len(self.subjects)

    def _inspect(self, subject: Interpreter, *, is_reference: bool) -> None:
        """Try each workload once; on the reference, find how many iterations make a chunk."""
        entry = Entry(subject, "subject")
        core = self.cores[0] if self.cores else None
        began = self.clock()
        worker: Worker | None = self.executor.open(subject, "subject", _PROBE_SEED, core)
        self._start_s += self.clock() - began
        hello = getattr(self.executor, "hello", {}).get(subject.id, {})
        self._facts_of(subject, hello)
        wanted = self._wanted(hello.get("loaded") or {}, entry) if is_reference else list(self.tasks.values())
        try:
            for task in wanted:
                self._tell(f"{subject.label}: {task.name}")
                try:
                    if worker is None:
                        worker = self.executor.open(subject, "subject", _PROBE_SEED, core)
                        self._use_bytecode(worker, subject)
                    done = self._tried(worker, subject, task, is_reference=is_reference)
                except AskError as error:
                    kind = (
                        "unavailable"
                        if str(error).startswith(("ModuleNotFoundError", "ImportError"))
                        else "error"
                    )
                    self._lose(0, entry, task.name, kind, str(error), for_good=True)
                except WorkerLostError as error:
                    self._lose(0, entry, task.name, error.kind, str(error), for_good=True)
                    if worker is not None:
                        worker.close(gently=False)
                    worker = None
                else:
                    if is_reference:
                        self.tasks[task.name] = done
        finally:
            if worker is not None:
                worker.close()

    def _wanted(self, loaded: dict[str, Any], entry: Entry) -> list[Task]:
        settings = self.settings
        found = {name: Task(name, one["group"]) for name, one in loaded.get("workloads", {}).items()}
        if settings.startup:
            found |= {
                name: Task(name, "startup", argv=tuple(argv))
                for name, argv in loaded.get("spawns", {}).items()
            }
        if settings.workloads is None:
            return list(found.values())
        own = [name for name, task in found.items() if task.group == "own"]
        for name in settings.workloads:
            if name not in found:
                self._lose(0, entry, name, "unavailable", "there is no such workload", for_good=True)
        return [found[name] for name in dict.fromkeys((*settings.workloads, *own)) if name in found]

    def _tried(self, worker: Worker, subject: Interpreter, task: Task, *, is_reference: bool) -> Task:
        limit = self._timeout(task)
        if task.argv is not None:
            self._check_bytecode(worker, subject, task)
            found = [worker.ask("spawn", _SPAWN_S, argv=task.argv, n=1) for _ in range(2)][-1]
            return replace(task, cpu_s=found["cpu"] / 1e9, wall_s=found["wall"] / 1e9)
        worker.ask("prepare", _PREPARE_S, name=task.name)
        if not is_reference:
            worker.ask("run", limit, name=task.name, n=1)
            return task
        chunk = self.settings.chunk_cpu_s
        found_at = calibrated(lambda count: worker.ask("run", _PREPARE_S, name=task.name, n=count), chunk)
        for count, answer in found_at.answers:
            self._sample(0, Entry(subject, "subject"), replace(task, iterations=count), 0, 1, answer)
        return replace(
            task,
            iterations=found_at.iterations,
            cpu_s=found_at.cpu_s,
            wall_s=found_at.wall_s,
            waits=found_at.waits,
        )

    def _check_bytecode(self, worker: Worker, subject: Interpreter, task: Task) -> None:
        folder = None if self.scratch is None else f"{self.scratch(subject)}/bytecode-{subject.id}"
        answer = worker.ask("bytecode", _SPAWN_S, argv=task.argv, folder=folder)
        compiled = answer.get("compiled")
        if folder is not None and "folder of its own" in str(answer.get("note")):
            self._bytecode[subject.id] = folder
        self.spool.add(
            SPAWNS.name,
            {
                "subject_id": subject.id,
                "workload": task.name,
                "compiled_modules": compiled,
                "bytecode_present": None if compiled is None else compiled == 0,
                "note": str(answer.get("note") or ""),
            },
        )

    # Blocks ----------------------------------------------------------------------------------------------

    def _measure_blocks(self) -> None:
        settings = self.settings
        # What memory takes is little, but it comes after the blocks.
        reserve = self._memory_s()
        while self.blocks < settings.max_blocks:
            left = settings.budget_s - (self.clock() - self._started) - reserve
            block_s = self._start_s + (self.rounds + 1) * self._round_s
            if self.blocks and (left <= 0 or block_s > left):
                self.stopped = "the time is spent"
                return
            self.blocks += 1
            self._choose_rounds(left)
            plan = plan_block(
                self.seed, self.blocks, len(self.entries), list(self.tasks), self.cores, self.rounds
            )
            self._tell(f"block {self.blocks}")
            self._block(plan)
            if self.blocks >= settings.min_blocks and self.blocks % _LOOK_EVERY == 0 and self._is_narrow():
                self.stopped = "the intervals are narrow enough"
                return
        self.stopped = "the most blocks are done"

    def _choose_rounds(self, left_s: float) -> None:
        if self.settings.rounds is not None:
            self.rounds = self.settings.rounds
        elif self.blocks <= 2:
            # Once more after the first block, which shows what one really costs. It hangs on times alone, not
            # on what they say of the interpreters.
            self.rounds = choose_rounds(left_s, self._start_s, self._round_s)

    def _block(self, plan: BlockPlan) -> None:
        workers: dict[int, Worker] = {}
        before, began = machine.state(), self.clock()
        try:
            for number in plan.start_order:
                self._ready(workers, number, plan, "")
            started = self.clock()
            for turn in plan.turns:
                self._turn(workers, plan, turn)
        finally:
            for worker in workers.values():
                worker.close()
        duration = self.clock() - began
        self._start_s = started - began
        self._round_s = (duration - self._start_s) / (self.rounds + 1)
        self.spool.add(
            BLOCKS.name,
            {
                "block": plan.number,
                "started_s": began - self._started,
                "duration_s": duration,
                "core": plan.core,
                "hash_seed": str(plan.hash_seed),
                "rounds": self.rounds,
                "start_order": [self.entries[number].shown for number in plan.start_order],
                "workload_order": [turn.workload for turn in plan.turns],
                **machine.strain(before, machine.state()),
            },
        )

    def _ready(
        self, workers: dict[int, Worker], number: int, plan: BlockPlan, workload: str
    ) -> Worker | None:
        """Return a worker, a fresh one if there is none; None if it cannot be started."""
        entry = self.entries[number]
        if number not in workers and not self._is_dropped(entry, ""):
            try:
                workers[number] = self.executor.open(entry.subject, entry.entry, plan.hash_seed, plan.core)
                self._use_bytecode(workers[number], entry.subject)
            except WorkerLostError as error:
                self._lose(plan.number, entry, "", error.kind, str(error))
                if workload:
                    self._failure(plan.number, entry, workload, error.kind, str(error), dropped=False)
        return workers.get(number)

    def _use_bytecode(self, worker: Worker, subject: Interpreter) -> None:
        if folder := self._bytecode.get(subject.id):
            with contextlib.suppress(AskError):
                worker.ask("use_bytecode", _SPAWN_S, folder=folder)

    def _turn(self, workers: dict[int, Worker], plan: BlockPlan, turn: Turn) -> None:
        task = self.tasks[turn.workload]
        lost: set[int] = set()
        for number in turn.rounds[0]:
            entry = self.entries[number]
            if self._is_dropped(entry, task.name) or self._ready(workers, number, plan, task.name) is None:
                lost.add(number)
        for count, order in enumerate(turn.rounds):
            for position, number in enumerate(order, 1):
                if number in lost:
                    continue
                entry, worker = self.entries[number], workers[number]
                try:
                    answer = self._chunk(worker, task, is_first=count == 0)
                except AskError as error:
                    self._lose(plan.number, entry, task.name, "error", str(error))
                    lost.add(number)
                except WorkerLostError as error:
                    self._lose(
                        plan.number, entry, task.name, error.kind, str(error), for_good=error.kind == "hang"
                    )
                    lost.add(number)
                    workers.pop(number).close(gently=False)
                else:
                    self._sample(plan.number, entry, task, count, position, answer)

    def _chunk(self, worker: Worker, task: Task, *, is_first: bool) -> dict[str, Any]:
        if task.argv is not None:
            return worker.ask("spawn", self._timeout(task), argv=task.argv, n=task.iterations)
        if is_first:
            worker.ask("prepare", _PREPARE_S, name=task.name)
        return worker.ask("run", self._timeout(task), name=task.name, n=task.iterations)

    def _is_narrow(self) -> bool:
        """Tell whether the intervals are narrow; nothing else of them is looked at."""
        samples = SAMPLES.frame(self.spool.rows[SAMPLES.name])
        metric = "wall" if all(task.waits for task in self.tasks.values()) else "cpu"
        rows = estimate(samples, self.subjects[0].id, suite=self._suite(), metrics=(metric,))
        rows = rows[(rows["entry"] == "subject") | (len(self.entries) == 2)]
        for _, one in rows.groupby(["subject_id", "entry"]):
            suite = one.loc[one["scope"] == "suite", "half_width_percent"]
            single = one.loc[(one["scope"] == "workload"), "half_width_percent"]
            widths = [100 * self.settings.half_width, 100 * self.settings.workload_half_width]
            if not (suite <= widths[0]).all() or not single.median() <= max(widths):
                return False
        return bool(len(rows))

    # Memory ----------------------------------------------------------------------------------------------

    def _memory_s(self) -> float:
        if not self.settings.memory:
            return 0.0
        # A chunk of each workload, a fork and imports for it.
        one = sum(task.wall_s + 0.03 for task in self.tasks.values() if task.argv is None) + 0.2
        return one * len(list(self._present()))

    def _measure_memory(self, subject: Interpreter) -> None:
        """Measure each workload in a child of a worker that has done nothing else."""
        entry = Entry(subject, "subject")
        self._tell(f"{subject.label}: memory")
        core = self.cores[0] if self.cores else None
        worker: Worker | None = None
        tasks = [task for task in self.tasks.values() if task.argv is None]
        bare = [Task("startup:bare", "startup")] if self.settings.startup else []
        for task in (*bare, *tasks):
            if self._is_dropped(entry, task.name):
                continue
            reason, answer = "", {}
            try:
                worker = worker or self.executor.open(subject, "subject", _PROBE_SEED, core)
                if task in bare:
                    answer = worker.ask("bare", _SPAWN_S)
                else:
                    answer = worker.ask(
                        "peak", self._timeout(task) + _PREPARE_S, name=task.name, n=task.iterations
                    )
                reason = str(answer.get("error") or "")
            except AskError as error:
                reason = str(error)
            except WorkerLostError as error:
                reason = str(error)
                if worker is not None:
                    worker.close(gently=False)
                worker = None
            peak = answer.get("peak")
            self.spool.add(
                MEMORY.name,
                {
                    "subject_id": subject.id,
                    "workload": task.name,
                    "iterations": task.iterations,
                    "baseline_bytes": answer.get("baseline"),
                    "peak_bytes": peak,
                    "reason": reason or ("" if peak else "there is no /proc/self/status that tells"),
                },
            )
        if worker is not None:
            worker.close()

    # Rows ------------------------------------------------------------------------------------------------

    def _sample(
        self, block: int, entry: Entry, task: Task, count: int, position: int, answer: dict[str, Any]
    ) -> None:
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

    def _lose(
        self, block: int, entry: Entry, workload: str, kind: str, reason: str, *, for_good: bool = False
    ) -> None:
        """Note a lost cell; one that was lost before is left out from now on."""
        key = (entry.subject.id, entry.entry, workload)
        self._strikes[key] += 1
        dropped = for_good or self._strikes[key] >= _STRIKES
        self._failure(block, entry, workload, kind, reason, dropped=dropped)
        if dropped:
            self._dropped.add(key)
            if workload == "" and entry.entry == "subject":
                self.failed[entry.subject.id] = reason

    def _failure(
        self, block: int, entry: Entry, workload: str, kind: str, reason: str, *, dropped: bool
    ) -> None:
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

    def _is_dropped(self, entry: Entry, workload: str) -> bool:
        key = (entry.subject.id, entry.entry)
        return (*key, workload) in self._dropped or (*key, "") in self._dropped

    def _fact(self, subject_id: str, fact: str, value: object, warning: str = "") -> None:
        row = {"subject_id": subject_id, "fact": fact, "value": str(value), "warning": warning}
        self.spool.add(ENVIRONMENT.name, row)

    def _facts_of(self, subject: Interpreter, hello: dict[str, Any]) -> None:
        if not hello:
            return
        self._fact(subject.id, *machine.clock_fact(hello))
        not_pinned = str(hello.get("not_pinned") or "")
        self._fact(
            subject.id,
            "pinned",
            "no" if not_pinned else "yes",
            f"not pinned to a core: {not_pinned}" if not_pinned else "",
        )
        self._fact(subject.id, "version", hello.get("version", ""))

    def _closing_facts(self) -> None:
        settings = self.settings
        for fact, value in (
            ("reference", self.subjects[0].id),
            ("seed", self.seed),
            ("chunk_cpu_s", settings.chunk_cpu_s),
            ("rounds", self.rounds),
            ("blocks", self.blocks),
            ("budget_s", settings.budget_s),
            ("spent_s", round(self.clock() - self._started, 1)),
            ("half_width_wanted", settings.half_width),
            ("stopped", self.stopped),
        ):
            few = fact == "blocks" and self.blocks < settings.min_blocks
            self._fact("", fact, value, "too few for a statement" if few else "")

    # Parts -----------------------------------------------------------------------------------------------

    def _present(self) -> Iterable[Interpreter]:
        return [one for one in self.subjects if one.id not in self.failed]

    def _suite(self) -> list[str]:
        members = [task.name for task in self.tasks.values() if task.in_suite]
        return members or [task.name for task in self.tasks.values() if task.group != "startup"]

    def _timeout(self, task: Task) -> float:
        return self.settings.chunk_timeout_s + 100 * max(task.cpu_s, task.wall_s)

    def _tell(self, label: str) -> None:
        if self.progress is not None:
            total = max(1, round(self.settings.budget_s))
            self.progress(min(total, round(self.clock() - self._started)) if label else total, total, label)
