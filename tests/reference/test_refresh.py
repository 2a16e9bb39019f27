"""Refreshing against recorded answers, and for real where a registry or a uv can be reached.

Recorded as they came, then cut: the registry's description of uv, uv's list of Pythons, the PEPs' releases, a
change log of CPython, OpenSSL's branches and an advisory, endoflife.date's sqlite, a PSF advisory (OSV form).
Shaped by hand after their documentation: GitHub's lists of releases and files, and the source distribution of
uv (its one entry is real). Debian's changelogs are those of tests/subjects/recorded.
"""

from __future__ import annotations

import io
import json
import shutil
import tarfile
import threading
from collections.abc import Callable
from datetime import date
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from pyassay.reference.tables import read
from pyassay.refresh import Outcome, fetch_https, plain_rows, refresh, upstream, uv
from pyassay.refresh import registry as registry_module
from pyassay.refresh.fetching import AbsentError, FetchError, shown
from pyassay.refresh.merging import Fresh, merge, write
from pyassay.refresh.registry import discover, project_url
from pyassay.refresh.sources import SOURCES, Source
from pyassay.resources import share

RECORDED = Path(__file__).parent / "recorded"
CHANGELOGS = Path(__file__).parents[1] / "subjects" / "recorded"
LATER = date(2026, 12, 1)
INDEX = "https://user:secret@registry.example/root/simple"


