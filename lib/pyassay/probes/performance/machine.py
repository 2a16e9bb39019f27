"""The state of the machine while it measures: load, pressure, steal, throttling; read, never guessed."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["State", "allowed_cores", "facts", "state", "strain"]

_PROC = Path("/proc")
_CPUS = Path("/sys/devices/system/cpu")
_UNKNOWN = "unknown"
_COARSE_S = 0.001


@dataclass(frozen=True, slots=True)
class State:
    """Counters at a moment; None where they cannot be read."""

    at_s: float
    load: float | None
    pressure_us: int | None
    steal_ticks: int | None
    all_ticks: int | None
    throttled: int | None


def state(proc: Path = _PROC, cpus: Path = _CPUS, cgroup: Path = Path("/sys/fs/cgroup")) -> State:
    """Read the counters."""
    try:
        load: float | None = os.getloadavg()[0]
    except OSError:
        load = None
    pressure = re.search(r"^some .*total=([0-9]{1,30})\b", _text(proc / "pressure/cpu"), re.MULTILINE)
    words = _text(proc / "stat").partition("\n")[0].split()[1:9]
    ticks = [number for word in words if (number := _number(word)) is not None]
    slowed = [_number(_text(core)) for core in cpus.glob("cpu*/thermal_throttle/core_throttle_count")]
    group = re.search(r"^nr_throttled ([0-9]{1,30})\b", _text(cgroup / "cpu.stat"), re.MULTILINE)
    slowed += [int(group[1])] if group else []
    known = [count for count in slowed if count is not None]
    return State(
        at_s=time.monotonic(),
        load=load,
        pressure_us=int(pressure[1]) if pressure else None,
        steal_ticks=ticks[7] if len(ticks) == 8 else None,
        all_ticks=sum(ticks) if len(ticks) == 8 else None,
        throttled=sum(known) if known else None,
    )


def strain(before: State, after: State) -> dict[str, float | int | None]:
    """Return the columns of ``performance_blocks`` that two states make."""
    passed = after.at_s - before.at_s
    pressure = steal = throttled = None
    if before.pressure_us is not None and after.pressure_us is not None and passed > 0:
        pressure = (after.pressure_us - before.pressure_us) / 1e4 / passed
    if before.steal_ticks is not None and after.steal_ticks is not None:
        ticks = (after.all_ticks or 0) - (before.all_ticks or 0)
        steal = 100 * (after.steal_ticks - before.steal_ticks) / ticks if ticks > 0 else None
    if before.throttled is not None and after.throttled is not None:
        throttled = after.throttled - before.throttled
    return {
        "load_before": before.load,
        "load_after": after.load,
        "pressure_percent": pressure,
        "steal_percent": steal,
        "throttled": throttled,
    }


def allowed_cores(wanted: Sequence[int] | None = None) -> tuple[int, ...]:
    """Return the cores that may be used, of those wanted; empty where processes cannot be pinned."""
    if not hasattr(os, "sched_getaffinity"):
        return ()
    here = os.sched_getaffinity(0)
    return tuple(sorted(here if wanted is None else here.intersection(wanted)))


def facts(cores: Sequence[int]) -> list[tuple[str, str, str]]:
    """Return facts on the machine: name, value, and what it means for the figures (mostly nothing)."""
    found = [_cores_fact(cores)]
    governors = sorted(
        {text for one in _CPUS.glob("cpu*/cpufreq/scaling_governor") if (text := _text(one).strip())}
    )
    found.append(
        (
            "governor",
            ", ".join(governors) or _UNKNOWN,
            "" if governors in ([], ["performance"]) else "the clock rate follows the load",
        )
    )
    turbo = _text(_CPUS / "intel_pstate/no_turbo").strip()
    boost = _text(_CPUS / "cpufreq/boost").strip()
    found.append(
        ("turbo", {"0": "on", "1": "off"}.get(turbo, {"1": "on", "0": "off"}.get(boost, _UNKNOWN)), "")
    )
    model = re.search(r"^model name\s*:\s*(.+)$", _text(_PROC / "cpuinfo"), re.MULTILINE)
    found.append(("processor", model[1].strip() if model else _UNKNOWN, ""))
    virtual = re.search(r"^flags\s*:.*\bhypervisor\b", _text(_PROC / "cpuinfo"), re.MULTILINE)
    found.append(
        (
            "virtual_machine",
            "yes" if virtual else "not seen",
            "others may use the same processor; their load shows as steal, or not at all" if virtual else "",
        )
    )
    siblings = {_text(_CPUS / f"cpu{core}/topology/thread_siblings_list").strip() for core in cores} - {""}
    shared = any(re.search(r"[,-]", group) for group in siblings)
    found.append(
        (
            "hyper_threads",
            ("yes" if shared else "no") if siblings else _UNKNOWN,
            "the other thread of a core takes from its CPU time" if shared else "",
        )
    )
    now = state()
    found.append(
        ("load_at_start", _UNKNOWN if now.load is None else f"{now.load:.2f}", _loaded(now.load, cores))
    )
    for name, value in (
        ("cpu_pressure", now.pressure_us),
        ("steal", now.steal_ticks),
        ("throttling", now.throttled),
    ):
        found.append((f"{name}_readable", "no" if value is None else "yes", ""))
    return found


def _cores_fact(cores: Sequence[int]) -> tuple[str, str, str]:
    warning = ""
    if not cores:
        warning = "workers cannot be pinned to a core: intervals will be wider"
    elif len(cores) == 1:
        warning = (
            "one core only: whatever else runs takes turns with the workers, and no block sees another core"
        )
    return "cores_allowed", ",".join(map(str, cores)) or "none", warning


def _loaded(load: float | None, cores: Sequence[int]) -> str:
    if load is None or load <= len(cores or (0,)) / 2:
        return ""
    return "other programs compete for the cores: wall times say little, CPU times hold"


def clock_fact(hello: dict[str, object]) -> tuple[str, str, str]:
    """Return the fact on a worker's CPU clock, from what it said of itself."""
    name, step = str(hello.get("cpu_clock")), hello.get("cpu_step_s")
    if name == "none":
        return "cpu_clock", name, "no CPU-time clock: only wall times are measured"
    if not isinstance(step, int | float):
        return "cpu_clock", name, "its step is not known"
    warning = ""
    if step > _COARSE_S:
        warning = f"steps of {1000 * step:.3g} ms: too coarse for chunks of a few ms"
    return "cpu_clock", f"{name}, steps of {1e9 * step:.0f} ns", warning


def _text(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return stream.read(1 << 20).decode("utf-8", "replace")
    except OSError:
        return ""


def _number(text: str) -> int | None:
    text = text.strip()
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 30 else None
