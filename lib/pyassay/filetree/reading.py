"""What every format reader shares: counting, names made safe, streams that end where they should."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, Protocol

from pyassay.filetree.model import FileTreeError, Kind, Limits, Member, Refused, one_line

__all__ = ["Context", "Counted", "Enough", "Part", "Reader", "Slice", "clean_path"]

_MAX_NAME = 4096
_MAX_READ = 1 << 20


class Enough(FileTreeError):  # noqa: N818 - it ends a walk, as StopIteration does
    """A limit of the whole tree is reached: nothing more is read of it."""


@dataclass(slots=True)
class Context:
    """The state of one reading, shared by nested archives.

    Attributes
    ----------
    limits : Limits
    prefix : str
        What the paths of members begin with.
    depth : int
        Archives around this one.
    used : list of int
        Members and unpacked bytes so far.
    """

    limits: Limits
    prefix: str = ""
    depth: int = 0
    used: list[int] = field(default_factory=lambda: [0, 0])
    _seen: set[str] = field(default_factory=set)

    def inner(self, path: str) -> Context:
        """Return the context of an archive that is a member."""
        return Context(self.limits, f"{path}!/", self.depth + 1, self.used)

    def count(self, size: int) -> None:
        """Note unpacked bytes.

        Raises
        ------
        Enough
            If they are too many.
        """
        self.used[1] += size
        if self.used[1] > self.limits.total_bytes:
            raise Enough(f"more than {self.limits.total_bytes} bytes unpacked: the rest is not read")

    def member(
        self,
        name: str,
        kind: Kind,
        *,
        size: int = 0,
        mode: int = 0,
        target: str = "",
        start: Callable[[], BinaryIO] = io.BytesIO,
        packed: int | None = None,
        once: bool = False,
        in_place: bool = False,
    ) -> Iterator[Member | Refused]:
        """Yield a member, or why it is refused; of a name that appears again both.

        Parameters
        ----------
        name : str
            As the archive has it.
        packed : int, optional
            Bytes that it takes in the archive: too many unpacked ones for that are refused.
        once : bool
            ``start`` can be called once only.
        in_place : bool
            ``start`` gives a seekable file.

        Raises
        ------
        Enough
            If there are too many members.
        """
        self.used[0] += 1
        if self.used[0] > self.limits.members:
            raise Enough(f"more than {self.limits.members} members: the rest is not read")
        path, wrong = clean_path(name)
        if not path and not wrong:
            return
        shown = self.prefix + (path or one_line(name))
        if wrong:
            yield Refused(shown, wrong)
            return
        if kind != "folder":
            if path in self._seen:
                yield Refused(
                    shown, "a name that appears more than once: which one counts depends on the reader"
                )
            self._seen.add(path)
        if kind != "file":
            start, size, once, in_place = io.BytesIO, 0, False, False
        if size < 0:
            yield Refused(shown, f"a size of {size} bytes")
            return
        if packed is not None and size > 100_000_000 and size > self.limits.ratio * max(packed, 1):
            yield Refused(shown, f"{size} bytes from {packed}: more than {self.limits.ratio} times as many")
            return
        yield Member(
            shown,
            kind,
            size,
            mode,
            self.prefix + clean_path(target)[0] if kind == "hardlink" else target,
            _start=lambda: start() if in_place else Counted(start(), self),  # type: ignore[arg-type,return-value]
            _in_place=in_place,
            _once=once,
            _limit=self.limits.kept_bytes,
        )


class Reader(Protocol):
    """Reads one format."""

    def __call__(self, source: BinaryIO, context: Context) -> Iterator[Member | Refused]:
        """Yield the members of an archive; ends, or raises FileTreeError, where it cannot be read on."""


class Counted(io.RawIOBase):
    """A stream whose unpacked bytes count against the limit of the tree."""

    def __init__(self, stream: BinaryIO, context: Context) -> None:
        super().__init__()
        self._stream = stream
        self._context = context

    def readable(self) -> bool:
        """Return True."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes and count them."""
        data = self._stream.read(size)
        self._context.count(len(data))
        return data

    def close(self) -> None:
        """Close the stream below."""
        self._stream.close()
        super().close()


class Part(io.RawIOBase):
    """A piece of a stream, as a stream that ends with it.

    Parameters
    ----------
    source : binary file
    size : int
        Of the piece.
    offset : int, optional
        Where it begins, in a file that can seek; by default where the stream stands.
    """

    def __init__(self, source: BinaryIO, size: int, offset: int | None = None) -> None:
        super().__init__()
        self._source = source
        self._left = size
        self._offset = offset

    def readable(self) -> bool:
        """Return True."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes of the piece; fewer than asked for are no end."""
        wanted = min(self._left if size < 0 else min(size, self._left), _MAX_READ)
        if not wanted:
            return b""
        if self._offset is not None:
            self._source.seek(self._offset)
            self._offset += wanted
        data = self._source.read(wanted)
        self._left = self._left - len(data) if data else 0
        if self._offset is not None:
            self._offset -= wanted - len(data)
        return data

    def skip(self) -> None:
        """Read the rest and forget it."""
        while self.read(_MAX_READ):
            pass


class Slice(io.RawIOBase):
    """A piece of a seekable file, as a seekable file; closing it leaves the file open.

    Parameters
    ----------
    source : binary file
    offset, size : int
        Where it begins, and how long it is.
    """

    def __init__(self, source: BinaryIO, offset: int, size: int) -> None:
        super().__init__()
        self._source = source
        self._offset = offset
        self._size = size
        self._position = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the position within the piece."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Set the position; one before the beginning raises OSError, as a file does."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise OSError(f"no position {base + offset}")
        self._position = base + offset
        return self._position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill a buffer, as far as the piece goes."""
        wanted = min(len(buffer), self._size - self._position)
        if wanted <= 0:
            return 0
        self._source.seek(self._offset + self._position)
        data = self._source.read(wanted)
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)


def clean_path(name: str) -> tuple[str, str]:
    """Return a member's name as a clean relative path, and what is wrong with it (empty: nothing)."""
    if "\0" in name or len(name) > _MAX_NAME:
        return "", "a name that no file can have"
    if name.startswith("/"):
        return "", "an absolute path"
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        return "", "a path that leads outside"
    return "/".join(parts), ""
