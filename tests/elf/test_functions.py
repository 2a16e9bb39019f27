"""Functions, linkage table, sections: as pyelftools reads them, and for every class and byte order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from corpus.elf_files import sample
from corpus.elf_makers import FOREIGN, write_foreign
from elftools.elf.elffile import ELFFile
from pyassay.elf.functions import exported_functions, linkage_names, local_functions, sections
from pyassay.elf.reader import Image
from pyassay.probes.build.evidence import read_evidence

KINDS = ("STT_FUNC", "STT_GNU_IFUNC", "STT_LOOS")


def _functions(table: Any) -> list[tuple[str, int, int]]:
    return [
        (symbol.name, symbol["st_value"], symbol["st_size"])
        for symbol in table.iter_symbols()
        if symbol["st_info"]["type"] in KINDS and symbol["st_shndx"] != "SHN_UNDEF"
    ]


def test_real_files_as_pyelftools_reads_them() -> None:
    compared = sum(_compared(path) for path in sample(12))
    if not compared:
        pytest.skip("no file with dynamic symbols on this machine")


def _compared(path: Path) -> bool:
    with path.open("rb") as stream, Image(path) as image:
        elf = ELFFile(stream)
        dynamic = elf.get_section_by_name(".dynsym")
        if dynamic is None:
            return False
        assert [tuple(one) for one in exported_functions(image)] == _functions(dynamic), path
        full = elf.get_section_by_name(".symtab")
        assert [tuple(one) for one in local_functions(image)] == (_functions(full) if full else []), path
        assert [one.name for one in sections(image)] == [one.name for one in elf.iter_sections()], path
        calls = next((one for one in elf.iter_sections() if one.name in (".rela.plt", ".rel.plt")), None)
        indices = {one["r_info_sym"] for one in calls.iter_relocations()} - {0} if calls else set()
        assert linkage_names(image) == {dynamic.get_symbol(index).name for index in indices}, path
    return True


@pytest.mark.parametrize("machine", FOREIGN)
def test_every_class_and_byte_order(machine: str) -> None:
    content = write_foreign(machine)
    with Image(content) as image:
        named = {one.name: one for one in exported_functions(image)}
        assert {"one", "two", "plain"} <= set(named)
        assert {one.address for one in named.values()} == {0x1000}
        assert sections(image) == local_functions(image) == []
        assert linkage_names(image) == set()
    # No interpreter: what cannot be told is not guessed, whatever the processor.
    seen = read_evidence(content, "3.13.1")
    for fact in ("pgo", "lto", "unoptimised", "computed_gotos", "frame_pointers", "bolt"):
        assert seen[fact].observed == "unknown", fact
