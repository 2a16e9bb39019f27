"""Foretold and observed: how often the static prediction held where it was put to the test."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from pyassay.verdicts.requirements import text

__all__ = ["TRIAL_COLUMNS", "Agreement", "agreement", "trials_summary"]

TRIAL_COLUMNS = (
    "subject_id",
    "place",
    "release",
    "predicted",
    "observed",
    "modules",
    "refused",
    "tried",
    "agree",
    "disagree",
    "why",
)
_UNTRIED = "not tried"


@dataclass(frozen=True, slots=True)
class Agreement:
    """How many of the things tried behaved as foretold of that very place, and which did not."""

    tried: int
    agree: int
    disagreements: tuple[str, ...]


def agreement(rows: Iterable[Mapping[Any, Any]]) -> Agreement:
    """Count rows of the table ``trials``: a thing is foretold to work when its closure lacks nothing.

    A program that starts and then ends with an error of its own (``fails``) was loaded: foretold well if
    nothing was foretold to lack.
    """
    tried = agree = 0
    wrong: list[str] = []
    for row in rows:
        if row["outcome"] == _UNTRIED:
            continue
        tried += 1
        refused, foretold = row["outcome"] == "refused", text(row["foretold"])
        if refused == bool(foretold):
            agree += 1
            continue
        said = text(row["message"]) if refused else "works"
        expected = f"foretold to lack {foretold}" if foretold else "foretold to load"
        wrong.append(f"{text(row['file'])} in {text(row['place'])}: {expected}, observed: {said}")
    return Agreement(tried, agree, tuple(wrong))


def trials_summary(trials: pd.DataFrame, matrix: pd.DataFrame) -> pd.DataFrame:
    """Set observation beside prediction, for every subject and place.

    Parameters
    ----------
    trials : DataFrame
        The table of that name.
    matrix : DataFrame
        As :func:`pyassay.verdicts.portability.matrix` returns it.

    Returns
    -------
    DataFrame
        ``subject_id``, ``place``, ``release``; ``predicted`` by the table of distributions (``runs``,
        ``partial``, ``refused``, ``unknown``; empty: it has no such release); ``observed``: the same words,
        or ``not tried``; ``modules`` and ``refused``: how many were loaded and how many of them refused;
        ``tried``, ``agree`` and ``disagree``: how many programs and modules, against what
        the closure foretold of that very place; ``why``: the first refusal, or why it was not tried.
    """
    predictions = {
        (str(row.subject_id), f"{row.distro}:{row.version}"): str(row.prediction)
        for row in matrix.itertuples()
    }
    rows: list[dict[str, object]] = []
    for (subject_id, place, release), group in trials.groupby(["subject_id", "place", "release"], sort=False):
        counted = agreement([dict(row) for row in group.to_dict("records")])
        refused = group[group["outcome"] != "works"]
        why = next((f"{_of(row)}{row.message}" for row in refused.itertuples()), "")
        rows.append(
            {
                "subject_id": subject_id,
                "place": place,
                "release": release,
                "predicted": predictions.get((str(subject_id), str(release)), ""),
                "observed": _observed(group),
                "modules": int((group["what"] == "module").sum()),
                "refused": int(((group["what"] == "module") & (group["outcome"] == "refused")).sum()),
                "tried": counted.tried,
                "agree": counted.agree,
                "disagree": len(counted.disagreements),
                "why": why,
            }
        )
    return pd.DataFrame(rows, columns=list(TRIAL_COLUMNS))


def _of(row: Any) -> str:
    return f"{row.file.rpartition('/')[2]}: " if row.what == "module" else ""


def _observed(group: pd.DataFrame) -> str:
    starts = group[group["what"] == "start"]["outcome"]
    if starts.eq(_UNTRIED).any():
        return _UNTRIED
    if starts.eq("refused").any():
        return "refused"
    if starts.eq("fails").any():
        return "unknown"
    modules = group[group["what"] == "module"]["outcome"]
    return "partial" if modules.eq("refused").any() else "runs"
