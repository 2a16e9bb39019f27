"""Bills of materials: valid by the standard's own schema, the same every time, and true in their names."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pyassay.evidence import SCHEMA_VERSION, SKIPPED, SUBJECTS, Evidence, Manifest
from pyassay.probes import libraries, site_packages
from pyassay.sbom import SbomError, cyclonedx
from pyassay.subjects.collection import subject_row
from pyassay.subjects.model import Artifact, Interpreter, Subject, SubjectKind

pytest.importorskip("cyclonedx", reason="needs cyclonedx-python-lib")

Bill = dict[str, Any]
HOSTILE = (
    "line\nbreak",
    "nul\0",
    "\udcff\ud800",
    "<b>&\"'</b>",
    "pkg:deb/x@1?a=b#c",
    "ü" * 3000,
    "../..",
    " ",
)


def evidence_of(
    subject: Subject | dict[str, Any],
    carried: list[dict[str, Any]] | None = None,
    packages: list[dict[str, Any]] | None = None,
    skipped: list[dict[str, Any]] | None = None,
    distribution: str = "Debian GNU/Linux 12 (bookworm)",
) -> Evidence:
    """Return evidence as it would have been recorded; what is not given is observed."""
    row = subject if isinstance(subject, dict) else subject_row(subject)
    if not isinstance(subject, dict):
        carried = libraries.observe(subject) if carried is None else carried
        packages = site_packages.observe(subject) if packages is None else packages
    tables = {
        "subjects": SUBJECTS.frame([row]),
        "bundled_libraries": libraries.BUNDLED_LIBRARIES.frame(carried or []),
        "installed_packages": site_packages.INSTALLED_PACKAGES.frame(packages or []),
        "skipped": SKIPPED.frame(skipped or []),
    }
    manifest = Manifest(
        SCHEMA_VERSION,
        "2026-11-21T10:20:30+00:00",
        ("security",),
        {"distribution": distribution},
        {"pyassay": "0.1.0"},
    )
    return Evidence(manifest, tables)


def library(name: str = "openssl", version: str = "3.0.16", **more: Any) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(libraries.BUNDLED_LIBRARIES.column_names, "")
    row |= {"subject_id": "one", "library": name, "version": version, "method": "bytes", "agrees": None}
    row |= {"confidence": "certain", "linkage": "static", "file": "lib/a.so", "evidence": f"{name} {version}"}
    return row | more


def installed(name: str, version: str = "1.0", **more: Any) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(site_packages.INSTALLED_PACKAGES.column_names, "")
    file = f"site/{name}.dist-info"
    return (
        row
        | {"subject_id": "one", "distribution": name, "version": version, "requested": None, "file": file}
        | more
    )


def subject(**more: Any) -> dict[str, Any]:
    row = subject_row(Artifact("one", "one", SubjectKind.ARTIFACT, Path("/tmp/one"), "folder"))
    return row | more


INTERPRETER = {
    "kind": "interpreter",
    "implementation": "cpython",
    "version": "3.12.1",
    "architecture": "x86_64",
}


def read(evidence: Evidence) -> Bill:
    """Return the bill after the library's own strict validation."""
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    text = cyclonedx(evidence)
    fault = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    assert fault is None, fault
    bill: Bill = json.loads(text)
    references = [
        bill["metadata"]["component"]["bom-ref"],
        *(one["bom-ref"] for one in bill.get("components", [])),
    ]
    assert len(set(references)) == len(references)
    assert {one["ref"] for one in bill["dependencies"]} == set(references)
    return bill


def properties(component: Bill, name: str) -> list[str]:
    listed = component.get("properties", [])
    return [one["value"] for one in listed if one["name"] == f"pyassay:{name}"]


def only(bill: Bill) -> Bill:
    (component,) = bill["components"]
    return dict(component)


def test_the_running_interpreter(running_interpreter: Interpreter) -> None:
    evidence = evidence_of(running_interpreter)
    bill = read(evidence)
    assert (bill["specVersion"], bill["metadata"]["timestamp"]) == ("1.6", "2026-11-21T10:20:30+00:00")
    root = bill["metadata"]["component"]
    assert (root["type"], root["version"]) == ("platform", running_interpreter.version)
    observed = evidence.table("bundled_libraries")
    wanted = {
        (row["library"].replace("_", "-"), row["version"], row["linkage"], row["file"])
        for row in observed.to_dict("records")
        if row["library"]
    }
    found = {
        (one["name"], one.get("version", ""), properties(one, "linkage")[0], place["location"])
        for one in bill["components"]
        if one["bom-ref"].startswith("library/")
        for place in one["evidence"]["occurrences"]
    }
    assert found == {(name, version, linkage or "not known", file) for name, version, linkage, file in wanted}
    assert len(found) > 8


