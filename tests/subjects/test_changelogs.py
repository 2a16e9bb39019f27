from __future__ import annotations

import gzip
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyassay.subjects.changelogs import COLUMNS, Changelog, locate, parse, read

RECORDED = Path(__file__).parent / "recorded"


def recorded(source: str) -> Changelog:
    """Real changelogs of Debian 12 (2026-10), cut to their newest entries; signatures replaced."""
    return parse((RECORDED / f"{source}.changelog").read_bytes())


def entry(*lines: str, version: str = "1.0-1+deb12u1") -> str:
    body = "\n".join(lines)
    return (
        f"expat ({version}) bookworm-security; urgency=medium\n\n{body}\n\n"
        " -- A B <a@example.org>  Sun, 08 Sep 2024 08:44:19 +0200\n\n"
    )


def reading(*lines: str, advisory: str = "CVE-2024-1234") -> str:
    return {m.advisory: m.reading for m in parse(entry(*lines).encode()).mentions}[advisory]


def test_which_advisories_each_version_names() -> None:
    log = recorded("expat")
    assert log.package == "expat"
    assert log.versions[:3] == ("2.5.0-1+deb12u5", "2.5.0-1+deb12u4", "2.5.0-1+deb12u3")
    by_version = {version: [] for version in log.versions}
    for mention in log.mentions:
        by_version[mention.version].append(mention.advisory)
    assert by_version["2.5.0-1+deb12u1"] == ["CVE-2024-45490", "CVE-2024-45491", "CVE-2024-45492"]
    assert by_version["2.5.0-1+deb12u5"] == [
        "CVE-2026-56132",
        "CVE-2026-102633",
        "CVE-2026-77214",
        "CVE-2025-59375",
    ]
    first = log.mentions[0]
    assert (first.day, first.reading) == ("2026-10-22", "fixed")
    assert first.line == "CVE-2026-56132: Fix out-of-bound scaffolding index store in doProlog."


def test_an_item_that_goes_on_over_lines_is_one_line() -> None:
    line = recorded("openssl").mentions[0].line
    assert line == 'CVE-2026-84782 ("DTLS Retransmits Handshake Messages From a Stale Buffer Offset")'


def test_a_fix_in_another_package_is_no_fix_here() -> None:
    # "we build / tests against expat/2.5.0-1+deb12u2, which was patched for CVE-2023-52425"
    log = recorded("python3.11")
    decided = log.latest()
    assert decided["CVE-2023-52425"].reading == "named"
    assert "which was patched for" in decided["CVE-2023-52425"].line
    others = {mention.reading for name, mention in decided.items() if name != "CVE-2023-52425"}
    assert others == {"fixed"}


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["  * CVE-2024-1234"], "fixed"),
        (
            ["  * CVE-2024-1234: does the parser not affect what it should skip? It was a regression."],
            "fixed",
        ),
        (["  * CVE-2024-1234: not affected, the code came later."], "not affected"),
        (["  * This version is not vulnerable to CVE-2024-1234."], "not affected"),
        (["  * The following do not affect Debian:", "    - CVE-2024-1234"], "not affected"),
        (["  * Revert the fix of CVE-2024-1234, it broke others."], "reverted"),
        (["  * Revert these, they broke others:", "    - CVE-2024-1234"], "reverted"),
        (['  * Revert "use refcounts to reduce contention" (CVE-2024-1234)'], "fixed"),
        (["  * Drop CVE-2024-1234.patch."], "named"),
        (["  * Drop CVE-2024-1234.patch, included upstream."], "fixed"),
        (["  * Remove '.' from @INC. Fixes CVE-2024-1234."], "fixed"),
        (["  * Fix regression of CVE-2024-1234 in sockets."], "named"),
        (["  * tables: skip elements without data (CVE-2024-1234)"], "fixed"),
        (["  * SECURITY UPDATE: overflow", "    - debian/patches/CVE-2024-1234.patch: check it."], "fixed"),
        (["  * CVE-2024-1234 is not yet fixed."], "named"),
        (["  * Apply patches:", "    - first", "", "  * Mentions only CVE-2024-1234, still open"], "named"),
        (["  * closes: #1, #2, CVE-2024-1234, a crash after a regression"], "fixed"),
        (["  [ A. Person ]", "  * New upstream release:", "    - fixes CVE-2024-1234: a crash"], "fixed"),
    ],
)
def test_how_a_mention_is_read(lines: list[str], expected: str) -> None:
    assert reading(*lines) == expected


def test_the_newest_word_decides_but_a_name_alone_does_not() -> None:
    fix, revert = entry("  * CVE-2024-1234", version="1-1"), "  * Revert fix of CVE-2024-1234"
    name = entry("  * Fix regression of CVE-2024-1234", version="1-2")
    assert parse((name + fix).encode()).latest()["CVE-2024-1234"].reading == "fixed"
    reverted = entry(revert, version="1-3")
    assert parse((reverted + name + fix).encode()).latest()["CVE-2024-1234"].reading == "reverted"
    again = entry("  * CVE-2024-1234, now rightly", version="1-4")
    assert parse((again + reverted + fix).encode()).latest()["CVE-2024-1234"].version == "1-4"


