from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from pyassay import evidence as ev
from pyassay import probes
from pyassay.evidence import Evidence, EvidenceError, load, redacted
from pyassay.gathering import gather
from pyassay.subjects.model import Interpreter


@pytest.fixture(scope="module")
def gathered(running_interpreter: Interpreter) -> Evidence:
    return gather("portability", [running_interpreter])


@pytest.fixture
def saved(gathered: Evidence, tmp_path: Path) -> Path:
    return gathered.save(tmp_path / "set")


def test_every_table_has_its_documented_columns(gathered: Evidence) -> None:
    schemas = ev.schemas(("portability",))
    assert set(gathered.tables) == {schema.name for schema in schemas}
    for schema in schemas:
        assert list(gathered.table(schema.name).columns) == schema.column_names


def test_a_saved_set_reads_back_equal(gathered: Evidence, saved: Path) -> None:
    again = load(saved)
    assert again.manifest == gathered.manifest
    assert again.digest == gathered.digest
    for name, frame in gathered.tables.items():
        assert again.table(name).equals(frame), name
        assert list(again.table(name).dtypes) == list(frame.dtypes), name
    assert isinstance(again.table("files")["needed"].iloc[0], list)


def test_an_existing_set_is_not_overwritten_unasked(gathered: Evidence, saved: Path) -> None:
    with pytest.raises(EvidenceError, match="exists already"):
        gathered.save(saved)
    assert gathered.save(saved, replace_existing=True) == saved
    assert [path.name for path in saved.parent.iterdir()] == ["set"]


def test_a_failed_write_leaves_the_old_set_whole(
    gathered: Evidence, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = load(saved).digest

    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ev, "_sync", full_disk)
    with pytest.raises(EvidenceError, match="No space left on device"):
        gathered.save(saved, replace_existing=True)
    assert load(saved).digest == before
    assert [path.name for path in saved.parent.iterdir()] == ["set"]


def test_damage_is_one_line_that_names_the_set(saved: Path, tmp_path: Path) -> None:
    def broken(name: str) -> Path:
        copy = tmp_path / name
        shutil.copytree(saved, copy)
        return copy

    flipped = broken("flipped")
    table = flipped / "files.parquet"
    table.write_bytes(table.read_bytes()[:-1] + b"\0")
    absent = broken("absent")
    (absent / "needs.parquet").unlink()
    future = broken("future")
    manifest = json.loads((future / "manifest.json").read_text())
    (future / "manifest.json").write_text(json.dumps(manifest | {"schema_version": 99}))
    garbage = broken("garbage")
    (garbage / "manifest.json").write_text("{")
    undated = broken("undated")
    (undated / "manifest.json").write_text(json.dumps(manifest | {"recorded_at": "yesterday"}))
    unasked = broken("unasked")
    (unasked / "manifest.json").write_text(json.dumps(manifest | {"questions": ["astrology"]}))
    empty = tmp_path / "empty"
    empty.mkdir()
    for folder, wanted in (
        (flipped, "not the bytes"),
        (absent, "damaged evidence set: needs.parquet: No such file"),
        (future, "schema version 99"),
        (garbage, "damaged"),
        (undated, "yesterday"),
        (unasked, "astrology"),
        (empty, "no evidence set"),
    ):
        with pytest.raises(EvidenceError, match=wanted) as caught:
            load(folder)
        assert str(folder) in str(caught.value) or wanted == "astrology"
        assert "\n" not in str(caught.value)


