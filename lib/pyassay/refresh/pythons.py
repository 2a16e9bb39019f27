"""The services that know of Pythons: uv, the registry, the PEPs, CPython's change logs, GitHub, OSV."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta

from pyassay.reference.security import branch_of, release_key
from pyassay.refresh import registry, upstream, uv
from pyassay.refresh.context import API, MAX_DOCUMENTS, RAW, Context, Gathered, Row
from pyassay.refresh.fetching import AbsentError, FetchError
from pyassay.refresh.merging import Fresh

__all__ = ["cpython_news", "github_builds", "osv", "peps", "uv_here", "uv_registry"]

_MAX_UV_RELEASES = 12
_SDIST_BYTES = 64 << 20
# A tag is the day of its release; one was 20250323 for a day in 2026.
_MISTYPED = timedelta(days=60)


def uv_here(context: Context) -> Gathered:
    """Ask the uv of this machine, which needs no network: its list is part of the program."""
    _, listing = uv.ask_uv()
    return _builds(context, [("", "", uv.offers_of_list(listing))])


def uv_registry(context: Context) -> Gathered:
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


def github_builds(context: Context) -> Gathered:
    """Read the newest releases of python-build-standalone."""
    address = f"{API}/astral-sh/python-build-standalone/releases?per_page=100"
    rows: list[Row] = []
    for tag, published in upstream.github_releases(context.fetch(address)):
        try:
            apart = date.fromisoformat(uv.tag_day(tag)) - date.fromisoformat(published)
        except ValueError:
            continue  # not one of its tags, which are days
        row = {"tag": tag, "source": "astral-sh/python-build-standalone : releases"}
        if abs(apart) > _MISTYPED:
            rows.append(row | {"made": published, "note": f"a mistyped tag: published on {published}"})
        else:
            rows.append(row | {"made": uv.tag_day(tag)})
    return {"pbs_tags": Fresh(tuple(rows), complete=context.reaches_back("pbs_tags", rows))}


def peps(context: Context) -> Gathered:
    """Read the data that the release schedules are made from: every release and branch of CPython."""
    document = context.fetch(f"{RAW}/python/peps/main/release_management/python-releases.toml")
    dates = frozenset({"release_date", "first_release", "end_of_bugfix", "end_of_life"})
    return {
        "cpython_releases": Fresh(tuple(upstream.cpython_releases(document)), dates, complete=True),
        "cpython_branches": Fresh(tuple(upstream.cpython_branches(document)), dates, complete=True),
    }


def cpython_news(context: Context) -> Gathered:
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
    for row in wanted[:MAX_DOCUMENTS]:
        version = row["version"]
        try:
            document = context.fetch(f"{RAW}/python/cpython/v{version}/Misc/NEWS.d/{version}.rst")
        except AbsentError:
            missing += 1  # the files of old releases were merged into one; one missing file is not the end
            continue
        fixes += upstream.cpython_fixes(document, row["branch"], version)
    if wanted and missing == len(wanted[:MAX_DOCUMENTS]):
        raise FetchError(f"none of the {missing} change logs that are wanted could be fetched")
    whole = missing == 0 and len(wanted) <= MAX_DOCUMENTS
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


def osv(context: Context) -> Gathered:
    """Ask OSV for the day and severity of advisories of CPython that have none."""
    wanted = dict.fromkeys(
        row["advisory"] for row in context.rows("cpython_advisories") if not row["published"]
    )
    answers: dict[str, Row] = {}
    missing = 0
    for name in sorted(wanted, reverse=True)[:MAX_DOCUMENTS]:
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
