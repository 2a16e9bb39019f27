"""Reports: run notebooks and write pages.

Nothing is imported before it is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyassay.reports.assembly import ArticleStatus, ReportResult, build

__all__ = ["ArticleStatus", "ReportResult", "build"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from pyassay.reports import assembly

    return getattr(assembly, name)
