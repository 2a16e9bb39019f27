"""The patient itself: says what works, by each of its commands, and what fails without a traceback."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest
from pyassay.packagers.projects import build_settings, project
from pyassay.resources import share

pytestmark = pytest.mark.skipif(find_spec("click") is None, reason="click is not installed")

PURE = share("data", "patient", "pure")
FULL = share("data", "patient", "full")


def start(source: Path, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-B", "-m", "patient", *arguments],
        cwd=source / "src",
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_both_are_projects_that_can_be_packed() -> None:
    full, pure = project(FULL), project(PURE)
    assert (full.module, full.script, full.entry_point) == ("patient", "patient", "patient.cli:main")
    assert full.expected == ("psycopg2", "pycurl", "extension")
    assert full.check_arguments == pure.check_arguments == ("run",)
    assert (full.speaks, full.pure, pure.speaks, pure.pure) == (True, False, True, True)
    assert build_settings(FULL).from_source == ("pycurl", "psycopg2")


def test_both_have_the_same_commands() -> None:
    for name in ("cli.py", "__main__.py", "__init__.py", "greeting.txt"):
        assert (FULL / "src/patient" / name).read_bytes() == (PURE / "src/patient" / name).read_bytes()
    assert not list(PURE.rglob("*.c"))


def test_check_says_what_works() -> None:
    done = start(PURE, "run")
    assert (done.returncode, done.stderr) == (0, "")
    said = json.loads(done.stdout)
    assert said["works"] == ["click", "data"]
    assert said["fails"] == {}
    assert said["resource"] == "hello from a resource"
    assert said["file"] == str(PURE / "src/patient/cli.py")
    assert said["openssl"].startswith(("OpenSSL", "LibreSSL"))


def test_a_part_that_lacks_is_named_and_gives_exit_status_1() -> None:
    if find_spec("pycurl") or find_spec("psycopg2"):
        pytest.skip("pycurl or psycopg2 is installed here")
    done = start(FULL, "run")
    said = json.loads(done.stdout)
    assert done.returncode == 1
    assert said["works"] == []
    assert list(said["fails"]) == ["psycopg2", "pycurl", "extension"]
    assert said["fails"]["pycurl"] == "ModuleNotFoundError: No module named 'pycurl'"
    assert "Traceback" not in done.stderr
    assert "No module named 'psycopg2'" in done.stderr
    assert start(FULL, "--help").returncode == 0


def test_a_broken_part_of_the_pure_one_is_named(tmp_path: Path) -> None:
    archive = tmp_path / "patient.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        for file in (PURE / "src").rglob("*.py"):
            opened.write(file, file.relative_to(PURE / "src"))
    code = "import sys; sys.path.insert(0, sys.argv.pop(1)); from patient.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, str(archive), "run"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    said = json.loads(done.stdout)
    assert done.returncode == 1
    assert said["works"] == ["click"]
    assert said["fails"]["data"].startswith("FileNotFoundError")
    assert said["file_exists"] is False


def test_exit_status_arguments_and_input_arrive() -> None:
    assert start(PURE, "exit", "7").returncode == 7
    words = ["a b", "ünïcode", "", "--", "-x"]
    said = json.loads(start(PURE, "args", "--", *words, stdin="read").stdout)
    assert said["args"] == words
    assert said["stdin"] == "read"


def test_a_signal_is_answered() -> None:
    with subprocess.Popen(
        [sys.executable, "-B", "-m", "patient", "wait"], cwd=PURE / "src", stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        ready = re.fullmatch(r"ready (\d+)\n", process.stdout.readline())
        assert ready is not None
        assert int(ready[1]) == process.pid
        started = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 7
        assert time.monotonic() - started < 5


def test_processes_can_be_spawned_and_facts_told() -> None:
    assert start(PURE, "spawn").stdout == "42\n"
    said = json.loads(start(PURE, "facts").stdout)
    assert said["subprocess"] == "42"
    assert any("libc.so" in path or "libc-" in path for path in said["libraries"])
