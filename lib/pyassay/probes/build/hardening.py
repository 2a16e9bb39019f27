"""What a binary shows of how it was hardened, and made fit for debuggers: it costs speed."""

from __future__ import annotations

from collections.abc import Callable

from pyassay.elf.functions import code_at, content_of
from pyassay.probes.build.finding import NO, UNKNOWN, YES, Evidence, Finding, in_data, is_there
from pyassay.probes.build.machine_code import AARCH64, X86_64, has_frame, has_landing

__all__ = ["READERS"]

# By version; exported by debug builds only.
_REFERENCE_COUNTERS = ("_Py_GetRefTotal", "_Py_GetGlobalRefTotal", "_Py_GetLegacyRefTotal")
_MIN_SAMPLE = 100
_PROLOGUE_BYTES = 24
# Smaller ones are stubs that need no frame, whatever the compiler was told.
_MIN_FUNCTION_BYTES = 16
_MAX_COMMENT_BYTES = 1 << 14


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
    return Finding(YES if there else NO, f"imports: __stack_chk_fail {is_there(there)}")


def _fortify(evidence: Evidence) -> Finding:
    checked = sorted(name for name in evidence.undefined if name.endswith("_chk") and name.startswith("__"))
    if checked:
        shown = ", ".join(checked[:3])
        return Finding(YES, f"imports: {len(checked)} checked functions ({shown} ...)", len(checked))
    return Finding(NO, "imports: no __*_chk function", 0)


def _debug(evidence: Evidence) -> Finding:
    if not evidence.own:
        return Finding(UNKNOWN, "symbols: no Py functions are exported")
    there = any(name in evidence.named for name in _REFERENCE_COUNTERS)
    return Finding(YES if there else NO, f"symbols: a function that counts all references {is_there(there)}")


def _assertions(evidence: Evidence) -> Finding:
    if not {"__assert_fail", "__assert"} & evidence.undefined:
        return Finding(NO, "imports: __assert_fail is not there")
    # A library that was linked in may want it, too; an assertion of Python's own leaves its text behind.
    count = in_data(evidence, b"_CheckConsistency(")
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


READERS: dict[str, Callable[[Evidence], Finding]] = {
    "frame_pointers": _frame_pointers,
    "stack_protector": _stack_protector,
    "fortify": _fortify,
    "control_flow_protection": _landing_pads,
    "debug": _debug,
    "assertions": _assertions,
    "compiler": _compiler,
}
"""By fact."""
