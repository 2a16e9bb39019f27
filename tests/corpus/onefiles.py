"""Makers of programs that carry their files with them."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
import zstandard


def make_appimage(path: Path, folder: Path, program: Path, packing: str, *options: str) -> Path:
    """Append a squashfs image of a folder to a program, as an AppImage is made; options are mksquashfs's."""
    if shutil.which("mksquashfs") is None:
        pytest.skip("no mksquashfs (squashfs-tools) here")
    image = path.with_suffix(".squashfs")
    command = ["mksquashfs", os.fspath(folder), os.fspath(image), "-comp", packing, "-noappend", "-quiet"]
    subprocess.run([*command, "-no-progress", *options], check=True, capture_output=True, timeout=60)
    path.write_bytes(program.read_bytes() + image.read_bytes())
    path.chmod(0o755)
    return path


def _metadata(data: bytes) -> bytes:
    packed = zlib.compress(data, 9)
    return struct.pack("<H", len(packed)) + packed


def squashfs_by_hand(inodes: bytes, more_inodes: bytes, entries: bytes, more_entries: bytes) -> bytes:
    """Return a squashfs image (gzip, blocks of 128 KiB) of tables made by hand; the first inode is the root.

    Each argument is what lies in one metadata block; the ``more_`` ones are packed blocks that follow it.
    """
    inode_table = _metadata(inodes) + more_inodes
    tables = inode_table + _metadata(entries) + more_entries
    owners = _metadata(struct.pack("<I", 0))
    owners_at = 96 + len(tables)
    index_at = owners_at + len(owners)
    nowhere = 2**64 - 1
    places = (0, index_at + 8, index_at, nowhere, 96, 96 + len(inode_table), nowhere, nowhere)
    head = struct.pack("<4sIIIIHHHHHH8Q", b"hsqs", 2, 0, 1 << 17, 0, 1, 17, 0x10, 1, 4, 0, *places)
    return head + tables + owners + struct.pack("<Q", owners_at)


def squashfs_folder(size: int, offset: int = 0) -> bytes:
    """Return the inode of a folder (the wide kind) whose entries take ``size`` bytes from an offset on."""
    return struct.pack("<HHHHII", 8, 0o755, 0, 0, 0, 1) + struct.pack(
        "<IIIIHHI", 2, size + 3, 0, 1, 0, offset, 2**32 - 1
    )


def squashfs_entries(
    name: bytes, *, inode_at: int, kind: int, count: int, claimed: int | None = None
) -> bytes:
    """Return a header of a folder's entries, and as many entries of one name."""
    entry = struct.pack("<HhHH", inode_at, 0, kind, len(name) - 1) + name
    return struct.pack("<III", (count if claimed is None else claimed) - 1, 0, 0) + entry * count


def squashfs_file(size: int) -> bytes:
    """Return the inode of a file (the wide kind) without a fragment."""
    return struct.pack("<HHHHII", 9, 0o644, 0, 0, 0, 2) + struct.pack(
        "<QQQIIII", 96, size, 0, 1, 2**32 - 1, 0, 2**32 - 1
    )


