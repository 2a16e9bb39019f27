"""The tables of releases that the rules of portability read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyassay.reference.tables import load

if TYPE_CHECKING:
    from datetime import date

    import pandas as pd

__all__ = ["distributions", "glibc_releases", "supported"]


def distributions() -> pd.DataFrame:
    """Return the Linux distributions, one row per release.

    Returns
    -------
    DataFrame
        ``distro``, ``version``, ``label``, ``family``, ``codename``, ``libc``, ``libc_version``,
        ``glibcxx_max``, ``cxxabi_max``, ``gcc_s_max``, ``zlib_max``, ``release_date``, ``end_of_support``,
        ``end_of_extended``, ``rolling`` (bool), ``channel`` (``release``, ``rolling``, ``development``,
        ``alias``), ``measured_on``, ``note``, ``source``. Dates are ISO text, empty when not known; versions
        are of x86_64. ``load("distributions").meanings`` says more about each.
    """
    return load("distributions").frame


def glibc_releases() -> pd.DataFrame:
    """Return the releases of glibc.

    Returns
    -------
    DataFrame
        ``version``, ``release_date`` (ISO text), ``basis`` (``tag``, ``reported``, ``planned``), ``source``.
    """
    return load("glibc_releases").frame


def supported(table: pd.DataFrame, on: date, *, extended: bool = False) -> pd.Series[bool]:
    """Tell for each distribution whether it is in support on a day.

    Parameters
    ----------
    table : DataFrame
        With ``release_date``, ``end_of_support``, ``end_of_extended`` and ``rolling``, as
        :func:`distributions` has them.
    on : date
        The last day of support counts as supported, the day of release too.
    extended : bool
        Count long-term, extended and paid support, too.

    Returns
    -------
    Series of nullable boolean
        Missing where no end is known and it is not rolling. One that was released later is not supported.
    """
    import pandas as pd

    day = on.isoformat()
    columns = (table[name] for name in ("release_date", "end_of_support", "end_of_extended", "rolling"))
    answers: list[bool | None] = []
    for released, regular, longest, rolling in zip(*columns, strict=True):
        ends = [end for end in (regular, longest if extended else "") if isinstance(end, str) and end]
        if isinstance(released, str) and released > day:
            answers.append(False)
        elif rolling is not None and not pd.isna(rolling) and bool(rolling):
            answers.append(True)
        else:
            answers.append(max(ends) >= day if ends else None)
    return pd.Series(answers, index=table.index, dtype="boolean")
