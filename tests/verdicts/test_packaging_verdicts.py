from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from corpus.packaging_tables import (
    BARE_PEX,
    FIRST_STARTS,
    MEASURED_STARTS,
    NO_GLIBC,
    NO_LIBSSL,
    RELEASES,
    Packed,
    measured,
)
from pyassay.verdicts.model import Level, Verdict
from pyassay.verdicts.packaging import CRITERIA, USES, by_use, judge, marks, slides_comparison
from pyassay.verdicts.packaging_criteria import GROUPS, SLIDES, Mark
from pyassay.verdicts.packaging_starts import starts
from pyassay.verdicts.policy import PackagingPolicy, Policy, PolicyError

ON = date(2026, 11, 21)
POLICY = Policy.load()
CARRIED = {"carries_python": True}
BARE = {"distribution": "debian:12", "environment": "debian:12 bare"}


def mark(packed: Packed, key: str, subject: str = "it", policy: Policy = POLICY, on: date = ON) -> Any:
    found = marks(packed.tables(), policy, on)
    rows = found[(found["subject_id"] == subject) & (found["criterion"] == key)]
    assert len(rows) == 1, f"{key} of {subject}: {len(rows)} rows"
    return rows.iloc[0]


def with_policy(**values: Any) -> Policy:
    return replace(POLICY, packaging=PackagingPolicy(**values))


def verdict(packed: Packed, subject: str = "it", policy: Policy = POLICY) -> Verdict:
    (found,) = (one for one in judge(packed.tables(), policy, ON) if one.subject_id == subject)
    return found


def test_every_build_is_marked_once_by_every_criterion() -> None:
    found = marks(measured().tables(), POLICY, ON)
    assert not found.duplicated(["subject_id", "criterion"]).any()
    asked = {key for key, one in CRITERIA.items() if one.group != "circumstances"}
    for subject, own in found.groupby("subject_id"):
        assert asked <= set(own["criterion"]), subject
    assert set(found["mark"]) <= set(Mark)
    assert set(found["group"]) <= set(GROUPS)
    assert all(found["why"].map(len) > 3)


