"""Power: can a difference of 2 % be told on a noisy machine, and none where there is none.

Two identical interpreters are compared again and again, the second doing 0, 1, 2 or 5 % more work; each
comparison has the same time. Ours against hyperfine and pyperf, in random order, so that all of them meet the
same moods of the machine. What is counted: how often a difference is claimed that is not there, how often a
true one is found and with which sign, and how far off the estimate is.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from pyassay.probes.performance import Settings, estimate, measure
from pyassay.probes.performance.estimate import t_quantile
from pyassay.probes.performance.execute import Processes, Worker
from pyassay.subjects.model import Confidence, Interpreter, Provenance, SubjectKind

EFFECTS = (0.0, 0.02, 0.01, 0.05)
# Of ten trials: so many are without a difference, with 2 %, 1 % and 5 %.
SHARES = (4, 3, 2, 1)
DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "benchmarks.md"
BEGIN, END = "<!-- power: begin -->", "<!-- power: end -->"
WORKLOAD = "unit"

# A few microseconds an iteration, so that 1 % of a chunk is a whole number of them.
SOURCE = """
import sys


class Record(object):
    def __init__(self, number):
        self.number = number
        self.text = "some text"

    def step(self, by):
        self.number = (self.number * 31 + by) % 1009
        return self.number


def run(n):
    table = {}
    record = Record(7)
    for turn in range(n):
        name = "k%d" % (turn & 31)
        table[name] = table.get(name, 0) + record.step(turn)
        words = [name, record.text, "x" * (turn & 7)]
        joined = ",".join(sorted(words))
        total = 1.0
        for letter in joined[:8]:
            total = total * 1.0001 + ord(letter)
    return table


WORKLOADS = {"unit": (run, 2000, "core")}
SPAWNS = {}
if __name__ == "__main__":
    run(int(sys.argv[1]))
"""

# The same under pyperf: a loop of the outer program's length for each value.
PYPERF_SOURCE = (
    SOURCE.partition("if __name__")[0]
    + """
def once(loops, units):
    import time

    start = time.perf_counter()
    for _ in range(loops):
        run(units)
    return time.perf_counter() - start


if __name__ == "__main__":
    import pyperf

    def tell(command, arguments):
        command += ["--units", str(arguments.units)]

    runner = pyperf.Runner(add_cmdline_args=tell)
    runner.argparser.add_argument("--units", type=int, default=2000)
    arguments = runner.parse_args()
    runner.bench_time_func("unit", once, arguments.units)
