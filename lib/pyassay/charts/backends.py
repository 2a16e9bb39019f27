"""The charts of the article on build backends."""

from __future__ import annotations

import altair as alt
import pandas as pd

from pyassay.theme import LEVEL_COLOURS, SERIES, SOFT

__all__ = ["closure_sizes", "times_forest"]

Chart = alt.LayerChart | alt.FacetChart

_WIDTH = 520
_FINDINGS = {
    "less time": (LEVEL_COLOURS["good"], "triangle-left"),
    "not told apart": (LEVEL_COLOURS["unknown"], "circle"),
    "more time": (LEVEL_COLOURS["bad"], "triangle-right"),
    "reference": (SOFT, "cross"),
}
_PARTS = {"Python and data": SERIES[0], "machine code": LEVEL_COLOURS["caution"]}


def closure_sizes(parts: pd.DataFrame, *, finding: str) -> Chart:
    """Draw what has to be installed for each backend: its size, and the share of machine code.

    Parameters
    ----------
    parts : DataFrame
        ``label`` (backend), ``part`` (``Python and data`` or ``machine code``), ``megabytes`` (unpacked),
        ``text`` (said at the end of the bar, on one row for each backend), from top to bottom.
    finding : str
        The sentence that the chart proves.
    """
    order = list(dict.fromkeys(parts["label"]))
    totals = parts.groupby("label", sort=False).agg(megabytes=("megabytes", "sum"), text=("text", "first"))
    y = alt.Y("label:N", title=None, sort=order, axis=alt.Axis(labelLimit=260))
    # Bars on a logarithmic scale have no length to compare: points have only a place.
    low = 0.5 * float(totals["megabytes"].min()) if len(totals) else 0.1
    high = 4.0 * float(totals["megabytes"].max()) if len(totals) else 10.0
    scale = alt.Scale(type="log", domain=[low, high], nice=False)
    drawn = parts[parts["megabytes"] > 0]
    points = (
        alt.Chart(drawn)
        .mark_point(size=90, filled=True, opacity=1)
        .encode(
            x=alt.X("megabytes:Q", title="unpacked size (MB, logarithmic)", scale=scale),
            y=y,
            color=alt.Color(
                "part:N",
                scale=alt.Scale(domain=list(_PARTS), range=list(_PARTS.values())),
                legend=alt.Legend(title=None, orient="bottom"),
            ),
            shape=alt.Shape(
                "part:N",
                scale=alt.Scale(domain=list(_PARTS), range=["circle", "square"]),
                legend=alt.Legend(title=None, orient="bottom"),
            ),
        )
    )
    furthest = drawn.groupby("label", sort=False)["megabytes"].max()
    told = totals.reset_index().assign(megabytes=lambda rows: rows["label"].map(furthest))
    words = (
        alt.Chart(told.dropna(subset=["megabytes"]))
        .mark_text(align="left", dx=9, fontSize=10)
        .encode(x=alt.X("megabytes:Q", scale=scale), y=y, text="text:N")
    )
    return alt.layer(points, words).properties(
        width=_WIDTH, height=24 * max(len(order), 1), title=finding, description=finding
    )


def times_forest(rows: pd.DataFrame, *, axis: str, finding: str) -> Chart:
    """Draw how many times the reference's time each build takes, with its interval.

    Parameters
    ----------
    rows : DataFrame
        ``label``, ``ratio``, ``low``, ``high``, ``text`` (what stands at the point: seconds), ``finding``
        (less time, more time, not told apart, reference), from top to bottom.
    axis : str
        Title of the axis.
    finding : str
        The sentence that the chart proves.
    """
    order = list(rows["label"])
    values = [*rows["low"].dropna(), *rows["high"].dropna(), *rows["ratio"].dropna(), 1.0]
    low, high = 0.8 * min(values), 1.8 * max(values)
    scale = alt.Scale(type="log", domain=[low, high], nice=False)
    y = alt.Y("label:N", title=None, sort=order, axis=alt.Axis(labelLimit=320))
    colour = alt.Color(
        "finding:N",
        scale=alt.Scale(domain=list(_FINDINGS), range=[colour for colour, _ in _FINDINGS.values()]),
        legend=alt.Legend(title=None, orient="bottom"),
    )
    shape = alt.Shape(
        "finding:N",
        scale=alt.Scale(domain=list(_FINDINGS), range=[shape for _, shape in _FINDINGS.values()]),
        legend=alt.Legend(title=None, orient="bottom"),
    )
    base = alt.Chart(rows)
    one = alt.Chart(pd.DataFrame({"one": [1.0]})).mark_rule(strokeDash=[3, 3])
    line = one.encode(x=alt.X("one:Q", scale=scale))
    whiskers = base.mark_rule(strokeWidth=2).encode(
        x=alt.X("low:Q", scale=scale), x2="high:Q", y=y, color=colour
    )
    x = alt.X("ratio:Q", title=axis, scale=scale, axis=alt.Axis(format="~g", tickCount=6))
    points = base.mark_point(size=80, filled=True, opacity=1).encode(x=x, y=y, color=colour, shape=shape)
    words = base.mark_text(align="left", dx=9, dy=-8, fontSize=10).encode(x=x, y=y, text="text:N")
    return alt.layer(line, whiskers, points, words).properties(
        width=_WIDTH, height=22 * max(len(order), 1), title=finding, description=finding
    )
