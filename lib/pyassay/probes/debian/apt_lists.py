"""apt's lists of packages as they lie on disk: which versions they offer, and of which day they are."""

from __future__ import annotations

import io
import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime

from pyassay.filetree import FileTreeError
from pyassay.filetree.packed import unpacked
from pyassay.places.host import StartError, run
from pyassay.subjects.debian_versions import version_key
from pyassay.subjects.display import display_text

__all__ = [
    "MAX_LIST_BYTES",
    "AptList",
    "ListError",
    "is_list",
    "is_release",
    "newest_day",
    "offers",
    "unpacked_list",
]

MAX_LIST_BYTES = 256 << 20
_LIST = re.compile(
    r"(?P<suite>.+_dists_.+?)_(?P<component>[^_]+)_binary-(?P<architecture>[^_.]+)_Packages"
    r"(?:\.(?P<packing>gz|xz|bz2|zst|lz4|lzma))?"
)
_RELEASE = re.compile(r"(?P<suite>.+_dists_.+)_(?:In)?Release")
_OFFER = re.compile(rb"^(Package|Version): *([!-~]{1,200})", re.MULTILINE)
_FIELD = re.compile(r"^(Origin|Suite|Codename|Date|NotAutomatic): *(.{1,200})$", re.MULTILINE)
_UNPACK_S = 60.0


class ListError(Exception):
    """A list cannot be read: one line, without its name."""


@dataclass(frozen=True, slots=True)
class AptList:
    """One list.

    Attributes
    ----------
    name : str
        Of its file.
    architecture : str
        ``amd64``.
    origin : str
        As its Release file says: ``Debian bookworm-security``; empty where there is none.
    day : str
        When the archive signed that Release file (ISO 8601); empty: not known.
    automatic : bool
        False: nothing is installed from it unless asked for (backports, experimental).
    versions : mapping of str to str
        The newest version of each package.
    """

    name: str
    architecture: str
    origin: str
    day: str
    automatic: bool
    versions: Mapping[str, str]


def is_list(name: str) -> bool:
    """Tell whether a file of that name is a list of binary packages."""
    return _LIST.fullmatch(name) is not None


def is_release(name: str) -> bool:
    """Tell whether a file of that name describes the lists of a suite."""
    return _RELEASE.fullmatch(name) is not None


def unpacked_list(name: str, data: bytes) -> bytes:
    """Return the text of a list.

    What Python cannot unpack (lz4) is given to the program ``lz4``, where there is one.

    Raises
    ------
    ListError
        If it is damaged, too large, or nothing here can unpack it.
    """
    match = _LIST.fullmatch(name)
    packing = match["packing"] if match else None
    if packing is None:
        return data
    if packing in ("lz4", "lzma"):
        return _by_program(packing, data)
    try:
        with unpacked(io.BytesIO(data), packing) as stream:
            text = stream.read(MAX_LIST_BYTES + 1)
    except FileTreeError as error:
        raise ListError(display_text(str(error))[:200]) from error
    if len(text) > MAX_LIST_BYTES:
        raise ListError(f"unpacked it has more than {MAX_LIST_BYTES} bytes")
    return text


def _by_program(packing: str, data: bytes) -> bytes:
    program = {"lz4": "lz4", "lzma": "xz"}[packing]
    if shutil.which(program) is None:
        raise ListError(f"it is packed by {packing}, and there is no program {program} here")
    try:
        done = run((program, "-dc"), timeout_s=_UNPACK_S, input_bytes=data, max_output_bytes=MAX_LIST_BYTES)
    except StartError as error:
        raise ListError(display_text(str(error))[:200]) from error
    if done.truncated:
        raise ListError(f"unpacked it has more than {MAX_LIST_BYTES} bytes")
    if not done.ok:
        raise ListError(f"{program} could not unpack it")
    return done.stdout


def offers(name: str, text: bytes, releases: Mapping[str, bytes]) -> AptList:
    """Read a list.

    Parameters
    ----------
    name : str
        Of its file.
    text : bytes
        Unpacked.
    releases : mapping of str to bytes
        The Release and InRelease files beside it, by name.

    Raises
    ------
    ListError
        If its name is not that of a list.
    """
    match = _LIST.fullmatch(name)
    if match is None:
        raise ListError("not the name of a list")
    versions: dict[str, str] = {}
    package = ""
    for found in _OFFER.finditer(text):
        value = found[2].decode("ascii", "replace")
        if found[1] == b"Package":
            package = value
        elif package:
            if package not in versions or version_key(value) > version_key(versions[package]):
                versions[package] = value
            package = ""
    about = _release(match["suite"], releases)
    origin = " ".join(filter(None, (about.get("Origin"), about.get("Codename") or about.get("Suite"))))
    return AptList(
        name,
        match["architecture"],
        display_text(origin),
        _day(about.get("Date", "")),
        about.get("NotAutomatic", "").strip().lower() != "yes",
        versions,
    )


def _release(suite: str, releases: Mapping[str, bytes]) -> dict[str, str]:
    for kind in ("InRelease", "Release"):
        if data := releases.get(f"{suite}_{kind}"):
            return dict(_FIELD.findall(data[:65536].decode("utf-8", "replace")))
    return {}


def _day(text: str) -> str:
    try:
        return parsedate_to_datetime(text).astimezone(UTC).date().isoformat() if text else ""
    except (ValueError, TypeError, IndexError, OverflowError):
        return ""


def newest_day(lists: Iterable[AptList]) -> str:
    """Return the day of the newest of some lists; empty: not known."""
    return max((one.day for one in lists), default="")
