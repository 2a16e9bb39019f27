"""How an interpreter was built, as its binary shows: layout, symbols, bytes of code. Nothing is executed.

Read is the file that holds the interpreter loop: the executable, or the libpython that it loads.
"""

from __future__ import annotations

import re

from pyassay.elf import ElfError
from pyassay.elf.functions import exported_functions, local_functions, sections
from pyassay.elf.reader import Image, Source
from pyassay.elf.symbols import undefined_symbols
from pyassay.probes.build import hardening as build_hardening
from pyassay.probes.build import speed as build_speed
from pyassay.probes.build.finding import Evidence, Finding
from pyassay.probes.build.layout import layout

__all__ = ["read_evidence"]

_READERS = build_speed.READERS | build_hardening.READERS


def read_evidence(source: Source, version: str, name: str | None = None) -> dict[str, Finding]:
    """Return what a binary shows, by fact.

    Parameters
    ----------
    source : path, bytes or binary file
    version : str
        Of the interpreter: ``3.12.1``.
    name : str, optional
        How messages call the file.

    Raises
    ------
    ElfError
        If it is no ELF file, or its dynamic symbols cannot be read.
    OSError
        If it cannot be read at all.
    """
    undefined = frozenset(symbol.name for symbol in undefined_symbols(source, name))
    with Image(source, name) as image:
        exported = exported_functions(image)
        try:
            listed = sections(image)
            local = local_functions(image)
        except ElfError:
            # Sections are for debuggers; what runs needs none.
            listed, local = [], []
        named = {one.name: one for one in [*local, *exported]}
        evidence = Evidence(
            image, _series(version), exported, local, undefined, listed, named, layout(exported)
        )
        return {fact: read(evidence) for fact, read in _READERS.items()}


def _series(version: str) -> tuple[int, int]:
    match = re.match(r"(\d+)\.(\d+)", version)
    return (int(match[1]), int(match[2])) if match else (0, 0)
