"""Ports of loopback at which things go wrong: nobody listens, or nobody answers."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

__all__ = ["closed_port", "silent_port"]


@contextlib.contextmanager
def closed_port() -> Iterator[str]:
    """Yield an address at which connections are refused: taken, so that nobody can listen there."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@contextlib.contextmanager
def silent_port() -> Iterator[str]:
    """Yield an address that takes connections and never says a word, as a firewall that drops packets."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(128)
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"
