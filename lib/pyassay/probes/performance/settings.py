"""What a measurement is told: how long, how narrow, which workloads, and the seed of its random choices."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["MIN_BLOCKS", "OwnWorkload", "Settings", "SettingsError"]

MIN_BLOCKS = 8
"""Fewer blocks than this support no statement."""

_CHUNK_S = (0.001, 0.020)
_ROUNDS = (3, 30)


class SettingsError(ValueError):
    """A setting is out of its range, or names what does not exist: one line."""


@dataclass(frozen=True, slots=True)
class OwnWorkload:
    """A workload of the user's.

    Attributes
    ----------
    target : str
        ``mypkg.bench:main`` (a callable without arguments) or the path of a script (``.py``).
    folder : Path, optional
        Put on ``sys.path``: where the module lies. The current folder unless given; of a script, its own.
    """

    target: str
    folder: Path | None = None

    @property
    def name(self) -> str:
        """What tables call it."""
        return f"own:{Path(self.target).name if self.is_script else self.target}"

    @property
    def is_script(self) -> bool:
        """Whether it is the path of a script."""
        return self.target.endswith(".py")

    @property
    def search_folder(self) -> Path:
        """Return the folder that goes on ``sys.path``, absolute."""
        if self.folder is not None:
            return self.folder.absolute()
        return Path(self.target).absolute().parent if self.is_script else Path.cwd()


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How to measure.

    Attributes
    ----------
    budget_s : float
        Wall seconds for the whole comparison.
    half_width : float
        Stop when the 95 % interval of every subject's suite (or single workload) is no wider than this to
        each side, as a share: 0.0075 is 0.75 %.
    workload_half_width : float
        The same for the median of the single workloads' intervals; both have to be reached.
    min_blocks, max_blocks : int
        Blocks measured at least (if the time allows it) and at most.
    chunk_cpu_s : float
        CPU seconds of a chunk on the reference, 0.001 to 0.020. The shorter, the less the machine changes
        while a round goes by, and the less often the kernel takes the core away within a chunk: with the
        same time for each, loaded, the standard error was 0.28 % with 10 ms (10 rounds), 0.24 % with 5 ms
        (20), 0.22 % with 2.5 ms (30) and 0.14 % with 1 ms (60). But every chunk begins with the caches that
        the other worker leaves, which draws ratios towards 1: 3.12 against 3.11, the suite of six 0.787 with
        10 ms, 0.789 with 2.5 ms (both within 0.004), 0.793 with 1 ms.
    rounds : int, optional
        Visits of each workload to each interpreter within a block, 3 to 30; chosen to fit the time unless
        given. What takes longer than a chunk by itself has fewer.
    reference : str, optional
        Id of the subject that the others are compared with; the first unless given.
    workloads : tuple of str, optional
        Names; all unless given. An empty tuple: none but the user's own.
    own : tuple of OwnWorkload
        The user's own.
    seed : str, optional
        Of all random choices; drawn and recorded unless given.
    cores : tuple of int, optional
        Which cores may be used; those that this process may use unless given.
    startup, memory : bool
        Whether start-up times and memory are measured.
    chunk_timeout_s : float
        Wall seconds that a chunk may take beyond a hundred times what is expected.
    memory_bytes : int
        A worker that grows beyond it is ended.
    instructions : tuple of str
        Workloads whose instructions are counted besides, some seconds each.
    spool : Path, optional
        Where measurements are appended as they come, one JSON object a line; a temporary file, removed in
        the end, unless given.
    """

    budget_s: float = 240.0
    half_width: float = 0.0075
    workload_half_width: float = 0.015
    min_blocks: int = MIN_BLOCKS
    max_blocks: int = 400
    chunk_cpu_s: float = 0.0025
    rounds: int | None = None
    reference: str | None = None
    workloads: tuple[str, ...] | None = None
    own: tuple[OwnWorkload, ...] = ()
    seed: str | None = None
    cores: tuple[int, ...] | None = None
    startup: bool = True
    memory: bool = True
    chunk_timeout_s: float = 10.0
    memory_bytes: int = 1 << 30
    instructions: tuple[str, ...] = ()
    spool: Path | None = None

    def __post_init__(self) -> None:
        low, high = _CHUNK_S
        if not low <= self.chunk_cpu_s <= high:
            raise SettingsError(f"chunk_cpu_s is {self.chunk_cpu_s:g}: {low:g} to {high:g} is allowed")
        if self.rounds is not None and not _ROUNDS[0] <= self.rounds <= _ROUNDS[1]:
            raise SettingsError(f"rounds is {self.rounds}: {_ROUNDS[0]} to {_ROUNDS[1]} is allowed")
        if not 1 <= self.min_blocks <= self.max_blocks:
            raise SettingsError("min_blocks has to be at least 1 and at most max_blocks")
        for name in ("budget_s", "half_width", "workload_half_width", "chunk_timeout_s", "memory_bytes"):
            if not getattr(self, name) > 0:
                raise SettingsError(f"{name} has to be more than 0")
        if self.cores is not None and not self.cores:
            raise SettingsError("cores: at least one is needed")
