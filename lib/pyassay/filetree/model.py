"""Members of a tree, the limits of reading one, and what was refused."""

from __future__ import annotations

import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO, Literal

__all__ = [
    "DAMAGED",
    "FileTree",
    "FileTreeError",
    "Kind",
    "Limits",
    "Member",
    "Refused",
    "Windows",
    "one_line",
]

Kind = Literal["file", "symlink", "hardlink", "folder", "other"]
Windows = Callable[[bytes, int], Sequence[tuple[int, int]]]

_HEAD_BYTES = 4096
_WINDOW_HEAD_BYTES = 64 << 10
_PIECE_BYTES = 1 << 20

DAMAGED: tuple[type[Exception], ...] = (
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    tarfile.TarError,
    zipfile.BadZipFile,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OverflowError,
)
"""What libraries raise for bytes that are not what they should be (``bz2`` raises OSError)."""


class FileTreeError(ValueError):
    """A tree, or a member of one, cannot be read: ``<name>: <what is wrong>``, one line."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How far reading goes, whatever a tree claims.

    Attributes
    ----------
    members : int
        Of one tree, nested ones included.
    total_bytes : int
        Unpacked, of one tree, nested ones included.
    ratio : int
        Unpacked bytes per packed byte of one member, beyond the first 100 MB.
    depth : int
        Archives in archives.
    kept_bytes : int
        Most that is held of one member in memory.
    """

    members: int = 500_000
    total_bytes: int = 64 << 30
    ratio: int = 1000
    depth: int = 4
    kept_bytes: int = 96 << 20


@dataclass(frozen=True, slots=True)
class Refused:
    """Something that was not read, and why: a damaged member, a limit, a name that leads outside."""

    path: str
    reason: str


def one_line(text: object) -> str:
    """Return text on one line, control characters escaped, of bounded length."""
    shown = "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape", "backslashreplace").decode()
        for letter in str(text)
    )
    return shown if len(shown) <= 300 else f"{shown[:299]}…"


@dataclass(slots=True)
class Member:
    """One file, link or folder of a tree.

    Attributes
    ----------
    path : str
        Relative, clean, with ``/`` between parts; undecodable bytes as surrogates. In a nested archive
        ``outer.whl!/inner/x.so``.
    kind : {"file", "symlink", "hardlink", "folder", "other"}
    size_bytes : int
        As the tree says.
    mode : int
        Permission bits; 0 if the format has none.
    target : str
        Of a symbolic link as written, of a hard link the path of the other member.
    """

    path: str
    kind: Kind
    size_bytes: int = 0
    mode: int = 0
    target: str = ""
    _start: Callable[[], BinaryIO] = field(default=io.BytesIO, repr=False)
    _in_place: bool = field(default=False, repr=False)
    _once: bool = field(default=False, repr=False)
    _limit: int = field(default=96 << 20, repr=False)
    _head: bytes | None = field(default=None, repr=False)
    _rest: BinaryIO | None = field(default=None, repr=False)
    _kept: _Kept | None = field(default=None, repr=False)

    @property
    def seekable(self) -> bool:
        """Whether the content is read where it lies, of whatever size; nothing of it is held."""
        return self._in_place

    def head(self, size: int = _HEAD_BYTES) -> bytes:
        """Return the first bytes, at most 4,096; may be asked again; none of what is no file.

        Raises
        ------
        FileTreeError
            If they cannot be read.
        """
        if self._head is None:
            stream = self._begin()
            self._head = self._read(stream, min(_HEAD_BYTES, max(self.size_bytes, 0)))
            if self._once:
                self._rest = stream
            else:
                stream.close()
        return self._head[:size]

    def open(self, windows: Windows | None = None) -> BinaryIO:
        """Return the content as a seekable file, valid until the iteration goes on.

        Parameters
        ----------
        windows : callable, optional
            Of content that is larger than what may be held, only these ranges can be read: it is given the
            first 64 KiB and the size, and returns offsets and lengths.

        Raises
        ------
        FileTreeError
            If it cannot be read, or is too large to be held and no windows were named. Reading outside of
            the windows raises OSError.
        """
        if self._in_place:
            return self._begin()
        if self._kept is None:
            self._kept = self._keep(windows)
        return io.BufferedReader(_View(self._kept))

    def _begin(self) -> BinaryIO:
        try:
            return self._start()
        except FileTreeError:
            raise
        except DAMAGED as error:
            raise FileTreeError(f"{one_line(self.path)}: {_why(error)}") from error

    def _read(self, stream: BinaryIO, size: int) -> bytes:
        parts: list[bytes] = []
        left = size
        try:
            while left > 0:
                part = stream.read(min(left, _PIECE_BYTES))
                if not part:
                    break
                parts.append(part)
                left -= len(part)
        except FileTreeError:
            raise
        except DAMAGED as error:
            raise FileTreeError(f"{one_line(self.path)}: {_why(error)}") from error
        return b"".join(parts)

    def _stream(self) -> tuple[bytes, BinaryIO]:
        """Return what has been read already, and the stream that holds the rest."""
        if not self._once:
            return b"", self._begin()
        head = self.head()
        if self._rest is None:
            raise FileTreeError(f"{one_line(self.path)}: its content has gone by")
        rest, self._rest = self._rest, None
        return head, rest

    def _keep(self, windows: Windows | None) -> _Kept:
        first, stream = self._stream()
        with stream:
            whole = self.size_bytes <= self._limit
            if not whole and windows is None:
                held = f"{self.size_bytes} bytes, more than the {self._limit} that are held"
                raise FileTreeError(f"{one_line(self.path)}: {held}")
            wanted = self.size_bytes if whole else min(_WINDOW_HEAD_BYTES, self.size_bytes)
            data = first + self._read(stream, wanted - len(first))
            if len(data) < wanted:
                raise self._short(len(data))
            if whole or windows is None:
                # One byte more than claimed is enough to know of a lie.
                return _Kept(self.size_bytes, [(0, data)])
            return _Kept(self.size_bytes, self._pieces(data, stream, windows(data, self.size_bytes)))

    def _short(self, length: int) -> FileTreeError:
        return FileTreeError(
            f"{one_line(self.path)}: truncated: {length} of the {self.size_bytes} bytes that it claims"
        )

    def _pieces(
        self, head: bytes, stream: BinaryIO, wanted: Sequence[tuple[int, int]]
    ) -> list[tuple[int, bytes]]:
        ranges = _merged([(0, len(head)), *wanted], self.size_bytes, self._limit)
        pieces: list[tuple[int, bytes]] = []
        position, pending = len(head), head
        for start, end in ranges:
            kept = pending[start:end] if start < len(pending) else b""
            if end > position:
                skip = max(start, position) - position
                while skip > 0:
                    passed = len(self._read(stream, min(skip, _PIECE_BYTES)))
                    if not passed:
                        raise self._short(position)
                    skip -= passed
                    position += passed
                data = self._read(stream, end - position)
                if len(data) < end - position:
                    raise self._short(position + len(data))
                position = end
                kept += data
            pieces.append((start, kept))
        return pieces


