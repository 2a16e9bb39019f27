"""AppImages, and squashfs images alone. The library is PySquashfsImage, kept from believing what it reads.

It knows the structures on disk. What it does with them at once (scan the whole tree; hold every folder, block
list and metadata block; unpack blocks of any size) is done here step by step, with the bounds of the kernel's
own reader (``fs/squashfs``): an image of 200 kB could take half a gigabyte otherwise.
"""

from __future__ import annotations

import io
import lzma
import stat
import struct
import zlib
from collections import OrderedDict
from collections.abc import Iterator
from ctypes import sizeof
from functools import partial
from typing import Any, BinaryIO, NamedTuple, cast

import zstandard
from PySquashfsImage import SquashFsImage
from PySquashfsImage.structure import DirEntry, DirHeader

from pyassay.filetree.model import DAMAGED, FileTreeError, Member, Refused, one_line
from pyassay.filetree.reading import Context, Enough

__all__ = ["MAGIC", "find_image", "read"]

MAGIC = b"hsqs"
_PACKINGS = {1: "gzip", 2: "lzma", 3: "lzo", 4: "xz", 5: "lz4", 6: "zstd"}
_READ_HERE = ("gzip", "xz", "zstd")
_MAX_FRAGMENTS = 100_000  # each is a block full of the ends of files
_MAX_BLOCK = 1 << 20
_METADATA_BLOCK = 8192
_MAX_METADATA = 64 << 10  # of one structure: the longest is a link's target, of 4096 at most
_KEPT_METADATA = 512
_KEPT_FRAGMENTS = 8
_MAX_ENTRIES = 256  # below one header of a folder
_MAX_NAME = 256
_MAX_DEPTH = 60
_MAX_LINK = 4096
_FOLDERS, _FILES, _LINKS = (1, 8), (2, 9), (3, 10)
_STORED = 1 << 24  # the flag of a data block that is not packed
_LZMA_MEMORY = 64 << 20
_ZSTD_WINDOW = 8 << 20
_SHT_NOBITS = 8
_DAMAGED: tuple[type[Exception], ...] = (
    *DAMAGED,
    struct.error,
    LookupError,
    TypeError,
    AttributeError,
    MemoryError,
    zstandard.ZstdError,
)


def find_image(source: BinaryIO) -> int | None:
    """Return where behind an ELF program (or at the start) a squashfs image begins; None: there is none.

    The runtime of an AppImage looks behind the end of its own ELF file. Of a program that is marked as an
    AppImage and has something else there (type 1, DwarFS) the place is returned, too: :func:`read` says so.
    """
    size = source.seek(0, io.SEEK_END)
    source.seek(0)
    head = source.read(64)
    if head[:4] == MAGIC:
        return 0
    headers, whole = _ends_of_elf(source, head)
    for end in (headers, whole):
        if 0 < end < size:
            source.seek(end)
            if source.read(4) == MAGIC:
                return end
    return whole if _appimage_type(head) and 0 < whole < size else None


def _appimage_type(head: bytes) -> int:
    return head[10] if head[8:10] == b"AI" and len(head) > 10 else 0


def _ends_of_elf(source: BinaryIO, head: bytes) -> tuple[int, int]:
    """Return where an ELF file ends: by its section headers, and by all that they and the segments name."""
    if len(head) < 64 or head[:4] != b"\x7fELF" or head[4] not in (1, 2) or head[5] not in (1, 2):
        return 0, 0
    order, wide = "<" if head[5] == 1 else ">", head[4] == 2
    segments, sections = struct.unpack_from(order + ("QQ" if wide else "II"), head, 32 if wide else 28)
    segment_size, segment_count, section_size, section_count = struct.unpack_from(
        f"{order}HHHH", head, 54 if wide else 42
    )
    last = 0
    layout = struct.Struct(order + ("8xQ16xQ" if wide else "4xI8xI"))
    for offset, length in _table(source, segments, segment_size, segment_count, layout):
        last = max(last, offset + length)
    layout = struct.Struct(order + ("4xI16xQQ" if wide else "4xI8xII"))
    for kind, offset, length in _table(source, sections, section_size, section_count, layout):
        last = max(last, 0 if kind == _SHT_NOBITS else offset + length)
    headers = sections + section_size * section_count
    return headers, max(headers, last)


