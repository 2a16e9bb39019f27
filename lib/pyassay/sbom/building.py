"""The components of a bill of materials, from the rows of an evidence set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote
from uuid import UUID

from cyclonedx.model import Property
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.component_evidence import (
    AnalysisTechnique,
    ComponentEvidence,
    Identity,
    IdentityField,
    Method,
    Occurrence,
)
from cyclonedx.model.dependency import Dependency
from cyclonedx.model.tool import ToolRepository
from cyclonedx.output.json import JsonV1Dot6
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from pyassay.sbom.identity import (
    Distribution,
    component_name,
    distribution_of,
    library_cpe,
    library_purl,
    package_purl,
    pypi_purl,
)
from pyassay.subjects.display import display_text

__all__ = ["Found", "bill"]

_LONGEST = 1000
_CONFIDENCE = {"certain": Decimal(1), "likely": Decimal("0.7")}
_TECHNIQUES = {
    "run time": AnalysisTechnique.DYNAMIC_ANALYSIS,
    "symbol": AnalysisTechnique.BINARY_ANALYSIS,
    "bytes": AnalysisTechnique.BINARY_ANALYSIS,
    "package": AnalysisTechnique.MANIFEST_ANALYSIS,
    "soname": AnalysisTechnique.FILENAME,
}
_TYPES = {
    "interpreter": ComponentType.PLATFORM,
    "environment": ComponentType.APPLICATION,
    "image": ComponentType.CONTAINER,
}
# What two rows must share to be one component.
_SAME = ("library", "version", "linkage", "package_manager", "package", "package_version")

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Found:
    """What a bill is made of: the rows of one subject, and where they come from."""

    subject: Row
    libraries: Sequence[Row]
    packages: Sequence[Row]
    skipped: Sequence[Row]
    host: Mapping[str, str]
    tool_version: str
    recorded: datetime
    serial: UUID


def bill(found: Found) -> str:
    """Return the bill of materials as JSON text that ends with a line break."""
    distribution = distribution_of(found.subject, found.host)
    root = _root(found, distribution)
    bom = Bom(serial_number=found.serial, version=1)
    bom.metadata = BomMetaData(component=root, timestamp=found.recorded, tools=_tools(found))
    packages = _packages(found, distribution)
    grouped = _grouped(found.libraries)
    libraries = {key: _library(rows, distribution, found.subject) for key, rows in grouped.items()}
    for component in (*packages.values(), *libraries.values()):
        bom.components.add(component)
    carried: dict[str, list[Component]] = {}
    top: list[Component] = list(packages.values())
    for key, component in libraries.items():
        carrier = _release(str(grouped[key][0]["package"]), str(grouped[key][0]["package_version"]))
        if grouped[key][0]["package_manager"] == "wheel" and carrier in packages:
            carried.setdefault(carrier, []).append(component)
        else:
            top.append(component)
    # Its own way to add them, one by one, takes time by the square of their number.
    bom.dependencies = [
        _needing(root, top),
        *(_needing(packages[key], them) for key, them in carried.items()),
    ]
    return JsonV1Dot6(bom).output_as_string(indent=1) + "\n"


def _needing(component: Component, needed: Iterable[Component]) -> Dependency:
    return Dependency(component.bom_ref, [Dependency(one.bom_ref) for one in needed])


def _root(found: Found, distribution: Distribution) -> Component:
    subject = found.subject
    kind, version = str(subject["kind"]), str(subject["version"])
    name, purl, cpe = str(subject["label"]), None, None
    # An environment is no release of Python: it rests on one, which is among its components.
    if kind == "interpreter" and subject["implementation"] == "cpython" and version:
        row = _own_row(found.libraries, version)
        purl = library_purl(row, distribution, str(subject["architecture"]))
        cpe = library_cpe(row)
    component_type = _TYPES.get(kind, ComponentType.APPLICATION)
    if subject["format"] == "wheel":
        component_type = ComponentType.LIBRARY
        try:
            project, number, *_ = parse_wheel_filename(PurePosixPath(str(subject["executable"])).name)
        except InvalidWheelFilename:
            pass
        else:
            name, version = str(project), str(number)
            purl = pypi_purl(name, version)
    unread = [f"{row['file']}: {row['evidence']}" for row in found.libraries if not row["library"]]
    skipped = [f"{row['file'] or 'all of it'}: {row['reason']}" for row in found.skipped]
    return Component(
        name=_text(name) or "unnamed",
        type=component_type,
        version=_text(version) or None,
        bom_ref=_reference("subject", str(subject["subject_id"])),
        purl=purl,
        cpe=cpe,
        properties=_properties(
            ("subject-id", subject["subject_id"]),
            ("label", subject["label"]),
            ("path", subject["executable"]),
            ("image", subject["image"]),
            ("provenance", subject["provenance"]),
            ("error", subject["error"]),
            *(("not-read", text) for text in unread),
            *(("skipped", text) for text in skipped),
        ),
    )


def _own_row(libraries: Iterable[Row], version: str) -> Row:
    """Return the row of the interpreter itself, which may be a distribution's package."""
    for row in libraries:
        if row["library"] == "cpython" and row["scope"] == "runtime" and row["version"] == version:
            return row
    return {
        "library": "cpython",
        "linkage": "static",
        "package_manager": "",
        "package": "",
        "version": version,
    }


def _tools(found: Found) -> ToolRepository:
    tool = Component(
        name="pyassay",
        type=ComponentType.APPLICATION,
        version=_text(found.tool_version) or None,
        bom_ref="tool:pyassay",
    )
    return ToolRepository(components=[tool])


