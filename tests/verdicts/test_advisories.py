from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from pyassay.subjects.changelogs import Changelog, parse
from pyassay.subjects.packages import Owner
from pyassay.verdicts.advisories import ADVISORY_COLUMNS, Assessment, assess
from pyassay.verdicts.advisory_tables import AdvisoryTables, maintained_until, shipped

ON = date(2026, 11, 21)
RECORDED = Path(__file__).parents[1] / "subjects" / "recorded"


def changelog(source: str, version: str) -> Changelog:
    """The real changelog as it was when a version was the newest."""
    text = (RECORDED / f"{source}.changelog").read_text()
    return parse(text[text.index(f"{source} ({version})") :].encode())


def packaged(component: str, version: str, source: str, package: str, **more: date) -> Assessment:
    owner = Owner("dpkg", source, package)
    return assess(component, version, on=ON, package=owner, changelog=changelog(source, package), **more)


def open_ones(found: Assessment) -> set[str]:
    return {row.advisory for row in found.advisories if row.status == "open"}


def test_expat_of_a_pyenv_build_and_of_an_upgraded_debian() -> None:
    bundled = assess("expat", "2.5.0", on=ON)
    assert (bundled.count("open"), bundled.affected_by_version, bundled.overall) == (37, 37, "open")
    before = packaged("expat", "2.5.0", "expat", "2.5.0-1+deb12u1")
    assert (before.affected_by_version, before.count("backported"), before.count("open")) == (37, 3, 34)
    upgraded = packaged("expat", "2.5.0", "expat", "2.5.0-1+deb12u5")
    assert (upgraded.affected_by_version, upgraded.count("backported")) == (37, 33)
    assert open_ones(upgraded) == {"CVE-2023-52426", "CVE-2026-41080", "CVE-2026-76641", "CVE-2026-76956"}


def test_python_of_debian_before_and_after_its_upgrade() -> None:
    before = packaged("cpython", "3.11.2", "python3.11", "3.11.2-6+deb12u6")
    assert (before.affected_by_version, before.count("open")) == (45, 34)
    affected = [row for row in before.advisories if row.by_version == "affected"]
    assert sum(row.status == "backported" for row in affected) == 11
    after = packaged("cpython", "3.11.2", "python3.11", "3.11.2-6+deb12u9")
    assert (after.affected_by_version, after.count("open")) == (45, 15)
    # Named in its changelog, but as fixed in another package.
    assert "CVE-2023-52425" in open_ones(after)
    # Unknown by version, because nobody recorded the release; the changelog knows.
    row = next(row for row in after.advisories if row.advisory == "CVE-2023-24329")
    assert (row.by_version, row.status, row.changelog_version) == (
        "unknown",
        "backported",
        "3.11.2-6+deb12u2",
    )
    assert row.changelog_line.startswith("Apply upstream security fix for CVE-2023-24329")


@pytest.mark.parametrize(
    ("component", "version", "affected"),
    [
        ("cpython", "3.12.10", 43),
        ("cpython", "3.12.1", 56),
        ("expat", "2.6.3", 31),
        ("openssl", "3.5.7", 23),
        ("openssl", "3.5.9", 0),
    ],
)
def test_counts_by_version(component: str, version: str, affected: int) -> None:
    assert assess(component, version, on=ON).affected_by_version == affected


def test_openssl_of_the_bundled_build() -> None:
    found = assess("openssl", "3.0.16", on=ON)
    # 31 that a release open to all fixes, and the six of 2026-09-29 that came after the end of 3.0.
    assert sum(row.status == "open" and row.fix_is_public for row in found.advisories) == 31
    assert found.count("open") == 37
    assert found.open_by_severity == {"high": 3, "moderate": 4, "low": 25, "unrated": 5}
    assert found.advisories[0].severity == "high"


def test_the_last_release_of_an_ended_branch_is_not_clean() -> None:
    plain = assess("openssl", "3.0.22", on=ON)
    assert plain.overall == "open"
    assert {row.fixed_in for row in plain.advisories if row.status == "open"} == {"3.0.23"}
    assert not any(row.fix_is_public for row in plain.advisories if row.status == "open")
    assert plain.limits == (
        "OpenSSL 3.0 ended on 2026-09-07: what was found later need not be listed for it",
    )
    # Nothing was listed for it before that day's advisory was known; the end alone forbids "clean".
    without = dict(shipped().tables)
    frame = without["openssl_advisories"].frame
    without["openssl_advisories"] = replace(
        without["openssl_advisories"], _frame=frame[frame["published"] < "2026-09-29"]
    )
    silent = assess("openssl", "3.0.22", on=ON, tables=AdvisoryTables(without))
    assert (silent.affected_by_version, silent.overall) == (0, "unknown")
    assert assess("openssl", "3.0.22", on=date(2026, 9, 6), tables=AdvisoryTables(without)).overall == "clean"


