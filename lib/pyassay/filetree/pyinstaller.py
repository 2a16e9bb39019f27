"""PyInstaller's onefile programs: the archive ("CArchive") behind the boot loader.

Read here, in sixty lines: PyInstaller's own reader wants a path, and trusts offsets and sizes. The format is
described in PyInstaller's documentation (Advanced Topics) and in ``PyInstaller.archive.readers``.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from functools import partial
from typing import BinaryIO, cast

from pyassay.filetree.model import FileTreeError, Kind, Member, Refused
from pyassay.filetree.packed import unpacked
from pyassay.filetree.reading import Context, Part

__all__ = ["find_cookie", "read"]

_MAGIC = b"MEI\014\013\012\013\016"
_COOKIE = struct.Struct("!8sIIII64s")
_ENTRY = struct.Struct("!IIIIBc")
_TAIL_BYTES = 4 << 20
_MAX_TOC_BYTES = 64 << 20
_PROGRAM = b"b"
_LINK = b"n"
_LEFT_OUT = (b"o", b"d")  # options of the boot loader, references to other programs
_MAX_LINK = 4096


def find_cookie(source: BinaryIO) -> int | None:
    """Return where in a file its archive's cookie lies; None: there is none."""
    size = source.seek(0, io.SEEK_END)
    start = max(0, size - _TAIL_BYTES)
    source.seek(start)
    at = source.read(size - start).rfind(_MAGIC)
    return None if at < 0 or start + at + _COOKIE.size > size else start + at


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
    _, length, toc_offset, toc_length, _, _ = _COOKIE.unpack(source.read(_COOKIE.size))
    begin = at + _COOKIE.size - length
    if begin < 0 or toc_offset + toc_length > length or toc_length > _MAX_TOC_BYTES:
        raise FileTreeError("damaged PyInstaller archive: its cookie leads outside of the file")
    source.seek(begin + toc_offset)
    toc = source.read(toc_length)
    if len(toc) < toc_length:
        raise FileTreeError("truncated PyInstaller archive")
    end = begin + length
    place = 0
    while place < len(toc):
        if place + _ENTRY.size > len(toc):
            raise FileTreeError("damaged PyInstaller archive: its table of contents ends too early")
        size, offset, packed, whole, compressed, kind = _ENTRY.unpack_from(toc, place)
        if size <= _ENTRY.size or place + size > len(toc):
            raise FileTreeError("damaged PyInstaller archive: an entry of impossible length")
        name = toc[place + _ENTRY.size : place + size].rstrip(b"\0").decode("utf-8", "surrogateescape")
        place += size
        if kind in _LEFT_OUT:
            continue
        if begin + offset + packed > end:
            yield Refused(context.prefix + name, "its content lies outside of the archive")
            continue
        start = partial(_content, source, begin + offset, packed, compressed == 1)
        kind_of: Kind = "symlink" if kind == _LINK else "file"
        target = ""
        if kind_of == "symlink":
            with start() as stream:
                target = stream.read(_MAX_LINK).rstrip(b"\0").decode("utf-8", "surrogateescape")
        yield from context.member(
            name,
            kind_of,
            size=0 if target else whole,
            mode=0o755 if kind == _PROGRAM else 0,
            target=target,
            start=start,
            packed=packed,
        )


def _content(source: BinaryIO, offset: int, length: int, compressed: bool) -> BinaryIO:
    part = cast("BinaryIO", Part(source, length, offset))
    return unpacked(part, "zlib") if compressed else part
