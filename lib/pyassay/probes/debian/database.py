"""The dpkg database and apt's lists of a system: of this host, a root file system or an image; only read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path

from pyassay.filetree import open_tree
from pyassay.probes.debian.apt_lists import AptList, ListError, is_list, is_release, offers, unpacked_list
from pyassay.probes.debian.files import (
    INFO,
    LISTS,
    STATUS,
    Distributions,
    Export,
    Folder,
    SystemFiles,
)
from pyassay.subjects.display import display_text
from pyassay.subjects.images import ROOTFS
from pyassay.subjects.model import Artifact, Interpreter, SubjectKind

__all__ = ["InstalledPackages", "Stanza", "image_of", "of_image", "of_root", "packages_of"]

_MAX_LISTS = 200
_EXCLUSION = re.compile(r"^\s*path-(exclude|include)\s*[= ]\s*(\S{1,500})\s*$", re.MULTILINE)
_STAT_S = 20.0


@dataclass(frozen=True, slots=True)
class Stanza:
    """An installed package: name, version, architecture, and its configuration files with their MD5."""

    name: str
    version: str
    architecture: str
    conffiles: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class InstalledPackages:
    """What dpkg and apt know of one system.

    Attributes
    ----------
    packages : dict of str to list of Stanza
        Those installed, by name: one for each architecture.
    status_day : str
        When dpkg last wrote its database (ISO 8601); empty: not known.
    distributions : Distributions or None
        Of an image, what is needed to compare Python's packages with their RECORD; elsewhere the files
        themselves are at hand.
    """

    packages: dict[str, list[Stanza]]
    status_day: str
    files: SystemFiles
    distributions: Distributions | None = None
    _lists: tuple[list[AptList], list[str]] | None = None

    @property
    def count(self) -> int:
        """Return how many packages are installed."""
        return sum(map(len, self.packages.values()))

    def lists(self) -> tuple[list[AptList], list[str]]:
        """Return apt's lists with all that they offer, read once, and why others could not be read."""
        if self._lists is None:
            self._lists = self._read_lists()
        return self._lists

    def _read_lists(self) -> tuple[list[AptList], list[str]]:
        names = self.files.names(LISTS)
        releases = {name: self.files.text(LISTS + name) for name in names if is_release(name)}
        found: list[AptList] = []
        wrong: list[str] = []
        for name in [name for name in names if is_list(name)][:_MAX_LISTS]:
            try:
                text = unpacked_list(name, self.files.text(LISTS + name))
                found.append(offers(name, text, releases))
            except ListError as error:
                wrong.append(f"{display_text(name)}: {error}")
        return found, wrong

    def md5sums(self, package: Stanza) -> bytes:
        """Return what dpkg noted of the files of a package; empty: nothing (it has none, or no sums)."""
        for name in (f"{package.name}:{package.architecture}", package.name):
            if data := self.files.text(f"{INFO}{name}.md5sums"):
                return data
        return b""

    def owning(self, paths: Iterable[str]) -> list[Stanza]:
        """Return the packages whose sums name one of some absolute paths, also where /lib is /usr/lib."""
        wanted = [path.lstrip("/") for path in paths]
        needles = [
            f"  {path}\n".encode("utf-8", "surrogateescape")
            for path in (*wanted, *(path.removeprefix("usr/") for path in wanted))
        ]
        found = []
        for stanzas in self.packages.values():
            for stanza in stanzas:
                sums = self.md5sums(stanza) + b"\n"
                if any(needle in sums for needle in needles):
                    found.append(stanza)
        return found

    def left_out(self, path: str) -> bool:
        """Tell whether dpkg was told not to unpack a path (``path-exclude``: documentation, mostly)."""
        state = False
        names = sorted(self.files.names("etc/dpkg/dpkg.cfg.d/"))
        for name in ["etc/dpkg/dpkg.cfg", *(f"etc/dpkg/dpkg.cfg.d/{name}" for name in names[:100])]:
            for verb, pattern in _EXCLUSION.findall(self.files.text(name).decode("utf-8", "replace")):
                if fnmatchcase(f"/{path}", pattern):
                    state = verb == "exclude"
        return state