"""
)


@dataclass(frozen=True)
class Answer:
    """What one rule says of one comparison: logarithms; None: it has no interval or says nothing."""

    estimate: float
    low: float | None
    high: float | None
    claims: bool


@dataclass(frozen=True)
class Trial:
    """One comparison: what was true, and what each rule said."""

    method: str
    effect: float
    truth: float
    load: float
    seconds: float
    answers: dict[str, Answer]


def interpreter(name: str, executable: Path) -> Interpreter:
    return Interpreter(
        id=name,
        label=name,
        kind=SubjectKind.INTERPRETER,
        executable=executable,
        version=platform.python_version(),
        implementation=sys.implementation.name,
        architecture=platform.machine(),
        libc="",
        libc_version="",
        compiler="",
        build_date="",
        prefix=None,
        stdlib=None,
        platstdlib=None,
        library_folders=(),
        site_folders=(),
        aliases=(),
        environments=(),
        environment=None,
        provenance=Provenance("unknown", "unknown", Confidence.UNKNOWN),
    )


# Ours -----------------------------------------------------------------------------------------------------


@dataclass
class MoreWork:
    """Workers of which those of one subject do more iterations than they are told."""

    processes: Processes
    effect: float
    truth: float = 0.0

    @property
    def hello(self) -> dict[str, dict[str, Any]]:
        """What the workers said of themselves."""
        return self.processes.hello

    def open(self, subject: Interpreter, entry: str, hash_seed: int, core: int | None) -> Worker:
        """Start a worker."""
        worker = self.processes.open(subject, entry, hash_seed, core)
        return _Busy(worker, self) if subject.id == "second" else worker


@dataclass
class _Busy:
    worker: Worker
    told: MoreWork

    def ask(self, do: str, timeout_s: float, **arguments: Any) -> dict[str, Any]:
        if do == "run" and arguments["n"] > 1:
            more = round(arguments["n"] * (1 + self.told.effect))
            self.told.truth = math.log(more / arguments["n"])
            arguments["n"] = more
        return self.worker.ask(do, timeout_s, **arguments)

    def close(self, *, gently: bool = True) -> None:
        self.worker.close(gently=gently)


def ours(effect: float, seconds: float, executable: Path) -> tuple[float, dict[str, Answer]]:
    settings = Settings(
        budget_s=seconds,
        # All of the time is used, as the others do.
        half_width=1e-9,
        workloads=(WORKLOAD,),
        startup=False,
        memory=False,
    )
    first = interpreter("first", executable)
    with Processes(SOURCE) as processes:
        told = MoreWork(processes, effect)
        measured = measure(
            [first, replace(first, id="second", label="second")],
            settings,
            workload_source=SOURCE,
            executor=told,
        )
    if measured.failed:
        raise RuntimeError(f"not measured: {measured.failed}")
    samples = measured.frames["performance_samples"]
    answers: dict[str, Answer] = {}
    for metric in ("cpu", "wall"):
        rows = estimate(samples, "first", metrics=(metric,))
        suite = {str(row["entry"]): row for row in rows[rows["scope"] == "suite"].to_dict("records")}
        centre, low, high = (math.log(suite["subject"][name]) for name in ("ratio", "low", "high"))
        found = Answer(centre, low, high, low > 0 or high < 0)
        answers[f"ours, {metric}: 95 % interval without 1"] = found
        if metric == "cpu":
            bias = abs(math.log(suite["control"]["ratio"]))
            answers["ours, cpu: interval beyond the control's bias"] = replace(
                found, claims=low > bias or high < -bias
            )
    return told.truth, answers


# Others ---------------------------------------------------------------------------------------------------


def clean() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8", "HOME": tempfile.gettempdir()}


def welch(first: Sequence[float], second: Sequence[float]) -> Answer:
    """Compare the logarithms by Welch's t test, as hyperfine's script does with the times."""
    one, two = [math.log(value) for value in first], [math.log(value) for value in second]
    parts = [statistics.variance(values) / len(values) for values in (one, two)]
    difference = statistics.fmean(two) - statistics.fmean(one)
    total = sum(parts)
    degrees = total**2 / sum(
        part**2 / (len(values) - 1) for part, values in zip(parts, (one, two), strict=True)
    )
    reach = t_quantile(0.975, max(1, int(degrees))) * math.sqrt(total)
    return Answer(difference, difference - reach, difference + reach, abs(difference) > reach)


def hyperfine(effect: float, seconds: float, executable: Path) -> tuple[float, dict[str, Answer]]:
    """Run two commands of some 100 ms each, one after the other."""
    with tempfile.TemporaryDirectory() as folder:
        script, result = Path(folder) / "work.py", Path(folder) / "result.json"
        script.write_text(SOURCE)
        units = 50000
        began = time.perf_counter()
        for _ in range(3):
            subprocess.run([executable, "-s", "-S", script, str(units)], env=clean(), check=True)
        once = (time.perf_counter() - began) / 3
        runs = max(5, round((seconds - 3 * once) / (2 * once)) - 2)
        more = round(units * (1 + effect))
        commands = [f"{executable} -s -S {script} {count}" for count in (units, more)]
        options = (
            "-N",
            "--warmup",
            "2",
            "--runs",
            str(runs),
            "--style",
            "none",
            "--export-json",
            str(result),
        )
        subprocess.run(
            ["hyperfine", *options, *commands],
            env=clean(),
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        first, second = (one["times"] for one in json.loads(result.read_text())["results"])
    mean = math.log(statistics.fmean(second) / statistics.fmean(first))
    return math.log(more / units), {
        "hyperfine: means more than 1 % apart": Answer(mean, None, None, abs(math.expm1(mean)) > 0.01),
        "hyperfine: Welch t test (its script)": welch(first, second),
    }


def pyperf(effect: float, seconds: float, executable: Path) -> tuple[float, dict[str, Answer]]:
    """Run two benchmarks of several processes each, one after the other, and let it compare them."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "work.py"
        script.write_text(PYPERF_SOURCE)
        units, files = 50000, [Path(folder) / name for name in ("first.json", "second.json")]
        more = round(units * (1 + effect))
        processes, spent = 2, 0.0
        for place, (count, file) in enumerate(zip((units, more), files, strict=True)):
            if place == 0:
                began = time.perf_counter()
                _pyperf_run(script, file, count, 2)
                spent = time.perf_counter() - began
                processes = max(2, round((seconds - spent) / spent))
                file.unlink()
            _pyperf_run(script, file, count, processes)
        said = subprocess.run(
            [sys.executable, "-m", "pyperf", "compare_to", *files, "-v"],
            env=clean(),
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        first, second = (_pyperf_values(file) for file in files)
    mean = math.log(statistics.fmean(second) / statistics.fmean(first))
    return math.log(more / units), {
        "pyperf: compare_to says Significant": Answer(mean, None, None, "Significant" in said)
    }


def _pyperf_run(script: Path, file: Path, units: int, processes: int) -> None:
    options = ("--units", str(units), "--loops", "1", "-q", "--processes", str(processes), "-o", str(file))
    subprocess.run(
        [sys.executable, str(script), *options],
        env=clean(),
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _pyperf_values(file: Path) -> list[float]:
    runs = json.loads(file.read_text())["benchmarks"][0]["runs"]
    return [value for run in runs for value in run.get("values", ())]


Method = Callable[[float, float, Path], tuple[float, dict[str, Answer]]]
PEERS: dict[str, Method] = {"hyperfine": hyperfine, "pyperf": pyperf}


def lacks(name: str) -> str | None:
    """Return why a peer is left out."""
    if name == "hyperfine" and shutil.which(name) is None:
        return "hyperfine is not installed"
    if name == "pyperf":
        try:
            metadata.version(name)
        except metadata.PackageNotFoundError:
            return "pyperf is not installed"
    return None


# Trials ---------------------------------------------------------------------------------------------------


def trials(
    minutes: float, seconds: float, methods: dict[str, Method], executable: Path, keep: Path | None
) -> list[Trial]:
    """Compare until the time is up; each round has every method with the same effect, in random order."""
    found = recorded(keep)
    until = time.monotonic() + 60 * minutes
    deck: list[float] = []
    while time.monotonic() + seconds * len(methods) <= until:
        if not deck:
            deck = [effect for effect, share in zip(EFFECTS, SHARES, strict=True) for _ in range(share)]
            random.shuffle(deck)
        effect = deck.pop()
        for name in random.sample(list(methods), len(methods)):
            began = time.perf_counter()
            try:
                truth, answers = methods[name](effect, seconds, executable)
            except (RuntimeError, subprocess.SubprocessError) as error:
                print(f"{name}: {error}", file=sys.stderr)
                continue
            passed = time.perf_counter() - began
            trial = Trial(name, effect, truth, os.getloadavg()[0], passed, answers)
            found.append(trial)
            if keep is not None:
                with keep.open("a", encoding="utf-8") as stream:
                    stream.write(json.dumps(asdict(trial)) + "\n")
            first = next(iter(answers.values()))
            print(
                f"{name}: {100 * effect:g} % more work, {100 * math.expm1(first.estimate):+.2f} % seen",
                file=sys.stderr,
            )
    return found


def recorded(keep: Path | None) -> list[Trial]:
    """Return the trials of earlier runs."""
    if keep is None or not keep.exists():
        return []
    found = []
    for line in keep.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        entry["answers"] = {rule: Answer(**answer) for rule, answer in entry["answers"].items()}
        found.append(Trial(**entry))
    return found


def share(hits: Sequence[bool]) -> str:
    return f"{sum(hits)} of {len(hits)}" if hits else "-"


def table(found: Sequence[Trial]) -> list[str]:
    """Return a Markdown table: a line for each rule."""
    rules = list(dict.fromkeys(rule for trial in found for rule in trial.answers))
    rules.sort(key=lambda rule: (not rule.startswith("ours"), rule))
    lines = [
        '| rule | "differs" though equal | 1 % found | 2 % found | 5 % found | wrong sign | rmse, points '
        "| 95 % interval holds the truth | half width, % |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for rule in rules:
        told = [(trial, trial.answers[rule]) for trial in found if rule in trial.answers]
        by_effect = {effect: [one for one in told if one[0].effect == effect] for effect in EFFECTS}
        right = {
            effect: share([answer.claims and answer.estimate > 0 for _, answer in some])
            for effect, some in by_effect.items()
        }
        true = [one for one in told if one[0].effect > 0]
        errors = [100 * (math.expm1(answer.estimate) - math.expm1(trial.truth)) for trial, answer in told]
        intervals = [(trial.truth, one.low, one.high) for trial, one in told if one.low is not None]
        cells = (
            rule,
            share([answer.claims for _, answer in by_effect[0.0]]),
            right[0.01],
            right[0.02],
            right[0.05],
            share([answer.claims and answer.estimate < 0 for _, answer in true]),
            f"{math.sqrt(statistics.fmean(error**2 for error in errors)):.2f}" if errors else "-",
            share([low <= truth <= (high or low) for truth, low, high in intervals]),
            f"{statistics.median(50 * ((high or low) - low) for _, low, high in intervals):.2f}"
            if intervals
            else "-",
        )
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def report(found: Sequence[Trial], seconds: float, left_out: Sequence[str]) -> list[str]:
    loads = sorted(trial.load for trial in found) or [0.0]
    release = re.match(r"\d+\.\d+", platform.release())
    return [
        f"Of {datetime.now(UTC).date().isoformat()}: {len(found)} comparisons of {seconds:g} s, on "
        f"{len(os.sched_getaffinity(0))} cores ({platform.machine()}, "
        f"Linux {release[0] if release else '?'}, "
        f"{platform.python_implementation()} {platform.python_version()}); load average {loads[0]:.1f} to "
        f"{loads[-1]:.1f}, median {statistics.median(loads):.1f}.",
        "",
        *table(found),
        *(["", *left_out] if left_out else []),
    ]


def write(lines: Sequence[str]) -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    if BEGIN not in text or END not in text:
        raise SystemExit(f"{DOCUMENT.name} has no place for the table: {BEGIN} ... {END}")
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    DOCUMENT.write_text(f"{before}{BEGIN}\n" + "\n".join(lines) + f"\n{END}{after}", encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=2.0, help="how long in all (default: %(default)g)")
    parser.add_argument(
        "--seconds", type=float, default=15.0, help="for each comparison (default: %(default)g)"
    )
    parser.add_argument(
        "--with-peers", action="store_true", help="hyperfine and pyperf, too, if they are there"
    )
    parser.add_argument("--python", type=Path, help="the interpreter to compare with itself (default: this)")
    parser.add_argument("--keep", type=Path, help="a file of trials: continued, and all of it is counted")
    parser.add_argument("--write", action="store_true", help=f"put the table into docs/{DOCUMENT.name}")
    options = parser.parse_args()
    if options.seconds < 5 or options.minutes < 0:
        parser.error("--seconds must be 5 or more, --minutes not negative")
    methods: dict[str, Method] = {"ours": ours}
    left_out = []
    if options.with_peers:
        for name, method in PEERS.items():
            if reason := lacks(name):
                left_out.append(f"Left out: {reason}.")
            else:
                methods[name] = method
    own = Path(getattr(sys, "_base_executable", sys.executable))
    executable = (options.python or own).resolve()
    found = trials(options.minutes, options.seconds, methods, executable, options.keep)
    if not found:
        parser.error("the time is too short for one comparison by each method")
    lines = report(found, options.seconds, left_out)
    print("\n".join(lines))
    if options.write:
        write(lines)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