def test_a_subject_that_cannot_be_probed_leaves_the_others(
    running_interpreter: Interpreter, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = probes.probe_module("portability")
    whole = module.probe

    def failing(interpreter: Interpreter) -> object:
        if interpreter.id == "broken":
            raise RuntimeError("two\nlines")
        return whole(interpreter)

    monkeypatch.setattr(module, "probe", failing)
    evidence = gather("portability", [replace(running_interpreter, id="broken"), running_interpreter])
    assert [(run.subject_id, run.status) for run in evidence.manifest.runs] == [
        ("broken", "failed"),
        (running_interpreter.id, "done"),
    ]
    skipped = evidence.table("skipped")
    assert skipped.loc[skipped["subject_id"] == "broken", "reason"].tolist() == ["RuntimeError: two lines"]
    assert (evidence.table("files")["subject_id"] == running_interpreter.id).any()


def test_progress_counts_every_subject(running_interpreter: Interpreter) -> None:
    seen: list[tuple[int, int, str]] = []
    missing = replace(
        running_interpreter, executable=Path("/nonexistent"), prefix=None, stdlib=None, platstdlib=None
    )
    gather("portability", [missing], progress=lambda *step: seen.append(step))
    assert seen == [(0, 1, "running"), (1, 1, "")]


def test_redaction_hides_folders_and_keeps_figures(
    gathered: Evidence, running_interpreter: Interpreter
) -> None:
    public = redacted(gathered)
    assert public.manifest.redacted
    text = "".join(frame.to_json() for frame in public.tables.values()).replace("\\/", "/")
    prefix = str(running_interpreter.prefix)
    assert prefix in ("/usr", "/usr/local") or prefix not in text
    assert str(Path.home()) not in text
    assert public.table("floors").equals(gathered.table("floors"))


def test_names_that_are_no_text_are_recorded_readably(
    running_interpreter: Interpreter, tmp_path: Path
) -> None:
    nasty = tmp_path / "bad\udcff\n<script>.so"
    nasty.write_bytes(b"\x7fELF" + b"\xff" * 100)
    subject = replace(running_interpreter, site_folders=(tmp_path,))
    evidence = gather("portability", [subject])
    evidence.save(tmp_path / "set")
    skipped = load(tmp_path / "set").table("skipped")
    assert any("bad\\xff" in file and "<script>" in file for file in skipped["file"])


def _about_builds(recorded_at: str, ids: list[str], reason: str) -> Evidence:
    """Return an evidence set on packaging with some builds and one thing that was not measured."""
    manifest = ev.Manifest(
        ev.SCHEMA_VERSION,
        recorded_at,
        ("packaging",),
        {},
        {"pyassay": "9"},
        runs=tuple(ev.ProbeRun("packaging", one, "done", "", 1.0) for one in ids),
    )
    tables = {schema.name: schema.frame([]) for schema in ev.schemas(("packaging",))}
    blank = {column.name: [] if column.kind == "texts" else "" for column in ev.SUBJECTS.columns}
    made = {"kind": "build", "size_bytes": None}
    tables["subjects"] = ev.SUBJECTS.frame(blank | made | {"subject_id": one, "label": one} for one in ids)
    skipped = {"subject_id": ids[0], "question": "packaging", "file": "", "reason": reason}
    tables["skipped"] = ev.SKIPPED.frame([skipped])
    return Evidence(manifest, tables)


def test_answers_on_tools_join_the_set_and_leave_when_they_are_asked_anew(gathered: Evidence) -> None:
    first = gathered.answered_by(_about_builds("2099-01-02T00:00:00+00:00", ["old", "both"], "no engine"))
    assert first.manifest.questions == ("portability", "packaging")
    assert first.manifest.recorded_at == "2099-01-02T00:00:00+00:00"
    python = gathered.table("subjects")["subject_id"].tolist()
    assert first.about("portability")["subjects"]["subject_id"].tolist() == python
    assert first.about("packaging")["subjects"]["subject_id"].tolist() == ["old", "both"]
    assert first.table("files").equals(gathered.table("files"))
    again = first.answered_by(_about_builds("2099-01-03T00:00:00+00:00", ["both", "new"], "no image"))
    assert again.about("packaging")["subjects"]["subject_id"].tolist() == ["both", "new"]
    assert again.about("packaging")["skipped"]["reason"].tolist() == ["no image"]
    assert len(again.table("skipped")) == len(gathered.table("skipped")) + 1
    assert {run.subject_id for run in again.manifest.runs if run.question == "packaging"} == {"both", "new"}


def test_pythons_asked_anew_leave_the_answers_on_tools(gathered: Evidence) -> None:
    both = gathered.answered_by(_about_builds("2020-01-02T00:00:00+00:00", ["one"], "no engine"))
    again = both.answered_by(gathered)
    assert again.about("packaging")["subjects"]["subject_id"].tolist() == ["one"]
    assert len(again.about("portability")["subjects"]) == len(gathered.table("subjects"))
    assert again.manifest.recorded_at == gathered.manifest.recorded_at
