"""Signatures of libraries: what their bytes, symbols and names look like. One small TOML file for each.

How to add one is told, with an example, in ``docs/signatures.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from pyassay.probes.signatures.model import BytePattern, Signature, SymbolVersionSource
from pyassay.probes.signatures.parsing import SignatureError, parse

__all__ = ["BytePattern", "Signature", "SignatureError", "SymbolVersionSource", "load", "parse", "signatures"]


@cache
def signatures() -> Mapping[str, Signature]:
    """Return every signature by its id, in the order of their names.

    Raises
    ------
    SignatureError
        If one is faulty.
    """
    return load(files(__name__))


def load(folder: Traversable) -> dict[str, Signature]:
    """Read the signatures of a folder.

    Raises
    ------
    SignatureError
        If one is faulty.
    """
    found: dict[str, Signature] = {}
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        if file.name.endswith(".toml"):
            signature = parse(file.name, file.read_text(encoding="utf-8"))
            found[signature.id] = signature
    for signature in found.values():
        for other in signature.not_of:
            if other not in found:
                raise SignatureError(f"{signature.id}.toml: not_of: {other}: no such signature")
    return found
