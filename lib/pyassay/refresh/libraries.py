"""The services that know of libraries: OpenSSL's own metadata and releases, endoflife.date, Debian."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from pyassay.reference.security import branch_of, release_key
from pyassay.refresh import upstream
from pyassay.refresh.context import API, MAX_DOCUMENTS, RAW, Context, Gathered, Row
from pyassay.refresh.fetching import AbsentError, FetchError
from pyassay.refresh.merging import Fresh
from pyassay.subjects.changelogs import entries

__all__ = ["debian", "endoflife", "github_openssl", "openssl_metadata"]

_SUITES = ("bookworm", "trixie", "unstable")
_PACKAGES = ("openssl", "expat", "python3.11", "python3.13", "python3.14", "sqlite3")


def openssl_metadata(context: Context) -> Gathered:
    """Read OpenSSL's own branches and advisories; of these, the ones that the table has not."""
    branches = upstream.openssl_branches(context.fetch(f"{RAW}/openssl/release-metadata/main/data.json"))
    tree = json.loads(context.fetch(f"{API}/openssl/release-metadata/git/trees/main?recursive=1"))
    known = {row["advisory"] for row in context.rows("openssl_advisories") if "secjson" in row["source"]}
    names = [
        match[1]
        for entry in tree["tree"]
        if (match := re.fullmatch(r"secjson/(CVE-[\d-]+)\.json", entry["path"]))
    ]
    wanted = sorted(set(names) - known, reverse=True)
    rows: list[Row] = []
    for name in wanted[:MAX_DOCUMENTS]:
        rows += upstream.openssl_advisory(
            context.fetch(f"{RAW}/openssl/release-metadata/main/secjson/{name}.json")
        )
    ends = {row["branch"]: row for row in [*context.rows("openssl_branches"), *branches]}
    for row in rows:
        _analysed(row, ends)
    decides = frozenset({"introduced", "fixed_in", "severity", "title"})
    return {
        "openssl_branches": Fresh(
            tuple(branches), frozenset({"first_release", "end_of_life"}), complete=True
        ),
        "openssl_advisories": Fresh(
            tuple(row for row in rows if release_key(row["introduced"])),
            decides,
            complete=len(wanted) <= MAX_DOCUMENTS,
        ),
    }


def _analysed(row: Row, branches: Mapping[str, Row]) -> None:
    """Add which branches OpenSSL looked at, and whether a fix is open to all, by the day of the advisory."""
    day = row["published"]
    looked_at = [
        name
        for name, about in branches.items()
        if about.get("first_release")
        and about["first_release"] <= day
        and (about["lts"] == "true" or day < about["end_of_life"])
    ]
    end = branches.get(row["branch"], {}).get("end_of_life", "")
    row["analysed"] = " ".join(looked_at)
    row["public"] = "false" if end and day >= end else "true"


def github_openssl(context: Context) -> Gathered:
    """Read the newest releases of OpenSSL, and count the advisories that the table knows each to fix."""
    fixed: dict[str, int] = {}
    for row in context.rows("openssl_advisories"):
        fixed[row["fixed_in"]] = fixed.get(row["fixed_in"], 0) + 1
    rows = []
    for tag, day in upstream.github_releases(context.fetch(f"{API}/openssl/openssl/releases?per_page=100")):
        version = tag.removeprefix("openssl-")
        key = release_key(version)
        if key is not None and key[1]:
            rows.append(
                {
                    "version": version,
                    "branch": branch_of("openssl", version),
                    "release_date": day,
                    "advisories": str(fixed.get(version, 0)),
                    "source": "openssl/openssl : releases",
                }
            )
    return {"openssl_releases": Fresh(tuple(rows), complete=context.reaches_back("openssl_releases", rows))}


def endoflife(context: Context) -> Gathered:
    """Read the newest releases of SQLite."""
    document = context.fetch("https://endoflife.date/api/v1/products/sqlite/")
    return {"library_releases": Fresh(tuple(upstream.endoflife_latest(document, "sqlite")))}


def debian(context: Context) -> Gathered:
    """Read the changelogs that Debian publishes of the packages that the table follows."""
    known = {(row["package"], row["version"]) for row in context.rows("debian_uploads")}
    rows: list[Row] = []
    fetched = 0
    for package in _PACKAGES:
        for suite in _SUITES:
            address = "https://metadata.ftp-master.debian.org/changelogs/main"
            try:
                document = context.fetch(f"{address}/{package[0]}/{package}/{suite}_changelog")
            except AbsentError:
                continue  # not every package is in every suite
            fetched += 1
            for entry in entries(document):
                target = re.split(r"[\s-]", entry.distribution)[0]
                if (entry.package, entry.version) in known or not entry.day or not target:
                    continue
                fixed = dict.fromkeys(m.advisory for m in entry.mentions() if m.reading == "fixed")
                rows.append(
                    {
                        "package": entry.package,
                        "version": entry.version,
                        "suite": target,
                        "distribution": entry.distribution,
                        "signed": entry.day,
                        "advisories": " ".join(fixed),
                    }
                )
    if not fetched:
        raise FetchError("no changelog could be fetched")
    return {"debian_uploads": Fresh(tuple(rows), complete=True)}
