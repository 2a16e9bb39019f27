"""What a wheel claims against what its files need: rows in, lines out."""

from __future__ import annotations

from typing import Any

import pytest
from pyassay.verdicts.claims import claims, only_allowed

Rows = dict[str, list[dict[str, Any]]]
NAMES = ("wheels", "files", "needs", "symbols", "libraries", "python_symbols", "tags")


def wheel(*claimed: str, **more: Any) -> Rows:
    rows: Rows = {name: [] for name in NAMES}
    row = {
        "subject_id": "s",
        "wheel": "x.whl",
        "prefix": "",
        "pythons": ["cp312"],
        "abis": ["cp312"],
        "claimed": list(claimed),
        "recorded": [],
        "elf_files": 1,
    }
    rows["wheels"].append({**row, **more})
    return rows


def file(rows: Rows, name: str = "x.so", *, machine: str = "x86_64", libc: str = "glibc") -> Rows:
    rows["files"].append({"subject_id": "s", "file": name, "machine": machine, "libc": libc})
    return rows


def need(rows: Rows, version: str, *symbols: str, name: str = "x.so", weak: bool = False) -> Rows:
    family, _, number = version.partition("_")
    at = {"subject_id": "s", "file": name}
    rows["needs"].append({**at, "soname": "libc.so.6", "version": version, "weak": weak})
    rows["symbols"] += [{**at, "family": family, "version": number, "symbol": symbol} for symbol in symbols]
    return rows


def library(rows: Rows, soname: str, *, inside: bool = False) -> Rows:
    rows["libraries"].append({"subject_id": "s", "file": "x.so", "soname": soname, "inside": inside})
    return rows


def lines(rows: Rows) -> list[str]:
    return [finding.line for finding in claims(rows)]


def test_a_newer_symbol_than_the_claim_is_named() -> None:
    rows = need(file(wheel("manylinux_2_17_x86_64")), "GLIBC_2.27", "memfd_create")
    assert lines(rows) == ["x.so: memfd_create@GLIBC_2.27 > claimed manylinux_2_17_x86_64"]


def test_a_claim_that_is_kept_is_silent() -> None:
    rows = need(file(wheel("manylinux_2_28_x86_64")), "GLIBC_2.27", "memfd_create")
    assert lines(rows) == []


def test_a_claim_between_two_policies_is_exact() -> None:
    # auditwheel has 2_24 and 2_26, nothing between.
    kept = need(file(wheel("manylinux_2_25_x86_64")), "GLIBC_2.25", "getentropy")
    assert lines(kept) == []
    broken = need(file(wheel("manylinux_2_25_x86_64")), "GLIBC_2.26", "reallocarray")
    assert lines(broken) == ["x.so: reallocarray@GLIBC_2.26 > claimed manylinux_2_25_x86_64"]


def test_libstdcxx_counts_as_much_as_glibc() -> None:
    rows = need(file(wheel("manylinux2014_x86_64")), "GLIBCXX_3.4.21", "_ZNSt7__cxx1112basic_stringE")
    assert lines(rows) == ["x.so: _ZNSt7__cxx1112basic_stringE@GLIBCXX_3.4.21 > claimed manylinux2014_x86_64"]


def test_of_several_tags_the_most_compatible_is_held_against_it() -> None:
    tags = ("manylinux_2_28_x86_64", "manylinux2014_x86_64", "manylinux_2_17_x86_64")
    rows = need(file(wheel(*tags)), "GLIBC_2.27", "memfd_create", "glob64", "copy_file_range")
    assert lines(rows) == ["x.so: memfd_create@GLIBC_2.27 and 2 more > claimed manylinux_2_17_x86_64"]


def test_a_weak_version_and_a_library_inside_break_nothing() -> None:
    rows = need(file(wheel("manylinux_2_17_x86_64")), "GLIBC_2.34", "pthread_create", weak=True)
    assert lines(rows) == []
    rows = need(file(wheel("manylinux_2_17_x86_64")), "GLIBC_2.34", "pthread_create")
    assert lines(library(rows, "libc.so.6", inside=True)) == []


def test_glibc_private_keeps_no_claim() -> None:
    rows = need(file(wheel("manylinux_2_39_x86_64")), "GLIBC_PRIVATE")
    assert lines(rows) == ["x.so: GLIBC_PRIVATE > claimed manylinux_2_39_x86_64"]


