"""How an index behaves: what it offers and in which protocols, how slow it is, and how it fails."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

__all__ = ["Fault", "IndexSpec"]

_KINDS = ("status", "slow", "cut", "silent", "tampered")


@dataclass(frozen=True, slots=True)
class Fault:
    """A way in which an index fails.

    Attributes
    ----------
    kind : {"status", "slow", "cut", "silent", "tampered"}
        Answers with a status; sends at a rate; breaks off in the middle; never answers; sends a wheel
        of another digest.
    status : int
        401, 403, 404, 500, ...
    on : {"any", "page", "metadata", "file"}
        Which requests.
    project : str
        Which project, normalised; empty: all.
    times : int
        Only the first requests of this number; 0: all.
    bytes_per_s : int
        Of ``slow``: how fast it sends.
    """

    kind: Literal["status", "slow", "cut", "silent", "tampered"] = "status"
    status: int = 500
    on: Literal["any", "page", "metadata", "file"] = "any"
    project: str = ""
    times: int = 0
    bytes_per_s: int = 1000

    def __post_init__(self) -> None:
        if self.kind not in _KINDS:
            raise ValueError(f"{self.kind}: no such fault; there are: {', '.join(_KINDS)}")

    def hits(self, on: str, project: str) -> bool:
        """Tell whether it is for a request."""
        return self.on in ("any", on) and self.project in ("", project)


@dataclass(frozen=True, slots=True)
class IndexSpec:
    """What an index offers, and how.

    Attributes
    ----------
    paths : tuple of Path
        Wheels, source distributions, and folders of them.
    json : bool
        Whether it speaks JSON (PEP 691 and 700) to those who ask for it; else HTML only (PEP 503).
    metadata : bool
        Whether it gives the metadata of wheels by itself (PEP 658).
    ranges : bool
        Whether it gives parts of files.
    cache_headers : bool
        Whether it says, as the public registry does, how long its answers may be kept.
    latency_s : float
        Seconds before each answer.
    faults : tuple of Fault
        The first that is for a request counts.
    credentials : tuple of str
        User and password that it wants; empty: none.
    """

    paths: tuple[Path, ...]
    json: bool = True
    metadata: bool = True
    ranges: bool = True
    cache_headers: bool = True
    latency_s: float = 0.0
    faults: tuple[Fault, ...] = ()
    credentials: tuple[str, ...] = ()

    def dumped(self) -> str:
        """Return it as JSON."""
        return json.dumps(asdict(self) | {"paths": [str(path) for path in self.paths]})

    @classmethod
    def loaded(cls, text: str) -> IndexSpec:
        """Return it from JSON."""
        fields = json.loads(text)
        fields["paths"] = tuple(map(Path, fields["paths"]))
        fields["faults"] = tuple(Fault(**fault) for fault in fields["faults"])
        fields["credentials"] = tuple(fields["credentials"])
        return cls(**fields)
