"""Medians, 95th percentiles and outliers of supply latency, over the stretches that an article compares."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyassay.verdicts.latency import SUITES, latency

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SUMMARY_COLUMNS", "summary"]

#: Columns of :func:`summary`.
SUMMARY_COLUMNS = (
    "line",
    "kind",
    "stage",
    "since",
    "until",
    "n",
    "median_days",
    "p95_days",
    "max_days",
    "min_days",
    "within_1_day",
    "within_7_days",
    "outliers",
)

#: Line, kind, stage, first day and the day after the last.
_GROUPS = (
    *(
        ("CPython", "release", stage, since, until)
        for since, until in (
            ("", "2024-10-01"),
            ("2024-10-01", "2025-10-01"),
            ("2025-10-01", ""),
            ("2024-10-01", ""),
        )
        for stage in ("build", "uv")
    ),
    *(
        ("OpenSSL", "release", stage, since, until)
        for since, until in (("", ""), ("", "2025-01-01"), ("2025-01-01", ""))
        for stage in ("recipe", "build", "uv")
    ),
    *(
        ("OpenSSL", "advisory", stage, "2024-01-01", "")
        for stage in ("build", "uv", *(f"debian {suite}" for suite in SUITES))
    ),
    *(
        ("expat", "advisory", stage, "", "")
        for stage in ("build", "uv", *(f"debian {suite}" for suite in SUITES))
    ),
    ("CPython", "advisory", "debian bookworm", "", ""),
    ("CPython", "advisory", "debian trixie", "", ""),
)


def summary(rows: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return medians, 95th percentiles and outliers of the stretches that an article compares.

    Parameters
    ----------
    rows : DataFrame, optional
        As :func:`latency` returns them, which is the default.

    Returns
    -------
    DataFrame
        :data:`SUMMARY_COLUMNS`: days, 95th percentile interpolated; ``since`` is the first day of
        publication and ``until`` the day after the last (empty: no bound); ``outliers`` names, the slowest
        first, what took longer than a week and than the third quartile by more than 1.5 times the
        interquartile range.
    """
    import pandas as pd

    rows = latency() if rows is None else rows
    result: list[tuple[object, ...]] = []
    for line, kind, stage, since, until in _GROUPS:
        chosen = rows[
            rows["counted"] & (rows["line"] == line) & (rows["kind"] == kind) & (rows["stage"] == stage)
        ]
        chosen = chosen[(chosen["published"] >= since) & (chosen["published"] < (until or "9"))]
        if chosen.empty:
            continue
        days = chosen["days"].astype(float)
        measures = (days.median(), round(days.quantile(0.95), 1), int(days.max()), int(days.min()))
        within = (int((days <= 1).sum()), int((days <= 7).sum()))
        result.append((line, kind, stage, since, until, len(days), *measures, *within, _outliers(chosen)))
    return pd.DataFrame(result, columns=list(SUMMARY_COLUMNS))


def _outliers(rows: pd.DataFrame) -> str:
    days = rows["days"].astype(float)
    low, high = days.quantile(0.25), days.quantile(0.75)
    far = rows[(days > high + 1.5 * (high - low)) & (days > 7)].sort_values(
        "days", ascending=False, kind="stable"
    )
    return ", ".join(f"{item} ({count} days)" for item, count in zip(far["item"], far["days"], strict=True))
