from __future__ import annotations

from datetime import date

import pandas as pd
import pytest
from corpus.portability_tables import Evidence, Tables, python
from hypothesis import given, settings
from hypothesis import strategies as st
from pyassay.reference import distributions
from pyassay.verdicts.distribution_matrix import MATRIX_COLUMNS, matrix, oldest_by_family, supported

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
        "2 standard modules refuse to load: lib/_crypt.so needs GLIBC_2.38, and it has 2.31"
    )
    assert found.loc["debian:12", ["prediction", "refused_modules"]].tolist() == ["partial", 1]
    assert found.loc["debian:13", "prediction"] == "runs"


def test_an_executable_stack_is_refused_from_2_41_on() -> None:
    found = predictions(
        Evidence().subject().file("bin/python3", ["GLIBC_2.17"], executable_stack=True).tables()
    )
    assert found.loc["ubuntu:24.10", "prediction"] == "runs"
    assert found.loc["debian:13", ["prediction", "axis"]].tolist() == ["refused", "stack"]
    module = Evidence().subject().file("bin/python3").file("lib/x.so", scope="stdlib", executable_stack=True)
    assert predictions(module.tables()).loc["debian:13", ["prediction", "axis"]].tolist() == [
        "partial",
        "stack",
    ]
    unknown = Evidence().subject().file("bin/python3", executable_stack=None)
    assert predictions(unknown.tables()).loc["debian:13", "prediction"] == "runs"


def test_each_libc_is_its_own_world() -> None:
    glibc = predictions(python("GLIBC_2.17"))
    assert glibc.loc["alpine:3.20", ["prediction", "axis"]].tolist() == ["refused", "libc"]
    musl = predictions(Evidence().subject().file("bin/python3", libc="musl").tables())
    assert musl.loc["debian:12", "prediction"] == "refused"
    assert musl.loc["alpine:3.20", "prediction"] == "unknown"


def test_a_private_version_is_known_nowhere() -> None:
    found = predictions(python("GLIBC_2.17", "GLIBC_PRIVATE"))
    assert set(found.loc[found["libc"] == "glibc", "prediction"]) == {"unknown"}


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
