"""What wheels, sdists and locks hold: the counting, on made and on real files."""

from __future__ import annotations

import io
import json
import struct
import tarfile
import zipfile
from pathlib import Path

import pytest
from pyassay.probes.backends.archives import ArchiveError, members
from pyassay.probes.backends.closures import closure_rows, crate_rows, native_format
from pyassay.probes.backends.outputs import read_artifact, record_faults
from pyassay.probes.backends.platforms import platform_rows, serves
from pyassay.probes.backends.wheelhouse import Package, Wheelhouse

LOCK = """
version = 4
[[package]]
name = "tool"
version = "1.0.0"
dependencies = ["alpha", "shared 2.0.0"]
[[package]]
name = "alpha"
version = "0.1.0"
source = "registry+https://crates.example"
dependencies = ["shared 1.0.0"]
[[package]]
name = "shared"
version = "1.0.0"
source = "registry+https://crates.example"
[[package]]
name = "shared"
version = "2.0.0"
source = "registry+https://crates.example"
[[package]]
name = "unused"
version = "9.0.0"
source = "registry+https://crates.example"
"""


def wheel(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def sdist(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return path


@pytest.fixture
def house(tmp_path: Path) -> Wheelhouse:
    """Return a wheelhouse with one package that has a part in Rust."""
    (tmp_path / "wheels").mkdir()
    (tmp_path / "sdists").mkdir()
    bill = {"components": [{"purl": "pkg:cargo/alpha@0.1.0"}, {"purl": "pkg:pypi/other@1"}]}
    name = "tool-1.0.0-py3-none-manylinux_2_17_x86_64.whl"
    wheel(
        tmp_path / "wheels" / name,
        {
            "tool/__init__.py": b"a = 1\nb = 2\n",
            "tool/_vendor/tomli/__init__.py": b"x\n",
            "tool-1.0.0.data/scripts/tool": b"\x7fELF" + bytes(60),
            "tool-1.0.0.dist-info/METADATA": b"Metadata-Version: 2.4\nName: tool\nLicense-Expression: MIT\n",
            "tool-1.0.0.dist-info/sboms/tool.cyclonedx.json": json.dumps(bill).encode(),
        },
    )
    sdist(
        tmp_path / "sdists" / "tool-1.0.0.tar.gz",
        {
            "tool-1.0.0/Cargo.lock": LOCK.encode(),
            "tool-1.0.0/tests/crate/Cargo.lock": b"version = 4\n",
            "tool-1.0.0/Cargo.toml": b"[package]\nname='tool'\nrust-version='1.80'\n",
            "tool-1.0.0/pyproject.toml": b"[build-system]\nrequires=['maturin>=1']\n",
            "tool-1.0.0/src/lib.rs": b"fn main() {}\n",
        },
    )
    files = [{"filename": name, "released": "2026-01-01", "yanked": False}]
    return Wheelhouse(
        tmp_path,
        "2026-11-21",
        {"tool": [Package("tool", "1.0.0", name)]},
        pages={"tool": files},
        sdists={"tool==1.0.0": "tool-1.0.0.tar.gz"},
    )


def test_what_a_wheel_brings_along_is_counted(house: Wheelhouse) -> None:
    (row,) = closure_rows("tool-1.0.0", house, {"declared": house.closures["tool"]})
    assert (row["files"], row["python_files"], row["python_lines"]) == (5, 2, 3)
    assert (row["native"], row["native_bytes"], row["vendored"]) == (["ELF tool"], 64, ["tomli"])
    assert (row["licence"], row["pure"], row["reason"]) == ("MIT", False, "")
    assert row["sboms"] == ["tool-1.0.0.dist-info/sboms/tool.cyclonedx.json"]


def test_crates_are_counted_by_lock_and_by_bill(house: Wheelhouse) -> None:
    lock, bill = crate_rows("tool-1.0.0", house, house.closures["tool"])
    assert (lock["crates"], lock["third_party"], lock["own"]) == (5, 4, 1)
    # alpha, and both versions of shared; nothing leads to unused.
    assert lock["reachable"] == 3
    assert lock["needs"] == ["maturin>=1", "rustc 1.80"]
    assert (lock["rust_files"], lock["rust_lines"]) == (1, 1)
    assert (bill["listed_in"], bill["crates"]) == ("bill of materials", 1)


def test_a_lock_that_is_no_toml_is_a_reason(house: Wheelhouse) -> None:
    path = house.folder / "sdists" / "tool-1.0.0.tar.gz"
    sdist(path, {"tool-1.0.0/Cargo.lock": b"[[package\x00"})
    row = crate_rows("tool-1.0.0", house, house.closures["tool"])[0]
    assert row["crates"] is None
    assert row["reason"]


def test_platforms_are_those_that_the_index_lists(house: Wheelhouse) -> None:
    rows = {row["target"]: row for row in platform_rows("t", house, {"declared": house.closures["tool"]})}
    assert rows["x86_64-unknown-linux-gnu"]["ready"] is True
    assert rows["x86_64-unknown-linux-musl"]["ready"] is False
    assert rows["s390x-unknown-linux-gnu"]["to_compile"] == ["tool: maturin>=1, rustc 1.80"]
    house.pages["tool"].clear()
    unknown = platform_rows("t", house, {"declared": house.closures["tool"]})
    assert {row["ready"] for row in unknown} == {None}
    assert "told no files of tool" in unknown[0]["reason"]


def test_a_pure_wheel_serves_every_platform_and_a_tag_only_its_own() -> None:
    assert serves("a-1-py3-none-any.whl", "win32")
    assert serves("a-1-py3-none-macosx_11_0_arm64.whl", r"macosx_\d+_\d+_(arm64|universal2)")
    assert not serves("a-1-py3-none-manylinux_2_17_aarch64.whl", r"(manylinux\w*|linux)_x86_64")
    assert not serves("a-1.tar.gz", ".*")


def test_native_code_is_known_by_its_bytes() -> None:
    pe = bytearray(b"MZ" + bytes(0x80))
    pe[0x3C:0x40] = struct.pack("<I", 0x60)
    pe[0x60:0x64] = b"PE\0\0"
    assert native_format(bytes(pe)) == "PE"
    assert native_format(b"\xcf\xfa\xed\xfe") == "Mach-O"
    assert native_format(b"\xca\xfe\xba\xbe" + struct.pack(">I", 2)) == "Mach-O"
    # A class file of Java: version 65.
    assert native_format(b"\xca\xfe\xba\xbe" + struct.pack(">HH", 0, 65)) == ""
    assert native_format(b"MZ") == ""


def test_record_is_checked_line_by_line(tmp_path: Path) -> None:
    path = wheel(
        tmp_path / "a-1-py3-none-any.whl",
        {
            "a.py": b"1\n",
            "b.py": b"2\n",
            "a-1.dist-info/RECORD": b"a.py,sha256=AAAA,2\ngone.py,sha256=AAAA,1\na-1.dist-info/RECORD,,\n",
        },
    )
    assert record_faults(read_artifact(path)) == [
        "a.py: its hash differs",
        "gone.py: not in the wheel",
        "b.py: not listed",
    ]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04" + bytes(40), b"\x1f\x8b" + bytes(40)])
@pytest.mark.parametrize("name", ["a-1-py3-none-any.whl", "a-1.tar.gz"])
def test_a_damaged_archive_is_one_line_that_names_it(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ArchiveError, match=name) as caught:
        members(path)
    assert "\n" not in str(caught.value)
