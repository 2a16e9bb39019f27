"""Each trap of reading ELF files is a real file, made by gcc and ld (or written, for foreign machines)."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from corpus.binutils import nm
from corpus.elf_makers import FOREIGN, elf_hash, make_32, with_weak_needs, write_elf
from corpus.rootfs import build
from pyassay.elf.reader import ElfFile, VersionNeed, read
from pyassay.elf.symbols import (
    ExportedSymbol,
    UndefinedSymbol,
    defined_versions,
    exported_symbols,
    undefined_symbols,
)
from pyassay.elf.versions import Floor, floors


def glibc_floor(elf: ElfFile) -> Floor:
    return floors(elf.version_needs)["GLIBC"]


def hard(elf: ElfFile) -> tuple[int, ...]:
    version = glibc_floor(elf).hard
    assert version is not None
    assert version.number is not None
    return version.number


def made(corpus: dict[str, Path], name: str) -> Path:
    if name not in corpus:
        pytest.skip(f"this compiler makes no {name}")
    return corpus[name]


def names(symbols: list[UndefinedSymbol] | list[ExportedSymbol]) -> set[str]:
    return {symbol.name for symbol in symbols}


# Versions.


def test_packed_relocations_need_glibc_2_36(corpus: dict[str, Path]) -> None:
    elf = read(made(corpus, "relr"))
    assert elf.packed_relocations
    assert "GLIBC_ABI_DT_RELR" in {need.version for need in elf.version_needs}
    assert hard(elf) == (2, 36)
    others = [need for need in elf.version_needs if not need.version.startswith("GLIBC_ABI")]
    assert hard(replace(elf, version_needs=tuple(others))) < (2, 36)
    assert not read(corpus["program"]).packed_relocations


def test_symbol_named_like_a_version_raises_nothing(corpus: dict[str, Path]) -> None:
    path = corpus["named_2_99"]
    assert {"GLIBC_2.99", "GLIBC_2.98"} <= {symbol.name for symbol in nm(path)}, "the trap is not in the file"
    assert hard(read(path)) < (2, 90)
    far = next(symbol for symbol in undefined_symbols(path) if symbol.name == "GLIBC_2.99")
    assert (far.soname, far.version) == (None, None)
    here = next(symbol for symbol in exported_symbols(path) if symbol.name == "GLIBC_2.98")
    assert here.version is None
    assert defined_versions(path) == frozenset()


def test_weak_reference_in_c_raises_the_hard_floor(corpus: dict[str, Path]) -> None:
    path = corpus["weak_c"]
    gettid = next(symbol for symbol in undefined_symbols(path) if symbol.name == "gettid")
    assert gettid == UndefinedSymbol("gettid", "libc.so.6", "GLIBC_2.30", weak=True, version_weak=False)
    assert hard(read(path)) == (2, 30)
    assert glibc_floor(read(path)).soft is None


def test_weak_version_raises_the_soft_floor_only(corpus: dict[str, Path]) -> None:
    path = corpus["weak_version"]
    strong = read(corpus["strong_c"])
    elf = read(path)
    assert hard(strong) == (2, 30)
    assert hard(elf) < (2, 30)
    soft = glibc_floor(elf).soft
    assert soft is not None
    assert soft.raw == "GLIBC_2.30"
    gettid = next(symbol for symbol in undefined_symbols(path) if symbol.name == "gettid")
    assert (gettid.weak, gettid.version_weak) == (False, True)


def test_loader_agrees_on_weak_versions(tmp_path: Path) -> None:
    new = build(
        tmp_path / "new/libit.so",
        "int one(void) { return 41; } int two(void) { return 42; }",
        soname="libit.so",
        version_script="IT_1 { global: one; }; IT_2 { global: two; } IT_1;",
    )
    old = build(
        tmp_path / "old/libit.so",
        "int one(void) { return 41; }",
        soname="libit.so",
        version_script="IT_1 { global: one; };",
    )
    source = (
        "extern int one(void); extern int two(void) __attribute__((weak));"
        "int main(void) { return two ? two() : one(); }"
    )
    program = build(tmp_path / "program", source, libraries=[new], program=True)
    lenient = with_weak_needs(program, tmp_path / "lenient", "IT_2")
    lenient.chmod(0o755)

    def run(path: Path, folder: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [path],
            env={"LD_LIBRARY_PATH": str(folder)},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    assert run(program, new.parent).returncode == 42
    refused = run(program, old.parent)
    assert refused.returncode not in {41, 42}
    assert "IT_2" in refused.stderr
    assert run(lenient, old.parent).returncode == 41
    assert floors(read(program).version_needs)["IT"].hard == floors(read(lenient).version_needs)["IT"].soft


def test_private_version_is_no_number(corpus: dict[str, Path]) -> None:
    elf = read(corpus["private"])
    assert "GLIBC_PRIVATE" in {need.version for need in elf.version_needs}
    assert glibc_floor(elf) == Floor("GLIBC", None, None, private=True)
    assert not glibc_floor(read(corpus["strong_c"])).private


def test_versions_of_exported_symbols(corpus: dict[str, Path]) -> None:
    assert defined_versions(corpus["old_and_new"]) == {"V_1", "V_2"}
    exported = exported_symbols(corpus["old_and_new"])
    assert {symbol for symbol in exported if symbol.name == "f"} == {
        ExportedSymbol("f", "V_1", default=False, kind="function"),
        ExportedSymbol("f", "V_2", default=True, kind="function"),
    }
    assert "hidden" not in names(exported_symbols(corpus["versions"]))
    assert {
        (symbol.name, symbol.soname, symbol.version)
        for symbol in undefined_symbols(corpus["needs_two"])
        if symbol.name in {"one", "f"}
    } == {("one", "libversions.so", "V_1"), ("f", "liboldnew.so", "V_2")}


def test_copied_variable_is_exported_without_version(corpus: dict[str, Path]) -> None:
    path = made(corpus, "copied")
    assert any(symbol.version.startswith("GLIBC_") and symbol.letter == "B" for symbol in nm(path))
    exported = {symbol.name: symbol.version for symbol in exported_symbols(path)}
    assert exported["environ"] is None
    assert "environ" not in names(undefined_symbols(path))


# Symbol tables of which only the hash tables know the length.


def test_undefined_symbols_on_both_sides_of_the_hashed_ones(corpus: dict[str, Path]) -> None:
    path = corpus["undefined_and_hashed"]
    undefined = names(undefined_symbols(path))
    assert {"puts", "__libc_start_main"} <= undefined
    assert "own" in names(exported_symbols(path))
    if platform.machine() == "x86_64":
        data = path.read_bytes()
        assert first_hashed(data) <= symbol_number(path, "puts"), "the trap is not in the file"


def first_hashed(data: bytes) -> int:
    from io import BytesIO

    from elftools.elf.elffile import ELFFile

    section = ELFFile(BytesIO(data)).get_section_by_name(".gnu.hash")
    return int(section.params["symoffset"])


def symbol_number(path: Path, name: str) -> int:
    from elftools.elf.elffile import ELFFile

    with path.open("rb") as stream:
        symbols = ELFFile(stream).get_section_by_name(".dynsym").iter_symbols()
        return next(number for number, symbol in enumerate(symbols) if symbol.name == name)


@pytest.mark.parametrize("style", ["sysv", "gnu", "both"])
def test_every_hash_style(corpus: dict[str, Path], style: str) -> None:
    path = corpus[f"hash_{style}"]
    assert "puts" in names(undefined_symbols(path))
    assert {"own", "two", "p"} <= names(exported_symbols(path))


def test_library_that_only_imports(corpus: dict[str, Path]) -> None:
    path = corpus["imports_only"]
    assert names(undefined_symbols(path)) == {"puts"}
    assert exported_symbols(path) == []


# Flags.


def test_executable_stack(corpus: dict[str, Path], foreign: dict[str, Path]) -> None:
    assert read(corpus["stack_exec"]).executable_stack is True
    assert read(corpus["stack_plain"]).executable_stack is False
    assert read(foreign["x86_64"]).executable_stack is None


def test_isa_level_is_what_the_marker_says(corpus: dict[str, Path]) -> None:
    assert read(made(corpus, "level_marked")).isa_level == "x86-64-v3"
    # Code for the same processors without a marker: None proves nothing.
    unmarked = made(corpus, "level_unmarked")
    assert read(unmarked).isa_level is None
    said = subprocess.run(
        ["objdump", "-d", unmarked], capture_output=True, text=True, check=True, timeout=30
    ).stdout
    assert "%ymm" in said, "the trap is not in the file"


@pytest.mark.parametrize(
    ("name", "relro", "now"),
    [
        ("relro_none", "none", False),
        ("relro_partial", "partial", False),
        ("relro_full", "full", True),
        ("now_without_relro", "none", True),
    ],
)
def test_relro(corpus: dict[str, Path], name: str, relro: str, now: bool) -> None:
    elf = read(corpus[name])
    assert (elf.relro, elf.bind_now) == (relro, now)


def test_text_relocations(corpus: dict[str, Path]) -> None:
    assert read(made(corpus, "text_relocations")).text_relocations
    assert not read(corpus["library"]).text_relocations


def test_search_paths(corpus: dict[str, Path]) -> None:
    paths = ("$ORIGIN/../lib", "/opt/x")
    assert (read(corpus["rpath"]).rpath, read(corpus["rpath"]).runpath) == (paths, ())
    assert (read(corpus["runpath"]).rpath, read(corpus["runpath"]).runpath) == ((), paths)


def test_soname_and_build_id(corpus: dict[str, Path]) -> None:
    assert read(corpus["library"]).soname == "liblibrary.so.1"
    assert read(corpus["program"]).soname is None
    assert read(corpus["build_id"]).build_id == "0123456789abcdef"
    assert read(corpus["build_id_none"]).build_id is None
    found = read(corpus["build_id_sha1"]).build_id
    assert found is not None
    assert len(found) == 40
    if shutil.which("file") is None:
        pytest.skip("needs file to compare the build id")
    said = subprocess.run(
        ["file", "-b", corpus["build_id_sha1"]], capture_output=True, text=True, check=True, timeout=30
    )
    assert found in said.stdout


# Kinds of files.


def test_kinds(corpus: dict[str, Path]) -> None:
    program, fixed, library = read(corpus["program"]), read(corpus["no_pie"]), read(corpus["library"])
    assert (program.type, program.pie, program.static) == ("dyn", True, False)
    assert (fixed.type, fixed.pie, fixed.static) == ("exec", False, False)
    assert (library.type, library.pie, library.static) == ("dyn", False, False)
    assert library.interpreter is None
    assert (read(corpus["object"]).type, read(corpus["object"]).static) == ("rel", False)


def test_static_programs(corpus: dict[str, Path]) -> None:
    fixed = read(made(corpus, "static"))
    assert (fixed.static, fixed.pie, fixed.interpreter, fixed.needed) == (True, False, None, ())
    assert undefined_symbols(corpus["static"]) == []
    movable = read(made(corpus, "static_pie"))
    assert (movable.static, movable.pie, movable.interpreter, movable.needed) == (True, True, None, ())


def test_library_that_is_a_program_too(corpus: dict[str, Path]) -> None:
    path = corpus["library_with_interpreter"]
    elf = read(path)
    assert elf.interpreter == "/lib64/ld-linux-x86-64.so.2"
    assert elf.soname == "libboth.so.1"
    assert not elf.pie
    assert not elf.static
    assert not os.access(path, os.X_OK) or os.stat(path).st_mode & 0o111 == 0  # noqa: PTH116


@pytest.mark.parametrize("name", ["needs_two", "program", "versions"])
def test_stripped_files_say_the_same(corpus: dict[str, Path], name: str) -> None:
    assert_same_facts(corpus[name], corpus[f"{name}_stripped"])


@pytest.mark.parametrize(("name", "bare"), [("needs_two", "no_sections"), ("program", "program_no_sections")])
def test_files_without_section_headers_say_the_same(corpus: dict[str, Path], name: str, bare: str) -> None:
    assert_same_facts(corpus[name], made(corpus, bare))


def assert_same_facts(one: Path, other: Path) -> None:
    assert read(one, "it") == read(other, "it")
    assert undefined_symbols(one) == undefined_symbols(other)
    assert exported_symbols(one) == exported_symbols(other)
    assert defined_versions(one) == defined_versions(other)


def test_detached_debug_file_is_read_without_nonsense(corpus: dict[str, Path]) -> None:
    path = corpus["debug_file"]
    elf = read(path)
    assert elf.build_id == read(corpus["with_debug"]).build_id
    assert elf.version_needs == ()
    assert elf.needed == ()
    assert undefined_symbols(path) == []
    assert exported_symbols(path) == []
    assert defined_versions(path) == frozenset()


# Other machines.


def test_32_bits_by_the_compiler(tmp_path: Path) -> None:
    if platform.machine() != "x86_64":
        pytest.skip("needs a compiler for x86_64")
    path = make_32(tmp_path)
    elf = read(path)
    assert (elf.bits, elf.machine, elf.soname, elf.needed) == (32, "i686", "lib32.so", ())
    assert names(undefined_symbols(path)) == {"far"}
    assert "f" in names(exported_symbols(path))


@pytest.mark.parametrize("machine", FOREIGN)
def test_foreign_machines(foreign: dict[str, Path], machine: str) -> None:
    path = foreign[machine]
    number, bits, big = FOREIGN[machine]
    elf = read(path)
    assert (elf.machine, elf.e_machine, elf.bits) == (machine, number, bits)
    assert elf.byte_order == ("big" if big else "little")
    assert elf.needed == ("libc.so.6", "libm.so.6")
    assert elf.soname == f"lib{machine}.so.1"
    assert elf.interpreter == "/lib/ld.so"
    assert elf.build_id == bytes(range(1, 21)).hex()
    assert [need[:3] for need in elf.version_needs] == [
        ("libc.so.6", "GLIBC_2.17", False),
        ("libc.so.6", "GLIBC_2.34", True),
        ("libm.so.6", "GLIBC_2.29", False),
    ]
    assert undefined_symbols(path) == [
        UndefinedSymbol("puts", "libc.so.6", "GLIBC_2.17", weak=False, version_weak=False),
        UndefinedSymbol("later", "libc.so.6", "GLIBC_2.34", weak=False, version_weak=True),
        UndefinedSymbol("exp", "libm.so.6", "GLIBC_2.29", weak=False, version_weak=False),
        UndefinedSymbol("loose", None, None, weak=False, version_weak=False),
    ]
    assert [(symbol.name, symbol.version) for symbol in exported_symbols(path)] == [
        ("one", "OWN_1"),
        ("two", "OWN_2"),
        ("plain", None),
    ]
    assert defined_versions(path) == {"OWN_1", "OWN_2"}


def test_unknown_machine_has_its_number() -> None:
    elf = read(write_elf(machine=4711, needed=["libc.so"]))
    assert (elf.machine, elf.e_machine) == ("EM_4711", 4711)


def test_origin_inside_needed() -> None:
    elf = read(write_elf(needed=["$ORIGIN/../lib/libpython3.12.so.1.0", "libc.so.6"]))
    assert elf.needed[0] == "$ORIGIN/../lib/libpython3.12.so.1.0"


def test_many_versions_are_all_read() -> None:
    # More than fit into the window that is read first.
    wanted = [(f"GLIBC_2.{number}", False) for number in range(2000)]
    elf = read(write_elf(needs={"libc.so.6": wanted}))
    assert [need.version for need in elf.version_needs] == [version for version, _ in wanted]
    assert hard(elf) == (2, 1999)


def test_every_kind_of_source_says_the_same(corpus: dict[str, Path]) -> None:
    path = corpus["needs_two"]
    data = path.read_bytes()
    expected = read(path, "it")
    with path.open("rb") as stream:
        assert read(stream, "it") == expected
    assert read(str(path), "it") == read(data, "it") == read(memoryview(data), "it") == expected
    assert read(data).name == "<bytes>"
    assert read(path).name == str(path)


def test_elf_hash_is_that_of_the_linker() -> None:
    # Kept by every file that needs this version: what the makers patch by is right.
    assert elf_hash(b"GLIBC_2.2.5") == 0x09691A75


def test_version_need_is_a_plain_tuple() -> None:
    assert VersionNeed("libc.so.6", "GLIBC_2.17", False, 2) == ("libc.so.6", "GLIBC_2.17", False, 2)
