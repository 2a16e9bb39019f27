"""What is fetched once from the user's own registry: the only step that uses the user's settings."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from platformdirs import user_cache_path

from pyassay.places.host import Completed, StartError, run

__all__ = ["RegistryError", "cache_folder", "download", "newest", "placed", "unpacked"]

_HASHES = "hashes.json"
# Ours would be seen by the pip of another Python.
_NOT_PASSED_ON = ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "VIRTUAL_ENV")
_MAX_FILES = 2000


class RegistryError(Exception):
    """What is needed cannot be had: one line, with the last words of who should have fetched it."""


def cache_folder(purpose: str) -> Path:
    """Return our folder in the user's cache (or in ``PYASSAY_CACHE``) for a purpose; it exists."""
    given = os.environ.get("PYASSAY_CACHE")
    folder = (Path(given) if given else user_cache_path("pyassay", appauthor=False)) / purpose
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def placed(entry: Path, fill: Callable[[Path], None]) -> Path:
    """Return a folder of the cache, filled if it is new: whole or not at all, also for two at once."""
    if entry.is_dir():
        return entry
    entry.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{entry.name}-", dir=entry.parent))
    try:
        fill(scratch)
        scratch.chmod(0o755)
        try:
            scratch.rename(entry)
        except OSError:
            # Another process was faster; what it made is as good.
            if not entry.is_dir():
                raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return entry


def newest(name: str, *, timeout_s: float = 60.0) -> str | None:
    """Return the newest version in the user's registry; None: it did not answer."""
    for pip in _pips():
        try:
            done = _ran([*pip, "index", "versions", name], timeout_s)
        except StartError:
            continue
        answer = done.stdout.decode(errors="replace") if done.ok else ""
        if found := re.match(rf"{re.escape(name)} \(([^)\s]+)\)", answer):
            return found[1]
    return None


def download(
    requirements: Sequence[str],
    entry: Path,
    *,
    python: Path | None = None,
    dependencies: bool = True,
    timeout_s: float = 600.0,
) -> Path:
    """Return a folder of wheels, downloaded once; their digests are kept, and checked each time.

    Parameters
    ----------
    requirements : sequence of str
        What is wanted.
    entry : Path
        The folder of the cache.
    python : Path, optional
        For which Python; the one that runs us unless given.
    dependencies : bool
        With all that they need.
    timeout_s : float
        Wall seconds.

    Raises
    ------
    RegistryError
        If it cannot be had, or what lies there is not what was downloaded.
    """

    def fill(folder: Path) -> None:
        options = ["--only-binary", ":all:", "--dest", str(folder), *([] if dependencies else ["--no-deps"])]
        said = "no pip was found"
        for pip in _pips(python):
            said = _failure([*pip, "download", "-q", *options, *requirements], timeout_s)
            if not said:
                break
        if said:
            raise RegistryError(f"{', '.join(requirements)}: cannot be downloaded: {said}")
        digests = {path.name: _digest(path) for path in sorted(folder.iterdir())}
        (folder / _HASHES).write_text(json.dumps(digests, indent=1), encoding="utf-8")

    placed(entry, fill)
    _check(entry)
    return entry


def unpacked(wheel: Path, folder: Path) -> None:
    """Unpack a wheel into a folder; a member that would lie outside is an error."""
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.infolist():
            target = (folder / member.filename).resolve()
            if not target.is_relative_to(folder.resolve()):
                raise RegistryError(f"{wheel.name}: {member.filename!r} would lie outside")
        archive.extractall(folder)


def _check(folder: Path) -> None:
    try:
        digests = json.loads((folder / _HASHES).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RegistryError(f"{folder.name}: its digests cannot be read: {error}") from error
    there = {path.name for path in folder.iterdir()} - {_HASHES}
    if len(there) > _MAX_FILES or there != set(digests):
        raise RegistryError(f"{folder.name}: other files lie there than were downloaded; remove the folder")
    for name, digest in digests.items():
        if _digest(folder / name) != digest:
            raise RegistryError(f"{folder.name}: {name} is not what was downloaded; remove the folder")


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _pips(python: Path | None = None) -> Iterator[list[str]]:
    """Yield ways to call a pip with the user's own settings, the likeliest first."""
    target = [] if python is None else ["--python", str(python)]
    yield [sys.executable, "-m", "pip", *target]
    if python is not None:
        yield [str(python), "-m", "pip"]
    for name in ("pip", "pip3"):
        if found := shutil.which(name):
            yield [found, *target]


def _ran(argv: Sequence[str], timeout_s: float) -> Completed:
    environment = {name: value for name, value in os.environ.items() if name not in _NOT_PASSED_ON}
    # Elsewhere than in the user's folder, where a module of any name may lie.
    with tempfile.TemporaryDirectory(prefix="pyassay-download-") as folder:
        return run(argv, timeout_s=timeout_s, cwd=folder, extra_environment=environment)


def _failure(argv: Sequence[str], timeout_s: float) -> str:
    """Return why a command failed, one line; empty: it did not."""
    try:
        done = _ran(argv, timeout_s)
    except StartError as error:
        return str(error)
    if done.ok:
        return ""
    if done.timed_out:
        return f"no answer within {timeout_s:g} s"
    lines = [line.strip() for line in done.stderr.decode(errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")] or lines or [f"status {done.returncode}"]
    return errors[-1][:300]
