from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest
from pyassay.reference import ReferenceTableError, distributions, glibc_releases, load
from pyassay.reference.tables import read
from pyassay.resources import share

DESCRIPTION = """
title = "A table"
as_of = 2026-01-31
shelf_life_days = 30
sources = ["somewhere"]
key = ["name"]
[columns]
name = { kind = "text", meaning = "a name" }
born = { kind = "date", meaning = "a day" }
alive = { kind = "flag", meaning = "yes or no" }
note = { kind = "optional", meaning = "anything" }
"""


def write(folder: Path, rows: str, description: str = DESCRIPTION) -> Path:
    (folder / "people.toml").write_text(description)
    path = folder / "people.csv"
    path.write_text(f"name,born,alive,note\n{rows}")
    return path


def test_a_table_is_read_with_its_kinds(tmp_path: Path) -> None:
    table = read(write(tmp_path, "ann,2020-02-29,true,\nbob,,false,x\n"))
    assert table.frame["alive"].tolist() == [True, False]
    assert table.frame["born"].tolist() == ["2020-02-29", ""]
    assert table.meanings["born"] == "a day"


def test_a_reader_cannot_change_what_others_see(tmp_path: Path) -> None:
    table = read(write(tmp_path, "ann,,true,\n"))
    mine = table.frame
    mine.loc[0, "name"] = "eve"
    assert table.frame.loc[0, "name"] == "ann"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("ann,2020-02-30,true,\n", "people: row 2, column born: '2020-02-30' is no ISO date"),
        ("ann,,maybe,\n", "people: row 2, column alive: 'maybe' is neither true nor false"),
        (",,true,\n", "people: row 2, column name: empty"),
        ("ann,,true,\nann,,true,\n", "people: row 3: ann stands there twice"),
        ("ann,,true\n", "people: row 2, column note: the row is too short"),
        ("", "people: no rows"),
    ],
)
def test_a_fault_names_table_row_and_column(tmp_path: Path, rows: str, message: str) -> None:
    with pytest.raises(ReferenceTableError) as caught:
        read(write(tmp_path, rows))
    assert str(caught.value) == message


def test_other_damage_is_one_line(tmp_path: Path) -> None:
    path = write(tmp_path, "ann,,true,\n")
    for description in (
        "title = ",
        DESCRIPTION.replace("shelf_life_days = 30", ""),
        DESCRIPTION.replace("born", "age"),
    ):
        (tmp_path / "people.toml").write_text(description)
        with pytest.raises(ReferenceTableError, match=r"^people: ") as caught:
            read(path)
        assert "\n" not in str(caught.value)
    with pytest.raises(ReferenceTableError, match="gone"):
        read(tmp_path / "gone.csv")
    with pytest.raises(ReferenceTableError, match="nothing"):
        load("nothing")


def test_shelf_life(tmp_path: Path) -> None:
    table = read(write(tmp_path, "ann,,true,\n"))
    assert not table.stale(date(2026, 3, 2))
    assert table.stale(date(2026, 3, 3))
    assert table.age_days(date(2026, 2, 1)) == 1


@pytest.mark.parametrize("path", sorted(share("data", "reference").glob("*.csv")), ids=lambda path: path.stem)
def test_every_shipped_table_holds_what_it_says(path: Path) -> None:
    table = read(path)
    assert len(table.frame)
    assert table.sources
    assert not table.stale(table.as_of + timedelta(days=1))
    assert set(table.meanings) == set(table.frame.columns)


def test_what_everybody_knows_of_distributions() -> None:
    table = distributions().set_index(["distro", "version"])
    assert table.loc[("debian", "12"), "libc_version"] == "2.36"
    assert table.loc[("centos", "7"), "libc_version"] == "2.17"
    assert table.loc[("rhel", "8"), "glibcxx_max"] == "3.4.25"
    assert table.loc[("alpine", "3.20"), "libc"] == "musl"
    assert (table.loc[table["libc"] == "glibc", "glibcxx_max"] != "").all()


def test_releases_of_glibc_come_in_order() -> None:
    releases = glibc_releases()
    dates = releases.set_index("version")["release_date"]
    assert dates["2.17"] < dates["2.31"] < dates["2.36"] < dates["2.41"]
    assert dates["2.36"].startswith("2022")


STRICT = """
title = "Releases"
as_of = 2026-01-31
shelf_life_days = 30
sources = ["somewhere"]
key = ["name"]
[columns]
name = { kind = "text", meaning = "a name" }
label = { kind = "text", unique = true, meaning = "another" }
number = { kind = "optional version", meaning = "a version" }
born = { kind = "date", past = true, required = true, meaning = "a day" }
died = { kind = "date", after = "born", meaning = "a later day" }
libc = { kind = "text", choices = ["glibc", "musl"], meaning = "C library" }
"""


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ("a,A,1.2.x,2026-01-31,2030-01-01,musl", ""),
        ("a,A,,2020-01-01,,glibc", ""),
        ("a,A,1.2-beta,2020-01-01,,glibc", "row 2, column number: '1.2-beta' is no version"),
        (
            "a,A,,2026-02-01,,glibc",
            "row 2, column born: 2026-02-01 is later than the table itself (2026-01-31)",
        ),
        ("a,A,,,,glibc", "row 2, column born: empty"),
        ("a,A,,20200101,,glibc", "row 2, column born: '20200101' is not written YYYY-MM-DD"),
        (
            "a,A,,2020-01-02,2020-01-01,glibc",
            "row 2, column died: 2020-01-01 is earlier than born (2020-01-02)",
        ),
        ("a,A,,2020-01-01,,uclibc", "row 2, column libc: 'uclibc' is none of glibc, musl"),
        ("a,A,,2020-01-01,,glibc,x", "row 2: 7 cells, the table has 6 columns"),
        ("a,A,,2020-01-01,,glibc\nb,A,,2020-01-01,,glibc", "row 3, column label: A stands there twice"),
    ],
)
def test_what_a_description_demands_is_held(tmp_path: Path, row: str, fault: str) -> None:
    (tmp_path / "releases.toml").write_text(STRICT)
    path = tmp_path / "releases.csv"
    path.write_text(f"name,label,number,born,died,libc\n{row}\n")
    if not fault:
        assert len(read(path).frame) == 1
        return
    with pytest.raises(ReferenceTableError) as caught:
        read(path)
    assert str(caught.value) == f"releases: {fault}"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("as_of = 2026-01-31", "as_of = 2026-01-31T00:00:00Z"),
        ("shelf_life_days = 30", "shelf_life_days = 0"),
        ("shelf_life_days = 30", "shelf_life_days = 99999999999"),
        ('kind = "flag"', 'kind = "colour"'),
        ('kind = "flag"', 'kind = "flag", size = 3'),
        ("[columns]", "[columns.name]"),
    ],
)
def test_a_wrong_description_is_one_line(tmp_path: Path, before: str, after: str) -> None:
    assert before in DESCRIPTION
    with pytest.raises(ReferenceTableError, match=r"^people: [^\n]+$"):
        read(write(tmp_path, "ann,,true,\n", DESCRIPTION.replace(before, after)))


def test_bytes_that_are_no_text_and_tables_that_are_too_large(tmp_path: Path) -> None:
    path = write(tmp_path, "ann,,true,\n")
    path.write_bytes(b"name,born,alive,note\n\xff,,true,\n")
    with pytest.raises(ReferenceTableError, match=r"^people: damaged: UnicodeDecodeError"):
        read(path)
    with pytest.raises(ReferenceTableError, match="no name of a reference table"):
        load("../secret")
