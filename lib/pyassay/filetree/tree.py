"""One interface over everything that holds files: what it is, is told by its bytes."""

from __future__ import annotations

import contextlib
import io
import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, cast

from pyassay.filetree import appimage, deb, docker_archive, folder, nuitka, pyinstaller, tarred, zipped
from pyassay.filetree.model import DAMAGED, FileTree, FileTreeError, Limits, Member, Refused, one_line
from pyassay.filetree.packed import MAGICS, Rewinding, unpacked
from pyassay.filetree.reading import Context, Enough, Reader, Slice

__all__ = ["Format", "open_tree"]

_HEAD_BYTES = 4096
_SDIST = re.compile(r"([A-Za-z0-9_.]+-\d[A-Za-z0-9_.+!-]*)\.tar\.gz")
_ZIP_MAGIC = b"PK\x03\x04"
_EMPTY_ZIP = b"PK\x05\x06"
# What is opened inside an archive: documents and data files that happen to be zip archives are not.
_NESTED_SUFFIXES = (
    *(".whl", ".zip", ".pex", ".pyz", ".shiv", ".egg", ".deb"),
    *(".tar", ".tgz", ".txz", ".tbz", ".tzst", ".tar.gz", ".tar.xz", ".tar.bz2", ".tar.zst"),
)


_DAMAGED: tuple[type[Exception], ...] = (
    *DAMAGED,
    struct.error,
    LookupError,
    RecursionError,
    MemoryError,
    TypeError,
)


@dataclass(frozen=True, slots=True)
class Format:
    """What a source was recognised as: its name, how to read it, and what it says of itself."""

    name: str
    reader: Reader
    details: dict[str, str]


def open_tree(
    source: Path | BinaryIO, name: str | None = None, *, limits: Limits | None = None, nested: bool = True
) -> FileTree:
    """Open a folder, an archive, or a single file.

    Parameters
    ----------
    source : Path or binary file
        A file that cannot seek is read as a tar stream (the export of a container).
    name : str, optional
        What messages call it.
    limits : Limits, optional
    nested : bool
        Open archives inside, too; their members go by ``outer.whl!/inner``.

    Raises
    ------
    FileTreeError
        If it cannot be read at all: ``<name>: <why>``.
    """
    shown = one_line(name if name is not None else source)
    context = Context(limits or Limits())
    if isinstance(source, Path) and source.is_dir():
        return _tree(shown, "folder", folder.read(source, context), context, nested=nested)
    try:
        stream = folder.open_regular(source) if isinstance(source, Path) else source
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise FileTreeError(f"{shown}: {one_line(why).removeprefix(f'{shown}: ')}") from error
    close = stream.close if isinstance(source, Path) else (lambda: None)
    if not stream.seekable():
        return _tree(shown, "tar", tarred.read(stream, context), context, nested=nested, close=close)
    try:
        own_name = source.name if isinstance(source, Path) else Path(shown).name
        found = recognise(stream, own_name)
        stream.seek(0)
        items = found.reader(stream, context)
    except FileTreeError as error:
        close()
        raise FileTreeError(f"{shown}: {error}") from error
    return _tree(shown, found.name, items, context, nested=nested, close=close, details=found.details)


def recognise(source: BinaryIO, name: str) -> Format:
    """Tell what a seekable file is.

    Raises
    ------
    FileTreeError
        If it begins as an archive and cannot be one.
    """
    source.seek(0)
    head = source.read(_HEAD_BYTES)
    packing = next((key for key, magic in MAGICS.items() if head.startswith(magic)), "")
    found: Format | None = None
    if head.startswith(deb.MAGIC):
        found = Format("deb", deb.read, {})
    elif packing:
        found = _packed(source, packing, name)
    elif head.startswith((_ZIP_MAGIC, _EMPTY_ZIP)):
        found = _zip(source)
    elif tarred.is_tar(head):
        image = docker_archive.is_docker_archive(source)
        found = Format("docker-archive", docker_archive.read, {}) if image else Format("tar", tarred.read, {})
    elif head.startswith(b"\x7fELF"):
        found = _appended(source, name)
    elif head.startswith(appimage.MAGIC):
        found = Format("squashfs", appimage.read, {})
    else:
        found = _zip_after(source, head)
    return found or _single(name)


def _zip_after(source: BinaryIO, head: bytes) -> Format | None:
    """Return the zip archive that follows a script (a zipapp); what only ends like one is none."""
    if zipped.is_zip(source):
        try:
            return _zip(source)
        except FileTreeError:
            if head.startswith(b"#!"):
                raise
    return None


def _zip(source: BinaryIO) -> Format:
    with zipped.open_zip(source) as archive:
        return Format(zipped.zip_format(archive.namelist()), zipped.read, {})


