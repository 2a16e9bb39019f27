from __future__ import annotations

from corpus.portability_tables import Evidence as Rows
from pyassay.evidence import SCHEMA_VERSION, Evidence, Manifest
from pyassay.verdicts.changes import CHANGE_COLUMNS, changes


def recorded(rows: Rows, day: str = "2026-11-21") -> Evidence:
    manifest = Manifest(SCHEMA_VERSION, f"{day}T12:00:00+00:00", ("portability",), {}, {})
    return Evidence(manifest, rows.tables())


def python(floor: str, **values: str) -> Rows:
    rows = Rows().subject(**values).file("bin/python3", [f"GLIBC_{floor}"])
    rows.add("floors", scope="own", family="GLIBC", hard=floor)
    return rows


def test_nothing_changed_is_an_empty_table() -> None:
    found = changes(recorded(python("2.17")), recorded(python("2.17"), "2026-11-28"))
    assert found.empty
    assert list(found.columns) == list(CHANGE_COLUMNS)


def test_a_raised_floor_changes_the_verdict_and_says_so() -> None:
    found = changes(recorded(python("2.17", version="3.12.1")), recorded(python("2.35", version="3.12.2")))
    told = {row["what"]: (row["before"], row["after"]) for row in found.to_dict("records")}
    assert told["version"] == ("3.12.1", "3.12.2")
    assert told["floor of GLIBC"] == ("2.17", "2.35")
    assert told["verdict on portability"] == ("good", "bad")
    assert "headline on portability" in told
    assert "provenance" not in told


def test_new_and_vanished_subjects() -> None:
    old = recorded(Rows().subject("kept").subject("gone"))
    new = recorded(Rows().subject("kept").subject("added"))
    rows = changes(old, new)[["subject_id", "what", "before", "after"]].values.tolist()
    assert rows == [["added", "subject", "", "new"], ["gone", "subject", "was there", ""]]


def test_modules_and_libraries_that_came_or_went_are_counted_and_named() -> None:
    def python(version: str, *modules: str, library: str) -> Evidence:
        rows = Rows().subject()
        tag = version.replace(".", "")
        for name in modules:
            file = f"lib/python{version}/lib-dynload/{name}.cpython-{tag}-x86_64-linux-gnu.so"
            rows.file(file, scope="stdlib")
            rows.add("libraries", file=file, scope="stdlib", soname="libc.so.6", allowed=True)
            rows.add("libraries", file=file, scope="stdlib", soname=library)
            rows.add("libraries", file=file, scope="stdlib", soname="libown.so", inside=True)
        return recorded(rows)

    old = python("3.12", "_bz2", "_ssl", "zlib", library="libssl.so.1.1")
    new = python("3.13", "_bz2", "zlib", "_zstd", library="libssl.so.3")
    new.tables["files"].loc[0, "file"] = "lib/python3.13/site-packages/grpc/_cython/cygrpc.abi3.so"
    new.tables["files"].loc[0, "scope"] = "site"
    told = {row["what"]: (row["before"], row["after"]) for row in changes(old, new).to_dict("records")}
    assert told["standard modules"] == ("2 gone: _bz2, _ssl", "1 new: _zstd")
    assert told["modules of its packages"] == ("", "1 new: grpc/_cython/cygrpc")
    assert told["libraries from outside"] == ("1 gone: libssl.so.1.1", "1 new: libssl.so.3")
    assert "libraries of its own" not in told


# Answers and speed -----------------------------------------------------------------------------------------


def timed(it: float, *, noise: float = 0.005, seed: int = 1) -> Evidence:
    from corpus.performance_tables import measured

    manifest = Manifest(SCHEMA_VERSION, "2026-11-21T12:00:00+00:00", ("performance",), {}, {})
    return Evidence(manifest, measured({"ref": 1.0, "it": it}, blocks=16, noise=noise, seed=seed))


def test_speed_that_differs_within_its_noise_has_not_changed() -> None:
    assert changes(timed(1.05, seed=1), timed(1.05, seed=2)).empty


def test_speed_beyond_its_intervals_has_changed_and_is_flagged() -> None:
    found = changes(timed(1.05), timed(1.12, seed=2)).set_index("what")
    row = found.loc["speed (not measured side by side)"]
    assert row["before"].startswith("1.05")
    assert row["after"].startswith("1.1")


def test_an_answer_that_changed_is_named() -> None:
    from corpus.performance_tables import row
    from pyassay.evidence import SKIPPED, SUBJECTS
    from pyassay.probes.compatibility import QUIRKS

    def answered(answer: str) -> Evidence:
        manifest = Manifest(SCHEMA_VERSION, "2026-11-21T12:00:00+00:00", ("compatibility",), {}, {})
        asked = {"subject_id": "it", "quirk": "venv_copies", "outcome": "measured", "answer": answer}
        tables = {
            "subjects": SUBJECTS.frame([row(SUBJECTS, subject_id="it", label="it", kind="interpreter")]),
            "quirks": QUIRKS.frame([row(QUIRKS, **asked)]),
            "skipped": SKIPPED.frame([]),
        }
        return Evidence(manifest, tables)

    found = changes(answered("fails"), answered("works")).set_index("what")
    assert found.loc["answer to venv_copies", "before"] == "fails"
    assert found.loc["verdict on compatibility", "after"] == "good"
    assert changes(answered("works"), answered("works")).empty
