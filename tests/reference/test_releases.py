from __future__ import annotations

from datetime import date

import pandas as pd
import pytest
from pyassay.reference import distributions, glibc_releases, load, supported

ON = date(2026, 11, 21)


def keyed(answers: pd.Series) -> pd.Series:
    table = distributions()
    return answers.set_axis(table["distro"] + ":" + table["version"])


def test_support_has_three_answers() -> None:
    now = keyed(supported(distributions(), ON))
    assert now["debian:13"]
    assert now["archlinux:latest"]
    assert not now["debian:12"]
    assert now["slackware:15.0"] is pd.NA


@pytest.mark.parametrize(
    ("key", "day", "regular", "extended"),
    [
        ("debian:12", date(2026, 7, 11), True, True),
        ("debian:12", date(2026, 7, 12), False, True),
        ("debian:12", date(2028, 7, 1), False, False),
        ("ubuntu:24.04", date(2024, 4, 24), False, False),
        ("ubuntu:24.04", date(2024, 4, 25), True, True),
        ("centos:7", ON, False, False),
        ("rhel:7", ON, False, True),
    ],
)
def test_support_from_the_day_of_release_to_the_last_day(
    key: str, day: date, regular: bool, extended: bool
) -> None:
    assert bool(keyed(supported(distributions(), day))[key]) is regular
    assert bool(keyed(supported(distributions(), day, extended=True))[key]) is extended


def test_missing_dates_are_not_known() -> None:
    columns = ["release_date", "end_of_support", "end_of_extended", "rolling"]
    for missing in (None, float("nan"), pd.NA, ""):
        table = pd.DataFrame([[missing, missing, missing, False]], columns=columns, dtype=object)
        assert supported(table, ON, extended=True)[0] is pd.NA


def test_only_what_has_no_end_moves_on() -> None:
    table = distributions()
    assert (table["rolling"] == (table["channel"] != "release")).all()
    assert (table.loc[table["rolling"], "end_of_support"] == "").all()
    counted = table[table["channel"] == "rolling"]
    assert set(counted["distro"]) == {"archlinux", "opensuse"}


def test_a_distribution_is_not_older_than_its_glibc() -> None:
    table = distributions()
    born = glibc_releases().set_index("version")["release_date"]
    own = table[(table["libc"] == "glibc") & (table["release_date"] != "")]
    assert set(own["libc_version"]) <= set(born.index)
    assert (own["libc_version"].map(born).to_numpy() <= own["release_date"].to_numpy()).all()


def test_within_a_line_of_releases_versions_only_grow() -> None:
    table = distributions()
    dated = table[(table["release_date"] != "") & (table["libc"] == "glibc")].sort_values("release_date")
    for column in ("libc_version", "glibcxx_max", "cxxabi_max", "gcc_s_max"):
        for distro, group in dated.groupby("distro"):
            numbers = [tuple(map(int, cell.split("."))) for cell in group[column]]
            # Every openSUSE Leap and 13.2 is one line; Tumbleweed has no date.
            assert numbers == sorted(numbers), (distro, column)


def test_every_change_to_the_sources_is_stated() -> None:
    for name in ("distributions", "glibc_releases"):
        assert load(name).changes
    table = distributions().set_index(["distro", "version"])
    assert table.loc[("rhel", "6"), "measured_on"] == ""
    assert "Oracle Linux 6" in table.loc[("rhel", "6"), "note"]
    assert "pre-release" in table.loc[("fedora", "44"), "note"]
    releases = glibc_releases().set_index("version")
    assert "2.16.0" not in releases.index
    assert releases.loc["2.44", "basis"] == "planned"
