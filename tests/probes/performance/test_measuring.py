"""The engine with workers whose speed and faults are known, on a clock that only work moves."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from corpus.simulated_machine import FakeMachine, interpreter
from pyassay.probes.performance import Measured, Settings, SettingsError, estimate, measure, recovered
from pyassay.probes.performance.context import Context, Record
from pyassay.probes.performance.engine import Measurement
from pyassay.probes.performance.prepare import ReferenceLostError
from pyassay.probes.performance.spool import Spool
from pyassay.probes.performance.tables import TABLES
from pyassay.subjects.model import Artifact, SubjectKind

WORK = {"calls": 1e-5, "json": 3e-4, "long": 0.05}


def run(machine: FakeMachine, names: str = "ab", progress=None, **settings) -> tuple[Measured, Measurement]:
    failed: dict[str, str] = {}
    options = Settings(**{"budget_s": 20.0, "seed": "s", "cores": (0,), **settings})
    with Spool() as spool:
        context = Context(
            options, machine, Record(spool, failed), (0, 1), progress, lambda _: "/x", machine.clock
        )
        measurement = Measurement(context, [interpreter(name) for name in names], "s")
        try:
            measurement.run()
        finally:
            assert machine.open_workers == []
        return Measured(spool.frames(), failed), measurement


def facts(measured: Measured) -> dict[str, str]:
    frame = measured.frames["performance_environment"]
    return dict(zip(frame["fact"], frame["value"], strict=True))


def failures(measured: Measured) -> list[tuple]:
    frame = measured.frames["performance_failures"]
    return [
        tuple(row)
        for row in frame[["block", "subject_id", "entry", "workload", "kind", "dropped"]].to_numpy()
    ]


def test_tables_of_an_orderly_run():
    machine = FakeMachine(dict(WORK), {"b": 1.25})
    measured, engine = run(machine, max_blocks=9, min_blocks=9)
    assert set(measured.frames) == {table.name for table in TABLES}
    assert measured.failed == {}
    assert failures(measured) == []
    blocks, samples = measured.frames["performance_blocks"], measured.frames["performance_samples"]
    assert blocks["block"].tolist() == list(range(1, engine.blocks + 1))
    counted = samples[samples["block"] > 0]
    per_cell = counted.groupby(["block", "workload", "subject_id", "entry"]).size()
    assert len(per_cell) == engine.blocks * 3 * 3
    by_workload = per_cell.groupby("workload").agg(["min", "max"])
    # What is done once in a chunk and takes 20 times as long has fewer rounds.
    assert by_workload["min"].to_dict() == {
        "calls": engine.rounds + 1,
        "json": engine.rounds + 1,
        "long": max(3, round(engine.rounds / 20)) + 1,
    }
    assert (by_workload["min"] == by_workload["max"]).all()
    assert set(counted.loc[counted["entry"] == "control", "subject_id"]) == {"a"}
    rows = estimate(samples, "a", metrics=("cpu",))
    suite = rows[(rows["scope"] == "suite")].set_index("entry")["ratio"]
    assert suite["subject"] == pytest.approx(1.25)
    assert suite["control"] == pytest.approx(1.0)


def test_a_chunk_is_calibrated_once_and_has_the_same_iterations_for_all():
    machine = FakeMachine(dict(WORK), {"b": 4.0})
    measured, _ = run(machine, max_blocks=2, min_blocks=1)
    tasks = measured.frames["performance_workloads"].set_index("workload")["iterations"]
    # 2.5 ms; what takes longer by itself is done once.
    assert tasks.to_dict() == {"calls": 250, "json": 8, "long": 1}
    samples = measured.frames["performance_samples"]
    counted = samples[samples["block"] > 0]
    rounds = counted[counted["round"] > 0]
    assert rounds.groupby("workload")["iterations"].unique().explode().to_dict() == tasks.to_dict()
    # The chunk that is discarded is longer: time for what adapts itself.
    first = counted[counted["round"] == 0]
    found = first.groupby("workload")["iterations"].unique().explode().to_dict()
    assert found == {"calls": 1000, "json": 32, "long": 1}


def test_workers_are_fresh_in_each_block_and_share_its_core_and_hash_seed():
    machine = FakeMachine(dict(WORK))
    measured, engine = run(machine, max_blocks=4, min_blocks=4, memory=False)
    assert machine.most_open == 3
    in_blocks = machine.opened[2:]
    assert len(in_blocks) == 3 * engine.blocks
    for number, block in measured.frames["performance_blocks"].iterrows():
        workers = in_blocks[3 * number : 3 * number + 3]
        assert {worker.core for worker in workers} == {block["core"]}
        assert {str(worker.hash_seed) for worker in workers} == {block["hash_seed"]}
        assert [one.subject + "*" * (one.entry == "control") for one in workers] == block["start_order"]


def test_stops_when_intervals_are_narrow_and_not_before_enough_blocks():
    measured, engine = run(FakeMachine(dict(WORK), {"b": 1.5}), budget_s=1000.0)
    assert engine.blocks == 8
    assert facts(measured)["stopped"] == "the intervals are narrow enough"


def test_a_clear_difference_is_no_reason_to_stop():
    """Only the width counts: as long as it is too wide the time is spent, however clear the answer is."""
    machine = FakeMachine(dict(WORK), {"b": 9.0}, uneven=0.5)
    measured, engine = run(machine, budget_s=60.0)
    rows = estimate(measured.frames["performance_samples"], "a", metrics=("cpu",))
    assert (rows.loc[rows["entry"] == "subject", "low"] > 5).all()
    assert facts(measured)["stopped"] == "the time is spent"
    assert engine.blocks > 8


def test_time_is_kept_to_and_every_block_holds_every_workload():
    machine = FakeMachine({f"w{n}": 1e-4 for n in range(20)}, {"b": 1.1}, uneven=0.1)
    measured, engine = run(
        machine, budget_s=30.0, half_width=1e-9, workload_half_width=1e-9, max_blocks=10**6
    )
    assert machine.clock.now <= 31
    assert machine.clock.now >= 20
    orders = measured.frames["performance_blocks"]["workload_order"]
    assert all(sorted(order) == sorted(machine.seconds) for order in orders)
    assert engine.blocks >= 8


def test_a_short_time_gives_few_blocks_and_says_so():
    measured, engine = run(FakeMachine({"slow": 0.5}), budget_s=2.0)
    assert engine.blocks == 1
    frame = measured.frames["performance_environment"].set_index("fact")
    assert frame.loc["blocks", "warning"] == "too few for a statement"
    assert facts(measured)["stopped"] == "the time is spent"


# Faults --------------------------------------------------------------------------------------------------


def test_a_crash_loses_its_cell_only_and_the_rest_goes_on_in_a_fresh_worker():
    machine = FakeMachine(dict(WORK), faults={("b", "subject", "json"): ("crash", 8, 1)})
    measured, engine = run(machine, max_blocks=8, min_blocks=8, rounds=3, memory=False)
    ((block, *rest),) = failures(measured)
    assert rest == ["b", "subject", "json", "crash", False]
    samples = measured.frames["performance_samples"]
    cells = samples[(samples["block"] == block) & (samples["round"] > 0)]
    sizes = cells.groupby(["subject_id", "entry", "workload"]).size()
    assert sizes.get(("b", "subject", "json"), 0) < 3
    assert sizes.drop(("b", "subject", "json"), errors="ignore").tolist() == [3] * 8
    assert len(machine.opened) == 2 + 3 * engine.blocks + 1
    rows = estimate(samples, "a", metrics=("cpu",))
    found = rows[(rows["entry"] == "subject") & (rows["scope"] == "workload")].set_index("name")["blocks"]
    assert found.to_dict() == {"calls": 8, "json": 7, "long": 8}


def test_what_crashes_again_is_left_out_and_a_hang_at_once():
    for kind, times in (("crash", 2), ("error", 2), ("rubbish", 2), ("memory", 2), ("hang", 1)):
        machine = FakeMachine(dict(WORK), faults={("b", "subject", "calls"): (kind, 2, 10**6)})
        measured, _ = run(machine, max_blocks=8, min_blocks=8, chunk_timeout_s=1.0)
        found = failures(measured)
        assert [row[4] for row in found] == [kind] * times
        assert [row[5] for row in found] == [False] * (times - 1) + [True]
        memory = measured.frames["performance_memory"]
        assert ("b", "calls") not in set(zip(memory["subject_id"], memory["workload"], strict=True))


def test_what_an_interpreter_cannot_do_is_a_gap_before_the_first_block():
    machine = FakeMachine(dict(WORK), faults={("b", "subject", "json"): ("error", 1, 10**6)})
    measured, _ = run(machine, max_blocks=2, min_blocks=1)
    assert failures(measured) == [(0, "b", "subject", "json", "error", True)]
    samples = measured.frames["performance_samples"]
    assert set(samples.loc[samples["subject_id"] == "b", "workload"]) == {"calls", "long"}


def test_what_the_reference_cannot_do_nobody_does():
    machine = FakeMachine(dict(WORK), faults={("a", "subject", "json"): ("crash", 1, 10**6)})
    measured, _ = run(machine, max_blocks=2, min_blocks=1)
    assert set(measured.frames["performance_workloads"]["workload"]) == {"calls", "long"}
    # And what it loses for good on the way, nobody goes on with.
    machine = FakeMachine(dict(WORK), faults={("a", "subject", "json"): ("hang", 12, 10**6)})
    measured, engine = run(machine, max_blocks=6, min_blocks=6, chunk_timeout_s=1.0, memory=False)
    ((lost, *_),) = failures(measured)
    samples = measured.frames["performance_samples"]
    assert lost < engine.blocks
    assert samples.loc[samples["workload"] == "json", "block"].max() == lost


def test_a_reference_that_does_not_start_or_does_nothing_is_an_error():
    with pytest.raises(ReferenceLostError, match="the reference a: it does not start"):
        run(FakeMachine(dict(WORK), unstartable={"a": 0}))
    broken = {("a", "subject", "calls"): ("crash", 1, 10**6)}
    with pytest.raises(ReferenceLostError, match="runs none of the workloads"):
        run(FakeMachine({"calls": 1e-4}, faults=broken))


def test_subjects_that_do_not_start_and_those_that_start_no_more():
    measured, _ = run(FakeMachine(dict(WORK), unstartable={"b": 0}), "abc", max_blocks=2, min_blocks=1)
    assert measured.failed == {"b": "it does not start"}
    assert set(measured.frames["performance_samples"]["subject_id"]) == {"a", "c"}
    # Three are opened before the first block, four in each.
    measured, engine = run(
        FakeMachine(dict(WORK), unstartable={"b": 8}), "abc", max_blocks=6, min_blocks=6, memory=False
    )
    assert measured.failed == {"b": "it does not start"}
    assert engine.blocks == 6
    samples = measured.frames["performance_samples"]
    assert samples.loc[samples["subject_id"] == "c", "block"].max() == 6
    measured, engine = run(FakeMachine(dict(WORK), unstartable={"a": 6}), max_blocks=6, min_blocks=6)
    assert measured.failed == {"a": "it does not start"}
    assert facts(measured)["stopped"] == "the reference is lost"


# Settings and the way in ---------------------------------------------------------------------------------


def test_workloads_that_are_wanted_and_one_that_does_not_exist():
    machine = FakeMachine(dict(WORK))
    measured, _ = run(machine, workloads=("json", "nothing"), max_blocks=1, min_blocks=1)
    assert measured.frames["performance_workloads"]["workload"].tolist() == ["json"]
    frame = measured.frames["performance_failures"]
    assert frame["reason"].tolist() == ["there is no such workload"]


def test_start_up_is_measured_unless_it_is_not_wanted():
    spawns = {"start: pass": ["-c", "pass"]}
    machine = FakeMachine({"calls": 1e-4, "-c pass": 0.02}, spawns=spawns)
    measured, _ = run(machine, max_blocks=2, min_blocks=1)
    tasks = measured.frames["performance_workloads"].set_index("workload")
    assert tasks.loc["start: pass", ["group", "in_suite", "iterations"]].tolist() == ["startup", False, 1]
    assert measured.frames["performance_spawns"]["bytecode_present"].tolist() == [True, True]
    samples = measured.frames["performance_samples"]
    assert (samples.loc[samples["workload"] == "start: pass", "cpu_s"] == 0.02).all()
    measured, _ = run(machine, max_blocks=1, min_blocks=1, startup=False)
    assert measured.frames["performance_workloads"]["workload"].tolist() == ["calls"]


def test_memory_of_each_interpreter_and_workload():
    measured, _ = run(FakeMachine({"calls": 1e-4}), max_blocks=1, min_blocks=1)
    frame = measured.frames["performance_memory"]
    assert frame[["subject_id", "workload", "peak_bytes", "reason"]].to_numpy().tolist() == [
        [name, workload, 2000, ""] for name in "ab" for workload in ("startup:bare", "calls")
    ]
    measured, _ = run(FakeMachine({"calls": 1e-4}), max_blocks=1, min_blocks=1, memory=False)
    assert measured.frames["performance_memory"].empty


def test_progress_comes_to_its_end():
    told = []
    run(FakeMachine(dict(WORK)), progress=lambda *step: told.append(step), max_blocks=2, min_blocks=1)
    assert told[-1] == (20, 20, "")
    assert [step[0] for step in told] == sorted(step[0] for step in told)
    assert any("block 2" in label for _, _, label in told)


@pytest.mark.parametrize(
    "wrong",
    [
        {"chunk_cpu_s": 0.0005},
        {"chunk_cpu_s": float("nan")},
        {"rounds": 2},
        {"budget_s": 0},
        {"min_blocks": 9, "max_blocks": 8},
        {"cores": ()},
        {"half_width": -1},
    ],
    ids=str,
)
def test_settings_out_of_their_range_are_refused(wrong):
    with pytest.raises(SettingsError):
        Settings(**wrong)


def test_programs_are_refused_and_so_is_a_reference_that_is_no_subject():
    program = Artifact("p", "p", SubjectKind.ARTIFACT, Path("/p"), "file")
    measured = measure([program], executor=FakeMachine(dict(WORK)))
    assert measured.failed == {"p": "a program cannot be timed as an interpreter"}
    assert all(frame.empty for frame in measured.frames.values())
    with pytest.raises(SettingsError, match="z: the reference is none of the subjects"):
        measure([interpreter("a")], Settings(reference="z"))


def test_the_reference_that_is_named_comes_first_and_its_loss_is_everybodys():
    machine = FakeMachine(dict(WORK))
    names = [interpreter(name) for name in "abc"]
    settings = Settings(reference="c", max_blocks=1, min_blocks=1, budget_s=5)
    measured = measure(names, settings, executor=machine, workload_source="")
    samples = measured.frames["performance_samples"]
    assert set(samples.loc[samples["entry"] == "control", "subject_id"]) == {"c"}
    lost = measure(names, settings, executor=FakeMachine({}, unstartable={"c": 0}), workload_source="")
    assert set(lost.failed) == {"a", "b", "c"}
    assert lost.failed["a"] == "the reference c: it does not start"


# The spool -----------------------------------------------------------------------------------------------


def test_spool_gives_back_what_was_measured_even_cut_off(tmp_path):
    path = tmp_path / "spool.jsonl"
    machine = FakeMachine(dict(WORK))
    with Spool(path) as spool:
        context = Context(Settings(max_blocks=2, min_blocks=1), machine, Record(spool, {}), (0,))
        context.clock = machine.clock
        context.started = 0.0
        Measurement(context, [interpreter("a"), interpreter("b")], "s").run()
        frames = spool.frames()
    lines = path.read_text().splitlines(keepends=True)
    again = recovered(lines)
    for name, frame in frames.items():
        pd.testing.assert_frame_equal(again[name], frame)
    cut = recovered([*lines[:50], lines[50][:20]])
    assert sum(map(len, cut.values())) == 50
    with pytest.raises(ValueError, match="line 3 is damaged"):
        recovered([*lines[:2], "{", *lines[3:]])


def test_an_error_names_the_spool_and_keeps_it():
    spool = Spool()
    error = KeyboardInterrupt()
    spool.__exit__(KeyboardInterrupt, error, None)
    assert spool.path.exists()
    assert str(spool.path) in error.__notes__[0]
    spool.path.unlink()
    with Spool() as spool:
        pass
    assert not spool.path.exists()
