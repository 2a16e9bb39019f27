"""Before the first block: what each interpreter can do, and on the reference how much work makes a chunk."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pyassay.probes.performance.calibrate import Task, calibrated
from pyassay.probes.performance.context import PREPARE_S, SPAWN_S, Context, Entry
from pyassay.probes.performance.execute import AskError, Worker, WorkerLostError
from pyassay.probes.performance.machine import clock_fact
from pyassay.probes.performance.tables import SPAWNS

if TYPE_CHECKING:
    from pyassay.subjects.model import Interpreter

__all__ = ["ReferenceLostError", "prepare"]

_ABSENT = ("ModuleNotFoundError", "ImportError")
_OWN_BYTECODE = "in a folder of its own"


class ReferenceLostError(Exception):
    """Without the reference there is nothing to compare with: one line, why."""


def prepare(context: Context, subjects: Sequence[Interpreter]) -> tuple[dict[str, Task], float]:
    """Try every workload on every subject; the first is the reference.

    Returns
    -------
    dict of str to Task
        What the reference can do.
    float
        Wall seconds that the start of a worker takes.

    Raises
    ------
    ReferenceLostError
        If the reference cannot be started, or runs none of the workloads.
    """
    reference = subjects[0]
    tasks: dict[str, Task] = {}
    began, starting_s = 0, 0.0
    for subject in subjects:
        context.tell(f"{subject.label}: what it can do")
        started = context.clock()
        try:
            worker = context.open_aside(subject)
        except WorkerLostError as error:
            context.record.lose(0, Entry(subject, "subject"), "", error.kind, str(error), for_good=True)
            if subject is reference:
                raise ReferenceLostError(f"the reference {subject.label}: {error}") from error
            continue
        began, starting_s = began + 1, starting_s + context.clock() - started
        hello = getattr(context.executor, "hello", {}).get(subject.id, {})
        _facts(context, subject, hello)
        is_reference = subject is reference
        wanted = _wanted(context, hello.get("loaded") or {}, subject) if is_reference else tasks.values()
        done = _inspect(context, subject, worker, list(wanted), is_reference=is_reference)
        if is_reference:
            tasks = done
    if not tasks:
        raise ReferenceLostError(f"the reference {reference.label} runs none of the workloads")
    return tasks, starting_s / began


def _inspect(
    context: Context, subject: Interpreter, first: Worker, tasks: Iterable[Task], *, is_reference: bool
) -> dict[str, Task]:
    """Try workloads; one that fails is a gap from then on, and the others go on in a fresh worker."""
    entry, done = Entry(subject, "subject"), {}
    worker: Worker | None = first
    try:
        for task in tasks:
            context.tell(f"{subject.label}: {task.name}")
            try:
                worker = worker or context.open_aside(subject)
                done[task.name] = _tried(context, worker, subject, task, is_reference=is_reference)
            except AskError as error:
                kind = "unavailable" if str(error).startswith(_ABSENT) else "error"
                context.record.lose(0, entry, task.name, kind, str(error), for_good=True)
            except WorkerLostError as error:
                context.record.lose(0, entry, task.name, error.kind, str(error), for_good=True)
                if worker is not None:
                    worker.close(gently=False)
                worker = None
    finally:
        if worker is not None:
            worker.close()
    return done


def _wanted(context: Context, loaded: dict[str, Any], subject: Interpreter) -> list[Task]:
    settings = context.settings
    found = {name: Task(name, one["group"]) for name, one in loaded.get("workloads", {}).items()}
    if settings.startup:
        for name, argv in loaded.get("spawns", {}).items():
            found[name] = Task(name, "startup", argv=tuple(argv))
    if settings.workloads is None:
        return list(found.values())
    own = [name for name, task in found.items() if task.group == "own"]
    for name in settings.workloads:
        if name not in found:
            reason = "there is no such workload"
            context.record.lose(0, Entry(subject, "subject"), name, "unavailable", reason, for_good=True)
    return [found[name] for name in dict.fromkeys((*settings.workloads, *own)) if name in found]


def _tried(context: Context, worker: Worker, subject: Interpreter, task: Task, *, is_reference: bool) -> Task:
    if task.argv is not None:
        _check_bytecode(context, worker, subject, task)
        found = [worker.ask("spawn", SPAWN_S, argv=task.argv, n=1) for _ in range(2)][-1]
        return replace(task, cpu_s=found["cpu"] / 1e9, wall_s=found["wall"] / 1e9)
    worker.ask("prepare", PREPARE_S, name=task.name)
    if not is_reference:
        worker.ask("run", context.timeout_s(task), name=task.name, n=1)
        return task
    found_at = calibrated(
        lambda count: worker.ask("run", PREPARE_S, name=task.name, n=count), context.settings.chunk_cpu_s
    )
    for count, answer in found_at.answers:
        context.record.sample(0, Entry(subject, "subject"), replace(task, iterations=count), 0, 1, answer)
    return replace(
        task,
        iterations=found_at.iterations,
        cpu_s=found_at.cpu_s,
        wall_s=found_at.wall_s,
        waits=found_at.waits,
    )


def _check_bytecode(context: Context, worker: Worker, subject: Interpreter, task: Task) -> None:
    folder = None if context.scratch is None else f"{context.scratch(subject)}/bytecode-{subject.id}"
    answer = worker.ask("bytecode", SPAWN_S, argv=task.argv, folder=folder)
    compiled, note = answer.get("compiled"), str(answer.get("note") or "")
    if folder is not None and _OWN_BYTECODE in note:
        context.bytecode[subject.id] = folder
    context.record.spool.add(
        SPAWNS.name,
        {
            "subject_id": subject.id,
            "workload": task.name,
            "compiled_modules": compiled,
            "bytecode_present": None if compiled is None else compiled == 0,
            "note": note,
        },
    )


def _facts(context: Context, subject: Interpreter, hello: dict[str, Any]) -> None:
    if not hello:
        return
    not_pinned = str(hello.get("not_pinned") or "")
    warning = f"not pinned to a core: {not_pinned}" if not_pinned else ""
    context.record.fact(subject.id, *clock_fact(hello))
    context.record.fact(subject.id, "pinned", "no" if not_pinned else "yes", warning)
    context.record.fact(subject.id, "version", hello.get("version", ""))
