"""Measured evidence for the Python you ship.

>>> import pyassay as pa
>>> subjects = pa.find("uv:3.12", "/usr/bin/python3")  # doctest: +SKIP
>>> evidence = pa.probe("portability", subjects)       # doctest: +SKIP
>>> pa.judge(evidence)                                 # doctest: +SKIP

Everything is imported when it is first asked for, so that ``import pyassay`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyassay.articles import article
    from pyassay.evidence import load
    from pyassay.gathering import gather as probe
    from pyassay.reports import build as report
    from pyassay.subjects import find
    from pyassay.verdicts import judged as judge

__all__ = ["__version__", "article", "find", "judge", "load", "probe", "report"]

__version__ = "0.1.0"

_WHERE = {
    "article": ("pyassay.articles", "article"),
    "find": ("pyassay.subjects", "find"),
    "judge": ("pyassay.verdicts", "judged"),
    "load": ("pyassay.evidence", "load"),
    "probe": ("pyassay.gathering", "gather"),
    "report": ("pyassay.reports", "build"),
}


def __getattr__(name: str) -> Any:
    try:
        module, attribute = _WHERE[name]
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
    value = getattr(import_module(module), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