# What each case adds to a build, and the mark that follows.
CASES: dict[str, list[tuple[Mark, Callable[[Packed], Packed]]]] = {
    "system-libraries": [
        (Mark.YES, lambda p: p.build(outside_libraries=["libz.so.1", "$ORIGIN/../lib/libpython3.12.so.1.0"])),
        (Mark.NO, lambda p: p.build(outside_libraries=["libcurl.so.4"]).run(error_line=NO_LIBSSL, **BARE)),
        (
            Mark.PARTLY,
            lambda p: p.build(outside_libraries=["libcurl.so.4"]).add(
                "packaging_contents", subject_id="it", library="libpq", brought_by="the packager"
            ),
        ),
        (
            Mark.PARTLY,
            lambda p: p.build(outside_libraries=["libcurl.so.4"]).add(
                "packaging_contents", subject_id="it", library="libpq", brought_by="the system"
            ),
        ),
        (
            Mark.NO,
            lambda p: p.build(outside_libraries=["libcurl.so.4"]).add(
                "packaging_contents", subject_id="it", library="openssl", brought_by="the Python"
            ),
        ),
        (Mark.PARTLY, lambda p: p.build().run(error_line=NO_LIBSSL, **BARE)),
        (Mark.BY_HAND, lambda p: p.build(outside_libraries=["libcurl.so.4"], delivery="package")),
        (Mark.YES, lambda p: p.build(elf_files=None).run(**BARE)),
        (Mark.NOT_MEASURED, lambda p: p.build(elf_files=None)),
    ],
    "python-dependencies": [
        (Mark.YES, lambda p: p.build().run(**BARE)),
        (Mark.NO, lambda p: p.build().run(error_line="ModuleNotFoundError: No module named 'pycurl'")),
        (Mark.NOT_MEASURED, lambda p: p.build().run(error_line=BARE_PEX)),
        (Mark.NOT_MEASURED, lambda p: p.build()),
    ],
    "plain-container": [
        (Mark.YES, lambda p: p.build().run(**BARE)),
        (Mark.PARTLY, lambda p: p.build().run(**BARE).run(error_line=NO_GLIBC, environment="debian:11 bare")),
        (Mark.BY_HAND, lambda p: p.build().run(error_line=BARE_PEX).run(environment="x", has_builder=True)),
        (Mark.NO, lambda p: p.build().run(error_line=BARE_PEX)),
        (Mark.NOT_MEASURED, lambda p: p.build().run(outcome="not measured", error_line="no engine")),
    ],
    "python": [
        (Mark.YES, lambda p: p.build(**CARRIED)),
        (Mark.NO, lambda p: p.build()),
        (Mark.BY_HAND, lambda p: p.build(delivery="package")),
        (Mark.YES, lambda p: p.build(carries_python=None).run(**BARE)),
        (Mark.NOT_MEASURED, lambda p: p.build(carries_python=None)),
    ],
    "no-installer": [
        (Mark.YES, lambda p: p.build()),
        (Mark.YES, lambda p: p.build(delivery="folder")),
        (Mark.NO, lambda p: p.build(delivery="package")),
        (Mark.NO, lambda p: p.build(delivery="image")),
        (Mark.NOT_MEASURED, lambda p: p.build(delivery="")),
    ],
    "start-up": [
        (Mark.YES, lambda p: p.build("by-hand").starts(MEASURED_STARTS)),
        (Mark.NO, lambda p: p.build("pyinstaller-onefile").starts(MEASURED_STARTS)),
        (Mark.PARTLY, lambda p: p.build("it").starts({**MEASURED_STARTS, "it": (0.12, 0.15, 0.17)})),
        (Mark.NOT_MEASURED, lambda p: p.build("it").starts({"python -m": [0.07], "it": [0.07]})),
        (Mark.NOT_MEASURED, lambda p: p.build()),
    ],
    "environments": [
        (Mark.YES, lambda p: p.build(**CARRIED).everywhere("it")),
        (Mark.PARTLY, lambda p: p.build(**CARRIED).everywhere("it", {"debian:11": NO_GLIBC})),
        (Mark.NO, lambda p: p.build().everywhere("it", {"debian": BARE_PEX})),
        (Mark.NOT_MEASURED, lambda p: p.build()),
    ],
    "one-file": [
        (Mark.YES, lambda p: p.build()),
        (Mark.NO, lambda p: p.build(delivery="folder")),
        (Mark.NOT_MEASURED, lambda p: p.build(delivery="")),
    ],
    "glibc": [
        (Mark.YES, lambda p: p.build()),
        (Mark.YES, lambda p: p.build(glibc_floor="")),
        (Mark.NO, lambda p: p.build(glibc_floor="2.34")),
        (Mark.NOT_MEASURED, lambda p: p.build(elf_files=None)),
    ],
    "foretold": [
        (Mark.YES, lambda p: p.build().run(predicted=True)),
        (Mark.PARTLY, lambda p: p.build().run(predicted=True).run(error_line=NO_LIBSSL, predicted=True)),
        (Mark.NO, lambda p: p.build().run(predicted=False, predicted_why="glibc 2.34")),
        (Mark.NOT_MEASURED, lambda p: p.build().run()),
    ],
    "build-time": [
        (Mark.YES, lambda p: p.build()),
        (Mark.NO, lambda p: p.build(duration_s=601.0)),
        (Mark.NOT_MEASURED, lambda p: p.build(duration_s=float("nan"))),
    ],
    "size": [
        (Mark.YES, lambda p: p.build()),
        (Mark.NO, lambda p: p.build(size_bytes=358_000_000)),
        (Mark.NOT_MEASURED, lambda p: p.build(size_bytes=None)),
    ],
    "first-start": [
        (Mark.YES, lambda p: p.build("pyinstaller-onefile").starts(FIRST_STARTS, state="first")),
        (Mark.NO, lambda p: p.build("pex-venv").starts(FIRST_STARTS, state="first")),
        (Mark.NOT_MEASURED, lambda p: p.build()),
    ],
    "unpacks-nothing": [
        (Mark.YES, lambda p: wrote(p.build(), temporary_bytes=376)),
        (Mark.NO, lambda p: wrote(p.build(), temporary_bytes=54_955_406)),
        (Mark.NOT_MEASURED, lambda p: wrote(p.build(), reason="no time")),
    ],
    "leaves-nothing": [
        (Mark.YES, lambda p: wrote(p.build(), left_bytes=0, left_after_kill_bytes=0)),
        (Mark.PARTLY, lambda p: wrote(p.build(), left_bytes=0, left_after_kill_bytes=54_955_406)),
        (Mark.NO, lambda p: wrote(p.build(), left_bytes=152_041_406)),
        (Mark.NOT_MEASURED, lambda p: p.build()),
    ],
    "reproducible": [
        (Mark.YES, lambda p: repeated(p.build(), epoch_set=False, same=True)),
        (Mark.YES, lambda p: repeated(p.build(), epoch_set=True, same=True)),
        (
            Mark.BY_HAND,
            lambda p: repeated(repeated(p.build(), epoch_set=False, same=False), epoch_set=True, same=True),
        ),
        (Mark.NO, lambda p: repeated(p.build(), epoch_set=True, same=False, first_difference="library.zip")),
        (Mark.NOT_MEASURED, lambda p: repeated(p.build(), reason="it takes 3 minutes")),
    ],
    "openssl": [
        (Mark.YES, lambda p: p.build()),
        (Mark.YES, lambda p: contains(p.build(), "openssl", "3.5.9")),
        (Mark.NO, lambda p: contains(contains(p.build(), "openssl", "3.5.9"), "openssl", "1.1.1w")),
        (Mark.YES, lambda p: contains(p.build(), "openssl", "3.0.19", updated_by="apt")),
        (Mark.NO, lambda p: contains(p.build(), "openssl", "3.0.19", updated_by="apt, then a new build")),
        (Mark.NOT_MEASURED, lambda p: contains(p.build(), "openssl", "")),
        (Mark.NOT_MEASURED, lambda p: p.build(elf_files=None)),
    ],
    "updates": [
        (Mark.YES, lambda p: p.build(outside_libraries=["libcurl.so.4"])),
        (Mark.YES, lambda p: contains(p.build(), "libcurl", "8.14.1", updated_by="apt")),
        (Mark.BY_HAND, lambda p: contains(p.build(), "libcurl", "7.74.0")),
        (Mark.BY_HAND, lambda p: contains(p.build(), "libpq", "15.18", updated_by="apt, then a new build")),
        (
            Mark.PARTLY,
            lambda p: contains(contains(p.build(), "libcurl", "7.74.0"), "openssl", "", updated_by="apt"),
        ),
        (Mark.NOT_MEASURED, lambda p: p.build(elf_files=None)),
    ],
    "sbom": [
        (Mark.YES, lambda p: contains(p.build(), "sbom", "")),
        (Mark.NO, lambda p: p.build()),
        (Mark.NOT_MEASURED, lambda p: p.build(elf_files=None)),
    ],
    "licence": [
        (Mark.YES, lambda p: p.build()),
        (Mark.YES, lambda p: p.build(licence="GPL-2.0-or-later WITH Bootloader-exception")),
        (Mark.YES, lambda p: p.build(licence="AGPL-3.0", licence_source="a licence of its own excepts it")),
        (Mark.YES, lambda p: p.build(licence="", licence_source="no tool")),
        (Mark.BY_HAND, lambda p: p.build(licence="GPL-2.0-or-later")),
        (Mark.NOT_MEASURED, lambda p: p.build(licence="", licence_source="")),
    ],
    "maintained": [
        (Mark.YES, lambda p: p.build()),
        (Mark.NO, lambda p: p.build(packager="pyoxidizer")),
        (Mark.NO, lambda p: p.build(packager="venv_pack")),
        (Mark.NOT_MEASURED, lambda p: p.build(packager="dh_virtualenv")),
        (Mark.NOT_MEASURED, lambda p: p.build(packager="mine")),
    ],
}


