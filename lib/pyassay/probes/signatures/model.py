"""What a signature says: patterns, symbols and names of one library."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache

__all__ = ["BytePattern", "Signature", "SymbolVersionSource"]


@dataclass(frozen=True, slots=True)
class BytePattern:
    """A string in read-only data that tells the library, or its version.

    Attributes
    ----------
    anchor : bytes
        Searched for as it is; the pattern is tried around it only.
    pattern : re.Pattern of bytes
        With a group ``version``; without one, it only shows that the library is there.
    around : int
        Bytes on either side of the anchor that the pattern may look at.
    proof : tuple of bytes
        One of these must be in the file besides: a string that the library's code has and that those who only
        speak of it have not. Empty: the pattern is proof enough.
    bare : bool
        The version stands alone, so anything of its form may be meant: believed only if it is the only one.
    """

    anchor: bytes
    pattern: re.Pattern[bytes]
    around: int = 64
    proof: tuple[bytes, ...] = ()
    bare: bool = False


@dataclass(frozen=True, slots=True)
class SymbolVersionSource:
    """A symbol that carries the version.

    Attributes
    ----------
    name : str
    decode : str
        One of ``string`` (the bytes at the symbol), ``integer`` (four bytes), ``python`` (PY_VERSION_HEX),
        ``returned string`` and ``returned integer`` (of a function that does nothing else).
    pattern : re.Pattern of bytes or None
        What a string must be, with a group ``version``.
    divide, radix, parts, least : int
        An integer is divided, then split: 3047001 by radix 1000 into 3 parts is 3.47.1. One below ``least``
        is of an older scheme: no version.
    """

    name: str
    decode: str
    pattern: re.Pattern[bytes] | None = None
    divide: int = 1
    radix: int = 1000
    parts: int = 3
    least: int = 1

    def from_integer(self, number: int) -> str:
        """Return the version that an integer stands for; empty when it is none."""
        if self.decode == "python":
            return _python_version(number)
        if number < self.least:
            return ""
        number //= self.divide
        parts: list[int] = []
        for _ in range(self.parts - 1):
            number, part = divmod(number, self.radix)
            parts.append(part)
        return ".".join(map(str, [number, *reversed(parts)])) if 0 < number < 100 else ""

    def from_string(self, text: bytes) -> str:
        """Return the version in a string; empty when it is none."""
        match = self.pattern.fullmatch(text) if self.pattern is not None else None
        return match["version"].decode("latin-1") if match else ""


@dataclass(frozen=True, slots=True)
class Signature:
    """How one library is known.

    Attributes
    ----------
    id, name : str
        ``openssl`` (the file's), ``OpenSSL``.
    about : str
        What it is, in a few words.
    patterns : tuple of BytePattern
    symbols : tuple of SymbolVersionSource
        Tried in this order.
    detail : re.Pattern of bytes or None
        A string worth telling besides (SQLite's source id), with a group ``detail``.
    modified : re.Pattern of str or None
        What a detail says when the library was built from sources that were changed.
    defines : tuple of str
        Symbols that only the library itself defines: they prove that it is there.
    unless : tuple of bytes
        Strings of relatives that pretend to be this library: where one is, it is not this one.
    not_of : tuple of str
        Libraries whose version, where it is found in the same file, is none of this one.
    sonames : tuple of str
        Beginnings of sonames and file names, up to the dot before ``so``: ``libcrypto``.
    instead_of : tuple of str
        Beginnings of names that it takes when it comes in the place of another library.
    companions : tuple of str
        Of these, those that hold no version and come with the others.
    packages : tuple of str
        Debian's names of its source and binary packages; ``*`` stands for any text.
    runtime : str
        What is asked of Python where it can be run; empty: Python does not tell.
    linker, undetermined : str
        What merging of string tails does to it; what cannot be known. For the reader.
    """

    id: str
    name: str
    about: str
    patterns: tuple[BytePattern, ...] = ()
    symbols: tuple[SymbolVersionSource, ...] = ()
    detail: re.Pattern[bytes] | None = None
    modified: re.Pattern[str] | None = None
    defines: tuple[str, ...] = ()
    unless: tuple[bytes, ...] = ()
    not_of: tuple[str, ...] = ()
    sonames: tuple[str, ...] = ()
    instead_of: tuple[str, ...] = ()
    companions: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    runtime: str = ""
    linker: str = ""
    undetermined: str = ""

    def is_soname(self, name: str) -> bool:
        """Tell whether a library of that soname or file name is this one, also as auditwheel renames it."""
        base = name.rpartition("/")[2]
        return any(_named(base, stem) for stem in self.sonames)

    def stands_for(self, name: str) -> bool:
        """Tell whether a library of that name may be this one in the place of another."""
        base = name.rpartition("/")[2]
        return any(_named(base, stem) for stem in self.instead_of)

    def is_package(self, name: str) -> bool:
        """Tell whether a Debian package of that name, source or binary, has the version of this library."""
        return any(fnmatchcase(name, pattern) for pattern in self.packages)

    def is_companion(self, name: str) -> bool:
        """Tell whether a library of that name holds no version of its own."""
        base = name.rpartition("/")[2]
        return any(_named(base, stem) for stem in self.companions)


@cache
def _soname_pattern(stem: str) -> re.Pattern[str]:
    # libpython3.6m.so.1.0, libdb-5.3.so, libcrypto-64b40125.so.1.1.1k, libtcl8-1a2b3c4d.6.so
    return re.compile(
        re.escape(stem) + r"(?:-?[\d.]{1,12}[a-z]{0,3})?(?:-[0-9a-f]{8})?(?:\.\d{1,3})?\.so(?:\.[\w.]{1,40})?"
    )


def _named(name: str, stem: str) -> bool:
    return name.startswith(stem) and _soname_pattern(stem).fullmatch(name) is not None


def _python_version(number: int) -> str:
    major, minor, micro, level, serial = (
        number >> 24,
        number >> 16 & 0xFF,
        number >> 8 & 0xFF,
        number >> 4 & 0xF,
        number & 0xF,
    )
    suffix = {0xA: f"a{serial}", 0xB: f"b{serial}", 0xC: f"rc{serial}", 0xF: ""}.get(level)
    return f"{major}.{minor}.{micro}{suffix}" if suffix is not None and 2 <= major <= 4 else ""
