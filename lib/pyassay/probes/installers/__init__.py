"""Installers: every claim of the field about uv and pip as a probe that any version can be put through.

Everything runs on loopback (:mod:`.index`), as a user who exists for one trial only (:mod:`.isolation`); the
one step that asks the user's registry (:mod:`.registry`) downloads the installers and the wheels, once.

**A group of probes** is a module of this package, named in ``settings.GROUPS``, with

``GROUP : str``
    Its name, the ``group`` of its claims in the catalogue (``claims.toml``, or a file of its own beside it
    whose name begins with ``claims_``).
``observe(bench: Bench) -> Iterable[Row]``
    A generator of ``(name of a table, row)``. The bench (:mod:`.bench`) gives the installers, the Python,
    scratch folders, throw-away homes, fresh environments, indexes and a runner; ``bench.answer``,
    ``bench.not_measured`` and ``bench.not_applicable`` make rows of ``installer_answers``. Rows that were
    yielded stay when it raises later on; ``BenchError`` is its way to say that it cannot go on.
``SHARE : float`` (optional)
    Its share of the budget as a weight, 1 unless given: ``bench.deadline`` follows from it.

A claim that a group did not answer for an installer becomes a row ``not measured`` that says why: it
cannot be forgotten.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from packaging.version import InvalidVersion, Version

from pyassay.places.interruption import unwound_by_signals
from pyassay.probes.installers.bench import Bench, BenchError
from pyassay.probes.installers.catalogue import catalogue
from pyassay.probes.installers.registry import RegistryError
from pyassay.probes.installers.settings import GROUPS, SETS, RequirementSet, Settings, SettingsError
from pyassay.probes.installers.tables import (
    ANSWERS,
    IMPORTS,
    NOT_APPLICABLE,
    NOT_MEASURED,
    RACES,
    SAMPLES,
    TRAFFIC,
)
from pyassay.probes.installers.tables import (
    SETS as SET_TABLE,
)
from pyassay.probes.installers.tools import Installer, InstallerError, obtain
from pyassay.probes.installers.wheelhouse import set_row, wheelhouse
from pyassay.probes.measured import Measured
from pyassay.probes.observations import TableSchema
from pyassay.subjects.model import Artifact, Interpreter, Subject, SubjectKind

__all__ = [
    "GROUPS",
    "NOT_APPLICABLE",
    "NOT_MEASURED",
    "SETS",
    "TABLES",
    "Measured",
    "RequirementSet",
    "Settings",
    "SettingsError",
    "catalogue",
    "chosen",
    "measure",
    "takes",
]

Progress = Callable[[int, int, str], None]

TABLES: tuple[TableSchema, ...] = (ANSWERS, RACES, TRAFFIC, SAMPLES, IMPORTS, SET_TABLE)


def _modules(names: Sequence[str]) -> Iterator[ModuleType]:
    for name in names:
        if importlib.util.find_spec(f"{__name__}.{name}") is not None:
            yield importlib.import_module(f"{__name__}.{name}")


def takes(subject: Subject) -> bool:
    """Tell whether the question makes sense for a subject: it is one for Pythons to install into."""
    return isinstance(subject, Interpreter) and not subject.image


def chosen(subjects: Sequence[Subject]) -> Interpreter | None:
    """Return the Python that is installed into: the newest plain CPython, of equals uv's kind."""
    able = [
        subject
        for subject in subjects
        if isinstance(subject, Interpreter)
        and takes(subject)
        and subject.error is None
        and subject.environment is None
        and subject.implementation == "cpython"
        and not set(subject.abi_flags) & set("td")
    ]
    return max(able, key=_rank, default=None)


def _rank(subject: Interpreter) -> tuple[bool, tuple[int, ...], bool, str]:
    try:
        version = Version(subject.version)
    except InvalidVersion:
        return False, (), False, subject.id
    is_standalone = subject.provenance.builder == "python-build-standalone"
    return not version.is_prerelease, version.release[:2], is_standalone, subject.id


