"""The files of Debian packages against the MD5 that dpkg noted when it unpacked them.

What ``dpkg --verify`` does, also for images. The sums lie on the same disk: they tell damage and what was
changed by hand, not what an intruder changed who had the rights to change them, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pyassay.probes.byte_provenance.claims import LEFT, Budget, Claims
from pyassay.probes.debian.database import InstalledPackages, Stanza, packages_of
from pyassay.probes.debian.files import NotRead
from pyassay.probes.staleness.packages import system_packages_of
from pyassay.subjects.model import Artifact, Interpreter

__all__ = ["dpkg_rows", "verified"]

_LINE = re.compile(r"([0-9a-f]{32})  (\S.{0,4000})")
_MAX_LINES = 100_000
_CONFFILE = "a configuration file, which may be changed"


def dpkg_rows(
    subject: Interpreter | Artifact,
    libraries: Iterable[Mapping[str, Any]],
    budget: Budget | None = None,
) -> Iterator[dict[str, Any]]:
    """Yield the rows of the packages of dpkg that own an interpreter, or what it loads.

    Raises
    ------
    EngineError, FileTreeError
        If its image cannot be read.
    """
    wanted = {
        name: version
        for name, (manager, version) in system_packages_of(subject, libraries).items()
        if manager == "dpkg"
    }
    if not wanted:
        return
    system, limits = packages_of(subject), budget or Budget()
    for name, version in sorted(wanted.items()):
        for stanza in system.packages.get(name, []):
            if stanza.version == version:
                yield from verified(stanza, system, limits)


def verified(
    package: Stanza, system: InstalledPackages, budget: Budget | None = None
) -> Iterator[dict[str, Any]]:
    """Yield the rows of one package, its configuration files apart."""
    source, limits = f"{package.name} {package.version}", budget or Budget()
    claims = Claims("dpkg", source)
    configuration = dict(package.conffiles)
    text = system.md5sums(package).decode("utf-8", "surrogateescape")
    lines = [line for line in text.splitlines()[:_MAX_LINES] if line]
    if not lines:
        claims.tell("not checked", "", reason="dpkg keeps no sums of its files")
    for line in lines:
        match = _LINE.fullmatch(line)
        if match is None:
            claims.add("not checked", line[:200], reason="not a line of md5sums")
        elif limits.spent():
            claims.add("not checked", f"/{match[2]}", match[1], reason=LEFT)
        elif match[2] not in configuration:
            _compare(claims, match[2], match[1], system)
    yield from claims.rows()
    apart = Claims("dpkg conffile", source)
    for path, claimed in configuration.items():
        _compare(apart, path, claimed, system, _CONFFILE)
    yield from apart.rows()


def _compare(claims: Claims, path: str, claimed: str, system: InstalledPackages, reason: str = "") -> None:
    file = f"/{path}"
    if ".." in path.split("/"):
        claims.add("not checked", file, claimed, reason="a path that leads outside")
        return
    try:
        found = system.files.md5(path)
    except NotRead as error:
        if not error.absent:
            claims.add("not checked", file, claimed, reason=str(error))
        elif system.left_out(path):
            claims.add("not checked", file, claimed, reason="dpkg was told to leave it out (path-exclude)")
        else:
            claims.add("missing", file, claimed, reason=reason)
        return
    claims.add("holds" if found == claimed else "differs", file, claimed, found, reason)
