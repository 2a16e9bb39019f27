"""The host's apt configuration: which mirrors it names, which keys it trusts, how it gets through a proxy."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["AptSource", "acquire_options", "parse_deb822", "parse_one_line", "sources"]

_MAX_BYTES = 1 << 20
_SCHEMES = ("http", "https", "file")
_ONE_LINE = re.compile(
    r"deb\s+(?:\[(?P<options>[^\]]*)\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)(?P<rest>(?:\s+\S+)*)\s*"
)
_TRUE = frozenset({"yes", "true", "with", "on", "enable", "1"})
# What others would not want in theirs: which indexes to fetch, where change logs lie, a CD-ROM's place.
_OWN_AFFAIR = re.compile(
    r"Acquire::(?:IndexTargets|Changelogs|cdrom|Languages|GzipIndexes|CompressionTypes)\b"
)


@dataclass(frozen=True, slots=True)
class AptSource:
    """A place that apt fetches binary packages from, with one suite.

    Attributes
    ----------
    uri : str
        Without a slash at the end.
    suite : str
        ``bookworm``, ``bookworm-updates``; one that ends in a slash has no components.
    components : tuple of str
    signed_by : tuple of Path
        Keyrings that it must be signed by; empty: any that apt trusts.
    trusted : bool
        Its signature is not looked at (``Trusted: yes``).
    """

    uri: str
    suite: str
    components: tuple[str, ...]
    signed_by: tuple[Path, ...] = ()
    trusted: bool = False


def sources(folder: Path = Path("/etc/apt")) -> list[AptSource]:
    """Return the sources that apt is configured with, in its order; damaged lines are left out.

    Parameters
    ----------
    folder : Path
        With ``sources.list`` and ``sources.list.d``.
    """
    parts = folder / "sources.list.d"
    files = [folder / "sources.list", *sorted((*parts.glob("*.list"), *parts.glob("*.sources")))]
    found: dict[AptSource, None] = {}
    for file in files:
        try:
            with file.open("rb") as stream:
                text = stream.read(_MAX_BYTES).decode("utf-8", "replace")
        except OSError:
            continue
        found |= dict.fromkeys(parse_deb822(text) if file.suffix == ".sources" else parse_one_line(text))
    return list(found)


def parse_one_line(text: str) -> list[AptSource]:
    """Parse ``deb [option=value] uri suite component ...`` lines, see sources.list(5)."""
    found = []
    for line in text.splitlines():
        match = _ONE_LINE.fullmatch(line.partition("#")[0].strip())
        if match is None or not _usable(match["uri"]):
            continue
        words = (word.partition("=") for word in (match["options"] or "").split())
        options = {key.lower(): value for key, _, value in words}
        found.append(
            AptSource(
                match["uri"].rstrip("/"),
                match["suite"],
                tuple(match["rest"].split()),
                _keyrings(options.get("signed-by", "").split(",")),
                options.get("trusted", "").lower() in _TRUE,
            )
        )
    return found


def parse_deb822(text: str) -> list[AptSource]:
    """Parse stanzas of ``Types``, ``URIs``, ``Suites``, ``Components``, see sources.list(5)."""
    found = []
    for stanza in _stanzas(text):
        if "deb" not in stanza.get("types", "").split():
            continue
        if stanza.get("enabled", "yes").strip().lower() not in _TRUE:
            continue
        # A key instead of the name of a file is no keyring that another program could be given.
        keyrings = _keyrings(stanza.get("signed-by", "").split())
        for uri in filter(_usable, stanza.get("uris", "").split()):
            found += [
                AptSource(
                    uri.rstrip("/"),
                    suite,
                    tuple(stanza.get("components", "").split()),
                    keyrings,
                    stanza.get("trusted", "").strip().lower() in _TRUE,
                )
                for suite in stanza.get("suites", "").split()
            ]
    return found


def acquire_options() -> list[str]:
    """Return how apt fetches here (proxies, certificates, checks of dates) as lines of its configuration.

    Empty where apt is not installed.
    """
    program = shutil.which("apt-config")
    if program is None:
        return []
    try:
        said = subprocess.run((program, "dump"), capture_output=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    lines = said.decode("utf-8", "replace").splitlines()
    return [
        line
        for line in lines
        if line.startswith("Acquire::") and not line.endswith(' "";') and not _OWN_AFFAIR.match(line)
    ]


def _stanzas(text: str) -> Iterator[dict[str, str]]:
    fields: dict[str, str] = {}
    name = ""
    for line in (*text.splitlines(), ""):
        if line.startswith("#"):
            continue
        if not line.strip():
            if fields:
                yield fields
            fields, name = {}, ""
        elif line[0] in " \t":
            if name:
                fields[name] += "\n" + line.strip()
        else:
            key, colon, value = line.partition(":")
            name = key.strip().lower() if colon else ""
            if name:
                fields[name] = value.strip()


def _usable(uri: str) -> bool:
    return uri.partition(":")[0].lower() in _SCHEMES


def _keyrings(names: Iterable[str]) -> tuple[Path, ...]:
    return tuple(Path(name) for name in names if name.startswith("/"))
