"""Memory: the high-water mark of each workload in a process that has done nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from pyassay.probes.performance.calibrate import Task
from pyassay.probes.performance.context import PREPARE_S, SPAWN_S, Context, Entry
from pyassay.probes.performance.execute import AskError, Worker, WorkerLostError
from pyassay.probes.performance.tables import MEMORY

if TYPE_CHECKING:
    from pyassay.subjects.model import Interpreter

__all__ = ["BARE", "expected_s", "measure_memory"]

BARE = Task("startup:bare", "startup")
"""An interpreter that does nothing."""

_FORK_S, _OPEN_S = 0.03, 0.2


def expected_s(tasks: Iterable[Task]) -> float:
    """Return the wall seconds that it takes for one subject."""
    return _OPEN_S + sum(task.wall_s + _FORK_S for task in tasks if task.argv is None)


def measure_memory(context: Context, subject: Interpreter, tasks: Iterable[Task]) -> None:
    """Measure each workload in a child of a worker that has done nothing itself."""
    context.tell(f"{subject.label}: memory")
    entry = Entry(subject, "subject")
    worker: Worker | None = None
    bare = [BARE] if context.settings.startup else []
    for task in (*bare, *(task for task in tasks if task.argv is None)):
        if context.record.is_dropped(entry, task.name):
            continue
        reason = ""
        answer: dict[str, Any] = {}
        try:
            worker = worker or context.open_aside(subject)
            if task is BARE:
                answer = worker.ask("bare", SPAWN_S)
            else:
                limit = context.timeout_s(task) + PREPARE_S
                answer = worker.ask("peak", limit, name=task.name, n=task.iterations)
        except AskError as error:
            reason = str(error)
        except WorkerLostError as error:
            reason = str(error)
            if worker is not None:
                worker.close(gently=False)
            worker = None
        peak = answer.get("peak")
        context.record.spool.add(
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
