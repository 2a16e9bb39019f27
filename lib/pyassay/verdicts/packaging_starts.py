"""Start-up of packaged applications: times of ``python -m``, with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
        ``packaging_start_samples``.
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
        references = list(dict.fromkeys(group.loc[group["entry"] == "reference", "command_id"]))
        whose = group["command_id"].map(lambda name, known=tuple(references): _reference_of(name, known))
        for reference in references:
            compared = ratios(group[whose == reference], str(reference), measure)
            found.append(compared.assign(what=str(what), state=str(state), reference=str(reference)))
    columns = [*RATIOS.column_names, "what", "state", "reference"]
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=columns)


def _reference_of(command: str, references: Sequence[str]) -> str:
    """Return which reference a command was timed with; each numbers its blocks from 1.

    The names tell: ``build-shiv-oldest-3.12.10`` belongs to ``python -m, 3.12.10``.
    """
    if len(references) == 1 or command in references:
        return references[0] if len(references) == 1 else command
    ends = {name: name.rpartition(", ")[2] for name in references}
    own = [name for name, end in ends.items() if command == end or command.endswith(f"-{end}")]
    return max(own, key=lambda name: len(ends[name]), default=references[0])