def _packed(source: BinaryIO, packing: str, name: str) -> Format | None:
    source.seek(0)
    try:
        head = _first(unpacked(source, packing), _HEAD_BYTES)
    except FileTreeError:
        # A truncated archive is one still; what else is packed, and damaged, is a file.
        head = b""
        if not name.lower().endswith(_NESTED_SUFFIXES):
            return None
    if head and not tarred.is_tar(head):
        return None
    if docker_archive.begins_as_image(head):
        # The limit of the search for a manifest, which may come last; reading has its own.
        search = Context(Limits())
        whole = cast("BinaryIO", io.BufferedReader(Rewinding(source, packing, search.count)))
        if docker_archive.is_docker_archive(whole):
            return Format("docker-archive", partial(_read_image, packing=packing), {"packing": packing})
    # A source distribution holds one folder, of its own name: project-1.0/ in project-1.0.tar.gz.
    own = _SDIST.fullmatch(name)
    kind = "sdist" if own and f"{own[1]}/".encode() in head else "tar"
    return Format(kind, partial(_read_packed, packing=packing), {"packing": packing})


def _read_image(source: BinaryIO, context: Context, *, packing: str) -> Iterator[Member | Refused]:
    whole = io.BufferedReader(Rewinding(source, packing, context.count))
    return docker_archive.read(cast("BinaryIO", whole), context)


def _read_packed(source: BinaryIO, context: Context, *, packing: str) -> Iterator[Member | Refused]:
    return tarred.read(unpacked(source, packing), context)


def _first(stream: BinaryIO, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = stream.read(size - len(data))
        if not part:
            break
        data += part
    return data


def _appended(source: BinaryIO, name: str) -> Format | None:
    """Return what a program carries inside or behind it; None: nothing that is known."""
    found: tuple[str, Reader] | None = None
    if appimage.find_image(source) is not None:
        found = ("appimage", appimage.read)
    elif pyinstaller.find_cookie(source) is not None:
        found = ("pyinstaller", pyinstaller.read)
    elif nuitka.find_payload(source) is not None:
        found = ("nuitka-onefile", nuitka.read)
    elif zipped.is_zip(source):
        with contextlib.suppress(FileTreeError), zipped.open_zip(source) as archive:
            found = (zipped.zip_format(archive.namelist()), zipped.read)
    if found is None:
        return None
    kind, payload = found
    return Format(kind, partial(_program_and, name=name, payload=payload), {})


def _program_and(
    source: BinaryIO, context: Context, *, name: str, payload: Reader
) -> Iterator[Member | Refused]:
    yield from _read_single(source, context, name=name)
    yield from payload(source, context.inner(context.prefix + name))


def _single(name: str) -> Format:
    return Format("file", partial(_read_single, name=name), {})


def _read_single(source: BinaryIO, context: Context, *, name: str) -> Iterator[Member | Refused]:
    size = source.seek(0, io.SEEK_END)

    def start() -> BinaryIO:
        return io.BufferedReader(Slice(source, 0, size))

    clean = name.replace("/", "_") or "file"
    yield from context.member(clean, "file", size=size, start=start, in_place=True)


def _tree(
    name: str,
    kind: str,
    items: Iterator[Member | Refused],
    context: Context,
    *,
    nested: bool,
    close: Callable[[], None] = lambda: None,
    details: dict[str, str] | None = None,
) -> FileTree:
    walked = _walk(items, context, nested=nested)
    return FileTree(name, kind, dict(details or {}), _items=walked, _close=close)


def _walk(items: Iterator[Member | Refused], context: Context, *, nested: bool) -> Iterator[Member | Refused]:
    """Yield what a reader yields, and what nested archives hold; where it ends too early, say so."""
    try:
        for item in items:
            yield item
            if nested and isinstance(item, Member) and item.kind == "file":
                yield from _nested(item, context)
    except Enough as error:
        if context.depth:
            raise
        yield Refused(context.prefix, str(error))
    except FileTreeError as error:
        yield Refused(context.prefix.removesuffix("!/"), str(error))
    except _DAMAGED as error:
        # What a library lets through of bytes that nobody foresaw ends this archive, not the run.
        yield Refused(
            context.prefix.removesuffix("!/"), f"damaged: {one_line(error) or type(error).__name__}"
        )


def _nested(member: Member, context: Context) -> Iterator[Member | Refused]:
    if not _may_be_archive(member):
        return
    if context.depth >= context.limits.depth:
        yield Refused(member.path, f"an archive {context.limits.depth} archives deep: not opened")
        return
    if not member.seekable and member.size_bytes > context.limits.kept_bytes:
        held = f"{member.size_bytes} bytes, more than the {context.limits.kept_bytes} that are held"
        yield Refused(member.path, f"an archive of {held}: not opened")
        return
    try:
        with member.open() as stream:
            found = recognise(stream, member.path.rpartition("/")[2])
            if found.name == "file":
                return
            stream.seek(0)
            inner = context.inner(member.path)
            yield from _walk(found.reader(stream, inner), inner, nested=True)
    except Enough:
        raise
    except FileTreeError as error:
        yield Refused(member.path, str(error).removeprefix(f"{one_line(member.path)}: "))
    except _DAMAGED as error:
        yield Refused(member.path, f"damaged: {one_line(error) or type(error).__name__}")


def _may_be_archive(member: Member) -> bool:
    """Tell whether to look inside: by its name, or, of a program without a suffix, by its beginning."""
    if member.path.lower().endswith(_NESTED_SUFFIXES):
        return True
    if "." in member.path.rpartition("/")[2]:
        return False
    try:
        head = member.head()
    except FileTreeError:
        return False  # whoever reads the member learns it
    return head.startswith(_ZIP_MAGIC) or (head.startswith(b"#!") and _ZIP_MAGIC in head)
