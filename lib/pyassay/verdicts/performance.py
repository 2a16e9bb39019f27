"""Rules on speed: faster, slower, the same or undecided, and how long it would take to decide.

A difference counts when the whole interval lies beyond a margin: at least the policy's, and at least what the
control (the reference measured against itself in the same blocks) shows to be noise.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from pyassay.verdicts.model import Level, Reason, Verdict, unanswered
from pyassay.verdicts.performance_causes import causes
from pyassay.verdicts.policy import PerformancePolicy, Policy

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "COMPARISON_COLUMNS",
    "comparisons",
    "judge",
    "minutes_to_decide",
    "reference_of",
    "unfit_workloads",
]

QUESTION = "performance"
FASTER, SLOWER, SAME, UNDECIDED = "faster", "slower", "same", "undecided"
COMPARISON_COLUMNS = ("margin_percent", "finding", "minutes_more")
_SUITE_METRIC = "cpu"
_LOST = ("crash", "hang", "rubbish", "memory", "error", "start")
_MOST_MINUTES = 24 * 60
# So far from one lies the whole interval of a control that has failed.
_FAILED_CONTROL = 0.01


def reference_of(tables: Mapping[str, pd.DataFrame]) -> str:
    """Return the subject that the others are compared with, which has a control; empty: none was measured."""
    samples = tables["performance_samples"]
    control = samples.loc[samples["entry"] == "control", "subject_id"]
    return str(control.iloc[0]) if len(control) else ""


def comparisons(tables: Mapping[str, pd.DataFrame], policy: Policy) -> pd.DataFrame:
    """Compare every interpreter with the reference, by workload, group and over the suite.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        Those of :data:`pyassay.probes.performance.TABLES`.
    policy : Policy
        Its section ``performance``.

    Returns
    -------
    DataFrame
        The columns of :data:`pyassay.probes.performance.estimate.ESTIMATES`, and ``margin_percent`` (beyond
        which a difference counts), ``finding`` (faster, slower, same or undecided) and ``minutes_more`` (how
        much longer to measure until it is decided; missing where it is, or where that cannot be told).
    """
    from pyassay.probes.performance.estimate import estimate

    workloads = tables["performance_workloads"]
    samples, reference = tables["performance_samples"], reference_of(tables)
    unfit = unfit_workloads(tables, policy)
    found = estimate(
        samples,
        reference,
        groups={
            name: group
            for name, group in zip(workloads["workload"], workloads["group"], strict=True)
            if name not in unfit
        },
        suite=[name for name in workloads.loc[workloads["in_suite"], "workload"] if name not in unfit],
        min_blocks=policy.performance.min_blocks,
    )
    blocks = tables["performance_blocks"]
    block_s = float(blocks["duration_s"].mean()) if len(blocks) else math.nan
    rows = [_judged(row, policy.performance, block_s) for row in found.to_dict("records")]
    return found.assign(
        margin_percent=[row[0] for row in rows],
        finding=[row[1] for row in rows],
        minutes_more=[row[2] for row in rows],
    )


def unfit_workloads(tables: Mapping[str, pd.DataFrame], policy: Policy) -> tuple[str, ...]:
    """Return the workloads on which the reference differs from itself: they say nothing, and count nowhere.

    Two workers of one interpreter in the same blocks should come out alike. Where the control's whole
    interval lies beyond three times the policy's margin, something other than the interpreter was measured.
    """
    from pyassay.probes.performance.estimate import estimate

    samples = tables["performance_samples"]
    reference = reference_of(tables)
    own = samples[samples["subject_id"] == reference]
    found = estimate(own, reference, metrics=("cpu",), min_blocks=policy.performance.min_blocks)
    limit = 3 * policy.performance.margin_percent / 100
    control = found[(found["entry"] == "control") & (found["scope"] == "workload")]
    apart = control[(control["low"] > 1 + limit) | (control["high"] < 1 - limit)]
    # Where most are so, it is the comparison that has failed: its margin says so.
    return tuple(map(str, apart["name"])) if 2 * len(apart) <= len(control) else ()


def _judged(row: Mapping[Any, Any], policy: PerformancePolicy, block_s: float) -> tuple[float, str, float]:
    noise = row["control_bias_percent"] + row["control_half_width_percent"]
    margin = max(policy.margin_percent, noise if math.isfinite(noise) else 0.0)
    low, high = 100 * math.log(row["low"]), 100 * math.log(row["high"])
    finding = UNDECIDED
    if row["enough_blocks"] and math.isfinite(low) and math.isfinite(high):
        if low > margin:
            finding = SLOWER
        elif high < -margin:
            finding = FASTER
        elif -margin < low and high < margin:
            finding = SAME
    more = math.nan
    if finding == UNDECIDED:
        more = minutes_to_decide(
            100 * math.log(row["ratio"]), row["half_width_percent"], margin, int(row["blocks"]), block_s
        )
    if not row["enough_blocks"] and math.isfinite(block_s):
        first = (policy.min_blocks - int(row["blocks"])) * block_s / 60
        more = max(first, more) if math.isfinite(more) else first
    return margin, finding, more


def minutes_to_decide(
    ratio_percent: float, half_width_percent: float, margin_percent: float, blocks: int, block_s: float
) -> float:
    """Return how many more minutes would narrow an interval until it lies on one side of a margin.

    Intervals narrow with the square root of the number of blocks.

    Parameters
    ----------
    ratio_percent, half_width_percent, margin_percent : float
        Logarithms times 100: estimate, half of the interval, margin.
    blocks : int
        Those measured.
    block_s : float
        Wall seconds of a block.

    Returns
    -------
    float
        Missing where the estimate lies on the margin, or a day would not be enough.
    """
    room = abs(abs(ratio_percent) - margin_percent)
    if not all(map(math.isfinite, (ratio_percent, half_width_percent, block_s))) or room == 0:
        return math.nan
    wanted = blocks * (half_width_percent / room) ** 2
    minutes = max(wanted - blocks, 1.0) * block_s / 60
    return minutes if minutes <= _MOST_MINUTES else math.nan


def judge(
    tables: Mapping[str, pd.DataFrame], policy: Policy, on: date, compared: pd.DataFrame | None = None
) -> list[Verdict]:
    """Give one verdict on each interpreter, by the CPU time of the whole suite.

    Parameters
    ----------
    tables, policy
        As for :func:`comparisons`; ``subjects``, ``skipped`` and ``build_facts`` besides.
    on : date
        The day of the evidence; speed rests on no table of facts.
    compared : DataFrame, optional
        What :func:`comparisons` returned for the same, if that is known already.
    """
    reference = reference_of(tables)
    found: dict[str, Mapping[Any, Any]] = {}
    if reference:
        compared = comparisons(tables, policy) if compared is None else compared
        suite = compared[(compared["scope"] == "suite") & (compared["metric"] == _SUITE_METRIC)]
        found = {str(row["subject_id"]): row for row in suite[suite["entry"] == "subject"].to_dict("records")}
        control = suite[suite["entry"] == "control"].to_dict("records")
    subjects = tables["subjects"]
    labels = dict(zip(subjects["subject_id"], subjects["label"], strict=True))
    verdicts = []
    for row in subjects.to_dict("records"):
        if row["kind"] not in ("interpreter", "environment"):
            continue
        subject = str(row["subject_id"])
        if subject == reference:
            verdicts.append(_of_reference(subject, control))
        elif subject in found:
            verdicts.append(_of(subject, found[subject], str(labels[reference]), tables, policy.performance))
        else:
            verdicts.append(
                unanswered(
                    subject,
                    QUESTION,
                    tables["skipped"],
                    error=str(row["error"]),
                    otherwise="it shares no block with the reference",
                    words="could not be measured",
                )
            )
    return verdicts


def _of_reference(subject: str, control: Sequence[Mapping[Any, Any]]) -> Verdict:
    noise, level = "the reference of this comparison", Level.GOOD
    reasons: tuple[Reason, ...] = ()
    if control:
        row = control[0]
        noise += f"; measured against itself it differs by {row['control_bias_percent']:.1f} %"
        if math.isfinite(row["half_width_percent"]):
            noise += f" ± {row['half_width_percent']:.1f}"
        if row["low"] > 1 + _FAILED_CONTROL or row["high"] < 1 - _FAILED_CONTROL:
            level = Level.CAUTION
            text = "The control failed: the reference differs from itself, so small differences say nothing"
            reasons = (Reason(level, text, "performance_samples", {"subject_id": subject}),)
    return Verdict(subject, QUESTION, level, noise, reasons)


def _of(
    subject: str,
    row: Mapping[Any, Any],
    reference: str,
    tables: Mapping[str, pd.DataFrame],
    policy: PerformancePolicy,
) -> Verdict:
    where = {"subject_id": subject}
    finding = row["finding"]
    level = {FASTER: Level.GOOD, SAME: Level.GOOD, SLOWER: Level.CAUTION, UNDECIDED: Level.UNKNOWN}[finding]
    headline = _headline(row, reference)
    reasons = [Reason(level, _sentence(row, reference), "performance_samples", where)]
    limit = policy.max_slower_percent
    if limit is not None and row["enough_blocks"]:
        low, high = 100 * (row["low"] - 1), 100 * (row["high"] - 1)
        if low > limit:
            level = Level.BAD
            reasons.append(Reason(level, f"The policy allows {limit:g} % slower", "", {}))
        elif high > limit:
            level = Level.UNKNOWN
            text = f"Whether it keeps within the {limit:g} % that the policy allows is not decided"
            reasons.append(Reason(level, text, "performance_samples", where))
        elif finding in (SLOWER, UNDECIDED):
            level = Level.GOOD
            text = f"Within the {limit:g} % that the policy allows"
            reasons[0] = Reason(level, reasons[0].text, "performance_samples", where)
            reasons.append(Reason(level, text, "performance_samples", where))
    reasons += [Reason(Level.GOOD, cause.sentence, cause.table, where) for cause in causes(tables, subject)]
    reasons += _lost(subject, tables)
    return Verdict(subject, QUESTION, level, headline, tuple(reasons))


def _headline(row: Mapping[Any, Any], reference: str) -> str:
    noise = f"noise {row['control_bias_percent'] + row['control_half_width_percent']:.1f} %"
    if row["finding"] == SAME:
        return f"as fast as {reference}, within {row['margin_percent']:.1f} % ({_interval(row)}), {noise}"
    if row["finding"] == UNDECIDED:
        if not row["enough_blocks"]:
            return f"not decided: {int(row['blocks'])} blocks are too few{_longer(row)}"
        longer = _longer(row)
        return f"not decided against {reference}: {_interval(row)}{longer}"
    size = abs(100 * (row["ratio"] - 1))
    return f"{_percent(size)} % {row['finding']} than {reference} ({_interval(row)}), {noise}"


def _longer(row: Mapping[Any, Any]) -> str:
    more = row["minutes_more"]
    if not math.isfinite(more):
        return ""
    minutes = math.ceil(more)
    return f"; about {minutes} more minute{'' if minutes == 1 else 's'} would tell"


def _interval(row: Mapping[Any, Any]) -> str:
    low, high = 100 * (row["low"] - 1), 100 * (row["high"] - 1)
    if not math.isfinite(low) or not math.isfinite(high):
        return "no interval"
    if row["finding"] in (FASTER, SLOWER):
        first, last = sorted((abs(low), abs(high)))
        return f"{_percent(first)} to {_percent(last)} %"
    return f"{low:+.1f} to {high:+.1f} %"


def _percent(size: float) -> str:
    return f"{size:.0f}" if size >= 20 else f"{size:.1f}"


def _sentence(row: Mapping[Any, Any], reference: str) -> str:
    return (
        f"CPU time of {len(row['members'])} workloads (geometric mean) is {row['ratio']:.3f} times that of "
        f"{reference}, 95 % interval {row['low']:.3f} to {row['high']:.3f}, {int(row['blocks'])} blocks; "
        f"a difference counts beyond {row['margin_percent']:.1f} %. This is a sentence about this build: "
        "rebuilding the same source moves single workloads by 1 to 3 %."
    )


def _lost(subject: str, tables: Mapping[str, pd.DataFrame]) -> list[Reason]:
    failures = tables["performance_failures"]
    own = failures[(failures["subject_id"] == subject) & (failures["entry"] == "subject")]
    reasons = []
    for (workload, kind), group in own.groupby(["workload", "kind"], sort=False):
        level = Level.CAUTION if kind in _LOST else Level.GOOD
        what = str(workload) or "the whole worker"
        count = f" in {len(group)} blocks" if len(group) > 1 else ""
        text = f"Not measured: {what}{count}: {group['reason'].iloc[0]}"
        reasons.append(Reason(level, text, "performance_failures", {"subject_id": subject}))
    return reasons
