"""How an interpreter was built: what it declares of itself beside what its binary and its process show.

Facts only. Which of them explains a difference in speed is judged elsewhere.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pyassay.elf import ElfError
from pyassay.places.host import StartError
from pyassay.probes.build.declared import declared_facts
from pyassay.probes.build.evidence import read_evidence
from pyassay.probes.build.finding import LIKELY, NO, UNKNOWN, YES, Finding
from pyassay.probes.build.places import LoopFile, ask_build, loop_file
from pyassay.probes.observations import Column, TableSchema
from pyassay.subjects.display import display_text
from pyassay.subjects.model import Interpreter, Subject

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["BUILD_FACTS", "FACTS", "LIBRARIES", "TABLES", "probe", "takes"]

FACTS: dict[str, str] = {
    "unoptimised": "compiled without PGO and without LTO, by the layout of its functions",
    "pgo": "profile-guided optimisation",
    "lto": "link-time optimisation",
    "bolt": "laid out anew by BOLT after linking",
    "computed_gotos": "the interpreter loop jumps straight to the next opcode",
    "tail_call_interpreter": "one function for each opcode, from 3.14",
    "jit": "just-in-time compiler, from 3.13",
    "free_threading": "no global interpreter lock, from 3.13",
    "frame_pointers": "every function keeps a frame pointer",
    "stack_protector": "stack canaries",
    "fortify": "checked variants of libc's functions",
    "control_flow_protection": "landing pads for indirect branches (CET, BTI)",
    "march": "instruction set that the compiler was allowed to use",
    "allocator": "what hands out memory for objects",
    "libpython": "whether the interpreter loop lies in the executable (static) or in a library (shared)",
    "interposition": "it calls its own functions through the linkage table, so that others may replace them",
    "optimisation_level": "the compiler's -O",
    "debug": "a debug build, which counts all references",
    "assertions": "C assertions are compiled in",
    "compiler": "compiler and linker",
    "bytecode": "modules of the standard library that have their bytecode beside them",
}
"""Every fact that gets a row, and what it means; besides, one row for each of :data:`LIBRARIES`."""

LIBRARIES = ("sqlite3", "zlib", "openssl", "expat", "mpdecimal")
"""The C libraries whose versions are asked for: the fact is called ``library sqlite3``."""

BUILD_FACTS = TableSchema(
    "build_facts",
    "one row per interpreter and fact of its build",
    (
        Column("subject_id", "text", "which subject of the table `subjects`"),
        Column("fact", "text", "pgo, lto, computed_gotos, libpython, library zlib ..."),
        Column("declared", "text", "the words of sysconfig that speak of it; empty: it is silent"),
        Column(
            "observed", "text", "yes, no, likely, unknown, or the thing itself (a version, static, shared)"
        ),
        Column(
            "value", "number", "the number behind it: share, count or scatter; missing where there is none"
        ),
        Column(
            "evidence", "text", "how it was observed: layout, symbols, imports, code, running ..., one line"
        ),
        Column("reason", "text", "why nothing was declared or observed, where something failed"),
        Column("file", "text", "the file that was looked at"),
    ),
)
TABLES: tuple[TableSchema, ...] = (BUILD_FACTS,)

_MAX_TEXT = 400
_MAX_DECLARED = 1000


def takes(subject: Subject) -> bool:
    """Tell whether the question makes sense: it is one for interpreters."""
    return isinstance(subject, Interpreter)


def probe(subject: Interpreter) -> dict[str, pd.DataFrame]:
    """Observe how one interpreter was built.

    It is asked (a script is run in it, where it lies) and its binary is read. Either may fail; then the rows
    say why.

    Returns
    -------
    dict of str to DataFrame
        ``build_facts``: a row for each of :data:`FACTS` and :data:`LIBRARIES`, always.
    """
    return {BUILD_FACTS.name: BUILD_FACTS.frame(_rows(subject))}


def _rows(subject: Interpreter) -> list[dict[str, Any]]:
    document, silent = _asked(subject)
    variables = document.get("variables")
    declared = declared_facts(variables if isinstance(variables, dict) else {})
    running = document.get("running")
    running = running if isinstance(running, dict) else {}
    found, file, unread = _seen(subject)
    seen = dict(found)
    for fact, finding in _run_findings(running).items():
        # What the process says of itself comes before what is guessed from bytes.
        if fact not in seen or (finding.observed != UNKNOWN and not _tells_more(seen[fact], fact)):
            seen[fact] = finding
    rows = []
    for fact in (*FACTS, *(f"library {name}" for name in LIBRARIES)):
        finding = seen.get(fact, Finding(UNKNOWN, ""))
        failed = [silent] if silent else []
        if unread and fact not in _FROM_RUNNING and not fact.startswith("library "):
            failed.append(unread)
        rows.append(
            {
                "subject_id": subject.id,
                "fact": fact,
                "declared": _line(declared.get(fact, ""), _MAX_DECLARED),
                "observed": _line(finding.observed),
                "value": finding.value,
                "evidence": _line(finding.evidence),
                "reason": _line("; ".join(failed)),
                "file": file,
            }
        )
    return rows


def _asked(subject: Interpreter) -> tuple[dict[str, Any], str]:
    """Return what the interpreter declares, or why it does not."""
    from pyassay.places.container_errors import EngineError
    from pyassay.places.rootfs import RootFsError

    if subject.error:
        return {}, subject.error
    try:
        completed = ask_build(subject)
    except (StartError, EngineError, RootFsError, OSError) as error:
        return {}, f"it could not be asked: {error}"
    if not completed.ok:
        if completed.timed_out:
            return {}, f"it could not be asked: no answer within {completed.duration_s:.0f} s"
        return {}, f"it could not be asked: exit status {completed.returncode}"
    lines = completed.stdout.strip().splitlines()
    try:
        document = json.loads(lines[-1]) if lines else None
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict) or document.get("pyassay_build_flags") != 1:
        return {}, "it could not be asked: its answer is none"
    return document, ""


def _seen(subject: Interpreter) -> tuple[dict[str, Finding], str, str]:
    """Return what its binary shows, which file that is, and why it could not be read."""
    from pyassay.filetree import FileTreeError
    from pyassay.places.container_errors import EngineError

    file = LoopFile(subject.executable, shared=None)
    try:
        file = loop_file(subject)
        with file.opened() as source:
            found = read_evidence(source, subject.version, str(file.path))
    except (ElfError, OSError, EngineError, FileTreeError) as error:
        return {}, str(file.path), f"its binary could not be read: {error}"
    if file.shared is not None:
        what = "libpython" if file.shared else "the executable"
        found["libpython"] = Finding(
            "shared" if file.shared else "static", f"loader: the loop lies in {what}"
        )
    return found, str(file.path), ""


_FROM_RUNNING = ("bytecode",)


def _run_findings(running: Mapping[str, Any]) -> dict[str, Finding]:
    """Return what the running process says of itself."""
    found: dict[str, Finding] = {}
    gil, flags = running.get("gil_enabled"), running.get("abi_flags")
    if isinstance(flags, str) and "t" in flags:
        state = "on" if gil else "off"
        found["free_threading"] = Finding(YES, f"running: ABI flag t, the lock is {state}")
    jit = running.get("jit")
    if isinstance(jit, dict):
        available, enabled = bool(jit.get("available")), bool(jit.get("enabled"))
        found["jit"] = Finding(
            YES if available else NO, f"running: sys._jit says available={available}, enabled={enabled}"
        )
    if running.get("debug") is True:
        found["debug"] = Finding(YES, "running: sys.gettotalrefcount is there")
    libraries = running.get("allocator_libraries")
    blocks = running.get("allocated_blocks")
    if isinstance(libraries, list) and libraries:
        found["allocator"] = Finding(str(libraries[0]), "running: mapped into the process")
    elif isinstance(blocks, int):
        own = blocks > 0
        found["allocator"] = Finding(
            "Python's own" if own else "libc's malloc", f"running: {blocks} blocks of its own in use", blocks
        )
    bytecode = running.get("bytecode")
    if isinstance(bytecode, dict) and _positive(bytecode.get("sources")):
        sources, compiled = int(bytecode["sources"]), int(bytecode.get("compiled") or 0)
        observed = YES if compiled == sources else NO if not compiled else LIKELY
        if observed == LIKELY:
            observed = "in part"
        found["bytecode"] = Finding(
            observed, f"running: {compiled} of {sources} modules have it", compiled / sources
        )
    version = running.get("version")
    if isinstance(version, str) and version.rstrip().endswith("]") and "[" in version:
        named = version.rpartition("[")[2].rstrip("] \n")
        found["compiler"] = Finding(named, "running: compiled into sys.version")
    versions = running.get("libraries")
    for name in LIBRARIES:
        told = versions.get(name) if isinstance(versions, dict) else None
        if isinstance(told, dict) and isinstance(told.get("version"), str):
            where = told.get("module") or "built in"
            found[f"library {name}"] = Finding(told["version"], f"running: its module says so ({where})")
        elif isinstance(told, dict):
            found[f"library {name}"] = Finding(UNKNOWN, f"running: {told.get('error', 'no version')}")
    return found


def _positive(value: object) -> bool:
    return isinstance(value, int) and value > 0 and not math.isnan(value)


def _line(text: object, limit: int = _MAX_TEXT) -> str:
    shown = display_text(" ".join(str(text).split()))
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def _tells_more(seen: Finding, fact: str) -> bool:
    """Tell whether what the binary shows is to be kept: its .comment names the linker and every compiler."""
    return fact == "compiler" and seen.observed != UNKNOWN
