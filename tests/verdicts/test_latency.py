from __future__ import annotations

import pandas as pd
import pytest
from pyassay.verdicts.latency import LATENCY_COLUMNS, carried, latency
from pyassay.verdicts.latency_summary import SUMMARY_COLUMNS, summary


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    return latency()


@pytest.fixture(scope="module")
def summarised(rows: pd.DataFrame) -> pd.DataFrame:
    return summary(rows).set_index(["line", "kind", "stage", "since", "until"])


def days(rows: pd.DataFrame, line: str, kind: str, stage: str) -> pd.Series:
    chosen = rows[(rows["line"] == line) & (rows["kind"] == kind) & (rows["stage"] == stage)]
    return chosen.set_index("item")["days"]


# n, median, 95th percentile, maximum, minimum, within a day, within a week: as they were first computed by
# hand, independently of this code.
@pytest.mark.parametrize(
    ("stage", "since", "until", "expected"),
    [
        ("build", "", "2024-10-01", (74, 16.0, 50.0, 81, 0, 4, 21)),
        ("build", "2024-10-01", "2025-10-01", (22, 1.0, 2.0, 4, 1, 16, 22)),
        ("uv", "2024-10-01", "2025-10-01", (22, 1.0, 3.9, 6, 1, 15, 22)),
        ("build", "2025-10-01", "", (39, 0.0, 1.1, 2, 0, 37, 39)),
        ("uv", "2025-10-01", "", (39, 1.0, 2.0, 12, 0, 31, 38)),
        ("build", "2024-10-01", "", (61, 1.0, 2.0, 4, 0, 53, 61)),
        ("uv", "2024-10-01", "", (61, 1.0, 3.0, 12, 0, 46, 60)),
    ],
)
def test_cpython_through_its_builds_to_uv(
    summarised: pd.DataFrame, stage: str, since: str, until: str, expected: tuple[float, ...]
) -> None:
    row = summarised.loc[("CPython", "release", stage, since, until)]
    assert tuple(row.iloc[:7]) == expected


def measured(values: pd.Series) -> tuple[float, ...]:
    numbers = values.astype(float)
    return (
        len(numbers),
        numbers.median(),
        round(numbers.quantile(0.95), 1),
        numbers.max(),
        numbers.min(),
        (numbers <= 1).sum(),
        (numbers <= 7).sum(),
    )


def test_uv_before_october_2024_has_one_more_than_was_counted(
    rows: pd.DataFrame, summarised: pd.DataFrame
) -> None:
    # 3.12.4 came the day after the first uv that is known, and took 39 days to the next one that offered it.
    row = summarised.loc[("CPython", "release", "uv", "", "2024-10-01")]
    assert (row["n"], row["max_days"], row["outliers"]) == (7, 39, "3.12.4 (39 days)")
    counted = rows[rows["counted"] & (rows["published"] < "2024-10-01")]
    others = days(counted, "CPython", "release", "uv").drop("3.12.4")
    assert measured(others) == (6, 4.0, 7.8, 9, 3, 0, 5)


# The recorded figures counted 1.1.1a, which is older than python-build-standalone; here it is not.
@pytest.mark.parametrize(
    ("stage", "since", "until", "recorded"),
    [
        ("recipe", "", "", (27, 12.0, 47.5, 53, 0, 7, 13)),
        ("build", "", "", (28, 22.5, 65.4, 75, 0, 6, 9)),
        ("uv", "", "", (9, 2.0, 48.8, 52, 0, 3, 6)),
        ("recipe", "", "2025-01-01", (22, 21.5, 48.8, 53, 0, 4, 8)),
        ("build", "", "2025-01-01", (21, 26.0, 70.0, 75, 0, 1, 2)),
        ("uv", "", "2025-01-01", (2, 48.0, 51.6, 52, 44, 0, 0)),
        ("recipe", "2025-01-01", "", (5, 1.0, 6.8, 7, 0, 3, 5)),
        ("build", "2025-01-01", "", (7, 1.0, 7.0, 7, 0, 5, 7)),
        ("uv", "2025-01-01", "", (7, 2.0, 7.7, 8, 0, 3, 6)),
    ],
)
def test_openssl_security_releases(
    rows: pd.DataFrame,
    summarised: pd.DataFrame,
    stage: str,
    since: str,
    until: str,
    recorded: tuple[float, ...],
) -> None:
    chosen = rows[(rows["published"] >= since) & (rows["published"] < (until or "9"))]
    values = days(chosen, "OpenSSL", "release", stage).dropna()
    assert measured(values) == pytest.approx(recorded, abs=0.051)
    without = measured(values.drop("1.1.1a", errors="ignore"))
    row = summarised.loc[("OpenSSL", "release", stage, since, until)]
    assert tuple(row.iloc[:7]) == without