def _grouped(rows: Iterable[Row]) -> dict[tuple[str, ...], list[Row]]:
    grouped: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        if row["library"]:
            grouped.setdefault(tuple(str(row[name]) for name in _SAME), []).append(row)
    return grouped


def _library(rows: Sequence[Row], distribution: Distribution, subject: Row) -> Component:
    row = rows[0]
    reference = _reference("library", *(str(row[name]) for name in _SAME))
    version = _text(str(row["version"]))
    known = [_CONFIDENCE.get(str(one["confidence"]), Decimal(0)) for one in rows]
    methods = [method for one in rows for method in _methods(one)]
    identity = Identity(
        field=IdentityField.VERSION,
        confidence=min(known),
        concluded_value=version or None,
        methods=methods,
    )
    return Component(
        name=_text(component_name(str(row["library"]))),
        type=ComponentType.LIBRARY,
        version=version or None,
        bom_ref=reference,
        purl=library_purl(row, distribution, str(subject["architecture"])),
        cpe=library_cpe(row),
        evidence=ComponentEvidence(identity=[identity], occurrences=_occurrences(rows, reference)),
        properties=_properties(
            ("version", "" if version else "not determined"),
            ("linkage", row["linkage"] or "not known"),
            ("package", " ".join(str(row[name]) for name in _SAME[3:]).strip()),
            ("package-source", row["package_source"]),
            *(("method", one["method"]) for one in rows),
            *(("scope", one["scope"]) for one in rows),
            *(("detail", one["detail"]) for one in rows),
            *(("disagreement", one["evidence"]) for one in rows if one["agrees"] is False),
        ),
    )


def _methods(row: Row) -> list[Method]:
    """Return how a version is known: what its bytes say, and what it said when it ran."""
    confidence = _CONFIDENCE.get(str(row["confidence"]), Decimal(0))
    method = str(row["method"])
    static = _TECHNIQUES.get(method, AnalysisTechnique.OTHER)
    found = [Method(technique=static, confidence=confidence, value=_text(str(row["evidence"])) or None)]
    if row["runtime_version"] and method != "run time":
        said = f"run time: {_text(str(row['runtime_version']))}"
        found.append(Method(technique=AnalysisTechnique.DYNAMIC_ANALYSIS, confidence=confidence, value=said))
    return found


def _packages(found: Found, distribution: Distribution) -> dict[str, Component]:
    """Return the Python packages by release; those that only their libraries tell of, too."""
    by_release: dict[str, list[Row]] = {}
    for row in found.packages:
        if row["distribution"]:
            release = _release(str(row["distribution"]), str(row["version"]))
            by_release.setdefault(release, []).append(row)
    for row in found.libraries:
        if row["package_manager"] == "wheel" and row["package"]:
            release = _release(str(row["package"]), str(row["package_version"]))
            if release not in by_release:
                by_release[release] = [_carrier(row)]
    return {release: _package(rows, distribution) for release, rows in by_release.items()}


def _carrier(row: Row) -> Row:
    """Return a wheel that a library's file is recorded in as a row of ``installed_packages``."""
    return {
        "distribution": row["package"],
        "version": row["package_version"],
        "file": "",
        "installer": "",
        "package": "",
        "package_version": "",
        "package_manager": "",
        "error": "",
        "said": f"its RECORD lists {row['file']}",
    }


def _release(name: str, version: str) -> str:
    return f"{canonicalize_name(name)} {version}"


def _package(rows: Sequence[Row], distribution: Distribution) -> Component:
    row = rows[0]
    name, version = str(row["distribution"]), str(row["version"])
    reference = _reference("package", name, version)
    purl = package_purl(row, distribution, "") if row["package"] else pypi_purl(name, version)
    confidence = _CONFIDENCE["likely" if row["error"] else "certain"]
    method = Method(
        technique=AnalysisTechnique.MANIFEST_ANALYSIS,
        confidence=confidence,
        value=_text(str(row.get("said") or f"{name} {version}".strip())),
    )
    identity = Identity(
        field=IdentityField.NAME, confidence=confidence, concluded_value=_text(name), methods=[method]
    )
    return Component(
        name=_text(name),
        type=ComponentType.LIBRARY,
        version=_text(version) or None,
        bom_ref=reference,
        purl=purl,
        evidence=ComponentEvidence(identity=[identity], occurrences=_occurrences(rows, reference)),
        properties=_properties(
            ("version", "" if version else "not determined"),
            ("package", f"{row['package_manager']} {row['package']} {row['package_version']}".strip()),
            *(("installer", one["installer"]) for one in rows),
            *(("error", one["error"]) for one in rows),
        ),
    )


def _occurrences(rows: Iterable[Row], reference: str) -> list[Occurrence]:
    """Return where a component lies. Each has a name: without one the library makes up a random one."""
    files = sorted({_text(str(row["file"])) for row in rows} - {""})
    return [
        Occurrence(bom_ref=f"{reference}/in/{number:05}", location=file)
        for number, file in enumerate(files, 1)
    ]


def _properties(*named: tuple[str, Any]) -> list[Property]:
    """Return properties under this tool's prefix, the empty ones left out."""
    cells = dict.fromkeys((name, _text(str(value))) for name, value in named)
    return [Property(name=f"pyassay:{name}", value=value) for name, value in cells if value]


def _reference(*parts: str) -> str:
    """Return a name that no other component of the bill has."""
    whole = "/".join(quote(part, safe="", errors="surrogatepass") for part in parts)
    return whole if len(whole) <= _LONGEST else f"{whole[:100]}-{sha256(whole.encode()).hexdigest()}"


def _text(text: str) -> str:
    return display_text(text)[:_LONGEST]
