"""Which parts of a huge ELF file its loader's facts lie in, told from its first bytes."""

from __future__ import annotations

import struct

__all__ = ["windows"]

# What a loader reads lies at the front of what a linker writes, and at the end once patchelf moved it.
_FRONT_BYTES = 24 << 20
_BACK_BYTES = 16 << 20
_MARGIN = 64 << 10
_WANTED = {2, 3, 4, 0x6474E553}  # PT_DYNAMIC, PT_INTERP, PT_NOTE, PT_GNU_PROPERTY
_MAX_SEGMENTS = 128


def windows(head: bytes, size: int) -> list[tuple[int, int]]:
    """Return the ranges (offset, length) worth keeping of a file that cannot be kept whole.

    Parameters
    ----------
    head : bytes
        Its first bytes, at least the program headers.
    size : int
        Of the whole file.
    """
    found = [(0, min(size, _FRONT_BYTES)), (max(0, size - _BACK_BYTES), min(size, _BACK_BYTES))]
    if len(head) < 64 or head[:4] != b"\x7fELF" or head[4] not in (1, 2) or head[5] not in (1, 2):
        return found
    order = "<" if head[5] == 1 else ">"
    wide = head[4] == 2
    start = (
        struct.unpack_from(order + "Q", head, 32)[0] if wide else struct.unpack_from(order + "I", head, 28)[0]
    )
    entry, count = struct.unpack_from(order + "HH", head, 54 if wide else 42)
    for number in range(min(count, _MAX_SEGMENTS)):
        at = start + number * entry
        if entry < (56 if wide else 32) or at + entry > len(head):
            break
        kind = struct.unpack_from(order + "I", head, at)[0]
        layout, place = ("QxxxxxxxxxxxxxxxxQ", at + 8) if wide else ("IxxxxxxxxI", at + 4)
        offset, length = struct.unpack_from(order + layout, head, place)
        if kind in _WANTED and offset < size:
            first = max(0, offset - _MARGIN)
            found.append((first, min(size - first, min(length, _FRONT_BYTES) + 2 * _MARGIN)))
    return found
