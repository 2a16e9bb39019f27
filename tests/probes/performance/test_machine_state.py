"""What the machine says of itself, read from files as kernels write them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyassay.probes.performance import machine
from pyassay.probes.performance.machine import State, allowed_cores, clock_fact, facts, state, strain

PRESSURE = "some avg10=1.00 avg60=2.00 avg300=3.00 total={}\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=7\n"


@pytest.fixture
def kernel(tmp_path: Path):
    """Give a function that writes the files of a kernel, and the folders to read them in."""
    proc, cpus, cgroup = (tmp_path / name for name in ("proc", "cpus", "cgroup"))
    (proc / "pressure").mkdir(parents=True)
    (cpus / "cpu0" / "thermal_throttle").mkdir(parents=True)
    cgroup.mkdir()

    def write(pressure_us: int, steal: int, throttled: int) -> State:
        (proc / "pressure" / "cpu").write_text(PRESSURE.format(pressure_us))
        (proc / "stat").write_text(f"cpu  100 0 50 {850 - steal} 0 0 0 {steal} 0 0\ncpu0 1 2 3\n")
        (cpus / "cpu0" / "thermal_throttle" / "core_throttle_count").write_text(f"{throttled}\n")
        (cgroup / "cpu.stat").write_text("usage_usec 5\nnr_periods 9\nnr_throttled 2\n")
        return state(proc, cpus, cgroup)

    return write


def test_pressure_steal_and_throttling_between_two_moments(kernel):
    before = kernel(1_000_000, 10, 3)
    after = kernel(3_000_000, 60, 5)
    assert (before.pressure_us, before.steal_ticks, before.all_ticks, before.throttled) == (
        1_000_000,
        10,
        1000,
        5,
    )
    after = State(before.at_s + 10, 2.5, after.pressure_us, after.steal_ticks, 2000, after.throttled)
    found = strain(before, after)
    assert found["pressure_percent"] == pytest.approx(20)
    assert found["steal_percent"] == pytest.approx(5)
    assert found["throttled"] == 2
    assert found["load_after"] == 2.5


def test_a_kernel_that_says_nothing_leaves_gaps(tmp_path):
    silent = state(tmp_path, tmp_path, tmp_path)
    assert (silent.pressure_us, silent.steal_ticks, silent.throttled) == (None, None, None)
    found = strain(silent, silent)
    assert (found["pressure_percent"], found["steal_percent"], found["throttled"]) == (None, None, None)


@given(st.binary(max_size=200))
def test_damaged_files_are_no_error(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("proc")
    (folder / "pressure").mkdir()
    (folder / "pressure" / "cpu").write_bytes(data)
    (folder / "stat").write_bytes(data)
    (folder / "cpu.stat").write_bytes(data)
    state(folder, folder, folder)


def test_cores_that_may_be_used():
    if not hasattr(os, "sched_getaffinity"):
        pytest.skip("this system pins no processes")
    here = os.sched_getaffinity(0)
    assert set(allowed_cores()) == here
    assert allowed_cores([min(here), 10**6]) == (min(here),)
    assert allowed_cores([10**6]) == ()


def test_one_core_and_none_are_warned_of(monkeypatch):
    def warning(cores: tuple[int, ...]) -> str:
        return {name: said for name, _, said in facts(cores)}["cores_allowed"]

    assert "one core only" in warning((3,))
    assert "cannot be pinned" in warning(())
    assert warning((0, 1)) == ""
    monkeypatch.delattr(os, "sched_getaffinity")
    assert machine.allowed_cores() == ()


def test_load_is_warned_of(monkeypatch):
    monkeypatch.setattr(os, "getloadavg", lambda: (5.0, 5.0, 5.0))
    found = {name: (value, warning) for name, value, warning in facts((0, 1))}
    assert found["load_at_start"] == (
        "5.00",
        "other programs compete for the cores: wall times say little, CPU times hold",
    )
    monkeypatch.setattr(os, "getloadavg", lambda: (0.1, 0.1, 0.1))
    assert {name: warning for name, _, warning in facts((0, 1))}["load_at_start"] == ""


@pytest.mark.parametrize(
    ("hello", "value", "warning"),
    [
        ({"cpu_clock": "process_time", "cpu_step_s": 4e-7}, "process_time, steps of 400 ns", ""),
        ({"cpu_clock": "getrusage", "cpu_step_s": 0.004}, "getrusage, steps of 4000000 ns", "too coarse"),
        ({"cpu_clock": "none"}, "none", "only wall times"),
        ({"cpu_clock": "process_time", "cpu_step_s": None}, "process_time", "not known"),
    ],
)
def test_clocks(hello, value, warning):
    name, said, warned = clock_fact(hello)
    assert (name, said) == ("cpu_clock", value)
    assert warning in warned
    assert bool(warning) == bool(warned)
