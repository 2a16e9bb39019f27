"""Dynamic symbols: every undefined one bound to the version it wants, every exported one with its own."""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Iterable, Iterator
from itertools import repeat
from typing import NamedTuple

from pyassay.elf.reader import (
    DT_GNU_HASH,
    DT_HASH,
    DT_STRSZ,
    DT_STRTAB,
    DT_SYMENT,
    DT_SYMTAB,
    DT_VERDEF,
    DT_VERDEFNUM,
    DT_VERNEED,
    DT_VERSYM,
    Image,
    Source,
)

__all__ = ["ExportedSymbol", "UndefinedSymbol", "defined_versions", "exported_symbols", "undefined_symbols"]

_STB_WEAK = 2
_HIDDEN = 0x8000
_KINDS = {0: "none", 1: "object", 2: "function", 5: "common", 6: "tls", 10: "ifunc"}
_MAX_SYMBOLS = 1_000_000
_MAX_DEFINITIONS = 20_000
_VER_FLG_BASE = 1
_NATIVE = "<" if sys.byteorder == "little" else ">"
# Whose address may be the end of the symbol table: DT_RELA, DT_INIT, DT_FINI, DT_REL, DT_JMPREL, DT_RELR.
_TABLES = (DT_STRTAB, DT_VERSYM, DT_VERNEED, DT_VERDEF, DT_HASH, DT_GNU_HASH, 7, 12, 13, 17, 23, 36)


class UndefinedSymbol(NamedTuple):
    """A symbol that another library must define.

    ``soname`` and ``version`` are None for a reference without a version; ``weak`` is the binding of the
    symbol (STB_WEAK), ``version_weak`` that of the version (VER_FLG_WEAK): only the latter lets a file load
    where the version is absent.
    """

    name: str
    soname: str | None
    version: str | None
    weak: bool
    version_weak: bool


class ExportedSymbol(NamedTuple):
    """A symbol that the file defines; ``default`` is what a link editor binds to (``@@``)."""

    name: str
    version: str | None
    default: bool
    kind: str


