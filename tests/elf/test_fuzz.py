"""Hostile files: the readers answer or refuse in one line, quickly, in little memory, whatever is in them."""

from __future__ import annotations

import io
import os
import socket
import struct
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from corpus.elf_makers import write_elf, write_foreign
from corpus.rootfs import build
from hypothesis import given
from hypothesis import strategies as st
from pyassay.elf.reader import ElfError, NotElf, is_elf, read
from pyassay.elf.symbols import defined_versions, exported_symbols, undefined_symbols

READERS: tuple[Callable[..., object], ...] = (read, undefined_symbols, exported_symbols, defined_versions)
NAME = "a\nhostile\x1b[31m name"
ONE_LINE = r"a\nhostile\x1b[31m name: "
SECONDS = 2.0  # of CPU, for one call on a hostile file; far above what any needs
MEMORY = 2 << 20  # bytes beyond the size of a small file


def outcome(reader: Callable[..., object], source: object) -> object:
    """Return what a reader says, or its message; any other error fails the test."""
    started = time.process_time()
    try:
        said = reader(source, NAME)
    except ElfError as error:
        said = str(error)
        assert said.startswith(ONE_LINE)
        assert said.isprintable()
        assert len(said) < 300
    assert time.process_time() - started < SECONDS
    return said


def outcomes(source: object) -> list[object]:
    return [outcome(reader, source) for reader in READERS]


