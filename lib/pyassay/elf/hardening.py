"""How an ELF file was hardened by compiler and linker: what its headers, notes and symbols say."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from pyassay.elf.lookup import Symbols, has_full_table
from pyassay.elf.reader import (
    PT_GNU_PROPERTY,
    PT_LOAD,
    PT_NOTE,
    ElfError,
    Image,
    Source,
    read,
)
from pyassay.elf.symbols import undefined_symbols

__all__ = ["FORTIFIED", "Hardening", "hardening"]

# Functions that glibc 2.43 and older have a checked variant of (__memcpy_chk), by the symbols of its libc.
# fmt: off
FORTIFIED = frozenset({
    "asprintf", "confstr", "dprintf", "explicit_bzero", "fdelt", "fgets", "fgets_unlocked",
    "fgetws", "fgetws_unlocked", "fprintf", "fread", "fread_unlocked", "fwprintf", "getcwd",
    "getdomainname", "getgroups", "gethostname", "getlogin_r", "gets", "getwd", "inet_ntop",
    "inet_pton", "longjmp", "mbsnrtowcs", "mbsrtowcs", "mbstowcs", "memcpy", "memmove", "mempcpy",
    "memset", "memset_explicit", "obstack_printf", "obstack_vprintf", "poll", "ppoll", "pread64",
    "pread", "printf", "ptsname_r", "read", "readlink", "readlinkat", "realpath", "recv",
    "recvfrom", "snprintf", "sprintf", "stpcpy", "stpncpy", "strcat", "strcpy", "strlcat",
    "strlcpy", "strncat", "strncpy", "swprintf", "syslog", "ttyname_r", "vasprintf", "vdprintf",
    "vfprintf", "vfwprintf", "vprintf", "vsnprintf", "vsprintf", "vswprintf", "vsyslog", "vwprintf",
    "wcpcpy", "wcpncpy", "wcrtomb", "wcscat", "wcscpy", "wcslcat", "wcslcpy", "wcsncat", "wcsncpy",
    "wcsnrtombs", "wcsrtombs", "wcstombs", "wctomb", "wmemcpy", "wmemmove", "wmempcpy", "wmemset",
    "wprintf",
})
# fmt: on
_CANARY = ("__stack_chk_fail", "__stack_chk_fail_local", "__stack_smash_handler", "__intel_security_cookie")
_PF_X, _PF_W = 1, 2
_MAX_NOTE_BYTES = 1 << 18
_NT_GNU_PROPERTY_TYPE_0 = 5
# By machine: the kind of property, and what its bits mean.
_FEATURES = {
    3: (0xC0000002, ((1, "ibt"), (2, "shstk"))),
    62: (0xC0000002, ((1, "ibt"), (2, "shstk"))),
    183: (0xC0000000, ((1, "bti"), (2, "pac"))),
}


@dataclass(frozen=True, slots=True)
class Hardening:
    """What protects a file when it runs; None where the file does not say.

    Attributes
    ----------
    pie : str
        ``PIE``, ``DSO`` (a library, which is position independent anyhow) or ``no``.
    relro : str
        ``none``, ``partial`` or ``full``.
    executable_stack : bool or None
        None: no PT_GNU_STACK, so the kernel's default for the machine holds.
    canary : bool or None
        A function calls the one that ends a program whose stack was smashed. None: a static program without
        a table of symbols.
    fortified, plain : tuple of str
        Functions of glibc with a checked variant: those that it uses in that, and in the plain one. Not every
        use of the plain one is a fault: sizes that are known to fit are not checked.
    rpath, runpath : tuple of str
    features, possible_features : tuple of str
        Of the processor, by the GNU property note: ``ibt`` and ``shstk`` (CET, x86), ``bti`` and ``pac``
        (AArch64); and those that its processor may have.
    writable_code : int
        Segments that may be written to and executed.
    stripped : bool
        There is no full table of symbols.
    """

    pie: str
    relro: str
    executable_stack: bool | None
    canary: bool | None
    fortified: tuple[str, ...]
    plain: tuple[str, ...]
    rpath: tuple[str, ...]
    runpath: tuple[str, ...]
    features: tuple[str, ...]
    possible_features: tuple[str, ...]
    writable_code: int
    stripped: bool


def hardening(source: Source, name: str | None = None) -> Hardening:
    """Read how a file was hardened.

    Raises
    ------
    NotElf, ElfError
        As :func:`pyassay.elf.reader.read`.
    OSError
        If it cannot be read at all.
    """
    elf = read(source, name)
    used = {symbol.name for symbol in undefined_symbols(source, name)}
    checked = {symbol[2:-4] for symbol in used if symbol.startswith("__") and symbol.endswith("_chk")}
    fortified = checked & FORTIFIED
    with Image(source, name) as image:
        stripped = not has_full_table(image)
        canary: bool | None = any(symbol in used for symbol in _CANARY)
        if not canary:
            found = Symbols(image, full=True).find_all(list(_CANARY))
            canary = bool(found) or (None if elf.static and stripped else False)
        writable = [segment for segment in image.segments if segment[0] == PT_LOAD]
        return Hardening(
            pie="no" if elf.type == "exec" else "PIE" if elf.pie else "DSO",
            relro=elf.relro,
            executable_stack=elf.executable_stack,
            canary=canary,
            fortified=tuple(sorted(fortified)),
            plain=tuple(sorted(used & FORTIFIED)),
            rpath=elf.rpath,
            runpath=elf.runpath,
            features=_features(image),
            possible_features=tuple(name for _, name in _FEATURES.get(image.e_machine, (0, ()))[1]),
            writable_code=sum(segment[1] & _PF_W > 0 and segment[1] & _PF_X > 0 for segment in writable),
            stripped=stripped,
        )


def _features(image: Image) -> tuple[str, ...]:
    known = _FEATURES.get(image.e_machine)
    if known is None:
        return ()
    wanted, meanings = known
    bits = 0
    for kind, _, offset, _, size, _ in image.segments:
        if kind in (PT_NOTE, PT_GNU_PROPERTY) and 12 <= size <= _MAX_NOTE_BYTES:
            try:
                content = image.at(offset, size, "a note")
            except ElfError:
                continue
            bits |= _property(content, wanted, image)
    return tuple(name for bit, name in meanings if bits & bit)


def _property(notes: bytes, wanted: int, image: Image) -> int:
    """Return the bits of a property in the notes of a segment; 0 where it has none."""
    aligned = 8 if image.is64 else 4
    position = 0
    while position + 16 <= len(notes):
        name_size, size, kind = struct.unpack_from(image.order + "III", notes, position)
        start = position + 12 + (name_size + 3) // 4 * 4
        if kind == _NT_GNU_PROPERTY_TYPE_0 and notes[position + 12 : position + 16] == b"GNU\0":
            inside = start
            while inside + 12 <= min(start + size, len(notes)):
                entry, length = struct.unpack_from(image.order + "II", notes, inside)
                if entry == wanted and length == 4:
                    return int(struct.unpack_from(image.order + "I", notes, inside + 8)[0])
                inside += 8 + (length + aligned - 1) // aligned * aligned
            return 0
        position = start + (size + 3) // 4 * 4
    return 0
