"""Does it run there? Foretold from bytes alone, before it is tried: what it carries against what is there."""

from __future__ import annotations

import contextlib
import re
from collections import deque
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from pyassay.elf.archived import ArchivedFile, ArchivedRoot
from pyassay.elf.closure import Closure, closure
from pyassay.packagers.model import Delivery
from pyassay.probes.packaging.dependencies import unsatisfied
from pyassay.probes.packaging.reading import CONTROL, ReadArtifact
from pyassay.subjects.contents import Contents
from pyassay.subjects.model import Interpreter

__all__ = ["Ground", "Prediction", "predict"]

_SHEBANG = re.compile(rb"#!\s*(\S+)(?:[ \t]+([^\r\n]*))?")
_FOLDERS = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
_NUMBERED = re.compile(r"python(3\.\d+)")
_SHOWN = 2


@dataclass(frozen=True)
class Prediction:
    """What was foretold.

    Attributes
    ----------
    runs : bool or None
        None: it cannot be said.
    why : str
        What is lacking, one line; else empty.
    """

    runs: bool | None
    why: str = ""


@dataclass
class Ground:
    """What an environment has.

    Attributes
    ----------
    root : ArchivedRoot
        Of the image.
    packages : dict of str to str
        Installed Debian packages and their versions; empty: none, or it is no Debian.
    builder : Interpreter or None
        The Python that packed, where it is brought along.
    builder_contents : Contents or None
        What lies under its prefix.
    """

    root: ArchivedRoot
    packages: dict[str, str] = field(default_factory=dict)
    builder: Interpreter | None = None
    builder_contents: Contents | None = None

    def with_artifact(self, read: ReadArtifact) -> ArchivedRoot:
        """Lay an artifact, and the Python brought along, over the image."""
        files: dict[str, ArchivedFile] = {}
        links: dict[str, str] = {}
        if self.builder is not None and self.builder_contents is not None:
            more = self.builder_contents.rooted(str(self.builder.prefix))
            files |= more[0]
            links |= more[1]
        own = read.rooted()
        return ArchivedRoot(files | own[0], links | own[1], base=self.root)


def predict(read: ReadArtifact, ground: Ground) -> Prediction:
    """Foretell whether an artifact runs in an environment."""
    built = read.built
    if built.delivery is Delivery.IMAGE:
        return Prediction(None, "an image brings all along, its system too; nothing to weigh it against")
    unread = dict(read.contents.skipped)
    if read.program_member in unread:
        return Prediction(None, f"it could not be read: {unread[read.program_member]}")
    if built.delivery is Delivery.PACKAGE:
        if not built.path.name.endswith(".deb"):
            return Prediction(None, "an .rpm: what it depends on is not weighed")
        control = read.contents.texts.get(CONTROL, b"").decode("utf-8", "replace")
        if lacking := unsatisfied(control, ground.packages):
            return Prediction(False, f"depends on {', '.join(lacking)}")
    if read.format == "appimage" and "APPIMAGE_EXTRACT_AND_RUN" not in built.environment:
        return Prediction(False, "mounts itself by /dev/fuse, which a plain container lacks")
    return _Weighing(read, ground).judge()


