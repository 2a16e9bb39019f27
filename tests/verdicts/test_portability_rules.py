from __future__ import annotations

from datetime import date

from corpus.portability_tables import Evidence, Tables, python
from pyassay.verdicts.model import Level, Verdict
from pyassay.verdicts.policy import Policy, PortabilityPolicy
from pyassay.verdicts.portability import judge, what_would_lower

ON = date(2026, 11, 21)
POLICY = Policy("test", PortabilityPolicy(must_run_on=("debian:12", "rhel:9")))


def verdict(tables: Tables, policy: Policy = POLICY, on: date = ON) -> Verdict:
    (only,) = judge(tables, policy, on)
    return only


def texts(found: Verdict, level: Level) -> list[str]:
    return [reason.text for reason in found.reasons if reason.level is level]


def test_an_old_floor_is_good() -> None:
    found = verdict(python("GLIBC_2.17"))
    assert found.level is Level.GOOD
    assert found.headline.startswith("runs on all ")
    assert found.headline.endswith("back to Ubuntu 13.04 (2013)")


def test_a_required_release_that_refuses_is_bad_and_says_why() -> None:
    found = verdict(python("GLIBC_2.35"))
    assert found.level is Level.BAD
    assert texts(found, Level.BAD) == [
        "RHEL 9 is required and refuses it: bin/python3 needs GLIBC_2.35, and it has 2.34"
    ]
    assert "refused by" in found.headline


def test_other_supported_releases_that_refuse_are_a_caution() -> None:
    found = verdict(python("GLIBC_2.30"))
    assert found.level is Level.CAUTION
    assert "AlmaLinux 8" in texts(found, Level.CAUTION)[0]
    ignoring = Policy(
        "test", PortabilityPolicy(ignore_families=("AlmaLinux", "RHEL", "Rocky", "Oracle", "CentOS"))
    )
    assert verdict(python("GLIBC_2.30"), ignoring).level is Level.GOOD


def test_a_release_that_nobody_knows_is_unknown() -> None:
    found = verdict(python("GLIBC_2.17"), Policy("test", PortabilityPolicy(must_run_on=("beos:5",))))
    assert found.level is Level.UNKNOWN
    assert "beos:5" in texts(found, Level.UNKNOWN)[0]


def test_a_table_past_its_shelf_life_is_unknown_never_clean() -> None:
    found = verdict(python("GLIBC_2.17"), on=date(2030, 1, 1))
    assert found.level is Level.UNKNOWN
    assert "too old" in found.headline


def test_what_could_not_be_read_is_unknown() -> None:
    evidence = Evidence().subject(error="it was cut off after 10 s")
    found = verdict(evidence.tables())
    assert found.level is Level.UNKNOWN
    assert "cut off after 10 s" in found.headline


def test_the_floor_names_file_and_symbol() -> None:
    evidence = Evidence().subject().file("lib/libpython3.so", ["GLIBC_2.17"])
    evidence.add("floors", scope="interpreter", family="GLIBC", hard="2.17")
    evidence.add(
        "symbols",
        file="lib/libpython3.so",
        scope="runtime",
        family="GLIBC",
        version="2.17",
        symbol="secure_getenv",
    )
    found = verdict(evidence.tables())
    assert "needs GLIBC_2.17 for lib/libpython3.so: secure_getenv" in texts(found, Level.GOOD)


def test_libraries_from_outside_are_a_caution_unless_the_distribution_brings_them() -> None:
    def built_by(builder: str) -> Tables:
        evidence = Evidence().subject(builder=builder).file("bin/python3", ["GLIBC_2.17"])
        for soname, allowed in (("libssl.so.3", False), ("libc.so.6", True)):
            evidence.add("libraries", file="lib/_ssl.so", scope="stdlib", soname=soname, allowed=allowed)
        return evidence.tables()

    assert texts(verdict(built_by("pyenv")), Level.CAUTION) == [
        "1 library must be installed wherever it goes: libssl.so.3 (for 1 of its modules)"
    ]
    assert verdict(built_by("debian")).level is Level.GOOD
    allowing = Policy("test", PortabilityPolicy(allow_libraries=("libssl.so.3",)))
    assert verdict(built_by("pyenv"), allowing).level is Level.GOOD