def recorded(name: str) -> bytes:
    return (RECORDED / name).read_bytes()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the shipped tables."""
    target = tmp_path / "reference"
    shutil.copytree(share("data", "reference"), target)
    return target


def snapshot(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def by_table(outcomes: list[Outcome]) -> dict[str, Outcome]:
    return {outcome.name: outcome for outcome in outcomes}


def answers(pages: dict[str, bytes]) -> Callable[..., bytes]:
    """A network that knows the pages whose address ends so, and nothing else."""

    def fetch(url: str, *, max_bytes: int = 0) -> bytes:
        for ending, page in pages.items():
            if url.endswith(ending):
                return page
        raise AbsentError(f"{shown(url)}: 404 Not Found")

    return fetch


def drop(folder: Path, name: str, unwanted: Callable[[str], bool]) -> None:
    path = folder / f"{name}.csv"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([lines[0], *(line for line in lines[1:] if not unwanted(line))]))


# ---- what documents say


def test_releases_and_branches_of_the_peps() -> None:
    rows = upstream.cpython_releases(recorded("python-releases.toml"))
    assert [row["version"] for row in rows] == ["1.6.1", "3.14.0a1", "3.14.0b4", "3.13.0rc2", "3.13.5"]
    assert rows[1]["prerelease"] == "true"
    assert rows[-1] == {
        "version": "3.13.5",
        "branch": "3.13",
        "release_date": "2025-06-11",
        "prerelease": "false",
        "phase": "bugfix",
        "source": "python/peps : release_management/python-releases.toml",
    }
    shipped = {
        row["version"]: row
        for row in read(share("data", "reference", "cpython_releases.csv")).frame.to_dict("records")
    }
    # The PEPs have since corrected the day of 1.6.1.
    assert all(shipped[row["version"]]["release_date"] == row["release_date"] for row in rows[1:])
    branches = {row["branch"]: row for row in upstream.cpython_branches(recorded("python-releases.toml"))}
    assert branches["3.13"]["end_of_life"] == "2029-10-01"
    assert branches["3.14"]["pep"] == "745"


def test_security_fixes_of_a_change_log() -> None:
    fixes = upstream.cpython_fixes(recorded("3.12.15.rst"), "3.12", "3.12.15")
    assert {fix["release_date"] for fix in fixes} == {"2026-10-01"}
    assert [(fix["issue"], fix["section"], fix["entry"]) for fix in fixes] == [
        ("gh-158446", "Security", "1"),
        ("gh-157190", "Security", "1"),
        ("gh-157953", "Security", "1"),
        ("gh-156002", "Security", "1"),
        ("gh-155694", "Security", "1"),
        ("gh-156002", "Library", "2"),
    ]
    modules = {fix["issue"]: fix["module"] for fix in fixes}
    assert modules["gh-157190"] == "tarfile"
    assert modules["gh-157953"] == "pyexpat"
    assert modules["gh-155694"] == "urllib.request"
    # "... are vulnerable to CVE-2026-15310" is no fix, "This addresses" and "Fix" are.
    assert [row["advisory"] for row in upstream.fixed_advisories(fixes)] == [
        "CVE-2026-82049",
        "CVE-2026-15806",
    ]
    with pytest.raises(ValueError, match="no day of release"):
        upstream.cpython_fixes(b"nothing", "3.12", "3.12.15")


def test_the_parts_of_a_fix() -> None:
    fix = {"cves": "CVE-2026-1", "branch": "3.12", "issue": "gh-1", "source": "x", "fixes": "true"}
    rows = upstream.fixed_advisories(
        [
            fix | {"version": "3.12.10"},
            fix | {"version": "3.12.9", "issue": "gh-2"},
            fix | {"version": "3.12.11"},
        ]
    )
    assert len(rows) == 1
    assert (rows[0]["fixed_in"], rows[0]["complete_in"], rows[0]["issues"]) == (
        "3.12.9",
        "3.12.11",
        "gh-1 gh-2",
    )


def test_branches_and_ranges_of_openssl() -> None:
    branches = {row["branch"]: row for row in upstream.openssl_branches(recorded("openssl-data.json"))}
    assert branches["3.0"]["end_of_life"] == "2026-09-07"
    assert branches["5.0"]["note"] == "planned: release Oct 2027, end Nov 2028"
    assert "end_of_life" not in branches["5.0"]
    rows = upstream.openssl_advisory(recorded("CVE-2026-9076.json"))
    assert [(row["branch"], row["introduced"], row["fixed_in"]) for row in rows] == [
        ("4.0", "4.0.0", "4.0.1"),
        ("3.5", "3.5.0", "3.5.7"),
        ("3.0", "3.0.0", "3.0.21"),
        ("1.1.1", "1.1.1", "1.1.1zh"),
        ("1.0.2", "1.0.2", "1.0.2zq"),
    ]
    assert {(row["severity"], row["published"]) for row in rows} == {("low", "2026-06-09")}
    shipped = read(share("data", "reference", "openssl_advisories.csv")).frame
    known = shipped[shipped["advisory"] == "CVE-2026-9076"].set_index("branch")["fixed_in"]
    assert all(known[row["branch"]] == row["fixed_in"] for row in rows)


def test_latest_of_endoflife_and_an_osv_record() -> None:
    rows = upstream.endoflife_latest(recorded("endoflife-sqlite.json"), "sqlite")
    assert [(row["version"], row["release_date"]) for row in rows] == [
        ("3.53.1", "2026-05-05"),
        ("2.8.17", "2005-12-19"),
    ]
    assert upstream.osv_advisory(recorded("PSF-0000-CVE-2024-6232.json")) == [
        {
            "advisory": "CVE-2024-6232",
            "published": "2024-09-03",
            "severity": "medium",
            "issues": "gh-121285",
            "evidence": "OSV record",
        }
    ]


def test_releases_of_a_repository() -> None:
    page = [
        {
            "tag_name": "openssl-3.5.10",
            "published_at": "2026-11-24T13:00:00Z",
            "draft": False,
            "prerelease": False,
        },
        {"tag_name": "openssl-9", "published_at": None, "draft": True, "prerelease": False},
    ]
    assert upstream.github_releases(json.dumps(page).encode()) == [("openssl-3.5.10", "2026-11-24")]


def test_uv_in_the_registry_and_in_its_own_list() -> None:
    releases = uv.uv_releases(recorded("uv.json"), "https://registry.example/pypi/uv/json")
    assert [(release.version, release.day) for release in releases][-2:] == [
        ("0.13.8", "2026-11-12"),
        ("0.13.9", "2026-11-17"),
    ]
    assert releases[-1].sdist.startswith("https://registry.example/packages/")
    offers = uv.offers_of_list(recorded("uv-python-list.json"))
    # Neither another implementation, nor musl, nor the free-threaded variant.
    assert [(offer.cpython, offer.tag) for offer in offers] == [
        ("3.16.0a2", "20261110"),
        ("3.15.2", "20261110"),
        ("3.14.10", "20261110"),
        ("3.14.9", "20261021"),
        ("3.8.20", "20241002"),
    ]
    rows = uv.uv_of_list(uv.UvRelease("0.13.8", "2026-11-12", ""), offers)
    assert [(row["branch"], row["newest"]) for row in rows] == [
        ("3.8", "3.8.20"),
        ("3.14", "3.14.10"),
        ("3.15", "3.15.2"),
    ]


def sdist(
    entries: dict[str, object], name: str = "uv-0.99.0/crates/uv-python/download-metadata.json"
) -> bytes:
    packed = io.BytesIO()
    content = json.dumps(entries).encode()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


ENTRY = {
    "name": "cpython",
    "arch": {"family": "x86_64", "variant": None},
    "os": "linux",
    "libc": "gnu",
    "major": 3,
    "minor": 14,
    "patch": 11,
    "prerelease": "",
    "url": "https://github.com/astral-sh/python-build-standalone/releases/download/20261125/"
    "cpython-3.14.11%2B20261125-x86_64-unknown-linux-gnu-install_only_stripped.tar.gz",
    "sha256": "b89f3f4b0b167a10343a5707624897631d5436b733741abb6f5d5a8816f60797",
    "variant": None,
    "build": "20261125",
}


def test_damaged_source_distributions_of_uv() -> None:
    whole = sdist({"a": ENTRY, "b": ENTRY | {"variant": "debug"}, "c": ENTRY | {"os": "darwin"}})
    assert uv.offers_of_sdist(whole) == [uv.Offer("3.14.11", "20261125")]
    for broken in (b"", b"nothing", whole[: len(whole) // 2], sdist({}, "uv-0.99.0/README.md")):
        with pytest.raises(FetchError, match="source distribution of uv"):
            uv.offers_of_sdist(broken)


# ---- bringing it into the tables


def test_rows_are_added_filled_and_corrected_but_never_taken_away(folder: Path) -> None:
    table = read(folder / "cpython_releases.csv")
    fresh = Fresh(
        (
            {"version": "3.12.16", "release_date": "2026-10-26", "seen_by": "2027-01-01"},
            {"version": "3.12.1", "release_date": "1999-01-01", "branch": "9.9"},
            {"version": "3.12.17", "branch": "3.12", "release_date": "2026-11-30", "prerelease": "false"},
        )
    )
    found = merge(table, fresh)
    assert found.added == ("3.12.17",)
    assert found.changed == ("3.12.16: release_date empty -> 2026-10-26",)
    assert len(found.rows) == len(table.frame) + 1
    decided = merge(table, Fresh(fresh.rows, frozenset({"release_date"})))
    assert "3.12.1: release_date 2023-12-07 -> 1999-01-01" in decided.changed


def test_what_breaks_the_table_is_not_written(folder: Path) -> None:
    table = read(folder / "pbs_tags.csv")
    before = snapshot(folder)
    found = merge(table, Fresh(({"tag": "20991231", "made": "2099-12-31", "source": "x"},)))
    with pytest.raises(Exception, match="later than the table itself"):
        write(folder, table, found.rows, LATER)
    assert snapshot(folder) == before


def test_cells_from_outside_are_one_line() -> None:
    table = read(share("data", "reference", "pbs_tags.csv"))
    found = merge(table, Fresh(({"tag": "2026\n1201\x1b[31m", "made": "2026-12-01", "source": "x" * 9999},)))
    assert all(cell.isprintable() and len(cell) <= 400 for cell in found.rows[-1].values())


def page_of_tags(*tags: str) -> bytes:
    entries = [
        {"tag_name": tag, "published_at": f"{tag[:4]}-{tag[4:6]}-{tag[6:]}T10:00:00Z", "draft": False}
        for tag in tags
    ]
    return json.dumps(entries).encode()


def test_a_dry_run_shows_the_difference_and_writes_nothing(folder: Path) -> None:
    before = snapshot(folder)
    fetch = answers({"python-build-standalone/releases?per_page=100": page_of_tags("20261125", "20261110")})
    dry = refresh(["build-releases"], on=LATER, dry_run=True, fetch=fetch, folder=folder)
    assert snapshot(folder) == before
    assert (dry[0].status, dry[0].added, dry[0].written, dry[0].as_of) == (
        "changed",
        ("20261125",),
        False,
        "2026-12-01",
    )
    real = refresh(["build-releases"], on=LATER, fetch=fetch, folder=folder)
    assert real[0].added == dry[0].added
    assert real[0].written
    after = snapshot(folder)
    assert {name for name in before if before[name] != after[name]} == {"pbs_tags.csv", "pbs_tags.toml"}
    assert sorted(after) == sorted(before)  # nothing is left lying about
    table = read(folder / "pbs_tags.csv")
    assert table.as_of == LATER
    assert table.frame["tag"].tolist()[-1] == "20261125"
    again = refresh(["build-releases"], on=LATER, fetch=fetch, folder=folder)
    assert (again[0].status, again[0].written) == ("same", False)


def test_a_page_that_does_not_reach_back_does_not_renew_the_table(folder: Path) -> None:
    fetch = answers({"releases?per_page=100": page_of_tags("20261125")})
    outcome = refresh(["build-releases"], on=LATER, fetch=fetch, folder=folder)[0]
    assert outcome.as_of == "2026-11-25"  # of its newest row, not of today


def test_a_mistyped_tag_gets_the_day_of_its_release(folder: Path) -> None:
    page = json.loads(page_of_tags("20261110", "20251125", "20261399"))
    page[1]["published_at"] = "2026-11-25T10:00:00Z"
    fetch = answers({"releases?per_page=100": json.dumps(page).encode()})
    outcome = refresh(["build-releases"], on=LATER, fetch=fetch, folder=folder)[0]
    assert outcome.added == ("20251125",)
    row = read(folder / "pbs_tags.csv").frame.set_index("tag").loc["20251125"]
    assert (row["made"], row["note"]) == ("2026-11-25", "a mistyped tag: published on 2026-11-25")


def test_without_the_network_nothing_is_fetched(folder: Path) -> None:
    before = snapshot(folder)
    online = [source for source in SOURCES if source.online]
    outcomes = refresh(on=LATER, folder=folder, sources=online)
    assert {outcome.status for outcome in outcomes} == {"kept"}
    assert {outcome.reason for outcome in outcomes} == {"it needs the network, which was not asked for"}
    assert snapshot(folder) == before


def test_a_source_that_fails_does_not_stop_the_others(folder: Path) -> None:
    def fetch(url: str, *, max_bytes: int = 0) -> bytes:
        if "python-build-standalone" in url:
            return page_of_tags("20261125", "20261110")
        if "endoflife" in url:
            return b"<html>busy</html>"
        if "openssl/openssl" in url:
            return b'{"message": "rate limit"}'
        raise FetchError(f"{shown(url)}: Name or service not known")

    online = [source for source in SOURCES if source.online and source.name != "registry"]
    outcomes = refresh(on=LATER, fetch=fetch, folder=folder, sources=online)
    kept = {
        (outcome.name, outcome.source): outcome.reason for outcome in outcomes if outcome.status == "kept"
    }
    assert len(kept) == len(outcomes) - 1
    assert "another form than is known" in kept["library_releases", "endoflife"]
    assert "another form than is known" in kept["openssl_releases", "openssl-releases"]
    assert kept["cpython_releases", "peps"].endswith("Name or service not known")
    assert all("\n" not in reason for reason in kept.values())
    assert read(folder / "pbs_tags.csv").as_of == LATER
    assert read(folder / "cpython_releases.csv").as_of == date(2026, 11, 21)


def test_a_source_that_contradicts_the_whole_table_is_not_believed(folder: Path) -> None:
    rows = tuple(
        {"version": version, "release_date": "2001-01-01"}
        for version in read(folder / "cpython_releases.csv").frame["version"]
    )
    source = Source(
        "liar",
        ("cpython_releases",),
        False,
        lambda _: {"cpython_releases": Fresh(rows, frozenset({"release_date"}), complete=True)},
    )
    outcome = refresh(on=LATER, folder=folder, sources=[source])[0]
    assert outcome.status == "kept"
    assert outcome.reason.startswith("the source contradicts 6")


def test_a_folder_that_cannot_be_written_is_said(folder: Path) -> None:
    (folder / "pbs_tags.toml").write_text("title = ")
    fetch = answers({"releases?per_page=100": page_of_tags("20261125", "20261110")})
    outcome = refresh(["build-releases"], on=LATER, fetch=fetch, folder=folder)[0]
    assert (outcome.status, outcome.written) == ("kept", False)
    assert outcome.reason.startswith("pbs_tags: ")


def test_names_are_tables_or_sources(folder: Path) -> None:
    with pytest.raises(ValueError, match=r"nonsense: no reference table or source; there are .*pbs_tags"):
        refresh(["nonsense"], on=LATER, folder=folder)
    asked = refresh(["pbs_tags"], on=LATER, folder=folder, sources=[s for s in SOURCES if s.online])
    assert [(outcome.name, outcome.source) for outcome in asked] == [
        ("pbs_tags", "registry"),
        ("pbs_tags", "build-releases"),
    ]


def test_rows_to_print() -> None:
    row = plain_rows([Outcome("pbs_tags", "debian", "changed", added=("a", "b"), as_of="2026-12-01")])[0]
    assert row == {
        "name": "pbs_tags",
        "source": "debian",
        "status": "changed",
        "added": 2,
        "changed": 0,
        "as_of": "2026-12-01",
        "reason": "",
    }


# ---- each source against recorded answers


def test_the_peps_and_openssl(folder: Path) -> None:
    drop(folder, "cpython_releases", lambda line: line.startswith("3.13.5,"))
    drop(folder, "openssl_advisories", lambda line: line.startswith("CVE-2026-9076,"))
    tree = {"tree": [{"path": "secjson/CVE-2026-9076.json"}, {"path": "secadv/20260929.txt"}]}
    fetch = answers(
        {
            "python-releases.toml": recorded("python-releases.toml"),
            "release-metadata/main/data.json": recorded("openssl-data.json"),
            "trees/main?recursive=1": json.dumps(tree).encode(),
            "secjson/CVE-2026-9076.json": recorded("CVE-2026-9076.json"),
        }
    )
    found = by_table(refresh(["peps", "openssl-metadata"], on=LATER, fetch=fetch, folder=folder))
    assert found["cpython_releases"].added == ("3.13.5",)
    assert found["cpython_branches"].status == "same"
    assert found["openssl_branches"].changed == ()
    assert found["openssl_advisories"].added[:2] == ("CVE-2026-9076:4.0", "CVE-2026-9076:3.5")
    assert {outcome.as_of for outcome in found.values()} == {"2026-12-01"}
    rows = read(folder / "openssl_advisories.csv").frame
    own = rows[rows["advisory"] == "CVE-2026-9076"].set_index("branch")
    shipped = read(share("data", "reference", "openssl_advisories.csv")).frame
    expected = shipped[shipped["advisory"] == "CVE-2026-9076"].set_index("branch")
    assert own["public"].to_dict() == {branch: bool(expected["public"][branch]) for branch in own.index}
    assert set(own["analysed"]["3.0"].split()) == set(expected["analysed"]["3.0"].split())


def test_change_logs_of_cpython(folder: Path) -> None:
    drop(folder, "cpython_security_fixes", lambda line: line.startswith("3.12,3.12.15,"))
    drop(folder, "cpython_advisories", lambda line: line.startswith("CVE-2026-82049,3.12,"))
    fetch = answers({"Misc/NEWS.d/3.12.15.rst": recorded("3.12.15.rst")})
    found = by_table(refresh(["cpython-news"], on=LATER, fetch=fetch, folder=folder))
    assert len(found["cpython_security_fixes"].added) == 6
    assert found["cpython_advisories"].added == ("CVE-2026-82049:3.12",)
    assert not found["cpython_advisories"].changed
    rows = read(folder / "cpython_advisories.csv").frame
    own = rows[(rows["advisory"] == "CVE-2026-82049") & (rows["branch"] == "3.12")].iloc[0]
    assert (own["fixed_in"], own["complete_in"], own["issues"]) == ("3.12.15", "3.12.15", "gh-157190")
    # Others are wanted, too, and were not to be had: the table is not called whole.
    assert found["cpython_security_fixes"].as_of == "2026-11-21"


def test_osv_and_endoflife(folder: Path) -> None:
    record = json.loads(recorded("PSF-0000-CVE-2024-6232.json"))
    record["aliases"], record["published"] = ["CVE-2026-82049"], "2026-09-30T10:00:00Z"
    sqlite = (
        recorded("endoflife-sqlite.json").replace(b"3.53.1", b"3.60.0").replace(b"2026-05-05", b"2026-11-20")
    )
    fetch = answers({"vulns/CVE-2026-82049": json.dumps(record).encode(), "products/sqlite/": sqlite})
    found = by_table(refresh(["osv", "endoflife"], on=LATER, fetch=fetch, folder=folder))
    assert found["library_releases"].added == ("sqlite:3.60.0",)
    assert "CVE-2026-82049:3.12: severity unrated -> medium" in found["cpython_advisories"].changed
    assert "CVE-2026-82049:3.12: published empty -> 2026-09-30" in found["cpython_advisories"].changed


def test_changelogs_of_debian(folder: Path) -> None:
    drop(folder, "debian_uploads", lambda line: "2.5.0-1+deb12u5" in line)
    fetch = answers({"/expat/bookworm_changelog": (CHANGELOGS / "expat.changelog").read_bytes()})
    outcome = refresh(["debian"], on=LATER, fetch=fetch, folder=folder)[0]
    assert outcome.added == ("expat:2.5.0-1+deb12u5",)
    shipped = read(share("data", "reference", "debian_uploads.csv")).frame
    rows = read(folder / "debian_uploads.csv").frame
    columns = ["suite", "distribution", "signed"]
    mine = rows[rows["version"] == "2.5.0-1+deb12u5"].iloc[0]
    theirs = shipped[shipped["version"] == "2.5.0-1+deb12u5"].iloc[0]
    assert mine[columns].tolist() == theirs[columns].tolist()
    assert set(mine["advisories"].split()) == set(theirs["advisories"].split())


def test_the_registry_with_recorded_answers(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", INDEX)
    drop(folder, "uv_releases", lambda line: line.startswith("0.13.9,"))
    fetch = answers({"/root/pypi/uv/json": recorded("uv.json"), "uv-0.13.9.tar.gz": sdist({"a": ENTRY})})
    found = by_table(refresh(["registry"], on=LATER, fetch=fetch, folder=folder))
    assert found["uv_releases"].added == ("0.13.9:3.14",)
    assert found["pbs_tags"].added == ("20261125",)
    assert found["pbs_builds"].added == ("3.14.11",)
    row = read(folder / "pbs_builds.csv").frame.set_index("cpython").loc["3.14.11"]
    assert (row["first_tag"], row["latest_tag"], row["first_uv"], row["first_uv_date"]) == (
        "20261125",
        "20261125",
        "0.13.9",
        "2026-11-17",
    )


# ---- which registry


def test_the_registry_is_discovered_not_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for variable in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"):
        monkeypatch.delenv(variable, raising=False)
    settings = tmp_path / "pip.conf"
    settings.write_text("[global]\nindex-url = https://mirror.example/team/simple/\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(settings))
    assert discover() == "https://mirror.example/team/simple"
    monkeypatch.setenv("PIP_INDEX_URL", INDEX)
    assert discover() == INDEX
    assert project_url(INDEX, "uv") == "https://user:secret@registry.example/root/pypi/uv/json"
    monkeypatch.setenv("UV_INDEX_URL", "http://user:secret@plain.example/simple")
    with pytest.raises(FetchError) as caught:
        discover()
    assert str(caught.value) == "UV_INDEX_URL names an index that is not https: http://plain.example/simple"


def test_no_source_file_names_a_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    try:
        host = discover().split("/")[2]
    except FetchError as error:
        pytest.skip(str(error))
    package = Path(registry_module.__file__).parent
    assert not [path for path in package.rglob("*.py") if host in path.read_text()]
    assert not [path for path in RECORDED.iterdir() if host.encode() in path.read_bytes()]


# ---- the network


def test_only_https_and_no_secret_in_a_message() -> None:
    for url in ("http://example.com/x", "file:///etc/passwd", "ftp://example.com/", "https:///x", "nonsense"):
        with pytest.raises(FetchError, match="not https"):
            fetch_https(url)
    with pytest.raises(FetchError) as caught:
        fetch_https("https://user:secret@host.invalid/path?token=secret")
    assert "secret" not in str(caught.value)
    assert str(caught.value).startswith("https://host.invalid/path: ")


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path in ("/moved", "/local"):
            self.send_response(302)
            target = "http://u:secret@plain.example/x" if self.path == "/moved" else "file:///etc/passwd"
            self.send_header("Location", target)
            self.end_headers()
        elif self.path == "/large":
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"x" * 200_000)
        else:
            self.send_error(404)

    def log_message(self, *args: object) -> None:
        pass


def test_sizes_redirections_and_absence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import ssl
    import subprocess
    import urllib.request

    from pyassay.refresh import fetching

    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost"
    made = shutil.which("openssl") and subprocess.run(
        [*command.split(), "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate],
        capture_output=True,
        timeout=60,
        check=False,
    )
    if not made or made.returncode:
        pytest.skip("no openssl to make a certificate with")
    server = HTTPServer(("127.0.0.1", 0), _Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    address = f"https://localhost:{server.server_port}"
    try:
        with pytest.raises(FetchError, match="CERTIFICATE_VERIFY_FAILED"):
            fetch_https(f"{address}/large")
        trusting = urllib.request.build_opener(
            fetching._OnlyHttps,
            urllib.request.ProxyHandler({}),
            urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=str(certificate))),
        )
        monkeypatch.setattr(fetching, "_OPENER", trusting)
        assert len(fetch_https(f"{address}/large")) == 200_000
        with pytest.raises(FetchError, match="/large: larger than 1000 bytes"):
            fetch_https(f"{address}/large", max_bytes=1000)
        with pytest.raises(FetchError, match=r"/moved: leads to http://plain.example/x, which is not https"):
            fetch_https(f"{address}/moved")
        with pytest.raises(FetchError, match=r"/local: .*not allowed"):
            fetch_https(f"{address}/local")
        with pytest.raises(AbsentError, match="/gone: 404 Not Found"):
            fetch_https(f"{address}/gone")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


# ---- for real


def test_the_uv_of_this_machine(folder: Path) -> None:
    try:
        version, listing = uv.ask_uv()
    except FetchError as error:
        pytest.skip(str(error))
    offers = uv.offers_of_list(listing)
    assert len(offers) > 50
    rows = uv.uv_of_list(uv.UvRelease(version, "2026-01-01", ""), offers)
    table = read(folder / "uv_releases.csv").frame
    known = table[table["uv"] == version]
    if len(known):
        # Learned from its source distribution and asked of the program: the same.
        assert [(row["branch"], row["newest"], row["tag"]) for row in rows] == list(
            zip(known["branch"], known["newest"], known["tag"], strict=True)
        )
    for outcome in refresh(["uv-here"], on=LATER, folder=folder):
        assert outcome.status in ("same", "changed"), outcome


def test_the_registry_for_real(folder: Path) -> None:
    """The newest uv that the table knows is forgotten, and learned again from the registry."""
    table = read(folder / "uv_releases.csv").frame
    newest = table["uv"].iloc[-1]
    drop(folder, "uv_releases", lambda line: line.startswith(f"{newest},"))
    outcome = by_table(refresh(["registry"], on=LATER, fetch=fetch_https, folder=folder))["uv_releases"]
    if outcome.status == "kept":
        pytest.skip(outcome.reason)
    again = read(folder / "uv_releases.csv")
    assert again.as_of == LATER
    rows = again.frame[again.frame["uv"] == newest].reset_index(drop=True)
    expected = table[table["uv"] == newest].reset_index(drop=True)
    assert rows.to_dict("records") == expected.to_dict("records")
