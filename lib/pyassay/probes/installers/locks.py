"""Locks: several installers at once, on one environment, on one cache, on one source distribution."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from functools import partial

from pyassay.probes.installers.bench import Bench, Row
from pyassay.probes.installers.consistency import State
from pyassay.probes.installers.index import Index, IndexSpec
from pyassay.probes.installers.isolation import Run
from pyassay.probes.installers.races import AT_ONCE, TIMEOUT_S, Race, first_failed
from pyassay.probes.installers.samples import BUILD_LOG, make_sdist, make_wheel
from pyassay.probes.installers.settings import SETS
from pyassay.probes.installers.tools import Installer
from pyassay.probes.installers.wheelhouse import pinned

__all__ = ["GROUP", "SHARE", "observe"]

GROUP = "locks"
SHARE = 1.2

_MODULES = 150
_BUILD_S, _LONG_BUILD_S = 1.0, 4.0
_LOCK_TIMEOUT_S = "1"
_RACER, _SLOW = "racer", "slow_sdist"
_VERSIONS = ("2.0", "3.0", "4.0", "2.0")


def observe(bench: Bench) -> Iterator[Row]:
    """Race every installer against itself."""
    wares = bench.folder("wares")
    make_sdist(wares, _SLOW, "1.0", build_s=_BUILD_S)
    make_sdist(wares, _SLOW, "2.0", build_s=_LONG_BUILD_S)
    make_wheel(wares, "bystander", "1.0")
    for version in sorted({"1.0", *_VERSIONS}):
        number = version.split(".")[0]
        text = f"VERSION = '{version}'\n" + f"# filler {version}\n" * 50
        names = [f"module{count}" for count in range(_MODULES)] + ["__init__", f"only_{number}"]
        make_wheel(wares, _RACER, version, files={f"{_RACER}/{name}.py": text for name in names})
    with bench.index(IndexSpec((wares,))) as index:
        for installer in bench.installers:
            yield from _same_sdist(bench, installer, index)
            yield from _lock_timeout(bench, installer, index)
            yield from _busy_environment(bench, installer, index)
            yield from _one_environment(bench, installer, index)
    yield from _many_environments(bench)


def _same_sdist(bench: Bench, installer: Installer, index: Index) -> Iterator[Row]:
    """Let several build one source distribution, with a cache that they share, then with their own."""
    claim = "sdist_built_once"
    if not bench.is_asked(claim):
        return
    for shared in (True, False) if bench.settings.is_full else (True,):
        race = Race(bench, installer, index, "one source distribution", shared_cache=shared)
        race.builds_something = True
        runs = race.run([f"{_SLOW}==1.0"] * AT_ONCE)
        yield race.row(1)
        if shared:
            answer = {1: "once", AT_ONCE: "each"}.get(race.builds, "several")
            if not all(run.ok for run in runs):
                answer = "fails"
            seen = f"{race.builds} builds for {AT_ONCE} installations at once"
            yield bench.answer(
                installer, claim, answer, run=first_failed(runs), seen=seen, details=race.details
            )


def _lock_timeout(bench: Bench, installer: Installer, index: Index) -> Iterator[Row]:
    """Give those who wait for the build of another less time than it takes."""
    claim = "lock_timeout"
    if installer.family != "uv" or not bench.is_asked(claim):
        return
    race = Race(bench, installer, index, "one source distribution, lock timeout", shared_cache=True)
    race.builds_something = True
    runs = race.run([f"{_SLOW}==2.0"] * AT_ONCE, {"UV_LOCK_TIMEOUT": _LOCK_TIMEOUT_S})
    yield race.row(1)
    failed = [run for run in runs if not run.ok]
    run = first_failed(runs)
    said = run.says(r"lock") or run.telling
    seen = f"{len(failed)} of {AT_ONCE} gave up: {said}" if failed else "all waited"
    yield bench.answer(
        installer, claim, "gives_up" if failed else "waits", run=run, seen=seen, details=race.details
    )


def _busy_environment(bench: Bench, installer: Installer, index: Index) -> Iterator[Row]:
    """Install something small into an environment in which another installation is at work."""
    claim = "busy_environment"
    if not bench.is_asked(claim):
        return
    log = bench.folder("log") / "builds"
    environment, home = bench.environment(), bench.home()
    install = partial(installer.install, environment, index=index.url, cache=home.cache)
    first: list[Run] = []

    def long() -> None:
        options = {"timeout_s": TIMEOUT_S, "extra": {BUILD_LOG: str(log)}}
        first.append(bench.run(install([f"{_SLOW}==2.0"]), home, **options))

    thread = threading.Thread(target=long)
    thread.start()
    # Once it builds, it has done everything that comes before.
    for _ in range(200):
        if log.exists():
            break
        thread.join(0.05)
    run = bench.run(install(["bystander"]), home, timeout_s=TIMEOUT_S)
    waited = not thread.is_alive()
    thread.join(TIMEOUT_S)
    if not first or not first[0].ok or not run.ok:
        yield bench.not_measured(installer, claim, "one of the two installations failed", run)
        return
    answer = "waits" if waited else "goes_on"
    seen = f"took {run.duration_s:.1f} s beside an installation of {first[0].duration_s:.1f} s"
    yield bench.answer(installer, claim, answer, run=run, seen=seen)


def _one_environment(bench: Bench, installer: Installer, index: Index) -> Iterator[Row]:
    """Install several versions, then the same version several times, into one environment at once."""
    for claim, versions in (("race_versions", _VERSIONS), ("race_same", ("2.0",) * AT_ONCE)):
        if not bench.is_asked(claim):
            continue
        home = bench.home()
        before = bench.environment()
        for version in (*sorted(set(versions)), "1.0"):
            bench.run(
                installer.install(before, [f"{_RACER}=={version}"], index=index.url, cache=home.cache), home
            )
        outcomes: Counter[str] = Counter()
        worst: tuple[int, Run, State] | None = None
        for trial in range(1, (8 if bench.settings.is_full else 3) + 1):
            race = Race(bench, installer, index, claim.replace("race_", "one environment, "), home=home)
            race.cache = "warm"
            runs = race.run([f"{_RACER}=={version}" for version in versions], into=before)
            state = race.state(_RACER)
            yield race.row(trial)
            succeed = all(run.ok for run in runs)
            outcome = ("clean" if succeed else "fails") if state.consistent else "broken"
            outcomes[outcome] += 1
            rank = ("clean", "fails", "broken").index(outcome)
            if worst is None or rank > worst[0]:
                worst = (rank, first_failed(runs), state)
            if trial > 1 and not bench.remaining_s:
                break
        if worst is not None:
            rank, run, state = worst
            counts = ", ".join(f"{name} {count}" for name, count in sorted(outcomes.items()))
            said = "" if run.ok else f"; {run.telling}"
            seen = f"{counts} of {sum(outcomes.values())} trials; at the worst: {state.seen}{said}"
            yield bench.answer(
                installer,
                claim,
                ("clean", "fails", "broken")[rank],
                run=run,
                seen=seen,
                details={"outcomes": dict(outcomes), "said": run.output[-1500:]},
            )


def _many_environments(bench: Bench) -> Iterator[Row]:
    """Fill several environments at once from a cache that is cold, then warm."""
    claim = "shared_cache_fetches_once"
    if not bench.is_asked(claim):
        return
    folder = bench.wheelhouse(SETS["web"])
    with bench.index(IndexSpec((folder,)), apart=True) as index:
        for installer in bench.installers:
            race = Race(bench, installer, index, "many environments", shared_cache=True)
            # It is about fetching; compiling takes longer than all the rest, and is timed elsewhere.
            race.compiles = False
            runs = race.run(pinned(folder), each=False)
            yield race.row(1)
            fetched = Counter(one.path for one in race.requests if one.on == "file" and one.body_bytes)
            most = max(fetched.values(), default=0)
            answer = {0: "none", 1: "once", AT_ONCE: "each"}.get(most, "several")
            answer = answer if all(run.ok for run in runs) else "fails"
            sent = sum(one.body_bytes for one in race.requests) / 1e6
            seen = f"{len(race.requests)} requests, {sent:.1f} MB for {AT_ONCE} environments"
            details = {**race.details, "most_fetches_of_a_file": most}
            yield bench.answer(installer, claim, answer, run=first_failed(runs), seen=seen, details=details)
            race.cache = "warm"
            race.run(pinned(folder), each=False)
            yield race.row(1)
