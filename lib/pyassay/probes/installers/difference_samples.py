"""A source distribution whose build notes what it can see: for build isolation and build requirements."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Sequence
from pathlib import Path

__all__ = ["make_seeing_sdist", "sha256"]

# The backend lies in the source distribution itself: a build needs nothing but what it is told to.
_BACKEND = """\
import os, zipfile

NAME, VERSION, LOOKS_FOR = {name!r}, "1.0", {looks_for!r}
FOLDER = "%s-%s.dist-info" % (NAME, VERSION)


def get_requires_for_build_wheel(config_settings=None):
    return []


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    try:
        saw = __import__(LOOKS_FOR).VERSION
    except ImportError:
        saw = ""
    members = {{
        NAME + "/__init__.py": "",
        NAME + "/saw.txt": saw,
        FOLDER + "/METADATA": "Metadata-Version: 2.1\\nName: %s\\nVersion: %s\\n" % (NAME, VERSION),
        FOLDER + "/WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
    }}
    members[FOLDER + "/RECORD"] = "".join("%s,,\\n" % one for one in [*members, FOLDER + "/RECORD"])
    wheel = "%s-%s-py3-none-any.whl" % (NAME, VERSION)
    with zipfile.ZipFile(os.path.join(wheel_directory, wheel), "w") as archive:
        for path, text in members.items():
            archive.writestr(path, text)
    return wheel
"""


def make_seeing_sdist(folder: Path, name: str, *, requires: Sequence[str], looks_for: str) -> Path:
    """Write a source distribution and return its path.

    What it builds holds ``{name}/saw.txt``: the version of the module `looks_for` as the build saw it;
    empty if it could not be imported.

    Parameters
    ----------
    folder : Path
    name : str
    requires : sequence of str
        What its build needs.
    looks_for : str
        A module with a ``VERSION``.
    """
    build = f'requires = {json.dumps(list(requires))}\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    members = {
        "PKG-INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        "pyproject.toml": f'[build-system]\n{build}\n[project]\nname = "{name}"\nversion = "1.0"\n',
        "backend.py": _BACKEND.format(name=name, looks_for=looks_for),
    }
    path = folder / f"{name}-1.0.tar.gz"
    with (
        path.open("wb") as raw,
        gzip.GzipFile(fileobj=raw, mode="wb", mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as archive,
    ):
        for member, text in members.items():
            entry = tarfile.TarInfo(f"{name}-1.0/{member}")
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
    return path


def sha256(file: Path) -> str:
    """Return a file's digest."""
    return hashlib.sha256(file.read_bytes()).hexdigest()
