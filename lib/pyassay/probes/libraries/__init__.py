"""Every library that a subject carries or loads: name, version, how that is known, linkage, file and owner.

The static answer comes from bytes and symbols, nothing is executed for it. An interpreter of this host is
asked besides, and both answers stand side by side.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from pyassay.probes.libraries.packages import Package, upstream_version
from pyassay.probes.libraries.scan import Carried
from pyassay.probes.observations import Column, TableSchema
from pyassay.probes.signatures import signatures
from pyassay.subjects.model import Artifact, Interpreter, SubjectKind

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["BUNDLED_LIBRARIES", "TABLES", "Library", "observe", "probe"]

BUNDLED_LIBRARIES = TableSchema(
    "bundled_libraries",
    "one row per library and file that carries it; a file that could not be read is a row without a library",
    (
        Column("subject_id", "text", "which subject of the table `subjects`"),
        Column(
            "library", "text", "id of its signature: openssl, sqlite, zlib_ng ...; empty: a file not read"
        ),
        Column("version", "text", "empty when it could not be determined: evidence says why"),
        Column("method", "text", "how the version is known: run time, symbol, bytes, package or soname"),
        Column("confidence", "text", "certain, likely or unknown"),
        Column(
            "linkage",
            "text",
            "static (inside of another file), vendored shared (a file of its own that comes along) or "
            "system (a library of the system that is loaded); empty: not known",
        ),
        Column(
            "scope",
            "text",
            "of an interpreter: runtime, stdlib or site (installed packages), as the file that carries or "
            "loads it; of anything else empty",
        ),
        Column(
            "file", "text", "path of the file that carries it, relative to the tree where it lies inside it"
        ),
        Column("package", "text", "package that owns the file; empty: none is known"),
        Column("package_version", "text", "of that package"),
        Column(
            "package_source", "text", "Debian: the source package that it was built from; empty otherwise"
        ),
        Column("package_manager", "text", "dpkg, rpm, apk, pacman, conda or wheel"),
        Column(
            "evidence", "text", "one line: the very string or symbol that was found, or why there is none"
        ),
        Column("detail", "text", "what else its bytes tell: SQLite's source id, OpenSSL's folder"),
        Column("static_version", "text", "what bytes and symbols say, with nothing executed"),
        Column(
            "runtime_version", "text", "what the running interpreter says; empty: not asked, or no answer"
        ),
        Column("agrees", "flag", "both say the same; missing: only one of them is there"),
    ),
)
TABLES = (BUNDLED_LIBRARIES,)


@dataclass(frozen=True, slots=True)
class Library:
    """One library in one file, before it is a row."""

    carried: Carried
    path: PurePosixPath
    file: str
    linkage: str
    scope: str = ""
    package: Package | None = None
    runtime_version: str = ""
    needed: tuple[str, ...] = ()


def probe(subject: Interpreter | Artifact) -> dict[str, pd.DataFrame]:
    """Observe the libraries of one subject: the table ``bundled_libraries``.

    Raises
    ------
    FileTreeError
        If an artifact cannot be read at all.
    EngineError
        If the engine or the image is gone.
    """
    return {BUNDLED_LIBRARIES.name: BUNDLED_LIBRARIES.frame(observe(subject))}


def observe(subject: Interpreter | Artifact) -> list[dict[str, Any]]:
    """Return the same as plain rows, for those who need no DataFrame."""
    if isinstance(subject, Artifact):
        if subject.kind is SubjectKind.IMAGE:
            from pyassay.probes.libraries.images import image_libraries

            found, unread = image_libraries(subject)
        else:
            from pyassay.probes.libraries.members import artifact_libraries

            found, unread = artifact_libraries(subject)
    elif subject.image:
        from pyassay.probes.libraries.images import libraries_in_image

        found, unread = libraries_in_image(subject)
    else:
        from pyassay.probes.libraries.trees import interpreter_libraries

        found, unread = interpreter_libraries(subject)
    rows = [_row(subject.id, one) for one in with_known_versions(found)]
    rows += [_unread(subject.id, file, reason) for file, reason in unread]
    return rows


def with_known_versions(found: Iterable[Library]) -> list[Library]:
    """Complete what has no version of its own, by its companion or its package; by library and file."""
    listed = sorted(found, key=lambda one: (one.carried.library, one.file))
    beside: dict[tuple[str, PurePosixPath], list[Library]] = {}
    for one in listed:
        if one.carried.version and one.carried.named:
            beside.setdefault((one.carried.library, one.path.parent), []).append(one)
    return [_completed(one, beside.get((one.carried.library, one.path.parent), [])) for one in listed]


def _sibling(one: Library, beside: list[Library]) -> Library | None:
    """Return the library that a companion belongs to: of several versions, the one that it asks for."""
    if len({other.carried.version for other in beside}) > 1:
        beside = [other for other in beside if other.path.name in one.needed]
    return beside[0] if len({other.carried.version for other in beside}) == 1 else None


def _completed(one: Library, beside: list[Library]) -> Library:
    carried, signature = one.carried, signatures().get(one.carried.library)
    if carried.version or signature is None:
        return one
    sibling = _sibling(one, beside) if signature.is_companion(one.path.name) else None
    if sibling is not None and carried.named:
        said = f"{carried.evidence}; {sibling.path.name} beside it: {sibling.carried.evidence}"
        known = replace(
            carried, version=sibling.carried.version, method="soname", confidence="likely", evidence=said
        )
        return replace(one, carried=known)
    package = one.package
    if package is not None and (version := upstream_version(package, signature)):
        said = f"{carried.evidence}; package {package.name} {package.version}"
        return replace(
            one,
            carried=replace(carried, version=version, method="package", confidence="likely", evidence=said),
        )
    if signature.undetermined and signature.undetermined not in carried.evidence:
        return replace(
            one, carried=replace(carried, evidence=f"{carried.evidence}. {signature.undetermined}")
        )
    return one


def _row(subject_id: str, one: Library) -> dict[str, Any]:
    carried, package, runtime = one.carried, one.package, one.runtime_version
    static = "" if carried.method == "run time" else carried.version
    version, method, confidence, evidence = (
        carried.version,
        carried.method,
        carried.confidence,
        carried.evidence,
    )
    agrees = static == runtime if static and runtime else None
    if runtime and agrees is not True:
        # What runs counts; that the bytes say something else stands beside it.
        version, method, confidence = runtime, "run time", "certain"
        if agrees is False:
            evidence = f"{evidence}; but run time says {runtime}"
    elif agrees:
        confidence = "certain"
    return {
        "subject_id": subject_id,
        "library": carried.library,
        "version": version,
        "method": method,
        "confidence": confidence,
        "linkage": one.linkage,
        "scope": one.scope,
        "file": one.file,
        "package": package.name if package else "",
        "package_version": package.version if package else "",
        "package_source": package.source if package else "",
        "package_manager": package.manager if package else "",
        "evidence": evidence,
        "detail": carried.detail,
        "static_version": static,
        "runtime_version": runtime,
        "agrees": agrees,
    }


def _unread(subject_id: str, file: str, reason: str) -> dict[str, Any]:
    empty = dict.fromkeys(BUNDLED_LIBRARIES.column_names, "")
    return empty | {
        "subject_id": subject_id,
        "file": file,
        "confidence": "unknown",
        "evidence": f"not read: {reason}",
        "agrees": None,
    }
