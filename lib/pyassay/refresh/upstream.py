"""What public documents say, as rows of reference tables: one small function per kind of document.

Each takes the document as it came and raises ValueError (or KeyError, TypeError) when it has another form.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pyassay.reference.security import ReleaseKey, branch_of, release_key

__all__ = [
    "cpython_branches",
    "cpython_fixes",
    "cpython_releases",
    "endoflife_latest",
    "fixed_advisories",
    "github_releases",
    "openssl_advisory",
    "openssl_branches",
    "osv_advisory",
]

Row = dict[str, str]
_STAGE = re.compile(r"(\d+\.\d+\.\d+)(?: (alpha|beta|candidate|final)(?: (\d+))?)?")
_MARKS = {"alpha": "a", "beta": "b", "candidate": "rc"}
_CVE = re.compile(r":cve:`((?:19|20)\d\d-\d{4,7})`|\bCVE-((?:19|20)\d\d-\d{4,7})\b")
_FIXES = re.compile(r"\b(?:fix|address|mitigat|resolv|prevent)", re.IGNORECASE)
_ROLE = re.compile(r":(?:mod|class|func|meth|attr|exc|data):`!?~?\.?([A-Za-z_][\w.]*)")
_MONTHS = {
    name: f"{number:02}"
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), 1
    )
}


def cpython_releases(document: bytes) -> list[Row]:
    """Return the releases that have happened, from the PEPs' ``python-releases.toml``."""
    rows: list[Row] = []
    data = tomllib.loads(document.decode("utf-8"))
    for branch, releases in data["release"].items():
        ends = data["metadata"][branch]["end-of-bugfix"].isoformat()
        for release in releases:
            match = _STAGE.fullmatch(release["stage"])
            if release["state"] != "actual" or match is None:
                continue
            mark = _MARKS.get(match[2] or "")
            day = release["date"].isoformat()
            rows.append(
                {
                    "version": match[1] + (f"{mark}{match[3]}" if mark else ""),
                    "branch": branch,
                    "release_date": day,
                    "prerelease": "true" if mark else "false",
                    "phase": "" if mark else "security" if day > ends else "bugfix",
                    "source": "python/peps : release_management/python-releases.toml",
                }
            )
    return rows


def cpython_branches(document: bytes) -> list[Row]:
    """Return the branches and their ends, from the same document."""
    return [
        {
            "branch": branch,
            "pep": str(about["pep"]),
            "first_release": about["first-release"].isoformat(),
            "end_of_bugfix": about["end-of-bugfix"].isoformat(),
            "end_of_life": about["end-of-life"].isoformat(),
        }
        for branch, about in tomllib.loads(document.decode("utf-8"))["metadata"].items()
    ]


def cpython_fixes(document: bytes, branch: str, version: str) -> list[Row]:
    """Return the security fixes of a release, from its ``Misc/NEWS.d/VERSION.rst``.

    That is every entry under Security, and those under Library that name a CVE.
    """
    rows: list[Row] = []
    released = ""
    counts: dict[str, int] = {}
    for block in document.decode("utf-8").split("\n..\n"):
        marks = dict(re.findall(r"^\.\. ([a-z-]+(?: date)?): (.*)$", block, re.MULTILINE))
        released = marks.get("release date", released)
        text = " ".join(line.strip() for line in block.splitlines() if not line.startswith(".. ")).strip()
        named = sorted({f"CVE-{first or second}" for first, second in _CVE.findall(text)})
        section = marks.get("section", "")
        if not (section == "Security" or (section == "Library" and named)):
            continue
        issue = f"gh-{marks['gh-issue']}" if "gh-issue" in marks else f"bpo-{marks['bpo']}"
        counts[issue] = counts.get(issue, 0) + 1
        rows.append(
            {
                "branch": branch,
                "version": version,
                "release_date": released,
                "issue": issue,
                "entry": str(counts[issue]),
                "section": section,
                "cves": " ".join(named),
                "module": _module(text),
                "text": text if len(text) < 170 else text[:160].rsplit(" ", 1)[0] + " ...",
                "source": f"python/cpython : Misc/NEWS.d/{version}.rst",
                # Not a column: whether the whole text says that it fixes what it names.
                "fixes": "true" if section == "Security" or _FIXES.search(text) else "false",
            }
        )
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", released):
        raise ValueError(f"{version}: no day of release")
    return rows


def _module(text: str) -> str:
    for name in _ROLE.findall(text):
        parts = name.split(".")
        if parts[0] in sys.stdlib_module_names:
            lower = [part for part in parts if part == part.lower()]
            return ".".join(parts[: max(1, min(len(parts) - 1, len(lower)))]) if len(parts) > 1 else name
    return "pyexpat" if "expat" in text else ""


