"""Claims about bytes, and what was found: the rows of ``byte_provenance`` before they are a table."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from pyassay.subjects.display import display_text

__all__ = ["LEFT", "STATES", "Budget", "Claims", "sha256"]

STATES = (*("holds", "differs", "missing", "unlisted", "not in the SBOM", "not in the bytes", "not checked"),)
LEFT = "too many bytes, or no time left"
_SHOWN = 20
_MAX_DIGESTED_BYTES = 64 << 30


@dataclass(slots=True)
class Budget:
    """How much is hashed of one subject before the rest is left.

    Attributes
    ----------
    bytes_left : int
    until : float
        On the clock of :func:`time.monotonic`; a minute from now by default.
    """

    bytes_left: int = 16 << 30
    until: float = field(default_factory=lambda: time.monotonic() + 60.0)

    def spent(self) -> bool:
        """Tell whether it is used up."""
        return self.bytes_left <= 0 or time.monotonic() > self.until


@dataclass(slots=True)
class Claims:
    """What one source (a package, a RECORD, an SBOM) claims, compared file by file.

    Of each state the first 20 files are rows of their own, the others are one row together; files that hold
    are one row.

    Attributes
    ----------
    claim : str
        ``dpkg``, ``dpkg conffile``, ``RECORD``, ``SBOM`` or ``digest``.
    source : str
        Who claims it: ``python3.11-minimal 3.11.2-6``.
    """

    claim: str
    source: str
    _rows: list[dict[str, Any]] = field(default_factory=list)
    _counts: dict[str, int] = field(default_factory=dict)

    def add(self, state: str, file: str, claimed: str = "", found: str = "", reason: str = "") -> None:
        """Note one file."""
        count = self._counts[state] = self._counts.get(state, 0) + 1
        if state != "holds" and count <= _SHOWN:
            self._rows.append(self._row(state, file, claimed, found, reason))

    def tell(self, state: str, file: str, claimed: str = "", found: str = "", reason: str = "") -> None:
        """Note one thing that is a row of its own whatever its state."""
        self._rows.append(self._row(state, file, claimed, found, reason))

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield the rows."""
        holding = self._counts.get("holds", 0)
        if holding:
            said = f"{holding} {'file' if holding == 1 else 'files'}"
            yield self._row("holds", "", said, said, "", holding)
        yield from self._rows
        for state, count in self._counts.items():
            if state != "holds" and count > _SHOWN:
                left = count - _SHOWN
                yield self._row(state, "", f"{left} more files", "", "only the first are listed", left)

    def _row(
        self, state: str, file: str, claimed: str, found: str, reason: str, files: int = 1
    ) -> dict[str, Any]:
        return {
            "claim": self.claim,
            "source": display_text(self.source)[:200],
            "file": display_text(file)[:1000],
            "files": files,
            "claimed": display_text(claimed)[:200],
            "found": display_text(found)[:200],
            "state": state,
            "reason": display_text(" ".join(reason.split()))[:300],
        }


def sha256(stream: BinaryIO) -> str:
    """Return the SHA-256 of a stream, hexadecimal.

    Raises
    ------
    ValueError
        If it does not end within 64 GiB.
    """
    digest, read = hashlib.sha256(), 0
    while data := stream.read(1 << 20):
        read += len(data)
        if read > _MAX_DIGESTED_BYTES:
            raise ValueError(f"more than {_MAX_DIGESTED_BYTES} bytes")
        digest.update(data)
    return digest.hexdigest()
