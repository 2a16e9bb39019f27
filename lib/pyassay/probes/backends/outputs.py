"""What a backend makes: the files of its wheels and sdists, their metadata, and whether RECORD holds."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any

from pyassay.probes.backends.archives import ArchiveError, Member, members, parsed_metadata

__all__ = [
    "ArchiveError",
    "Artifact",
    "differences",
    "failed_output",
    "file_rows",
    "first_byte_difference",
    "metadata_rows",
    "output_row",
    "read_artifact",
    "record_faults",
]

_UNHASHED = ("RECORD", "RECORD.jws", "RECORD.p7s")
_MOST_TIMES = 5


@dataclass(frozen=True, slots=True)
class Artifact:
    """A wheel or an sdist, read.

    Attributes
    ----------
    kind : str
        ``wheel`` or ``sdist``.
    path : Path
    members : list of Member
        With names as the archive has them.
    files : dict of str to Member
        By normalised path: ``.dist-info`` and ``.data`` without name and version, sdists without their top.
    metadata : Message
        Of METADATA or PKG-INFO; empty if there is none.
    wheel : Message
        Of WHEEL; empty for sdists.
    """

    kind: str
    path: Path
    members: list[Member]
    files: dict[str, Member]
    metadata: Message
    wheel: Message


def read_artifact(path: Path) -> Artifact:
    """Read a wheel or an sdist.

    Raises
    ------
    ArchiveError
        If it cannot be read.
    """
    kind = "sdist" if path.name.endswith(".tar.gz") else "wheel"
    found = members(path)
    files = {_normalised(one.name, kind): one for one in found if not one.is_folder}
    about = files.get("PKG-INFO" if kind == "sdist" else ".dist-info/METADATA")
    tags = files.get(".dist-info/WHEEL")
    return Artifact(
        kind,
        path,
        found,
        files,
        parsed_metadata(about.data) if about else Message(),
        parsed_metadata(tags.data) if tags else Message(),
    )


def _normalised(name: str, kind: str) -> str:
    if kind == "sdist":
        return name.partition("/")[2] or name
    return re.sub(r"^[^/]+?(\.dist-info|\.data)/", r"\1/", name)


def failed_output(subject_id: str, project: str, artifact: str, status: str, reason: str) -> dict[str, Any]:
    """Return the row of ``backend_outputs`` of an artifact that there is not."""
    texts = ("filename", "sha256", "metadata_version", "generator", "tag", "licence_expression")
    lists = ("licence_files", "record_faults", "lacks", "adds", "times", "modes", "owners")
    counts = ("size_bytes", "files", "folders", "has_tests")
    return {
        "subject_id": subject_id,
        "project": project,
        "artifact": artifact,
        "status": status,
        "reason": reason,
        **dict.fromkeys(texts, ""),
        **{name: [] for name in lists},
        **dict.fromkeys(counts),
        "hook_wall_s": float("nan"),
        "hook_cpu_s": float("nan"),
    }


def output_row(
    subject_id: str,
    project: str,
    artifact: Artifact,
    *,
    expected: frozenset[str],
    given: frozenset[str],
    wall_s: float,
    cpu_s: float,
) -> dict[str, Any]:
    """Return the row of ``backend_outputs``.

    Parameters
    ----------
    subject_id, project : str
    artifact : Artifact
    expected : frozenset of str
        What a reader expects in it, by normalised path.
    given : frozenset of str
        Every file of the project, by its path; of wheels without ``src/``.
    wall_s, cpu_s : float
        Of the hook.
    """
    data = artifact.path.read_bytes()
    about = artifact.metadata
    names = frozenset(artifact.files)
    own = frozenset(
        name for name in names if name.startswith((".dist-info/", ".data/")) or name == "PKG-INFO"
    )
    row = failed_output(subject_id, project, artifact.kind, "built", "")
    row |= {
        "filename": artifact.path.name,
        "size_bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "files": len(names),
        "folders": sum(one.is_folder for one in artifact.members),
        "metadata_version": str(about.get("Metadata-Version") or ""),
        "generator": str(artifact.wheel.get("Generator") or ""),
        "tag": " ".join(map(str, artifact.wheel.get_all("Tag", []))),
        "licence_expression": str(about.get("License-Expression") or ""),
        "licence_files": [
            name for name in _licence_names(artifact) if _licence_path(artifact, name) in names
        ],
        "record_faults": record_faults(artifact) if artifact.kind == "wheel" else [],
        "lacks": sorted(expected - names),
        "adds": sorted(names - own - given),
        "times": sorted({one.day for one in artifact.members})[:_MOST_TIMES],
        "modes": sorted({f"{one.mode:04o}" for one in artifact.files.values()}),
        "owners": sorted({one.owner for one in artifact.members if one.owner}),
        "has_tests": any(name.startswith("tests/") for name in names),
        "hook_wall_s": wall_s,
        "hook_cpu_s": cpu_s,
    }
    return row


def _licence_names(artifact: Artifact) -> list[str]:
    return [str(value) for value in artifact.metadata.get_all("License-File", [])]


def _licence_path(artifact: Artifact, name: str) -> str:
    if artifact.kind == "sdist":
        return name
    # Before metadata version 2.4 it lay in .dist-info itself.
    inner = f".dist-info/licenses/{name}"
    return inner if inner in artifact.files else f".dist-info/{name}"


def record_faults(artifact: Artifact) -> list[str]:
    """Return what RECORD of a wheel says and does not hold, or does not say."""
    record = artifact.files.get(".dist-info/RECORD")
    if record is None:
        return ["there is no RECORD"]
    try:
        lines = [row for row in csv.reader(io.StringIO(record.data.decode())) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        return [f"RECORD cannot be read: {error}"]
    faults: list[str] = []
    by_name = {one.name: one for one in artifact.members if not one.is_folder}
    listed: set[str] = set()
    for row in lines:
        name, digest, size = (*row, "", "")[:3]
        listed.add(name)
        member = by_name.get(name)
        if member is None:
            faults.append(f"{name}: not in the wheel")
        elif digest:
            algorithm, _, value = digest.partition("=")
            if algorithm not in hashlib.algorithms_guaranteed:
                faults.append(f"{name}: unknown hash {algorithm}")
                continue
            wanted = base64.urlsafe_b64encode(hashlib.new(algorithm, member.data).digest()).rstrip(b"=")
            if wanted.decode() != value:
                faults.append(f"{name}: its hash differs")
            if size and size != str(len(member.data)):
                faults.append(f"{name}: its size differs")
        elif name.rsplit("/", 1)[-1] not in _UNHASHED:
            faults.append(f"{name}: listed without a hash")
    faults += [f"{name}: not listed" for name in by_name if name not in listed]
    return faults


def file_rows(subject_id: str, project: str, artifact: Artifact) -> list[dict[str, Any]]:
    """Return the rows of ``backend_files``."""
    licences = {_licence_path(artifact, name) for name in _licence_names(artifact)}
    return [
        {
            "subject_id": subject_id,
            "project": project,
            "artifact": artifact.kind,
            "path": name,
            "role": _role(name, licences),
            "size_bytes": len(one.data),
            "sha256": hashlib.sha256(one.data).hexdigest() if not one.link else f"link to {one.link}",
            "mode": f"{one.mode:04o}",
        }
        for name, one in sorted(artifact.files.items())
    ]


def _role(name: str, licences: set[str]) -> str:
    if name in licences or name.startswith(".dist-info/licenses/"):
        return "licence"
    if name.startswith(".dist-info/") or name in ("PKG-INFO", "setup.cfg") or ".egg-info/" in name:
        return "metadata"
    return "code" if name.endswith((".py", ".pyi", ".so", ".c", ".rs")) else "data"


def metadata_rows(subject_id: str, project: str, artifact: Artifact) -> list[dict[str, Any]]:
    """Return the rows of ``backend_metadata``."""
    about = artifact.metadata
    fields: dict[str, list[str]] = {}
    for key in about:
        fields.setdefault(key, sorted(map(str, about.get_all(key, []))))
    body = about.get_payload()
    if isinstance(body, str) and body.strip():
        fields["Description"] = [body.strip()]
    entry_points = artifact.files.get(".dist-info/entry_points.txt")
    if entry_points is not None:
        fields["(entry points)"] = _entry_points(entry_points.data)
    return [
        {
            "subject_id": subject_id,
            "project": project,
            "artifact": artifact.kind,
            "field": name,
            "values": values,
        }
        for name, values in fields.items()
    ]


def _entry_points(data: bytes) -> list[str]:
    section, found = "", []
    for line in data.decode("utf-8", "replace").splitlines():
        text = line.strip()
        if text.startswith("["):
            section = text.strip("[]")
        elif text:
            name, _, target = text.partition("=")
            found.append(f"{section}: {name.strip()} = {target.strip()}")
    return sorted(found)


def differences(first: Mapping[str, Member], second: Mapping[str, Member]) -> Sequence[str]:
    """Return how the files of two artifacts differ; nothing: they are the same, whatever their dates."""
    told = [f"{name}: only in the first" for name in sorted(set(first) - set(second))]
    told += [f"{name}: only in the second" for name in sorted(set(second) - set(first))]
    for name in sorted(set(first) & set(second)):
        one, other = first[name], second[name]
        if (one.data, one.link) != (other.data, other.link):
            told.append(f"{name}: other content")
        elif one.mode != other.mode:
            told.append(f"{name}: {one.mode:04o} against {other.mode:04o}")
    return told


def first_byte_difference(first: bytes, second: bytes) -> str:
    """Return where two files differ first; empty: nowhere.

    >>> first_byte_difference(b"abc", b"abd")
    'byte 2 of 3'
    """
    if first == second:
        return ""
    place = next(
        (at for at, (one, other) in enumerate(zip(first, second, strict=False)) if one != other),
        min(len(first), len(second)),
    )
    return f"byte {place} of {len(first)}" + (
        f" (the other: {len(second)})" if len(first) != len(second) else ""
    )