def wrote(packed: Packed, **values: Any) -> Packed:
    return packed.add("packaging_footprints", subject_id="it", start="second", **values)


def repeated(packed: Packed, **values: Any) -> Packed:
    return packed.add("packaging_repeats", subject_id="it", **values)


def contains(
    packed: Packed,
    library: str,
    version: str,
    *,
    updated_by: str = "a new build of the wheel and the artifact",
) -> Packed:
    return packed.add(
        "packaging_contents",
        subject_id="it",
        library=library,
        version=version,
        path=f"lib/{library}.so",
        brought_by="a wheel",
        updated_by=updated_by,
    )


@pytest.mark.parametrize(
    ("key", "expected", "made"),
    [(key, expected, made) for key, cases in CASES.items() for expected, made in cases],
)
def test_each_mark_follows_from_its_rows(key: str, expected: Mark, made: Callable[[Packed], Packed]) -> None:
    packed = made(Packed())
    subject = str(packed.rows["packaging_builds"][0]["subject_id"])
    found = mark(packed, key, subject)
    assert found["mark"] == expected, found["why"]
    assert not found["theirs"]


def test_every_criterion_and_every_mark_of_it_is_tried() -> None:
    assert set(CASES) == {key for key, one in CRITERIA.items() if one.group != "circumstances"}
    for key, cases in CASES.items():
        reached = {expected for expected, _ in cases}
        assert Mark.YES in reached, key
        assert Mark.NOT_MEASURED in reached, key
        assert reached & {Mark.NO, Mark.BY_HAND}, key


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [("works", "yes"), ("differs", "partly"), ("fails", "no"), ("not measured", "not measured")],
)
@pytest.mark.parametrize("key", ["sigterm", "one of tomorrow's"])
def test_circumstances_are_marked_by_what_was_seen(key: str, outcome: str, expected: str) -> None:
    packed = Packed().build()
    packed.add(
        "packaging_circumstances",
        subject_id="it",
        circumstance=key,
        environment="debian:12 bare",
        outcome=outcome,
        seen="exit status 143",
        command="kill",
    )
    found = mark(packed, key)
    assert found["mark"] == expected
    assert found["why"] == "exit status 143"
    assert found["error_line"] == ("exit status 143" if expected == "no" else "")


