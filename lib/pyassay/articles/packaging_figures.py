"""The figures of the article on packaging: from tables to a chart and the sentence that it proves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import pandas as pd

from pyassay import tables
from pyassay.articles.question import first_few, said
from pyassay.charts import packaging as charts
from pyassay.charts.signs import sign_matrix
from pyassay.verdicts.packaging_criteria import CIRCUMSTANCES, Mark

__all__ = ["INPUT_KINDS", "behaviour", "portability", "reach", "short_name", "sizes", "start"]

Chart = alt.LayerChart | alt.FacetChart | tables.Shown
"""A sentence where there is nothing to draw."""

INPUT_KINDS: Mapping[str, str] = {
    "raw": "built on this host",
    "repaired": "repaired by auditwheel",
    "oldest": "built on the oldest base, repaired",
    "": "made no difference",
}
"""Kinds of wheels in words."""

_MOST_ROWS = 12
_DELIVERIES = ("file", "folder", "package", "image")


def short_name(run: Mapping[Any, Any]) -> str:
    """Return an environment in a few letters: ``Debian 12 + libraries``."""
    release = str(run["distribution"])
    if not release:
        return str(run["environment"])
    name = release.replace("debian:", "Debian ").replace("ubuntu:", "Ubuntu ")
    extras = [
        *(["python3"] if run["has_python"] is True else []),
        *(["libraries"] if run["has_libraries"] is True else []),
        *(["its Python"] if run["has_builder"] is True else []),
    ]
    return f"{name} + {' + '.join(extras)}" if extras else f"{name} bare"


def portability(runs: pd.DataFrame, labels: Mapping[str, str], kind: str) -> Chart:
    """Draw artifacts by environments.

    Parameters
    ----------
    runs : DataFrame
        Those of one kind of wheels.
    labels : mapping of str to str
        Of subjects, in the order of the rows.
    kind : str
        Which wheels, in words.
    """
    cells = pd.DataFrame(
        {
            "label": [labels[str(subject)] for subject in runs["subject_id"]],
            "column": [short_name(run) for run in runs.to_dict("records")],
            "outcome": list(runs["outcome"]),
        },
        columns=["label", "column", "outcome"],
    ).drop_duplicates(["label", "column"])
    measured = cells[(cells["outcome"] != "not measured") & (cells["column"] != "empty")]
    ran = measured[measured["outcome"] == "ran"].groupby("label").size()
    tried = measured.groupby("label").size()
    everywhere = [str(name) for name in ran.index if ran[name] == tried[name]]
    if not len(tried):
        return said(f"Wheels {kind}: nothing was run.")
    finding = f"Wheels {kind}: {len(everywhere)} of {len(tried)} run in every distribution tried"
    columns = list(dict.fromkeys(cells["column"]))
    rows = [label for label in labels.values() if label in set(cells["label"])]
    names = _alike(cells, "label", "column", rows)
    cells = cells[cells["label"].isin(names)]
    return sign_matrix(
        cells.assign(label=cells["label"].map(names)),
        rows=list(names.values()),
        columns=columns,
        signs=charts.OUTCOMES,
        legend="what happened",
        finding=finding,
    )


def _alike(cells: pd.DataFrame, by: str, across: str, order: Sequence[str]) -> dict[str, str]:
    """Return one of each set of rows that are the same all along, and what to call that set.

    So many that nobody reads them say less than the few kinds that they are of; few are left as they are.
    """
    if len(order) <= _MOST_ROWS:
        return {name: name for name in order}
    kinds: dict[tuple[tuple[str, str], ...], list[str]] = {}
    wide = {str(name): group for name, group in cells.groupby(by, sort=False)}
    for name in order:
        own = zip(wide[name][across], wide[name]["outcome"], strict=True)
        kinds.setdefault(tuple(sorted((str(place), str(outcome)) for place, outcome in own)), []).append(name)
    return {names[0]: first_few(names, 2) for names in kinds.values()}


def behaviour(marked: pd.DataFrame, labels: Mapping[str, str]) -> Chart:
    """Draw artifacts by circumstances.

    Parameters
    ----------
    marked : DataFrame
        The marks of the circumstances.
    labels : mapping of str to str
        Of subjects, in the order of the columns.
    """
    seen = marked[marked["mark"] != Mark.NOT_MEASURED]
    cells = pd.DataFrame(
        {
            "label": [_circumstance(str(key)) for key in marked["criterion"]],
            "column": [labels[str(subject)] for subject in marked["subject_id"]],
            "outcome": list(marked["mark"]),
        },
        columns=["label", "column", "outcome"],
    )
    cells = cells[cells["column"].isin([labels[str(subject)] for subject in seen["subject_id"]])]
    if not len(seen):
        return said("How artifacts behave on other people's machines was not measured.")
    good = seen[seen["mark"] == Mark.YES].groupby("subject_id").size()
    tried = seen.groupby("subject_id").size()
    clean = [str(name) for name in good.index if good[name] == tried[name]]
    worst = seen[seen["mark"] == Mark.NO].groupby("criterion").size().sort_values(ascending=False)
    finding = f"{len(clean)} of {len(tried)} artifacts behave under all circumstances tried"
    if len(worst):
        finding += f"; most fail: {_circumstance(str(worst.index[0]))}"
    columns = list(dict.fromkeys(label for label in labels.values() if label in set(cells["column"])))
    names = _alike(cells, "column", "label", columns)
    cells = cells[cells["column"].isin(names)]
    return sign_matrix(
        cells.assign(column=cells["column"].map(names)),
        rows=list(dict.fromkeys(cells["label"])),
        columns=list(names.values()),
        signs={name: sign for name, sign in charts.MARKS.items() if name != Mark.BY_HAND},
        legend="does it work",
        finding=finding,
    )


def _circumstance(key: str) -> str:
    known = CIRCUMSTANCES.get(key)
    return known.title if known else key


def start(rows: pd.DataFrame, labels: Mapping[str, str], *, limit: float) -> Chart:
    """Draw warm starts as times of ``python -m``.

    Parameters
    ----------
    rows : DataFrame
        Of one program and state, as :func:`pyassay.verdicts.packaging_starts.starts` returns them.
    labels : mapping of str to str
        Of subjects; what has none is the reference.
    limit : float
        The policy's.
    """
    known = rows[rows["ratio"].notna()].sort_values(["ratio", "command_id"], kind="stable")
    found = []
    for row in known.to_dict("records"):
        reference = row["command_id"] == row["reference"]
        low, high = (row[f"{'noise' if reference else 'ratio'}_{end}"] for end in ("low", "high"))
        found.append(
            {
                "label": "python -m against itself" if reference else labels.get(row["command_id"], ""),
                "ratio": row["ratio"],
                "low": low,
                "high": high,
                "finding": "python -m" if reference else _within(low, high, limit),
            }
        )
    frame = pd.DataFrame(found, columns=["label", "ratio", "low", "high", "finding"])
    frame = frame.drop_duplicates("label")
    others = frame[frame["finding"] != "python -m"]
    if not len(others):
        return said("No start was compared with python -m.")
    first, last = others.iloc[0], others.iloc[-1]
    finding = (
        f"A warm start costs from {first['ratio']:.2f} ({first['label']}) to {last['ratio']:.2f} "
        f"({last['label']}) times that of python -m"
    )
    return charts.ratio_forest(
        frame, limit=limit, axis="warm start, as times python -m (dashed: 1, and the limit)", finding=finding
    )


def _within(low: float, high: float, limit: float) -> str:
    if pd.isna(low) or pd.isna(high):
        return "not decided"
    if high <= limit:
        return "within the limit"
    return "beyond the limit" if low > limit else "on the limit"


def sizes(builds: pd.DataFrame, ratios: Mapping[str, float], labels: Mapping[str, str]) -> Chart:
    """Draw sizes against starts.

    Parameters
    ----------
    builds : DataFrame
        Rows of the table of builds.
    ratios : mapping of str to float
        Of subjects.
    labels : mapping of str to str
        What to write at each point.
    """
    rows = [
        {
            "label": labels[str(row["subject_id"])],
            "megabytes": float(row["size_bytes"]) / 1e6,
            "ratio": ratios[str(row["subject_id"])],
            "kind": str(row["delivery"]),
        }
        for row in builds.to_dict("records")
        if str(row["subject_id"]) in ratios and not pd.isna(row["size_bytes"])
    ]
    frame = pd.DataFrame(rows, columns=["label", "megabytes", "ratio", "kind"])
    if not len(frame):
        return said("No artifact has both a size and a start that were measured.")
    small, quick = frame.nsmallest(1, "megabytes").iloc[0], frame.nsmallest(1, "ratio").iloc[0]
    finding = (
        f"The smallest ({small['label']}, {small['megabytes']:.0f} MB) starts in {small['ratio']:.1f} "
        f"times python -m, the fastest ({quick['label']}, {quick['ratio']:.2f} times) takes "
        f"{quick['megabytes']:.0f} MB"
    )
    kinds = [kind for kind in _DELIVERIES if kind in set(frame["kind"])]
    return charts.size_against_start(frame, kinds=kinds, finding=finding)


def reach(counts: pd.DataFrame, *, rows: Sequence[str]) -> Chart:
    """Draw the share of environments by kind of wheels.

    Parameters
    ----------
    counts : DataFrame
        ``label`` (form), ``kind``, ``ran``, ``tried``.
    rows : sequence of str
        Forms from top to bottom.
    """
    frame = counts[counts["tried"] > 0]
    frame = frame.assign(
        share=frame["ran"] / frame["tried"],
        text=[f"{ran} of {tried}" for ran, tried in zip(frame["ran"], frame["tried"], strict=True)],
    )
    if not len(frame):
        return said("Nothing was run.")
    finding = "Nothing was run with two kinds of wheels"
    wide = frame.pivot_table(index="label", columns="kind", values="share", sort=False)
    if {"raw", "oldest"} <= set(wide.columns):
        both = wide.dropna(subset=["raw", "oldest"])
        better = int((both["oldest"] > both["raw"]).sum())
        if len(both):
            finding = (
                f"The wheels decide: {better} of {len(both)} forms reach further with wheels from the "
                f"oldest base; on average {both['raw'].mean():.0%} of the environments become "
                f"{both['oldest'].mean():.0%}"
            )
    kinds = [kind for kind in INPUT_KINDS if kind in set(frame["kind"])]
    return charts.reach_by_inputs(
        frame, rows=[row for row in rows if row in set(frame["label"])], kinds=kinds, finding=finding
    )
