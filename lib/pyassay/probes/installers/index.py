"""An index of our own on loopback, for the time of a ``with``.

:func:`serve` answers in threads of this process, :func:`serve_apart` in a process of its own, for timing::

    with serve(IndexSpec((wheelhouse,))) as index:
        run_isolated(installer.install(environment, ["click"], index=index.url), home)
        index.requests()
"""

from __future__ import annotations

import contextlib
import json
import select
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, Protocol

from pyassay.probes.installers.index_handler import IndexServer, Request
from pyassay.probes.installers.index_spec import Fault, IndexSpec

__all__ = ["Fault", "Index", "IndexSpec", "IndexStartError", "Request", "serve", "serve_apart"]

_START_S, _ANSWER_S, _END_S = 30.0, 10.0, 5.0


class IndexStartError(Exception):
    """The index could not be started, or does not answer any more: one line."""


class Index(Protocol):
    """An index that answers."""

    @property
    def origin(self) -> str:
        """Scheme, host and port: ``http://127.0.0.1:41234``."""

    @property
    def url(self) -> str:
        """What installers are given: the origin and ``/simple/``."""

    def requests(self) -> list[Request]:
        """Return what was asked since the counts were begun."""

    def forget(self) -> None:
        """Begin the counts anew."""


class _InThreads:
    def __init__(self, server: IndexServer) -> None:
        self._server = server

    @property
    def origin(self) -> str:
        return self._server.origin

    @property
    def url(self) -> str:
        return f"{self.origin}/simple/"

    def requests(self) -> list[Request]:
        return self._server.requests()

    def forget(self) -> None:
        self._server.forget()


@contextlib.contextmanager
def serve(spec: IndexSpec) -> Iterator[Index]:
    """Serve an index in threads of this process."""
    server = IndexServer(spec)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield _InThreads(server)
    finally:
        server.ended.set()
        server.shutdown()
        # Not waiting for handlers: one may be sending slowly, on purpose.
        server.block_on_close = False
        server.server_close()
        thread.join(_END_S)


class _Apart:
    def __init__(self, process: subprocess.Popen[str], origin: str) -> None:
        self._process, self._origin = process, origin

    @property
    def origin(self) -> str:
        return self._origin

    @property
    def url(self) -> str:
        return f"{self._origin}/simple/"

    def requests(self) -> list[Request]:
        return [Request(**fields) for fields in _ask(self._process, "requests")]

    def forget(self) -> None:
        _ask(self._process, "forget")


@contextlib.contextmanager
def serve_apart(spec: IndexSpec) -> Iterator[Index]:
    """Serve an index in a process of its own, so that it takes no time from this one.

    Raises
    ------
    IndexStartError
        If it does not start.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", __name__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        bufsize=1,
    )
    try:
        yield _Apart(process, _ask(process, spec.dumped(), _START_S))
    finally:
        # It ends with its input; also when we are killed.
        with contextlib.suppress(OSError):
            if process.stdin is not None:
                process.stdin.close()
        try:
            process.wait(_END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(_END_S)
        if process.stdout is not None:
            process.stdout.close()


def _ask(process: subprocess.Popen[str], line: str, timeout_s: float = _ANSWER_S) -> Any:
    if process.stdin is None or process.stdout is None:
        raise IndexStartError("the index has no line to us")
    try:
        process.stdin.write(f"{line}\n")
        if not select.select([process.stdout], [], [], timeout_s)[0]:
            raise IndexStartError(f"the index does not answer within {timeout_s:g} s")
        answer = process.stdout.readline()
    except OSError as error:
        raise IndexStartError(f"the index is gone: {error}") from error
    if not answer:
        raise IndexStartError(f"the index ended with status {process.poll()}")
    return json.loads(answer)


def _main() -> None:
    with serve(IndexSpec.loaded(sys.stdin.readline())) as index:
        print(json.dumps(index.origin), flush=True)
        for line in sys.stdin:
            if line.strip() == "requests":
                print(json.dumps([asdict(request) for request in index.requests()]), flush=True)
            else:
                index.forget()
                print("null", flush=True)


if __name__ == "__main__":
    _main()
