from __future__ import annotations

from datetime import date
from time import process_time

import pandas as pd
import pytest
from corpus.portability_tables import Evidence, Tables, python
from hypothesis import given, settings
from hypothesis import strategies as st
from pyassay.reference import distributions
from pyassay.verdicts.distribution_matrix import (
    MATRIX_COLUMNS,
    matrix,
    oldest_by_family,
    summary,
    supported,
)
from pyassay.verdicts.requirements import Asked

ON = date(2026, 11, 21)


def predictions(tables: Tables, on: date = ON) -> pd.DataFrame:
    found = matrix(tables, distributions(), on)
    return found.set_index(found["distro"] + ":" + found["version"])


def test_a_floor_of_2_17_runs_on_centos_7_and_not_on_centos_6() -> None:
    found = predictions(python("GLIBC_2.2.5", "GLIBC_2.17"))
    assert found.loc["centos:7", "prediction"] == "runs"
    assert found.loc["centos:6", "prediction"] == "refused"
    assert found.loc["centos:6", "reason"] == "bin/python3 needs GLIBC_2.17, and it has 2.12"
    assert found.loc["centos:6", "axis"] == "glibc"


def test_a_build_of_bookworm_is_refused_on_bullseye() -> None:
    found = predictions(python("GLIBC_2.35"))
    assert found.loc["debian:11", "reason"] == "bin/python3 needs GLIBC_2.35, and it has 2.31"
    assert found.loc["debian:12", "prediction"] == "runs"


def test_versions_compare_as_numbers() -> None:
    found = predictions(python("GLIBC_2.4"))
    assert found.loc["centos:6", "prediction"] == "runs"


def test_glibc_alone_misjudges() -> None:
    """The pandas wheel: GLIBC_2.14 would do for CentOS 7, its GLIBCXX_3.4.21 does not."""
    found = predictions(python("GLIBC_2.14", "libstdc++.so.6:GLIBCXX_3.4.21"))
    assert found.loc["centos:7", "prediction"] == "refused"
    assert found.loc["centos:7", "axis"] == "libstdc++"
    assert found.loc["centos:7", "reason"] == "bin/python3 needs GLIBCXX_3.4.21, and it has 3.4.19"
    assert found.loc["debian:9", "prediction"] == "runs"


def test_a_library_that_it_brings_along_asks_nothing_of_the_system() -> None:
    evidence = Evidence().subject().file("bin/python3", ["GLIBC_2.14", "libstdc++.so.6:GLIBCXX_3.4.35"])
    evidence.add("libraries", file="bin/python3", scope="runtime", soname="libstdc++.so.6", inside=True)
    assert predictions(evidence.tables()).loc["centos:7", "prediction"] == "runs"


def test_what_is_only_referenced_weakly_refuses_nothing() -> None:
    assert predictions(python("GLIBC_2.17", "GLIBC_2.36?")).loc["centos:7", "prediction"] == "runs"


def test_a_module_alone_refuses_in_part() -> None:
    tables = (
        Evidence()
        .subject()
        .file("bin/python3", ["GLIBC_2.17"])
        .file("lib/_ssl.so", ["GLIBC_2.34"], scope="stdlib")
        .file("lib/_crypt.so", ["GLIBC_2.38"], scope="stdlib")
        .file("lib/math.so", ["GLIBC_2.2.5"], scope="stdlib")
        .file("site/numpy.so", ["GLIBC_2.43"], scope="site")
        .tables()
    )
    found = predictions(tables)
    assert found.loc["debian:11", ["prediction", "refused_modules"]].tolist() == ["partial", 2]
    assert found.loc["debian:11", "reason"] == (
        "2 standard modules refuse to load (_ssl, _crypt): lib/_crypt.so needs GLIBC_2.38, and it has 2.31"
    )
    assert found.loc["debian:12", ["prediction", "refused_modules"]].tolist() == ["partial", 1]
    assert found.loc["debian:13", "prediction"] == "runs"


def test_an_executable_stack_cannot_be_imported_from_2_41_on() -> None:
    module = Evidence().subject().file("bin/python3").file("lib/x.so", scope="stdlib", executable_stack=True)
    found = predictions(module.tables())
    assert found.loc["ubuntu:24.10", "prediction"] == "runs"
    assert found.loc["debian:13", ["prediction", "axis", "refused_modules"]].tolist() == [
        "partial",
        "stack",
        1,
    ]
    assert "executable stack" in found.loc["debian:13", "reason"]


