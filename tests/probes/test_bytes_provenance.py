"""Claims against bytes: real wheels, real packages, and files that were tampered with."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from corpus.library_wheels import fetch
from pyassay import find
from pyassay.filetree import FileTreeError
from pyassay.probes.byte_provenance import BYTE_PROVENANCE, observe, probe
from pyassay.probes.byte_provenance import records as bytes_records
from pyassay.probes.byte_provenance.claims import LEFT, STATES, Budget
from pyassay.probes.byte_provenance.dpkg import verified
from pyassay.probes.byte_provenance.records import parse_record, site_rows
from pyassay.probes.byte_provenance.sboms import Component, SbomError, components, library_of, sbom_rows
from pyassay.probes.debian.database import of_image, of_root
from pyassay.subjects.artifacts import artifact
from pyassay.subjects.model import Artifact, Interpreter, SubjectKind

Rows = list[dict[str, Any]]


def states(rows: Iterable[dict[str, Any]], claim: str) -> set[tuple[str, str]]:
    return {(row["file"], row["state"]) for row in rows if row["claim"] == claim}


def digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


# SBOMs -----------------------------------------------------------------------------------------------------

OPENSSL = {
    "cryptography==50.0.2": ("openssl 4.0.3", "holds", ""),
    "psycopg2-binary==2.9.13": ("openssl 3.5.8", "not in the SBOM", ""),
    "pymssql==2.4.6": ("openssl 1.1.1k", "holds", ""),
    "pycurl==7.49.0": ("openssl 3.6.5", "not in the SBOM", "the wheel has no SBOM"),
}


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    wanted = [*OPENSSL, "pysqlite3-binary==0.5.4.post2"]
    return fetch(wanted, tmp_path_factory.mktemp("wheels"))


@pytest.fixture(scope="module")
def observed(wheels: dict[str, Path]) -> dict[str, Rows]:
    return {name: observe(artifact(path)) for name, path in wheels.items()}


def test_wheels_that_carry_openssl_and_whether_their_sbom_names_it(observed: dict[str, Rows]) -> None:
    found = {
        name: (row["found"], row["state"], row["reason"])
        for name in OPENSSL
        for row in observed[name]
        if row["claim"] == "SBOM" and row["found"].startswith("openssl")
    }
    assert found == OPENSSL


def test_real_wheels_hold_what_their_record_says(observed: dict[str, Rows]) -> None:
    for name, rows in observed.items():
        (row,) = [row for row in rows if row["claim"] == "RECORD"]
        assert (row["state"], row["file"]) == ("holds", ""), name
        assert row["files"] > 5


def test_an_sbom_that_names_another_sqlite_than_the_one_in_use(observed: dict[str, Rows]) -> None:
    found = {
        (row["found"], row["state"], row["reason"])
        for row in observed["pysqlite3-binary==0.5.4.post2"]
        if row["claim"] == "SBOM" and row["found"]
    }
    assert found == {
        ("sqlite 3.51.1", "not in the SBOM", "only sqlite 3.7.17 is named"),
        ("sqlite 3.7.17", "holds", ""),
    }


def test_the_digest_of_an_archive_is_told(observed: dict[str, Rows], wheels: dict[str, Path]) -> None:
    for name, path in wheels.items():
        (row,) = [row for row in observed[name] if row["claim"] == "digest"]
        assert row["found"] == hashlib.sha256(path.read_bytes()).hexdigest()
        assert row["state"] == "not checked"


def test_the_table_is_complete(wheels: dict[str, Path]) -> None:
    frame = probe(artifact(wheels["pymssql==2.4.6"]))["byte_provenance"]
    assert list(frame.columns) == BYTE_PROVENANCE.column_names
    assert set(frame["state"]) <= set(STATES)
    assert frame["file"].str.contains("\n").sum() == 0


CARGO = "pkg:cargo/"


@pytest.mark.parametrize(
    ("name", "version", "purl", "library"),
    [
        ("openssl", "4.0.3", "", ("openssl", "4.0.3")),
        ("OpenSSL", "v3.5.1", "pkg:generic/openssl@3.5.1", ("openssl", "3.5.1")),
        ("openssl-libs", "1.1.1k-18.el8_6", "pkg:rpm/almalinux/openssl-libs@1.1.1k", ("openssl", "1.1.1k")),
        ("libssl3", "3.0.19-1~deb12u2", "pkg:deb/debian/libssl3", ("openssl", "3.0.19")),
        ("zlib1g", "1:1.2.13.dfsg-1", "pkg:deb/debian/zlib1g", ("zlib", "1.2.13.dfsg")),
        ("krb5-libs", "1.15.1-55.el7_9", "", ("krb5", "1.15.1")),
        ("xz-libs", "5.2.4-4.el8_6", "", ("xz", "5.2.4")),
        ("libxml2", "2.9.1", "", ("", "2.9.1")),
        # The crate is a binding.
        ("openssl", "0.10.81", f"{CARGO}openssl@0.10.81", ("", "")),
        ("openssl-sys", "0.9.1", f"{CARGO}openssl-sys@0.9.1", ("", "")),
        ("openssl-src", "300.5.2+3.5.2", f"{CARGO}openssl-src@300.5.2+3.5.2", ("openssl", "3.5.2")),
        ("zstd-sys", "2.0.16+zstd.1.5.7", f"{CARGO}zstd-sys@2.0.16", ("zstd", "1.5.7")),
        ("", "", "pkg:generic/expat@2.7.1", ("expat", "2.7.1")),
        ("", "", "", ("", "")),
    ],
)
def test_which_library_a_component_is(name: str, version: str, purl: str, library: tuple[str, str]) -> None:
    assert library_of(Component(name, version, purl)) == library


def test_the_formats_of_sboms() -> None:
    inner = {"type": "library", "name": "zlib", "version": "1.3"}
    outer = {"type": "library", "name": "expat", "version": "2.7.1", "components": [inner, 7]}
    file = {"type": "file", "name": "a.so"}
    cyclone = {
        "bomFormat": "CycloneDX",
        "components": [outer, file, None],
        "metadata": {"component": {"name": "own"}},
    }
    assert [one.name for one in components(json.dumps(cyclone).encode())] == ["expat", "zlib"]
    reference = {"referenceType": "purl", "referenceLocator": "pkg:generic/openssl@3.5.1"}
    spdx2 = {
        "spdxVersion": "SPDX-2.3",
        "documentDescribes": ["SPDXRef-own"],
        "packages": [
            {"SPDXID": "SPDXRef-own", "name": "own"},
            {"SPDXID": "SPDXRef-1", "name": "openssl", "versionInfo": "3.5.1", "externalRefs": [reference]},
        ],
    }
    assert components(json.dumps(spdx2).encode()) == [
        Component("openssl", "3.5.1", "pkg:generic/openssl@3.5.1")
    ]
    spdx3 = {
        "@context": "https://spdx.org/rdf/3.0.1/spdx-context.jsonld",
        "@graph": [
            {"type": "software_Package", "name": "xz", "software_packageVersion": "5.8.1"},
            {"type": "x"},
        ],
    }
    assert components(json.dumps(spdx3).encode()) == [Component("xz", "5.8.1", "")]


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b"7",
        b"{}",
        b'{"bomFormat": "SPDX"}',
        b"[" * 200_000,
        b'{"a":' * 100_000,
    ],
)
def test_an_sbom_that_is_none(document: bytes) -> None:
    with pytest.raises(SbomError) as caught:
        components(document)
    assert "\n" not in str(caught.value)
    rows = list(sbom_rows("a 1", {"a-1.dist-info/sboms/x.json": document}, []))
    assert [row["state"] for row in rows] == ["not checked"]


@pytest.mark.parametrize(
    "document",
    [
        {"bomFormat": "CycloneDX", "components": {"name": "zlib"}},
        {"bomFormat": "CycloneDX", "components": [{"name": ["zlib"], "version": 3}]},
        {"spdxVersion": 2, "packages": [{"name": 1, "externalRefs": 4}], "documentDescribes": None},
        {"bomFormat": "CycloneDX", "components": [{"name": "a\nb" * 1000, "purl": "pkg:" + "a" * 9999}]},
    ],
)
def test_odd_shapes_of_sboms_are_survived(document: dict[str, Any]) -> None:
    for row in sbom_rows("a 1", {"x": json.dumps(document).encode()}, []):
        assert "\n" not in row["reason"]
        assert len(row["reason"]) <= 300


def test_an_sbom_against_bytes() -> None:
    def rows(named: list[tuple[str, str]], there: list[tuple[str, str]]) -> list[tuple[str, str, str]]:
        listed = [{"name": name, "version": version} for name, version in named]
        document = json.dumps({"bomFormat": "CycloneDX", "components": listed}).encode()
        libraries = [
            {"library": name, "version": version, "linkage": "static", "file": f"{name}.so"}
            for name, version in there
        ]
        found = sbom_rows("a 1", {"x": document}, libraries)
        return [(row["state"], row["claimed"], row["found"]) for row in found]

    assert rows([("zlib", "1.3.1")], [("zlib", "1.3.1")]) == [("holds", "zlib 1.3.1", "zlib 1.3.1")]
    assert rows([("zlib", "1.3.1")], [("zlib", "1.2.11")]) == [("differs", "zlib 1.3.1", "zlib 1.2.11")]
    assert rows([("zlib", "1.3.1")], []) == [("not in the bytes", "zlib 1.3.1", "")]
    assert rows([], [("zlib", "1.3.1")]) == [("not in the SBOM", "", "zlib 1.3.1")]
    assert rows([("zlib", "")], [("zlib", "1.3.1")]) == [("holds", "zlib", "zlib 1.3.1")]
    # libcrypto tells its version, libssl beside it does not.
    assert rows([("openssl", "3.5.1")], [("openssl", "3.5.1"), ("openssl", "")]) == [
        ("holds", "openssl 3.5.1", "openssl 3.5.1")
    ]


# RECORD of wheels ------------------------------------------------------------------------------------------

FILES = {
    "pkg/__init__.py": b"",
    "pkg/a.py": b"a = 1\n",
    "pkg/b.py": b"b = 2\n",
    "pkg-1.dist-info/METADATA": b"Metadata-Version: 2.1\nName: pkg\nVersion: 1\n",
}
RECORD = "pkg-1.dist-info/RECORD"
WHEEL = {"pkg-1.dist-info/WHEEL": b"Wheel-Version: 1.0\nTag: py3-none-any\n"}


def record_of(files: dict[str, bytes]) -> bytes:
    lines = [f"{name},sha256={digest(data)},{len(data)}" for name, data in files.items()]
    return "\n".join([*lines, f"{RECORD},,"]).encode()


def make_wheel(folder: Path, files: dict[str, bytes], record: bytes | None = None) -> Path:
    path = folder / "pkg-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
        archive.writestr(RECORD, record_of(files) if record is None else record)
    return path


def test_a_tampered_wheel(tmp_path: Path) -> None:
    claimed = record_of(FILES | WHEEL)
    changed = {**FILES, **WHEEL, "pkg/a.py": b"import os\n", "evil.pth": b"import evil\n"}
    del changed["pkg/b.py"]
    rows = observe(artifact(make_wheel(tmp_path, changed, claimed)))
    assert states(rows, "RECORD") == {
        ("", "holds"),
        ("pkg/a.py", "differs"),
        ("pkg/b.py", "missing"),
        ("evil.pth", "unlisted"),
    }
    (row,) = [row for row in rows if row["state"] == "differs"]
    assert row["claimed"] == hashlib.sha256(b"a = 1\n").hexdigest()
    assert row["found"] == hashlib.sha256(b"import os\n").hexdigest()


def test_digests_that_are_not_what_the_specification_wants(tmp_path: Path) -> None:
    lines = [
        f"pkg/__init__.py,sha256={hashlib.sha256(b'').hexdigest()},0",
        "pkg/a.py,md5=abc,6",
        "pkg/b.py,,",
        "pkg-1.dist-info/METADATA,sha256=!!!,1",
        "/etc/passwd,sha256=x,1",
        "../../etc/shadow,sha256=x,1",
        f"{RECORD},,",
        *(f"{name},sha256={digest(data)},1" for name, data in WHEEL.items()),
    ]
    rows = observe(artifact(make_wheel(tmp_path, FILES | WHEEL, "\n".join(lines).encode())))
    found = {row["file"]: (row["state"], row["reason"]) for row in rows if row["claim"] == "RECORD"}
    assert found[""] == ("holds", "")
    assert found["pkg/a.py"] == ("not checked", "a digest by md5")
    assert found["pkg/b.py"] == ("not checked", "RECORD gives no digest")
    assert found["pkg-1.dist-info/METADATA"][0] == "differs"
    assert found["/etc/passwd"] == found["../../etc/shadow"] == ("not checked", "a path that leads outside")


def test_many_differences_are_one_row(tmp_path: Path) -> None:
    files = {f"pkg/f{number}.py": b"x" for number in range(300)} | WHEEL
    rows = observe(artifact(make_wheel(tmp_path, files, record_of(dict.fromkeys(files, b"y")))))
    wrong = [row for row in rows if row["state"] == "differs"]
    assert len(wrong) == 21
    assert sum(row["files"] for row in wrong) == 301


def test_a_huge_record_is_read_within_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bytes_records, "_MAX_ROWS", 1000)
    lines, fault = parse_record(b"a,sha256=x,1\n" * 5000)
    assert len(lines) == 1000
    assert "more than 1000 lines" in fault
    assert parse_record(b'"' + b"a" * 200_000)[1].startswith("it is no CSV")
    assert parse_record(b"\0\xff,\n,,\n\n")[1] == ""


def test_a_wheel_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "pkg-1-py3-none-any.whl"
    path.write_bytes(b"PK\x03\x04 nothing of a wheel")
    with pytest.raises(FileTreeError) as caught:
        observe(artifact(path))
    assert "\n" not in str(caught.value)
    bomb = make_wheel(tmp_path, {**FILES, **WHEEL, "pkg/bomb": bytes(150_000_000)})
    rows = observe(artifact(bomb))
    (row,) = [row for row in rows if row["file"] == "pkg/bomb"]
    assert row["state"] == "not checked"


# Installed distributions -----------------------------------------------------------------------------------


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Install a wheel into a folder, with the installer that everybody has."""
    wheel = make_wheel(tmp_path, FILES | WHEEL)
    folder = tmp_path / "env/lib/python3.12/site-packages"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps"]
    subprocess.run([*command, "--no-compile", "--target", folder, wheel], check=True, timeout=60)
    return folder


