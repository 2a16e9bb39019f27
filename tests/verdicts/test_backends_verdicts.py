"""Rules on build backends: who may use which, what is equal, what still holds."""

from __future__ import annotations

from datetime import date
from typing import Any

import pandas as pd
import pytest
from corpus.backend_tables import backend_tables
from pyassay.verdicts.backends import READERS, by_reader, judge
from pyassay.verdicts.backends_claims import claims
from pyassay.verdicts.backends_outputs import disagreements, equalities, normalised_values
from pyassay.verdicts.backends_speed import speeds
from pyassay.verdicts.model import Level
from pyassay.verdicts.policy import BackendsPolicy, Policy, PolicyError

ON = date(2026, 11, 21)


def level(tables: dict[str, pd.DataFrame], subject: str, reader: str) -> Level:
    rows = by_reader(tables, Policy.load()).set_index(["subject_id", "reader"])
    return Level(rows.loc[(subject, reader), "level"])


def changed(
    tables: dict[str, pd.DataFrame], table: str, subject: str, **cells: Any
) -> dict[str, pd.DataFrame]:
    """Return the tables with every row of a subject changed."""
    frame = tables[table].copy()
    for column, value in cells.items():
        chosen = frame["subject_id"] == subject
        frame[column] = [value if hit else old for hit, old in zip(chosen, frame[column], strict=True)]
    return {**tables, table: frame}


def test_a_plain_backend_is_good_for_everybody_and_a_binary_is_not() -> None:
    tables = backend_tables()
    verdicts = {one.subject_id: one for one in judge(tables, Policy.load(), ON)}
    assert verdicts["flit-core-4"].level is Level.GOOD
    assert verdicts["uv-build-1"].level is Level.CAUTION
    for reader in READERS:
        assert level(tables, "flit-core-4", reader) is Level.GOOD
    assert level(tables, "uv-build-1", "application") is Level.GOOD
    assert level(tables, "uv-build-1", "distribution") is Level.CAUTION
    assert level(tables, "uv-build-1", "security") is Level.CAUTION
    texts = " ".join(reason.text for reason in verdicts["uv-build-1"].reasons)
    assert "293 crates of others to be compiled" in texts
    assert "3.0 MB of machine code" in texts


def test_every_reason_points_at_rows_that_are_there() -> None:
    tables = backend_tables()
    for verdict in judge(tables, Policy.load(), ON):
        assert verdict.reasons
        for reason in verdict.reasons:
            frame = tables[reason.table]
            for column, value in reason.where.items():
                frame = frame[frame[column] == value]
            assert len(frame), reason


def test_one_that_does_not_build_is_bad_and_one_not_measured_unknown() -> None:
    failed = changed(backend_tables(), "backend_outputs", "flit-core-4", status="failed", reason="E: no")
    assert level(failed, "flit-core-4", "application") is Level.BAD
    absent = changed(backend_tables(), "subjects", "flit-core-4", error="no wheels")
    (verdict,) = [one for one in judge(absent, Policy.load(), ON) if one.subject_id == "flit-core-4"]
    assert (verdict.level, verdict.headline) == (Level.UNKNOWN, "not measured: no wheels")


def test_a_backend_is_not_bad_for_a_project_that_was_written_for_another() -> None:
    tables = backend_tables()
    foreign = (
        tables["backend_outputs"].iloc[:1].assign(project="mine", status="failed", reason="no such file")
    )
    outputs = pd.concat([tables["backend_outputs"], foreign], ignore_index=True)
    assert level({**tables, "backend_outputs": outputs}, "flit-core-4", "application") is Level.GOOD


