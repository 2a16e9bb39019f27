"""Whole commands timed in turns: each once in every block, the reference twice.

The design is that of :mod:`pyassay.probes.performance`, for what cannot be cut into chunks: starts of
programs, builds, installations. Whatever slows the machine for a while slows all commands of a block; the
order within it is drawn anew each time; ratios are formed within blocks; and the difference between the two
entries of the reference is noise by construction. Address layout and hash seed fall as they do for a user.
"""

from __future__ import annotations

import math
import os
import random
import secrets
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyassay.places.host import _one_line, clean_environment
from pyassay.places.interruption import unwound_by_signals
from pyassay.probes.observations import Column
from pyassay.probes.performance.machine import allowed_cores
from pyassay.probes.starting import MAX_OUTPUT_BYTES, Started, Starter

__all__ = [
    "MAX_OUTPUT_BYTES",
    "PairedSettings",
    "PairedSettingsError",
    "TimedCommand",
    "exits_with",
    "measure_commands",
    "paired_columns",
]

Progress = Callable[[int, int, str], None]
Expectation = Callable[[bytes, bytes, int], str]

_REFERENCE, _CONTROL, _CANDIDATE = "reference", "control", "candidate"
_MAX_REASON = 400
# Beyond the least blocks, a command sits out while it has taken so many times the mean of candidates.
_SHARE = 1.5


class PairedSettingsError(ValueError):
    """A setting is out of its range, or a command is given twice or not at all: one line."""


def exits_with(status: int = 0) -> Expectation:
    """Return an expectation: the run counts if it ends with this status."""

    def why_not(stdout: bytes, stderr: bytes, ended: int) -> str:
        if ended == status:
            return ""
        how = f"exit status {ended}" if ended >= 0 else f"killed by signal {-ended}"
        said = [line for line in (stderr or stdout).decode("utf-8", "replace").splitlines() if line.strip()]
        return f"{how}: {said[-1].strip()}" if said else how

    return why_not


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedCommand:
    """A command that takes part.

    Attributes
    ----------
    id : str
        What tables call it.
    argv : sequence of str or path
        Never run through a shell; the first item is looked up in ``PATH`` unless it holds a slash.
    environment : mapping
        Added to :func:`pyassay.places.host.clean_environment`.
    cwd : Path, optional
        ``/`` unless given.
    prepare : callable, optional
        Called before each start, untimed: clears a cache, makes a fresh target. What it raises is the reason
        why that start does not count.
    expect : callable, optional
        Is given stdout, stderr and the exit status and says why the run does not count; empty: it is right.
        Status 0 unless given.
    input_bytes : bytes
        What it reads from its standard input, then end of file.
    timeout_s : float
        Wall seconds of one start.
    """

    id: str
    argv: Sequence[str | os.PathLike[str]]
    environment: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None
    prepare: Callable[[], None] | None = None
    expect: Expectation | None = None
    input_bytes: bytes = b""
    timeout_s: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedSettings:
    """How to measure.

    Attributes
    ----------
    budget_s : float
        Wall seconds for all commands together, what prepares them included. No block is begun that would
        not end in it; one that has begun is ended.
    min_blocks, max_blocks : int
        Blocks at least (if the time allows it) and at most. Where it does not allow it for all, the slowest
        commands stay out, so that the others are measured. Time beyond the least blocks is shared evenly:
        slow commands have fewer blocks than fast ones.
    seed : str, optional
        Of all random choices; drawn unless given.
    pin : bool
        Bind the commands of a block to one core, drawn for each block, as interpreters are compared. Not for
        commands that are to use several.
    cores : tuple of int, optional
        Which cores may be drawn; those that this process may use unless given.
    warmups : int
        Starts of each command before the first block, of which only failures leave a row.
    max_failures : int
        A command that failed so often is left out from then on; at once if it hung.
    """

    budget_s: float = 60.0
    min_blocks: int = 3
    max_blocks: int = 100
    seed: str | None = None
    pin: bool = True
    cores: tuple[int, ...] | None = None
    warmups: int = 1
    max_failures: int = 2

    def __post_init__(self) -> None:
        if not (math.isfinite(self.budget_s) and self.budget_s > 0):
            raise PairedSettingsError("budget_s has to be more than 0")
        if not 1 <= self.min_blocks <= self.max_blocks:
            raise PairedSettingsError("min_blocks has to be at least 1 and at most max_blocks")
        if self.warmups < 0 or self.max_failures < 1:
            raise PairedSettingsError("warmups has to be at least 0, max_failures at least 1")
        if self.cores is not None and not self.cores:
            raise PairedSettingsError("cores: at least one is needed")


