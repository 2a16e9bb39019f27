"""The charts of the article on installers, in the manner of :mod:`pyassay.charts`."""

from __future__ import annotations

import altair as alt
import pandas as pd

from pyassay.theme import LEVEL_COLOURS, SERIES, SOFT

__all__ = ["OUTCOMES", "RACES", "times_forest"]

Chart = alt.LayerChart | alt.FacetChart

OUTCOMES = {
    "internal": ("✓", LEVEL_COLOURS["good"]),
    "stops": ("■", SERIES[0]),
    "public": ("✕", LEVEL_COLOURS["bad"]),
    "not measured": ("?", LEVEL_COLOURS["unknown"]),
}
"""Which package was installed: signs and colours."""

RACES = {
    "all succeed, whole": ("✓", LEVEL_COLOURS["good"]),
    "some fail, whole": ("▲", LEVEL_COLOURS["caution"]),
    "a mixture, or incomplete": ("✕", LEVEL_COLOURS["bad"]),
    "not measured": ("?", LEVEL_COLOURS["unknown"]),
}
"""How a race ended at its worst: signs and colours."""

_WIDTH = 540
_KINDS = {
    "compiles": (LEVEL_COLOURS["caution"], "square"),
    "does not compile": (SERIES[0], "circle"),
    "reference": (SOFT, "cross"),
}
_TICKS = (0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


def times_forest(rows: pd.DataFrame, *, axis: str, finding: str) -> Chart:
    """Draw how many times the reference's time each takes, with its interval, on a logarithmic scale.

    Parameters
    ----------
    rows : DataFrame
        ``label``, ``ratio``, ``low``, ``high``, ``text`` (what stands at the point: seconds), ``kind``
        (compiles, does not compile, reference), from top to bottom.
    axis : str
        Title of the axis.
    finding : str
        The sentence that the chart proves.
    """
    order = list(rows["label"])
    values = [*rows["low"].dropna(), *rows["high"].dropna(), *rows["ratio"].dropna(), 1.0]
    low, high = 0.8 * min(values), 2.0 * max(values)
    scale = alt.Scale(type="log", domain=[low, high], nice=False)
    y = alt.Y("label:N", title=None, sort=order, axis=alt.Axis(labelLimit=320))
    legend = alt.Legend(title=None, orient="bottom")
    colour = alt.Color(
        "kind:N",
        scale=alt.Scale(domain=list(_KINDS), range=[colour for colour, _ in _KINDS.values()]),
        legend=legend,
    )
    shape = alt.Shape(
        "kind:N",
        scale=alt.Scale(domain=list(_KINDS), range=[shape for _, shape in _KINDS.values()]),
        legend=legend,
    )
    ticks = [tick for tick in _TICKS if low <= tick <= high]
    x = alt.X("ratio:Q", title=axis, scale=scale, axis=alt.Axis(values=ticks, format="~g"))
    base = alt.Chart(rows)
    one = alt.Chart(pd.DataFrame({"one": [1.0]})).mark_rule(strokeDash=[3, 3])
    line = one.encode(x=alt.X("one:Q", scale=scale))
    whiskers = base.mark_rule(strokeWidth=2).encode(
        x=alt.X("low:Q", scale=scale), x2="high:Q", y=y, color=colour
    )
    points = base.mark_point(size=80, filled=True, opacity=1).encode(x=x, y=y, color=colour, shape=shape)
    words = base.mark_text(align="left", dx=9, dy=-8, fontSize=10).encode(x=x, y=y, text="text:N")
    return alt.layer(line, whiskers, points, words).properties(
        width=_WIDTH, height=24 * max(len(order), 1), title=finding, description=finding
    )
