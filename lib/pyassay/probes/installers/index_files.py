"""What an index offers: distributions of a folder, and the pages that list them (PEP 503, 691, 658, 700)."""

from __future__ import annotations

import hashlib
import html
import json
import tarfile
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from email.parser import HeaderParser
from functools import cached_property
from pathlib import Path

from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)

__all__ = ["Distribution", "distributions", "html_page", "json_page"]

UPLOADED = "2026-01-01T00:00:00Z"
_MAX_METADATA = 4 << 20


@dataclass(frozen=True)
class Distribution:
    """One file that an index offers.

    Attributes
    ----------
    path : Path
        Where it lies.
    project, version : str
        By its name; the project's name is normalised.
    """

    path: Path
    project: str
    version: str

    @property
    def name(self) -> str:
        """Its file name."""
        return self.path.name

    @cached_property
    def size_bytes(self) -> int:
        """Its size."""
        return self.path.stat().st_size

    @cached_property
    def sha256(self) -> str:
        """Its digest."""
        with self.path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()

    @cached_property
    def metadata(self) -> bytes | None:
        """The METADATA of a wheel; None: it has none, or is no wheel."""
        if self.path.suffix != ".whl":
            return None
        try:
            with zipfile.ZipFile(self.path) as archive:
                for member in archive.infolist():
                    folder, _, name = member.filename.rpartition("/")
                    if name == "METADATA" and folder.endswith(".dist-info") and "/" not in folder:
                        return archive.read(member) if member.file_size <= _MAX_METADATA else None
        except (OSError, zipfile.BadZipFile, ValueError):
            return None
        return None

    @cached_property
    def requires_python(self) -> str:
        """Its Requires-Python; empty: none."""
        metadata = self.metadata if self.path.suffix == ".whl" else self._sdist_metadata
        parsed = HeaderParser().parsestr((metadata or b"").decode("utf-8", "replace"), headersonly=True)
        return str(parsed.get("Requires-Python", ""))

    @property
    def _sdist_metadata(self) -> bytes | None:
        try:
            with tarfile.open(self.path) as archive:
                for member in archive:
                    if member.name.count("/") == 1 and member.name.endswith("/PKG-INFO"):
                        stream = archive.extractfile(member)
                        return None if stream is None else stream.read(_MAX_METADATA)
        except (OSError, tarfile.TarError, EOFError):
            return None
        return None


def distributions(paths: Iterable[Path]) -> list[Distribution]:
    """Return the wheels and source distributions among files and in folders; others are left out."""
    found = []
    for path in paths:
        for file in sorted(path.iterdir()) if path.is_dir() else [path]:
            try:
                if file.suffix == ".whl":
                    name, version, *_ = parse_wheel_filename(file.name)
                elif file.name.endswith((".tar.gz", ".zip")):
                    name, version = parse_sdist_filename(file.name)
                else:
                    continue
            except (InvalidWheelFilename, InvalidSdistFilename):
                continue
            found.append(Distribution(file, canonicalize_name(name), str(version)))
    return found


def html_page(project: str, offered: Iterable[Distribution], *, metadata: bool) -> bytes:
    """Return a project's page as PEP 503 wants it."""
    lines = []
    for one in offered:
        wanted = html.escape(one.requires_python)
        attributes = f' data-requires-python="{wanted}"' if wanted else ""
        if metadata and one.metadata is not None:
            digest = f"sha256={hashlib.sha256(one.metadata).hexdigest()}"
            attributes += f' data-core-metadata="{digest}" data-dist-info-metadata="{digest}"'
        name = html.escape(one.name)
        lines.append(f'<a href="../../files/{name}#sha256={one.sha256}"{attributes}>{name}</a><br>')
    title = html.escape(project)
    version = '<meta name="pypi:repository-version" content="1.1">'
    head = f"<!DOCTYPE html>\n<html><head>{version}<title>{title}</title>"
    return f"{head}</head><body>\n{chr(10).join(lines)}\n</body></html>\n".encode()


def json_page(project: str, offered: Iterable[Distribution], *, metadata: bool) -> bytes:
    """Return a project's page as PEP 691 and PEP 700 want it."""
    listed = list(offered)
    return json.dumps(
        {
            "meta": {"api-version": "1.1"},
            "name": project,
            "versions": sorted({one.version for one in listed}),
            "files": [_file(one, metadata=metadata) for one in listed],
        }
    ).encode()


def _file(one: Distribution, *, metadata: bool) -> Mapping[str, object]:
    entry: dict[str, object] = {
        "filename": one.name,
        "url": f"../../files/{one.name}",
        "hashes": {"sha256": one.sha256},
        "size": one.size_bytes,
        "upload-time": UPLOADED,
    }
    if one.requires_python:
        entry["requires-python"] = one.requires_python
    if metadata and one.metadata is not None:
        digest = {"sha256": hashlib.sha256(one.metadata).hexdigest()}
        entry |= {"core-metadata": digest, "dist-info-metadata": digest}
    return entry