def checked(site: Path, budget: Budget | None = None) -> Rows:
    return list(site_rows([site], [site.parents[2]], budget))


def test_what_pip_installed_holds(site: Path) -> None:
    rows = checked(site)
    assert [(row["state"], row["source"]) for row in rows] == [("holds", "pkg 1")]
    assert rows[0]["files"] >= len(FILES)


def test_what_was_changed_since(site: Path, tmp_path: Path) -> None:
    (site / "pkg/a.py").write_text("import os\n")
    (site / "pkg/b.py").unlink()
    (site / "pkg/new.py").write_text("")
    (site / "pkg/__pycache__").mkdir(exist_ok=True)
    (site / "pkg/__pycache__/a.cpython-312.pyc").write_bytes(b"")
    assert states(checked(site), "RECORD") == {
        ("", "holds"),
        ("pkg/a.py", "differs"),
        ("pkg/b.py", "missing"),
        ("pkg/new.py", "unlisted"),
    }


def test_paths_and_links_do_not_lead_out_of_the_environment(site: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    (site / "pkg/a.py").unlink()
    (site / "pkg/a.py").symlink_to(secret)
    (site / "pkg/b.py").unlink()
    os.mkfifo(site / "pkg/b.py")
    (site / "linked").symlink_to(tmp_path)
    inside = site.parents[2] / "bin/tool"
    inside.parent.mkdir(exist_ok=True)
    inside.write_bytes(b"tool")
    with (site / RECORD).open("a") as record:
        record.write(f"../../../../secret,sha256={digest(b'secret')},6\n")
        record.write(f"linked/secret,sha256={digest(b'secret')},6\n")
        record.write(f"../../../bin/tool,sha256={digest(b'tool')},4\n")
    found = {row["file"]: (row["state"], row["reason"], row["found"]) for row in checked(site)}
    outside = ("not checked", "a path that leads outside", "")
    for path in ("pkg/a.py", "../../../../secret", "linked/secret"):
        assert found[path] == outside, path
    assert found["pkg/b.py"][0] == "not checked"
    assert "../../../bin/tool" not in found
    assert hashlib.sha256(b"secret").hexdigest() not in str(found)


def test_what_there_was_no_time_for_is_said(site: Path) -> None:
    rows = checked(site, Budget(until=0.0))
    assert {row["state"] for row in rows} == {"not checked"}
    assert "no time left" in rows[0]["reason"]


def test_a_distribution_without_a_record(site: Path) -> None:
    (site / RECORD).unlink()
    (row,) = checked(site)
    assert row["state"] == "not checked"
    assert "it has no RECORD (installed by pip)" in row["reason"]


def test_the_environment_that_runs_the_tests(running_interpreter: Interpreter) -> None:
    """A real environment: what is in it was installed by pip or uv, and its SBOMs came along."""
    own = Path(sys.prefix) / f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
    if sys.prefix == sys.base_prefix or not own.is_dir():
        pytest.skip("the tests do not run in a virtual environment")
    rows = list(site_rows([own], [Path(sys.prefix)], Budget(bytes_left=8 << 20)))
    assert sum(row["files"] for row in rows if row["state"] == "holds") > 50
    assert any(row["reason"] == LEFT for row in rows)
    subject = replace(running_interpreter, kind=SubjectKind.ENVIRONMENT, site_folders=())
    assert {row["claim"] for row in observe(subject, [])} <= {"dpkg", "dpkg conffile"}


# dpkg ------------------------------------------------------------------------------------------------------


def test_the_same_as_dpkg_verify() -> None:
    if shutil.which("dpkg") is None:
        pytest.skip("needs dpkg")
    system = of_root()
    names = [
        name
        for name in ("python3-minimal", "python3.11-minimal", "dash", "bash", "libssl3")
        if name in system.packages
    ]
    for name in names:
        said = subprocess.run(
            ["dpkg", "--verify", name], capture_output=True, text=True, check=False, timeout=60
        )
        wrong = {line.split()[-1] for line in said.stdout.splitlines()}
        rows = [row for stanza in system.packages[name] for row in verified(stanza, system)]
        found = {row["file"] for row in rows if row["state"] in ("differs", "missing") and row["file"]}
        assert found == wrong, name
        assert sum(row["files"] for row in rows if row["state"] == "holds") > 0


def test_the_package_of_a_debian_interpreter() -> None:
    subject = next(
        (one for one in find() if isinstance(one, Interpreter) and one.provenance.builder == "debian"), None
    )
    if subject is None:
        pytest.skip("there is no Debian Python here")
    rows = observe(replace(subject, site_folders=()), [])
    held = {row["source"].split()[0] for row in rows if row["state"] == "holds"}
    series = ".".join(subject.version.split(".")[:2])
    # Program, standard library in two parts.
    assert {f"python{series}-minimal", f"libpython{series}-minimal", f"libpython{series}-stdlib"} <= held
    assert {row["subject_id"] for row in rows} == {subject.id}


CONTENT = b"\x7fELF nothing"


def md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


def database() -> dict[str, bytes]:
    """Return the files of a small Debian: one package, of which several things are wrong."""
    sums = {
        "usr/bin/good": md5(CONTENT),
        "lib/merged.so": md5(CONTENT),
        "usr/bin/changed": md5(b"as it was"),
        "usr/bin/gone": md5(b"x"),
        "usr/share/doc/pkg/copyright": md5(b"x"),
        "../../../../etc/passwd": md5(b"x"),
        "usr/bin/led-out": md5(b"x"),
    }
    text = "".join(f"{digest}  {path}\n" for path, digest in sums.items()) + "what is this\n"
    status = f"""Package: pkg
Status: install ok installed
Architecture: amd64
Version: 1.0-1
Conffiles:
 /etc/pkg.conf {md5(b"as shipped")}
 /etc/same.conf {md5(b"same")}
 /etc/old.conf {md5(b"old")} obsolete
Description: nothing
"""
    return {
        "etc/dpkg/dpkg.cfg.d/docker": b"path-exclude=/usr/share/doc/*\npath-include=/usr/share/doc/other/*\n",
        "etc/os-release": b"ID=debian\n",
        "etc/pkg.conf": b"as edited",
        "etc/same.conf": b"same",
        "usr/bin/changed": b"as it is",
        "usr/bin/good": CONTENT,
        "usr/lib/merged.so": CONTENT,
        "var/lib/dpkg/info/pkg.md5sums": text.encode(),
        "var/lib/dpkg/status": status.encode(),
    }


WRONG = {
    ("", "dpkg", "holds"),
    ("/usr/bin/changed", "dpkg", "differs"),
    ("/usr/bin/gone", "dpkg", "missing"),
    ("/usr/share/doc/pkg/copyright", "dpkg", "not checked"),
    ("/../../../../etc/passwd", "dpkg", "not checked"),
    ("what is this", "dpkg", "not checked"),
    ("", "dpkg conffile", "holds"),
    ("/etc/pkg.conf", "dpkg conffile", "differs"),
}


def test_a_root_file_system_whose_files_were_changed(tmp_path: Path) -> None:
    root = tmp_path / "root"
    for name, data in database().items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    (root / "lib").symlink_to("usr/lib")
    (tmp_path / "outside").write_bytes(b"x")
    (root / "usr/bin/led-out").symlink_to(tmp_path / "outside")
    system = of_root(root)
    rows = list(verified(system.packages["pkg"][0], system))
    led_out = ("/usr/bin/led-out", "dpkg", "not checked")
    assert {(row["file"], row["claim"], row["state"]) for row in rows} == WRONG | {led_out}


@pytest.fixture
def engine() -> Any:
    pytest.importorskip("docker", reason="the Docker SDK is not installed")
    from pyassay.places.container import Engine, EngineError

    try:
        connected = Engine.connect()
    except EngineError as error:
        pytest.skip(str(error))
    with connected as engine:
        yield engine


def test_an_image_whose_files_were_changed(engine: Any) -> None:
    packages = "usr/local/lib/python3.12/site-packages/"
    installed = {packages + name: data for name, data in {**FILES, "pkg/a.py": b"import os"}.items()}
    del installed[f"{packages}pkg/b.py"]
    installed[packages + RECORD] = record_of(FILES)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, data in (database() | installed).items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        for name, target in (("lib", "usr/lib"), ("usr/bin/led-out", "/../../outside")):
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, target
            archive.addfile(link)
    packed.seek(0)
    reference = f"pyassay-test-provenance:{os.getpid()}"
    engine.import_tar(packed, reference)
    try:
        system = of_image(reference)
        rows = list(verified(system.packages["pkg"][0], system))
        assert of_image(reference) is system
        image = Artifact("i", "i", SubjectKind.IMAGE, Path(reference), "image")
        recorded = observe(image, [])
    finally:
        engine.remove_image(reference)
    found = {(row["file"], row["claim"], row["state"]) for row in rows}
    assert found == WRONG | {("/usr/bin/led-out", "dpkg", "missing")}
    changed, missing = f"{packages}pkg/a.py", f"{packages}pkg/b.py"
    assert states(recorded, "RECORD") == {("", "holds"), (changed, "differs"), (missing, "missing")}
    # Nothing in it can be started: the day is not known, and that is no error.
    assert (system.count, system.status_day) == (1, "")


def test_the_packages_of_a_debian_image_hold(debian_images: list[str]) -> None:
    with_python = [name for name in debian_images if name.endswith("-python3")]
    if not with_python:
        pytest.skip("no image of Debian with its Python")
    system = of_image(with_python[0])
    names = [name for name in system.packages if name.startswith(("python3", "libpython3", "libssl"))]
    assert names
    rows = [row for name in names for one in system.packages[name] for row in verified(one, system)]
    assert {row["state"] for row in rows} <= {"holds", "not checked"}
    assert sum(row["files"] for row in rows if row["state"] == "holds") > 200
    owning = {one.name for one in system.owning(["/usr/bin/dpkg", "/usr/share/nothing"])}
    assert owning == {"dpkg"}
