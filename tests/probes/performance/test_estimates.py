"""The statistics, on samples whose truth is known."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from corpus.simulated_machine import samples
from hypothesis import given, settings
from hypothesis import strategies as st
from pyassay.probes.performance.estimate import ESTIMATES, estimate, t_quantile, trimmed_interval

# Tables of Student's distribution, as printed everywhere.
KNOWN = (
    (0.975, 1, 12.7062),
    (0.975, 2, 4.30265),
    (0.975, 3, 3.18245),
    (0.975, 5, 2.57058),
    (0.975, 10, 2.22814),
    (0.95, 7, 1.89458),
    (0.975, 30, 2.04227),
    (0.995, 4, 4.60409),
    (0.975, 1000, 1.96234),
    (0.025, 9, -2.26216),
)


@pytest.mark.parametrize(("probability", "degrees", "quantile"), KNOWN)
def test_t_quantiles_are_those_of_the_tables(probability, degrees, quantile):
    assert t_quantile(probability, degrees) == pytest.approx(quantile, abs=6e-5)


@pytest.mark.parametrize(("probability", "degrees"), [(0.0, 5), (1.0, 5), (0.5, 0), (math.nan, 3)])
def test_quantiles_that_do_not_exist(probability, degrees):
    with pytest.raises(ValueError, match="no such quantile"):
        t_quantile(probability, degrees)


def test_trimmed_interval_of_a_worked_example():
    """Ten values, two cut at each end; worked by hand from the definition."""
    found = trimmed_interval([1, 2, 3, 4, 5, 6, 7, 8, 9, 100])
    winsorised = [3, 3, 3, 4, 5, 6, 7, 8, 8, 8]
    error = np.std(winsorised, ddof=1) / (0.6 * math.sqrt(10))
    assert found.centre == 5.5
    assert found.standard_error == pytest.approx(error)
    assert found.high - found.centre == pytest.approx(2.570582 * error, rel=1e-5)
    assert found.count == 10


def test_one_value_has_no_interval_and_none_is_an_error():
    one = trimmed_interval([0.3])
    assert (one.centre, one.half_width) == (0.3, math.inf)
    with pytest.raises(ValueError, match="no values"):
        trimmed_interval([])


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=60), st.floats(-1, 1))
def test_interval_moves_with_the_values_and_turns_with_their_sign(values, shift):
    found = trimmed_interval(values)
    moved = trimmed_interval([value + shift for value in values])
    turned = trimmed_interval([-value for value in values])
    assert found.low <= found.centre + 1e-12
    assert found.centre <= found.high + 1e-12
    assert moved.low == pytest.approx(found.low + shift, abs=1e-9)
    assert turned.low == pytest.approx(-found.high, abs=1e-9)


def suite_row(frame: pd.DataFrame, entry: str = "subject", **options) -> pd.Series:
    rows = estimate(frame, "a", metrics=("cpu",), **options)
    return rows[(rows["scope"] == "suite") & (rows["entry"] == entry)].iloc[0]


def comparisons(seed: int, truth: float, count: int, **options) -> pd.DataFrame:
    """Return the rows of so many independent comparisons."""
    frame = samples(seed, {"b": truth}, workloads=count, apart=True, **options)
    rows = estimate(frame, "a", metrics=("cpu",))
    return rows[(rows["scope"] == "workload") & (rows["entry"] == "subject")]


# Blocks of a loaded machine: luck of each process, noise of each chunk, a walking speed, and spikes.
LOADED = {"between": 0.008, "within": 0.03, "drift": 0.03, "spikes": 0.08}


@pytest.mark.parametrize(
    ("blocks", "options"),
    [(24, {}), (10, {}), (24, LOADED), (8, LOADED | {"drift": 0.0})],
    ids=["calm", "few blocks", "loaded", "few and spiky"],
)
def test_interval_holds_the_truth_as_often_as_it_says(blocks, options):
    """95 %: of 600 simulated comparisons 549 to 591 (four standard deviations)."""
    truth = 1.02
    rows = comparisons(11, truth, 600, blocks=blocks, rounds=5, **options)
    assert len(rows) == 600
    held = ((rows["low"] <= truth) & (truth <= rows["high"])).sum()
    assert 549 <= held <= 591


def test_power_false_alarms_and_error_on_a_loaded_machine():
    """The targets of the design, simulated: what 25 blocks can tell."""
    rows = {truth: comparisons(7, truth, 200, blocks=25, **LOADED) for truth in (1.0, 1.01, 1.02)}
    claims = {truth: (some["low"] > 1, some["high"] < 1) for truth, some in rows.items()}
    assert sum(map(sum, claims[1.0])) <= 20
    assert claims[1.01][0].sum() >= 120
    assert claims[1.02][0].sum() >= 192
    assert not any(claims[truth][1].any() for truth in (1.01, 1.02))
    errors = np.concatenate([100 * (some["ratio"] - truth) for truth, some in rows.items()])
    assert math.sqrt(np.mean(errors**2)) < 0.45


def test_drift_within_blocks_does_not_widen_what_is_compared_within_rounds():
    calm = suite_row(samples(5, {"b": 1.05}, drift=0.0))
    walking = suite_row(samples(5, {"b": 1.05}, drift=0.2))
    assert walking["half_width_percent"] < 1.5 * calm["half_width_percent"]
    assert walking["ratio"] == pytest.approx(1.05, abs=0.02)


def test_blocks_are_not_pooled():
    """With luck that a process keeps, a hundred times the chunks make the interval no narrower."""
    few = [
        suite_row(samples(n, {"b": 1.0}, blocks=12, rounds=3, between=0.03, within=0.001)) for n in range(9)
    ]
    many = [
        suite_row(samples(n, {"b": 1.0}, blocks=12, rounds=99, between=0.03, within=0.001)) for n in range(9)
    ]
    widths = [np.median([row["half_width_percent"] for row in rows]) for rows in (few, many)]
    assert widths[1] > 0.6 * widths[0]
    assert all(row["blocks"] == 12 for row in (*few, *many))


def test_suite_is_the_geometric_mean_formed_within_blocks():
    frame = samples(3, {"b": 1.0}, workloads=2, between=0, within=0, blocks=10)
    is_doubled = (frame["subject_id"] == "b") & (frame["workload"] == "w0")
    frame.loc[is_doubled, "cpu_s"] *= 4.0
    row = suite_row(frame)
    assert row["ratio"] == pytest.approx(2.0)
    assert row["members"] == ["w0", "w1"]
    assert suite_row(frame, suite={"w1"})["ratio"] == pytest.approx(1.0)
    groups = estimate(frame, "a", groups={"w0": "g", "w1": "g"}, metrics=("cpu",))
    assert groups.loc[groups["scope"] == "group", "name"].tolist() == ["g", "g"]


def test_suite_leaves_out_blocks_that_lost_a_cell_and_workloads_that_lose_many():
    frame = samples(4, {"b": 1.1}, workloads=3, blocks=20)
    is_b = frame["subject_id"] == "b"
    one_lost = frame[~(is_b & (frame["workload"] == "w0") & (frame["block"] == 7))]
    row = suite_row(one_lost)
    assert (row["blocks"], row["members"]) == (19, ["w0", "w1", "w2"])
    many_lost = frame[~(is_b & (frame["workload"] == "w0") & (frame["block"] > 4))]
    row = suite_row(many_lost)
    assert (row["blocks"], row["members"]) == (20, ["w1", "w2"])
    single = estimate(many_lost, "a", metrics=("cpu",))
    assert single[(single["name"] == "w0") & (single["entry"] == "subject")]["blocks"].tolist() == [4]


def test_cell_with_too_few_rounds_is_lost_and_so_are_calibration_and_first_chunks():
    frame = samples(4, {"b": 1.1}, blocks=10, rounds=5, within=0, between=0)
    is_b = (frame["subject_id"] == "b") & (frame["block"] == 3)
    assert suite_row(frame[~(is_b & (frame["round"] > 2))])["blocks"] == 9
    extra = frame[frame["round"] == 1].assign(cpu_s=9.0)
    more = pd.concat([frame, extra.assign(round=0), extra.assign(block=0)])
    assert suite_row(more)["ratio"] == pytest.approx(1.1)


def test_reference_without_its_control_and_control_without_the_reference():
    frame = samples(4, {"b": 1.1}, blocks=10)
    alone = estimate(frame[frame["entry"] == "subject"], "a", metrics=("cpu",))
    assert set(alone["entry"]) == {"subject"}
    assert alone["control_bias_percent"].isna().all()
    assert estimate(frame[~((frame["subject_id"] == "a") & (frame["entry"] == "subject"))], "a").empty
    assert estimate(frame.iloc[:0], "a").columns.tolist() == ESTIMATES.column_names


def test_both_entries_of_the_reference_are_used_and_do_not_lean_on_the_control():
    """The ratio to the mean of both is not correlated with the control's own."""
    frame = samples(5, {"b": 1.0}, workloads=400, apart=True, blocks=8, rounds=3)
    rows = estimate(frame, "a", metrics=("cpu",))
    by_entry = rows[rows["scope"] == "workload"].pivot_table(index="name", columns="entry", values="ratio")
    assert len(by_entry) == 400
    assert abs(by_entry.corr().to_numpy()[0, 1]) < 0.2
    alone = estimate(frame[frame["entry"] == "subject"], "a", metrics=("cpu",))
    spread = alone.loc[alone["scope"] == "workload", "ratio"].std()
    assert by_entry["subject"].std() < 0.95 * spread


def test_wall_time_and_missing_cpu_clock():
    frame = samples(4, {"b": 1.1}, blocks=10).assign(cpu_s=0.0)
    rows = estimate(frame, "a")
    assert set(rows["metric"]) == {"wall"}
    assert rows[rows["entry"] == "subject"]["reference_s"].iloc[0] == pytest.approx(0.00015, rel=0.1)


def test_fewer_blocks_than_a_statement_needs_are_said():
    assert not suite_row(samples(1, {"b": 1.2}, blocks=7))["enough_blocks"]
    assert suite_row(samples(1, {"b": 1.2}, blocks=8))["enough_blocks"]


@settings(max_examples=20, deadline=None)
@given(st.floats(0.5, 2.0), st.integers(0, 1000))
def test_a_faster_machine_changes_nothing(factor, seed):
    frame = samples(seed, {"b": 1.03}, blocks=8, rounds=3)
    faster = frame.assign(cpu_s=frame["cpu_s"] * factor)
    assert suite_row(faster)["ratio"] == pytest.approx(suite_row(frame)["ratio"], rel=1e-9)
