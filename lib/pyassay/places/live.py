"""A process that is talked to: lines in, lines out, each under a timeout, on this host or in a container.

The process is not trusted: it may hang, flood, print no lines at all, or end at any moment. Whatever it does,
:meth:`Live.close` ends it and all that it started.
"""

from __future__ import annotations

import contextlib
import math
import os
import secrets
import select
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from pyassay.places import host
from pyassay.places.host import clean_environment

if TYPE_CHECKING:
    from pyassay.places.container import Session
    from pyassay.places.container_streams import Attached

__all__ = ["Live", "LiveContainer", "LiveProcess", "LostError"]

_CHUNK = 1 << 16
_MAX_UNREAD = 1 << 20
_KEPT_STDERR = 4 << 10
_GRACE_S = 2.0
_ENGINE_SAYS = (b"OCI ", b"exec failed")


class LostError(Exception):
    """The process is of no more use: one line, why.

    Attributes
    ----------
    kind : {"hang", "crash", "rubbish"}
    """

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind


class Live(Protocol):
    """A process with its standard input and output open."""

    def send(self, data: bytes, timeout_s: float) -> None:
        """Give it input, all of it, or raise :class:`LostError`."""

    def read_line(self, timeout_s: float) -> bytes:
        """Wait for a line of its output, without the line's end, or raise :class:`LostError`."""

    def close(self, *, gently: bool = False) -> None:
        """End it; gently: it was told to, and gets two seconds for it. May be called again."""


@dataclass(slots=True)
class LiveProcess:
    """A process of this host, in a session of its own and with an environment made from nothing."""

    _process: subprocess.Popen[bytes]
    _mark: str
    _output: bytearray = field(default_factory=bytearray)
    _errors: bytearray = field(default_factory=bytearray)
    _polled: list[str] = field(default_factory=lambda: ["stdout", "stderr"])
    _closed: bool = False

    @classmethod
    def start(
        cls,
        argv: Sequence[str | os.PathLike[str]],
        *,
        extra_environment: Mapping[str, str] | None = None,
        cwd: str | os.PathLike[str] | None = None,
    ) -> Self:
        """Start a command, never through a shell.

        Parameters
        ----------
        argv : sequence of str or path
        extra_environment : mapping, optional
            Added to :func:`pyassay.places.host.clean_environment`.
        cwd : path, optional
            ``/`` unless given.

        Raises
        ------
        pyassay.places.host.StartError
            If it could not be started.
        """
        mark = secrets.token_hex(8)
        environment = clean_environment(extra_environment) | {host._MARK: mark}
        process = host._start(tuple(os.fspath(word) for word in argv), cwd, environment)
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                os.set_blocking(stream.fileno(), False)
        return cls(process, mark)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def send(self, data: bytes, timeout_s: float) -> None:
        """Give it input, all of it.

        Raises
        ------
        LostError
            If it does not take it in time, or has ended.
        """
        pending = memoryview(data)
        deadline = time.monotonic() + timeout_s
        while pending:
            left = deadline - time.monotonic()
            if left <= 0:
                raise LostError("hang", f"it takes no input within {timeout_s:g} s")
            try:
                pending = pending[os.write(self._descriptor("stdin"), pending[:_CHUNK]) :]
            except BlockingIOError:
                # It may be held up by output that nobody reads.
                self._wait(min(left, 0.1), for_input=True)
            except OSError:
                raise LostError("crash", self._why_ended()) from None

    def read_line(self, timeout_s: float) -> bytes:
        """Wait for a line of its output; returned without the line's end.

        Raises
        ------
        LostError
            If none comes in time, it ends, or what comes is no line.
        """
        deadline = time.monotonic() + timeout_s
        while (end := self._output.find(b"\n")) < 0:
            if len(self._output) > _MAX_UNREAD:
                raise LostError(
                    "rubbish", f"it prints more than {_MAX_UNREAD >> 20} MiB without a line's end"
                )
            left = deadline - time.monotonic()
            if left <= 0:
                raise LostError("hang", f"no answer within {timeout_s:g} s")
            if not self._wait(left):
                raise LostError("crash", self._why_ended())
        line = bytes(self._output[:end])
        del self._output[: end + 1]
        return line

    def _descriptor(self, name: str) -> int:
        stream = getattr(self._process, name)
        return int(stream.fileno())

    def _wait(self, seconds: float, *, for_input: bool = False) -> bool:
        """Take in what it prints within some time; False at the end of its output."""
        poll = select.poll()
        named = {self._descriptor(name): name for name in self._polled}
        for descriptor in named:
            poll.register(descriptor, select.POLLIN)
        if for_input:
            poll.register(self._descriptor("stdin"), select.POLLOUT)
        for descriptor, _ in poll.poll(math.ceil(seconds * 1000)):
            if (name := named.get(descriptor)) is None:
                continue
            data = os.read(descriptor, _CHUNK)
            if not data:
                self._polled.remove(name)
            elif name == "stdout":
                self._output += data
            else:
                self._errors = (self._errors + data)[-_KEPT_STDERR:]
        return "stdout" in self._polled

    def _why_ended(self) -> str:
        ended = host._ended_within(self._process.pid, 0.5)
        with contextlib.suppress(OSError):
            while data := os.read(self._descriptor("stderr"), _CHUNK):
                self._errors = (self._errors + data)[-_KEPT_STDERR:]
        lines = [line for line in self._errors.decode("utf-8", "replace").splitlines() if line.strip()]
        self.close()
        code = self._process.returncode if ended else None
        how = "it closed its output" if code is None else _ended_how(code)
        return host._one_line(f"{how}: {lines[-1].strip()[:300]}" if lines else how)

    def _has_ended(self) -> bool:
        """Wait for its end: its output ends with it, which shows sooner than looking now and then."""
        deadline = time.monotonic() + _GRACE_S
        while (left := deadline - time.monotonic()) > 0 and self._wait(left):
            self._output.clear()
        return host._ended_within(self._process.pid, max(left, 0))

    def close(self, *, gently: bool = False) -> None:
        """End it and whatever it has left running, and reap it.

        Parameters
        ----------
        gently : bool
            It was told to end, and gets two seconds for it.
        """
        if self._closed:
            return
        self._closed = True
        process = self._process
        orderly = gently and self._has_ended()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        if not orderly:
            host._kill_marked(self._mark)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(host._REAP_S)
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()


