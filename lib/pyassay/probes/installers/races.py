"""Several installations at the same time, and what is left of them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pyassay.probes.installers.bench import Bench, Row
from pyassay.probes.installers.consistency import State, state_of
from pyassay.probes.installers.index import Index, Request
from pyassay.probes.installers.isolation import Home, Run
from pyassay.probes.installers.samples import BUILD_LOG
from pyassay.probes.installers.tables import RACES
from pyassay.probes.installers.tools import Environment, Installer

__all__ = ["AT_ONCE", "TIMEOUT_S", "Race", "first_failed"]

AT_ONCE = 4
TIMEOUT_S = 90.0


def first_failed(runs: Sequence[Run]) -> Run:
    """Return the first that failed, else the first."""
    return next((run for run in runs if not run.ok), runs[0])


class Race:
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
        self.builds_something = False
        self._log = bench.folder("log") / "builds"
        self._homes = [home or bench.home()]
        self._runs: list[Run] = []
        self._state: State | None = None
        self._wall_s = 0.0
        self.requests: list[Request] = []
        self._environments: list[Environment] = []
        self._discard: list[Path] = []

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
        works = [[one] for one in requirements] if each else [list(requirements)] * AT_ONCE
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
            options = {"timeout_s": TIMEOUT_S, "extra": {BUILD_LOG: str(self._log), **(extra or {})}}
            commands.append(partial(bench.run, argv, home, **options))
        self._discard = [one.folder for one in self._environments]
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
            "said": first_failed(self._runs).output[-1500:],
        }

    def state(self, name: str) -> State:
        """Look at what lies in the (last) environment."""
        self._state = state_of(self._environments[-1].site_packages, name)
        return self._state

    def row(self, trial: int) -> Row:
        """Return the row of the table of races; the environments are of no more use then."""
        state, runs = self._state, self._runs
        self.bench.discard(*self._discard)
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
            "builds": self.builds if self.builds_something else None,
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
            "command": first_failed(runs).command,
            "reason": "",
        }
