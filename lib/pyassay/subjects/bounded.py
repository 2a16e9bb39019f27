"""Reading and listing what a stranger laid out: bounded, and never an error."""

from __future__ import annotations

import os
from pathlib import Path
from stat import S_ISREG

__all__ = ["entries", "head"]

_MAX_ENTRIES = 20_000


def head(path: Path, limit: int) -> bytes:
    """Return the first bytes of a regular file; nothing when it is none, or cannot be read.

    A FIFO or a device of that name is not waited for.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError):
        return b""
    try:
        if not S_ISREG(os.fstat(descriptor).st_mode):
            return b""
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(limit)
    except OSError:
        return b""
    finally:
        os.close(descriptor)


def entries(folder: Path) -> list[Path]:
    """Return what a folder holds, sorted by name; at most 20,000; nothing when it cannot be listed."""
    try:
        with os.scandir(folder) as listing:
            names = [entry.name for entry, _ in zip(listing, range(_MAX_ENTRIES), strict=False)]
    except (OSError, ValueError):
        return []
    return [folder / name for name in sorted(names)]
