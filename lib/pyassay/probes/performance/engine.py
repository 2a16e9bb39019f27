"""The measurement: blocks of workers that take turns, until the intervals are narrow or the time is spent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from pyassay.probes.performance import machine
from pyassay.probes.performance.calibrate import Task
from pyassay.probes.performance.context import PREPARE_S, Context, Entry
from pyassay.probes.performance.estimate import estimate
from pyassay.probes.performance.execute import AskError, Worker, WorkerLostError
from pyassay.probes.performance.memory import expected_s, measure_memory
from pyassay.probes.performance.prepare import prepare
from pyassay.probes.performance.schedule import BlockPlan, Turn, choose_rounds, plan_block, rounds_of
from pyassay.probes.performance.tables import BLOCKS, SAMPLES, WORKLOADS

if TYPE_CHECKING:
    from pyassay.subjects.model import Interpreter

__all__ = ["Measurement"]

# The width is looked at only so often: a look at every block would stop a little too early, on intervals that
# are narrow by chance.
_LOOK_EVERY = 4
# CPU seconds of the first chunk, which is discarded.
_WARM_S = 0.010


@dataclass(slots=True)
class Measurement:
    """One comparison.

    Parameters
    ----------
    context : Context
    subjects : sequence of Interpreter
        The reference first.
    seed : str
        Of all random choices.
    """

    context: Context
    subjects: Sequence[Interpreter]
    seed: str
    entries: list[Entry] = field(default_factory=list)
    tasks: dict[str, Task] = field(default_factory=dict)
    blocks: int = 0
    rounds: int = 0
    stopped: str = ""
    _start_s: float = 0.0
    _slowness: float = 1.0

    def run(self) -> None:
        """Measure; rows go to the context's record.

        Raises
        ------
        ReferenceLostError
            If the reference cannot be started, or runs none of the workloads.
        """
        context, reference = self.context, self.subjects[0]
        for fact, value, warning in machine.facts(context.cores):
            context.record.fact("", fact, value, warning)
        self.tasks, start_s = prepare(context, self.subjects)
        self._list_workloads()
        self.entries = [*(Entry(one, "subject") for one in self._present()), Entry(reference, "control")]
        self._start_s = start_s * len(self.entries)
        self._measure_blocks()
        if context.settings.memory:
            for subject in self._present():
                measure_memory(context, subject, self.tasks.values())
        self._closing_facts()
        context.tell("")

    def _present(self) -> list[Interpreter]:
        return [one for one in self.subjects if one.id not in self.context.record.failed]

    def _suite(self) -> list[str]:
        members = [task.name for task in self.tasks.values() if task.in_suite]
        return members or [task.name for task in self.tasks.values() if task.group != "startup"]

    def _list_workloads(self) -> None:
        suite = self._suite()
        for task in self.tasks.values():
            self.context.record.spool.add(
                WORKLOADS.name,
                {
                    "workload": task.name,
                    "group": task.group,
                    "in_suite": task.name in suite,
                    "iterations": task.iterations,
                    "expected_cpu_s": task.cpu_s,
                    "waits": task.waits,
                },
            )

    # Blocks ----------------------------------------------------------------------------------------------

    def _measure_blocks(self) -> None:
        settings = self.context.settings
        # Memory is measured after the blocks, in the same time.
        reserve = expected_s(self.tasks.values()) * len(self.entries) if settings.memory else 0.0
        reference = Entry(self.subjects[0], "subject")
        while self.blocks < settings.max_blocks:
            left = settings.budget_s - self.context.elapsed_s - reserve
            if self.blocks and left < self._block_s(self.rounds):
                self.stopped = "the time is spent"
                return
            self.blocks += 1
            if settings.rounds is not None:
                self.rounds = settings.rounds
            elif self.blocks <= 2:
                # Once more after the first block, which shows what one really costs. It hangs on times alone,
                # not on what they say of the interpreters.
                self.rounds = choose_rounds(left, self._block_s)
            turns = {name: self._rounds_of(task, self.rounds) for name, task in self.tasks.items()}
            plan = plan_block(self.seed, self.blocks, len(self.entries), turns, self.context.cores)
            self.context.tell(f"block {self.blocks}")
            self._block(plan)
            if all(self.context.record.is_dropped(reference, name) for name in self.tasks):
                self.stopped = "the reference is lost"
                return
            if self.blocks >= settings.min_blocks and self.blocks % _LOOK_EVERY == 0 and self._is_narrow():
                self.stopped = "the intervals are narrow enough"
                return
        self.stopped = "the most blocks are done"

    def _rounds_of(self, task: Task, rounds: int) -> int:
        return rounds_of(rounds, self.context.settings.chunk_cpu_s, max(task.cpu_s, task.wall_s))

    def _block_s(self, rounds: int) -> float:
        """Return the wall seconds that a block of so many rounds is expected to take."""
        work = sum(
            max(task.cpu_s, task.wall_s) * (self._rounds_of(task, rounds) + self._first(task))
            for task in self.tasks.values()
        )
        return self._start_s + self._slowness * len(self.entries) * work

    def _first(self, task: Task) -> int:
        """Return how many chunks the discarded one is long: what adapts itself needs some time for it."""
        chunk = self.context.settings.chunk_cpu_s
        return 1 if task.argv is not None or task.cpu_s > 2 * chunk else max(1, round(_WARM_S / chunk))

    def _block(self, plan: BlockPlan) -> None:
        context = self.context
        workers: dict[int, Worker] = {}
        before, began = machine.state(), context.clock()
        try:
            for number in plan.start_order:
                self._is_ready(workers, number, plan)
            started = context.clock()
            for turn in plan.turns:
                self._turn(workers, plan, turn)
        finally:
            for worker in workers.values():
                worker.close()
        duration = context.clock() - began
        self._start_s = started - began
        expected = (self._block_s(self.rounds) - self._start_s) / self._slowness
        self._slowness = (duration - self._start_s) / max(expected, 1e-9)
        context.record.spool.add(
            BLOCKS.name,
            {
                "block": plan.number,
                "started_s": began - context.started,
                "duration_s": duration,
                "core": plan.core,
                "hash_seed": str(plan.hash_seed),
                "rounds": self.rounds,
                "start_order": [self.entries[number].shown for number in plan.start_order],
                "workload_order": [turn.workload for turn in plan.turns],
                **machine.strain(before, machine.state()),
            },
        )

    def _is_ready(self, workers: dict[int, Worker], number: int, plan: BlockPlan, workload: str = "") -> bool:
        """Tell whether there is a worker; if there is none, a fresh one is started."""
        entry, record = self.entries[number], self.context.record
        if number not in workers and not record.is_dropped(entry, ""):
            try:
                workers[number] = self.context.open(entry.subject, entry.entry, plan.hash_seed, plan.core)
            except WorkerLostError as error:
                record.lose(plan.number, entry, "", error.kind, str(error))
                if workload:
                    record.failure(plan.number, entry, workload, error.kind, str(error), dropped=False)
        return number in workers

    def _turn(self, workers: dict[int, Worker], plan: BlockPlan, turn: Turn) -> None:
        task, record = self.tasks[turn.workload], self.context.record
        reference = Entry(self.subjects[0], "subject")
        taking_part = {
            number
            for number in turn.rounds[0]
            # Without the reference there is no ratio; what it cannot do, nobody need try, nor its control.
            if not record.is_dropped(reference, task.name)
            and not record.is_dropped(self.entries[number], task.name)
            and self._is_ready(workers, number, plan, task.name)
        }
        for count, order in enumerate(turn.rounds):
            for position, number in enumerate(order, 1):
                if number not in taking_part:
                    continue
                entry = self.entries[number]
                try:
                    answer = self._chunk(workers[number], task, is_first=count == 0)
                except AskError as error:
                    record.lose(plan.number, entry, task.name, "error", str(error))
                    taking_part.remove(number)
                except WorkerLostError as error:
                    # A hang costs too much time to be seen twice.
                    hung = error.kind == "hang"
                    record.lose(plan.number, entry, task.name, error.kind, str(error), for_good=hung)
                    taking_part.remove(number)
                    workers.pop(number).close(gently=False)
                else:
                    done = (
                        replace(task, iterations=task.iterations * self._first(task)) if count == 0 else task
                    )
                    record.sample(plan.number, entry, done, count, position, answer)

    def _chunk(self, worker: Worker, task: Task, *, is_first: bool) -> dict[str, Any]:
        limit = self.context.timeout_s(task)
        if task.argv is not None:
            return worker.ask("spawn", limit, argv=task.argv, n=task.iterations)
        if not is_first:
            return worker.ask("run", limit, name=task.name, n=task.iterations)
        worker.ask("prepare", PREPARE_S, name=task.name)
        return worker.ask("run", limit, name=task.name, n=task.iterations * self._first(task))

    def _is_narrow(self) -> bool:
        """Tell whether the intervals are narrow; nothing else of them is looked at."""
        settings = self.context.settings
        samples = SAMPLES.frame(self.context.record.spool.rows[SAMPLES.name])
        metric = "wall" if all(task.waits for task in self.tasks.values()) else "cpu"
        rows = estimate(samples, self.subjects[0].id, suite=self._suite(), metrics=(metric,))
        compared = rows[rows["entry"] == ("subject" if len(self.subjects) > 1 else "control")]
        for _, one in compared.groupby("subject_id"):
            suite = one.loc[one["scope"] == "suite", "half_width_percent"]
            single = one.loc[one["scope"] == "workload", "half_width_percent"]
            # Written so that a missing width is not narrow.
            if not (suite <= 100 * settings.half_width).all():
                return False
            if not single.median() <= 100 * max(settings.half_width, settings.workload_half_width):
                return False
        return len(compared) > 0

    def _closing_facts(self) -> None:
        settings = self.context.settings
        for fact, value in (
            ("reference", self.subjects[0].id),
            ("seed", self.seed),
            ("chunk_cpu_s", settings.chunk_cpu_s),
            ("rounds", self.rounds),
            ("blocks", self.blocks),
            ("budget_s", settings.budget_s),
            ("spent_s", round(self.context.elapsed_s, 1)),
            ("half_width_wanted", settings.half_width),
            ("stopped", self.stopped),
        ):
            few = fact == "blocks" and self.blocks < settings.min_blocks
            self.context.record.fact("", fact, value, "too few for a statement" if few else "")