@pytest.mark.parametrize(
    ("table", "cells", "reader", "expected"),
    [
        ("backend_outputs", {"record_faults": ["a.py: its hash differs"]}, "security", Level.BAD),
        ("backend_outputs", {"lacks": ["a.json"]}, "application", Level.CAUTION),
        ("backend_repeats", {"same": False}, "distribution", Level.CAUTION),
        ("backend_platforms", {"ready": False}, "application", Level.BAD),
        ("backend_platforms", {"ready": pd.NA, "reason": "told nothing"}, "distribution", Level.UNKNOWN),
        ("backend_features", {"outcome": "does not"}, "application", Level.BAD),
        (
            "backend_closures",
            {"native_files": 1, "native_bytes": 9, "native": ["ELF x"]},
            "security",
            Level.CAUTION,
        ),
    ],
)
def test_each_finding_concerns_its_reader(
    table: str, cells: dict[str, Any], reader: str, expected: Level
) -> None:
    assert level(changed(backend_tables(), table, "flit-core-4", **cells), "flit-core-4", reader) is expected


def test_the_policy_says_for_whom_and_how_many() -> None:
    assert Policy.load().backends == BackendsPolicy()


def test_a_policy_with_an_unknown_reader_is_refused(tmp_path: Any) -> None:
    path = tmp_path / "own.toml"
    path.write_text('[backends]\nreaders = ["distributor"]\n')
    with pytest.raises(PolicyError, match="distribution"):
        Policy.load(path)
    path.write_text('[backends]\nreaders = ["application"]\n')
    verdicts = {one.subject_id: one for one in judge(backend_tables(), Policy.load(path), ON)}
    assert verdicts["uv-build-1"].level is Level.GOOD


def test_equal_wheels_are_told_from_different_ones() -> None:
    tables = backend_tables()
    (pair,) = equalities(tables).to_dict("records")
    assert pair["level"] == "same files"
    assert pair["differences"] == ["requires-dist: differs"]
    rows = disagreements(tables)
    assert set(rows["what"]) == {"requires-dist"}
    other = changed(tables, "backend_files", "uv-build-1", sha256="f" * 64)
    assert equalities(other)["level"].tolist() == ["different"]
    same = changed(tables, "backend_outputs", "uv-build-1", sha256="0" * 64)
    assert equalities(same)["level"].tolist() == ["same bytes"]


def test_metadata_of_equal_meaning_are_equal() -> None:
    assert normalised_values("Requires-Dist", ["a (>=1) ; python_version>='3.9'"]) == normalised_values(
        "requires-dist", ['a>=1; python_version >= "3.9"']
    )
    assert normalised_values("Keywords", ["b, a"]) == normalised_values("Keywords", ["a,b"])
    assert normalised_values("Requires-Dist", ["no requirement ((("]) == ("no requirement (((",)


def test_times_are_ratios_of_the_reference() -> None:
    rows = speeds(backend_tables()).set_index(["comparison", "command_id"])
    assert bool(rows.loc[("backends", "flit hook"), "is_reference"])
    ratio = rows.loc[("backends", "uv hook"), "ratio"]
    assert ratio == pytest.approx(0.25, rel=0.05)


def test_claims_stand_beside_what_was_measured() -> None:
    rows = claims(backend_tables()).set_index("claim")
    assert rows.loc["crates", "still_true"] == "in part"
    assert rows.loc["crates", "measured"].startswith("317 in the Cargo.lock of its sdist, 293 of them")
    assert rows.loc["everywhere", "still_true"] == "yes"
    assert rows.loc["bootstrap", "still_true"] == "yes"
    assert rows.loc["platforms", "still_true"] == "yes"
    tables = backend_tables()
    platforms = tables["backend_platforms"]
    platforms.loc[platforms["target"].str.contains("musl"), "ready"] = True
    assert claims(tables).set_index("claim").loc["platforms", "still_true"] == "in part"
    assert rows.loc["faster", "still_true"] == "yes"
    assert rows.loc["equal", "still_true"] == "yes"
    assert rows.loc["reproducible", "still_true"] == "yes"
    assert rows.loc["shortcut", "still_true"] == "not measured"


def test_no_claim_is_answered_without_a_measurement() -> None:
    tables = {name: frame.iloc[:0] for name, frame in backend_tables().items()}
    assert set(claims(tables)["still_true"]) == {"not measured"}
    assert judge(tables, Policy.load(), ON) == []
