"""Who works when: the random orders of a block, as a plan made from a seed alone."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["BlockPlan", "Turn", "choose_rounds", "plan_block"]

_FEWEST, _MOST = 3, 10
# So many blocks are worth more than longer ones: the interval over blocks is what is reported, and with
# fewer its t quantile and its own uncertainty are large.
_WANTED_BLOCKS = 24


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
    seed: str, number: int, workers: int, workloads: Sequence[str], cores: Sequence[int], rounds: int
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
    workloads : sequence of str
        Each has its turn in every block.
    cores : sequence of int
        One of them is drawn; empty: none.
    rounds : int
        After the one that is discarded.
    """
    chance = random.Random(f"{seed}/{number}")  # noqa: S311 - orders, not secrets
    hash_seed = chance.randrange(1, 1 << 32)
    core = chance.choice(sorted(cores)) if cores else None
    everybody = range(workers)
    start_order = tuple(chance.sample(everybody, workers))
    order = chance.sample(sorted(workloads), len(workloads))
    turns = tuple(
        Turn(name, tuple(tuple(chance.sample(everybody, workers)) for _ in range(rounds + 1)))
        for name in order
    )
    return BlockPlan(number, hash_seed, core, start_order, turns)


def choose_rounds(budget_s: float, start_s: float, round_s: float) -> int:
    """Return how many rounds a block should have so that enough blocks fit into the time.

    Every block holds every workload, so that the suite's mean is formed of the same things in each. With the
    variance between blocks ``b`` and within a block ``w`` the variance of the result is ``(b + w / R)`` over
    the number of blocks, and a block costs ``start + (R + 1) * round``. That is lowest for
    ``R = sqrt(w / b * (start + round) / round)``: about 3 for a suite, whose ``w`` is averaged over twenty
    workloads and whose starts are a small part; towards 10 for a single workload, where starting the
    workers costs more than some rounds. As the curve is flat around it, rounds are added only where the time
    holds enough blocks anyway, and fall first where it does not.

    Parameters
    ----------
    budget_s : float
        Wall seconds for all blocks.
    start_s : float
        Wall seconds of the part of a block that does not depend on the number of rounds.
    round_s : float
        Wall seconds of a round of all workloads and workers.
    """
    rounds = (budget_s / _WANTED_BLOCKS - start_s) / max(round_s, 1e-9) - 1
    return int(min(max(rounds, _FEWEST), _MOST))
