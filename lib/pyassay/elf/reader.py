"""The fast reader: what the loader would read, by program headers alone.

Section headers are never used, so a stripped file says as much as any other. Only the windows that matter are
read, each bounded by the size of the file.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO, NamedTuple

__all__ = ["ElfError", "ElfFile", "NotElf", "VersionNeed", "is_elf", "read"]

Source = Path | str | bytes | bytearray | memoryview | BinaryIO

MACHINES = {
    3: "i686",
    8: "mips",
    20: "ppc",
    21: "ppc64",
    22: "s390x",
    40: "armv7l",
    43: "sparc64",
    62: "x86_64",
    183: "aarch64",
    243: "riscv64",
    258: "loongarch64",
}
# By machine and bits, where the byte order or the class makes another machine of it.
_LITTLE = {(8, 32): "mipsel", (21, 64): "ppc64le"}
_BIG = {(40, 32): "armv7b", (183, 64): "aarch64_be"}
_OTHER_CLASS = {(62, 32): "x32", (183, 32): "aarch64_ilp32"}
_TYPES = {1: "rel", 2: "exec", 3: "dyn", 4: "core"}

PT_LOAD, PT_DYNAMIC, PT_INTERP, PT_NOTE = 1, 2, 3, 4
_SHT_NOBITS, _SHF_WRITE, _SHF_ALLOC = 8, 1, 2
PT_GNU_STACK, PT_GNU_RELRO, PT_GNU_PROPERTY = 0x6474E551, 0x6474E552, 0x6474E553
DT_NEEDED, DT_HASH, DT_STRTAB, DT_SYMTAB, DT_STRSZ, DT_SYMENT = 1, 4, 5, 6, 10, 11
DT_SONAME, DT_RPATH, DT_TEXTREL, DT_BIND_NOW, DT_RUNPATH, DT_FLAGS = 14, 15, 22, 24, 29, 30
DT_RELRSZ, DT_RELR = 35, 36
DT_GNU_HASH, DT_VERSYM, DT_FLAGS_1 = 0x6FFFFEF5, 0x6FFFFFF0, 0x6FFFFFFB
DT_VERDEF, DT_VERDEFNUM, DT_VERNEED, DT_VERNEEDNUM = 0x6FFFFFFC, 0x6FFFFFFD, 0x6FFFFFFE, 0x6FFFFFFF
DF_TEXTREL, DF_BIND_NOW, DF_1_NOW, DF_1_PIE = 0x4, 0x8, 0x1, 0x08000000
_PF_X = 1
_VER_FLG_WEAK = 2
_NT_GNU_BUILD_ID, _NT_GNU_PROPERTY_TYPE_0 = 3, 5
_GNU_PROPERTY_X86_ISA_1_NEEDED = 0xC0008002
_ISA_LEVELS = ((8, "x86-64-v4"), (4, "x86-64-v3"), (2, "x86-64-v2"), (1, "x86-64-v1"))

# Bounds on what one file may make us do, each far above what the largest honest file was seen to need.
_MAX_NAME_BYTES = 65536  # a search path of a Nix build is far longer than a path may be
_MAX_NAMES_BYTES = 1 << 20  # names overlap in the table: a small one holds gigabytes of them
_MAX_STRING_TABLE_BYTES = 1 << 29
_MAX_PROGRAM_HEADERS = 4096
_MAX_SECTIONS = 4096
_MAX_DYNAMIC_BYTES = 1 << 19
_MAX_NOTE_BYTES = 1 << 18
_MAX_VERSIONS = 20_000
_FIRST_READ = 4096
_VERSION_WINDOW = 4096
_MAX_VERSION_BYTES = 1 << 20  # more than _MAX_VERSIONS take
_SMALL_TABLE = 16384
_USUAL_NAME_BYTES = 256
_STRUCTS = {
    order + layout: struct.Struct(order + layout)
    for order in "<>"
    for layout in ("HHIII", "IHHII", "HHIQQQIHHH", "HHIIIIIHHH", "IIQQQQQQ", "IIIIIIII", "qQ", "iI")
}


class ElfError(ValueError):
    """A file is no ELF file that a loader could use: ``<name>: <what is wrong>``, one line."""


class NotElf(ElfError):  # noqa: N818 - the field says "not an ELF file", and it is no mishap
    """The file does not begin with the ELF magic."""


class VersionNeed(NamedTuple):
    """One required symbol version.

    ``soname`` must define ``version``; ``weak`` (VER_FLG_WEAK): its absence is no error; ``index`` is what
    the entries of DT_VERSYM say for it.
    """

    soname: str
    version: str
    weak: bool
    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody wants here


@dataclass(frozen=True, slots=True)
class ElfFile:
    """What a loader reads of a file.

    Attributes
    ----------
    name : str
        How errors call it.
    bits, byte_order : int, str
        32 or 64, ``little`` or ``big``.
    machine, e_machine : str, int
        ``x86_64`` ..., ``EM_<n>`` when it has no name here.
    type : str
        ``exec``, ``dyn``, ``rel``, ``core`` or ``other``.
    interpreter, soname : str or None
        PT_INTERP, DT_SONAME.
    needed, rpath, runpath : tuple of str
        DT_NEEDED in order; the paths split at colons.
    version_needs : tuple of VersionNeed
        In the order of the file.
    executable_stack : bool or None
        None: no PT_GNU_STACK, so the kernel's default for the machine holds.
    text_relocations, bind_now, packed_relocations : bool
        DT_TEXTREL; immediate binding; DT_RELR.
    relro : str
        ``none``, ``partial`` or ``full``.
    isa_level : str or None
        What the GNU property note declares (``x86-64-v3``); None: nothing, which proves nothing.
    build_id : str or None
        Hexadecimal.
    static, pie : bool
        Needs no loader; position independent executable.
    """

    name: str
    bits: int
    byte_order: str
    machine: str
    e_machine: int
    type: str
    interpreter: str | None
    soname: str | None
    needed: tuple[str, ...]
    rpath: tuple[str, ...]
    runpath: tuple[str, ...]
    version_needs: tuple[VersionNeed, ...]
    executable_stack: bool | None
    text_relocations: bool
    relro: str
    bind_now: bool
    packed_relocations: bool
    isa_level: str | None
    build_id: str | None
    static: bool
    pie: bool


def shown(name: object) -> str:
    """Return a name fit for one line of a message: control characters and undecodable bytes escaped."""
    text = os.fsdecode(name) if isinstance(name, (bytes, os.PathLike)) else str(name)
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape", "backslashreplace").decode()
        for letter in text
    )


def machine_name(e_machine: int, bits: int, byte_order: str) -> str:
    """Return what ``uname -m`` calls a machine; ``EM_<n>`` for one that has no name here."""
    special = _LITTLE if byte_order == "little" else _BIG
    return (
        special.get((e_machine, bits))
        or _OTHER_CLASS.get((e_machine, bits))
        or MACHINES.get(e_machine)
        or f"EM_{e_machine}"
    )


def is_elf(path: Path | str) -> bool:
    """Tell whether a file begins with the ELF magic; False also for what cannot be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (OSError, ValueError):  # ValueError: a NUL in the name
        return False
    try:
        return os.read(descriptor, 4) == b"\x7fELF"
    except OSError:
        return False
    finally:
        os.close(descriptor)


