"""The charts of the articles: each takes a documented frame and draws one finding.

A chart says its finding in its title and in its description (the text for those who cannot see it); colours
are never the only sign: every mark carries a label or a shape as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import altair as alt
import pandas as pd

from pyassay.theme import LEVEL_COLOURS, LINE, SERIES, SOFT

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "COVERAGE_COLOURS",
    "SPEED_COLOURS",
    "block_ratios",
    "floors_by_date",
    "forest",
    "open_advisories",
    "quirk_matrix",
    "runs_by_family",
    "runs_by_year",
    "speed_matrix",
    "supply_latency",
]

COVERAGE_COLOURS = {
    "all": LEVEL_COLOURS["good"],
    "some": LEVEL_COLOURS["caution"],
    "none": LEVEL_COLOURS["bad"],
    "not known": LEVEL_COLOURS["unknown"],
}
"""How many of the releases in a cell run a Python."""

_ROW_HEIGHT = 24
_WIDTH = 640


def floors_by_date(
    floors: pd.DataFrame, landmarks: pd.DataFrame, *, finding: str
) -> alt.LayerChart | alt.FacetChart:
    """Draw the glibc floor of every subject on the date on which that glibc was released.

    Parameters
    ----------
    floors : DataFrame
        ``label`` (subject), ``version`` (``2.17``), ``release_date`` (ISO date), ``strength`` (``hard`` or
        ``soft``), ordered from top to bottom.
    landmarks : DataFrame
        ``label`` (``Debian 11``), ``release_date`` of the glibc that it ships: drawn as vertical lines.
    finding : str
        The sentence that the chart proves: its title and its alternative text.
    """
    order = list(dict.fromkeys(floors["label"]))
    first = min([*floors["release_date"], *landmarks["release_date"]], default="2010-01-01")
    last = max([*floors["release_date"], *landmarks["release_date"]], default="2026-01-01")
    x = alt.X(
        "release_date:T",
        title="release date of the glibc that is needed",
        scale=alt.Scale(domain=[f"{int(first[:4]) - 1}-01-01", f"{int(last[:4]) + 2}-01-01"]),
        axis=alt.Axis(format="%Y", tickCount="year", labelOverlap=True),
    )
    y = alt.Y("label:N", title=None, sort=order, axis=alt.Axis(labelLimit=220))
    lines = alt.Chart(landmarks).mark_rule(strokeDash=[3, 3]).encode(x=alt.X("release_date:T"))
    names = (
        alt.Chart(landmarks)
        .mark_text(align="left", baseline="bottom", angle=315, dx=3, fontSize=10)
        .encode(x="release_date:T", y=alt.value(-2), text="label:N")
    )
    points = (
        alt.Chart(floors)
        .mark_point(size=90, filled=True, opacity=1)
        .encode(
            x=x,
            y=y,
            shape=alt.Shape(
                "strength:N",
                scale=alt.Scale(domain=["hard", "soft"], range=["circle", "diamond"]),
                legend=None,
            ),
            color=alt.value(SERIES[0]),
        )
    )
    versions = alt.Chart(floors).mark_text(align="left", dx=9, fontSize=11).encode(x=x, y=y, text="version:N")
    return alt.layer(lines, names, points, versions).properties(
        width=_WIDTH, height=_ROW_HEIGHT * max(len(order), 1), title=finding, description=finding
    )


def runs_by_family(
    cells: pd.DataFrame, *, rows: Sequence[str], finding: str
) -> alt.LayerChart | alt.FacetChart:
    """Draw subjects by distribution family: the oldest release on which each runs.

    Parameters
    ----------
    cells : DataFrame
        ``label`` (subject), ``family``, ``oldest`` and ``year`` (the two lines of a cell: ``8``, ``2015``),
        ``coverage`` (``all``,
        ``some``, ``none`` or ``not known``: how many of the releases run it).
    rows : sequence of str
        Every subject, from top to bottom.
    finding : str
        The sentence that the chart proves.
    """
    return _heatmap(cells, "family", ["oldest", "year"], finding, rows=rows, cell_width=56, row_height=36)


def runs_by_year(
    cells: pd.DataFrame, *, rows: Sequence[str], finding: str
) -> alt.LayerChart | alt.FacetChart:
    """Draw subjects by year: on how many of the distributions released in a year each runs.

    Parameters
    ----------
    cells : DataFrame
        ``label`` (subject), ``year``, ``runs`` (text of the cell: ``7/9``), ``coverage`` as in
        :func:`runs_by_family`.
    rows : sequence of str
        Every subject, from top to bottom.
    finding : str
        The sentence that the chart proves.
    """
    return _heatmap(cells, "year", ["runs"], finding, rows=rows, cell_width=42, row_height=_ROW_HEIGHT)


def quirk_matrix(
    cells: pd.DataFrame, *, columns: Sequence[str], rows: Sequence[str], finding: str
) -> alt.LayerChart | alt.FacetChart:
    """Draw questions by interpreters: how each answer is read.

    Parameters
    ----------
    cells : DataFrame
        ``label`` (interpreter), ``quirk`` (short name of the question), ``level`` (a level, or ``does not
        apply``).
    columns, rows : sequence of str
        Interpreters from left to right, questions from top to bottom.
    finding : str
        The sentence that the chart proves.
    """
    signs = {"good": "✓", "caution": "▲", "bad": "✕", "unknown": "?", "does not apply": "–"}
    base = alt.Chart(cells.assign(sign=cells["level"].map(signs))).encode(
        x=alt.X(
            "label:N",
            title=None,
            sort=list(columns),
            axis=alt.Axis(orient="top", labelAngle=-40, labelLimit=260),
        ),
        y=alt.Y("quirk:N", title=None, sort=list(rows), axis=alt.Axis(labelLimit=240)),
    )
    levels = {**{level: LEVEL_COLOURS[level] for level in ("good", "caution", "bad", "unknown")}}
    levels["does not apply"] = LINE
    tiles = base.mark_rect(strokeWidth=2, cornerRadius=3).encode(
        color=alt.Color(
            "level:N",
            scale=alt.Scale(domain=list(levels), range=list(levels.values())),
            legend=alt.Legend(title="how the answer is read", orient="bottom", symbolType="square"),
        )
    )
    words = base.mark_text(fontSize=10).encode(
        text="sign:N",
        color=alt.condition("datum.level == 'does not apply'", alt.value(SOFT), alt.value("#ffffff")),
    )
    return alt.layer(tiles, words).properties(
        width=36 * max(len(columns), 1), height=20 * max(len(rows), 1), title=finding, description=finding
    )


SPEED_COLOURS = {
    "faster": LEVEL_COLOURS["good"],
    "same": SERIES[0],
    "slower": LEVEL_COLOURS["bad"],
    "undecided": LEVEL_COLOURS["unknown"],
    "control": SOFT,
}
"""How a comparison of speed came out."""

_SPEED_SHAPES = {
    "faster": "triangle-left",
    "same": "circle",
    "slower": "triangle-right",
    "undecided": "diamond",
    "control": "cross",
}


def forest(rows: pd.DataFrame, *, finding: str) -> alt.LayerChart | alt.FacetChart:
    """Draw ratios with their intervals, and the band within which no difference counts.

    Parameters
    ----------
    rows : DataFrame
        ``label``, ``ratio``, ``low``, ``high`` (time as times that of the reference), ``margin_percent``,
        ``finding`` (a key of :data:`SPEED_COLOURS`), from top to bottom.
    finding : str
        The sentence that the chart proves.
    """
    order = list(rows["label"])
    drawn = rows.assign(
        text=[f"{ratio:.3f}" for ratio in rows["ratio"]],
        lower=1 - rows["margin_percent"] / 100,
        upper=1 + rows["margin_percent"] / 100,
    )
    values = [*drawn["low"].dropna(), *drawn["high"].dropna(), *drawn["lower"], *drawn["upper"]]
    low, high = min(values, default=0.9), max(values, default=1.1)
    room = (high - low) * 0.08
    scale = alt.Scale(type="log", domain=[max(low - room, low * 0.9), high + room], nice=False)
    x = alt.X("ratio:Q", title="CPU time, as times that of the reference (left: faster)", scale=scale)
    y = alt.Y("label:N", title=None, sort=order, axis=alt.Axis(labelLimit=260))
    base = alt.Chart(drawn)
    band = base.mark_rect(opacity=0.35, color=LINE).encode(x=alt.X("lower:Q", scale=scale), x2="upper:Q", y=y)
    one = alt.Chart(pd.DataFrame({"one": [1.0]})).mark_rule(strokeDash=[3, 3]).encode(x="one:Q")
    colour = alt.Color(
        "finding:N",
        scale=alt.Scale(domain=list(SPEED_COLOURS), range=list(SPEED_COLOURS.values())),
        legend=alt.Legend(title=None, orient="bottom"),
    )
    shape = alt.Shape(
        "finding:N",
        scale=alt.Scale(domain=list(_SPEED_SHAPES), range=list(_SPEED_SHAPES.values())),
        legend=alt.Legend(title=None, orient="bottom"),
    )
    whiskers = base.mark_rule(strokeWidth=2).encode(
        x=alt.X("low:Q", scale=scale), x2="high:Q", y=y, color=colour
    )
    points = base.mark_point(size=80, filled=True, opacity=1).encode(x=x, y=y, color=colour, shape=shape)
    words = base.mark_text(align="left", dx=8, dy=-8, fontSize=10).encode(x=x, y=y, text="text:N")
    return alt.layer(band, one, whiskers, points, words).properties(
        width=_WIDTH - 60, height=22 * max(len(order), 1), title=finding, description=finding
    )


def speed_matrix(
    cells: pd.DataFrame, *, columns: Sequence[str], rows: Sequence[str], finding: str
) -> alt.LayerChart | alt.FacetChart:
    """Draw workloads by interpreters: time as times that of the reference, coloured by what came out.

    Parameters
    ----------
    cells : DataFrame
        ``label`` (interpreter), ``workload``, ``times`` (text), ``finding`` (a key of :data:`SPEED_COLOURS`).
    columns, rows : sequence of str
        Interpreters from left to right, workloads from top to bottom.
    finding : str
        The sentence that the chart proves.
    """
    base = alt.Chart(cells).encode(
        x=alt.X(
            "label:N",
            title=None,
            sort=list(columns),
            axis=alt.Axis(orient="top", labelAngle=-40, labelLimit=260),
        ),
        y=alt.Y("workload:N", title=None, sort=list(rows), axis=alt.Axis(labelLimit=200)),
    )
    known = {name: colour for name, colour in SPEED_COLOURS.items() if name != "control"}
    tiles = base.mark_rect(strokeWidth=2, cornerRadius=3).encode(
        color=alt.Color(
            "finding:N",
            scale=alt.Scale(domain=list(known), range=list(known.values())),
            legend=alt.Legend(title=None, orient="bottom", symbolType="square"),
        )
    )
    words = base.mark_text(fontSize=10, color="#ffffff").encode(text="times:N")
    return alt.layer(tiles, words).properties(
        width=44 * max(len(columns), 1), height=20 * max(len(rows), 1), title=finding, description=finding
    )


def block_ratios(
    points: pd.DataFrame, *, rows: Sequence[str], finding: str
) -> alt.LayerChart | alt.FacetChart:
    """Draw the result of every single block.

    Parameters
    ----------
    points : DataFrame
        ``label``, ``percent`` (by how much the block was slower than the reference's), ``block``.
    rows : sequence of str
        From top to bottom.
    finding : str
        The sentence that the chart proves.
    """
    zero = alt.Chart(pd.DataFrame({"zero": [0.0]})).mark_rule(strokeDash=[3, 3]).encode(x="zero:Q")
    ticks = (
        alt.Chart(points)
        .mark_tick(thickness=1.5, opacity=0.7, color=SERIES[0])
        .encode(
            x=alt.X(
                "percent:Q", title="time of the suite beyond that of the reference in the same block (%)"
            ),
            y=alt.Y("label:N", title=None, sort=list(rows), axis=alt.Axis(labelLimit=240)),
        )
    )
    return alt.layer(zero, ticks).properties(
        width=_WIDTH - 60, height=22 * max(len(rows), 1), title=finding, description=finding
    )


def open_advisories(
    cells: pd.DataFrame, *, rows: Sequence[str], columns: Sequence[str], finding: str
) -> alt.LayerChart | alt.FacetChart:
    """Draw subjects by components: how many advisories are open, coloured by the worst of them.

    Parameters
    ----------
    cells : DataFrame
        ``label`` (subject), ``component``, ``text`` (number, or ``?``), ``level``.
    rows, columns : sequence of str
        Subjects from top to bottom, components from left to right.
    finding : str
        The sentence that the chart proves.
    """
    base = alt.Chart(cells).encode(
        x=alt.X("component:N", title=None, sort=list(columns), axis=alt.Axis(orient="top", labelAngle=0)),
        y=alt.Y("label:N", title=None, sort=list(rows), axis=alt.Axis(labelLimit=300)),
    )
    names = {
        "good": "nothing open",
        "caution": "open, none of them high",
        "bad": "open, some high",
        "unknown": "not known",
    }
    tiles = base.transform_calculate(
        read=" : ".join(f"datum.level == '{level}' ? '{words}'" for level, words in names.items()) + " : ''"
    ).mark_rect(strokeWidth=2, cornerRadius=3)
    tiles = tiles.encode(
        color=alt.Color(
            "read:N",
            scale=alt.Scale(domain=list(names.values()), range=[LEVEL_COLOURS[level] for level in names]),
            legend=alt.Legend(title="open advisories", orient="bottom", symbolType="square"),
        )
    )
    words = base.mark_text(fontSize=11, color="#ffffff").encode(text="text:N")
    return alt.layer(tiles, words).properties(
        width=80 * max(len(columns), 1),
        height=_ROW_HEIGHT * max(len(rows), 1),
        title=finding,
        description=finding,
    )


def supply_latency(
    points: pd.DataFrame, *, stages: Sequence[str], finding: str
) -> alt.LayerChart | alt.FacetChart:
    """Draw when something was published, and how many days later it was there.

    Parameters
    ----------
    points : DataFrame
        ``published`` (ISO date), ``days`` (negative: before), ``stage`` (where it arrived), ``item``.
    stages : sequence of str
        In the order of the legend.
    finding : str
        The sentence that the chart proves.
    """
    shapes = ("circle", "triangle-up", "square", "diamond")
    marks = (
        alt.Chart(points)
        .mark_point(size=45, filled=True, opacity=0.75)
        .encode(
            x=alt.X("published:T", title="published", axis=alt.Axis(format="%Y", tickCount="year")),
            y=alt.Y(
                "days:Q",
                title="days until it was there",
                scale=alt.Scale(type="symlog", constant=3),
                axis=alt.Axis(values=[-100, -30, -7, 0, 7, 30, 100, 365, 1000]),
            ),
            color=alt.Color(
                "stage:N",
                scale=alt.Scale(domain=list(stages), range=list(SERIES[: len(stages)])),
                legend=alt.Legend(title=None, orient="bottom"),
            ),
            shape=alt.Shape(
                "stage:N",
                scale=alt.Scale(domain=list(stages), range=list(shapes[: len(stages)])),
                legend=alt.Legend(title=None, orient="bottom"),
            ),
        )
    )
    zero = alt.Chart(pd.DataFrame({"zero": [0]})).mark_rule(strokeDash=[3, 3]).encode(y="zero:Q")
    return alt.layer(zero, marks).properties(width=_WIDTH, height=220, title=finding, description=finding)


def _heatmap(
    cells: pd.DataFrame,
    column: str,
    texts: Sequence[str],
    finding: str,
    *,
    rows: Sequence[str],
    cell_width: int,
    row_height: int,
) -> alt.LayerChart | alt.FacetChart:
    columns: Sequence[str] = list(dict.fromkeys(cells[column]))
    base = alt.Chart(cells).encode(
        x=alt.X(
            f"{column}:N",
            title=None,
            sort=list(columns),
            axis=alt.Axis(orient="top", labelAngle=0, labelLimit=140),
        ),
        y=alt.Y("label:N", title=None, sort=list(rows), axis=alt.Axis(labelLimit=220)),
    )
    tiles = base.mark_rect(strokeWidth=2, cornerRadius=3).encode(
        color=alt.Color(
            "coverage:N",
            scale=alt.Scale(domain=list(COVERAGE_COLOURS), range=list(COVERAGE_COLOURS.values())),
            legend=alt.Legend(title="releases that run", orient="bottom", symbolType="square"),
        )
    )
    words = [
        base.mark_text(fontSize=size, color="#ffffff", dy=(line - (len(texts) - 1) / 2) * 13).encode(
            text=f"{text}:N"
        )
        for line, (text, size) in enumerate(zip(texts, (11, 9), strict=False))
    ]
    return alt.layer(tiles, *words).properties(
        width=cell_width * max(len(columns), 1),
        height=row_height * max(len(rows), 1),
        title=finding,
        description=finding,
    )