def _why(error: Exception) -> str:
    return f"damaged: {one_line(error) or type(error).__name__}"


def _merged(ranges: Sequence[tuple[int, int]], size: int, limit: int) -> list[tuple[int, int]]:
    """Return ranges (start, end) in order, overlapping ones as one, their sum within a limit."""
    merged: list[list[int]] = []
    for start, length in sorted(ranges):
        first, last = max(0, min(start, size)), max(0, min(start + length, size))
        if merged and first <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], last)
        elif last > first:
            merged.append([first, last])
    left = limit
    bounded: list[tuple[int, int]] = []
    for first, last in merged:
        taken = min(last - first, left)
        if taken > 0:
            bounded.append((first, first + taken))
            left -= taken
    return bounded


@dataclass(frozen=True, slots=True)
class _Kept:
    size: int
    pieces: list[tuple[int, bytes]]


class _View(io.RawIOBase):
    """What was kept of a member, as a file of its full size."""

    def __init__(self, kept: _Kept) -> None:
        super().__init__()
        self._content = kept
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._content.size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        at, size = self._position, self._content.size
        if at >= size:
            return 0
        for start, data in self._content.pieces:
            if start <= at < start + len(data):
                part = data[at - start : at - start + len(buffer)]
                buffer[: len(part)] = part
                self._position += len(part)
                return len(part)
        raise OSError(f"bytes from {at} on were not kept, of {size}")


@dataclass(slots=True)
class FileTree:
    """What holds files: iterate over it once, in its own order.

    Attributes
    ----------
    name : str
        What messages call it.
    format : str
        ``folder``, ``file``, ``zip``, ``wheel``, ``pex``, ``shiv``, ``zipapp``, ``tar``, ``sdist``, ``deb``,
        ``appimage``, ``squashfs``, ``pyinstaller``, ``nuitka-onefile``, ``docker-archive``.
    details : dict of str to str
        What the format says of itself.
    """

    name: str
    format: str
    details: dict[str, str] = field(default_factory=dict)
    _items: Iterator[Member | Refused] = field(default_factory=lambda: iter(()), repr=False)
    _close: Callable[[], None] = field(default=lambda: None, repr=False)

    def __iter__(self) -> Iterator[Member | Refused]:
        return self._items

    def __enter__(self) -> FileTree:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()
