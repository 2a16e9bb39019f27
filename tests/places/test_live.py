"""Processes that are talked to: lines under a timeout, and an end in any case."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest
from pyassay.places.container import Engine
from pyassay.places.host import StartError
from pyassay.places.live import LiveContainer, LiveProcess, LostError

ECHO = "import sys\nfor line in sys.stdin:\n    print('got', line.strip(), flush=True)"


def python(program: str, **options) -> LiveProcess:
    return LiveProcess.start((sys.executable, "-c", program), **options)


def lost(live, timeout_s: float = 10.0) -> LostError:
    with pytest.raises(LostError) as caught:
        live.read_line(timeout_s)
    assert "\n" not in str(caught.value)
    return caught.value


def is_gone(pid: int, within_s: float = 5.0) -> bool:
    """Tell whether a process has ended; an orphan may wait for its new parent to notice."""
    status = Path(f"/proc/{pid}/status")
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        try:
            if "State:\tZ" in status.read_text():
                return True
        except OSError:
            return True
        time.sleep(0.01)
    return False


def test_lines_go_to_and_fro_and_the_end_is_reaped():
    live = python(ECHO)
    for word in (b"one", b"two"):
        live.send(word + b"\n", 10)
        assert live.read_line(10) == b"got " + word
    pid = live._process.pid
    live._process.stdin.close()
    live.close(gently=True)
    assert live._process.returncode == 0
    assert is_gone(pid)
    live.close()


def test_several_lines_at_once_and_a_line_in_pieces():
    program = (
        "import sys, time\nsys.stdout.write('a\\nb\\nc'); sys.stdout.flush(); time.sleep(0.1); print('d')"
    )
    with python(program) as live:
        assert [live.read_line(10) for _ in range(3)] == [b"a", b"b", b"cd"]


def test_environment_is_made_from_nothing(monkeypatch):
    monkeypatch.setenv("PYASSAY_SECRET", "1")
    program = (
        "import json, os; print(json.dumps([os.environ.get('PYASSAY_SECRET'), os.environ['X'], os.getcwd()]))"
    )
    with python(program, extra_environment={"X": "y"}) as live:
        assert live.read_line(10) == b'[null, "y", "/"]'


def test_silence_is_a_hang():
    with python("import time; time.sleep(60)") as live:
        began = time.monotonic()
        error = lost(live, 0.2)
        assert (error.kind, str(error)) == ("hang", "no answer within 0.2 s")
        assert time.monotonic() - began < 5
    assert is_gone(live._process.pid)


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("raise SystemExit(3)", "it ended with exit status 3"),
        ("import os; os.kill(os.getpid(), 11)", "killed by signal 11"),
        ("raise ValueError('why')", "it ended with exit status 1: ValueError: why"),
        ("import os, time; os.close(1); os.close(2); time.sleep(60)", "it closed its output"),
    ],
)
def test_an_end_says_how_and_why(program, reason):
    with python(program) as live:
        error = lost(live)
        assert (error.kind, str(error)) == ("crash", reason)


def test_last_words_of_a_flood_of_errors_do_not_block_it():
    program = (
        "import sys\nsys.stderr.write('x' * 3000000 + '\\nlast'); sys.stderr.flush()\n"
        "print('done', flush=True); raise SystemExit(1)"
    )
    with python(program) as live:
        assert live.read_line(20) == b"done"
        assert str(lost(live)) == "it ended with exit status 1: last"


def test_closed_errors_are_no_end():
    with python("import os, time; os.close(2); time.sleep(0.3); print('still here')") as live:
        assert live.read_line(10) == b"still here"


def test_a_flood_without_a_line_is_rubbish_and_bounded():
    with python("import sys\nwhile True: sys.stdout.write('x' * 65536)") as live:
        assert lost(live, 30).kind == "rubbish"
        assert len(live._output) < 2 << 20


def test_input_that_is_not_taken_is_a_hang():
    with python("import time; time.sleep(60)") as live, pytest.raises(LostError) as caught:
        live.send(b"x" * (4 << 20), 0.3)
    assert caught.value.kind == "hang"


def test_input_to_one_that_has_ended_is_a_crash():
    with python("pass") as live:
        time.sleep(0.3)
        with pytest.raises(LostError) as caught:
            live.send(b"x" * (4 << 20), 5)
    assert caught.value.kind == "crash"


def test_large_input_while_it_prints_does_not_lock_up():
    program = (
        "import sys\ndata = sys.stdin.read(1 << 20)\nfor _ in range(20): sys.stderr.write('e' * 65536)\n"
        "print(len(data), flush=True)"
    )
    with python(program) as live:
        live.send(b"x" * (1 << 20), 20)
        assert live.read_line(20) == b"1048576"


def test_what_it_started_ends_with_it():
    program = (
        "import subprocess, sys\n"
        "p = subprocess.Popen(['sleep', '60'], start_new_session=True)\n"
        "print(p.pid, flush=True)\nsys.stdin.read()"
    )
    with python(program) as live:
        child = int(live.read_line(10))
        assert Path(f"/proc/{child}").exists()
    assert is_gone(child)


def test_one_that_does_not_end_when_told_is_killed():
    live = python(
        "import signal, time; signal.signal(15, signal.SIG_IGN); print(1, flush=True); time.sleep(60)"
    )
    live.read_line(10)
    began = time.monotonic()
    live.close(gently=True)
    assert time.monotonic() - began < 10
    assert live._process.returncode == -9


def test_what_cannot_be_started_is_named():
    with pytest.raises(StartError, match="/nowhere/python: No such file"):
        LiveProcess.start(("/nowhere/python",))


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_no_descriptor_is_left():
    before = descriptors()
    for _ in range(3):
        with python("import time; time.sleep(60)"):
            pass
        with python(ECHO) as live:
            live.send(b"x\n", 10)
            live.read_line(10)
    assert descriptors() == before


# In a container -------------------------------------------------------------------------------------------

LOOP = 'while read line; do echo "got $line"; done; exit 0'


@pytest.mark.engine
def test_lines_in_a_container_that_stays_for_the_next_command(engine: Engine, image: str):
    with engine.session(image) as session:
        for round_ in range(3):
            live = LiveContainer.start(session, ("sh", "-c", 'read line; echo "got $line"; read line'))
            live.send(b"word\n", 10)
            assert live.read_line(10) == b"got word"
            live.send(b"end\n", 10)
            live.close(gently=True)
            assert session._name is not None, round_
        assert session.renewals == 0
        assert session.run(("echo", "after"), timeout_s=20).stdout == b"after\n"


@pytest.mark.engine
def test_faults_in_a_container(engine: Engine, image: str):
    with engine.session(image) as session:
        live = LiveContainer.start(session, ("sh", "-c", "echo oops >&2; exit 3"))
        error = lost(live)
        assert (error.kind, str(error)) == ("crash", "it ended: oops")
        live.close()
        live = LiveContainer.start(session, ("sleep", "60"))
        assert lost(live, 0.3).kind == "hang"
        live.close()
        assert session._name is None
        live = LiveContainer.start(session, ("sh", "-c", "yes | tr -d '\\n'"))
        assert lost(live, 30).kind == "rubbish"
        live.close()
        live = LiveContainer.start(session, ("sh", "-c", LOOP))
        live.send(b"again\n", 10)
        assert live.read_line(10) == b"got again"
        live.close()


@pytest.mark.engine
def test_what_cannot_be_started_in_a_container_is_a_crash(engine: Engine, image: str):
    with engine.session(image) as session:
        live = LiveContainer.start(session, ("/nowhere/python",))
        assert lost(live).kind == "crash"
        live.close()
