"""Makers of archives: every format from one folder, with the tools and libraries of each field."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path

import zstandard

CONTENT: dict[str, bytes] = {
    "bin/tool": b"\x7fELF" + bytes(range(256)) * 40,
    "lib/a.so": b"\x7fELF" + b"a" * 5000,
    "share/text.txt": b"hello\n",
    "share/empty": b"",
    "share/deep/er/name with space": b"x" * 70_000,
}


def make_folder(folder: Path) -> Path:
    """Write CONTENT below a folder, with one symbolic link."""
    for name, data in CONTENT.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (folder / "lib/link.so").symlink_to("a.so")
    return folder


def make_zip(path: Path, members: dict[str, bytes] | None = None, *, before: bytes = b"") -> Path:
    """Write a zip archive, with something before it if wanted."""
    with path.open("wb") as file:
        file.write(before)
        with zipfile.ZipFile(file, "a" if before else "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in (CONTENT if members is None else members).items():
                archive.writestr(name, data)
    return path


def make_tar(path: Path, folder: Path, packing: str = "") -> Path:
    """Write a tar archive of a folder, packed by gz, bz2, xz or zst."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode=f"w:{packing if packing != 'zst' else ''}") as archive:
        archive.add(folder, arcname=".")
    data = plain.getvalue()
    path.write_bytes(zstandard.compress(data) if packing == "zst" else data)
    return path


def tar_of(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    """Return a tar archive of members made by hand."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for info, data in members:
            info.size = len(data) if info.isreg() else info.size
            archive.addfile(info, io.BytesIO(data))
    return made.getvalue()


def entry(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    """Return a tar header."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def make_deb(path: Path, folder: Path) -> Path | None:
    """Build a Debian package with dpkg-deb; None where there is none."""
    if shutil.which("dpkg-deb") is None:
        return None
    control = folder / "DEBIAN"
    control.mkdir()
    (control / "control").write_text(
        "Package: made\nVersion: 1\nArchitecture: all\nMaintainer: Test <t@example.org>\nDescription: made\n"
    )
    command = ["dpkg-deb", "--root-owner-group", "--build", str(folder), str(path)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    shutil.rmtree(control)
    return path
