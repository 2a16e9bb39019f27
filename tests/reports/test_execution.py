"""Execution tells the truth about exceptions, dead kernels, timeouts, Ctrl-C, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pyassay.reports.execution import ExecutedNotebook, Execution, Status, execute, execute_all

from .conftest import written

SLEEPER = "sleep 86399.{number}"


def _outputs(executed: ExecutedNotebook, cell: int) -> str:
    return "".join(output.get("text", "") for output in executed.nb.cells[cell].outputs)


def _sleeping(number: int) -> bool:
    wanted = SLEEPER.format(number=number).encode().replace(b" ", b"\0")
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if entry.read_bytes().startswith(wanted):
                return True
        except OSError:
            continue
    return False


@pytest.fixture(scope="module")
def endings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ExecutedNotebook]:
    """Run four notebooks side by side that end in four ways."""
    folder = tmp_path_factory.mktemp("endings")
    child = "import subprocess; subprocess.Popen(['sleep', '86399.{}'])"
    cells = {
        "done": [
            ("parameters", "python: str = ''"),
            ("code", "print(python, flush=True)"),
            ("code", "import os, sys\nprint(sys.executable, os.environ['IPYTHONDIR'], os.getcwd())"),
        ],
        "failed": [("code", "print('partial')"), ("code", "print('more')\n1 / 0"), ("code", "1")],
        "died": [
            ("code", child.format(2)),
            ("code", "print('partial', flush=True)\nimport os, time; time.sleep(.3)"
             "\nos.kill(os.getpid(), 9)"),
        ],
        "slow": [
            ("code", child.format(3)),
            ("code", "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN)"),
            ("code", "print('partial', flush=True)\ntime.sleep(99)"),
        ],
    }  # fmt: skip
    executions = [
        Execution(written(folder, name, listed), {"python": "3.10"} if name == "done" else {})
        for name, listed in cells.items()
    ]
    started = time.monotonic()
    executed = execute_all(executions, timeout_s=8, workers=4)
    assert time.monotonic() - started < 30
    return {result.name: result for result in executed}


def test_done(endings: dict[str, ExecutedNotebook]) -> None:
    done = endings["done"]
    assert (done.status, done.cell, done.message, done.traceback) == (Status.DONE, None, "", "")
    # The parameter is text still, and stands behind the cell with the defaults.
    assert _outputs(done, 2) == "3.10\n"
    executable, configuration, folder = _outputs(done, 3).split()
    assert executable == sys.executable
    assert configuration.startswith(("/tmp", os.environ.get("TMPDIR", "/tmp")))
    assert Path(folder).name.startswith("endings")
    assert not Path(configuration).parent.exists()
    assert done.peak_memory_bytes is None or done.peak_memory_bytes > 1 << 20


def test_an_exception_is_reported_with_its_cell(endings: dict[str, ExecutedNotebook]) -> None:
    failed = endings["failed"]
    assert (failed.status, failed.cell) == (Status.FAILED, 1)
    assert failed.message == "ZeroDivisionError: division by zero (in code cell 2: print('more'))"
    assert failed.traceback.endswith("ZeroDivisionError: division by zero")
    assert "\x1b" not in failed.traceback
    assert _outputs(failed, 0) == "partial\n"
    assert failed.nb.cells[2].outputs == []


def test_a_dead_kernel_is_no_success(endings: dict[str, ExecutedNotebook]) -> None:
    died = endings["died"]
    assert (died.status, died.cell) == (Status.KERNEL_DIED, 1)
    assert died.message.startswith("the kernel died in code cell 2: print('partial'")
    assert _outputs(died, 1) == "partial\n"


def test_a_timeout_is_no_success_even_if_the_kernel_ignores_it(endings: dict[str, ExecutedNotebook]) -> None:
    slow = endings["slow"]
    assert (slow.status, slow.cell) == (Status.TIMED_OUT, 2)
    assert slow.message.startswith("not done after 8 s, stopped in code cell 3")
    assert _outputs(slow, 2) == "partial\n"
    assert 7 < slow.duration_s < 20


def test_nothing_that_a_kernel_started_is_left(endings: dict[str, ExecutedNotebook]) -> None:
    assert endings
    assert not _sleeping(2)
    assert not _sleeping(3)


def test_exit_in_a_cell_is_no_success(tmp_path: Path) -> None:
    result = execute(written(tmp_path, "exits", [("code", "import sys; sys.exit(0)"), ("code", "1")]))
    assert result.status is not Status.DONE


def test_ctrl_c_ends_every_kernel(tmp_path: Path) -> None:
    started = tmp_path / "started"
    for number in (4, 5):
        cell = (
            f"import pathlib, subprocess, time; subprocess.Popen(['sleep', '86399.{number}'])\n"
            f"pathlib.Path({str(started)!r} + '{number}').touch(); time.sleep(99)"
        )
        written(tmp_path, f"n{number}", [("code", cell)])
    program = (
        "import sys\nfrom pathlib import Path\nfrom pyassay.reports.execution import Execution, execute_all\n"
        "try:\n    execute_all([Execution(Path(path)) for path in sys.argv[1:]], workers=2)\n"
        "except KeyboardInterrupt:\n    sys.exit(42)"
    )
    paths = [str(tmp_path / f"n{number}.ipynb") for number in (4, 5)]
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    with subprocess.Popen([sys.executable, "-c", program, *paths], env=environment) as process:
        deadline = time.monotonic() + 60
        while not all(Path(f"{started}{number}").exists() for number in (4, 5)):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert _sleeping(4)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 42
    assert not _sleeping(4)
    assert not _sleeping(5)
    assert not list(tmp_path.glob("pyassay-*"))
