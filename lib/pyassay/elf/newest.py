"""The symbols of a file that hold its floors up: what is kept when there are millions."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from pyassay.elf.platform_tags import policies
from pyassay.elf.reader import ElfFile
from pyassay.elf.symbols import UndefinedSymbol
from pyassay.elf.versions import SymbolVersion

__all__ = ["SHOWN_VERSIONS", "kept_symbols", "newest_numbers"]

SHOWN_VERSIONS = 4
"""How many of the newest versions of each family are explained by their symbols."""


def newest_numbers(files: Iterable[ElfFile], count: int = SHOWN_VERSIONS) -> dict[str, set[tuple[int, ...]]]:
    """Return the newest numbers that files require, by family."""
    numbers: dict[str, set[tuple[int, ...]]] = {}
    for elf in files:
        for need in elf.version_needs:
            version = SymbolVersion.parse(need.version)
            if version.number is not None:
                numbers.setdefault(version.family, set()).add(version.number)
    return {family: set(sorted(found)[-count:]) for family, found in numbers.items()}


def kept_symbols(
    elf: ElfFile, symbols: Iterable[UndefinedSymbol]
) -> tuple[list[UndefinedSymbol], frozenset[str]]:
    """Return the symbols of a file's newest versions, and the strong ones that some policy forbids.

    An image has a million undefined symbols; these are a few dozen for each file.
    """
    newest = newest_numbers([elf])
    kept: list[UndefinedSymbol] = []
    forbidden: set[str] = set()
    ever = _ever_forbidden()
    for symbol in symbols:
        if symbol.name in ever and not symbol.weak:
            forbidden.add(symbol.name)
        if symbol.version is not None:
            version = SymbolVersion.parse(symbol.version)
            if version.number in newest.get(version.family, ()):
                kept.append(symbol)
    return kept, frozenset(forbidden)


@cache
def _ever_forbidden() -> frozenset[str]:
    found: set[str] = set()
    for policy in policies():
        for names in policy.forbidden_symbols.values():
            found |= names
    return frozenset(found)
