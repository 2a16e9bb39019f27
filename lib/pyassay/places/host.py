"""Run a command of an untrusted subject on this host.

The command gets a session of its own, an environment made from nothing, bounded time, output and (if asked)
memory. Whatever way it ends, nothing of it is left running that can still be recognised as its own.
"""

from __future__ import annotations

import contextlib
import math
import os
import resource
import secrets
import select
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Completed", "StartError", "clean_environment", "run"]

_MARK = "PYASSAY_RUN"
# Allowed through as they are: where programs are found, and where they may put temporary files.
_KEPT = ("PATH", "TMPDIR")
_CHUNK = 1 << 16
# After TERM, before KILL; and what a leader that has ended leaves in its pipes may take this long to arrive.
_GRACE_S = 0.5
_DRAIN_S = 0.2
# Only a process in uninterruptible sleep outlives KILL; it must not take us with it.
_REAP_S = 5.0
_POLL_S = 0.01
_CANCEL_S = 0.2


class StartError(Exception):
    """The command could not be started (missing, not executable, for another machine): one line, names it."""


@dataclass(frozen=True, slots=True)
class Completed:
    """What became of a command.

    Attributes
    ----------
    argv : tuple of str
        The command as it was run.
    returncode : int or None
        Exit status, negative for a signal; None when the process could not be reaped.
    stdout, stderr : bytes
        At most `max_output_bytes` each.
    timed_out, truncated : bool
        Why it was killed: the time was up, or one of the two outputs went over the limit.
    duration_s : float
        Wall time in seconds, until its end or its kill.
    """

    argv: tuple[str, ...]
    returncode: int | None
    stdout: bytes
    stderr: bytes
    timed_out: bool
    truncated: bool
    duration_s: float

    @property
    def ok(self) -> bool:
        """Whether it ended by itself, with status 0 and all of its output."""
        return self.returncode == 0 and not self.timed_out and not self.truncated


