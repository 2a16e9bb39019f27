"""The index of our own: protocols, ranges, caching, failures, counts, and paths that lead elsewhere."""

from __future__ import annotations

import hashlib
import http.client
import io
import json
import socket
import time
import zipfile
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path

import pytest
from pyassay.probes.installers.index import Fault, Index, IndexSpec, serve, serve_apart
from pyassay.probes.installers.samples import make_sdist, make_wheel

JSON = "application/vnd.pypi.simple.v1+json"
WHEEL = "some_name-1.0-py3-none-any.whl"


@pytest.fixture(scope="module")
def wares(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wares")
    make_wheel(folder, "some_name", "1.0", requires=["other>=1"])
    make_sdist(folder, "some_name", "0.9")
    make_wheel(folder, "other", "1.0")
    (folder / "not-a-distribution.whl").write_bytes(b"?")
    (folder / "secret.txt").write_text("secret")
    return folder


@pytest.fixture(scope="module")
def index(wares: Path) -> Iterator[Index]:
    with serve(IndexSpec((wares,))) as served:
        yield served


def get(
    index: Index, path: str, headers: Mapping[str, str] | None = None, method: str = "GET"
) -> tuple[int, http.client.HTTPMessage, bytes]:
    connection = http.client.HTTPConnection(index.origin.removeprefix("http://"), timeout=5)
    try:
        connection.request(method, path, headers=dict(headers or {}))
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


class Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[dict[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.found.append(dict(attrs))


def test_the_html_page_lists_each_file_with_its_digest(index: Index, wares: Path) -> None:
    status, headers, body = get(index, "/simple/some-name/")
    assert status == 200
    assert headers["Content-Type"] == "text/html"
    links = Links()
    links.feed(body.decode())
    digest = hashlib.sha256((wares / WHEEL).read_bytes()).hexdigest()
    assert f"../../files/{WHEEL}#sha256={digest}" in [link["href"] for link in links.found]
    assert len(links.found) == 2
    wheel = next(link for link in links.found if WHEEL in (link["href"] or ""))
    metadata = get(index, f"/files/{WHEEL}.metadata")[2]
    assert wheel["data-core-metadata"] == f"sha256={hashlib.sha256(metadata).hexdigest()}"
    assert b"Requires-Dist: other>=1" in metadata


def test_the_json_page_has_what_pep_700_adds(index: Index, wares: Path) -> None:
    status, headers, body = get(index, "/simple/some-name/", {"Accept": JSON})
    page = json.loads(body)
    assert (status, headers["Content-Type"], page["meta"]["api-version"]) == (200, JSON, "1.1")
    assert page["versions"] == ["0.9", "1.0"]
    wheel = next(file for file in page["files"] if file["filename"] == WHEEL)
    assert wheel["size"] == (wares / WHEEL).stat().st_size
    assert wheel["upload-time"].endswith("Z")
    assert set(wheel["core-metadata"]) == {"sha256"}


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (f"{JSON}, text/html; q=0.1", JSON),
        (f"{JSON};q=0.1, text/html;q=0.9", "text/html"),
        ("*/*", "text/html"),
        (f"{JSON};q=broken, text/html", JSON),
    ],
)
def test_the_client_chooses_between_json_and_html(index: Index, accept: str, kind: str) -> None:
    assert get(index, "/simple/some-name/", {"Accept": accept})[1]["Content-Type"] == kind


def test_a_plain_index_speaks_html_only_and_gives_no_metadata(wares: Path) -> None:
    spec = IndexSpec((wares,), json=False, metadata=False, ranges=False, cache_headers=False)
    with serve(spec) as plain:
        status, headers, body = get(plain, "/simple/some-name/", {"Accept": JSON})
        assert (status, headers["Content-Type"]) == (200, "text/html")
        assert b"core-metadata" not in body
        assert headers["ETag"] is headers["Cache-Control"] is None
        assert get(plain, f"/files/{WHEEL}.metadata")[0] == 404
        assert get(plain, f"/files/{WHEEL}", {"Range": "bytes=0-1"})[0] == 200


@pytest.mark.parametrize(("asked", "part"), [("0-3", slice(0, 4)), ("-4", slice(-4, None))])
def test_parts_of_a_file(index: Index, wares: Path, asked: str, part: slice) -> None:
    whole = (wares / WHEEL).read_bytes()
    status, headers, body = get(index, f"/files/{WHEEL}", {"Range": f"bytes={asked}"})
    assert (status, body) == (206, whole[part])
    assert headers["Content-Range"].endswith(f"/{len(whole)}")


@pytest.mark.parametrize(
    ("asked", "status"),
    [("bytes=999999-", 416), ("bytes=-0", 416), ("bytes=4-1", 200), ("lines=1-2", 200), ("bytes=-", 200)],
)
def test_odd_parts(index: Index, asked: str, status: int) -> None:
    assert get(index, f"/files/{WHEEL}", {"Range": asked})[0] == status


def test_what_is_unchanged_is_not_sent_again(index: Index) -> None:
    _, headers, _ = get(index, "/simple/some-name/")
    assert headers["Cache-Control"] == "max-age=600, public"
    again = get(index, "/simple/some-name/", {"If-None-Match": headers["ETag"]})
    assert (again[0], again[2]) == (304, b"")
    # Two protocols, two contents: a cache must not take one for the other.
    assert get(index, "/simple/some-name/", {"Accept": JSON})[1]["ETag"] != headers["ETag"]


def test_names_are_normalised_by_a_redirection(index: Index) -> None:
    status, headers, _ = get(index, "/simple/Some_Name")
    assert (status, headers["Location"]) == (301, "/simple/some-name/")
    assert get(index, "/simple/unknown/")[0] == 404
    assert b"/simple/other/" in get(index, "/simple/")[2]


@pytest.mark.parametrize(
    "path",
    [
        "/files/../secret.txt",
        "/files/..%2fsecret.txt",
        "/files/%2e%2e/%2e%2e/etc/passwd",
        "/files/secret.txt",
        "//etc/passwd",
        "/files//etc/passwd",
        "/files/" + "a" * 5000,
        "/simple/../files/secret.txt/",
        "/files/not-a-distribution.whl",
        "/files/%00",
    ],
)
def test_nothing_but_what_is_offered_can_be_had(index: Index, path: str) -> None:
    status, _, body = get(index, path)
    assert status == 404
    assert b"secret" not in body


def test_rubbish_does_not_stop_the_index(index: Index) -> None:
    host, port = index.origin.removeprefix("http://").split(":")
    for rubbish in (b"\0" * 100, b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET /simple/ HTTP/1.1\r\nA"):
        with socket.create_connection((host, int(port)), 5) as connection:
            connection.sendall(rubbish)
    assert get(index, "/simple/other/")[0] == 200


@pytest.mark.parametrize("status", [401, 403, 404, 500])
def test_pages_fail_with_a_status_and_files_do_not(wares: Path, status: int) -> None:
    with serve(IndexSpec((wares,), faults=(Fault(status=status, on="page", project="some-name"),))) as faulty:
        assert get(faulty, "/simple/some-name/")[0] == status
        assert get(faulty, "/simple/other/")[0] == 200
        assert get(faulty, f"/files/{WHEEL}")[0] == 200


def test_a_fault_that_ends(wares: Path) -> None:
    with serve(IndexSpec((wares,), faults=(Fault(status=500, times=2),))) as faulty:
        assert [get(faulty, "/simple/other/")[0] for _ in range(3)] == [500, 500, 200]


def test_a_file_that_breaks_off_slow_ones_and_silence(wares: Path) -> None:
    cut, slow, silent = (
        Fault("cut", on="file"),
        Fault("slow", on="metadata", bytes_per_s=200),
        Fault("silent"),
    )
    with serve(IndexSpec((wares,), faults=(cut, slow, silent))) as faulty:
        with pytest.raises(http.client.IncompleteRead):
            get(faulty, f"/files/{WHEEL}")
        started = time.monotonic()
        assert get(faulty, f"/files/{WHEEL}.metadata")[0] == 200
        assert time.monotonic() - started > 0.2
        host, port = faulty.origin.removeprefix("http://").split(":")
        connection = socket.create_connection((host, int(port)), 5)
        connection.sendall(b"GET /simple/other/ HTTP/1.1\r\n\r\n")
        connection.settimeout(0.3)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        ended = time.monotonic()
    assert time.monotonic() - ended < 5
    connection.close()


def test_a_tampered_wheel_is_a_good_archive_of_another_digest(wares: Path) -> None:
    with serve(IndexSpec((wares,), faults=(Fault("tampered", on="file"),))) as faulty:
        body = get(faulty, f"/files/{WHEEL}")[2]
    genuine = (wares / WHEEL).read_bytes()
    assert hashlib.sha256(body).digest() != hashlib.sha256(genuine).digest()
    with zipfile.ZipFile(io.BytesIO(body)) as tampered, zipfile.ZipFile(io.BytesIO(genuine)) as archive:
        assert tampered.testzip() is None
        assert tampered.namelist() == archive.namelist()


def test_credentials(wares: Path) -> None:
    with serve(IndexSpec((wares,), credentials=("user", "word"))) as closed:
        status, headers, _ = get(closed, "/simple/other/")
        assert (status, headers["WWW-Authenticate"].split()[0]) == (401, "Basic")
        assert get(closed, "/simple/other/", {"Authorization": "Basic dXNlcjp3b3Jk"})[0] == 200
        assert get(closed, "/simple/other/", {"Authorization": "Basic \xff"})[0] == 401
        assert [one.authorised for one in closed.requests()] == [False, True, True]


def test_latency(wares: Path) -> None:
    with serve(IndexSpec((wares,), latency_s=0.2)) as far:
        started = time.monotonic()
        get(far, "/simple/other/")
        assert time.monotonic() - started >= 0.2


@pytest.mark.parametrize("start", [serve, serve_apart])
def test_what_was_asked_is_counted(start: object, wares: Path) -> None:
    with start(IndexSpec((wares,))) as counted:  # type: ignore[operator]
        get(counted, "/simple/other/")
        get(counted, f"/files/{WHEEL}", {"Range": "bytes=0-9"})
        get(counted, f"/files/{WHEEL}.metadata", method="HEAD")
        asked = counted.requests()
        assert [one.on for one in asked] == ["page", "file", "metadata"]
        assert [one.body_bytes for one in asked][1:] == [10, 0]
        assert asked[1].part
        counted.forget()
        assert counted.requests() == []
    with pytest.raises(OSError, match="refused"):
        get(counted, "/simple/other/")