def _table(
    source: BinaryIO, offset: int, size: int, count: int, layout: struct.Struct
) -> Iterator[tuple[Any, ...]]:
    if offset >> 62 or size < layout.size:
        return
    source.seek(offset)
    table = source.read(size * count)
    for entry in range(0, len(table) - size + 1, size):
        yield layout.unpack_from(table, entry)


def read(source: BinaryIO, context: Context) -> Iterator[Member | Refused]:
    """Yield the files of the image.

    Raises
    ------
    FileTreeError
        If it is damaged, or no squashfs image.
    """
    offset = find_image(source)
    if offset is None:
        raise FileTreeError("no squashfs image")
    source.seek(offset)
    if source.read(4) != MAGIC:
        source.seek(0)
        kind = _appimage_type(source.read(16))
        what = "an ISO 9660 image" if kind == 1 else "an image that is no squashfs (DwarFS, perhaps)"
        raise FileTreeError(f"an AppImage of type {kind} with {what}: not read here")
    try:
        image = _Image(source, offset, context)
        root = image.sblk.root_inode
        inode = image.inode(root >> 16, root & 0xFFFF)
        if inode.type not in _FOLDERS:
            raise FileTreeError("damaged squashfs image: its root is no folder")
    except FileTreeError:
        raise
    except _DAMAGED as error:
        raise FileTreeError(f"damaged squashfs image: {_why(error)}") from error
    yield from image.walk(inode, "", 0)


def _why(error: Exception) -> str:
    return one_line(error) or type(error).__name__


class _Entry(NamedTuple):
    """What a folder says of one of its files."""

    name: str
    block: int
    offset: int


class _Unpacker:
    """Unpacks one block, never to more than a block may hold."""

    def __init__(self, packing: str) -> None:
        self._packing = packing

    def uncompress(self, data: bytes, size: int, limit: int) -> bytes:
        """Return the content of a block; ``size`` is what the library passes of its packed one."""
        bound = max(limit, _METADATA_BLOCK)
        if len(data) < size:
            raise FileTreeError("truncated: a block ends behind the end of the file")
        if self._packing == "zstd":
            packed = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
            whole: bytes = packed.stream_reader(data).read(bound + 1)
            ended = True  # a block that ends too early is shorter than its file says
        else:
            stream: Any = (
                zlib.decompressobj()
                if self._packing == "gzip"
                else lzma.LZMADecompressor(memlimit=_LZMA_MEMORY)
            )
            whole = stream.decompress(data, bound + 1)
            ended = stream.eof
        if len(whole) > bound:
            raise FileTreeError(f"a block that unpacks to more than {bound} bytes")
        if not ended:
            raise FileTreeError("a block whose packed stream does not end")
        return whole


