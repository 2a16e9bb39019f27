"""Commands of subjects: whatever they do, they end, and little of them is kept."""

from __future__ import annotations

import os
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pyassay.places import host
from pyassay.places.host import StartError, clean_environment, run

PYTHON = sys.executable


def running(pid: int) -> bool:
    """Tell whether a process runs; one that waits to be reaped by init does not."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def gone(pid: int, within_s: float = 2.0) -> bool:
    until = time.monotonic() + within_s
    while running(pid) and time.monotonic() < until:
        time.sleep(0.01)
    return not running(pid)


def test_result_of_an_orderly_command():
    done = run(
        (PYTHON, "-c", "import sys; sys.stdout.write('out'); sys.stderr.write('err'); sys.exit(3)"),
        timeout_s=20,
    )
    assert (done.returncode, done.stdout, done.stderr) == (3, b"out", b"err")
    assert (done.ok, done.timed_out, done.truncated) == (False, False, False)
    assert 0 < done.duration_s < 20
    assert run(("true",), timeout_s=10).ok


def test_input_larger_than_a_pipe_comes_back_whole():
    data = os.urandom(3_000_000)
    assert run(("cat",), timeout_s=20, input_bytes=data).stdout == data


def test_input_that_nobody_reads():
    started = time.monotonic()
    assert run(("true",), timeout_s=20, input_bytes=b"x" * 3_000_000).returncode == 0
    assert time.monotonic() - started < 5


def test_nothing_of_the_callers_environment_slips_through(monkeypatch):
    for name in (
        "PYTHONPATH",
        "LD_PRELOAD",
        "LD_LIBRARY_PATH",
        "SSL_CERT_FILE",
        "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
        "NODE_EXTRA_CA_CERTS",
        "VIRTUAL_ENV",
        "CONDA_PREFIX",
        "PYENV_VERSION",
        "TERM",
        "LC_ALL",
        "SOME_SECRET",
    ):
        monkeypatch.setenv(name, "/nonexistent/x")  # fmt: skip
    seen = run(("env",), timeout_s=10, extra_environment={"MINE": "1"}).stdout.decode()
    names = {line.partition("=")[0] for line in seen.splitlines()}
    assert names - {"PWD", "SHLVL", "_", "TMPDIR", "PYASSAY_RUN"} == {"PATH", "LANG", "TZ", "HOME", "MINE"}
    assert clean_environment()["LANG"] == "C.UTF-8"


def test_output_is_cut_off_while_it_is_read():
    started = time.monotonic()
    done = run(("cat", "/dev/zero"), timeout_s=60, max_output_bytes=100_000)
    assert done.truncated
    assert not done.timed_out
    assert len(done.stdout) == 100_000
    assert time.monotonic() - started < 10


def test_standard_error_is_limited_too():
    done = run(("sh", "-c", "cat /dev/zero >&2"), timeout_s=60, max_output_bytes=5_000)
    assert done.truncated
    assert len(done.stderr) == 5_000


def test_output_of_exactly_the_limit_is_whole():
    done = run(("head", "-c", "5000", "/dev/zero"), timeout_s=20, max_output_bytes=5_000)
    assert not done.truncated
    assert len(done.stdout) == 5_000


def test_whole_group_dies_at_the_timeout():
    done = run(("sh", "-c", "sleep 300 & echo $!; sleep 300"), timeout_s=0.5)
    assert done.timed_out
    assert done.returncode == -signal.SIGTERM
    assert gone(int(done.stdout))


def test_child_that_ignores_term_is_killed_and_reaped():
    started = time.monotonic()
    done = run(("sh", "-c", 'trap "" TERM; echo $$; while :; do sleep 1; done'), timeout_s=0.5)
    assert done.returncode == -signal.SIGKILL
    assert time.monotonic() - started < 5
    # Reaped: not even a zombie is left of our own child.
    assert not Path(f"/proc/{int(done.stdout)}").exists()


def test_grandchild_that_keeps_the_pipe_does_not_hang_us():
    started = time.monotonic()
    done = run(("sh", "-c", "sleep 300 & echo $!"), timeout_s=60)
    assert time.monotonic() - started < 10
    assert (done.returncode, done.timed_out) == (0, False)
    assert gone(int(done.stdout))


def test_daemon_that_left_the_session_is_found():
    script = """
