"""Whole commands in turns beside hyperfine: how often is a difference claimed that is not there.

Two commands are compared again and again, by both methods in the same time and in random order. Most pairs
are one command twice; in the others the second has a tenth more work after it has started, which is some 6 %
of the whole. Run it on a machine that does other things besides: that is where the methods differ.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from power import clean, share, welch
from pyassay.probes.observations import TableSchema
from pyassay.probes.paired_commands import PairedSettings, TimedCommand, measure_commands, paired_columns
from pyassay.verdicts.paired import ratios

MORE = 0.1
# Of three trials two are of one command with itself.
DECK = (0.0, 0.0, MORE)
LOOPS = 1_000_000
TABLE = TableSchema("samples", "Of a benchmark.", paired_columns())

# By rule: the ratio that it estimates, and whether it says that there is a difference.
Answers = dict[str, tuple[float, bool]]


def command(python: str, more: float) -> list[str]:
    return [python, "-I", "-S", "-c", f"sum(range({round(LOOPS * (1 + more))}))"]


def ours(python: str, more: float, seconds: float) -> Answers:
    commands = [
        TimedCommand(id="first", argv=command(python, 0)),
        TimedCommand(id="second", argv=command(python, more)),
    ]
    settings = PairedSettings(budget_s=seconds, min_blocks=3, max_blocks=10_000)
    samples = TABLE.frame(measure_commands(commands, "first", settings))
    answers: Answers = {}
    for measure, name in (("cpu_s", "CPU"), ("wall_s", "wall")):
        rows = {row["command_id"]: row for row in ratios(samples, "first", measure).to_dict("records")}
        row = rows["second"]
        without_one = row["ratio_low"] > 1 or row["ratio_high"] < 1
        answers[f"ours, {name}: beyond the noise"] = row["ratio"], row["distinguishable"] is True
        answers[f"ours, {name}: interval without 1"] = row["ratio"], without_one
    return answers


def hyperfine(python: str, more: float, seconds: float) -> Answers:
    first, second = command(python, 0), command(python, more)
    began = time.perf_counter()
    for _ in range(3):
        subprocess.run(second, env=clean(), check=True)
    runs = max(5, round(seconds / (2 * (time.perf_counter() - began) / 3)) - 4)
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.json"
        options = [
            "-N",
            "--warmup",
            "1",
            "--runs",
            str(runs),
            "--style",
            "none",
            "--export-json",
            str(result),
        ]
        lines = [" ".join([*one[:-1], f"'{one[-1]}'"]) for one in (first, second)]
        subprocess.run(["hyperfine", *options, *lines], env=clean(), check=True, capture_output=True)
        found = json.loads(result.read_text())["results"]
    one, two = (entry["times"] for entry in found)
    ratio = statistics.fmean(two) / statistics.fmean(one)
    # What it prints: the ratio of the means, plus or minus the deviations of single runs.
    spread = ratio * math.hypot(*(entry["stddev"] / entry["mean"] for entry in found))
    cpu = [entry["user"] + entry["system"] for entry in found]
    return {
        "hyperfine, wall: its summary, ± without 1": (ratio, abs(ratio - 1) > spread),
        "hyperfine, wall: Welch t test (its script)": (ratio, welch(one, two).claims),
        "hyperfine, CPU: means more than 1 % apart": (cpu[1] / cpu[0], abs(cpu[1] / cpu[0] - 1) > 0.01),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=2.5)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each comparison")
    parser.add_argument("--python", default=getattr(sys, "_base_executable", sys.executable))
    options = parser.parse_args()
    methods: list[Callable[[str, float, float], Answers]] = [ours]
    if shutil.which("hyperfine"):
        methods.append(hyperfine)
    else:
        print("hyperfine is not installed", file=sys.stderr)
    found: dict[float, dict[str, list[tuple[float, bool]]]] = {
        0.0: defaultdict(list),
        MORE: defaultdict(list),
    }
    loads, deck = [], list[float]()
    until = time.monotonic() + 60 * options.minutes
    while time.monotonic() + options.seconds * len(methods) <= until:
        deck = deck or random.sample(DECK, len(DECK))
        more = deck.pop()
        loads.append(os.getloadavg()[0])
        for method in random.sample(methods, len(methods)):
            for rule, answer in method(options.python, more, options.seconds).items():
                found[more][rule].append(answer)
    for line in table(found):
        print(line)
    print(
        f"\n{len(loads)} pairs, {options.seconds:g} s for each method;"
        f" load {min(loads, default=0):.1f} to {max(loads, default=0):.1f}."
    )


def table(found: dict[float, dict[str, list[tuple[float, bool]]]]) -> list[str]:
    lines = [
        f"| Rule | says different: one command twice | {MORE:.0%} more | A/A: median error, % | worst |",
        "|---|---|---|---|---|",
    ]
    for rule in sorted(found[0.0], reverse=True):
        same, other = found[0.0][rule], found[MORE][rule]
        errors = [abs(100 * math.log(ratio)) for ratio, _ in same if ratio > 0]
        sizes = f"{statistics.median(errors):.1f} | {max(errors):.1f}" if errors else "- | -"
        counts = (share([claims for _, claims in one]) for one in (same, other))
        lines.append(f"| {rule} | {' | '.join(counts)} | {sizes} |")
    return lines


if __name__ == "__main__":
    main()
