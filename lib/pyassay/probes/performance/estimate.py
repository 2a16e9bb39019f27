"""From samples to ratios with intervals: pure statistics, no opinions.

Within a block the median over rounds of the logarithm of the ratio of two workers' chunks in the same round;
over blocks the 20 % trimmed mean with the t interval of Yuen (1974) and Tukey and McLaughlin (1963), whose
standard error is that of the winsorised values. Samples of different blocks are never pooled: they share no
core, no hash seed and no address layout, and intervals that ignore it were found to claim three to five times
as many differences as there are.

What was tried on recorded A/A runs (2 cores, load 2 to 4; standard deviation of a block's value, plain and
winsorised, in percent; 10 rounds of 10 ms): ratio of medians 1.75 and 1.36, the same with 5 ms 3.23 and 1.76;
median of the ratios within rounds 1.44 and 1.21, and 1.69 and 1.58. The machine changes its speed within a
block, and a round sees one speed. Tukey's median polish (1.13 and 0.71) looks better still and is wrong: with
three workers it makes 1.2 to 1.5 % of a true 2 %.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from pyassay.probes.observations import Column, TableSchema
from pyassay.probes.performance.settings import MIN_BLOCKS

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

__all__ = ["ESTIMATES", "FEWEST_SAMPLES", "SUITE", "Interval", "estimate", "t_quantile", "trimmed_interval"]

SUITE = "suite"
FEWEST_SAMPLES = 3
"""A cell of a block with fewer rounds was lost."""

_TRIM = 0.2
# Fewer values are not trimmed: a fifth of five is one, and three values have no tails.
_FEWEST_TRIMMED = 6
# A workload that was lost in more blocks than this share is not part of a subject's suite at all; the blocks
# in which one was lost in passing are left out of the suite, so that each holds the same workloads.
_LOST_SHARE = 0.2

ESTIMATES = TableSchema(
    "performance_estimates",
    "One row per interpreter, clock and workload, group or suite: time over the reference's.",
    (
        Column("subject_id", "text", "Who is compared; of the control, the reference."),
        Column("entry", "text", "`subject`, or `control`: the reference against itself."),
        Column("scope", "text", "`workload`, `group` or `suite` (a geometric mean)."),
        Column("name", "text", "Of the workload or group; `suite`."),
        Column("metric", "text", "`cpu` or `wall`."),
        Column("ratio", "number", "Time over the reference's."),
        Column("low", "number", "Lower end of the interval; missing with fewer than two blocks."),
        Column("high", "number", "Upper end."),
        Column("half_width_percent", "number", "Half of the interval on the logarithmic scale, times 100."),
        Column("standard_error", "number", "Of the logarithm of the ratio."),
        Column("blocks", "count", "Blocks that it rests on."),
        Column("enough_blocks", "flag", "Whether these are enough for a statement."),
        Column("members", "texts", "The workloads of a group or suite."),
        Column("control_bias_percent", "number", "How far the control lies from 1, same scope and metric."),
        Column("control_half_width_percent", "number", "The control's own half width."),
        Column("subject_s", "number", "Median over blocks of seconds per iteration; of workloads only."),
        Column("reference_s", "number", "The same of the reference."),
    ),
)


@dataclass(frozen=True, slots=True)
class Interval:
    """A location with its interval; all in the units of the values."""

    centre: float
    low: float
    high: float
    standard_error: float
    count: int

    @property
    def half_width(self) -> float:
        """Half of the interval's length; infinite where there is no interval."""
        return (self.high - self.low) / 2


@cache
def t_quantile(probability: float, degrees: int) -> float:
    """Return the quantile of Student's t distribution for a whole number of degrees of freedom.

    By bisection of the finite sums for the distribution function (Abramowitz and Stegun, 26.7.3 and 26.7.4).

    Raises
    ------
    ValueError
        If the probability is not between 0 and 1 or there is no degree of freedom.
    """
    if not 0 < probability < 1 or degrees < 1:
        raise ValueError(f"no such quantile: {probability} with {degrees} degrees of freedom")
    if probability < 0.5:
        return -t_quantile(1 - probability, degrees)
    wanted = 2 * probability - 1
    low, high = 0.0, math.pi / 2
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if _central(middle, degrees) < wanted else (low, middle)
    return math.sqrt(degrees) * math.tan(low)


