"""SBOMs in wheels (PEP 770) against the libraries that were found in their bytes.

An SBOM is a claim, bytes are evidence, the difference is the finding.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import unquote

from pyassay.probes.byte_provenance.claims import Claims
from pyassay.probes.signatures import signatures
from pyassay.subjects.display import display_text

__all__ = ["Component", "SbomError", "binding_of", "components", "library_of", "sbom_rows"]

_MAX_COMPONENTS = 20_000
_MAX_NESTED = 200_000
_PURL = re.compile(
    r"pkg:(?P<type>[A-Za-z0-9.+-]{1,40})/(?P<path>[^@?#]{1,400})(?:@(?P<version>[^?#]{1,200}))?"
)
# Packages of languages are bindings to a library, not the library: the crate "openssl" is none.
_BINDINGS = frozenset(
    {"cargo", "pypi", "npm", "golang", "maven", "gem", "nuget", "composer", "hackage", "hex", "pub", "swift"}
)
# But a crate that builds the library says which: openssl-src 300.5.2+3.5.2, zstd-sys 2.0.16+zstd.1.5.7.
_BUILT = re.compile(r"(?P<name>[a-z0-9_-]{1,60})-(?:src|sys)")
_BUILT_VERSION = re.compile(r"[^+]*\+(?:[a-z]+[.-])?(?P<version>\d[\w.]*)", re.IGNORECASE)
_RELEASE = re.compile(r"(?:\d+:)?(?P<upstream>[^-+~]+)")


class SbomError(ValueError):
    """An SBOM cannot be read: one line, why, without its name."""


@dataclass(frozen=True, slots=True)
class Component:
    """A component that an SBOM names: name, version as written, and its package URL (empty: none)."""

    name: str
    version: str
    purl: str = ""


def components(document: bytes) -> list[Component]:
    """Return the components of an SBOM: CycloneDX, or SPDX 2 or 3, as JSON.

    The subject of the SBOM itself is none of them.

    Raises
    ------
    SbomError
        If it is neither, or damaged.
    """
    try:
        read = json.loads(document)
    except (ValueError, RecursionError) as error:
        raise SbomError(f"no JSON: {type(error).__name__}") from error
    if not isinstance(read, dict):
        raise SbomError("no JSON object")
    if read.get("bomFormat") == "CycloneDX":
        found = list(_cyclonedx(read.get("components")))
    elif "spdxVersion" in read:
        found = list(_spdx2(read))
    elif "spdx" in str(read.get("@context", ""))[:2000]:
        found = list(_spdx3(read.get("@graph")))
    else:
        raise SbomError("neither CycloneDX nor SPDX")
    return found[:_MAX_COMPONENTS]


def _cyclonedx(listed: object) -> Iterator[Component]:
    pending, seen = [listed], 0
    while pending:
        for entry in _objects(pending.pop()):
            seen += 1
            if seen > _MAX_NESTED:
                raise SbomError(f"more than {_MAX_NESTED} components")
            if _text(entry, "type") != "file":
                yield Component(_text(entry, "name"), _text(entry, "version"), _text(entry, "purl"))
            pending.append(entry.get("components"))


def _spdx2(document: Mapping[str, Any]) -> Iterator[Component]:
    described = {str(one) for one in document.get("documentDescribes") or ()}
    for entry in _objects(document.get("relationships")):
        if _text(entry, "relationshipType") == "DESCRIBES":
            described.add(_text(entry, "relatedSpdxElement"))
    for entry in _objects(document.get("packages")):
        if _text(entry, "SPDXID") in described:
            continue
        references = _objects(entry.get("externalRefs"))
        purl = next(
            (_text(one, "referenceLocator") for one in references if _text(one, "referenceType") == "purl"),
            "",
        )
        yield Component(_text(entry, "name"), _text(entry, "versionInfo"), purl)


def _spdx3(graph: object) -> Iterator[Component]:
    for entry in _objects(graph):
        if _text(entry, "type") == "software_Package":
            purl = _text(entry, "software_packageUrl")
            yield Component(_text(entry, "name"), _text(entry, "software_packageVersion"), purl)


def _objects(value: object) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _text(entry: Mapping[str, Any], key: str) -> str:
    value = entry.get(key)
    return display_text(value.strip())[:400] if isinstance(value, str) else ""


def binding_of(component: Component) -> str:
    """Return the library that a package of a language binds to, by its name; empty: none."""
    match = _PURL.match(component.purl)
    if not match or match["type"].lower() not in _BINDINGS:
        return ""
    return _named(re.sub(r"-(?:sys|src)$", "", component.name.lower()))


def library_of(component: Component) -> tuple[str, str]:
    """Return the library with a signature that a component is, and its upstream version; empty: none."""
    match = _PURL.match(component.purl)
    kind = match["type"].lower() if match else ""
    name = component.name.lower()
    if match and not name:
        name = unquote(match["path"]).rpartition("/")[2].lower()
    version = component.version or (unquote(match["version"]) if match and match["version"] else "")
    if kind in _BINDINGS:
        built, said = _BUILT.fullmatch(name), _BUILT_VERSION.fullmatch(version)
        if built is None or said is None:
            return "", ""
        return _named(built["name"]), said["version"]
    upstream = _RELEASE.match(version.removeprefix("v"))
    return _named(name), upstream["upstream"] if upstream else ""


@cache
def _named(name: str) -> str:
    """Return the id of the signature that a name of a package means; empty: none."""
    known = signatures()
    plain = name.replace("-", "_")
    for guess in (plain, plain.removeprefix("lib"), f"lib{plain}"):
        if guess in known:
            return guess
    for key, one in known.items():
        if name in (one.name.lower(), one.name.lower().replace(" ", "-")) or one.is_package(name):
            return key
        if one.is_soname(f"{name}.so") or (".so" in name and one.is_soname(name)):
            return key
    # As distributions call parts of them: openssl-libs, krb5-libs, xz-libs, bzip2-libs, sqlite-libs.
    stem = re.sub(r"[-_](?:libs?|devel|dev|compat|shared)$", "", name)
    return _named(stem) if stem != name else ""


def sbom_rows(
    source: str, documents: Mapping[str, bytes], libraries: Iterable[Mapping[str, Any]]
) -> Iterator[dict[str, Any]]:
    """Compare the SBOMs of one wheel with the libraries in its bytes.

    Parameters
    ----------
    source : str
        The wheel: ``psycopg2_binary 2.9.13``.
    documents : mapping of str to bytes
        Its SBOMs by their paths.
    libraries : iterable of mapping
        Rows of ``bundled_libraries`` that lie in it.
    """
    claims = Claims("SBOM", source)
    said = _Named.of(source, documents, claims)
    carried: dict[str, list[Mapping[str, Any]]] = {}
    for row in libraries:
        if row["library"] and row["linkage"] in ("static", "vendored shared"):
            carried.setdefault(str(row["library"]), []).append(row)
    for library, rows in sorted(carried.items()):
        _compare(claims, library, rows, said)
    for library in sorted(said.libraries.keys() - carried.keys()):
        for version, path in said.libraries[library].items():
            claimed = f"{library} {version}".strip()
            claims.tell("not in the bytes", path, claimed, "", "no file was found to carry it")
    if said.others:
        listed = ", ".join(sorted(set(said.others)))
        reason = f"{len(said.others)} components that nothing here can look for: {listed}"
        claims.tell("not checked", ", ".join(sorted(documents)), f"{len(said.others)} components", "", reason)
    yield from claims.rows()


@dataclass(slots=True)
class _Named:
    """What the SBOMs of a wheel name.

    Attributes
    ----------
    libraries : dict of str to dict of str to str
        Path of the SBOM by version by id of the library.
    bindings : dict of str to str
        Packages of a language that bind to a library.
    others : list of str
    documents, broken : bool
        There is an SBOM; one of them could not be read.
    """

    libraries: dict[str, dict[str, str]] = field(default_factory=dict)
    bindings: dict[str, str] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)
    documents: bool = False
    broken: bool = False

    @classmethod
    def of(cls, source: str, documents: Mapping[str, bytes], claims: Claims) -> _Named:
        said = cls(documents=bool(documents))
        own = source.partition(" ")[0].lower().replace("-", "_")
        for path, document in sorted(documents.items()):
            try:
                for one in components(document):
                    said._take(one, path, own)
            except SbomError as error:
                claims.tell("not checked", path, reason=str(error))
                said.broken = True
        return said

    def _take(self, one: Component, path: str, own: str) -> None:
        library, version = library_of(one)
        if library:
            self.libraries.setdefault(library, {}).setdefault(version, path)
            return
        shown = f"{one.name} {one.version}".strip()
        if bound := binding_of(one):
            self.bindings[bound] = shown
        if one.name.lower().replace("-", "_") != own:
            self.others.append(shown)

    def why_not(self, library: str) -> str:
        """Return what is to be said where a library is not named."""
        if self.broken:
            return "an SBOM could not be read"
        if not self.documents:
            return "the wheel has no SBOM"
        bound = self.bindings.get(library)
        return f"only a binding to it is named: {bound}" if bound else ""


def _compare(claims: Claims, library: str, rows: list[Mapping[str, Any]], said: _Named) -> None:
    named = said.libraries.get(library, {})
    claimed = " or ".join(f"{library} {version}".strip() for version in named)
    # One library may lie in several files: a row for each version.
    files: dict[str, str] = {}
    for row in rows:
        files.setdefault(str(row["version"]), str(row["file"]))
    if len(files) > 1 and "" in files:
        # A companion without a version of its own says nothing new.
        del files[""]
    for version, file in files.items():
        found = f"{library} {version}".strip()
        if not named:
            state = "not checked" if said.broken else "not in the SBOM"
            claims.tell(state, file, "", found, said.why_not(library))
        elif version in named:
            claims.tell("holds", file, claimed, found)
        elif not version or "" in named:
            claims.tell("holds", file, claimed, found, "its version is not known on both sides")
        elif named.keys() & files.keys():
            # What the SBOM names is there, too, in another file.
            claims.tell("not in the SBOM", file, "", found, f"only {claimed} is named")
        else:
            claims.tell("differs", file, claimed, found)
