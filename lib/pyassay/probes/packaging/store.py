"""Results kept by content, so that a second run is quick and an interrupted one goes on where it was."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["Store", "digest_of", "digest_of_path", "sources_digest"]

_PIECE_BYTES = 1 << 20
_RUNNING = ("runs.py", "scripts.py", "telling.py", "placing.py", "rooms.py", "environments.py")
_SOURCES: dict[str, tuple[str, ...]] = {
    "runs": _RUNNING,
    "predictions": ("prediction.py", "reading.py", "dependencies.py", "foretelling.py"),
    "circumstances": (
        *_RUNNING[1:],
        "circumstances.py",
        "circumstances.toml",
        "behaviour.py",
        "catalogue.py",
    ),
    "footprints": (*_RUNNING[1:], "footprints.py"),
    "contents": ("contents.py", "reading.py"),
    "facts": ("contents.py", "reading.py"),
    "repeats": ("repeats.py",),
    "starts": ("starts.py", "references.py"),
    "inputs": ("contents.py",),
}

Rows = list[dict[str, Any]]


class Store:
    """A folder of JSON files, one per result, each written in one step: safe for two processes at once.

    Parameters
    ----------
    folder : Path
        Made when something is kept.
    anew : bool
        Whether what is kept counts for nothing.
    """

    def __init__(self, folder: Path, *, anew: bool = False) -> None:
        self._folder, self._anew = folder, anew

    def rows(self, kind: str, parts: Iterable[object], measure: Callable[[], Rows]) -> Rows:
        """Return the rows of a result, measured only if they are not kept.

        Parameters
        ----------
        kind : str
            A folder of the store.
        parts : iterable
            All that the result rests on, but for our own sources, which always count.
        measure : callable
            Returns the rows. Nothing is kept when it raises.
        """
        found = self.get(kind, parts := tuple(parts))
        if found is None:
            found = measure()
            self.put(kind, parts, found)
        return found

    def get(self, kind: str, parts: Iterable[object]) -> Rows | None:
        """Return the rows of a result; None: there are none, or they are damaged."""
        if self._anew:
            return None
        try:
            found = json.loads(self._path(kind, parts).read_text())
        except (OSError, ValueError):
            return None
        sound = isinstance(found, list) and all(isinstance(row, dict) for row in found)
        return found if sound else None

    def put(self, kind: str, parts: Iterable[object], rows: Rows) -> None:
        """Keep the rows of a result; a full disk is no reason to lose them otherwise."""
        path = self._path(kind, parts)
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile("w", dir=path.parent, suffix=".new", delete=False) as made:
                json.dump(rows, made)
            Path(made.name).replace(path)

    def _path(self, kind: str, parts: Iterable[object]) -> Path:
        return self._folder / kind / f"{digest_of(sources_digest(kind), *parts)}.json"


def digest_of(*parts: object) -> str:
    """Return the SHA-256 over the text of some parts, their borders included."""
    whole = hashlib.sha256()
    for part in parts:
        text = str(part).encode("utf-8", "surrogateescape")
        whole.update(b"%d:" % len(text) + text)
    return whole.hexdigest()


def digest_of_path(path: Path) -> str:
    """Return the SHA-256 of a file; of a folder over names, kinds, modes of starting, targets and bytes.

    Raises
    ------
    OSError
        If something in it cannot be read.
    """
    if not path.is_dir():
        return _digest_of_file(path).hexdigest()
    whole = hashlib.sha256()
    for folder, folders, files in os.walk(path):
        folders.sort()
        for name in sorted([*files, *(one for one in folders if (Path(folder) / one).is_symlink())]):
            entry = Path(folder) / name
            shown = os.fsencode(entry.relative_to(path))
            if entry.is_symlink():
                content, kind = os.fsencode(entry.readlink()), b"link"
            else:
                content, kind = (
                    _digest_of_file(entry).digest(),
                    b"x" if os.access(entry, os.X_OK) else b"file",
                )
            whole.update(b"%d:%s %s %d:%s" % (len(shown), shown, kind, len(content), content))
    return whole.hexdigest()


def _digest_of_file(path: Path) -> hashlib._Hash:
    found = hashlib.sha256()
    with path.open("rb") as stream:
        while piece := stream.read(_PIECE_BYTES):
            found.update(piece)
    return found


@cache
def sources_digest(kind: str) -> str:
    """Return the digest of the sources that a kind of result rests on: what they change is measured again."""
    folder = Path(__file__).parent
    return digest_of(*((folder / name).read_bytes() for name in _SOURCES[kind]))
