"""Real wheels of real projects, as their registry has them: fetched once, pinned, small."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

# Of many makers: manylinux1 to 2_28, musllinux, aarch64, abi3, pure; C, C++, Rust, Cython, Fortran-free.
WHEELS: tuple[tuple[str, str], ...] = (
    ("aiohttp==3.14.5", "manylinux"),
    ("bcrypt==5.0.0", "manylinux"),
    ("cffi==2.1.1", "manylinux"),
    ("cffi==2.1.1", "aarch64"),
    ("cryptography==50.0.2", "manylinux"),
    ("lxml==6.1.3", "manylinux"),
    ("markupsafe==3.0.4", "manylinux"),
    ("markupsafe==3.0.4", "musllinux"),
    ("msgpack==1.2.4", "manylinux"),
    ("orjson==3.13.0", "musllinux"),
    ("protobuf==7.36.2", "manylinux"),
    ("psutil==7.2.2", "manylinux"),
    ("psycopg2-binary==2.9.13", "manylinux"),
    ("pydantic-core==2.50.4", "manylinux"),
    ("pynacl==1.6.2", "manylinux"),
    ("pyyaml==6.0.3", "musllinux"),
    ("pyzmq==27.3.0", "manylinux"),
    ("regex==2026.11.15", "manylinux"),
    ("six==1.17.0", "manylinux"),
    ("tornado==6.6.1", "manylinux"),
    ("uvloop==0.23.0", "manylinux"),
    ("zstandard==0.25.0", "manylinux"),
)
_PLATFORMS = {
    "manylinux": [f"manylinux_2_{minor}_x86_64" for minor in (28, 27, 26, 24, 17, 12, 5)]
    + ["manylinux2014_x86_64", "manylinux2010_x86_64", "manylinux1_x86_64"],
    "musllinux": ["musllinux_1_2_x86_64", "musllinux_1_1_x86_64"],
    "aarch64": ["manylinux_2_28_aarch64", "manylinux_2_17_aarch64", "manylinux2014_aarch64"],
}


def real_wheels(folder: Path) -> tuple[Path, ...]:
    """Fetch the wheels into a folder; skips the test where no registry answers."""
    for kind, platforms in _PLATFORMS.items():
        wanted = [requirement for requirement, of in WHEELS if of == kind]
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
        command += ["--disable-pip-version-check", "--python-version=3.12", "--dest", os.fspath(folder)]
        command += [f"--platform={name}" for name in platforms]
        done = subprocess.run([*command, *wanted], capture_output=True, text=True, timeout=240, check=False)
        if done.returncode:
            pytest.skip(f"no wheels to be had from a registry: {done.stderr.strip().splitlines()[-1][:200]}")
    return tuple(sorted(folder.glob("*.whl")))
