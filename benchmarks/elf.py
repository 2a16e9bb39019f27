"""How fast the glibc floor and the needed libraries of many ELF files are read: ours against peers.

Every method answers the same two questions about the same files, in turns: a round takes a slice of the
files, each method reads it (a slow one every n-th file of it), and ours reads exactly those files right
before and right after. So a ratio compares the same work, seconds apart. CPU time counts what child processes
use.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import random
import re
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection, GNUVerSymSection
from elftools.elf.sections import SymbolTableSection
from pyassay.elf.reader import ElfError, VersionNeed, is_elf, read
from pyassay.elf.versions import floors

SEED = 20261121  # of the order in which files are taken
TARGET_RATE = 10_000  # files per CPU-second
TARGET_RATIO = 10  # times pyelftools reading the same two sections
_SHORTEST = 0.02  # seconds of CPU: a measurement of ours is repeated until it lasts as long
_PLAIN = {"LC_ALL": "C", "PATH": os.environ.get("PATH", os.defpath)}
_TIMEOUT = 300  # seconds
_AT_ONCE = 1000  # files that one readelf is given, for the length of a command line is limited


class Answer(NamedTuple):
    """What one method says of one file; None where it cannot say, or cannot read the file."""

    floor: tuple[int, ...] | None
    needed: tuple[str, ...] | None
    readable: bool = True


UNREADABLE = Answer(None, None, readable=False)


def glibc_floor(needs: Iterable[VersionNeed]) -> tuple[int, ...] | None:
    """Return the glibc floor; every method but the shell's pipeline pays for this same function."""
    floor = floors(needs).get("GLIBC")
    return floor.hard.number if floor is not None and floor.hard is not None else None


# The methods ----------------------------------------------------------------------------------------------


def ours(files: Sequence[str]) -> list[Answer]:
    found = []
    for file in files:
        try:
            elf = read(file)
        except (ElfError, OSError):
            found.append(UNREADABLE)
        else:
            found.append(Answer(glibc_floor(elf.version_needs), elf.needed))
    return found


_NEEDED = re.compile(rb"\(NEEDED\)\s+Shared library: \[(.*)\]$", re.MULTILINE)
_VERSION = re.compile(rb"Name: (\S+)  Flags: (.*?)  Version: \d+$", re.MULTILINE)


def _said_by_readelf(part: bytes) -> Answer:
    needs = [
        VersionNeed("", name.decode(errors="surrogateescape"), b"WEAK" in flags, 0)
        for name, flags in _VERSION.findall(part)
    ]
    needed = tuple([name.decode(errors="surrogateescape") for name in _NEEDED.findall(part)])
    return Answer(glibc_floor(needs), needed)


def readelf(files: Sequence[str]) -> bytes:
    return subprocess.run(
        ["readelf", "-W", "-V", "-d", "--", *files],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=_PLAIN,
        timeout=_TIMEOUT,
        check=False,
    ).stdout


def readelf_at_once(files: Sequence[str]) -> list[Answer]:
    found = []
    for start in range(0, len(files), _AT_ONCE):
        part = files[start : start + _AT_ONCE]
        if len(part) == 1:  # then it prints no name
            found += readelf_per_file(part)
            continue
        output = readelf(part)
        places = [0]
        for file in part:
            title = b"\nFile: " + os.fsencode(file) + b"\n"
            place = output.find(title, places[-1])
            places.append(place if place >= 0 else places[-1])
        places.append(len(output))
        found += [_said_by_readelf(output[places[i] : places[i + 1]]) for i in range(1, len(places) - 1)]
    return found


def readelf_per_file(files: Sequence[str]) -> list[Answer]:
    return [_said_by_readelf(readelf([file])) for file in files]


def lief_light(files: Sequence[str]) -> list[Answer]:
    import lief

    config = lief.ELF.ParserConfig()
    config.parse_relocations = False
    config.parse_dyn_symbols = False
    config.parse_symtab_symbols = False
    config.parse_notes = False
    config.parse_overlay = False
    return _said_by_lief(files, config)