def _central(theta: float, degrees: int) -> float:
    """Return the probability of ``abs(t) < sqrt(degrees) * tan(theta)``."""
    cosine, sine = math.cos(theta), math.sin(theta)
    is_odd = degrees % 2 == 1
    term = cosine if is_odd else 1.0
    total = 0.0
    for power in range(2 if is_odd else 1, degrees, 2):
        total += term
        # cos, 2/3 cos^3, 2*4/(3*5) cos^5 ...; 1, 1/2 cos^2, 1*3/(2*4) cos^4 ...
        term *= power / (power + 1) * cosine * cosine
    return 2 / math.pi * (theta + sine * total) if is_odd else sine * total


def trimmed_interval(values: Sequence[float] | np.ndarray, level: float = 0.95) -> Interval:
    """Return the 20 % trimmed mean and its winsorised t interval; of fewer than six values, the plain ones.

    Parameters
    ----------
    values : sequence of float
        One for each block.
    level : float

    Raises
    ------
    ValueError
        If there is no value.
    """
    import numpy as np

    ordered = np.sort(np.asarray(values, dtype=float))
    count = len(ordered)
    if count == 0:
        raise ValueError("no values")
    cut = int(_TRIM * count) if count >= _FEWEST_TRIMMED else 0
    kept = count - 2 * cut
    centre = float(ordered[cut : count - cut].mean())
    if kept < 2:
        return Interval(centre, -math.inf, math.inf, math.inf, count)
    winsorised = np.clip(ordered, ordered[cut], ordered[count - cut - 1])
    error = float(winsorised.std(ddof=1)) / (kept / count * math.sqrt(count))
    reach = t_quantile(0.5 + level / 2, kept - 1) * error
    return Interval(centre, centre - reach, centre + reach, error, count)


def estimate(
    samples: pd.DataFrame,
    reference: str,
    *,
    groups: dict[str, str] | None = None,
    suite: Collection[str] | None = None,
    metrics: Sequence[str] = ("cpu", "wall"),
    level: float = 0.95,
    min_blocks: int = MIN_BLOCKS,
) -> pd.DataFrame:
    """Estimate how every subject's time compares with the reference's.

    Parameters
    ----------
    samples : DataFrame
        ``performance_samples``.
    reference : str
        Id of the subject that the others are compared with. It has two workers in each block, the subject
        and the control; others are compared with each of them and the mean of the two logarithms is taken.
        That has three quarters of the variance and, the noise of the two being alike, is not correlated with
        the control's ratio.
    groups : dict of str to str, optional
        Workload to group; a geometric mean is formed for each group of at least two.
    suite : collection of str, optional
        Workloads of the suite; all unless given.
    metrics : sequence of {"cpu", "wall"}
    level : float
        Of the intervals.
    min_blocks : int
        How many blocks are enough for a statement.

    Returns
    -------
    DataFrame
        See :data:`ESTIMATES`. A subject without any common block with the reference has no row.
    """
    rows: list[dict[str, Any]] = []
    for metric in metrics:
        rows += _rows(_logs(samples, metric), metric, reference, groups or {}, suite, level)
    control = {(row["scope"], row["name"], row["metric"]): row for row in rows if row["entry"] == "control"}
    for row in rows:
        same = control.get((row["scope"], row["name"], row["metric"]))
        row["control_bias_percent"] = 100 * abs(same["ratio"] - 1) if same else math.nan
        row["control_half_width_percent"] = same["half_width_percent"] if same else math.nan
        row["enough_blocks"] = row["blocks"] >= min_blocks
    return ESTIMATES.frame(rows)