def paired_columns() -> tuple[Column, ...]:
    """Return the columns of what :func:`measure_commands` returns; a question may add its own."""
    return (
        Column("command_id", "text", "Which command."),
        Column(
            "block", "count", "Number of the block, from 1; 0: a start before the first block, which failed."
        ),
        Column("position", "count", "Place of the command in its block, from 1."),
        Column("entry", "text", "`reference`, `control` (the reference again) or `candidate`."),
        Column("wall_s", "number", "Wall seconds; missing: it failed."),
        Column("cpu_s", "number", "CPU seconds, user and system, children included; missing: it failed."),
        Column(
            "peak_rss_bytes",
            "count",
            "Of its largest process; missing: it failed, or it is less than the 10 MB of what starts it.",
        ),
        Column("failure", "text", "Why it counts for nothing; else empty."),
    )


def measure_commands(
    commands: Sequence[TimedCommand],
    reference_id: str,
    settings: PairedSettings | None = None,
    *,
    progress: Progress | None = None,
) -> list[dict[str, Any]]:
    """Time commands in turns.

    Parameters
    ----------
    commands : sequence of TimedCommand
    reference_id : str
        The command that the others are compared with: it is entered twice.
    settings : PairedSettings, optional
    progress : callable, optional
        Called as ``progress(done, total, label)`` with seconds of the budget.

    Returns
    -------
    list of dict
        A row for each start, with the columns of :func:`paired_columns`. Every command has at least one.

    Raises
    ------
    PairedSettingsError
        If two commands have one id, or the reference is none of them.
    """
    ids = [command.id for command in commands]
    if twice := [name for name, count in Counter(ids).items() if count > 1]:
        raise PairedSettingsError(f"{twice[0]}: given twice")
    if reference_id not in ids:
        raise PairedSettingsError(f"{reference_id}: the reference is none of the commands")
    settings = settings or PairedSettings()
    with unwound_by_signals(), Starter() as starter:
        return _Measurement(commands, reference_id, settings, starter, progress).run()


@dataclass(frozen=True, slots=True)
class _Entry:
    command: TimedCommand
    kind: str


