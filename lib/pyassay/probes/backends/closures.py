"""What a backend brings along: packages, sizes, code of others, compiled parts, crates."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from email.message import Message
from pathlib import Path
from typing import Any

from pyassay.probes.backends.archives import ArchiveError, Member, members, parsed_metadata
from pyassay.probes.backends.wheelhouse import Package, Wheelhouse

__all__ = ["closure_rows", "crate_rows", "licence_of", "native_format", "rust_needs"]

_VENDOR = frozenset({"_vendor", "_vendored", "vendor", "vendored", "_bundled"})
_MACH_O = (b"\xfe\xed\xfa\xce", b"\xfe\xed\xfa\xcf", b"\xce\xfa\xed\xfe", b"\xcf\xfa\xed\xfe")
_UNIVERSAL = b"\xca\xfe\xba\xbe"
_MOST_SLICES = 30


def native_format(data: bytes) -> str:
    """Return ``ELF``, ``PE`` or ``Mach-O`` of a file's bytes; empty: none of them.

    >>> native_format(b"MZ: music by Zimmer")
    ''
    """
    if data.startswith(b"\x7fELF"):
        return "ELF"
    if data.startswith(_MACH_O):
        return "Mach-O"
    # Java classes begin so, too, but no universal binary has thirty architectures.
    if data.startswith(_UNIVERSAL) and 0 < int.from_bytes(data[4:8], "big") < _MOST_SLICES:
        return "Mach-O"
    if data.startswith(b"MZ") and len(data) > 0x40:
        header = int.from_bytes(data[0x3C:0x40], "little")
        if data[header : header + 4] == b"PE\0\0":
            return "PE"
    return ""


def licence_of(about: Message) -> str:
    """Return a licence as metadata say it: the expression, the classifiers, or the first line of the text."""
    if expression := str(about.get("License-Expression") or ""):
        return expression
    names = [
        value.rsplit(" :: ", 1)[-1]
        for value in map(str, about.get_all("Classifier", []))
        if value.startswith("License ::")
    ]
    if names:
        return ", ".join(names)
    return next(iter(str(about.get("License") or "").strip().splitlines()), "")


def closure_rows(
    subject_id: str, wheelhouse: Wheelhouse, packages: Mapping[str, Sequence[Package]]
) -> list[dict[str, Any]]:
    """Return the rows of ``backend_closures``.

    Parameters
    ----------
    subject_id : str
    wheelhouse : Wheelhouse
    packages : mapping of str to sequence of Package
        By scope; a package is a row of the first scope that has it.
    """
    rows: list[dict[str, Any]] = []
    seen: set[str] = set()
    for scope, listed in packages.items():
        for package in listed:
            if package.name in seen:
                continue
            seen.add(package.name)
            rows.append(
                {
                    "subject_id": subject_id,
                    "scope": scope,
                    "distribution": package.name,
                    "version": package.version,
                    "wheel": package.wheel,
                    "pure": package.wheel.endswith("-none-any.whl"),
                    **_inside(wheelhouse.wheel(package)),
                }
            )
    return rows


def _inside(wheel: Path) -> dict[str, Any]:
    unknown: dict[str, Any] = dict.fromkeys(
        (
            "size_bytes",
            "unpacked_bytes",
            "files",
            "python_files",
            "python_lines",
            "native_files",
            "native_bytes",
        )
    )
    unknown |= {"native": [], "vendored": [], "sboms": [], "licence": "", "reason": ""}
    try:
        found = [one for one in members(wheel) if not one.is_folder]
        size = wheel.stat().st_size
    except (ArchiveError, OSError) as error:
        return unknown | {"reason": str(error)}
    python = [one for one in found if one.name.endswith(".py")]
    native = [(native_format(one.data), one) for one in found]
    native = [(kind, one) for kind, one in native if kind]
    about = next((one for one in found if one.name.endswith(".dist-info/METADATA")), None)
    return {
        "size_bytes": size,
        "unpacked_bytes": sum(len(one.data) for one in found),
        "files": len(found),
        "python_files": len(python),
        "python_lines": sum(one.data.count(b"\n") for one in python),
        "native_files": len(native),
        "native_bytes": sum(len(one.data) for _, one in native),
        "native": [f"{kind} {one.name.rsplit('/', 1)[-1]}" for kind, one in native],
        "vendored": sorted(set(_vendored(found))),
        "sboms": [one.name for one in found if "/sboms/" in one.name],
        "licence": licence_of(parsed_metadata(about.data)) if about else "",
        "reason": "",
    }


def _vendored(found: Sequence[Member]) -> Iterator[str]:
    for one in found:
        parts = one.name.split("/")
        for place, part in enumerate(parts[:-1]):
            name = parts[place + 1]
            if part in _VENDOR and not name.endswith((".dist-info", ".txt", ".md", ".toml")):
                stem = name.removesuffix(".py")
                if stem and stem[0] not in "._" and stem not in ("README", "py") and "LICENSE" not in stem:
                    yield stem


def crate_rows(subject_id: str, wheelhouse: Wheelhouse, packages: Sequence[Package]) -> list[dict[str, Any]]:
    """Return the rows of ``backend_crates``: of every package of a closure that has a compiled part."""
    rows = []
    for package in packages:
        if package.wheel.endswith("-none-any.whl"):
            continue
        about = {"subject_id": subject_id, "distribution": package.name, "version": package.version}
        sdist, reason = wheelhouse.sdist(package.name, package.version)
        lock = _of_sdist(package, sdist) if sdist is not None else _nothing(f"no sdist: {reason}")
        if lock["crates"] is not None or lock["reason"]:
            rows.append(about | {"listed_in": "Cargo.lock"} | lock)
        bill = _of_bill(wheelhouse.wheel(package))
        if bill is not None:
            rows.append(about | {"listed_in": "bill of materials"} | bill)
    return rows


def _nothing(reason: str = "") -> dict[str, Any]:
    counts = ["crates", "third_party", "reachable", "own", "rust_files", "rust_lines"]
    counts += ["sdist_bytes", "sdist_unpacked_bytes"]
    return {**dict.fromkeys(counts), "file": "", "needs": [], "reason": reason}


def _of_sdist(package: Package, sdist: Path) -> dict[str, Any]:
    try:
        found = members(sdist)
        locks = [one for one in found if one.name.rsplit("/", 1)[-1] == "Cargo.lock"]
        # The outermost is that of the project; others belong to tests and examples.
        lock = min(locks, key=lambda one: one.name.count("/"), default=None)
        listed = tomllib.loads(lock.data.decode())["package"] if lock is not None else None
    except (ArchiveError, OSError, ValueError, KeyError, TypeError) as error:
        return _nothing(" ".join(str(error).split()))
    if lock is None or not isinstance(listed, list):
        return _nothing()
    rust = [one for one in found if one.name.endswith(".rs")]
    third = [one for one in listed if "source" in one]
    return {
        "file": lock.name.partition("/")[2],
        "crates": len(listed),
        "third_party": len(third),
        "reachable": _reachable(listed, package.name),
        "own": len(listed) - len(third),
        "rust_files": len(rust),
        "rust_lines": sum(one.data.count(b"\n") for one in rust),
        "sdist_bytes": sdist.stat().st_size,
        "sdist_unpacked_bytes": sum(len(one.data) for one in found),
        "needs": rust_needs(found),
        "reason": "",
    }


def _reachable(listed: Sequence[Mapping[str, Any]], start: str) -> int | None:
    """Count third-party crates that one crate's dependencies lead to (every feature and platform)."""
    by_name: dict[str, list[Mapping[str, Any]]] = {}
    for one in listed:
        by_name.setdefault(str(one["name"]), []).append(one)
    if start not in by_name:
        return None
    seen: set[tuple[str, str]] = set()
    waiting = list(by_name[start])
    while waiting:
        one = waiting.pop()
        key = (str(one["name"]), str(one["version"]))
        if key in seen:
            continue
        seen.add(key)
        for wanted in one.get("dependencies", []):
            name, _, version = str(wanted).partition(" ")
            version = version.partition(" ")[0]
            waiting += [
                other for other in by_name.get(name, []) if not version or other["version"] == version
            ]
    sources = {(str(one["name"]), str(one["version"])) for one in listed if "source" in one}
    return len(seen & sources)


