"""Where a source of reference tables may look, and what it may answer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from pyassay.reference.security import records
from pyassay.reference.tables import ReferenceTable, read
from pyassay.refresh.fetching import Fetch
from pyassay.refresh.merging import Fresh

__all__ = ["API", "MAX_DOCUMENTS", "RAW", "Context", "Gathered", "Row"]

#: Files of GitHub's repositories, and its interface.
RAW = "https://raw.githubusercontent.com"
API = "https://api.github.com/repos"

#: So many small documents one source fetches at most; the rest waits for the next time.
MAX_DOCUMENTS = 60

Row = dict[str, str]
Gathered = dict[str, Fresh]


@dataclass(frozen=True, slots=True)
class Context:
    """Where a source may look: the tables as they stand, the network, and the day."""

    folder: Path
    fetch: Fetch
    on: date

    def table(self, name: str) -> ReferenceTable:
        """Return a table as it stands in the folder."""
        return read(self.folder / f"{name}.csv")

    def rows(self, name: str) -> list[Row]:
        """Return its rows."""
        return records(self.table(name).frame)

    def reaches_back(self, name: str, rows: Iterable[Row]) -> bool:
        """Tell whether a page of the newest releases reaches back to one that a table has."""
        table = self.table(name)
        known = {row[table.key[0]] for row in records(table.frame)}
        return any(row[table.key[0]] in known for row in rows)
