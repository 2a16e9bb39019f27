"""Signatures of libraries: what their bytes, symbols and names look like. One small TOML file for each.

How to add one is told, with an example, in ``docs/signatures.md``.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

__all__ = ["BytePattern", "Signature", "SignatureError", "SymbolVersionSource", "load", "parse", "signatures"]

DECODERS = ("string", "integer", "python", "returned string", "returned integer")
_MAX_AROUND = 512
_LONGEST_PATTERN = 400
_SHORTEST_ANCHOR = 4
# What could make a search more than linear: repeats without a bound (also of groups), references back.
_UNBOUNDED = re.compile(r"[*+]|\{\d*,\}|\(\?P=|\\[1-9]")
_REPEATED_GROUP = re.compile(r"\)\{(?:\d*,)?(\d+)\}")
_CHOICE = re.compile(r"\{(\d*),(\d+)\}|(?<!\()(\?)|(\|)")
# Ways in which a pattern may try to match at one place, at most.
_MOST_WAYS = 20_000
_MOST_REPEATED = 4
_WORD = re.compile(r"[a-z][a-z0-9_]*")


class SignatureError(ValueError):
    """A signature is faulty: ``<file>: <key>: <what is wrong>``."""


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


@cache
def signatures() -> Mapping[str, Signature]:
    """Return every signature by its id, in the order of their names.

    Raises
    ------
    SignatureError
        If one is faulty.
    """
    return load(files(__name__))


def load(folder: Traversable) -> dict[str, Signature]:
    """Read the signatures of a folder.

    Raises
    ------
    SignatureError
        If one is faulty.
    """
    found: dict[str, Signature] = {}
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        if file.name.endswith(".toml"):
            signature = parse(file.name, file.read_text(encoding="utf-8"))
            found[signature.id] = signature
    for signature in found.values():
        for other in signature.not_of:
            if other not in found:
                raise SignatureError(f"{signature.id}.toml: not_of: {other}: no such signature")
    return found


def parse(file: str, text: str) -> Signature:
    """Read one signature.

    Raises
    ------
    SignatureError
        Names the file and the key.
    """
    identifier = file.removesuffix(".toml")
    if not _WORD.fullmatch(identifier):
        raise SignatureError(f"{file}: not a name of small letters, digits and _")
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SignatureError(f"{file}: not TOML: {error}") from error
    table = _Table(file, "", raw)
    signature = Signature(
        identifier,
        table.text("name", required=True),
        table.text("about", required=True),
        tuple(_byte_pattern(part) for part in table.tables("bytes")),
        tuple(_symbol(part) for part in table.tables("symbols")),
        table.pattern("detail", groups=frozenset({"detail"}), required=False),
        _modified(table),
        table.texts("defines"),
        tuple(map(_bytes, table.texts("unless"))),
        table.texts("not_of"),
        table.texts("sonames"),
        table.texts("instead_of"),
        table.texts("companions"),
        table.texts("packages"),
        table.text("runtime"),
        table.text("linker"),
        table.text("undetermined"),
    )
    table.end()
    if not (signature.patterns or signature.symbols or signature.sonames or signature.defines):
        raise SignatureError(f"{file}: bytes: none, no symbols and no sonames: it could never be found")
    return signature


def _bytes(text: str) -> bytes:
    return text.encode("latin-1")


def _modified(table: _Table) -> re.Pattern[str] | None:
    text = table.text("modified")
    return re.compile(text) if text else None


class _Table:
    """One table of a file: what is taken from it is known, what is left over is an error."""

    def __init__(self, file: str, where: str, raw: Mapping[str, Any]) -> None:
        self.file, self.where, self.raw = file, where, dict(raw)

    def fault(self, key: str, what: str) -> SignatureError:
        return SignatureError(f"{self.file}: {self.where}{key}: {what}")

    def text(self, key: str, *, required: bool = False) -> str:
        value = self.raw.pop(key, None)
        if value is None and not required:
            return ""
        if not isinstance(value, str) or not value.strip():
            raise self.fault(key, "wants a text")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        value = self.raw.pop(key, [])
        if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
            raise self.fault(key, "wants a list of texts")
        return tuple(value)

    def number(self, key: str, default: int, *, most: int) -> int:
        value = self.raw.pop(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
            raise self.fault(key, f"wants a number from 1 to {most}")
        return value

    def flag(self, key: str) -> bool:
        value = self.raw.pop(key, False)
        if not isinstance(value, bool):
            raise self.fault(key, "wants true or false")
        return value

    def tables(self, key: str, *, at_most: int = 8) -> list[_Table]:
        value = self.raw.pop(key, [])
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise self.fault(key, f"wants tables: [[{key}]]")
        if len(value) > at_most:
            raise self.fault(key, f"more than {at_most}")
        return [_Table(self.file, f"{key}[{number}].", item) for number, item in enumerate(value)]

    def end(self) -> None:
        for key in sorted(self.raw):
            raise self.fault(key, "unknown key")

    def pattern(self, key: str, *, groups: frozenset[str], required: bool = True) -> re.Pattern[bytes] | None:
        text = self.text(key, required=required)
        if not text:
            return None
        if len(text) > _LONGEST_PATTERN:
            raise self.fault(key, f"longer than {_LONGEST_PATTERN} letters")
        if what := _too_much_choice(text):
            raise self.fault(key, what)
        try:
            compiled = re.compile(_bytes(text), re.DOTALL)
        except (re.error, UnicodeEncodeError) as error:
            raise self.fault(key, f"no pattern: {error}") from error
        if unknown := set(compiled.groupindex) - groups:
            raise self.fault(key, f"unknown group {min(unknown)}")
        return compiled


def _too_much_choice(pattern: str) -> str:
    """Return why a pattern could take long on hostile bytes; empty: it cannot."""
    # What is escaped, or in a set of letters, is no repeat.
    plain = re.sub(r"\\(?![1-9]).", "x", pattern)
    plain = re.sub(r"\[(?:[^\]])+\]", "x", plain)
    if _UNBOUNDED.search(plain):
        return "repeats without a bound (*, +, {n,}) or refers back: give a bound, {0,20}"
    if any(int(most) > _MOST_REPEATED for most in _REPEATED_GROUP.findall(plain)):
        return f"a group that repeats more than {_MOST_REPEATED} times"
    ways = 1
    for least, most, _, _ in _CHOICE.findall(plain):
        ways *= int(most) - int(least or 0) + 1 if most else 2
    return f"{ways} ways to match, more than {_MOST_WAYS}" if ways > _MOST_WAYS else ""


def _byte_pattern(table: _Table) -> BytePattern:
    anchor = _bytes(table.text("anchor", required=True))
    pattern = table.pattern("pattern", groups=frozenset({"version"}))
    around = table.number("around", 64, most=_MAX_AROUND)
    proof = tuple(map(_bytes, table.texts("proof")))
    bare = table.flag("bare")
    table.end()
    assert pattern is not None  # noqa: S101 - it is required
    if not bare and len(anchor) < _SHORTEST_ANCHOR:
        raise table.fault("anchor", f"shorter than {_SHORTEST_ANCHOR} bytes")
    if any(len(text) < _SHORTEST_ANCHOR for text in proof):
        raise table.fault("proof", f"shorter than {_SHORTEST_ANCHOR} bytes")
    return BytePattern(anchor, pattern, around, proof, bare)


def _symbol(table: _Table) -> SymbolVersionSource:
    decode = table.text("decode", required=True)
    if decode not in DECODERS:
        raise table.fault("decode", f"wants one of {', '.join(DECODERS)}")
    textual = decode.endswith("string")
    found = SymbolVersionSource(
        table.text("name", required=True),
        decode,
        table.pattern("pattern", groups=frozenset({"version"}), required=textual),
        table.number("divide", 1, most=1 << 24),
        table.number("radix", 1000, most=1 << 24),
        table.number("parts", 3, most=4),
        table.number("least", 1, most=1 << 31),
    )
    table.end()
    if found.pattern is not None and "version" not in found.pattern.groupindex:
        raise table.fault("pattern", "has no group version")
    return found
