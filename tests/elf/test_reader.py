"""The fast reader says what pyelftools and binutils say, on every ELF file of the machine."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import pytest
from corpus.elf_files import elf_files
from elftools.elf.elffile import ELFFile
from pyassay.elf.deep import read_deep
from pyassay.elf.reader import ElfError, ElfFile, read


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