def _of_bill(wheel: Path) -> dict[str, Any] | None:
    """Count what a CycloneDX bill of materials in a wheel lists; None: there is none."""
    try:
        found = [one for one in members(wheel) if "/sboms/" in one.name and one.name.endswith(".json")]
        listed = [
            str(component.get("purl", ""))
            for one in found
            for component in json.loads(one.data).get("components", [])
        ]
    except (ArchiveError, ValueError, AttributeError, TypeError) as error:
        return _nothing(" ".join(str(error).split()))
    if not found:
        return None
    crates = {purl for purl in listed if purl.startswith("pkg:cargo/")}
    own = {purl for purl in crates if "download_url=file" in purl}
    return _nothing() | {
        "file": found[0].name,
        "crates": len(crates),
        "third_party": len(crates - own),
        "own": len(own),
    }


def rust_needs(found: Sequence[Member]) -> list[str]:
    """Return what an sdist asks for to be built: its ``[build-system]``, and the oldest Rust it allows."""
    needs: list[str] = []
    tops = {one.name.partition("/")[2]: one for one in found if one.name.count("/") == 1}
    try:
        if "pyproject.toml" in tops:
            declared = tomllib.loads(tops["pyproject.toml"].data.decode())
            needs += map(str, declared.get("build-system", {}).get("requires", []))
        if "Cargo.toml" in tops:
            cargo = tomllib.loads(tops["Cargo.toml"].data.decode())
            about = cargo.get("workspace", {}).get("package", {}) | cargo.get("package", {})
            oldest = about.get("rust-version")
            needs.append(f"rustc {oldest}" if isinstance(oldest, str) else "rustc")
    except (ValueError, AttributeError, TypeError):
        needs.append("(its pyproject.toml or Cargo.toml cannot be read)")
    return [re.sub(r"\s+", " ", one) for one in needs]
