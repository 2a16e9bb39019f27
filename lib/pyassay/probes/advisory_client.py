"""Ask a service for advisories through pip-audit, in a process of its own; started by its file name.

Reads a JSON request from standard input and writes one line of JSON per package as its answer arrives, so
that who ends this process early keeps what was answered. Imports nothing of this package.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from importlib import import_module
from typing import Any

_ORIGINS = {"pypi": "https://pypi.org", "osv": "https://api.osv.dev"}
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_MAX_ANSWER_BYTES = 32 << 20
_AT_ONCE = 8
_CHUNK = 1 << 16
_MAX_ADVISORIES = 1_000
_MAX_IDS = 50
_LONGEST = 500
# So many packages without any answer from the service, and the rest need not be tried.
_ENOUGH_FAILURES = 3


class Refused(Exception):  # noqa: N818 - it is an answer, not an error of this program
    """An answer that must not be believed: the message says why."""


class _Asking:
    """The service, and whether it is there at all."""

    def __init__(self, request: dict[str, Any]) -> None:
        self.requests: Any = import_module("requests")
        self.services: Any = import_module("pip_audit._service")
        self.auditing: Any = import_module("pip_audit._audit")
        self.sources: Any = import_module("pip_audit._dependency_source")
        self.versions: Any = import_module("packaging.version")
        self.names: Any = import_module("packaging.utils")
        self.kind: str = request["service"]
        self.url: str = request["url"].rstrip("/")
        self.timeout_s: float = request["timeout_s"]
        self.failures = 0
        self.answers = 0

    def ask(self, name: str, version: str) -> dict[str, Any]:
        """Return what is known of one release."""
        if not _NAME.fullmatch(name):
            return _unknown("not a name that a package can have")
        try:
            number = self.versions.Version(version)
        except ValueError:
            return _unknown(f"{version}: not a version that PEP 440 knows")
        if not self.answers and self.failures >= _ENOUGH_FAILURES:
            return _unknown("not asked: the service could not be reached for the packages before")
        try:
            return self._audited(self.services.ResolvedDependency(name, number))
        except Exception as error:  # noqa: BLE001 - whatever a service answers, the others are asked
            if isinstance(_root(error), (self.requests.ConnectionError, self.requests.Timeout)):
                self.failures += 1
            return _unknown(_said(error))

    def _audited(self, dependency: Any) -> dict[str, Any]:
        service = self._service(dependency)
        (audited,) = self.auditing.Auditor(service).audit(self._source(dependency))
        found, advisories = audited
        if found.is_skipped():
            return _unknown(found.skip_reason)
        listed = _merged(advisories[:_MAX_ADVISORIES])
        return {"status": "open" if listed else "none", "advisories": listed, "reason": ""}

    def _source(self, dependency: Any) -> Any:
        class OnePackage(self.sources.DependencySource):  # type: ignore[misc, name-defined]
            def collect(self) -> Iterator[Any]:
                yield dependency

            def fix(self, fix_version: Any) -> None:
                raise NotImplementedError

        return OnePackage()

    def _service(self, dependency: Any) -> Any:
        kind = self.services.PyPIService if self.kind == "pypi" else self.services.OsvService
        # Its cache is not used: an old "none" must not be taken for today's.
        service = kind(cache_dir="/nonexistent", timeout=self.timeout_s)
        service.session = self._session(dependency)
        return service

    def _session(self, dependency: Any) -> Any:
        asking = self

        class BoundedSession(self.requests.Session):  # type: ignore[misc, name-defined]
            """Follows no redirection, reads bounded answers, sends no password of a .netrc."""

            def request(self, method: str, url: str, **options: Any) -> Any:
                if asking.url:
                    url = asking.url + url.removeprefix(_ORIGINS[asking.kind])
                options |= {"stream": True, "allow_redirects": False}
                with super().request(method, url, **options) as answer:
                    asking.answers += 1
                    if 300 <= answer.status_code < 400:
                        raise Refused(f"{answer.status_code}: leads elsewhere, which is not followed")
                    answer._content = _bounded(answer)
                    if answer.status_code == 200:
                        asking.believable(answer.json(), dependency)
                    return answer

        session = BoundedSession()
        session.auth = lambda request: request
        session.headers["Accept-Encoding"] = "identity"
        return session

    def believable(self, answer: Any, dependency: Any) -> None:
        """Refuse an answer that says nothing of advisories, or speaks of another release.

        pip-audit takes a missing list for an empty one, as a mirror that leaves it out would have it.
        """
        if not isinstance(answer, dict):
            raise Refused("the answer is no JSON object")
        if self.kind == "osv":
            if answer and not isinstance(answer.get("vulns"), list):
                raise Refused("the answer says nothing of vulnerabilities")
            if answer.get("next_page_token"):
                raise Refused("the answer goes on: it is not whole")
            return
        if not isinstance(answer.get("vulnerabilities"), list):
            raise Refused("the answer says nothing of vulnerabilities")
        told = answer.get("info")
        if not isinstance(told, dict):
            raise Refused("the answer does not say what it is about")
        name, version = str(told.get("name")), str(told.get("version"))
        if self.names.canonicalize_name(name) != dependency.canonical_name:
            raise Refused(f"the answer is about {name}")
        if self.versions.Version(version) != dependency.version:
            raise Refused(f"the answer is about version {version}")


def _merged(advisories: Sequence[Any]) -> list[dict[str, Any]]:
    """Return advisories once each, whatever names they come under.

    Two that carry the same PYSEC id among their names are both left in by pip-audit.
    """
    merged: list[tuple[str, set[str], set[Any]]] = []
    for one in advisories:
        names, fixes = {str(name) for name in one.aliases} | {str(one.id)}, set(one.fix_versions)
        same = [other for other in merged if other[1] & names]
        for other in same:
            merged.remove(other)
            names |= other[1]
            fixes |= other[2]
        merged.append((same[0][0] if same else str(one.id), names, fixes))
    return [
        {
            "id": name[:_LONGEST],
            "aliases": sorted(alias[:_LONGEST] for alias in names - {name})[:_MAX_IDS],
            "fixed_in": [str(fix)[:_LONGEST] for fix in sorted(fixes)][:_MAX_IDS],
        }
        for name, names, fixes in merged
    ]


def _bounded(answer: Any) -> bytes:
    content = bytearray()
    for chunk in answer.iter_content(_CHUNK):
        content += chunk
        if len(content) > _MAX_ANSWER_BYTES:
            raise Refused(f"the answer is larger than {_MAX_ANSWER_BYTES} bytes")
    return bytes(content)


def _unknown(reason: str) -> dict[str, Any]:
    return {"status": "unknown", "advisories": [], "reason": reason[:_LONGEST]}


def _root(error: BaseException) -> BaseException:
    """Return what an error was raised from: pip-audit's own often say nothing."""
    while (cause := error.__cause__ or error.__context__) is not None:
        if isinstance(error, OSError):
            break
        error = cause
    return error


def _said(error: BaseException) -> str:
    if isinstance(error, Refused):
        return str(error)
    if not str(error):
        error = _root(error)
    # Of "Max retries exceeded (Caused by ...)" the cause.
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return f"{type(error).__name__}: {reason or error}"


def main() -> None:
    """Answer the request on standard input."""
    request = json.load(sys.stdin)
    sys.path += [entry for entry in request["path"] if entry not in sys.path]
    try:
        asking = _Asking(request)
    except ModuleNotFoundError as error:
        _tell(
            {"fatal": f"pip-audit is not installed (no module {error.name}): pip install pyassay[advisories]"}
        )
        return
    except Exception as error:  # noqa: BLE001 - it asks pip about itself when it is imported
        _tell({"fatal": f"pip-audit cannot be loaded: {_said(error)}"[:_LONGEST]})
        return
    packages: Sequence[tuple[str, str]] = request["packages"]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        tasks = {
            pool.submit(asking.ask, name, version): number for number, (name, version) in enumerate(packages)
        }
        for task in as_completed(tasks):
            _tell({"package": tasks[task], **task.result()})


def _tell(said: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
    os._exit(0)