def test_an_executable_stack_is_granted_at_start() -> None:
    """NEWS of glibc 2.41: it is dlopen that no longer makes the stack executable."""
    started = Evidence().subject().file("bin/python3", ["GLIBC_2.17"], executable_stack=True)
    assert predictions(started.tables()).loc["debian:13", "prediction"] == "runs"
    module = started.file("lib/x.so", scope="stdlib", executable_stack=True)
    assert predictions(module.tables()).loc["debian:13", "prediction"] == "runs"


@pytest.mark.parametrize(("machine", "prediction"), [("x86_64", "partial"), ("aarch64", "runs")])
def test_without_a_header_the_stack_is_executable_on_x86(machine: str, prediction: str) -> None:
    silent = {"scope": "stdlib", "executable_stack": None, "machine": machine, "elf_type": "dyn"}
    evidence = Evidence().subject().file("bin/python3", machine=machine).file("lib/x.so", **silent)
    assert predictions(evidence.tables()).loc["debian:13", "prediction"] == prediction


def test_each_libc_is_its_own_world() -> None:
    glibc = predictions(python("GLIBC_2.17"))
    assert glibc.loc["alpine:3.20", ["prediction", "axis"]].tolist() == ["refused", "libc"]
    musl = predictions(Evidence().subject().file("bin/python3", libc="musl").tables())
    assert musl.loc["debian:12", "prediction"] == "refused"
    assert musl.loc["alpine:3.20", "prediction"] == "unknown"


def test_a_private_version_runs_with_its_very_glibc_only() -> None:
    found = predictions(python("GLIBC_2.17", "GLIBC_PRIVATE", libc="glibc", libc_version="2.36"))
    assert found.loc["debian:12", "prediction"] == "runs"
    assert found.loc["debian:13", ["prediction", "axis"]].tolist() == ["unknown", "glibc"]
    assert found.loc["debian:13", "reason"] == (
        "bin/python3 needs GLIBC_PRIVATE: its very glibc 2.36, and it has 2.41"
    )
    assert found.loc["centos:6", "prediction"] == "refused"
    nowhere = predictions(python("GLIBC_2.17", "GLIBC_PRIVATE"))
    assert "runs" not in set(nowhere["prediction"])


def test_an_axis_that_was_not_measured_is_unknown() -> None:
    table = distributions()
    table.loc[table["distro"] == "debian", "glibcxx_max"] = ""
    found = matrix(python("GLIBC_2.17", "libstdc++.so.6:GLIBCXX_3.4.20"), table, ON)
    found = found.set_index(found["distro"] + ":" + found["version"])
    assert found.loc["debian:12", "prediction"] == "unknown"
    assert found.loc["ubuntu:24.04", "prediction"] == "runs"
    refused = matrix(python("GLIBC_2.38", "libstdc++.so.6:GLIBCXX_3.4.20"), table, ON)
    assert refused.loc[(refused["label"] == "Debian 12"), "prediction"].item() == "refused"


def test_a_subject_without_files_is_unknown_everywhere() -> None:
    found = predictions(Evidence().subject(error="it hung").tables())
    assert set(found["prediction"]) == {"unknown"}
    assert set(found["reason"]) == {"it hung"}


def test_no_subject_gives_an_empty_matrix_of_the_same_shape() -> None:
    found = matrix(Evidence().tables(), distributions(), ON)
    assert list(found.columns) == list(MATRIX_COLUMNS)
    assert found.empty


def test_support_goes_by_the_day() -> None:
    table = distributions()
    keys = table["distro"] + ":" + table["version"]
    now = supported(table, ON).set_axis(keys)
    assert now["debian:13"]
    assert not now["centos:7"]
    assert now["archlinux:latest"]
    assert now["photon:5.0"] is pd.NA
    before = supported(table, date(2020, 1, 1)).set_axis(keys)
    assert before["centos:7"]
    assert not before["debian:13"]