def lief_default(files: Sequence[str]) -> list[Answer]:
    import lief

    return _said_by_lief(files, lief.ELF.ParserConfig())


def _said_by_lief(files: Sequence[str], config: Any) -> list[Answer]:
    import lief

    lief.logging.disable()
    found = []
    for file in files:
        elf = lief.ELF.parse(file, config)
        if elf is None:
            found.append(UNREADABLE)
            continue
        needs = [
            VersionNeed("", str(entry.name), bool(_lief_flags(entry) & 2), 0)
            for need in elf.symbols_version_requirement
            for entry in need.get_auxiliary_symbols()
        ]
        found.append(Answer(glibc_floor(needs), tuple(map(str, elf.libraries))))
    return found


def _lief_flags(entry: Any) -> int:
    flags = entry.flags
    return int(getattr(flags, "value", flags))


def pyelftools_two_sections(files: Sequence[str]) -> list[Answer]:
    return [_with_pyelftools(file, _two_sections) for file in files]


def pyelftools_everything(files: Sequence[str]) -> list[Answer]:
    return [_with_pyelftools(file, _every_section) for file in files]


def _with_pyelftools(file: str, look: Callable[[ELFFile], Answer]) -> Answer:
    try:
        with Path(file).open("rb") as stream:
            return look(ELFFile(stream))
    except Exception:  # noqa: BLE001 - it raises whatever comes up
        return UNREADABLE


def _needs_of(section: GNUVerNeedSection) -> list[VersionNeed]:
    return [
        VersionNeed("", str(entry.name), bool(entry["vna_flags"] & 2), entry["vna_other"])
        for need, entries in section.iter_versions()
        for entry in entries
    ]


def _needed_of(section: DynamicSection) -> tuple[str, ...]:
    return tuple([str(vars(tag)["needed"]) for tag in section.iter_tags("DT_NEEDED")])


def _two_sections(elf: ELFFile) -> Answer:
    versions = elf.get_section_by_name(".gnu.version_r")
    dynamic = elf.get_section_by_name(".dynamic")
    return Answer(
        glibc_floor(_needs_of(versions)) if isinstance(versions, GNUVerNeedSection) else None,
        _needed_of(dynamic) if isinstance(dynamic, DynamicSection) else (),
    )


def _every_section(elf: ELFFile) -> Answer:
    """Walk over all sections and look the version of every dynamic symbol up, as many a script does."""
    needs: dict[int, VersionNeed] = {}
    needed: tuple[str, ...] = ()
    asked: list[int] = []
    for section in elf.iter_sections():
        if isinstance(section, GNUVerNeedSection):
            needs |= {need.index: need for need in _needs_of(section)}
        elif isinstance(section, DynamicSection):
            needed = _needed_of(section)
        elif isinstance(section, GNUVerSymSection):
            symbols = elf.get_section(section["sh_link"])
            if isinstance(symbols, SymbolTableSection):
                for _, version in zip(symbols.iter_symbols(), section.iter_symbols(), strict=False):
                    if isinstance(version["ndx"], int):
                        asked.append(version["ndx"] & 0x7FFF)
    return Answer(glibc_floor([needs[index] for index in set(asked) if index in needs]), needed)


_PIPELINE = 'nm -D -- "$1" 2>/dev/null | grep -o "GLIBC_[0-9.]*" | sort -Vu | tail -n 1'


def nm_pipeline(files: Sequence[str]) -> list[Answer]:
    """Ask as articles on the matter do; it tells the floor, not the needed libraries."""
    found = []
    for file in files:
        done = subprocess.run(
            ["sh", "-c", _PIPELINE, "sh", file],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_PLAIN,
            timeout=_TIMEOUT,
            check=False,
        )
        number = done.stdout.decode(errors="replace").strip().removeprefix("GLIBC_").strip(".")
        floor = tuple(map(int, number.split("."))) if number else None
        found.append(Answer(floor, None))
    return found


