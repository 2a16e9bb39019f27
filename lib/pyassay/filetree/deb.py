"""Debian packages: an ar archive of two tar archives.

The ar format is read here, in thirty lines: python-debian's reader wants a file that it can seek in, and
trusts the sizes in the headers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, cast

from pyassay.filetree import tarred
from pyassay.filetree.model import FileTreeError, Member, Refused, one_line
from pyassay.filetree.packed import unpacked
from pyassay.filetree.reading import Context, Part

__all__ = ["MAGIC", "read"]

MAGIC = b"!<arch>\n"
_HEADER = 60
_MAX_PARTS = 20
_PACKINGS = {".gz": "gz", ".xz": "xz", ".zst": "zst", ".bz2": "bz2", ".tar": ""}


def read(source: BinaryIO, context: Context) -> Iterator[Member | Refused]:
    """Yield the files that a package installs, and below ``DEBIAN/`` those that describe it.

    Raises
    ------
    FileTreeError
        If it is damaged.
    """
    if source.read(len(MAGIC)) != MAGIC:
        raise FileTreeError("not an ar archive")
    complete = False
    for _ in range(_MAX_PARTS):
        header = source.read(_HEADER)
        if not header:
            break
        name, size = _header(header)
        part = Part(source, size)
        stream = cast("BinaryIO", part)
        if name.startswith(("control.tar", "data.tar")):
            complete = complete or name.startswith("data")
            inner = Context(context.limits, context.prefix, context.depth, context.used)
            if name.startswith("control"):
                inner.prefix += "DEBIAN/"
            packing = _packing(name)
            if packing is None:
                yield Refused(context.prefix + one_line(name), "packed in a way that is not known")
            else:
                yield from tarred.read(unpacked(stream, packing) if packing else stream, inner)
        part.skip()
        if size % 2:
            source.read(1)
    if not complete:
        raise FileTreeError("truncated: there is no data.tar in it")


def _header(header: bytes) -> tuple[str, int]:
    if len(header) < _HEADER or header[58:60] != b"`\n":
        raise FileTreeError("damaged ar archive: a header that is none")
    name = header[:16].decode("ascii", "replace").strip().rstrip("/")
    digits = header[48:58].strip()
    if not digits.isdigit():
        raise FileTreeError(f"damaged ar archive: {one_line(name)} has no size")
    return name, int(digits)


def _packing(name: str) -> str | None:
    return next((packing for suffix, packing in _PACKINGS.items() if name.endswith(suffix)), None)
