"""Commands timed in turns: what counts, what does not, and that nothing is left behind."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest
from pyassay.places.host import clean_environment
from pyassay.probes.observations import TableSchema
from pyassay.probes.packaging.tables import START_SAMPLES
from pyassay.probes.paired_commands import (
    PairedSettings,
    PairedSettingsError,
    TimedCommand,
    exits_with,
    measure_commands,
    paired_columns,
)
from pyassay.probes.starting import MAX_OUTPUT_BYTES, Started, Starter
from pyassay.verdicts.paired import ratios

PYTHON = getattr(sys, "_base_executable", sys.executable)
TABLE = TableSchema("samples", "Of a test.", paired_columns())


def python(source: str, *arguments: str) -> list[str]:
    return [PYTHON, "-I", "-S", "-c", source, *arguments]


def burner(work: float) -> list[str]:
    return python("sum(range(int(float(__import__('sys').argv[1]) * 4_000_000)))", str(work))


def quick(name: str, argv: list[str] | None = None, **more: Any) -> TimedCommand:
    return TimedCommand(id=name, argv=argv or ["true"], **more)


def few(blocks: int = 2, **more: Any) -> PairedSettings:
    more = {"budget_s": 30.0, "warmups": 0, "seed": "test"} | more
    return PairedSettings(min_blocks=blocks, max_blocks=blocks, **more)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def gone(pid: int) -> bool:
    until = time.monotonic() + 5
    while alive(pid) and time.monotonic() < until:
        time.sleep(0.01)
    return not alive(pid)


# One start -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def starter():
    with Starter() as one:
        yield one


def started(starter: Starter, argv: list[str], **more: Any) -> Started:
    more = {"environment": clean_environment(), "timeout_s": 20.0} | more
    return starter.start(argv, **more)


def test_output_status_and_input(starter: Starter) -> None:
    source = (
        "import sys; data = sys.stdin.read(); print(len(data)); print('no', file=sys.stderr); sys.exit(3)"
    )
    found = started(starter, python(source), input_bytes=b"x" * 300_000)
    assert (found.failure, found.status, found.stdout, found.stderr) == ("", 3, b"300000\n", b"no\n")


def test_one_that_does_not_read_its_input(starter: Starter) -> None:
    assert started(starter, ["true"], input_bytes=b"x" * 1_000_000).status == 0


def test_cpu_of_processes_and_their_children_is_counted(starter: Starter) -> None:
    burn = "import time\nwhile time.process_time() < .3: pass"
    alone = started(starter, python(burn))
    parent = "import subprocess, sys; subprocess.run([sys.executable, '-I', '-S', '-c', sys.argv[1]])"
    nested = started(starter, python(parent, burn))
    assert alone.cpu_s == pytest.approx(0.3, abs=0.15)
    assert nested.cpu_s == pytest.approx(0.35, abs=0.15)
    # Not one of ours in between: a process that waits costs no CPU time.
    asleep = started(starter, ["sleep", "0.3"])
    assert asleep.cpu_s < 0.05
    assert asleep.wall_s >= 0.3


def test_cpu_of_an_orphan_that_ends_with_the_command_is_counted(starter: Starter) -> None:
    # The parent does not wait for it: the kernel gives its time to nobody but the reaper.
    source = (
        "import os, time\nif os.fork() == 0:\n    while time.process_time() < .2: pass\n"
        "    os._exit(0)\ntime.sleep(1)"
    )
    found = started(starter, python(source))
    if found.failure:
        pytest.skip(f"the machine was too busy: {found.failure}")
    assert found.cpu_s > 0.2


def test_memory_is_that_of_the_command_not_of_who_starts_it(starter: Starter) -> None:
    ballast = bytearray(150 << 20)
    small = started(starter, python("import argparse, json, subprocess"))
    large = started(starter, python("bytearray(100 << 20)"))
    assert small.peak_rss_bytes < 40 << 20 < len(ballast)
    assert 100 << 20 < large.peak_rss_bytes < 130 << 20
    # Less than the starter itself takes cannot be seen.
    assert started(starter, ["true"]).peak_rss_bytes is None


def test_flood_is_ended(starter: Starter) -> None:
    found = started(starter, ["yes"])
    assert "prints more than" in found.failure
    assert found.wall_s < 10
    assert len(found.stdout) <= MAX_OUTPUT_BYTES
    assert started(starter, ["head", "-c", str(MAX_OUTPUT_BYTES), "/dev/zero"]).failure == ""


def test_hang_is_ended_with_all_of_its_group(starter: Starter, tmp_path: Path) -> None:
    note = tmp_path / "pid"
    found = started(starter, ["sh", "-c", f"sleep 300 & echo $! > {note}; sleep 300"], timeout_s=0.5)
    assert (found.failure, found.hung) == ("not done within 0.5 s", True)
    assert gone(int(note.read_text()))


@pytest.mark.parametrize("leave", ["", "setsid "])
def test_grandchild_that_outlives_is_ended_and_said(starter: Starter, tmp_path: Path, leave: str) -> None:
    note = tmp_path / "pid"
    left = f"sh -c 'echo $$ > {note}; exec sleep 300' >/dev/null 2>&1"
    script = f"{leave}{left} & while ! test -s {note}; do :; done"
    found = started(starter, ["sh", "-c", script])
    assert found.failure == "it left 1 process running"
    assert gone(int(note.read_text()))


def test_one_that_ends_right_after_is_not_said_to_outlive(starter: Starter) -> None:
    assert started(starter, ["sh", "-c", "sleep 0.01 &"]).failure == ""


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["no-such-command-at-all"], "No such file"),
        (["/etc/passwd"], "Permission denied"),
        (["/no/such/folder/x"], "No such file"),
        (["true", "a\0b"], "null byte"),
        ([], "no command"),
    ],
)
def test_what_cannot_be_started(starter: Starter, argv: list[str], said: str) -> None:
    found = started(starter, argv)
    assert said in found.failure
    assert "\n" not in found.failure
    assert started(starter, ["true"]).failure == ""


def test_nothing_of_the_user_reaches_it(starter: Starter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "secret")
    monkeypatch.setenv("PYTHONHASHSEED", "1")
    said = started(starter, ["env"]).stdout.decode()
    names = {line.partition("=")[0] for line in said.splitlines()}
    assert names <= {"PATH", "TMPDIR", "LANG", "TZ", "HOME", "PYASSAY_RUN"}


def test_it_gets_the_signals_that_it_is_owed(starter: Starter) -> None:
    # Python ignores SIGPIPE, and what it starts would inherit that.
    said = started(starter, ["grep", "-E", "^Sig(Ign|Blk)", "/proc/self/status"]).stdout.split()
    # Of the standard ones; the C library keeps two others to itself. Who runs the tests in the background
    # of a shell hands down that SIGINT and SIGQUIT are ignored.
    handed_down = sum(
        1 << (number - 1)
        for number in (signal.SIGINT, signal.SIGQUIT)
        if signal.getsignal(number) == signal.SIG_IGN
    )
    assert [int(one, 16) % (1 << 31) for one in (said[1], said[3])] == [0, handed_down]


def test_cores_hold_for_one_start_only(starter: Starter) -> None:
    core = min(os.sched_getaffinity(0))
    shown = ["grep", "Cpus_allowed_list", "/proc/self/status"]
    bound = started(starter, shown, cores=[core]).stdout.split()[1]
    free = started(starter, shown).stdout.split()[1]
    assert bound == str(core).encode()
    if len(os.sched_getaffinity(0)) > 1:
        assert free != bound


def test_lost_starter_is_replaced(starter: Starter) -> None:
    started(starter, ["true"])
    assert starter._live is not None
    os.kill(starter._live._process.pid, signal.SIGKILL)
    assert "was lost" in started(starter, ["true"]).failure
    assert started(starter, ["true"]).failure == ""


def test_starting_costs_little(starter: Starter) -> None:
    walls = sorted(started(starter, ["true"]).wall_s for _ in range(30))
    assert walls[3] < 0.01


def test_nothing_is_left_when_we_are_killed(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    source = (
        "from pyassay.probes.paired_commands import *\n"
        f"argv = ['sh', '-c', 'echo $$ > {note}; setsid sleep 300']\n"
        "measure_commands([TimedCommand(id='a', argv=argv)], 'a')"
    )
    child = subprocess.Popen([sys.executable, "-c", source])
    try:
        until = time.monotonic() + 20
        while not (note.exists() and note.read_text().strip()) and time.monotonic() < until:
            time.sleep(0.02)
    finally:
        child.kill()
        child.wait()
    assert gone(int(note.read_text()))


# Blocks --------------------------------------------------------------------------------------------------


def test_each_block_holds_every_command_once_and_the_reference_twice() -> None:
    rows = measure_commands([quick("a"), quick("b"), quick("c")], "b", few(6))
    assert len(rows) == 24
    blocks = defaultdict(list)
    for row in rows:
        assert set(row) == {column.name for column in paired_columns()}
        assert row["failure"] == ""
        assert min(row["wall_s"], row["cpu_s"]) > 0
        blocks[row["block"]].append(row)
    orders = set()
    for number in range(1, 7):
        entries = [(row["command_id"], row["entry"]) for row in blocks[number]]
        assert [row["position"] for row in blocks[number]] == [1, 2, 3, 4]
        assert sorted(entries) == [
            ("a", "candidate"),
            ("b", "control"),
            ("b", "reference"),
            ("c", "candidate"),
        ]
        orders.add(tuple(entries))
    assert len(orders) > 2
    again = measure_commands([quick("a"), quick("b"), quick("c")], "b", few(6))
    assert [(row["command_id"], row["entry"]) for row in again] == [
        (row["command_id"], row["entry"]) for row in rows
    ]


def test_columns_are_those_of_packaging() -> None:
    ours = [column.name for column in paired_columns()]
    assert [name for name in START_SAMPLES.column_names if name not in ("what", "state")] == ours
    assert {column.name: column.kind for column in START_SAMPLES.columns if column.name in ours} == {
        column.name: column.kind for column in paired_columns()
    }


def test_it_is_prepared_before_each_start_untimed(tmp_path: Path) -> None:
    target = tmp_path / "target"

    def prepare() -> None:
        time.sleep(0.1)
        with contextlib.suppress(FileNotFoundError):
            target.rmdir()

    rows = measure_commands([quick("a", ["mkdir", str(target)], prepare=prepare)], "a", few(2, warmups=1))
    assert [row["failure"] for row in rows] == [""] * 4
    assert max(row["wall_s"] for row in rows) < 0.1


def test_failures_are_rows_and_end_after_some() -> None:
    def broken() -> None:
        raise OSError("the cache\nis gone")

    def confused(stdout: bytes, stderr: bytes, status: int) -> str:
        return stdout.decode("ascii")

    commands = [
        quick("good"),
        quick("unprepared", prepare=broken),
        quick("wrong", ["sh", "-c", "echo 1; echo 'cannot: ä' >&2; exit 7"]),
        quick("crash", ["sh", "-c", "kill -SEGV $$"]),
        quick("unreadable", ["printf", "\\377"], expect=confused),
        quick("hang", ["sleep", "300"], timeout_s=0.3),
        quick("missing", ["no-such-command-at-all"]),
        quick("late", ["sh", "-c", "sleep 300 &"]),
    ]
    rows = measure_commands(commands, "good", few(4))
    frame = TABLE.frame(rows)
    lost = frame[frame["failure"] != ""]
    assert Counter(lost["command_id"]) == {
        "unprepared": 2, "wrong": 2, "crash": 2, "unreadable": 2, "hang": 1, "missing": 2, "late": 2,
    }  # fmt: skip
    assert lost[["wall_s", "cpu_s", "peak_rss_bytes"]].isna().all().all()
    why = dict(zip(lost["command_id"], lost["failure"], strict=True))
    assert why["unprepared"] == "its preparation failed: OSError: the cache\\nis gone"
    assert why["wrong"] == "exit status 7: cannot: ä"
    assert why["crash"].startswith("killed by signal 11")
    assert why["unreadable"].startswith("what it says cannot be read: UnicodeDecodeError")
    assert len(frame[frame["command_id"] == "good"]) == 8


def test_lost_reference_leaves_times_of_the_others() -> None:
    rows = measure_commands([quick("bad", ["false"]), quick("good")], "bad", few(3))
    frame = TABLE.frame(rows)
    assert (frame["failure"] != "").sum() == 2
    assert (frame["command_id"] == "good").sum() == 3
    row = ratios(frame, "bad").set_index("command_id").loc["good"]
    assert math.isnan(row["ratio"])
    assert row["median_s"] > 0
    assert row["reason"]


def test_failed_warm_up_is_a_row_of_block_0() -> None:
    rows = measure_commands([quick("a"), quick("b", ["false"])], "a", few(2, warmups=2))
    assert [(row["block"], row["command_id"]) for row in rows if row["failure"]] == [(0, "b"), (0, "b")]


def test_time_is_kept_and_the_slow_stay_out() -> None:
    settings = PairedSettings(budget_s=3, min_blocks=3, warmups=0, seed="s")
    slow, fast = quick("slow", ["sleep", "1.5"]), quick("fast", ["sleep", "0.05"])
    began = time.monotonic()
    rows = measure_commands([quick("a", ["sleep", "0.02"]), slow, fast], "a", settings)
    assert time.monotonic() - began < 5
    done = Counter(row["command_id"] for row in rows)
    # Once, when it was not known how long it takes.
    assert done["slow"] == 1
    assert done["fast"] > 3


def test_slow_ones_have_fewer_blocks_but_the_least() -> None:
    settings = PairedSettings(budget_s=2.5, min_blocks=3, warmups=0, seed="s")
    commands = [
        quick("a", ["sleep", "0.02"]),
        quick("slow", ["sleep", "0.3"]),
        quick("fast", ["sleep", "0.02"]),
    ]
    done = Counter(row["command_id"] for row in measure_commands(commands, "a", settings))
    assert 3 <= done["slow"] < done["fast"]


def test_no_time_at_all_is_a_row_each() -> None:
    rows = measure_commands([quick("a"), quick("b")], "a", PairedSettings(budget_s=1e-9))
    assert {row["command_id"]: row["failure"] for row in rows} == dict.fromkeys(
        "ab", "the time was spent before its turn"
    )
    TABLE.frame(rows)


def test_progress_is_told() -> None:
    told: list[tuple[int, int, str]] = []
    measure_commands([quick("a")], "a", few(2), progress=lambda *one: told.append(one))
    assert told[0] == (0, 30, "block 1, a")
    assert told[-1] == (30, 30, "")


def test_what_is_asked_wrongly() -> None:
    with pytest.raises(PairedSettingsError, match="a: given twice"):
        measure_commands([quick("a"), quick("a")], "a")
    with pytest.raises(PairedSettingsError, match="b: the reference"):
        measure_commands([quick("a")], "b")
    for wrong in (
        {"budget_s": 0}, {"budget_s": math.nan}, {"min_blocks": 0}, {"min_blocks": 9, "max_blocks": 8},
        {"warmups": -1}, {"max_failures": 0}, {"cores": ()},
    ):  # fmt: skip
        with pytest.raises(PairedSettingsError):
            PairedSettings(**wrong)


def test_other_status_may_be_right() -> None:
    rows = measure_commands([quick("a", ["false"], expect=exits_with(1))], "a", few(1))
    assert [row["failure"] for row in rows] == ["", ""]


# Known truth ---------------------------------------------------------------------------------------------


def test_more_work_is_told_apart_and_the_same_is_not() -> None:
    commands = [quick("one", burner(1)), quick("same", burner(1)), quick("half more", burner(1.5))]
    settings = PairedSettings(budget_s=9, min_blocks=8, max_blocks=10)
    found = ratios(TABLE.frame(measure_commands(commands, "one", settings)), "one", "cpu_s")
    row = found.set_index("command_id")
    assert row.loc["half more", "distinguishable"]
    # Starting costs both the same.
    assert 1.15 < row.loc["half more", "ratio"] < 1.6
    assert not row.loc["same", "distinguishable"]
    assert row.loc["same", "ratio"] == pytest.approx(1, abs=0.15)
