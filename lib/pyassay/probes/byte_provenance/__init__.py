"""Provenance of bytes: what packages, RECORDs and SBOMs claim of files, against the files themselves."""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyassay.filetree import FileTreeError, Member, open_tree
from pyassay.filetree.folder import open_regular
from pyassay.probes.byte_provenance.claims import Budget, Claims, sha256
from pyassay.probes.byte_provenance.dpkg import dpkg_rows
from pyassay.probes.byte_provenance.records import archive_rows, site_rows
from pyassay.probes.byte_provenance.sboms import sbom_rows
from pyassay.probes.debian.database import image_of, packages_of
from pyassay.probes.observations import Column, TableSchema
from pyassay.subjects.bounded import entries, head
from pyassay.subjects.images import ROOTFS
from pyassay.subjects.model import Artifact, Interpreter, Subject, SubjectKind

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["BYTE_PROVENANCE", "TABLES", "observe", "probe"]

BYTE_PROVENANCE = TableSchema(
    "byte_provenance",
    "one row per claim about a file that does not hold or was not checked; those that hold, together",
    (
        Column("subject_id", "text", "which subject of the table `subjects`"),
        Column(
            "claim",
            "text",
            "dpkg (its MD5 sums), dpkg conffile (configuration, which may be changed), RECORD (of a wheel or "
            "an installed distribution), SBOM (PEP 770) or digest (SHA-256 of a whole archive)",
        ),
        Column("source", "text", "who claims it: package, distribution or wheel, with its version"),
        Column("file", "text", "which file; empty: as many as `files` says, together"),
        Column("files", "count", "how many files the row stands for"),
        Column("claimed", "text", "digest, or library and version; empty: nothing is claimed"),
        Column("found", "text", "the same of the bytes; empty: nothing was found"),
        Column(
            "state",
            "text",
            "holds, differs, missing, unlisted (there, and not in RECORD), not in the SBOM (there), not in "
            "the bytes (in the SBOM only) or not checked",
        ),
        Column("reason", "text", "one line, where there is more to say"),
    ),
)
TABLES = (BYTE_PROVENANCE,)

_RECORD = re.compile(r"(?:.*/)?[^/]+\.dist-info/RECORD")
_SBOM = re.compile(r"(?P<folder>(?:.*/)?[^/]+\.dist-info)/sboms/[^/]+")
_MAX_TEXT_BYTES = 32 << 20
_MAX_TEXTS_BYTES = 128 << 20
_MAX_SBOMS = 50


def probe(subject: Subject, libraries: Iterable[Mapping[str, Any]] | None = None) -> dict[str, pd.DataFrame]:
    """Observe the provenance of one subject's bytes: the table ``byte_provenance``.

    Parameters
    ----------
    subject : Interpreter or Artifact
    libraries : iterable of mapping, optional
        Its rows of ``bundled_libraries``, where they are known already.

    Raises
    ------
    FileTreeError
        If an artifact cannot be read at all.
    EngineError
        If the engine or the image is gone.
    """
    return {BYTE_PROVENANCE.name: BYTE_PROVENANCE.frame(observe(subject, libraries))}


def observe(subject: Subject, libraries: Iterable[Mapping[str, Any]] | None = None) -> list[dict[str, Any]]:
    """Return the same as plain rows, for those who need no DataFrame."""
    if libraries is None:
        from pyassay.probes.libraries import observe as observe_libraries

        libraries = observe_libraries(subject)
    known = list(libraries)
    if isinstance(subject, Artifact) and subject.kind is not SubjectKind.IMAGE:
        rows = _of_artifact(subject, known)
    else:
        rows = _of_system(subject, known)
    return [{"subject_id": subject.id, **row} for row in rows]


# Interpreters and images -----------------------------------------------------------------------------------


