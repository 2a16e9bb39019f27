"""What a binary shows of how it was made fast: layout, symbols, jumps, instruction set."""

from __future__ import annotations

import re
from collections.abc import Callable

from pyassay.elf.functions import code_at, content_of, linkage_names
from pyassay.probes.build.finding import LIKELY, NO, UNKNOWN, YES, Evidence, Finding, in_data, is_there
from pyassay.probes.build.machine_code import AARCH64, X86_64, indirect_jumps, vector_encoding

__all__ = ["READERS"]

_FLOATS = ("_Py_c_sum", "_Py_c_diff", "_Py_c_prod", "_Py_c_quot", "_Py_c_neg", "PyFloat_FromDouble")
_MAX_LOOP_BYTES = 4 << 20
_MAX_SWITCHES_BYTES = 1 << 14
# A switch is compiled to a handful of indirect jumps, computed gotos to one for each of some 150 opcodes.
_GOTOS_FROM, _SWITCH_UP_TO = 60, 20
_SMALL_LOOP_BYTES = 8192


def _by_layout(evidence: Evidence, what: str) -> Finding:
    order = evidence.order
    if order is None:
        return Finding(UNKNOWN, "layout: too few exported Py functions to tell")
    how = (
        f"layout: scatter {order.scatter:.3f} of {order.functions} exported functions of "
        f"{order.families} C modules"
    )
    if order.kind == "together":
        return Finding(NO, f"{how}; each module lies together", order.scatter)
    if order.kind == "scattered":
        return Finding(LIKELY, f"{how}; as seen where both PGO and LTO were on, {what}", order.scatter)
    return Finding(UNKNOWN, f"{how}; neither as with PGO and LTO nor as without", order.scatter)


def _pgo(evidence: Evidence) -> Finding:
    return _by_layout(evidence, "not proof of PGO alone")


def _lto(evidence: Evidence) -> Finding:
    marked = [one.name for one in evidence.local if ".lto_priv." in one.name or ".llvm." in one.name]
    if marked:
        return Finding(
            YES, f"symbols: {len(marked)} that only LTO names, such as {marked[0][:80]}", len(marked)
        )
    return _by_layout(evidence, "not proof of LTO alone")


def _unoptimised(evidence: Evidence) -> Finding:
    """Neither PGO nor LTO, which the layout shows for both at once."""
    found = _by_layout(evidence, "")
    flipped = {NO: YES, LIKELY: NO}.get(found.observed, UNKNOWN)
    if flipped == NO:
        return Finding(NO, found.evidence.rpartition(";")[0] + "; not the order of object files", found.value)
    return Finding(flipped, found.evidence, found.value)


def _bolt(evidence: Evidence) -> Finding:
    marked = [one.name for one in evidence.listed if "bolt" in one.name.lower()]
    if marked:
        return Finding(YES, f"sections: {', '.join(marked)}", len(marked))
    if not evidence.listed:
        return Finding(UNKNOWN, "sections: the file has no section headers")
    return Finding(NO, f"sections: none of {len(evidence.listed)} is BOLT's", 0)


def _computed_gotos(evidence: Evidence) -> Finding:
    loop = evidence.loop
    if loop is None:
        return Finding(UNKNOWN, "code: the interpreter loop has no symbol with a size")
    if evidence.machine not in (X86_64, AARCH64):
        return Finding(UNKNOWN, "code: jumps are told for x86-64 and AArch64 only")
    code = code_at(evidence.image, loop.address, min(loop.size, _MAX_LOOP_BYTES))
    jumps = indirect_jumps(code, evidence.machine)
    how = f"code: {jumps} indirect jumps in the {len(code)} bytes of {loop.name}"
    if jumps >= _GOTOS_FROM:
        return Finding(YES, how, jumps)
    # Where opcodes are functions that call each other, the loop is small and jumps nowhere.
    if jumps <= _SWITCH_UP_TO and (evidence.version < (3, 14) or loop.size > _SMALL_LOOP_BYTES):
        return Finding(NO, how, jumps)
    return Finding(UNKNOWN, how, jumps)


