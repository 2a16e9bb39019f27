"""In what order an interpreter's functions lie: what is left of PGO and LTO in a stripped binary.

Without either, a linker puts object file after object file, so the functions of one C file lie together. With
both, the compiler sees the program as a whole and groups what is hot: the functions of one C file are strewn
about. The names of CPython's exported functions tell their C file well enough (``PyList_Append``,
``_PyList_Extend``: ``List``), and exported names survive stripping.

Builds with only one of the two were not at hand: what lies between the two bounds is not judged.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from pyassay.elf.functions import Function

__all__ = ["SCATTERED_FROM", "TOGETHER_BELOW", "Layout", "layout"]

TOGETHER_BELOW = 0.18
"""Below: object file after object file. Seen without PGO and LTO: 0.10 to 0.14."""
SCATTERED_FROM = 0.5
"""From here on: not the order of object files. Seen with PGO and LTO: 0.68 to 0.71."""

_FAMILY = re.compile(r"_?Py([A-Z][A-Za-z]+)_")
_MIN_FAMILY = 15
_MIN_FUNCTIONS = 150


@dataclass(frozen=True, slots=True)
class Layout:
    """How scattered the functions of one C file lie.

    Attributes
    ----------
    scatter : float
        Runs of neighbours of one family over functions, in the order of addresses: near 0 when each family
        lies together, near 1 when no two neighbours are of one family.
    functions, families : int
        How many were looked at: families of 15 functions or more.
    """

    scatter: float
    functions: int
    families: int

    @property
    def kind(self) -> str:
        """Return ``together``, ``scattered`` or ``between``."""
        if self.scatter < TOGETHER_BELOW:
            return "together"
        return "scattered" if self.scatter >= SCATTERED_FROM else "between"


def layout(functions: Iterable[Function]) -> Layout | None:
    """Measure the layout of an interpreter's exported functions; None when there are too few to tell."""
    named = sorted((one.address, match[1]) for one in functions if (match := _FAMILY.match(one.name)))
    sizes = Counter(family for _, family in named)
    order = [family for _, family in named if sizes[family] >= _MIN_FAMILY]
    if len(order) < _MIN_FUNCTIONS:
        return None
    runs = 1 + sum(before != after for before, after in pairwise(order))
    return Layout(runs / len(order), len(order), len(set(order)))
