"""Advisories about packages: a real server that answers as the services do, and some that lie or hang."""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from pyassay.probes.package_advisories import PACKAGE_ADVISORIES, Settings, observe, probe
from pyassay.subjects.model import Artifact, Interpreter, SubjectKind

pytest.importorskip("pip_audit", reason="needs pip-audit")

Answer = Callable[[BaseHTTPRequestHandler], object]
SUBJECT = Artifact("one", "one", SubjectKind.ARTIFACT, Path("one"), "folder")


def package(name: str, version: str = "1.0", **more: str) -> dict[str, Any]:
    empty = {"package": "", "package_version": "", "package_manager": "", "error": ""}
    return empty | {"distribution": name, "version": version} | more


def advisory(
    name: str, *, aliases: tuple[str, ...] = (), fixed: tuple[str, ...] = (), **more: Any
) -> dict[str, Any]:
    """Return one as PyPI's JSON interface has it."""
    said = {"id": name, "aliases": list(aliases), "fixed_in": list(fixed), "details": "A\nB", "summary": None}
    return {**said, "withdrawn": None, **more}


def release(name: str, version: str, *advisories: dict[str, Any]) -> dict[str, Any]:
    return {"info": {"name": name, "version": version}, "vulnerabilities": list(advisories)}


class Service:
    """A server on this machine: answers by path, and what it was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.asked: list[str] = []
        self.closing = threading.Event()
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.answer(self.path)

            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                self.answer(f"{self.path} {asked['package']['name']} {asked['version']}")

            def answer(self, key: str) -> None:
                service.asked.append(key)
                with suppress(OSError):
                    service.answers.get(key, with_status(404))(self)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def tell(self, name: str, version: str, answer: Any) -> None:
        if not callable(answer):
            answer = with_json(answer)
        self.answers[f"/pypi/{name}/{version}/json"] = answer


def with_status(status: int, **headers: str) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()

    return answer


def with_bytes(content: bytes) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        with_status(200)(handler)
        handler.wfile.write(content)

    return answer


def with_json(content: Any) -> Answer:
    return with_bytes(json.dumps(content).encode())


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    made = Service()
    thread = threading.Thread(target=made.server.serve_forever, daemon=True)
    thread.start()
    yield made
    made.closing.set()
    made.server.shutdown()
    made.server.server_close()
    thread.join()


def ask(to: Service, *packages: dict[str, Any], **settings: Any) -> dict[str, dict[str, Any]]:
    """Return the rows by package; fails when there is more than one of a package."""
    rows = observe(SUBJECT, packages, settings=Settings(online=True, url=to.url, **settings))
    assert len(rows) == len({row["distribution"] for row in rows}) == len(packages)
    return {row["distribution"]: row for row in rows}


def test_nothing_is_asked_unless_told_to(service: Service, running_interpreter: Interpreter) -> None:
    frame = probe(running_interpreter, Settings(url=service.url))["package_advisories"]
    assert list(frame.columns) == PACKAGE_ADVISORIES.column_names
    assert frame[["status", "reason", "distribution"]].to_numpy().tolist() == [
        ["not asked", "no network request unless --online", ""]
    ]
    assert observe(SUBJECT) == observe(SUBJECT, [package("a")])
    assert service.asked == []


def test_open_none_and_names_of_one_advisory(service: Service) -> None:
    service.tell(
        "jinja2",
        "2.11.0",
        release(
            "Jinja2",
            "2.11",
            advisory("GHSA-g3rq-g295-4j3m", aliases=("CVE-2020-28493", "PYSEC-2021-66"), fixed=("2.11.3",)),
            advisory("PYSEC-2021-66", aliases=("CVE-2020-28493",), fixed=("2.11.3",)),
            advisory("GHSA-old", fixed=("2.12",), withdrawn="2021-01-01T00:00:00Z"),
            advisory("GHSA-h5c8-rqwp-cp95", aliases=("CVE-2024-22195",), fixed=("3.1.3", "2.12")),
        ),
    )
    service.tell("clean", "1.0", release("clean", "1.0"))
    packages = [package("Jinja2", "2.11.0"), package("clean"), package("clean")]
    rows = observe(SUBJECT, packages, settings=Settings(online=True, url=service.url))
    shown = [
        tuple(row[key] for key in ("distribution", "status", "advisory", "aliases", "fixed_in"))
        for row in rows
    ]
    assert shown == [
        ("Jinja2", "open", "PYSEC-2021-66", ["CVE-2020-28493", "GHSA-g3rq-g295-4j3m"], ["2.11.3"]),
        ("Jinja2", "open", "CVE-2024-22195", ["GHSA-h5c8-rqwp-cp95"], ["2.12", "3.1.3"]),
        ("clean", "none", "", [], []),
    ]
    assert sorted(service.asked) == ["/pypi/clean/1.0/json", "/pypi/jinja2/2.11.0/json"]


def test_what_a_distribution_may_have_mended_is_not_called_open(service: Service) -> None:
    service.tell("a", "1.0", release("a", "1.0", advisory("CVE-1", fixed=("2",))))
    of_debian = package("a", package="python3-a", package_version="1.0-1+deb12u1", package_manager="dpkg")
    row = ask(service, of_debian)["a"]
    assert (row["status"], row["advisory"]) == ("unknown", "CVE-1")
    assert row["reason"] == "concerns this version, but dpkg's python3-a 1.0-1+deb12u1 may carry the fix"


def drip(service: Service) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        with_status(200)(handler)
        while not service.closing.wait(0.2):
            handler.wfile.write(b" ")

    return answer


def endless(handler: BaseHTTPRequestHandler) -> None:
    with_status(200)(handler)
    while True:
        handler.wfile.write(b" " * (1 << 20))


def test_answers_that_must_not_be_believed(service: Service) -> None:
    lies: dict[str, tuple[Any, str]] = {
        "missing": (with_status(404), "not found on PyPI"),
        "broken": (with_status(500), "500 Server Error"),
        "elsewhere": (with_status(302, Location="http://127.0.0.1:1/"), "302: leads elsewhere"),
        "silent": ({"info": {"name": "silent", "version": "1.0"}}, "says nothing of vulnerabilities"),
        "nothing": ({}, "says nothing of vulnerabilities"),
        "wrong": (release("wrong", "9.9"), "the answer is about version 9.9"),
        "other": (release("someone-else", "1.0"), "the answer is about someone-else"),
        "listed": ([], "the answer is no JSON object"),
        "unversioned": (release("unversioned", "latest"), "Invalid version"),
        "odd": (release("odd", "1.0", advisory("CVE-1", fixed=("\x1b[31mnever",))), "malformed version"),
        "half": (with_bytes(b'{"info": '), "Expecting value"),
        "binary": (with_bytes(b"\xff\x00\xfe" * 10), ""),
        "empty": (with_bytes(b""), "Expecting value"),
        "deep": (with_bytes(b"[" * 200_000), ""),
        "endless": (endless, "larger than 33554432 bytes"),
    }
    for name, (answer, _) in lies.items():
        service.tell(name, "1.0", answer)
    service.tell("honest", "1.0", release("honest", "1.0"))
    rows = ask(service, *map(package, lies), package("honest"))
    for name, (_, reason) in lies.items():
        assert rows[name]["status"] == "unknown", name
        assert reason in rows[name]["reason"], rows[name]
        assert rows[name]["reason"]
        assert rows[name]["reason"].isprintable()
        assert len(rows[name]["reason"]) <= 300
    assert rows["honest"]["status"] == "none"


def test_hostile_ids_are_one_line_and_bounded(service: Service) -> None:
    odd = advisory("CVE-1\n\x1b[31m" + "x" * 5000, aliases=tuple(f"A-{n}\0" for n in range(500)))
    service.tell("a", "1.0", release("a", "1.0", odd))
    row = ask(service, package("a"))["a"]
    assert row["status"] == "open"
    texts = [row["advisory"], *row["aliases"]]
    assert len(texts) == 51
    assert all(text.isprintable() and len(text) <= 300 for text in texts)
    PACKAGE_ADVISORIES.frame([row])


def test_packages_that_cannot_be_asked_for(service: Service) -> None:
    rows = ask(
        service,
        package("", error="more than 5000 packages: the rest is not read"),
        package("odd", "not a version"),
        package("../../admin"),
        package("nameless", "", error="METADATA is absent"),
    )
    assert {name: row["reason"] for name, row in rows.items()} == {
        "": "more than 5000 packages: the rest is not read",
        "odd": "not a version: not a version that PEP 440 knows",
        "../../admin": "not a name that a package can have",
        "nameless": "METADATA is absent",
    }
    assert {row["status"] for row in rows.values()} == {"unknown"}
    assert service.asked == []


def test_what_hangs_ends_and_what_was_answered_is_kept(service: Service) -> None:
    service.tell("slow", "1.0", drip(service))
    service.tell("hung", "1.0", lambda _: service.closing.wait(30))
    service.tell("quick", "1.0", release("quick", "1.0", advisory("CVE-1")))
    started = time.monotonic()
    rows = ask(service, *map(package, ("slow", "hung", "quick")), timeout_s=1, deadline_s=4)
    assert time.monotonic() - started < 8
    assert rows["slow"]["reason"] == "no answer within 4 s"
    assert "Read timed out" in rows["hung"]["reason"]
    assert (rows["quick"]["status"], rows["quick"]["advisory"]) == ("open", "CVE-1")


def test_no_route_is_a_reason_and_soon(service: Service) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        closed = listening.getsockname()[1]
    service.url = f"http://127.0.0.1:{closed}"
    started = time.monotonic()
    rows = ask(service, *(package(f"p{number}") for number in range(60)))
    assert time.monotonic() - started < 15
    assert {row["status"] for row in rows.values()} == {"unknown"}
    reasons = [row["reason"] for row in rows.values()]
    assert any("refused" in reason for reason in reasons)
    assert sum("not asked: the service could not be reached" in reason for reason in reasons) > 30


def test_osv(service: Service) -> None:
    found = {
        "id": "GHSA-1",
        "aliases": ["CVE-1"],
        "affected": [
            {
                "package": {"name": "a", "ecosystem": "PyPI"},
                "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.1"}]}],
            }
        ],
    }
    service.answers["/v1/query a 1.0"] = with_json({"vulns": [found]})
    service.answers["/v1/query none 1.0"] = with_json({})
    service.answers["/v1/query paged 1.0"] = with_json({"vulns": [found], "next_page_token": "x"})
    service.answers["/v1/query odd 1.0"] = with_json({"message": "try later"})
    rows = ask(service, *map(package, ("a", "none", "paged", "odd")), service="osv")
    assert (rows["a"]["advisory"], rows["a"]["aliases"], rows["a"]["fixed_in"]) == (
        "CVE-1",
        ["GHSA-1"],
        ["1.1"],
    )
    assert {name: row["status"] for name, row in rows.items()} == {
        "a": "open",
        "none": "none",
        "paged": "unknown",
        "odd": "unknown",
    }


def test_without_pip_audit_there_is_a_reason(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/usr/bin/python3")
    if not Path(sys.executable).exists():
        pytest.skip("no Python of the system here")
    monkeypatch.setattr(sys, "path", [])
    row = ask(service, package("a"))["a"]
    if row["reason"].startswith("Dependency"):
        pytest.skip("the system's Python has pip-audit")
    assert row["status"] == "unknown"
    assert row["reason"].startswith("pip-audit is not installed (no module ")


def test_an_interpreter_without_packages_has_none(service: Service) -> None:
    (row,) = observe(SUBJECT, [], settings=Settings(online=True, url=service.url))
    assert (row["status"], row["reason"], row["distribution"]) == ("none", "", "")


@pytest.mark.parametrize(
    "odd", [{"service": "elsewhere"}, {"url": "file:///etc/passwd"}, {"url": "https://user:secret@host/"}]
)
def test_settings_that_make_no_sense(odd: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"no such service|not an http") as caught:
        Settings(online=True, **odd)  # type: ignore[arg-type]
    assert "secret" not in str(caught.value)


def test_the_real_service_where_there_is_one() -> None:
    """Jinja2 2.11.0 had advisories in 2021 and will have them for ever."""
    settings = Settings(online=True, timeout_s=5, deadline_s=20)
    rows = observe(SUBJECT, [package("Jinja2", "2.11.0")], settings=settings)
    if rows[0]["status"] == "unknown":
        pytest.skip(f"the service does not answer from here: {rows[0]['reason']}")
    known = {name for row in rows for name in (row["advisory"], *row["aliases"])}
    assert "CVE-2020-28493" in known
    assert {row["status"] for row in rows} == {"open"}
