"""Symbols of CPython against the stable ABI, by the data of abi3audit's authors (abi3info)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

__all__ = ["is_for_stable_abi", "outside_stable_abi"]

_FIRST = (3, 2)
# A wheel's name (also of the folder that pex unpacks it to) or the module's own.
_STABLE = re.compile(r"\.abi3(?:t)?(?:\.[^/]*)?\.so$|-abi3-[^/]*\.whl!?/.*\.so$")


def is_for_stable_abi(path: str) -> bool:
    """Tell whether a file claims the stable ABI, by its own name or that of the wheel around it."""
    return _STABLE.search(path) is not None


def outside_stable_abi(symbols: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield the undefined symbols of CPython that not every Python from 3.2 on has in its stable ABI.

    Yields
    ------
    (str, str)
        Symbol and the version that added it (``3.10``); empty: it is no part of the stable ABI.
    """
    from abi3info import DATAS, FUNCTIONS
    from abi3info.models import Symbol

    for name in symbols:
        if not name.startswith(("Py", "_Py")) or name.startswith("PyInit_"):
            continue
        known = FUNCTIONS.get(Symbol(name)) or DATAS.get(Symbol(name))
        if known is None:
            yield name, ""
        elif (known.added.major, known.added.minor) > _FIRST:
            yield name, f"{known.added.major}.{known.added.minor}"