import os, time
print(os.getpid(), flush=True)
os.fork() and os._exit(0)
os.setsid()
print(os.getpid(), flush=True)
time.sleep(300)
"""
    done = run((PYTHON, "-c", script), timeout_s=60)
    assert not done.timed_out
    pids = [int(word) for word in done.stdout.split()]
    assert all(gone(pid) for pid in pids)


def test_child_that_closes_its_output_and_stays():
    done = run(("sh", "-c", "exec >&- 2>&-; sleep 300"), timeout_s=0.5)
    assert done.timed_out


def test_kernels_without_pidfd(monkeypatch):
    def refused(pid: int, flags: int = 0) -> int:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(os, "pidfd_open", refused)
    assert run(("cat",), timeout_s=20, input_bytes=b"abc").stdout == b"abc"
    assert run(("sleep", "300"), timeout_s=0.3).timed_out
    done = run(("sh", "-c", "setsid sleep 300 & echo $!"), timeout_s=60)
    assert done.returncode == 0
    assert not done.timed_out


def test_memory_limit():
    script = "import time; time.sleep(0.2); x = bytearray(300 << 20); print(len(x))"
    assert run((PYTHON, "-c", script), timeout_s=30).ok
    refused = run((PYTHON, "-c", script), timeout_s=30, memory_bytes=200 << 20)
    assert refused.returncode == 1
    assert b"MemoryError" in refused.stderr


@pytest.mark.parametrize("name", ["missing", "a text", "a folder", "nul\0", "new\nline"])
def test_what_cannot_start_is_one_line_that_names_it(tmp_path, name):
    (tmp_path / "a text").write_text("hello\n")
    (tmp_path / "a folder").mkdir()
    with pytest.raises(StartError) as caught:
        run((str(tmp_path / name),), timeout_s=5)
    message = str(caught.value)
    assert "\n" not in message
    assert name.split("\0")[0].split("\n")[0] in message


def test_executable_that_is_no_program(tmp_path):
    program = tmp_path / "program"
    program.write_bytes(b"\x00\x01\x02")
    program.chmod(0o755)
    with pytest.raises(StartError, match="Exec format error"):
        run((program,), timeout_s=5)
    with pytest.raises(StartError, match="no command"):
        run((), timeout_s=5)


def test_missing_working_folder_is_named(tmp_path):
    with pytest.raises(StartError, match="nowhere"):
        run(("true",), timeout_s=5, cwd=tmp_path / "nowhere")


def test_working_folder_is_not_the_callers(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(("pwd",), timeout_s=5).stdout == b"/\n"
    assert run(("pwd",), timeout_s=5, cwd=tmp_path).stdout == os.fsencode(tmp_path) + b"\n"


def test_no_shell_reads_the_arguments():
    assert run(("echo", "$HOME; `id`", "*"), timeout_s=5).stdout == b"$HOME; `id` *\n"


def test_many_threads_at_once():
    def one(number: int) -> bool:
        data = str(number).encode() * 50_000
        return run(("cat",), timeout_s=60, input_bytes=data).stdout == data

    before = len(list(Path("/proc/self/fd").iterdir()))
    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(one, range(64)))
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_interruption_leaves_nothing_behind(monkeypatch, tmp_path):
    note = tmp_path / "pid"

    def interrupted(*_: object) -> None:
        while not note.exists() or not note.read_text().strip():
            time.sleep(0.01)
        raise KeyboardInterrupt

    monkeypatch.setattr(host._Child, "attend", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(("sh", "-c", f"echo $$ > {note}; sleep 300"), timeout_s=60)
    assert gone(int(note.read_text()))