def _tail_calls(evidence: Evidence) -> Finding:
    if (0, 0) < evidence.version < (3, 14):
        return Finding(NO, "version: there is none before 3.14")
    handlers = sum(1 for one in evidence.local if one.name.startswith("_TAIL_CALL_"))
    if handlers:
        return Finding(YES, f"symbols: {handlers} functions _TAIL_CALL_*", handlers)
    loop = evidence.loop
    if evidence.local and loop is not None:
        return Finding(NO, f"symbols: none of {len(evidence.local)} functions is _TAIL_CALL_*", 0)
    if loop is None:
        return Finding(UNKNOWN, "code: the interpreter loop has no symbol with a size")
    how = f"code: {loop.name} takes {loop.size} bytes"
    # With a function for each opcode only the way in and out is left of the loop.
    return Finding(LIKELY if loop.size <= _SMALL_LOOP_BYTES else NO, how, loop.size)


def _jit(evidence: Evidence) -> Finding:
    if (0, 0) < evidence.version < (3, 13):
        return Finding(NO, "version: there is none before 3.13")
    if "_PyJIT_Compile" in evidence.named:
        return Finding(YES, "symbols: _PyJIT_Compile")
    if evidence.local:
        return Finding(NO, f"symbols: no _PyJIT_Compile among {len(evidence.local)} functions")
    texts = in_data(evidence, b"PYTHON_JIT")
    if texts is None:
        return Finding(UNKNOWN, "symbols: stripped, and it would not be exported")
    # The variable that turns it on is only read where it is compiled in.
    return Finding(LIKELY if texts else NO, f"texts: the variable PYTHON_JIT {is_there(bool(texts))}", texts)


def _free_threading(evidence: Evidence) -> Finding:
    if (0, 0) < evidence.version < (3, 13):
        return Finding(NO, "version: there is none before 3.13")
    if not evidence.own:
        return Finding(UNKNOWN, "symbols: no Py functions are exported")
    name = "_Py_MergeZeroLocalRefcount"
    return Finding(
        YES if name in evidence.named else NO, f"symbols: {name} {is_there(name in evidence.named)}"
    )


def _interposition(evidence: Evidence) -> Finding:
    own = {one.name for one in evidence.own}
    if not own:
        return Finding(UNKNOWN, "relocations: no Py functions are exported")
    count = len(own & linkage_names(evidence.image))
    how = f"relocations: {count} of its own {len(own)} Py functions are called through the linkage table"
    return Finding(YES if count else NO, how, count)


def _march(evidence: Evidence) -> Finding:
    level = evidence.image.facts().isa_level
    if level is not None:
        return Finding(level, "note: .note.gnu.property says that it is needed")
    if evidence.machine != X86_64:
        return Finding(UNKNOWN, "code: told for x86-64 only")
    functions = [found for name in _FLOATS if (found := evidence.named.get(name)) is not None and found.size]
    sse, avx = vector_encoding(code_at(evidence.image, one.address, one.size) for one in functions)
    how = f"code: {sse} float instructions of SSE2, {avx} of AVX in {len(functions)} functions"
    if sse + avx < 5:
        return Finding(UNKNOWN, how)
    return Finding("with AVX (x86-64-v3 or newer)" if avx > sse else "no AVX (x86-64 or x86-64-v2)", how, avx)


def _allocator(evidence: Evidence) -> Finding:
    foreign = [
        name
        for name in evidence.image.facts().needed
        if re.search(r"jemalloc|tcmalloc|mimalloc|snmalloc", name)
    ]
    if foreign:
        return Finding(foreign[0], f"needed: {', '.join(foreign)}")
    return Finding(UNKNOWN, "needed: no allocator's library; its own is told by running it")


def _optimisation(evidence: Evidence) -> Finding:
    recorded = next((one for one in evidence.listed if one.name == ".GCC.command.line"), None)
    text = content_of(evidence.image, recorded, _MAX_SWITCHES_BYTES) if recorded is not None else b""
    levels = re.findall(rb"(?:^|[\s\0])(-O(?:[0-3sgz]|fast)?)(?=[\s\0]|$)", text)
    if levels:
        return Finding(levels[-1].decode(), "section: .GCC.command.line")
    return Finding(UNKNOWN, "sections: the compiler's command line is not recorded")


READERS: dict[str, Callable[[Evidence], Finding]] = {
    "unoptimised": _unoptimised,
    "pgo": _pgo,
    "lto": _lto,
    "bolt": _bolt,
    "computed_gotos": _computed_gotos,
    "tail_call_interpreter": _tail_calls,
    "jit": _jit,
    "free_threading": _free_threading,
    "march": _march,
    "allocator": _allocator,
    "interposition": _interposition,
    "optimisation_level": _optimisation,
}
"""By fact."""
