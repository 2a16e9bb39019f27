"""Real builds with real backends, without network: what comes out, whether again, what is let in."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyassay.probes.backends.building import Rows, Toolchain, build_outputs, initialise_git, repeat
from pyassay.probes.backends.catalogue import backend_named
from pyassay.probes.backends.features import try_features
from pyassay.probes.backends.own_builds import build_own_project
from pyassay.probes.backends.own_project import read_project
from pyassay.probes.backends.projects import write_pure
from pyassay.probes.backends.session import Collected
from pyassay.probes.backends.timing import TimedBackend, time_builds
from pyassay.probes.backends.workplace import BuildPlace, NotBuiltError


def toolchain(place: BuildPlace, name: str) -> tuple[Toolchain, str]:
    version = place.wheelhouse.versions[name]
    environment = place.environment(f"{name}=={version}")
    return Toolchain(f"{name}-{version}", backend_named(name).build_backend, environment), version


def test_a_backend_builds_what_is_expected_and_builds_it_again(build_place: BuildPlace) -> None:
    tools, version = toolchain(build_place, "flit-core")
    sample = write_pure(build_place.folder("pure") / "demo", backend_named("flit-core"), version)
    rows = Rows()
    made, modules = build_outputs(build_place, tools, "pure", sample, rows)
    assert {"wheel", "sdist"} == set(made)
    assert modules > 50
    for row in rows.outputs:
        assert (row["status"], row["reason"], row["lacks"]) == ("built", "", [])
        assert row["licence_files"] == ["LICENSE", "NOTICE"]
        assert row["record_faults"] == []
    wheel = [row["path"] for row in rows.files if row["artifact"] == "wheel"]
    assert "assaydemo/data/table.json" in wheel
    assert ".dist-info/METADATA" in wheel
    names = {row["field"]: row["values"] for row in rows.metadata if row["artifact"] == "wheel"}
    assert names["Name"] == ["assaydemo"]
    assert names["(entry points)"][-1] == "console_scripts: assaydemo = assaydemo.core:main"
    repeat(build_place, tools, "pure", sample, rows, changes=("all of these",))
    with_epoch = [row["same"] for row in rows.repeats if row["epoch_set"]]
    assert with_epoch == [True, True]
    # flit takes the dates of the files, which were changed in between.
    without = {row["artifact"]: row for row in rows.repeats if not row["epoch_set"]}
    assert without["wheel"]["same"] is False
    assert without["wheel"]["same_content"] is True
    assert "byte" in without["wheel"]["first_difference"]


def test_a_project_that_cannot_be_built_is_a_row_with_a_reason(build_place: BuildPlace) -> None:
    tools, version = toolchain(build_place, "flit-core")
    sample = write_pure(build_place.folder("pure") / "demo", backend_named("flit-core"), version)
    (sample.folder / "pyproject.toml").write_text("[project]\nname = 'x'\nversion = 'not a version'\n")
    rows = Rows()
    made, _ = build_outputs(build_place, tools, "pure", sample, rows)
    assert made == {}
    assert [row["status"] for row in rows.outputs] == ["failed", "failed"]
    assert all(row["reason"] and "\n" not in row["reason"] for row in rows.outputs)


def test_a_backend_that_is_not_there_is_one_line(build_place: BuildPlace, tmp_path: Path) -> None:
    tools, _ = toolchain(build_place, "flit-core")
    with pytest.raises(NotBuiltError, match=r"no_such_backend cannot be imported: ModuleNotFoundError"):
        build_place.hooks(tools.environment, "no_such_backend", tmp_path, [])


def test_nothing_of_the_user_reaches_a_build(
    build_place: BuildPlace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "https://index.example/simple")
    monkeypatch.setenv("SECRET_TOKEN", "abc")
    (tmp_path / "spy.py").write_text(
        "import os\ndef build_wheel(out):\n"
        "    seen = [n for n in os.environ if n in ('PIP_EXTRA_INDEX_URL', 'SECRET_TOKEN')]\n"
        "    return ' '.join([*seen, 'home=' + os.environ['HOME'], 'index=' + os.environ['PIP_NO_INDEX']])\n"
    )
    tools, _ = toolchain(build_place, "flit-core")
    (call,), _ = build_place.hooks(
        tools.environment, "spy", tmp_path, [("build_wheel", ["/nowhere"])], backend_path=["."]
    )
    assert call.value == f"home={build_place.scratch}/home index=1"


def test_what_lies_outside_is_let_in_by_some_and_refused_by_others(build_place: BuildPlace) -> None:
    seen = {}
    common = ("installs", "editable", "odd-name", "dynamic-version", "readme-outside")
    for name, further in (
        ("flit-core", ("wheel-from-sdist", "odd-files", "link-outside", "unknown-key")),
        ("uv-build", ()),
    ):
        tools, version = toolchain(build_place, name)
        backend = backend_named(name)
        sample = write_pure(build_place.folder("pure") / "demo", backend, version)
        initialise_git(build_place, sample.folder)
        rows = Rows()
        made, _ = build_outputs(build_place, tools, "pure", sample, rows)
        try_features(
            build_place, tools, backend, version, "pure", sample, made, rows, features=(*common, *further)
        )
        seen[name] = {row["feature"]: row["outcome"] for row in rows.features}
        assert "not measured" not in seen[name].values(), rows.features
        for feature in ("installs", "editable", "wheel-from-sdist", "odd-name", "odd-files"):
            assert seen[name].get(feature, "works") == "works", rows.features
    assert seen["flit-core"]["link-outside"] == "refused"
    assert seen["flit-core"]["readme-outside"] == "refused"
    assert seen["flit-core"]["dynamic-version"] == "works"
    assert seen["uv-build"]["dynamic-version"] == "does not"


def test_a_readers_project_is_copied_and_built_by_its_own_backend_and_by_others(
    build_place: BuildPlace, tmp_path: Path
) -> None:
    (tmp_path / "src" / "mydemo").mkdir(parents=True)
    (tmp_path / "src" / "mydemo" / "__init__.py").write_text("")
    file = tmp_path / "pyproject.toml"
    file.write_text(
        '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
        '[project]\nname = "mydemo"\nversion = "0.3"\ndescription = "d"\n'
    )
    before = file.read_bytes()
    tools, version = toolchain(build_place, "flit-core")
    other = TimedBackend(tools, backend_named("flit-core"), version)
    found = Collected()
    build_own_project(build_place, read_project(tmp_path), [other], found)
    outputs = {(row["subject_id"], row["artifact"]): row for row in found.rows["backend_outputs"]}
    assert {row["status"] for row in outputs.values()} == {"built"}, outputs
    assert outputs["own-mydemo", "wheel"]["generator"].startswith("hatchling")
    assert outputs[tools.subject_id, "wheel"]["generator"].startswith("flit")
    assert [row["same"] for row in found.rows["backend_repeats"] if row["epoch_set"]] == [True] * 4
    assert [one.id for one in found.subjects] == ["own-mydemo"]
    assert file.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pyproject.toml", "src"]


@pytest.mark.proof
def test_builds_are_timed_in_turns_and_the_reference_twice(build_place: BuildPlace) -> None:
    taking_part = []
    for name in ("flit-core", "uv-build"):
        tools, version = toolchain(build_place, name)
        taking_part.append(TimedBackend(tools, backend_named(name), version))
    rows = time_builds(build_place, taking_part, profile="quick", budget_s=25.0, repeats=1)
    assert {row["comparison"] for row in rows} == {"backends", "sdists", "frontends"}
    hooks = [row for row in rows if row["comparison"] == "backends"]
    assert sorted(row["entry"] for row in hooks) == ["candidate", "control", "reference"]
    assert all(row["wall_s"] > 0 and row["cpu_s"] > 0 for row in hooks), hooks
    for row in rows:
        assert row["failure"] in ("", "the time was spent before its turn"), row
