"""Reference tables: dated facts about the world, each with its sources and a shelf life."""

from __future__ import annotations

from pyassay.reference.releases import distributions, glibc_releases
from pyassay.reference.tables import ReferenceTable, ReferenceTableError, load

__all__ = ["ReferenceTable", "ReferenceTableError", "distributions", "glibc_releases", "load"]
