"""Rules on commands timed in turns: how many times the reference's time, and can that be told from noise.

The statistics are those of :mod:`pyassay.probes.performance.estimate`: within each block the logarithm of the
ratio, over blocks the 20 % trimmed mean with Yuen's t interval (of fewer than six blocks the plain mean and
Student's). No resampling, so nothing is drawn: the same samples give the same answer.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

from pyassay.probes.observations import Column, TableSchema
from pyassay.probes.performance.estimate import Interval, trimmed_interval

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FEWEST_BLOCKS", "RATIOS", "Measure", "ratios"]

Measure = Literal["cpu_s", "wall_s"]

FEWEST_BLOCKS = 3
"""Fewer blocks than this support no statement; with three an interval reaches 2.5 standard deviations."""

_LEVEL = 0.95
# The order statistics of fewer values do not reach the level.
_FEWEST_ORDERED = 6

RATIOS = TableSchema(
    "paired_ratios",
    "One row per command: its time, and how many times that of the reference.",
    (
        Column("command_id", "text", "Which command; the reference is among them, with the ratio 1."),
        Column("measure", "text", "`cpu_s` or `wall_s`."),
        Column("blocks", "count", "Blocks that the ratio rests on."),
        Column("median_s", "number", "Median of its seconds over all blocks; missing: never done."),
        Column("low_s", "number", "Lower end of the 95 % interval of that; missing: too few blocks."),
        Column("high_s", "number", "Upper end."),
        Column("ratio", "number", "Typical time over the reference's in the same block; missing: unknown."),
        Column("ratio_low", "number", "Lower end of the 95 % interval of that."),
        Column("ratio_high", "number", "Upper end."),
        Column("noise_low", "number", "Lower end of the 95 % interval of the reference over itself."),
        Column("noise_high", "number", "Upper end."),
        Column(
            "distinguishable",
            "flag",
            "Whether it differs from the reference by more than the reference from itself; missing: unknown.",
        ),
        Column("failures", "count", "Starts that count for nothing."),
        Column("reason", "text", "Why the ratio or the flag is missing; else empty."),
    ),
)


def ratios(
    samples: pd.DataFrame,
    reference_id: str,
    measure: Measure = "cpu_s",
    *,
    min_blocks: int = FEWEST_BLOCKS,
) -> pd.DataFrame:
    """Compare commands with the reference.

    Parameters
    ----------
    samples : DataFrame
        The columns of :func:`pyassay.probes.paired_commands.paired_columns`, of one measurement: where a
        table holds several (``what``, ``state``), one of them.
    reference_id : str
        The one that was entered twice.
    measure : {"cpu_s", "wall_s"}
    min_blocks : int
        With fewer the ratio is unknown.

    Returns
    -------
    DataFrame
        See :data:`RATIOS`; in the order in which the commands appear by name. The ratio is the mean of the
        logarithms against both entries of the reference: that has three quarters of the variance of one, and
        is not correlated with the noise.

    Raises
    ------
    ValueError
        If a block holds two samples of one entry: these are several measurements.

    Notes
    -----
    A command is told apart from the reference where its whole interval lies farther from 1 than the reference
    from itself. Simulated with outliers, 3 % of noise and 3, 8 and 20 blocks: that is said of 0.9, 1.4 and
    1.9 % of equal pairs, and of 10 % more work in 32, 88 and 100 %. Without the control it would be said of
    3.7 to 5.8 % of equal pairs; beyond the control's whole interval of none, but of
    more work in 4, 46 and 97 %.
    """
    counted = samples[(samples["block"] > 0) & (samples[measure] > 0) & (samples["failure"] == "")]
    keys = ["block", "command_id", "entry"]
    if counted.duplicated(keys).any():
        raise ValueError("a block holds two samples of one entry: choose one measurement of them")
    seconds = counted.set_index(keys)[measure].astype(float)
    logs = seconds.map(math.log).unstack(["command_id", "entry"])
    failures = samples[samples["failure"] != ""].groupby("command_id")
    lost, why = failures.size(), failures["failure"].last()

    own, control = (_column(logs, reference_id, entry) for entry in ("reference", "control"))
    between = (control - own).dropna().to_numpy()
    noise = _noise(between, min_blocks)
    rows: list[dict[str, Any]] = []
    for command in sorted(set(samples["command_id"])):
        is_reference = command == reference_id
        times = _column(logs, command, "reference" if is_reference else "candidate")
        first, second = times - own, times - control
        # Where one of the two was lost, the other stands for both.
        both = ((first + second) / 2).fillna(first).fillna(second).dropna().to_numpy()
        blocks = len(between) if is_reference else len(both)
        row = {
            "command_id": command,
            "measure": measure,
            "blocks": blocks,
            **_typical(times.dropna().to_numpy()),
            "noise_low": math.exp(noise.low) if noise else math.nan,
            "noise_high": math.exp(noise.high) if noise else math.nan,
            "failures": int(lost.get(command, 0)),
        }
        if is_reference:
            row |= {"ratio": 1.0, "ratio_low": 1.0, "ratio_high": 1.0, "distinguishable": False, "reason": ""}
            if not len(times.dropna()):
                row |= _unknown(str(why.get(command, "it was never done")))
        elif blocks < min_blocks:
            row |= _unknown(_too_few(blocks, len(times.dropna()), str(why.get(command, ""))))
        else:
            row |= _compared(trimmed_interval(both, _LEVEL), noise)
        rows.append(row)
    return RATIOS.frame(rows)


def _column(logs: pd.DataFrame, command: str, entry: str) -> pd.Series[float]:
    import pandas as pd

    if (command, entry) in logs.columns:
        return logs[(command, entry)]
    return pd.Series(math.nan, index=logs.index, dtype=float)


def _noise(between: Any, min_blocks: int) -> Interval | None:
    """Return the logarithm of the reference over itself; None: it cannot be told."""
    if len(between) < max(min_blocks, 2):
        return None
    return trimmed_interval(between, _LEVEL)


def _compared(interval: Interval, noise: Interval | None) -> dict[str, Any]:
    if not math.isfinite(interval.half_width):
        return _unknown("one block has no interval") | {"ratio": math.exp(interval.centre)}
    known = {
        "ratio": math.exp(interval.centre),
        "ratio_low": math.exp(interval.low),
        "ratio_high": math.exp(interval.high),
    }
    if noise is None:
        return known | {
            "distinguishable": None,
            "reason": "the reference was not measured against itself often enough",
        }
    margin = abs(noise.centre)
    return known | {
        "distinguishable": bool(interval.low > margin or interval.high < -margin),
        "reason": "",
    }


def _unknown(reason: str) -> dict[str, Any]:
    missing = dict.fromkeys(("ratio", "ratio_low", "ratio_high"), math.nan)
    return {**missing, "distinguishable": None, "reason": reason}


def _too_few(blocks: int, done: int, failure: str) -> str:
    if not done:
        return failure or "it was never done"
    few = f"{blocks} block{'' if blocks == 1 else 's'} with the reference {'is' if blocks == 1 else 'are'}"
    return f"{few} too few" + (f"; {failure}" if failure else "")


def _typical(logs: Any) -> dict[str, float]:
    """Return median and interval in seconds: by order statistics, of few values by Student's t."""
    import numpy as np

    if not len(logs):
        return {"median_s": math.nan, "low_s": math.nan, "high_s": math.nan}
    low = high = math.nan
    ordered = np.sort(logs)
    if len(ordered) >= _FEWEST_ORDERED:
        rank = _rank(len(ordered))
        low, high = ordered[rank], ordered[-1 - rank]
    elif len(ordered) > 1:
        interval = trimmed_interval(ordered, _LEVEL)
        low, high = interval.low, interval.high
    return {
        "median_s": math.exp(np.median(ordered)),
        "low_s": math.exp(low) if math.isfinite(low) else math.nan,
        "high_s": math.exp(high) if math.isfinite(high) else math.nan,
    }


def _rank(count: int) -> int:
    """Return how many values may be left out at each end of an interval of the median."""
    rank, outside = 0, 0.0
    while True:
        outside += 2 * math.comb(count, rank) / 2**count
        if outside > 1 - _LEVEL:
            return rank - 1
        rank += 1
