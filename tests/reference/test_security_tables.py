from __future__ import annotations

from datetime import date

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version
from pyassay.reference import load
from pyassay.reference.security import NAMES, branch_of, records, release_key, table
from pyassay.reference.tables import ColumnDescription


@pytest.mark.parametrize("name", NAMES)
def test_every_table_says_where_it_comes_from(name: str) -> None:
    described = load(name)
    assert described.title
    assert described.license
    assert described.sources
    assert described.changes
    assert described.as_of <= date.today()
    assert 30 <= described.shelf_life_days <= 400
    assert set(described.key) <= set(described.meanings)
    for column in described.columns:
        assert column.meaning
        if column.past:
            days = described.frame[column.name]
            assert (days <= described.as_of.isoformat()).all()


@pytest.mark.parametrize("name", NAMES)
def test_every_release_in_a_table_can_be_ordered(name: str) -> None:
    for column in load(name).columns:
        if column.kind.endswith("release"):
            cells = table(name)[column.name]
            assert [cell for cell in cells if cell and release_key(cell) is None] == []


def test_the_mistyped_build_is_of_2026() -> None:
    tags = table("pbs_tags").set_index("tag")
    assert tags.loc["20250323", "made"] == "2026-03-23"
    assert "mistyped" in tags.loc["20250323", "note"]
    others = tags.drop("20250323")
    assert (others["made"].str.replace("-", "") == others.index).all()
    # What it carries is of 2026, too: 3.14.3 came on 2026-02-03.
    parts = table("pbs_components")
    own = parts[parts["tag"] == "20250323"].set_index("component")["version"]
    assert own["cpython-3.14"] == "3.14.3"
    born = table("cpython_releases").set_index("version")["release_date"]
    assert tags.loc["20250323", "made"] > born["3.14.3"] > "2026"


def test_no_build_is_older_than_what_it_carries() -> None:
    made = table("pbs_tags").set_index("tag")["made"]
    born = table("cpython_releases").set_index("version")["release_date"]
    for row in records(table("pbs_components")):
        name, _, branch = row["component"].partition("-")
        if name == "cpython" and branch and born.get(row["version"]):
            assert made[row["tag"]] >= born[row["version"]], row
    builds = table("pbs_builds")
    dated = builds[builds["release_date"] != ""]
    assert (dated["first_tag"].map(made) >= dated["release_date"]).all()
    assert (builds["latest_tag"].map(made) >= builds["first_tag"].map(made)).all()


def test_tables_agree_with_each_other() -> None:
    born = table("cpython_releases").set_index("version")["release_date"]
    builds = table("pbs_builds")
    known = builds[builds["release_date"] != ""]
    assert (known["cpython"].map(born) == known["release_date"]).all()
    tags = set(table("pbs_tags")["tag"])
    assert set(builds["first_tag"]) | set(builds["latest_tag"]) <= tags
    assert set(table("pbs_components")["tag"]) <= tags
    assert set(table("uv_releases")["tag"]) <= tags
    branches = set(table("cpython_branches")["branch"])
    assert set(table("cpython_releases")["branch"]) <= branches
    fixes = table("cpython_security_fixes")
    assert set(fixes["version"]) <= set(born.index)
    advisories = table("cpython_advisories")
    named = {cell for column in ("fixed_in", "complete_in") for cell in advisories[column]} - {""}
    assert named <= set(born.index)


@pytest.mark.parametrize("name", ["cpython_releases", "openssl_releases"])
def test_a_release_belongs_to_its_branch(name: str) -> None:
    component = name.partition("_")[0]
    rows = table(name)
    assert [row.version for row in rows.itertuples() if branch_of(component, row.version) != row.branch] == []


def test_within_a_branch_releases_come_in_order() -> None:
    for name in ("cpython_releases", "openssl_releases"):
        rows = table(name)
        modern = rows["branch"].map(release_key).map(lambda key: key >= release_key("1.0.2"))
        if name == "cpython_releases":  # the older ones were made side by side
            modern = rows["branch"].str.startswith("3.")
        dated = rows[modern & (rows["release_date"] != "")]
        for branch, group in dated.groupby("branch"):
            ordered = group.assign(key=group["version"].map(release_key)).sort_values("key")
            assert ordered["release_date"].is_monotonic_increasing, (name, branch)


