"""The server behind an index: HTTP/1.1 on loopback, nothing but what the index offers."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import re
import threading
import time
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

from packaging.utils import canonicalize_name

from pyassay.probes.installers.index_files import Distribution, distributions, html_page, json_page
from pyassay.probes.installers.index_spec import Fault, IndexSpec

__all__ = ["IndexServer", "Request"]

_JSON = "application/vnd.pypi.simple.v1+json"
_IDLE_S, _SILENT_S = 30.0, 120.0
_MAX_KEPT = 100_000
_NOTING_S = 0.5
_CHUNK = 1 << 16
_PAGE = re.compile(r"/simple/([^/]+)(/?)")
_FILE = re.compile(r"/files/([^/]+?)(\.metadata)?")
_PAGE_AGE, _FILE_AGE = "max-age=600, public", "max-age=365000000, immutable, public"


@dataclass(frozen=True, slots=True)
class Request:
    """One request that was answered.

    Attributes
    ----------
    method, path : str
    status : int
    body_bytes : int
        Bytes of content that were sent.
    part : bool
        Whether a part of a file was asked for.
    authorised : bool
        Whether credentials came with it.
    """

    method: str
    path: str
    status: int
    body_bytes: int
    part: bool
    authorised: bool

    @property
    def on(self) -> str:
        """``page``, ``metadata`` or ``file``."""
        if self.path.endswith(".metadata"):
            return "metadata"
        return "file" if self.path.startswith("/files/") else "page"


class IndexServer(ThreadingHTTPServer):
    """Serves one index on a free port of loopback."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, spec: IndexSpec) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.spec = spec
        self.projects: dict[str, list[Distribution]] = {}
        self.files: dict[str, Distribution] = {}
        for one in distributions(spec.paths):
            self.projects.setdefault(one.project, []).append(one)
            self.files[one.name] = one
        self.ended = threading.Event()
        self._lock = threading.Lock()
        self._answered = threading.Condition(self._lock)
        self._log: dict[int, Request] = {}
        self._begun = 0
        self._open: set[int] = set()
        self._pages: dict[tuple[str, bool], bytes] = {}
        self._hits = [0] * len(spec.faults)
        # What the first request would have to wait for.
        for one in self.files.values():
            _ = (one.sha256, one.requires_python)

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def requests(self) -> list[Request]:
        """Return what was asked so far, in the order of the questions.

        Who asks may have an answer before it is noted here; those that are slow on purpose are not waited
        for.
        """
        with self._answered:
            self._answered.wait_for(lambda: not self._open, _NOTING_S)
            return [request for _, request in sorted(self._log.items())]

    def forget(self) -> None:
        """Begin the counts anew."""
        with self._lock:
            self._log.clear()

    def begin(self) -> int:
        """Return the number of a request that is about to be answered."""
        with self._lock:
            self._begun += 1
            self._open.add(self._begun)
            return self._begun

    def note(self, number: int, request: Request) -> None:
        """Keep a request that was answered."""
        with self._answered:
            if len(self._log) < _MAX_KEPT:
                self._log[number] = request
            self._open.discard(number)
            self._answered.notify_all()

    def fault(self, on: str, project: str) -> Fault | None:
        """Return how a request fails; None: not at all."""
        with self._lock:
            for number, fault in enumerate(self.spec.faults):
                if fault.hits(on, project) and (not fault.times or self._hits[number] < fault.times):
                    self._hits[number] += 1
                    return fault
        return None

    def page(self, project: str, *, as_json: bool) -> bytes:
        """Return the page of a project."""
        key = (project, as_json)
        if key not in self._pages:
            make = json_page if as_json else html_page
            self._pages[key] = make(project, self.projects[project], metadata=self.spec.metadata)
        return self._pages[key]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that goes away is its own affair."""


class _Handler(BaseHTTPRequestHandler):
    server: IndexServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = _IDLE_S

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
        """Keep the terminal clean."""

    def do_HEAD(self) -> None:
        """Answer without the content."""
        self.do_GET()

    def do_GET(self) -> None:
        """Answer a request for a page, a file or its metadata."""
        spec = self.server.spec
        if spec.latency_s:
            time.sleep(spec.latency_s)
        path = unquote(urlsplit(self.path).path)
        page, file = _PAGE.fullmatch(path), _FILE.fullmatch(path)
        offered = self.server.files.get(file[1]) if file else None
        project = canonicalize_name(page[1]) if page else (offered.project if offered else "")
        on = "page" if not file else ("metadata" if file[2] else "file")
        fault = self.server.fault(on, project)
        if fault is not None and fault.kind == "silent":
            # Until the other side has had enough, or the index ends.
            self.server.ended.wait(_SILENT_S)
            self.close_connection = True
        elif fault is not None and fault.kind == "status":
            self._refuse(fault.status)
        elif spec.credentials and not self._is_known(spec.credentials):
            self._refuse(HTTPStatus.UNAUTHORIZED)
        elif page and project in self.server.projects and page[0] != f"/simple/{project}/":
            self._send(HTTPStatus.MOVED_PERMANENTLY, b"", "text/plain", {"Location": f"/simple/{project}/"})
        elif page and project in self.server.projects:
            self._page(project, fault)
        elif path == "/simple/":
            self._root()
        elif offered is not None and on == "metadata":
            self._metadata(offered, fault)
        elif offered is not None:
            self._file(offered, fault)
        else:
            self._refuse(HTTPStatus.NOT_FOUND)

    def _is_known(self, credentials: tuple[str, ...]) -> bool:
        wanted = base64.b64encode(":".join(credentials).encode()).decode()
        given = self.headers.get("Authorization", "")
        # As bytes: texts are compared only if they are ASCII.
        return hmac.compare_digest(given.encode(errors="replace"), f"Basic {wanted}".encode())

    def _wants_json(self) -> bool:
        if not self.server.spec.json:
            return False
        weights: dict[str, float] = {}
        for item in self.headers.get("Accept", "").split(","):
            name, *parameters = (part.strip() for part in item.split(";"))
            weight = 1.0
            for parameter in parameters:
                if parameter.startswith("q="):
                    with contextlib.suppress(ValueError):
                        weight = float(parameter[2:])
            weights[name] = weight
        other = max(weights.get("text/html", 0), weights.get("application/vnd.pypi.simple.v1+html", 0))
        return weights.get(_JSON, 0) > 0 and weights[_JSON] >= other

    def _page(self, project: str, fault: Fault | None) -> None:
        as_json = self._wants_json()
        body = self.server.page(project, as_json=as_json)
        self._send(
            HTTPStatus.OK, body, _JSON if as_json else "text/html", {"Vary": "Accept"}, _PAGE_AGE, fault
        )

    def _root(self) -> None:
        names = sorted(self.server.projects)
        links = "".join(f'<a href="/simple/{name}/">{name}</a><br>' for name in names)
        self._send(HTTPStatus.OK, f"<!DOCTYPE html><html><body>{links}</body></html>".encode(), "text/html")

    def _metadata(self, offered: Distribution, fault: Fault | None) -> None:
        if not self.server.spec.metadata or offered.metadata is None:
            self._refuse(HTTPStatus.NOT_FOUND)
            return
        self._send(HTTPStatus.OK, offered.metadata, "application/octet-stream", {}, _FILE_AGE, fault)

    def _file(self, offered: Distribution, fault: Fault | None) -> None:
        # Whole in memory: what is offered are wheels that we fetched or made.
        body, headers, status = offered.path.read_bytes(), {}, HTTPStatus.OK
        if fault is not None and fault.kind == "tampered":
            body = _with_comment(body)
        if self.server.spec.ranges:
            headers["Accept-Ranges"] = "bytes"
            asked = self.headers.get("Range")
            if asked is not None and (part := _part(asked, len(body))) is not None:
                first, last = part
                if first > last:
                    unmet = {"Content-Range": f"bytes */{len(body)}"}
                    self._send(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, b"", "text/plain", unmet)
                    return
                headers["Content-Range"] = f"bytes {first}-{last}/{len(body)}"
                body, status = body[first : last + 1], HTTPStatus.PARTIAL_CONTENT
        self._send(status, body, "application/octet-stream", headers, _FILE_AGE, fault)

    def _refuse(self, status: int) -> None:
        headers = {"WWW-Authenticate": 'Basic realm="index"'} if status == HTTPStatus.UNAUTHORIZED else {}
        self._send(status, f"{status}\n".encode(), "text/plain", headers)

    def _send(
        self,
        status: int,
        body: bytes,
        kind: str,
        headers: dict[str, str] | None = None,
        age: str = "",
        fault: Fault | None = None,
    ) -> None:
        number = self.server.begin()
        headers = dict(headers or {})
        if age and self.server.spec.cache_headers:
            headers["Cache-Control"] = age
            headers["ETag"] = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
            if self.headers.get("If-None-Match") == headers["ETag"]:
                status, body = HTTPStatus.NOT_MODIFIED, b""
        sent = 0
        try:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if status != HTTPStatus.NOT_MODIFIED:
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                sent = self._send_body(body, fault)
        finally:
            part, known = "Range" in self.headers, "Authorization" in self.headers
            self.server.note(number, Request(self.command, self.path, int(status), sent, part, known))

    def _send_body(self, body: bytes, fault: Fault | None) -> int:
        if fault is not None and fault.kind == "cut":
            self.wfile.write(body[: len(body) // 2])
            self.close_connection = True
            return len(body) // 2
        if fault is not None and fault.kind == "slow":
            step = max(1, fault.bytes_per_s // 10)
            for start in range(0, len(body), step):
                self.wfile.write(body[start : start + step])
                time.sleep(0.1)
            return len(body)
        for start in range(0, len(body), _CHUNK):
            self.wfile.write(body[start : start + _CHUNK])
        return len(body)


def _with_comment(archive: bytes) -> bytes:
    """Return a zip archive that holds the same and is another file: only its digest tells."""
    comment = b"tampered"
    return archive[:-2] + len(comment).to_bytes(2, "little") + comment


def _part(asked: str, size: int) -> tuple[int, int] | None:
    """Return first and last byte of a range; None: it is to be ignored. First beyond last: there is none."""
    found = re.fullmatch(r"bytes=(\d{0,18})-(\d{0,18})", asked.strip())
    if not found or not (found[1] or found[2]):
        return None
    if not found[1]:
        return (max(0, size - int(found[2])), size - 1) if int(found[2]) else (size, size - 1)
    first = int(found[1])
    last = min(int(found[2]), size - 1) if found[2] else size - 1
    if found[2] and int(found[2]) < first:
        return None
    return (first, last) if first < size else (size, size - 1)
