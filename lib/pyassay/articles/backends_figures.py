"""The figures of the article on build backends: from tables to a chart and the sentence that it proves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import altair as alt
import pandas as pd

from pyassay import tables
from pyassay.articles.question import first_few, said
from pyassay.charts import backends as charts
from pyassay.charts.signs import sign_matrix
from pyassay.reference import load
from pyassay.theme import LEVEL_COLOURS, SERIES
from pyassay.verdicts.backends import READERS
from pyassay.verdicts.backends_outputs import EQUAL_LEVELS

__all__ = ["closures", "equality", "features", "platforms", "readers", "times"]

Chart = alt.LayerChart | alt.FacetChart | tables.Shown
"""A sentence where there is nothing to draw."""

_LEVELS = {
    "good": ("✓", LEVEL_COLOURS["good"]),
    "caution": ("▲", LEVEL_COLOURS["caution"]),
    "unknown": ("?", LEVEL_COLOURS["unknown"]),
    "bad": ("✕", LEVEL_COLOURS["bad"]),
}
_READY = {
    "ready wheel": ("✓", LEVEL_COLOURS["good"]),
    "to be compiled": ("✕", LEVEL_COLOURS["bad"]),
    "not known": ("?", LEVEL_COLOURS["unknown"]),
}
_EQUAL = dict(
    zip(
        EQUAL_LEVELS,
        (
            ("≡", LEVEL_COLOURS["good"]),
            ("=", LEVEL_COLOURS["good"]),
            ("▲", LEVEL_COLOURS["caution"]),
            ("✕", LEVEL_COLOURS["bad"]),
        ),
        strict=True,
    )
)
_OUTCOMES = {
    "works": ("✓", LEVEL_COLOURS["good"]),
    "refused": ("⊘", LEVEL_COLOURS["good"]),
    "left out": ("–", SERIES[0]),
    "taken in": ("▲", LEVEL_COLOURS["caution"]),
    "does not": ("✕", LEVEL_COLOURS["bad"]),
    "not measured": ("?", LEVEL_COLOURS["unknown"]),
}


def readers(by_reader: pd.DataFrame, labels: Mapping[str, str]) -> Chart:
    """Draw the level of every backend for every reader."""
    if not len(by_reader):
        return said("No backend was measured.")
    cells = pd.DataFrame(
        {
            "label": [labels[str(one)] for one in by_reader["subject_id"]],
            "column": [READERS[str(one)] for one in by_reader["reader"]],
            "outcome": list(by_reader["level"]),
        }
    )
    good = cells[cells["outcome"] == "good"]
    told = [
        f"{reader}: {first_few(good.loc[good['column'] == reader, 'label'])}"
        for reader in READERS.values()
        if (good["column"] == reader).any()
    ]
    return sign_matrix(
        cells,
        rows=list(dict.fromkeys(cells["label"])),
        columns=list(READERS.values()),
        signs=_LEVELS,
        legend="for this reader",
        finding=f"Nothing to object: {'; '.join(told)}"
        if told
        else "Every backend has something to know about",
    )


def closures(rows: pd.DataFrame, crates: pd.DataFrame, labels: Mapping[str, str]) -> Chart:
    """Draw the size of what has to be installed, and what of it is machine code."""
    rows = rows[rows["size_bytes"].notna() & (rows["scope"] != "editable")]
    found = []
    for subject, group in rows.groupby("subject_id", sort=False):
        native = float(group["native_bytes"].sum()) / 1e6
        whole = float(group["unpacked_bytes"].sum()) / 1e6
        own = crates[(crates["subject_id"] == subject) & (crates["listed_in"] == "Cargo.lock")]
        count = int(own["third_party"].fillna(0).sum())
        text = f"{len(group)} package{'' if len(group) == 1 else 's'}" + (
            f", {count} crates" if count else ""
        )
        label = labels[str(subject)]
        found.append({"label": label, "part": "Python and data", "megabytes": whole - native, "text": text})
        found.append({"label": label, "part": "machine code", "megabytes": native, "text": text})
    if not found:
        return said("No closure could be read.")
    frame = pd.DataFrame(found)
    totals = frame.groupby("label", sort=False)["megabytes"].sum().sort_values()
    finding = (
        f"From {totals.iloc[0]:.2f} MB ({totals.index[0]}) to {totals.iloc[-1]:.0f} MB ({totals.index[-1]}) "
        "have to be there before a wheel can be built"
    )
    frame["_order"] = frame["label"].map({label: place for place, label in enumerate(totals.index)})
    return charts.closure_sizes(frame.sort_values("_order", kind="stable"), finding=finding)


def platforms(rows: pd.DataFrame, labels: Mapping[str, str]) -> Chart:
    """Draw backends by platforms."""
    if not len(rows):
        return said("The index was not asked.")
    known = load("pep11_tiers").frame.set_index("target")
    tiers = {"1": "tier 1", "2": "tier 2", "3": "tier 3", "none": "no tier"}
    names = {one: f"{known['label'][one]} ({tiers[known['tier'][one]]})" for one in known.index}
    states = rows["ready"].map(lambda ready: "not known" if pd.isna(ready) else _state(bool(ready)))
    cells = pd.DataFrame(
        {
            "label": [names.get(str(one), str(one)) for one in rows["target"]],
            "column": [labels[str(one)] for one in rows["subject_id"]],
            "outcome": states,
        }
    )
    everywhere = cells.groupby("column", sort=False)["outcome"].agg(
        lambda one: bool((one == "ready wheel").all())
    )
    pure = [str(name) for name, served in everywhere.items() if bool(served)]
    finding = f"Served everywhere: {first_few(pure, 4)}" if pure else "No backend is served everywhere"
    return sign_matrix(
        cells,
        rows=list(dict.fromkeys(cells["label"])),
        columns=list(dict.fromkeys(cells["column"])),
        signs=_READY,
        legend="all that it needs",
        finding=finding,
    )


def _state(ready: bool) -> str:
    return "ready wheel" if ready else "to be compiled"


def times(rows: pd.DataFrame, labels: Mapping[str, str], *, with_frontend: bool, nothing: str) -> Chart:
    """Draw the times of one comparison."""
    rows = rows[rows["median_s"].notna()].sort_values("median_s")
    if len(rows) < 2 or rows["ratio"].notna().sum() < 2:
        return said(nothing)
    rows = rows[rows["ratio"].notna()]
    frame = pd.DataFrame(
        {
            "label": [_named(row, labels, with_frontend=with_frontend) for row in rows.to_dict("records")],
            "ratio": rows["ratio"],
            "low": rows["ratio_low"],
            "high": rows["ratio_high"],
            "text": [f"{seconds:.2f} s" for seconds in rows["median_s"]],
            "finding": [_told(row) for row in rows.to_dict("records")],
        }
    )
    reference = frame.loc[frame["finding"] == "reference", "label"]
    first, last = frame.iloc[0], frame.iloc[-1]
    finding = f"From {first['text']} ({first['label']}) to {last['text']} ({last['label']})"
    against = reference.iloc[0] if len(reference) else "the reference"
    return charts.times_forest(
        frame, axis=f"wall time, as times that of {against} (left: less)", finding=finding
    )


def _named(row: Mapping[Any, Any], labels: Mapping[str, str], *, with_frontend: bool) -> str:
    label = labels[str(row["subject_id"])]
    if not with_frontend:
        return label
    cache = f", {row['cache']}" if row["cache"] == "cold" else ""
    return f"{row['frontend']}: {label}{cache}"


def _told(row: Mapping[Any, Any]) -> str:
    if row["is_reference"]:
        return "reference"
    if pd.isna(row["distinguishable"]) or not row["distinguishable"]:
        return "not told apart"
    return "less time" if row["ratio"] < 1 else "more time"


def equality(pairs: pd.DataFrame, labels: Mapping[str, str]) -> Chart:
    """Draw each backend against each: how much alike their wheels are."""
    if not len(pairs):
        return said("There are no two wheels of one project.")
    both = pd.concat([pairs, pairs.rename(columns={"first": "second", "second": "first"})])
    cells = pd.DataFrame(
        {
            "label": [labels[str(one)] for one in both["first"]],
            "column": [labels[str(one)] for one in both["second"]],
            "outcome": list(both["level"]),
        }
    )
    order = [label for label in labels.values() if label in set(cells["label"])]
    counts = pairs["level"].value_counts()
    told = ", ".join(f"{counts[level]} {level}" for level in EQUAL_LEVELS if level in counts)
    return sign_matrix(
        cells,
        rows=order,
        columns=order,
        signs=_EQUAL,
        legend="two wheels of one project",
        finding=f"Of {len(pairs)} pairs: {told}",
    )


def features(rows: pd.DataFrame, labels: Mapping[str, str], project: str) -> Chart:
    """Draw what was tried, by backends."""
    rows = rows[rows["project"] == project]
    if not len(rows):
        return said("Nothing was tried.")
    cells = pd.DataFrame(
        {
            "label": list(rows["question"]),
            "column": [labels[str(one)] for one in rows["subject_id"]],
            "outcome": list(rows["outcome"]),
        }
    )
    questions = list(dict.fromkeys(cells["label"]))
    alike = sum(cells.loc[cells["label"] == one, "outcome"].nunique() == 1 for one in questions)
    return sign_matrix(
        cells,
        rows=questions,
        columns=list(dict.fromkeys(cells["column"])),
        signs=_OUTCOMES,
        legend="what was seen",
        finding=f"Backends agree on {alike} of {len(questions)} things that were tried",
    )
