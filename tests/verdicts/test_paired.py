"""Ratios of commands timed in turns: invariances, coverage, and what is unknown."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pyassay.probes.observations import TableSchema
from pyassay.probes.paired_commands import paired_columns
from pyassay.verdicts.paired import FEWEST_BLOCKS, RATIOS, ratios

TABLE = TableSchema("samples", "Of a test.", paired_columns())
ENTRIES = (("ref", "reference"), ("ref", "control"), ("x", "candidate"), ("y", "candidate"))


def samples(seconds: np.ndarray, entries: tuple[tuple[str, str], ...] = ENTRIES) -> pd.DataFrame:
    """Make samples of an array: blocks by entries; NaN: failed."""
    return TABLE.frame(
        {
            "command_id": command,
            "block": block + 1,
            "position": place + 1,
            "entry": entry,
            "wall_s": 3 * value,
            "cpu_s": value,
            "peak_rss_bytes": None,
            "failure": "it broke" if math.isnan(value) else "",
        }
        for block, row in enumerate(seconds)
        for place, ((command, entry), value) in enumerate(zip(entries, row, strict=True))
    )


def drawn(seed: int, blocks: int, *, factor: float = 1.0, noise: float = 0.03) -> np.ndarray:
    """Draw seconds: a mood of the machine for each block, noise with outliers, the last entry slower."""
    chance = np.random.default_rng(seed)
    mood = chance.normal(0, 0.3, (blocks, 1))
    own = chance.normal(0, noise, (blocks, len(ENTRIES)))
    own += np.abs(chance.normal(0, 5 * noise, own.shape)) * (chance.random(own.shape) < 0.1)
    return np.exp(mood + own) * [1, 1, 1, factor]


def found(frame: pd.DataFrame, measure: str = "cpu_s", **more: int) -> pd.DataFrame:
    return ratios(frame, "ref", measure, **more).set_index("command_id")


arrays = st.tuples(st.integers(3, 15), st.integers(0, 2**32 - 1), st.floats(0.2, 5)).map(
    lambda given: drawn(given[1], given[0], factor=given[2])
)


@given(arrays, st.floats(1e-4, 1e4))
@settings(max_examples=20, deadline=None)
def test_scaling_all_times_scales_the_times_alone(seconds: np.ndarray, scale: float) -> None:
    one, two = found(samples(seconds)), found(samples(seconds * scale))
    same = ["ratio", "ratio_low", "ratio_high", "noise_low", "noise_high"]
    np.testing.assert_allclose(one[same], two[same], rtol=1e-9)
    times = ["median_s", "low_s", "high_s"]
    np.testing.assert_allclose(one[times] * scale, two[times], rtol=1e-9)
    assert list(one["distinguishable"]) == list(two["distinguishable"])


@given(arrays, st.randoms(use_true_random=False))
@settings(max_examples=20, deadline=None)
def test_neither_the_order_of_blocks_nor_of_rows_matters(seconds: np.ndarray, chance) -> None:
    order = list(range(len(seconds)))
    chance.shuffle(order)
    one = found(samples(seconds))
    two = found(samples(seconds[order]).sample(frac=1, random_state=chance.randrange(1000)))
    numbers = one.select_dtypes("float").columns
    np.testing.assert_allclose(one[numbers], two[numbers], rtol=1e-9)


@given(arrays, st.lists(st.floats(0.1, 10), min_size=15, max_size=15))
@settings(max_examples=20, deadline=None)
def test_what_slows_a_whole_block_changes_no_ratio(seconds: np.ndarray, moods: list[float]) -> None:
    one = found(samples(seconds))
    two = found(samples(seconds * np.array(moods[: len(seconds)])[:, None]))
    same = ["ratio", "ratio_low", "ratio_high", "noise_low", "noise_high"]
    np.testing.assert_allclose(one[same], two[same], rtol=1e-9)


@given(arrays, st.floats(0.2, 5))
@settings(max_examples=20, deadline=None)
def test_a_factor_on_one_command_is_a_factor_on_its_ratio(seconds: np.ndarray, factor: float) -> None:
    one, two = found(samples(seconds)), found(samples(seconds * [1, 1, factor, 1]))
    bounds = ["ratio", "ratio_low", "ratio_high"]
    np.testing.assert_allclose(
        one.loc["x", bounds].astype(float) * factor, two.loc["x", bounds].astype(float)
    )
    np.testing.assert_allclose(one.loc["y", bounds].astype(float), two.loc["y", bounds].astype(float))


@given(arrays, arrays)
@settings(max_examples=20, deadline=None)
def test_intervals_hold_their_centres(seconds: np.ndarray, mask: np.ndarray) -> None:
    # Some samples are lost, at random.
    assume(mask.shape[0] >= seconds.shape[0])
    lost = np.where(mask[: len(seconds)] > 1.3, math.nan, seconds)
    for measure in ("cpu_s", "wall_s"):
        table = found(samples(lost), measure)
        RATIOS.restore(table.reset_index())
        known = table[table["ratio_low"].notna()]
        assert (known["ratio_low"] <= known["ratio"]).all()
        assert (known["ratio"] <= known["ratio_high"]).all()
        timed = table[table["low_s"].notna()]
        assert (timed["low_s"] <= timed["median_s"]).all()
        assert (timed["median_s"] <= timed["high_s"]).all()
        assert ((table["reason"] != "") == table["distinguishable"].isna()).all()
        assert (known["blocks"] >= FEWEST_BLOCKS)[known.index != "ref"].all()


@pytest.mark.parametrize(("blocks", "trials"), [(3, 120), (8, 80), (20, 50)])
def test_the_interval_covers_and_the_same_is_seldom_told_apart(blocks: int, trials: int) -> None:
    covered = apart = seen = medians = 0
    for seed in range(trials):
        table = found(samples(drawn(seed, blocks, factor=1.5)))
        low, high = table.loc["y", "ratio_low"], table.loc["y", "ratio_high"]
        covered += low <= 1.5 <= high
        apart += bool(table.loc["x", "distinguishable"])
        seen += bool(table.loc["y", "distinguishable"])
        # The median of the drawn: of the mood one, of the noise a little above.
        medians += table.loc["x", "low_s"] <= 1.003 <= table.loc["x", "high_s"]
    # 95 % less three standard deviations of the count.
    assert covered >= (0.95 - 3 * math.sqrt(0.95 * 0.05 / trials)) * trials
    assert medians >= (0.95 - 3 * math.sqrt(0.95 * 0.05 / trials)) * trials
    assert apart <= 0.05 * trials
    assert seen >= (0.5 if blocks == 3 else 0.9) * trials


def test_values_are_right() -> None:
    # By hand: logarithms of 2, 4 and 8 over a reference of 1 and a control of 1.
    table = found(samples(np.array([[1, 1, 2, 1], [1, 1, 4, 1], [1, 1, 8, 1]], dtype=float)))
    row = table.loc["x"]
    reach = 4.302653 * math.log(2) / math.sqrt(3)
    assert row["ratio"] == pytest.approx(4)
    assert row["ratio_low"] == pytest.approx(4 * math.exp(-reach), rel=1e-6)
    assert row["median_s"] == 4
    assert (row["noise_low"], row["noise_high"]) == (1, 1)
    assert not row["distinguishable"]
    assert table.loc["ref", ["ratio", "ratio_low", "ratio_high"]].tolist() == [1, 1, 1]
    assert found(samples(np.array([[1, 4, 6, 1]] * 3, dtype=float))).loc["x", "ratio"] == pytest.approx(3)


def test_noise_hides_what_is_smaller() -> None:
    # Steady to the last digit, but the control is 5 % off: 4 % are not told, 6 % are.
    table = found(samples(np.array([[1, 1.05, 1.04 * 1.05**0.5, 1.06 * 1.05**0.5]] * 8)))
    assert list(table.loc[["x", "y"], "distinguishable"]) == [False, True]


def test_median_interval_is_of_order_statistics() -> None:
    seconds = np.ones((10, 4))
    seconds[:, 2] = range(1, 11)
    row = found(samples(seconds)).loc["x"]
    # Of ten values the second and the ninth: 97.9 %.
    assert (row["low_s"], row["high_s"]) == (pytest.approx(2), pytest.approx(9))


def test_wall_is_another_measure() -> None:
    table = found(samples(drawn(1, 5)), "wall_s")
    assert set(table["measure"]) == {"wall_s"}
    assert table.loc["x", "median_s"] == pytest.approx(3 * found(samples(drawn(1, 5))).loc["x", "median_s"])


def test_too_few_blocks_are_unknown() -> None:
    seconds = drawn(1, 5)
    seconds[2:, 2] = math.nan
    seconds[:, 3] = math.nan
    table = found(samples(seconds))
    assert table.loc["x", ["ratio", "ratio_low", "ratio_high"]].isna().all()
    assert table.loc["x", "distinguishable"] is pd.NA
    assert table.loc["x", "reason"] == "2 blocks with the reference are too few; it broke"
    assert (table.loc["x", "failures"], table.loc["x", "blocks"]) == (3, 2)
    assert table.loc["y", "reason"] == "it broke"
    assert math.isnan(table.loc["y", "median_s"])
    assert (
        found(samples(drawn(1, 5)), min_blocks=6).loc["x", "reason"]
        == "5 blocks with the reference are too few"
    )
    one = found(samples(drawn(1, 1)), min_blocks=1)
    assert one.loc["x", "ratio"] > 0
    assert one.loc["x", "reason"]


def test_without_control_nothing_is_told_apart() -> None:
    seconds = drawn(1, 5, factor=3)
    seconds[:, 1] = math.nan
    row = found(samples(seconds)).loc["y"]
    assert row["ratio"] == pytest.approx(3, rel=0.3)
    assert row["distinguishable"] is pd.NA
    assert "against itself" in row["reason"]


def test_lost_reference_is_said() -> None:
    seconds = drawn(1, 5)
    seconds[:, :2] = math.nan
    table = found(samples(seconds))
    assert table.loc["ref", "reason"] == "it broke"
    assert table.loc["x", "reason"] == "0 blocks with the reference are too few"
    assert table.loc["x", "median_s"] > 0


def test_nothing_at_all() -> None:
    assert found(TABLE.frame([])).empty
    assert set(found(samples(np.full((2, 4), math.nan)))["reason"]) == {"it broke"}


def test_several_measurements_are_not_mixed() -> None:
    frame = samples(drawn(1, 5))
    with pytest.raises(ValueError, match="two samples"):
        ratios(pd.concat([frame, frame]), "ref")


def test_starts_before_the_first_block_do_not_count() -> None:
    frame = samples(drawn(1, 5))
    early = frame[frame["block"] == 1].assign(block=0, cpu_s=99.0)
    one, two = found(frame), found(pd.concat([frame, early]))
    pd.testing.assert_frame_equal(one, two)
