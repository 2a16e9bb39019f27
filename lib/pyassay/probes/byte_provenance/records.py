"""The files of installed distributions and of wheels against their RECORD."""

from __future__ import annotations

import base64
import binascii
import csv
import os
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyassay.filetree.folder import open_regular
from pyassay.probes.byte_provenance.claims import LEFT, Budget, Claims, sha256
from pyassay.subjects.bounded import entries, head

__all__ = ["Recorded", "archive_rows", "parse_record", "site_rows"]

_MAX_RECORD_BYTES = 32 << 20
_MAX_ROWS = 300_000
_SIGNATURES = ("RECORD", "RECORD.jws", "RECORD.p7s")
_MAX_WALKED = 200_000
_HEXADECIMAL = re.compile(r"[0-9a-f]{64}")
_DEBIAN_FOLDER = Path("/usr/lib/python3/dist-packages")
_OF_DEBIAN = "a package of Debian, whose making changes files after RECORD was written: see dpkg's sums"


@dataclass(frozen=True, slots=True)
class Recorded:
    """One line of a RECORD: path as written, algorithm, and the digest in hexadecimal (empty: none)."""

    path: str
    algorithm: str
    digest: str


def parse_record(text: bytes) -> tuple[list[Recorded], str]:
    """Return the lines of a RECORD, and what is wrong with it (empty: nothing)."""
    found: list[Recorded] = []
    wrong = "it is longer than what is read" if len(text) >= _MAX_RECORD_BYTES else ""
    try:
        for row in csv.reader(text.decode("utf-8", "surrogateescape").splitlines()):
            if not row or not row[0]:
                continue
            if len(found) >= _MAX_ROWS:
                return found, f"it has more than {_MAX_ROWS} lines"
            algorithm, _, digest = (row[1] if len(row) > 1 else "").partition("=")
            found.append(Recorded(row[0], algorithm, _hexadecimal(digest)))
    except csv.Error as error:
        return found, f"it is no CSV: {error}"
    return found, wrong


def _hexadecimal(digest: str) -> str:
    if _HEXADECIMAL.fullmatch(digest):
        # Some builders write it so, against the specification; base64 of SHA-256 has 43 characters.
        return digest
    try:
        return base64.urlsafe_b64decode(digest[:200] + "=" * (-len(digest) % 4)).hex()
    except (binascii.Error, ValueError):
        return f"not base64: {digest[:60]}"


# In archives -----------------------------------------------------------------------------------------------


def archive_rows(
    records: Mapping[str, bytes], sums: Mapping[str, str], wrong: Mapping[str, str], *, whole: bool
) -> Iterator[dict[str, Any]]:
    """Compare every RECORD of an archive with its members.

    Parameters
    ----------
    records : mapping of str to bytes
        Texts by member path.
    sums : mapping of str to str
        SHA-256 of every member, hexadecimal.
    wrong : mapping of str to str
        Why others could not be read.
    whole : bool
        The archive itself is a wheel: what is not listed should not be in it.
    """
    for path, text in sorted(records.items()):
        folder = posixpath.dirname(path)
        base = folder.rpartition("/")[0]
        prefix = f"{base}/" if base else ""
        claims = Claims("RECORD", posixpath.basename(folder).removesuffix(".dist-info").replace("-", " ", 1))
        lines, fault = parse_record(text)
        if fault:
            claims.tell("not checked", path, reason=fault)
        listed = {f"{folder}/{name}" for name in _SIGNATURES}
        for line in lines:
            # Wheels are listed as they are, an installed tree may go up to its scripts.
            member = posixpath.normpath(f"{prefix}{line.path}")
            listed.add(member)
            if line.path.startswith("/") or member.startswith("../"):
                claims.add("not checked", line.path, line.digest, reason="a path that leads outside")
            elif member in sums:
                _compared(claims, member, line, sums[member])
            elif member in wrong:
                claims.add("not checked", member, line.digest, reason=wrong[member])
            elif member not in (f"{folder}/{name}" for name in _SIGNATURES) and not _made_later(member):
                claims.add("missing", member, line.digest)
        if (whole and not base) or base.endswith((".whl!", ".whl")):
            for member in sums:
                if member.startswith(prefix) and member not in listed and "!/" not in member[len(prefix) :]:
                    claims.add("unlisted", member, found=sums[member])
        yield from claims.rows()


def _compared(claims: Claims, file: str, line: Recorded, found: str, reason: str = "") -> None:
    if not line.algorithm:
        # RECORD itself has none, nor what is compiled later.
        if posixpath.basename(file) not in _SIGNATURES and not _made_later(file):
            claims.add("not checked", file, reason="RECORD gives no digest")
    elif line.algorithm != "sha256":
        claims.add("not checked", file, reason=f"a digest by {line.algorithm[:40]}")
    else:
        claims.add("holds" if found == line.digest else "differs", file, line.digest, found, reason)