def measure(
    subjects: Sequence[Subject], settings: Settings | None = None, *, progress: Progress | None = None
) -> Measured:
    """Put installers to the test.

    Parameters
    ----------
    subjects : sequence of Interpreter
        Pythons; one of them (:func:`chosen`) is installed into.
    settings : Settings, optional
    progress : callable, optional
        Called as ``progress(done, total, label)``.

    Returns
    -------
    Measured
        An installer that cannot be had is named in ``failed``; the others go on.
    """
    settings = settings or Settings()
    tell = progress or (lambda done, total, label: None)
    failed: dict[str, str] = {}
    rows: dict[str, list[Any]] = {table.name: [] for table in TABLES}
    interpreter = chosen(subjects)
    if interpreter is None:
        reason = "none of the Pythons is a CPython on this host that can be installed into"
        failed = {subject.id: subject_error(subject) or reason for subject in subjects}
        return Measured({table.name: table.frame([]) for table in TABLES}, failed)
    modules = [module for module in _modules(settings.groups) if hasattr(module, "observe")]
    tell(0, len(modules) + 1, "fetching installers")
    lost: list[Artifact] = []
    installers = _obtained(settings, interpreter, lost)
    failed = {one.id: str(one.error) for one in lost}
    rows[ANSWERS.name] += _lost_rows(lost, settings)
    rows[SET_TABLE.name] = [set_row(one, interpreter) for one in settings.chosen_sets]
    if installers:
        with unwound_by_signals(), _scratch(settings) as scratch:
            deadline = time.monotonic() + settings.budget_s
            for number, module in enumerate(modules):
                tell(number + 1, len(modules) + 1, module.GROUP)
                left = sum(getattr(one, "SHARE", 1.0) for one in modules[number:])
                share = (deadline - time.monotonic()) * getattr(module, "SHARE", 1.0) / left
                folder = scratch / module.GROUP
                folder.mkdir()
                bench = Bench(
                    installers,
                    interpreter,
                    settings,
                    folder,
                    lambda one: wheelhouse(one, interpreter),
                    time.monotonic() + max(0.0, share),
                )
                _observe(module, bench, rows)
                shutil.rmtree(folder, ignore_errors=True)
    tell(1, 1, "")
    frames = {table.name: table.frame(rows[table.name]) for table in TABLES}
    return Measured(frames, failed, (*(one.subject for one in installers), *lost))


def subject_error(subject: Subject) -> str:
    """Return why a subject cannot be used; empty: nothing is known against it."""
    return subject.error or ""


def _obtained(settings: Settings, interpreter: Interpreter, lost: list[Artifact]) -> tuple[Installer, ...]:
    found: dict[str, Installer] = {}
    for wanted in settings.installers:
        try:
            installer = obtain(wanted, python=interpreter.executable)
        except InstallerError as error:
            key = re.sub(r"[^A-Za-z0-9.]+", "-", wanted).strip("-") or "installer"
            lost.append(Artifact(key, wanted, SubjectKind.TOOL, Path(), "installer", error=str(error)))
        else:
            found.setdefault(installer.id, installer)
    return tuple(found.values())


def _lost_rows(lost: Sequence[Artifact], settings: Settings) -> Iterator[dict[str, Any]]:
    """Yield a row for each claim that an installer which cannot be had leaves open."""
    for one in lost:
        for claim in catalogue().values():
            if claim.answers and claim.group in settings.groups:
                yield {
                    "subject_id": one.id,
                    "claim": claim.key,
                    "answer": NOT_MEASURED,
                    "seen": "",
                    "details": "{}",
                    "command": "",
                    "exit_code": None,
                    "duration_s": float("nan"),
                    "reason": str(one.error),
                }


@contextmanager
def _scratch(settings: Settings) -> Iterator[Path]:
    # Resolved: installers show resolved paths, and ours are looked for in what they say.
    folder = Path(tempfile.mkdtemp(prefix="pyassay-installers-", dir=settings.scratch)).resolve()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _observe(module: ModuleType, bench: Bench, rows: dict[str, list[Any]]) -> None:
    """Let a group work; what it leaves unanswered becomes rows that say why."""
    reason = "its probe gave no answer"
    answered: set[tuple[str, str]] = set()
    try:
        for table, row in module.observe(bench):
            if table == ANSWERS.name:
                key = (row["subject_id"], row["claim"])
                if key in answered:
                    raise ValueError(f"{row['claim']}: answered twice for {row['subject_id']}")
                answered.add(key)
            rows[table].append(row)
    except (BenchError, RegistryError) as error:
        reason = str(error)
    except Exception as error:  # noqa: BLE001 - the other groups go on
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
    for claim in catalogue().values():
        if claim.group != module.GROUP or not claim.answers or not bench.is_asked(claim.key):
            continue
        for installer in bench.installers:
            if (installer.id, claim.key) in answered:
                continue
            if claim.applies and installer.family not in claim.applies:
                why = f"it is a statement about {', '.join(claim.applies)}"
                rows[ANSWERS.name].append(bench.not_applicable(installer, claim.key, why)[1])
            else:
                rows[ANSWERS.name].append(bench.not_measured(installer, claim.key, reason)[1])
