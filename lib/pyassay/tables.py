"""Tables, verdict boxes and badges: the house style of everything that is not a chart.

Each function returns a :class:`Shown`: HTML for a page or JupyterLab, and plain text for a terminal and for
comparison. All text is taken to be hostile: markup is escaped, and what is not printable (terminal escapes,
newlines, bidirectional overrides) is made visible.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import Any

import pandas as pd

from pyassay.subjects.display import display_text
from pyassay.verdicts.model import Level, Reason, Verdict

__all__ = [
    "LEVEL_SIGNS",
    "MAX_ROWS",
    "Finding",
    "Shown",
    "badge",
    "findings",
    "shown_text",
    "table",
    "verdict_anchor",
    "verdict_box",
]

LEVEL_SIGNS: Mapping[Level, str] = {
    Level.GOOD: "✓",
    Level.CAUTION: "▲",
    Level.UNKNOWN: "?",
    Level.BAD: "✕",
}
"""The shape of each level, so that no reader depends on colour."""

MAX_ROWS = 500
"""The most rows that are written into a page; the data have all of them."""

MAX_TEXT = 300
"""The most characters of one cell."""

_MISSING = "–"
_DOUBLE_WIDTH = frozenset("WF")
Format = str | Callable[[Any], str]


@dataclass(frozen=True, slots=True)
class Shown:
    """Something to look at: displayed as HTML where that is possible, printed as text elsewhere.

    Attributes
    ----------
    html : str
        A fragment without style, script or event handlers.
    text : str
        The same content as text; equal content gives equal text.
    """

    html: str
    text: str

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        return {"text/html": self.html, "text/plain": self.text}

    def __repr__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found.

    Attributes
    ----------
    level : Level
        How it is judged.
    title : str
        What was found, as a clause.
    facts : tuple of (str, str, bool)
        A word, what stands behind it, and whether that is code; empty ones are left out.
    """

    level: Level
    title: str
    facts: tuple[tuple[str, str, bool], ...] = ()


def shown_text(value: object) -> str:
    r"""Return text on one line, harmless in a terminal and of bounded length; not yet escaped for HTML.

    >>> shown_text("a\n\x1b[31mb")
    'a\\n\\x1b[31mb'
    """
    text = str(value)
    # No-break spaces are not "printable" for Python, but ours to use.
    text = "".join(
        part if part in "\u00a0\u202f" else display_text(part) for part in _split_spaces(text[: MAX_TEXT + 1])
    )
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"


def badge(level: Level | str) -> Shown:
    """Return a level as a sign, a word and a colour."""
    known = Level(level)
    return Shown(_badge(known), f"[{known}]")


def verdict_anchor(question: str, subject_id: str) -> str:
    """Return the id of a verdict's paragraph, for links into an article."""
    return "verdict-" + re.sub(r"[^a-z0-9.]+", "-", f"{question}-{subject_id}".lower()).strip("-")


def verdict_box(verdicts: Iterable[Verdict], labels: Mapping[str, str] | None = None) -> Shown:
    """Show verdicts, the best first.

    Parameters
    ----------
    verdicts : iterable of Verdict
        One per subject.
    labels : mapping of str to str, optional
        What to call each subject; its id where absent.
    """
    names = labels or {}
    ordered = sorted(verdicts, key=lambda verdict: verdict.level.severity)
    counts = [(level, sum(verdict.level is level for verdict in ordered)) for level in Level]
    summary = " · ".join(f"{count} {level}" for level, count in counts if count) or "nothing was judged"
    # Subjects with the same fate share an item: ten equal lines hide the one that differs.
    alike: dict[tuple[Level, str], list[Verdict]] = {}
    for verdict in ordered:
        alike.setdefault((verdict.level, verdict.headline), []).append(verdict)
    items, lines = [], [f"Verdict: {summary}"]
    for (level, said), members in alike.items():
        headline = shown_text(said)
        named = [shown_text(names.get(verdict.subject_id, verdict.subject_id)) for verdict in members]
        anchors = [verdict_anchor(verdict.question, verdict.subject_id) for verdict in members]
        last = len(members) - 1
        strong = " ".join(
            f'<strong id="{anchor}">{escape(name)}{"," if place < last else ""}</strong>'
            for place, (anchor, name) in enumerate(zip(anchors, named, strict=True))
        )
        reasons = "".join(
            _reasons(verdict.reasons, name if len(members) > 1 else "")
            for verdict, name in zip(members, named, strict=True)
        )
        items.append(
            f'<li class="pa-verdict pa-{level}">{_badge(level)}'
            f"<div><p>{strong} {escape(headline)}</p>{reasons}</div></li>"
        )
        lines.append(f"[{level}] {', '.join(named)}: {headline}")
        for verdict, name in zip(members, named, strict=True):
            lines += [f"  {name}"] if len(members) > 1 else []
            lines += [f"    [{reason.level}] {shown_text(reason.text)}" for reason in verdict.reasons]
    html = (
        f'<div class="pa-verdicts"><p class="pa-summary">{escape(summary)}</p><ul>{"".join(items)}</ul></div>'
    )
    return Shown(html, "\n".join(lines))


