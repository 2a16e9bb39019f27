"""How fast, and how rightly, the libraries inside of ELF files are told: ours against cve-bin-tool.

Both read the same files, in turns, ours right before and right after the peer. CPU time counts what child
processes use. The peer is given only its checkers of libraries that we have a signature for, and no database:
only versions are compared. Without cve-bin-tool, only ours is measured.
"""

from __future__ import annotations

import argparse
import importlib
import json
import logging
import os
import platform
import resource
import statistics
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from pyassay import find
from pyassay.elf import is_elf
from pyassay.elf.closure import Root, closure
from pyassay.probes.libraries.scan import scan
from pyassay.probes.signatures import signatures
from pyassay.probes.tree import TreeFile, elf_files

# Names of cve-bin-tool's checkers, where they are not ours.
CHECKERS = {
    "aws_lc": "",
    "berkeley_db": "berkeley_db",
    "boringssl": "",
    "cpython": "python",
    "krb5": "kerberos",
    "libedit": "",
    "libpq": "postgresql",
    "libuuid": "util_linux",
    "mpdecimal": "",
    "tk": "",
    "zlib_ng": "",
}
Answers = dict[str, str]


def chosen(most: int) -> list[Path]:
    """List files of this machine that carry something: of interpreters, and what they load of the system."""
    found: dict[Path, None] = {}
    root = Root("/")
    for interpreter in find():
        if interpreter.error is not None:
            continue
        own = [
            item.path
            for item in elf_files(interpreter)
            if isinstance(item, TreeFile) and item.scope != "site"
        ]
        loaded = [path for file in own[:80] for path in closure(file, root).files]
        found |= dict.fromkeys(path.resolve() for path in [*own, *loaded] if is_elf(path))
    carrying = [path for path in found if scan(path, str(path)).carried]
    return sorted(carrying, key=lambda path: -path.stat().st_size)[:most]


def ours(file: Path) -> Answers:
    return {one.library: one.version for one in scan(file, str(file)).carried}


def theirs() -> Callable[[Path], Answers] | None:
    if find_spec("cve_bin_tool") is None:
        return None
    logging.disable(logging.CRITICAL)
    known = importlib.import_module("cve_bin_tool.checkers").BUILTIN_CHECKERS
    parse_strings = importlib.import_module("cve_bin_tool.strings").parse_strings
    names = {key: CHECKERS.get(key, key) for key in signatures()}
    checkers = {}
    for key, name in names.items():
        try:
            checkers[key] = known[name].load()
        except Exception:  # noqa: BLE001 - one of them asks the network when it is imported
            continue
    without = ", ".join(sorted(set(names) - set(checkers)))
    print(
        f"cve-bin-tool with {len(checkers)} checkers; it has none, or none without a network, for {without}"
    )

    def answer(file: Path) -> Answers:
        lines = parse_strings(str(file))
        found: Answers = {}
        for key, checker in checkers.items():
            result = checker().get_version(lines, str(file))
            if "is_or_contains" in result:
                version = result.get("version", "UNKNOWN")
                found[key] = "" if version == "UNKNOWN" else str(version)
        return found

    return answer


def cpu_seconds(answer: Callable[[Path], Answers], file: Path) -> tuple[float, Answers]:
    before = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    said = answer(file)
    after = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    passed = sum(
        new.ru_utime + new.ru_stime - old.ru_utime - old.ru_stime
        for new, old in zip(after, before, strict=True)
    )
    return passed, said


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "file", nargs="*", type=Path, help="ELF files (default: those of this machine's Pythons)"
    )
    parser.add_argument("--files", type=int, default=40, metavar="N", help="at most (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="turns (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="every measurement, as JSON")
    options = parser.parse_args()
    if options.rounds < 1 or options.files < 1:
        parser.error("--rounds and --files must be 1 or more")
    files = options.file or chosen(options.files)
    if not files:
        parser.error("no file carries a library that has a signature")
    size = sum(file.stat().st_size for file in files)
    peer = theirs()
    rows = []
    for file in files:
        own, other, said, said_by_peer = [], [], {}, {}
        for _ in range(options.rounds):
            first, said = cpu_seconds(ours, file)
            if peer is not None:
                spent, said_by_peer = cpu_seconds(peer, file)
                other.append(spent)
            own += [first, cpu_seconds(ours, file)[0]]
        rows.append(
            {
                "file": file.name,
                "bytes": file.stat().st_size,
                "ours_s": statistics.median(own),
                "theirs_s": statistics.median(other) if other else None,
                "ours": said,
                "theirs": said_by_peer,
            }
        )
    if options.json:
        json.dump({"benchmark": "libraries", "version": 1, "rows": rows}, sys.stdout, indent=1)
        print()
        return 0
    return report(rows, size, with_peer=peer is not None)


def report(rows: list[dict[str, object]], size: int, *, with_peer: bool) -> int:
    print(
        f"{len(rows)} files, {size / 1e6:.0f} MB, {platform.machine()}, CPython {platform.python_version()}"
    )
    for row in sorted(rows, key=lambda row: -int(str(row["bytes"])))[:8]:
        spent = f"ours {float(str(row['ours_s'])):.3f} s"
        if with_peer:
            spent += f", theirs {float(str(row['theirs_s'])):.3f} s"
        print(f"  {row['file']!s:44} {int(str(row['bytes'])) / 1e6:6.1f} MB  {spent}")
    own = sum(float(str(row["ours_s"])) for row in rows)
    print(f"ours: {own:.2f} CPU-seconds, {size / own / 1e6:.0f} MB per CPU-second")
    answers = [row["ours"] for row in rows if isinstance(row["ours"], dict)]
    known = sum(bool(version) for one in answers for version in one.values())
    print(f"      {sum(map(len, answers))} libraries, {known} with a version")
    if with_peer:
        other = sum(float(str(row["theirs_s"])) for row in rows)
        print(f"cve-bin-tool: {other:.2f} CPU-seconds: {other / own:.1f} times ours")
        said = [row["theirs"] for row in rows if isinstance(row["theirs"], dict)]
        with_version = sum(bool(version) for one in said for version in one.values())
        print(f"      {sum(len(one) for one in said)} libraries, {with_version} with a version")
        for row in rows:
            mine, their = row["ours"], row["theirs"]
            if isinstance(mine, dict) and isinstance(their, dict):
                for key in sorted(mine.keys() & their.keys()):
                    if mine[key] and their[key] and mine[key] != their[key]:
                        print(f"      {row['file']}: {key}: ours {mine[key]}, theirs {their[key]}")
                for key in sorted(their.keys() - mine.keys()):
                    print(f"      {row['file']}: {key}: only theirs: {their[key] or 'no version'}")
    return 0


if __name__ == "__main__":
    os.environ.setdefault("LC_ALL", "C")
    raise SystemExit(main())