def fixed_advisories(fixes: Iterable[Mapping[str, str]]) -> list[Row]:
    """Return what fixes mean for the advisories that they name: first and last release with a part."""
    rows: dict[tuple[str, str], Row] = {}
    for fix in fixes:
        for advisory in fix["cves"].split() if fix["fixes"] == "true" else ():
            version = fix["version"]
            row = rows.setdefault(
                (advisory, fix["branch"]),
                {
                    "advisory": advisory,
                    "branch": fix["branch"],
                    "fixed_in": version,
                    "complete_in": version,
                    "severity": "unrated",
                    "issues": "",
                    "evidence": f"NEWS text ({fix['source']})",
                },
            )
            row["fixed_in"] = min(row["fixed_in"], version, key=_order)
            row["complete_in"] = max(row["complete_in"], version, key=_order)
            issues = dict.fromkeys([*row["issues"].split(), *fix["issue"].split()])
            row["issues"] = " ".join(issues)
    return list(rows.values())


def _order(version: str) -> ReleaseKey:
    return release_key(version) or ((), 0, "", 0)


def openssl_branches(document: bytes) -> list[Row]:
    """Return the branches of OpenSSL, from the ``data.json`` of its release metadata."""
    rows: list[Row] = []
    for branch, about in json.loads(document).items():
        first, end = _written_day(about["release"]), _written_day(about["eol"])
        row = {
            "branch": branch,
            "lts": "true" if about["lts"] is True else "false",
            "source": "openssl/release-metadata : data.json",
        }
        if first and end:
            rows.append(row | {"first_release": first, "end_of_life": end})
        else:
            rows.append(row | {"note": f"planned: release {about['release']}, end {about['eol']}"})
    return rows


def _written_day(text: str) -> str:
    match = re.fullmatch(r"(\d{1,2}) ([A-Z][a-z]{2})[a-z]* (\d{4})", text)
    return f"{match[3]}-{_MONTHS[match[2]]}-{int(match[1]):02}" if match else ""


def openssl_advisory(document: bytes) -> list[Row]:
    """Return the affected ranges of one advisory, from a CVE record of OpenSSL (``secjson/CVE-*.json``)."""
    record = json.loads(document)
    about = record["containers"]["cna"]
    severity = next(
        (
            metric["other"]["content"]["text"].lower()
            for metric in about.get("metrics", [])
            if metric.get("format") == "other" and "content" in metric.get("other", {})
        ),
        "unrated",
    )
    rows: list[Row] = []
    for affected in about["affected"]:
        for versions in affected["versions"]:
            if versions.get("status") != "affected":
                continue
            first, fixed = versions["version"], versions.get("lessThan", "")
            if release_key(first) is None:  # another product: fips-1.1
                continue
            rows.append(
                {
                    "advisory": record["cveMetadata"]["cveId"],
                    "branch": branch_of("openssl", first),
                    "introduced": first,
                    "fixed_in": fixed,
                    "severity": severity
                    if severity in ("low", "moderate", "high", "critical")
                    else "unrated",
                    "published": about["datePublic"][:10],
                    "title": about.get("title", ""),
                    "source": "openssl/release-metadata : secjson",
                }
            )
    return rows


def github_releases(document: bytes) -> list[tuple[str, str]]:
    """Return tag and day of the releases of a repository, from GitHub's interface; drafts are left out."""
    return [
        (str(release["tag_name"]), str(release["published_at"])[:10])
        for release in json.loads(document)
        if not release["draft"] and release["published_at"]
    ]


def endoflife_latest(document: bytes, library: str) -> list[Row]:
    """Return the latest release of every cycle of a product, from version 1 of endoflife.date."""
    result = json.loads(document)["result"]
    return [
        {
            "library": library,
            "version": release["latest"]["name"],
            "release_date": release["latest"]["date"],
            "basis": "release",
            "source": f"endoflife.date : {result['name']}",
        }
        for release in result["releases"]
        if release.get("latest") and release["latest"].get("date")
    ]


def osv_advisory(document: bytes) -> list[Row]:
    """Return day, severity and issues of an advisory of CPython, from its OSV record."""
    record = json.loads(document)
    names = [record["id"], *record.get("aliases", [])]
    advisory = next((name for name in names if str(name).startswith("CVE-")), record["id"])
    word = re.search(r"\b(LOW|MEDIUM|HIGH|CRITICAL) severity\b", record.get("details", ""))
    issues = dict.fromkeys(_issues(record.get("references", [])))
    return [
        {
            "advisory": str(advisory),
            "published": str(record["published"])[:10],
            "severity": word[1].lower() if word else "",
            "issues": " ".join(issues),
            "evidence": "OSV record",
        }
    ]


def _issues(references: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for reference in references:
        match = re.fullmatch(r"https://github\.com/python/cpython/issues/(\d{1,7})", reference.get("url", ""))
        if match:
            yield f"gh-{match[1]}"
