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

__all__ = ["MAGICS", "unpacked"]

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
