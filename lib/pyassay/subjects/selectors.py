"""The selector grammar, and :func:`find`.

==================  ==================================================================================
``python3.12``      the first of that name in PATH that is an interpreter; else every one of the version
``3.12``, ``3.12.1``  every interpreter of the version; ``3.13t`` only the free-threaded
``uv:3.12``         by who built or installed it: any builder or installer, with or without a version
``pyenv:NAME``      ... or the name of its folder
``venv:PATH``       a virtual environment
``PATH``            an interpreter, a virtual environment, an artifact (wheel, pex, deb, binary ...), or a
                    folder: the Pythons in it, or, where there are none, the folder as an artifact
``GLOB``            the same for each path that it matches
``python:PATH``     an interpreter, whatever its name
``artifact:PATH``   an artifact, whatever Pythons it holds
``docker:IMAGE``    an image of the Docker engine, and every Python in it
``rootfs:PATH``     a folder with a distribution in it, and every Python in it
an id or a label    as ``pyassay find`` lists it
==================  ==================================================================================
"""

from __future__ import annotations

import difflib
import glob
import os
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from pyassay.subjects.artifacts import artifact, is_artifact, named_artifacts
from pyassay.subjects.bounded import entries
from pyassay.subjects.collection import Subjects
from pyassay.subjects.display import display_path, display_text
from pyassay.subjects.interpreters import Gathering
from pyassay.subjects.locations import (
    Search,
    is_python_name,
    path_entries,
    pythons_in,
    shim_of,
    system_locations,
)
from pyassay.subjects.model import Artifact, Interpreter
from pyassay.subjects.naming import named
from pyassay.subjects.packages import distribution
from pyassay.subjects.provenance import BUILDERS, INSTALLERS, distribution_key

__all__ = ["SelectorError", "find"]

_VERSION = re.compile(r"(\d+(?:\.\d+){0,2}(?:(?:a|b|rc)\d+)?)(t?)")
_NAME_VERSION = re.compile(r"(python|pypy|graalpy)(\d+(?:\.\d+){0,2}t?)?")
_PREFIX = re.compile(r"([a-z][a-z0-9_-]*):(.*)", re.DOTALL)
_ALIASES = {"pbs": "python-build-standalone", "docker-image": "docker-official"}
# One word for what several builders make.
_GROUPS = {"conda": frozenset({"conda", "conda-forge", "anaconda"})}
_PLACES_TO_COME = frozenset({"podman", "image"})
_MAX_MATCHES = 5_000
_MAX_SELECTOR = 4_096


class SelectorError(ValueError):
    """A selector that is none, or that nothing matches; one line, with what comes nearest."""


def find(
    *selectors: str | os.PathLike[str],
    search: Sequence[str | os.PathLike[str]] = (),
    timeout_s: float = 10.0,
) -> Subjects:
    """Find subjects: every interpreter of this host, or the interpreters and artifacts that selectors name.

    Each interpreter is started once on this host, with the rights of whoever calls: search no folder of
    strangers. An artifact is never started.

    Parameters
    ----------
    *selectors : str or path
        A path or glob, ``python3.12``, ``3.12``, ``uv:3.12``, ``pyenv:3.12.1``, ``venv:PATH``,
        ``artifact:PATH``, an id. None: all interpreters.
    search : sequence of path, optional
        Folders to search, too (bounded, no links followed).
    timeout_s : float
        Wall seconds that each interpreter has to say who it is.

    Returns
    -------
    Subjects
        Each interpreter once, sorted by version, builder and path, then each artifact, by name; one that
        could not be asked or read has an ``error``.

    Raises
    ------
    SelectorError
        If a selector is not understood, or matches nothing.
    """
    wanted = [_parse(selector) for selector in selectors]
    gathering, walk = Gathering(timeout_s=timeout_s), Search()
    if not wanted or any(one.needs_all for one in wanted):
        if sys.executable:
            gathering.add(Path(sys.executable))
        for path in system_locations():
            gathering.add(path)
    for folder in search:
        for path in walk.walk(Path(os.path.expanduser(folder))):  # noqa: PTH111 - a home that is not there is no error
            gathering.add(path)
    for one in wanted:
        one.gather(gathering, walk)
    gathering.identify()
    everything = named(gathering.interpreters())
    if not wanted:
        return Subjects(everything, walk.remarks)
    chosen: dict[tuple[Path, Path | None, str], Interpreter] = {}
    artifacts: dict[Path, Artifact] = {}
    for one in wanted:
        matches = one.choose(gathering, everything)
        if not matches and not one.artifacts and not one.images:
            raise SelectorError(f"{one.shown}: no interpreter found{_nearest(one.text, everything)}")
        chosen |= {(match.executable, match.environment, match.image): match for match in matches}
        artifacts |= {Path(os.path.realpath(path)): artifact(path) for path in one.artifacts}
        artifacts |= {image.path: image for image in one.images}
    return Subjects([*named(chosen.values()), *named_artifacts(artifacts.values())], walk.remarks)


