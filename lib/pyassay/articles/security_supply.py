"""The lines of supply: how long releases and fixes took to those who install them."""

from __future__ import annotations

import altair as alt
import pandas as pd

from pyassay import charts, tables
from pyassay.verdicts.latency import latency
from pyassay.verdicts.latency_summary import summary

__all__ = ["cpython", "expat", "openssl", "summarised"]

_STAGES = {
    "build": "python-build-standalone",
    "uv": "uv",
    "debian bookworm": "Debian 12",
    "debian trixie": "Debian 13",
    "debian bullseye": "Debian 11",
    "debian unstable": "Debian unstable",
    "recipe": "its recipe",
}

Chart = alt.LayerChart | alt.FacetChart


def cpython() -> Chart:
    """Draw the releases of CPython."""
    return _drawn("CPython", "release", ("build", "uv"), "Releases of CPython reach")


def openssl() -> Chart:
    """Draw the advisories of OpenSSL."""
    stages = ("build", "debian bookworm", "debian trixie")
    return _drawn("OpenSSL", "advisory", stages, "The fix of an OpenSSL advisory reaches")


def expat() -> Chart:
    """Draw the advisories of expat."""
    return _drawn("expat", "advisory", ("build", "debian bookworm"), "The fix of an expat advisory reaches")


def _drawn(line: str, kind: str, stages: tuple[str, ...], words: str) -> Chart:
    rows = latency()
    chosen = rows[
        (rows["line"] == line) & (rows["kind"] == kind) & rows["stage"].isin(stages) & rows["counted"]
    ]
    chosen = chosen[chosen["days"].notna() & (chosen["published"] != "")]
    frame = pd.DataFrame(
        {
            "published": chosen["published"],
            "days": chosen["days"].astype(int),
            "stage": chosen["stage"].map(_STAGES),
            "item": chosen["item"],
        }
    )
    newest = str(frame["published"].max())
    year = frame[frame["published"] > f"{int(newest[:4]) - 1}{newest[4:]}"]
    told = []
    for stage in (_STAGES[stage] for stage in stages):
        late, all_ = (rows.loc[rows["stage"] == stage, "days"] for rows in (year, frame))
        if len(late):
            told.append(f"{stage} {_after(late.median())} (of all {len(all_)}: {_after(all_.median())})")
    finding = f"{words} {', '.join(told)}: medians of the last year"
    return charts.supply_latency(frame, stages=[_STAGES[stage] for stage in stages], finding=finding)


def _after(days: float) -> str:
    if days == 0:
        return "on the same day"
    number = f"{abs(days):g} {'day' if abs(days) == 1 else 'days'}"
    return f"after {number}" if days > 0 else f"{number} before it is public"


def summarised() -> tables.Shown:
    """Show medians, 95th percentiles and outliers."""
    found = summary()
    frame = pd.DataFrame(
        {
            "line": found["line"] + " " + found["kind"],
            "reaches": found["stage"].map(lambda stage: _STAGES.get(stage, stage)),
            "since": found["since"],
            "until": found["until"],
            "number": found["n"],
            "median": found["median_days"],
            "95 of 100 within": found["p95_days"],
            "longest": found["max_days"],
            "outliers": found["outliers"],
        }
    )
    return tables.table(
        frame,
        caption="How many days a release, or a fix, took; negative: prepared before it was public.",
        units=dict.fromkeys(("median", "95 of 100 within", "longest"), "days"),
        limit=12,
    )