def test_packed_relocations_are_named_by_their_marker() -> None:
    rows = need(file(wheel("manylinux_2_35_x86_64")), "GLIBC_ABI_DT_RELR")
    assert lines(rows) == ["x.so: GLIBC_ABI_DT_RELR > claimed manylinux_2_35_x86_64"]
    assert lines(need(file(wheel("manylinux_2_36_x86_64")), "GLIBC_ABI_DT_RELR")) == []


def test_a_glibc_wheel_renamed_musllinux_and_back() -> None:
    rows = file(wheel("musllinux_1_2_x86_64"))
    assert lines(rows) == ["x.so: made for glibc > claimed musllinux_1_2_x86_64"]
    rows = file(wheel("manylinux_2_17_x86_64"), libc="musl")
    assert lines(rows) == ["x.so: made for musl > claimed manylinux_2_17_x86_64"]


def test_another_machine_and_no_machine_at_all() -> None:
    rows = file(wheel("manylinux_2_17_x86_64"), machine="aarch64")
    assert lines(rows) == ["x.so: for aarch64 > claimed manylinux_2_17_x86_64"]
    assert lines(file(wheel("any"))) == ["x.so: is an ELF file > claimed any"]
    assert lines(wheel("any")) == []
    assert lines(file(wheel("linux_x86_64"))) == []


def test_a_library_from_outside_is_named() -> None:
    rows = library(file(wheel("manylinux_2_28_x86_64")), "libpq.so.5")
    assert lines(rows) == ["x.so: needs libpq.so.5 from outside > claimed manylinux_2_28_x86_64"]
    assert lines(library(file(wheel("manylinux_2_28_x86_64")), "libpq.so.5", inside=True)) == []


def test_a_renamed_wheel_is_told_by_its_own_record() -> None:
    rows = file(wheel("manylinux_2_17_x86_64", recorded=["manylinux_2_34_x86_64"]))
    assert lines(rows) == [
        "x.whl: its WHEEL file records manylinux_2_34_x86_64 > claimed manylinux_2_17_x86_64 by its name"
    ]
    same = file(wheel("manylinux2014_x86_64", recorded=["manylinux_2_17_x86_64"]))
    assert lines(same) == []


def test_the_stable_abi_is_held_against_the_python_tag() -> None:
    rows = file(wheel("manylinux_2_17_x86_64", abis=["abi3"], pythons=["cp39"]))
    at = {"subject_id": "s", "file": "x.abi3.so"}
    rows["python_symbols"] += [
        {**at, "symbol": "PyUnicode_AsUTF8AndSize", "added": "3.10"},
        {**at, "symbol": "PyModule_AddFunctions", "added": "3.7"},
        {**at, "symbol": "PyUnicode_AsUTF8", "added": ""},
    ]
    assert lines(rows) == [
        "x.abi3.so: PyUnicode_AsUTF8, not in the stable ABI > claimed cp39-abi3",
        "x.abi3.so: PyUnicode_AsUTF8AndSize (added in 3.10) > claimed cp39-abi3",
    ]


@pytest.mark.parametrize(
    ("claimed", "passes"),
    [
        (("manylinux_2_28_x86_64",), True),
        (("manylinux_2_17_x86_64",), True),
        (("manylinux2014_x86_64", "manylinux_2_39_x86_64"), True),
        (("any",), True),
        (("manylinux_2_34_x86_64",), False),
        (("musllinux_1_2_x86_64",), False),
        (("manylinux_2_17_aarch64",), False),
        (("linux_x86_64",), False),
        (("win_amd64",), False),
    ],
)
def test_allowed_by_name(claimed: tuple[str, ...], passes: bool) -> None:
    found = [one.line for one in only_allowed(wheel(*claimed), ["manylinux_2_28_x86_64"])]
    wanted = f"x.whl: claims {', '.join(claimed)} > allowed manylinux_2_28_x86_64"
    assert found == ([] if passes else [wanted])


def test_what_is_no_wheel_is_allowed_by_content() -> None:
    rows = wheel("any")
    rows["wheels"].clear()
    need(file(rows, "app"), "GLIBC_2.34", "__libc_start_main", name="app")
    assert [one.line for one in only_allowed(rows, ["manylinux_2_28_x86_64"])] == [
        "app: __libc_start_main@GLIBC_2.34 > allowed manylinux_2_28_x86_64"
    ]
    assert only_allowed(rows, ["manylinux_2_28_x86_64", "manylinux_2_35_x86_64"]) == []


def test_an_unknown_tag_is_refused() -> None:
    with pytest.raises(ValueError, match="manylinux_latest: no platform tag"):
        only_allowed(wheel("any"), ["manylinux_latest"])