@dataclass(slots=True)
class _Wanted:
    """A selector: which candidates it adds, and which subjects it chooses."""

    text: str
    needs_all: bool = True
    keys: list[Path] = field(default_factory=list)
    artifacts: list[Path] = field(default_factory=list)
    images: list[Artifact] = field(default_factory=list)

    @property
    def shown(self) -> str:
        return display_text(self.text)

    def gather(self, gathering: Gathering, walk: Search) -> None:
        """Add what the selector names."""

    def choose(self, gathering: Gathering, everything: Sequence[Interpreter]) -> list[Interpreter]:
        """Return what it matches."""
        return [gathering.get(key) for key in dict.fromkeys(self.keys)]


@dataclass(slots=True)
class _ByPath(_Wanted):
    paths: tuple[Path, ...] = ()
    only: str = ""

    def gather(self, gathering: Gathering, walk: Search) -> None:
        for path in self.paths:
            if self.only == "artifact":
                self._artifact(path)
            elif not self.only and path.is_file() and is_artifact(path):
                self.artifacts.append(path)
            else:
                self.keys += self._keys(path, gathering, walk)
        # A folder without any Python is what somebody ships; one of many that a glob matches is not.
        if not self.keys and not self.only and len(self.paths) == 1 and self.paths[0].is_dir():
            self._folder(self.paths[0])

    def _folder(self, folder: Path) -> None:
        """Take a wheelhouse wheel by wheel: each has a tag, a machine and a C library of its own."""
        wheels = [path for path in entries(folder) if path.name.endswith(".whl") and path.is_file()]
        if wheels:
            self.artifacts += sorted(wheels)
        else:
            self._artifact(folder)

    def _artifact(self, path: Path) -> None:
        if not path.exists():
            raise SelectorError(f"{self.shown}: no such file or folder")
        self.artifacts.append(path)

    def _keys(self, path: Path, gathering: Gathering, walk: Search) -> list[Path]:
        candidates = self._candidates(path, walk) if path.is_dir() else self._file(path)
        # What a glob matches is only run when its name says that it is meant.
        explicit = len(self.paths) == 1 and not path.is_dir()
        added = (gathering.add(one, explicit=explicit) for one in candidates)
        return [key for key in added if key is not None]

    def _candidates(self, folder: Path, walk: Search) -> list[Path]:
        if (folder / "pyvenv.cfg").is_file():
            return [folder / "pyvenv.cfg"]
        candidates = [*pythons_in(folder / "bin"), *pythons_in(folder)]
        return candidates or (list(walk.walk(folder)) if len(self.paths) == 1 else [])

    def _file(self, path: Path) -> list[Path]:
        if len(self.paths) > 1:
            return [path] if is_python_name(path.name) else []
        if not path.is_file() and not path.is_symlink():
            why = "neither a file nor a folder" if path.exists() else "no such file or folder"
            raise SelectorError(f"{self.shown}: {why}")
        shim = shim_of(path)
        if shim is not None:
            raise SelectorError(
                f"{self.shown}: a {shim} shim is no interpreter; name a version ({shim}:3.12)"
            )
        return [path]


@dataclass(slots=True)
class _ByName(_Wanted):
    version: str = ""
    implementation: str = ""

    def gather(self, gathering: Gathering, walk: Search) -> None:
        for folder in path_entries():
            candidate = folder / self.text
            if candidate.is_file() and os.access(candidate, os.X_OK) and shim_of(candidate) is None:
                key = gathering.add(candidate)
                if key is not None:
                    self.keys.append(key)
                    return

    def choose(self, gathering: Gathering, everything: Sequence[Interpreter]) -> list[Interpreter]:
        if self.keys:
            return [gathering.get(key) for key in self.keys]
        if self.implementation == "cpython" and not self.version:
            return []
        return [
            one
            for one in everything
            if one.environment is None
            and one.implementation == self.implementation
            and _is_version(one, self.version)
        ]


@dataclass(slots=True)
class _ByVersion(_Wanted):
    version: str = ""
    builder: str = ""

    @property
    def builders(self) -> frozenset[str]:
        return _GROUPS.get(self.builder, frozenset({self.builder}))

    def choose(self, gathering: Gathering, everything: Sequence[Interpreter]) -> list[Interpreter]:
        return [
            one
            for one in everything
            if one.environment is None
            and (not self.builder or self.builders & {one.provenance.builder, one.provenance.installer})
            and (_is_version(one, self.version) or (self.builder and _is_folder(one, self.version)))
        ]


@dataclass(slots=True)
class _ById(_Wanted):
    def choose(self, gathering: Gathering, everything: Sequence[Interpreter]) -> list[Interpreter]:
        return [one for one in everything if self.text in {one.id, one.label}]


