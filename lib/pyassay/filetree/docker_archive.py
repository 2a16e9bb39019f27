"""What `docker save` writes: layers that lie over each other, as the one tree that a container sees."""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Iterator
from typing import Any, BinaryIO

from pyassay.filetree import tarred
from pyassay.filetree.model import DAMAGED, FileTreeError, Member, Refused, one_line
from pyassay.filetree.packed import MAGICS, unpacked
from pyassay.filetree.reading import Context

__all__ = ["begins_as_image", "is_docker_archive", "read"]

_MANIFEST = "manifest.json"
_INDEX = "index.json"  # of the OCI image layout specification
_MAX_INDEXES = 4
_FIRST_NAMES = r"blobs/|oci-layout$|index\.json$|manifest\.json$|repositories$|[0-9a-f]{64}(/|\.json$|\.tar$)"
_MAX_MANIFEST_BYTES = 4 << 20
_MAX_NAMES = 5000
_MAX_LAYERS = 200
_OPAQUE = ".wh..wh..opq"
_WHITEOUT = ".wh."
_DAMAGED: tuple[type[Exception], ...] = (*DAMAGED, RecursionError)


def begins_as_image(head: bytes) -> bool:
    """Tell by the first header of a tar archive whether it is worth looking for an image in it."""
    name = head[:100].partition(b"\0")[0].decode("ascii", "replace").removeprefix("./")
    return re.match(_FIRST_NAMES, name) is not None


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
    index: tarfile.TarInfo | None = None
    try:
        source.seek(0)
        with tarfile.open(fileobj=source, mode="r:", tarinfo=tarred.BoundedInfo) as archive:
            for _ in range(_MAX_NAMES):
                info = archive.next()
                if info is None:
                    break
                if info.name == _MANIFEST:
                    return _named(_document(archive, info))
                if info.name == _INDEX:
                    index = info
            return _indexed(archive, index) if index else []
    except _DAMAGED as error:
        raise FileTreeError(f"damaged archive: {one_line(error)}") from error


def _document(archive: tarfile.TarFile, info: tarfile.TarInfo) -> Any:
    stream = archive.extractfile(info) if info.isreg() and info.size <= _MAX_MANIFEST_BYTES else None
    return json.loads(stream.read()) if stream else None


def _named(document: Any) -> list[str]:
    """Return the layers that ``manifest.json`` names, which docker and podman write."""
    if not isinstance(document, list) or not document or not isinstance(document[0], dict):
        return []
    layers = document[0].get("Layers")
    named = isinstance(layers, list) and all(isinstance(layer, str) for layer in layers)
    return layers[:_MAX_LAYERS] if named and layers else []


def _indexed(archive: tarfile.TarFile, info: tarfile.TarInfo) -> list[str]:
    """Return the layers of the first image of an OCI layout: an index names manifests, or another index."""
    document = _document(archive, info)
    for _ in range(_MAX_INDEXES):
        if not isinstance(document, dict):
            return []
        if isinstance(document.get("layers"), list):
            layers = [_blob(layer) for layer in document["layers"][:_MAX_LAYERS]]
            return layers if all(layers) else []
        manifests = document.get("manifests")
        blob = _blob(manifests[0]) if isinstance(manifests, list) and manifests else ""
        if not blob:
            return []
        try:
            document = _document(archive, archive.getmember(blob))
        except KeyError:
            return []
    return []


def _blob(descriptor: Any) -> str:
    digest = descriptor.get("digest") if isinstance(descriptor, dict) else None
    return f"blobs/{digest.replace(':', '/')}" if isinstance(digest, str) else ""
