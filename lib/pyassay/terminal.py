"""What a terminal is shown: names made harmless, aligned tables, JSON, progress for a person."""

from __future__ import annotations

import contextlib
import json
import math
import os
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

__all__ = [
    "JSON_FORMAT",
    "Progress",
    "escaped",
    "json_document",
    "plain",
    "progress_bar",
    "table",
    "tell",
    "write",
]

JSON_FORMAT = 1
"""Version of every JSON document that the command prints; raised when a reader of the old one would break."""

Progress = Callable[[int, int, str], None]
"""Called as ``progress(done, total, label)``."""

_DOUBLE_WIDTH = frozenset("WF")


def escaped(text: str) -> str:
    r"""Return text without anything that a terminal would obey: ``\x1b``, ``\n``, bidirectional overrides.

    File names are chosen by whoever made the subject, so none of them is printed as it is.
    """
    from pyassay.subjects.display import display_text

    return display_text(text)


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return rows as left-aligned columns, two spaces apart, every cell escaped; no trailing spaces."""
    cells = [list(columns), *([escaped(cell) for cell in row] for row in rows)]
    widths = [max(map(_width, column)) for column in zip(*cells, strict=True)]
    return "".join(
        "  ".join(
            cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        + "\n"
        for row in cells
    )


def plain(value: object) -> Any:
    """Return a value as JSON has it: dataclasses as objects, paths as strings, missing values as null."""
    if isinstance(value, Enum):
        value = value.value
    result: Any = str(value)
    if value is None or isinstance(value, (bool, int)):
        result = value
    elif isinstance(value, float):
        result = value if math.isfinite(value) else None
    elif is_dataclass(value):
        result = {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    elif isinstance(value, Mapping):
        result = {str(key): plain(item) for key, item in value.items()}
    elif isinstance(value, (Sequence, frozenset, set)) and not isinstance(value, str):
        result = [plain(item) for item in value]
    return result


def json_document(**content: object) -> str:
    """Return one JSON object as text, the version of its format first; in ASCII, so any name is harmless."""
    return json.dumps({"format": JSON_FORMAT, **plain(content)}, indent=2) + "\n"


def write(text: str) -> None:
    """Write data to standard output; a reader that has gone away (``| head``) ends the program quietly."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        # Nothing more may be written, not even by the interpreter when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0) from None


def tell(message: str) -> None:
    """Write one line to standard error."""
    with contextlib.suppress(BrokenPipeError):
        print(escaped(message), file=sys.stderr, flush=True)


@contextlib.contextmanager
def progress_bar(doing: str) -> Iterator[Progress]:
    """Show a bar on standard error while something is done, if a person is watching; one line otherwise."""
    if not sys.stderr.isatty():
        tell(f"{doing} ...")
        yield lambda done, total, label: None
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    bars = Bars(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[label]}"),
        console=Console(stderr=True),
        transient=True,
    )
    with bars:
        task = bars.add_task(escape(doing), total=None, label="")

        def show(done: int, total: int, label: str) -> None:
            bars.update(task, completed=done, total=total, label=escape(escaped(label)))

        yield show


def _width(text: str) -> int:
    return sum(
        0
        if unicodedata.combining(character)
        else 2
        if unicodedata.east_asian_width(character) in _DOUBLE_WIDTH
        else 1
        for character in text
    )