def clean_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment that subjects are run in, made from nothing: no variable slips through.

    It holds ``PATH`` and ``TMPDIR`` as they are here, ``LANG=C.UTF-8``, ``TZ=UTC`` and a ``HOME`` that does
    not exist: no settings of the user reach the subject. One that needs a home is given it in `extra`.
    """
    environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
    environment.setdefault("PATH", os.defpath)
    environment |= {"LANG": "C.UTF-8", "TZ": "UTC", "HOME": "/nonexistent"}
    return environment | dict(extra or {})


def run(
    argv: Sequence[str | os.PathLike[str]],
    *,
    timeout_s: float,
    input_bytes: bytes = b"",
    cwd: str | os.PathLike[str] | None = None,
    extra_environment: Mapping[str, str] | None = None,
    max_output_bytes: int = 16 << 20,
    memory_bytes: int | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Completed:
    """Run a command and wait for its end, never through a shell. Safe to call from several threads.

    At the timeout, or when stdout or stderr goes over the limit, its whole process group gets TERM, then
    KILL. Processes that it leaves behind are killed when it ends; if it was cut off or they still hold its
    output, so are those that have left its group (they are known by a mark in their environment).

    Parameters
    ----------
    argv : sequence of str or path
        The command; the first item is looked up in PATH unless it holds a slash.
    timeout_s : float
        Wall seconds.
    input_bytes : bytes
        What it reads from its standard input, then end of file.
    cwd : path, optional
        ``/`` unless given: Python puts the current folder first on its path.
    extra_environment : mapping, optional
        Added to :func:`clean_environment`.
    max_output_bytes : int
        Limit of stdout and of stderr, each.
    memory_bytes : int, optional
        Limit of the address space (``RLIMIT_AS``) of each of its processes. Set right after the start, so
        the first milliseconds are not covered.
    cancelled : callable, optional
        Asked several times a second; when it says yes, the command is ended as at a timeout.

    Raises
    ------
    StartError
        If it could not be started.
    """
    words = tuple(os.fspath(word) for word in argv)
    mark = secrets.token_hex(8)
    environment = clean_environment(extra_environment) | {_MARK: mark}
    started = time.monotonic()
    process = _start(words, cwd, environment)
    child = _Child(process, mark, max_output_bytes)
    try:
        # Gone already, or of another user now (setuid)? Then there is nothing to limit, or no right to.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            resource.prlimit(process.pid, resource.RLIMIT_CORE, (0, 0))
            if memory_bytes is not None:
                resource.prlimit(process.pid, resource.RLIMIT_AS, (memory_bytes, memory_bytes))
        child.attend(input_bytes, started + timeout_s, cancelled)
        duration = time.monotonic() - started
    finally:
        child.finish()
    return Completed(
        words,
        process.returncode,
        bytes(child.output["stdout"]),
        bytes(child.output["stderr"]),
        child.timed_out,
        child.truncated,
        duration,
    )


def _start(
    words: tuple[str, ...], cwd: str | os.PathLike[str] | None, environment: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    if not words:
        raise StartError("no command given")
    try:
        return subprocess.Popen(
            words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=os.fspath(cwd or "/"),
            env=dict(environment),
            start_new_session=True,
            bufsize=0,
        )
    except OSError as error:
        # The missing file may be the working folder, not the command.
        name = error.filename if isinstance(error.filename, str) else words[0]
        raise StartError(f"{_one_line(name)}: {error.strerror or error}") from error
    except ValueError as error:
        raise StartError(f"{_one_line(words[0])}: {error}") from error


@dataclass(slots=True)
class _Child:
    process: subprocess.Popen[bytes]
    mark: str
    max_output_bytes: int
    output: dict[str, bytearray] = field(
        default_factory=lambda: {"stdout": bytearray(), "stderr": bytearray()}
    )
    pending: memoryview = field(default_factory=lambda: memoryview(b""))
    deadline: float = 0.0
    timed_out: bool = False
    truncated: bool = False
    ended: bool = False
    left_open: bool = False

    def attend(
        self, input_bytes: bytes, deadline: float, cancelled: Callable[[], bool] | None = None
    ) -> None:
        """Feed and read until it ends, closes everything, exceeds a limit or runs out of time."""
        self.pending, self.deadline = memoryview(input_bytes), deadline
        exit_descriptor = _pidfd(self.process.pid)
        waiting = self._streams()
        if exit_descriptor is not None:
            waiting[exit_descriptor] = "exit"
        poll = select.poll()
        for descriptor, name in waiting.items():
            os.set_blocking(descriptor, False)
            poll.register(descriptor, select.POLLOUT if name == "stdin" else select.POLLIN)
        try:
            while (waiting or not self.ended) and not self.truncated:
                if exit_descriptor is None and not self.ended and _has_ended(self.process.pid):
                    self._note_end()
                remaining = self.deadline - time.monotonic()
                if remaining <= 0 or (cancelled is not None and cancelled()):
                    # Too late only for one that still runs: leftovers that hold its pipes are no timeout.
                    self.timed_out = not self.ended
                    break
                wait = remaining if exit_descriptor is not None else min(remaining, _POLL_S)
                wait = wait if cancelled is None else min(wait, _CANCEL_S)
                for descriptor, _ in poll.poll(math.ceil(wait * 1000)):
                    if self._is_done(waiting[descriptor], descriptor):
                        poll.unregister(descriptor)
                        del waiting[descriptor]
            self.left_open = any(name in self.output for name in waiting.values())
        finally:
            if exit_descriptor is not None:
                os.close(exit_descriptor)

    def _streams(self) -> dict[int, str]:
        process = self.process
        named = {"stdin": process.stdin, "stdout": process.stdout, "stderr": process.stderr}
        return {stream.fileno(): name for name, stream in named.items() if stream is not None}

    def _note_end(self) -> None:
        self.ended = True
        self.deadline = min(self.deadline, time.monotonic() + _DRAIN_S)

    def _is_done(self, name: str, descriptor: int) -> bool:
        """Answer an event; True when nothing more is to be expected there."""
        if name == "exit":
            self._note_end()
            return True
        if name == "stdin":
            self.pending = _write_some(descriptor, self.pending)
            done = self.ended or not self.pending
            if done and self.process.stdin is not None:
                self.process.stdin.close()
            return done
        return not self._read(name, descriptor)

    def _read(self, name: str, descriptor: int) -> bool:
        """Read what there is; False at the end of the stream."""
        held = self.output[name]
        try:
            data = os.read(descriptor, _CHUNK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        room = self.max_output_bytes - len(held)
        held += data[:room]
        self.truncated = self.truncated or len(data) > room
        return bool(data)

    def finish(self) -> None:
        """End whatever is left of it and reap it."""
        process = self.process
        if not self.ended:
            # TERM first: an interpreter that is only slow may remove its temporary files.
            self._signal_group(signal.SIGTERM)
            self.ended = _ended_within(process.pid, _GRACE_S)
        cut_off = self.timed_out or self.truncated or self.left_open or not self.ended
        # The leader is not reaped yet, so its number still names this group and no other.
        self._signal_group(signal.SIGKILL)
        if cut_off:
            _kill_marked(self.mark)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_REAP_S)
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()

    def _signal_group(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)


def _write_some(descriptor: int, pending: memoryview) -> memoryview:
    """Write what fits and return the rest."""
    try:
        return pending[os.write(descriptor, pending[:_CHUNK]) :] if pending else pending
    except BlockingIOError:
        return pending
    except OSError:
        # It does not read its input: its own affair.
        return pending[:0]


def _pidfd(pid: int) -> int | None:
    """Return a descriptor that becomes readable when the process ends; None on kernels before 5.3."""
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None


def _has_ended(pid: int) -> bool:
    """Tell whether a child has ended, without reaping it."""
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True


def _ended_within(pid: int, seconds: float) -> bool:
    until = time.monotonic() + seconds
    while not _has_ended(pid):
        if time.monotonic() >= until:
            return False
        time.sleep(_POLL_S)
    return True


def _kill_marked(mark: str) -> None:
    """Kill the processes whose environment carries the mark of a run: daemons that left its group."""
    wanted = f"{_MARK}={mark}".encode()
    # Twice: one that was just forking when the first pass went by.
    for _ in range(2):
        pids = [int(entry.name) for entry in os.scandir("/proc") if entry.name.isdecimal()]
        if not sum(_kill_if_marked(pid, wanted) for pid in pids):
            return


def _kill_if_marked(pid: int, wanted: bytes) -> bool:
    # Opened before the look, so that the number cannot come to mean another process in between.
    descriptor = _pidfd(pid)
    try:
        if wanted not in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
            return False
        if descriptor is None:
            os.kill(pid, signal.SIGKILL)
        else:
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
    except OSError:
        return False
    else:
        return True
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _one_line(text: str) -> str:
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)
