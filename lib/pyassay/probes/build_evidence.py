"""How an interpreter was built, as its binary shows: layout, symbols, bytes of code. Nothing is executed.

Read is the file that holds the interpreter loop: the executable, or the libpython that it loads.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

from pyassay.elf import ElfError
from pyassay.elf.functions import (
    Function,
    Section,
    code_at,
    content_of,
    exported_functions,
    linkage_names,
    local_functions,
    sections,
)
from pyassay.elf.reader import Image, Source
from pyassay.elf.symbols import undefined_symbols
from pyassay.probes.build_layout import Layout, layout
from pyassay.probes.machine_code import (
    AARCH64,
    X86_64,
    has_frame,
    has_landing,
    indirect_jumps,
    vector_encoding,
)

__all__ = ["LIKELY", "NO", "UNKNOWN", "YES", "Evidence", "Finding", "read_evidence"]

YES, NO, LIKELY, UNKNOWN = "yes", "no", "likely", "unknown"

_PY = re.compile(r"_?Py[A-Z_]")
_LOOPS = ("_PyEval_EvalFrameDefault", "PyEval_EvalFrameEx")
_FLOATS = ("_Py_c_sum", "_Py_c_diff", "_Py_c_prod", "_Py_c_quot", "_Py_c_neg", "PyFloat_FromDouble")
# By version; exported by debug builds only.
_REFERENCE_COUNTERS = ("_Py_GetRefTotal", "_Py_GetGlobalRefTotal", "_Py_GetLegacyRefTotal")
_MIN_SAMPLE = 100
_PROLOGUE_BYTES = 24
# Smaller ones are stubs that need no frame, whatever the compiler was told.
_MIN_FUNCTION_BYTES = 16
_MAX_LOOP_BYTES = 4 << 20
_MAX_COMMENT_BYTES = 1 << 14
_MAX_DATA_BYTES = 64 << 20
# A switch is compiled to a handful of indirect jumps, computed gotos to one for each of some 150 opcodes.
_GOTOS_FROM, _SWITCH_UP_TO = 60, 20
_SMALL_LOOP_BYTES = 8192


@dataclass(frozen=True, slots=True)
class Finding:
    """What was seen of one fact.

    Attributes
    ----------
    observed : str
        ``yes``, ``no``, ``likely``, ``unknown``, or the thing itself.
    evidence : str
        One line: the number and how it was got.
    value : float
        That number; NaN where there is none.
    """

    observed: str
    evidence: str
    value: float = math.nan


@dataclass(frozen=True, slots=True)
class Evidence:
    """An interpreter's binary, read once."""

    image: Image
    version: tuple[int, int]
    exported: list[Function]
    local: list[Function]
    undefined: frozenset[str]
    listed: list[Section]
    named: dict[str, Function]
    order: Layout | None

    @property
    def machine(self) -> int:
        """Return the number of the processor."""
        return int(self.image.e_machine)

    @property
    def own(self) -> list[Function]:
        """Return Python's own exported functions."""
        return [one for one in self.exported if _PY.match(one.name)]

    @property
    def loop(self) -> Function | None:
        """Return the interpreter loop, as far as it is named and measured."""
        found = (self.named.get(name) for name in _LOOPS)
        return next((one for one in found if one is not None and one.size), None)


def read_evidence(source: Source, version: str, name: str | None = None) -> dict[str, Finding]:
    """Return what a binary shows, by fact.

    Parameters
    ----------
    source : path, bytes or binary file
    version : str
        Of the interpreter: ``3.12.1``.
    name : str, optional
        How messages call the file.

    Raises
    ------
    ElfError
        If it is no ELF file, or its dynamic symbols cannot be read.
    OSError
        If it cannot be read at all.
    """
    undefined = frozenset(symbol.name for symbol in undefined_symbols(source, name))
    with Image(source, name) as image:
        exported = exported_functions(image)
        try:
            listed = sections(image)
            local = local_functions(image)
        except ElfError:
            # Sections are for debuggers; what runs needs none.
            listed, local = [], []
        named = {one.name: one for one in [*local, *exported]}
        evidence = Evidence(
            image, _series(version), exported, local, undefined, listed, named, layout(exported)
        )
        return {fact: read(evidence) for fact, read in _READERS.items()}


def _series(version: str) -> tuple[int, int]:
    match = re.match(r"(\d+)\.(\d+)", version)
    return (int(match[1]), int(match[2])) if match else (0, 0)


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
    texts = _in_data(evidence, b"PYTHON_JIT")
    if texts is None:
        return Finding(UNKNOWN, "symbols: stripped, and it would not be exported")
    # The variable that turns it on is only read where it is compiled in.
    return Finding(LIKELY if texts else NO, f"texts: the variable PYTHON_JIT {_there(bool(texts))}", texts)


def _free_threading(evidence: Evidence) -> Finding:
    if (0, 0) < evidence.version < (3, 13):
        return Finding(NO, "version: there is none before 3.13")
    if not evidence.own:
        return Finding(UNKNOWN, "symbols: no Py functions are exported")
    name = "_Py_MergeZeroLocalRefcount"
    return Finding(YES if name in evidence.named else NO, f"symbols: {name} {_there(name in evidence.named)}")


