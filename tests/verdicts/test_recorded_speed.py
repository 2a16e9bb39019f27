"""The statistics on a recorded measurement: what is known of those builds comes out of the samples."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from pyassay.evidence import load
from pyassay.verdicts.performance import comparisons, reference_of
from pyassay.verdicts.performance_causes import is_unoptimised
from pyassay.verdicts.policy import Policy

RECORDED = Path(__file__).resolve().parents[2] / "data" / "evidence" / "recorded"


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    return dict(load(RECORDED).about("performance"))


@pytest.fixture(scope="module")
def compared(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    return comparisons(tables, Policy.load())


def suite(compared: pd.DataFrame, entry: str = "subject") -> pd.DataFrame:
    chosen = (compared["scope"] == "suite") & (compared["metric"] == "cpu") & (compared["entry"] == entry)
    return compared[chosen].set_index("subject_id")


def test_the_control_covers_one(tables: dict[str, pd.DataFrame], compared: pd.DataFrame) -> None:
    row = suite(compared, "control").loc[reference_of(tables)]
    assert row["low"] < 1 < row["high"]
    # Every block is in it, whatever was lost elsewhere.
    assert row["blocks"] == len(tables["performance_blocks"])


def test_no_workload_of_the_control_is_called_different(compared: pd.DataFrame) -> None:
    own = compared[(compared["entry"] == "control") & (compared["metric"] == "cpu")]
    assert not own["finding"].isin(["faster", "slower"]).any()


def test_builds_without_optimisation_are_slower_than_the_distributions(
    tables: dict[str, pd.DataFrame], compared: pd.DataFrame
) -> None:
    facts = tables["build_facts"]
    assert not is_unoptimised(facts, reference_of(tables))
    found = suite(compared)
    plain = [subject for subject in found.index if is_unoptimised(facts, subject)]
    assert plain
    assert set(found.loc[plain, "finding"]) <= {"slower", "undecided"}
    assert (found.loc[plain, "ratio"] > 1.1).all()


def test_half_of_the_blocks_tell_the_same(tables: dict[str, pd.DataFrame], compared: pd.DataFrame) -> None:
    blocks = tables["performance_blocks"]["block"].sort_values()
    half = {
        **tables,
        "performance_samples": tables["performance_samples"][
            tables["performance_samples"]["block"].isin([0, *blocks[::2]])
        ],
    }
    fewer, all_ = suite(comparisons(half, Policy.load())), suite(compared)
    together = fewer.join(all_.add_suffix("_all"))
    assert (together["low"] <= together["high_all"]).all()
    assert (together["high"] >= together["low_all"]).all()
