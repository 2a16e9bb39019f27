"""Where the files of a system's package databases are read from: a folder, or the export of an image."""

from __future__ import annotations

import hashlib
import posixpath
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Protocol

from pyassay.filetree import FileTree, FileTreeError, Member
from pyassay.filetree.folder import open_regular
from pyassay.probes.debian.apt_lists import MAX_LIST_BYTES, is_list, is_release
from pyassay.subjects.bounded import entries, head

__all__ = ["INFO", "LISTS", "STATUS", "Distributions", "Export", "Folder", "NotRead", "SystemFiles"]

STATUS = "var/lib/dpkg/status"
INFO = "var/lib/dpkg/info/"
LISTS = "var/lib/apt/lists/"
_MAX_TEXT_BYTES = 64 << 20
_MAX_KEPT_BYTES = 128 << 20
_MAX_FILE_BYTES = 1 << 30
_SETTINGS = re.compile(r"etc/dpkg/dpkg\.cfg(?:\.d/[^/]+)?")
_RECORD = re.compile(r"(?:.*/)?(?:site|dist)-packages/[^/]+\.dist-info/RECORD")


class NotRead(Exception):  # noqa: N818 - an answer, not a failure of ours
    """A file of a system could not be read: one line, why; ``absent`` tells that it is not there."""

    def __init__(self, reason: str, *, absent: bool = False) -> None:
        super().__init__(reason)
        self.absent = absent


@dataclass(slots=True)
class Distributions:
    """What was kept of Python's packages when an image had gone by.

    Attributes
    ----------
    records : dict of str to bytes
        Text of every RECORD by its path.
    sums : dict of str to str
        SHA-256 of every file.
    wrong : dict of str to str
        Why others could not be read; links among them.
    """

    records: dict[str, bytes] = field(default_factory=dict)
    sums: dict[str, str] = field(default_factory=dict)
    wrong: dict[str, str] = field(default_factory=dict)


class SystemFiles(Protocol):
    """Where the files of a system are read from."""

    def text(self, path: str) -> bytes:
        """Return a text of the databases; empty when it is absent."""

    def names(self, folder: str) -> list[str]:
        """Return the names in a folder of the databases."""

    def md5(self, path: str) -> str:
        """Return the MD5 of a file as dpkg has it; raises NotRead."""


@dataclass(frozen=True, slots=True)
class Folder:
    """The files below a folder, which is a root file system."""

    root: Path

    def text(self, path: str) -> bytes:
        """Return a text of the databases; empty when it is absent."""
        real = self._inside(path)
        limit = MAX_LIST_BYTES if path.startswith(LISTS) else _MAX_TEXT_BYTES
        return head(real, limit) if real is not None else b""

    def names(self, folder: str) -> list[str]:
        """Return the names in a folder of the databases."""
        real = self._inside(folder)
        return [path.name for path in entries(real)] if real is not None else []

    def md5(self, path: str) -> str:
        """Return the MD5 of a file.

        Raises
        ------
        NotRead
            If it is not there, or cannot be read.
        """
        # The links of the system itself (lib -> usr/lib) are followed, but not out of it.
        real = self._inside(path)
        if real is None:
            raise NotRead("it leads out of the root file system, or in circles")
        try:
            with open_regular(real) as stream:
                return _md5(stream)
        except FileNotFoundError:
            raise NotRead("no such file", absent=True) from None
        except OSError as error:
            raise NotRead(error.strerror or "not a regular file") from error

    def _inside(self, path: str) -> Path | None:
        try:
            real = (self.root / path).resolve()
        except (OSError, RuntimeError, ValueError):
            return None
        return real if real.is_relative_to(self.root) else None


@dataclass(slots=True)
class Export:
    """What is kept of an image: the texts of its databases, the MD5 of every file, the links."""

    texts: dict[str, bytes] = field(default_factory=dict)
    sums: dict[str, str] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    wrong: dict[str, str] = field(default_factory=dict)
    listed: dict[str, list[str]] = field(default_factory=dict)
    left: int = _MAX_KEPT_BYTES
    distributions: Distributions = field(default_factory=Distributions)

    @classmethod
    def of(cls, tree: FileTree) -> Export:
        """Read an export to its end."""
        found = cls()
        for item in tree:
            if not isinstance(item, Member):
                found.wrong[item.path] = item.reason
            elif item.kind == "symlink":
                found.links[item.path] = item.target
                found.distributions.wrong[item.path] = "a link"
            elif item.kind == "hardlink" and item.target in found.sums:
                found.sums[item.path] = found.sums[item.target]
                sha256 = found.distributions.sums
                sha256[item.path] = sha256[item.target]
            elif item.kind == "file":
                found._take(item)
        return found

    def _take(self, item: Member) -> None:
        folder, _, name = item.path.rpartition("/")
        wanted = (
            item.path == STATUS
            or (folder + "/" == INFO and name.endswith(".md5sums"))
            or (folder + "/" == LISTS and (is_list(name) or is_release(name)))
            or _SETTINGS.fullmatch(item.path)
        )
        is_record = bool(_RECORD.fullmatch(item.path))
        try:
            with item.open() as stream:
                # A member that an export streams by is held anyway, within the limit of the tree.
                data = stream.read()
        except (FileTreeError, OSError) as error:
            reason = " ".join(str(error).split())[:200]
            self.wrong[item.path] = self.distributions.wrong[item.path] = reason
            return
        self.sums[item.path] = hashlib.md5(data, usedforsecurity=False).hexdigest()
        self.distributions.sums[item.path] = hashlib.sha256(data).hexdigest()
        if (wanted or is_record) and len(data) <= self.left:
            self.left -= len(data)
            if is_record:
                self.distributions.records[item.path] = data
            else:
                self.texts[item.path] = data
                self.listed.setdefault(f"{folder}/", []).append(name)

    def text(self, path: str) -> bytes:
        """Return a text of the databases; empty when it is absent."""
        return self.texts.get(path, b"")

    def names(self, folder: str) -> list[str]:
        """Return the names in a folder of the databases."""
        return self.listed.get(folder, [])

    def md5(self, path: str) -> str:
        """Return the MD5 of a file.

        Raises
        ------
        NotRead
            If it is not there, or cannot be read.
        """
        real = self._resolved(path)
        if real in self.sums:
            return self.sums[real]
        if real in self.wrong:
            raise NotRead(self.wrong[real])
        raise NotRead("no such file", absent=True)

    def _resolved(self, path: str) -> str:
        """Follow links, those of folders on the way, too; one that leads up from the root stays there."""
        for _ in range(40):
            parts = path.split("/")
            for length in range(1, len(parts) + 1):
                link = "/".join(parts[:length])
                if link in self.links:
                    base = "/" if self.links[link].startswith("/") else f"/{posixpath.dirname(link)}"
                    rest = posixpath.join(base, self.links[link], *parts[length:])
                    path = posixpath.normpath(rest).lstrip("/")
                    break
            else:
                return path
        return path


def _md5(stream: BinaryIO) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    read = 0
    while data := stream.read(1 << 20):
        read += len(data)
        if read > _MAX_FILE_BYTES:
            raise NotRead(f"more than {_MAX_FILE_BYTES} bytes")
        digest.update(data)
    return digest.hexdigest()