def test_the_oldest_release_of_each_family() -> None:
    oldest = oldest_by_family(matrix(python("GLIBC_2.28"), distributions(), ON)).set_index("family")
    assert oldest.loc["Debian", ["label", "release_date"]].tolist() == ["Debian 10", "2019-07-06"]
    assert oldest.loc["Ubuntu", "label"] == "Ubuntu 18.10"
    assert oldest.loc["Alpine", ["label", "runs"]].tolist() == ["", 0]
    assert oldest.loc["RHEL", ["total", "runs"]].tolist() == [5, 3]


@settings(max_examples=40, deadline=None)
@given(
    st.tuples(st.integers(2, 44), st.integers(0, 10)),
    st.sampled_from(["GLIBC_2.", "libstdc++.so.6:GLIBCXX_3.4."]),
)
def test_a_higher_floor_never_runs_where_a_lower_one_is_refused(
    numbers: tuple[int, int], family: str
) -> None:
    low, more = numbers
    lower = predictions(python(f"{family}{low}"))["prediction"]
    higher = predictions(python(f"{family}{low + more}"))["prediction"]
    assert not ((lower == "refused") & (higher == "runs")).any()


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_machine_does_not_change_the_axes(machine: str) -> None:
    tables = (
        Evidence().subject(architecture=machine).file("bin/python3", ["GLIBC_2.17"], machine=machine).tables()
    )
    assert predictions(tables).loc["debian:12", "prediction"] == "runs"


def carrying(evidence: Evidence, file: str, soname: str, resolved: str, scope: str = "runtime") -> Evidence:
    evidence.add("libraries", file=file, scope=scope, soname=soname, inside=True, resolved=resolved)
    return evidence


def test_a_library_that_the_executable_does_not_load_decides_nothing() -> None:
    """Debian's python3 is linked statically; its libpython beside it is for others."""
    evidence = Evidence().subject(executable="/usr/bin/python3", prefix="/usr")
    evidence.file("bin/python3", ["GLIBC_2.17"]).file("lib/libpython3.so.1.0", ["GLIBC_2.38"])
    assert predictions(evidence.tables()).loc["debian:12", "prediction"] == "refused"
    evidence.add("libraries", file="bin/python3", scope="runtime", soname="libc.so.6", allowed=True)
    assert predictions(evidence.tables()).loc["debian:12", "prediction"] == "runs"
    loaded = carrying(evidence, "bin/python3", "libpython3.so.1.0", "lib/libpython3.so.1.0")
    found = predictions(loaded.tables())
    assert found.loc["debian:12", "reason"] == "lib/libpython3.so.1.0 needs GLIBC_2.38, and it has 2.36"


def test_a_module_answers_for_what_it_loads_from_the_tree() -> None:
    evidence = Evidence().subject(executable="/opt/bin/python3", prefix="/opt")
    evidence.file("bin/python3", ["GLIBC_2.17"])
    evidence.file("lib/python3/_tkinter.so", ["GLIBC_2.17"], scope="stdlib").file(
        "lib/libtk.so", ["GLIBC_2.34"]
    )
    carrying(evidence, "lib/python3/_tkinter.so", "libtk.so", "lib/libtk.so", "stdlib")
    found = predictions(evidence.tables())
    assert found.loc["debian:11", ["prediction", "refused_modules"]].tolist() == ["partial", 1]
    assert found.loc["debian:11", "reason"] == (
        "1 standard module refuses to load (_tkinter): lib/libtk.so needs GLIBC_2.34, and it has 2.31"
    )


def test_what_the_start_loaded_already_is_not_asked_for_again() -> None:
    evidence = Evidence().subject(executable="/opt/bin/python3", prefix="/opt")
    evidence.file("bin/python3", ["GLIBC_2.17"]).file("lib/libpython3.so", ["GLIBC_2.31"])
    evidence.file("lib/_x.so", ["GLIBC_2.31"], scope="stdlib").file(
        "lib/_y.so", ["GLIBC_2.34"], scope="stdlib"
    )
    for file, scope in (("bin/python3", "runtime"), ("lib/_x.so", "stdlib"), ("lib/_y.so", "stdlib")):
        carrying(evidence, file, "libpython3.so", "lib/libpython3.so", scope)
    ((_, asked),) = Asked.of_all(evidence.tables())
    assert list(asked.modules) == ["lib/_y.so"]
    assert [need.file for need in asked.modules["lib/_y.so"].newest.values()] == ["lib/_y.so"]


