"""The first import: what compiling at installation saves later, and who pays when nobody compiled."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pyassay.probes.installers.bench import Bench, BenchError, Row
from pyassay.probes.installers.index import IndexSpec
from pyassay.probes.installers.settings import RequirementSet
from pyassay.probes.installers.tables import IMPORTS
from pyassay.probes.installers.tools import Environment, Installer
from pyassay.probes.installers.wheelhouse import pinned
from pyassay.probes.paired_commands import PairedSettings, TimedCommand, measure_commands

__all__ = ["GROUP", "SHARE", "observe"]

GROUP = "first_import"
SHARE = 1.0

_TIMEOUT_S = 180.0
_UNCHANGED = {"PYTHONDONTWRITEBYTECODE": "1"}


@dataclass(frozen=True, slots=True)
class _Start:
    installer: Installer
    state: str
    environment: Environment
    variables: dict[str, str]
    prepare: Callable[[], None] | None = None

    @property
    def command_id(self) -> str:
        return f"{self.installer.id}, {self.state}"


def observe(bench: Bench) -> Iterator[Row]:
    """Start the application of each set: compiled by the installer, by the first start, and never."""
    sets = [one for one in bench.settings.chosen_sets if one.name != "small"] or bench.settings.chosen_sets
    for number, one in enumerate(sets):
        yield from _timed(bench, one, bench.remaining_s / (len(sets) - number))


def _timed(bench: Bench, wanted: RequirementSet, budget_s: float) -> Iterator[Row]:
    folder = bench.wheelhouse(wanted)
    by_id = {start.command_id: start for start in _starts(bench, wanted, folder)}
    compiled = {key: _compiled(start.environment) for key, start in by_id.items()}
    home = bench.home()
    commands = [
        TimedCommand(
            id=start.command_id,
            argv=[str(start.environment.python), "-c", wanted.imports],
            environment=home.environment(start.variables),
            cwd=home.folder,
            prepare=start.prepare,
            timeout_s=_TIMEOUT_S,
        )
        for start in by_id.values()
    ]
    reference = next(key for key, start in by_id.items() if start.state == "compiled by the first start")
    settings = PairedSettings(
        budget_s=max(1.0, budget_s),
        min_blocks=3,
        max_blocks=20,
        seed=f"{bench.settings.seed}/{wanted.name}",
        warmups=0,
    )
    for row in measure_commands(commands, reference, settings):
        start = by_id[row["command_id"]]
        yield (
            IMPORTS.name,
            {
                **row,
                "failure": bench.shown(row["failure"]),
                "subject_id": start.installer.id,
                "set": wanted.name,
                "state": start.state,
                "compiled": compiled[start.command_id],
                "command": bench.shown(f"{start.environment.python} -c '{wanted.imports}'"),
            },
        )


def _starts(bench: Bench, wanted: RequirementSet, folder: Path) -> Iterator[_Start]:
    """Yield the states of an environment in which an application can be started."""
    # The environments of several versions of uv are the same: the newest stands for them.
    last = {installer.family: installer for installer in bench.installers}
    with bench.index(IndexSpec((folder,)), apart=True) as index:

        def installed(installer: Installer, *, compiles: bool) -> Environment:
            environment, home = bench.environment(), bench.home()
            options = {"index": index.url, "cache": home.cache, "compile_bytecode": compiles}
            argv = installer.install(environment, pinned(folder), **options)  # type: ignore[arg-type]
            run = bench.run(argv, home, timeout_s=_TIMEOUT_S)
            if not run.ok:
                raise BenchError(f"{installer.label}: {run.telling}")
            return environment

        plain = last.get("uv") or next(iter(last.values()))
        bare = installed(plain, compiles=False)
        fresh, never = bench.environment(like=bare), bench.environment(like=bare)
        # Copied before the first start, which leaves its bytecode there.
        bench.run([bare.python, "-c", wanted.imports], bench.home(), timeout_s=_TIMEOUT_S)
        yield _Start(plain, "compiled by the first start", bare, {})
        yield _Start(plain, "first start, compiles and writes", fresh, {}, _uncompiled(fresh))
        yield _Start(plain, "nothing compiled, nothing written", never, _UNCHANGED)
        for installer in last.values():
            yield _Start(
                installer, "compiled by the installer", installed(installer, compiles=True), _UNCHANGED
            )


def _uncompiled(environment: Environment) -> Callable[[], None]:
    def prepare() -> None:
        for folder in list(environment.site_packages.rglob("__pycache__")):
            shutil.rmtree(folder)

    return prepare


def _compiled(environment: Environment) -> int:
    return len(list(environment.site_packages.rglob("*.pyc")))
