"""PyInstaller's onefile programs: the archive ("CArchive") behind the boot loader.

Read here, in sixty lines: PyInstaller's own reader wants a path, and trusts offsets and sizes. The format is
described in PyInstaller's documentation (Advanced Topics) and in ``PyInstaller.archive.readers``.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from functools import partial
from typing import BinaryIO, NamedTuple, cast

from pyassay.filetree.model import FileTreeError, Kind, Member, Refused, one_line
from pyassay.filetree.packed import unpacked
from pyassay.filetree.reading import Context, Enough, Part

__all__ = ["find_cookie", "read"]

_MAGIC = b"MEI\014\013\012\013\016"
_COOKIE = struct.Struct("!8sIIII64s")
_ENTRY = struct.Struct("!IIIIBc")
_TAIL_BYTES = 4 << 20
_MAX_TOC_BYTES = 64 << 20
_PROGRAM = b"b"
_LINK = b"n"
_OPTION = b"o"  # of the boot loader: no file
_ELSEWHERE = b"d"
_OLD_COOKIE_BYTES = 24  # before PyInstaller 2.1 (2013)
_MAX_LINK = 4096


def find_cookie(source: BinaryIO) -> int | None:
    """Return where in a file its archive's cookie lies; None: there is none."""
    size = source.seek(0, io.SEEK_END)
    start = max(0, size - _TAIL_BYTES)
    source.seek(start)
    at = source.read(size - start).rfind(_MAGIC)
    return None if at < 0 or start + at + _OLD_COOKIE_BYTES > size else start + at


def read(source: BinaryIO, context: Context) -> Iterator[Member | Refused]:
    """Yield what a onefile program unpacks when it starts.

    Raises
    ------
    FileTreeError
        If its table of contents cannot be read.
    """
    at = find_cookie(source)
    if at is None:
        raise FileTreeError("not a PyInstaller archive")
    source.seek(at)
    cookie = source.read(_COOKIE.size)
    if len(cookie) < _COOKIE.size:
        raise FileTreeError("an archive of PyInstaller before 2.1, or a truncated one: not read")
    _, length, toc_offset, toc_length, _, _ = _COOKIE.unpack(cookie)
    begin = at + _COOKIE.size - length
    if begin < 0 or toc_offset + toc_length > length or toc_length > _MAX_TOC_BYTES:
        raise FileTreeError("damaged PyInstaller archive: its cookie leads outside of the file")
    source.seek(begin + toc_offset)
    toc = source.read(toc_length)
    if len(toc) < toc_length:
        raise FileTreeError("truncated PyInstaller archive")
    for number, entry in enumerate(_entries(toc), 1):
        if number > context.limits.members:
            raise Enough(f"more than {context.limits.members} members: the rest is not read")
        yield from _member(source, begin, length, entry, context)


class _Entry(NamedTuple):
    """What the table of contents says of one file."""

    offset: int
    packed: int
    size: int
    compressed: bool
    kind: bytes
    name: str


def _entries(toc: bytes) -> Iterator[_Entry]:
    place = 0
    while place < len(toc):
        if place + _ENTRY.size > len(toc):
            raise FileTreeError("damaged PyInstaller archive: its table of contents ends too early")
        length, offset, packed, size, compressed, kind = _ENTRY.unpack_from(toc, place)
        if length <= _ENTRY.size or place + length > len(toc):
            raise FileTreeError("damaged PyInstaller archive: an entry of impossible length")
        name = toc[place + _ENTRY.size : place + length].rstrip(b"\0").decode("utf-8", "surrogateescape")
        place += length
        yield _Entry(offset, packed, size, bool(compressed), kind, name)


def _member(
    source: BinaryIO, begin: int, length: int, entry: _Entry, context: Context
) -> Iterator[Member | Refused]:
    """Yield the file of an entry, of an archive of so many bytes."""
    shown = context.prefix + one_line(entry.name)
    if entry.kind == _OPTION:
        return
    if entry.kind == _ELSEWHERE:
        yield Refused(shown, "it lies in another program, which this one needs")
        return
    if entry.offset + entry.packed > length:
        yield Refused(shown, "its content lies outside of the archive")
        return
    start = partial(_content, source, begin + entry.offset, entry.packed, entry.compressed)
    kind: Kind = "file"
    target = ""
    if entry.kind == _LINK:
        kind = "symlink"
        try:
            with start() as stream:
                target = stream.read(_MAX_LINK).rstrip(b"\0").decode("utf-8", "surrogateescape")
        except FileTreeError as error:
            yield Refused(shown, str(error))
            return
    mode = 0o755 if entry.kind == _PROGRAM else 0
    yield from context.member(
        entry.name, kind, size=entry.size, mode=mode, target=target, start=start, packed=entry.packed
    )


def _content(source: BinaryIO, offset: int, length: int, compressed: bool) -> BinaryIO:
    part = cast("BinaryIO", Part(source, length, offset))
    return unpacked(part, "zlib") if compressed else part
