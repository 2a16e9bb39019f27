from __future__ import annotations

import platform
from datetime import date

import pytest
from corpus.portability_tables import Evidence, Tables, python
from pyassay.gathering import gather
from pyassay.reference import distributions
from pyassay.subjects.model import Interpreter
from pyassay.verdicts.model import Level, Verdict
from pyassay.verdicts.policy import Policy, PortabilityPolicy
from pyassay.verdicts.portability import judge, matrix, what_would_lower

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
    assert not any("RHEL 9" in text for text in texts(found, Level.CAUTION))


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


def test_a_required_release_of_which_nothing_is_known_is_unknown() -> None:
    found = verdict(python("GLIBC_2.17", "GLIBC_PRIVATE"))
    assert found.level is Level.UNKNOWN
    assert texts(found, Level.UNKNOWN)[0].startswith(
        "Debian 12 is required; whether it runs there is not known"
    )
    assert found.headline.startswith("runs on 0 of ")
    assert "not known for " in found.headline


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
    evidence.add("floors", scope="own", family="GLIBC", hard="2.17")
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
    evidence.add("floors", scope="own", family="GLIBC", hard="2.9")
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


def test_releases_may_be_left_out_of_the_count() -> None:
    tables = python("GLIBC_2.30")
    names = ("almalinux:8", "rockylinux:8", "oraclelinux:8", "rhel:8")
    lenient = Policy("test", PortabilityPolicy(may_refuse=names))
    assert verdict(tables, lenient).level is Level.GOOD
    required = Policy("test", PortabilityPolicy(may_refuse=names, must_run_on=("rhel:8",)))
    assert verdict(tables, required).level is Level.BAD


def test_extended_support_counts_when_the_policy_says_so() -> None:
    tables = python("GLIBC_2.30")
    regular = verdict(tables, Policy("test", PortabilityPolicy()))
    extended = verdict(tables, Policy("test", PortabilityPolicy(extended_support=True)))
    assert "RHEL 7" not in texts(regular, Level.CAUTION)[0]
    caution = next(reason for reason in extended.reasons if reason.level is Level.CAUTION)
    assert int(extended.headline.split()[4]) > int(regular.headline.split()[4])
    assert "refuse it" in caution.text


def test_what_the_files_prove_stays_bad_beside_a_table_that_is_too_old() -> None:
    tables = Evidence().subject().file("bin/python3", ["GLIBC_2.17"], isa_level="x86-64-v4").tables()
    found = verdict(tables, on=date(2030, 1, 1))
    assert found.level is Level.BAD
    assert not any("required" in reason.text for reason in found.reasons)
    # 2.43 would be refused by required releases, but that is what the old table says.
    assert verdict(python("GLIBC_2.43"), on=date(2030, 1, 1)).level is Level.UNKNOWN


def test_a_build_for_musl_is_judged_by_releases_with_musl() -> None:
    tables = Evidence().subject(libc="musl", libc_version="1.2.5").file("bin/python3", libc="musl").tables()
    found = verdict(tables, Policy("test", PortabilityPolicy()))
    assert found.level is Level.GOOD
    assert found.headline == "runs on all 3 supported musl releases, back to Alpine 3.13 (2021)"
    assert any("made for musl" in text for text in texts(found, Level.GOOD))


def test_one_module_that_is_refused_is_told_as_such() -> None:
    tables = (
        Evidence()
        .subject()
        .file("bin/python3", ["GLIBC_2.17"])
        .file("lib/_ssl.cpython-312-x86_64-linux-gnu.so", ["GLIBC_2.35"], scope="stdlib")
        .tables()
    )
    found = verdict(tables)
    assert texts(found, Level.BAD)[0].startswith(
        "RHEL 9 is required and loads it only in part: 1 standard module refuses to load (_ssl): "
    )
    assert "only in part on" in found.headline
    assert "refused by" not in found.headline


def test_an_executable_stack_is_judged_by_when_it_is_asked_for() -> None:
    started = Evidence().subject().file("bin/python3", ["GLIBC_2.17"], executable_stack=True).tables()
    assert verdict(started).level is Level.CAUTION
    imported = Evidence().subject().file("bin/python3", ["GLIBC_2.17"])
    imported.file("lib/x.so", scope="stdlib", executable_stack=True)
    found = verdict(imported.tables())
    assert "lib/x.so: asks for an executable stack" in " ".join(texts(found, Level.BAD))
    lenient = Policy("test", PortabilityPolicy(executable_stack=Level.GOOD))
    assert verdict(started, lenient).level is Level.GOOD


def test_an_interpreter_that_cannot_be_run_here_is_not_good() -> None:
    found = verdict(python("GLIBC_2.17", error="killed by SIGILL"))
    assert found.level is Level.CAUTION
    assert texts(found, Level.CAUTION) == ["it could not be run here: killed by SIGILL"]


def test_the_same_evidence_gives_the_same_verdict_and_is_left_alone() -> None:
    tables = python("GLIBC_2.35")
    before = {name: frame.copy() for name, frame in tables.items()}
    assert judge(tables, POLICY, ON) == judge(tables, POLICY, ON)
    assert all(frame.equals(before[name]) for name, frame in tables.items())


def test_every_reason_points_at_columns_that_exist() -> None:
    evidence = (
        Evidence().subject().file("bin/python3", ["GLIBC_2.35"], isa_level="x86-64-v3", text_relocations=True)
    )
    evidence.file("lib/x.so", scope="stdlib", executable_stack=True)
    evidence.add("floors", scope="own", family="GLIBC", hard="2.35")
    evidence.add("closure", file="x", scope="stdlib", missing_kind="library", name="libtk.so", needed_by="x")
    evidence.add("libraries", file="lib/x.so", scope="stdlib", soname="libssl.so.3", allowed=False)
    evidence.add("skipped", file="lib/y.so", reason="truncated")
    tables = evidence.tables()
    found = verdict(tables)
    assert len({reason.table for reason in found.reasons}) >= 5
    for reason in found.reasons:
        assert set(reason.where) <= set(tables[reason.table].columns)


def test_nothing_but_subjects_is_unknown_not_a_crash() -> None:
    tables = {"subjects": python("GLIBC_2.17")["subjects"]}
    assert verdict(tables).level is Level.UNKNOWN


def test_this_machine_does_not_refuse_what_it_runs(running_interpreter: Interpreter) -> None:
    """The prediction beside an observation: this interpreter runs here."""
    try:
        system = platform.freedesktop_os_release()
    except OSError:
        pytest.skip("this machine does not say which distribution it is")
    found = matrix(gather("portability", [running_interpreter]).tables, distributions(), ON)
    own = found[(found["distro"] == system["ID"]) & (found["version"] == system.get("VERSION_ID", ""))]
    if own.empty:
        pytest.skip(f"{system.get('PRETTY_NAME')} is not in the table of distributions")
    assert own["prediction"].tolist() == ["runs"]
