"""What single symbols of a file hold: data read through the symbol tables, constants that functions return.

Nothing is executed. A function that only returns a constant (``zlibVersion``, ``lzma_version_number``) is two
instructions, which are read as what they are, for x86-64 and AArch64.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from pyassay.elf.reader import DT_GNU_HASH, DT_HASH, DT_STRTAB, DT_SYMTAB, ElfError, Image

__all__ = ["Symbol", "Symbols", "has_full_table"]

_MAX_SYMBOLS = 1_000_000
_MAX_CHAIN = 4096
_MAX_SECTIONS = 4096
_MAX_FULL_TABLE = 400_000
_MAX_NAMES_BYTES = 256 << 20
_SHT_SYMTAB = 2
_X86_64, _AARCH64 = 62, 183
_ENDBR64 = b"\xf3\x0f\x1e\xfa"
# push rbp; mov rbp, rsp: what a compiler that keeps frame pointers puts first.
_FRAMES = (b"\x55\x48\x89\xe5", b"\x55\x48\x8b\xec")
_BTI = 0xD503245F


class Symbol(NamedTuple):
    """A defined symbol: its address, its size in bytes (0: not said), whether it is a function."""

    address: int
    size: int
    function: bool


class Symbols:
    """The defined symbols of an open file, looked up by name.

    Parameters
    ----------
    image : Image
    full : bool
        Where the dynamic table has no such name, look into the full one (``.symtab``), which stripped files
        lack.
    """

    def __init__(self, image: Image, *, full: bool = False) -> None:
        self.image = image
        self._dynamic = _Dynamic(image)
        self._full = full
        self._extra: dict[str, Symbol] | None = None

    def find(self, name: str) -> Symbol | None:
        """Return a defined symbol; None if there is none, or the tables are damaged."""
        try:
            return self._dynamic.find(name)
        except (ElfError, struct.error):
            return None

    def find_all(self, names: list[str]) -> dict[str, Symbol]:
        """Return those symbols that are defined."""
        found = {name: symbol for name in names if (symbol := self.find(name)) is not None}
        missing = [name for name in names if name not in found]
        if self._full and missing:
            try:
                found |= _full_table(self.image, missing)
            except (ElfError, struct.error):
                return found
        return found

    def data(self, symbol: Symbol, size: int) -> bytes:
        """Return bytes at a symbol, fewer where its segment ends; empty where it has none in the file."""
        return self._at(symbol.address, size)

    def string(self, symbol: Symbol, limit: int = 256) -> bytes:
        """Return the NUL-terminated string at a symbol; empty if it does not end within a limit."""
        return self._string(symbol.address, limit)

    def returned_integer(self, symbol: Symbol) -> int | None:
        """Return the 32-bit constant that a function returns; None if it is more than that."""
        code = self._at(symbol.address, 32)
        if self.image.e_machine == _X86_64:
            code, _ = _without_prologue(code)
            if code[:1] == b"\xb8" and code[5:6] in (b"\xc3", b"\x5d"):
                return int.from_bytes(code[1:5], "little")
        elif self.image.e_machine == _AARCH64:
            return _aarch64_constant(_words(code))
        return None

    def returned_string(self, symbol: Symbol, limit: int = 256) -> bytes:
        """Return the string whose address a function returns; empty if it does more than that."""
        address = self._returned_address(symbol)
        return self._string(address, limit) if address is not None else b""

    def _returned_address(self, symbol: Symbol) -> int | None:
        code = self._at(symbol.address, 32)
        if self.image.e_machine == _X86_64:
            code, skipped = _without_prologue(code)
            # lea rax, [rip + displacement]; mov eax, address (in a program at a fixed place)
            if code[:3] == b"\x48\x8d\x05" and code[7:8] in (b"\xc3", b"\x5d"):
                (displacement,) = struct.unpack_from("<i", code, 3)
                return int(symbol.address + skipped + 7 + displacement)
            if code[:1] == b"\xb8" and code[5:6] in (b"\xc3", b"\x5d"):
                return int.from_bytes(code[1:5], "little")
        elif self.image.e_machine == _AARCH64:
            return _aarch64_address(_words(code), symbol.address)
        return None

    def _at(self, address: int, size: int) -> bytes:
        room = self.image.room_after(address)
        if room <= 0:
            return b""
        try:
            offset = self.image.offset_of(address, "a symbol")
            return self.image.at(offset, min(size, room), "a symbol")
        except ElfError:
            return b""

    def _string(self, address: int, limit: int) -> bytes:
        text, end, _ = self._at(address, limit).partition(b"\0")
        return text if end else b""


def _without_prologue(code: bytes) -> tuple[bytes, int]:
    """Return code without the marks and frames at its beginning, and how many bytes they took."""
    skipped = len(_ENDBR64) if code.startswith(_ENDBR64) else 0
    for frame in _FRAMES:
        if code.startswith(frame, skipped):
            skipped += len(frame)
            break
    return code[skipped:], skipped


def _words(code: bytes) -> list[int]:
    """Return AArch64 instructions (little-endian, whatever the data are), the mark of a target left out."""
    words = list(struct.unpack_from(f"<{len(code) // 4}I", code))
    return words[1:] if words[:1] == [_BTI] else words


def _aarch64_constant(words: list[int]) -> int | None:
    value = 0
    for number, word in enumerate(words[:4]):
        shift = (word >> 21 & 3) * 16
        part = (word >> 5 & 0xFFFF) << shift
        if word & 0x7F80001F == 0x52800000:  # movz w0
            value = part
        elif word & 0x7F80001F == 0x72800000:  # movk w0
            value = value & ~(0xFFFF << shift) | part
        elif word == 0xD65F03C0 and number:  # ret
            return value & 0xFFFFFFFF
        else:
            return None
    return None


def _aarch64_address(words: list[int], place: int) -> int | None:
    if len(words) < 3 or words[2] != 0xD65F03C0:
        return None
    page, add = words[0], words[1]
    if page & 0x9F00001F != 0x90000000 or add & 0xFFC003FF != 0x91000000:  # adrp x0; add x0, x0, #n
        return None
    immediate = (page >> 29 & 3) | (page >> 5 & 0x7FFFF) << 2
    if immediate & 1 << 20:
        immediate -= 1 << 21
    return (place & ~0xFFF) + (immediate << 12) + (add >> 10 & 0xFFF)


class _Dynamic:
    """The dynamic symbol table, by the hash tables that the loader uses."""

    def __init__(self, image: Image) -> None:
        self.image = image
        self.entry = struct.Struct(image.order + ("IBBHQQ" if image.is64 else "IIIBBH"))

    def find(self, name: str) -> Symbol | None:
        dynamic = self.image.dynamic
        if DT_SYMTAB not in dynamic or DT_STRTAB not in dynamic:
            return None
        if DT_GNU_HASH in dynamic:
            return self._by_gnu_hash(name, dynamic[DT_GNU_HASH])
        if DT_HASH in dynamic:
            return self._by_hash(name, dynamic[DT_HASH])
        return None

    def _by_gnu_hash(self, name: str, address: int) -> Symbol | None:
        image = self.image
        offset = image.offset_of(address, "the GNU hash table")
        buckets, first, bloom, shift = struct.unpack(
            image.order + "IIII", image.at(offset, 16, "the hash table")
        )
        if not buckets or not bloom:
            return None
        value = 5381
        for letter in name.encode():
            value = (value * 33 + letter) & 0xFFFFFFFF
        width, layout = (8, "Q") if image.is64 else (4, "I")
        bits = width * 8
        place = offset + 16 + value // bits % bloom * width
        (word,) = struct.unpack(image.order + layout, image.at(place, width, "the hash table"))
        if not (word >> value % bits & 1 and word >> (value >> shift) % bits & 1):
            return None
        heads = offset + 16 + bloom * width
        (number,) = struct.unpack(
            image.order + "I", image.at(heads + value % buckets * 4, 4, "the hash table")
        )
        if number < first:
            return None
        chains = heads + 4 * buckets
        for index in range(number, number + _MAX_CHAIN):
            (hashed,) = struct.unpack(
                image.order + "I", image.at(chains + 4 * (index - first), 4, "a hash chain")
            )
            if hashed | 1 == value | 1 and (symbol := self._named(index, name)) is not None:
                return symbol
            if hashed & 1:
                return None
        return None

    def _by_hash(self, name: str, address: int) -> Symbol | None:
        image = self.image
        wide = image.is64 and image.e_machine in (22, 0x9026)
        width, layout = (8, "Q") if wide else (4, "I")
        offset = image.offset_of(address, "the hash table")
        buckets, count = struct.unpack(
            image.order + layout * 2, image.at(offset, 2 * width, "the hash table")
        )
        if not buckets or count > _MAX_SYMBOLS:
            return None
        value = 0
        for letter in name.encode():
            value = (value << 4) + letter
            high = value & 0xF0000000
            value = (value ^ high >> 24) & ~high & 0xFFFFFFFF
        place = offset + (2 + value % buckets) * width
        for _ in range(_MAX_CHAIN):
            (index,) = struct.unpack(image.order + layout, image.at(place, width, "the hash table"))
            if not 0 < index < count:
                return None
            if (symbol := self._named(index, name)) is not None:
                return symbol
            place = offset + (2 + buckets + index) * width
        return None

    def _named(self, index: int, name: str) -> Symbol | None:
        image = self.image
        offset = image.offset_of(image.dynamic[DT_SYMTAB], "the symbol table") + index * self.entry.size
        fields = self.entry.unpack(image.at(offset, self.entry.size, "a symbol"))
        text, symbol, section = _fields(fields, image.is64)
        if not section:
            return None
        wanted = name.encode() + b"\0"
        names = image.offset_of(image.dynamic[DT_STRTAB], "the string table")
        return symbol if image.at(names + text, len(wanted), "a symbol's name") == wanted else None


def _fields(fields: tuple[int, ...], is64: bool) -> tuple[int, Symbol, int]:
    """Return the index of the name, the symbol, and its section."""
    if is64:
        text, info, _, section, address, size = fields
    else:
        text, address, size, info, _, section = fields
    return text, Symbol(address, size, info & 0xF in (2, 10)), section


def has_full_table(image: Image) -> bool:
    """Tell whether a file has a full table of symbols (``.symtab``): it was not stripped."""
    try:
        return any(section[1] == _SHT_SYMTAB for section in _sections(image))
    except ElfError:
        return False


def _sections(image: Image) -> list[tuple[int, ...]]:
    """Return the section headers, as they are in the file; none where they make no sense."""
    head = image.at(0, 64 if image.is64 else 52, "the header")
    place = struct.unpack_from(image.order + ("Q" if image.is64 else "I"), head, 40 if image.is64 else 32)[0]
    size, count = struct.unpack_from(image.order + "HH", head, 58 if image.is64 else 46)
    layout = struct.Struct(image.order + ("IIQQQQIIQQ" if image.is64 else "10I"))
    if not place or size != layout.size or count > _MAX_SECTIONS:
        return []
    return list(layout.iter_unpack(image.at(place, size * count, "the section header table")))


def _full_table(image: Image, names: list[str]) -> dict[str, Symbol]:
    """Return symbols of ``.symtab``, the table for debuggers; it knows those that are not exported, too."""
    sections = _sections(image)
    table = next((section for section in sections if section[1] == _SHT_SYMTAB), None)
    if table is None or table[6] >= len(sections):
        return {}
    strings = sections[table[6]]
    entry = struct.Struct(image.order + ("IBBHQQ" if image.is64 else "IIIBBH"))
    if table[5] > _MAX_FULL_TABLE * entry.size or strings[5] > _MAX_NAMES_BYTES:
        return {}
    text = image.at(strings[4], strings[5], "the names of symbols")
    wanted: dict[int, str] = {}
    for name in names:
        needle = name.encode() + b"\0"
        # A name may be the tail of a longer one: linkers merge those.
        at = text.find(needle)
        while at >= 0 and len(wanted) < _MAX_CHAIN:
            wanted[at] = name
            at = text.find(needle, at + 1)
    if not wanted:
        return {}
    found: dict[str, Symbol] = {}
    content = image.at(table[4], table[5] - table[5] % entry.size, "the full symbol table")
    for fields in entry.iter_unpack(content):
        if fields[0] in wanted:
            index, symbol, section = _fields(fields, image.is64)
            if section and symbol.address:
                found.setdefault(wanted[index], symbol)
    return found