def _logs(samples: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return logarithms of seconds per iteration: a row for each round, a column for each worker."""
    import numpy as np
    import pandas as pd

    counted = samples[(samples["round"] > 0) & (samples["block"] > 0) & (samples[f"{metric}_s"] > 0)]
    seconds = np.log(counted[f"{metric}_s"] / counted["iterations"].astype(float))
    keys = ["block", "workload", "round", "subject_id", "entry"]
    seconds.index = pd.MultiIndex.from_frame(counted[keys])
    return cast("pd.DataFrame", seconds.unstack(["subject_id", "entry"]))


def _rows(
    logs: pd.DataFrame,
    metric: str,
    reference: str,
    groups: dict[str, str],
    suite: Collection[str] | None,
    level: float,
) -> list[dict[str, Any]]:
    own, control = (reference, "subject"), (reference, "control")
    if own not in logs.columns:
        return []
    times = _medians(logs)
    rows: list[dict[str, Any]] = []
    for worker in cast("list[tuple[str, str]]", list(logs.columns)):
        if worker == own:
            continue
        ratios = _medians(logs[worker] - logs[own])
        if worker != control and control in logs.columns:
            # Where one of the two was lost, the other stands for both.
            second = _medians(logs[worker] - logs[control])
            ratios = ((ratios + second) / 2).fillna(ratios).fillna(second)
        by_block = ratios.unstack("workload").dropna(axis="columns", how="all")
        for workload in by_block.columns:
            row = _row(worker, "workload", workload, metric, by_block[[workload]], level)
            row["subject_s"] = _typical_s(times, worker, workload)
            row["reference_s"] = _typical_s(times, own, workload)
            rows.append(row)
        for scope, name, members in _sets(list(by_block.columns), groups, suite):
            usual = [one for one in members if by_block[one].isna().mean() <= _LOST_SHARE]
            whole = by_block[usual].dropna() if usual else None
            if whole is not None and len(whole):
                rows.append(_row(worker, scope, name, metric, whole, level))
    return rows


def _medians(rounds: Any) -> Any:
    """Return the median over the rounds of each workload in each block, where there are enough of them."""
    cells = rounds.groupby(level=["block", "workload"])
    return cells.median().where(cells.count() >= FEWEST_SAMPLES)


def _typical_s(times: Any, worker: tuple[str, str], workload: str) -> float:
    return math.exp(times[worker].xs(workload, level="workload").median())


def _sets(
    workloads: Sequence[str], groups: dict[str, str], suite: Collection[str] | None
) -> list[tuple[str, str, list[str]]]:
    found: list[tuple[str, str, list[str]]] = []
    for group in dict.fromkeys(groups.values()):
        members = [name for name in workloads if groups.get(name) == group]
        if len(members) > 1:
            found.append(("group", group, members))
    members = [name for name in workloads if suite is None or name in suite]
    if members:
        found.append(("suite", SUITE, members))
    return found


def _row(
    worker: tuple[str, str], scope: str, name: str, metric: str, ratios: pd.DataFrame, level: float
) -> dict[str, Any]:
    # The mean of logarithms within each block first, then over blocks.
    interval = trimmed_interval(ratios.mean(axis=1).dropna().to_numpy(), level)
    is_known = math.isfinite(interval.half_width)
    return {
        "subject_id": worker[0],
        "entry": worker[1],
        "scope": scope,
        "name": name,
        "metric": metric,
        "ratio": math.exp(interval.centre),
        "low": math.exp(interval.low) if is_known else math.nan,
        "high": math.exp(interval.high) if is_known else math.nan,
        "half_width_percent": 100 * interval.half_width if is_known else math.nan,
        "standard_error": interval.standard_error if is_known else math.nan,
        "blocks": interval.count,
        "members": list(ratios.columns) if scope != "workload" else [],
        "subject_s": math.nan,
        "reference_s": math.nan,
    }