def test_a_mark_carries_its_evidence() -> None:
    found = mark(measured(), "plain-container", "nuitka-raw")
    assert found["mark"] == Mark.BY_HAND
    assert found["error_line"] == NO_GLIBC
    assert found["command"] == "./nuitka-raw run"
    assert found["table"] == "packaging_runs"
    assert found["where"] == {"subject_id": "nuitka-raw", "environment": "debian:11 bare"}
    tables = measured().tables()
    rows = tables[found["table"]]
    chosen = rows[(rows["subject_id"] == "nuitka-raw") & (rows["environment"] == "debian:11 bare")]
    assert chosen["error_line"].tolist() == [NO_GLIBC]


def test_the_empty_image_counts_for_nobody_and_a_brought_python_only_where_none_is_inside() -> None:
    packed = Packed().build("in", **CARRIED).build("out")
    for subject in ("in", "out"):
        packed.everywhere(subject, builder=True)
    assert mark(packed, "environments", "in")["value"] == "12 of 12"
    assert mark(packed, "environments", "out")["value"] == "15 of 15"


def test_what_a_bare_image_lacks_is_named() -> None:
    packed = measured()
    assert "once the very Python is there" in mark(packed, "plain-container", "pex-venv")["why"]
    assert "once the libraries are there" in mark(packed, "plain-container", "nuitka-raw")["why"]


def test_a_start_is_told_with_its_interval() -> None:
    found = mark(measured(), "start-up", "pyinstaller-onefile")
    assert found["mark"] == Mark.NO
    ratio = float(found["value"])
    assert 4.9 < ratio < 5.6
    assert "95 %" in found["why"]
    assert (
        mark(measured(), "start-up", "pyinstaller-onefile", with_policy(max_start_ratio=9))["mark"] == "yes"
    )


