"""Foretold and observed: what counts as agreement, and what is shown beside the prediction."""

from __future__ import annotations

import pandas as pd
from pyassay.verdicts.trials import agreement, trials_summary

COLUMNS = ("subject_id", "place", "release", "what", "file", "outcome", "message", "foretold")


def row(what: str, file: str, outcome: str, message: str = "", foretold: str = "") -> dict[str, str]:
    cells = ("s", "old:1", "debian:11", what, file, outcome, message, foretold)
    return dict(zip(COLUMNS, cells, strict=True))


def test_refused_as_foretold_agrees_and_otherwise_not() -> None:
    rows = [
        row("start", "python3", "works"),
        row("module", "_ssl.so", "refused", "ImportError: libssl.so.3", "libssl.so.3: not found"),
        row("module", "_dbm.so", "refused", "ImportError: undefined symbol"),
        row("module", "_tk.so", "works", "", "libtk8.6.so: not found"),
        row("start", "", "not tried", "no engine"),
    ]
    counted = agreement(rows)
    assert (counted.tried, counted.agree) == (4, 2)
    assert counted.disagreements == (
        "_dbm.so in old:1: foretold to load, observed: ImportError: undefined symbol",
        "_tk.so in old:1: foretold to lack libtk8.6.so: not found, observed: works",
    )


def test_a_program_that_starts_and_fails_was_loaded() -> None:
    assert agreement([row("start", "app", "fails", "usage: app")]).agree == 1


def test_observation_stands_beside_prediction() -> None:
    matrix = pd.DataFrame(
        [{"subject_id": "s", "distro": "debian", "version": "11", "prediction": "runs"}],
        columns=["subject_id", "distro", "version", "prediction"],
    )
    trials = pd.DataFrame(
        [
            row("start", "python3", "works"),
            row("module", "_ssl.so", "refused", "ImportError: libssl.so.3", "libssl.so.3: not found"),
        ]
    )
    (found,) = trials_summary(trials, matrix).to_dict("records")
    assert (found["predicted"], found["observed"]) == ("runs", "partial")
    assert (found["tried"], found["agree"], found["disagree"]) == (2, 2, 0)
    assert found["why"] == "_ssl.so: ImportError: libssl.so.3"


def test_what_was_not_tried_is_said() -> None:
    trials = pd.DataFrame([row("start", "", "not tried", "no engine")])
    matrix = pd.DataFrame(columns=["subject_id", "distro", "version", "prediction"])
    (found,) = trials_summary(trials, matrix).to_dict("records")
    assert (found["observed"], found["tried"], found["why"]) == ("not tried", 0, "no engine")
