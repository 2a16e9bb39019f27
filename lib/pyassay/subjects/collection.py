"""What a search has found: a sequence that shows itself well."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING, overload

from pyassay.subjects.display import display_path, display_text
from pyassay.subjects.model import Artifact, Subject

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["COLUMNS", "Subjects", "subject_row"]

COLUMNS: dict[str, str] = {
    "subject_id": "stable within a run",
    "label": "what charts and tables call it",
    "kind": "interpreter, environment, artifact or image",
    "executable": "the real file, links resolved; of an artifact the file or folder, of an image its name",
    "image": "the image that an interpreter lies in; empty: this host",
    "format": "of an artifact: wheel, pex, deb ...; else empty",
    "size_bytes": "of an artifact that is a file; else missing",
    "version": "3.12.1; empty when it could not be told",
    "implementation": "cpython, pypy, ...",
    "architecture": "x86_64, ...",
    "libc": "glibc or musl",
    "libc_version": "of this host, as the interpreter sees it",
    "compiler": "as the interpreter reports it",
    "build_date": "as the interpreter reports it",
    "prefix": "of the base interpreter",
    "builder": "key of who built it",
    "installer": "key of who put it there, where that is somebody else; else empty",
    "provenance": "who built it, in words",
    "provenance_confidence": "certain, likely or unknown",
    "provenance_clues": "how that is known: list of sentences",
    "aliases": "other names that lead to it: list of paths",
    "environments": "virtual environments that rest on it: list of paths",
    "environment": "the virtual environment that is the subject; empty: none",
    "error": "why it could not be asked; empty: it was",
}
"""Columns of :meth:`Subjects.to_frame`; text, but for the size and the three lists of text.

The same names as in the table ``subjects`` of an evidence set.
"""

_SHOWN = ("Python", "Architecture", "libc", "Built by", "How that is known", "Path", "Remark")


class Subjects(Sequence[Subject]):
    """Interpreters, in order of version, then builder, then path; and artifacts, by name.

    Parameters
    ----------
    subjects : iterable of Interpreter or Artifact
    remarks : iterable of str
        What could not be searched, one line each.
    """

    __slots__ = ("_subjects", "remarks")

    def __init__(self, subjects: Iterable[Subject] = (), remarks: Iterable[str] = ()) -> None:
        self._subjects = tuple(subjects)
        self.remarks = tuple(remarks)

    @overload
    def __getitem__(self, index: int) -> Subject: ...
    @overload
    def __getitem__(self, index: slice) -> Subjects: ...
    def __getitem__(self, index: int | slice) -> Subject | Subjects:
        if isinstance(index, slice):
            return Subjects(self._subjects[index], self.remarks)
        return self._subjects[index]

    def __len__(self) -> int:
        return len(self._subjects)

    def __iter__(self) -> Iterator[Subject]:
        return iter(self._subjects)

    def __eq__(self, other: object) -> bool:
        return self._subjects == other._subjects if isinstance(other, Subjects) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._subjects)

    def __repr__(self) -> str:
        lines = [
            f"  {one.id}  {display_path(one.location)}"
            + (f"  [{display_text(one.error)}]" if one.error else "")
            for one in self
        ]
        return "\n".join((f"<Subjects: {len(self)}>", *lines))

    def to_frame(self) -> pd.DataFrame:
        """Return one row per subject, with the columns of :data:`COLUMNS`; paths are text, unescaped."""
        import pandas as pd

        return pd.DataFrame([subject_row(one) for one in self], columns=list(COLUMNS))

    def _repr_html_(self) -> str:
        heads = "".join(f"<th>{head}</th>" for head in _SHOWN)
        rows = "".join(
            "<tr>" + "".join(f"<td>{escape(display_text(cell))}</td>" for cell in _cells(one)) + "</tr>"
            for one in self
        )
        return f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"


def subject_row(one: Subject) -> dict[str, object]:
    """Return the cells of one subject, by the names of :data:`COLUMNS`."""
    if isinstance(one, Artifact):
        return {**_common(one), "format": one.format, "size_bytes": one.size_bytes}
    return {
        **_common(one),
        "version": one.version,
        "implementation": one.implementation,
        "architecture": one.architecture,
        "libc": one.libc,
        "libc_version": one.libc_version,
        "compiler": one.compiler,
        "build_date": one.build_date,
        "prefix": str(one.prefix or ""),
        "builder": one.provenance.builder,
        "installer": one.provenance.installer,
        "provenance": one.provenance.label,
        "provenance_confidence": str(one.provenance.confidence),
        "provenance_clues": list(one.provenance.clues),
        "aliases": list(map(str, one.aliases)),
        "environments": list(map(str, one.environments)),
        "environment": str(one.environment or ""),
        "image": one.image,
    }


def _common(one: Subject) -> dict[str, object]:
    return {
        **dict.fromkeys(COLUMNS, ""),
        **{name: [] for name in ("provenance_clues", "aliases", "environments")},
        "size_bytes": None,
        "subject_id": one.id,
        "label": one.label,
        "kind": str(one.kind),
        "executable": str(one.path if isinstance(one, Artifact) else one.executable),
        "error": one.error or "",
    }


def _cells(one: Subject) -> tuple[str, ...]:
    if isinstance(one, Artifact):
        return (one.label, "", "", one.format, "", display_path(one.location), one.error or "")
    return (
        one.label,
        one.architecture,
        f"{one.libc} {one.libc_version}".strip(),
        f"{one.provenance.label} ({one.provenance.confidence})",
        " ".join(one.provenance.clues),
        display_path(one.location),
        one.error or "",
    )
