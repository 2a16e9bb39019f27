"""Artifacts as they are read: everything in them, payloads opened, nothing run; what the rest rests on."""

from __future__ import annotations

import contextlib
import posixpath
import re
import sys
from dataclasses import dataclass, field
from email.parser import HeaderParser
from functools import cached_property
from pathlib import Path, PurePosixPath

from pyassay.elf.archived import ArchivedFile
from pyassay.filetree import open_tree
from pyassay.packagers.model import Built, Delivery
from pyassay.probes.artifact_members import scope_of
from pyassay.subjects.contents import Contents, StoredElf, read_contents

__all__ = ["CONTROL", "ReadArtifact", "read_artifact", "read_tree"]

CONTROL = "DEBIAN/control"
_HEAD_BYTES = 4096
_MAX_LINKS = 40
_PYTHON = re.compile(r"(?:^|/)(?:libpython3\.\d+t?\.so[.\d]*|python3?(?:\.\d+t?)?)$")
_SITE = re.compile(r"(?:site|dist)-packages/|\.whl[!/]|\.deps/")
_METADATA = re.compile(r"\.dist-info/METADATA$")
_TAGGED = re.compile(r"\.cpython-(\d)(\d+)t?-")


@dataclass
class ReadArtifact:
    """What was read of one artifact.

    Attributes
    ----------
    built : Built
    format : str
        What its bytes say it is: ``pex``, ``pyinstaller``, ``folder`` ...
    contents : Contents
    head : bytes
        The first bytes of what is started; empty if that cannot be read.
    carries_python : bool
    """

    built: Built
    format: str
    contents: Contents
    head: bytes
    carries_python: bool = False
    point: str = field(default="/pyassay/artifact")

    @cached_property
    def outer(self) -> StoredElf | None:
        """Return the file that is started, if it is an ELF file."""
        wanted = self.program_member
        return next((one for one in self.contents.elf if one.path == wanted), None)

    @property
    def program_member(self) -> str:
        """Return the path of what is started, as a member."""
        if self.built.delivery is Delivery.FILE:
            return self.built.path.name
        return _followed(self.contents, self.built.program.lstrip("/"))

    @cached_property
    def decisive(self) -> list[StoredElf]:
        """Return the files without which it does not run: programs, Python, modules of wheels.

        Modules of the standard library are left out: a program imports few of them, and which is not known.
        """
        return [one for one in self.contents.elf if self._decides(one)]

    def _decides(self, one: StoredElf) -> bool:
        name = PurePosixPath(one.path).name
        if one is self.outer or _PYTHON.search(one.path):
            return True
        if scope_of(one.elf) == "program":
            return self.format in {"nuitka-onefile"} or name == PurePosixPath(self.built.program).name
        if name.startswith("lib") and not _TAGGED.search(name):
            return False
        return _SITE.search(one.path) is not None or name.split(".")[0] not in sys.stdlib_module_names

    @cached_property
    def module_pythons(self) -> set[str]:
        """Return the Pythons that its modules are built for: ``{"3.12"}``; empty: any."""
        found = (_TAGGED.search(PurePosixPath(one.path).name) for one in self.contents.elf)
        return {f"{match[1]}.{match[2]}" for match in found if match}

    @cached_property
    def wanted_pythons(self) -> dict[str, str]:
        """Return what the distributions in it say of Python: ``{"click": ">=3.10"}``."""
        found = {}
        for path, text in self.contents.texts.items():
            if _METADATA.search(path):
                fields = HeaderParser().parsestr(text.decode("utf-8", "replace"))
                if wanted := fields["Requires-Python"]:
                    found[str(fields["Name"] or path)] = str(wanted)
        return found

    def rooted(self) -> tuple[dict[str, ArchivedFile], dict[str, str]]:
        """Return its files and links where they lie when it is started: a package's from the root on."""
        point = "" if self.built.delivery is Delivery.PACKAGE else self.point
        return self.contents.rooted(point)

    def place(self, member: str) -> str:
        """Return where a member lies then."""
        return f"/{member}" if self.built.delivery is Delivery.PACKAGE else f"{self.point}/{member}"


def read_artifact(built: Built) -> ReadArtifact:
    """Read an artifact once.

    Raises
    ------
    FileTreeError
        If it cannot be read at all.
    """
    program = built.program.lstrip("/")
    wanted = {CONTROL, program, f"./{program}"}
    with open_tree(built.path.resolve(), name=built.path.name) as tree:
        kind = tree.format
        contents = read_contents(
            tree,
            text_wanted=lambda path: path in wanted or _METADATA.search(path) is not None,
            path_wanted=lambda path: True,
        )
    head = b""
    with contextlib.suppress(OSError):
        if built.delivery is Delivery.FILE:
            head = _head(built.path)
        elif built.delivery is Delivery.FOLDER:
            head = _head(built.path / built.program)
    if built.delivery is Delivery.PACKAGE:
        real = _followed(contents, program)
        if real != program and real not in contents.texts:
            # What a link leads to is known only now.
            with open_tree(built.path.resolve(), name=built.path.name) as tree:
                again = read_contents(tree, text_wanted=lambda path: path == real)
            contents.texts |= again.texts
            contents.files |= {path: again.files[path] for path in again.texts}
        head = contents.texts.get(real, b"")[:_HEAD_BYTES]
    found = ReadArtifact(built, kind, contents, head)
    found.carries_python = any(map(_PYTHON.search, (one.path for one in contents.elf)))
    return found


def _followed(contents: Contents, member: str) -> str:
    """Return the member that a member's symbolic links lead to."""
    for _ in range(_MAX_LINKS):
        target = contents.links.get(member)
        if target is None:
            return member
        member = posixpath.normpath(posixpath.join("/", posixpath.dirname(member), target)).lstrip("/")
    return member


def read_tree(folder: Path) -> Contents:
    """Read a folder of this host, for its ELF files and links.

    Raises
    ------
    FileTreeError
        If it cannot be read.
    """
    with open_tree(folder, name=str(folder), nested=False) as tree:
        return read_contents(tree, text_wanted=lambda path: False)


def _head(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(_HEAD_BYTES)