def test_whose_changelog_it_is() -> None:
    log = recorded("expat")
    assert log.covers("2.5.0-1+deb12u5")
    assert log.covers("2.5.0-1+deb12u5+b1")
    assert not log.covers("2.5.0-1+deb12u6")
    assert not log.covers("2.5.0-1+deb12u4")
    assert not Changelog("expat", (), ()).covers("")


def test_rows_and_back() -> None:
    for source in ("expat", "openssl", "python3.11"):
        log = recorded(source)
        rows = log.rows()
        assert all(tuple(row) == COLUMNS for row in rows)
        again = Changelog.from_rows(rows)
        assert (again.package, again.mentions, again.versions[0]) == (
            log.package,
            log.mentions,
            log.versions[0],
        )
        assert again.latest() == log.latest()


def test_entries_that_were_cut_off_are_said() -> None:
    text = entry("  * CVE-2024-1234")
    assert parse(text.encode()).since == ""
    for line in (
        "# Older entries have been removed from this changelog.\n# To read it use `apt changelog x`.\n",
        "# For older changelog entries, run 'apt-get changelog x'\n",
    ):
        log = parse((text + line).encode())
        assert log.since == "2024-09-08"
        assert Changelog.from_rows(log.rows()) == log


def test_packed_damaged_and_bombs() -> None:
    plain = (RECORDED / "expat.changelog").read_bytes()
    packed = gzip.compress(plain, mtime=0)
    assert parse(packed) == parse(plain)
    cut = parse(packed[: len(packed) // 2])
    assert not cut.complete
    assert 0 < len(cut.mentions) < len(parse(plain).mentions)
    assert parse(b"\x1f\x8bnonsense") == Changelog("", (), (), False)
    started = time.monotonic()
    bomb = parse(gzip.compress(b"a" * (64 << 20), 9))
    assert bomb == Changelog("", (), (), False)
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    "line",
    [
        "  * " + "CVE-2024-1234 " * 40_000,
        "  * " + "(CVE-2024-1234, " * 40_000,
        "  * " + "not affected " * 40_000 + "CVE-2024-1234",
        "  * " + "closes: #1, " * 40_000 + "CVE-2024-1234",
        "  * " + "upstream applied " * 40_000 + "CVE-2024-1234",
        "a" * 500_000 + " (1) x;",
        " -- " + "  " * 250_000 + "x",
        "\n".join(["  * CVE-2024-1234"] * 20_000),
        "\n".join(" " * (n % 19 + 1) + "* x" for n in range(100_000)),
        "\n".join(["  * x"] + ["    continued"] * 200_000),
    ],
    ids=range(10),
)
def test_no_text_takes_long(line: str) -> None:
    started = time.monotonic()
    parse(entry(line).encode())
    assert time.monotonic() - started < 4


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=400), st.integers(0, 4000), st.booleans())
def test_any_bytes_are_read(noise: bytes, place: int, packed: bool) -> None:
    data = (RECORDED / "expat.changelog").read_bytes()
    data = data[:place] + noise + data[place + len(noise) :]
    log = parse(gzip.compress(data) if packed else data)
    assert log.complete or data.startswith(b"\x1f\x8b")
    for mention in log.mentions:
        assert mention.line.isprintable()
        assert mention.version in log.versions


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 2000))
def test_any_damage_to_packed_bytes_is_survived(noise: bytes, place: int) -> None:
    data = gzip.compress((RECORDED / "expat.changelog").read_bytes(), mtime=0)
    parse(data[:place] + noise + data[place + len(noise) :])


def test_links_do_not_lead_out_of_a_root(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    doc = root / "usr/share/doc"
    doc.mkdir(parents=True)
    outside.mkdir()
    (outside / "changelog.Debian.gz").write_bytes(gzip.compress(entry("  * CVE-2024-1234").encode()))
    (doc / "evil").symlink_to(outside)
    (doc / "own").mkdir()
    (doc / "own" / "changelog.Debian.gz").symlink_to(outside / "changelog.Debian.gz")
    (doc / "libexpat1").mkdir()
    (doc / "libexpat1" / "changelog.Debian").write_text(entry("  * CVE-2024-1234"))
    (doc / "libexpat1-dev").symlink_to("libexpat1")
    assert locate("evil", root) is None
    assert locate("own", root) is None
    assert locate("../doc/libexpat1", root) is None
    assert locate("nothing", root) is None
    log = read("libexpat1-dev", root)
    assert log is not None
    assert log.versions == ("1.0-1+deb12u1",)


def test_the_changelogs_of_this_machine() -> None:
    try:
        listed = subprocess.run(
            ["dpkg-query", "-W", "-f", "${Package} ${Version} ${source:Version}\n"],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout.split("\n")[:-1]
    except OSError:
        pytest.skip("no dpkg here")
    known = mentions = covered = 0
    for line in listed[:400]:
        package, version, source_version = line.split(" ")
        log = read(package)
        if log is None:
            continue
        known += 1
        covered += log.covers(version) or log.covers(source_version)
        mentions += len(log.mentions)
    if known < 50:
        pytest.skip("documentation was left out here")
    assert mentions
    assert covered / known > 0.9
