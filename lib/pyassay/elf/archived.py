"""A root file system known from an archive that was read once: closures without unpacking."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pyassay.elf.closure import Root, Unreadable
from pyassay.elf.reader import ElfFile

__all__ = ["ArchivedFile", "ArchivedRoot"]


@dataclass(frozen=True, slots=True)
class ArchivedFile:
    """What is kept of a file when its archive has passed by.

    Attributes
    ----------
    elf : ElfFile or None
        None for a file that is not ELF.
    versions : frozenset of str
        Symbol versions that it defines.
    content : bytes
        Of the few files that a loader reads itself (its configuration) or that is one.
    error : str
        Why its ELF headers could not be read.
    """

    elf: ElfFile | None = None
    versions: frozenset[str] = frozenset()
    content: bytes = b""
    error: str = ""


class ArchivedRoot(Root):
    """A root whose files come from an archive, alone or laid over a root of this host.

    Parameters
    ----------
    files : mapping of str to ArchivedFile
        By absolute path inside the root.
    links : mapping of str to str
        Target of each symbolic link, as written, by absolute path.
    base : Root, optional
        What is seen where the archive has nothing; by default nothing is.

    Notes
    -----
    Paths inside and paths "on this host" are the same here: what comes from the archive is on no host.
    """

    def __init__(
        self, files: Mapping[str, ArchivedFile], links: Mapping[str, str], *, base: Root | None = None
    ) -> None:
        super().__init__(base.path if base is not None else "/")
        if base is None:
            self._isa_level = None
        self._base = base
        self._files = files
        self._links = links
        self._folders: dict[str, set[str]] = {}
        for path in (*files, *links):
            self._add_to_folders(path)

    def _add_to_folders(self, path: str) -> None:
        while path not in {"", "/"}:
            folder, _, name = path.rpartition("/")
            names = self._folders.setdefault(folder, set())
            if name in names:
                return
            names.add(name)
            path = folder

    def holds(self, real: str) -> bool:
        """Tell whether a file comes from the archive."""
        return real in self._files

    def host(self, inside: str) -> Path:
        """Return the path itself when it is the archive's, else where the base has it."""
        if inside in self._files or self._base is None:
            return Path(inside)
        return self._base.host(inside)

    def inside(self, path: str | Path) -> str | None:
        """Return what a path is called inside the root; None if it lies in neither archive nor base."""
        text = str(PurePosixPath(path))
        if text in self._files or text in self._links or text in self._folders or self._base is None:
            return text
        return self._base.inside(path)

    def _entry(self, inside: str) -> str | None:
        if inside in self._links:
            return self._links[inside] or None
        if inside in self._files or inside in self._folders:
            return ""
        return None if self._base is None else self._base._entry(inside)

    def _is_file(self, real: str) -> bool:
        return real in self._files or (self._base is not None and self._base._is_file(real))

    def _content(self, real: str, limit: int) -> bytes:
        if real in self._files:
            return self._files[real].content[:limit]
        return b"" if self._base is None else self._base._content(real, limit)

    def _list(self, folder: str) -> list[str]:
        real = self.resolve(folder)
        if real is None:
            return []
        own = self._folders.get("" if real == "/" else real, set())
        return sorted({*own, *(self._base._list(real) if self._base is not None else ())})

    def _read(self, real: str) -> ElfFile | Unreadable | None:
        if real not in self._files:
            return None if self._base is None else self._base.elf(real)
        file = self._files[real]
        return file.elf or Unreadable(real, file.error or "not an ELF file")

    def defined_versions(self, real: str) -> frozenset[str]:
        """Return the symbol versions that a library defines; empty for one without."""
        if real in self._files:
            return self._files[real].versions
        return frozenset() if self._base is None else self._base.defined_versions(real)