def test_debian_s_packages_are_those_that_dpkg_knows() -> None:
    from pyassay.subjects import find

    if shutil.which("dpkg-query") is None or not Path("/usr/bin/python3").exists():
        pytest.skip("needs Debian's own Python")
    from packageurl import PackageURL

    evidence = evidence_of(next(iter(find("/usr/bin/python3"))))
    bill = read(evidence)
    purls = [PackageURL.from_string(one["purl"]) for one in bill["components"] if "purl" in one]
    debian = [one for one in purls if one.type == "deb"]
    assert len(debian) > 8
    known = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Package} ${Version} ${source:Package}\n"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout.splitlines()
    versions = {tuple(line.split()[:2]) for line in known}
    sources = {line.split()[0]: line.split()[2] for line in known}
    for one in debian:
        assert (one.namespace, one.qualifiers["distro"]) == ("debian", "debian-12")
        assert (one.name, one.version) in versions
        assert one.qualifiers.get("upstream", sources[one.name]) == sources[one.name]
    root = bill["metadata"]["component"]
    assert root["purl"].startswith("pkg:deb/debian/python3.")
    assert "cpe" not in root


def test_the_same_bytes_in_another_process() -> None:
    """Sets are ordered by hashes, and the library names what has no name at random."""
    texts = set()
    for seed in ("1", "2"):
        code = f"import runpy; print(runpy.run_path({__file__!r})['example']())"
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            timeout=60,
        )
        texts.add(done.stdout)
    assert texts == {example().encode() + b"\n"}
    assert len(example()) > 5000


def example() -> str:
    """Return a bill with much in it that has no order of its own."""
    carried = [library(file=f"lib/{letter}.so", evidence=f"found {letter}") for letter in "zyxabc"]
    carried += [library(name, "1.2", linkage="vendored shared") for name in ("zlib", "expat", "xz")]
    carried += [library("curl", "8.1", package="wheel_one", package_version="1.0", package_manager="wheel")]
    packages = [installed(name) for name in ("wheel-one", "b", "a")]
    return cyclonedx(evidence_of(subject(**INTERPRETER), carried, packages))


def test_the_serial_number_is_that_of_the_evidence_and_the_subject() -> None:
    evidence = evidence_of(subject(), [library()])
    later = replace(evidence, manifest=replace(evidence.manifest, recorded_at="2026-11-22T10:20:30+00:00"))
    other = evidence_of(subject(), [library(version="3.0.17")])
    numbers = {json.loads(cyclonedx(one))["serialNumber"] for one in (evidence, later, other)}
    assert len(numbers) == 3
    frame = SUBJECTS.frame([subject(), subject(subject_id="two")])
    both = replace(evidence, tables={**evidence.tables, "subjects": frame})
    assert len({json.loads(cyclonedx(both, name))["serialNumber"] for name in ("one", "two")}) == 2
    assert "components" not in json.loads(cyclonedx(both, "two"))


def test_evidence_of_a_version() -> None:
    row = library(runtime_version="3.0.16", agrees=True, evidence="OpenSSL 3.0.16 11 Feb 2025")
    likely = library(method="soname", confidence="likely", file="lib/b.so", evidence="libssl beside it")
    component = only(read(evidence_of(subject(), [row, likely])))
    (identity,) = component["evidence"]["identity"]
    assert (identity["field"], identity["concludedValue"], identity["confidence"]) == (
        "version",
        "3.0.16",
        0.7,
    )
    methods = {(one["technique"], one["confidence"], one["value"]) for one in identity["methods"]}
    assert methods == {
        ("binary-analysis", 1.0, "OpenSSL 3.0.16 11 Feb 2025"),
        ("dynamic-analysis", 1.0, "run time: 3.0.16"),
        ("filename", 0.7, "libssl beside it"),
    }
    assert [one["location"] for one in component["evidence"]["occurrences"]] == ["lib/a.so", "lib/b.so"]
    assert sorted(properties(component, "method")) == ["bytes", "soname"]
    assert properties(component, "linkage") == ["static"]


def test_what_has_no_version_says_so() -> None:
    row = library("libffi", "", confidence="unknown", method="", evidence="no version of its own in it")
    component = only(read(evidence_of(subject(), [row])))
    assert "version" not in component
    assert "purl" not in component
    assert "cpe" not in component
    assert properties(component, "version") == ["not determined"]
    (identity,) = component["evidence"]["identity"]
    assert identity["confidence"] == 0
    assert "concludedValue" not in identity
    assert identity["methods"][0]["value"] == "no version of its own in it"