@dataclass(slots=True)
class _Measurement:
    commands: Sequence[TimedCommand]
    reference_id: str
    settings: PairedSettings
    starter: Starter
    progress: Progress | None
    rows: list[dict[str, Any]] = field(default_factory=list)
    # By command: seconds of its last start with the preparation, and of all of them.
    _cost_s: dict[str, float] = field(default_factory=dict)
    _spent_s: dict[str, float] = field(default_factory=dict)
    _failures: Counter[str] = field(default_factory=Counter)
    _began: float = 0.0

    def run(self) -> list[dict[str, Any]]:
        settings = self.settings
        self._began = time.monotonic()
        seed = settings.seed or secrets.token_hex(8)
        cores = allowed_cores(settings.cores) if settings.pin else ()
        entries = [
            _Entry(one, _REFERENCE if one.id == self.reference_id else _CANDIDATE) for one in self.commands
        ]
        for _ in range(settings.warmups):
            for entry in entries:
                if self._is_in(entry) and self._left_s() > 0:
                    self._tell(f"{entry.command.id}, before the first block")
                    self._once(entry, 0, 1, cores[:1])
        entries.append(next(_Entry(one.command, _CONTROL) for one in entries if one.kind == _REFERENCE))
        block = 0
        while block < settings.max_blocks and (taking_part := self._taking_part(entries, block)):
            block += 1
            chance = random.Random(f"{seed}/{block}")  # noqa: S311 - orders, not secrets
            core = (chance.choice(cores),) if cores else ()
            for position, entry in enumerate(chance.sample(taking_part, len(taking_part)), 1):
                if self._is_in(entry):
                    self._tell(f"block {block}, {entry.command.id}")
                    self._once(entry, block, position, core)
        self._name_the_missing(entries)
        self._tell("")
        return self.rows

    def _left_s(self) -> float:
        return self.settings.budget_s - (time.monotonic() - self._began)

    def _is_in(self, entry: _Entry) -> bool:
        return self._failures[entry.command.id] < self.settings.max_failures

    def _taking_part(self, entries: Sequence[_Entry], block: int) -> list[_Entry]:
        """Return who is in the next block; nobody: there is no time, or nothing left to compare."""
        present = [entry for entry in entries if self._is_in(entry)]
        # Without the reference there is no ratio, but times of their own.
        fixed = [entry for entry in present if entry.kind != _CANDIDATE]
        others = sorted((one for one in present if one.kind == _CANDIDATE), key=self._expected_s)
        left_s = self._left_s()
        if left_s <= sum(map(self._expected_s, fixed)):
            return []
        if block < self.settings.min_blocks:
            wanted = self.settings.min_blocks - block
            # What does not fit so often is still measured as often as it fits: its own time is of use.
            chosen = self._fitting(others, left_s, fixed, wanted) or self._fitting(others, left_s, fixed, 1)
        else:
            spent = [self._spent_s.get(one.command.id, 0.0) for one in others]
            most_s = _SHARE * sum(spent) / max(len(spent), 1)
            even = [one for one, spent_s in zip(others, spent, strict=True) if spent_s <= most_s]
            chosen = self._fitting(even, left_s, fixed, 1) if fixed else []
        # A reference without anybody to compare still has a time, and shows how large the noise is.
        is_needed = chosen or len(entries) == 2 or block < self.settings.min_blocks
        # In an order that hangs on no time: the same seed makes the same blocks.
        taken = {one.command.id for one in (*fixed, *chosen)}
        return [one for one in present if one.command.id in taken] if is_needed else []

    def _fitting(
        self, others: Sequence[_Entry], room_s: float, fixed: Sequence[_Entry], blocks: int
    ) -> list[_Entry]:
        """Return the first of the others for which there is room in so many blocks."""
        room_s -= blocks * sum(map(self._expected_s, fixed))
        chosen = []
        for entry in others:
            room_s -= blocks * self._expected_s(entry)
            if room_s < 0:
                break
            chosen.append(entry)
        return chosen

    def _expected_s(self, entry: _Entry) -> float:
        return self._cost_s.get(entry.command.id, 0.0)

    def _once(self, entry: _Entry, block: int, position: int, cores: Sequence[int]) -> None:
        command, began = entry.command, time.monotonic()
        started = _prepared(command) or self.starter.start(
            command.argv,
            environment=clean_environment(command.environment),
            cwd=command.cwd,
            input_bytes=command.input_bytes,
            timeout_s=command.timeout_s,
            cores=cores,
        )
        failure = _one_line(started.failure or _unexpected(command, started))[:_MAX_REASON]
        passed = time.monotonic() - began
        self._cost_s[command.id] = passed
        self._spent_s[command.id] = self._spent_s.get(command.id, 0.0) + passed
        if failure:
            # A hang costs too much time to be seen twice.
            self._failures[command.id] += self.settings.max_failures if started.hung else 1
        if failure or block:
            self._add(entry, block, position, started, failure)

    def _add(self, entry: _Entry, block: int, position: int | None, started: Started, failure: str) -> None:
        self.rows.append(
            {
                "command_id": entry.command.id,
                "block": block,
                "position": position,
                "entry": entry.kind,
                "wall_s": math.nan if failure or started.wall_s is None else started.wall_s,
                "cpu_s": math.nan if failure or started.cpu_s is None else started.cpu_s,
                "peak_rss_bytes": None if failure else started.peak_rss_bytes,
                "failure": failure,
            }
        )

    def _name_the_missing(self, entries: Sequence[_Entry]) -> None:
        seen = {row["command_id"] for row in self.rows}
        for entry in entries:
            if entry.kind != _CONTROL and entry.command.id not in seen:
                self._add(entry, 0, None, Started(""), "the time was spent before its turn")

    def _tell(self, label: str) -> None:
        if self.progress is not None:
            total = max(1, round(self.settings.budget_s))
            done = total - max(0, round(self._left_s()))
            self.progress(total if not label else min(done, total), total, label)


def _prepared(command: TimedCommand) -> Started | None:
    """Prepare a start; why it cannot be, if so."""
    if command.prepare is None:
        return None
    try:
        command.prepare()
    except Exception as error:  # noqa: BLE001 - whatever a question's own step meets concerns this start alone
        return Started(f"its preparation failed: {type(error).__name__}: {error}")
    return None


def _unexpected(command: TimedCommand, started: Started) -> str:
    expect = command.expect or exits_with(0)
    try:
        return expect(started.stdout, started.stderr, started.status if started.status is not None else -1)
    except Exception as error:  # noqa: BLE001 - output is hostile: one that cannot be read is not right
        return f"what it says cannot be read: {type(error).__name__}: {error}"
