from __future__ import annotations

from corpus.portability_tables import Evidence
from pyassay.verdicts.lowering import by_file, named, some, what_would_lower

COLUMNS = ["subject_id", "family", "version", "next_version", "files", "symbols", "names", "kinds"]


def symbol(evidence: Evidence, file: str, version: str, name: str, kind: str = "re-versioned") -> None:
    evidence.add(
        "symbols", file=file, scope="stdlib", family="GLIBC", version=version, symbol=name, kind=kind
    )


def test_the_next_floor_comes_from_every_need_not_from_the_symbols_shown() -> None:
    evidence = Evidence().subject().file("a.so", ["GLIBC_2.17", "GLIBC_2.34"], scope="stdlib")
    symbol(evidence, "a.so", "2.34", "dlopen")
    steps = what_would_lower(evidence.tables())
    assert steps[["version", "next_version"]].values.tolist() == [["2.34", "2.17"]]


def test_numbers_are_ordered_as_numbers() -> None:
    evidence = Evidence().subject()
    for version in ("2.4", "2.17", "2.34"):
        symbol(evidence, "a.so", version, f"f{version}")
    assert what_would_lower(evidence.tables())["version"].tolist() == ["2.34", "2.17", "2.4"]


def test_what_the_tree_carries_along_holds_nothing_up() -> None:
    evidence = Evidence().subject().file("a.so", ["libz.so.1:ZLIB_1.2.9", "GLIBC_2.17"], scope="stdlib")
    evidence.add("libraries", file="a.so", scope="stdlib", soname="libz.so.1", inside=True)
    evidence.add("symbols", file="a.so", scope="stdlib", family="ZLIB", version="1.2.9", symbol="inflate")
    symbol(evidence, "a.so", "2.17", "secure_getenv")
    assert what_would_lower(evidence.tables())["family"].tolist() == ["GLIBC"]


def test_subjects_and_families_stay_apart() -> None:
    evidence = Evidence().subject("one").subject("two")
    for subject, version in (("one", "2.34"), ("two", "2.17")):
        row = {"file": "a.so", "scope": "runtime", "version": version, "symbol": "f", "kind": "new function"}
        evidence.add("symbols", subject_id=subject, family="GLIBC", **row)
    steps = what_would_lower(evidence.tables())
    assert steps[["subject_id", "version", "next_version"]].values.tolist() == [
        ["one", "2.34", ""],
        ["two", "2.17", ""],
    ]


def test_nothing_gives_the_same_columns() -> None:
    for tables in ({}, Evidence().tables()):
        steps = what_would_lower(tables)
        assert list(steps.columns) == COLUMNS
        assert steps.empty


def test_names_are_few_and_counted() -> None:
    files = by_file(
        [("b.so", "y"), ("b.so", "x"), ("b.so", "x"), ("a.so", "z"), ("c.so", "q"), ("d.so", "q")]
    )
    assert files["b.so"] == ["x", "y"]
    assert named(files) == "b.so: x, y; a.so: z; and 2 more files"
    assert some(map(str, range(8))) == "0, 1, 2, 3, 4, 5 and 2 more"