def test_a_distribution_that_goes_on_with_an_ended_branch() -> None:
    debian = packaged("openssl", "3.0.22", "openssl", "3.0.22-1~deb12u2")
    assert (debian.count("open"), debian.count("backported"), debian.overall) == (0, 6, "unknown")
    until = maintained_until("debian", "12")
    assert until is not None
    kept = packaged("openssl", "3.0.22", "openssl", "3.0.22-1~deb12u2", maintained_until=until)
    assert kept.overall == "clean"
    assert kept.notes == ("OpenSSL 3.0 ended on 2026-09-07; the distribution sends fixes until 2028-06-30",)
    ended = packaged("openssl", "3.0.22", "openssl", "3.0.22-1~deb12u2", maintained_until=date(2026, 1, 1))
    assert ended.overall == "unknown"
    assert maintained_until("debian", "99") is None


def test_a_branch_that_openssl_no_longer_looks_at() -> None:
    found = assess("openssl", "3.1.4", on=ON)
    row = next(row for row in found.advisories if row.advisory == "CVE-2026-84782")
    assert (row.status, row.reason) == ("unknown", "OpenSSL did not say whether 3.1 is affected")
    # 3.0 was looked at: QUIC came later, so it has no row at all.
    assert not any(row.advisory == "CVE-2026-84784" for row in assess("openssl", "3.0.22", on=ON).advisories)


def test_what_a_package_hides_is_unknown_not_open() -> None:
    owner = Owner("dpkg", "libexpat1", "2.5.0-1+deb12u1")
    slim = assess("expat", "2.5.0", on=ON, package=owner)
    assert (slim.count("open"), slim.count("unknown"), slim.affected_by_version) == (0, 37, 37)
    assert slim.limits == ("libexpat1: its changelog is not on disk, so its fixes cannot be seen",)
    assert slim.overall == "unknown"
    other = assess(
        "expat",
        "2.5.0",
        on=ON,
        package=Owner("dpkg", "libexpat1", "2.5.0-1+deb12u9"),
        changelog=changelog("expat", "2.5.0-1+deb12u5"),
    )
    assert other.limits == ("libexpat1: 2.5.0-1+deb12u9 is installed, its changelog ends at 2.5.0-1+deb12u5",)
    assert (other.count("open"), other.count("backported"), other.count("unknown")) == (0, 33, 4)
    rpm = assess("expat", "2.5.0", on=ON, package=Owner("rpm", "expat", "2.5.0-2.el9"))
    assert rpm.limits == ("expat: fixes in packages of rpm cannot be seen",)
    assert rpm.overall == "unknown"


def test_a_fix_that_was_taken_back_and_a_package_that_is_not_affected() -> None:
    text = (
        "expat (2.5.0-9) unstable; urgency=low\n\n  * Revert the fix of CVE-2024-8176, it broke others.\n"
        "  * CVE-2026-41080: not affected, the code came with 2.7.\n\n -- A <a@example.org>  x\n\n"
        "expat (2.5.0-8) unstable; urgency=low\n\n  * CVE-2024-8176\n\n -- A <a@example.org>  x\n"
    )
    found = assess(
        "expat",
        "2.5.0",
        on=ON,
        package=Owner("dpkg", "libexpat1", "2.5.0-9"),
        changelog=parse(text.encode()),
    )
    rows = {row.advisory: row for row in found.advisories}
    assert rows["CVE-2024-8176"].status == "open"
    assert rows["CVE-2024-8176"].reason == "its fix was taken back in 2.5.0-9"
    assert rows["CVE-2026-41080"].status == "unknown"
    assert rows["CVE-2026-41080"].changelog_line == "CVE-2026-41080: not affected, the code came with 2.7."


def test_entries_that_were_cut_off_may_have_fixed_it() -> None:
    def judged(cut_off: str) -> Assessment:
        text = (
            "expat (2.5.0-9) unstable; urgency=low\n\n  * Rebuild.\n\n"
            f" -- A <a@example.org>  Sun, 01 Dec 2024 08:44:19 +0200\n\n{cut_off}"
        )
        owner = Owner("dpkg", "libexpat1", "2.5.0-9")
        return assess("expat", "2.5.0", on=ON, package=owner, changelog=parse(text.encode()))

    whole = judged("")
    assert (whole.count("open"), whole.count("unknown")) == (37, 0)
    cut = judged("# Older entries have been removed from this changelog.\n")
    # Seven were fixed upstream before 2024-12-01.
    assert (cut.count("open"), cut.count("unknown"), cut.affected_by_version) == (30, 7, 37)
    row = next(row for row in cut.advisories if row.advisory == "CVE-2024-28757")
    assert row.reason == "its package names it nowhere, but older entries than of 2024-12-01 were cut off"


