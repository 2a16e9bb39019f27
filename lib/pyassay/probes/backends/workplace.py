"""Where backends build: environments in the cache, throw-away folders, no network, nothing of the user's."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyassay.packagers import measured_child
from pyassay.packagers.cache import BusyError, digest_of_words, locked, remove, write_atomically
from pyassay.places.host import Completed, StartError, run
from pyassay.probes.backends.pip_runs import said, without_settings
from pyassay.probes.backends.wheelhouse import Wheelhouse
from pyassay.subjects.identity import guest_script

__all__ = ["BuildPlace", "Called", "Environment", "NotBuiltError", "opened"]

_DONE = "pyassay-environment.json"
_MAKE_S = 300.0
EPOCH = 1_700_000_000
"""SOURCE_DATE_EPOCH where it is set: 2023-11-14."""


class NotBuiltError(Exception):
    """Something could not be built or prepared: one line."""


@dataclass(frozen=True, slots=True)
class Environment:
    """A virtual environment in the cache; shared, so never written to.

    Attributes
    ----------
    python, bin : Path
    """

    python: Path
    bin: Path


@dataclass(frozen=True, slots=True)
class Called:
    """What became of one hook.

    Attributes
    ----------
    value : object
        What it returned: a name, a list of requirements; None when it failed.
    error : str
        Why it failed: one line; empty: it did not.
    wall_s, cpu_s : float
        Of the call alone, children included in `cpu_s`.
    modules : int
        Python modules in memory afterwards.
    """

    value: Any
    error: str
    wall_s: float = 0.0
    cpu_s: float = 0.0
    modules: int = 0


@dataclass(frozen=True, slots=True)
class BuildPlace:
    """One Python, one wheelhouse, and a scratch folder.

    Attributes
    ----------
    python : Path
        The base interpreter.
    wheelhouse : Wheelhouse
    cache : Path
        Where environments are kept.
    scratch : Path
        Removed in the end.
    programs : dict of str to str
        Compilers and git: where they are; those that are absent are not in it.
    timeout_s : float
        Wall seconds of a single build.
    """

    python: Path
    wheelhouse: Wheelhouse
    cache: Path
    scratch: Path
    programs: Mapping[str, str]
    timeout_s: float = 120.0
    _made: dict[tuple[str, ...], Environment] = field(default_factory=dict)

    def folder(self, name: str) -> Path:
        """Return a new empty folder in the scratch folder."""
        return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.scratch))

    def search_path(self, environment: Environment | None = None, *, compilers: bool = True) -> str:
        """Return PATH: an environment's programs, the compilers found, and the system's."""
        folders = [str(environment.bin)] if environment is not None else []
        if compilers:
            folders += [str(Path(program).parent) for program in self.programs.values()]
            folders += os.defpath.split(":")
        return ":".join(dict.fromkeys(one for one in folders if one))

    def variables(self, environment: Environment | None = None, **more: str) -> dict[str, str]:
        """Return the variables that builds get: no index, no configuration, a home of their own."""
        home = self.scratch / "home"
        home.mkdir(exist_ok=True)
        given = without_settings(self.wheelhouse.wheels, home)
        return given | {"PATH": self.search_path(environment)} | more

    def run(
        self,
        argv: Sequence[str | Path],
        *,
        cwd: Path,
        variables: Mapping[str, str],
        input_bytes: bytes = b"",
        timeout_s: float | None = None,
    ) -> Completed:
        """Run a command without network, where that can be taken away.

        Raises
        ------
        NotBuiltError
            If it cannot be started.
        """
        report = self.scratch / f".report-{os.urandom(6).hex()}"
        wrapped: list[str | Path] = [sys.executable, "-I", "-S", measured_child.__file__, report, "none"]
        try:
            return run(
                [*wrapped, *argv],
                timeout_s=timeout_s or self.timeout_s,
                cwd=cwd,
                extra_environment=variables,
                input_bytes=input_bytes,
            )
        except StartError as error:
            raise NotBuiltError(str(error)) from error
        finally:
            report.unlink(missing_ok=True)

    def environment(self, *requirements: str) -> Environment:
        """Return the environment of some requirements, made from the wheelhouse if it is not there.

        Raises
        ------
        NotBuiltError
            If it cannot be made.
        """
        wanted = tuple(sorted(set(requirements)))
        if wanted not in self._made:
            self._made[wanted] = self._environment(wanted)
        return self._made[wanted]

    def _environment(self, requirements: tuple[str, ...]) -> Environment:
        status = self.python.stat()
        # By the wheels that there are, not by the day of the wheelhouse: tomorrow's is mostly the same.
        wheels = sorted(path.name for path in self.wheelhouse.wheels.glob("*.whl"))
        words = ["3", str(self.python), str(status.st_mtime_ns), *wheels, "|", *requirements]
        key = digest_of_words(words)[:20]
        folder = self.cache / "backends" / "environments" / key
        found = Environment(folder / "bin" / "python", folder / "bin")
        try:
            with locked(folder.with_suffix(".lock"), timeout_s=_MAKE_S):
                if not (folder / _DONE).is_file() or not found.python.exists():
                    remove(folder)
                    self.make_environment(folder, requirements)
                    write_atomically(folder / _DONE, json.dumps(requirements).encode())
        except (BusyError, OSError) as error:
            raise NotBuiltError(str(error)) from error
        return found

    def make_environment(self, folder: Path, requirements: Sequence[str] = ()) -> Environment:
        """Make a virtual environment at a place of its own; nothing but the wheelhouse is asked.

        Raises
        ------
        NotBuiltError
            If it cannot be made.
        """
        variables = self.variables()
        steps: list[list[str | Path]] = [[self.python, "-I", "-m", "venv", "--without-pip", folder]]
        if requirements:
            own_pip = f"{self.wheelhouse.pip_wheel}/pip"
            steps.append([folder / "bin" / "python", own_pip, "install", "--quiet", *requirements])
        for argv in steps:
            done = self.run(argv, cwd=self.scratch, variables=variables, timeout_s=_MAKE_S)
            if not done.ok:
                raise NotBuiltError(f"environment of {', '.join(requirements) or self.python}: {said(done)}")
        return Environment(folder / "bin" / "python", folder / "bin")

    def hooks(
        self,
        environment: Environment,
        build_backend: str,
        project: Path,
        calls: Sequence[tuple[str, Sequence[str]]],
        *,
        backend_path: Sequence[str] = (),
        epoch: int | None = None,
        umask: int | None = None,
        compilers: bool = True,
        more: Mapping[str, str] | None = None,
    ) -> tuple[list[Called], dict[str, Any]]:
        """Call hooks of a backend in one process.

        Returns
        -------
        list of Called
            One for each call.
        dict
            ``hooks`` (those that it offers), ``modules`` and ``import_s`` of the process.

        Raises
        ------
        NotBuiltError
            If the backend cannot be imported, or its process does not come back.
        """
        place = self.folder("hooks")
        script, answer = place / "backend_hooks.py", place / "answer.json"
        script.write_bytes(guest_script("backend_hooks"))
        asked = {
            "backend": build_backend,
            "path": list(backend_path),
            "umask": umask,
            "calls": [{"hook": hook, "arguments": list(arguments)} for hook, arguments in calls],
        }
        variables = self.variables(environment, **(more or {}))
        variables["PATH"] = self.search_path(environment, compilers=compilers)
        if epoch is not None:
            variables["SOURCE_DATE_EPOCH"] = str(epoch)
        try:
            done = self.run(
                [environment.python, "-I", script, answer],
                cwd=project,
                variables=variables,
                input_bytes=json.dumps(asked).encode(),
            )
            told = json.loads(answer.read_bytes()) if answer.is_file() else None
        except (OSError, ValueError) as error:
            raise NotBuiltError(f"{build_backend}: its answer cannot be read: {error}") from error
        finally:
            shutil.rmtree(place, ignore_errors=True)
        if told is None:
            raise NotBuiltError(f"{build_backend}: {said(done)}")
        if told["import_error"]:
            raise NotBuiltError(f"{build_backend} cannot be imported: {told['import_error']}")
        output = said(done) if done.stderr or done.stdout else ""
        return [_called(one, output) for one in told["calls"]], told


def _called(told: Mapping[str, Any], output: str) -> Called:
    error = str(told["error"])
    # "it ended the process: 1" says nothing; what it printed does.
    if error.startswith(("it ended the process", "subprocess.CalledProcessError")) and output:
        error = f"{error}: {output}"
    return Called(
        told["value"],
        error,
        float(told.get("wall_s", 0.0)),
        float(told.get("cpu_s", 0.0)),
        int(told.get("modules", 0)),
    )


@contextlib.contextmanager
def opened(
    python: Path, wheelhouse: Wheelhouse, cache: Path, *, timeout_s: float = 120.0
) -> Iterator[BuildPlace]:
    """Open a place for builds, and remove its scratch folder in the end."""
    scratch = Path(tempfile.mkdtemp(prefix="pyassay-backends-"))
    try:
        yield BuildPlace(python, wheelhouse, cache, scratch, _programs(), timeout_s)
    finally:
        remove(scratch)


def _programs() -> dict[str, str]:
    found = {name: shutil.which(name) for name in ("cc", "git")}
    # rustup's own cargo needs the user's home; the toolchain behind it does not.
    if rustc := shutil.which("rustc"):
        with contextlib.suppress(StartError):
            home = {name: os.environ[name] for name in ("HOME", "RUSTUP_HOME") if name in os.environ}
            done = run([rustc, "--print", "sysroot"], timeout_s=30.0, extra_environment=home)
            cargo = Path(done.stdout.decode("utf-8", "replace").strip()) / "bin" / "cargo"
            found["cargo"] = str(cargo) if done.ok and cargo.is_file() else None
    return {name: path for name, path in found.items() if path}
