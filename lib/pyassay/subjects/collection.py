"""What a search has found: a sequence that shows itself well."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING, overload

from pyassay.subjects.display import display_path, display_text
from pyassay.subjects.model import Interpreter

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["COLUMNS", "Subjects"]

COLUMNS: dict[str, str] = {
    "subject_id": "stable within a run",
    "label": "what charts and tables call it",
    "kind": "interpreter or environment",
    "executable": "the real file, links resolved",
    "version": "3.12.1; empty when it could not be told",
    "implementation": "cpython, pypy, ...",
    "architecture": "x86_64, ...",
    "libc": "glibc or musl",
    "libc_version": "of this host, as the interpreter sees it",
    "compiler": "as the interpreter reports it",
    "build_date": "as the interpreter reports it",
    "prefix": "of the base interpreter",
    "builder": "key of who built it",
    "provenance": "who built it, in words",
    "provenance_confidence": "certain, likely or unknown",
    "provenance_clues": "how that is known: list of sentences",
    "aliases": "other names that lead to it: list of paths",
    "environments": "virtual environments that rest on it: list of paths",
    "environment": "the virtual environment that is the subject; empty: none",
    "error": "why it could not be asked; empty: it was",
}
"""Columns of :meth:`Subjects.to_frame`; all text, but for the three lists of text.

The same names as in the table ``subjects`` of an evidence set.
"""

_SHOWN = ("Python", "Architecture", "libc", "Built by", "How that is known", "Path", "Remark")


class Subjects(Sequence[Interpreter]):
    """Interpreters, in order: by version, then builder, then path.

    Parameters
    ----------
    interpreters : iterable of Interpreter
    remarks : iterable of str
        What could not be searched, one line each.
    """

    __slots__ = ("_interpreters", "remarks")

    def __init__(self, interpreters: Iterable[Interpreter] = (), remarks: Iterable[str] = ()) -> None:
        self._interpreters = tuple(interpreters)
        self.remarks = tuple(remarks)

    @overload
    def __getitem__(self, index: int) -> Interpreter: ...
    @overload
    def __getitem__(self, index: slice) -> Subjects: ...
    def __getitem__(self, index: int | slice) -> Interpreter | Subjects:
        if isinstance(index, slice):
            return Subjects(self._interpreters[index], self.remarks)
        return self._interpreters[index]

    def __len__(self) -> int:
        return len(self._interpreters)

    def __iter__(self) -> Iterator[Interpreter]:
        return iter(self._interpreters)

    def __eq__(self, other: object) -> bool:
        return self._interpreters == other._interpreters if isinstance(other, Subjects) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._interpreters)

    def __repr__(self) -> str:
        lines = [
            f"  {one.id}  {display_path(one.environment or one.executable)}"
            + (f"  [{display_text(one.error)}]" if one.error else "")
            for one in self
        ]
        return "\n".join((f"<Subjects: {len(self)}>", *lines))

    def to_frame(self) -> pd.DataFrame:
        """Return one row per subject, with the columns of :data:`COLUMNS`; paths are text, unescaped."""
        import pandas as pd

        return pd.DataFrame([_row(one) for one in self], columns=list(COLUMNS))

    def _repr_html_(self) -> str:
        heads = "".join(f"<th>{head}</th>" for head in _SHOWN)
        rows = "".join(
            "<tr>" + "".join(f"<td>{escape(display_text(cell))}</td>" for cell in _cells(one)) + "</tr>"
            for one in self
        )
        return f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"


def _row(one: Interpreter) -> dict[str, object]:
    return {
        "subject_id": one.id,
        "label": one.label,
        "kind": str(one.kind),
        "executable": str(one.executable),
        "version": one.version,
        "implementation": one.implementation,
        "architecture": one.architecture,
        "libc": one.libc,
        "libc_version": one.libc_version,
        "compiler": one.compiler,
        "build_date": one.build_date,
        "prefix": str(one.prefix or ""),
        "builder": one.provenance.builder,
        "provenance": one.provenance.label,
        "provenance_confidence": str(one.provenance.confidence),
        "provenance_clues": list(one.provenance.clues),
        "aliases": list(map(str, one.aliases)),
        "environments": list(map(str, one.environments)),
        "environment": str(one.environment or ""),
        "error": one.error or "",
    }


def _cells(one: Interpreter) -> tuple[str, ...]:
    return (
        one.label,
        one.architecture,
        f"{one.libc} {one.libc_version}".strip(),
        f"{one.provenance.label} ({one.provenance.confidence})",
        " ".join(one.provenance.clues),
        display_path(one.environment or one.executable),
        one.error or "",
    )
