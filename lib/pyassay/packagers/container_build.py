"""A build in a container: for packagers that take from the system where they run what must be an old one.

Whatever it needs is mounted read-only at the path that it has on this host; what it makes comes out as a tar
archive through its standard output. There is no network in it, and no user but ours, without capabilities.
"""

from __future__ import annotations

import io
import os
import shlex
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pyassay.packagers import measured_child
from pyassay.packagers.last_words import telling_line
from pyassay.packagers.model import BuildError
from pyassay.places.container import Engine, EngineError

if TYPE_CHECKING:
    from pyassay.packagers.workshop import Workshop
    from pyassay.places.base_images import BaseImage

__all__ = ["WORK", "MadeInContainer", "ready_image", "run_in_container", "why_no_container"]

WORK = "/tmp/work"  # noqa: S108
"""Where the container's command starts, and what comes out of it: in memory."""

_GIB = 1 << 30
_MEMORY, _PIDS, _OUTPUT = 6 * _GIB, 1024, 1 * _GIB
_ANSWER_S = 10.0
# Words of others are arguments of this script, never part of it.
_SCRIPT = f"""
set -e
python=$1 measured=$2; shift 2
mkdir -p "$HOME" {WORK}; cd {WORK}
"$python" -I -S "$measured" {WORK}/.usage host "$@" >&2
exec tar -cf - -C {WORK} .
"""


@dataclass(frozen=True, slots=True)
class MadeInContainer:
    """What came out of a container.

    Attributes
    ----------
    folder : Path
        On this host: what lay in :data:`WORK` at its end.
    said : str
        What the command said on both streams.
    packages : dict of str to str
        Versions of the packages of the image.
    """

    folder: Path
    said: str
    packages: dict[str, str]


def why_no_container(image: str) -> str:
    """Return why no container of an image can be had, and what would help; empty: it can, or can be tried.

    An image that is absent is built from the mirror that apt knows; whether that works is seen when it is
    tried.
    """
    import shutil

    from pyassay.places.base_images import image_name

    try:
        with Engine.connect(answer_s=_ANSWER_S) as engine:
            if engine.has_image(image_name(image)):
                return ""
    except EngineError as error:
        return str(error)
    if shutil.which("mmdebstrap") is None and shutil.which("debootstrap") is None:
        return f"{image}: absent, and neither mmdebstrap nor debootstrap is here to make it"
    return ""


def run_in_container(
    workshop: Workshop,
    image: str,
    argv: Sequence[str],
    *,
    python: str,
    mounts: Iterable[Path],
    environment: Mapping[str, str],
    shown: str,
) -> MadeInContainer:
    """Run a command in a container of an image, made first if it is absent, and take what it made.

    Parameters
    ----------
    workshop : Workshop
        What it takes is added to its usage.
    image : str
        As ``pyassay images build`` names it: ``debian:bullseye+gcc``.
    argv : sequence of str
        Started in :data:`WORK`.
    python : str
        An interpreter in the container, which measures the command.
    mounts : iterable of Path
        Files and folders of this host that it needs.
    environment : mapping
    shown : str
        The command for a reader.

    Raises
    ------
    BuildError
        If there is no engine, no image, or the command fails.
    """
    folder = workshop.folder / "container"
    measured = Path(measured_child.__file__)
    own = {path: str(path) for path in _outermost([measured, *(path.absolute() for path in mounts)])}
    seen = {"HOME": "/tmp/home", "TMPDIR": "/tmp", "LC_ALL": "C.UTF-8", **environment}  # noqa: S108
    if workshop.source_date_epoch is not None:
        seen["SOURCE_DATE_EPOCH"] = str(workshop.source_date_epoch)
    workshop.commands.append(f"# in {image}: {shown}")
    workshop.say(f"in a container of {image}: {shlex.join(argv)}")
    try:
        with Engine.connect() as engine:
            base = ready_image(engine, image, workshop)
            done = engine.run(
                base.name,
                ["/bin/sh", "-c", _SCRIPT, "sh", python, str(measured), *argv],
                timeout_s=workshop.remaining_s,
                mounts=own,
                memory_bytes=_MEMORY,
                pids=_PIDS,
                extra_environment=seen,
                max_output_bytes=_OUTPUT,
                # Not nobody: what is mounted may be readable for its owner only.
                user=f"{os.getuid()}:{os.getgid()}",
            )
    except EngineError as error:
        raise BuildError(str(error)) from error
    said = done.stderr.decode(errors="backslashreplace")
    with workshop.log.open("a", encoding="utf-8", errors="backslashreplace") as stream:
        stream.write(said)
    name = Path(argv[0]).name
    if not done.ok:
        why = "out of memory" if done.out_of_memory else f"exit status {done.returncode}"
        why = "not done in time" if done.timed_out else "made too much" if done.truncated else why
        line = telling_line(said)
        raise BuildError(f"{name} in {image}: {why}" + (f": {line}" if line else ""))
    try:
        with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
            archive.extractall(folder, filter="data")
        cpu_s, peak, *_ = (folder / ".usage").read_text("ascii").split()
        workshop.usage.cpu_s += float(cpu_s)
        workshop.usage.peak_rss_bytes = max(workshop.usage.peak_rss_bytes, int(peak))
    except (OSError, ValueError, tarfile.TarError) as error:
        raise BuildError(f"{name} in {image}: what it made cannot be read: {error}") from error
    workshop.usage.duration_s += done.duration_s
    return MadeInContainer(folder, said, base.packages)


def ready_image(engine: Engine, image: str, workshop: Workshop) -> BaseImage:
    """Return an image that the engine has, made first if it is absent.

    Raises
    ------
    BuildError
        If it cannot be made.
    """
    from pyassay.places.base_images import BaseImageError, build

    workshop.say(f"{image}: made from packages unless the engine has it")
    try:
        return next(iter(build([image], engine, timeout_s=workshop.remaining_s)))
    except (BaseImageError, StopIteration) as error:
        raise BuildError(str(error) or f"{image}: not made") from error


def _outermost(paths: Iterable[Path]) -> list[Path]:
    """Leave out what lies in another one of them."""
    found: list[Path] = []
    for path in sorted(set(paths), key=lambda one: len(one.parts)):
        if not any(path.is_relative_to(other) for other in found):
            found.append(path)
    return found
