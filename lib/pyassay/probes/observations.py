"""The shape of observations: documented columns, the same whether a table has a million rows or none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Column", "TableSchema", "records"]

Kind = Literal["text", "texts", "flag", "count", "number"]


@dataclass(frozen=True, slots=True)
class Column:
    """One documented column.

    Attributes
    ----------
    name : str
        Carries its unit where there is one: ``size_bytes``, ``duration_s``.
    kind : {"text", "texts", "flag", "count", "number"}
        ``text`` and ``texts`` (a list) are never missing; ``flag`` and ``count`` may be ``<NA>``, ``number``
        (a float) may be NaN: not known.
    meaning : str
        One sentence for the reader of the data.
    """

    name: str
    kind: Kind
    meaning: str


_DTYPES: dict[str, str] = {
    "text": "str",
    "texts": "object",
    "flag": "boolean",
    "count": "Int64",
    "number": "float64",
}


@dataclass(frozen=True, slots=True)
class TableSchema:
    """A table's name, meaning and columns."""

    name: str
    meaning: str
    columns: tuple[Column, ...]

    @property
    def column_names(self) -> list[str]:
        """Return the names in their order."""
        return [column.name for column in self.columns]

    def frame(self, rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
        """Return rows as a DataFrame with exactly the documented columns and dtypes.

        Raises
        ------
        KeyError
            If a row lacks a column: an observation is complete, or it is a row in ``skipped``.
        """
        listed = list(rows)
        return self._typed({column.name: [row[column.name] for row in listed] for column in self.columns})

    def restore(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return a frame read back from disk with the documented dtypes, lists as lists.

        Raises
        ------
        KeyError
            If a column is absent.
        """
        return self._typed({column.name: frame[column.name].tolist() for column in self.columns})

    def _typed(self, values: Mapping[str, list[Any]]) -> pd.DataFrame:
        import pandas as pd

        data: dict[str, Any] = {}
        for column in self.columns:
            cells = values[column.name]
            if column.kind == "text":
                cells = list(map(_utf8, cells))
            elif column.kind == "texts":
                cells = [list(map(_utf8, cell)) for cell in cells]
            data[column.name] = pd.Series(cells, dtype=_DTYPES[column.kind])
        return pd.DataFrame(data, columns=self.column_names)


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a table, each by the names of its columns."""
    return [{str(key): value for key, value in row.items()} for row in frame.to_dict("records")]


def _utf8(text: object) -> str:
    """Return text that every file format can hold: bytes that are no UTF-8 are shown in hexadecimal."""
    shown = str(text)
    if shown.isascii():
        return shown
    return shown.encode(
        "utf-8", "surrogateescape" if _only_escaped_bytes(shown) else "backslashreplace"
    ).decode("utf-8", "backslashreplace")


def _only_escaped_bytes(text: str) -> bool:
    return all(not "\ud800" <= letter <= "\udfff" or "\udc80" <= letter <= "\udcff" for letter in text)