def test_starts_are_compared_with_the_python_that_packed() -> None:
    packed = Packed().build("build-shiv-3.12.10").build("build-shiv-3.11.2")
    for version, seconds in (("3.12.10", 0.10), ("3.11.2", 0.20)):
        for block in (1, 2, 3, 4):
            for command, entry, factor in (
                (f"python -m, {version}", "reference", 1.0),
                (f"python -m, {version}", "control", 1.01),
                (f"build-shiv-{version}", "candidate", 1.5),
            ):
                packed.add(
                    "packaging_start_samples",
                    command_id=command,
                    what="help",
                    state="warm",
                    block=block,
                    position=1,
                    entry=entry,
                    wall_s=seconds * factor * (1 + block / 1000),
                    cpu_s=seconds,
                )
    found = {str(row["command_id"]): row for row in starts(packed.tables()).to_dict("records")}
    for version in ("3.12.10", "3.11.2"):
        row = found[f"build-shiv-{version}"]
        assert row["reference"] == f"python -m, {version}"
        assert row["ratio"] == pytest.approx(1.5 / 1.005, rel=1e-3)
    assert len(starts(Packed().tables())) == 0


def test_openssl_is_dead_from_the_day_on_which_its_branch_ends() -> None:
    packed = contains(Packed().build(), "openssl", "3.0.16")
    assert mark(packed, "openssl", on=date(2026, 9, 1))["mark"] == Mark.YES
    assert mark(packed, "openssl", on=date(2026, 9, 30))["mark"] == Mark.NO
    assert mark(packed, "openssl", on=date(2040, 1, 1))["mark"] == Mark.NOT_MEASURED


# The slides ----------------------------------------------------------------------------------------------


def not_to_be_had(slides_row: str) -> Packed:
    return Packed().build(
        slides_row=slides_row, status="not available", reason="no compiler", elf_files=None, delivery=""
    )


def test_what_cannot_be_built_takes_the_slides_marks_as_theirs() -> None:
    packed = not_to_be_had("Pex")
    rows = marks(packed.tables(), POLICY, ON).to_dict("records")
    found = {str(row["criterion"]): row for row in rows}
    theirs = {one.key: found[one.key]["mark"] for one in SLIDES}
    assert theirs == {
        "system-libraries": "no",
        "python-dependencies": "yes",
        "plain-container": "yes",
        "python": "no",
        "no-installer": "yes",
        "start-up": "no",
    }
    assert all(found[one.key]["theirs"] for one in SLIDES)
    assert found["python"]["why"] == "The slides' mark, not ours: not available: no compiler"
    assert found["glibc"]["mark"] == Mark.NOT_MEASURED
    assert not found["glibc"]["theirs"]


def test_a_mark_that_nobody_handed_down_is_not_made_up() -> None:
    found = marks(not_to_be_had("PyOxidizer").tables(), POLICY, ON)
    assert not found["theirs"].any()
    assert set(found.loc[found["group"] == "slides", "mark"]) == {Mark.NOT_MEASURED}


def test_where_one_form_was_built_the_slides_say_nothing_on_another() -> None:
    packed = not_to_be_had("Pex").build("pex-zip", slides_row="Pex")
    found = marks(packed.tables(), POLICY, ON)
    assert not found["theirs"].any()


def compared(packed: Packed) -> dict[tuple[str, str], dict[str, Any]]:
    rows = slides_comparison(packed.tables(), POLICY, ON).to_dict("records")
    return {
        (str(row["tool"]), str(row["criterion"])): {str(key): value for key, value in row.items()}
        for row in rows
    }


def test_the_slides_table_keeps_all_of_its_cells() -> None:
    found = compared(measured())
    assert len(found) == 36
    assert found["Pex", "python"]["finding"] == "agrees"
    assert found["Pex", "plain-container"]["finding"] == "differs"
    assert found["Pex", "plain-container"]["error_line"] == BARE_PEX
    assert found["By hand", "python"]["finding"] == "differs"
    assert found["By hand", "python"]["slides"] == "not yes"
    assert found["Nuitka", "system-libraries"]["measured"] == ["no"]
    assert found["Nuitka", "system-libraries"]["finding"] == "differs"
    assert found["AppImage", "python"]["finding"] == "not measured"
    assert found["PyOxidizer", "python"]["why"] == "not available: its Rust crates are out of reach"


