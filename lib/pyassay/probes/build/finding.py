"""What is looked at in an interpreter's binary, and what is found there: the common ground of its readers."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from pyassay.elf.functions import Function, Section, content_of
from pyassay.elf.reader import Image
from pyassay.probes.build.layout import Layout

__all__ = ["LIKELY", "NO", "UNKNOWN", "YES", "Evidence", "Finding", "in_data", "is_there"]

YES, NO, LIKELY, UNKNOWN = "yes", "no", "likely", "unknown"

_PY = re.compile(r"_?Py[A-Z_]")
_LOOPS = ("_PyEval_EvalFrameDefault", "PyEval_EvalFrameEx")
_MAX_DATA_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Finding:
    """What was seen of one fact.

    Attributes
    ----------
    observed : str
        ``yes``, ``no``, ``likely``, ``unknown``, or the thing itself.
    evidence : str
        One line: the number and how it was got.
    value : float
        That number; NaN where there is none.
    """

    observed: str
    evidence: str
    value: float = math.nan


@dataclass(frozen=True, slots=True)
class Evidence:
    """An interpreter's binary, read once."""

    image: Image
    version: tuple[int, int]
    exported: list[Function]
    local: list[Function]
    undefined: frozenset[str]
    listed: list[Section]
    named: dict[str, Function]
    order: Layout | None

    @property
    def machine(self) -> int:
        """Return the number of the processor."""
        return int(self.image.e_machine)

    @property
    def own(self) -> list[Function]:
        """Return Python's own exported functions."""
        return [one for one in self.exported if _PY.match(one.name)]

    @property
    def loop(self) -> Function | None:
        """Return the interpreter loop, as far as it is named and measured."""
        found = (self.named.get(name) for name in _LOOPS)
        return next((one for one in found if one is not None and one.size), None)


def in_data(evidence: Evidence, text: bytes) -> int | None:
    """Count a text in the constant data; None where no section says which that is."""
    data = [one for one in evidence.listed if one.name.startswith(".rodata")]
    contents = [content_of(evidence.image, one, _MAX_DATA_BYTES) for one in data]
    return sum(content.count(text) for content in contents) if any(contents) else None


def is_there(there: bool) -> str:
    """Return the words for it."""
    return "is there" if there else "is not there"
