"""Streams that unpack gzip, bzip2, xz and zstd, a bounded piece at a time."""

from __future__ import annotations

import bz2
import io
import lzma
import zlib
from collections.abc import Callable
from typing import Any, BinaryIO

import zstandard

from pyassay.filetree.model import DAMAGED, FileTreeError, one_line

__all__ = ["MAGICS", "Rewinding", "unpacked"]

_PIECE = 256 << 10
_DAMAGED: tuple[type[Exception], ...] = (*DAMAGED, zstandard.ZstdError, MemoryError)
_XZ_MEMORY = 256 << 20
_ZSTD_WINDOW = 1 << 27  # what `zstd --long` makes; PBS archives need 8 MiB

MAGICS: dict[str, bytes] = {
    "gz": b"\x1f\x8b",
    "bz2": b"BZh",
    "xz": b"\xfd7zXZ\0",
    "zst": b"\x28\xb5\x2f\xfd",
}
"""First bytes by packing."""


def unpacked(source: BinaryIO, packing: str, *, one_frame: bool = False) -> BinaryIO:
    """Return the unpacked stream of a packed one (a key of :data:`MAGICS`, or ``zlib``).

    What is damaged raises FileTreeError when it is read. With ``one_frame`` a zstd stream ends with its first
    frame, whatever follows.
    """
    if packing == "zst":
        decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
        stream: Any = decompressor.stream_reader(source, read_across_frames=not one_frame)
        return io.BufferedReader(_Guarded(stream))
    makers: dict[str, Callable[[], Any]] = {
        "gz": lambda: zlib.decompressobj(31),
        "zlib": zlib.decompressobj,
        "bz2": bz2.BZ2Decompressor,
        "xz": lambda: lzma.LZMADecompressor(memlimit=_XZ_MEMORY),
    }
    return io.BufferedReader(_Unpacked(source, makers[packing]), _PIECE)


class Rewinding(io.RawIOBase):
    """The unpacked bytes of a packed file, in which one can seek: a step back unpacks from the start again.

    Parameters
    ----------
    source : binary file
        Seekable.
    packing : str
        A key of :data:`MAGICS`.
    note : callable
        Is told of each piece how many bytes were unpacked; what it raises ends the reading.
    """

    def __init__(self, source: BinaryIO, packing: str, note: Callable[[int], None]) -> None:
        super().__init__()
        self._source = source
        self._packing = packing
        self._note = note
        self._stream: BinaryIO | None = None
        self._reached = self._position = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Set the position; nothing is read before it must be."""
        if whence == io.SEEK_END:
            raise OSError("the size of a packed stream is not known")
        self._position = max(0, offset + (self._position if whence == io.SEEK_CUR else 0))
        return self._position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill a buffer from the position on, which is reached by unpacking."""
        if self._stream is None or self._reached > self._position:
            self._source.seek(0)
            self._stream, self._reached = unpacked(self._source, self._packing), 0
        while self._reached < self._position:
            if not self._take(self._stream, min(_PIECE, self._position - self._reached)):
                return 0
        data = self._take(self._stream, min(len(buffer), _PIECE))
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)

    def _take(self, stream: BinaryIO, size: int) -> bytes:
        data = stream.read(size)
        self._reached += len(data)
        self._note(len(data))
        return data


class _Guarded(io.RawIOBase):
    """A stream of zstandard, with errors of ours."""

    def __init__(self, stream: Any) -> None:
        super().__init__()
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        try:
            data = self._stream.read(min(len(buffer), _PIECE))
        except _DAMAGED as error:
            raise FileTreeError(f"damaged zstd stream: {one_line(error)}") from error
        buffer[: len(data)] = data
        return len(data)


class _Unpacked(io.RawIOBase):
    """One or more packed streams, one after the other; zeros after the last are padding."""

    def __init__(self, source: BinaryIO, maker: Callable[[], Any]) -> None:
        super().__init__()
        self._source = source
        self._maker = maker
        self._decompressor = maker()
        self._pending = b""
        self._fresh = True

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        try:
            data = self._next(min(len(buffer), _PIECE))
        except FileTreeError:
            raise
        except _DAMAGED as error:
            raise FileTreeError(f"damaged stream: {one_line(error)}") from error
        buffer[: len(data)] = data
        return len(data)

    def _next(self, size: int) -> bytes:
        while True:
            if self._decompressor.eof:
                self._pending = (self._decompressor.unused_data or self._pending).lstrip(b"\0")
                if not self._pending:
                    self._pending = self._source.read(_PIECE).lstrip(b"\0")
                if not self._pending:
                    return b""
                self._decompressor = self._maker()
                self._fresh = True
            needs = getattr(self._decompressor, "needs_input", not self._pending)
            if needs and not self._pending:
                self._pending = self._source.read(_PIECE)
                if not self._pending:
                    if self._fresh:
                        return b""
                    # zlib may still hold output of what it has taken in.
                    rest: bytes = self._decompressor.decompress(b"", size)
                    if rest or self._decompressor.eof:
                        return rest
                    raise FileTreeError("truncated: its packed stream ends too early")
            data: bytes = self._decompressor.decompress(self._pending, size)
            self._pending = getattr(self._decompressor, "unconsumed_tail", b"")
            self._fresh = False
            if data:
                return data
