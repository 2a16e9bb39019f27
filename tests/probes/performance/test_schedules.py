"""Plans of blocks: random, fair, and made from the seed alone."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from pyassay.probes.performance.schedule import choose_rounds, plan_block

NAMES = st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=12, unique=True)


@given(
    st.text(), st.integers(1, 500), st.integers(2, 6), NAMES, st.sets(st.integers(0, 64)), st.integers(3, 10)
)
def test_every_round_visits_every_worker_once(seed, number, workers, names, cores, rounds):
    plan = plan_block(seed, number, workers, names, sorted(cores), rounds)
    everybody = list(range(workers))
    assert sorted(plan.start_order) == everybody
    assert sorted(turn.workload for turn in plan.turns) == sorted(names)
    for turn in plan.turns:
        # One more, which is discarded.
        assert len(turn.rounds) == rounds + 1
        assert all(sorted(order) == everybody for order in turn.rounds)
    assert 1 <= plan.hash_seed < 1 << 32
    assert plan.core in cores if cores else plan.core is None


@given(st.text(), st.integers(1, 500), NAMES)
def test_same_seed_makes_the_same_plan_in_whatever_order_workloads_are_named(seed, number, names):
    once = plan_block(seed, number, 3, names, (0, 1), 3)
    assert plan_block(seed, number, 3, names[::-1], (1, 0), 3) == once
    assert plan_block(seed, number + 1, 3, names, (0, 1), 3) != once
    assert plan_block(seed + "x", number, 3, names, (0, 1), 3) != once


def test_nobody_is_favoured():
    """Over many blocks each worker is first, and each core drawn, about equally often (five deviations)."""
    plans = [plan_block("fair", number, 3, ["x", "y"], (0, 1, 2, 3), 9) for number in range(400)]
    first = Counter(order[0] for plan in plans for turn in plan.turns for order in turn.rounds)
    total = first.total()
    assert total == 8000
    assert all(abs(count - total / 3) < 5 * (total * 2 / 9) ** 0.5 for count in first.values())
    cores = Counter(plan.core for plan in plans)
    assert all(abs(count - 100) < 5 * (400 * 3 / 16) ** 0.5 for count in cores.values())
    assert len({plan.hash_seed for plan in plans}) == 400


@given(st.floats(0, 1e4), st.floats(0, 60), st.floats(0, 60))
def test_rounds_stay_within_their_bounds_and_fall_with_the_cost(budget, start, one):
    rounds = choose_rounds(budget, start, one)
    assert 3 <= rounds <= 10
    assert choose_rounds(budget, start, 2 * one + 1) <= rounds <= choose_rounds(2 * budget, start, one)


def test_rounds_of_a_suite_and_of_a_single_workload():
    # Twenty workloads of 10 ms in three workers, twice that long on a loaded machine, in four minutes.
    assert choose_rounds(240, 0.3, 1.2) == 7
    assert choose_rounds(60, 0.3, 1.2) == 3
    # One workload in 15 seconds.
    assert choose_rounds(15, 0.15, 0.04) == 10
