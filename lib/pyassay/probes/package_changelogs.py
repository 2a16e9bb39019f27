"""What the changelogs of packages say of advisories: read on disk, here or in the image, never fetched."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pyassay.probes.observations import Column, TableSchema
from pyassay.subjects import changelogs
from pyassay.subjects.changelogs import Changelog
from pyassay.subjects.images import ROOTFS
from pyassay.subjects.model import Artifact, Interpreter, SubjectKind
from pyassay.subjects.packages import distribution

__all__ = ["ABSENT", "PACKAGE_CHANGELOGS", "observe"]

ABSENT = "absent"

PACKAGE_CHANGELOGS = TableSchema(
    "package_changelogs",
    "one row per installed package that carries a library, and advisory that its changelog names",
    (
        Column("subject_id", "text", "which subject of the table `subjects`"),
        Column("installed", "text", "name of the installed package"),
        Column("installed_version", "text", "its version"),
        Column("distribution", "text", "id of os-release where it is installed: debian"),
        Column("release", "text", "its version: 12"),
        Column("package", "text", "the source package that the changelog is of"),
        Column("version", "text", "of the entry; in a row without an advisory the newest of the changelog"),
        Column(
            "day", "text", "of the entry (ISO 8601); in a row without an advisory since when there are any"
        ),
        Column("advisory", "text", "CVE-2024-0397; empty: this row tells of the changelog as a whole"),
        Column(
            "reading",
            "text",
            "fixed, reverted, not affected or named; of the changelog complete, incomplete or absent",
        ),
        Column("line", "text", "the item that names it, shortened"),
    ),
)

_CAT_S = 20.0
_MAX_BYTES = 4 << 20
_NAMES = ("changelog.Debian.gz", "changelog.Debian", "changelog.gz")

Read = Callable[[str], Changelog | None]


@dataclass(frozen=True, slots=True)
class _Place:
    distribution: str
    release: str
    read: Read


def observe(
    subject: Interpreter | Artifact, libraries: Iterable[Mapping[str, Any]], components: Iterable[str]
) -> list[dict[str, str]]:
    """Return the rows for the packages of Debian's kind that carry certain libraries.

    Parameters
    ----------
    subject : Interpreter or Artifact
        What the packages belong to.
    libraries : iterable of mapping
        Rows of ``bundled_libraries``.
    components : iterable of str
        The libraries in question.
    """
    wanted = set(components)
    packages = {
        (str(row["package"]), str(row["package_version"]))
        for row in libraries
        if row["package_manager"] == "dpkg" and row["library"] in wanted and row["package"]
    }
    if not packages:
        return []
    place = _place(subject)
    rows = []
    for name, version in sorted(packages):
        found = place.read(name)
        about = {
            "subject_id": subject.id,
            "installed": name,
            "installed_version": version,
            "distribution": place.distribution,
            "release": place.release,
        }
        told = found.rows() if found is not None else [_absent(name)]
        rows += [{**about, **row} for row in told]
    return rows


def _absent(name: str) -> dict[str, str]:
    return {**dict.fromkeys(changelogs.COLUMNS, ""), "package": name, "reading": ABSENT}


def _place(subject: Interpreter | Artifact) -> _Place:
    image = subject.image if isinstance(subject, Interpreter) else ""
    if isinstance(subject, Artifact) and subject.kind is SubjectKind.IMAGE:
        image = str(subject.path)
    if image and not image.startswith(ROOTFS):
        return _in_image(image)
    root = Path(image.removeprefix(ROOTFS)) if image else Path("/")
    found = distribution(root)
    return _Place(found.id, found.version, lambda name: changelogs.read(name, root))


@cache
def _in_image(image: str) -> _Place:
    """Read in a container of the image: its export would have to be gone through for a few kilobytes."""
    from pyassay.places.container import Engine

    said = _printed(image, ["/etc/os-release"])
    values = dict(line.split("=", 1) for line in said.decode("utf-8", "replace").splitlines() if "=" in line)

    @cache
    def read(name: str) -> Changelog | None:
        data = _printed(image, [f"/usr/share/doc/{name}/{file}" for file in _NAMES])
        found = changelogs.parse(data) if data else None
        return found if found is not None and found.versions else None

    with Engine.connect() as engine:
        engine.digest(image)
    return _Place(values.get("ID", "").strip('"'), values.get("VERSION_ID", "").strip('"'), read)


def _printed(image: str, paths: list[str]) -> bytes:
    """Return the first of some files of an image; empty where none is there, or nothing can print it."""
    from pyassay.places.container import Engine, EngineError

    with Engine.connect() as engine:
        for path in paths:
            try:
                completed = engine.run(
                    image, ("cat", "--", path), timeout_s=_CAT_S, max_output_bytes=_MAX_BYTES
                )
            except EngineError:
                return b""
            if completed.returncode == 0 and completed.stdout:
                return completed.stdout
    return b""
