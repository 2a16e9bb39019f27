"""What uv knows of Pythons: its own list, the list in its source distributions, and its releases."""

from __future__ import annotations

import io
import json
import re
import shutil
import sys
import tarfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin

from pyassay.places.host import StartError, run
from pyassay.reference.security import release_key
from pyassay.refresh.fetching import FetchError

__all__ = [
    "Offer",
    "UvRelease",
    "ask_uv",
    "offers_of_list",
    "offers_of_sdist",
    "tag_day",
    "uv_of_list",
    "uv_releases",
]

Row = dict[str, str]
_TAG = re.compile(r"/releases/download/(20\d{6})/")
_MAX_MEMBER_BYTES = 64 << 20
_MEMBER = "/download-metadata.json"


@dataclass(frozen=True, slots=True)
class Offer:
    """A CPython that uv offers for Linux on x86_64 with glibc, and the build that it comes from."""

    cpython: str
    tag: str


@dataclass(frozen=True, slots=True)
class UvRelease:
    """A release of uv: its version, its day (ISO 8601) and where its source distribution lies."""

    version: str
    day: str
    sdist: str


def ask_uv(uv: str = "") -> tuple[str, bytes]:
    """Return the version of the uv on this machine and its list of Pythons; it is not let onto the network.

    Raises
    ------
    FetchError
        If there is none, or it does not answer.
    """
    beside = Path(sys.executable).parent / "uv"
    program = uv or (str(beside) if beside.is_file() else shutil.which("uv") or "")
    if not program:
        raise FetchError("there is no uv here")
    listing = ("python", "list", "--all-versions", "--only-downloads", "--output-format", "json")
    try:
        version = run((program, "--version"), timeout_s=30, max_output_bytes=1 << 16)
        answer = run(
            (program, *listing, "--offline", "--no-config", "--no-cache"),
            timeout_s=60,
            max_output_bytes=32 << 20,
            extra_environment={"UV_PYTHON_DOWNLOADS": "manual"},
        )
    except StartError as error:
        raise FetchError(str(error)) from error
    match = re.match(rb"uv (\d+\.\d+\.\d+)\b", version.stdout)
    if not version.ok or not answer.ok or match is None:
        said = " ".join(answer.stderr.decode("utf-8", "replace").split())[:120]
        raise FetchError(f"uv did not list its Pythons: {said or 'no answer'}")
    return match[1].decode(), answer.stdout


def offers_of_list(document: bytes) -> list[Offer]:
    """Return the offers in what ``uv python list --output-format json`` prints: the newest build of each."""
    return [
        Offer(str(entry["version"]), match[1])
        for entry in json.loads(document)
        if (entry["implementation"], entry["os"], entry["arch"], entry["libc"], entry["variant"])
        == ("cpython", "linux", "x86_64", "gnu", "default")
        and (match := _TAG.search(entry["url"] or ""))
    ]


def offers_of_sdist(archive: bytes) -> list[Offer]:
    """Return the offers of a source distribution of uv: the newest build of each.

    Raises
    ------
    FetchError
        If it is damaged, or holds no such list.
    """
    try:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as members:
            for member in members:
                if member.isfile() and member.name.endswith(_MEMBER):
                    file = members.extractfile(member)
                    if file is None or member.size > _MAX_MEMBER_BYTES:
                        break
                    return _offers(json.loads(file.read(_MAX_MEMBER_BYTES)))
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise FetchError(f"the source distribution of uv is damaged: {error}") from error
    raise FetchError("the source distribution of uv holds no list of Pythons")


def _offers(entries: Mapping[str, Mapping[str, object]]) -> list[Offer]:
    found: list[Offer] = []
    for entry in entries.values():
        arch = entry["arch"]
        if (entry["name"], entry["os"], entry["libc"], entry["variant"]) != ("cpython", "linux", "gnu", None):
            continue
        if arch != {"family": "x86_64", "variant": None}:
            continue
        match = _TAG.search(str(entry["url"]))
        if match:
            numbers = f"{entry['major']}.{entry['minor']}.{entry['patch']}"
            found.append(Offer(f"{numbers}{entry['prerelease'] or ''}", match[1]))
    return found


def uv_releases(document: bytes, url: str) -> list[UvRelease]:
    """Return the releases of uv, the oldest first, from a registry's description of the project.

    Parameters
    ----------
    document : bytes
        As :func:`pyassay.refresh.registry.project_url` is answered.
    url : str
        Where it came from; files may be named relative to it.
    """
    found: list[UvRelease] = []
    for version, files in json.loads(document)["releases"].items():
        key = release_key(version)
        sources = [file for file in files if file["packagetype"] == "sdist" and not file.get("yanked")]
        if key is not None and key[1] and sources:
            found.append(
                UvRelease(version, sources[0]["upload_time_iso_8601"][:10], urljoin(url, sources[0]["url"]))
            )
    return sorted(found, key=lambda release: release_key(release.version) or ((), 0, "", 0))


def uv_of_list(release: UvRelease, offers: Iterable[Offer]) -> list[Row]:
    """Return the rows of a uv for the table ``uv_releases``: the newest final Python of each branch.

    Before the first final release of a branch it has no row, as in the table.
    """
    newest: dict[str, tuple[object, str, str]] = {}
    for offer in offers:
        key = release_key(offer.cpython)
        if key is None or not key[1]:
            continue
        branch = ".".join(offer.cpython.split(".")[:2])
        newest[branch] = max(newest.get(branch, ((), "", "")), (key, offer.tag, offer.cpython))
    return [
        {"uv": release.version, "released": release.day, "branch": branch, "newest": cpython, "tag": tag}
        for branch, (_, tag, cpython) in sorted(newest.items(), key=lambda item: release_key(item[0]) or ())
    ]


def tag_day(tag: str) -> str:
    """Return the day that a build bears.

    >>> tag_day("20261110")
    '2026-11-10'
    """
    return f"{tag[:4]}-{tag[4:6]}-{tag[6:]}"
