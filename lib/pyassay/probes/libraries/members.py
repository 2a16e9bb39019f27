"""The libraries in an artifact: a wheel, a program that carries its files, a package. Nothing is run."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from pyassay.elf import ElfError, NotElf
from pyassay.filetree import FileTreeError, Member, Refused, open_tree
from pyassay.probes.libraries import Library
from pyassay.probes.libraries.packages import Package, debian_package, recorded_in_archive
from pyassay.probes.libraries.scan import Carried, Scan, scan
from pyassay.probes.libraries.text import constant_windows
from pyassay.probes.signatures import signatures
from pyassay.subjects.model import Artifact

__all__ = ["Scanned", "artifact_libraries", "carried_by", "is_program_file", "left_to_the_system"]

_RECORD = re.compile(r"[^/]+\.dist-info/RECORD$")
_CONTROL = "DEBIAN/control"
_MAX_TEXT_BYTES = 8 << 20
_MAX_TEXTS_BYTES = 64 << 20
_REL, _CORE = 1, 4


@dataclass(slots=True)
class Scanned:
    """What is kept of a tree when it has gone by.

    Attributes
    ----------
    scans : dict of str to Scan
        By member path.
    names : set of str
        Names and sonames of all files: what a loader may find inside.
    texts : dict of str to bytes
        RECORD of each wheel in it, and the description of a Debian package.
    unread : list of (str, str)
    """

    scans: dict[str, Scan] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    texts: dict[str, bytes] = field(default_factory=dict)
    unread: list[tuple[str, str]] = field(default_factory=list)

    def take(self, item: Member | Refused) -> None:
        """Read one member; what cannot be read is noted."""
        if isinstance(item, Refused):
            self.unread.append((item.path, item.reason))
            return
        self.names.add(PurePosixPath(item.path).name)
        if item.kind != "file":
            return
        try:
            if item.path == _CONTROL or _RECORD.search(item.path):
                self._keep(item)
            elif is_program_file(item.head(20)):
                self._scan(item)
        except NotElf:
            return
        except (ElfError, FileTreeError, OSError, ValueError) as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            self.unread.append((item.path, reason.removeprefix(f"{item.path}: ")))

    def _keep(self, item: Member) -> None:
        room = _MAX_TEXTS_BYTES - sum(map(len, self.texts.values()))
        with item.open() as stream:
            self.texts[item.path] = stream.read(min(_MAX_TEXT_BYTES, room))

    def _scan(self, item: Member) -> None:
        with item.open(constant_windows) as stream:
            found = scan(stream, item.path)
        self.names.add(found.soname)
        self.scans[item.path] = found
        if found.unread:
            self.unread.append((item.path, found.unread))


def is_program_file(head: bytes) -> bool:
    """Tell from its first bytes whether a loader could use a file: no input of a linker, no core dump."""
    if head[:4] != b"\x7fELF" or len(head) < 18:
        return False
    return int.from_bytes(head[16:18], "big" if head[5] == 2 else "little") not in (_REL, _CORE)


def artifact_libraries(artifact: Artifact) -> tuple[list[Library], list[tuple[str, str]]]:
    """Return the libraries of an artifact, and (file, reason) of what could not be read.

    Raises
    ------
    FileTreeError
        If it cannot be read at all.
    """
    scanned = Scanned()
    with open_tree(artifact.path.resolve(), name=artifact.label) as tree:
        for item in tree:
            scanned.take(item)
    found = list(carried_by(scanned))
    found += left_to_the_system(scanned)
    return with_owners(found, scanned), scanned.unread


def carried_by(scanned: Scanned) -> Iterable[Library]:
    """Yield the libraries in the files of a tree."""
    for path, found in scanned.scans.items():
        for one in found.carried:
            linkage = "vendored shared" if one.named else "static"
            yield Library(one, PurePosixPath(path), path, linkage, needed=found.needed)


def left_to_the_system(scanned: Scanned) -> Iterable[Library]:
    """Yield the known libraries that files ask for and that do not come along, once each."""
    wanted: dict[str, list[str]] = {}
    for path, found in scanned.scans.items():
        for soname in found.needed:
            if PurePosixPath(soname).name not in scanned.names:
                wanted.setdefault(soname, []).append(path)
    for soname, paths in sorted(wanted.items()):
        key = next((key for key, one in signatures().items() if one.is_soname(soname)), None)
        if key is not None:
            more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
            said = f"needed by {paths[0]}{more}; it does not come along: its version is the system's"
            carried = Carried(key, "", "soname", "unknown", said, named=True)
            yield Library(carried, PurePosixPath(soname), soname, "system")


def with_owners(found: Iterable[Library], scanned: Scanned) -> list[Library]:
    """Set the wheel, or the Debian package, that each file belongs to."""
    wheels: dict[str, Package] = recorded_in_archive(
        {path: text for path, text in scanned.texts.items() if path != _CONTROL}
    )
    whole = debian_package(scanned.texts[_CONTROL]) if _CONTROL in scanned.texts else None
    return [
        one if one.linkage == "system" else replace(one, package=wheels.get(one.file) or whole)
        for one in found
    ]
