"""How long starts take: artifacts and ``python -m`` of the same Python and wheels, in turns, on this host."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyassay.packagers.model import Delivery
from pyassay.probes.packaging.candidates import Candidate
from pyassay.probes.packaging.references import Reference, files_of
from pyassay.probes.packaging.telling import worked
from pyassay.probes.paired_commands import PairedSettings, TimedCommand, exits_with, measure_commands

__all__ = ["STATES", "Starts", "failed_row"]

STATES = (("help", "warm", 0.45), ("check", "warm", 0.25), ("help", "first", 0.18), ("help", "cold", 0.12))
"""What is started, in which state, and which share of the time it gets."""

_TIMEOUT_S = 60.0
_NEW_S = 120.0

Row = dict[str, Any]


@dataclass
class Starts:
    """Times starts.

    Attributes
    ----------
    folder : Path
        Scratch: each command has a home and a temporary folder in it.
    budget_s : float
        Wall seconds for all.
    quick : bool
        Fewer blocks at least.
    """

    folder: Path
    budget_s: float
    quick: bool = False
    progress: Callable[[str], None] = field(default=lambda label: None)

    def rows(self, groups: Sequence[tuple[Reference, Sequence[Candidate]]]) -> Iterator[Row]:
        """Yield a row per start; each group is compared with its own reference."""
        whole = sum(len(candidates) + 1 for _, candidates in groups)
        for reference, candidates in groups:
            share = (len(candidates) + 1) / max(whole, 1)
            for what, state, part in STATES:
                yield from self._measured(reference, candidates, what, state, self.budget_s * share * part)

    def _measured(
        self, reference: Reference, candidates: Sequence[Candidate], what: str, state: str, budget_s: float
    ) -> Iterator[Row]:
        timed, commands = [], []
        for one in candidates:
            why = _not_timed(one)
            if why:
                yield failed_row(one.subject_id, what, state, why)
            else:
                timed.append(one)
        if not timed or budget_s <= 0:
            for one in timed:
                yield failed_row(one.subject_id, what, state, "no time was given for it")
            return
        commands = [self._reference(reference, what, state)]
        commands += [self._command(one, what, state) for one in timed]
        settings = PairedSettings(
            budget_s=budget_s,
            min_blocks=3 if self.quick else 5,
            max_blocks=60,
            warmups=1 if state == "warm" else 0,
        )
        self.progress(f"{what}, {state}")
        for row in measure_commands(commands, reference.id, settings):
            yield {"what": what, "state": state, **row}

    def _reference(self, reference: Reference, what: str, state: str) -> TimedCommand:
        project = reference.project
        arguments = project.help_arguments if what == "help" else project.check_arguments
        home = self._home("reference", reference.id)
        return TimedCommand(
            id=reference.id,
            argv=[reference.python, "-m", project.module, *arguments],
            environment=self._environment(home),
            prepare=_prepared(state, home, [reference.folder, *files_of(reference.base)]),
            expect=_expectation(what, project.expected),
            timeout_s=_TIMEOUT_S,
        )

    def _command(self, candidate: Candidate, what: str, state: str) -> TimedCommand:
        project, built = candidate.project, candidate.built
        arguments = project.help_arguments if what == "help" else project.check_arguments
        home = self._home(state if state == "first" else "kept", candidate.subject_id)
        path = f"{candidate.python.executable.parent}:{os.environ.get('PATH', os.defpath)}"
        own = [built.path, home] if built is not None else []
        if not candidate.carries_python:
            own += files_of(candidate.python)
        return TimedCommand(
            id=candidate.subject_id,
            argv=[*candidate.argv(), *arguments],
            environment={**self._environment(home), "PATH": path, **(built.environment if built else {})},
            prepare=_prepared(state, home, own),
            expect=_expectation(what, project.expected),
            timeout_s=_TIMEOUT_S,
        )

    def _home(self, kind: str, name: str) -> Path:
        home = self.folder / kind / "".join(sign if sign.isalnum() else "-" for sign in name)
        _made(home)
        return home

    @staticmethod
    def _environment(home: Path) -> dict[str, str]:
        return {"HOME": str(home / "home"), "TMPDIR": str(home / "tmp"), "PYTHONDONTWRITEBYTECODE": ""}


def _made(home: Path) -> None:
    for name in ("home", "tmp"):
        (home / name).mkdir(parents=True, exist_ok=True)


def _prepared(state: str, home: Path, own: Sequence[Path]) -> Callable[[], None] | None:
    if state == "first":

        def wipe() -> None:
            shutil.rmtree(home, ignore_errors=True)
            _made(home)

        return wipe
    if state == "cold":
        return lambda: _forget(own)
    return None


def _forget(paths: Sequence[Path]) -> None:
    """Let the kernel forget what it holds of some files: of these only, nobody else's work suffers."""
    for path in paths:
        files = (
            [path]
            if path.is_file()
            else (Path(at) / name for at, _, names in os.walk(path) for name in names)
        )
        for file in files:
            with contextlib.suppress(OSError):
                descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
                try:
                    # What is not on the disk yet is not forgotten; only what is new may still be on its way.
                    if time.time() - os.fstat(descriptor).st_mtime < _NEW_S:
                        os.fdatasync(descriptor)
                    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
                finally:
                    os.close(descriptor)


def _expectation(what: str, expected: Sequence[str]) -> Callable[[bytes, bytes, int], str]:
    ended = exits_with(0)

    def why_not(stdout: bytes, stderr: bytes, status: int) -> str:
        why = ended(stdout, stderr, status)
        if why or what == "help":
            return why
        return "" if worked(stdout, expected) else "it did not say that it works"

    return why_not


def _not_timed(candidate: Candidate) -> str:
    if candidate.built is None:
        return f"not built: {candidate.reason or candidate.status}"
    if candidate.built.delivery is Delivery.PACKAGE:
        return "a package: it would have to be installed on this host"
    if candidate.built.delivery is Delivery.IMAGE:
        return "an image: an engine starts it, not this host"
    return ""


def failed_row(command_id: str, what: str, state: str, why: str) -> Row:
    """Return the row of an artifact that was not timed."""
    return {
        "command_id": command_id,
        "what": what,
        "state": state,
        "block": None,
        "position": None,
        "entry": "candidate",
        "wall_s": None,
        "cpu_s": None,
        "peak_rss_bytes": None,
        "failure": why[:400],
    }
