"""The ELF files of an interpreter: which belong to its runtime, its standard library, its packages."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG

from pyassay.subjects.locations import is_shared_prefix
from pyassay.subjects.model import Interpreter

__all__ = ["Skipped", "TreeFile", "elf_files", "is_shared_prefix", "shown_path"]

# A standard library holds thousands of sources; opening each to find no ELF magic would be the whole cost.
_TEXT_SUFFIXES = (
    ".py",
    ".pyc",
    ".pyi",
    ".pyo",
    ".txt",
    ".h",
    ".hpp",
    ".html",
    ".json",
    ".rst",
    ".md",
    ".css",
    ".js",
    ".tcl",
    ".msg",
    ".enc",
    ".pem",
    ".decTest",
    ".xml",
    ".cfg",
    ".toml",
    ".gif",
    ".png",
    ".svg",
    ".a",
    ".o",
    ".pc",
    ".sh",
    ".bat",
    ".ps1",
    ".csv",
    ".zip",
    ".whl",
    ".gz",
    ".xz",
    ".typed",
    ".pxd",
    ".pyx",
    ".c",
    ".cpp",
    ".hh",
)
_MAX_FILES = 200_000
_MAX_DEPTH = 40


@dataclass(frozen=True, slots=True)
class TreeFile:
    """An ELF file of a tree: where it lies, how it is shown, and its scope: runtime, stdlib or site."""

    path: Path
    shown: str
    scope: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file or folder that could not be observed, and why."""

    shown: str
    reason: str


def shown_path(path: Path, interpreter: Interpreter) -> str:
    """Return a path as the evidence names it: relative to environment or tree, absolute outside both."""
    for root in (interpreter.environment, interpreter.prefix):
        if root is not None and path.is_relative_to(root):
            return os.fspath(path.relative_to(root))
    return os.fspath(path)


def elf_files(interpreter: Interpreter) -> Iterator[TreeFile | Skipped]:
    """Yield every ELF file of an interpreter once, and a row for all that could not be read.

    Copies of the same bytes in one folder (``python``, ``python3``) and hard links count once.
    Relocatable objects (``python.o``) and static archives are inputs of a linker, not of a loader: left out.
    """
    seen_inodes: set[tuple[int, int]] = set()
    seen_copies: dict[tuple[Path, int], set[bytes]] = {}
    for path, scope in _candidates(interpreter):
        if isinstance(path, Skipped):
            yield path
            continue
        shown = shown_path(path, interpreter)
        try:
            status = path.stat()
            if not S_ISREG(status.st_mode) or (status.st_dev, status.st_ino) in seen_inodes:
                continue
            with path.open("rb") as file:
                head = file.read(18)
            if head[:4] != b"\x7fELF":
                if scope != "runtime" and path.name.endswith(".so"):
                    # An extension module that is none: damaged, or left by a build that failed.
                    yield Skipped(shown, "not an ELF file" if head else "an empty file")
                continue
            if len(head) < 18:
                yield Skipped(shown, "a truncated ELF file")
                continue
            if int.from_bytes(head[16:18], "big" if head[5] == 2 else "little") == 1:
                continue
            if scope == "runtime" and _is_copy(path, status.st_size, seen_copies):
                continue
        except OSError as error:
            yield Skipped(shown, _reason(error))
            continue
        seen_inodes.add((status.st_dev, status.st_ino))
        yield TreeFile(path, shown, scope, status.st_size)


def _is_copy(path: Path, size: int, seen: dict[tuple[Path, int], set[bytes]]) -> bool:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "blake2b").digest()
    known = seen.setdefault((path.parent, size), set())
    if digest in known:
        return True
    known.add(digest)
    return False


def _candidates(interpreter: Interpreter) -> Iterator[tuple[Path | Skipped, str]]:
    site = interpreter.site_folders
    yield interpreter.executable, "runtime"
    for folder in interpreter.library_folders:
        for path in _libpythons(folder, interpreter):
            yield path, "runtime"
    own = [folder for folder in (interpreter.platstdlib, interpreter.stdlib) if folder is not None]
    for folder in dict.fromkeys(own):
        for item in _walk(folder, interpreter, left_out=_packages_below(folder, site)):
            yield item, "stdlib"
    prefix = interpreter.prefix
    if prefix is not None and not is_shared_prefix(prefix) and interpreter.provenance.builder != "conda":
        # A self-contained tree is the interpreter's alone: whatever else it carries (Tcl, Tk) is its runtime.
        for item in _walk(prefix, interpreter, left_out=(*own, *_packages_below(prefix, site))):
            yield item, "runtime"
    for folder in site:
        for item in _walk(folder, interpreter, left_out=()):
            yield item, "site"


def _packages_below(folder: Path, site: tuple[Path, ...]) -> tuple[Path, ...]:
    return (*site, *(folder / name for name in ("site-packages", "dist-packages")))


def _libpythons(folder: Path, interpreter: Interpreter) -> list[Path]:
    series = ".".join(interpreter.version.split(".")[:2])
    prefixes = ("libpypy", "libgraalpy", *((f"libpython{series}",) if series else ()))
    try:
        paths = [path for path in folder.iterdir() if path.name.startswith(prefixes) and ".so" in path.name]
    except OSError:
        return []
    # The longest name first: of two copies, libpython3.12.so.1.0 is the one that programs load.
    return [path.resolve() for path in sorted(paths, key=lambda path: (-len(path.name), path.name))]


def _walk(root: Path, interpreter: Interpreter, *, left_out: tuple[Path, ...]) -> Iterator[Path | Skipped]:
    """Yield what may be an ELF file below a folder: no links to folders, bounded in depth and number."""
    excluded = {os.fspath(path) for path in left_out}
    pending: list[tuple[str, int]] = [(os.fspath(root), 0)]
    count = 0
    while pending:
        folder, depth = pending.pop()
        if depth > _MAX_DEPTH:
            yield Skipped(shown_path(Path(folder), interpreter), f"deeper than {_MAX_DEPTH} folders")
            continue
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name, reverse=True)
        except OSError as error:
            yield Skipped(shown_path(Path(folder), interpreter), _reason(error))
            continue
        for entry in reversed(entries):
            if entry.is_dir(follow_symlinks=False):
                continue
            count += 1
            if count > _MAX_FILES:
                yield Skipped(
                    shown_path(root, interpreter), f"more than {_MAX_FILES} files, the rest not read"
                )
                return
            item = _candidate(entry, interpreter)
            if item is not None:
                yield item
        pending.extend(
            (entry.path, depth + 1)
            for entry in entries
            if entry.is_dir(follow_symlinks=False)
            and entry.path not in excluded
            and entry.name != "__pycache__"
        )


def _candidate(entry: os.DirEntry[str], interpreter: Interpreter) -> Path | Skipped | None:
    if entry.name.endswith(_TEXT_SUFFIXES):
        return None
    path = Path(entry.path)
    if entry.is_symlink():
        # The target inside the tree is met by itself, one outside is another place's file; only a link to
        # nothing is a finding.
        if ".so" in entry.name and not path.exists():
            return Skipped(shown_path(path, interpreter), "dangling link")
        return None
    return path if entry.is_file(follow_symlinks=False) else None


def _reason(error: OSError) -> str:
    return error.strerror or type(error).__name__