def _share(evidence: Evidence, test: Callable[[bytes, int], bool], what: str) -> Finding:
    if evidence.machine not in (X86_64, AARCH64):
        return Finding(UNKNOWN, "code: told for x86-64 and AArch64 only")
    functions = [one for one in evidence.own if one.size > _MIN_FUNCTION_BYTES]
    starts = [code_at(evidence.image, one.address, _PROLOGUE_BYTES) for one in functions]
    starts = [start for start in starts if start]
    if len(starts) < _MIN_SAMPLE:
        return Finding(UNKNOWN, f"code: only {len(starts)} exported Py functions to look at")
    count = sum(test(start, evidence.machine) for start in starts)
    share = count / len(starts)
    how = f"code: {count} of {len(starts)} exported Py functions begin with {what}"
    if share >= 0.5:
        return Finding(YES, how, share)
    return Finding(NO if share < 0.1 else UNKNOWN, how, share)


def _frame_pointers(evidence: Evidence) -> Finding:
    return _share(evidence, has_frame, "setting up a frame pointer")


def _landing_pads(evidence: Evidence) -> Finding:
    arm = evidence.machine == AARCH64
    return _share(evidence, has_landing, "bti or paciasp" if arm else "endbr64")


def _stack_protector(evidence: Evidence) -> Finding:
    there = "__stack_chk_fail" in evidence.undefined
    return Finding(YES if there else NO, f"imports: __stack_chk_fail {_there(there)}")


def _fortify(evidence: Evidence) -> Finding:
    checked = sorted(name for name in evidence.undefined if name.endswith("_chk") and name.startswith("__"))
    if checked:
        shown = ", ".join(checked[:3])
        return Finding(YES, f"imports: {len(checked)} checked functions ({shown} ...)", len(checked))
    return Finding(NO, "imports: no __*_chk function", 0)


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


def _interposition(evidence: Evidence) -> Finding:
    own = {one.name for one in evidence.own}
    if not own:
        return Finding(UNKNOWN, "relocations: no Py functions are exported")
    count = len(own & linkage_names(evidence.image))
    how = f"relocations: {count} of its own {len(own)} Py functions are called through the linkage table"
    return Finding(YES if count else NO, how, count)


def _optimisation(evidence: Evidence) -> Finding:
    recorded = next((one for one in evidence.listed if one.name == ".GCC.command.line"), None)
    text = content_of(evidence.image, recorded, _MAX_COMMENT_BYTES) if recorded is not None else b""
    levels = re.findall(rb"(?:^|[\s\0])(-O(?:[0-3sgz]|fast)?)(?=[\s\0]|$)", text)
    if levels:
        return Finding(levels[-1].decode(), "section: .GCC.command.line")
    return Finding(UNKNOWN, "sections: the compiler's command line is not recorded")


def _debug(evidence: Evidence) -> Finding:
    if not evidence.own:
        return Finding(UNKNOWN, "symbols: no Py functions are exported")
    there = any(name in evidence.named for name in _REFERENCE_COUNTERS)
    return Finding(YES if there else NO, f"symbols: a function that counts all references {_there(there)}")


def _assertions(evidence: Evidence) -> Finding:
    if not {"__assert_fail", "__assert"} & evidence.undefined:
        return Finding(NO, "imports: __assert_fail is not there")
    # A library that was linked in may want it, too; an assertion of Python's own leaves its text behind.
    count = _in_data(evidence, b"_CheckConsistency(")
    if count is None:
        return Finding(
            UNKNOWN, "imports: __assert_fail is there; no .rodata to search for texts of assertions"
        )
    how = f"imports: __assert_fail is there; {count} texts of Python's own assertions"
    return Finding(YES if count else NO, how, count)


def _compiler(evidence: Evidence) -> Finding:
    comment = next((one for one in evidence.listed if one.name == ".comment"), None)
    text = content_of(evidence.image, comment, _MAX_COMMENT_BYTES) if comment is not None else b""
    named = [part.decode("utf-8", "replace").strip() for part in text.split(b"\0") if part.strip()]
    if not named:
        return Finding(UNKNOWN, "sections: no .comment")
    return Finding("; ".join(dict.fromkeys(named))[:300], "section: .comment")


def _in_data(evidence: Evidence, text: bytes) -> int | None:
    """Count a text in the constant data; None where no section says which that is."""
    data = [one for one in evidence.listed if one.name.startswith(".rodata")]
    contents = [content_of(evidence.image, one, _MAX_DATA_BYTES) for one in data]
    return sum(content.count(text) for content in contents) if any(contents) else None


def _there(there: bool) -> str:
    return "is there" if there else "is not there"


_READERS: dict[str, Callable[[Evidence], Finding]] = {
    "unoptimised": _unoptimised,
    "pgo": _pgo,
    "lto": _lto,
    "bolt": _bolt,
    "computed_gotos": _computed_gotos,
    "tail_call_interpreter": _tail_calls,
    "jit": _jit,
    "free_threading": _free_threading,
    "frame_pointers": _frame_pointers,
    "stack_protector": _stack_protector,
    "fortify": _fortify,
    "control_flow_protection": _landing_pads,
    "march": _march,
    "allocator": _allocator,
    "interposition": _interposition,
    "optimisation_level": _optimisation,
    "debug": _debug,
    "assertions": _assertions,
    "compiler": _compiler,
}
