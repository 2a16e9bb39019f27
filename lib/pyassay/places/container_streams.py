"""The streams of a container: its input sent, its output taken apart and bounded, and a clock on both."""

from __future__ import annotations

import math
import select
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import requests

__all__ = ["Attached", "Framing", "HalfCloseError"]

_CHUNK = 1 << 16
_HEADER = 8
_STDOUT, _STDERR = 1, 2
# How often an end is asked for while nothing comes, and what may still be on its way after it.
_ASK_S = 0.25
_DRAIN_S = 0.2


class HalfCloseError(Exception):
    """The connection cannot say "end of input" and stay open (TLS)."""


@dataclass(slots=True)
class Framing:
    """Takes the engine's frames apart: a byte for the stream, three of nothing, four of length, the data.

    No more than `limit` bytes of each stream are held, whatever the frames hold.
    """

    limit: int
    output: dict[int, bytearray] = field(default_factory=lambda: {_STDOUT: bytearray(), _STDERR: bytearray()})
    truncated: bool = False
    _header: bytearray = field(default_factory=bytearray)
    _stream: int = 0
    _left: int = 0

    def feed(self, data: bytes) -> None:
        """Take in what was received, cut anywhere."""
        view = memoryview(data)
        while view:
            if not self._left:
                wanted = _HEADER - len(self._header)
                self._header += view[:wanted]
                view = view[wanted:]
                if len(self._header) == _HEADER:
                    self._stream = self._header[0]
                    self._left = int.from_bytes(self._header[4:], "big")
                    self._header.clear()
                continue
            part = view[: self._left]
            self._keep(part)
            self._left -= len(part)
            view = view[len(part) :]

    def _keep(self, part: memoryview) -> None:
        # Input that is echoed (0) does not happen without a terminal; a message of the engine's (3) is an
        # error to a reader.
        held = self.output[_STDOUT if self._stream == _STDOUT else _STDERR]
        room = self.limit - len(held)
        held += part[:room]
        self.truncated = self.truncated or len(part) > room


class Attached:
    """A connection to the streams of a command.

    Parameters
    ----------
    response : requests.Response
        The answer to an upgrade request, not read.
    max_output_bytes : int
        Limit of stdout and of stderr, each.
    """

    def __init__(self, response: requests.Response, max_output_bytes: int) -> None:
        self._response = response
        self.framing = Framing(max_output_bytes)
        self.timed_out = False
        self.left_open = False
        # The Docker SDK hands out the raw socket and loses what has been read ahead together with the
        # headers: a quick command's whole output. So that is looked for first.
        buffered = response.raw._fp.fp
        self._socket: socket.socket = buffered.raw._sock
        self._socket.setblocking(False)
        ahead = bytes(buffered.peek(1))
        if ahead:
            self.framing.feed(buffered.read1(len(ahead)))

    @property
    def stdout(self) -> bytes:
        """What was written to standard output, up to the limit."""
        return bytes(self.framing.output[_STDOUT])

    @property
    def stderr(self) -> bytes:
        """What was written to standard error, up to the limit."""
        return bytes(self.framing.output[_STDERR])

    def attend(
        self,
        input_bytes: bytes | None,
        deadline: float,
        has_ended: Callable[[], bool] | None = None,
    ) -> None:
        """Feed and read until the streams end, one goes over the limit, or the time is up.

        Parameters
        ----------
        input_bytes : bytes or None
            None: it has no input to be ended.
        deadline : float
            By the monotonic clock.
        has_ended : callable, optional
            Asked while nothing comes: what a command leaves running may hold its streams open.

        Raises
        ------
        OSError
            If the connection breaks.
        HalfCloseError
            If the end of the input cannot be sent.
        """
        pending = memoryview(input_bytes or b"")
        if input_bytes is not None and isinstance(self._socket, ssl.SSLSocket):
            raise HalfCloseError
        sending = input_bytes is not None
        poll = select.poll()
        poll.register(self._socket, select.POLLIN | (select.POLLOUT if sending else 0))
        asked = time.monotonic()
        while not self.framing.truncated:
            now = time.monotonic()
            if now >= deadline:
                self.timed_out = not self.left_open
                return
            if has_ended is not None and not self.left_open and now - asked >= _ASK_S:
                asked = now
                if has_ended():
                    self.left_open, deadline = True, min(deadline, now + _DRAIN_S)
            wait = deadline - now if has_ended is None else min(deadline - now, _ASK_S)
            events = 0 if self._has_pending() else self._wait(poll, wait)
            if sending and events & select.POLLOUT:
                pending = self._send(pending)
                if not pending:
                    sending = False
                    self._end_input()
                    poll.modify(self._socket, select.POLLIN)
            if (events & ~select.POLLOUT or self._has_pending()) and not self._receive():
                # The streams have ended: nothing was left open.
                self.left_open = False
                return

    def send(self, data: bytes, deadline: float) -> None:
        """Send input and leave the stream open.

        Raises
        ------
        OSError
            If the connection breaks or the deadline, by the monotonic clock, passes.
        """
        pending = memoryview(data)
        poll = select.poll()
        poll.register(self._socket, select.POLLOUT)
        while pending:
            if time.monotonic() >= deadline:
                raise TimeoutError("the input is not taken")
            if self._wait(poll, deadline - time.monotonic()):
                sent = self._socket.send(pending[:_CHUNK])
                pending = pending[sent:]

    def take_line(self, deadline: float) -> bytes | None:
        """Take a line off standard output, without its end; None: the stream has ended.

        Raises
        ------
        OSError
            If the connection breaks or the deadline, by the monotonic clock, passes.
        OverflowError
            If more than the limit lies unread.
        """
        held = self.framing.output[_STDOUT]
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        while (end := held.find(b"\n")) < 0:
            if self.framing.truncated:
                raise OverflowError("too much output")
            if time.monotonic() >= deadline:
                raise TimeoutError("no answer")
            events = self._has_pending() or self._wait(poll, deadline - time.monotonic())
            if events and not self._receive():
                return None
        line = bytes(held[:end])
        del held[: end + 1]
        return line

    def _wait(self, poll: select.poll, seconds: float) -> int:
        for _, events in poll.poll(math.ceil(max(seconds, 0) * 1000)):
            return events
        return 0

    def _has_pending(self) -> bool:
        return isinstance(self._socket, ssl.SSLSocket) and self._socket.pending() > 0

    def _send(self, pending: memoryview) -> memoryview:
        try:
            return pending[self._socket.send(pending[:_CHUNK]) :] if pending else pending
        except (BlockingIOError, ssl.SSLWantWriteError):
            return pending
        except (BrokenPipeError, ConnectionResetError):
            # It does not read its input: its own affair. If the engine is gone, reading tells.
            return pending[:0]

    def _end_input(self) -> None:
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:
            return

    def _receive(self) -> bool:
        """Take in what there is; False at the end of the streams."""
        try:
            data = self._socket.recv(_CHUNK)
        except (BlockingIOError, ssl.SSLWantReadError):
            return True
        self.framing.feed(data)
        return bool(data)

    def close(self) -> None:
        """Close the connection; it is of no more use for anything."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        finally:
            self._socket.close()
            self._response.close()