class _Table:
    """The dynamic symbol table: where it lies, how long it is, and what version each entry has."""

    def __init__(self, image: Image) -> None:
        self.image = image
        self.count = 0
        dynamic = image.dynamic
        if DT_SYMTAB not in dynamic or DT_STRTAB not in dynamic:
            return
        self.entry = struct.Struct(image.order + ("IBBHQQ" if image.is64 else "IIIBBH"))
        if dynamic.get(DT_SYMENT, self.entry.size) != self.entry.size:
            raise image.fail(f"symbols of {dynamic[DT_SYMENT]} bytes")
        self.offset = image.offset_of(dynamic[DT_SYMTAB], "the symbol table")
        self.count = self._count()
        if self.count > _MAX_SYMBOLS or self.offset + self.count * self.entry.size > image.size:
            raise image.fail(f"{self.count} symbols lie outside the file")

    def entries(self) -> Iterator[tuple[int, int, int, int]]:
        """Yield the index of the name, type and binding, section, and version of each entry."""
        if not self.count:
            return
        image = self.image
        table = image.at(self.offset, self.count * self.entry.size, "the symbol table")
        image.hold_strings("symbols")
        versions: Iterable[tuple[int]] = repeat((1,))
        if DT_VERSYM in image.dynamic:
            place = image.offset_of(image.dynamic[DT_VERSYM], "the symbols' versions")
            versions = struct.iter_unpack(
                image.order + "H", image.at(place, 2 * self.count, "the symbols' versions")
            )
        if image.is64:
            for (name, info, _, section, _, _), (version,) in zip(
                self.entry.iter_unpack(table), versions, strict=False
            ):
                yield name, info, section, version
        else:
            for (name, _, _, info, _, section), (version,) in zip(
                self.entry.iter_unpack(table), versions, strict=False
            ):
                yield name, info, section, version

    def _count(self) -> int:
        """Return the number of symbols, which no header states: the hash tables imply it."""
        image, dynamic = self.image, self.image.dynamic
        if DT_HASH in dynamic:
            # s390x and alpha have 64-bit entries; nothing else has.
            wide = image.is64 and image.e_machine in (22, 0x9026)
            layout = struct.Struct(image.order + ("QQ" if wide else "II"))
            offset = image.offset_of(dynamic[DT_HASH], "the hash table")
            return int(layout.unpack(image.at(offset, layout.size, "the hash table"))[1])
        if DT_GNU_HASH in dynamic:
            return self._count_gnu(dynamic[DT_GNU_HASH])
        return self._count_between()

    def _count_gnu(self, address: int) -> int:
        image = self.image
        offset = image.offset_of(address, "the GNU hash table")
        room = image.room_after(address)
        buckets, first, bloom, _ = struct.unpack(
            image.order + "IIII", image.at(offset, 16, "the GNU hash table")
        )
        start = 16 + bloom * (8 if image.is64 else 4)
        if buckets > _MAX_SYMBOLS or start + 4 * buckets > room:
            raise image.fail("the GNU hash table leads outside the file")
        heads = array("I", image.at(offset + start, 4 * buckets, "the GNU hash table"))
        if image.order != _NATIVE:
            heads.byteswap()
        last = max(heads, default=0)
        if last < first or not last:
            # No symbol is hashed, so none is exported. Some linkers then give their number, others 0 or 1.
            return first if first > 1 else self._count_between()
        # The chain of the last bucket ends with a set lowest bit.
        chain = start + 4 * buckets + 4 * (last - first)
        number = last
        while chain < room and number <= _MAX_SYMBOLS:
            size = min(4096, room - chain) // 4 * 4
            if not size:
                break
            for (value,) in struct.iter_unpack(
                image.order + "I", image.at(offset + chain, size, "a hash chain")
            ):
                number += 1
                if value & 1:
                    return number
            chain += size
        raise image.fail("a hash chain does not end")

    def _count_between(self) -> int:
        """Return how many symbols there are by what follows their table, the last resort.

        Something does follow: the string table where the linker put it, or, when a later tool moved that, the
        symbols' versions, which are as many. Names outside the string table end the table, too.
        """
        image, dynamic = self.image, self.image.dynamic
        start, size = dynamic[DT_SYMTAB], self.entry.size
        following = [dynamic[tag] for tag in _TABLES if dynamic.get(tag, 0) > start]
        room = min([image.room_after(start), *[place - start for place in following]])
        count = room // size
        versions, needs = dynamic.get(DT_VERSYM, 0), dynamic.get(DT_VERNEED, 0)
        if versions < needs:
            count = min(count, (needs - versions) // 2)
        count = min(count, _MAX_SYMBOLS)
        names = struct.Struct(f"{image.order}I{size - 4}x")
        table = image.at(self.offset, count * size, "the symbol table")
        end = dynamic.get(DT_STRSZ, 0)
        for number, (name,) in enumerate(names.iter_unpack(table)):
            if name >= end:
                return number
        return count


def undefined_symbols(source: Source, name: str | None = None) -> list[UndefinedSymbol]:
    """Return every undefined dynamic symbol of a file, in the order of the file.

    Raises
    ------
    ElfError
        As :func:`pyassay.elf.reader.read`.
    """
    with Image(source, name) as image:
        table = _Table(image)
        needs = {need.index: need for need in image.version_needs()}
        found: list[UndefinedSymbol] = []
        for text, info, section, index in table.entries():
            if section or not text:
                continue
            need = needs.get(index & 0x7FFF)
            found.append(
                UndefinedSymbol(
                    image.string(text, "a symbol's name"),
                    need.soname if need else None,
                    need.version if need else None,
                    info >> 4 == _STB_WEAK,
                    need.weak if need else False,
                )
            )
        return found


def exported_symbols(source: Source, name: str | None = None) -> list[ExportedSymbol]:
    """Return every dynamic symbol that a file defines, local ones left out.

    Raises
    ------
    ElfError
        As :func:`pyassay.elf.reader.read`.
    """
    with Image(source, name) as image:
        table = _Table(image)
        definitions = _definitions(image)
        found: list[ExportedSymbol] = []
        for text, info, section, index in table.entries():
            # Version 0 ("local") on a global symbol: a copied variable; references without a version find it.
            if not section or not text or not info >> 4:
                continue
            found.append(
                ExportedSymbol(
                    image.string(text, "a symbol's name"),
                    definitions.get(index & 0x7FFF),
                    not index & _HIDDEN,
                    _KINDS.get(info & 0xF, "other"),
                )
            )
        return found


def defined_versions(source: Source, name: str | None = None) -> frozenset[str]:
    """Return the names of the symbol versions that a library defines (DT_VERDEF), its own base name left out.

    Raises
    ------
    ElfError
        As :func:`pyassay.elf.reader.read`.
    """
    with Image(source, name) as image:
        return frozenset(_definitions(image).values())


def _definitions(image: Image) -> dict[int, str]:
    """Return the version definitions by index."""
    dynamic = image.dynamic
    if DT_VERDEF not in dynamic:
        return {}
    address = dynamic[DT_VERDEF]
    offset = image.offset_of(address, "the version definitions")
    window = image.at(offset, min(image.room_after(address), 1 << 20), "the version definitions")
    definition, auxiliary = struct.Struct(image.order + "HHHHIII"), struct.Struct(image.order + "II")
    found: dict[int, str] = {}
    position = 0
    count = dynamic.get(DT_VERDEFNUM, 0)
    if count > _MAX_DEFINITIONS:
        raise image.fail(f"{count} version definitions")
    try:
        for _ in range(count):
            _, flags, index, _, _, first, following = definition.unpack_from(window, position)
            text, _ = auxiliary.unpack_from(window, position + first)
            if not flags & _VER_FLG_BASE:
                found[index & 0x7FFF] = image.string(text, "the name of a version")
            if not following:
                break
            position += following
    except struct.error as error:
        raise image.fail("the version definitions lead outside the file") from error
    return found
