"""Signatures from their files: what is unknown, missing or could take long is an error that names its key."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from typing import Any

from pyassay.probes.signatures.model import BytePattern, Signature, SymbolVersionSource

__all__ = ["SignatureError", "parse"]

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
        table.byte_texts("unless"),
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


def _modified(table: _Table) -> re.Pattern[str] | None:
    text = table.text("modified")
    try:
        return re.compile(text) if text else None
    except re.error as error:
        raise table.fault("modified", f"no pattern: {error}") from error


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

    def byte_texts(self, key: str) -> tuple[bytes, ...]:
        return tuple(self.encoded(key, text) for text in self.texts(key))

    def encoded(self, key: str, text: str) -> bytes:
        try:
            return text.encode("latin-1")
        except UnicodeEncodeError as error:
            raise self.fault(key, f"{text[error.start]!r} is no byte") from error

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
            compiled = re.compile(self.encoded(key, text), re.DOTALL)
        except re.error as error:
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
    anchor = table.encoded("anchor", table.text("anchor", required=True))
    pattern = table.pattern("pattern", groups=frozenset({"version"}))
    around = table.number("around", 64, most=_MAX_AROUND)
    proof = table.byte_texts("proof")
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
