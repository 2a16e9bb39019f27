"""The charts of the article on packaging, in the manner of :mod:`pyassay.charts`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import altair as alt
import pandas as pd

from pyassay.theme import LEVEL_COLOURS, LINE, SERIES, SOFT

__all__ = ["MARKS", "OUTCOMES", "ratio_forest", "reach_by_inputs", "size_against_start"]

Chart = alt.LayerChart | alt.FacetChart

OUTCOMES: Mapping[str, tuple[str, str]] = {
    "ran": ("✓", LEVEL_COLOURS["good"]),
    "failed": ("✕", LEVEL_COLOURS["bad"]),
    "not measured": ("?", LEVEL_COLOURS["unknown"]),
}
"""How a run ended: its sign and its colour."""

MARKS: Mapping[str, tuple[str, str]] = {
    "yes": ("✓", LEVEL_COLOURS["good"]),
    "partly": ("▲", LEVEL_COLOURS["caution"]),
    "by hand": ("◆", SERIES[0]),
    "no": ("✕", LEVEL_COLOURS["bad"]),
    "not measured": ("?", LEVEL_COLOURS["unknown"]),
}
"""Marks: their signs and their colours."""

_WIDTH = 580
_SHAPES = ("circle", "triangle-up", "square", "diamond", "cross")


def ratio_forest(rows: pd.DataFrame, *, limit: float, axis: str, finding: str) -> Chart:
    """Draw ratios with their intervals on a logarithmic scale, and the policy's limit.

    Parameters
    ----------
    rows : DataFrame
        ``label``, ``ratio``, ``low``, ``high``, ``finding`` (within, beyond, on the limit, reference), from
        top to bottom.
    limit : float
        Drawn as a line.
    axis : str
        Title of the axis.
    finding : str
        The sentence that the chart proves.
    """
    colours = {
        "within the limit": LEVEL_COLOURS["good"],
        "on the limit": LEVEL_COLOURS["caution"],
        "beyond the limit": LEVEL_COLOURS["bad"],
        "not decided": LEVEL_COLOURS["unknown"],
        "python -m": SOFT,
    }
    shapes = dict(zip(colours, ("circle", "diamond", "triangle-right", "square", "cross"), strict=True))
    order = list(rows["label"])
    drawn = rows.assign(text=[f"{ratio:.2f}" for ratio in rows["ratio"]])
    values = [*rows["low"].dropna(), *rows["high"].dropna(), *rows["ratio"].dropna(), 1.0, limit]
    low, high = 0.9 * min(values), 1.2 * max(values)
    scale = alt.Scale(type="log", domain=[low, high], nice=False)
    x = alt.X("ratio:Q", title=axis, scale=scale, axis=alt.Axis(values=_ticks(low, high), format="~g"))
    y = alt.Y("label:N", title=None, sort=order, axis=alt.Axis(labelLimit=300))
    named = list(colours)
    colour = alt.Color(
        "finding:N",
        scale=alt.Scale(domain=named, range=list(colours.values())),
        legend=alt.Legend(title=None, orient="bottom"),
    )
    shape = alt.Shape(
        "finding:N",
        scale=alt.Scale(domain=named, range=list(shapes.values())),
        legend=alt.Legend(title=None, orient="bottom"),
    )
    base = alt.Chart(drawn)
    rules = pd.DataFrame({"at": [1.0, limit]})
    lines = alt.Chart(rules).mark_rule(strokeDash=[3, 3]).encode(x=alt.X("at:Q", scale=scale))
    whiskers = base.mark_rule(strokeWidth=2).encode(
        x=alt.X("low:Q", scale=scale), x2="high:Q", y=y, color=colour
    )
    points = base.mark_point(size=80, filled=True, opacity=1).encode(x=x, y=y, color=colour, shape=shape)
    words = base.mark_text(align="left", dx=9, fontSize=10).encode(
        x=alt.X("high:Q", scale=scale), y=y, text="text:N"
    )
    return alt.layer(lines, whiskers, points, words).properties(
        width=_WIDTH, height=20 * max(len(order), 1), title=finding, description=finding
    )


def _ticks(low: float, high: float) -> list[float]:
    steps = (0.5, 1, 1.5, 2, 3, 5, 7, 10, 20, 30, 50, 70, 100, 200, 500)
    return [step for step in steps if low <= step <= high]


def size_against_start(points: pd.DataFrame, *, kinds: Sequence[str], finding: str) -> Chart:
    """Draw the size of each artifact against its start.

    Parameters
    ----------
    points : DataFrame
        ``label``, ``megabytes``, ``ratio``, ``kind`` (how it is delivered).
    kinds : sequence of str
        In the order of the legend.
    finding : str
        The sentence that the chart proves.
    """
    base = alt.Chart(points).encode(
        x=alt.X(
            "megabytes:Q",
            title="size (MB)",
            scale=alt.Scale(type="log", nice=False, padding=20),
            axis=alt.Axis(values=[1, 2, 5, 10, 20, 50, 100, 200, 500], format="~g"),
        ),
        y=alt.Y(
            "ratio:Q",
            title="warm start, times python -m",
            scale=alt.Scale(type="log", nice=False, padding=16),
            axis=alt.Axis(values=[1, 2, 3, 5, 10, 20, 50, 100], format="~g"),
        ),
    )
    marks = base.mark_point(size=80, filled=True, opacity=0.9).encode(
        color=alt.Color(
            "kind:N",
            scale=alt.Scale(domain=list(kinds), range=list(SERIES[: len(kinds)])),
            legend=alt.Legend(title=None, orient="bottom"),
        ),
        shape=alt.Shape(
            "kind:N",
            scale=alt.Scale(domain=list(kinds), range=list(_SHAPES[: len(kinds)])),
            legend=alt.Legend(title=None, orient="bottom"),
        ),
    )
    words = base.mark_text(align="left", dx=8, fontSize=10).encode(text="label:N")
    return alt.layer(marks, words).properties(width=_WIDTH, height=320, title=finding, description=finding)


def reach_by_inputs(
    points: pd.DataFrame, *, rows: Sequence[str], kinds: Sequence[str], finding: str
) -> Chart:
    """Draw in which share of the environments each form ran, by the wheels that it was given.

    Parameters
    ----------
    points : DataFrame
        ``label`` (form), ``kind`` (of wheels), ``share`` (0 to 1), ``text`` (``12 of 12``).
    rows : sequence of str
        Forms from top to bottom.
    kinds : sequence of str
        In the order of the legend.
    finding : str
        The sentence that the chart proves.
    """
    base = alt.Chart(points).encode(
        x=alt.X(
            "share:Q",
            title="share of the environments in which it ran",
            scale=alt.Scale(domain=[0, 1.12], nice=False),
            axis=alt.Axis(format=".0%", values=[0, 0.25, 0.5, 0.75, 1]),
        ),
        y=alt.Y("label:N", title=None, sort=list(rows), axis=alt.Axis(labelLimit=300)),
    )
    spans = (
        alt.Chart(points)
        .mark_rule(color=LINE, strokeWidth=3)
        .encode(x="min(share):Q", x2="max(share):Q", y=alt.Y("label:N", sort=list(rows)))
    )
    marks = base.mark_point(size=80, filled=True, opacity=1).encode(
        color=alt.Color(
            "kind:N",
            scale=alt.Scale(domain=list(kinds), range=list(SERIES[: len(kinds)])),
            legend=alt.Legend(title="wheels", orient="bottom"),
        ),
        shape=alt.Shape(
            "kind:N",
            scale=alt.Scale(domain=list(kinds), range=list(_SHAPES[: len(kinds)])),
            legend=alt.Legend(title="wheels", orient="bottom"),
        ),
    )
    words = base.mark_text(align="left", dx=8, fontSize=9).encode(text="text:N")
    return alt.layer(spans, marks, words).properties(
        width=_WIDTH - 40, height=24 * max(len(rows), 1), title=finding, description=finding
    )
