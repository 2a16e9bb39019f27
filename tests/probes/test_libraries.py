"""Libraries in real interpreters and wheels: versions, linkage and owners, static and at run time."""

from __future__ import annotations

import json
import platform
import subprocess
import zipfile
import zlib
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from corpus.library_wheels import EMPTY, INSIDE, Inside, fetch
from corpus.onefiles import make_pyinstaller
from corpus.rootfs import build
from pyassay import find
from pyassay.filetree import Limits, open_tree
from pyassay.probes.libraries import BUNDLED_LIBRARIES, observe, probe
from pyassay.probes.libraries.members import Scanned
from pyassay.probes.libraries.packages import Package, upstream_version
from pyassay.probes.libraries.runtime import ask
from pyassay.probes.signatures import signatures
from pyassay.subjects.artifacts import artifact
from pyassay.subjects.model import Artifact, Confidence, Interpreter, Provenance, SubjectKind


@pytest.fixture(scope="module")
def running(running_interpreter: Interpreter) -> list[dict[str, object]]:
    return observe(running_interpreter)


def test_the_table_is_complete(running_interpreter: Interpreter) -> None:
    frame = probe(running_interpreter)["bundled_libraries"]
    assert list(frame.columns) == BUNDLED_LIBRARIES.column_names
    assert set(frame["subject_id"]) == {running_interpreter.id}


def test_static_and_run_time_agree(running: list[dict[str, object]]) -> None:
    told = {row["library"] for row in running if row["runtime_version"]}
    assert {"cpython", "openssl", "sqlite", "zlib", "expat"} <= told
    assert [row for row in running if row["agrees"] is False] == []
    assert {row["library"] for row in running if row["agrees"]} >= {"cpython", "openssl", "sqlite", "zlib"}


def rows_of(rows: list[dict[str, object]], library: str) -> list[dict[str, object]]:
    return [row for row in rows if row["library"] == library]


def test_what_the_system_lends_is_told_from_what_is_the_tree_s_own(running: list[dict[str, object]]) -> None:
    linkages = {row["linkage"] for row in running}
    assert linkages <= {"static", "vendored shared", "system"}
    for row in running:
        outside = str(row["file"]).startswith("/")
        # Debian's interpreter lies in the system's own prefix.
        assert row["linkage"] == "system" or not outside, row


def test_files_of_the_system_have_their_package(running: list[dict[str, object]]) -> None:
    if not Path("/var/lib/dpkg/status").is_file():
        pytest.skip("needs dpkg's database")
    lent = [row for row in running if row["linkage"] == "system" and "/lib/" in str(row["file"])]
    if not lent:
        pytest.skip("this Python loads nothing of the system that has a signature")
    inside = [path if path.startswith("/") else f"/usr/{path}" for path in (str(row["file"]) for row in lent)]
    # With merged /usr the database may name either.
    listed = [*inside, *(path.removeprefix("/usr") for path in inside)]
    said = subprocess.run(["dpkg", "-S", *listed], capture_output=True, text=True, check=False, timeout=60)
    owners = {path.removeprefix("/usr"): name for name, _, path in map(_owned, said.stdout.splitlines())}
    known = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Package} ${Version} ${source:Package}\n", *set(owners.values())],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout.splitlines()
    for row, path in zip(lent, inside, strict=True):
        assert row["package"] == owners[path.removeprefix("/usr")].partition(":")[0]
        assert f"{row['package']} {row['package_version']} {row['package_source']}" in known


def _owned(line: str) -> tuple[str, str, str]:
    return line.partition(": ")


def fake(folder: Path, source: str) -> Interpreter:
    """Compile a program that answers as an interpreter would, and describe it."""
    return Interpreter(
        id="fake",
        label="fake",
        kind=SubjectKind.INTERPRETER,
        executable=build(folder / "bin" / "python3.99", source, program=True),
        version="3.99.0",
        implementation="cpython",
        architecture="x86_64",
        libc="glibc",
        libc_version="2.36",
        compiler="",
        build_date="",
        prefix=folder,
        stdlib=None,
        platstdlib=None,
        library_folders=(),
        site_folders=(),
        aliases=(),
        environments=(),
        environment=None,
        provenance=Provenance("unknown", "unknown", Confidence.UNKNOWN),
    )


