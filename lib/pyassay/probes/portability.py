"""Portability: what a subject's ELF files ask of the system that is to load them.

Static: nothing of the subject is executed here. Facts only; what they mean on which distribution is said by
:mod:`pyassay.verdicts.portability`.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from pyassay.elf import ElfError
from pyassay.elf.closure import Root, closure
from pyassay.elf.newest import kept_symbols
from pyassay.elf.reader import read, shown
from pyassay.elf.symbols import undefined_symbols
from pyassay.probes.elf_rows import Observed, Rows, Whereabouts, add_all
from pyassay.probes.portability_tables import TABLES
from pyassay.probes.tree import Skipped, TreeFile, elf_files, is_shared_prefix, shown_path
from pyassay.subjects.model import Artifact, Interpreter, SubjectKind
from pyassay.subjects.static import is_libpython

if TYPE_CHECKING:
    import pandas as pd

    from pyassay.probes.trials import TrialPlace

__all__ = ["TABLES", "observe", "probe", "probe_in"]


def probe(subject: Interpreter | Artifact, *, root: Path = Path("/")) -> dict[str, pd.DataFrame]:
    """Observe the portability of one subject.

    Parameters
    ----------
    subject : Interpreter or Artifact
        As :func:`pyassay.find` gives it; an interpreter that could not be run is still read.
    root : Path
        The root file system whose loader rules say which library is found where.

    Returns
    -------
    dict of str to DataFrame
        By the names of :data:`TABLES`. A file that could not be read is a row of ``skipped``.
    """
    return observe(subject, root=root).frames()


def probe_in(subject: Interpreter | Artifact, place: TrialPlace) -> dict[str, pd.DataFrame]:
    """Try a subject in another place: the table ``trials``."""
    from pyassay.probes.trials import try_subject

    schema = next(schema for schema in TABLES if schema.name == "trials")
    return {schema.name: schema.frame(try_subject(subject, place))}


def observe(subject: Interpreter | Artifact, *, root: Path = Path("/")) -> Rows:
    """Return the same as plain rows, for those who need no DataFrame."""
    if isinstance(subject, Interpreter) and subject.image:
        from pyassay.probes.image_members import observe_in_image

        return observe_in_image(subject)
    if isinstance(subject, Artifact):
        if subject.kind is SubjectKind.IMAGE:
            from pyassay.probes.image_members import observe_image

            return observe_image(subject)
        from pyassay.probes.artifact_members import observe_artifact

        return observe_artifact(subject, root=root)
    rows = Rows(subject.id)
    searched = Root(root)
    observed = _read_all(subject, rows)
    own = {item.path.resolve() for item in observed}
    roots = _own_folders(subject)
    # Below a prefix that all share, what was read is its own; a tree of its own ends at its folder.
    if subject.prefix is not None and not is_shared_prefix(subject.prefix):
        own = {path for path in own if _below(path, roots)}
    observed += _borrowed_libpython(subject, observed, searched, rows)
    where = Whereabouts(
        searched,
        inside=lambda path: path in own or _below(path, roots),
        shown=lambda path: shown_path(path, subject),
    )
    add_all(rows, observed, where, subject.architecture)
    foreign = {item.shown for item in observed if item.path.resolve() not in own}
    for row in rows.tables["libraries"]:
        row["inside"] = row["inside"] and row["resolved"] not in foreign
    return rows


def _borrowed_libpython(
    interpreter: Interpreter, observed: list[Observed], root: Root, rows: Rows
) -> list[Observed]:
    """Read the libpython that a tree without one loads from elsewhere: what it needs, the tree needs."""
    if interpreter.prefix is None or not observed or observed[0].path != interpreter.executable:
        return []
    wanted = {soname.rpartition("/")[2] for soname in observed[0].elf.needed if is_libpython(soname)}
    wanted -= {item.path.name for item in observed}
    if not wanted:
        return []
    loaded = closure(interpreter.executable, root).loaded
    found = {path for soname, path in loaded.items() if soname.rpartition("/")[2] in wanted}
    found -= {item.path for item in observed}
    items = [
        TreeFile(path, shown_path(path, interpreter), "runtime", path.stat().st_size)
        for path in sorted(found)
    ]
    return [item for item in (_read(one, rows) for one in items) if item is not None]


def _read_all(interpreter: Interpreter, rows: Rows) -> list[Observed]:
    observed: list[Observed] = []
    for item in elf_files(interpreter):
        if isinstance(item, Skipped):
            rows.add("skipped", file=item.shown, reason=item.reason)
        elif (read_item := _read(item, rows)) is not None:
            observed.append(read_item)
    if not observed:
        rows.add(
            "skipped",
            file=shown_path(interpreter.executable, interpreter),
            reason=interpreter.error or "no ELF file was found in its tree",
        )
    return observed


def _read(item: TreeFile, rows: Rows) -> Observed | None:
    try:
        elf = read(item.path, name=item.shown)
        symbols = undefined_symbols(item.path, name=item.shown)
    except (ElfError, OSError) as error:
        rows.add("skipped", file=item.shown, reason=_reason(error, item.shown))
        return None
    kept, forbidden = kept_symbols(elf, symbols)
    return Observed(item.path, item.shown, item.scope, item.size_bytes, elf, kept, forbidden)


def _reason(error: Exception, file: str) -> str:
    """Return why a file could not be read, without its name, which has a column of its own."""
    text = error.strerror or type(error).__name__ if isinstance(error, OSError) else str(error)
    return text.removeprefix(f"{shown(file)}: ")


def _own_folders(interpreter: Interpreter) -> tuple[Path, ...]:
    """Return the folders of which all comes along: its tree, its environment, its packages."""
    named = [interpreter.environment, *interpreter.site_folders, interpreter.stdlib, interpreter.platstdlib]
    if interpreter.prefix is not None and not is_shared_prefix(interpreter.prefix):
        named += [interpreter.prefix, *interpreter.library_folders]
    folders = [folder for folder in named if folder is not None]
    return tuple(dict.fromkeys([*folders, *(folder.resolve() for folder in folders)]))


def _below(path: Path, folders: Iterable[Path]) -> bool:
    return any(path.is_relative_to(folder) for folder in folders)
