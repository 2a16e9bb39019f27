"""The same facts through pyelftools and the section headers: the proof of the fast reader.

It shares no parsing with :mod:`.reader`, so what both say alike was found in two ways; and it sees
the notes that no program header names (Go's linker, object files). It is a hundred times slower and not
hardened: hostile files are for the fast reader.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

from pyassay.elf.reader import ElfError, ElfFile, NotElf, VersionNeed, machine_name, shown

__all__ = ["read_deep"]

_TYPES = {"ET_REL": "rel", "ET_EXEC": "exec", "ET_DYN": "dyn", "ET_CORE": "core"}
_ISA_1_NEEDED = 0xC0008002


def read_deep(path: Path | str, name: str | None = None) -> ElfFile:
    """Read the facts of one ELF file through pyelftools.

    Version needs and notes are taken from sections where there are any, from segments else.

    Parameters
    ----------
    path : Path or str
        The file.
    name : str, optional
        How messages call it; by default the path.

    Raises
    ------
    NotElf
        If it does not begin with the ELF magic.
    ElfError
        If pyelftools cannot read it.
    OSError
        If it cannot be read at all.
    """
    from elftools.common.exceptions import ELFError as ElftoolsError
    from elftools.construct.core import ConstructError
    from elftools.elf.elffile import ELFFile as Elf

    label = shown(name if name is not None else path)
    with Path(path).open("rb") as stream:
        if stream.read(4) != b"\x7fELF":
            raise NotElf(f"{label}: not an ELF file")
        try:
            return _facts(Elf(stream), label)
        except (
            ElftoolsError,
            ConstructError,
            struct.error,
            UnicodeError,
            # pyelftools trusts what it reads.
            AttributeError,
            LookupError,
            TypeError,
            OverflowError,
            ValueError,
        ) as error:
            raise ElfError(f"{label}: {shown(str(error) or type(error).__name__)}") from error


def _facts(elf: Any, name: str) -> ElfFile:
    segments = list(elf.iter_segments())
    kinds = {segment["p_type"] for segment in segments}
    dynamic = next((item for item in segments if item["p_type"] == "PT_DYNAMIC" and item["p_filesz"]), None)
    tags = list(dynamic.iter_tags()) if dynamic is not None else []
    values = {tag.entry.d_tag: tag.entry.d_val for tag in tags}
    strings = {tag.entry.d_tag: tag for tag in tags}
    interpreter = next(
        (
            item.get_interp_name()
            for item in reversed(segments)
            if item["p_type"] == "PT_INTERP" and item["p_filesz"]
        ),
        None,
    )
    flags, flags_1 = values.get("DT_FLAGS", 0), values.get("DT_FLAGS_1", 0)
    bind_now = "DT_BIND_NOW" in values or bool(flags & 8) or bool(flags_1 & 1)
    stack = [item["p_flags"] for item in segments if item["p_type"] == "PT_GNU_STACK"]
    needed = tuple(tag.needed for tag in tags if tag.entry.d_tag == "DT_NEEDED")
    number = _machine_number(elf)
    kind = _TYPES.get(elf["e_type"], "other")
    named_pie = bool(flags_1 & 0x08000000)
    build_id, isa_level = _notes(elf, number)
    relro = "none"
    if "PT_GNU_RELRO" in kinds:
        relro = "full" if bind_now else "partial"
    has_dynamic = bool([tag for tag in tags if tag.entry.d_tag != "DT_NULL"])
    byte_order = "little" if elf.little_endian else "big"
    return ElfFile(
        name=name,
        bits=elf.elfclass,
        byte_order=byte_order,
        machine=machine_name(number, elf.elfclass, byte_order),
        e_machine=number,
        type=kind,
        interpreter=interpreter,
        soname=strings["DT_SONAME"].soname if "DT_SONAME" in strings else None,
        needed=needed,
        rpath=_split(strings["DT_RPATH"].rpath if "DT_RPATH" in strings else ""),
        runpath=_split(strings["DT_RUNPATH"].runpath if "DT_RUNPATH" in strings else ""),
        version_needs=_version_needs(elf, dynamic, values),
        executable_stack=bool(stack[-1] & 1) if stack else None,
        text_relocations="DT_TEXTREL" in values or bool(flags & 4),
        relro=relro,
        bind_now=bind_now,
        packed_relocations="DT_RELR" in values,
        isa_level=isa_level,
        build_id=build_id,
        static=kind in {"exec", "dyn"}
        and interpreter is None
        and not needed
        and (kind == "exec" or not has_dynamic or named_pie),
        pie=kind == "dyn" and (named_pie or (interpreter is not None and "DT_SONAME" not in values)),
    )


def _split(path: str) -> tuple[str, ...]:
    return tuple(part for part in path.split(":") if part)


def _machine_number(elf: Any) -> int:
    from elftools.elf.enums import ENUM_E_MACHINE

    machine = elf["e_machine"]  # pyelftools gives the name where it has one
    return machine if isinstance(machine, int) else int(ENUM_E_MACHINE[machine])


def _version_needs(elf: Any, dynamic: Any, values: dict[str, int]) -> tuple[VersionNeed, ...]:
    from elftools.construct.lib.container import Container
    from elftools.elf.gnuversions import GNUVerNeedSection

    section = next((item for item in elf.iter_sections() if item["sh_type"] == "SHT_GNU_verneed"), None)
    if section is None or section["sh_type"] == "SHT_NOBITS":
        if dynamic is None or not values.get("DT_VERNEEDNUM"):
            return ()
        _, offset = dynamic.get_table_offset("DT_VERNEED")
        header = Container(
            sh_type="SHT_GNU_verneed",
            sh_offset=offset,
            sh_info=values["DT_VERNEEDNUM"],
            sh_size=0,
            sh_flags=0,
            sh_addralign=1,
        )
        section = GNUVerNeedSection(header, "", elf, dynamic._get_stringtable())
    return tuple(
        VersionNeed(need.name or "", entry.name, bool(entry["vna_flags"] & 2), entry["vna_other"] & 0x7FFF)
        for need, entries in section.iter_versions()
        for entry in entries
    )


def _notes(elf: Any, machine: int) -> tuple[str | None, str | None]:
    """Return the build id and the ISA level that the notes declare."""
    sections = [item for item in elf.iter_sections() if item["sh_type"] == "SHT_NOTE"]
    holders = sections or [item for item in elf.iter_segments() if item["p_type"] == "PT_NOTE"]
    build_id: str | None = None
    isa_level: str | None = None
    for note in (note for holder in holders for note in holder.iter_notes()):
        if note["n_name"] != "GNU":
            continue
        if note["n_type"] == "NT_GNU_BUILD_ID":
            build_id = note["n_desc"] or build_id
        elif note["n_type"] == "NT_GNU_PROPERTY_TYPE_0" and machine in {3, 62}:
            for item in note["n_desc"]:
                if item.pr_type in {_ISA_1_NEEDED, "GNU_PROPERTY_X86_ISA_1_NEEDED"}:
                    wanted = int(item.pr_data).bit_length()
                    isa_level = f"x86-64-v{min(wanted, 4)}" if wanted else isa_level
    return build_id, isa_level
