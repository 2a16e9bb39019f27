"""Hardening: what compiler and linker did for the safety of each ELF file of a subject."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyassay.elf import ElfError, NotElf
from pyassay.elf.hardening import Hardening, hardening
from pyassay.elf.reader import shown
from pyassay.elf.windows import windows
from pyassay.filetree import FileTreeError, Member, Refused, open_tree
from pyassay.probes import image_members
from pyassay.probes.libraries.members import is_program_file
from pyassay.probes.observations import Column, TableSchema
from pyassay.probes.tree import Skipped, elf_files
from pyassay.subjects.images import ROOTFS
from pyassay.subjects.model import Artifact, Interpreter, SubjectKind

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["HARDENING", "TABLES", "observe", "probe"]

HARDENING = TableSchema(
    "hardening",
    "one row per ELF file; one that could not be read has a reason and no facts",
    (
        Column("subject_id", "text", "which subject of the table `subjects`"),
        Column("file", "text", "path, relative to the tree if inside it; a.whl!/b.so inside an archive"),
        Column("scope", "text", "of an interpreter: runtime, stdlib or site; of anything else empty"),
        Column("pie", "text", "PIE, DSO (a library) or no; empty: not read"),
        Column("relro", "text", "none, partial or full; empty: not read"),
        Column("nx", "flag", "the stack is not executable; missing: no PT_GNU_STACK, the kernel decides"),
        Column("canary", "flag", "it calls __stack_chk_fail; missing: static and stripped, or not read"),
        Column("fortified", "count", "functions of glibc that it uses in their checked variant"),
        Column("fortifiable", "count", "of those and the plain ones that have such a variant (both count)"),
        Column("plain", "texts", "functions of glibc that it uses in the plain variant"),
        Column("rpath", "texts", "DT_RPATH, split"),
        Column("runpath", "texts", "DT_RUNPATH, split"),
        Column("ibt", "flag", "CET on x86: indirect branches are tracked; missing: another processor"),
        Column("shstk", "flag", "CET on x86: it may run with a shadow stack; missing: another processor"),
        Column("bti", "flag", "AArch64: indirect branches are tracked; missing: another processor"),
        Column("pac", "flag", "AArch64: return addresses are signed; missing: another processor"),
        Column("writable_code", "count", "segments that may be written to and executed"),
        Column("stripped", "flag", "there is no full table of symbols"),
        Column("reason", "text", "why it could not be read; empty: it was"),
    ),
)
TABLES = (HARDENING,)
_UNREAD: dict[str, Any] = {
    column.name: None for column in HARDENING.columns if column.kind in ("flag", "count")
}
_UNREAD |= {"pie": "", "relro": "", "plain": [], "rpath": [], "runpath": []}


def probe(subject: Interpreter | Artifact) -> dict[str, pd.DataFrame]:
    """Observe how the files of one subject were hardened: the table ``hardening``.

    Raises
    ------
    FileTreeError
        If an artifact cannot be read at all.
    EngineError
        If the engine or the image is gone.
    """
    return {HARDENING.name: HARDENING.frame(observe(subject))}


def observe(subject: Interpreter | Artifact) -> list[dict[str, Any]]:
    """Return the same as plain rows, for those who need no DataFrame."""
    if isinstance(subject, Interpreter) and not subject.image:
        rows = list(_of_tree(subject))
    elif isinstance(subject, Interpreter):
        rows = list(_of_image(subject.image, lambda path: _place(path, subject)))
    elif subject.kind is SubjectKind.IMAGE:
        rows = list(_of_image(str(subject.path), lambda path: (path.removeprefix("/"), "")))
    else:
        with open_tree(subject.path.resolve(), name=subject.label) as tree:
            rows = list(_of_members(tree, lambda path: (path.removeprefix("/"), "")))
    return [{"subject_id": subject.id, **row} for row in rows]


def _of_tree(interpreter: Interpreter) -> Iterator[dict[str, Any]]:
    for item in elf_files(interpreter):
        if isinstance(item, Skipped):
            yield _unread(item.shown, "", item.reason)
            continue
        try:
            yield _row(item.shown, item.scope, hardening(item.path, item.shown))
        except (ElfError, OSError) as error:
            yield _unread(item.shown, item.scope, _reason(error, item.shown))


Place = Callable[[str], tuple[str, str]]


def _of_members(tree: Iterable[Member | Refused], place: Place) -> Iterator[dict[str, Any]]:
    """Yield the rows of those files whose place (how it is shown, its scope) is not empty."""
    for item in tree:
        if isinstance(item, Member) and item.kind != "file":
            continue
        file, scope = place(f"/{item.path}")
        if not file:
            continue
        if isinstance(item, Refused):
            yield _unread(file, scope, item.reason)
        else:
            try:
                if is_program_file(item.head(20)):
                    with item.open(windows) as stream:
                        yield _row(file, scope, hardening(stream, item.path))
            except NotElf:
                continue
            except (ElfError, FileTreeError, OSError, ValueError) as error:
                yield _unread(file, scope, _reason(error, item.path))


def _of_image(reference: str, place: Place) -> Iterator[dict[str, Any]]:
    if reference.startswith(ROOTFS):
        with open_tree(Path(reference.removeprefix(ROOTFS)), name=reference, nested=False) as tree:
            yield from _of_members(tree, place)
        return
    from pyassay.places.container import Engine

    with (
        Engine.connect() as engine,
        engine.export(reference) as stream,
        open_tree(stream, name=reference, nested=False) as tree,
    ):
        yield from _of_members(tree, place)


def _place(path: str, interpreter: Interpreter) -> tuple[str, str]:
    inside = Path(path)
    if inside in (interpreter.stdlib, interpreter.platstdlib):
        return "", ""
    own = inside == interpreter.executable
    scope = "runtime" if own else image_members._scope(inside, interpreter)
    return (image_members._shown(inside, interpreter), scope) if scope else ("", "")


def _row(file: str, scope: str, found: Hardening) -> dict[str, Any]:
    return {
        "file": file,
        "scope": scope,
        "pie": found.pie,
        "relro": found.relro,
        "nx": None if found.executable_stack is None else not found.executable_stack,
        "canary": found.canary,
        "fortified": len(found.fortified),
        "fortifiable": len(found.fortified) + len(found.plain),
        "plain": list(found.plain),
        "rpath": list(found.rpath),
        "runpath": list(found.runpath),
        **{name: _feature(name, found) for name in ("ibt", "shstk", "bti", "pac")},
        "writable_code": found.writable_code,
        "stripped": found.stripped,
        "reason": "",
    }


def _feature(name: str, found: Hardening) -> bool | None:
    return name in found.features if name in found.possible_features else None


def _unread(file: str, scope: str, reason: str) -> dict[str, Any]:
    return _UNREAD | {"file": file, "scope": scope, "reason": reason}


def _reason(error: Exception, file: str) -> str:
    text = error.strerror or type(error).__name__ if isinstance(error, OSError) else str(error)
    return " ".join(text.split()).removeprefix(f"{shown(file)}: ")
