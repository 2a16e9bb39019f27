"""AppImages, and squashfs images alone. The library is PySquashfsImage, kept from believing what it reads.

It knows the structures on disk. What it does with them at once (scan the whole tree; hold every folder, block
list and metadata block; unpack blocks of any size) is done here step by step, with the bounds of the kernel's
own reader (``fs/squashfs``): an image of 200 kB could take gigabytes otherwise.
"""

from __future__ import annotations

import io
import lzma
import stat
import struct
import zlib
from collections import OrderedDict
from collections.abc import Iterator
from ctypes import sizeof
from functools import partial
from typing import Any, BinaryIO, NamedTuple, cast

import zstandard
from PySquashfsImage import SquashFsImage
from PySquashfsImage.structure import DirEntry, DirHeader

from pyassay.filetree.model import DAMAGED, FileTreeError, Member, Refused, one_line
from pyassay.filetree.reading import Context, Enough

__all__ = ["MAGIC", "find_image", "read"]

MAGIC = b"hsqs"
_PACKINGS = {1: "gzip", 2: "lzma", 3: "lzo", 4: "xz", 5: "lz4", 6: "zstd"}
_MAX_FRAGMENTS = 100_000  # each is a block full of the ends of files
_MAX_BLOCK = 1 << 20
_METADATA_BLOCK = 8192
_MAX_METADATA = 64 << 10  # of one structure; a link's target is the longest, and the kernel has 4096
_KEPT_METADATA = 512
_KEPT_FRAGMENTS = 8
_MAX_ENTRIES = 256  # below one header of a folder; the kernel's bound
_MAX_NAME = 256
_MAX_DEPTH = 60
_MAX_LINK = 4096
_FOLDERS, _FILES, _LINKS = (1, 8), (2, 9), (3, 10)
_UNPACKED = 1 << 24  # the flag of a data block that is stored as it is
_NO_FRAGMENT = 0xFFFFFFFF
_LZMA_MEMORY = 64 << 20
_ZSTD_WINDOW = 8 << 20
_DAMAGED: tuple[type[Exception], ...] = (
    *DAMAGED,
    struct.error,
    LookupError,
    TypeError,
    AttributeError,
    MemoryError,
    zstandard.ZstdError,
)


# Where the image lies --------------------------------------------------------------------------------------


def find_image(source: BinaryIO) -> int | None:
    """Return where behind an ELF program (or at the start) a squashfs image begins; None: there is none.

    The runtime of an AppImage looks behind the end of its own ELF file. A program that is marked as an AppImage
    and has something else there (type 1, DwarFS) gives that place, too: :func:`read` says what it is.
    """
    size = source.seek(0, io.SEEK_END)
    source.seek(0)
    head = source.read(64)
    if head[:4] == MAGIC:
        return 0
    ends = [end for end in _ends_of_elf(source, head) if 0 < end < size]
    for end in ends:
        source.seek(end)
        if source.read(4) == MAGIC:
            return end
    return max(ends, default=None) if head[8:10] == b"AI" else None


def _ends_of_elf(source: BinaryIO, head: bytes) -> list[int]:
    """Return where an ELF file may end: behind its section headers, or the last section or segment."""
    if len(head) < 64 or head[:4] != b"\x7fELF" or head[4] not in (1, 2) or head[5] not in (1, 2):
        return []
    order, wide = "<" if head[5] == 1 else ">", head[4] == 2
    word = "Q" if wide else "I"
    segments, sections = struct.unpack_from(f"{order}{word}{word}", head, 32 if wide else 28)
    sizes = struct.unpack_from(f"{order}HHHH", head, 54 if wide else 42)
    ends = [sections + sizes[2] * sizes[3]] if sections else []
    last = 0
    # Offset and size of a segment; of a section the same, and its type: SHT_NOBITS takes no room.
    for place, length, count, at, kind_at in (
        (segments, sizes[0], sizes[1], (8, 32) if wide else (4, 16), None),
        (sections, sizes[2], sizes[3], (24, 32) if wide else (16, 20), 4),
    ):
        if not place or length < max(at) + (8 if wide else 4):
            continue
        source.seek(min(place, 1 << 62))
        table = source.read(length * count)
        for entry in range(0, len(table) - length + 1, length):
            if kind_at and struct.unpack_from(f"{order}I", table, entry + kind_at)[0] == 8:
                continue
            last = max(last, *(_sum(table, f"{order}{word}", entry, at) for _ in (0,)))
    return [*ends, last, *(max(end, last) for end in ends)]