def test_openssl_advisories_and_debian_under_embargo(rows: pd.DataFrame, summarised: pd.DataFrame) -> None:
    build = days(rows, "OpenSSL", "advisory", "build")
    assert len(build) == 102
    assert build["CVE-2023-0286"] == 169  # 1.1.1t was skipped
    assert build["CVE-2024-5535"] == 112
    assert build["CVE-2025-15467"] == 0
    since = summarised.loc[pd.IndexSlice["OpenSSL", "advisory", :, "2024-01-01", ""], "median_days"]
    medians = {index[2]: value for index, value in since.items()}
    assert medians["build"] == 0.5
    assert medians["uv"] == 2.0
    assert medians["debian trixie"] == medians["debian bookworm"] == -3.0


def test_a_fix_of_the_same_day_does_not_vanish(rows: pd.DataFrame) -> None:
    # Build 20260127 carries 3.5.5, which came that day: had that build counted as "before", the advisory
    # would have concerned nobody.
    same = rows[
        (rows["line"] == "OpenSSL")
        & (rows["kind"] == "advisory")
        & (rows["stage"] == "build")
        & (rows["days"] == 0)
    ]
    assert len(same) >= 35
    assert set(same.loc[same["published"] == "2026-01-27", "by"]) == {"20260127"}
    assert (same["reached"] == same["published"]).all()


def test_expat_stayed_behind(rows: pd.DataFrame, summarised: pd.DataFrame) -> None:
    spans = carried("expat").set_index("version")
    assert spans.loc["2.6.3", "days"] == 602
    assert (spans.loc["2.6.3", "since"], spans.loc["2.6.3", "until"]) == ("2024-10-16", "2026-06-10")
    assert pd.isna(spans.loc["2.8.3", "days"])
    build = days(rows, "expat", "advisory", "build")
    assert len(build) == 37
    assert build["CVE-2024-50602"] == 581
    assert build["CVE-2026-72522"] == 4
    late = rows[(rows["item"] == "CVE-2026-93990") & (rows["stage"] == "build")].iloc[0]
    assert (bool(late["counted"]), late["why"]) == (False, "not seen in the tables")
    row = summarised.loc[("expat", "advisory", "build", "", "")]
    assert row["n"] == 30
    assert row["outliers"].startswith("CVE-2024-50602 (581 days), CVE-2024-8176 (454 days)")


def test_debian_is_late_on_cpython(summarised: pd.DataFrame) -> None:
    bookworm = summarised.loc[("CPython", "advisory", "debian bookworm", "", "")]
    trixie = summarised.loc[("CPython", "advisory", "debian trixie", "", "")]
    assert (bookworm["n"], bookworm["median_days"]) == (30, 37.5)
    assert (trixie["n"], trixie["median_days"]) == (30, 16.5)


def test_what_the_article_observed_by_hand(rows: pd.DataFrame) -> None:
    recipe, build = days(rows, "OpenSSL", "release", "recipe"), days(rows, "OpenSSL", "release", "build")
    assert (recipe["3.0.15"], build["3.0.15"]) == (41, 43)
    assert (recipe["3.5.5"], build["3.5.5"]) == (0, 0)
    cpython, uv = days(rows, "CPython", "release", "build"), days(rows, "CPython", "release", "uv")
    assert (cpython["3.12.6"], uv["3.12.6"]) == (3, 4)
    assert cpython["3.12.7"] == 1
    assert uv["3.12.7"] == 6


def test_every_row_is_counted_or_says_why_not(rows: pd.DataFrame) -> None:
    assert tuple(rows.columns) == LATENCY_COLUMNS
    assert not rows.duplicated(["line", "kind", "item", "branch", "stage"]).any()
    assert (rows["counted"] == (rows["why"] == "")).all()
    assert rows.loc[rows["counted"], "days"].notna().all()
    first = rows[(rows["item"] == "3.7.1") & (rows["stage"] == "build")].iloc[0]
    assert first["why"] == "released before python-build-standalone began"
    undated = rows[(rows["item"] == "3.12.16") & (rows["stage"] == "build")].iloc[0]
    assert undated["why"] == "its day of release is not known"
    known = rows[(rows["item"] == "3.11.8") & (rows["stage"] == "uv")].iloc[0]
    assert known["why"] == "offered by 0.2.7 already, the first uv that is known"
    # A build cannot come before what it carries, but a package may be prepared under embargo.
    negative = rows[rows["counted"] & (rows["days"] < 0)]
    assert set(negative["stage"]) <= {
        "debian bullseye",
        "debian bookworm",
        "debian trixie",
        "debian unstable",
    }


def test_the_summary_of_nothing_is_empty(rows: pd.DataFrame) -> None:
    assert tuple(summary(rows.iloc[:0]).columns) == SUMMARY_COLUMNS
    assert summary(rows.iloc[:0]).empty
