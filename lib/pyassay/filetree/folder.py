"""Folders: what lies in them, no link followed, devices and pipes not opened."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO

from pyassay.filetree.model import Kind, Member, Refused
from pyassay.filetree.reading import Context

__all__ = ["open_regular", "read"]

_MAX_DEPTH = 60


def read(folder: Path, context: Context) -> Iterator[Member | Refused]:
    """Yield what lies below a folder, sorted; what cannot be listed or opened is refused."""
    pending = [("", os.fspath(folder), 0)]
    while pending:
        inner, path, depth = pending.pop()
        if depth > _MAX_DEPTH:
            yield Refused(context.prefix + inner, f"deeper than {_MAX_DEPTH} folders")
            continue
        try:
            with os.scandir(path) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            yield Refused(context.prefix + inner or ".", error.strerror or "not readable")
            continue
        below: list[tuple[str, str, int]] = []
        for entry in entries:
            name = f"{inner}/{entry.name}" if inner else entry.name
            if entry.is_dir(follow_symlinks=False):
                below.append((name, entry.path, depth + 1))
            else:
                yield from _member(entry, name, context)
        pending += reversed(below)


def open_regular(path: str | Path) -> BinaryIO:
    """Open a regular file; a pipe or device of that name neither hangs nor is read.

    Raises
    ------
    OSError
        If it is none, or cannot be opened.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"{path}: not a regular file")
    return os.fdopen(descriptor, "rb")


def _member(entry: os.DirEntry[str], name: str, context: Context) -> Iterator[Member | Refused]:
    try:
        status = entry.stat(follow_symlinks=False)
        is_link = stat.S_ISLNK(status.st_mode)
        target = os.readlink(entry.path) if is_link else ""  # noqa: PTH115 - as it is written
    except OSError as error:
        yield Refused(context.prefix + name, error.strerror or "not readable")
        return
    kind: Kind = "symlink" if target else "file" if stat.S_ISREG(status.st_mode) else "other"
    yield from context.member(
        name,
        kind,
        size=status.st_size if kind == "file" else 0,
        mode=stat.S_IMODE(status.st_mode),
        target=target,
        start=partial(open_regular, entry.path),
        in_place=kind == "file",
    )