@pytest.mark.parametrize(
    ("second", "words"),
    [
        ({"label": "Nuitka onefile", "inputs_kind": "oldest"}, "the wheels"),
        ({"label": "Nuitka standalone", "inputs_kind": "raw"}, "the form"),
        ({"label": "Nuitka onefile", "inputs_kind": "raw", "python": "3.11.2"}, "the Python that packs"),
    ],
)
def test_where_it_depends_is_said_on_what(second: dict[str, Any], words: str) -> None:
    packed = Packed()
    first = {"label": "Nuitka onefile", "inputs_kind": "raw", "python": "3.12.10"}
    packed.build("a", slides_row="Nuitka", outside_libraries=["libcurl.so.4"], **first)
    packed.build("b", slides_row="Nuitka", **{"python": "3.12.10", **second})
    found = compared(packed)["Nuitka", "system-libraries"]
    assert found["finding"] == "depends"
    assert found["measured"] == ["yes", "no"]
    assert found["why"].startswith(f"It depends on {words}: ")
    assert found["subject_id"] == "a"


# Verdicts --------------------------------------------------------------------------------------------------


def test_verdicts_on_the_measurement() -> None:
    found = {one.subject_id: one for one in judge(measured().tables(), POLICY, ON)}
    assert {name: str(one.level) for name, one in found.items()} == {
        "pex-venv": "caution",
        "by-hand": "caution",
        "pyinstaller-onefile": "caution",
        "nuitka-raw": "caution",
        "pyoxidizer": "unknown",
    }
    assert found["pex-venv"].headline.startswith("ran in 3 of 15 environments; starts in 2.")
    assert found["by-hand"].headline.startswith("ran in 12 of 12 environments; starts in 1.0")
    assert "carries a dead OpenSSL (1.1.1w)" in found["by-hand"].headline
    assert found["pyoxidizer"].headline == "is not available here: its Rust crates are out of reach"
    assert any("dormant since 2023" in reason.text for reason in found["pyoxidizer"].reasons)


def test_a_form_without_fault_is_good() -> None:
    packed = Packed().build("by-hand", packager="pyinstaller", **CARRIED)
    packed.everywhere("by-hand").starts(MEASURED_STARTS).starts(FIRST_STARTS, state="first")
    contains(packed, "openssl", "3.5.9")
    found = verdict(packed, "by-hand")
    assert found.level is Level.GOOD, [reason.text for reason in found.reasons]
    assert {reason.level for reason in found.reasons} == {Level.GOOD}


def test_what_runs_nowhere_is_bad_and_what_failed_to_build() -> None:
    nowhere = verdict(Packed().build().everywhere("it", {"debian": BARE_PEX}))
    assert nowhere.level is Level.BAD
    assert any(BARE_PEX in reason.text for reason in nowhere.reasons)
    failed = verdict(Packed().build(status="failed", reason="nuitka: exit status 1", elf_files=None))
    assert failed.level is Level.BAD
    assert failed.headline == "could not be built: nuitka: exit status 1"


def test_what_was_not_run_is_unknown_never_good() -> None:
    found = verdict(Packed().build(**CARRIED))
    assert found.level is Level.UNKNOWN
    assert found.headline.startswith("built, but not run")


def test_a_subject_in_no_table_is_unknown_with_its_reason() -> None:
    packed = Packed().add("subjects", subject_id="lost", label="lost", kind="build")
    packed.add("skipped", subject_id="lost", question="packaging", reason="the wheels could not be built")
    found = verdict(packed, "lost")
    assert (found.level, found.headline) == (
        Level.UNKNOWN,
        "nothing is known: the wheels could not be built",
    )


def test_the_policy_says_where_it_must_run() -> None:
    found = verdict(measured(), "nuitka-raw", with_policy(must_run_in=("debian:11 bare",)))
    assert found.level is Level.BAD
    assert found.reasons[0].text == f"It must run in debian:11 bare, and does not: {NO_GLIBC}"
    assert "refused where the policy wants it to run" in found.headline
    assert verdict(measured(), "by-hand", with_policy(must_run_in=("debian:11 bare",))).level is Level.CAUTION
    unseen = verdict(measured(), "by-hand", with_policy(must_run_in=("debian:10 bare",)))
    assert unseen.level is Level.UNKNOWN


