"""A matrix of signs: rows by columns, where words would not fit and colours alone would not do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import altair as alt
import pandas as pd

__all__ = ["sign_matrix"]


def sign_matrix(
    cells: pd.DataFrame,
    *,
    rows: Sequence[str],
    columns: Sequence[str],
    signs: Mapping[str, tuple[str, str]],
    legend: str,
    finding: str,
) -> alt.LayerChart | alt.FacetChart:
    """Draw rows by columns, each cell a sign on a colour.

    Parameters
    ----------
    cells : DataFrame
        ``label``, ``column``, ``outcome`` (a key of ``signs``).
    rows, columns : sequence of str
        From top to bottom and from left to right.
    signs : mapping of str to (str, str)
        Sign and colour of each outcome.
    legend : str
        What the colours tell.
    finding : str
        The sentence that the chart proves.
    """
    drawn = cells.assign(sign=cells["outcome"].map({name: sign for name, (sign, _) in signs.items()}))
    base = alt.Chart(drawn).encode(
        x=alt.X(
            "column:N",
            title=None,
            sort=list(columns),
            axis=alt.Axis(orient="top", labelAngle=-40, labelLimit=260),
        ),
        y=alt.Y("label:N", title=None, sort=list(rows), axis=alt.Axis(labelLimit=300)),
    )
    tiles = base.mark_rect(strokeWidth=2, cornerRadius=3).encode(
        color=alt.Color(
            "outcome:N",
            scale=alt.Scale(domain=list(signs), range=[colour for _, colour in signs.values()]),
            legend=alt.Legend(title=legend, orient="bottom", symbolType="square"),
        )
    )
    words = base.mark_text(fontSize=10, color="#ffffff").encode(text="sign:N")
    return alt.layer(tiles, words).properties(
        width=28 * max(len(columns), 1), height=20 * max(len(rows), 1), title=finding, description=finding
    )
