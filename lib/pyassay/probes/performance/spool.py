"""Measurements as they come: appended to a file, so that a crash of ours loses none; then tables."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from pyassay.probes.performance.tables import TABLES

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Spool", "recovered"]


class Spool:
    """Rows by table, in memory and in a file of JSON lines. Use it in a ``with`` statement.

    Parameters
    ----------
    path : Path, optional
        Appended to, and kept. A temporary file unless given: removed in the end, kept if an error ends us.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.rows: dict[str, list[Mapping[str, Any]]] = {table.name: [] for table in TABLES}
        self._is_temporary = path is None
        if path is None:
            with tempfile.NamedTemporaryFile(
                prefix="pyassay-performance-", suffix=".jsonl", delete=False
            ) as made:
                path = Path(made.name)
        self.path = path
        # Each line goes out at once.
        self._file = path.open("a", encoding="utf-8", buffering=1)

    def add(self, table: str, row: Mapping[str, Any]) -> None:
        """Append a row."""
        self.rows[table].append(row)
        self._file.write(json.dumps({"table": table, "row": row}) + "\n")

    def frames(self) -> dict[str, pd.DataFrame]:
        """Return all tables."""
        return {table.name: table.frame(self.rows[table.name]) for table in TABLES}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        if self._is_temporary and error is None:
            self.path.unlink(missing_ok=True)
        elif error is not None:
            error.add_note(f"what was measured is in {self.path}")


def recovered(lines: Iterable[str]) -> dict[str, pd.DataFrame]:
    """Return the tables of a spool file, also of one that ends in the middle of a line.

    Parameters
    ----------
    lines : iterable of str

    Raises
    ------
    ValueError
        If a line other than the last is damaged: it names its number.
    """
    rows: dict[str, list[dict[str, Any]]] = {table.name: [] for table in TABLES}
    damaged = 0
    for number, line in enumerate(lines, 1):
        if damaged:
            raise ValueError(f"line {damaged} is damaged")
        try:
            entry = json.loads(line)
            rows[entry["table"]].append(entry["row"])
        except (ValueError, KeyError, TypeError):
            damaged = number
    return {table.name: table.frame(rows[table.name]) for table in TABLES}
