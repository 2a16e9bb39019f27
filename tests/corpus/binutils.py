"""What readelf and nm say, as plain values."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

_PLAIN = {"LC_ALL": "C", "PATH": os.defpath}


@dataclass
class Said:
    """The facts that ``readelf -h -V -d -l`` prints about one file, under the names that ElfFile uses."""

    type: str = ""
    interpreter: str | None = None
    soname: str | None = None
    needed: list[str] = field(default_factory=list)
    rpath: str = ""
    runpath: str = ""
    version_needs: list[tuple[str, str, bool, int]] = field(default_factory=list)
    executable_stack: bool | None = None
    text_relocations: bool = False
    has_relro: bool = False
    bind_now: bool = False
    packed_relocations: bool = False
    named_pie: bool = False
    defined_versions: set[str] = field(default_factory=set)


def readelf(path: Path) -> Said:
    """Run readelf on one file; the test is skipped where there is none."""
    if shutil.which("readelf") is None:
        pytest.skip("needs readelf")
    done = subprocess.run(
        ["readelf", "-W", "-h", "-V", "-d", "-l", path],
        env=_PLAIN,
        capture_output=True,
        text=True,
        errors="surrogateescape",
        timeout=60,
        check=False,
    )
    return parse_readelf(done.stdout)


def parse_readelf(output: str) -> Said:
    """Read what ``readelf -W -h -V -d -l`` prints about one file."""
    said = Said()
    file = section = ""
    for line in output.splitlines():
        if match := re.match(r"Version (needs|definition|symbols) section|Version (needs|def)", line):
            section = match[1] or match[2]
        elif re.match(r"\S", line):
            section = ""
        if match := re.match(r"\s+Type:\s+(\w+)", line):
            said.type = match[1]
        elif match := re.match(r"\s+\[Requesting program interpreter: (.*)\]$", line):
            said.interpreter = match[1]
        elif match := re.match(r"\s+GNU_STACK\s.*\s([R ][W ][E ])\s+0x", line):
            said.executable_stack = "E" in match[1]
        elif re.match(r"\s+GNU_RELRO\s", line):
            said.has_relro = True
        elif match := re.match(r"\s+0x[0-9a-f]+\s+\((\w+)\)\s+(.*)", line):
            _dynamic(said, match[1], match[2])
        elif match := re.match(r"\s+(?:0x)?[0-9a-f]+: Version: \d+\s+File: (\S+)\s+Cnt: \d+", line):
            file = match[1]
        elif match := re.match(r"\s+0x[0-9a-f]+:\s+Name: (\S+)\s+Flags: (.*?)\s+Version: (\d+)", line):
            said.version_needs.append((file, match[1], "WEAK" in match[2], int(match[3])))
        elif (match := re.match(r"\s+\S+: Rev: \d+\s+Flags: (.*?)\s+Index: \d+.*Name: (.+)$", line)) and (
            section == "definition" and "BASE" not in match[1]
        ):
            said.defined_versions.add(match[2].strip())
    return said


def _dynamic(said: Said, tag: str, value: str) -> None:
    text = value[value.find("[") + 1 : value.rfind("]")]
    if tag == "NEEDED":
        said.needed.append(text)
    elif tag == "SONAME":
        said.soname = text
    elif tag == "RPATH":
        said.rpath = text
    elif tag == "RUNPATH":
        said.runpath = text
    elif tag == "TEXTREL" or (tag == "FLAGS" and "TEXTREL" in value.split()):
        said.text_relocations = True
    elif tag == "RELR":
        said.packed_relocations = True
    if tag == "BIND_NOW" or (tag == "FLAGS" and "BIND_NOW" in value.split()):
        said.bind_now = True
    if tag == "FLAGS_1":
        said.bind_now |= "NOW" in value.split()
        said.named_pie |= "PIE" in value.split()


@dataclass(frozen=True, order=True)
class Named:
    """A line of ``nm -D --with-symbol-versions``."""

    name: str
    version: str
    default: bool
    letter: str


def nm(path: Path) -> list[Named]:
    """Run nm on one file; the test is skipped where there is none."""
    if shutil.which("nm") is None:
        pytest.skip("needs nm")
    done = subprocess.run(
        ["nm", "-D", "--with-symbol-versions", path],
        env=_PLAIN,
        capture_output=True,
        text=True,
        errors="surrogateescape",
        timeout=60,
        check=False,
    )
    found: list[Named] = []
    for line in done.stdout.splitlines():
        match = re.match(r"(?:[0-9a-f]+)?\s+(\S) (.+?)(?:(@@?)([^@]*))?$", line)
        assert match is not None, line
        found.append(Named(match[2], match[4] or "", match[3] != "@", match[1]))
    return found


def build_ids(paths: Iterable[Path]) -> list[str | None]:
    """Return the build ids that ``readelf -n`` prints."""
    found: list[str | None] = []
    for path in paths:
        done = subprocess.run(
            ["readelf", "-W", "-n", path], env=_PLAIN, capture_output=True, text=True, timeout=60, check=False
        )
        match = re.search(r"Build ID: ([0-9a-f]+)", done.stdout)
        found.append(match[1] if match else None)
    return found
