"""Locks: several installers at once, on one environment, on one cache, on one source distribution."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from pyassay.probes.installers.bench import Bench, Row
from pyassay.probes.installers.consistency import State, state_of
from pyassay.probes.installers.index import Index, IndexSpec, Request
from pyassay.probes.installers.isolation import Home, Run
from pyassay.probes.installers.samples import BUILD_LOG, make_sdist, make_wheel
from pyassay.probes.installers.settings import SETS
from pyassay.probes.installers.tables import RACES
from pyassay.probes.installers.tools import Environment, Installer
from pyassay.probes.installers.wheelhouse import pinned

__all__ = ["GROUP", "SHARE", "observe"]

GROUP = "locks"
SHARE = 1.2

_AT_ONCE = 4
_MODULES = 150
_BUILD_S, _LONG_BUILD_S = 1.0, 4.0
_LOCK_TIMEOUT_S = "1"
_TIMEOUT_S = 90.0
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
        race = _Race(bench, installer, index, "one source distribution", shared_cache=shared)
        runs = race.run([f"{_SLOW}==1.0"] * _AT_ONCE)
        yield race.row(1)
        if shared:
            answer = {1: "once", _AT_ONCE: "each"}.get(race.builds, "several")
            if not all(run.ok for run in runs):
                answer = "fails"
            seen = f"{race.builds} builds for {_AT_ONCE} installations at once"
            yield bench.answer(installer, claim, answer, run=_first(runs), seen=seen, details=race.details)


def _lock_timeout(bench: Bench, installer: Installer, index: Index) -> Iterator[Row]:
    """Give those who wait for the build of another less time than it takes."""
    claim = "lock_timeout"
    if installer.family != "uv" or not bench.is_asked(claim):
        return
    race = _Race(bench, installer, index, "one source distribution, lock timeout", shared_cache=True)
    runs = race.run([f"{_SLOW}==2.0"] * _AT_ONCE, {"UV_LOCK_TIMEOUT": _LOCK_TIMEOUT_S})
    yield race.row(1)
    failed = [run for run in runs if not run.ok]
    run = _first(runs)
    said = run.says(r"lock") or run.telling
    seen = f"{len(failed)} of {_AT_ONCE} gave up: {said}" if failed else "all waited"
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
        options = {"timeout_s": _TIMEOUT_S, "extra": {BUILD_LOG: str(log)}}
        first.append(bench.run(install([f"{_SLOW}==2.0"]), home, **options))

    thread = threading.Thread(target=long)
    thread.start()
    # Once it builds, it has done everything that comes before.
    for _ in range(200):
        if log.exists():
            break
        thread.join(0.05)
    run = bench.run(install(["bystander"]), home, timeout_s=_TIMEOUT_S)
    waited = not thread.is_alive()
    thread.join(_TIMEOUT_S)
    if not first or not first[0].ok or not run.ok:
        yield bench.not_measured(installer, claim, "one of the two installations failed", run)
        return
    answer = "waits" if waited else "goes_on"
    seen = f"took {run.duration_s:.1f} s beside an installation of {first[0].duration_s:.1f} s"
    yield bench.answer(installer, claim, answer, run=run, seen=seen)


def _one_environment(bench: Bench, installer: Installer, index: Index) -> Iterator[Row]:
    """Install several versions, then the same version several times, into one environment at once."""
    for claim, versions in (("race_versions", _VERSIONS), ("race_same", ("2.0",) * _AT_ONCE)):
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
            race = _Race(bench, installer, index, claim.replace("race_", "one environment, "), home=home)
            race.cache = "warm"
            runs = race.run([f"{_RACER}=={version}" for version in versions], into=before)
            state = race.state(_RACER)
            yield race.row(trial)
            succeed = all(run.ok for run in runs)
            outcome = ("clean" if succeed else "fails") if state.consistent else "broken"
            outcomes[outcome] += 1
            rank = ("clean", "fails", "broken").index(outcome)
            if worst is None or rank > worst[0]:
                worst = (rank, _first(runs), state)
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
            race = _Race(bench, installer, index, "many environments", shared_cache=True)
            # It is about fetching; compiling takes longer than all the rest, and is timed elsewhere.
            race.compiles = False
            runs = race.run(pinned(folder), each=False)
            yield race.row(1)
            fetched = Counter(one.path for one in race.requests if one.on == "file" and one.body_bytes)
            most = max(fetched.values(), default=0)
            answer = {0: "none", 1: "once", _AT_ONCE: "each"}.get(most, "several")
            answer = answer if all(run.ok for run in runs) else "fails"
            sent = sum(one.body_bytes for one in race.requests) / 1e6
            seen = f"{len(race.requests)} requests, {sent:.1f} MB for {_AT_ONCE} environments"
            details = {**race.details, "most_fetches_of_a_file": most}
            yield bench.answer(installer, claim, answer, run=_first(runs), seen=seen, details=details)
            race.cache = "warm"
            race.run(pinned(folder), each=False)
            yield race.row(1)


def _first(runs: Sequence[Run]) -> Run:
    """Return the first that failed, else the first."""
    return next((run for run in runs if not run.ok), runs[0])


class _Race:
    """Several installations at once, and what is left of them."""

    def __init__(
        self,
        bench: Bench,
        installer: Installer,
        index: Index,
        name: str,
        *,
        shared_cache: bool = True,
        home: Home | None = None,
    ) -> None:
        self.bench, self.installer, self.index, self.name = bench, installer, index, name
        self.shared_cache, self.cache = shared_cache, "cold"
        self.compiles: bool | None = None
        self._log = bench.folder("log") / "builds"
        self._homes = [home or bench.home()]
        self._runs: list[Run] = []
        self._state: State | None = None
        self._wall_s = 0.0
        self._is_build = False
        self.requests: list[Request] = []
        self._environments: list[Environment] = []

    def run(
        self,
        requirements: Sequence[str],
        extra: dict[str, str] | None = None,
        *,
        into: Environment | None = None,
        each: bool = True,
    ) -> list[Run]:
        """Start them together: one for each requirement, or (not `each`) all requirements in each.

        With `into`, all of them work in one copy of that environment; else in one of their own.
        """
        bench = self.bench
        works = [[one] for one in requirements] if each else [list(requirements)] * _AT_ONCE
        self._is_build = any(_SLOW in one for one in requirements)
        self._environments = [bench.environment(like=into)] if into else []
        self.index.forget()
        commands = []
        for number, wanted in enumerate(works):
            if not into:
                self._environments.append(bench.environment())
            if not self.shared_cache or not self._homes:
                self._homes.append(bench.home())
            home = self._homes[0] if self.shared_cache else self._homes[number]
            argv = self.installer.install(
                self._environments[-1],
                wanted,
                index=self.index.url,
                cache=home.cache,
                compile_bytecode=self.compiles,
            )
            options = {"timeout_s": _TIMEOUT_S, "extra": {BUILD_LOG: str(self._log), **(extra or {})}}
            commands.append(partial(bench.run, argv, home, **options))
        self._runs, self._wall_s = bench.run_at_once(commands)
        self.requests = self.index.requests()
        return self._runs

    @property
    def builds(self) -> int:
        """How often the source distribution was built."""
        return len(self._log.read_text().splitlines()) if self._log.exists() else 0

    @property
    def details(self) -> dict[str, Any]:
        """What stands behind an answer."""
        return {
            "at_once": len(self._runs),
            "exit_codes": [run.exit_code for run in self._runs],
            "durations_s": [round(run.duration_s, 2) for run in self._runs],
            "wall_s": round(self._wall_s, 2),
            "builds": self.builds,
            "said": _first(self._runs).output[-1500:],
        }

    def state(self, name: str) -> State:
        """Look at what lies in the (last) environment."""
        self._state = state_of(self._environments[-1].site_packages, name)
        return self._state

    def row(self, trial: int) -> Row:
        """Return the row of the table of races."""
        state, runs = self._state, self._runs
        failed = [run for run in runs if not run.ok]
        return RACES.name, {
            "subject_id": self.installer.id,
            "race": self.name,
            "trial": trial,
            "at_once": len(runs),
            "shared_cache": self.shared_cache,
            "cache": self.cache,
            "succeeded": len(runs) - len(failed),
            "failed": len(failed),
            "builds": self.builds if self._is_build else None,
            "consistent": None if state is None else state.consistent,
            "records": [] if state is None else list(state.records),
            "versions": [] if state is None else list(state.versions),
            "wrong_files": None if state is None else state.wrong,
            "missing_files": None if state is None else state.missing,
            "foreign_files": None if state is None else state.foreign,
            "leftovers": None if state is None else state.leftovers,
            "duration_s": self._wall_s,
            "requests": len(self.requests),
            "body_bytes": sum(one.body_bytes for one in self.requests),
            "seen": failed[0].telling if failed else "",
            "command": _first(runs).command,
            "reason": "",
        }
