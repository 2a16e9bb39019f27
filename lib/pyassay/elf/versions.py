"""Symbol versions: their families, their order, and the floor that a set of them makes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyassay.elf.reader import VersionNeed

__all__ = ["Floor", "SymbolVersion", "floors", "version_key"]

# Versions that mark a feature of the loader: the first glibc that defines each.
# Source: the Versions files of glibc.
_FEATURES = {
    "GLIBC_ABI_DT_RELR": (2, 36),
    "GLIBC_ABI_GNU_TLS": (2, 42),
    "GLIBC_ABI_GNU2_TLS": (2, 42),
    "GLIBC_ABI_DT_X86_64_PLT": (2, 42),
}
# ASCII digits only; dates have eight (NCURSES6_TINFO_5.0.19991023).
_NUMBER = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9}){0,5}")
_NUMBERED = re.compile(rf"(?P<family>[A-Za-z][A-Za-z0-9_]*?)_(?P<number>{_NUMBER.pattern})")
_USUAL_LENGTH = 64  # a longer name is not remembered: hostile files have many, of 64 KiB each


@dataclass(frozen=True, slots=True)
class SymbolVersion:
    """A symbol version such as ``GLIBC_2.17``.

    Attributes
    ----------
    family : str
        ``GLIBC``, ``GLIBCXX``, ``CXXABI``, ``GCC``, ...; the whole name where there is no number.
    number : tuple of int or None
        ``(2, 17)``; None when the version has no place in the order.
    private : bool
        ``GLIBC_PRIVATE``: an interface between the parts of one and the same glibc.
    raw : str
        As written in the file.
    """

    family: str
    number: tuple[int, ...] | None
    private: bool
    raw: str

    @staticmethod
    def parse(raw: str) -> SymbolVersion:
        """Read a version name; never fails: an unknown form has no number."""
        return _remembered(raw) if len(raw) <= _USUAL_LENGTH else _parse(raw)


def _parse(raw: str) -> SymbolVersion:
    if raw in _FEATURES:
        return SymbolVersion("GLIBC", _FEATURES[raw], private=False, raw=raw)
    if raw.endswith("_PRIVATE"):
        return SymbolVersion(raw.removesuffix("_PRIVATE"), None, private=True, raw=raw)
    if raw.startswith("GLIBC_ABI_"):
        return SymbolVersion("GLIBC", None, private=False, raw=raw)
    match = _NUMBERED.fullmatch(raw)
    if match is None:
        return SymbolVersion(raw, None, private=False, raw=raw)
    return SymbolVersion(match["family"], tuple(map(int, match["number"].split("."))), private=False, raw=raw)


_remembered = lru_cache(maxsize=4096)(_parse)


def version_key(number: str) -> tuple[int, ...] | None:
    """Return the sort key of a dotted number such as ``2.17``; None for anything else (``1.1.x``, empty)."""
    if _NUMBER.fullmatch(number) is None:
        return None
    return tuple(map(int, number.split(".")))


@dataclass(frozen=True, slots=True)
class Floor:
    """The newest version of one family that is required.

    Attributes
    ----------
    hard : SymbolVersion or None
        The newest whose absence is an error.
    soft : SymbolVersion or None
        A newer one that is referenced only weakly (VER_FLG_WEAK): the file loads without it.
    private : bool
        A private version is required: this very library and no other.
    """

    family: str
    hard: SymbolVersion | None
    soft: SymbolVersion | None
    private: bool


def floors(needs: Iterable[VersionNeed]) -> dict[str, Floor]:
    """Return the floor of each family among version needs, by family."""
    hard: dict[str, SymbolVersion] = {}
    soft: dict[str, SymbolVersion] = {}
    private: set[str] = set()
    families: set[str] = set()
    for need in needs:
        version = SymbolVersion.parse(need.version)
        families.add(version.family)
        if version.private and not need.weak:
            private.add(version.family)
        if version.number is None:
            continue
        chosen = soft if need.weak else hard
        known = chosen.get(version.family)
        if known is None or known.number is None or known.number < version.number:
            chosen[version.family] = version
    return {
        family: Floor(
            family,
            hard.get(family),
            _newer(soft.get(family), hard.get(family)),
            private=family in private,
        )
        for family in families
    }


def _newer(soft: SymbolVersion | None, hard: SymbolVersion | None) -> SymbolVersion | None:
    if soft is None or soft.number is None:
        return None
    return soft if hard is None or hard.number is None or soft.number > hard.number else None