def test_what_could_not_be_read_is_told() -> None:
    unread = library("", "", file="lib/broken.so", evidence="not read: truncated", confidence="unknown")
    skipped = {"subject_id": "one", "question": "security", "file": "", "reason": "it hung"}
    bill = read(evidence_of(subject(error="cannot be run"), [unread], skipped=[skipped]))
    root = bill["metadata"]["component"]
    assert "components" not in bill
    assert properties(root, "not-read") == ["lib/broken.so: not read: truncated"]
    assert properties(root, "skipped") == ["all of it: it hung"]
    assert properties(root, "error") == ["cannot be run"]


OF_DEBIAN = {"package": "libssl3", "package_version": "3.0.16-1~deb12u1", "package_manager": "dpkg"}
SYSTEM = OF_DEBIAN | {"linkage": "system", "package_source": "openssl"}
OF_UBUNTU = SYSTEM | {"package_version": "3.0.2-0ubuntu1.15"}
OF_SOMEBODY = SYSTEM | {"package_version": "3.0.16-1"}
OF_ALPINE = SYSTEM | {"package_version": "3.5.1-r0", "package_manager": "apk", "package_source": ""}
OF_A_WHEEL = {
    "linkage": "vendored shared",
    "package": "numpy",
    "package_version": "2.3",
    "package_manager": "wheel",
}
CPE = "cpe:2.3:a:openssl:openssl:3.0.16:*:*:*:*:*:*:*"


def inside(image: str) -> Bill:
    return INTERPRETER | {"image": image}


def deb(distro: str) -> str:
    return f"pkg:deb/debian/libssl3@3.0.16-1~deb12u1?arch=amd64&distro={distro}&upstream=openssl"


@pytest.mark.parametrize(
    ("about", "row", "purl", "cpe"),
    [
        ({}, library(), "pkg:generic/openssl@3.0.16", CPE),
        ({}, library("zlib_ng", "2.2.4"), "pkg:generic/zlib-ng@2.2.4", None),
        ({}, library("zlib", "1.3.1.1-motley"), "pkg:generic/zlib@1.3.1.1-motley", None),
        # Inside of a program that a package brings, it is not that package.
        (INTERPRETER, library("mpdecimal", "2.5.1", **OF_DEBIAN), "pkg:generic/mpdecimal@2.5.1", None),
        (INTERPRETER, library(**SYSTEM), deb("debian-12"), None),
        # The host's distribution says nothing of an image's.
        (inside("debian:bookworm-slim"), library(**SYSTEM), deb("bookworm"), None),
        (inside("docker.io/library/debian:13"), library(**SYSTEM), deb("debian-13"), None),
        (inside("mine:1"), library(**SYSTEM), deb("debian-12"), None),
        (
            inside("mine:1"),
            library(**OF_UBUNTU),
            "pkg:deb/ubuntu/libssl3@3.0.2-0ubuntu1.15?arch=amd64&upstream=openssl",
            None,
        ),
        (inside("mine:1"), library(**OF_SOMEBODY), None, None),
        (
            inside("alpine:3.22"),
            library(**OF_ALPINE),
            "pkg:apk/alpine/libssl3@3.5.1-r0?distro=alpine-3.22",
            None,
        ),
        # A wheel's library is no Python package.
        ({}, library(**OF_A_WHEEL), "pkg:generic/openssl@3.0.16", CPE),
    ],
)
def test_names_only_where_they_are_true(about: Bill, row: Bill, purl: str | None, cpe: str | None) -> None:
    bill = read(evidence_of(subject(**about), [row]))
    (component,) = (one for one in bill["components"] if one["bom-ref"].startswith("library/"))
    assert (component.get("purl"), component.get("cpe")) == (purl, cpe)


def test_the_subject_itself() -> None:
    root = read(evidence_of(subject(**INTERPRETER)))["metadata"]["component"]
    assert (root["type"], root["purl"]) == ("platform", "pkg:generic/python@3.12.1")
    assert root["cpe"] == "cpe:2.3:a:python:python:3.12.1:*:*:*:*:*:*:*"
    root = read(evidence_of(subject(**INTERPRETER | {"kind": "environment"})))["metadata"]["component"]
    assert (root["type"], root.get("purl"), root.get("cpe")) == ("application", None, None)
    wheel = "/tmp/Some_Thing-1.2-py3-none-any.whl"
    root = read(evidence_of(subject(format="wheel", executable=wheel)))["metadata"]["component"]
    assert (root["type"], root["purl"], root["version"]) == ("library", "pkg:pypi/some-thing@1.2", "1.2")
    root = read(evidence_of(subject(format="wheel", executable="/tmp/odd.whl")))["metadata"]["component"]
    assert (root["name"], root.get("purl")) == ("one", None)
    root = read(evidence_of(subject(kind="image", executable="debian:12")))["metadata"]["component"]
    assert root["type"] == "container"


