"""CPython's own suite, in the Pythons of this host; failures are real ones, of modules added to the suite."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from functools import cache
from pathlib import Path

import pandas as pd
import pytest
from pyassay.probes import regrtest
from pyassay.subjects import Interpreter, find

OUTCOMES = {"passed", "failed", "skipped", "timed out", "not measured"}
ADDED = {
    "test_failing": """
import unittest
class Odd(unittest.TestCase):
    def test_right(self): pass
    def test_wrong(self): self.assertEqual(1, 2)
    def test_broken(self): raise KeyError("nothing")
    @unittest.skip("not today")
    def test_never(self): pass
""",
    "test_crashing": "import os\nos.abort()\n",
    "test_unloadable": "import no_such_module_anywhere\n",
    "test_absent_library": "import unittest\nraise unittest.SkipTest('no such library')\n",
    "test_hanging": "import time\ntime.sleep(300)\n",
    "test_flooding": "import sys\nwhile True: sys.stdout.write('x' * 65536)\n",
}


@cache
def _interpreters() -> tuple[Interpreter, ...]:
    return tuple(one for one in find() if isinstance(one, Interpreter) and not one.error)


@cache
def _carriers() -> tuple[Interpreter, ...]:
    """Name those that carry the suite itself, Python 3, oldest first."""
    return tuple(
        one
        for one in _interpreters()
        if one.stdlib is not None
        and one.version[0] == "3"
        and (one.stdlib / "test" / "test_struct.py").is_file()
    )


@pytest.fixture
def carrier() -> Interpreter:
    if not _carriers():
        pytest.skip("no Python of this host carries its test suite")
    return _carriers()[-1]


@pytest.fixture
def with_more_tests(carrier: Interpreter, tmp_path: Path) -> Interpreter:
    """Give the same Python with modules added to its suite."""
    package = tmp_path / "more" / "test"
    package.mkdir(parents=True)
    assert carrier.stdlib is not None
    (package / "__init__.py").write_text(f"__path__.append({str(carrier.stdlib / 'test')!r})\n")
    for name, text in ADDED.items():
        (package / f"{name}.py").write_text(text)
    program = tmp_path / "python"
    program.write_text(
        f'#!/bin/sh\n[ "$1" = -I ] && shift\nPYTHONPATH={package.parent} exec {carrier.executable} "$@"\n'
    )
    program.chmod(0o755)
    return replace(carrier, executable=program)


def _row(frame: pd.DataFrame, module: str) -> pd.Series:
    rows = frame[frame["module"] == module]
    assert len(rows) == 1
    return rows.iloc[0]


def test_every_python_that_carries_it_passes_what_is_quick() -> None:
    if not _carriers():
        pytest.skip("no Python of this host carries its test suite")
    for subject in {_carriers()[0].id: _carriers()[0], _carriers()[-1].id: _carriers()[-1]}.values():
        frame = regrtest.probe(subject, ("test_struct", "test_uuid"))
        assert frame["module"].tolist() == ["test_struct", "test_uuid"]
        assert frame["outcome"].tolist() == ["passed", "passed"], frame["message"].tolist()
        assert (frame["tests_run"] > 10).all()
        assert (frame["failures"] == 0).all()
        assert (frame["duration_s"] > 0).all()


@pytest.mark.slow
def test_the_default_choice_is_quick_and_of_the_documented_shape(carrier: Interpreter) -> None:
    started = time.monotonic()
    frame = regrtest.probe(carrier)
    assert time.monotonic() - started < 50
    assert frame.columns.tolist() == regrtest.TABLE.column_names
    assert len(frame) == len(regrtest.DEFAULT)
    assert set(frame["outcome"]) <= OUTCOMES
    assert (frame["outcome"] == "passed").sum() >= len(frame) - 3


def test_without_the_package_there_is_one_row_that_says_so() -> None:
    lacking = [
        one
        for one in _interpreters()
        if one.stdlib is not None
        and not (one.stdlib / "test" / "regrtest.py").exists()
        and one.implementation == "cpython"
    ]
    if not lacking:
        pytest.skip("every Python of this host has the package test")
    frame = regrtest.probe(lacking[0])
    assert frame["outcome"].tolist() == ["not measured"]
    assert frame["message"].tolist() == ["the package test is not there"]
    assert frame["module"].tolist() == [""]
    assert math.isnan(frame["duration_s"].iloc[0])
    assert frame["tests_run"].isna().all()


def test_a_package_of_helpers_only_is_no_suite(tmp_path: Path, carrier: Interpreter) -> None:
    package = tmp_path / "test"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "regrtest.py").write_text("")
    program = tmp_path / "python"
    program.write_text(
        f'#!/bin/sh\n[ "$1" = -I ] && shift\nPYTHONPATH={tmp_path} exec {carrier.executable} "$@"\n'
    )
    program.chmod(0o755)
    frame = regrtest.probe(replace(carrier, executable=program), ("test_struct",))
    assert frame["message"].tolist() == ["its package test holds none of the modules asked for"]


def test_failures_are_counted_and_named(with_more_tests: Interpreter) -> None:
    frame = regrtest.probe(
        with_more_tests,
        (
            "test_failing",
            "test_crashing",
            "test_unloadable",
            "test_absent_library",
            "test_struct",
            "test_nowhere",
        ),
    )
    failing = _row(frame, "test_failing")
    assert failing["outcome"] == "failed"
    assert (failing["tests_run"], failing["failures"]) == (4, 2)
    assert "test_wrong" in failing["message"]
    assert "test_broken" in failing["message"]
    crashing = _row(frame, "test_crashing")
    assert crashing["outcome"] == "failed"
    assert "Aborted" in crashing["message"] or "signal" in crashing["message"]
    unloadable = _row(frame, "test_unloadable")
    assert unloadable["outcome"] == "failed"
    assert "no_such_module_anywhere" in unloadable["message"]
    absent = _row(frame, "test_absent_library")
    assert (absent["outcome"], absent["message"]) == ("skipped", "no such library")
    assert _row(frame, "test_struct")["outcome"] == "passed"
    assert _row(frame, "test_nowhere")["message"] == "its package test has no test_nowhere"


def test_one_that_hangs_and_one_that_floods_are_stopped(with_more_tests: Interpreter) -> None:
    started = time.monotonic()
    frame = regrtest.probe(with_more_tests, ("test_hanging", "test_flooding"), timeout_s=4)
    assert time.monotonic() - started < 15
    assert _row(frame, "test_hanging")["outcome"] == "timed out"
    assert _row(frame, "test_flooding")["outcome"] in {"not measured", "timed out"}


def test_what_cannot_be_started_is_a_row(carrier: Interpreter, tmp_path: Path) -> None:
    frame = regrtest.probe(replace(carrier, executable=tmp_path / "gone"))
    assert frame["outcome"].tolist() == ["not measured"]
    assert "No such file" in frame["message"].iloc[0]
    assert regrtest.probe(replace(carrier, image="debian:x"))["outcome"].tolist() == ["not measured"]
    assert regrtest.probe(replace(carrier, error="it hung"))["message"].tolist() == ["it hung"]


def test_only_modules_of_a_suite_are_run(carrier: Interpreter) -> None:
    for name in ("--help", "test_x;ls", "os", "test_../x", ""):
        with pytest.raises(ValueError, match="not a module of the test suite"):
            regrtest.probe(carrier, (name,))


def test_nothing_is_left_behind(
    carrier: Interpreter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert carrier.stdlib is not None
    before = sorted((carrier.stdlib / "test").rglob("*"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    regrtest.probe(carrier, ("test_zlib",))
    assert list(tmp_path.iterdir()) == []
    assert sorted((carrier.stdlib / "test").rglob("*")) == before
