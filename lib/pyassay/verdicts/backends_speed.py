"""Rules on the time of builds: how many times the reference's, by comparison."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pyassay.verdicts.paired import RATIOS, Measure, ratios

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["COMPARISONS", "speeds"]

COMPARISONS = ("backends", "sdists", "extensions", "frontends")
"""What was timed in turns, each with a reference of its own."""

_ABOUT = ["comparison", "subject_id", "project", "artifact", "frontend", "cache"]


def speeds(tables: Mapping[str, pd.DataFrame], measure: Measure = "wall_s") -> pd.DataFrame:
    """Compare builds with the reference of their comparison.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        ``backend_build_samples``.
    measure : {"wall_s", "cpu_s"}

    Returns
    -------
    DataFrame
        The columns of :data:`pyassay.verdicts.paired.RATIOS`, and before them what was built, by which
        backend and frontend, and ``is_reference``.
    """
    import pandas as pd

    samples = tables["backend_build_samples"]
    found = []
    for comparison in COMPARISONS:
        own = samples[samples["comparison"] == comparison]
        references = own.loc[own["entry"] == "reference", "command_id"]
        if not len(references):
            continue
        reference = str(references.iloc[0])
        told = ratios(own, reference, measure)
        about = own.drop_duplicates("command_id")[["command_id", *_ABOUT]]
        rows = about.merge(told, on="command_id")
        found.append(rows.assign(is_reference=rows["command_id"] == reference))
    if not found:
        empty = RATIOS.frame([])
        for place, name in enumerate(_ABOUT):
            empty.insert(place, name, pd.Series([], dtype="str"))
        return empty.assign(is_reference=pd.Series([], dtype="bool"))
    return pd.concat(found, ignore_index=True)
