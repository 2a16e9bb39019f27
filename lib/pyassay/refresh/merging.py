"""Bring fetched rows into a reference table: see what differs, check the result, write it at once."""

from __future__ import annotations

import csv
import io
import os
import re
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from pyassay.reference.security import records
from pyassay.reference.tables import ReferenceTable, read

__all__ = ["Difference", "Fresh", "merge", "write"]

Row = dict[str, str]
_MAX_CELL = 400
_AS_OF = re.compile(r"^as_of = .*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Fresh:
    """What a source says of a table.

    Attributes
    ----------
    rows : tuple of dict
        Each with at least the columns of the key.
    decides : frozenset of str
        Columns in which the source is right against what stands there. Empty cells are filled in any case,
        other cells are left alone.
    complete : bool
        The source covers everything new: the table is of today then, even when nothing differs.
    """

    rows: tuple[Mapping[str, str], ...]
    decides: frozenset[str] = frozenset()
    complete: bool = False


@dataclass(frozen=True, slots=True)
class Difference:
    """A table with fresh rows merged in, and what that changed.

    Attributes
    ----------
    rows : tuple of dict
        All rows, the old ones in their order, new ones after them. None is ever taken away: that a source no
        longer lists something does not make it untrue.
    added, changed : tuple of str
        One line each: the key, and for a change the column with both values.
    """

    rows: tuple[Row, ...]
    added: tuple[str, ...]
    changed: tuple[str, ...]


def merge(table: ReferenceTable, fresh: Fresh) -> Difference:
    """Merge rows into a table by its key."""
    names = [column.name for column in table.columns]
    rows = [{name: row[name] for name in names} for row in records(table.frame)]
    by_key = {tuple(row[part] for part in table.key): row for row in rows}
    added, changed = list[str](), list[str]()
    for given in fresh.rows:
        new = {name: _clean(given[name]) for name in names if name in given}
        key = tuple(new.get(part, "") for part in table.key)
        label = ":".join(key)
        old = by_key.get(key)
        if old is None:
            by_key[key] = {name: new.get(name, "") for name in names}
            rows.append(by_key[key])
            added.append(label)
            continue
        for name, cell in new.items():
            if cell != old[name] and cell and (not old[name] or name in fresh.decides):
                changed.append(f"{label}: {name} {old[name] or 'empty'} -> {cell}")
                old[name] = cell
    return Difference(tuple(rows), tuple(added), tuple(changed))


def _clean(cell: str) -> str:
    return "".join(character if character.isprintable() else " " for character in cell)[:_MAX_CELL].strip()


def write(folder: Path, table: ReferenceTable, rows: Iterable[Mapping[str, str]], as_of: date) -> None:
    """Check a table as it would be read, then put it in the place of the old one.

    The description goes first: rows that are newer than their table would be refused, a table that is newer
    than its rows is not.

    Raises
    ------
    ReferenceTableError
        If the new table breaks its own description; nothing is changed then.
    OSError
        If it cannot be written.
    """
    description = (folder / f"{table.name}.toml").read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory(prefix=f".{table.name}.", dir=folder) as scratch:
        place = Path(scratch)
        text = io.StringIO()
        names = [column.name for column in table.columns]
        writer = csv.DictWriter(text, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: row[name] for name in names} for row in rows)
        for ending, content in (
            ("toml", _AS_OF.sub(f"as_of = {as_of.isoformat()}", description, count=1)),
            ("csv", text.getvalue()),
        ):
            path = place / f"{table.name}.{ending}"
            path.write_text(content, encoding="utf-8")
            path.chmod((folder / path.name).stat().st_mode & 0o777)
            with path.open("rb") as file:
                os.fsync(file.fileno())
        read(place / f"{table.name}.csv")
        for ending in ("toml", "csv"):
            (place / f"{table.name}.{ending}").replace(folder / f"{table.name}.{ending}")
