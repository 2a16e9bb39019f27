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


def make_appimage(path: Path, folder: Path, program: Path, packing: str) -> Path:
    """Append a squashfs image of a folder to a program, as an AppImage is made."""
    if shutil.which("mksquashfs") is None:
        pytest.skip("no mksquashfs (squashfs-tools) here")
    image = path.with_suffix(".squashfs")
    command = ["mksquashfs", os.fspath(folder), os.fspath(image), "-comp", packing, "-noappend", "-quiet"]
    subprocess.run([*command, "-no-progress"], check=True, capture_output=True, timeout=60)
    path.write_bytes(program.read_bytes() + image.read_bytes())
    path.chmod(0o755)
    return path


def nuitka_payload(files: dict[str, bytes], links: dict[str, str], *, checksums: bool) -> bytes:
    """Write a payload as Nuitka's OnefileCompressor does on Linux (its 4.3.3 was read for it)."""
    stream = b""
    for name, data in files.items():
        executable = data.startswith(b"\x7fELF")
        stream += name.encode() + b"\0" + bytes([1 if executable else 0]) + struct.pack("<Q", len(data))
        stream += struct.pack("<I", zlib.crc32(data) or 1) if checksums else b""
        stream += data
    for name, target in links.items():
        stream += name.encode() + b"\0" + b"\x02" + target.encode() + b"\0"
    return b"KAY" + zstandard.compress(stream + b"\0")


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