def _of_system(subject: Subject, libraries: list[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    budget = Budget()
    yield from dpkg_rows(subject, libraries, budget)
    if image_of(subject):
        yield from _of_image(subject)
        return
    if not isinstance(subject, Interpreter):
        return
    roots = [
        path
        for path in (subject.environment, subject.prefix, *(_above(site) for site in subject.site_folders))
        if path is not None
    ]
    yield from site_rows(subject.site_folders, roots, Budget(budget.bytes_left))
    for site in subject.site_folders:
        for folder in entries(site):
            if folder.name.endswith(".dist-info"):
                yield from _of_distribution(folder, libraries)


def _of_image(subject: Subject) -> Iterator[dict[str, Any]]:
    """Yield the rows of the distributions of an image, or of one interpreter in it."""
    image = image_of(subject)
    sites = subject.site_folders if isinstance(subject, Interpreter) else None
    if image.startswith(ROOTFS):
        root = Path(image.removeprefix(ROOTFS))
        yield from site_rows([root / str(site).lstrip("/") for site in sites or ()], [root])
        return
    found = packages_of(subject).distributions
    if found is not None:
        wanted = {
            path: text
            for path, text in found.records.items()
            if sites is None or Path(f"/{path}").parent.parent in sites
        }
        yield from archive_rows(wanted, found.sums, found.wrong, whole=False)


def _above(site: Path) -> Path | None:
    """Return the prefix that ``<prefix>/lib/python3.12/site-packages`` lies in."""
    parts = site.parts
    return Path(*parts[:-3]) if len(parts) > 4 and parts[-3] in ("lib", "lib64") else None


def _of_distribution(folder: Path, libraries: list[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    documents = {
        f"{folder.name}/sboms/{path.name}": head(path, _MAX_TEXT_BYTES)
        for path in entries(folder / "sboms")[:_MAX_SBOMS]
    }
    name, _, version = folder.name.removesuffix(".dist-info").partition("-")
    own = [
        row
        for row in libraries
        if row["package_manager"] == "wheel" and (row["package"], row["package_version"]) == (name, version)
    ]
    yield from sbom_rows(f"{name} {version}", documents, own)


# Artifacts -------------------------------------------------------------------------------------------------


def _of_artifact(artifact: Artifact, libraries: list[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    source = artifact.path.resolve()
    if source.is_file():
        yield from _digest(source)
    read = _Read()
    with open_tree(source, name=artifact.label) as tree:
        is_wheel = tree.format == "wheel"
        for item in tree:
            if isinstance(item, Member):
                read.take(item)
            else:
                read.wrong[item.path] = item.reason
    for path in sorted(read.wrong.keys() & (read.records.keys() | read.sboms.keys() | {""})):
        unread = Claims("RECORD", artifact.path.name)
        unread.tell("not checked", path, reason=read.wrong[path])
        yield from unread.rows()
    if is_wheel and not read.records:
        unread = Claims("RECORD", artifact.path.name)
        unread.tell("not checked", "", reason="a wheel without a RECORD that could be read")
        yield from unread.rows()
    yield from archive_rows(read.records, read.sums, read.wrong, whole=is_wheel)
    folders = sorted({posixpath.dirname(path) for path in read.records} | read.sboms.keys())
    for folder in folders:
        name, _, version = posixpath.basename(folder).removesuffix(".dist-info").partition("-")
        own = [
            row
            for row in libraries
            if (row["package"], row["package_version"]) == (name, version)
            or (is_wheel and not row["package"])
        ]
        yield from sbom_rows(f"{name} {version}", read.sboms.get(folder, {}), own)


def _digest(path: Path) -> Iterator[dict[str, Any]]:
    claims = Claims("digest", path.name)
    try:
        with open_regular(path) as stream:
            found = sha256(stream)
    except (OSError, ValueError) as error:
        claims.tell("not checked", path.name, reason=str(error))
    else:
        claims.tell("not checked", path.name, "", found, "no published list of digests is at hand")
    yield from claims.rows()


@dataclass(slots=True)
class _Read:
    """What is kept of an artifact: the SHA-256 of each member, the texts of RECORDs and SBOMs."""

    sums: dict[str, str] = field(default_factory=dict)
    records: dict[str, bytes] = field(default_factory=dict)
    sboms: dict[str, dict[str, bytes]] = field(default_factory=dict)
    wrong: dict[str, str] = field(default_factory=dict)
    left: int = _MAX_TEXTS_BYTES

    def take(self, item: Member) -> None:
        if item.kind == "hardlink" and item.target in self.sums:
            self.sums[item.path] = self.sums[item.target]
        if item.kind != "file":
            return
        try:
            with item.open() as stream:
                sbom = _SBOM.fullmatch(item.path)
                if sbom or _RECORD.fullmatch(item.path):
                    if item.size_bytes > min(_MAX_TEXT_BYTES, self.left):
                        raise FileTreeError(f"{item.size_bytes} bytes: more than what is read")
                    data = stream.read()
                    self.left -= len(data)
                    self.sums[item.path] = hashlib.sha256(data).hexdigest()
                    if sbom:
                        documents = self.sboms.setdefault(sbom["folder"], {})
                        if len(documents) < _MAX_SBOMS:
                            documents[item.path] = data
                    else:
                        self.records[item.path] = data
                else:
                    self.sums[item.path] = sha256(stream)
        except (FileTreeError, OSError, ValueError) as error:
            self.wrong[item.path] = " ".join(str(error).split()).removeprefix(f"{item.path}: ")
