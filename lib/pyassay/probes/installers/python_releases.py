"""Releases of Python for uv: archives, lists of downloads, and a mirror on loopback that offers them."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import shutil
import tarfile
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

from packaging.version import Version

from pyassay.probes.installers.bench import BenchError
from pyassay.probes.installers.python_copy import PythonCopy
from pyassay.subjects.model import Interpreter

__all__ = ["Mirror", "Releases", "serve_releases"]

# What uv replaces with the address of a mirror; nothing is fetched from there.
_RELEASES = "https://github.com/astral-sh/python-build-standalone/releases/download"
_LIBCS = {"glibc": "gnu", "musl": "musl"}
_BUILD = "20260101"
# Everything that asks a Python for its version, uv's own questions too, is told another one.
_DISGUISE = """\
import sys

class _Version(tuple):
    pass

for _place, _name in enumerate(("major", "minor", "micro", "releaselevel", "serial")):
    setattr(_Version, _name, property(lambda self, _place=_place: self[_place]))
sys.version = sys.version.replace({older!r}, {newer!r}, 1)
sys.version_info = _Version({parts!r} + ("final", 0))
sys.hexversion = ({parts[0]} << 24) | ({parts[1]} << 16) | ({parts[2]} << 8) | 0xF0
"""


@dataclass(frozen=True, slots=True)
class Releases:
    """One Python, packed as an older patch, as a newer one, and as a newer build of the older.

    Attributes
    ----------
    folder : Path
        Of the archives.
    series, older, newer : str
        ``3.12``, ``3.12.1``, ``3.12.2``; the older version is what the Python really is.
    lists : mapping of str to Path
        Lists of downloads: ``older``, ``both``, ``rebuilt`` (the older version of a newer build) and
        ``tampered`` (an archive that is not of the digest in the list).
    """

    folder: Path
    series: str
    older: str
    newer: str
    lists: Mapping[str, Path]

    MARK: ClassVar[str] = "NEWER_BUILD"
    """A file in the standard library of the newer build."""
    REBUILT: ClassVar[str] = "20260801"
    """The newer build's date."""

    @classmethod
    def pack(cls, python: PythonCopy, interpreter: Interpreter, folder: Path) -> Releases:
        """Pack a copied Python.

        Raises
        ------
        BenchError
            If uv has no name for its kind.
        """
        if interpreter.libc not in _LIBCS:
            raise BenchError(f"{interpreter.label}: uv has no name for its libc {interpreter.libc!r}")
        release = Version(interpreter.version).release
        parts = (release[0], release[1], release[2] + 1)
        older, newer = ".".join(map(str, release)), ".".join(map(str, parts))
        stdlib = python.stdlib.relative_to(python.folder)
        disguise = _DISGUISE.format(older=older, newer=newer, parts=parts)
        plain = _packed(python.folder, {})
        made = {
            "older": plain,
            "newer": _packed(python.folder, {f"{stdlib}/sitecustomize.py": disguise}),
            "rebuilt": _packed(python.folder, {f"{stdlib}/{cls.MARK}": ""}),
        }
        digests = {name: hashlib.sha256(data).hexdigest() for name, data in made.items()}
        for name, data in made.items():
            (folder / f"{name}.tar.gz").write_bytes(data)

        def entry(version: str, name: str, digest: str, build: str = _BUILD) -> dict[str, Any]:
            major, minor, patch = map(int, version.split("."))
            key = f"cpython-{version}-linux-{interpreter.architecture}-{_LIBCS[interpreter.libc]}"
            return {
                key: {
                    "name": "cpython",
                    "arch": {"family": interpreter.architecture, "variant": None},
                    "os": "linux",
                    "libc": _LIBCS[interpreter.libc],
                    "major": major,
                    "minor": minor,
                    "patch": patch,
                    "prerelease": "",
                    "url": f"{_RELEASES}/{build}/{name}.tar.gz",
                    "sha256": digests[digest],
                    "variant": None,
                    "build": build,
                }
            }

        listed = {
            "older": entry(older, "older", "older"),
            "both": entry(newer, "newer", "newer") | entry(older, "older", "older"),
            "rebuilt": entry(older, "rebuilt", "rebuilt", cls.REBUILT),
            "tampered": entry(older, "rebuilt", "older"),
        }
        lists = {}
        for name, downloads in listed.items():
            lists[name] = folder / f"{name}.json"
            lists[name].write_text(json.dumps(downloads, indent=1), encoding="utf-8")
        return cls(folder, ".".join(older.split(".")[:2]), older, newer, lists)


def _packed(folder: Path, added: Mapping[str, str]) -> bytes:
    """Return a tree as ``python/`` in a tar.gz; stored, not compressed: it goes over loopback only."""

    def kept(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
        return None if "__pycache__" in member.name.split("/") else member

    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz", compresslevel=0) as archive:
        archive.add(folder, "python", filter=kept)
        for name, text in added.items():
            member = tarfile.TarInfo(f"python/{name}")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return stream.getvalue()


class Mirror(ThreadingHTTPServer):
    """Offers releases on a free port of loopback; below ``/anything`` every name is an archive."""

    daemon_threads = True

    def __init__(self, releases: Releases) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.releases = releases
        self._lock = threading.Lock()
        self._asked: list[str] = []

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def note(self, path: str) -> None:
        """Keep what was asked."""
        with self._lock:
            self._asked.append(path)

    def taken(self) -> list[str]:
        """Return the paths that were asked since the last call."""
        with self._lock:
            asked, self._asked = self._asked, []
        return asked

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that goes away is its own affair."""


class _Handler(BaseHTTPRequestHandler):
    server: Mirror
    timeout = 30.0

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
        """Keep the terminal clean."""

    def do_GET(self) -> None:
        """Answer a request for a list or an archive."""
        path = urlsplit(self.path).path
        self.server.note(path)
        releases = self.server.releases
        name = path.rsplit("/", 1)[-1]
        if path == "/list.json":
            file = releases.lists["both"]
        elif path.startswith("/anything/"):
            file = releases.folder / "older.tar.gz"
        else:
            file = releases.folder / name
        if path.startswith("/missing/") or not name or not file.is_file():
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Length", str(file.stat().st_size))
        self.end_headers()
        with file.open("rb") as stream:
            shutil.copyfileobj(stream, self.wfile)


@contextlib.contextmanager
def serve_releases(releases: Releases) -> Iterator[Mirror]:
    """Serve a mirror in threads of this process."""
    server = Mirror(releases)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.block_on_close = False
        server.server_close()
        thread.join(5.0)
