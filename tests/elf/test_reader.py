"""The fast reader says what pyelftools and binutils say, on every ELF file of the machine."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import pytest
from corpus.binutils import build_ids, nm, readelf
from corpus.elf_files import elf_files, sample
from elftools.elf.elffile import ELFFile
from pyassay.elf.deep import read_deep
from pyassay.elf.reader import ElfError, ElfFile, read
from pyassay.elf.symbols import defined_versions, exported_symbols, undefined_symbols


def outcome(reader: object, path: Path) -> ElfFile | None:
    try:
        return reader(path)  # type: ignore[operator, no-any-return]
    except ElfError:
        return None


def notes_only_in_sections(path: Path) -> bool:
    """Tell whether a note lies outside every PT_NOTE, where a reader of program headers cannot see it."""
    with path.open("rb") as stream:
        elf = ELFFile(stream)
        held = [
            (segment["p_offset"], segment["p_offset"] + segment["p_filesz"])
            for segment in elf.iter_segments("PT_NOTE")
        ]
        return any(
            not any(
                start <= section["sh_offset"] and section["sh_offset"] + section["sh_size"] <= end
                for start, end in held
            )
            for section in elf.iter_sections("SHT_NOTE")
        )


def differences(fast: ElfFile, deep: ElfFile) -> dict[str, tuple[object, object]]:
    pairs = {field.name: (getattr(fast, field.name), getattr(deep, field.name)) for field in fields(ElfFile)}
    return {name: (one, other) for name, (one, other) in pairs.items() if one != other}


@pytest.mark.slow
def test_equals_pyelftools_on_every_file_of_the_machine() -> None:
    files = elf_files()
    if len(files) < 1000:
        pytest.skip(f"only {len(files)} ELF files on this machine, too few to prove anything")
    wrong: list[str] = []
    refused = 0
    outside = 0
    for path in files:
        fast, deep = outcome(read, path), outcome(read_deep, path)
        if fast is None or deep is None:
            refused += 1
            if fast is not deep:
                wrong.append(f"{path}: only {'pyelftools' if fast is None else 'the fast reader'} reads it")
            continue
        if fast.build_id is None or fast.isa_level is None:
            # Go's linker and object files keep notes that no program header names.
            seen = replace(deep, build_id=fast.build_id, isa_level=fast.isa_level)
            if seen != deep and notes_only_in_sections(path):
                outside += 1
                deep = seen
        if fast != deep:
            wrong.append(f"{path}: {differences(fast, deep)}")
    assert not wrong, "\n".join(wrong[:20])
    assert refused < len(files) / 100
    assert outside < len(files) / 20


_TYPES = {"EXEC": "exec", "DYN": "dyn", "REL": "rel", "CORE": "core"}


def assert_equals_readelf(path: Path, *, versions: bool = True) -> None:
    """Hold the facts against readelf, which finds versions by section headers only."""
    elf, said = read(path), readelf(path)
    assert elf.type == _TYPES.get(said.type, "other"), path
    assert elf.interpreter == said.interpreter, path
    assert elf.soname == said.soname, path
    assert list(elf.needed) == said.needed, path
    assert list(elf.rpath) == [part for part in said.rpath.split(":") if part], path
    assert list(elf.runpath) == [part for part in said.runpath.split(":") if part], path
    if versions:
        assert [tuple(need) for need in elf.version_needs] == said.version_needs, path
        assert defined_versions(path) == said.defined_versions, path
    assert elf.executable_stack == said.executable_stack, path
    assert elf.text_relocations == said.text_relocations, path
    assert elf.bind_now == said.bind_now, path
    assert (elf.relro != "none") == said.has_relro, path
    assert (elf.relro == "full") == (said.has_relro and said.bind_now), path
    assert elf.packed_relocations == said.packed_relocations, path
    assert elf.pie or not said.named_pie, path


def assert_equals_nm(path: Path) -> None:
    """Hold the symbols against nm.

    nm prints the needed version of a copied variable; ours exports it without one, because the file defines
    no versions.
    """
    said = nm(path)
    needs = {need.version for need in read(path).version_needs}
    undefined = undefined_symbols(path)
    mine = sorted((one.name, one.version or "", one.weak) for one in undefined)
    theirs = sorted((one.name, one.version, one.letter in "wv") for one in said if one.letter in "Uwv")
    assert mine == theirs, path
    defined = defined_versions(path)
    own = sorted(
        (one.name, one.version or "", one.default)
        for one in exported_symbols(path)
        if one.name not in defined  # the linker's marks of the versions themselves
    )
    expected = sorted(
        (
            one.name,
            "" if one.version in needs - defined else one.version,
            one.default or one.version in needs - defined,
        )
        for one in said
        if one.letter not in "Uwv"
        and (one.letter.isupper() or one.letter in "ui")
        and one.name not in defined
    )
    assert own == expected, path


def test_equals_readelf_on_the_corpus(corpus: dict[str, Path]) -> None:
    for name, path in corpus.items():
        assert_equals_readelf(path, versions="no_sections" not in name)


def test_equals_readelf_on_foreign_files(foreign: dict[str, Path]) -> None:
    for path in foreign.values():
        assert_equals_readelf(path, versions=False)


def test_equals_readelf_on_a_sample_of_the_machine() -> None:
    for path in sample(100):
        assert_equals_readelf(path)


def test_symbols_equal_nm_on_the_corpus(corpus: dict[str, Path]) -> None:
    for name, path in corpus.items():
        # nm reads nothing without section headers, and a debug file keeps only those.
        if name not in {"debug_file", "object"} and "no_sections" not in name:
            assert_equals_nm(path)


def test_symbols_equal_nm_on_a_sample_of_the_machine() -> None:
    for path in sample(100):
        if read(path).type != "rel":
            assert_equals_nm(path)


def test_equals_pyelftools_on_the_corpus(corpus: dict[str, Path], foreign: dict[str, Path]) -> None:
    for name, path in {**corpus, **foreign}.items():
        fast, deep = read(path), read_deep(path)
        assert fast == deep or name == "object", differences(fast, deep)


def test_build_ids_equal_readelf(corpus: dict[str, Path]) -> None:
    paths = [path for name, path in corpus.items() if "no_sections" not in name]
    assert [read(path).build_id for path in paths] == build_ids(paths)