@contextmanager
def memory_below(limit: int) -> Iterator[None]:
    """Fail if more than `limit` bytes are ever held at once."""
    tracemalloc.start()
    try:
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < limit, f"{peak:,} bytes"


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A small library by the real compiler that has every table: versions needed and defined, both hashes."""
    path = build(
        tmp_path_factory.mktemp("fuzz") / "library",
        "extern int puts(const char *); int one(void) { return puts(0); } int two(void) { return 2; }",
        options=("-Wl,--hash-style=both,--build-id=sha1,-rpath,$ORIGIN/lib",),
        soname="libfuzz.so.1",
        version_script="V_1 { global: one; local: *; }; V_2 { global: two; } V_1;",
    )
    said = [reader(path) for reader in READERS]
    assert all(said[1:])
    return path.read_bytes()


# A seed that needs no compiler, and the other class and byte order besides.
SEEDS = {name: write_foreign(name) for name in ("x86_64", "s390x", "i686", "ppc")}


def loaded_end(data: bytes) -> int:
    """Return where the last segment with bytes in the file ends (64 bits, little end first)."""
    offset, count = struct.unpack_from("<Q", data, 32)[0], struct.unpack_from("<H", data, 56)[0]
    ends = [0]
    for number in range(count):
        start, _, _, size = struct.unpack_from("<QQQQ", data, offset + 56 * number + 8)
        ends.append(start + size)
    return max(ends)


# Cut and overwritten at every 64th byte.


def test_truncated_everywhere(library: bytes) -> None:
    whole = outcomes(library)
    end = loaded_end(library)
    assert 0 < end < len(library)
    with memory_below(len(library) + MEMORY):
        for size in (*range(0, len(library), 64), end - 1, end):
            said = outcomes(library[:size])
            if size < end:
                assert all(isinstance(one, str) for one in said), size
            else:
                # Only section headers and what belongs to them are missing, which nobody looks at.
                assert said == whole, size


@pytest.mark.parametrize("name", SEEDS)
def test_truncated_everywhere_on_other_machines(name: str) -> None:
    data = SEEDS[name]
    assert not any(isinstance(one, str) for one in outcomes(data))
    for size in range(0, len(data), 4):
        assert all(isinstance(one, str) for one in outcomes(data[:size])), size


@pytest.mark.parametrize("value", [b"\0" * 8, b"\xff" * 8, b"\x01" + b"\0" * 7, b"\0" * 7 + b"\x80"])
def test_overwritten_everywhere(library: bytes, value: bytes) -> None:
    whole = outcomes(library)
    end = loaded_end(library)
    answers = refusals = 0
    with memory_below(2 * len(library) + MEMORY):
        for place in range(0, len(library) - 8, 64):
            for at in (place, place + 24):
                data = bytearray(library)
                data[at : at + 8] = value
                said = outcomes(bytes(data))
                refusals += sum(isinstance(one, str) for one in said)
                answers += sum(not isinstance(one, str) for one in said)
                if at >= end:
                    assert said == whole, at
    assert answers
    assert refusals


def test_every_byte_of_the_tables_in_turn() -> None:
    """Set each byte of a small file to its opposite, and to the largest."""
    data = SEEDS["x86_64"]
    refusals = 0
    for place in range(len(data)):
        for value in (data[place] ^ 0xFF, 0xFF):
            changed = bytearray(data)
            changed[place] = value
            refusals += sum(isinstance(one, str) for one in outcomes(bytes(changed)))
    assert refusals > len(data)


# By hypothesis.

interesting = st.sampled_from(
    [0, 1, 2, 4, 16, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0xFFFFFFFF, 1 << 63, (1 << 64) - 1]
)
patch = st.tuples(
    st.integers(0, 1 << 14), st.sampled_from([1, 2, 4, 8]), interesting | st.integers(0, 1 << 64)
)


def patched(data: bytes, patches: list[tuple[int, int, int]], keep: int | None) -> bytes:
    changed = bytearray(data)
    for place, width, value in patches:
        at = place % len(changed)
        end = min(at + width, len(changed))
        changed[at:end] = (value & (1 << 8 * width) - 1).to_bytes(width, "little")[: end - at]
    return bytes(changed[:keep])


@given(st.sampled_from(sorted(SEEDS)), st.lists(patch, max_size=6), st.none() | st.integers(0, 4096))
def test_patches(name: str, patches: list[tuple[int, int, int]], keep: int | None) -> None:
    data = patched(SEEDS[name], patches, keep)
    said = outcomes(data)
    assert outcomes(io.BytesIO(data)) == said
    assert outcomes(memoryview(bytearray(data))) == said


@given(patches=st.lists(patch, min_size=1, max_size=6), keep=st.none() | st.integers(0, 20_000))
def test_patches_of_a_real_library(
    library: bytes,
    tmp_path_factory: pytest.TempPathFactory,
    patches: list[tuple[int, int, int]],
    keep: int | None,
) -> None:
    data = patched(library, patches, keep)
    path = tmp_path_factory.getbasetemp() / "patched"
    path.write_bytes(data)
    assert outcomes(path) == outcomes(data)


@given(
    st.binary(max_size=300),
    st.sampled_from([b"", b"\x7fELF", b"\x7fELF\x02\x01\x01", b"\x7fELF\x01\x02\x01"]),
)
def test_any_bytes(data: bytes, start: bytes) -> None:
    said = outcomes(start + data)
    if not start and data[:4] != b"\x7fELF":
        assert said == [ONE_LINE + "not an ELF file"] * len(READERS)


# Lies in one field.

PLENTY = write_elf(
    soname="libplenty.so",
    needed=["libc.so.6"],
    needs={"libc.so.6": [("GLIBC_2.17", False), ("GLIBC_2.34", True)], "libm.so.6": [("GLIBC_2.29", False)]},
    defines=["OWN_1", "OWN_2"],
    undefined=[("puts", "GLIBC_2.17")],
    exported=[("one", "OWN_1")],
)
BASE = 0x10000  # the address of the first byte of the file
DT_HASH, DT_SYMTAB, DT_STRSZ, DT_GNU_HASH = 4, 6, 10, 0x6FFFFEF5
DT_VERDEF, DT_VERDEFNUM, DT_VERNEED, DT_VERNEEDNUM = 0x6FFFFFFC, 0x6FFFFFFD, 0x6FFFFFFE, 0x6FFFFFFF


class Forged(bytearray):
    """A file of 64 bits, little end first, of one segment: its fields by name."""

    def segment(self, kind: int) -> int:
        """Return where the program header of a kind is."""
        places = range(64, 64 + 56 * struct.unpack_from("<H", self, 56)[0], 56)
        return next(place for place in places if struct.unpack_from("<I", self, place)[0] == kind)

    def entry(self, tag: int) -> int:
        """Return where the entry of the dynamic section with a tag is."""
        start = struct.unpack_from("<Q", self, self.segment(2) + 8)[0]
        return next(
            place for place in range(start, len(self), 16) if struct.unpack_from("<Q", self, place)[0] == tag
        )

    def value(self, tag: int) -> int:
        return int(struct.unpack_from("<Q", self, self.entry(tag) + 8)[0])

    def set(self, tag: int, value: int) -> Forged:
        struct.pack_into("<Q", self, self.entry(tag) + 8, value)
        return self

    def put(self, layout: str, place: int, *values: int) -> Forged:
        struct.pack_into("<" + layout, self, place, *values)
        return self

    def table(self, tag: int) -> int:
        """Return where the table that a tag points at lies in the file."""
        return self.value(tag) - BASE

    def grown(self, more: bytes) -> int:
        """Append bytes to the file and its segment; return their offset."""
        place = len(self)
        self += more
        at = self.segment(1)
        return self.put("QQ", at + 32, len(self), len(self)) and place


def forged() -> Forged:
    return Forged(PLENTY)


def test_forged_as_it_is_reads_well() -> None:
    data = forged()
    data.grown(bytes(64))
    said = outcomes(bytes(data))
    assert not any(isinstance(one, str) for one in said)
    assert outcomes(PLENTY) == said


HUGE = [20_001, 0xFFFFFFFF, 1 << 63, (1 << 64) - 1]


@pytest.mark.parametrize("count", HUGE)
@pytest.mark.parametrize(("tag", "reader"), [(DT_VERNEEDNUM, read), (DT_VERDEFNUM, defined_versions)])
def test_huge_counts_of_versions(tag: int, reader: Callable[..., object], count: int) -> None:
    with memory_below(MEMORY):
        assert isinstance(outcome(reader, bytes(forged().set(tag, count))), str)


@pytest.mark.parametrize("count", [1_000_001, 0xFFFFFFFF])
def test_huge_counts_of_symbols(count: int) -> None:
    data = forged()
    data.put("I", data.table(DT_HASH) + 4, count)
    with memory_below(MEMORY):
        assert isinstance(outcome(undefined_symbols, bytes(data)), str)
        assert isinstance(outcome(exported_symbols, bytes(data)), str)


@pytest.mark.parametrize(
    "header",
    [(0xFFFFFFFF, 1, 1, 0), (1, 1, 0xFFFFFFFF, 0), (1, 0xFFFFFFFF, 1, 0), (1_000_000, 1, 1, 0)],
)
def test_gnu_hash_with_huge_fields(header: tuple[int, int, int, int]) -> None:
    data = forged()
    place = data.grown(struct.pack("<IIII", *header) + bytes(8) + struct.pack("<I", 2) + bytes(4096))
    data.put("QQ", data.entry(DT_HASH), DT_GNU_HASH, BASE + place)
    with memory_below(MEMORY):
        outcomes(bytes(data))


def test_gnu_hash_chain_without_an_end() -> None:
    data = forged()
    place = data.grown(struct.pack("<IIII", 1, 1, 1, 0) + bytes(8) + struct.pack("<I", 2) + bytes(1 << 20))
    data.put("QQ", data.entry(DT_HASH), DT_GNU_HASH, BASE + place)
    with memory_below(len(data) + MEMORY):
        said = outcome(undefined_symbols, bytes(data))
    assert said == ONE_LINE + "a hash chain does not end"


@pytest.mark.parametrize("step", [0xFFFFFFF0, 0xFFFFFFFF, 0x80000000, 1 << 20])
def test_chains_that_lead_away_or_would_wrap_around(step: int) -> None:
    """A reader that counts in 32 bits would run in circles: 0xfffffff0 is 16 bytes back."""
    need, definition = forged().table(DT_VERNEED), forged().table(DT_VERDEF)
    for place, reader in (
        (need + 12, read),  # vn_next
        (need + 8, read),  # vn_aux
        (need + 16 + 12, read),  # vna_next
        (definition + 16, defined_versions),  # vd_next
        (definition + 12, defined_versions),  # vd_aux
    ):
        assert isinstance(outcome(reader, bytes(forged().put("I", place, step))), str), place


def test_chain_that_ends_early_is_believed() -> None:
    data = forged()
    data.put("I", data.table(DT_VERNEED) + 12, 0)
    elf = read(bytes(data.set(DT_VERNEEDNUM, 20_000)))
    assert [need.version for need in elf.version_needs] == ["GLIBC_2.17", "GLIBC_2.34"]


def test_libraries_that_share_one_long_chain() -> None:
    """20,000 libraries with the same 10,000 versions each: 200 million entries in half a megabyte."""
    data = forged()
    count, entries = 20_000, 10_000
    name = struct.unpack_from("<I", data, data.table(DT_VERNEED) + 4)[0]
    libraries = b"".join(
        struct.pack("<HHIII", 1, entries, name, 16 * (count - number), 16) for number in range(count)
    )
    place = data.grown(libraries + struct.pack("<IHHII", 0, 0, 2, name, 16) * entries)
    data.set(DT_VERNEED, BASE + place).set(DT_VERNEEDNUM, count)
    with memory_below(len(data) + 4 * MEMORY):
        said = outcome(read, bytes(data))
    assert said == ONE_LINE + "more than 20000 version needs"


def test_definitions_that_overlap_each_other() -> None:
    """A step of one byte, or as many definitions in the same room as can be."""
    data = forged()
    place = data.grown(struct.pack("<HHHHIII", 1, 0, 2, 1, 0, 20, 4) * 6000)
    data.set(DT_VERDEF, BASE + place).set(DT_VERDEFNUM, 20_000)
    with memory_below(len(data) + MEMORY):
        outcome(defined_versions, bytes(data))


def test_names_that_overlap_each_other() -> None:
    """30,000 DT_NEEDED, each a different tail of one string of 60,000 letters: 1.3 GB of names in 0.5 MB."""
    data = forged()
    strings = data.grown(b"A" * 60_000 + b"\0")
    dynamic = data.grown(
        b"".join(struct.pack("<QQ", 1, number) for number in range(30_000))
        + struct.pack("<QQQQQQ", 5, BASE + strings, 10, 60_001, 0, 0)
    )
    at = data.segment(2)
    data.put("QQQQQ", at + 8, dynamic, BASE + dynamic, 0, len(data) - dynamic, len(data) - dynamic)
    with memory_below(len(data) + 8 * MEMORY):
        said = outcome(read, bytes(data))
    assert said == ONE_LINE + "its names take more room than the string table"


@pytest.mark.parametrize(
    ("layout", "place", "values"),
    [
        ("H", 56, (0xFFFF,)),  # e_phnum
        ("H", 54, (0,)),  # e_phentsize
        ("H", 54, (1,)),
        ("Q", 32, ((1 << 64) - 1,)),  # e_phoff
        ("Q", 32, (1 << 63,)),
        ("Q", 64 + 8, ((1 << 64) - 1,)),  # p_offset of PT_LOAD
        ("Q", 64 + 32, ((1 << 64) - 1,)),  # p_filesz of PT_LOAD
        ("Q", 64 + 56 + 8, ((1 << 64) - 1,)),  # p_offset of PT_DYNAMIC
        ("Q", 64 + 56 + 32, ((1 << 64) - 1,)),  # p_filesz of PT_DYNAMIC
        ("Q", 64 + 56 + 16, (0,)),  # p_vaddr of PT_DYNAMIC
    ],
)
def test_impossible_headers(layout: str, place: int, values: tuple[int, ...]) -> None:
    with memory_below(MEMORY):
        said = outcomes(bytes(forged().put(layout, place, *values)))
    assert all(isinstance(one, str) for one in said)


@pytest.mark.parametrize("kind", [3, 4, 0x6474E553])  # PT_INTERP, PT_NOTE, PT_GNU_PROPERTY
@pytest.mark.parametrize("offset", [0, 1 << 32, (1 << 64) - 1])
@pytest.mark.parametrize("size", [1, 12, 13, 1 << 31, (1 << 64) - 1])
def test_impossible_segments(kind: int, offset: int, size: int) -> None:
    data = forged()
    # The table of program headers has a third one, over what was never read before.
    data.put("IIQQQQQQ", 64 + 112, kind, 4, offset, 0, 0, size, size, 4).put("H", 56, 3)
    with memory_below(MEMORY):
        outcomes(bytes(data))


# Large files, without the disk for them.


def sparse(path: Path, data: bytes, size: int) -> Path:
    """Write a file that is mostly a hole, and let its segment reach to its end."""
    changed = Forged(data)
    changed.put("QQ", changed.segment(1) + 32, size, size)
    path.write_bytes(changed)
    try:
        os.truncate(path, size)
    except OSError:
        pytest.skip("no room for a large sparse file")
    if path.stat().st_blocks * 512 > 64 << 20:
        pytest.skip("this file system has no sparse files")
    return path


SPARSE = 8 << 30


def test_leaps_through_a_large_file_read_no_more_of_it(tmp_path: Path) -> None:
    data = forged()
    # vn_next: 2 GiB ahead, where there is nothing but zeros.
    path = sparse(tmp_path / "leaps", bytes(data.put("I", data.table(DT_VERNEED) + 12, 1 << 31)), SPARSE)
    with memory_below(8 << 20):
        assert isinstance(outcome(read, path), str)


def test_huge_tables_of_a_large_file(tmp_path: Path) -> None:
    data = forged()
    path = sparse(tmp_path / "tables", bytes(data.set(DT_STRSZ, SPARSE)), SPARSE)
    with memory_below(8 << 20):
        assert read(path).needed == ("libc.so.6",)
        assert isinstance(outcome(undefined_symbols, path), str)


def test_interpreter_and_dynamic_section_of_gigabytes(tmp_path: Path) -> None:
    data = forged()
    data.put("IIQQQQQQ", 64 + 112, 3, 4, 4096, 0, 0, SPARSE - 4096, 0, 4).put("H", 56, 3)
    with memory_below(8 << 20):
        outcomes(sparse(tmp_path / "interpreter", bytes(data), SPARSE))
    data = forged()
    data.put("Q", data.segment(2) + 32, SPARSE // 2)
    with memory_below(8 << 20):
        said = outcomes(sparse(tmp_path / "dynamic", bytes(data), SPARSE))
    assert all(isinstance(one, str) for one in said)


def test_symbols_of_a_large_file(tmp_path: Path) -> None:
    data = forged()
    data.put("I", data.table(DT_HASH) + 4, 0xFFFFFFFF)
    with memory_below(8 << 20):
        assert isinstance(outcome(undefined_symbols, sparse(tmp_path / "symbols", bytes(data), SPARSE)), str)


# What is no file of that kind at all.


def refused(path: Path, *, kind: type[Exception] = ElfError) -> str:
    messages = set()
    for reader in READERS:
        with pytest.raises(kind) as caught:
            reader(path)
        messages.add(str(caught.value))
    assert len(messages) == 1
    (message,) = messages
    assert "\n" not in message
    assert message.isprintable()
    return message


def test_fifo_does_not_hang(tmp_path: Path) -> None:
    path = tmp_path / "fifo\nof mine"
    os.mkfifo(path)
    message = refused(path)
    assert r"fifo\nof mine: " in message
    assert not is_elf(path)


def test_folder(tmp_path: Path) -> None:
    path = tmp_path / "folder\n"
    path.mkdir()
    message = refused(path)
    assert message.endswith(r"folder\n: Is a directory")
    assert not is_elf(path)


def test_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "empty"
    path.touch()
    assert refused(path, kind=NotElf).endswith("empty: not an ELF file")
    assert not is_elf(path)


def test_other_file(tmp_path: Path) -> None:
    path = tmp_path / "script\n\u202e\udcff"
    path.write_text("#!/bin/sh\n")
    assert refused(path, kind=NotElf).endswith(r"script\n\u202e\udcff: not an ELF file")


def test_missing_file(tmp_path: Path) -> None:
    path = tmp_path / "missing\nfile"
    message = refused(path, kind=FileNotFoundError)
    assert r"missing\nfile" in message
    assert not is_elf(path)


def test_link_to_itself(tmp_path: Path) -> None:
    path = tmp_path / "circle"
    path.symlink_to(path)
    assert "circle" in refused(path, kind=OSError)


def test_nul_in_the_name() -> None:
    assert refused(Path("a\0b")).startswith(r"a\x00b: ")
    assert not is_elf("a\0b")


def test_device_without_an_end() -> None:
    if not Path("/dev/zero").is_char_device():
        pytest.skip("no /dev/zero")
    assert refused(Path("/dev/zero"), kind=NotElf) == "/dev/zero: not an ELF file"


def test_socket(tmp_path: Path) -> None:
    path = tmp_path / "s"
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(path))
    except OSError:
        pytest.skip("the path is too long for a socket")
    refused(path, kind=OSError)


class Broken(io.BytesIO):
    """A file on a bad disk: everything after the first bytes fails, or comes short."""

    def __init__(self, data: bytes, *, fails: bool) -> None:
        super().__init__(data)
        self.fails = fails

    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell() > 0:
            if self.fails:
                raise OSError(5, "Input/output error")
            return super().read(1)
        return super().read(100)


@pytest.mark.parametrize(
    ("fails", "reason"), [(True, "Input/output error"), (False, "could not be read whole")]
)
def test_bad_disk(fails: bool, reason: str) -> None:
    for reader in READERS:
        said = outcome(reader, Broken(PLENTY, fails=fails))
        assert isinstance(said, str)
        assert said.endswith(reason)


def test_no_file_stays_open(tmp_path: Path, library: bytes) -> None:
    folder = Path("/proc/self/fd")
    if not folder.is_dir():
        pytest.skip("no /proc")
    path = tmp_path / "cut"
    path.write_bytes(library[: len(library) // 3])
    before = len(list(folder.iterdir()))
    for _ in range(20):
        outcomes(path)
    assert len(list(folder.iterdir())) == before
