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
    # More of the same time for more rounds, but not without end.
    assert rounds(budget, one) <= rounds(2 * budget, one)


def test_rounds_fall_before_there_are_too_few_blocks():
    def suite(rounds: int) -> float:
        """Twenty workloads of 2.5 ms in three workers, on a loaded machine half as fast."""
        return 0.3 + (rounds + 4) * 20 * 3 * 0.005

    assert [choose_rounds(budget, suite) for budget in (20, 50, 60, 120, 10**6)] == [3, 8, 11, 12, 12]
    # A single workload, whose workers cost more to start: more rounds, if the time is there.
    assert [choose_rounds(budget, lambda n: 0.15 + (n + 4) * 0.015) for budget in (4, 8, 15)] == [8, 20, 20]


def test_the_number_of_rounds_is_the_best_of_its_kind():
    """By the variance in the same time, of all from 3 to 30, if the time is no matter."""
    for fixed, one in ((0.3, 0.3), (0.15, 0.01), (1.6, 0.27), (0.01, 1.0)):

        def variance(count: int, fixed: float = fixed, one: float = one) -> float:
            return (1 + 28 / count) * (fixed + count * one)

        found = choose_rounds(1e9, lambda count, fixed=fixed, one=one: fixed + count * one)
        assert variance(found) <= 1.01 * min(map(variance, range(3, 31)))


def test_what_takes_longer_than_a_chunk_has_fewer_rounds_and_no_more_time():
    assert rounds_of(20, 0.0025, 0.0025) == 20
    assert rounds_of(20, 0.0025, 0.001) == 20
    assert rounds_of(20, 0.0025, 0.010) == 5
    assert rounds_of(20, 0.0025, 9.0) == 3
