"""Debugging and profiling: what the probes say of real interpreters, against what binutils say."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from corpus.asked_quirks import answer, asked, built_before, by_builder, check_sound, names_of, spread


def readelf(*arguments: str) -> str:
    tool = shutil.which("readelf")
    if tool is None:
        pytest.skip("no readelf on this machine")
    return subprocess.run([tool, *arguments], capture_output=True, text=True, check=True).stdout


def test_every_question_is_answered_or_says_why() -> None:
    for subject in spread():
        check_sound(asked("debugging", subject), subject)


def test_build_ids_are_those_that_readelf_sees() -> None:
    for subject in spread():
        row = answer("build_id", subject)
        for path, found in json.loads(row["details"]).items():
            theirs = re.findall(r"Build ID: ([0-9a-f]+)", readelf("-n", path))
            assert ([found] if found else []) == theirs, path


def test_symbols_are_those_that_readelf_sees() -> None:
    for subject in spread():
        found = json.loads(answer("symbols", subject)["details"])
        sections = readelf("-SW", found["file"])
        assert found["symtab"] == (" .symtab " in sections)
        assert found["dwarf"] == (" .debug_info " in sections)
        assert found["debuglink"] == (" .gnu_debuglink " in sections or " .gnu_debugaltlink " in sections)


def test_the_launcher_is_not_taken_for_the_whole() -> None:
    for subject in by_builder("python-build-standalone"):
        if not built_before(subject, "2025-05-01"):
            pytest.skip("linked statically")
        row = answer("build_id", subject)
        assert row["answer"] == "absent"
        assert "libpython" in row["observed"]


def test_a_python_of_the_distribution() -> None:
    for subject in by_builder("debian"):
        rows = asked("debugging", subject)
        expected = {
            "build_id": "present",
            "dtrace_probes": "present",
            "debug_build": "release",
            "tracemalloc": "works",
        }
        assert {name: rows[name]["answer"] for name in expected} == expected


def test_py_spy_names_the_function(ask: Any) -> None:
    tools = Path(sys.executable).parent
    if not (tools / "py-spy").exists():
        pytest.skip("py-spy is not installed here")
    seen = ask("py_spy", spread()[-1].executable, {"bin": str(tools)})
    if seen.outcome == "not measured":
        pytest.skip(seen.reason)
    assert seen.answer == "works"
    assert "py-spy" in seen.observed


def test_gdb_sees_python_functions_where_there_is_dwarf() -> None:
    for subject in spread():
        row = answer("gdb", subject)
        if row["outcome"] != "measured":
            pytest.skip(row["reason"])
        if answer("symbols", subject)["answer"] == "exported_only":
            assert row["answer"] in ("c_frames", "no_symbols")
        else:
            assert row["answer"] in ("python_frames", "c_frames")


def test_the_map_for_perf_is_removed() -> None:
    for subject in spread():
        answer("perf_trampoline", subject)
    left = [path for path in Path("/tmp").glob("perf-*.map") if not (Path("/proc") / path.stem[5:]).exists()]
    assert left == []


@pytest.mark.parametrize("order", ["little", "big"])
def test_a_note_is_read_in_both_byte_orders(order: str) -> None:
    note = names_of("build_id")["in_notes"]
    mark = "<" if order == "little" else ">"
    import struct

    other = struct.pack(mark + "III", 4, 4, 1) + b"GNU\0" + b"abcd"
    notes = other + struct.pack(mark + "III", 4, 5, 3) + b"GNU\0" + b"\x01\x02\xab\xcd\xef\0\0\0"
    assert note(notes, mark) == "0102abcdef"
    assert note(other, mark) == ""
    assert note(b"\xff" * 40, mark) == ""
    assert note(notes[:30], mark) in ("", "01")


def test_damaged_files_are_no_surprise(tmp_path: Path) -> None:
    defined = names_of("build_id")
    build_id, elf = defined["build_id"], defined["Elf"]
    whole = spread()[-1].executable.read_bytes()
    for size in (64, 100, len(whole) // 2):
        cut = tmp_path / f"cut-{size}"
        cut.write_bytes(whole[:size])
        assert isinstance(build_id(str(cut)), str)
        assert elf(str(cut)).section_names() == []
