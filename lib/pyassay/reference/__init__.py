"""Reference tables: dated facts about the world, each with its sources and a shelf life."""

from __future__ import annotations

from pyassay.reference.releases import distributions, glibc_releases, supported
from pyassay.reference.tables import (
    ColumnDescription,
    ReferenceTable,
    ReferenceTableError,
    load,
    read,
)

__all__ = [
    "ColumnDescription",
    "ReferenceTable",
    "ReferenceTableError",
    "distributions",
    "glibc_releases",
    "load",
    "read",
    "supported",
]
