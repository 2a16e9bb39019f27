"""Virtual environments for tools: made once for an interpreter and its pins, then shared by all builds."""

from __future__ import annotations

import importlib.metadata
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pyassay.packagers.cache import BusyError, digest_of_words, locked, remove, write_atomically
from pyassay.packagers.model import BuildError

if TYPE_CHECKING:
    from pyassay.packagers.workshop import Workshop

__all__ = ["ToolEnvironment", "make_environment"]

_DONE = "pyassay-environment.json"
_WAIT_S = 900.0


@dataclass(frozen=True, slots=True)
class ToolEnvironment:
    """A virtual environment in the cache; it is shared, so nothing may be written into it.

    Attributes
    ----------
    python : Path
    bin : Path
        The folder of its scripts.
    size_bytes : int
        Sum of its files.
    versions : dict of str to str
        Of every distribution in it, names normalised.
    """

    python: Path
    bin: Path
    size_bytes: int
    versions: dict[str, str]


def make_environment(workshop: Workshop, requirements: Sequence[str], python: Path) -> ToolEnvironment:
    """Return the environment of some requirements, made if it is not there.

    Raises
    ------
    BuildError
        If it cannot be made.
    """
    # Of an environment not resolved: a virtual environment's python is a link that must stay one.
    python = python.absolute()
    try:
        status = python.stat()
    except OSError as error:
        raise BuildError(f"{python}: {error.strerror}") from None
    identity = f"{python} {status.st_size} {status.st_mtime_ns}"
    key = digest_of_words(["1", identity, *sorted(requirements)])[:24]
    root = workshop.cache / "packaging"
    folder = root / "environments" / key
    ready = _ready(folder)
    if ready is not None:
        return ready
    try:
        with locked(
            root / "locks" / f"environment-{key}.lock",
            timeout_s=min(_WAIT_S, workshop.remaining_s),
            tell=lambda: workshop.say(f"waiting for another process that makes the environment {key}"),
        ):
            ready = _ready(folder)
            if ready is None:
                # It cannot be moved: it is made in its place, and counts once the record lies in it.
                remove(folder)
                folder.parent.mkdir(parents=True, exist_ok=True)
                _make(workshop, folder, python, requirements)
                ready = _ready(folder)
    except BusyError as error:
        raise BuildError(str(error)) from None
    if ready is None:
        raise BuildError(
            f"{folder}: the environment of {', '.join(requirements) or python} does not stay there"
        )
    return ready


def _make(workshop: Workshop, folder: Path, python: Path, requirements: Sequence[str]) -> None:
    own = folder / "bin" / "python"
    has_pip = _has(workshop, python, "ensurepip")
    workshop.run([python, "-I", "-m", "venv", *([] if has_pip else ["--without-pip"]), folder])
    if has_pip:
        pip: list[str | Path] = [own, "-I", "-m", "pip"]
    elif _has(workshop, Path(sys.executable), "pip"):
        # Debian's python3 without python3-venv: our own pip serves.
        pip = [sys.executable, "-I", "-m", "pip", "--python", own]
    else:
        raise BuildError(
            f"{python}: has no ensurepip, and pyassay's own environment no pip: install python3-venv"
        )
    if requirements:
        workshop.run([*pip, "install", "--quiet", "--no-warn-script-location", *requirements], network=True)
    versions = {
        (found.metadata["Name"] or "").lower().replace("_", "-"): found.version
        for site in folder.glob("lib/python*/site-packages")
        for found in importlib.metadata.distributions(path=[str(site)])
    }
    record = {"size_bytes": _size(folder), "versions": dict(sorted(versions.items()))}
    write_atomically(folder / _DONE, json.dumps(record).encode())


def _has(workshop: Workshop, python: Path, module: str) -> bool:
    code = f"import importlib.util; print(importlib.util.find_spec({module!r}) is not None)"
    return workshop.run([python, "-I", "-c", code], timeout_s=60.0).stdout.strip() == "True"


def _ready(folder: Path) -> ToolEnvironment | None:
    try:
        record = json.loads((folder / _DONE).read_bytes())
        python = folder / "bin" / "python"
        # Its interpreter may be gone since.
        python.stat()
        return ToolEnvironment(python, folder / "bin", int(record["size_bytes"]), dict(record["versions"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _size(folder: Path) -> int:
    return sum((Path(top) / name).lstat().st_size for top, _, names in os.walk(folder) for name in names)