def findings(items: Iterable[Finding], *, caption: str = "") -> Shown:
    """Show findings one below the other, each with the facts behind it.

    Parameters
    ----------
    items : iterable of Finding
        In the order in which they are shown.
    caption : str
        The line above them.
    """
    blocks, lines = [], [shown_text(caption)] if caption else []
    for item in items:
        title = shown_text(item.title)
        facts = [(word, shown_text(text), code) for word, text, code in item.facts if text]
        told = "".join(
            f'<p class="pa-fact"><span class="pa-word">{escape(word)}</span> '
            + (f"<code>{escape(text)}</code>" if code else escape(text))
            + "</p>"
            for word, text, code in facts
        )
        blocks.append(
            f'<li class="pa-verdict pa-{item.level}">{_badge(item.level)}'
            f"<div><p><strong>{escape(title)}</strong></p>{told}</div></li>"
        )
        lines.append(f"[{item.level}] {title}")
        lines += [f"    {word}: {text}" for word, text, _ in facts]
    summary = f'<p class="pa-summary">{escape(shown_text(caption))}</p>' if caption else ""
    return Shown(
        f'<div class="pa-verdicts pa-findings">{summary}<ul>{"".join(blocks)}</ul></div>', "\n".join(lines)
    )


def table(
    frame: pd.DataFrame,
    *,
    caption: str = "",
    units: Mapping[str, str] | None = None,
    formats: Mapping[str, Format] | None = None,
    sort: str | Sequence[str] = (),
    limit: int | None = None,
    badges: Sequence[str] = (),
    code: Sequence[str] = (),
) -> Shown:
    """Show a DataFrame without its index.

    Parameters
    ----------
    frame : DataFrame
        Any content; text is escaped, lists are joined by commas, missing values become a dash.
    caption : str
        The sentence above the table.
    units : mapping of column to str, optional
        Shown behind the column's name.
    formats : mapping of column to str or callable, optional
        A format specification (``".1f"``, ``",d"``) or a function from value to text.
    sort : str or sequence of str
        Columns to sort by, a leading minus for descending.
    limit : int, optional
        Show so many rows, and all of them (up to :data:`MAX_ROWS`) folded below.
    badges : sequence of str
        Columns that hold levels.
    code : sequence of str
        Columns that hold paths, symbols or commands.

    Raises
    ------
    KeyError
        If a named column is not in the frame.
    """
    names = [str(column) for column in frame.columns]
    wanted = [key.removeprefix("-") for key in ([sort] if isinstance(sort, str) else sort)]
    for name in (*wanted, *badges, *code, *(units or {}), *(formats or {})):
        if name not in names:
            raise KeyError(f"{name}: no such column; there are: {', '.join(names)}")
    if wanted:
        keys = [sort] if isinstance(sort, str) else list(sort)
        frame = frame.sort_values(wanted, ascending=[not key.startswith("-") for key in keys], kind="stable")
    columns = [
        _column(
            name, frame.iloc[:, place], (units or {}).get(name, ""), (formats or {}).get(name), badges, code
        )
        for place, name in enumerate(names)
    ]
    total = len(frame)
    first = total if limit is None else min(limit, total)
    html = _html_table(columns, min(first, MAX_ROWS), caption) if first or not total else ""
    shown = min(first, MAX_ROWS)
    if first < total:
        shown = min(total, MAX_ROWS)
        count = f"All {total:,} rows" if shown == total else f"The first {shown:,} of {total:,} rows"
        count += f": {shown_text(caption)}" if not first and caption else ""
        everything = _html_table(columns, shown, caption, hidden=True)
        html += f'<details class="pa-more"><summary>{escape(count)}</summary>{everything}</details>'
    if shown < total:
        html += f'<p class="pa-note">{total - shown:,} more rows are in the data.</p>'
    return Shown(
        f'<div class="pa-tables">{html}</div>', _text_table(columns, min(first, MAX_ROWS), total, caption)
    )


@dataclass(frozen=True, slots=True)
class _Column:
    title: str
    unit: str
    cells: list[str]
    numeric: bool
    badges: bool
    code: bool


def _column(
    name: str,
    values: pd.Series[Any],
    unit: str,
    wanted: Format | None,
    badges: Sequence[str],
    code: Sequence[str],
) -> _Column:
    numeric = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
    write = _writer(values, wanted, numeric=numeric)
    # What is beyond the limit of a page is never shown, so never formatted.
    cells = [_MISSING if _missing(value) else shown_text(write(value)) for value in values.iloc[:MAX_ROWS]]
    return _Column(shown_text(name), unit, cells, numeric, name in badges, name in code)


def _writer(values: pd.Series[Any], wanted: Format | None, *, numeric: bool) -> Callable[[Any], str]:
    if callable(wanted):
        return wanted
    if wanted is not None:
        return lambda value: format(value, wanted)
    if not numeric:
        return _words
    if pd.api.types.is_float_dtype(values):
        decimals = _decimals(values)
        return lambda value: _grouped(f"{value:.{decimals}f}")
    return lambda value: _grouped(str(int(value)))


