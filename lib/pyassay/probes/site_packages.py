"""Python packages as their own records name them: what lies in the site folders of an interpreter.

Nothing is imported and nothing is run: ``METADATA``, ``INSTALLER`` and ``REQUESTED`` are read, each in part.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email.parser import HeaderParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyassay.probes.observations import Column, TableSchema
from pyassay.subjects.bounded import entries, head
from pyassay.subjects.display import display_text
from pyassay.subjects.model import Artifact, Interpreter, Subject
from pyassay.subjects.packages import Owner, owners

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["INSTALLED_PACKAGES", "TABLES", "InstalledPackage", "installed", "observe", "probe"]

INSTALLED_PACKAGES = TableSchema(
    "installed_packages",
    "one row per Python package that an interpreter or a virtual environment holds",
    (
        Column("subject_id", "text", "which subject of the table `subjects`"),
        Column(
            "distribution", "text", "name as its metadata says, not normalized; empty: none could be read"
        ),
        Column("version", "text", "as its metadata says; empty: none could be read"),
        Column("file", "text", "its dist-info or egg-info, relative to the prefix where it lies inside it"),
        Column(
            "installer", "text", "who says to have put it there (INSTALLER): pip, uv ...; empty: not said"
        ),
        Column(
            "requested",
            "flag",
            "asked for by name, not only needed by another; missing: the installer keeps no such record",
        ),
        Column("package", "text", "package of the system that owns it; empty: none"),
        Column("package_version", "text", "of that package"),
        Column("package_manager", "text", "dpkg, rpm, apk or pacman; empty: none"),
        Column("error", "text", "why the name or the version is not known: one line; empty: both are"),
    ),
)
TABLES = (INSTALLED_PACKAGES,)

_DPKG = Path("/var/lib/dpkg/status")
_MAX_METADATA_BYTES = 256 << 10
_MAX_PACKAGES = 5_000
_LONGEST = 200
_RECORDS = (".dist-info", ".egg-info", ".egg-link", ".egg")
# pip writes REQUESTED for what was asked for by name (PEP 376); uv writes it for everything.
_KEEP_REQUESTS = frozenset({"pip"})
_NAMED = re.compile(r"(?P<name>[^-]+)-(?P<version>[^-]+)(?:-py\d[\d.]*(?:-.+)?)?")
_NAME_CHARACTERS = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")


@dataclass(frozen=True, slots=True)
class InstalledPackage:
    """One package, as its record says.

    Attributes
    ----------
    name, version : str
        On one line; empty when they could not be read: ``error`` says why.
    record : Path
        Its ``.dist-info`` or ``.egg-info``.
    installer : str
    requested : bool or None
    error : str
    """

    name: str
    version: str
    record: Path
    installer: str = ""
    requested: bool | None = None
    error: str = ""


def probe(subject: Subject) -> dict[str, pd.DataFrame]:
    """Observe the packages of one subject: the table ``installed_packages``."""
    return {INSTALLED_PACKAGES.name: INSTALLED_PACKAGES.frame(observe(subject))}


def observe(subject: Subject) -> list[dict[str, Any]]:
    """Return the same as plain rows. Of what is no interpreter of this host: nothing, or why not."""
    if isinstance(subject, Artifact):
        return []
    if subject.image:
        reason = "the packages of an interpreter in an image are not read"
        return [_row(subject, InstalledPackage("", "", Path(), error=reason))]
    found = list(installed(subject.site_folders))
    owned = _owners(found)
    rows = []
    for one in found:
        row = _row(subject, one)
        if one.record in owned:
            owner = owned[one.record]
            row |= {
                "package": owner.package,
                "package_version": owner.version,
                "package_manager": owner.manager,
            }
        rows.append(row)
    return rows


def installed(folders: Sequence[Path]) -> Iterator[InstalledPackage]:
    """Yield the packages in site folders, by folder and name; at most 5,000, then a last one that says so."""
    count = 0
    for folder in dict.fromkeys(folders):
        for path in entries(folder):
            if not path.name.endswith(_RECORDS):
                continue
            if count == _MAX_PACKAGES:
                said = f"more than {_MAX_PACKAGES} packages: the rest is not read"
                yield InstalledPackage("", "", folder, error=said)
                return
            count += 1
            yield _read(path)


def _read(record: Path) -> InstalledPackage:
    stem, _, kind = record.name.rpartition(".")
    if kind == "egg-link":
        return _linked(record, stem)
    texts = {"dist-info": "METADATA", "egg-info": "PKG-INFO", "egg": "EGG-INFO/PKG-INFO"}
    inner = record / texts[kind]
    text = head(inner, _MAX_METADATA_BYTES)
    if not text and kind == "egg-info":
        # distutils wrote one file.
        text = head(record, _MAX_METADATA_BYTES)
    name, version = _named(text)
    error = "" if name and version else _why_not(inner, text)
    if not (name and version) and (match := _NAMED.fullmatch(stem)):
        name = name or _text(match["name"])
        version = version or _text(match["version"])
        error = f"{error}; known by the name of its record only"
    elif not name:
        name = _text(stem)
    installer = _text(head(record / "INSTALLER", 256).decode("utf-8", "replace"))
    requested = None
    if installer in _KEEP_REQUESTS:
        requested = (record / "REQUESTED").is_file()
    return InstalledPackage(name, version, record, installer, requested, error)


def _linked(record: Path, stem: str) -> InstalledPackage:
    """Read what an old editable installation links to."""
    target = head(record, 4096).decode("utf-8", "surrogateescape").split("\n", 1)[0].strip()
    if target.startswith("/") and "\0" not in target:
        for path in entries(Path(target)):
            if path.name.endswith(".egg-info"):
                return _read(path)
    said = f"a link to {display_text(target)[:_LONGEST] or 'nothing'}, where no egg-info lies"
    return InstalledPackage(_text(stem), "", record, error=said)


def _named(text: bytes) -> tuple[str, str]:
    """Return name and version of a METADATA text; empty, what it does not say, or says in no usable form."""
    if not text:
        return "", ""
    headers = re.split(rb"\r?\n\r?\n", text, maxsplit=1)[0].decode("utf-8", "replace")
    message = HeaderParser().parsestr(headers, headersonly=True)
    name, version = (_text(str(message.get(key, ""))) for key in ("Name", "Version"))
    return (name if _NAME_CHARACTERS.fullmatch(name) else ""), version


def _why_not(path: Path, text: bytes) -> str:
    if not text:
        return f"{path.name} is absent, empty or cannot be read"
    return f"{path.name} names no usable name and version"


def _owners(found: Sequence[InstalledPackage]) -> dict[Path, Owner]:
    """Return the system's package of each record that belongs to one."""
    folders = {one.record.parent for one in found}
    if _DPKG.is_file():
        # dpkg lists folders, too: in one that no package brings, no package's file lies.
        folders &= owners(folders).keys()
    files: dict[Path, Path] = {}
    for one in found:
        if one.record.parent in folders:
            inner = (one.record / "METADATA", one.record / "PKG-INFO")
            files[next((file for file in inner if file.is_file()), one.record)] = one.record
    return {files[file]: owner for file, owner in owners(files).items()}


def _row(subject: Interpreter, one: InstalledPackage) -> dict[str, Any]:
    file = one.record
    for root in (subject.environment, subject.prefix):
        if root is not None and file.is_relative_to(root):
            file = file.relative_to(root)
            break
    return {
        "subject_id": subject.id,
        "distribution": one.name,
        "version": one.version,
        "file": "" if one.record == Path() else str(file),
        "installer": one.installer,
        "requested": one.requested,
        "package": "",
        "package_version": "",
        "package_manager": "",
        "error": one.error,
    }


def _text(text: str) -> str:
    return display_text(text.strip())[:_LONGEST]
