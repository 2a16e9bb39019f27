"""Which package a library came with, and what that package's version tells of the library's own."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pyassay.probes.signatures import Signature
from pyassay.subjects.bounded import entries, head
from pyassay.subjects.display import display_text
from pyassay.subjects.packages import owners

__all__ = [
    "Package",
    "conda_packages",
    "debian_package",
    "dpkg_packages",
    "recorded",
    "recorded_in_archive",
    "system_packages",
    "upstream_version",
    "wheel_packages",
]

_MAX_DATABASE_BYTES = 256 << 20
_MAX_RECORD_BYTES = 32 << 20
_DIST_INFO = re.compile(r"(?:.*/)?([A-Za-z0-9._]+)-([^-/]+)\.dist-info")
_UPSTREAM = re.compile(r"(\d[A-Za-z0-9.-]*?)(?:[+~].*|[.+~](?:dfsg|ds|git|repack).*)?")


@dataclass(frozen=True, slots=True)
class Package:
    """A package: manager (``dpkg``, ``wheel``, ...), name, version, and the source that it was built from."""

    manager: str
    name: str
    version: str
    source: str = ""


def system_packages(files: Iterable[Path], root: Path = Path("/")) -> dict[Path, Package]:
    """Return the system's package of each file that belongs to one."""
    owned = owners(files, root)
    debian = {owner.package for owner in owned.values() if owner.manager == "dpkg"}
    known: Mapping[str, Package] = {}
    if debian:
        known = _stanzas(head(root / "var/lib/dpkg/status", _MAX_DATABASE_BYTES), debian)
    return {
        file: known.get(owner.package) or Package(owner.manager, owner.package, owner.version)
        for file, owner in owned.items()
    }


def dpkg_packages(paths: Iterable[str], lists: Mapping[str, bytes], status: bytes) -> dict[str, Package]:
    """Return the package of each path of an image, by the texts of its dpkg database.

    Parameters
    ----------
    paths : iterable of str
        Absolute.
    lists : mapping of str to bytes
        Lists of files by their names in ``var/lib/dpkg/info``.
    status : bytes
        ``var/lib/dpkg/status``.
    """
    needles = {
        b"\n" + spelling.encode("utf-8", "surrogateescape") + b"\n": path
        for path in paths
        for spelling in _spellings(path)
    }
    owned: dict[str, str] = {}
    for name, text in lists.items():
        listing = b"\n" + text
        package = name.rpartition("/")[2].removesuffix(".list").partition(":")[0]
        owned |= {path: package for needle, path in needles.items() if needle in listing}
    known = _stanzas(status, set(owned.values()))
    return {path: known.get(name) or Package("dpkg", name, "") for path, name in owned.items()}


def _spellings(path: str) -> Iterator[str]:
    """Yield the ways in which a database may name a file, where /lib is a link to /usr/lib."""
    yield path
    yield path.removeprefix("/usr") if path.startswith("/usr/") else f"/usr{path}"


def debian_package(stanza: bytes) -> Package | None:
    """Return the package that a control file describes; None if it describes none."""
    return next(iter(_stanzas(stanza, None).values()), None)


def _stanzas(text: bytes, wanted: set[str] | None) -> dict[str, Package]:
    """Return packages by name: those wanted, or all."""
    found: dict[str, Package] = {}
    for stanza in text.decode("utf-8", "replace").split("\n\n"):
        fields = dict(line.split(": ", 1) for line in stanza.splitlines() if ": " in line and line[:1] != " ")
        name = fields.get("Package", "").strip()
        if name and (wanted is None or name in wanted):
            # "krb5 (1.20.1-2)": a source whose version is another.
            source = fields.get("Source", name).partition(" ")[0]
            found[name] = Package("dpkg", *map(_short, (name, fields.get("Version", ""), source)))
    return found


def _short(text: str) -> str:
    return display_text(text.strip())[:120]


def wheel_packages(site_folders: Iterable[Path]) -> dict[Path, Package]:
    """Return the wheel that each file of an environment was installed from, by the RECORD of each."""
    found: dict[Path, Package] = {}
    for folder in site_folders:
        for entry in entries(folder):
            package = _named(entry.name)
            if package is None:
                continue
            for name in recorded(head(entry / "RECORD", _MAX_RECORD_BYTES)):
                found[folder / name] = package
    return found


def conda_packages(prefix: Path) -> dict[Path, Package]:
    """Return the conda package of each file below a prefix, by the records in its ``conda-meta``."""
    found: dict[Path, Package] = {}
    for entry in entries(prefix / "conda-meta"):
        if entry.suffix != ".json":
            continue
        try:
            record = json.loads(head(entry, _MAX_RECORD_BYTES))
            name, version, files = (record.get(key) for key in ("name", "version", "files"))
        except (ValueError, AttributeError, RecursionError):
            continue
        if isinstance(name, str) and isinstance(version, str) and isinstance(files, list):
            package = Package("conda", _short(name), _short(version))
            found |= {prefix / file: package for file in files if isinstance(file, str) and "\0" not in file}
    return found


def _named(path: str) -> Package | None:
    match = _DIST_INFO.fullmatch(path)
    if match is None:
        return None
    return Package("wheel", _short(match[1]), _short(match[2]))


def recorded(record: bytes) -> Iterator[str]:
    """Yield the shared objects and programs that a RECORD lists: paths that stay below its folder."""
    lines = record.decode("utf-8", "replace").splitlines()
    try:
        for row in csv.reader(lines):
            if row and not row[0].startswith(("/", "../")) and not row[0].endswith((".py", ".pyc")):
                yield row[0]
    except csv.Error:
        return


def recorded_in_archive(records: Mapping[str, bytes]) -> dict[str, Package]:
    """Return the wheel of each member of an archive, by the path of every RECORD in it and its text."""
    found: dict[str, Package] = {}
    for path, text in records.items():
        folder = PurePosixPath(path).parent
        package = _named(str(folder))
        if package is None:
            continue
        base = str(folder.parent)
        # Directly inside of a wheel in an archive: a.whl!/x.dist-info.
        begin = "" if base == "." else f"{base}/"
        for name in recorded(text):
            found[begin + name] = package
    return found


def upstream_version(package: Package, signature: Signature) -> str:
    """Return the version that a Debian package of a library states; empty when it is another's."""
    names = (package.name, package.source)
    if package.manager != "dpkg" or not any(signature.is_package(name) for name in names if name):
        return ""
    # [epoch:]upstream[-revision]; 1.3.dfsg+really1.3.1 is 1.3.1.
    upstream = package.version.partition(":")[2] or package.version
    upstream = (upstream.rpartition("-")[0] or upstream).rpartition("really")[2]
    match = _UPSTREAM.fullmatch(upstream)
    return match[1] if match else ""
