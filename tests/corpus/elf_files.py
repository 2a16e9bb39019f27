"""The ELF files that this machine happens to have, found without asking the code under test."""

from __future__ import annotations

import os
import sys
from functools import cache
from pathlib import Path


def _prefixes() -> list[Path]:
    """Return the system's folders, the running interpreter's, and those of the interpreters next to it."""
    base = Path(sys.base_prefix).resolve()
    found = [Path("/usr/lib"), Path("/usr/lib64"), Path("/usr/libexec"), Path("/usr/bin"), Path("/usr/sbin")]
    found.append(base)
    if base != Path("/usr"):
        found += [path for path in sorted(base.parent.iterdir()) if (path / "bin").is_dir()]
    return list(dict.fromkeys(path.resolve() for path in found if path.is_dir()))


@cache
def elf_files() -> tuple[Path, ...]:
    """Return every regular file with the ELF magic below those folders, once each, sorted."""
    found: dict[tuple[int, int], Path] = {}
    for prefix in _prefixes():
        for folder, folders, names in os.walk(prefix):
            folders[:] = [name for name in folders if name not in {"__pycache__", "node_modules"}]
            for name in names:
                path = Path(folder, name)
                if path.is_symlink() or not path.is_file():
                    continue
                try:
                    with path.open("rb") as stream:
                        magic = stream.read(4)
                except OSError:
                    continue
                if magic == b"\x7fELF":
                    found.setdefault((path.stat().st_dev, path.stat().st_ino), path)
    return tuple(sorted(found.values()))


def sample(count: int) -> list[Path]:
    """Return a deterministic sample, spread over the whole list."""
    files = elf_files()
    step = max(len(files) // count, 1)
    return list(files[::step][:count])