def read(source: Source, name: str | None = None) -> ElfFile:
    """Read the facts of one ELF file.

    Parameters
    ----------
    source : Path, str, bytes, memoryview or binary file
        A path, the bytes themselves, or a seekable file open for reading.
    name : str, optional
        How messages call it; by default the path.

    Raises
    ------
    NotElf
        If it does not begin with the ELF magic.
    ElfError
        If it is truncated or contradicts itself.
    OSError
        If it cannot be read at all.
    """
    with Image(source, name) as image:
        return image.facts()


class Image:
    """An open ELF file: its headers, its dynamic section and bounded reads by file offset or address."""

    __slots__ = (
        "_buffer",
        "_descriptor",
        "_file",
        "_head",
        "_names_left",
        "_string_table",
        "_strings",
        "bits",
        "dynamic",
        "e_machine",
        "e_type",
        "is64",
        "loads",
        "name",
        "needed_offsets",
        "order",
        "segments",
        "size",
    )

    def __init__(self, source: Source, name: str | None = None) -> None:
        self._buffer: memoryview | None = None
        self._descriptor = -1
        self._file: BinaryIO | None = None
        self._strings: dict[int, str] = {}
        self._string_table: tuple[int, int, bytes] | None = None
        self._names_left = _MAX_NAMES_BYTES
        if isinstance(source, (bytes, bytearray, memoryview)):
            self.name = shown(name or "<bytes>")
            self._buffer = memoryview(source).cast("B")
            self.size = len(self._buffer)
        elif isinstance(source, (str, Path)):
            self.name = shown(name if name is not None else source)
            try:
                # O_NONBLOCK: a FIFO must not hang us; it is then refused, for it has no offsets.
                self._descriptor = os.open(source, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            except ValueError as error:  # a NUL in the name
                raise self.fail(str(error)) from error
            self.size = os.fstat(self._descriptor).st_size
        else:
            self.name = shown(name or getattr(source, "name", "<file>"))
            self._file = source
            self.size = source.seek(0, os.SEEK_END)
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Image:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close what this object opened itself."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def fail(self, what: str) -> ElfError:
        """Return the error to raise."""
        return ElfError(f"{self.name}: {what}")

    # Reading -----------------------------------------------------------------------------------------------

    def _raw(self, offset: int, size: int) -> bytes:
        if self._buffer is not None:
            return bytes(self._buffer[offset : offset + size])
        try:
            if self._descriptor >= 0:
                return os.pread(self._descriptor, size, offset)
            if self._file is None:
                raise self.fail("read after it was closed")
            self._file.seek(offset)
            return self._file.read(size)
        except OSError as error:  # a folder, a FIFO, a bad disk: the error itself names no file
            raise self.fail(error.strerror or type(error).__name__) from error

    def at(self, offset: int, size: int, what: str) -> bytes:
        """Return bytes of the file, all of them.

        Raises
        ------
        ElfError
            If the file is too short for that.
        """
        end = offset + size
        if 0 <= offset <= end <= len(self._head):
            return self._head[offset:end]
        if not 0 <= offset <= end <= self.size:
            raise self.fail(f"{what} lies outside the file ({self.size} bytes)")
        data = self._raw(offset, size)
        if len(data) != size:
            raise self.fail(f"{what} could not be read whole")
        return data

    def offset_of(self, address: int, what: str) -> int:
        """Return where in the file an address of the program lies."""
        for start, offset, size in self.loads:
            if start <= address < start + size:
                return address - start + offset
        raise self.fail(f"{what} lies at an address that is not in the file ({address:#x})")

    def room_after(self, address: int) -> int:
        """Return how many bytes of the file follow an address in its segment."""
        for start, offset, size in self.loads:
            if start <= address < start + size:
                return min(size - (address - start), self.size - (address - start + offset))
        return 0

    def string(self, index: int, what: str) -> str:
        """Return a string of DT_STRTAB."""
        known = self._strings.get(index)
        if known is not None:
            return known
        offset, size, table = self._string_table or self.hold_strings(what, _SMALL_TABLE)
        if not 0 <= index < size:
            raise self.fail(f"{what} is no string of the string table")
        if table:
            end = table.find(0, index, index + _MAX_NAME_BYTES)
            raw = table[index:end]
        else:
            part = self.at(offset + index, min(_USUAL_NAME_BYTES, size - index), "a string")
            if (end := part.find(0)) < 0:
                part = self.at(offset + index, min(_MAX_NAME_BYTES, size - index), "a string")
                end = part.find(0)
            raw = part[:end]
        if end < 0:
            raise self.fail(f"{what} is no string of the string table")
        self._names_left -= len(raw)
        if self._names_left < 0:
            raise self.fail("its names take more room than the string table")
        text = self._strings[index] = raw.decode("utf-8", "surrogateescape")
        return text

    def hold_strings(self, what: str, at_most: int | None = None) -> tuple[int, int, bytes]:
        """Find DT_STRTAB, and read all of it unless it is larger than a limit.

        The few strings that the loader reads are fetched one by one from a table that may hold megabytes of
        symbol names; whoever wants all names calls this before.
        """
        address = self.dynamic.get(DT_STRTAB)
        if address is None:
            raise self.fail(f"{what} but no string table")
        offset = self.offset_of(address, "the string table")
        size = min(self.dynamic.get(DT_STRSZ, 0), max(self.size - offset, 0))
        whole = at_most is None or size <= at_most
        if at_most is None:
            if size > _MAX_STRING_TABLE_BYTES:
                raise self.fail(f"a string table of {size} bytes")
            self._names_left += 2 * size
        self._string_table = (offset, size, self.at(offset, size, "the string table") if whole else b"")
        return self._string_table

    # Headers -----------------------------------------------------------------------------------------------

    def _open(self) -> None:
        self._head = b""
        self._head = self._raw(0, _FIRST_READ)
        head = self._head
        if head[:4] != b"\x7fELF":
            raise NotElf(f"{self.name}: not an ELF file")
        if len(head) < 52 or head[4] not in (1, 2) or head[5] not in (1, 2):
            raise self.fail("truncated or unknown ELF header")
        self.is64 = head[4] == 2
        self.bits = 64 if self.is64 else 32
        self.order = "<" if head[5] == 1 else ">"
        if self.is64 and len(head) < 64:
            raise self.fail("truncated ELF header")
        layout = "HHIQQQIHHH" if self.is64 else "HHIIIIIHHH"
        fields = _STRUCTS[self.order + layout].unpack_from(head, 16)
        self.e_type, self.e_machine = fields[0], fields[1]
        self._read_segments(fields[4], fields[8], fields[9])
        try:
            self._check_loads()
            self._read_dynamic()
        except ElfError:
            if not self._program_is_elsewhere(fields[5]):
                raise
            self._forget_program()
        else:
            named = DT_STRTAB in self.dynamic or not (self.dynamic or self.needed_offsets)
            if not named and self._program_is_elsewhere(fields[5]):
                self._forget_program()

    def _read_segments(self, offset: int, entry: int, count: int) -> None:
        self.segments: list[tuple[int, int, int, int, int, int]] = []
        self.loads: list[tuple[int, int, int]] = []
        if not offset or not count:
            return
        if count > _MAX_PROGRAM_HEADERS:
            raise self.fail(f"{count} program headers")
        layout = _STRUCTS[self.order + ("IIQQQQQQ" if self.is64 else "IIIIIIII")]
        if entry != layout.size:
            raise self.fail(f"program headers of {entry} bytes")
        table = self.at(offset, entry * count, "the program header table")
        for values in layout.iter_unpack(table):
            if self.is64:
                kind, flags, start, address, _, size, memory, _ = values
            else:
                kind, start, address, _, size, memory, flags, _ = values
            self.segments.append((kind, flags, start, address, size, memory))
            if kind == PT_LOAD:
                self.loads.append((address, start, size))

    def _check_loads(self) -> None:
        for _, start, size in self.loads:
            if start + size > self.size:
                raise self.fail(f"truncated: {self.size} bytes where its segments need {start + size}")
        for (before, _, size), (address, _, _) in pairwise(sorted(self.loads)):
            if address < before + size:
                raise self.fail(f"two segments claim the address {address:#x}")

    def _read_dynamic(self) -> None:
        self.dynamic: dict[int, int] = {}
        self.needed_offsets: list[int] = []
        segment = next((segment for segment in self.segments if segment[0] == PT_DYNAMIC), None)
        if segment is None:
            return
        _, _, offset, address, size, _ = segment
        if not size:
            return  # a detached debug file keeps the header of what it left in the program
        if size > _MAX_DYNAMIC_BYTES:
            raise self.fail(f"a dynamic section of {size} bytes")
        if self.loads and self.offset_of(address, "the dynamic section") != offset:
            # The loader goes by the address, other readers by the offset: they would see different things.
            raise self.fail("the dynamic section is at one place by its offset, at another by its address")
        entry = _STRUCTS[self.order + ("qQ" if self.is64 else "iI")]
        table = self.at(offset, size - size % entry.size, "the dynamic section")
        for tag, value in entry.iter_unpack(table):
            if tag == 0:
                break
            if tag == DT_NEEDED:
                self.needed_offsets.append(value)
            else:
                self.dynamic[tag] = value

    def _program_is_elsewhere(self, sections: int) -> bool:
        """Tell whether the section headers say that the contents of the program are not in this file.

        Only a file that makes no sense otherwise is asked: a detached debug file may keep the program headers
        of the program that it was taken from.
        """
        entry, count = struct.unpack_from(self.order + "HH", self._head, 58 if self.is64 else 46)
        layout = struct.Struct(self.order + ("IIQ" if self.is64 else "III"))
        if not sections or entry < layout.size or count > _MAX_SECTIONS:
            return False
        if sections + entry * count > self.size:
            return False
        table = self.at(sections, entry * count, "the section header table")
        for position in range(0, entry * count, entry):
            _, kind, flags = layout.unpack_from(table, position)
            # What is written to may have no bytes in any file (.bss); code and constants must.
            if kind == _SHT_NOBITS and flags & _SHF_ALLOC and not flags & _SHF_WRITE:
                return True
        return False

    def _forget_program(self) -> None:
        self.loads, self.dynamic, self.needed_offsets = [], {}, []
        self.segments = [segment for segment in self.segments if segment[0] == PT_NOTE]

    # Facts -------------------------------------------------------------------------------------------------

    def facts(self) -> ElfFile:
        """Return everything that a loader reads."""
        dynamic = self.dynamic
        interpreter: str | None = None
        stack: bool | None = None
        has_relro = False
        for kind, flags, offset, _, size, _ in self.segments:
            if kind == PT_INTERP and size and interpreter is None:
                path = self.at(offset, min(size, _MAX_NAME_BYTES), "the interpreter's name")
                interpreter = path.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")
            elif kind == PT_GNU_STACK:
                stack = bool(flags & _PF_X)
            elif kind == PT_GNU_RELRO:
                has_relro = True
        flags, flags_1 = dynamic.get(DT_FLAGS, 0), dynamic.get(DT_FLAGS_1, 0)
        now = DT_BIND_NOW in dynamic or bool(flags & DF_BIND_NOW) or bool(flags_1 & DF_1_NOW)
        has_dynamic = bool(dynamic) or bool(self.needed_offsets)
        needed = tuple([self.string(index, "DT_NEEDED") for index in self.needed_offsets])
        build_id, isa_level = self._notes()
        byte_order = "little" if self.order == "<" else "big"
        return ElfFile(
            name=self.name,
            bits=self.bits,
            byte_order=byte_order,
            machine=machine_name(self.e_machine, self.bits, byte_order),
            e_machine=self.e_machine,
            type=_TYPES.get(self.e_type, "other"),
            interpreter=interpreter,
            soname=self.string(dynamic[DT_SONAME], "DT_SONAME") if DT_SONAME in dynamic else None,
            needed=needed,
            rpath=self._paths(DT_RPATH, "DT_RPATH"),
            runpath=self._paths(DT_RUNPATH, "DT_RUNPATH"),
            version_needs=tuple(self.version_needs()) if DT_VERNEED in dynamic else (),
            executable_stack=stack,
            text_relocations=DT_TEXTREL in dynamic or bool(flags & DF_TEXTREL),
            relro=("full" if now else "partial") if has_relro else "none",
            bind_now=now,
            packed_relocations=DT_RELR in dynamic,
            isa_level=isa_level,
            build_id=build_id,
            static=interpreter is None
            and not needed
            and self.e_type in (2, 3)
            and not self._is_library(has_dynamic),
            pie=self.e_type == 3
            and (bool(flags_1 & DF_1_PIE) or (interpreter is not None and DT_SONAME not in dynamic)),
        )

    def _is_library(self, has_dynamic: bool) -> bool:
        # A library without dependencies (libc's own parts, data-only objects) is no static program.
        return self.e_type == 3 and has_dynamic and not self.dynamic.get(DT_FLAGS_1, 0) & DF_1_PIE

    def _paths(self, tag: int, what: str) -> tuple[str, ...]:
        if tag not in self.dynamic:
            return ()
        return tuple([path for path in self.string(self.dynamic[tag], what).split(":") if path])

    def version_needs(self) -> list[VersionNeed]:
        """Return the entries of DT_VERNEED.

        Raises
        ------
        ElfError
            If its chains leave the file or do not end.
        """
        needs: list[VersionNeed] = []
        if DT_VERNEED not in self.dynamic:
            return needs
        address = self.dynamic[DT_VERNEED]
        count = self.dynamic.get(DT_VERNEEDNUM, 0)
        if not count:
            return needs
        if count > _MAX_VERSIONS:
            raise self.fail(f"{count} libraries with version needs")
        offset = self.offset_of(address, "the version needs")
        room = min(self.room_after(address), _MAX_VERSION_BYTES)
        size = min(room, _VERSION_WINDOW)
        while True:
            try:
                return self._parse_needs(self.at(offset, size, "the version needs"), count)
            except struct.error as error:
                if size >= room:
                    raise self.fail("the version needs lead outside the file, or too far") from error
                size = min(room, size * 16)

    def _parse_needs(self, window: bytes, count: int) -> list[VersionNeed]:
        needs: list[VersionNeed] = []
        need, auxiliary = _STRUCTS[self.order + "HHIII"], _STRUCTS[self.order + "IHHII"]
        position = 0
        for _ in range(count):
            _, entries, file, first, following = need.unpack_from(window, position)
            soname = self.string(file, "the soname of a version need")
            entry = position + first
            for _ in range(entries):
                _, flags, index, text, further = auxiliary.unpack_from(window, entry)
                version = self.string(text, "the name of a version need")
                needs.append(VersionNeed(soname, version, bool(flags & _VER_FLG_WEAK), index & 0x7FFF))
                if len(needs) > _MAX_VERSIONS:
                    raise self.fail(f"more than {_MAX_VERSIONS} version needs")
                if not further:
                    break
                entry += further
            if not following:
                break
            position += following
        return needs

    def _notes(self) -> tuple[str | None, str | None]:
        build_id: str | None = None
        isa_level: str | None = None
        left = _MAX_NOTE_BYTES
        for kind, _, offset, _, size, _ in self.segments:
            if kind not in (PT_NOTE, PT_GNU_PROPERTY) or not 12 <= size <= left or offset + size > self.size:
                continue
            left -= size
            notes = self.at(offset, size, "a note")
            aligned = 8 if kind == PT_GNU_PROPERTY and self.is64 else 4
            position = 0
            while position + 12 <= size:
                name_size, content_size, note = struct.unpack_from(self.order + "III", notes, position)
                name = notes[position + 12 : position + 12 + name_size]
                content_at = position + 12 + (name_size + 3) // 4 * 4
                content = notes[content_at : content_at + content_size]
                if name == b"GNU\0" and len(content) == content_size:
                    if note == _NT_GNU_BUILD_ID and content_size:
                        build_id = content.hex()
                    elif note == _NT_GNU_PROPERTY_TYPE_0:
                        isa_level = self._isa_level(content) or isa_level
                        aligned = 8 if self.is64 else 4
                position = content_at + (content_size + aligned - 1) // aligned * aligned
        return build_id, isa_level

    def _isa_level(self, properties: bytes) -> str | None:
        if self.e_machine not in (3, 62):
            return None
        alignment = 8 if self.is64 else 4
        position = 0
        while position + 8 <= len(properties):
            kind, size = struct.unpack_from(self.order + "II", properties, position)
            if kind == _GNU_PROPERTY_X86_ISA_1_NEEDED and size == 4 and position + 12 <= len(properties):
                (bits,) = struct.unpack_from(self.order + "I", properties, position + 8)
                return next((level for bit, level in _ISA_LEVELS if bits & bit), None)
            position += 8 + (size + alignment - 1) // alignment * alignment
        return None
