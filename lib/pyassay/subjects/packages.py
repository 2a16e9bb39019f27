"""Which package of the system owns a file: dpkg, apk, pacman and rpm databases, read without their tools.

(rpm's database has had three formats; that one is asked through ``rpm``, where there is one.)
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pyassay.places.host import StartError, run
from pyassay.subjects.bounded import entries, head
from pyassay.subjects.display import display_text

__all__ = ["Distribution", "Owner", "distribution", "owners"]

_MAX_DATABASE_BYTES = 256 << 20
_MAX_RPM_FILES = 400
# With merged /usr the database may name either.
_MERGED = re.compile(r"/(?:usr/)?(bin|sbin|lib|lib64|lib32)/")


@dataclass(frozen=True, slots=True)
class Owner:
    """The package that owns a file; the manager is ``dpkg``, ``rpm``, ``apk`` or ``pacman``."""

    manager: str
    package: str
    version: str
    maintainer: str = ""


@dataclass(frozen=True, slots=True)
class Distribution:
    """What os-release says: ``debian``, ``Debian GNU/Linux``, ``12``, and the ids that it is like."""

    id: str
    name: str
    version: str
    like: tuple[str, ...] = ()


def distribution(root: Path = Path("/")) -> Distribution:
    """Read ``os-release``; id and name are empty when there is none."""
    settings: dict[str, str] = {}
    for place in ("etc/os-release", "usr/lib/os-release"):
        text = _text(root / place, 64 << 10)
        if text:
            for line in text.splitlines():
                key, equals, value = line.partition("=")
                if equals:
                    settings.setdefault(key.strip(), display_text(value.strip().strip("\"'"))[:80])
            break
    return Distribution(
        settings.get("ID", ""),
        settings.get("NAME", ""),
        settings.get("VERSION_ID", ""),
        tuple(settings.get("ID_LIKE", "").split()),
    )


def owners(files: Iterable[Path], root: Path = Path("/")) -> dict[Path, Owner]:
    """Return the package of each file that belongs to one; each database is read once for all files."""
    wanted: dict[str, Path] = {}
    for file in files:
        for spelling in _spellings(os.fspath(file)):
            wanted[spelling] = file
    found: dict[Path, Owner] = {}
    for search in (_dpkg, _apk, _pacman, _rpm):
        if set(wanted.values()) <= found.keys():
            break
        for file, owner in search(wanted, root):
            found.setdefault(file, owner)
    return found


def _spellings(path: str) -> Iterator[str]:
    yield path
    match = _MERGED.match(path)
    if match:
        rest = path[match.end() :]
        yield f"/usr/{match[1]}/{rest}"
        yield f"/{match[1]}/{rest}"


def _dpkg(wanted: dict[str, Path], root: Path) -> Iterator[tuple[Path, Owner]]:
    needles = {b"\n" + os.fsencode(name) + b"\n": file for name, file in wanted.items()}
    packages: dict[Path, str] = {}
    for listing in entries(root / "var/lib/dpkg/info"):
        if listing.suffix != ".list":
            continue
        data = b"\n" + head(listing, _MAX_DATABASE_BYTES)
        for needle, file in needles.items():
            if needle in data:
                packages[file] = listing.name.removesuffix(".list").partition(":")[0]
    if not packages:
        return
    status = _text(root / "var/lib/dpkg/status", _MAX_DATABASE_BYTES)
    for file, package in packages.items():
        fields = _stanza(status, f"Package: {package}\n")
        yield (
            file,
            Owner(
                "dpkg",
                _short(package),
                _short(fields.get("Version", "")),
                _short(fields.get("Maintainer", "")),
            ),
        )


def _stanza(text: str, first_line: str) -> dict[str, str]:
    start = 0 if text.startswith(first_line) else text.find("\n\n" + first_line)
    if start < 0:
        return {}
    stanza = text[start:].lstrip("\n").partition("\n\n")[0]
    return dict(line.split(": ", 1) for line in stanza.splitlines() if ": " in line and line[0] != " ")


def _apk(wanted: dict[str, Path], root: Path) -> Iterator[tuple[Path, Owner]]:
    package = version = maintainer = folder = ""
    for line in _text(root / "lib/apk/db/installed", _MAX_DATABASE_BYTES).splitlines():
        key, _, value = line.partition(":")
        if key == "P":
            package, version, maintainer, folder = value, "", "", ""
        elif key == "V":
            version = value
        elif key == "m":
            maintainer = value
        elif key == "F":
            folder = value
        elif key == "R" and f"/{folder}/{value}" in wanted:
            yield (
                wanted[f"/{folder}/{value}"],
                Owner("apk", _short(package), _short(version), _short(maintainer)),
            )


def _pacman(wanted: dict[str, Path], root: Path) -> Iterator[tuple[Path, Owner]]:
    for folder in entries(root / "var/lib/pacman/local"):
        listing = b"\n" + head(folder / "files", _MAX_DATABASE_BYTES)
        for name, file in wanted.items():
            if b"\n" + os.fsencode(name[1:]) + b"\n" in listing:
                # name-version-release
                package, version, release = [*folder.name.rsplit("-", 2), "", ""][:3]
                yield file, Owner("pacman", _short(package), _short(f"{version}-{release}"))


def _rpm(wanted: dict[str, Path], root: Path) -> Iterator[tuple[Path, Owner]]:
    databases = ("var/lib/rpm", "usr/lib/sysimage/rpm", "usr/share/rpm")
    if root != Path("/") or shutil.which("rpm") is None:
        return
    if not any((root / place).is_dir() for place in databases):
        return
    for file in list(dict.fromkeys(wanted.values()))[:_MAX_RPM_FILES]:
        try:
            answer = run(
                ("rpm", "-qf", "--qf", "%{NAME}\t%{VERSION}-%{RELEASE}\t%{VENDOR}\n", file),
                timeout_s=10,
                max_output_bytes=64 << 10,
            )
        except StartError:
            return
        fields = answer.stdout.decode("utf-8", "replace").splitlines()[:1]
        if answer.ok and fields and fields[0].count("\t") == 2:
            name, version, vendor = map(_short, fields[0].split("\t"))
            yield file, Owner("rpm", name, version, vendor)


def _short(text: str) -> str:
    return display_text(text.strip())[:120]


def _text(path: Path, limit: int) -> str:
    return head(path, limit).decode("utf-8", "replace")
