"""Functions of a file: where each lies, which of its own it calls through the linkage table, its sections.

Exported ones are told by the dynamic symbol table, which stripping leaves alone; the others only by
``.symtab``, which it removes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from pyassay.elf.reader import ElfError, Image
from pyassay.elf.symbols import _Table

__all__ = [
    "Function",
    "Section",
    "code_at",
    "content_of",
    "exported_functions",
    "linkage_names",
    "local_functions",
    "sections",
]

_SHT_SYMTAB, _SHT_NOBITS = 2, 8
_DT_PLTRELSZ, _DT_PLTREL, _DT_JMPREL, _DT_RELA = 2, 20, 23, 7
_FUNCTION, _IFUNC = 2, 10
_MAX_SECTIONS = 4096
_MAX_SYMBOLS = 1_000_000
_MAX_NAMES_BYTES = 256 << 20
_MAX_NAME_BYTES = 1 << 14
_MAX_RELOCATIONS = 1_000_000


class Function(NamedTuple):
    """A defined function: its name, address, and size in bytes (0: not said)."""

    name: str
    address: int
    size: int


class Section(NamedTuple):
    """A section: its name, type, address (0: not loaded), and where in the file it lies."""

    name: str
    type: int
    address: int
    offset: int
    size: int
    link: int


def exported_functions(image: Image) -> list[Function]:
    """Return the functions that the dynamic symbol table defines, in its order.

    Raises
    ------
    ElfError
        If the table is damaged.
    """
    table = _Table(image)
    if not table.count:
        return []
    content = image.at(table.offset, table.count * table.entry.size, "the symbol table")
    image.hold_strings("symbols")
    return [
        Function(image.string(name, "a symbol's name"), address, size)
        for name, address, size, section, kind in _entries(content, table.entry, image.is64)
        if section and kind in (_FUNCTION, _IFUNC)
    ]


def linkage_names(image: Image) -> set[str]:
    """Return the symbols that the file calls through its procedure linkage table (DT_JMPREL).

    Raises
    ------
    ElfError
        If the tables are damaged.
    """
    dynamic = image.dynamic
    size = dynamic.get(_DT_PLTRELSZ, 0)
    if _DT_JMPREL not in dynamic or not size:
        return set()
    with_addend = dynamic.get(_DT_PLTREL, _DT_RELA) == _DT_RELA
    word = "Q" if image.is64 else "I"
    layout = struct.Struct(image.order + word * (3 if with_addend else 2))
    if size // layout.size > _MAX_RELOCATIONS:
        raise image.fail(f"{size // layout.size} relocations")
    offset = image.offset_of(dynamic[_DT_JMPREL], "the relocations of the linkage table")
    content = image.at(offset, size - size % layout.size, "the relocations of the linkage table")
    wanted = {fields[1] >> 32 if image.is64 else fields[1] >> 8 for fields in layout.iter_unpack(content)}
    table = _Table(image)
    if not table.count:
        return set()
    symbols = image.at(table.offset, table.count * table.entry.size, "the symbol table")
    image.hold_strings("symbols")
    names: set[str] = set()
    for index in wanted:
        if 0 < index < table.count:
            (name,) = struct.unpack_from(image.order + "I", symbols, index * table.entry.size)
            names.add(image.string(name, "a symbol's name"))
    return names


def sections(image: Image) -> list[Section]:
    """Return the sections; none where the headers were cut off.

    Raises
    ------
    ElfError
        If the headers are damaged.
    """
    head = image.at(0, 64 if image.is64 else 52, "the header")
    place = struct.unpack_from(image.order + ("Q" if image.is64 else "I"), head, 40 if image.is64 else 32)[0]
    size, count, names_at = struct.unpack_from(image.order + "HHH", head, 58 if image.is64 else 46)
    layout = struct.Struct(image.order + ("IIQQQQIIQQ" if image.is64 else "10I"))
    if not place or not count:
        return []
    if size != layout.size or count > _MAX_SECTIONS or names_at >= count:
        raise image.fail("the section headers are damaged")
    headers = list(layout.iter_unpack(image.at(place, size * count, "the section header table")))
    holder = headers[names_at]
    if holder[5] > _MAX_NAMES_BYTES:
        raise image.fail("the names of sections are damaged")
    names = image.at(holder[4], holder[5], "the names of sections")
    return [
        Section(_text(names, fields[0]), fields[1], fields[3], fields[4], fields[5], fields[6])
        for fields in headers
    ]


def local_functions(image: Image) -> list[Function]:
    """Return the functions of ``.symtab``, which is there unless the file was stripped.

    Raises
    ------
    ElfError
        If the table is damaged.
    """
    listed = sections(image)
    table = next((one for one in listed if one.type == _SHT_SYMTAB), None)
    if table is None or table.link >= len(listed):
        return []
    strings = listed[table.link]
    entry = struct.Struct(image.order + ("IBBHQQ" if image.is64 else "IIIBBH"))
    if table.size > _MAX_SYMBOLS * entry.size or strings.size > _MAX_NAMES_BYTES:
        raise image.fail("a symbol table of that size")
    text = image.at(strings.offset, strings.size, "the names of symbols")
    content = image.at(table.offset, table.size - table.size % entry.size, "the full symbol table")
    return [
        Function(_text(text, name), address, size)
        for name, address, size, section, kind in _entries(content, entry, image.is64)
        if section and kind in (_FUNCTION, _IFUNC)
    ]


def content_of(image: Image, section: Section, limit: int) -> bytes:
    """Return the first bytes of a section; empty where the file holds none of it, or is cut off."""
    if section.type == _SHT_NOBITS:
        return b""
    try:
        return image.at(section.offset, min(section.size, limit), section.name)
    except ElfError:
        return b""


def code_at(image: Image, address: int, size: int) -> bytes:
    """Return the bytes at an address, fewer where its segment ends; empty where the file has none there."""
    room = image.room_after(address)
    if room <= 0:
        return b""
    try:
        return image.at(image.offset_of(address, "code"), min(size, room), "code")
    except ElfError:
        return b""


def _entries(content: bytes, entry: struct.Struct, is64: bool) -> Iterator[tuple[int, int, int, int, int]]:
    """Yield the index of the name, address, size, section and type of each symbol."""
    if is64:
        for name, info, _, section, address, size in entry.iter_unpack(content):
            yield name, address, size, section, info & 0xF
    else:
        for name, address, size, info, _, section in entry.iter_unpack(content):
            yield name, address, size, section, info & 0xF


def _text(names: bytes, at: int) -> str:
    end = names.find(0, at, at + _MAX_NAME_BYTES)
    return names[at:end].decode("utf-8", "surrogateescape") if end >= 0 else ""
