"""What is inside an artifact: libraries and their versions, who brought them, bills of materials, floors."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

from pyassay.elf.versions import floors, version_key
from pyassay.packagers.model import Delivery
from pyassay.probes.libraries import observe
from pyassay.probes.packaging.candidates import Candidate
from pyassay.probes.packaging.reading import ReadArtifact
from pyassay.subjects.contents import StoredElf
from pyassay.subjects.model import SubjectKind

__all__ = ["content_rows", "floor_of", "static_facts", "wheel_floor"]

_SBOM = re.compile(r"\.(?:cdx|spdx)\.json$|(?:^|/)sboms?/[^/]+$|\.spdx$", re.IGNORECASE)
_LIBC = re.compile(
    r"(?:libc|libm|libdl|librt|libutil|libpthread|libresolv|libnsl|libcrypt|ld-linux[^/]*)\.so"
)
_UPDATED_BY = {
    "the Python": "a new Python, then a new build of the artifact",
    "a wheel": "a new build of the wheel, then of the artifact",
    "the packager": "a new release of the packager, then a new build of the artifact",
    "the system": "apt on the machine that builds, then a new build of the artifact",
    "unknown": "a new build of the artifact",
}
_SYSTEM_FOLDERS = ("/lib", "/usr/lib", "/lib64", "/usr/lib64")

Row = dict[str, Any]


@dataclass(frozen=True)
class Floor:
    """The newest glibc symbol version that is needed, and by what."""

    version: str = ""
    set_by: str = ""


def floor_of(elves: Iterable[StoredElf]) -> Floor:
    """Return the glibc floor of some files."""
    best: tuple[tuple[int, ...], Floor] = ((), Floor())
    for one in elves:
        found = floors(one.elf.version_needs).get("GLIBC")
        if found is None or found.hard is None or found.hard.number is None:
            continue
        version = ".".join(map(str, found.hard.number))
        key = version_key(version) or ()
        if key > best[0]:
            best = (key, Floor(version, one.path))
    return best[1]


def static_facts(read: ReadArtifact) -> Row:
    """Return the columns of ``packaging_builds`` that come from what was read."""
    elves = read.contents.elf
    is_image = read.built.delivery is Delivery.IMAGE
    floor = Floor() if is_image else floor_of(elves)
    return {
        "elf_files": len(elves),
        "glibc_floor": floor.version,
        "floor_set_by": floor.set_by,
        "outer_floor": floor_of([read.outer]).version if read.outer is not None else "",
        "outside_libraries": [] if is_image else _outside(elves),
        "carries_python": read.carries_python,
    }


def _outside(elves: Iterable[StoredElf]) -> list[str]:
    listed = list(elves)
    carried = {PurePosixPath(one.path).name for one in listed} | {one.elf.soname or "" for one in listed}
    needed = {PurePosixPath(name).name for one in listed for name in one.elf.needed}
    return sorted(name for name in needed - carried if not _LIBC.match(name))


def content_rows(candidate: Candidate, read: ReadArtifact, cache_folder: Path) -> list[Row]:
    """Return the rows of ``packaging_contents``.

    Raises
    ------
    FileTreeError
        If the artifact cannot be read.
    """
    subject = replace(candidate.subject, kind=SubjectKind.ARTIFACT)
    rows = []
    for found in observe(subject):
        if not found["library"] or found["linkage"] == "system":
            continue
        who = _brought_by(candidate, found, cache_folder)
        in_image = read.built.delivery is Delivery.IMAGE and found["package_manager"] == "dpkg"
        rows.append(
            {
                "subject_id": candidate.subject_id,
                "library": found["library"],
                "version": found["version"],
                "path": found["file"],
                "brought_by": "the system" if in_image else who,
                "updated_by": "apt in a new build of the image" if in_image else _UPDATED_BY[who],
            }
        )
    for path in read.contents.paths:
        if _SBOM.search(path):
            rows.append(
                {
                    "subject_id": candidate.subject_id,
                    "library": "sbom",
                    "version": "",
                    "path": path,
                    "brought_by": "a wheel" if "dist-info" in path else "unknown",
                    "updated_by": _UPDATED_BY["a wheel" if "dist-info" in path else "unknown"],
                }
            )
    return rows


def _brought_by(candidate: Candidate, found: Row, cache_folder: Path) -> str:
    name = PurePosixPath(found["file"]).name
    if candidate.inputs is not None and name in _names_in_wheels(candidate.inputs.wheelhouse):
        return "a wheel"
    prefix = candidate.python.prefix
    if found["library"] == "cpython" or name in _names_below(prefix):
        return "the Python"
    if name in _names_of_tools(cache_folder):
        return "the packager"
    if name in _names_of_the_system():
        return "the system"
    # Of a program that has Python linked in, the libraries in the same file are Python's.
    return "the Python" if found["linkage"] == "static" else "unknown"


@cache
def _names_in_wheels(wheelhouse: Path) -> frozenset[str]:
    found: set[str] = set()
    for wheel in wheelhouse.glob("*.whl"):
        try:
            with zipfile.ZipFile(wheel) as archive:
                found |= {PurePosixPath(name).name for name in archive.namelist() if ".so" in name}
        except (OSError, zipfile.BadZipFile):
            continue
    return frozenset(found)


@cache
def _names_below(prefix: Path | None) -> frozenset[str]:
    if prefix is None:
        return frozenset()
    folders = [prefix / "lib", *prefix.glob("lib/python3.*/lib-dynload"), prefix / "bin"]
    found = {path.name for folder in folders if folder.is_dir() for path in folder.iterdir()}
    if str(prefix) == "/usr":
        # There, the libraries of all packages lie beside Python's own.
        return frozenset(name for name in found if name.startswith(("python", "libpython", "_")))
    return frozenset(found)


@cache
def _names_of_tools(cache_folder: Path) -> frozenset[str]:
    environments = cache_folder / "packaging" / "environments"
    return frozenset(path.name for path in environments.rglob("lib*.so*"))


@cache
def _names_of_the_system() -> frozenset[str]:
    found: set[str] = set()
    for folder in map(Path, _SYSTEM_FOLDERS):
        for inner in (folder, *folder.glob("*-linux-gnu")):
            if inner.is_dir():
                found |= {path.name for path in inner.iterdir() if ".so" in path.name}
    return frozenset(found)


def wheel_floor(wheelhouse: Path) -> Floor:
    """Return the glibc floor of all wheels of a folder.

    Raises
    ------
    FileTreeError
        If one cannot be read.
    """
    from pyassay.filetree import open_tree
    from pyassay.subjects.contents import read_contents

    found: list[StoredElf] = []
    for wheel in sorted(wheelhouse.glob("*.whl")):
        with open_tree(wheel, name=wheel.name) as tree:
            contents = read_contents(tree, text_wanted=lambda path: False)
        found += [replace(one, path=f"{wheel.name}!/{one.path}") for one in contents.elf]
    return floor_of(found)
