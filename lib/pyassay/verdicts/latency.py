"""Supply latency: how many days a release, or the fix of an advisory, took to reach those who install it.

Three lines of supply: CPython, OpenSSL and expat, each on its way through python-build-standalone (its
recipe, then its build) to uv, and through Debian. Every row is one item and one stage. A row that must not be
counted says why: an item that is older than the supplier was never late.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from pyassay.reference.security import ReleaseKey, branch_of, records, release_key, table

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LATENCY_COLUMNS", "SUITES", "carried", "latency"]

#: Columns of :func:`latency`.
LATENCY_COLUMNS = (
    "line",
    "kind",
    "item",
    "branch",
    "published",
    "stage",
    "reached",
    "by",
    "days",
    "counted",
    "why",
)

#: Releases of Debian whose uploads are followed.
SUITES = ("bullseye", "bookworm", "trixie", "unstable")
_NOT_YET = "not seen in the tables"
_Row = tuple[str, ...]


class _Tag(NamedTuple):
    made: str
    name: str


class _Build(NamedTuple):
    tag: _Tag
    key: ReleaseKey
    version: str


@cache
def _made() -> dict[str, str]:
    tags = table("pbs_tags")
    return dict(zip(tags["tag"], tags["made"], strict=True))


@cache
def _builds(component: str) -> tuple[_Build, ...]:
    """Return the newest version of a component in each build that tells it, the oldest build first.

    Builds carry two of some, one for older Pythons: ``openssl-3.5`` beside ``openssl-1.1``.
    """
    frame = table("pbs_components")
    newest: dict[str, _Build] = {}
    for tag, name, version in zip(frame["tag"], frame["component"], frame["version"], strict=True):
        key = release_key(version)
        if name.partition("-")[0] != component or key is None:
            continue
        if tag not in newest or newest[tag].key < key:
            newest[tag] = _Build(_Tag(_made()[tag], tag), key, version)
    return tuple(sorted(newest.values()))


@cache
def _uv() -> tuple[tuple[str, str, str], ...]:
    """Return day, version and day of the newest build of each uv, the oldest first."""
    frame = table("uv_releases")
    newest: dict[str, tuple[str, str]] = {}
    for name, released, tag in zip(frame["uv"], frame["released"], frame["tag"], strict=True):
        newest[name] = (released, max(newest.get(name, ("", ""))[1], _made()[tag]))
    ordered = sorted(newest.items(), key=lambda item: (item[1][0], release_key(item[0]) or ()))
    return tuple((released, name, made) for name, (released, made) in ordered)


def _first_uv(made: str) -> tuple[str, str, str]:
    """Return the day and version of the first uv that offers a build, and why that is not known."""
    first = _uv()[0]
    if made <= first[2]:
        return "", "", f"offered before {first[1]}, the first uv that is known"
    return next(((day, name, "") for day, name, newest in _uv() if newest >= made), ("", "", _NOT_YET))


def _row(*cells: str, why: str = "") -> dict[str, object]:
    line, kind, item, branch, published, stage, reached, by = cells
    days = (
        (date.fromisoformat(reached) - date.fromisoformat(published)).days if reached and published else None
    )
    why = why or ("" if days is not None else _NOT_YET if published else "its day of release is not known")
    values = (line, kind, item, branch, published, stage, reached, by, days, not why, why)
    return dict(zip(LATENCY_COLUMNS, values, strict=True))


def latency() -> pd.DataFrame:
    """Return every item of the three lines and how many days it took to each stage.

    Returns
    -------
    DataFrame
        ``line`` (``CPython``, ``OpenSSL``, ``expat``); ``kind`` (``release``, or ``advisory``: only those
        that concerned what the supplier carried on the day before); ``item``; ``branch``; ``published`` (day
        of the release or advisory; of expat's advisories, and of CPython's towards Debian, the day of the
        release that fixed it); ``stage`` (``recipe`` and ``build`` of python-build-standalone, ``uv``,
        ``debian`` and its suite); ``reached`` (ISO 8601, empty: not known); ``by`` (commit day, build, uv or
        package that did); ``days`` (nullable; negative: prepared before it was published); ``counted``;
        ``why`` (why not).
    """
    import pandas as pd

    rows = [*_cpython_releases(), *_openssl_releases(), *_openssl_advisories()]
    rows += [*_expat_advisories(), *_cpython_advisories()]
    frame = pd.DataFrame(rows, columns=list(LATENCY_COLUMNS))
    return frame.astype({"days": "Int64", "counted": "bool"})


def _cpython_releases() -> Iterator[dict[str, object]]:
    began = min(_made().values())
    first_uv = _uv()[0][1]
    for row in records(table("pbs_builds")):
        key = release_key(row["cpython"])
        why = ""
        if key is None or not key[1]:
            why = "a pre-release"
        elif row["release_date"] and row["release_date"] < began:
            why = "released before python-build-standalone began"
        head = ("CPython", "release", row["cpython"], row["branch"], row["release_date"])
        yield _row(*head, "recipe", row["merged"], row["merged"], why=why)
        yield _row(*head, "build", _made()[row["first_tag"]], row["first_tag"], why=why)
        known = (
            f"offered by {first_uv} already, the first uv that is known"
            if row["first_uv"] == first_uv
            else ""
        )
        never = "no uv offers it" if not row["first_uv"] else ""
        yield _row(*head, "uv", row["first_uv_date"], row["first_uv"], why=why or known or never)


def _openssl_releases() -> Iterator[dict[str, object]]:
    """Yield the releases with advisories that python-build-standalone took in, not those it skipped."""
    merged: dict[str, str] = {}  # one version may have come twice: as openssl, then as openssl-1.1
    for row in records(table("pbs_merges")):
        if row["component"].partition("-")[0] == "openssl":
            merged[row["version"]] = min(merged.get(row["version"], "9"), row["merged"])
    frame = table("pbs_components")
    built: dict[str, _Tag] = {}
    for tag, name, version in zip(frame["tag"], frame["component"], frame["version"], strict=True):
        if name.partition("-")[0] == "openssl":
            built[version] = min(built.get(version, _Tag("9", "")), _Tag(_made()[tag], tag))
    began = min(_made().values())
    releases = table("openssl_releases")
    for row in records(releases[releases["advisories"] > 0]):
        if row["version"] not in merged and row["version"] not in built:
            continue
        why = "released before python-build-standalone began" if row["release_date"] < began else ""
        head = ("OpenSSL", "release", row["version"], row["branch"], row["release_date"])
        day = merged.get(row["version"], "")
        yield _row(*head, "recipe", day, day, why=why)
        tag = built.get(row["version"])
        if tag is None:
            never = why or "in no build: a newer one came before"
            yield _row(*head, "build", "", "", why=never)
            yield _row(*head, "uv", "", "", why=never)
            continue
        yield _row(*head, "build", tag.made, tag.name, why=why)
        reached, name, unknown = _first_uv(tag.made)
        yield _row(*head, "uv", reached, name, why=why or unknown)


def _openssl_advisories() -> Iterator[dict[str, object]]:
    builds, rows = _builds("openssl"), table("openssl_advisories")
    began = builds[0].tag.made
    for advisory, group in rows[rows["published"] >= began].groupby("advisory", sort=False):
        published = group["published"].iloc[0]
        ranges = {
            row["branch"]: (
                release_key(row["introduced"]) if row["introduced"] else None,
                release_key(row["fixed_in"]),
            )
            for row in records(group)
        }
        before = _before(builds, published)
        if not before or not _concerned(before[-1], ranges):
            continue
        branch = branch_of("openssl", before[-1].version)
        head = ("OpenSSL", "advisory", str(advisory), branch, published)
        mended = next((b for b in builds[len(before) :] if not _concerned(b, ranges)), None)
        yield from _supplied(head, mended)
        yield from _debian(head, "openssl", SUITES)


def _before(builds: Iterable[_Build], day: str) -> list[_Build]:
    """Return the builds strictly before a day: one of that day may hold the fix, and end the wait."""
    return [build for build in builds if build.tag.made < day]


def _concerned(build: _Build, ranges: dict[str, tuple[ReleaseKey | None, ReleaseKey | None]]) -> bool:
    branch = branch_of("openssl", build.version)
    if branch not in ranges:
        return False
    introduced, fixed = ranges[branch]
    return (introduced is None or introduced <= build.key) and (fixed is None or build.key < fixed)


def _expat_advisories() -> Iterator[dict[str, object]]:
    builds, rows = _builds("expat"), table("library_advisories")
    for row in records(rows[rows["library"] == "expat"]):
        fixed = release_key(row["fixed_in"])
        before = _before(builds, row["fixed_date"])
        if fixed is None or not before or before[-1].key >= fixed:
            continue
        head = ("expat", "advisory", row["advisory"], before[-1].version, row["fixed_date"])
        yield from _supplied(head, next((b for b in builds[len(before) :] if b.key >= fixed), None))
        yield from _debian(head, "expat", SUITES)


def _cpython_advisories() -> Iterator[dict[str, object]]:
    releases = table("cpython_releases")
    days = dict(zip(releases["version"], releases["release_date"], strict=True))
    for branch, suite in (("3.11", "bookworm"), ("3.13", "trixie")):
        rows = table("cpython_advisories")
        for row in records(rows[rows["branch"] == branch]):
            key = release_key(row["complete_in"])
            if key is not None and key[1]:  # what a pre-release fixed was in the first release
                head = ("CPython", "advisory", row["advisory"], branch, days.get(row["complete_in"], ""))
                yield from _debian(head, f"python{branch}", (suite,))


def _supplied(head: _Row, build: _Build | None) -> Iterator[dict[str, object]]:
    if build is None:
        yield _row(*head, "build", "", "")
        yield _row(*head, "uv", "", "")
        return
    yield _row(*head, "build", build.tag.made, build.tag.name)
    reached, name, unknown = _first_uv(build.tag.made)
    yield _row(*head, "uv", reached, name, why=unknown)


@cache
def _uploads(package: str) -> dict[tuple[str, str], tuple[str, str]]:
    """Return day and version of the first upload to each suite that names each advisory."""
    frame = table("debian_uploads")
    first: dict[tuple[str, str], tuple[str, str]] = {}
    for row in records(frame[frame["package"] == package]):
        for advisory in row["advisories"].split():
            entry = (row["signed"], row["version"])
            first[row["suite"], advisory] = min(first.get((row["suite"], advisory), entry), entry)
    return first


def _debian(head: _Row, package: str, suites: Iterable[str]) -> Iterator[dict[str, object]]:
    for suite in suites:
        reached, version = _uploads(package).get((suite, head[2]), ("", ""))
        why = "" if reached else f"no upload to {suite} names it"
        yield _row(*head, f"debian {suite}", reached, version, why=why)


def carried(component: str) -> pd.DataFrame:
    """Return which version of a component python-build-standalone carried, and for how long.

    Returns
    -------
    DataFrame
        ``version``, ``first_tag``, ``since``, ``until`` (day of the build with the next version; empty: it is
        the last that is known) and ``days`` (nullable).
    """
    import pandas as pd

    spans: list[_Build] = []
    for build in _builds(component):
        if not spans or spans[-1].version != build.version:
            spans.append(build)
    rows = []
    for span, following in zip(spans, [*spans[1:], None], strict=True):
        until = following.tag.made if following is not None else ""
        days = (date.fromisoformat(until) - date.fromisoformat(span.tag.made)).days if until else None
        rows.append((span.version, span.tag.name, span.tag.made, until, days))
    frame = pd.DataFrame(rows, columns=["version", "first_tag", "since", "until", "days"])
    return frame.astype({"days": "Int64"})
