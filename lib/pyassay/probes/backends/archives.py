"""Read wheels and sdists: bounded, names taken as hostile, nothing unpacked but where a build needs it."""

from __future__ import annotations

import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_string
from email.message import Message
from pathlib import Path

__all__ = ["ArchiveError", "Member", "members", "parsed_metadata"]

_MAX_MEMBERS = 50_000
_MAX_MEMBER_BYTES = 256 << 20
_MAX_BYTES = 1 << 30


_DAMAGED = (
    OSError,
    EOFError,
    ValueError,
    NotImplementedError,
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
)


class ArchiveError(Exception):
    """A wheel or an sdist cannot be read: one line that names it."""


@dataclass(frozen=True, slots=True)
class Member:
    """One entry.

    Attributes
    ----------
    name : str
    data : bytes
        Empty for folders and links.
    mode : int
        Permission bits.
    day : str
        Its date (ISO 8601, UTC for sdists).
    is_folder : bool
    link : str
        Where a link leads; empty: it is none.
    owner : str
        ``user:group`` as the archive has them; of wheels empty.
    """

    name: str
    data: bytes
    mode: int
    day: str
    is_folder: bool = False
    link: str = ""
    owner: str = ""


def members(path: Path) -> list[Member]:
    """Return the entries of a wheel, or of an sdist in ``.tar.gz``.

    Raises
    ------
    ArchiveError
        If it is neither, is damaged, or holds more than a gigabyte.
    """
    try:
        found = list(_of_tar(path) if path.name.endswith(".tar.gz") else _of_zip(path))
    except _DAMAGED as error:
        raise ArchiveError(f"{path.name}: {' '.join(str(error).split())}") from error
    return found


def _of_zip(path: Path) -> Iterator[Member]:
    with zipfile.ZipFile(path) as archive:
        listed = archive.infolist()
        _bounded(path, len(listed), [one.file_size for one in listed])
        for one in listed:
            mode = one.external_attr >> 16
            day = f"{one.date_time[0]:04}-{one.date_time[1]:02}-{one.date_time[2]:02}"
            is_link = stat.S_ISLNK(mode)
            data = b"" if one.is_dir() else archive.read(one)
            link = data.decode("utf-8", "replace") if is_link else ""
            yield Member(one.filename, b"" if is_link else data, stat.S_IMODE(mode), day, one.is_dir(), link)


def _of_tar(path: Path) -> Iterator[Member]:
    with tarfile.open(path, "r:gz") as archive:
        total = count = 0
        for one in archive:
            total, count = total + one.size, count + 1
            _bounded(path, count, [one.size], total)
            stream = archive.extractfile(one) if one.isreg() else None
            day = datetime.fromtimestamp(one.mtime, UTC).date().isoformat()
            owner = f"{one.uname or one.uid}:{one.gname or one.gid}"
            link = one.linkname if one.issym() or one.islnk() else ""
            yield Member(
                one.name, stream.read() if stream else b"", one.mode & 0o7777, day, one.isdir(), link, owner
            )


def _bounded(path: Path, count: int, sizes: list[int], total: int | None = None) -> None:
    whole = sum(sizes) if total is None else total
    if count > _MAX_MEMBERS or whole > _MAX_BYTES or max(sizes, default=0) > _MAX_MEMBER_BYTES:
        raise ArchiveError(f"{path.name}: more than {_MAX_MEMBERS} files, or {_MAX_BYTES} bytes")


def parsed_metadata(data: bytes) -> Message:
    """Return core metadata (METADATA, PKG-INFO, WHEEL)."""
    # Core metadata are UTF-8; the parser of bytes would take them for ASCII.
    return message_from_string(data.decode("utf-8", "replace"))