class _Image(SquashFsImage):  # type: ignore[misc]
    """An image whose folders and files are read when they are come to."""

    def __init__(self, source: BinaryIO, offset: int, context: Context) -> None:
        self._context = context
        self._metadata: OrderedDict[int, tuple[bytes, int]] = OrderedDict()
        self._fragments: OrderedDict[int, bytes] = OrderedDict()
        self._folders: set[tuple[int, int]] = set()
        super().__init__(source, offset, closefd=False)

    # What the library calls -------------------------------------------------------------------------------

    def _initialize(self) -> None:
        self._fd.seek(self._offset)
        self._read_super()
        block = self._sblk
        size = block.block_size
        if not 4096 <= size <= _MAX_BLOCK or block.block_log >= 64 or size != 1 << block.block_log:
            raise FileTreeError(f"damaged squashfs image: blocks of {size} bytes")
        if block.fragments > _MAX_FRAGMENTS:
            raise FileTreeError(f"a squashfs image of {block.fragments} fragments: not read")
        self._read_uids_guids()
        self._read_fragment_table()

    def _get_compressor(self, compression_id: int) -> _Unpacker:
        packing = _PACKINGS.get(compression_id, f"packing {compression_id}")
        if packing not in _READ_HERE:
            raise FileTreeError(f"packed with {packing}, which is not read here")
        return _Unpacker(packing)

    def _read_metadata(self, hash_table: Any, block: int, offset: int, length: int) -> tuple[bytes, int, int]:
        """Return bytes that may go over several metadata blocks, and where they end; few blocks are kept."""
        if length > _MAX_METADATA:
            raise FileTreeError(f"a structure of {length} bytes")
        parts: list[bytes] = []
        while True:
            data, following = self._metadata_block(block)
            if offset > len(data):
                raise FileTreeError("a structure that begins behind its block")
            part = data[offset : offset + length]
            parts.append(part)
            length -= len(part)
            if not length:
                break
            block, offset = following, 0
        at_end = offset + len(part) == len(data)
        return b"".join(parts), following if at_end else block, 0 if at_end else offset + len(part)

    def _metadata_block(self, block: int) -> tuple[bytes, int]:
        found = self._metadata.get(block)
        if found is None:
            found = self._read_block(block)
            # Not counted, blocks that are read again and again would be free of any limit.
            self._context.count(len(found[0]))
            if not found[0]:
                raise FileTreeError("an empty metadata block")
            self._metadata[block] = found
            if len(self._metadata) > _KEPT_METADATA:
                self._metadata.popitem(last=False)
        else:
            self._metadata.move_to_end(block)
        return found

    # What is called from here -----------------------------------------------------------------------------

    def inode(self, block: int, offset: int) -> Any:
        """Return what is known of one file."""
        return self._read_inode(block, offset)

    def walk(self, folder: Any, path: str, depth: int) -> Iterator[Member | Refused]:
        """Yield what a folder holds, and the folders in it."""
        context = self._context
        shown = context.prefix + one_line(path) if path else context.prefix.removesuffix("!/")
        if depth > _MAX_DEPTH:
            yield Refused(shown, f"deeper than {_MAX_DEPTH} folders")
            return
        if not self._is_new(folder):
            yield Refused(shown, "a folder that is at another place of the image, too: not read again")
            return
        entries = self._entries(folder)
        while True:
            try:
                entry = next(entries, None)
            except Enough:
                raise
            except _DAMAGED as error:
                yield Refused(shown, f"damaged folder: {_why(error)}")
                return
            if entry is None:
                return
            name = f"{path}/{entry.name}" if path else entry.name
            if entry.name in {"", ".", ".."} or "/" in entry.name:
                yield Refused(context.prefix + one_line(name), "a name that no file can have")
                continue
            try:
                inode = self.inode(entry.block, entry.offset)
            except Enough:
                raise
            except _DAMAGED as error:
                yield Refused(context.prefix + one_line(name), f"damaged: {_why(error)}")
                continue
            yield from self._member(inode, name, depth)

    def _is_new(self, folder: Any) -> bool:
        """Note a folder: no file system has one twice, and an image that does may have no end."""
        if folder.data <= 3:
            return True  # an empty one has no place of its own
        place = (folder.start, folder.offset)
        if place in self._folders:
            return False
        self._folders.add(place)
        return True

    def _member(self, inode: Any, path: str, depth: int) -> Iterator[Member | Refused]:
        context, mode = self._context, stat.S_IMODE(inode.mode)
        if inode.type in _FOLDERS:
            yield from context.member(path, "folder", mode=mode)
            yield from self.walk(inode, path, depth + 1)
        elif inode.type in _LINKS:
            target = inode._symlink[:_MAX_LINK].decode("utf-8", "surrogateescape")  # of any encoding
            yield from context.member(path, "symlink", mode=mode, target=target)
        elif inode.type in _FILES:
            start = partial(_Content, self, inode)
            yield from context.member(path, "file", size=inode.file_size, mode=mode, start=cast("Any", start))
        else:
            yield from context.member(path, "other", mode=mode)

    def _entries(self, folder: Any) -> Iterator[_Entry]:
        block, offset = self._sblk.directory_table_start + folder.start, folder.offset
        left = folder.data - 3  # the kernel's count has "." and ".."
        while left > 0:
            data, block, offset = self._read_metadata(None, block, offset, sizeof(DirHeader))
            header = DirHeader.from_bytes(data)
            left -= sizeof(DirHeader)
            if header.count >= _MAX_ENTRIES:
                raise FileTreeError(f"{header.count} entries below one header")
            for _ in range(header.count + 1):
                data, block, offset = self._read_metadata(None, block, offset, sizeof(DirEntry))
                entry = DirEntry.from_bytes(data)
                length = entry.size + 1
                if length > _MAX_NAME:
                    raise FileTreeError(f"a name of {length} bytes")
                name, block, offset = self._read_metadata(None, block, offset, length)
                left -= sizeof(DirEntry) + length
                yield _Entry(name.decode("utf-8", "surrogateescape"), header.start_block, entry.offset)

    def content(self, inode: Any) -> Iterator[bytes]:
        """Yield the blocks of a file; what is shorter than the file says is an error."""
        size = self._sblk.block_size
        place = inode.start
        block, offset = inode.block_start, inode.block_offset
        for number in range(inode.blocks):
            if number % 2048 == 0:
                wanted = min(2048, inode.blocks - number) * 4
                lengths, block, offset = self._read_metadata(None, block, offset, wanted)
            length = int.from_bytes(lengths[number % 2048 * 4 :][:4], "little")
            whole = min(size, inode.file_size - number * size)
            if length == 0:
                yield bytes(whole)  # a hole
                continue
            data = self._data_block(place, length)
            if len(data) != whole:
                raise FileTreeError(f"a block of {len(data)} bytes that should have {whole}")
            yield data
            place += length & ~_STORED
        if inode.frag_bytes:
            data = self._fragment(inode.fragment)[inode.offset :][: inode.frag_bytes]
            if len(data) != inode.frag_bytes:
                raise FileTreeError("a fragment that is shorter than its file says")
            yield data

    def _data_block(self, place: int, length: int) -> bytes:
        limit = self._sblk.block_size
        packed = length & ~_STORED
        if packed > limit:
            raise FileTreeError(f"a block of {packed} bytes where {limit} are the most")
        self._fd.seek(self._offset + place)
        data: bytes = self._fd.read(packed)
        if not length & _STORED:
            data = self._comp.uncompress(data, packed, limit)
        return data

    def _fragment(self, number: int) -> bytes:
        found = self._fragments.get(number)
        if found is None:
            place, length = self._read_fragment(number)
            found = self._data_block(place, length)
            self._context.count(len(found))  # a file of one byte unpacks all of it
            self._fragments[number] = found
            if len(self._fragments) > _KEPT_FRAGMENTS:
                self._fragments.popitem(last=False)
        return found


class _Content(io.RawIOBase):
    """The blocks of one file."""

    def __init__(self, image: _Image, inode: Any) -> None:
        super().__init__()
        self._blocks = image.content(inode)
        self._pending = memoryview(b"")

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        """Return bytes of one block at most; none: the end."""
        try:
            while not self._pending:
                self._pending = memoryview(next(self._blocks))
        except StopIteration:
            return b""
        except FileTreeError:
            raise
        except _DAMAGED as error:
            raise FileTreeError(f"damaged: {_why(error)}") from error
        part = bytes(self._pending if size < 0 else self._pending[:size])
        self._pending = self._pending[len(part) :]
        return part
