"""Portability: what a subject's ELF files ask of the system that is to load them.

Static: nothing of the subject is executed here. Facts only; what they mean on which distribution is said by
:mod:`pyassay.verdicts.portability`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pyassay.elf import ElfError
from pyassay.elf.closure import Root
from pyassay.elf.newest import kept_symbols
from pyassay.elf.reader import read
from pyassay.elf.symbols import undefined_symbols
from pyassay.probes.elf_rows import Observed, Rows, Whereabouts, add_all
from pyassay.probes.portability_tables import TABLES
from pyassay.probes.tree import Skipped, elf_files, is_shared_prefix, shown_path
from pyassay.subjects.model import Artifact, Interpreter, SubjectKind

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TABLES", "observe", "probe"]


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
    observed = _read_all(subject, rows)
    own = {item.path.resolve() for item in observed}
    where = Whereabouts(
        Root(root),
        inside=lambda path: path in own or _inside(path, subject),
        shown=lambda path: shown_path(path, subject),
    )
    add_all(rows, observed, where, subject.architecture)
    return rows


def _read_all(interpreter: Interpreter, rows: Rows) -> list[Observed]:
    observed: list[Observed] = []
    for item in elf_files(interpreter):
        if isinstance(item, Skipped):
            rows.add("skipped", file=item.shown, reason=item.reason)
            continue
        try:
            elf = read(item.path, name=item.shown)
            symbols = undefined_symbols(item.path, name=item.shown)
        except (ElfError, OSError) as error:
            rows.add("skipped", file=item.shown, reason=str(error))
            continue
        kept, forbidden = kept_symbols(elf, symbols)
        observed.append(Observed(item.path, item.shown, item.scope, item.size_bytes, elf, kept, forbidden))
    if not observed:
        rows.add(
            "skipped",
            file=shown_path(interpreter.executable, interpreter),
            reason=interpreter.error or "no ELF file was found in its tree",
        )
    return observed


def _inside(path: Path, interpreter: Interpreter) -> bool:
    """Tell whether a library comes along with the interpreter: inside its own tree, or its environment."""
    roots = [interpreter.environment, *interpreter.site_folders]
    if interpreter.prefix is not None and not is_shared_prefix(interpreter.prefix):
        roots.append(interpreter.prefix)
    return any(root is not None and path.is_relative_to(root) for root in roots)
