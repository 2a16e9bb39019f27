"""Speed: installations timed in turns, with a cold and a warm cache, compiled and not, near and far."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pyassay.probes.installers.bench import Bench, Row
from pyassay.probes.installers.index import IndexSpec
from pyassay.probes.installers.isolation import Home
from pyassay.probes.installers.settings import RequirementSet
from pyassay.probes.installers.tables import SAMPLES
from pyassay.probes.installers.tools import Environment, Installer
from pyassay.probes.installers.traffic import traffic
from pyassay.probes.installers.wheelhouse import pinned
from pyassay.probes.paired_commands import PairedSettings, TimedCommand, measure_commands

__all__ = ["GROUP", "SHARE", "observe"]

GROUP = "speed"
SHARE = 3.0

_TIMEOUT_S = 180.0


@dataclass(frozen=True, slots=True)
class _Way:
    """One installer, told to work in one way."""

    installer: Installer
    compiles: bool
    options: tuple[str, ...] = ()

    @property
    def command_id(self) -> str:
        words = ["compiled" if self.compiles else "not compiled", *(["copied"] if self.options else [])]
        return f"{self.installer.id}, {', '.join(words)}"


def observe(bench: Bench) -> Iterator[Row]:
    """Count what is asked of the index, then time installations."""
    sets = bench.settings.chosen_sets
    ready = {one.name: bench.wheelhouse(one) for one in sets}
    largest = max(sets, key=lambda one: sum(path.stat().st_size for path in ready[one.name].iterdir()))
    for one in sets if bench.settings.is_full else (largest,):
        yield from traffic(bench, one, ready[one.name], answers=one is largest)
    plans = [
        (one, latency_ms, cache)
        for latency_ms in bench.settings.chosen_latencies_ms
        for one in sets
        for cache in ("cold", "warm")
    ]
    # What takes long has more of the time, but not in proportion.
    weights = [1.0 if one.name == "small" else 3.0 for one, _, _ in plans]
    for number, (one, latency_ms, cache) in enumerate(plans):
        # A block that was begun is ended: however little time is left, there is one.
        budget_s = max(1.0, bench.remaining_s * weights[number] / sum(weights[number:]))
        yield from _timed(bench, one, ready[one.name], latency_ms, cache, budget_s)


def _ways(bench: Bench, cache: str) -> list[_Way]:
    newest_uv = _newest(bench.family("uv"))
    ways = []
    for installer in bench.installers:
        is_uv = installer.family == "uv"
        ways += [_Way(installer, compiles=not is_uv)]
        if not is_uv or installer is newest_uv or bench.settings.is_full:
            ways += [_Way(installer, compiles=is_uv)]
        if installer is newest_uv and cache == "warm":
            ways += [_Way(installer, compiles=False, options=("--link-mode", "copy"))]
    return ways


def _newest(installers: Sequence[Installer]) -> Installer | None:
    return installers[-1] if installers else None


def _timed(
    bench: Bench, wanted: RequirementSet, folder: Path, latency_ms: float, cache: str, budget_s: float
) -> Iterator[Row]:
    ways = _ways(bench, cache)
    requirements = pinned(folder)
    with bench.index(IndexSpec((folder,), latency_s=latency_ms / 1000), apart=True) as index:
        commands, by_id, used = [], {}, []
        for way in ways:
            target, home = bench.environment(), bench.home()
            used += [target.folder, home.folder]
            argv = way.installer.install(
                target,
                requirements,
                index=index.url,
                cache=home.cache,
                compile_bytecode=way.compiles,
                options=way.options,
            )
            if cache == "warm":
                bench.run(argv, home, timeout_s=_TIMEOUT_S)
            by_id[way.command_id] = (way, bench.shown(" ".join(argv)))
            commands.append(
                TimedCommand(
                    id=way.command_id,
                    argv=argv,
                    environment=home.environment(),
                    cwd=home.folder,
                    prepare=_fresh(bench, target, home if cache == "cold" else None),
                    timeout_s=_TIMEOUT_S,
                )
            )
        # The fastest is entered twice: cheap, and its noise is the largest there is.
        newest = _newest(bench.family("uv")) or bench.installers[-1]
        reference = next(way for way in ways if way.installer is newest)
        settings = PairedSettings(
            budget_s=budget_s,
            min_blocks=3,
            max_blocks=30 if bench.settings.is_full else 12,
            seed=f"{bench.settings.seed}/{wanted.name}/{latency_ms}/{cache}",
            pin=False,
            warmups=0,
        )
        for row in measure_commands(commands, reference.command_id, settings):
            way, command = by_id[row["command_id"]]
            yield (
                SAMPLES.name,
                {
                    **row,
                    "failure": bench.shown(row["failure"]),
                    "subject_id": way.installer.id,
                    "set": wanted.name,
                    "cache": cache,
                    "bytecode": way.compiles,
                    "link_mode": "copy" if way.options else _link_mode(way.installer),
                    "latency_ms": latency_ms,
                    "command": command,
                },
            )
    bench.discard(*used)


def _link_mode(installer: Installer) -> str:
    return "default" if installer.family == "uv" else "copy"


def _fresh(bench: Bench, target: Environment, cold: Home | None) -> Callable[[], None]:
    def prepare() -> None:
        shutil.rmtree(target.folder)
        bench.environment(target.folder)
        if cold is not None:
            shutil.rmtree(cold.cache)
            cold.cache.mkdir()

    return prepare
