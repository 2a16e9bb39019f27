"""Load a reference table: a CSV file and, beside it, what its columns mean, its sources and its date."""

from __future__ import annotations

import csv
import io
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyassay.resources import share

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ReferenceTable", "ReferenceTableError", "load", "read"]

_MAX_BYTES = 64 << 20


class ReferenceTableError(Exception):
    """A reference table is absent or wrong: one line that names table, row and column."""


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
    meanings : dict of str to str
        One sentence per column.
    """

    name: str
    title: str
    as_of: date
    shelf_life_days: int
    sources: tuple[str, ...]
    meanings: Mapping[str, str]
    _frame: pd.DataFrame

    @property
    def frame(self) -> pd.DataFrame:
        """Return the rows; a copy, so that no reader changes what another sees."""
        return self._frame.copy()

    def age_days(self, on: date) -> int:
        """Return the age of the facts on a day."""
        return (on - self.as_of).days

    def stale(self, on: date) -> bool:
        """Tell whether the shelf life is over on a day."""
        return on > self.as_of + timedelta(days=self.shelf_life_days)


@cache
def load(name: str) -> ReferenceTable:
    """Return a shipped table by its name.

    Raises
    ------
    ReferenceTableError
        If there is no such table, or it breaks its own description.
    """
    try:
        return read(share("data", "reference", f"{name}.csv"))
    except FileNotFoundError as error:
        raise ReferenceTableError(str(error)) from error


def read(path: Path) -> ReferenceTable:
    """Read and check a table: every column described, every cell of its kind, every key unique.

    Raises
    ------
    ReferenceTableError
        Names table, row and column of the first fault.
    """
    name = path.stem
    try:
        description = tomllib.loads(_text(path.with_suffix(".toml")))
        columns: dict[str, Mapping[str, Any]] = description["columns"]
        as_of = description["as_of"]
        if not isinstance(as_of, date):
            raise ReferenceTableError(f"{name}: as_of is no date")
        rows = list(csv.DictReader(io.StringIO(_text(path)), strict=True))
        _check(name, rows, columns, description["key"], as_of)
        return ReferenceTable(
            name=name,
            title=str(description["title"]),
            as_of=as_of,
            shelf_life_days=int(description["shelf_life_days"]),
            sources=tuple(map(str, description["sources"])),
            meanings={column: str(about["meaning"]) for column, about in columns.items()},
            _frame=_frame(rows, columns),
        )
    except OSError as error:
        raise ReferenceTableError(f"{name}: {error.strerror or error}") from error
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        raise ReferenceTableError(f"{name}: damaged: {type(error).__name__}: {error}") from error


def _text(path: Path) -> str:
    with path.open(encoding="utf-8", newline="") as file:
        text = file.read(_MAX_BYTES)
    if len(text) == _MAX_BYTES:
        raise ReferenceTableError(f"{path.stem}: larger than {_MAX_BYTES} bytes")
    return text


def _check(
    name: str,
    rows: list[dict[str, str]],
    columns: Mapping[str, Mapping[str, Any]],
    key: list[str],
    as_of: date,
) -> None:
    if not rows:
        raise ReferenceTableError(f"{name}: no rows")
    if list(rows[0]) != list(columns):
        raise ReferenceTableError(f"{name}: its columns are not those described: {', '.join(rows[0])}")
    seen: set[tuple[str, ...]] = set()
    for number, row in enumerate(rows, 2):
        for column, about in columns.items():
            fault = _fault(row[column], about)
            if fault:
                raise ReferenceTableError(f"{name}: row {number}, column {column}: {fault}")
        if about_future := next(
            (c for c in ("measured_on",) if c in row and row[c] > as_of.isoformat()), None
        ):
            raise ReferenceTableError(
                f"{name}: row {number}, column {about_future}: later than the table itself"
            )
        identity = tuple(row[part] for part in key)
        if identity in seen:
            raise ReferenceTableError(f"{name}: row {number}: {':'.join(identity)} stands there twice")
        seen.add(identity)


def _fault(cell: str | None, about: Mapping[str, Any]) -> str:
    """Return what is wrong with a cell; empty when nothing is."""
    if cell is None:
        return "the row is too short"
    kind = about["kind"]
    if "choices" in about and cell not in about["choices"]:
        return f"{cell!r} is none of {', '.join(about['choices'])}"
    if kind == "text" and not cell:
        return "empty"
    if kind == "flag" and cell not in ("true", "false"):
        return f"{cell!r} is neither true nor false"
    if kind == "date" and cell:
        try:
            date.fromisoformat(cell)
        except ValueError:
            return f"{cell!r} is no ISO date"
    return ""


def _frame(rows: list[dict[str, str]], columns: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    import pandas as pd

    data: dict[str, Any] = {}
    for column, about in columns.items():
        cells = [row[column] for row in rows]
        if about["kind"] == "flag":
            data[column] = pd.Series([cell == "true" for cell in cells], dtype="bool")
        else:
            data[column] = pd.Series(cells, dtype="str")
    return pd.DataFrame(data)