def _made_later(path: str) -> bool:
    return path.endswith(".pyc") or "/__pycache__/" in path


# Installed -------------------------------------------------------------------------------------------------


def site_rows(
    site_folders: Iterable[Path], roots: Iterable[Path], budget: Budget | None = None
) -> Iterator[dict[str, Any]]:
    """Compare every distribution in folders of packages with its RECORD.

    Parameters
    ----------
    site_folders : iterable of Path
    roots : iterable of Path
        Folders out of which no path may lead: the environment, the prefix.
    budget : Budget, optional
    """
    limits = budget or Budget()
    allowed = {str(path.resolve()) for path in roots}
    for site in site_folders:
        checked = _Site(site, allowed | {str(site.resolve())}, limits)
        yield from checked.rows()


@dataclass(slots=True)
class _Site:
    folder: Path
    roots: set[str]
    budget: Budget
    listed: set[str] = field(default_factory=set)
    owners: dict[str, Claims] = field(default_factory=dict)
    real: dict[str, str] = field(default_factory=dict)

    def rows(self) -> Iterator[dict[str, Any]]:
        distributions = [path for path in entries(self.folder) if path.name.endswith(".dist-info")]
        found: list[Claims] = []
        for path in distributions:
            claims = Claims("RECORD", path.name.removesuffix(".dist-info").replace("-", " ", 1))
            found.append(claims)
            self._distribution(path, claims)
        self._unlisted()
        for claims in found:
            yield from claims.rows()

    def _distribution(self, path: Path, claims: Claims) -> None:
        text = head(path / "RECORD", _MAX_RECORD_BYTES)
        shown = f"{path.name}/RECORD"
        if not text:
            installer = head(path / "INSTALLER", 100).decode("utf-8", "replace").strip()
            by = f" (installed by {installer})" if installer else ""
            claims.tell("not checked", shown, reason=f"it has no RECORD{by}")
            return
        lines, fault = parse_record(text)
        if fault:
            claims.tell("not checked", shown, reason=fault)
        for line in lines:
            file = os.path.normpath(self.folder / line.path)
            self.listed.add(file)
            top = line.path.split("/", 1)[0]
            if "/" in line.path and top not in ("..", "", "__pycache__") and not top.endswith(".dist-info"):
                self.owners.setdefault(top, claims)
            self._file(claims, line, file)

    def _file(self, claims: Claims, line: Recorded, file: str) -> None:
        if not line.algorithm and (line.path.endswith("/RECORD") or _made_later(line.path)):
            return
        if self.budget.spent():
            claims.add("not checked", line.path, line.digest, reason=LEFT)
            return
        real = self._resolved(file)
        if not any(real == root or real.startswith(f"{root}/") for root in self.roots):
            claims.add("not checked", line.path, line.digest, reason="a path that leads outside")
            return
        try:
            with open_regular(real) as stream:
                self.budget.bytes_left -= os.fstat(stream.fileno()).st_size
                found = sha256(stream) if line.algorithm else ""
        except FileNotFoundError:
            if not _made_later(line.path):
                claims.add("missing", line.path, line.digest, reason=self.remark)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else ""
            claims.add("not checked", line.path, line.digest, reason=reason or "not a regular file")
        else:
            _compared(claims, line.path, line, found, self.remark)

    @property
    def remark(self) -> str:
        """Return what is to be said of a file that is not as its RECORD says."""
        return _OF_DEBIAN if self.folder == _DEBIAN_FOLDER else ""

    def _resolved(self, file: str) -> str:
        """Return a path with its folder's links resolved, and its own."""
        folder, name = os.path.split(file)
        try:
            if folder not in self.real:
                self.real[folder] = os.path.realpath(folder)
            path = os.path.join(self.real[folder], name)  # noqa: PTH118 - called for every file
            return os.path.realpath(path) if os.path.islink(path) else path  # noqa: PTH114
        except (OSError, ValueError):
            return ""

    def _unlisted(self) -> None:
        """Look for files in the folders of distributions that none of their RECORDs lists."""
        count = 0
        for top, claims in self.owners.items():
            for folder, folders, names in os.walk(self.folder / top):
                folders[:] = [name for name in folders if name != "__pycache__"]
                for name in names:
                    count += 1
                    if count > _MAX_WALKED or self.budget.spent():
                        claims.tell("not checked", top, reason="too many files to look for unlisted ones")
                        return
                    path = os.path.join(folder, name)  # noqa: PTH118
                    if path not in self.listed and not name.endswith(".pyc"):
                        claims.add("unlisted", os.path.relpath(path, self.folder))
