"""Advisories about the Python packages of an environment, by pip-audit; only when asked to go online.

The names and versions of the packages are sent to the service that is asked. Without that, nothing is sent
and one row says so.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pyassay.places.host import Completed, StartError, run
from pyassay.probes import site_packages
from pyassay.probes.observations import Column, TableSchema
from pyassay.subjects.display import display_text
from pyassay.subjects.model import Subject

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["PACKAGE_ADVISORIES", "SERVICES", "TABLES", "Settings", "observe", "probe"]

PACKAGE_ADVISORIES = TableSchema(
    "package_advisories",
    "one row per Python package and advisory; of a package without one, and of what was not asked, one row",
    (
        Column("subject_id", "text", "which subject of the table `subjects`"),
        Column("distribution", "text", "name of the package; empty: all packages of the subject"),
        Column("version", "text", "as installed"),
        Column("advisory", "text", "its id: PYSEC, else CVE, else what the service calls it; empty: none"),
        Column("aliases", "texts", "other ids of the same advisory"),
        Column("fixed_in", "texts", "releases in which it is fixed, by version; empty: none is known"),
        Column(
            "status",
            "text",
            "open (it concerns this version), none (asked: no advisory is known), not asked or unknown",
        ),
        Column("reason", "text", "why it is not asked or unknown: one line; else empty"),
    ),
)
TABLES = (PACKAGE_ADVISORIES,)

SERVICES = ("pypi", "osv")
"""Who can be asked: PyPI's JSON interface (as pip-audit does of itself), or OSV."""

_CLIENT = Path(__file__).with_name("advisory_client.py")
_PASSED_ON = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
_MAX_OUTPUT_BYTES = 32 << 20
_MAX_MEMORY_BYTES = 4 << 30
_LONGEST = 300
_STATUSES = frozenset({"open", "none", "unknown"})
_OFFLINE = "no network request unless --online"


@dataclass(frozen=True, slots=True)
class Settings:
    """How advisories are asked for.

    Attributes
    ----------
    online : bool
        Whether a request may be made at all.
    service : str
        One of :data:`SERVICES`.
    url : str
        Of a mirror of the service: what stands in the place of ``https://pypi.org`` or
        ``https://api.osv.dev``. Empty: the service itself.
    timeout_s, deadline_s : float
        Wall seconds for one answer to begin and go on; and for all packages of a subject together.

    Raises
    ------
    ValueError
        If there is no such service, or the URL is none.
    """

    online: bool = False
    service: str = "pypi"
    url: str = ""
    timeout_s: float = 10.0
    deadline_s: float = 120.0

    def __post_init__(self) -> None:
        if self.service not in SERVICES:
            raise ValueError(f"{self.service}: no such service; there are: {', '.join(SERVICES)}")
        if self.url:
            parts = urlsplit(self.url)
            if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
                raise ValueError("url: not an http or https URL without user and password")


def probe(subject: Subject, settings: Settings | None = None) -> dict[str, pd.DataFrame]:
    """Observe one subject: the table ``package_advisories``."""
    rows = observe(subject, settings=settings)
    return {PACKAGE_ADVISORIES.name: PACKAGE_ADVISORIES.frame(rows)}


def observe(
    subject: Subject,
    packages: Sequence[Mapping[str, Any]] | None = None,
    *,
    settings: Settings | None = None,
) -> list[dict[str, Any]]:
    """Return the same as plain rows.

    Parameters
    ----------
    subject : Interpreter or Artifact
    packages : sequence of mapping, optional
        Rows of ``installed_packages`` of this subject; by default they are read now.
    settings : Settings, optional
        By default offline: one row that says so.
    """
    settings = settings or Settings()
    if not settings.online:
        return [_row(subject.id, {}, "not asked", _OFFLINE)]
    listed = site_packages.observe(subject) if packages is None else list(packages)
    if not listed:
        return [_row(subject.id, {}, "none", "")]
    asked: dict[tuple[str, str], int] = {}
    for row in listed:
        if row["distribution"] and row["version"]:
            asked.setdefault((str(row["distribution"]), str(row["version"])), len(asked))
    answers, failure = _ask(list(asked), settings) if asked else ({}, "")
    rows: list[dict[str, Any]] = []
    for row in _once(listed):
        number = asked.get((str(row["distribution"]), str(row["version"])))
        if number is None:
            reason = str(row["error"]) or "its name or version is not known"
            rows.append(_row(subject.id, row, "unknown", reason))
        elif number not in answers:
            rows.append(_row(subject.id, row, "unknown", failure))
        else:
            rows += _answered(subject.id, row, answers[number])
    return rows


