"""The libraries of an image, or of one interpreter in it, as read from its export: nothing in it is run."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from pyassay.elf.closure import closure
from pyassay.filetree import FileTree, Member, Refused, open_tree
from pyassay.probes import image_members
from pyassay.probes.libraries import Library
from pyassay.probes.libraries.members import Scanned, carried_by
from pyassay.probes.libraries.packages import Package, dpkg_packages, recorded_in_archive
from pyassay.subjects.images import ROOTFS, ImageIndex, image_index, rootfs_index
from pyassay.subjects.model import Artifact, Interpreter

__all__ = ["image_libraries", "libraries_in_image"]

_STATUS = "var/lib/dpkg/status"
_LISTS = "var/lib/dpkg/info/"
_MAX_DATABASE_BYTES = 64 << 20
_known: dict[str, _Read] = {}


@dataclass(slots=True)
class _Database:
    """The texts of an image's dpkg database, within a limit."""

    lists: dict[str, bytes] = field(default_factory=dict)
    status: bytes = b""
    left: int = _MAX_DATABASE_BYTES

    def take(self, item: Member | Refused) -> bool:
        """Keep a text of the database; tell whether it was one."""
        if isinstance(item, Refused) or item.kind != "file":
            return False
        listing = item.path.startswith(_LISTS) and item.path.endswith(".list")
        if not listing and item.path != _STATUS:
            return False
        if 0 <= item.size_bytes <= self.left:
            with item.open() as stream:
                text = stream.read()
            self.left -= len(text)
            if listing:
                self.lists[item.path] = text
            else:
                self.status = text
        return True


@dataclass(frozen=True, slots=True)
class _Read:
    """What is kept of an image."""

    found: tuple[Library, ...]
    unread: tuple[tuple[str, str], ...]


def image_libraries(image: Artifact) -> tuple[list[Library], list[tuple[str, str]]]:
    """Return the libraries of an image, and (file, reason) of what could not be read.

    Raises
    ------
    EngineError
        If the engine or the image is gone.
    FileTreeError
        If its export cannot be read.
    """
    read = _read(str(image.path))
    return list(read.found), list(read.unread)


def libraries_in_image(interpreter: Interpreter) -> tuple[list[Library], list[tuple[str, str]]]:
    """Return the libraries of one interpreter of an image: in its own files, and those that they load.

    Raises
    ------
    EngineError, FileTreeError
        As :func:`image_libraries`.
    """
    read, index = _read(interpreter.image), _index(interpreter.image)
    own = {
        f"/{one.path}": scope
        for one in index.contents.elf
        if (scope := _scope(Path(f"/{one.path}"), interpreter))
    }
    program = closure(interpreter.executable, index.root)
    loaded: dict[str, str] = {}
    for path, scope in own.items():
        mapped = (
            program if path == str(interpreter.executable) else closure(path, index.root, preloaded=program)
        )
        for file in map(str, mapped.files):
            if file not in own and (file not in loaded or loaded[file] == "site"):
                loaded[file] = scope
    found = []
    for one in read.found:
        path = f"/{one.file}"
        if path in own:
            found.append(replace(one, file=_shown(path, interpreter), scope=own[path]))
        elif path in loaded:
            found.append(replace(one, file=_shown(path, interpreter), scope=loaded[path], linkage="system"))
    unread = [(_shown(f"/{path}", interpreter), why) for path, why in read.unread if f"/{path}" in own]
    return found, unread


def _scope(path: Path, interpreter: Interpreter) -> str:
    return "runtime" if path == interpreter.executable else image_members._scope(path, interpreter)


def _shown(path: str, interpreter: Interpreter) -> str:
    inside = PurePosixPath(path)
    if interpreter.prefix is not None and inside.is_relative_to(interpreter.prefix):
        return str(inside.relative_to(interpreter.prefix))
    return path


def _index(reference: str) -> ImageIndex:
    if reference.startswith(ROOTFS):
        return rootfs_index(Path(reference.removeprefix(ROOTFS)))
    from pyassay.places.container import Engine

    with Engine.connect() as engine:
        return image_index(engine, reference)


def _read(reference: str) -> _Read:
    """Read an image once, remembered by its digest; a folder anew each time, for it may have changed."""
    if reference.startswith(ROOTFS):
        with open_tree(Path(reference.removeprefix(ROOTFS)), name=reference, nested=False) as tree:
            return _of(tree)
    from pyassay.places.container import Engine

    with Engine.connect() as engine:
        digest = engine.digest(reference)
        if digest not in _known:
            with engine.export(reference) as stream, open_tree(stream, name=reference, nested=False) as tree:
                _known[digest] = _of(tree)
    return _known[digest]


def _of(tree: FileTree) -> _Read:
    scanned, database = Scanned(), _Database()
    for item in tree:
        if not database.take(item):
            scanned.take(item)
    found = list(carried_by(scanned))
    wheels = recorded_in_archive(scanned.texts)
    owned = dpkg_packages((f"/{one.file}" for one in found), database.lists, database.status)
    return _Read(tuple(_owned(one, wheels, owned) for one in found), tuple(scanned.unread))


def _owned(one: Library, wheels: dict[str, Package], owned: dict[str, Package]) -> Library:
    if one.file in wheels:
        return replace(one, package=wheels[one.file])
    package = owned.get(f"/{one.file}")
    of_system = package is not None and one.carried.named
    return replace(one, package=package, linkage="system" if of_system else one.linkage)
