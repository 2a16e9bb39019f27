"""The figures of the article on installers: from tables to a chart and the sentence that it proves."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from typing import Any

import altair as alt
import pandas as pd

from pyassay import tables
from pyassay.articles.question import groups, said
from pyassay.charts import installers as charts
from pyassay.charts.signs import sign_matrix
from pyassay.probes.installers.catalogue import catalogue
from pyassay.verdicts.installers_speed import digits

__all__ = ["SITUATIONS", "Chart", "first_starts", "index_order", "races", "speed"]

Chart = alt.LayerChart | alt.FacetChart | tables.Shown
"""A sentence where there is nothing to draw."""

SITUATIONS = (
    *("confusion_extra_internal", "confusion_extra_public", "confusion_transitive", "confusion_pinned"),
    *("internal_404", "internal_401", "internal_403", "internal_500", "internal_refused"),
    *("internal_cut", "internal_silent", "strategy_first_match", "strategy_best_match"),
)
"""Claims on which of two packages of one name is installed."""

_RANKS = {"a mixture, or incomplete": 3, "some fail, whole": 2, "all succeed, whole": 1, "not measured": 0}


def speed(rows: pd.DataFrame, names: Mapping[str, str], *, name: str, cache: str, latency_ms: float) -> Chart:
    """Draw the ways to install one set as times of the newest uv.

    Parameters
    ----------
    rows : DataFrame
        Of :func:`pyassay.verdicts.installers_speed.speeds`: one set, cache and latency.
    names : mapping of str to str
        Labels of installers.
    name, cache : str
        Of the set; ``cold`` or ``warm``.
    latency_ms : float
        Of the index.
    """
    drawn = [
        {
            "label": f"{names[str(row['subject_id'])]}, {_way(row)}",
            "ratio": row["ratio"],
            "low": row["ratio_low"],
            "high": row["ratio_high"],
            "text": f"{row['median_s']:.2g} s",
            "kind": "reference"
            if row["is_reference"]
            else ("compiles" if row["bytecode"] else "does not compile"),
        }
        for row in rows.dropna(subset=["ratio"]).to_dict("records")
    ]
    drawn.sort(key=lambda row: float(row["ratio"]))
    if len(drawn) < 2:
        return said(f"Set {name}, {cache} cache: too few blocks hold two ways to install.")
    far = f", index {latency_ms:g} ms away" if latency_ms else ""
    finding = f"Set {name}, {cache} cache{far}: {_slowest(drawn)}"
    return charts.times_forest(
        pd.DataFrame(drawn), axis="wall time, as times that of the reference", finding=finding
    )


def _slowest(drawn: list[dict[str, Any]]) -> str:
    """Return what takes longest, as far as that can be told."""
    certain = [row for row in drawn if row["low"] > 1]
    if not certain:
        return "nothing takes certainly longer than the reference"
    last = max(certain, key=lambda row: float(row["ratio"]))
    return f"{last['label']} takes {digits(last['ratio'])} times as long"


def _way(row: Mapping[Hashable, Any]) -> str:
    words = ["compiles" if row["bytecode"] else "does not compile"]
    if row["link_mode"] == "copy" and str(row["subject_id"]).startswith("uv"):
        words.append("copies")
    return ", ".join(words)


def first_starts(rows: pd.DataFrame, names: Mapping[str, str], *, name: str) -> Chart:
    """Draw starts of an application by who compiled its modules.

    Parameters
    ----------
    rows : DataFrame
        Of :func:`pyassay.verdicts.installers_speed.imports`: one set.
    names : mapping of str to str
        Labels of installers.
    name : str
        Of the set.
    """
    drawn = []
    for row in rows.dropna(subset=["ratio"]).to_dict("records"):
        state = str(row["state"])
        by = f" ({names[str(row['subject_id'])]})" if state == "compiled by the installer" else ""
        is_reference = math.isclose(row["ratio"], 1.0, abs_tol=1e-12)
        drawn.append(
            {
                "label": state + by,
                "ratio": row["ratio"],
                "low": row["ratio_low"],
                "high": row["ratio_high"],
                "text": f"{row['median_s']:.2g} s",
                "kind": "reference"
                if is_reference
                else ("does not compile" if "compiled by" in state else "compiles"),
            }
        )
    if len(drawn) < 2:
        return said(f"Set {name}: too few starts were timed.")
    drawn.sort(key=lambda row: float(row["ratio"]))
    finding = f"Set {name}: {_slowest(drawn)}"
    return charts.times_forest(
        pd.DataFrame(drawn), axis="wall time, as times a start from compiled modules", finding=finding
    )


def index_order(answers: pd.DataFrame, names: Mapping[str, str]) -> Chart:
    """Draw which package each installer takes in each situation."""
    known = catalogue()
    chosen = answers[answers["claim"].isin(SITUATIONS) & (answers["answer"] != "not applicable")]
    cells = pd.DataFrame(
        {
            "label": [known[claim].title for claim in chosen["claim"]],
            "column": [names[str(subject)] for subject in chosen["subject_id"]],
            "outcome": [one if one in charts.OUTCOMES else "not measured" for one in chosen["answer"]],
        },
        columns=["label", "column", "outcome"],
    )
    if not len(cells):
        return said("The order of indexes was not tried.")
    counts = cells[cells["outcome"] == "public"].groupby("column").size()
    tried = cells.groupby("column").size()
    told = [f"{column} {int(counts.get(column, 0))} of {tried[column]}" for column in _columns(cells, names)]
    return sign_matrix(
        cells,
        rows=[known[claim].title for claim in SITUATIONS if claim in set(chosen["claim"])],
        columns=_columns(cells, names),
        signs=charts.OUTCOMES,
        legend="what is installed",
        finding=f"The public package of the internal name is installed: {', '.join(told)}",
    )


def races(rows: pd.DataFrame, names: Mapping[str, str]) -> Chart:
    """Draw how each race ended at its worst."""
    cells = []
    # Where waiting is forbidden, failing is the right answer.
    rows = rows[~rows["race"].str.contains("lock timeout")]
    for (race, subject), own in groups(rows, "race", "subject_id"):
        outcomes = [_outcome(row) for row in own.to_dict("records")]
        worst = max(outcomes, key=lambda outcome: _RANKS[outcome])
        cells.append({"label": race, "column": names[subject], "outcome": worst})
    frame = pd.DataFrame(cells, columns=["label", "column", "outcome"])
    if not len(frame):
        return said("No race was held.")
    clean = frame[frame["outcome"] == "all succeed, whole"].groupby("column").size()
    held = frame.groupby("column").size()
    told = [f"{column} {int(clean.get(column, 0))} of {held[column]}" for column in _columns(frame, names)]
    return sign_matrix(
        frame,
        rows=list(dict.fromkeys(frame["label"])),
        columns=_columns(frame, names),
        signs=charts.RACES,
        legend="at the worst",
        finding=f"Races in which nothing failed and nothing broke: {', '.join(told)}",
    )


def _outcome(row: Mapping[Hashable, Any]) -> str:
    if row["reason"]:
        return "not measured"
    if row["consistent"] is False:
        return "a mixture, or incomplete"
    return "some fail, whole" if row["failed"] else "all succeed, whole"


def _columns(cells: pd.DataFrame, names: Mapping[str, str]) -> list[str]:
    there = set(cells["column"])
    return [name for name in dict.fromkeys(names.values()) if name in there]
