"""The runtime in front of an AppImage: the one that the user gives, else one of our own, compiled here.

The AppImage project's runtime comes from release pages only, not from a package registry. Ours behaves like
it (``appimage_runtime.c`` says where not), is linked statically, so that it starts wherever the kernel does,
and is kept in the cache. It is not passed on: lzo, linked in, is under the GPL.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pyassay.packagers.cache import BusyError, cache_root, digest_of_words, locked, write_atomically
from pyassay.packagers.container_build import ready_image, why_no_container
from pyassay.packagers.last_words import telling_line
from pyassay.packagers.model import BuildError
from pyassay.packagers.workshop import ToolMissingError

if TYPE_CHECKING:
    from pyassay.packagers.workshop import Workshop

__all__ = [
    "IMAGE",
    "RUNTIME",
    "SOURCE",
    "Runtime",
    "given_runtime",
    "runtime",
    "runtime_identity",
    "why_no_runtime",
]

RUNTIME = "PYASSAY_APPIMAGE_RUNTIME"
"""Variable: a runtime file of AppImage type 2, as its project releases it (``runtime-x86_64``)."""
SOURCE = Path(__file__).with_name("appimage_runtime.c")

_LIBRARIES = ("libsquashfuse-dev", "libfuse3-dev", "zlib1g-dev", "libzstd-dev", "liblzma-dev", "liblz4-dev")
IMAGE = "debian:bookworm+" + ",".join(("gcc", "libc6-dev", *_LIBRARIES, "liblzo2-dev"))
"""Where ours is compiled, as ``pyassay images build`` names it."""
# The order is that of a static linker: who needs comes before what is needed.
_LINKED = ("squashfuse_ll", "squashfuse", "fuse3", "lzma", "zstd", "z", "lz4", "lzo2", "pthread")
_MADE = "/tmp/runtime"  # noqa: S108
_OPTIONS = f"-std=gnu11 -O2 -Wall -Wextra -static -s -o {_MADE} -x c - -x none"
_COMPILE = f"gcc {_OPTIONS} {' '.join(f'-l{name}' for name in _LINKED)}"
_HOW = f"# in {IMAGE}: {_COMPILE.replace(_MADE, 'RUNTIME')} < appimage_runtime.c"
_COMPILE_S = 300.0
_MAX_BYTES = 64 << 20
# Bytes 8 to 10 of an AppImage, in the padding of ELF's identification.
_MAGIC = b"AI\x02"


@dataclass(frozen=True, slots=True)
class Runtime:
    """A runtime file.

    Attributes
    ----------
    path : Path
    version : str
        What a reader is told of it: whose it is.
    how : str
        How to make it again, a line for a shell; empty: it was given.
    """

    path: Path
    version: str
    how: str = ""


def given_runtime(cache: Path | None = None) -> Path | None:
    """Return the runtime file that the user gave, by the variable or in the cache; None: none is given.

    It need not exist: :func:`why_no_runtime` looks.
    """
    named = os.environ.get(RUNTIME)
    if named:
        return Path(named).expanduser().absolute()
    kept = cache_root(cache) / "packaging" / "appimage" / f"runtime-{os.uname().machine}"
    return kept if kept.is_file() else None


def why_no_runtime(cache: Path | None = None) -> str:
    """Return what is wrong with the given runtime, or why ours cannot be compiled; empty: nothing."""
    given = given_runtime(cache)
    if given is not None:
        return _why_none(given)
    if _kept(_own(cache)) is not None:
        return ""
    why = why_no_container(IMAGE)
    return f"a runtime: none is given ({RUNTIME}=FILE), and ours cannot be compiled: {why}" if why else ""


def runtime_identity(cache: Path | None = None) -> str:
    """Return a digest of the runtime that would be taken: an artifact holds it."""
    file = given_runtime(cache) or SOURCE
    try:
        with file.open("rb") as stream:
            return f"{file is SOURCE} {hashlib.sha256(stream.read(_MAX_BYTES)).hexdigest()}"
    except OSError as error:
        return f"{file}: {error.strerror}"


def runtime(workshop: Workshop) -> Runtime:
    """Return the user's runtime, or ours, compiled unless the cache has it.

    Raises
    ------
    ToolMissingError
        If there is none; the line says why.
    """
    given = given_runtime(workshop.cache)
    if given is not None:
        why = _why_none(given)
        if why:
            raise ToolMissingError(why)
        return Runtime(given, given.name)
    file = _own(workshop.cache)
    try:
        with locked(file.with_suffix(".lock"), timeout_s=workshop.remaining_s):
            return _kept(file) or _compile(file, workshop)
    except (BuildError, BusyError) as error:
        raise ToolMissingError(str(error)) from error


def _own(cache: Path | None) -> Path:
    """Return where ours lies, by all that it is made from."""
    try:
        source = SOURCE.read_text("utf-8")
    except OSError as error:
        raise BuildError(f"{SOURCE.name}: {error.strerror}") from error
    machine = os.uname().machine
    key = digest_of_words([source, IMAGE, _COMPILE, machine])[:16]
    return cache_root(cache) / "packaging" / "appimage" / f"own-{machine}-{key}"


def _kept(file: Path) -> Runtime | None:
    """Return ours from the cache; None: it is not there, or damaged."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        record = json.loads(file.with_suffix(".json").read_bytes())
        if hashlib.sha256(file.read_bytes()).hexdigest() == record["sha256"]:
            return Runtime(file, str(record["version"]), _HOW)
    return None


