"""Zip archives: wheels, pex, zipapps, shiv; also with something before them. The library is zipfile."""

from __future__ import annotations

import io
import stat
import struct
import zipfile
from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from typing import BinaryIO

from pyassay.filetree.model import DAMAGED, FileTreeError, Kind, Member, Refused, one_line
from pyassay.filetree.reading import Context, Slice

__all__ = ["is_zip", "read", "zip_format"]

_END = b"PK\x05\x06"
_END_SIZE = 22
_LOCAL = b"PK\x03\x04"
_LOCAL_SIZE = 30  # and its name and extra field
_MAX_COMMENT = 65_535
_MAX_DIRECTORY_BYTES = 256 << 20
_LINK_BYTES = 4096
_DAMAGED: tuple[type[Exception], ...] = (*DAMAGED, struct.error)


def is_zip(source: BinaryIO) -> bool:
    """Tell whether a seekable file ends as a zip archive does."""
    return _end(source) is not None


def zip_format(names: list[str]) -> str:
    """Return which kind of zip archive it is, by what it holds."""
    known = set(names)
    if "PEX-INFO" in known:
        return "pex"
    if "environment.json" in known and any(name.startswith("_bootstrap/") for name in known):
        return "shiv"
    if any(name.endswith(".dist-info/WHEEL") and name.count("/") == 1 for name in known):
        return "wheel"
    if "__main__.py" in known:
        return "zipapp"
    return "zip"


def read(source: BinaryIO, context: Context) -> Iterator[Member | Refused]:
    """Yield the members of a zip archive.

    Raises
    ------
    FileTreeError
        If its directory cannot be read.
    """
    with open_zip(source) as archive:
        overlapping = _overlapping(archive)
        for info in archive.infolist():
            if id(info) in overlapping:
                yield Refused(context.prefix + one_line(info.orig_filename), "lies over another member")
            else:
                yield from _member(source, archive, info, context)


def open_zip(source: BinaryIO) -> zipfile.ZipFile:
    """Open an archive whose directory is of bearable size.

    Raises
    ------
    FileTreeError
        If it cannot be read.
    """
    end = _end(source)
    if end is None:
        raise FileTreeError("not a zip archive: it has no end of a directory")
    if end > _MAX_DIRECTORY_BYTES:
        raise FileTreeError(f"a zip directory of {end} bytes")
    try:
        source.seek(0)
        return zipfile.ZipFile(source)
    except _DAMAGED as error:
        raise FileTreeError(f"damaged zip archive: {one_line(error)}") from error


def _end(source: BinaryIO) -> int | None:
    """Return the size of the directory as the end of the archive tells; None: there is none."""
    try:
        size = source.seek(0, io.SEEK_END)
        start = max(0, size - _MAX_COMMENT - _END_SIZE)
        source.seek(start)
        tail = source.read(size - start)
    except (OSError, ValueError):
        return None
    at = tail.rfind(_END)
    if at < 0 or at + _END_SIZE > len(tail):
        return None
    length: int = struct.unpack_from("<I", tail, at + 12)[0]
    if length != 0xFFFFFFFF:
        return length
    locator = tail.rfind(b"PK\x06\x07", 0, at)
    if locator < 0 or locator + 20 > len(tail):
        return length
    (offset,) = struct.unpack_from("<Q", tail, locator + 8)
    try:
        source.seek(min(offset, size))
        record = source.read(56)
    except (OSError, ValueError, OverflowError):
        return length
    if len(record) == 56 and record[:4] == b"PK\x06\x06":
        length = struct.unpack_from("<Q", record, 40)[0]
    return length


def _overlapping(archive: zipfile.ZipFile) -> set[int]:
    """Return which members claim bytes of the next one: how a small archive unpacks to petabytes."""
    ordered = sorted(archive.infolist(), key=lambda info: info.header_offset)
    return {
        id(info)
        for info, following in pairwise(ordered)
        if info.header_offset + _LOCAL_SIZE + info.compress_size > following.header_offset
    }


def _member(
    source: BinaryIO, archive: zipfile.ZipFile, info: zipfile.ZipInfo, context: Context
) -> Iterator[Member | Refused]:
    name = info.orig_filename
    mode = info.external_attr >> 16
    kind: Kind = "folder" if name.endswith("/") else "symlink" if stat.S_ISLNK(mode) else "file"
    if info.flag_bits & 0x1 and kind == "file":
        yield Refused(context.prefix + one_line(name), "encrypted")
        return
    target = ""
    if kind == "symlink":
        try:
            with archive.open(info) as stream:
                target = stream.read(_LINK_BYTES).decode("utf-8", "surrogateescape")
        except _DAMAGED as error:
            yield Refused(context.prefix + one_line(name), f"damaged: {one_line(error)}")
            return
    # A small one is held whole, its checksum verified; a large one that is not packed is read where it lies.
    stored = info.compress_type == zipfile.ZIP_STORED and info.file_size == info.compress_size
    in_place = kind == "file" and stored and info.file_size > context.limits.kept_bytes
    yield from context.member(
        name,
        kind,
        size=info.file_size,
        mode=stat.S_IMODE(mode),
        target=target,
        start=partial(_stored, source, info) if in_place else partial(_open, archive, info),
        packed=info.compress_size,
        in_place=in_place,
    )


def _stored(source: BinaryIO, info: zipfile.ZipInfo) -> BinaryIO:
    source.seek(info.header_offset)
    header = source.read(_LOCAL_SIZE)
    if len(header) < _LOCAL_SIZE or header[:4] != _LOCAL:
        raise FileTreeError(f"{one_line(info.orig_filename)}: damaged: no member where the directory says")
    start = info.header_offset + _LOCAL_SIZE + sum(struct.unpack_from("<HH", header, 26))
    size = source.seek(0, io.SEEK_END)
    if start + info.file_size > size:
        left = max(0, size - start)
        raise FileTreeError(
            f"{one_line(info.orig_filename)}: truncated: {left} of the {info.file_size} bytes that it claims"
        )
    return io.BufferedReader(Slice(source, start, info.file_size))


def _open(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> BinaryIO:
    try:
        return archive.open(info)  # type: ignore[return-value]
    except struct.error as error:
        raise FileTreeError(f"damaged: {one_line(error)}") from error
