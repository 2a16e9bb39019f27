"""Nuitka's onefile programs: the payload that they unpack, a zstd stream inside the program.

Read here, in sixty lines: Nuitka has a writer (``nuitka.tools.onefile_compressor``), and a reader only in the
C of its boot loader. Since Nuitka 4 the payload lies among the program's constants, before that at its end;
it is found by its magic. Programs built with ``--onefile-as-archive``, or without compression, are not
recognised.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from functools import partial
from typing import BinaryIO, cast

from pyassay.filetree.model import FileTreeError, Member, Refused
from pyassay.filetree.packed import MAGICS, unpacked
from pyassay.filetree.reading import Context, Part

__all__ = ["find_payload", "read"]

_MAGIC = b"KAY" + MAGICS["zst"]
_PIECE = 4 << 20
_MAX_NAME = 4096
_EXECUTABLE, _LINK = 1, 2
_ELF = b"\x7fELF"


def find_payload(source: BinaryIO) -> int | None:
    """Return where in a file the payload begins; None: there is none."""
    size = source.seek(0, io.SEEK_END)
    overlap = len(_MAGIC) - 1
    for start in range(0, size, _PIECE):
        source.seek(start)
        at = source.read(_PIECE + overlap).find(_MAGIC)
        if at >= 0:
            return start + at
    return None


def read(source: BinaryIO, context: Context) -> Iterator[Member | Refused]:
    """Yield what a onefile program unpacks when it starts.

    Raises
    ------
    FileTreeError
        If the payload is damaged.
    """
    at = find_payload(source)
    if at is None:
        raise FileTreeError("no payload of Nuitka's")
    source.seek(at + 3)
    stream = cast("io.BufferedReader", unpacked(source, "zst", one_frame=True))
    checksums: bool | None = None
    while name := _name(stream):
        flags = _exactly(stream, 1)[0]
        if flags & _LINK:
            yield from context.member(name, "symlink", target=_name(stream))
            continue
        (size,) = struct.unpack("<Q", _exactly(stream, 8))
        if checksums is None:
            # The first file is the program itself: where its magic lies tells whether there are checksums.
            seen = stream.peek(8)
            checksums = not seen.startswith(_ELF) and seen[4:8] == _ELF
        if checksums:
            _exactly(stream, 4)
        part = Part(stream, size)
        begin = partial(cast, "BinaryIO", part)
        mode = 0o755 if flags & _EXECUTABLE else 0o644
        yield from context.member(name, "file", size=size, mode=mode, start=begin, once=True)
        part.skip()


def _name(stream: BinaryIO) -> str:
    """Return the text up to the next NUL."""
    text = bytearray()
    while (byte := _exactly(stream, 1)) != b"\0":
        text += byte
        if len(text) > _MAX_NAME:
            raise FileTreeError("damaged payload: a name without end")
    return text.decode("utf-8", "surrogateescape")


def _exactly(stream: BinaryIO, size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise FileTreeError("truncated: the payload ends too early")
    return data
