"""Strings in what a loader maps of an ELF file: found by passes over its bytes, each bounded."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from pyassay.elf.reader import PT_LOAD, ElfError, Image
from pyassay.elf.windows import windows
from pyassay.probes.signatures import BytePattern

__all__ = ["Constants", "Hit", "constant_windows", "shown_bytes"]

_CHUNK_BYTES = 1 << 20
_OVERLAP_BYTES = 2048
# Most places of one anchor that patterns are tried at, and most bytes of one file: far above any honest one.
_MAX_PLACES = 20_000
_MAX_BYTES = 1 << 30
_MAX_VERSIONS = 12
_TAIL_BYTES = 60
_LONGEST_SHOWN = 120
_PF_X = 1
_MAX_SEGMENTS = 128


@dataclass(frozen=True, slots=True)
class Hit:
    """A match of a pattern: its version (None: it has no such group), and the text as a line."""

    version: str | None
    text: str


@dataclass(slots=True)
class Constants:
    """The parts of a file that a loader maps without leave to execute them: there compilers put strings.

    Attributes
    ----------
    image : Image
    unread : list of str
        What was not looked at, because there is too much of it.
    """

    image: Image
    unread: list[str] = field(default_factory=list)

    def chunks(self) -> Iterator[bytes]:
        """Yield them in overlapping pieces; before the first of a segment and after the last stands a NUL."""
        left = _MAX_BYTES
        for offset, size in self._regions():
            position, end = offset, offset + size
            while position < end:
                if left <= 0:
                    self._note(f"only the first {_MAX_BYTES} bytes were read")
                    return
                first = max(offset, position - _OVERLAP_BYTES)
                wanted = min(_CHUNK_BYTES, end - position, left)
                try:
                    piece = self.image.at(first, position + wanted - first, "a segment")
                except ElfError:
                    self._note(f"bytes {first} to {end} could not be read, or are more than can be held")
                    break
                position += wanted
                left -= wanted
                yield b"\0" * (first == offset) + piece + b"\0" * (position == end)

    def contained(self, texts: Iterable[bytes]) -> set[bytes]:
        """Return those texts that are there."""
        missing, found = set(texts), set()
        for chunk in self.chunks() if missing else ():
            here = {text for text in missing if text in chunk}
            found |= here
            missing -= here
            if not missing:
                break
        return found

    def hits(
        self, by_anchor: Mapping[bytes, Iterable[BytePattern]], texts: Iterable[bytes]
    ) -> tuple[dict[BytePattern, list[Hit]], set[bytes]]:
        """Search for every anchor and try the patterns around those that are there: one pass.

        Returns
        -------
        (dict of BytePattern to list of Hit, set of bytes)
            Hits with different versions, and which of the texts are there.
        """
        places = dict.fromkeys(by_anchor, 0)
        found: dict[BytePattern, list[Hit]] = {}
        missing, contained = set(texts), set()
        for chunk in self.chunks():
            here = {text for text in missing if text in chunk}
            contained |= here
            missing -= here
            for anchor, patterns in by_anchor.items():
                at = chunk.find(anchor)
                while at >= 0:
                    places[anchor] += 1
                    if places[anchor] > _MAX_PLACES:
                        self._note(f"more than {_MAX_PLACES} times {shown_bytes(anchor)}")
                        break
                    for pattern in patterns:
                        _try(pattern, chunk, at, found)
                    at = chunk.find(anchor, at + 1)
        return found, contained

    def standing_alone(
        self, patterns: Iterable[BytePattern]
    ) -> tuple[dict[BytePattern, set[str]], dict[BytePattern, dict[str, str]]]:
        """Return versions that are a whole string, and those that are the tail of one, with that string."""
        listed = list(patterns)
        whole: dict[BytePattern, set[str]] = {pattern: set() for pattern in listed}
        tails: dict[BytePattern, dict[str, str]] = {pattern: {} for pattern in listed}
        for chunk in self.chunks() if listed else ():
            for pattern in listed:
                for version, before in _at_the_end(pattern, chunk):
                    if not before:
                        whole[pattern].add(version)
                    elif len(tails[pattern]) < _MAX_VERSIONS:
                        tails[pattern].setdefault(version, before + version)
        return whole, tails

    def first(self, patterns: Mapping[str, re.Pattern[bytes]], group: str) -> dict[str, str]:
        """Return a group of the first match of each pattern, of a string of its own where there is one."""
        found: dict[str, str] = {}
        left = dict(patterns)
        for chunk in self.chunks() if left else ():
            for key, pattern in list(left.items()):
                for number, match in enumerate(pattern.finditer(chunk)):
                    alone = chunk[match.start() - 1 : match.start()] == b"\0"
                    if key not in found or alone:
                        found[key] = shown_bytes(match[group])
                    if alone or number > _MAX_PLACES:
                        left.pop(key, None)
                        break
        return found

    def _regions(self) -> list[tuple[int, int]]:
        """Return offsets and sizes of the segments, each byte once, however often it is mapped."""
        loads = [segment for segment in self.image.segments if segment[0] == PT_LOAD and segment[4]]
        if not loads:
            return [(0, self.image.size)]
        constant = [segment for segment in loads if not segment[1] & _PF_X]
        # Older linkers put constants and code into one segment: the first, with the headers, is executable.
        first = min(loads, key=lambda segment: segment[3])
        chosen = loads if first[1] & _PF_X or not constant else constant
        merged: list[tuple[int, int]] = []
        for offset, size in sorted((segment[2], segment[4]) for segment in chosen):
            start, end = offset, min(offset + size, self.image.size)
            if merged and start <= sum(merged[-1]):
                start, end = merged[-1][0], max(end, sum(merged.pop()))
            merged.append((start, end - start))
        return merged

    def _note(self, what: str) -> None:
        if what not in self.unread:
            self.unread.append(what)


def constant_windows(head: bytes, size: int) -> list[tuple[int, int]]:
    """Return the ranges worth keeping of a file that cannot be kept whole: for the loader, and constants.

    Parameters
    ----------
    head : bytes
        Its first bytes, at least the program headers.
    size : int
        Of the whole file.
    """
    found = windows(head, size)
    if len(head) < 64 or head[:6] != b"\x7fELF\x02\x01":
        return found
    (start,) = struct.unpack_from("<Q", head, 32)
    entry, count = struct.unpack_from("<HH", head, 54)
    for at in range(start, start + entry * min(count, _MAX_SEGMENTS), max(entry, 1)):
        if entry < 56 or at + entry > len(head):
            break
        kind, flags, offset, _, _, length = struct.unpack_from("<IIQQQQ", head, at)
        if kind == PT_LOAD and not flags & _PF_X and offset < size:
            found.append((offset, min(length, size - offset)))
    return found


def _try(pattern: BytePattern, chunk: bytes, at: int, found: dict[BytePattern, list[Hit]]) -> None:
    start = max(0, at - pattern.around)
    end = min(len(chunk), at + len(pattern.anchor) + pattern.around)
    for match in pattern.pattern.finditer(chunk, start, end):
        if match.end() <= at:
            continue
        if match.start() > at + len(pattern.anchor):
            return
        version = match["version"].decode("latin-1") if "version" in pattern.pattern.groupindex else None
        known = found.setdefault(pattern, [])
        if len(known) < _MAX_VERSIONS and all(version != hit.version for hit in known):
            known.append(Hit(version, shown_bytes(match[0])))


def _at_the_end(pattern: BytePattern, chunk: bytes) -> Iterator[tuple[str, str]]:
    """Yield versions that end a string, and what stands before each in that string (empty: nothing)."""
    for number, match in enumerate(pattern.pattern.finditer(chunk)):
        if number > _MAX_PLACES:
            return
        start, end = match.span()
        before = chunk[start - 1 : start]
        # Part of another number or name: GLIBC_2.2.5, expat_2.5.0, v1.2.3, 12.5.1.
        if chunk[end : end + 1] != b"\0" or not before or before.isalnum() or before in b"._+-":
            continue
        version = match["version"].decode("latin-1")
        if 32 <= before[0] < 127:
            yield version, chunk[max(0, start - _TAIL_BYTES) : start].rpartition(b"\0")[2].decode("latin-1")
        else:
            yield version, ""


def shown_bytes(text: bytes) -> str:
    """Return bytes fit for one line: what is not printable ASCII escaped, of bounded length."""
    shown = "".join(chr(byte) if 32 <= byte < 127 else f"\\x{byte:02x}" for byte in text.strip(b"\0 \n"))
    return shown if len(shown) <= _LONGEST_SHOWN else f"{shown[: _LONGEST_SHOWN - 1]}…"