class _Weighing:
    """One artifact in one environment."""

    def __init__(self, read: ReadArtifact, ground: Ground) -> None:
        self.read, self.ground = read, ground
        self.root = ground.with_artifact(read)
        files = read.rooted()[0]
        self.own = files
        # Programs that unpack themselves set the search path: what they carry is found by its name.
        self.carried: dict[str, str] = {}
        for path, file in files.items():
            if file.elf is not None:
                for name in {PurePosixPath(path).name, file.elf.soname or PurePosixPath(path).name}:
                    self.carried.setdefault(name, path)

    def judge(self) -> Prediction:
        started, why = self._started()
        if why:
            return Prediction(False, why)
        main = closure(started, self.root) if started else None
        if main is not None and (why := self._lacks(main)):
            return Prediction(False, why)
        if started and self.root.resolve(started) is None:
            return Prediction(None, f"{started} cannot be found in it")
        queue = deque(self.read.place(one.path) for one in self.read.decisive)
        seen: set[str] = set()
        python = main if main is not None and started not in self.own else None
        found: list[str] = []
        while queue:
            path = queue.popleft()
            if path in seen:
                continue
            seen.add(path)
            walked = closure(path, self.root, preloaded=python)
            queue.extend(self._leads_to(walked))
            if (why := self._lacks(walked)) or (why := self._contradicts(walked)):
                found.append(why)
        return Prediction(False, "; ".join(dict.fromkeys(found[:_SHOWN]))) if found else Prediction(True)

    def _started(self) -> tuple[str, str]:  # noqa: PLR0911 - so many ways to start nothing
        """Return the ELF program that the kernel starts in the end, or why there is none."""
        if self.read.outer is not None:
            return self.read.place(self.read.outer.path), ""
        match = _SHEBANG.match(self.read.head)
        if match is None:
            if self.read.head.startswith(b"\x7fELF"):
                linked = self.root.resolve(self.read.place(self.read.program_member))
                return linked or "", ""
            return "", "nothing in it can be started: neither a program nor a script"
        named = match[1].decode("utf-8", "replace")
        program = self.root.resolve(named)
        if program is None:
            return "", f"{named}, which starts it, is not there"
        words = (match[2] or b"").decode("utf-8", "replace").split()
        if PurePosixPath(named).name == "env":
            wanted = next((word for word in words if not word.startswith("-") and "=" not in word), "")
            program = self._in_path(wanted)
            if program is None:
                return "", f"{wanted}, which starts it, is not there"
        if why := self._unfit(program):
            return "", why
        if not self.read.carries_python and PurePosixPath(program).name in {"sh", "dash", "bash"}:
            return self._behind_a_shell(program)
        return program, ""

    def _unfit(self, program: str) -> str:
        """Say why a Python of the system is not one that the artifact can use."""
        number = _NUMBERED.search(PurePosixPath(program).name)
        if number is None or program in self.own:
            return ""
        pythons = self.read.module_pythons
        if pythons and number[1] not in pythons:
            return f"the Python there is {number[1]}, its modules are for {', '.join(sorted(pythons))}"
        return self._too_old(number[1])

    def _too_old(self, number: str) -> str:
        for name, wanted in self.read.wanted_pythons.items():
            with contextlib.suppress(InvalidSpecifier):
                # Of 3.9 no more is known than that: the newest of the series is the kindest guess.
                if not SpecifierSet(wanted).contains(f"{number}.99"):
                    return f"the Python there is {number}, and {name} wants {wanted}"
        return ""

    def _behind_a_shell(self, shell: str) -> tuple[str, str]:
        """Return the Python that a shell script leads to: which ones it tries stands in it."""
        names = [*(f"python{number}" for number in sorted(self.read.module_pythons)), "python3"]
        if b"python" not in self.read.head:
            return shell, ""
        wanted = [name for name in names if name.encode() in self.read.head] or names[:1]
        unfit = ""
        for name in wanted:
            found = self._in_path(name)
            if found is None:
                continue
            unfit = self._unfit(found)
            if not unfit:
                return found, ""
        return "", unfit or f"{wanted[0]}, which it looks for, is not there"

    def _in_path(self, name: str) -> str | None:
        builder = self.ground.builder
        folders = ([str(builder.executable.parent)] if builder is not None else []) + list(_FOLDERS)
        return next((found for folder in folders if (found := self.root.resolve(f"{folder}/{name}"))), None)

    def _leads_to(self, walked: Closure) -> list[str]:
        return [self.carried[one.soname] for one in walked.missing if one.soname in self.carried]

    def _lacks(self, walked: Closure) -> str:
        for one in walked.missing:
            if PurePosixPath(one.soname).name not in self.carried:
                return f"{one.soname} (for {PurePosixPath(one.needed_by).name})"
        for need in walked.missing_versions:
            if not need.weak and need.soname not in self.carried:
                return f"{need.version} of {need.soname} (for {PurePosixPath(need.needed_by).name})"
        return ""

    def _contradicts(self, walked: Closure) -> str:
        """Name a library of the system that wants more of one that is carried, and so loaded first."""
        if not self.read.carries_python:
            return ""
        for path in walked.files:
            # Of what is carried under the same name, the system's own is not loaded.
            if str(path) in self.own or PurePosixPath(str(path)).name in self.carried:
                continue
            elf = self.root.elf(str(path))
            if getattr(elf, "soname", None) in self.carried:
                continue
            for need in getattr(elf, "version_needs", ()):
                own = self.carried.get(need.soname)
                defined = self.own[own].versions if own else frozenset()
                if defined and need.version not in defined and not need.weak:
                    name = PurePosixPath(str(path)).name
                    return f"{need.version} of the {need.soname} that it carries (for the system's {name})"
        return ""