@dataclass(frozen=True)
class Method:
    """A way to get the answers.

    ``share`` is the part of each slice that it reads, small for a slow one; without ``program`` or ``module``
    it is left out.
    """

    name: str
    answer: Callable[[Sequence[str]], list[Answer]]
    share: float = 1.0
    program: str | None = None
    module: str | None = None

    def lacks(self) -> str | None:
        """Return why it is left out, None if it is not."""
        if self.program and shutil.which(self.program) is None:
            return f"{self.program} is not installed"
        if self.module:
            try:
                __import__(self.module)
            except ImportError:
                return f"{self.module} is not installed"
        return None


OURS = Method("pyassay", ours)
TWO_SECTIONS = "pyelftools, two sections"
AGAIN = "pyassay again (the noise)"
PEERS = (
    Method(AGAIN, ours),
    Method("readelf -V -d, one for all", readelf_at_once, program="readelf"),
    Method("lief, light", lief_light, module="lief"),
    Method("lief, default", lief_default, module="lief"),
    Method("readelf -V -d per file", readelf_per_file, program="readelf"),
    Method(TWO_SECTIONS, pyelftools_two_sections),
    Method("pyelftools, everything", pyelftools_everything, share=0.05),
    Method("nm -D pipeline per file", nm_pipeline, share=0.05, program="nm"),
)


# Measuring ------------------------------------------------------------------------------------------------


@dataclass
class Result:
    """The measurements of one method; lists have one item per round, seconds and times per file."""

    name: str
    files: int = 0
    cpu_seconds_per_file: list[float] = field(default_factory=list)
    wall_seconds_per_file: list[float] = field(default_factory=list)
    cpu_ratio: list[float] = field(default_factory=list)
    wall_ratio: list[float] = field(default_factory=list)
    unread: int = 0
    other_floor: int = 0
    other_needed: int | None = 0
    differing: list[str] = field(default_factory=list)
    skipped: str | None = None


def cpu_seconds() -> float:
    """Return the CPU time of this process and of its children that have ended, user and system."""
    times = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in times)


def timed(method: Method, files: Sequence[str], shortest: float) -> tuple[float, float, list[Answer]]:
    """Return CPU and wall seconds per file, and the answers; again until `shortest` CPU seconds have gone."""
    gc.collect()
    repeats = 0
    cpu, wall = cpu_seconds(), time.perf_counter()
    while True:
        answers = method.answer(files)
        repeats += 1
        used = cpu_seconds() - cpu
        if used >= shortest:
            break
    passed = time.perf_counter() - wall
    return used / repeats / len(files), passed / repeats / len(files), answers


def compare(result: Result, files: Sequence[str], theirs: Sequence[Answer], mine: Sequence[Answer]) -> None:
    for file, other, own in zip(files, theirs, mine, strict=True):
        if not other.readable and own.readable:
            result.unread += 1
            result.differing.append(file)
            continue
        wrong_floor = other.floor != own.floor
        result.other_floor += wrong_floor
        if other.needed is None:
            result.other_needed = None
        wrong_needed = own.readable and other.needed is not None and other.needed != own.needed
        if result.other_needed is not None:
            result.other_needed += wrong_needed
        if wrong_floor or wrong_needed:
            result.differing.append(file)


def warm(file: str) -> None:
    """Read a file to its end, so that whoever comes first finds it in memory as the others do."""
    try:
        with Path(file).open("rb", buffering=0) as stream:
            while stream.read(1 << 20):
                pass
    except OSError:
        return


