"""The bench: what every group of probes is given to put installers to the test."""

from __future__ import annotations

import contextlib
import itertools
import json
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyassay.places.host import StartError, run
from pyassay.probes.installers.index import Index, IndexSpec, serve, serve_apart
from pyassay.probes.installers.isolation import Home, Run, Shown, run_isolated
from pyassay.probes.installers.settings import RequirementSet, Settings
from pyassay.probes.installers.tables import ANSWERS, NOT_APPLICABLE, NOT_MEASURED
from pyassay.probes.installers.tools import Environment, Installer
from pyassay.subjects.model import Interpreter

__all__ = ["Bench", "BenchError", "Row"]

Row = tuple[str, Mapping[str, Any]]
"""Name of a table, and one row of it."""

_MAX_DETAILS = 20_000


class BenchError(Exception):
    """What a group needs cannot be had: one line. Its claims become rows with this reason."""


@dataclass
class Bench:
    """What a group of probes works with; each group has one of its own.

    Attributes
    ----------
    installers : tuple of Installer
        Who is put to the test.
    interpreter : Interpreter
        The Python that environments are made of.
    settings : Settings
    scratch : Path
        An empty folder of the group's own.
    wheelhouse : callable
        Returns the folder of wheels of a :class:`RequirementSet`, downloaded once; raises RegistryError.
    deadline : float
        ``time.monotonic()`` at which the group should have ended.
    shown : Shown
        How paths are shown; add what should be known by another name.
    """

    installers: tuple[Installer, ...]
    interpreter: Interpreter
    settings: Settings
    scratch: Path
    wheelhouse: Callable[[RequirementSet], Path]
    deadline: float
    shown: Shown = field(default_factory=Shown)
    _numbers: Iterator[int] = field(default_factory=itertools.count, repr=False)

    def __post_init__(self) -> None:
        if self.interpreter.prefix is not None:
            self.shown.replaced[str(self.interpreter.prefix)] = "{python}"
        self.shown.replaced[str(self.interpreter.executable)] = "{python}/bin/python"
        for installer in self.installers:
            self.shown.replaced[str(installer.path)] = installer.family
        self.shown.replaced[str(self.scratch)] = "{scratch}"

    @property
    def python(self) -> Path:
        """The interpreter that environments are made of."""
        return self.interpreter.executable

    @property
    def remaining_s(self) -> float:
        """Seconds until the group should have ended; never below 0."""
        return max(0.0, self.deadline - time.monotonic())

    def family(self, *names: str) -> tuple[Installer, ...]:
        """Return the installers of some families."""
        return tuple(one for one in self.installers if one.family in names)

    def is_asked(self, claim: str) -> bool:
        """Tell whether a claim is to be tried."""
        return not self.settings.claims or claim in self.settings.claims

    def folder(self, name: str) -> Path:
        """Return a new empty folder."""
        folder = self.scratch / f"{name}-{next(self._numbers)}"
        folder.mkdir(parents=True)
        return folder

    def home(self, *, cache: Path | None = None) -> Home:
        """Return a new throw-away user; with a cache of its own unless one is given."""
        folder = self.folder("home")
        self.shown.replaced[str(folder)] = "{home}"
        return Home.make(folder, cache=cache)

    def environment(self, folder: Path | None = None, *, like: Environment | None = None) -> Environment:
        """Return a new virtual environment without pip; pip installs into it all the same.

        Parameters
        ----------
        folder : Path, optional
            Where it is made: a path that does not exist, or an empty folder.
        like : Environment, optional
            With what is installed there; empty unless given.

        Raises
        ------
        BenchError
            If the Python cannot make one.
        """
        template = self.scratch / "template" if like is None else like.folder
        if not template.is_dir():
            self._make_template(template)
        folder = folder or self.folder("env")
        shutil.copytree(template, folder, symlinks=True, dirs_exist_ok=True)
        return self._described(folder)

    def _make_template(self, template: Path) -> None:
        argv = [str(self.python), "-I", "-m", "venv", "--without-pip", str(template)]
        try:
            done = run(argv, timeout_s=60)
        except StartError as error:
            raise BenchError(str(error)) from error
        if not done.ok:
            said = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()
            raise BenchError(f"{self.interpreter.label} makes no environment: {(said or ['?'])[-1]}")

    def _described(self, folder: Path) -> Environment:
        found = sorted(folder.glob("lib/*/site-packages"))
        if not found:
            raise BenchError(f"{self.interpreter.label} makes an environment without site-packages")
        return Environment(folder, folder / "bin" / "python", found[0])

    def discard(self, *folders: Path) -> None:
        """Remove folders of ours that are of no more use: thousands of files each."""
        for folder in folders:
            if folder.is_relative_to(self.scratch):
                shutil.rmtree(folder, ignore_errors=True)

    @contextlib.contextmanager
    def index(self, spec: IndexSpec, name: str = "index", *, apart: bool = False) -> Iterator[Index]:
        """Serve an index; in texts its address is shown by its name: ``http://internal/simple/``.

        Parameters
        ----------
        spec : IndexSpec
        name : str
            How it is shown.
        apart : bool
            In a process of its own: for timing.
        """
        with (serve_apart if apart else serve)(spec) as index:
            host = index.origin.removeprefix("http://")
            port = host.rpartition(":")[2]
            names = {
                index.origin: f"http://{name}",
                host: name,
                f"host='127.0.0.1', port={port}": f"host='{name}'",
            }
            self.shown.replaced |= names
            try:
                yield index
            finally:
                # The next server may be given the same port.
                for shown in names:
                    self.shown.replaced.pop(shown, None)

    def run(self, argv: Sequence[str | Path], home: Home, **options: Any) -> Run:
        """Run a command as a throw-away user; see :func:`run_isolated` for the options."""
        return run_isolated(argv, home, shown=self.shown, **options)

    def run_at_once(self, works: Iterable[Callable[[], Run]]) -> tuple[list[Run], float]:
        """Run several at the same time; return their records and the wall seconds of them all."""
        listed = list(works)
        started = time.perf_counter()
        with ThreadPoolExecutor(len(listed)) as pool:
            runs = [future.result() for future in [pool.submit(work) for work in listed]]
        return runs, time.perf_counter() - started

    def answer(
        self,
        installer: Installer,
        claim: str,
        answer: str,
        *,
        run: Run | None = None,
        seen: str | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> Row:
        """Return the row that answers a claim; what was seen is the run's telling line unless given."""
        return ANSWERS.name, {
            "subject_id": installer.id,
            "claim": claim,
            "answer": answer,
            "seen": self.shown(seen if seen is not None else (run.telling if run else "")),
            "details": self.shown(json.dumps(details or {}, sort_keys=True, default=str))[:_MAX_DETAILS],
            "command": run.command if run else "",
            "exit_code": run.exit_code if run else None,
            "duration_s": run.duration_s if run else float("nan"),
            "reason": "",
        }

    def not_measured(self, installer: Installer, claim: str, reason: str, run: Run | None = None) -> Row:
        """Return the row of a claim that could not be tried."""
        name, row = self.answer(installer, claim, NOT_MEASURED, run=run)
        return name, {**row, "reason": self.shown(reason)}

    def not_applicable(self, installer: Installer, claim: str, reason: str) -> Row:
        """Return the row of a claim that makes no sense for an installer."""
        name, row = self.answer(installer, claim, NOT_APPLICABLE)
        return name, {**row, "reason": reason}
