"""Before the first block: what each interpreter can do, and how much work makes a chunk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Calibration", "Task", "calibrated"]

_TRIES = 3
_STEPS = 12
_GROWTH = 10.0


@dataclass(frozen=True, slots=True)
class Task:
    """One workload as it is measured.

    Attributes
    ----------
    name, group : str
    iterations : int
        Of a chunk.
    cpu_s, wall_s : float
        Seconds of a chunk on the reference.
    waits : bool
        More of its time is waiting than computing.
    argv : tuple of str, optional
        Of a start-up workload.
    """

    name: str
    group: str
    iterations: int = 1
    cpu_s: float = 0.0
    wall_s: float = 0.0
    waits: bool = False
    argv: tuple[str, ...] | None = None

    @property
    def in_suite(self) -> bool:
        """Whether the suite's geometric mean of CPU times is formed of it, too."""
        return self.group not in {"startup", "own"} and not self.waits


@dataclass(slots=True)
class Calibration:
    """How many iterations make a chunk, and the answers that led there."""

    iterations: int
    cpu_s: float
    wall_s: float
    waits: bool
    answers: list[tuple[int, dict[str, Any]]] = field(default_factory=list)


def calibrated(run: Callable[[int], dict[str, Any]], chunk_s: float) -> Calibration:
    """Find how many iterations take a chunk's time; one, where one takes longer.

    Parameters
    ----------
    run : callable
        Does so many iterations and returns ``cpu`` and ``wall`` in nanoseconds.
    chunk_s : float
        CPU seconds; wall seconds of what waits.
    """
    answers: list[tuple[int, dict[str, Any]]] = []

    def timed(count: int) -> tuple[float, float]:
        answer = run(count)
        answers.append((count, answer))
        return answer["cpu"] / 1e9, answer["wall"] / 1e9

    count = 1
    for _ in range(_STEPS):
        cpu, wall = timed(count)
        # Only at a whole chunk's length does waiting tell itself from starting up.
        spent = max(cpu, wall / 2 if wall > 20 * cpu else cpu)
        if spent >= 0.6 * chunk_s:
            break
        count = max(count + 1, int(count * min(chunk_s / max(spent, 1e-9), _GROWTH)))
    measured = [timed(count) for _ in range(_TRIES)]
    cpu, wall = min(one[0] for one in measured), min(one[1] for one in measured)
    waits = max((one[0] / one[1] if one[1] > 0 else 1.0) for one in measured) < 0.5
    if not waits and cpu > 0:
        right = max(1, round(count * chunk_s / cpu))
        cpu, wall, count = cpu * right / count, wall * right / count, right
    return Calibration(count, cpu, wall, waits, answers)
