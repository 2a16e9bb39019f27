"""Load a reference table: a CSV file and, beside it, what its columns mean, its sources and its date."""

from __future__ import annotations

import csv
import io
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyassay.resources import share

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ColumnDescription", "ReferenceTable", "ReferenceTableError", "load", "read"]

_MAX_BYTES = 64 << 20
_KINDS = (
    "text",
    "optional",
    "version",
    "optional version",
    "release",
    "optional release",
    "date",
    "flag",
    "count",
)
# How a cell of a kind is written, and what one is that is not. Releases are as upstreams write them:
# 3.13.0rc2, 1.1.1w, 0.9.8-beta3, 20240808-3.1.
_SPELLINGS = (
    ("flag", re.compile(r"true|false"), "neither true nor false"),
    ("version", re.compile(r"\d{1,6}(\.\d{1,6}){0,5}(\.x)?"), "no version"),
    (
        "release",
        re.compile(r"\d{1,8}(\.\d{1,6}){0,5}[a-z]{0,6}\d{0,3}(-[a-z]{0,6}\d{1,8}(\.\d{1,4})?)?"),
        "no release",
    ),
    ("count", re.compile(r"\d{1,9}", re.ASCII), "no count"),
)
_NEVER_EMPTY = ("text", "version", "release", "flag", "count")
_NAME = re.compile(r"[a-z][a-z0-9_]*")


class ReferenceTableError(Exception):
    """A reference table is absent or wrong: one line that names table, row and column."""


@dataclass(frozen=True, slots=True)
class ColumnDescription:
    """What a column of a reference table holds, and what its cells must satisfy.

    Attributes
    ----------
    name, meaning : str
        The meaning is one sentence for the reader of the data.
    kind : str
        ``text`` (never empty), ``optional`` (text, may be empty), ``version`` (``2.17``, or ``1.2.x`` for a
        series), ``optional version``, ``release`` (as upstreams write them: ``3.13.0rc2``, ``1.1.1w``),
        ``optional release``, ``date`` (ISO 8601, may be empty), ``flag`` (``true``, ``false``) or ``count``.
    choices : tuple of str
        The only values allowed; empty: any.
    unique, required, past : bool
        No value stands twice; a date is never empty; a date is not later than the table itself.
    after : str
        A column of dates than which this one is never earlier.
    """

    name: str
    kind: str
    meaning: str
    choices: tuple[str, ...] = ()
    unique: bool = False
    required: bool = False
    past: bool = False
    after: str = ""

    def fault(self, row: Mapping[str, str], as_of: date) -> str:
        """Return what is wrong with this column's cell of a row; empty when nothing is."""
        cell = row[self.name]
        if self.choices and cell not in self.choices:
            return f"{cell!r} is none of {', '.join(self.choices)}"
        if not cell:
            return "empty" if self.required or self.kind in _NEVER_EMPTY else ""
        for kind, pattern, noun in _SPELLINGS:
            if self.kind.removeprefix("optional ") == kind and not pattern.fullmatch(cell):
                return f"{cell!r} is {noun}"
        if self.kind == "date":
            return self._date_fault(cell, row, as_of)
        return ""

    def _date_fault(self, cell: str, row: Mapping[str, str], as_of: date) -> str:
        try:
            day = date.fromisoformat(cell)
        except ValueError:
            return f"{cell!r} is no ISO date"
        if cell != day.isoformat():  # 20240101 and 2024-W01-1 are ISO, too, but do not sort as text
            return f"{cell!r} is not written YYYY-MM-DD"
        if self.past and day > as_of:
            return f"{cell} is later than the table itself ({as_of})"
        if self.after and cell < row[self.after]:
            return f"{cell} is earlier than {self.after} ({row[self.after]})"
        return ""


@dataclass(frozen=True, slots=True)
class ReferenceTable:
    """Dated facts.

    Attributes
    ----------
    name, title : str
        File name without its ending; what it holds.
    as_of : date
        The day on which the facts were compiled.
    shelf_life_days : int
        After so many days a verdict that rests on it is "unknown".
    sources : tuple of str
        Where the facts come from.
    columns : tuple of ColumnDescription
        In the order of the frame.
    license : str
        Of the collections that the facts were taken from.
    changes : tuple of str
        What was changed on the way from the sources, and why.
    key : tuple of str
        The columns that together name a row.
    """

    name: str
    title: str
    as_of: date
    shelf_life_days: int
    sources: tuple[str, ...]
    columns: tuple[ColumnDescription, ...]
    license: str
    changes: tuple[str, ...]
    key: tuple[str, ...]
    _frame: pd.DataFrame = field(repr=False, compare=False)

    @property
    def frame(self) -> pd.DataFrame:
        """Return the rows: text, ``bool`` flags, whole numbers; a copy: no reader changes another's."""
        return self._frame.copy()

    @property
    def meanings(self) -> dict[str, str]:
        """Return one sentence per column."""
        return {column.name: column.meaning for column in self.columns}

    @property
    def best_before(self) -> date:
        """Return the last day on which the facts may be judged by."""
        return self.as_of + timedelta(days=self.shelf_life_days)

    def age_days(self, on: date) -> int:
        """Return the age of the facts on a day, in days."""
        return (on - self.as_of).days

    def stale(self, on: date) -> bool:
        """Tell whether the shelf life is over on a day."""
        return on > self.best_before


