"""Tar archives, read as streams. The library is tarfile, kept from believing what a header claims."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from functools import partial
from typing import Any, BinaryIO, cast

from pyassay.filetree.model import DAMAGED, FileTreeError, Kind, Member, Refused, one_line
from pyassay.filetree.reading import Context, Enough

__all__ = ["BoundedInfo", "is_tar", "read"]

_BLOCK = 512
_MAX_HEADER_BYTES = 1 << 20
_MAX_EMPTY_READS = 50
_HEADERS = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME)


class BoundedInfo(tarfile.TarInfo):
    """A header that may not make tarfile read gigabytes into memory."""

    def _proc_member(self, tar: tarfile.TarFile) -> Any:
        if self.size < 0:
            raise tarfile.ReadError(f"a size of {self.size} bytes")
        if self.type in (*_HEADERS, tarfile.GNUTYPE_LONGLINK) and self.size > _MAX_HEADER_BYTES:
            raise tarfile.ReadError(f"an extended header of {self.size} bytes")
        return super()._proc_member(tar)  # type: ignore[misc]


class _Watched(io.RawIOBase):
    """The stream below tarfile: remembers how it ended."""

    def __init__(self, source: BinaryIO, context: Context) -> None:
        super().__init__()
        self._source = source
        self._context = context
        self.last = b""
        self._empty = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data = self._source.read(size)
        self._context.count(len(data))
        if not data:
            # A header may claim 10^20 bytes, which tarfile would skip block by block behind the end.
            self._empty += 1
            if self._empty > _MAX_EMPTY_READS:
                raise FileTreeError("truncated: the archive ends within a member")
        self.last = (self.last + data)[-_BLOCK:] if len(data) < _BLOCK else data[-_BLOCK:]
        return data


def is_tar(head: bytes) -> bool:
    """Tell by its first block whether bytes are a tar archive: its checksum is right."""
    if len(head) < _BLOCK:
        return False
    try:
        tarfile.TarInfo.frombuf(head[:_BLOCK], "utf-8", "surrogateescape")
    except (tarfile.TarError, ValueError):
        return False
    return True


def read(source: BinaryIO, context: Context) -> Iterator[Member | Refused]:
    """Yield the members of a tar stream; the content of each passes by once.

    Raises
    ------
    FileTreeError
        If it is damaged where the next member would be found.
    """
    watched = _Watched(source, context)
    try:
        archive = tarfile.open(fileobj=watched, mode="r|", tarinfo=BoundedInfo, errorlevel=1)  # noqa: SIM115
    except (*DAMAGED,) as error:
        raise _damaged(error) from error
    with archive:
        while (info := _next(archive)) is not None:
            # tarfile keeps every header that it has read.
            archive.members = []  # type: ignore[attr-defined]
            yield from _member(archive, info, context)
    if watched.last.strip(b"\0"):
        raise FileTreeError("truncated: the archive ends without its end")


def _damaged(error: Exception) -> FileTreeError:
    if isinstance(error, FileTreeError):
        return error
    return FileTreeError(f"damaged tar archive: {one_line(error) or type(error).__name__}")


def _next(archive: tarfile.TarFile) -> tarfile.TarInfo | None:
    try:
        return archive.next()
    except (*DAMAGED,) as error:
        raise _damaged(error) from error


def _member(archive: tarfile.TarFile, info: tarfile.TarInfo, context: Context) -> Iterator[Member | Refused]:
    kind: Kind = "other"
    if info.isreg():
        kind = "file"
    elif info.issym():
        kind = "symlink"
    elif info.islnk():
        kind = "hardlink"
    elif info.isdir():
        kind = "folder"
    if info.issparse():
        yield Refused(context.prefix + one_line(info.name), "a sparse file: not read")
        return
    yield from context.member(
        info.name.removeprefix("./"),
        kind,
        size=info.size if kind == "file" else 0,
        mode=info.mode & 0o7777,
        target=info.linkname,
        start=partial(_content, archive, info),
        once=True,
    )


def _content(archive: tarfile.TarFile, info: tarfile.TarInfo) -> BinaryIO:
    stream = archive.extractfile(info)
    if stream is None:
        raise FileTreeError(f"{one_line(info.name)}: no content")
    return cast("BinaryIO", _Part(stream))


class _Part(io.RawIOBase):
    """The content of one member; counted already where the archive is read."""

    def __init__(self, stream: Any) -> None:
        super().__init__()
        self._stream = stream

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        try:
            data: bytes = self._stream.read(size)
        except Enough:
            raise
        except (*DAMAGED,) as error:
            raise _damaged(error) from error
        return data