def test_past_the_shelf_life_nothing_is_clean() -> None:
    assert assess("cpython", "3.14.10", on=ON).overall == "clean"
    late = assess("cpython", "3.14.10", on=date(2027, 3, 1))
    assert late.overall == "unknown"
    assert any("cpython_advisories is of 2026-11-21" in limit for limit in late.limits)
    assert assess("expat", "2.9.0", on=ON).overall == "clean"
    assert assess("expat", "2.9.0", on=date(2027, 3, 1)).overall == "unknown"
    # What is open stays open.
    assert assess("expat", "2.5.0", on=date(2030, 1, 1)).overall == "open"


@pytest.mark.parametrize(
    ("component", "version", "limit"),
    [
        ("zlib", "1.2.13", "no advisories of zlib are in the tables"),
        ("aws-lc", "1.2.3", "no advisories of aws-lc are in the tables"),
        ("openssl", "", "its version is not known"),
        ("openssl", "LibreSSL 3.8", "'LibreSSL 3.8' is no version"),
        ("openssl", "0.9.8zh", "the end of OpenSSL 0.9.8 is not known: what was found later need not be"),
        ("openssl", "99.1.0", "the end of OpenSSL 99.1 is not known"),
        ("cpython", "3.8.20", "CPython 3.8 ended on 2024-10-07"),
    ],
)
def test_what_is_not_known_is_unknown_and_says_why(component: str, version: str, limit: str) -> None:
    found = assess(component, version, on=ON)
    assert found.overall == "unknown"
    assert found.limits[0].startswith(limit)
    last = found.rows()[-1]
    assert (last["advisory"], last["status"]) == ("", "unknown")
    assert str(last["reason"]).startswith(limit)


def test_a_fix_in_main_before_the_branch_began() -> None:
    row = next(
        row for row in assess("cpython", "3.14.0", on=ON).advisories if row.advisory == "CVE-2024-12254"
    )
    assert (row.status, row.reason) == ("fixed", "fixed in 3.13.1, before 3.14 was branched off")
    early = next(
        row for row in assess("cpython", "3.14.0a1", on=ON).advisories if row.advisory == "CVE-2024-12254"
    )
    assert early.status == "unknown"


def test_fixed_on_other_branches_only_counts_against_older_releases() -> None:
    def doubt(version: str) -> tuple[str, bool]:
        rows = assess("cpython", version, on=ON).advisories
        row = next(row for row in rows if row.advisory == "CVE-2026-6019")
        return row.status, row.counts

    assert doubt("3.12.13") == ("unknown", True)
    assert doubt("3.12.14") == ("unknown", False)


def test_a_fix_in_parts_is_one_when_the_last_part_is_there() -> None:
    def status(version: str) -> str:
        rows = assess("cpython", version, on=ON).advisories
        return next(row.status for row in rows if row.advisory == "CVE-2025-4330")

    assert status("3.12.11") == "open"  # the first part
    assert status("3.12.14") == "fixed"


def test_introduced_after_this_release_is_not_open() -> None:
    rows = {row.advisory: row for row in assess("xz", "5.4.1", on=ON).advisories}
    assert (rows["CVE-2024-3094"].status, rows["CVE-2024-3094"].reason) == ("fixed", "came with 5.6.0")
    assert {r.advisory: r.status for r in assess("xz", "5.6.1", on=ON).advisories}["CVE-2024-3094"] == "open"


@pytest.mark.parametrize(
    ("called", "version", "same"),
    [("OpenSSL", "3.0.16", "openssl"), ("Expat", "2.5.0", "expat"), ("XZ Utils (liblzma)", "5.4.1", "xz")],
)
def test_components_by_the_names_that_others_use(called: str, version: str, same: str) -> None:
    found, expected = assess(called, version, on=ON), assess(same, version, on=ON)
    assert found.component == called
    assert found.advisories == expected.advisories
    assert found.count("open")


def test_the_frame_has_its_columns() -> None:
    frame = assess("openssl", "3.0.22", on=ON).frame()
    assert tuple(frame.columns) == ADVISORY_COLUMNS
    assert set(frame["status"]) == {"open", "fixed", "unknown"}
    assert assess("zlib", "1", on=ON).frame()["reason"].tolist() == [
        "no advisories of zlib are in the tables"
    ]


def test_the_packages_of_this_machine() -> None:
    from pyassay.subjects import changelogs, packages

    library = next(iter(Path("/usr/lib").glob("*/libexpat.so.1")), None) or next(
        iter(Path("/lib").glob("*/libexpat.so.1")), None
    )
    owners = packages.owners([library]) if library is not None else {}
    if library is None or library not in owners or owners[library].manager != "dpkg":
        pytest.skip("no libexpat of a Debian package here")
    owner = owners[library]
    log = changelogs.read(owner.package)
    upstream = owner.version.partition(":")[2] or owner.version
    version = upstream.partition("-")[0]
    found = assess("expat", version, on=ON, package=owner, changelog=log)
    assert (
        found.count("open") + found.count("backported") + found.count("unknown") >= found.affected_by_version
    )
    if log is None:
        assert found.limits
    else:
        assert log.package == "expat"
