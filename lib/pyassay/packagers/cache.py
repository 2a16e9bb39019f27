"""Our folder in the user's cache: entries keyed by content, made once, safe for several processes."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

__all__ = [
    "BusyError",
    "cache_root",
    "digest_of_files",
    "digest_of_words",
    "locked",
    "remove",
    "write_atomically",
]

_POLL_S = 0.1
_CHUNK = 1 << 20


class BusyError(Exception):
    """Another process holds an entry of the cache for too long: one line, names it."""


def cache_root(given: Path | None = None) -> Path:
    """Return pyassay's folder in the user's cache, absolute; it need not exist yet.

    Parameters
    ----------
    given : Path, optional
        Taken as it is. Else the environment variable ``PYASSAY_CACHE``, else what the platform says.
    """
    if given is None:
        named = os.environ.get("PYASSAY_CACHE")
        if named:
            given = Path(named).expanduser()
        else:
            import platformdirs

            given = platformdirs.user_cache_path("pyassay")
    return given.absolute()


@contextlib.contextmanager
def locked(file: Path, *, timeout_s: float, tell: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold a lock, waiting for it; the kernel frees it when its holder ends, however that happens.

    Parameters
    ----------
    file : Path
        The lock; made if it is not there, and left: to remove it would let two hold it.
    timeout_s : float
        How long to wait, in seconds.
    tell : callable, optional
        Called once if it has to be waited for.

    Raises
    ------
    BusyError
        If it is not free in time.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    until = time.monotonic() + timeout_s
    waited = False
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= until:
                    raise BusyError(
                        f"{file.stem}: another process has been making it for {timeout_s:.0f} s; "
                        "wait for it or end it"
                    ) from None
                if not waited:
                    waited = True
                    tell()
                time.sleep(_POLL_S)
        yield
    finally:
        os.close(descriptor)


def write_atomically(file: Path, data: bytes) -> None:
    """Write a file so that readers see all of it or nothing."""
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    try:
        new.write_bytes(data)
        new.replace(file)
    finally:
        new.unlink(missing_ok=True)


def remove(path: Path) -> None:
    """Remove a file or folder of ours, read-only folders in it included; nothing is there: well."""
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
        return

    def make_writable(function: Callable[..., object], name: str, _: object) -> None:
        with contextlib.suppress(OSError):
            Path(name).parent.chmod(0o755)
            if not Path(name).is_symlink():
                Path(name).chmod(0o755)
            function(name)

    shutil.rmtree(path, onerror=make_writable)
    if path.exists():
        shutil.rmtree(path)


def digest_of_words(words: Iterable[str]) -> str:
    """Return a SHA-256 over words, in hexadecimal; where one ends and the next begins counts."""
    digest = hashlib.sha256()
    for word in words:
        data = word.encode(errors="surrogateescape")
        digest.update(f"{len(data)}:".encode() + data)
    return digest.hexdigest()


def digest_of_files(folder: Path, *, without: frozenset[str] = frozenset()) -> str:
    """Return a SHA-256 over names, kinds and bytes of all in a folder, in hexadecimal.

    Parameters
    ----------
    folder : Path
    without : frozenset of str
        Names of folders and files that do not count, wherever they lie.

    Raises
    ------
    OSError
        If something in it cannot be read.
    """
    digest = hashlib.sha256()
    for path in _below(folder, without):
        name = os.fsencode(path.relative_to(folder))
        if path.is_symlink():
            kind, data = b"l", os.fsencode(path.readlink())
            digest.update(b"%d:%s%s%d:%s" % (len(name), name, kind, len(data), data))
        elif path.is_file():
            executable = b"x" if path.stat().st_mode & 0o111 else b"f"
            digest.update(b"%d:%s%s%d:" % (len(name), name, executable, path.stat().st_size))
            with path.open("rb") as stream:
                while data := stream.read(_CHUNK):
                    digest.update(data)
    return digest.hexdigest()


def _below(folder: Path, without: frozenset[str]) -> Iterator[Path]:
    def fail(error: OSError) -> None:
        raise error

    found = []
    for top, folders, files in os.walk(folder, onerror=fail):
        links = [one for one in folders if (Path(top) / one).is_symlink()]
        folders[:] = [one for one in folders if one not in without]
        found += [Path(top) / one for one in (*files, *links) if one not in without]
    yield from sorted(found)