@dataclass(slots=True)
class _ByImage(_Wanted):
    reference: str = ""
    is_folder: bool = False
    pythons: list[Interpreter] = field(default_factory=list)

    def gather(self, gathering: Gathering, walk: Search) -> None:
        from pyassay.filetree import FileTreeError
        from pyassay.places.container import Engine, EngineError
        from pyassay.places.rootfs import RootFsError
        from pyassay.subjects.images import image_subjects, rootfs_subjects

        try:
            if self.is_folder:
                image, self.pythons = rootfs_subjects(Path(self.reference).resolve())
            else:
                with Engine.connect() as engine:
                    image, self.pythons = image_subjects(engine, self.reference)
        except (EngineError, FileTreeError, RootFsError) as error:
            raise SelectorError(display_text(" ".join(str(error).split()))) from error
        self.images.append(image)

    def choose(self, gathering: Gathering, everything: Sequence[Interpreter]) -> list[Interpreter]:
        return self.pythons


def _parse(selector: str | os.PathLike[str]) -> _Wanted:
    text = os.fspath(selector)
    if not isinstance(text, str) or not text.strip() or "\0" in text or len(text) > _MAX_SELECTOR:
        raise SelectorError(f"{display_text(str(text)[:200]) or 'an empty text'}: not a selector")
    if isinstance(selector, os.PathLike):
        return _ByPath(text, needs_all=False, paths=(Path(text),))
    prefix = _PREFIX.fullmatch(text)
    if prefix is not None:
        return _parse_prefixed(text, prefix[1], prefix[2])
    if any(character in text for character in "*?["):
        return _parse_glob(text)
    return _parse_name(text)


def _parse_name(text: str) -> _Wanted:
    if _VERSION.fullmatch(text):
        return _ByVersion(text, version=text)
    name = _NAME_VERSION.fullmatch(text)
    if name is not None:
        implementation = "cpython" if name[1] == "python" else name[1]
        return _ByName(text, version=name[2] or "", implementation=implementation)
    path = Path(os.path.expanduser(text))  # noqa: PTH111
    if "/" in text or text.startswith((".", "~")) or path.exists() or path.is_symlink():
        return _ByPath(text, needs_all=False, paths=(path,))
    return _ById(text)


def _parse_prefixed(text: str, prefix: str, rest: str) -> _Wanted:
    shown = display_text(text[:200])
    if prefix in _PLACES_TO_COME:
        raise SelectorError(
            f"{shown}: {prefix}: selectors are not supported yet; only Pythons of this host are"
        )
    if prefix in {"venv", "path", "python", "artifact"}:
        path = Path(os.path.expanduser(rest))  # noqa: PTH111
        if prefix == "venv" and not (path / "pyvenv.cfg").is_file():
            raise SelectorError(f"{shown}: no virtual environment (no pyvenv.cfg there)")
        only = "" if prefix == "path" else "artifact" if prefix == "artifact" else "python"
        return _ByPath(text, needs_all=False, paths=(path,), only=only)
    if prefix == "docker":
        return _ByImage(text, needs_all=False, reference=rest)
    if prefix == "rootfs":
        folder = os.path.expanduser(rest)  # noqa: PTH111
        return _ByImage(text, needs_all=False, reference=folder, is_folder=True)
    builder = _ALIASES.get(prefix, prefix)
    # A distribution that has no name of its own here is known where it runs.
    if builder not in {*BUILDERS, *INSTALLERS, distribution_key(distribution())}:
        known = sorted(
            {*BUILDERS, *INSTALLERS, *_ALIASES, "venv", "path", "python", "artifact", "docker", "rootfs"}
        )
        raise SelectorError(
            f"{shown}: {prefix} is no builder{_did_you_mean(prefix, known) or _list_of(known)}"
        )
    return _ByVersion(text, version=rest, builder=builder)


def _parse_glob(text: str) -> _Wanted:
    pattern = os.path.expanduser(text)  # noqa: PTH111
    matches = islice(glob.iglob(pattern, recursive=True), _MAX_MATCHES)  # noqa: PTH207 - absolute patterns, too
    paths = tuple(sorted(map(Path, matches)))
    if not paths:
        raise SelectorError(f"{display_text(text)}: matches no file")
    return _ByPath(text, needs_all=False, paths=paths)


def _is_version(one: Interpreter, wanted: str) -> bool:
    if not wanted:
        return True
    match = _VERSION.fullmatch(wanted)
    if match is None:
        return False
    if match[2] and "t" not in one.abi_flags:
        return False
    return one.version == match[1] or one.version.startswith(f"{match[1]}.")


def _is_folder(one: Interpreter, name: str) -> bool:
    return bool(name) and one.prefix is not None and one.prefix.name == name


def _nearest(text: str, everything: Iterable[Interpreter]) -> str:
    known: dict[str, None] = {}
    for one in everything:
        builder = one.provenance.installer or one.provenance.builder
        known |= dict.fromkeys((one.id, one.version, f"{builder}:{one.version}"))
        known |= dict.fromkeys(display_path(alias) for alias in (one.executable, *one.aliases))
    return _did_you_mean(display_text(text), list(known))


def _did_you_mean(text: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(text[:200], [name for name in known if name], n=3, cutoff=0.5)
    return f"; nearest: {', '.join(near)}" if near else ""


def _list_of(known: Sequence[str]) -> str:
    return f"; there are: {', '.join(known)}"
