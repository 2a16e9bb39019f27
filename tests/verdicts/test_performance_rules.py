"""Rules on speed: what counts as a difference, what is left open, what may explain it."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from corpus.performance_tables import measured, row
from pyassay.evidence import SKIPPED
from pyassay.probes.build import TABLES as BUILD_TABLES
from pyassay.verdicts import performance as rules
from pyassay.verdicts.model import Level
from pyassay.verdicts.performance import comparisons, minutes_to_decide
from pyassay.verdicts.performance_causes import causes, is_unoptimised
from pyassay.verdicts.policy import PerformancePolicy, Policy, PolicyError

ON = date(2026, 11, 21)


def policy(**values: Any) -> Policy:
    return replace(Policy.load(), performance=PerformancePolicy(**values))


def verdicts(tables: dict[str, Any], wanted: Policy | None = None) -> dict[str, Any]:
    return {one.subject_id: one for one in rules.judge(tables, wanted or policy(), ON)}


def test_true_differences_are_found_and_equal_ones_are_not() -> None:
    tables = measured({"ref": 1.0, "slow": 1.05, "fast": 0.9, "same": 1.0}, blocks=24)
    found = comparisons(tables, policy())
    suite = found[(found["scope"] == "suite") & (found["metric"] == "cpu")].set_index(["subject_id", "entry"])
    assert suite.loc[("slow", "subject"), "finding"] == "slower"
    assert suite.loc[("fast", "subject"), "finding"] == "faster"
    assert suite.loc[("same", "subject"), "finding"] == "same"
    assert suite.loc[("slow", "subject"), "ratio"] == pytest.approx(1.05, abs=0.01)
    judged = verdicts(tables)
    assert judged["slow"].level is Level.CAUTION
    assert "% slower than ref" in judged["slow"].headline
    assert judged["fast"].level is judged["same"].level is judged["ref"].level is Level.GOOD
    assert "itself" in judged["ref"].headline


def test_a_difference_inside_the_margin_is_none() -> None:
    tables = measured({"ref": 1.0, "it": 1.01}, blocks=40, noise=0.002)
    assert "as fast as ref" in verdicts(tables, policy(margin_percent=3.0))["it"].headline
    assert "slower" in verdicts(tables, policy(margin_percent=0.1))["it"].headline


def test_what_the_control_shows_to_be_noise_counts_as_noise() -> None:
    tables = measured({"ref": 1.0, "it": 1.03}, blocks=24, noise=0.002)
    samples = tables["performance_samples"]
    biased = (samples["entry"] == "control") & (samples["subject_id"] == "ref")
    samples.loc[biased, ["cpu_s", "wall_s"]] *= 1.05
    found = comparisons(tables, policy())
    row_ = found[(found["scope"] == "suite") & (found["entry"] == "subject") & (found["metric"] == "cpu")]
    assert float(row_["margin_percent"].item()) > 4
    assert "slower" not in str(row_["finding"].item())


def test_too_few_blocks_support_no_statement() -> None:
    judged = verdicts(measured({"ref": 1.0, "it": 1.5}, blocks=4))["it"]
    assert judged.level is Level.UNKNOWN
    assert "4 blocks are too few" in judged.headline


def test_an_open_question_names_its_price() -> None:
    tables = measured({"ref": 1.0, "it": 1.012}, blocks=8, noise=0.03, seed=3)
    judged = verdicts(tables)["it"]
    assert judged.level is Level.UNKNOWN
    assert "not decided against ref" in judged.headline


@pytest.mark.parametrize(
    ("limit", "level"), [(None, Level.CAUTION), (2.0, Level.BAD), (10.0, Level.GOOD), (5.0, Level.UNKNOWN)]
)
def test_the_policy_may_set_a_limit(limit: float | None, level: Level) -> None:
    tables = measured({"ref": 1.0, "it": 1.05}, blocks=24)
    assert verdicts(tables, policy(max_slower_percent=limit))["it"].level is level


def test_minutes_to_decide() -> None:
    # Half as wide takes four times the blocks.
    assert minutes_to_decide(0.0, 2.0, 1.0, 10, 60.0) == pytest.approx(30.0)
    assert math.isnan(minutes_to_decide(1.0, 2.0, 1.0, 10, 60.0))
    assert math.isnan(minutes_to_decide(1.0001, 2.0, 1.0, 10, 60.0)), "a day is too long"
    assert math.isnan(minutes_to_decide(math.nan, 2.0, 1.0, 10, 60.0))


def test_nothing_measured() -> None:
    tables = measured({"ref": 1.0, "it": 1.0}, blocks=0)
    tables["skipped"] = SKIPPED.frame(
        [row(SKIPPED, subject_id="it", question="performance", reason="it hung")]
    )
    judged = verdicts(tables)
    assert judged["it"].level is Level.UNKNOWN
    assert "it hung" in judged["it"].headline


def test_lost_cells_are_named() -> None:
    from pyassay.probes.performance.tables import FAILURES

    tables = measured({"ref": 1.0, "it": 1.0})
    lost = {"subject_id": "it", "entry": "subject", "workload": "zlib"}
    tables["performance_failures"] = FAILURES.frame(
        [row(FAILURES, **lost, block=block, kind="crash", reason="signal 11") for block in (1, 2)]
    )
    texts = [reason.text for reason in verdicts(tables)["it"].reasons]
    assert "Not measured: zlib in 2 blocks: signal 11" in texts


# Why -------------------------------------------------------------------------------------------------------


def with_facts(tables: dict[str, Any], **observed: tuple[str, str]) -> dict[str, Any]:
    """Set facts of the subjects ref and it: ``pgo=("yes", "no")``."""
    schema = BUILD_TABLES[0]
    rows = [
        row(schema, subject_id=subject, fact=fact, observed=value, evidence="scatter 0.11")
        for fact, values in observed.items()
        for subject, value in zip(("ref", "it"), values, strict=True)
    ]
    return {**tables, "build_facts": schema.frame(rows)}


def test_a_build_without_optimisation_is_named() -> None:
    tables = with_facts(measured({"ref": 1.0, "it": 1.2}), unoptimised=("no", "yes"))
    assert is_unoptimised(tables["build_facts"], "it")
    assert not is_unoptimised(tables["build_facts"], "ref")
    (cause,) = causes(tables, "it")
    assert cause.seen
    assert "without profile-guided" in cause.sentence
    assert any("without profile-guided" in reason.text for reason in verdicts(tables)["it"].reasons)


def test_what_is_not_known_is_no_cause() -> None:
    tables = with_facts(measured({"ref": 1.0, "it": 1.2}), unoptimised=("no", "unknown"))
    assert causes(tables, "it") == []


def test_another_version_is_a_guess() -> None:
    tables = with_facts(measured({"ref": 1.0, "it": 1.2}), jit=("no", "yes"))
    tables["subjects"].loc[tables["subjects"]["subject_id"] == "it", "version"] = "3.14.0"
    found = causes(tables, "it")
    assert [cause.seen for cause in found] == [True, False]


def test_the_policy_is_checked(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text("[performance]\nmargin_percent = 2\nmax_slower_percent = 10\n")
    assert Policy.load(file).performance == PerformancePolicy(2.0, 8, 10.0)
    for wrong in ("margin_percent = -1", "min_blocks = 3", "margin_percent = true", 'min_blocks = "8"'):
        file.write_text(f"[performance]\n{wrong}\n")
        with pytest.raises(PolicyError, match=wrong.split()[0]):
            Policy.load(file)