def measure(slices: Sequence[Sequence[str]]) -> list[Result]:
    results = {method.name: Result(method.name, skipped=method.lacks()) for method in (OURS, *PEERS)}
    peers = [method for method in PEERS if results[method.name].skipped is None]
    for method in peers:  # imports and first calls
        method.answer(slices[0][:1])
    for number, files in enumerate(slices):
        for file in files:
            warm(file)
        ours(files)
        turn = number % len(peers)
        own = results[OURS.name]
        cpu, wall, answers = timed(OURS, files, _SHORTEST)
        own.files += len(files)
        own.cpu_seconds_per_file.append(cpu)
        own.wall_seconds_per_file.append(wall)
        own.unread += sum(not answer.readable for answer in answers)
        for method in peers[turn:] + peers[:turn]:
            step = round(1 / method.share)
            part = files[min(step, len(files)) // 2 :: step]
            result = results[method.name]
            before = timed(OURS, part, _SHORTEST)
            cpu, wall, theirs = timed(method, part, _SHORTEST)
            after = timed(OURS, part, _SHORTEST)
            base_cpu, base_wall = (before[0] + after[0]) / 2, (before[1] + after[1]) / 2
            result.files += len(part)
            result.cpu_seconds_per_file.append(cpu)
            result.wall_seconds_per_file.append(wall)
            result.cpu_ratio.append(cpu / base_cpu)
            result.wall_ratio.append(wall / base_wall)
            compare(result, part, theirs, after[2])
    return list(results.values())


# The files ------------------------------------------------------------------------------------------------


def folders() -> list[Path]:
    """Return the system's folders of programs and libraries, and the running Python's own."""
    system = ["/usr/lib", "/usr/lib64", "/usr/libexec", "/usr/bin", "/usr/sbin", "/usr/local", "/opt"]
    every = [Path(path).resolve() for path in (*system, sys.base_prefix, sys.prefix)]
    found: list[Path] = []
    for folder in every:
        if folder.is_dir() and not any(folder.is_relative_to(other) for other in found):
            found.append(folder)
    return found


def elf_files(places: Iterable[Path]) -> list[str]:
    """Return the regular files with the ELF magic below some folders, each once, the smallest first."""
    found: dict[tuple[int, int], tuple[int, str]] = {}
    pending = [os.fspath(place) for place in places]
    while pending:
        try:
            with os.scandir(pending.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(entry.path)
                    elif entry.is_file(follow_symlinks=False) and is_elf(entry.path):
                        status = entry.stat()
                        found[status.st_dev, status.st_ino] = status.st_size, entry.path
        except OSError:
            continue
    return [path for _, path in sorted(found.values())]


def dealt(every: Sequence[str], count: int, rounds: int) -> list[list[str]]:
    """Draw files at random and deal them out, so that each slice has as many large ones as any other.

    Each slice is in order of size, too: every tenth of its files is as good a sample as all.
    """
    drawn = sorted(random.Random(SEED).sample(range(len(every)), count))
    return [[every[place] for place in drawn[number::rounds]] for number in range(rounds)]


# The output -----------------------------------------------------------------------------------------------


def machine() -> dict[str, str | int]:
    """Return the facts that a number needs beside it; nothing that names the machine."""
    tools: dict[str, str | int] = {}
    for tool in ("readelf",):
        if shutil.which(tool):
            said = subprocess.run(
                [tool, "--version"], capture_output=True, text=True, env=_PLAIN, check=False
            )
            tools["binutils"] = said.stdout.partition("\n")[0].split()[-1]
    for module in ("lief", "pyelftools"):
        try:
            tools[module] = metadata.version(module)
        except metadata.PackageNotFoundError:
            continue
    release = re.match(r"\d+\.\d+", platform.release())
    return {
        "cores": len(os.sched_getaffinity(0)),
        "machine": platform.machine(),
        "kernel": f"{platform.system()} {release[0] if release else '?'}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        **tools,
    }


def middle(values: Sequence[float], digits: str) -> str:
    """Return the median and, behind it, the lowest and the highest."""
    return f"{statistics.median(values):{digits}} ({min(values):{digits}} .. {max(values):{digits}})"


def table(results: Sequence[Result]) -> str:
    """Return one line per method, and a line for each that was left out."""
    rows = [("method", "files", "files per CPU-second", "CPU, x ours", "time", "floor", "needed", "unread")]
    notes = []
    for result in results:
        if result.skipped is not None:
            notes.append(f"{result.name}: left out, {result.skipped}")
            continue
        own = not result.cpu_ratio
        digits = ".2f" if result.name == AGAIN else ",.1f"
        rows.append(
            (
                result.name,
                f"{result.files:,}",
                middle([1 / seconds for seconds in result.cpu_seconds_per_file], ",.0f"),
                "1" if own else middle(result.cpu_ratio, digits),
                "1" if own else f"{statistics.median(result.wall_ratio):{digits}}",
                "-" if own else f"{result.other_floor:,}",
                "-" if own or result.other_needed is None else f"{result.other_needed:,}",
                f"{result.unread:,}",
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rows.insert(1, tuple("-" * width for width in widths))  # type: ignore[arg-type]
    lines = [
        "  ".join(
            [row[0].ljust(widths[0])]
            + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        )
        for row in rows
    ]
    return "\n".join([*lines, *notes])


def verdicts(results: Sequence[Result]) -> list[str]:
    """Return a line for each target: met or missed."""
    by_name = {result.name: result for result in results}
    rate = 1 / statistics.median(by_name[OURS.name].cpu_seconds_per_file)
    ratio = statistics.median(by_name[TWO_SECTIONS].cpu_ratio)
    targets = (
        (rate >= TARGET_RATE, f"{TARGET_RATE:,} files per CPU-second; now {rate:,.0f}"),
        (ratio >= TARGET_RATIO, f"{TARGET_RATIO} times {TWO_SECTIONS}; now {ratio:.1f}"),
    )
    return [f"{'met' if reached else 'MISSED'}: {what}" for reached, what in targets]


EXPLANATION = """\
Medians (lowest .. highest round). A slow method reads fewer files of each round; "x ours" is always against
ours on the same files, right before and after. floor, needed: how many answers differ from ours; unread: how
many files it could not read."""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", nargs="*", type=Path, help="where to look for ELF files")
    parser.add_argument(
        "--files", type=int, default=1400, metavar="N", help="how many to read (default: %(default)s; 0: all)"
    )
    parser.add_argument(
        "--rounds", type=int, default=7, metavar="N", help="slices and turns (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="every measurement, as JSON")
    options = parser.parse_args()
    if options.rounds < 1 or options.files < 0:
        parser.error("--rounds must be 1 or more, --files 0 or more")
    started = time.perf_counter()
    every = elf_files(options.folder or folders())
    if len(every) < options.rounds:
        parser.error(f"{len(every)} ELF files found, too few for {options.rounds} rounds")
    count = min(max(options.files or len(every), options.rounds), len(every))
    slices = dealt(every, count, options.rounds)
    with_floor = sum(answer.floor is not None for files in slices for answer in ours(files))
    results = measure(slices)
    passed = time.perf_counter() - started
    if options.json:
        document = {
            "benchmark": "elf",
            "version": 1,
            "when": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": machine(),
            "found": len(every),
            "files": count,
            "files_with_glibc_floor": with_floor,
            "rounds": options.rounds,
            "seconds": round(passed, 1),
            "results": [asdict(result) for result in results],
        }
        json.dump(document, sys.stdout, indent=1)
        print()
        return 0
    print(
        f"The glibc floor and the needed libraries of {count:,} of {len(every):,} ELF files "
        f"({with_floor:,} have a floor), in {options.rounds} rounds"
    )
    print(", ".join(f"{key} {value}" for key, value in machine().items()))
    print()
    print(table(results))
    print()
    print(EXPLANATION)
    print("\n".join(verdicts(results)))
    print(f"{passed:.0f} s in all")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
