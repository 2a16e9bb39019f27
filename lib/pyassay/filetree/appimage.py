"""AppImages, and squashfs images alone. The library is PySquashfsImage, kept from believing what it reads.

What it would do at once (scan the whole tree, unpack blocks of any size) is done here step by step, bounded.
"""

from __future__ import annotations

import io
import stat
import struct
from collections.abc import Iterator
from functools import partial
from typing import Any, BinaryIO, cast

from PySquashfsImage import SquashFsImage

from pyassay.filetree.model import DAMAGED, FileTreeError, Member, Refused, one_line
from pyassay.filetree.packed import unpacked
from pyassay.filetree.reading import Context

__all__ = ["MAGIC", "find_image", "read"]

MAGIC = b"hsqs"
_PACKINGS = {1: "zlib", 4: "xz", 6: "zst"}
_MAX_FRAGMENTS = 1_000_000
_MAX_BLOCK = 1 << 20
_MAX_DEPTH = 60
_MAX_LINK = 4096
_FILE, _LINK, _FOLDER = 2, 3, 1
_DAMAGED: tuple[type[Exception], ...] = (
    *DAMAGED,
    struct.error,
    KeyError,
    IndexError,
    TypeError,
    RecursionError,
)


def find_image(source: BinaryIO) -> int | None:
    """Return where behind an ELF program (or at the start) a squashfs image begins; None: there is none."""
    source.seek(0)
    head = source.read(64)
    if head[:4] == MAGIC:
        return 0
    if len(head) < 64 or head[:4] != b"\x7fELF" or head[4] not in (1, 2) or head[5] not in (1, 2):
        return None
    order, wide = "<" if head[5] == 1 else ">", head[4] == 2
    offset = struct.unpack_from(order + ("Q" if wide else "I"), head, 40 if wide else 32)[0]
    entry, count = struct.unpack_from(order + "HH", head, 58 if wide else 46)
    end = offset + entry * count
    if end >= source.seek(0, io.SEEK_END):
        return None
    source.seek(end)
    return end if source.read(4) == MAGIC else None


def read(source: BinaryIO, context: Context) -> Iterator[Member | Refused]:
    """Yield the files of the image.

    Raises
    ------
    FileTreeError
        If it is damaged.
    """
    offset = find_image(source)
    if offset is None:
        raise FileTreeError("no squashfs image")
    try:
        image = _Image(source, offset, closefd=False)
        root = image.sblk.root_inode
        yield from image.walk(root >> 16, root & 0xFFFF, "", context, 0)
    except FileTreeError:
        raise
    except _DAMAGED as error:
        raise FileTreeError(f"damaged squashfs image: {one_line(error) or type(error).__name__}") from error


class _Compressor:
    """Unpacks one block, never to more than a block may hold."""

    def __init__(self, packing: str) -> None:
        self._packing = packing

    def uncompress(self, data: bytes, size: int, limit: int) -> bytes:
        bound = max(limit, 8192)
        stream = unpacked(io.BytesIO(data), self._packing)
        parts: list[bytes] = []
        left = bound + 1
        while left > 0 and (part := stream.read(left)):
            parts.append(part)
            left -= len(part)
        if left <= 0:
            raise FileTreeError(f"a block that unpacks to more than {bound} bytes")
        return b"".join(parts)


class _Image(SquashFsImage):  # type: ignore[misc]
    """An image whose folders are read when they are come to."""

    def _initialize(self) -> None:
        self._fd.seek(self._offset)
        self._read_super()
        block = self._sblk
        if block.fragments > _MAX_FRAGMENTS or not 4096 <= block.block_size <= _MAX_BLOCK:
            raise FileTreeError(f"{block.fragments} fragments, blocks of {block.block_size} bytes")
        self._read_uids_guids()
        self._read_fragment_table()

    def _get_compressor(self, compression_id: int) -> _Compressor:
        if compression_id not in _PACKINGS:
            raise FileTreeError(f"packed in a way that is not read here (number {compression_id})")
        return _Compressor(_PACKINGS[compression_id])

    def walk(
        self, block: int, offset: int, path: str, context: Context, depth: int
    ) -> Iterator[Member | Refused]:
        if depth > _MAX_DEPTH:
            yield Refused(context.prefix + path, f"deeper than {_MAX_DEPTH} folders")
            return
        for entry in self._opendir(block, offset).entries:
            name = entry["name"]
            name = name.decode("utf-8", "surrogateescape") if isinstance(name, bytes) else str(name)
            inner = f"{path}/{name}" if path else name
            if entry["type"] == _FOLDER:
                if name in {"..", "."} or "/" in name:
                    yield Refused(context.prefix + one_line(inner), "a path that leads outside")
                    continue
                yield from context.member(inner, "folder")
                yield from self.walk(entry["start_block"], entry["offset"], inner, context, depth + 1)
            else:
                yield from self._leaf(entry, inner, context)

    def _leaf(self, entry: Any, path: str, context: Context) -> Iterator[Member | Refused]:
        inode = self._read_inode(entry["start_block"], entry["offset"])
        mode = stat.S_IMODE(inode.mode)
        if entry["type"] == _LINK:
            target = inode.symlink
            target = target.decode("utf-8", "surrogateescape") if isinstance(target, bytes) else str(target)
            yield from context.member(path, "symlink", mode=mode, target=target[:_MAX_LINK])
        elif entry["type"] == _FILE:
            start = partial(_Content, self, inode)
            yield from context.member(path, "file", size=inode.file_size, mode=mode, start=cast("Any", start))
        else:
            yield from context.member(path, "other", mode=mode)


class _Content(io.RawIOBase):
    """The blocks of one file."""

    def __init__(self, image: _Image, inode: Any) -> None:
        super().__init__()
        self._blocks = image.iter_file(inode)
        self._pending = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        try:
            while not self._pending:
                self._pending = next(self._blocks)
        except StopIteration:
            return b""
        except FileTreeError:
            raise
        except _DAMAGED as error:
            raise FileTreeError(f"damaged: {one_line(error) or type(error).__name__}") from error
        part = self._pending if size < 0 else self._pending[:size]
        self._pending = self._pending[len(part) :]
        return part
