"""Provisional: folder, zip and tar only; the real package replaces this file."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO


class FileTreeError(ValueError):
    pass


@dataclass(frozen=True)
class Refused:
    path: str
    reason: str


@dataclass
class Member:
    path: str
    kind: str
    size_bytes: int
    content: Callable[[], bytes]
    mode: int = 0
    target: str = ""

    def head(self, n: int) -> bytes:
        return self.content()[:n]

    def open(self, windows: object = None) -> BinaryIO:
        return io.BytesIO(self.content())


@dataclass
class FileTree:
    name: str
    format: str
    items: Iterator[Member | Refused]
    details: dict[str, str] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Member | Refused]:
        return self.items

    def __enter__(self) -> FileTree:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def open_tree(source: Path | BinaryIO, name: str | None = None, *, nested: bool = True) -> FileTree:
    if not isinstance(source, Path):
        return FileTree(name or "", "tar", _tar(tarfile.open(fileobj=source, mode="r|*")))
    shown = name or str(source)
    if source.is_dir():
        return FileTree(shown, "folder", _folder(source))
    data = source.read_bytes()
    if zipfile.is_zipfile(source):
        archive = zipfile.ZipFile(source)
        kind = "wheel" if any(n.endswith(".dist-info/WHEEL") for n in archive.namelist()) else "zip"
        return FileTree(shown, kind, _zip(archive, ""))
    return FileTree(shown, "file", iter([Member(source.name, "file", len(data), lambda: data)]))


def _zip(archive: zipfile.ZipFile, prefix: str) -> Iterator[Member]:
    for info in archive.infolist():
        if not info.is_dir():
            yield Member(prefix + info.filename, "file", info.file_size, lambda info=info: archive.read(info))


def _folder(folder: Path) -> Iterator[Member]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            rel = str(path.relative_to(folder))
            yield Member(rel, "file", path.stat().st_size, path.read_bytes)
            if path.suffix == ".whl":
                yield from _zip(zipfile.ZipFile(path), rel + "!/")


def _tar(tar: tarfile.TarFile) -> Iterator[Member]:
    for info in tar:
        path = info.name.removeprefix("./")
        kind = "file" if info.isreg() else "symlink" if info.issym() else "hardlink" if info.islnk() else "folder"
        data = tar.extractfile(info).read() if info.isreg() else b""  # type: ignore[union-attr]
        target = info.linkname.removeprefix("./") if kind == "hardlink" else info.linkname
        yield Member(path, kind, info.size, lambda data=data: data, 0, target)