def _decimals(values: pd.Series[Any]) -> int:
    """Return a column's decimals: three significant digits of its greatest value, two of its least."""
    sizes = [abs(float(value)) for value in values.dropna() if value and math.isfinite(value)]
    if not sizes or all(size == int(size) for size in sizes):
        return 0
    greatest, least = (math.floor(math.log10(size)) for size in (max(sizes), min(sizes)))
    return max(0, min(max(2 - greatest, 1 - least), 2 - greatest + 3, 9))


def _grouped(digits: str) -> str:
    """Return a number with commas; not in four digits, which are years more often than not."""
    sign, rest = ("-", digits[1:]) if digits.startswith("-") else ("", digits)
    whole, dot, fraction = rest.partition(".")
    if len(whole) > 4 and whole.isdigit():
        whole = f"{int(whole):,}"
    return f"{'−' if sign else ''}{whole}{dot}{fraction}"


def _words(value: Any) -> str:
    kind = type(value).__name__
    if kind in {"bool", "bool_"}:
        text = "yes" if value else "no"
    elif isinstance(value, datetime):
        day_only = (value.hour, value.minute, value.second, value.microsecond) == (0, 0, 0, 0)
        text = value.date().isoformat() if day_only else value.isoformat(sep=" ", timespec="seconds")
    elif isinstance(value, (list, tuple)) or kind == "ndarray":
        text = ", ".join(_words(item) for item in value)
    elif isinstance(value, (set, frozenset)):
        text = ", ".join(sorted(_words(item) for item in value))
    elif isinstance(value, dict):
        text = ", ".join(f"{key}: {_words(item)}" for key, item in value.items())
    else:
        text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return text


def _missing(value: object) -> bool:
    return (
        value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and math.isnan(value))
    )


def _badge(level: Level) -> str:
    sign = f'<span aria-hidden="true">{LEVEL_SIGNS[level]}</span>'
    return f'<span class="pa-badge pa-{level}">{sign} {level}</span>'


def _reasons(reasons: Sequence[Reason], name: str = "") -> str:
    if not reasons:
        return ""
    items = "".join(
        f'<li class="pa-{reason.level}">{_badge(reason.level)} {escape(shown_text(reason.text))}</li>'
        for reason in reasons
    )
    word = "reason" if len(reasons) == 1 else "reasons"
    whose = f"{escape(name)}: " if name else ""
    return f"<details><summary>{whose}{len(reasons)} {word}</summary><ul>{items}</ul></details>"


def _html_table(columns: Sequence[_Column], rows: int, caption: str, *, hidden: bool = False) -> str:
    heads = "".join(
        f'<th scope="col"{" class=n" if column.numeric else ""}>{escape(column.title)}'
        + (f' <span class="pa-unit">({escape(column.unit)})</span>' if column.unit else "")
        + "</th>"
        for column in columns
    )
    body = "".join(
        "<tr>" + "".join(_html_cell(column, column.cells[row]) for column in columns) + "</tr>"
        for row in range(rows)
    )
    if not rows:
        body = f'<tr><td colspan="{max(len(columns), 1)}">no rows</td></tr>'
    title = escape(shown_text(caption)) if caption else ""
    named = f' aria-label="{title or "Table"}"'
    above = f'<caption><span class="pa-caption">{title}</span></caption>' if title and not hidden else ""
    return (
        f'<div class="pa-table" role="region" tabindex="0"{named}><table>{above}'
        f"<thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _html_cell(column: _Column, cell: str) -> str:
    if column.badges and cell in set(Level):
        return f"<td>{_badge(Level(cell))}</td>"
    if column.numeric:
        return f"<td class=n>{escape(cell)}</td>"
    if column.code and cell != _MISSING:
        return f"<td><code>{escape(cell)}</code></td>" if cell else "<td></td>"
    return f"<td>{escape(cell)}</td>"


def _text_table(columns: Sequence[_Column], rows: int, total: int, caption: str) -> str:
    lines = [shown_text(caption)] if caption else []
    padded = []
    for column in columns:
        head = f"{column.title} ({column.unit})" if column.unit else column.title
        cells = [head, *column.cells[:rows]]
        width = max(map(_width, cells))
        padded.append(
            [
                " " * (width - _width(cell)) + cell if column.numeric else cell + " " * (width - _width(cell))
                for cell in cells
            ]
        )
    lines += ["  ".join(cells).rstrip() for cells in zip(*padded, strict=True)]
    if rows < total:
        lines.append(f"... {total - rows} more of {total} rows")
    elif not total:
        lines.append("no rows")
    return "\n".join(lines)


def _split_spaces(text: str) -> list[str]:
    return re.split("([\u00a0\u202f])", text)


def _width(text: str) -> int:
    return sum(
        0
        if unicodedata.combining(character)
        else 2
        if unicodedata.east_asian_width(character) in _DOUBLE_WIDTH
        else 1
        for character in text
    )