def test_the_policy_says_what_is_needed() -> None:
    assert verdict(measured(), "by-hand", with_policy(needs=("one-file",))).level is Level.BAD
    unmeasured = verdict(measured(), "by-hand", with_policy(needs=("reproducible",)))
    assert unmeasured.level is Level.UNKNOWN
    assert verdict(measured(), "pex-venv", with_policy(needs=("reproducible",))).level is Level.CAUTION


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('needs = ["reproducable"]', "did you mean reproducible"),
        ('max_glibc = "new"', "max_glibc is 'new'"),
        ("max_start_ratio = -1", "max_start_ratio is -1"),
        ("max_ratio = 1", "unknown key 'max_ratio'"),
        ("must_run_in = 1", "must_run_in is no list"),
    ],
)
def test_a_policy_that_nobody_can_keep_is_refused(tmp_path: Any, text: str, message: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(f"[packaging]\n{text}\n")
    with pytest.raises(PolicyError, match=message):
        Policy.load(path)


# By use ----------------------------------------------------------------------------------------------------


def uses(packed: Packed) -> dict[str, dict[str, Any]]:
    rows = by_use(packed.tables(), POLICY, ON).to_dict("records")
    return {str(row["use"]): {str(key): value for key, value in row.items()} for row in rows}


def test_the_form_for_a_use_is_the_one_that_its_rule_names() -> None:
    found = uses(measured())
    assert len(found) == len(USES)
    assert found["customers"]["winners"] == ["pyinstaller-onefile"]
    assert found["folder"]["winners"] == ["by-hand"]
    assert [one["subject_id"] for one in found["folder"]["runners_up"]] == ["pyinstaller-onefile"]
    assert "starts faster" in found["folder"]["runners_up"][0]["why"]
    assert found["internal"]["winners"] == ["pex-venv"]
    assert any("1.1.1w" in sentence for sentence in found["folder"]["but"])
    assert any("all 12 environments" in sentence for sentence in found["folder"]["reasons"])


def test_where_nothing_will_do_the_nearest_is_named_with_what_it_lacks() -> None:
    found = uses(measured())["own-servers"]
    assert found["winners"] == []
    assert found["headline"].startswith("not known: not all was measured; nearest: ")
    assert all(one["why"] for one in found["runners_up"])
    assert {one["criterion"] for one in found["left_out"]} >= {"exit-code", "sigterm"}
    assert uses(Packed())["folder"]["headline"] == "nothing was built"
    refused = Packed().build().everywhere("it", {"debian": BARE_PEX})
    assert uses(refused)["folder"]["headline"] == "nothing here will do; nearest: it (oldest wheels)"


def test_starts_that_cannot_be_told_apart_leave_the_choice_to_the_next_preference() -> None:
    def made(**times: Any) -> Packed:
        packed = Packed().build("small", size_bytes=10_000_000, **CARRIED)
        packed.build("big", size_bytes=70_000_000, **CARRIED)
        packed.everywhere("small").everywhere("big")
        base = {name: MEASURED_STARTS[name] for name in ("python -m", "control")}
        return packed.starts({**base, **times})

    alike = made(small=(0.080, 0.074, 0.077), big=(0.074, 0.079, 0.076))
    assert uses(alike)["customers"]["winners"] == ["small"]
    apart = made(small=(0.370, 0.368, 0.372), big=(0.074, 0.075, 0.076))
    assert uses(apart)["customers"]["winners"] == ["big"]


def test_a_mark_that_is_the_slides_wins_nothing() -> None:
    packed = not_to_be_had("Pex")
    assert uses(packed)["internal"]["winners"] == []


def test_the_same_tables_give_the_same_answer() -> None:
    assert uses(measured()) == uses(measured())


def test_releases_of_the_corpus_are_those_of_the_environments() -> None:
    tables = measured().tables()
    assert set(tables["packaging_runs"]["distribution"]) == {*RELEASES, ""}
