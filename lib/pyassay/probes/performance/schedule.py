"""Who works when: the random orders of a block, as a plan made from a seed alone."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

__all__ = ["BlockPlan", "Turn", "choose_rounds", "plan_block", "rounds_of"]

_FEWEST, _MOST = 3, 30
# Fewer blocks make the interval, which is one over blocks, wide by its t quantile and itself uncertain.
_WANTED_BLOCKS = 12
_WITHIN_TO_BETWEEN = 28.0


@dataclass(frozen=True, slots=True)
class Turn:
    """The turn of one workload in a block.

    Attributes
    ----------
    workload : str
    rounds : tuple of tuple of int
        For each round the workers (their numbers) in the order of their visits; the first round is the one
        that is discarded.
    """

    workload: str
    rounds: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class BlockPlan:
    """A block.

    Attributes
    ----------
    number : int
        From 1.
    hash_seed : int
        1 to 4294967295; the same for all workers, so that none has the luckier dicts.
    core : int or None
        The core of all workers.
    start_order : tuple of int
        In which they are started.
    turns : tuple of Turn
    """

    number: int
    hash_seed: int
    core: int | None
    start_order: tuple[int, ...]
    turns: tuple[Turn, ...]


def plan_block(
    seed: str, number: int, workers: int, workloads: Mapping[str, int], cores: Sequence[int]
) -> BlockPlan:
    """Plan a block: the same arguments make the same plan, whatever was planned before.

    Parameters
    ----------
    seed : str
        Of the run.
    number : int
        Of the block.
    workers : int
        How many take turns.
    workloads : mapping of str to int
        Each has its turn in every block, of so many rounds after the one that is discarded.
    cores : sequence of int
        One of them is drawn; empty: none.
    """
    chance = random.Random(f"{seed}/{number}")  # noqa: S311 - orders, not secrets
    hash_seed = chance.randrange(1, 1 << 32)
    core = chance.choice(sorted(cores)) if cores else None
    everybody = range(workers)
    start_order = tuple(chance.sample(everybody, workers))
    order = chance.sample(sorted(workloads), len(workloads))
    turns = tuple(
        Turn(name, tuple(tuple(chance.sample(everybody, workers)) for _ in range(workloads[name] + 1)))
        for name in order
    )
    return BlockPlan(number, hash_seed, core, start_order, turns)


def rounds_of(rounds: int, chunk_s: float, cost_s: float) -> int:
    """Return how many rounds a workload has: as much time as the others, if it takes longer than a chunk."""
    return max(_FEWEST, min(rounds, round(rounds * chunk_s / max(cost_s, chunk_s))))


def choose_rounds(budget_s: float, block_s: Callable[[int], float]) -> int:
    """Return how many rounds a block should have so that enough blocks fit into the time.

    Every block holds every workload, so that the suite's mean is formed of the same things in each. With the
    variance between blocks ``b`` and within a block ``w`` the variance of the result is ``(b + w / R)`` over
    the number of blocks, and a block costs ``fixed + R * round``. That is lowest for
    ``R = sqrt(w / b * fixed / round)``. Measured over the suite of 25 on a loaded machine, ``w`` is 28 times
    ``b`` (the standard deviation of a block's ratio: 2.6 % with 3 rounds, 1.5 % with 10, 1.2 % with 27);
    starts and discarded chunks cost as much as 6 rounds there and as 15 for a single workload. The curve is
    flat around it: in the same time 10, 15, 20 and 27 rounds gave standard errors of 0.38, 0.36, 0.37 and
    0.40 %, but 3 rounds 0.55 %. So rounds fall where the time would not hold enough blocks, not otherwise.

    Parameters
    ----------
    budget_s : float
        Wall seconds for all blocks.
    block_s : callable
        Returns the wall seconds of a block of so many rounds; never fewer for more.
    """
    round_s = (block_s(_MOST) - block_s(_MOST // 3)) / (_MOST - _MOST // 3)
    fixed_s = max(block_s(_MOST) - _MOST * round_s, 0.0)
    best = math.sqrt(_WITHIN_TO_BETWEEN * fixed_s / round_s) if round_s > 0 else _MOST
    rounds = min(max(round(best), _FEWEST), _MOST)
    while rounds > _FEWEST and block_s(rounds) * _WANTED_BLOCKS > budget_s:
        rounds -= 1
    return rounds
