"""The ELF files among the members of a tree, read in one pass: what is kept when an archive has gone by."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pyassay.elf import ElfError, ElfFile, NotElf, read
from pyassay.elf.archived import ArchivedFile
from pyassay.elf.newest import kept_symbols
from pyassay.elf.symbols import UndefinedSymbol, defined_versions, undefined_symbols
from pyassay.elf.windows import windows

if TYPE_CHECKING:
    from pyassay.filetree import Member, Refused

__all__ = ["Contents", "StoredElf", "read_contents"]

_REL, _CORE = 1, 4
_MAX_TEXT_BYTES = 8 << 20

OnSymbols = Callable[[str, list[UndefinedSymbol]], None]


@dataclass(frozen=True, slots=True)
class StoredElf:
    """One ELF file of a tree.

    Attributes
    ----------
    path : str
        Of the member.
    size_bytes : int
    elf : ElfFile
    symbols : tuple of UndefinedSymbol
        Those of its newest versions, see :func:`pyassay.elf.newest.kept_symbols`.
    forbidden : frozenset of str
        Strong symbols that some platform policy forbids.
    """

    path: str
    size_bytes: int
    elf: ElfFile
    symbols: tuple[UndefinedSymbol, ...]
    forbidden: frozenset[str]


@dataclass(slots=True)
class Contents:
    """What a tree holds, as far as a loader cares.

    Attributes
    ----------
    elf : list of StoredElf
        In the order of the tree; inputs of a linker and core dumps left out.
    files : dict of str to ArchivedFile
        By member path: every ELF file, every file whose text was wanted, every hard link to one.
    links : dict of str to str
        Targets of symbolic links, as written.
    texts : dict of str to bytes
        The beginning of every file that was wanted.
    skipped : list of (str, str)
        Member path and why it could not be read.
    paths : list of str
        Every regular file, when asked for.
    """

    elf: list[StoredElf] = field(default_factory=list)
    files: dict[str, ArchivedFile] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    texts: dict[str, bytes] = field(default_factory=dict)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)

    def rooted(self, point: str) -> tuple[dict[str, ArchivedFile], dict[str, str]]:
        """Return files and links by absolute path, as if the tree lay at a point of a root file system."""
        return (
            {f"{point}/{path}": file for path, file in self.files.items()},
            {f"{point}/{path}": target for path, target in self.links.items()},
        )


def read_contents(
    tree: Iterable[Member | Refused],
    *,
    text_wanted: Callable[[str], bool],
    path_wanted: Callable[[str], bool] = lambda path: False,
    on_symbols: OnSymbols | None = None,
) -> Contents:
    """Read a tree once.

    Parameters
    ----------
    tree : iterable of Member or Refused
    text_wanted : callable
        Tells of a path whether the beginning of that file (8 MiB) is to be kept.
    path_wanted : callable
        Tells of a path whether it is to be listed in ``paths``.
    on_symbols : callable, optional
        Given path and all undefined symbols of each ELF file, of which only few are kept.
    """
    contents = Contents()
    for item in tree:
        if hasattr(item, "reason"):
            contents.skipped.append((item.path, item.reason))
        else:
            _take(item, contents, text_wanted, path_wanted, on_symbols)
    return contents


def _take(
    member: Member,
    contents: Contents,
    text_wanted: Callable[[str], bool],
    path_wanted: Callable[[str], bool],
    on_symbols: OnSymbols | None,
) -> None:
    path = member.path
    if path_wanted(path) and member.kind != "folder":
        contents.paths.append(path)
    if member.kind == "symlink":
        contents.links[path] = member.target
    elif member.kind == "hardlink":
        # Of the same file under another name only the name is news.
        if member.target in contents.files:
            contents.files[path] = contents.files[member.target]
        if member.target in contents.texts:
            contents.texts[path] = contents.texts[member.target]
    elif member.kind == "file":
        try:
            _take_file(member, contents, text_wanted(path), on_symbols)
        except NotElf:
            return
        except (ElfError, OSError, ValueError) as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            contents.files[path] = ArchivedFile(error=reason)
            contents.skipped.append((path, reason))


def _take_file(member: Member, contents: Contents, text_wanted: bool, on_symbols: OnSymbols | None) -> None:
    path, content = member.path, b""
    if text_wanted:
        with member.open() as stream:
            content = stream.read(_MAX_TEXT_BYTES)
        contents.texts[path] = content
        contents.files[path] = ArchivedFile(content=content)
    head = member.head(20)
    if head[:4] != b"\x7fELF" or len(head) < 18:
        return
    # Inputs of a linker, and what is left of a crash, are loaded by nobody.
    if int.from_bytes(head[16:18], "big" if head[5] == 2 else "little") in (_REL, _CORE):
        return
    with member.open(windows) as stream:
        elf = read(stream, name=path)
        undefined = undefined_symbols(stream, name=path)
        versions = defined_versions(stream, name=path) if elf.soname else frozenset()
    symbols, forbidden = kept_symbols(elf, undefined)
    if on_symbols is not None:
        on_symbols(path, undefined)
    contents.files[path] = ArchivedFile(elf, versions, content)
    contents.elf.append(StoredElf(path, member.size_bytes, elf, tuple(symbols), forbidden))
