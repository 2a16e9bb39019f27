"""The tables of releases that the rules of portability read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyassay.reference.tables import load

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["distributions", "glibc_releases"]


def distributions() -> pd.DataFrame:
    """Return the table of Linux distributions, one row per release.

    Returns
    -------
    DataFrame
        Columns as described in ``data/reference/distributions.toml``; dates are ISO text, empty when unknown.
    """
    return load("distributions").frame


def glibc_releases() -> pd.DataFrame:
    """Return the releases of glibc: ``version``, ``release_date`` (ISO text), ``source``."""
    return load("glibc_releases").frame
