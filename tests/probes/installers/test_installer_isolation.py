"""An installer sees nothing of the user, and its run is a record whatever happens."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from pyassay.probes.installers.isolation import Home, Run, Shown, run_isolated


def test_no_setting_of_the_user_gets_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PIP_INDEX_URL", "UV_INDEX_URL", "UV_CACHE_DIR", "VIRTUAL_ENV", "HTTPS_PROXY", "PYTHONPATH"):
        monkeypatch.setenv(name, "leaked")
    run = run_isolated(["/usr/bin/env"], Home.make(tmp_path / "home"))
    assert run.ok
    assert "leaked" not in run.output
    seen = dict(line.split("=", 1) for line in run.output.splitlines() if "=" in line)
    assert seen["PIP_CONFIG_FILE"] == "/dev/null"
    assert seen["UV_NO_CONFIG"] == "1"
    folders = [value for name, value in seen.items() if name.startswith("XDG_") or name in ("HOME", "TMPDIR")]
    assert len(folders) >= 7
    assert all(value.startswith(str(tmp_path)) for value in folders)


def test_settings_files_can_be_let_in(tmp_path: Path) -> None:
    home = Home.make(tmp_path / "home")
    run = run_isolated(["/usr/bin/env"], home, settings_files=True, extra={"PIP_RETRIES": "0"})
    assert "PIP_CONFIG_FILE" not in run.output
    assert run.command == "PIP_RETRIES=0 /usr/bin/env"


def test_homes_may_share_a_cache(tmp_path: Path) -> None:
    first = Home.make(tmp_path / "one")
    second = Home.make(tmp_path / "two", cache=first.cache)
    assert second.environment()["XDG_CACHE_HOME"] == str(first.cache)
    assert second.environment()["HOME"] != first.environment()["HOME"]


def test_a_command_that_hangs_or_is_missing_is_a_record(tmp_path: Path) -> None:
    home = Home.make(tmp_path / "home")
    hung = run_isolated([sys.executable, "-c", "import time; time.sleep(60)"], home, timeout_s=0.5)
    assert hung.timed_out
    assert not hung.ok
    assert hung.telling == "it did not end in time"
    missing = run_isolated([tmp_path / "uv"], home)
    assert missing.exit_code is None
    assert "No such file" in missing.telling


def test_paths_are_shown_by_their_meaning(tmp_path: Path) -> None:
    shown = Shown({str(tmp_path): "{scratch}", str(tmp_path / "home"): "{home}"})
    home = Home.make(tmp_path / "home")
    run = run_isolated([sys.executable, "-c", "import os; print(os.getcwd())"], home, shown=shown)
    assert run.output.strip() == "{home}"


@pytest.mark.parametrize(
    ("output", "exit_code", "line"),
    [
        ("Resolved 1 package\nerror: no luck\n  cause: a\n  cause: b\n", 2, "error: no luck cause: b"),
        (
            "  × No solution found:\n  ╰─▶ Because of that\n      more",
            1,
            "× No solution found: ╰─▶ Because of that",
        ),
        ("WARNING: x\nSuccessfully installed a", 0, "Successfully installed a"),
        ("", 0, ""),
    ],
)
def test_the_telling_line(output: str, exit_code: int, line: str) -> None:
    assert Run("", exit_code, 0.0, output).telling == line
