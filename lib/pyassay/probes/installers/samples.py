"""Small distributions made on the spot: what is tried is known to the last byte, and nobody else's."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = ["BUILD_LOG", "make_sdist", "make_wheel"]

BUILD_LOG = "SAMPLE_BUILD_LOG"
"""Variable with the file to which the build of a source distribution adds a line when it starts."""

_EPOCH = (2026, 1, 1, 0, 0, 0)

# A build backend that lies in the source distribution itself: a build needs nothing from an index.
_BACKEND = """\
import base64, hashlib, os, sys, time, zipfile

NAME, VERSION, SECONDS = {name!r}, {version!r}, {seconds!r}
FOLDER = "%s-%s.dist-info" % (NAME, VERSION)
METADATA = "Metadata-Version: 2.1\\nName: %s\\nVersion: %s\\n" % (NAME, VERSION)


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    log = os.environ.get({log!r})
    if log:
        with open(log, "a") as stream:
            stream.write("%s %s\\n" % (os.getpid(), sys.version.split()[0]))
    time.sleep(SECONDS)
    members = {{
        NAME + "/__init__.py": "VERSION = %r\\n" % VERSION,
        FOLDER + "/METADATA": METADATA,
        FOLDER + "/WHEEL": {wheel!r},
    }}
    record = []
    wheel = "%s-%s-py3-none-any.whl" % (NAME, VERSION)
    with zipfile.ZipFile(os.path.join(wheel_directory, wheel), "w") as archive:
        for path, text in sorted(members.items()):
            data = text.encode()
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            record.append("%s,sha256=%s,%d" % (path, digest, len(data)))
            archive.writestr(path, data)
        record.append(FOLDER + "/RECORD,,")
        archive.writestr(FOLDER + "/RECORD", "\\n".join(record) + "\\n")
    return wheel
"""
_WHEEL = "Wheel-Version: 1.0\nGenerator: sample\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
_PYPROJECT = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'


def make_wheel(
    folder: Path,
    name: str,
    version: str,
    *,
    files: Mapping[str, str] | None = None,
    requires: Sequence[str] = (),
    extras: Mapping[str, Sequence[str]] | None = None,
) -> Path:
    """Write a pure wheel and return its path.

    Parameters
    ----------
    folder : Path
        Where it is put.
    name, version : str
        Of the distribution; the name as it stands in a file name.
    files : mapping of str to str, optional
        Text by path; a package that knows its version unless given.
    requires : sequence of str
        Its requirements.
    extras : mapping of str to sequence of str, optional
        Requirements by extra.
    """
    given = dict(files) if files is not None else {f"{name}/__init__.py": f"VERSION = {version!r}\n"}
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += [f"Requires-Dist: {one}" for one in requires]
    for extra, wanted in (extras or {}).items():
        lines.append(f"Provides-Extra: {extra}")
        lines += [f'Requires-Dist: {one}; extra == "{extra}"' for one in wanted]
    info = f"{name}-{version}.dist-info"
    given[f"{info}/METADATA"] = "\n".join(lines) + "\n"
    given[f"{info}/WHEEL"] = _WHEEL
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{version}-py3-none-any.whl"
    record = []
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, text in sorted(given.items()):
            data = text.encode()
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            record.append(f"{member},sha256={digest},{len(data)}")
            archive.writestr(zipfile.ZipInfo(member, _EPOCH), data)
        record.append(f"{info}/RECORD,,")
        archive.writestr(zipfile.ZipInfo(f"{info}/RECORD", _EPOCH), "\n".join(record) + "\n")
    return path


def make_sdist(folder: Path, name: str, version: str, *, build_s: float = 0.0) -> Path:
    """Write a source distribution that takes `build_s` seconds to build, and return its path.

    Each build adds a line to the file that the variable :data:`BUILD_LOG` names.
    """
    backend = _BACKEND.format(name=name, version=version, seconds=build_s, log=BUILD_LOG, wheel=_WHEEL)
    members = {
        "PKG-INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        "pyproject.toml": _PYPROJECT + f'\n[project]\nname = "{name}"\nversion = "{version}"\n',
        "backend.py": backend,
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{version}.tar.gz"
    with (
        path.open("wb") as raw,
        gzip.GzipFile(fileobj=raw, mode="wb", mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as archive,
    ):
        for member, text in members.items():
            data = text.encode()
            entry = tarfile.TarInfo(f"{name}-{version}/{member}")
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return path
