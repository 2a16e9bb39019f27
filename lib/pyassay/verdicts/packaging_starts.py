"""Start-up of packaged applications: times of ``python -m``, with intervals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pyassay.verdicts.paired import RATIOS, Measure, ratios

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["starts"]


def starts(tables: Mapping[str, pd.DataFrame], *, measure: Measure = "wall_s") -> pd.DataFrame:
    """Compare every start with that of ``python -m`` in the same blocks.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        ``packaging_start_samples``. Where several Pythons packed, the blocks of one are not those of another.
    measure : {"wall_s", "cpu_s"}
        Which clock; a user waits for the wall's.

    Returns
    -------
    DataFrame
        The columns of :data:`pyassay.verdicts.paired.RATIOS`, and ``what`` (``help`` or ``check``), ``state``
        (``warm``, ``cold`` or ``first``) and ``reference`` (which ``python -m``); the reference has rows of
        its own.
    """
    import pandas as pd

    samples = tables["packaging_start_samples"]
    found = []
    for (what, state), group in samples.groupby(["what", "state"], sort=False):
        references = group[group["entry"] == "reference"]
        for reference, own in references.groupby("command_id", sort=False):
            shared = group[group["block"].isin(own["block"])]
            others = set(references["command_id"]) - {reference}
            compared = ratios(shared[~shared["command_id"].isin(others)], str(reference), measure)
            found.append(compared.assign(what=str(what), state=str(state), reference=str(reference)))
    columns = [*RATIOS.column_names, "what", "state", "reference"]
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=columns)
