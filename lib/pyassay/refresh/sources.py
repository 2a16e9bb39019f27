"""The public services that reference tables are kept up to date from, each apart from the others."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from pyassay.reference.security import branch_of, records, release_key
from pyassay.reference.tables import ReferenceTable, read
from pyassay.refresh import registry, upstream, uv
from pyassay.refresh.fetching import AbsentError, Fetch, FetchError
from pyassay.refresh.merging import Fresh
from pyassay.subjects.changelogs import entries

if TYPE_CHECKING:
    from pyassay.reference.security import ReleaseKey

__all__ = ["SOURCES", "Context", "Source"]

_RAW = "https://raw.githubusercontent.com"
_API = "https://api.github.com/repos"
_MAX_UV_RELEASES = 12
_MAX_DOCUMENTS = 60
_SDIST_BYTES = 64 << 20
_SUITES = ("bookworm", "trixie", "unstable")
_PACKAGES = ("openssl", "expat", "python3.11", "python3.13", "python3.14", "sqlite3")

Gathered = dict[str, Fresh]
Row = dict[str, str]


@dataclass(frozen=True, slots=True)
class Context:
    """Where a source may look: the tables as they stand, the network, and the day."""

    folder: Path
    fetch: Fetch
    on: date

    def table(self, name: str) -> ReferenceTable:
        """Return a table as it stands in the folder."""
        return read(self.folder / f"{name}.csv")

    def rows(self, name: str) -> list[Row]:
        """Return its rows."""
        return records(self.table(name).frame)


@dataclass(frozen=True, slots=True)
class Source:
    """One service.

    Attributes
    ----------
    name : str
        As users name it.
    tables : tuple of str
        The tables that it knows something of.
    online : bool
        Whether it needs the network.
    gather : callable
        Returns what it says of each table; raises FetchError, or ValueError and its like when an answer has
        another form than is known.
    """

    name: str
    tables: tuple[str, ...]
    online: bool
    gather: Callable[[Context], Gathered]


def _uv_here(context: Context) -> Gathered:
    _, listing = uv.ask_uv()
    return _builds(context, [("", "", uv.offers_of_list(listing))])


def _uv_registry(context: Context) -> Gathered:
    """Ask the registry for releases of uv, and look into the source distributions of the newest."""
    url = registry.project_url(registry.discover(), "uv")
    releases = uv.uv_releases(context.fetch(url, max_bytes=64 << 20), url)
    known = {row["uv"] for row in context.rows("uv_releases")}
    newest = max((key for name in known if (key := release_key(name)) is not None), default=None)
    later = [
        release
        for release in releases
        if newest is None or ((key := release_key(release.version)) is not None and key > newest)
    ]
    rows: list[Row] = []
    lists: list[tuple[str, str, list[uv.Offer]]] = []
    for release in later[-_MAX_UV_RELEASES:]:
        offers = uv.offers_of_sdist(context.fetch(release.sdist, max_bytes=_SDIST_BYTES))
        lists.append((release.version, release.day, offers))
        rows += uv.uv_of_list(release, offers)
    whole = len(later) <= _MAX_UV_RELEASES
    return {"uv_releases": Fresh(tuple(rows), complete=whole), **_builds(context, lists)}


def _builds(context: Context, lists: Iterable[tuple[str, str, list[uv.Offer]]]) -> Gathered:
    """Return builds and Pythons of lists of uv, the oldest first; which uv it is of may be unknown."""
    released = {row["version"]: row["release_date"] for row in context.rows("cpython_releases")}
    known = {row["cpython"]: row for row in context.rows("pbs_builds")}
    tags: dict[str, Row] = {}
    builds: dict[str, Row] = {}
    for version, day, offers in lists:
        for offer in offers:
            tags[offer.tag] = {
                "tag": offer.tag,
                "made": uv.tag_day(offer.tag),
                "source": "astral-sh/uv : list of Pythons",
            }
            first = {
                "branch": branch_of("cpython", offer.cpython),
                "release_date": released.get(offer.cpython, ""),
                "first_tag": offer.tag,
                "first_uv": version,
                "first_uv_date": day,
            }
            old = builds.setdefault(offer.cpython, {"cpython": offer.cpython, **first, "latest_tag": ""})
            before = known.get(offer.cpython, {}).get("latest_tag", "")
            old["latest_tag"] = max(old["latest_tag"], before, offer.tag)
    return {
        "pbs_tags": Fresh(tuple(tags.values())),
        "pbs_builds": Fresh(tuple(builds.values()), decides=frozenset({"latest_tag"})),
    }


def _peps(context: Context) -> Gathered:
    document = context.fetch(f"{_RAW}/python/peps/main/release_management/python-releases.toml")
    dates = frozenset({"release_date", "first_release", "end_of_bugfix", "end_of_life"})
    return {
        "cpython_releases": Fresh(tuple(upstream.cpython_releases(document)), dates, complete=True),
        "cpython_branches": Fresh(tuple(upstream.cpython_branches(document)), dates, complete=True),
    }


def _cpython_news(context: Context) -> Gathered:
    """Read the change logs of releases that the table of fixes has nothing of, the newest first."""
    known = {row["version"] for row in context.rows("cpython_security_fixes")}
    living = {
        row["branch"]
        for row in context.rows("cpython_branches")
        if row["end_of_life"] > (context.on - timedelta(days=400)).isoformat()
    }
    wanted = [
        row
        for row in context.rows("cpython_releases")
        if row["branch"] in living and row["prerelease"] == "false" and row["version"] not in known
    ]
    wanted.sort(key=lambda row: row["release_date"] or row["seen_by"], reverse=True)
    fixes: list[Row] = []
    missing = 0
    for row in wanted[:_MAX_DOCUMENTS]:
        version = row["version"]
        try:
            document = context.fetch(f"{_RAW}/python/cpython/v{version}/Misc/NEWS.d/{version}.rst")
        except AbsentError:
            missing += 1  # the files of old releases were merged into one; one missing file is not the end
            continue
        fixes += upstream.cpython_fixes(document, row["branch"], version)
    if wanted and missing == len(wanted[:_MAX_DOCUMENTS]):
        raise FetchError(f"none of the {missing} change logs that are wanted could be fetched")
    whole = missing == 0 and len(wanted) <= _MAX_DOCUMENTS
    advisories = upstream.fixed_advisories([*_named_before(context), *fixes])
    parts = frozenset({"fixed_in", "complete_in"})
    return {
        "cpython_security_fixes": Fresh(tuple(fixes), complete=whole),
        "cpython_advisories": Fresh(tuple(advisories) if fixes else (), parts, complete=whole),
    }


def _named_before(context: Context) -> list[Row]:
    """Return what the table of advisories knows of fixes, in the form of fixes."""
    return [
        {
            "cves": row["advisory"],
            "branch": row["branch"],
            "version": version,
            "issue": row["issues"],
            "source": row["evidence"],
            "fixes": "true",
        }
        for row in context.rows("cpython_advisories")
        if row["branch"]
        for version in dict.fromkeys((row["fixed_in"], row["complete_in"]))
    ]


def _openssl_metadata(context: Context) -> Gathered:
    """Read OpenSSL's own branches and advisories; of these, the ones that the table has not."""
    branches = upstream.openssl_branches(context.fetch(f"{_RAW}/openssl/release-metadata/main/data.json"))
    tree = json.loads(context.fetch(f"{_API}/openssl/release-metadata/git/trees/main?recursive=1"))
    known = {row["advisory"] for row in context.rows("openssl_advisories") if "secjson" in row["source"]}
    names = [
        match[1]
        for entry in tree["tree"]
        if (match := re.fullmatch(r"secjson/(CVE-[\d-]+)\.json", entry["path"]))
    ]
    wanted = sorted(set(names) - known, reverse=True)
    rows: list[Row] = []
    for name in wanted[:_MAX_DOCUMENTS]:
        rows += upstream.openssl_advisory(
            context.fetch(f"{_RAW}/openssl/release-metadata/main/secjson/{name}.json")
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
            complete=len(wanted) <= _MAX_DOCUMENTS,
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


def _github_openssl(context: Context) -> Gathered:
    fixed: dict[str, int] = {}
    for row in context.rows("openssl_advisories"):
        fixed[row["fixed_in"]] = fixed.get(row["fixed_in"], 0) + 1
    rows = []
    for tag, day in upstream.github_releases(context.fetch(f"{_API}/openssl/openssl/releases?per_page=100")):
        version = tag.removeprefix("openssl-")
        key: ReleaseKey | None = release_key(version)
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
    return {"openssl_releases": Fresh(tuple(rows), complete=_reaches_back(context, "openssl_releases", rows))}


def _reaches_back(context: Context, name: str, rows: Iterable[Row]) -> bool:
    """Tell whether a page of the newest releases reaches back to one that the table has."""
    table = context.table(name)
    known = {row[table.key[0]] for row in records(table.frame)}
    return any(row[table.key[0]] in known for row in rows)


def _github_builds(context: Context) -> Gathered:
    address = f"{_API}/astral-sh/python-build-standalone/releases?per_page=100"
    rows = [
        {"tag": tag, "made": uv.tag_day(tag), "source": "astral-sh/python-build-standalone : releases"}
        for tag, _ in upstream.github_releases(context.fetch(address))
        if re.fullmatch(r"20\d{6}", tag)
    ]
    return {"pbs_tags": Fresh(tuple(rows), complete=_reaches_back(context, "pbs_tags", rows))}


def _endoflife(context: Context) -> Gathered:
    document = context.fetch("https://endoflife.date/api/v1/products/sqlite/")
    return {"library_releases": Fresh(tuple(upstream.endoflife_latest(document, "sqlite")))}


def _osv(context: Context) -> Gathered:
    """Ask OSV for the day and severity of advisories of CPython that have none."""
    wanted = dict.fromkeys(
        row["advisory"] for row in context.rows("cpython_advisories") if not row["published"]
    )
    answers: dict[str, Row] = {}
    missing = 0
    for name in sorted(wanted, reverse=True)[:_MAX_DOCUMENTS]:
        try:
            document = context.fetch(f"https://api.osv.dev/v1/vulns/{name}")
        except AbsentError:
            missing += 1
            continue
        answers |= {row["advisory"]: row for row in upstream.osv_advisory(document)}
    if wanted and not answers:
        raise FetchError(f"none of the {missing} advisories that are wanted could be fetched")
    rows = tuple(
        {**answers[row["advisory"]], "branch": row["branch"]}
        for row in context.rows("cpython_advisories")
        if row["advisory"] in answers
    )
    return {"cpython_advisories": Fresh(rows, frozenset({"severity"}))}


def _debian(context: Context) -> Gathered:
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


#: In the order in which they are asked.
SOURCES = (
    Source("uv-here", ("pbs_tags", "pbs_builds"), False, _uv_here),
    Source("registry", ("uv_releases", "pbs_tags", "pbs_builds"), True, _uv_registry),
    Source("peps", ("cpython_releases", "cpython_branches"), True, _peps),
    Source("cpython-news", ("cpython_security_fixes", "cpython_advisories"), True, _cpython_news),
    Source("openssl-metadata", ("openssl_branches", "openssl_advisories"), True, _openssl_metadata),
    Source("openssl-releases", ("openssl_releases",), True, _github_openssl),
    Source("build-releases", ("pbs_tags",), True, _github_builds),
    Source("endoflife", ("library_releases",), True, _endoflife),
    Source("osv", ("cpython_advisories",), True, _osv),
    Source("debian", ("debian_uploads",), True, _debian),
)