# Places ----------------------------------------------------------------------------------------------------


def image_of(subject: Interpreter | Artifact) -> str:
    """Return the image (or root file system) that a subject is, or lies in; empty: this host."""
    if isinstance(subject, Interpreter):
        return subject.image
    return str(subject.path) if subject.kind is SubjectKind.IMAGE else ""


def packages_of(subject: Interpreter | Artifact) -> InstalledPackages:
    """Return the packages of the system that a subject lies in.

    Raises
    ------
    EngineError, FileTreeError
        If an image cannot be read.
    """
    image = image_of(subject)
    if image and not image.startswith(ROOTFS):
        return of_image(image)
    return of_root(Path(image.removeprefix(ROOTFS)) if image else Path("/"))


def of_root(root: Path = Path("/")) -> InstalledPackages:
    """Read the databases below a folder; read again only if dpkg or apt have changed something."""
    try:
        changed = (root / STATUS).stat().st_mtime_ns
    except OSError:
        changed = 0
    try:
        lists = (root / LISTS).stat().st_mtime_ns
    except OSError:
        lists = 0
    return _of_root(root, changed, lists)


@lru_cache(maxsize=16)
def _of_root(root: Path, changed_ns: int, _: int) -> InstalledPackages:
    files = Folder(root.resolve())
    day = datetime.fromtimestamp(changed_ns / 1e9, UTC).date().isoformat() if changed_ns else ""
    return InstalledPackages(_stanzas(files.text(STATUS)), day, files)


_images: dict[str, InstalledPackages] = {}


def of_image(reference: str) -> InstalledPackages:
    """Read the databases of an image from its export, once; only the date is asked for in a container.

    Raises
    ------
    EngineError, FileTreeError
        If it cannot be read.
    """
    from pyassay.places.container import Engine, EngineError

    with Engine.connect() as engine:
        digest = engine.digest(reference)
        if digest not in _images:
            with engine.export(reference) as stream, open_tree(stream, name=reference, nested=False) as tree:
                files = Export.of(tree)
            day = ""
            if files.text(STATUS):
                try:
                    said = engine.run(
                        reference,
                        ("stat", "-c", "%Y", f"/{STATUS}"),
                        timeout_s=_STAT_S,
                        max_output_bytes=1024,
                    )
                    day = _day_of(said.stdout) if said.ok else ""
                except EngineError:
                    day = ""
            _images[digest] = InstalledPackages(_stanzas(files.text(STATUS)), day, files, files.distributions)
    return _images[digest]


def _day_of(seconds: bytes) -> str:
    text = seconds.strip()
    if not text.isdigit() or len(text) > 11:
        return ""
    return datetime.fromtimestamp(int(text), UTC).date().isoformat()


def _stanzas(status: bytes) -> dict[str, list[Stanza]]:
    found: dict[str, list[Stanza]] = {}
    for text in status.decode("utf-8", "replace").split("\n\n"):
        fields, conffiles = _fields(text)
        name = fields.get("Package", "")
        if name and fields.get("Status", "").endswith((" installed", " unpacked", "-configured")):
            stanza = Stanza(name, fields.get("Version", ""), fields.get("Architecture", ""), conffiles)
            found.setdefault(name, []).append(stanza)
    return found


def _fields(stanza: str) -> tuple[Mapping[str, str], tuple[tuple[str, str], ...]]:
    fields: dict[str, str] = {}
    conffiles: list[tuple[str, str]] = []
    key = ""
    for line in stanza.splitlines():
        if line[:1] != " ":
            key, _, value = line.partition(":")
            if key in ("Package", "Status", "Version", "Architecture"):
                fields.setdefault(key, display_text(value.strip())[:200])
        elif key == "Conffiles":
            words = line.split()
            # A third word, "obsolete" or "remove-on-upgrade": it is no more the package's own.
            if len(words) == 2 and words[0].startswith("/"):
                conffiles.append((words[0][1:], words[1]))
    return fields, tuple(conffiles)
