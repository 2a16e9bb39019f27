"""What `docker save` writes: layers that lie over each other, as the one tree that a container sees."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from typing import Any, BinaryIO

from pyassay.filetree import tarred
from pyassay.filetree.model import DAMAGED, FileTreeError, Member, Refused, one_line
from pyassay.filetree.packed import MAGICS, unpacked
from pyassay.filetree.reading import Context

__all__ = ["is_docker_archive", "read"]

_MANIFEST = "manifest.json"
_MAX_MANIFEST_BYTES = 4 << 20
_MAX_NAMES = 5000
_MAX_LAYERS = 200
_OPAQUE = ".wh..wh..opq"
_WHITEOUT = ".wh."
_DAMAGED: tuple[type[Exception], ...] = (*DAMAGED, RecursionError)


def is_docker_archive(source: BinaryIO) -> bool:
    """Tell whether a seekable tar archive holds an image."""
    try:
        return bool(_layers(source))
    except FileTreeError:
        return False


def read(source: BinaryIO, context: Context) -> Iterator[Member | Refused]:
    """Yield the files of an image, the topmost layer first; what a layer deletes is left out.

    Raises
    ------
    FileTreeError
        If a layer is missing or damaged.
    """
    seen: set[str] = set()  # what a higher layer has
    gone: set[str] = set()  # what a higher layer hides, with all below it
    for name in reversed(_layers(source)):
        own_seen: set[str] = set()
        own_gone: set[str] = set()
        inner = Context(context.limits, context.prefix, context.depth, context.used)
        for item in _layer(source, name, inner):
            path = item.path.removeprefix(context.prefix)
            folder, _, base = path.rpartition("/")
            if base == _OPAQUE:
                own_gone.add(f"{folder}/")
            elif base.startswith(_WHITEOUT):
                own_gone.add(f"{folder}/{base[len(_WHITEOUT) :]}".lstrip("/"))
            elif path not in seen and not _below(path, gone):
                own_seen.add(path)
                if isinstance(item, Member) and item.kind != "folder":
                    own_gone.add(f"{path}/")
                yield item
        # What a layer hides lies in those below it.
        seen |= own_seen
        gone |= own_gone


def _below(path: str, gone: set[str]) -> bool:
    while path:
        if path in gone:
            return True
        path = path.rpartition("/")[0]
        if f"{path}/" in gone:
            return True
    return False


def _layer(source: BinaryIO, name: str, context: Context) -> Iterator[Member | Refused]:
    try:
        source.seek(0)
        with tarfile.open(fileobj=source, mode="r:", tarinfo=tarred.BoundedInfo) as archive:
            stream = archive.extractfile(name)
            if stream is None:
                raise FileTreeError(f"{one_line(name)}: no layer")
            head = stream.read(8)
            stream.seek(0)
            packing = next((key for key, magic in MAGICS.items() if head.startswith(magic)), "")
            layer: Any = unpacked(stream, packing) if packing else stream  # type: ignore[arg-type]
            yield from tarred.read(layer, context)
    except KeyError as error:
        raise FileTreeError(f"{one_line(name)}: the layer is missing") from error
    except tarfile.TarError as error:
        raise FileTreeError(f"damaged image archive: {one_line(error)}") from error


def _layers(source: BinaryIO) -> list[str]:
    """Return the names of the layers in the archive, the lowest first; none: it is no image."""
    try:
        source.seek(0)
        with tarfile.open(fileobj=source, mode="r:", tarinfo=tarred.BoundedInfo) as archive:
            for _ in range(_MAX_NAMES):
                info = archive.next()
                if info is None:
                    return []
                if info.name == _MANIFEST and info.isreg() and info.size <= _MAX_MANIFEST_BYTES:
                    stream = archive.extractfile(info)
                    return _named(stream.read() if stream else b"")
    except _DAMAGED as error:
        raise FileTreeError(f"damaged archive: {one_line(error)}") from error
    return []


def _named(manifest: bytes) -> list[str]:
    document = json.loads(manifest)
    if not isinstance(document, list) or not document or not isinstance(document[0], dict):
        return []
    layers = document[0].get("Layers")
    named = isinstance(layers, list) and all(isinstance(layer, str) for layer in layers)
    return layers[:_MAX_LAYERS] if named and layers else []