def _once(packages: Iterable[Mapping[str, Any]]) -> Iterable[Mapping[str, Any]]:
    """Return packages without those recorded twice; where the records differ in origin, both stay."""
    known = {
        tuple(str(row[key]) for key in ("distribution", "version", "package", "error")): row
        for row in packages
    }
    return known.values()


def _ask(packages: Sequence[tuple[str, str]], settings: Settings) -> tuple[dict[int, dict[str, Any]], str]:
    """Return what the service says by the number of the package, and why the others have no answer.

    A process of its own asks: it can be ended, whatever the network does.
    """
    request = {
        "path": [entry for entry in sys.path if entry],
        "service": settings.service,
        "url": settings.url,
        "timeout_s": settings.timeout_s,
        "packages": packages,
    }
    names = (*_PASSED_ON, *_PROXIES, *map(str.upper, _PROXIES))
    try:
        done = run(
            (sys.executable, "-I", _CLIENT),
            timeout_s=settings.deadline_s,
            input_bytes=json.dumps(request).encode(),
            extra_environment={name: os.environ[name] for name in names if name in os.environ},
            max_output_bytes=_MAX_OUTPUT_BYTES,
            memory_bytes=_MAX_MEMORY_BYTES,
        )
    except StartError as error:
        return {}, f"pip-audit could not be run: {_text(str(error))}"
    answers: dict[int, dict[str, Any]] = {}
    fatal = ""
    for line in done.stdout.splitlines(keepends=True):
        if line.endswith(b"\n"):
            said = json.loads(line)
            if "fatal" in said:
                fatal = _text(said["fatal"])
            else:
                answers[said["package"]] = said
    return answers, fatal or _end(done, settings)


def _end(done: Completed, settings: Settings) -> str:
    if done.timed_out:
        return f"no answer within {settings.deadline_s:g} s"
    if done.truncated:
        return f"the answers are larger than {_MAX_OUTPUT_BYTES} bytes"
    last = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
    said = f": {_text(last[0])}" if last else ""
    return f"pip-audit ended with status {done.returncode}{said}"


def _answered(subject_id: str, package: Mapping[str, Any], answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    status = answer["status"] if answer["status"] in _STATUSES else "unknown"
    if status != "open":
        return [_row(subject_id, package, status, _text(answer["reason"]))]
    reason = ""
    if package["package"]:
        # The number of the release says nothing of what the distribution has mended in it.
        status = "unknown"
        reason = (
            f"concerns this version, but {package['package_manager']}'s {package['package']} "
            f"{package['package_version']} may carry the fix"
        )
    rows = []
    for advisory in answer["advisories"]:
        row = _row(subject_id, package, status, reason)
        row["advisory"] = _text(advisory["id"])
        row["aliases"] = sorted(map(_text, advisory["aliases"]))
        row["fixed_in"] = list(map(_text, advisory["fixed_in"]))
        rows.append(row)
    return rows


def _row(subject_id: str, package: Mapping[str, Any], status: str, reason: str) -> dict[str, Any]:
    return {
        "subject_id": subject_id,
        "distribution": package.get("distribution", ""),
        "version": package.get("version", ""),
        "advisory": "",
        "aliases": [],
        "fixed_in": [],
        "status": status,
        "reason": reason,
    }


def _text(text: object) -> str:
    return display_text(" ".join(str(text).split()))[:_LONGEST]