@dataclass(slots=True)
class LiveContainer:
    """A command in a container that is kept open, and is that command's alone."""

    _session: Session
    _streams: Attached
    _closed: bool = False

    @classmethod
    def start(
        cls,
        session: Session,
        argv: Sequence[str],
        *,
        extra_environment: Mapping[str, str] | None = None,
    ) -> Self:
        """Start a command in a session's container.

        Raises
        ------
        pyassay.places.container.EngineError
            If it cannot be started.
        """
        return cls(
            session,
            session.attach(argv, extra_environment=extra_environment, max_output_bytes=_MAX_UNREAD),
        )

    def send(self, data: bytes, timeout_s: float) -> None:
        """Give it input, all of it; see :meth:`LiveProcess.send`."""
        try:
            self._streams.send(data, time.monotonic() + timeout_s)
        except TimeoutError:
            raise LostError("hang", f"it takes no input within {timeout_s:g} s") from None
        except OSError as error:
            raise LostError("crash", f"the connection to its container broke: {error}") from None

    def read_line(self, timeout_s: float) -> bytes:
        """Wait for a line of its output; see :meth:`LiveProcess.read_line`."""
        try:
            line = self._streams.take_line(time.monotonic() + timeout_s)
        except TimeoutError:
            raise LostError("hang", f"no answer within {timeout_s:g} s") from None
        except OverflowError:
            raise LostError(
                "rubbish", f"it prints more than {_MAX_UNREAD >> 20} MiB without a line's end"
            ) from None
        except OSError as error:
            raise LostError("crash", f"the connection to its container broke: {error}") from None
        if line is None:
            said = (self._streams.stderr or self._streams.stdout).decode("utf-8", "replace")
            lines = [one.strip() for one in said.splitlines() if one.strip()]
            raise LostError("crash", host._one_line(f"it ended: {lines[-1][:300]}" if lines else "it ended"))
        if line.startswith(_ENGINE_SAYS) and line.endswith(b"\r"):
            # Among the output, because the engine has nowhere else to say it.
            raise LostError("crash", host._one_line(line.decode("utf-8", "replace").strip()[:300]))
        return line

    def close(self, *, gently: bool = False) -> None:
        """End it: gently, the container stays for the next command; else it is removed."""
        if self._closed:
            return
        self._closed = True
        if gently:
            # It ends by itself; a line that still comes is of no interest.
            deadline = time.monotonic() + _GRACE_S
            with contextlib.suppress(OSError, OverflowError):
                while self._streams.take_line(deadline) is not None:
                    if time.monotonic() > deadline:
                        raise TimeoutError
                self._streams.close()
                return
        self._streams.close()
        self._session.close()


def _ended_how(code: int) -> str:
    return f"killed by signal {-code}" if code < 0 else f"it ended with exit status {code}"
