"""What holds each floor up, and what would have to go for it to fall."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import pandas as pd

from pyassay.elf.versions import version_key
from pyassay.verdicts.requirements import flag, rows_by_subject, text

if TYPE_CHECKING:
    from pyassay.verdicts.requirements import Number

__all__ = ["by_file", "named", "some", "what_would_lower"]

_NAMES_SHOWN = 6
_COLUMNS = ("subject_id", "family", "version", "next_version", "files", "symbols", "names", "kinds")


def what_would_lower(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Tell what holds each floor up, step by step.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        ``needs``, ``symbols`` and ``libraries`` of the portability probe.

    Returns
    -------
    DataFrame
        Per subject and family, from the floor downwards (at most as many steps as ``symbols`` has versions):
        ``subject_id``, ``family``, ``version`` (the number that is required), ``next_version`` (what would be
        required if everything in this row were gone; empty: nothing of this family), ``files`` and
        ``symbols`` (how many), ``names`` (file: symbols, the first few), ``kinds`` (how many of each kind).
        Versions that are needed only weakly, or from a library that the tree carries along, are left out, and
        so are installed packages.
    """
    asked, not_asked = _asked(tables)
    bound = _bound(tables, not_asked)
    for (subject_id, family, number), symbols in bound.items():
        asked.setdefault((subject_id, family), {}).setdefault(number, set()).update(
            file for file, _, _ in symbols
        )
    rows: list[dict[str, object]] = []
    for (subject_id, family), numbers in asked.items():
        steps = sorted(numbers, reverse=True)
        for number, below in zip(steps, [*steps[1:], None], strict=True):
            symbols = bound.get((subject_id, family, number), [])
            if not symbols:
                # The probe binds the symbols of the newest versions only: what lies below is not told apart.
                break
            files = by_file((file, name) for file, name, _ in symbols)
            rows.append(
                {
                    "subject_id": subject_id,
                    "family": family,
                    "version": _dotted(number),
                    "next_version": _dotted(below),
                    "files": len(numbers[number]),
                    "symbols": len({name for _, name, _ in symbols}),
                    "names": named(files),
                    "kinds": _kinds({name: kind for _, name, kind in symbols}.values()),
                }
            )
    dtypes = {"files": "int64", "symbols": "int64"}
    return pd.DataFrame(
        {name: pd.Series([row[name] for row in rows], dtype=dtypes.get(name, "str")) for name in _COLUMNS}
    )


def by_file(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Group symbols by the file that needs them, each once and in order."""
    grouped: dict[str, set[str]] = {}
    for file, symbol in pairs:
        grouped.setdefault(file, set()).add(symbol)
    return {file: sorted(symbols) for file, symbols in grouped.items()}


def named(files: Mapping[str, list[str]]) -> str:
    """Return ``file: symbols`` of the two files that need the most, and how many files more there are."""
    shown = [
        f"{file}: {some(names)}"
        for file, names in sorted(files.items(), key=lambda item: (-len(item[1]), item[0]))
    ]
    more = len(shown) - 2
    rest = f"; and {more} more file{'s' if more > 1 else ''}" if more > 0 else ""
    return "; ".join(shown[:2]) + rest


def some(names: Iterable[str]) -> str:
    """Return the first few of some names, each once, and how many more there are."""
    listed = list(dict.fromkeys(names))
    more = len(listed) - _NAMES_SHOWN
    return ", ".join(listed[:_NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _asked(
    tables: Mapping[str, pd.DataFrame],
) -> tuple[dict[tuple[str, str], dict[Number, set[str]]], set[tuple[str, str, str, Number]]]:
    """Return which files ask the system for each number of each family; and what is not asked of it."""
    carried = {
        (subject_id, text(file), text(soname))
        for subject_id, rows in rows_by_subject(tables.get("libraries"), "file", "soname", "inside").items()
        for file, soname, inside in rows
        if flag(inside)
    }
    asked: dict[tuple[str, str], dict[Number, set[str]]] = {}
    seen: set[tuple[str, str, str, Number]] = set()
    hard: set[tuple[str, str, str, Number]] = set()
    columns = ("file", "scope", "soname", "family", "number", "weak")
    for subject_id, rows in rows_by_subject(tables.get("needs"), *columns).items():
        for cell, scope, soname, family, number, weak in rows:
            file, parsed = text(cell), version_key(text(number))
            if scope == "site" or parsed is None:
                continue
            seen.add((subject_id, file, text(family), parsed))
            if not flag(weak) and (subject_id, file, text(soname)) not in carried:
                hard.add((subject_id, file, text(family), parsed))
                asked.setdefault((subject_id, text(family)), {}).setdefault(parsed, set()).add(file)
    return asked, seen - hard


def _bound(
    tables: Mapping[str, pd.DataFrame], not_asked: set[tuple[str, str, str, Number]]
) -> dict[tuple[str, str, Number], list[tuple[str, str, str]]]:
    """Return file, symbol and kind by subject, family and number."""
    bound: dict[tuple[str, str, Number], list[tuple[str, str, str]]] = {}
    columns = ("file", "scope", "family", "version", "symbol", "version_weak", "kind")
    for subject_id, rows in rows_by_subject(tables.get("symbols"), *columns).items():
        for cell, scope, family, version, symbol, weak, kind in rows:
            file, number = text(cell), version_key(text(version))
            if scope == "site" or flag(weak) or number is None:
                continue
            if (subject_id, file, text(family), number) not in not_asked:
                found = bound.setdefault((subject_id, text(family), number), [])
                found.append((file, text(symbol), text(kind) or "unknown"))
    return bound


def _dotted(number: Number | None) -> str:
    return "" if number is None else ".".join(map(str, number))


def _kinds(kinds: Iterable[str]) -> str:
    listed = sorted(kinds)
    return ", ".join(f"{listed.count(kind)} {kind}" for kind in dict.fromkeys(listed))
