"""Nuitka's onefile programs: the payload that they unpack when they start.

Read here: Nuitka has a writer (``nuitka.tools.onefile_compressor``), and a reader only in the C of its boot
loader. 1.0, 1.9, 2.8 and 4.3.3 were read for it: ``KA``, then ``X`` or ``Y`` (packed by zstd), then files: a
name that ends with NUL, flags (not in 1.0), a size, a checksum (where the program unpacks to a folder that
stays), the packed size (``--onefile-as-archive``), the content; an empty name ends them. Which of these
there are, only the first file tells: it is the program itself, and its magic lies behind them. The payload
lay at the end of the file up to 2.8; in 4.3.3 it lies among the program's constants, so it is looked for.
"""

from __future__ import annotations

import io
import re
import struct
import zlib
from collections.abc import Iterator
from functools import partial
from typing import BinaryIO, NamedTuple, cast

from pyassay.filetree.model import FileTreeError, Member, Refused, one_line
from pyassay.filetree.packed import MAGICS, unpacked
from pyassay.filetree.reading import Context, Enough, Part, Slice

__all__ = ["find_payload", "read"]

_MAGIC = re.compile(rb"KA[XY]")
_MAGIC_BYTES = 3
_ZSTD, _ELF = MAGICS["zst"], b"\x7fELF"
_PIECE = 4 << 20
_MAX_CANDIDATES = 10_000  # 2 GB of chance have 256
_MAX_NAME = 4096
_MAX_FIRST_NAME = 1024  # the boot loader has room for as much
_MAX_FIRST_HEADER = _MAX_FIRST_NAME + 32
_EXECUTABLE, _LINK = 1, 2


class _Layout(NamedTuple):
    """What a payload consists of: packed as a ``whole``, ``each`` file for itself, or not at all."""

    packed: str
    flags: bool = True
    checksums: bool = False


def find_payload(source: BinaryIO) -> int | None:
    """Return where in a file the payload begins; None: there is none."""
    return next((at for at, _ in _payloads(source)), None)


def _payloads(source: BinaryIO) -> Iterator[tuple[int, _Layout | None]]:
    """Yield where payloads begin, and their layouts; None: one that nothing is known of."""
    size = source.seek(0, io.SEEK_END)
    left = _MAX_CANDIDATES
    for start in range(0, size, _PIECE):
        source.seek(start)
        piece = source.read(_PIECE + _MAGIC_BYTES - 1)
        for found in _MAGIC.finditer(piece):
            if not left:
                return
            left -= 1
            at = start + found.start()
            source.seek(at + _MAGIC_BYTES)
            first = source.read(_MAX_FIRST_HEADER)
            packed = "none" if found.group().endswith(b"X") else "each"
            if packed == "each" and first.startswith(_ZSTD):
                yield at, _layout_of_whole(source, at)
            elif layout := _layout(first, packed):
                yield at, layout


def _layout_of_whole(source: BinaryIO, at: int) -> _Layout | None:
    source.seek(at + _MAGIC_BYTES)
    try:
        return _layout(unpacked(source, "zst", one_frame=True).read(_MAX_FIRST_HEADER), "whole")
    except FileTreeError:
        return _Layout("whole")  # whoever reads it learns what is wrong


def _layout(first: bytes, packed: str) -> _Layout | None:
    """Tell by the beginning of a payload what its files consist of; None: it is none."""
    name, end, rest = first.partition(b"\0")
    if not name or not end or len(name) > _MAX_FIRST_NAME:
        return None
    if not name.decode("utf-8", "replace").isprintable():
        return None
    magic = _ZSTD if packed == "each" else _ELF
    for flags in (True, False):
        for checksums in (False, True):
            begin = flags + 8 + 4 * checksums + 4 * (packed == "each")
            if rest[begin : begin + 4] != magic or (flags and rest[0] > _EXECUTABLE):
                continue
            if struct.unpack_from("<Q", rest, flags)[0] >> 48 == 0:
                return _Layout(packed, flags, checksums)
    return None


def read(source: BinaryIO, context: Context) -> Iterator[Member | Refused]:
    """Yield what a onefile program unpacks when it starts.

    Raises
    ------
    FileTreeError
        If the payload is damaged.
    """
    found = next(_payloads(source), None)
    if found is None:
        raise FileTreeError("no payload of Nuitka's")
    at, layout = found
    if layout is None:
        raise FileTreeError("a payload of Nuitka's that does not begin with a program: not read")
    end = source.seek(0, io.SEEK_END)
    begin = at + _MAGIC_BYTES
    stream = cast("BinaryIO", io.BufferedReader(Slice(source, begin, end - begin)))
    if layout.packed == "whole":
        stream = unpacked(stream, "zst", one_frame=True)
    while name := _name(stream):
        yield from _file(stream, name, layout, context)


def _file(stream: BinaryIO, name: str, layout: _Layout, context: Context) -> Iterator[Member | Refused]:
    flags = _exactly(stream, 1)[0] if layout.flags else 0
    if flags & _LINK:
        yield from context.member(name, "symlink", target=_name(stream))
        return
    (size,) = struct.unpack("<Q", _exactly(stream, 8))
    checksum = struct.unpack("<I", _exactly(stream, 4))[0] if layout.checksums else None
    mode = (0o755 if flags & _EXECUTABLE else 0o644) if layout.flags else 0
    if layout.packed == "each":
        (packed,) = struct.unpack("<I", _exactly(stream, 4))
        part = Part(stream, packed)
        begin = partial(_unpacked_file, part, size, checksum)
        yield from context.member(name, "file", size=size, mode=mode, start=begin, packed=packed, once=True)
    else:
        part = _Checked(stream, size, checksum)
        begin = partial(cast, "BinaryIO", part)
        yield from context.member(name, "file", size=size, mode=mode, start=begin, once=True)
    try:
        # What nobody has read counts, too: a few bytes of zstd may go on for hours.
        while data := part.read(1 << 20):
            context.count(len(data))
    except Enough:
        raise
    except _ChecksumError as error:
        yield Refused(context.prefix + one_line(name), str(error))


def _unpacked_file(part: Part, size: int, checksum: int | None) -> BinaryIO:
    stream = unpacked(cast("BinaryIO", part), "zst")
    return cast("BinaryIO", _Checked(stream, size, checksum))


class _ChecksumError(FileTreeError):
    """The content of a file is not what was packed."""


class _Checked(Part):
    """A piece of a stream that is compared with its checksum when its end is read."""

    def __init__(self, source: BinaryIO, size: int, checksum: int | None) -> None:
        super().__init__(source, size)
        self._missing = size
        self._expected = checksum
        self._sum = 0

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes of the piece."""
        data = super().read(size)
        if data and self._expected is not None:
            self._missing -= len(data)
            self._sum = zlib.crc32(data, self._sum)
            # Nuitka writes 1 for 0, which means an error to its boot loader.
            if not self._missing and (self._sum or 1) != self._expected:
                raise _ChecksumError("damaged: its checksum is another")
        return data


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