def test_a_circle_of_libraries_ends() -> None:
    evidence = (
        Evidence().subject(executable="/opt/bin/python3", prefix="/opt").file("bin/python3", ["GLIBC_2.17"])
    )
    for one, other in (("bin/python3", "a.so"), ("a.so", "b.so"), ("b.so", "a.so")):
        carrying(evidence, one, other, other)
    assert predictions(evidence.tables()).loc["centos:7", "prediction"] == "runs"


def test_a_library_of_the_start_that_could_not_be_read_is_unknown() -> None:
    evidence = (
        Evidence().subject(executable="/opt/bin/python3", prefix="/opt").file("bin/python3", ["GLIBC_2.17"])
    )
    carrying(evidence, "bin/python3", "libpython3.so", "lib/libpython3.so")
    evidence.add("skipped", file="lib/libpython3.so", reason="truncated")
    found = predictions(evidence.tables())
    assert found.loc["debian:12", ["prediction", "reason"]].tolist() == [
        "unknown",
        "lib/libpython3.so could not be read",
    ]
    assert found.loc["centos:6", "prediction"] == "refused"


def test_the_very_newest_version_that_a_release_has_is_enough_on_every_axis() -> None:
    needs = ["GLIBC_2.36", "libstdc++.so.6:GLIBCXX_3.4.30", "libstdc++.so.6:CXXABI_1.3.13"]
    needs += ["libgcc_s.so.1:GCC_12.0.0", "libz.so.1:ZLIB_1.2.12"]
    assert predictions(python(*needs)).loc["debian:12", "prediction"] == "runs"
    for place, newer, axis in (
        (1, "libstdc++.so.6:GLIBCXX_3.4.31", "libstdc++"),
        (2, "libstdc++.so.6:CXXABI_1.3.14", "libstdc++"),
        (3, "libgcc_s.so.1:GCC_13.0.0", "libgcc"),
        (4, "libz.so.1:ZLIB_1.2.13", "zlib"),
    ):
        raised = [*needs[:place], newer, *needs[place + 1 :]]
        assert predictions(python(*raised)).loc["debian:12", ["prediction", "axis"]].tolist() == [
            "refused",
            axis,
        ]


def test_libgcc_differs_by_machine() -> None:
    """aarch64 has a GCC_11.0 that x86_64 never had: the table, of x86_64, cannot refuse it."""
    evidence = Evidence().subject().file("bin/python3", ["libgcc_s.so.1:GCC_11.0"], machine="aarch64")
    assert predictions(evidence.tables()).loc["debian:11", ["prediction", "axis"]].tolist() == [
        "unknown",
        "libgcc",
    ]
    evidence = Evidence().subject().file("bin/python3", ["libgcc_s.so.1:GCC_11.0"], machine="x86_64")
    assert predictions(evidence.tables()).loc["debian:11", "prediction"] == "refused"


def test_a_machine_that_nobody_measured_is_unknown() -> None:
    found = predictions(Evidence().subject().file("bin/python3", machine="EM_243").tables())
    assert set(found["prediction"]) == {"unknown"}
    assert set(found["axis"]) == {"machine"}


def test_a_version_without_a_place_in_the_order_is_unknown() -> None:
    found = predictions(python("GLIBC_2.17", "libstdc++.so.6:CXXABI_FLOAT128"))
    assert found.loc["debian:12", "prediction"] == "unknown"
    assert "CXXABI_FLOAT128" in found.loc["debian:12", "reason"]


def test_the_marker_of_packed_relocations_counts_as_2_36() -> None:
    tables = Evidence().subject().file("bin/python3", ["GLIBC_2.17"])
    tables.add(
        "needs",
        file="bin/python3",
        scope="runtime",
        soname="libc.so.6",
        version="GLIBC_ABI_DT_RELR",
        family="GLIBC",
        number="2.36",
    )
    found = predictions(tables.tables())
    assert found.loc["debian:11", "reason"] == "bin/python3 needs GLIBC_ABI_DT_RELR, and it has 2.31"
    assert found.loc["debian:12", "prediction"] == "runs"