EXPAT = 'const char *a(void){return "expat_2.5.0";} const char *b(void){return "unclosed CDATA section";}'


def says(*answers: dict[str, str]) -> str:
    lines = "".join(json.dumps(answer) + "\n" for answer in answers)
    return f"#include <stdio.h>\n{EXPAT}\nint main(void){{ fputs({json.dumps(lines)}, stdout); return 0; }}"


def test_a_disagreement_is_in_the_row(tmp_path: Path) -> None:
    told = {"pyassay_library": "expat", "version": "2.4.0", "file": ""}
    (row,) = observe(fake(tmp_path, says(told)))
    assert (row["static_version"], row["runtime_version"], row["agrees"]) == ("2.5.0", "2.4.0", False)
    assert (row["version"], row["method"]) == ("2.4.0", "run time")
    assert row["evidence"] == "expat_2.5.0; but run time says 2.4.0"


def test_agreement_and_what_only_run_time_knows(tmp_path: Path) -> None:
    rows = observe(
        fake(
            tmp_path,
            says(
                {"pyassay_library": "expat", "version": "2.5.0", "file": ""},
                {
                    "pyassay_library": "openssl",
                    "version": "OpenSSL 3.0.2 15 Mar 2022",
                    "file": "/nowhere/_ssl.so",
                },
            ),
        )
    )
    expat, openssl = rows_of(rows, "expat")[0], rows_of(rows, "openssl")[0]
    assert (expat["agrees"], expat["confidence"], expat["linkage"]) == (True, "certain", "static")
    assert (openssl["version"], openssl["method"], openssl["agrees"]) == ("3.0.2", "run time", None)
    assert (openssl["static_version"], openssl["file"]) == ("", "/nowhere/_ssl.so")


@pytest.mark.parametrize(
    "answer",
    [
        "not json",
        "[1]",
        '{"pyassay_library": 1, "version": "1", "file": ""}',
        '{"pyassay_library": "../x", "version": "1.0", "file": ""}',
        '{"pyassay_library": "expat", "version": "<b>1</b>", "file": ""}',
        '{"pyassay_library": "expat", "version": "1 0", "file": "/x\\u0000y"}',
        '{"pyassay_library": "openssl", "version": "TotallySSL 9", "file": ""}',
        '{"pyassay_library": "zlib", "version": "1.3.1.zlib-ng", "file": ""}',
    ],
)
def test_answers_of_no_shape_are_none(tmp_path: Path, answer: str) -> None:
    source = f"#include <stdio.h>\nint main(void){{ puts({json.dumps(answer)}); return 0; }}"
    assert observe(fake(tmp_path, source)) == []


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("int main(void){ return 3; }", "exit status 3"),
        ("int main(void){ *(volatile int *)0 = 1; }", "killed by signal 11"),
        ("#include <unistd.h>\nint main(void){ for(;;) sleep(1); }", "no answer within 1 s"),
    ],
)
def test_an_interpreter_that_does_not_answer_is_a_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, reason: str
) -> None:
    monkeypatch.setattr("pyassay.probes.libraries.trees.ask", partial(ask, timeout_s=1))
    (row,) = observe(fake(tmp_path, source))
    assert (row["library"], row["version"], row["confidence"]) == ("", "", "unknown")
    assert row["evidence"] == f"not read: run time: {reason}"