def test_dangers_follow_the_policy() -> None:
    tables = (
        Evidence()
        .subject()
        .file("bin/python3", ["GLIBC_2.17"], isa_level="x86-64-v3", text_relocations=True)
        .tables()
    )
    found = verdict(tables)
    assert "x86-64-v3" in texts(found, Level.BAD)[0]
    assert "relocations" in texts(found, Level.CAUTION)[0]
    lenient = Policy("test", PortabilityPolicy(isa_max="x86-64-v3", text_relocations=Level.GOOD))
    assert verdict(tables, lenient).level is Level.GOOD


def test_what_this_machine_lacks() -> None:
    for scope, level in (("runtime", Level.BAD), ("stdlib", Level.CAUTION)):
        evidence = Evidence().subject().file("bin/python3", ["GLIBC_2.17"])
        evidence.add(
            "closure", file="x", scope=scope, missing_kind="library", name="libtcl8.6.so", needed_by="x"
        )
        found = verdict(evidence.tables())
        assert found.level is level
        assert "libtcl8.6.so" in texts(found, level)[0]


def test_packages_that_raise_the_floor_are_named() -> None:
    evidence = (
        Evidence()
        .subject()
        .file("bin/python3", ["GLIBC_2.9"])
        .file("site/x.so", ["GLIBC_2.17"], scope="site")
    )
    evidence.add("floors", scope="interpreter", family="GLIBC", hard="2.9")
    evidence.add("floors", scope="site", family="GLIBC", hard="2.17")
    found = verdict(evidence.tables())
    assert "an installed package raises the floor to GLIBC_2.17 (site/x.so)" in texts(found, Level.CAUTION)[0]


def test_files_that_could_not_be_read_are_a_caution() -> None:
    evidence = Evidence().subject().file("bin/python3", ["GLIBC_2.17"])
    evidence.add("skipped", file="lib/broken.so", reason="truncated")
    assert texts(verdict(evidence.tables()), Level.CAUTION) == ["1 file could not be read: lib/broken.so"]


def test_one_verdict_a_subject_in_their_order() -> None:
    evidence = Evidence().subject("b").subject("a")
    evidence.file("bin/python3", ["GLIBC_2.17"], subject_id="a").file(
        "bin/python3", ["GLIBC_2.43"], subject_id="b"
    )
    assert [found.subject_id for found in judge(evidence.tables(), POLICY, ON)] == ["b", "a"]
    assert judge(Evidence().tables(), POLICY, ON) == []


def test_each_step_down_names_what_must_go() -> None:
    evidence = Evidence().subject()
    for file, version, symbol, kind in (
        ("a.so", "2.34", "dlopen", "re-versioned"),
        ("b.so", "2.34", "close_range", "new function"),
        ("b.so", "2.9", "pipe2", "new function"),
    ):
        evidence.add(
            "symbols", file=file, scope="stdlib", family="GLIBC", version=version, symbol=symbol, kind=kind
        )
    evidence.add(
        "symbols", file="c.so", scope="site", family="GLIBC", version="2.38", symbol="x", kind="unknown"
    )
    evidence.add(
        "symbols", file="d.so", scope="stdlib", family="GLIBC", version="2.36", symbol="y", version_weak=True
    )
    steps = what_would_lower(evidence.tables())
    assert steps[["version", "next_version", "files", "symbols"]].values.tolist() == [
        ["2.34", "2.9", 2, 2],
        ["2.9", "", 1, 1],
    ]
    assert steps["names"][0] == "a.so: dlopen; b.so: close_range"
    assert steps["kinds"][0] == "1 new function, 1 re-versioned"
