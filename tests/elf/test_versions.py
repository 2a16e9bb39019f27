"""Symbol versions: families, order, floors."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyassay.elf.reader import VersionNeed
from pyassay.elf.versions import SymbolVersion, floors, version_key


def need(version: str, *, weak: bool = False, soname: str = "libc.so.6") -> VersionNeed:
    return VersionNeed(soname, version, weak, 2)


@pytest.mark.parametrize(
    ("raw", "family", "number"),
    [
        ("GLIBC_2.17", "GLIBC", (2, 17)),
        ("GLIBC_2.2.5", "GLIBC", (2, 2, 5)),
        ("GLIBCXX_3.4.21", "GLIBCXX", (3, 4, 21)),
        ("GLIBCXX_LDBL_3.4", "GLIBCXX_LDBL", (3, 4)),
        ("CXXABI_1.3.9", "CXXABI", (1, 3, 9)),
        ("GCC_4.0.0", "GCC", (4, 0, 0)),
        ("OPENSSL_3.0.0", "OPENSSL", (3, 0, 0)),
        ("ZLIB_1.2.3.4", "ZLIB", (1, 2, 3, 4)),
        ("LIBXML2_2.4.30", "LIBXML2", (2, 4, 30)),
        ("NCURSES6_TINFO_5.0.19991023", "NCURSES6_TINFO", (5, 0, 19991023)),
        ("V_1", "V", (1,)),
    ],
)
def test_families_and_numbers(raw: str, family: str, number: tuple[int, ...]) -> None:
    assert SymbolVersion.parse(raw) == SymbolVersion(family, number, private=False, raw=raw)


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "CXXABI_FLOAT128",
        "CXXABI_TM_1x",
        "GLIBC_",
        "GLIBC_2.",
        "GLIBC_.2",
        "GLIBC_2..17",
        "GLIBC_2.17-beta",
        "GLIBC_2.17\n",
        " GLIBC_2.17",
        "GLIBC_-2.17",
        "GLIBC_\u0662.\u0661\u0667",  # digits to Python, but not to a loader
        "GLIBC_2." + "9" * 5000,  # more digits than int() takes
        "GLIBC_" + "1." * 5000 + "1",
        "_2.17",
        "NCURSES6_TINFO_6.2.current",
        "libfoo.so.1",
        "\udc80_1",
    ],
)
def test_other_names_are_their_own_family_and_have_no_place_in_the_order(raw: str) -> None:
    assert SymbolVersion.parse(raw) == SymbolVersion(raw, None, private=False, raw=raw)


def test_packed_relocations_stand_for_glibc_2_36() -> None:
    assert SymbolVersion.parse("GLIBC_ABI_DT_RELR").family == "GLIBC"
    assert SymbolVersion.parse("GLIBC_ABI_DT_RELR").number == (2, 36)
    floor = floors([need("GLIBC_2.2.5"), need("GLIBC_ABI_DT_RELR")])["GLIBC"]
    assert floor.hard is not None
    assert (floor.hard.raw, floor.hard.number) == ("GLIBC_ABI_DT_RELR", (2, 36))
    newer = floors([need("GLIBC_ABI_DT_RELR"), need("GLIBC_2.38")])["GLIBC"]
    assert newer.hard is not None
    assert newer.hard.raw == "GLIBC_2.38"


def test_unknown_feature_of_the_loader_is_of_glibc_and_unorderable() -> None:
    version = SymbolVersion.parse("GLIBC_ABI_DT_WHATEVER")
    assert (version.family, version.number, version.private) == ("GLIBC", None, False)
    # Not even where it looks like a number: it is none of glibc's releases.
    assert SymbolVersion.parse("GLIBC_ABI_9.9").number is None


def test_private_versions() -> None:
    version = SymbolVersion.parse("GLIBC_PRIVATE")
    assert (version.family, version.number, version.private) == ("GLIBC", None, True)
    floor = floors([need("GLIBC_PRIVATE"), need("GLIBC_2.4")])["GLIBC"]
    assert floor.private
    assert floor.hard is not None
    assert floor.hard.number == (2, 4)
    only = floors([need("GLIBC_PRIVATE")])["GLIBC"]
    assert (only.hard, only.soft, only.private) == (None, None, True)
    assert not floors([need("GLIBC_PRIVATE", weak=True)])["GLIBC"].private


def test_weak_versions_make_the_soft_floor() -> None:
    floor = floors([need("GLIBC_2.17"), need("GLIBC_2.34", weak=True), need("GLIBC_2.30", weak=True)])[
        "GLIBC"
    ]
    assert floor.hard is not None
    assert floor.soft is not None
    assert (floor.hard.raw, floor.soft.raw) == ("GLIBC_2.17", "GLIBC_2.34")
    below = floors([need("GLIBC_2.17"), need("GLIBC_2.4", weak=True)])["GLIBC"]
    assert below.soft is None
    same = floors([need("GLIBC_2.17"), need("GLIBC_2.17", weak=True)])["GLIBC"]
    assert same.soft is None
    alone = floors([need("GLIBC_2.17", weak=True)])["GLIBC"]
    assert alone.hard is None
    assert alone.soft is not None
    assert alone.soft.raw == "GLIBC_2.17"


def test_families_do_not_mix() -> None:
    found = floors(
        [
            need("GLIBC_2.14"),
            need("GLIBCXX_3.4.21", soname="libstdc++.so.6"),
            need("CXXABI_1.3", soname="libstdc++.so.6"),
            need("CXXABI_FLOAT128", soname="libstdc++.so.6"),
        ]
    )
    assert {family: floor.hard and floor.hard.number for family, floor in found.items()} == {
        "GLIBC": (2, 14),
        "GLIBCXX": (3, 4, 21),
        "CXXABI": (1, 3),
        "CXXABI_FLOAT128": None,
    }
    assert all(floor.family == family for family, floor in found.items())


def test_nothing_needed_has_no_floor() -> None:
    assert floors([]) == {}


def test_numbers_are_no_text() -> None:
    # As text, 2.4 is after 2.34, and 2.17 before 2.2.5.
    floor = floors([need(f"GLIBC_{number}") for number in ("2.4", "2.34", "2.2.5", "2.17")])["GLIBC"]
    assert floor.hard is not None
    assert floor.hard.raw == "GLIBC_2.34"


@pytest.mark.parametrize(
    ("number", "key"),
    [("2.17", (2, 17)), ("2", (2,)), ("2.2.5", (2, 2, 5)), ("02.017", (2, 17))],
)
def test_version_key(number: str, key: tuple[int, ...]) -> None:
    assert version_key(number) == key


@pytest.mark.parametrize("number", ["", ".", "1.", ".1", "1.1.x", "1 ", "1\n", "-1", "\u0662", "1" * 5000])
def test_version_key_of_anything_else(number: str) -> None:
    assert version_key(number) is None


def test_long_names_are_not_remembered() -> None:
    # Names come from hostile files, 64 KiB each: thousands of them must not stay.
    tracemalloc.start()
    try:
        for number in range(50):
            SymbolVersion.parse("A" * 60_000 + f"_{number}")
            floors([need("B" * 60_000 + f"_{number}")])
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 500_000


# Properties.

numbers = st.lists(st.integers(0, 999_999), min_size=1, max_size=6).map(tuple)
families = st.sampled_from(["GLIBC", "GLIBCXX", "CXXABI", "GCC", "A_B"])
needs = st.lists(
    st.builds(
        lambda family, number, weak: need(f"{family}_{'.'.join(map(str, number))}", weak=weak),
        families,
        numbers,
        st.booleans(),
    )
    | st.builds(
        lambda raw, weak: need(raw, weak=weak),
        st.sampled_from(["GLIBC_PRIVATE", "GLIBC_ABI_DT_RELR", "CXXABI_FLOAT128", "GLIBC_ABI_NEW"])
        | st.text(),
        st.booleans(),
    ),
    max_size=12,
)


@given(st.text())
def test_parse_takes_any_text(raw: str) -> None:
    version = SymbolVersion.parse(raw)
    assert version.raw == raw
    assert version.number is None or raw == "GLIBC_ABI_DT_RELR" or raw.startswith(version.family + "_")


@given(families, numbers)
def test_parse_gives_back_what_was_written(family: str, number: tuple[int, ...]) -> None:
    version = SymbolVersion.parse(f"{family}_{'.'.join(map(str, number))}")
    assert (version.family, version.number) == (family, number)


@given(numbers, numbers)
def test_key_orders_as_the_numbers_do(one: tuple[int, ...], other: tuple[int, ...]) -> None:
    keys = [version_key(".".join(map(str, number))) for number in (one, other)]
    assert keys == [one, other]
    needed = [need("GLIBC_" + ".".join(map(str, number))) for number in (one, other)]
    hard = floors(needed)["GLIBC"].hard
    assert hard is not None
    assert hard.number == max(one, other)


@given(needs, st.randoms(use_true_random=False))
def test_floor_is_the_newest_whatever_the_order(listed: list[VersionNeed], random: object) -> None:
    found = floors(listed)
    shuffled = list(listed)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    again = floors(shuffled)
    parsed = [(SymbolVersion.parse(one.version), one.weak) for one in listed]
    assert set(found) == set(again) == {version.family for version, _ in parsed}
    for family, floor in found.items():
        mine = [(version, weak) for version, weak in parsed if version.family == family]
        hard = max((one.number for one, weak in mine if not weak and one.number is not None), default=None)
        soft = max((one.number for one, weak in mine if weak and one.number is not None), default=None)
        if soft is not None and hard is not None and soft <= hard:
            soft = None
        assert (floor.hard and floor.hard.number) == hard
        assert (floor.soft and floor.soft.number) == soft
        assert floor.private == any(one.private and not weak for one, weak in mine)
        assert (again[family].hard and again[family].hard.number) == hard  # type: ignore[union-attr]
        assert (again[family].soft and again[family].soft.number) == soft  # type: ignore[union-attr]


@given(needs, needs)
def test_more_needs_never_lower_a_floor(listed: list[VersionNeed], more: list[VersionNeed]) -> None:
    before, after = floors(listed), floors(listed + more)
    for family, floor in before.items():
        if floor.hard is not None and floor.hard.number is not None:
            hard = after[family].hard
            assert hard is not None
            assert hard.number is not None
            assert hard.number >= floor.hard.number
        assert after[family].private >= floor.private