def test_musl_goes_by_its_series() -> None:
    tables = Evidence().subject(libc="musl", libc_version="1.2.5").file("bin/python3", libc="musl").tables()
    found = predictions(tables)
    assert found.loc["alpine:3.20", "prediction"] == "runs"
    assert found.loc["alpine:3.12", "prediction"] == "unknown"
    assert found.loc["debian:12", ["prediction", "axis"]].tolist() == ["refused", "libc"]
    foreign = Evidence().subject(libc="glibc", libc_version="1.2").file("bin/python3", libc="musl").tables()
    assert predictions(foreign).loc["alpine:3.20", "prediction"] == "unknown"


def test_a_static_executable_needs_no_libc() -> None:
    tables = Evidence().subject(libc="glibc").file("bin/python3", libc="", static=True).tables()
    assert set(predictions(tables)["prediction"]) == {"runs"}


def test_what_must_be_installed_besides_is_said() -> None:
    evidence = Evidence().subject().file("bin/python3", ["GLIBC_2.17"])
    for soname, allowed in (("libssl.so.3", False), ("libc.so.6", True), ("libodd.so.1", None)):
        evidence.add("libraries", file="lib/_ssl.so", scope="stdlib", soname=soname, allowed=allowed)
    found = predictions(evidence.tables())
    assert found.loc["debian:12", "needs_installed"] == "libssl.so.3"
    assert found.loc["debian:12", "reason"] == "provided that libssl.so.3 can be installed there"


def test_missing_cells_and_tables_are_no_crash() -> None:
    full = python("GLIBC_2.35")
    found = predictions({name: full[name] for name in ("subjects", "files", "needs")})
    assert found.loc["debian:11", "prediction"] == "refused"
    for missing in (None, float("nan"), pd.NA):
        holed = {name: frame.astype(object) for name, frame in full.items()}
        for frame in holed.values():
            frame[[column for column in frame if column != "subject_id"]] = missing
        assert set(predictions(holed)["prediction"]) == {"unknown"}
    assert set(predictions({"subjects": full["subjects"]})["prediction"]) == {"unknown"}


def test_a_name_with_a_line_break_stays_one_line() -> None:
    tables = Evidence().subject().file("bin/py\nthon\x1b[31m", ["GLIBC_2.35"]).tables()
    assert predictions(tables).loc["debian:11", "reason"] == (
        r"bin/py\nthon\x1b[31m needs GLIBC_2.35, and it has 2.31"
    )


def test_what_moves_on_does_not_count_as_a_release() -> None:
    oldest = oldest_by_family(matrix(python("GLIBC_2.17"), distributions(), ON)).set_index("family")
    assert oldest.loc["Debian", ["total", "supported_total"]].tolist() == [7, 1]
    assert oldest.loc["Arch", ["total", "supported_runs"]].tolist() == [1, 1]


def test_how_far_back_and_with_which_exceptions() -> None:
    rows = summary(matrix(python("GLIBC_2.35"), distributions(), ON))
    (row,) = rows.to_dict("records")
    assert (row["oldest"], row["oldest_date"]) == ("Ubuntu 22.04", "2022-04-21")
    assert "RHEL 9" in row["except_for"].split(", ")
    assert "Debian 11" not in row["except_for"].split(", ")
    assert row["every_since"] == "2023-06-10"
    assert (
        row["runs"] + row["refused"]
        == (distributions().query("libc == 'glibc'")["channel"].isin(["release", "rolling"])).sum()
    )
    nothing = summary(matrix(python("GLIBC_2.99"), distributions(), ON)).iloc[0]
    assert (nothing["oldest"], nothing["every_since"], nothing["runs"]) == ("", "", 0)
    assert summary(matrix(Evidence().tables(), distributions(), ON)).empty


def test_a_dozen_subjects_are_quick() -> None:
    evidence = Evidence()
    for number in range(12):
        name = f"python-{number}"
        evidence.subject(name).file("bin/python3", ["GLIBC_2.2.5", "GLIBC_2.17"], subject_id=name)
        for module in range(80):
            needs = ["GLIBC_2.2.5", f"GLIBC_2.{module % 30}", "libz.so.1:ZLIB_1.2.9"]
            evidence.file(f"lib/m{module}.so", needs, scope="stdlib", subject_id=name)
    tables, table = evidence.tables(), distributions()
    started = process_time()
    assert len(matrix(tables, table, ON)) == 12 * len(table)
    # 0.2 s is the aim on a quiet machine; the margin is for a busy one.
    assert process_time() - started < 1
