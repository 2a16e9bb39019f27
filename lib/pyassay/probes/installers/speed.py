"""Speed: installations timed in turns, with a cold and a warm cache, compiled and not, near and far."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyassay.probes.installers.bench import Bench, BenchError, Row
from pyassay.probes.installers.index import Index, IndexSpec
from pyassay.probes.installers.isolation import Home, Run
from pyassay.probes.installers.samples import make_wheel
from pyassay.probes.installers.settings import RequirementSet
from pyassay.probes.installers.tables import SAMPLES, TRAFFIC
from pyassay.probes.installers.tools import Environment, Installer
from pyassay.probes.installers.wheelhouse import pinned
from pyassay.probes.paired_commands import PairedSettings, TimedCommand, measure_commands

__all__ = ["GROUP", "SHARE", "observe"]

GROUP = "speed"
SHARE = 3.0

_TIMEOUT_S = 180.0
_MODERN, _PLAIN = "modern", "plain"
# At least this for a comparison, however little time is left: a block on a machine with other work to do.
_LEAST_S = {"small": 10.0, "": 35.0}


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
        yield from _traffic(bench, one, ready[one.name])
    plans = [
        (one, latency_ms, cache)
        for latency_ms in bench.settings.chosen_latencies_ms
        for one in sets
        for cache in ("cold", "warm")
    ]
    # What takes long has more of the time, but not in proportion.
    weights = [1.0 if one.name == "small" else 3.0 for one, _, _ in plans]
    for number, (one, latency_ms, cache) in enumerate(plans):
        least_s = _LEAST_S.get(one.name, _LEAST_S[""])
        budget_s = max(least_s, bench.remaining_s * weights[number] / sum(weights[number:]))
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
        commands, by_id = [], {}
        for way in ways:
            target, home = bench.environment(), bench.home()
            argv = way.installer.install(
                target,
                requirements,
                index=index.url,
                cache=home.cache,
                compile_bytecode=way.compiles,
                options=way.options,
            )
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
            # With a warm cache the start before the first block fills it.
            warmups=0 if cache == "cold" else 1,
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


def _traffic(bench: Bench, wanted: RequirementSet, folder: Path) -> Iterator[Row]:
    """Install from an index that knows every protocol, again from the warm cache, and from a plain index."""
    requirements = list(wanted.requirements)
    plain = IndexSpec((folder,), json=False, metadata=False, ranges=False, cache_headers=False)
    with (
        bench.index(IndexSpec((folder,)), "modern", apart=True) as modern,
        bench.index(plain, "plain", apart=True) as old,
    ):
        for installer in bench.installers:
            home, found = bench.home(), {}
            for index, name, cache, compiles in (
                (modern, _MODERN, "cold", None),
                (modern, _MODERN, "warm", False),
                (old, _PLAIN, "cold", False),
                (old, _PLAIN, "warm", False),
            ):
                if name == _PLAIN and cache == "cold":
                    home = bench.home()
                table, row = _asked(bench, installer, wanted.name, requirements, index, home, compiles)
                found[name, cache] = row = {**row, "cache": cache, "index": name}
                yield table, row
            yield from _traffic_answers(bench, installer, found)


def _asked(
    bench: Bench,
    installer: Installer,
    name: str,
    requirements: Sequence[str],
    index: Index,
    home: Home,
    compiles: bool | None,
) -> tuple[str, dict[str, Any]]:
    environment = bench.environment()
    argv = installer.install(
        environment, requirements, index=index.url, cache=home.cache, compile_bytecode=compiles
    )
    index.forget()
    run = bench.run(argv, home, timeout_s=_TIMEOUT_S)
    asked = index.requests()
    counts = {kind: sum(one.on == kind for one in asked) for kind in ("page", "metadata", "file")}
    return TRAFFIC.name, {
        "subject_id": installer.id,
        "set": name,
        "page_requests": counts["page"],
        "metadata_requests": counts["metadata"],
        "file_requests": counts["file"],
        "range_requests": sum(one.part for one in asked),
        "unchanged": sum(one.status == 304 for one in asked),
        "body_bytes": sum(one.body_bytes for one in asked),
        "installed": len(list(environment.site_packages.glob("*.dist-info"))),
        "modules": len(list(environment.site_packages.rglob("*.py"))),
        "compiled": len(list(environment.site_packages.rglob("*.pyc"))),
        "duration_s": run.duration_s,
        "command": run.command,
        "reason": "" if run.ok else run.telling,
    }


def _traffic_answers(
    bench: Bench, installer: Installer, found: dict[tuple[str, str], dict[str, Any]]
) -> Iterator[Row]:
    """Answer claims from what was counted."""
    cold, warm = found[_MODERN, "cold"], found[_MODERN, "warm"]
    plain = found[_PLAIN, "warm"]
    if reason := next((row["reason"] for row in found.values() if row["reason"]), ""):
        raise BenchError(f"{installer.label}: {reason}")

    def answer(claim: str, what: str, seen: str, row: dict[str, Any]) -> Row:
        details = {key: row[key] for key in row if key.endswith(("requests", "bytes", "unchanged"))}
        run = Run(row["command"], 0, row["duration_s"], "")
        return bench.answer(installer, claim, what, run=run, seen=seen, details=details)

    pages, files = warm["page_requests"], warm["file_requests"] + warm["metadata_requests"]
    what = "files" if files else ("pages" if pages else "nothing")
    seen = f"{pages} pages ({warm['unchanged']} unchanged), {files} files, {warm['body_bytes'] / 1e3:.0f} kB"
    yield answer("warm_cache_asks", what, seen, warm)
    what = "files" if plain["body_bytes"] > _half(found[_PLAIN, "cold"]) else "no_files"
    seen = f"{plain['file_requests']} files, {plain['body_bytes'] / 1e6:.1f} MB the second time"
    yield answer("cache_without_headers", what, seen, plain)
    what = "yes" if cold["metadata_requests"] else "no"
    seen = f"{cold['metadata_requests']} requests for metadata, {cold['file_requests']} for files"
    yield answer("reads_metadata", what, seen, cold)
    what = "yes" if cold["compiled"] else "no"
    seen = f"{cold['compiled']} .pyc for {cold['modules']} .py files"
    yield answer("compiles_by_default", what, seen, cold)
    yield from _untrusted(bench, installer)
    yield from _sharing(bench, installer)


def _untrusted(bench: Bench, installer: Installer) -> Iterator[Row]:
    """Install twice over plain HTTP, from a host that nobody told the installer to trust."""
    claim = "cache_over_http"
    if not bench.is_asked(claim):
        return
    wares, home = bench.folder("wares"), bench.home()
    make_wheel(wares, "untrusted", "1.0")
    with bench.index(IndexSpec((wares,))) as index:
        for _ in range(2):
            index.forget()
            argv = installer.install(
                bench.environment(), ["untrusted"], index=index.url, cache=home.cache, trusted=False
            )
            run = bench.run(argv, home, timeout_s=_TIMEOUT_S)
            asked = [one.on for one in index.requests()]
    if not run.ok:
        yield bench.not_measured(installer, claim, "it does not install", run)
        return
    seen = f"the second time: {asked.count('page')} pages, {asked.count('file')} files"
    answer = "files" if "file" in asked else "no_files"
    yield bench.answer(installer, claim, answer, run=run, seen=seen, details={"asked": asked})


def _half(row: dict[str, Any]) -> float:
    return float(row["body_bytes"]) / 2


def _sharing(bench: Bench, installer: Installer) -> Iterator[Row]:
    """Change a file in one environment, and look whether others change with it."""
    claim = "edit_reaches_others"
    if not bench.is_asked(claim):
        return
    wares = bench.folder("wares")
    make_wheel(wares, "shared", "1.0")
    home = bench.home()
    with bench.index(IndexSpec((wares,))) as index:
        environments = []
        run = None
        for number in range(3):
            environment = bench.environment()
            argv = installer.install(environment, ["shared"], index=index.url, cache=home.cache)
            run = bench.run(argv, home, timeout_s=_TIMEOUT_S)
            environments.append(environment.site_packages / "shared" / "__init__.py")
            if number == 1 and run.ok:
                with environments[0].open("a", encoding="utf-8") as stream:
                    stream.write("EDITED = True\n")
    if run is None or not run.ok:
        yield bench.not_measured(installer, claim, "it does not install", run)
        return
    edited = ["EDITED" in path.read_text(encoding="utf-8") for path in environments]
    links = environments[1].stat().st_nlink
    what = {(True, True): "both", (True, False): "others", (False, False): "none"}.get(
        (edited[1], edited[2]), "later"
    )
    seen = f"{links} names for one file; seen in the other: {edited[1]}, in one made later: {edited[2]}"
    yield bench.answer(installer, claim, what, run=run, seen=seen, details={"links": links})
