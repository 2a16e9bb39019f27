"""Gathering: put questions to subjects, one after the other, and return the evidence."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType
from typing import TYPE_CHECKING, Any

from pyassay import __version__
from pyassay.evidence import SCHEMA_VERSION, SKIPPED, SUBJECTS, Evidence, Manifest, ProbeRun, schemas
from pyassay.probes import ABOUT_TOOLS, probe_module
from pyassay.subjects.collection import subject_row
from pyassay.subjects.model import Subject

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["gather"]

_TOOLS = ("pandas", "pyarrow", "pyelftools", "auditwheel")

Progress = Callable[[int, int, str], None]


@dataclass(slots=True)
class _Collected:
    frames: dict[str, list[pd.DataFrame]] = field(default_factory=dict)
    skipped: list[dict[str, str]] = field(default_factory=list)
    runs: list[ProbeRun] = field(default_factory=list)
    made: list[Subject] = field(default_factory=list)

    def add(self, question: str, frames: Mapping[str, pd.DataFrame]) -> None:
        for name, frame in frames.items():
            if name == SKIPPED.name:
                rows = frame.assign(question=question).to_dict("records")
                self.skipped += [{str(key): str(value) for key, value in row.items()} for row in rows]
            elif len(frame):
                self.frames.setdefault(name, []).append(frame)

    def failed(self, question: str, subject: Subject, reason: str, duration_s: float) -> None:
        row = {"subject_id": subject.id, "question": question, "file": "", "reason": reason}
        self.skipped.append(row)
        self.runs.append(ProbeRun(question, subject.id, "failed", reason, duration_s))


def gather(
    questions: str | Sequence[str],
    subjects: Iterable[Subject],
    *,
    places: Sequence[Any] = (),
    settings: Mapping[str, Any] | None = None,
    parameters: Mapping[str, str] | None = None,
    progress: Progress | None = None,
) -> Evidence:
    """Probe subjects and return the evidence.

    Parameters
    ----------
    questions : str or sequence of str
        Of :data:`pyassay.probes.QUESTIONS`.
    subjects : iterable of Interpreter or Artifact
        What to probe. Questions about tools take their Pythons from it, and add subjects of their own; where
        nothing else is asked, those are all.
    places : sequence of TrialPlace
        Where each subject is tried besides, see :mod:`pyassay.probes.trials`; by default nowhere.
    settings : mapping, optional
        By question, what its probe is told: see ``Settings`` of its module.
    progress : callable, optional
        Called as ``progress(done, total, label)`` before each step and once at the end.

    Returns
    -------
    Evidence
        A probe that fails on one subject leaves the reason in ``skipped`` and in the manifest.
    """
    import pandas as pd

    asked = (questions,) if isinstance(questions, str) else tuple(questions)
    listed = list(subjects)
    collected = _Collected()
    for number, question in enumerate(asked):
        _ask(
            question,
            listed,
            collected,
            places=places,
            settings=(settings or {}).get(question),
            progress=_part(progress, number, len(asked), question),
        )
    if progress is not None:
        progress(1, 1, "")
    if set(asked) <= set(ABOUT_TOOLS):
        listed = []
    tables = {"subjects": SUBJECTS.frame(map(subject_row, [*listed, *collected.made]))}
    for schema in schemas(asked):
        if schema.name not in (SUBJECTS.name, SKIPPED.name):
            frames = collected.frames.get(schema.name)
            tables[schema.name] = pd.concat(frames, ignore_index=True) if frames else schema.frame([])
    tables[SKIPPED.name] = SKIPPED.frame(collected.skipped)
    manifest = Manifest(
        schema_version=SCHEMA_VERSION,
        recorded_at=datetime.now(UTC).replace(microsecond=0).isoformat(),
        questions=asked,
        host=_host_facts(),
        tools=_tool_versions(),
        parameters=dict(parameters or {}),
        runs=tuple(collected.runs),
    )
    return Evidence(manifest, tables)


def _part(progress: Progress | None, number: int, count: int, question: str) -> Progress | None:
    """Return the progress of one question as a part of the whole."""
    if progress is None or count == 1:
        return progress

    def told(done: int, total: int, label: str) -> None:
        share = done / total if total else 1.0
        progress(round(1000 * (number + share)), 1000 * count, f"{question}: {label}" if label else question)

    return told


def _ask(
    question: str,
    subjects: Sequence[Subject],
    collected: _Collected,
    *,
    places: Sequence[Any],
    settings: Any,
    progress: Progress | None,
) -> None:
    module = probe_module(question)
    taken = [subject for subject in subjects if _takes(module, subject)]
    if hasattr(module, "measure"):
        _measured_together(question, module, taken, collected, settings, progress)
        return
    _observe_host(question, module, taken, collected)
    told = {} if settings is None else {"settings": settings}
    for number, subject in enumerate(taken):
        if progress is not None:
            progress(number, len(taken), subject.label)
        started = time.perf_counter()
        try:
            collected.add(question, module.probe(subject, **told))
            if hasattr(module, "probe_in"):
                for place in places:
                    collected.add(question, module.probe_in(subject, place, **told))
        except Exception as error:  # noqa: BLE001 - one subject's fault must not end the run of the others
            collected.failed(question, subject, _one_line(error), _since(started))
        else:
            collected.runs.append(ProbeRun(question, subject.id, "done", "", _since(started)))


def _observe_host(
    question: str, module: ModuleType, subjects: Sequence[Subject], collected: _Collected
) -> None:
    """Observe what belongs to the machine rather than to one subject."""
    if not hasattr(module, "probe_host"):
        return
    try:
        collected.add(question, module.probe_host(subjects))
    except Exception as error:  # noqa: BLE001 - the subjects are probed all the same
        row = {"subject_id": "", "question": question, "file": "this machine", "reason": _one_line(error)}
        collected.skipped.append(row)


def _measured_together(
    question: str,
    module: ModuleType,
    subjects: Sequence[Subject],
    collected: _Collected,
    settings: Any,
    progress: Progress | None,
) -> None:
    """Ask a question that compares: its probe gets all subjects at once."""
    started = time.perf_counter()
    try:
        measured = module.measure(subjects, settings, progress=progress)
    except Exception as error:  # noqa: BLE001 - the other questions go on
        if question in ABOUT_TOOLS:
            # None of the Pythons has failed, and there is no subject that could.
            row = {"subject_id": "", "question": question, "file": question, "reason": _one_line(error)}
            collected.skipped.append(row)
        else:
            for subject in subjects:
                collected.failed(question, subject, _one_line(error), _since(started))
        return
    collected.add(question, measured.frames)
    if question in ABOUT_TOOLS:
        subjects = measured.subjects
        collected.made += subjects
        known = {subject.id for subject in subjects}
        collected.skipped += [
            {"subject_id": "", "question": question, "file": name, "reason": reason}
            for name, reason in measured.failed.items()
            if name not in known
        ]
    for subject in subjects:
        if reason := measured.failed.get(subject.id):
            collected.failed(question, subject, reason, _since(started))
        else:
            collected.runs.append(ProbeRun(question, subject.id, "done", "", _since(started)))


def _takes(module: ModuleType, subject: Subject) -> bool:
    return not hasattr(module, "takes") or bool(module.takes(subject))


def _since(started: float) -> float:
    return round(time.perf_counter() - started, 4)


def _one_line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:500]


def _host_facts() -> dict[str, str]:
    try:
        distribution = platform.freedesktop_os_release().get("PRETTY_NAME", "unknown")
    except OSError:
        distribution = "unknown"
    return {
        "distribution": distribution,
        "kernel": platform.release(),
        "machine": platform.machine(),
        "libc": " ".join(platform.libc_ver()).strip(),
        "cores": str(os.cpu_count() or 0),
    }


def _tool_versions() -> dict[str, str]:
    tools = {"python": platform.python_version(), "pyassay": __version__}
    for name in _TOOLS:
        try:
            tools[name] = version(name)
        except PackageNotFoundError:
            tools[name] = "absent"
    return tools
