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
