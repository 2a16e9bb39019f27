"""Plans of blocks: random, fair, and made from the seed alone."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from pyassay.probes.performance.schedule import choose_rounds, plan_block, rounds_of

WORK = st.dictionaries(st.text(min_size=1, max_size=8), st.integers(3, 30), min_size=1, max_size=12)


@given(st.text(), st.integers(1, 500), st.integers(2, 6), WORK, st.sets(st.integers(0, 64)))
def test_every_round_visits_every_worker_once(seed, number, workers, work, cores):
    plan = plan_block(seed, number, workers, work, sorted(cores))
    everybody = list(range(workers))
    assert sorted(plan.start_order) == everybody
    assert sorted(turn.workload for turn in plan.turns) == sorted(work)
    for turn in plan.turns:
        # One more, which is discarded.
        assert len(turn.rounds) == work[turn.workload] + 1
        assert all(sorted(order) == everybody for order in turn.rounds)
    assert 1 <= plan.hash_seed < 1 << 32
    assert plan.core in cores if cores else plan.core is None


@given(st.text(), st.integers(1, 500), WORK)
def test_same_seed_makes_the_same_plan_in_whatever_order_workloads_are_named(seed, number, work):
    once = plan_block(seed, number, 3, work, (0, 1))
    assert plan_block(seed, number, 3, dict(reversed(work.items())), (1, 0)) == once
    assert plan_block(seed, number + 1, 3, work, (0, 1)) != once
    assert plan_block(seed + "x", number, 3, work, (0, 1)) != once


def test_nobody_is_favoured():
    """Over many blocks each worker is first, and each core drawn, about equally often (five deviations)."""
    plans = [plan_block("fair", number, 3, {"x": 9, "y": 9}, (0, 1, 2, 3)) for number in range(400)]
    first = Counter(order[0] for plan in plans for turn in plan.turns for order in turn.rounds)
    total = first.total()
    assert total == 8000
    assert all(abs(count - total / 3) < 5 * (total * 2 / 9) ** 0.5 for count in first.values())
    cores = Counter(plan.core for plan in plans)
    assert all(abs(count - 100) < 5 * (400 * 3 / 16) ** 0.5 for count in cores.values())
    assert len({plan.hash_seed for plan in plans}) == 400


@given(st.floats(0, 1e4), st.floats(0, 60), st.floats(0, 60))
def test_rounds_stay_within_their_bounds_and_fall_with_the_cost(budget, start, one):
    def rounds(budget_s: float, round_s: float) -> int:
        return choose_rounds(budget_s, lambda count: start + (count + 1) * round_s)

    assert 3 <= rounds(budget, one) <= 30
    assert rounds(budget, 2 * one + 1) <= rounds(budget, one) <= rounds(2 * budget, one)


def test_rounds_fall_before_there_are_too_few_blocks():
    # Twenty workloads of 2.5 ms in three workers, on a loaded machine half as fast, in one to four minutes.
    for budget, count in ((240, 28), (60, 3), (120, 11)):
        found = choose_rounds(budget, lambda rounds: 0.3 + (rounds + 4) * 20 * 3 * 0.005)
        assert found == count
    # One workload in 15 seconds.
    assert choose_rounds(15, lambda rounds: 0.15 + (rounds + 4) * 3 * 0.005) == 27


def test_what_takes_longer_than_a_chunk_has_fewer_rounds_and_no_more_time():
    assert rounds_of(20, 0.0025, 0.0025) == 20
    assert rounds_of(20, 0.0025, 0.001) == 20
    assert rounds_of(20, 0.0025, 0.010) == 5
    assert rounds_of(20, 0.0025, 9.0) == 3
