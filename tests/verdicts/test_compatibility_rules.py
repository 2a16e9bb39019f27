"""Rules on compatibility: answers read, needs of the policy, what was to be expected of a build."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pyassay.evidence import SKIPPED, SUBJECTS
from pyassay.probes.compatibility import QUIRKS
from pyassay.probes.quirks import catalogue
from pyassay.reference import load
from pyassay.verdicts import compatibility as rules
from pyassay.verdicts import expectations
from pyassay.verdicts.expectations import FINE, FIXED, KNOWN, UNEXPECTED, UNLISTED, day_of_build, expectation
from pyassay.verdicts.model import Level
from pyassay.verdicts.policy import CompatibilityPolicy, Policy, PolicyError

ON = date(2026, 11, 21)
COPIES = catalogue()["venv_copies"]


def tables(*quirks: dict[str, Any], error: str = "", **subject: Any) -> dict[str, pd.DataFrame]:
    defaults = {"text": "", "texts": [], "flag": False, "count": 0, "number": 0.0}

    def row(schema: Any, values: dict[str, Any]) -> dict[str, Any]:
        return {**{column.name: defaults[column.kind] for column in schema.columns}, **values}

    about = {
        "subject_id": "it",
        "label": "it",
        "kind": "interpreter",
        "builder": "pyenv",
        "version": "3.12.1",
    }
    skipped = [{"subject_id": "it", "reason": error}] if error else []
    return {
        "subjects": SUBJECTS.frame([row(SUBJECTS, {**about, "error": error, **subject})]),
        "quirks": QUIRKS.frame(
            row(QUIRKS, {"subject_id": "it", "quirk": "venv_copies", "outcome": "measured", **quirk})
            for quirk in quirks
        ),
        "skipped": SKIPPED.frame(row(SKIPPED, values) for values in skipped),
    }


def policy(*needs: str, ignore: tuple[str, ...] = ()) -> Policy:
    return replace(Policy.load(), compatibility=CompatibilityPolicy(needs, ignore))


def verdict(found: dict[str, pd.DataFrame], wanted: Policy | None = None) -> Any:
    (one,) = rules.judge(found, wanted or policy(), ON)
    return one


def test_an_answer_of_a_plain_build_is_good() -> None:
    one = verdict(tables({"answer": "works"}))
    assert (one.level, one.reasons) == (Level.GOOD, ())
    assert "nothing here should stop you" in one.headline


def test_a_quirk_that_nobody_needs_is_a_nuisance() -> None:
    one = verdict(tables({"answer": "fails", "observed": "no libpython"}))
    assert one.level is Level.CAUTION
    assert "except for environments (1)" in one.headline
    assert "no libpython" in one.reasons[0].text
    assert dict(one.reasons[0].where) == {"subject_id": "it", "quirk": "venv_copies"}


@pytest.mark.parametrize("need", ["environments", "venv_copies"])
def test_the_same_is_bad_where_it_is_needed(need: str) -> None:
    one = verdict(tables({"answer": "fails"}), policy(need))
    assert one.level is Level.BAD
    assert "lacks what the policy needs" in one.headline


def test_what_is_needed_and_not_measured_is_unknown() -> None:
    unseen = {"outcome": "not measured", "reason": "no gcc"}
    assert verdict(tables({"answer": "works", "quirk": "venv_copies"}, unseen), policy()).level is Level.GOOD
    one = verdict(tables({"answer": "works"}, unseen), policy("environments"))
    assert one.level is Level.UNKNOWN
    assert "no gcc" in one.reasons[0].text


def test_what_does_not_apply_is_no_reason() -> None:
    away = {"outcome": "not applicable", "reason": "belongs to the system"}
    assert verdict(tables({"answer": "works"}, away), policy("environments")).level is Level.GOOD


def test_nothing_measured_is_unknown() -> None:
    assert verdict(tables({"outcome": "not measured", "reason": "it hung"})).level is Level.UNKNOWN
    one = verdict(tables(error="it hung"))
    assert one.level is Level.UNKNOWN
    assert "it hung" in one.headline


def test_a_quirk_can_be_left_out() -> None:
    found = tables({"answer": "fails"}, {"answer": "works"})
    assert rules.readings(found, policy(ignore=("venv_copies",)), ON).empty


def test_evidence_of_another_catalogue_is_passed_over() -> None:
    found = tables({"quirk": "gone_since", "answer": "fails"}, {"answer": "works"})
    assert verdict(found).level is Level.GOOD


def test_artifacts_are_not_judged() -> None:
    assert rules.judge(tables(kind="artifact"), policy(), ON) == []


def test_a_stale_table_calls_nothing_known() -> None:
    found = tables({"answer": "fails"}, builder="python-build-standalone", build_date="Apr 25 2025 21:39:22")
    assert rules.readings(found, policy(), ON)["state"].item() == FIXED
    assert rules.readings(found, policy(), date(2029, 1, 1))["state"].item() == ""


# What is expected ------------------------------------------------------------------------------------------


@pytest.fixture
def rows(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, str]]]:
    listed: list[dict[str, str]] = []
    monkeypatch.setattr(expectations, "_rows", lambda: tuple(listed))
    return listed  # type: ignore[return-value]


def row(answer: str, builder: str = "pyenv", **values: str) -> dict[str, str]:
    empty = dict.fromkeys(
        ("built_from", "built_until", "python_from", "python_until", "note", "reference"), ""
    )
    return {"quirk": "venv_copies", "builder": builder, "answer": answer, **empty, **values}


def state(answer: str, built: date | None = date(2025, 4, 25), version: str = "3.12.10") -> str:
    return expectation(COPIES, answer, builder="pyenv", version=version, built=built).state


def test_states(rows: list[dict[str, str]]) -> None:
    assert state("fails") == UNLISTED
    assert state("works") == FINE
    rows.append(row("fails", built_until="2025-05-07"))
    assert state("fails") == KNOWN
    rows.append(row("works", built_from="2025-05-07", note="upgrade"))
    assert state("fails") == FIXED
    assert state("fails", date(2025, 6, 1)) == UNEXPECTED
    assert state("works", date(2025, 6, 1)) == FINE
    assert state("fails", None) == UNLISTED, "a row with a date says nothing of a build without one"


def test_a_row_of_the_builder_counts_before_one_of_all(rows: list[dict[str, str]]) -> None:
    rows += [row("works", "*"), row("fails", note="ours")]
    assert state("fails") == KNOWN
    rows[:] = [row("works", "*")]
    assert state("fails") == UNEXPECTED


@pytest.mark.parametrize(
    ("start", "end", "version", "fits"),
    [
        ("3.13", "", "3.12.10", False),
        ("3.12", "3.13", "3.12.10", True),
        ("", "3.12", "3.12.0", False),
        ("", "", "no version", True),
        ("3.1", "", "no version", False),
    ],
)
def test_a_row_may_be_for_some_versions(
    rows: list[dict[str, str]], start: str, end: str, version: str, fits: bool
) -> None:
    rows.append(row("fails", python_from=start, python_until=end))
    assert state("fails", version=version) == (KNOWN if fits else UNLISTED)


def test_the_table_names_quirks_answers_and_builders_that_exist() -> None:
    for line in load("quirk_expectations").frame.to_dict("records"):
        assert line["answer"] in catalogue()[line["quirk"]].answers, line
    builders = set(load("builders").frame["builder"]) | {"*"}
    assert set(load("quirk_expectations").frame["builder"]) <= builders


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("Apr 25 2025 21:39:22", date(2025, 4, 25)),
        ("May  9 2026 07:29:50", date(2026, 5, 9)),
        ("Apr 25 2025, 21:39:22", date(2025, 4, 25)),
        ("", None),
        ("yesterday", None),
    ],
)
def test_days_of_builds(text: str, day: date | None) -> None:
    assert day_of_build(text) == day


# The policy ------------------------------------------------------------------------------------------------


def test_needs_are_checked(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text('[compatibility]\nneeds = ["environments", "venv_copies"]\n')
    assert Policy.load(file).compatibility.needs == ("environments", "venv_copies")
    file.write_text('[compatibility]\nneeds = ["enviroments"]\n')
    with pytest.raises(PolicyError, match="did you mean environments"):
        Policy.load(file)
    file.write_text("compatibility = 3\n")
    with pytest.raises(PolicyError, match="compatibility is no section"):
        Policy.load(file)