def _compile(file: Path, workshop: Workshop) -> Runtime:
    """Compile ours in a container: its source goes in by one stream and the program comes out by another."""
    from pyassay.places.container import Engine, EngineError

    workshop.say(f"the runtime, in a container of {IMAGE}: {_COMPILE} < {SOURCE.name}")
    try:
        with Engine.connect() as engine:
            base = ready_image(engine, IMAGE, workshop)
            done = engine.run(
                base.name,
                ["/bin/sh", "-c", f"{_COMPILE} >&2 && exec cat {_MADE}"],
                timeout_s=min(_COMPILE_S, workshop.remaining_s),
                input_bytes=SOURCE.read_bytes(),
                max_output_bytes=_MAX_BYTES,
            )
    except EngineError as error:
        raise BuildError(str(error)) from error
    said = done.stderr.decode(errors="backslashreplace")
    with workshop.log.open("a", encoding="utf-8", errors="backslashreplace") as stream:
        stream.write(said)
    if not done.ok or not done.stdout.startswith(b"\x7fELF"):
        why = "not done in time" if done.timed_out else f"exit status {done.returncode}"
        raise BuildError(f"gcc in {base.name}: {why}: {telling_line(said) or 'no program came out'}")
    data = done.stdout[:8] + _MAGIC + done.stdout[11:]
    known = " ".join(base.packages.get(name, "?") for name in ("libsquashfuse-dev", "libfuse3-dev")).split()
    version = f"our own, of squashfuse {known[0]} and libfuse {known[1]}"
    write_atomically(file, data)
    file.chmod(0o755)
    record = {"sha256": hashlib.sha256(data).hexdigest(), "version": version, "image": base.name}
    write_atomically(file.with_suffix(".json"), json.dumps(record).encode())
    return Runtime(file, version, _HOW)


def _why_none(file: Path) -> str:
    """Return why a file is no runtime, or nothing."""
    try:
        with file.open("rb") as stream:
            start = stream.read(16)
        if start[:4] == b"\x7fELF" and start[8:11] == _MAGIC and file.stat().st_size <= _MAX_BYTES:
            return ""
    except OSError as error:
        return f"{file}: {error.strerror}"
    return f"{file}: not a runtime of AppImage type 2"
