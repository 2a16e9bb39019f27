"""ELF files: bytes, not Pythons. The fast reader is :mod:`.reader`, the deep one :mod:`.deep`."""

from pyassay.elf.reader import ElfError, ElfFile, NotElf, VersionNeed, is_elf, read

__all__ = ["ElfError", "ElfFile", "NotElf", "VersionNeed", "is_elf", "read"]
