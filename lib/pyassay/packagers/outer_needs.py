"""What a folder of programs needs from outside of itself: libraries, and the newest glibc of them all."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from pyassay.elf import ElfError, NotElf, read
from pyassay.elf.newest import newest_numbers

__all__ = ["GLIBC_LIBRARIES", "OuterNeeds", "outer_needs"]

GLIBC_LIBRARIES = frozenset(
    f"lib{name}"
    for name in (
        *("c.so.6", "m.so.6", "dl.so.2", "pthread.so.0", "rt.so.1", "util.so.1", "resolv.so.2"),
        *("anl.so.1", "nsl.so.1", "crypt.so.1", "BrokenLocale.so.1", "mvec.so.1"),
    )
)
"""Which come from glibc: one version requirement covers them all."""


@dataclass(frozen=True, slots=True)
class OuterNeeds:
    """What it needs from where it runs.

    Attributes
    ----------
    glibc : str
        ``2.34``; empty: nothing of glibc.
    libraries : tuple of str
        Sonames that are neither inside nor glibc's, sorted.
    loaders : tuple of str
        Names of the program loaders.
    """

    glibc: str
    libraries: tuple[str, ...]
    loaders: tuple[str, ...]


def outer_needs(folder: Path) -> OuterNeeds:
    """Read every program and library in a folder; what is none, or broken, is passed over."""
    files, inside, loaders = [], set(), set()
    for top, _, names in os.walk(folder):
        for name in names:
            path = Path(top, name)
            if path.is_symlink() or not path.is_file():
                inside.add(name)
                continue
            try:
                elf = read(path)
            except (NotElf, ElfError, OSError):
                continue
            files.append(elf)
            inside |= {name, elf.soname or name}
            if elf.interpreter:
                loaders.add(Path(elf.interpreter).name)
    needed = {Path(name).name for elf in files for name in elf.needed} - inside - loaders
    newest = max(newest_numbers(files).get("GLIBC", set()), default=())
    return OuterNeeds(
        ".".join(map(str, newest)),
        tuple(sorted(name for name in needed if name not in GLIBC_LIBRARIES and ".so" in name)),
        tuple(sorted(loaders)),
    )