def test_a_damaged_file_is_a_row_with_its_reason(tmp_path: Path) -> None:
    subject = fake(tmp_path, says())
    data = subject.executable.read_bytes()
    (tmp_path / "lib" / "python3.99").mkdir(parents=True)
    (tmp_path / "lib" / "python3.99" / "_x.so").write_bytes(data[: len(data) // 2])
    rows = [row for row in observe(subject) if not row["library"]]
    assert [row["file"] for row in rows] == ["lib/python3.99/_x.so"]
    assert str(rows[0]["evidence"]).startswith("not read: truncated: ")


def test_an_interpreter_that_cannot_run_is_still_read(tmp_path: Path) -> None:
    subject = replace(fake(tmp_path, says()), error="will not start")
    (row,) = observe(subject)
    assert (row["version"], row["method"], row["agrees"]) == ("2.5.0", "bytes", None)


# Artifacts ------------------------------------------------------------------------------------------------

FEW = {
    *("awscrt==0.38.1", "curl-cffi==0.17.0", "lxml==6.1.3", "pillow==13.0.0", "psycopg2-binary==2.9.13"),
    *("pymssql==2.4.6", "pysqlite3-binary==0.5.4.post2", "sqlcipher3-binary==0.6.0", "zlib-ng==1.1.0"),
    *("cryptography==3.4.8", "pyzmq==27.3.0"),
}
Fetched = dict[str, tuple[Path, list[dict[str, object]]]]


def observed(requirements: set[str], folder: Path, machine: str = "x86_64") -> Fetched:
    wheels = fetch(sorted(requirements), folder, machine)
    return {requirement: (path, observe(artifact(path))) for requirement, path in wheels.items()}


def differences(known: tuple[Inside, ...], found: Fetched) -> list[str]:
    lines = []
    for wanted in known:
        if wanted.wheel in found:
            rows = [
                (row["version"], row["linkage"])
                for row in rows_of(found[wanted.wheel][1], wanted.library)
                if row["file"] == wanted.member
            ]
            if rows != [(wanted.version, wanted.linkage)]:
                lines.append(f"{wanted}: {rows}")
    return lines


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Fetched:
    return observed(FEW, tmp_path_factory.mktemp("few"))


def test_libraries_in_wheels(few: Fetched) -> None:
    assert differences(INSIDE, few) == []
    assert [few[name][1] for name in EMPTY if name in few] == [[]]


@pytest.mark.slow
def test_libraries_in_every_wheel_that_is_known(tmp_path: Path) -> None:
    found = observed(({one.wheel for one in INSIDE} | set(EMPTY)) - FEW, tmp_path)
    assert differences(INSIDE, found) == []
    assert all(found[name][1] == [] for name in set(EMPTY) - FEW)


def test_a_wheel_for_another_processor(tmp_path: Path) -> None:
    found = observed({"psycopg2-binary==2.9.13", "zlib-ng==1.1.0"}, tmp_path, "aarch64")
    rows = found["psycopg2-binary==2.9.13"][1]
    assert [row["version"] for row in rows_of(rows, "libpq")] == ["17.11"]
    # Two OpenSSL in one wheel; libssl belongs to the one that it asks for.
    said = {str(row["file"]).rpartition("/")[2][:9]: set() for row in rows_of(rows, "openssl")}
    for row in rows_of(rows, "openssl"):
        said[str(row["file"]).rpartition("/")[2][:9]].add(row["version"])
    assert said == {"libcrypto": {"1.1.1k", "3.5.8"}, "libssl-c6": {"3.5.8"}}
    assert [row["version"] for row in found["zlib-ng==1.1.0"][1]] == ["2.3.3"]


def test_members_belong_to_their_wheel(few: Fetched) -> None:
    owners = {
        (row["package"], row["package_version"], row["package_manager"])
        for row in few["psycopg2-binary==2.9.13"][1]
        if row["linkage"] != "system"
    }
    assert owners == {("psycopg2_binary", "2.9.13", "wheel")}


def test_what_does_not_come_along_is_left_to_the_system(few: Fetched) -> None:
    (row,) = rows_of(few["pillow==13.0.0"][1], "zlib")
    assert (row["file"], row["linkage"], row["version"]) == ("libz.so.1", "system", "")
    # It was compiled for zlib-ng and runs with what there is.
    assert rows_of(few["pillow==13.0.0"][1], "zlib_ng") == []


def test_an_environment_s_libraries_belong_to_their_wheels(few: Fetched, tmp_path: Path) -> None:
    site = tmp_path / "lib" / "python3.99" / "site-packages"
    with zipfile.ZipFile(few["psycopg2-binary==2.9.13"][0]) as archive:
        archive.extractall(site)
    subject = replace(fake(tmp_path, says()), site_folders=(site,))
    openssl = rows_of(observe(subject), "openssl")
    assert {(row["version"], row["scope"], row["package"]) for row in openssl} == {
        ("3.5.8", "site", "psycopg2_binary")
    }


def test_a_damaged_wheel_is_rows_with_reasons(few: Fetched, tmp_path: Path) -> None:
    whole = few["pysqlite3-binary==0.5.4.post2"][0].read_bytes()
    damaged = bytearray(whole)
    damaged[1000:3000] = bytes(2000)
    path = tmp_path / few["pysqlite3-binary==0.5.4.post2"][0].name
    path.write_bytes(damaged)
    rows = observe(artifact(path))
    assert any(str(row["evidence"]).startswith("not read: ") for row in rows)


@pytest.mark.engine
def test_an_image_and_the_python_in_it(debian_images: list[str]) -> None:
    with_python = [name for name in debian_images if "python" in name]
    if not with_python:
        pytest.skip("no image with a Python")
    for subject in find(f"docker:{with_python[0]}"):
        rows = observe(subject)
        for library in ("cpython", "openssl", "sqlite", "zlib", "expat"):
            found = rows_of(rows, library)
            assert found, (subject.id, library)
            for row in found:
                assert row["version"], row
                assert row["package_manager"] == "dpkg"
        assert all(row["linkage"] == "system" for row in rows_of(rows, "openssl"))


def test_names_and_versions_of_debian_packages() -> None:
    known = signatures()
    for version, library, name, expected in (
        ("3.0.19-1~deb12u2", "openssl", "libssl3", "3.0.19"),
        ("1:2.38.1-5+deb12u3", "libuuid", "libuuid1", "2.38.1"),
        ("1:1.3.dfsg+really1.3.1-1+b1", "zlib", "zlib1g", "1.3.1"),
        ("1:1.2.13.dfsg-1", "zlib", "zlib1g", "1.2.13"),
        ("3.1-20221030-2", "libedit", "libedit2", "3.1-20221030"),
        ("6.2+20201114-2+deb11u2", "ncurses", "libncursesw6", "6.2"),
        ("3.11.2-6+deb12u6", "cpython", "python3.11-minimal", "3.11.2"),
        ("1.0-1", "openssl", "coreutils", ""),
        ("strange", "openssl", "libssl3", ""),
    ):
        assert upstream_version(Package("dpkg", name, version), known[library]) == expected
    assert upstream_version(Package("wheel", "openssl", "1.0"), known["openssl"]) == ""


def test_a_member_too_large_to_be_held_is_read_in_part_and_says_so(tmp_path: Path) -> None:
    source = EXPAT + "char pad[9 << 20] = {1};"
    file = build(tmp_path / "big.so", source)
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(file, "big.so")
    scanned = Scanned()
    with open_tree(tmp_path / "x.zip", limits=Limits(kept_bytes=2 << 20)) as tree:
        for item in tree:
            scanned.take(item)
    # Constants lie before what can be written to; that is what does not fit.
    assert [(one.library, one.version) for one in scanned.scans["big.so"].carried] == [("expat", "2.5.0")]
    assert [path for path, _ in scanned.unread] == ["big.so"]


def test_a_debian_package_owns_its_members(tmp_path: Path) -> None:
    folder = tmp_path / "package"
    build(folder / "usr" / "lib" / "x.so", EXPAT)
    (folder / "DEBIAN").mkdir()
    (folder / "DEBIAN" / "control").write_text(
        "Package: libx1\nSource: x (1.2-3)\nVersion: 1.2-3+b1\nArchitecture: amd64\n"
        "Maintainer: A <a@example.org>\nDescription: x\n"
    )
    made = subprocess.run(
        ["dpkg-deb", "--build", "--root-owner-group", str(folder), str(tmp_path / "x.deb")],
        capture_output=True,
        check=False,
        timeout=60,
    )
    if made.returncode:
        pytest.skip("needs dpkg-deb")
    (row,) = [row for row in observe(artifact(tmp_path / "x.deb")) if row["library"] == "expat"]
    assert (row["file"], row["version"], row["linkage"]) == ("usr/lib/x.so", "2.5.0", "static")
    assert [row[key] for key in ("package", "package_version", "package_source", "package_manager")] == [
        *("libx1", "1.2-3+b1", "x", "dpkg")
    ]


def test_a_root_file_system_and_its_packages(tmp_path: Path) -> None:
    library = 'const char *XML_ExpatVersion(void) { return "expat_2.6.3"; }'
    build(tmp_path / "usr/lib/libexpat.so.1", library, soname="libexpat.so.1")
    build(tmp_path / "opt/libexpat.so.1", library, soname="libexpat.so.1")
    info = tmp_path / "var/lib/dpkg/info"
    info.mkdir(parents=True)
    (info / "libexpat1:amd64.list").write_text("/.\n/usr\n/lib/libexpat.so.1\n")
    (info.parent / "status").write_text(
        "Package: other\nVersion: 9\n\nPackage: libexpat1\nSource: expat\nVersion: 2.6.3-1\n"
    )
    image = Artifact("image", "image", SubjectKind.IMAGE, Path(f"rootfs:{tmp_path}"), "rootfs")
    rows = {row["file"]: row for row in rows_of(observe(image), "expat")}
    assert {file: row["linkage"] for file, row in rows.items()} == {
        "usr/lib/libexpat.so.1": "system",
        "opt/libexpat.so.1": "vendored shared",
    }
    owned = rows["usr/lib/libexpat.so.1"]
    assert [owned[key] for key in ("package", "package_version", "package_source")] == [
        *("libexpat1", "2.6.3-1", "expat")
    ]
    assert rows["opt/libexpat.so.1"]["package"] == ""


@pytest.mark.slow
def test_a_program_that_carries_its_files(tmp_path: Path) -> None:
    rows = observe(artifact(make_pyinstaller(tmp_path)))
    found = {(row["library"], row["version"]) for row in rows if row["linkage"] != "system"}
    assert ("cpython", platform.python_version()) in found
    # What it took along from the system is the program's own now.
    assert ("zlib", zlib.ZLIB_RUNTIME_VERSION) in found


def test_a_conda_prefix_brings_its_libraries_along(tmp_path: Path) -> None:
    library = 'const char *XML_ExpatVersion(void) { return "expat_2.6.3"; }'
    prefix = tmp_path / "conda"
    expat = build(prefix / "lib" / "libexpat.so.1", library, soname="libexpat.so.1")
    program = build(
        prefix / "bin" / "python3.99",
        "const char *XML_ExpatVersion(void); int main(void) { return XML_ExpatVersion() == 0; }",
        libraries=[expat],
        options=("-Wl,-rpath,$ORIGIN/../lib",),
        program=True,
    )
    (prefix / "conda-meta").mkdir()
    (prefix / "conda-meta" / "libexpat-2.6.3-h5888daf_0.json").write_text(
        json.dumps({"name": "libexpat", "version": "2.6.3", "files": ["lib/libexpat.so.1", 3]})
    )
    (prefix / "conda-meta" / "broken-1.json").write_text("{")
    conda = Provenance("conda", "conda", Confidence.CERTAIN)
    subject = replace(fake(tmp_path, says()), executable=program, prefix=prefix, provenance=conda)
    (row,) = rows_of(observe(subject), "expat")
    assert (row["file"], row["linkage"], row["version"]) == ("lib/libexpat.so.1", "vendored shared", "2.6.3")
    assert (row["package"], row["package_version"], row["package_manager"]) == ("libexpat", "2.6.3", "conda")