def test_packages_and_what_they_carry() -> None:
    wheel = {"package": "Some_Wheel", "package_version": "1.0", "package_manager": "wheel"}
    unlisted = wheel | {"package": "unlisted"}
    of_debian = {"package": "python3-c", "package_version": "2-1", "package_manager": "dpkg"}
    packages = [
        installed("some-wheel", installer="pip"),
        installed("c", "2", **of_debian),
        installed("d", "", error="why"),
    ]
    carried = [library(**wheel), library("zlib", "1.3", **unlisted), library("xz", "5.6")]
    bill = read(evidence_of(subject(), carried, packages))
    components = {one["name"]: one for one in bill["components"]}
    purls = {name: one.get("purl") for name, one in components.items()}
    assert purls == {
        "some-wheel": "pkg:pypi/some-wheel@1.0",
        "unlisted": "pkg:pypi/unlisted@1.0",
        # An artifact may lie on any host: whose package that is, is not known.
        "c": None,
        "d": "pkg:pypi/d",
        "openssl": "pkg:generic/openssl@3.0.16",
        "zlib": "pkg:generic/zlib@1.3",
        "xz": "pkg:generic/xz@5.6",
    }
    assert properties(components["c"], "package") == ["dpkg python3-c 2-1"]
    assert properties(components["d"], "error") == ["why"]
    names = {one["bom-ref"]: name for name, one in components.items()}
    depends = {
        names.get(one["ref"], ""): {names[ref] for ref in one.get("dependsOn", [])}
        for one in bill["dependencies"]
    }
    assert depends["some-wheel"] == {"openssl"}
    assert depends["unlisted"] == {"zlib"}
    assert depends[""] == {"some-wheel", "unlisted", "c", "d", "xz"}


def test_hostile_names() -> None:
    carried: list[dict[str, Any]] = []
    packages = []
    for text in HOSTILE:
        fields = ("library", "version", "linkage", "package", "package_version", "file", "evidence", "detail")
        carried += [library(**{field: text}) for field in fields]
        carried += [
            library(**{field: text, "package_manager": "dpkg"}, runtime_version=text) for field in fields
        ]
        packages += [
            installed(text),
            installed("a", text),
            installed("b", file=text, installer=text, error=text),
        ]
        about = dict.fromkeys(("label", "version", "executable", "image", "provenance", "error"), text)
        for kind in SubjectKind:
            read(evidence_of(subject(kind=str(kind), implementation="cpython", format="wheel", **about), []))
    bill = read(evidence_of(subject(**INTERPRETER), carried, packages, distribution="\n"))
    assert len(bill["components"]) > 80
    text = json.dumps(bill, ensure_ascii=False)
    assert text.encode("utf-8")
    assert all(len(one["name"]) <= 1000 and one["name"].isprintable() for one in bill["components"])


def test_what_cannot_be_made_is_one_line() -> None:
    evidence = evidence_of(subject(), [library()])
    with pytest.raises(SbomError, match=r"^oen: no such subject in this evidence; nearest: one$"):
        cyclonedx(evidence, "oen")
    with pytest.raises(SbomError, match=r"^x\\n: no such subject"):
        cyclonedx(evidence, "x\n")
    frame = SUBJECTS.frame([subject(), subject(subject_id="two")])
    with pytest.raises(SbomError, match=r"^name one of the 2 subjects of this evidence: one, two$"):
        cyclonedx(replace(evidence, tables={**evidence.tables, "subjects": frame}))
    with pytest.raises(SbomError, match=r"^name one of the 0 subjects of this evidence: none$"):
        cyclonedx(replace(evidence, tables={**evidence.tables, "subjects": SUBJECTS.frame([])}))
    without = {name: table for name, table in evidence.tables.items() if name != "bundled_libraries"}
    with pytest.raises(SbomError, match=r"says nothing of libraries"):
        cyclonedx(replace(evidence, tables=without))


def test_without_the_library_there_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith(("cyclonedx", "pyassay.sbom."))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "cyclonedx", None)
    with pytest.raises(SbomError, match=r"^CycloneDX needs `pip install pyassay\[sbom\]`"):
        cyclonedx(evidence_of(subject(), [library()]))


def test_packages_are_left_out_where_the_evidence_has_none() -> None:
    evidence = evidence_of(subject(), [library()])
    without = {name: table for name, table in evidence.tables.items() if name != "installed_packages"}
    assert only(read(replace(evidence, tables=without)))["name"] == "openssl"