def squashfs_endless(kind: str, blocks: int) -> bytes:
    """Return a small image that claims ever more.

    ``header``: 2**32 entries below one header; ``folder``: entries without end, below honest headers;
    ``file``: 2**60 bytes, whose list of blocks is all that follows; ``loop``: a folder in itself.
    """
    if kind == "loop":
        entries = squashfs_entries(b"again", inode_at=0, kind=1, count=2)
        return squashfs_by_hand(squashfs_folder(len(entries)), b"", entries, b"")
    if kind == "file":
        entries = squashfs_entries(b"big", inode_at=40, kind=2, count=1)
        inodes = (squashfs_folder(len(entries)) + squashfs_file(2**60)).ljust(8192, b"\0")
        return squashfs_by_hand(inodes, _metadata(bytes(8192)) * blocks, entries, b"")
    claimed = 2**32 if kind == "header" else 256
    unit = squashfs_entries(b"aaaaaaaa", inode_at=40, kind=2, count=256, claimed=claimed)
    stream = (unit * (blocks * 8192 // len(unit) + 3))[: (blocks + 1) * 8192]
    more = b"".join(_metadata(stream[at : at + 8192]) for at in range(8192, len(stream), 8192))
    return squashfs_by_hand(squashfs_folder(2**32 - 100) + squashfs_file(0), b"", stream[:8192], more)


def nuitka_payload(
    files: dict[str, bytes],
    links: dict[str, str],
    *,
    checksums: bool,
    packed: str = "whole",
    flags: bool = True,
) -> bytes:
    """Write a payload as Nuitka's OnefileCompressor does on Linux.

    Its 1.0 (without flags), 1.9, 2.8 and 4.3.3 were read for it; ``packed`` is ``whole``, ``each``
    (``--onefile-as-archive``) or ``none``.
    """
    stream = b""
    for name, data in files.items():
        executable = data.startswith(b"\x7fELF")
        stream += name.encode() + b"\0" + (bytes([1 if executable else 0]) if flags else b"")
        stream += struct.pack("<Q", len(data))
        stream += struct.pack("<I", zlib.crc32(data) or 1) if checksums else b""
        content = zstandard.compress(data) if packed == "each" else data
        stream += struct.pack("<I", len(content)) if packed == "each" else b""
        stream += content
    for name, target in links.items():
        stream += name.encode() + b"\0" + b"\x02" + target.encode() + b"\0"
    stream += b"\0"
    return {"whole": b"KAY" + zstandard.compress(stream), "each": b"KAY" + stream, "none": b"KAX" + stream}[
        packed
    ]


_ATTACH = """
import inspect, os, sys
from nuitka.tools.onefile_compressor.OnefileCompressor import attachOnefilePayload as attach
folder, out, program, packed, archive, checksums = sys.argv[1:]
options = dict(
    dist_dir=folder, onefile_output_filename=out, start_binary=os.path.join(folder, program),
    include_start_binary=True, expect_compression=packed == "1", as_archive=archive == "1",
    use_compression_cache=False, file_checksums=checksums == "1", win_path_sep=False, low_memory=True,
    job_limit=1, expected_files=None,
)
attach(**{name: options[name] for name in inspect.signature(attach).parameters})
"""


def attach_with_nuitka(folder: Path, out: Path, program: str, *, packed: str, checksums: bool) -> Path:
    """Append a payload to a program with the code that Nuitka itself does it with."""
    pytest.importorskip("nuitka", reason="no Nuitka here")
    arguments = [os.fspath(folder), os.fspath(out), program, "01"[packed != "none"], "01"[packed == "each"]]
    done = subprocess.run(
        [sys.executable, "-c", _ATTACH, *arguments, "01"[checksums]],
        env={**os.environ, "NUITKA_CACHE_DIR": os.fspath(out.parent / "cache")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"Nuitka's compressor does not run here: {done.stderr.strip().splitlines()[-1][:200]}")
    return out


def pyinstaller_archive(
    entries: list[tuple[str, str, bytes]], *, compressed: bool = True, cookie_bytes: int = 88
) -> bytes:
    """Write an archive as PyInstaller does: entries are name, typecode, content."""
    content = toc = b""
    for name, kind, data in entries:
        packed = zlib.compress(data) if compressed else data
        text = name.encode() + b"\0"
        text += bytes(-(18 + len(text)) % 16)
        place = (18 + len(text), len(content), len(packed), len(data), int(compressed), kind.encode())
        toc += struct.pack("!IIIIBc", *place) + text
        content += packed
    length = len(content) + len(toc) + cookie_bytes
    cookie = struct.pack("!8sIIII", b"MEI\014\013\012\013\016", length, len(content), len(toc), 312)
    return content + toc + cookie + b"libpython3.12.so.1.0".ljust(64, b"\0")[: cookie_bytes - len(cookie)]


def make_pyinstaller(folder: Path) -> Path:
    """Build a onefile program with the real PyInstaller."""
    pytest.importorskip("PyInstaller", reason="no PyInstaller here")
    (folder / "app.py").write_text("import json, zlib, sys\nprint('hello', json.dumps(sys.argv[1:]))\n")
    command = [
        sys.executable,
        "-m",
        "PyInstaller",
        "--onefile",
        "--log-level=ERROR",
        "--distpath=dist",
        "app.py",
    ]
    environment = {**os.environ, "PYINSTALLER_CONFIG_DIR": os.fspath(folder / "config")}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=240, check=False
    )
    if done.returncode:
        # It needs a shared libpython, or a static one with its symbols; not every Python has it.
        pytest.skip(f"PyInstaller cannot build here: {done.stderr.strip().splitlines()[-1][:200]}")
    return folder / "dist" / "app"
