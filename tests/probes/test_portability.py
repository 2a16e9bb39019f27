"""The portability probe on real interpreters, against what independent tools see."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from pyassay.elf.versions import version_key
from pyassay.probes.portability import TABLES, probe
from pyassay.subjects.model import Interpreter

Tables = dict[str, pd.DataFrame]


@pytest.fixture(scope="module")
def tables(running_interpreter: Interpreter) -> Tables:
    return probe(running_interpreter)


def numbers(text: str) -> set[tuple[int, ...]]:
    """Every GLIBC version in a tool's output."""
    return {tuple(map(int, found.split("."))) for found in re.findall(r"\bGLIBC_(\d+(?:\.\d+)+)\b", text)}


def test_every_documented_column_says_what_it_means() -> None:
    names = [(schema.name, column.name) for schema in TABLES for column in schema.columns]
    assert len(names) == len(set(names))
    assert all(column.meaning for schema in TABLES for column in schema.columns)


def test_the_floor_is_what_readelf_sees(running_interpreter: Interpreter, tables: Tables) -> None:
    readelf = shutil.which("readelf")
    if readelf is None:
        pytest.skip("no readelf on this machine")
    assert running_interpreter.prefix is not None
    paths = [
        found if (found := Path(file)).is_absolute() else running_interpreter.prefix / file
        for file in tables["files"]["file"]
    ]
    output = subprocess.run([readelf, "-W", "-V", *paths], capture_output=True, text=True, check=False).stdout
    needs = "\n".join(re.findall(r"Version needs section.*?(?=\n\n|\Z)", output, flags=re.S))
    floors = tables["floors"]
    hard = floors.loc[(floors["scope"] == "own") & (floors["family"] == "GLIBC"), "hard"].item()
    assert version_key(hard) == max(numbers(needs))


def test_the_forcing_symbols_are_what_nm_sees(running_interpreter: Interpreter, tables: Tables) -> None:
    nm = shutil.which("nm")
    if nm is None:
        pytest.skip("no nm on this machine")
    assert running_interpreter.prefix is not None
    floors, symbols = tables["floors"], tables["symbols"]
    hard = floors.loc[(floors["scope"] == "own") & (floors["family"] == "GLIBC"), "hard"].item()
    forcing = symbols[
        (symbols["family"] == "GLIBC") & (symbols["version"] == hard) & (symbols["scope"] != "site")
    ]
    assert len(forcing)
    for file, group in forcing.groupby("file"):
        path = Path(file) if Path(file).is_absolute() else running_interpreter.prefix / file
        output = subprocess.run(
            [nm, "-D", "--with-symbol-versions", path], capture_output=True, text=True, check=True
        ).stdout
        wanted = {
            found[0] for found in re.findall(rf"\b(\S+)@GLIBC_({re.escape(hard)})$", output, flags=re.M)
        }
        assert set(group["symbol"]) == wanted


def test_a_tag_is_exact_and_names_the_machine(running_interpreter: Interpreter, tables: Tables) -> None:
    floors, tags = tables["floors"], tables["tags"]
    hard = floors.loc[(floors["scope"] == "own") & (floors["family"] == "GLIBC"), "hard"].item()
    tag = tags.loc[tags["scope"] == "own", "tag"].item()
    assert tag == f"manylinux_{hard.replace('.', '_')}_{running_interpreter.architecture}"


def test_this_host_can_load_the_interpreter_that_runs(tables: Tables) -> None:
    closure = tables["closure"]
    assert closure[closure["scope"] == "runtime"].empty


def test_libpython_is_inside_and_libc_outside(tables: Tables) -> None:
    libraries = tables["libraries"]
    libc = libraries[libraries["soname"] == "libc.so.6"]
    assert len(libc)
    assert not libc["inside"].any()
    assert libc["allowed"].all()
    libpython = libraries[libraries["soname"].str.contains("libpython")]
    assert libpython["inside"].all()


def test_packages_have_a_floor_of_their_own(running_interpreter: Interpreter, tmp_path: Path) -> None:
    libc = next(
        path for path in map(Path, ("/lib/x86_64-linux-gnu/libm.so.6", "/lib64/libm.so.6")) if path.exists()
    )
    shutil.copyfile(libc, tmp_path / "private.so")
    floors = probe(replace(running_interpreter, site_folders=(tmp_path,)))["floors"]
    assert floors.loc[(floors["scope"] == "site") & (floors["family"] == "GLIBC"), "private"].item()
    assert not floors.loc[floors["scope"] == "own", "private"].any()


def test_a_corrupt_file_is_a_row_and_the_rest_goes_on(
    running_interpreter: Interpreter, tmp_path: Path
) -> None:
    (tmp_path / "<script>\n.so").write_bytes(b"\x7fELF\x02\x01\x01" + b"\xff" * 200)
    whole = Path("/bin/ls").resolve().read_bytes()
    (tmp_path / "truncated.so").write_bytes(whole[: len(whole) // 3])
    tables = probe(replace(running_interpreter, site_folders=(tmp_path,)))
    reasons = dict(zip(tables["skipped"]["file"], tables["skipped"]["reason"], strict=True))
    assert len(reasons) == 2
    assert all("\n" not in reason for reason in reasons.values())
    assert any("truncated.so" in file for file in reasons)
    # The file has a column of its own.
    assert not any(".so" in reason for reason in reasons.values()), reasons
    assert (tables["files"]["scope"] == "runtime").any()


def test_nothing_to_read_is_said(running_interpreter: Interpreter) -> None:
    nowhere = replace(
        running_interpreter,
        executable=Path("/nonexistent/python"),
        prefix=None,
        stdlib=None,
        platstdlib=None,
        library_folders=(),
        error="cannot be run: no such file",
    )
    tables = probe(nowhere)
    assert tables["files"].empty
    assert "cannot be run: no such file" in set(tables["skipped"]["reason"])
    assert [list(tables[schema.name].columns) for schema in TABLES] == [
        schema.column_names for schema in TABLES
    ]