@cache
def load(name: str) -> ReferenceTable:
    """Return a shipped table by its name; read and checked once per process.

    Raises
    ------
    ReferenceTableError
        If there is no such table, or it breaks its own description.
    """
    if not _NAME.fullmatch(name):
        raise ReferenceTableError(f"{name!r}: no name of a reference table")
    try:
        return read(share("data", "reference", f"{name}.csv"))
    except FileNotFoundError as error:
        raise ReferenceTableError(str(error)) from error


def read(path: Path) -> ReferenceTable:
    """Read and check a table: every column described, every cell of its kind, every key unique.

    Parameters
    ----------
    path : Path
        The CSV file; its description lies beside it and ends in ``.toml``.

    Raises
    ------
    ReferenceTableError
        Names table, row (as a line of the CSV file) and column of the first fault.
    """
    name = path.stem
    try:
        description = tomllib.loads(_text(path.with_suffix(".toml")))
        columns = tuple(_column(name, column, about) for column, about in description["columns"].items())
        as_of, shelf_life_days = description["as_of"], description["shelf_life_days"]
        if not isinstance(as_of, date) or isinstance(as_of, datetime):
            raise ReferenceTableError(f"{name}: as_of is no date")
        if not isinstance(shelf_life_days, int) or not 0 < shelf_life_days < 36_500:
            raise ReferenceTableError(f"{name}: shelf_life_days is no number of days")
        rows = _rows(name, _text(path), columns)
        _check(name, rows, columns, as_of, tuple(description["key"]))
        return ReferenceTable(
            name=name,
            title=str(description["title"]),
            as_of=as_of,
            shelf_life_days=shelf_life_days,
            sources=tuple(map(str, description["sources"])),
            columns=columns,
            license=str(description.get("license", "")),
            changes=tuple(map(str, description.get("changes", ()))),
            key=tuple(map(str, description["key"])),
            _frame=_frame(rows, columns),
        )
    except OSError as error:
        raise ReferenceTableError(f"{name}: {error.strerror or error}") from error
    except KeyError as error:
        raise ReferenceTableError(f"{name}: its description lacks {error}") from error
    except (TypeError, ValueError, AttributeError, csv.Error) as error:
        message = " ".join(str(error).split())
        raise ReferenceTableError(f"{name}: damaged: {type(error).__name__}: {message}") from error


def _text(path: Path) -> str:
    with path.open("rb") as file:
        content = file.read(_MAX_BYTES + 1)
    if len(content) > _MAX_BYTES:
        raise ReferenceTableError(f"{path.stem}: larger than {_MAX_BYTES} bytes")
    return content.decode("utf-8")


def _column(table: str, name: str, about: Mapping[str, Any]) -> ColumnDescription:
    settings = dict(about)
    settings["choices"] = tuple(settings.get("choices", ()))
    if settings.get("kind") not in _KINDS:
        raise ReferenceTableError(f"{table}: column {name}: kind is none of {', '.join(_KINDS)}")
    return ColumnDescription(name=name, **settings)


def _rows(name: str, text: str, columns: Sequence[ColumnDescription]) -> list[dict[str, str]]:
    reader = csv.reader(io.StringIO(text), strict=True)
    header = next(reader, [])
    described = [column.name for column in columns]
    if header != described:
        lacks = ", ".join(sorted(set(described) - set(header)))
        extra = ", ".join(sorted(set(header) - set(described)))
        raise ReferenceTableError(
            f"{name}: its columns are not those described"
            + (f"; missing: {lacks}" if lacks else "")
            + (f"; not described: {extra}" if extra else "")
        )
    rows: list[dict[str, str]] = []
    for cells in reader:
        if len(cells) < len(header):
            column = header[len(cells)]
            raise ReferenceTableError(f"{name}: row {reader.line_num}, column {column}: the row is too short")
        if len(cells) > len(header):
            raise ReferenceTableError(
                f"{name}: row {reader.line_num}: {len(cells)} cells, the table has {len(header)} columns"
            )
        rows.append(dict(zip(header, cells, strict=True)))
    if not rows:
        raise ReferenceTableError(f"{name}: no rows")
    return rows


def _check(
    name: str,
    rows: Sequence[Mapping[str, str]],
    columns: Sequence[ColumnDescription],
    as_of: date,
    key: tuple[str, ...],
) -> None:
    unique = [(part.name,) for part in columns if part.unique]
    seen: dict[tuple[str, ...], set[tuple[str, ...]]] = {parts: set() for parts in [key, *unique]}
    for number, row in enumerate(rows, 2):
        for column in columns:
            if fault := column.fault(row, as_of):
                raise ReferenceTableError(f"{name}: row {number}, column {column.name}: {fault}")
        for parts, known in seen.items():
            identity = tuple(row[part] for part in parts)
            if identity in known:
                where = "" if parts == key else f", column {parts[0]}"
                shown = ":".join(identity)
                raise ReferenceTableError(f"{name}: row {number}{where}: {shown} stands there twice")
            known.add(identity)


def _frame(rows: Sequence[Mapping[str, str]], columns: Sequence[ColumnDescription]) -> pd.DataFrame:
    import pandas as pd

    data: dict[str, pd.Series[Any]] = {}
    for column in columns:
        cells = [row[column.name] for row in rows]
        if column.kind == "flag":
            data[column.name] = pd.Series([cell == "true" for cell in cells], dtype="bool")
        elif column.kind == "count":
            data[column.name] = pd.Series(list(map(int, cells)), dtype="int64")
        else:
            data[column.name] = pd.Series(cells, dtype="str")
    return pd.DataFrame(data)
