"""What the bytes of functions tell of how a compiler was told to work; for x86-64 and AArch64.

Patterns of a few bytes are searched for, nothing is disassembled. Among the 50,000 bytes of an interpreter
loop a pattern turns up by chance a few times: counts are good to that, and no more is asked of them.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable

__all__ = ["AARCH64", "X86_64", "has_frame", "has_landing", "indirect_jumps", "vector_encoding"]

X86_64, AARCH64 = 62, 183

_ENDBR64 = b"\xf3\x0f\x1e\xfa"
# push rbp; mov rbp, rsp in both its encodings.
_FRAMES = (b"\x55\x48\x89\xe5", b"\x55\x48\x8b\xec")
# jmp *register; jmp *(register); jmp *table(, register, 8), the table anywhere.
_JUMP = re.compile(rb"\xff(?:[\xe0-\xe7]|[\x20-\x23\x26\x27]|\x24[\xc0-\xff])")
# Scalar double arithmetic (add, multiply, subtract, divide, move): with SSE2's prefix, with AVX's.
_SSE = re.compile(rb"\xf2(?:[\x40-\x4f])?\x0f[\x10\x11\x58\x59\x5c\x5e]")
_AVX = re.compile(rb"\xc5[\x83-\xfb][\x10\x11\x58\x59\x5c\x5e]")


def has_landing(code: bytes, machine: int) -> bool:
    """Tell whether a function begins with a landing pad for indirect branches (endbr64; bti, paciasp)."""
    if machine == X86_64:
        return code.startswith(_ENDBR64)
    return bool(code[:4]) and _word(code) in (0xD503245F, 0xD503233F, 0xD50324DF)


def has_frame(code: bytes, machine: int) -> bool:
    """Tell whether a function begins by keeping a frame pointer.

    On x86-64 ``push rbp; mov rbp, rsp``; on AArch64 ``stp x29, x30, [sp, ...]!`` among the first four words.
    """
    if machine == X86_64:
        return code.removeprefix(_ENDBR64).startswith(_FRAMES)
    words = [_word(code[at:]) for at in range(0, min(len(code) - 3, 16), 4)]
    return any(word & 0xFFC07FFF == 0xA9807BFD for word in words)


def indirect_jumps(code: bytes, machine: int) -> int:
    """Count the jumps to computed addresses: one for each opcode where gotos are computed."""
    if machine == X86_64:
        return len(_JUMP.findall(code))
    words = struct.iter_unpack("<I", code[: len(code) // 4 * 4])
    return sum(1 for (word,) in words if word & 0xFFFFFC1F == 0xD61F0000)


def vector_encoding(functions: Iterable[bytes]) -> tuple[int, int]:
    """Count float instructions of x86-64 functions by encoding: SSE2's, which all have, and AVX's."""
    sse = avx = 0
    for code in functions:
        sse += len(_SSE.findall(code))
        avx += len(_AVX.findall(code))
    return sse, avx


def _word(code: bytes) -> int:
    return int.from_bytes(code[:4], "little")