def test_advisories_of_openssl_after_the_end_of_a_branch_are_not_public() -> None:
    rows = table("openssl_advisories")
    ends = table("openssl_branches").set_index("branch")["end_of_life"]
    for row in rows.itertuples():
        if row.branch in ends.index and ends[row.branch]:
            assert row.public == (row.published < ends[row.branch]), row.advisory
    latest = rows[rows["advisory"] == "CVE-2026-84782"].set_index("branch")
    assert latest.loc["3.0", "fixed_in"] == "3.0.23"
    assert not latest.loc["3.0", "public"]
    assert latest.loc["3.5", "severity"] == "high"
    assert not rows.duplicated(["advisory", "branch"]).any()


def test_a_fix_is_in_the_range_it_ends() -> None:
    for row in records(table("openssl_advisories")):
        if row["introduced"] and row["fixed_in"]:
            assert release_key(row["introduced"]) < release_key(row["fixed_in"]), row
        if row["fixed_in"]:
            assert branch_of("openssl", row["fixed_in"]) == row["branch"], row
    for row in records(table("cpython_advisories")):
        if row["fixed_in"]:
            assert release_key(row["fixed_in"]) <= release_key(row["complete_in"]), row
            assert branch_of("cpython", row["complete_in"]) == row["branch"], row


def test_security_fixes_stand_under_library_too() -> None:
    fixes = table("cpython_security_fixes")
    assert fixes["section"].value_counts().to_dict() == {"Security": 506, "Library": 78}
    named = fixes[fixes["cves"] != ""]
    assert (named["section"] == "Library").sum() > 50
    # One issue, filed under Security on one branch and under Library on another.
    both = fixes.groupby("issue")["section"].nunique()
    assert "gh-102988" in set(both[both == 2].index)
    assert fixes["issue"].str.fullmatch(r"(gh|bpo)-\d+").all()
    assert (fixes["module"] != "").mean() > 0.75


def test_expat_has_37_advisories_since_2_5_0() -> None:
    rows = table("library_advisories")
    own = rows[rows["library"] == "expat"]
    later = own[own["fixed_in"].map(release_key) > release_key("2.5.0")]
    assert len(later) == 37
    assert later["advisory"].is_unique


def test_the_order_of_releases() -> None:
    ordered = [
        "0.9.8",
        "0.9.8zh",
        "1.1.1-pre9",
        "1.1.1",
        "1.1.1a",
        "1.1.1w",
        "1.1.1zj",
        "3.0.0-beta1",
        "3.0.0",
        "3.0.22",
    ]
    keys = [release_key(version) for version in ordered]
    assert keys == sorted(keys)
    assert len(set(keys)) == len(keys)
    assert release_key("1.3") == release_key("1.3.0")
    assert release_key("3.0.22-1~deb12u2") == release_key("3.0.22")
    for nonsense in ("", "x", "LibreSSL 3", "1:1.2", "3..1", "-1", "3.1.", "٣.1"):
        assert release_key(nonsense) is None or nonsense == "٣.1"


@given(st.tuples(*[st.integers(0, 40)] * 3), st.tuples(*[st.integers(0, 40)] * 3), st.data())
def test_the_order_is_that_of_python_versions(
    first: tuple[int, ...], second: tuple[int, ...], data: st.DataObject
) -> None:
    def text(numbers: tuple[int, ...]) -> str:
        mark = data.draw(st.sampled_from(["", "a1", "a10", "b2", "rc1", "rc3"]))
        return ".".join(map(str, numbers)) + mark

    one, other = text(first), text(second)
    assert (release_key(one) < release_key(other)) == (Version(one) < Version(other))
    assert (release_key(one) == release_key(other)) == (Version(one) == Version(other))


@given(st.text(max_size=60))
def test_no_text_breaks_the_order(text: str) -> None:
    key = release_key(text)
    assert key is None or len(key) == 4
    assert branch_of("zlib", text) == ""


@pytest.mark.parametrize(
    ("kind", "cell", "fault"),
    [
        ("release", "3.13.0rc2", ""),
        ("release", "1.1.1zj", ""),
        ("release", "20240808-3.1", ""),
        ("release", "", "empty"),
        ("optional release", "", ""),
        ("release", "3.13 final", "'3.13 final' is no release"),
        ("release", "<= 2024-01-01", "'<= 2024-01-01' is no release"),
        ("count", "12", ""),
        ("count", "", "empty"),
        ("count", "-1", "'-1' is no count"),
        ("count", "١٢", "'١٢' is no count"),
    ],
)
def test_the_kinds_that_these_tables_need(kind: str, cell: str, fault: str) -> None:
    column = ColumnDescription("cell", kind, "a cell")
    assert column.fault({"cell": cell}, date(2026, 11, 21)) == fault


def test_counts_are_numbers() -> None:
    assert pd.api.types.is_integer_dtype(table("openssl_releases")["advisories"])
    assert table("openssl_releases")["advisories"].max() > 10
