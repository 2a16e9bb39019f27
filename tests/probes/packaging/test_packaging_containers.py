import contextlib
import shutil
import subprocess

import pytest
from corpus.hand_packed import BAD, GOOD, candidate, project, read, script
from pyassay.packagers.model import Delivery
from pyassay.places.container import EngineError
from pyassay.probes.packaging.circumstances import Behaviour
from pyassay.probes.packaging.environments import ENVIRONMENTS, Environment, prepared
from pyassay.probes.packaging.foretelling import Foreteller
from pyassay.probes.packaging.runs import Runner, environments_of
from pyassay.probes.packaging.store import Store
from pyassay.probes.packaging.tables import CIRCUMSTANCES, FOOTPRINTS, RUNS

BARE = next(one for one in ENVIRONMENTS if one.name == "debian:12 bare")
EMPTY = next(one for one in ENVIRONMENTS if one.name == "empty")

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def places():
    pytest.importorskip("docker", reason="the Docker SDK is not installed")
    found = prepared((BARE, EMPTY), build_images=False)
    if found.missing:
        found.close()
        pytest.skip(next(iter(found.missing.values())))
    yield found
    found.close()


def test_thirteen_places_and_six_beside_the_builder(tmp_path):
    one = candidate(script(tmp_path, GOOD))
    assert len(environments_of(one)) == 13
    one.carries_python = False
    assert len(environments_of(one)) == 19
    assert len({place.image for place in ENVIRONMENTS}) == 13
    assert next(place.recipe for place in ENVIRONMENTS if place.name == "debian:13 with libraries") == (
        "debian:trixie+libcurl4t64,libpq5"
    )


def test_without_an_engine_every_row_says_so(tmp_path):
    none = prepared(ENVIRONMENTS, build_images=False, wanted=False)
    one = candidate(script(tmp_path, GOOD))
    store = Store(tmp_path / "store")
    rows = list(Runner(none, store, Foreteller(none, store, read)).rows([one]))
    assert len(rows) == 13
    assert {(row["outcome"], row["error_line"]) for row in rows} == {
        ("not measured", "containers were not asked for")
    }
    assert len(RUNS.frame(rows)) == 13


def test_it_runs_where_a_shell_is_as_foretold(tmp_path, places, monkeypatch):
    monkeypatch.setattr("pyassay.probes.packaging.runs.ENVIRONMENTS", (BARE, EMPTY))
    good = candidate(script(tmp_path, GOOD))
    (tmp_path / "liar").mkdir()
    liar = candidate(script(tmp_path / "liar", "#!/bin/sh\necho fine\n"), name="liar")
    gone = candidate(script(tmp_path / "liar", GOOD, "gone"), name="gone")
    gone.built, gone.reason = None, "the compiler has gone"
    asked = []

    def reads(one):
        asked.append(one.subject_id)
        return read(one)

    store = Store(tmp_path / "store")
    rows = list(Runner(places, store, Foreteller(places, store, reads)).rows([good, liar, gone]))
    seen = {(row["subject_id"], row["environment"]): row for row in rows}
    assert len(seen) == 6
    ran = seen[good.subject_id, BARE.name]
    assert (ran["outcome"], ran["exit_code"], ran["works"], ran["predicted"]) == ("ran", 0, ["part"], True)
    lied = seen[liar.subject_id, BARE.name]
    assert lied["outcome"] == "failed"
    assert "did not say part" in lied["error_line"]
    nowhere = seen[good.subject_id, EMPTY.name]
    assert (nowhere["outcome"], nowhere["predicted"]) == ("failed", False)
    assert seen[gone.subject_id, BARE.name]["error_line"] == "not built: the compiler has gone"
    # A second time nothing is read or run.
    asked.clear()
    monkeypatch.setattr(places.engine, "room", None)
    again = list(Runner(places, store, Foreteller(places, store, reads)).rows([good, liar, gone]))
    assert again == rows
    assert asked == []


@pytest.fixture(scope="module")
def tried(places, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tried")
    found = {}
    for name, text in (("good", GOOD), ("bad", BAD)):
        (folder / name).mkdir()
        one = candidate(script(folder / name, text), name=name)
        (rows,) = Behaviour(places, Store(folder / "store")).rows([(one, BARE, "")])
        found[name] = rows
    return found


def outcomes(rows):
    return {row["circumstance"]: row["outcome"] for row in rows.circumstances}


def test_what_behaves_well_works_in_every_circumstance(tried):
    found = outcomes(tried["good"])
    assert found.pop("fuse") == "not measured"
    assert set(found.values()) == {"works"}, tried["good"].circumstances
    assert len(CIRCUMSTANCES.frame(tried["good"].circumstances)) == len(found) + 1


def test_what_behaves_badly_is_found_out(tried):
    found = outcomes(tried["bad"])
    seen = {row["circumstance"]: row["seen"] for row in tried["bad"].circumstances}
    failing = {
        *("read-only", "nothing-writable", "other-user", "pythonpath", "file", "resource"),
        *("sys-path", "subprocess", "spawn", "exit-code", "arguments-and-stdin", "sigterm", "sigkill"),
    }
    assert {key for key, outcome in found.items() if outcome == "fails"} == failing
    assert seen["pythonpath"] == "imported the foreign json"
    assert seen["sigkill"].startswith("left 9 bytes in the temporary folder (_MEI")
    assert "instead of 7" in seen["exit-code"]


def test_footprints_count_what_is_written_and_left(tried):
    first, second = tried["bad"].footprints
    assert (first["home_bytes"], first["left_bytes"]) == (5, 0)
    assert (second["home_bytes"], second["temporary_bytes"], second["left_after_kill_bytes"]) == (5, 9, 9)
    assert {row["reason"] for row in tried["bad"].footprints} == {""}
    assert [row["home_bytes"] for row in tried["good"].footprints] == [0, 0]
    assert len(FOOTPRINTS.frame(tried["bad"].footprints)) == 2


def test_what_rests_on_the_patients_commands_is_not_asked_of_others(places, tmp_path):
    one = candidate(script(tmp_path, GOOD), of=project(speaks=False))
    (rows,) = Behaviour(places, Store(tmp_path / "store")).rows([(one, BARE, "")])
    found = outcomes(rows)
    assert (found["sigterm"], found["read-only"]) == ("not measured", "works")
    assert "no command wait" in rows.footprints[0]["reason"]


def test_a_package_is_installed_for_real_and_leaves_no_image(places, tmp_path, monkeypatch):
    if shutil.which("dpkg-deb") is None:
        pytest.skip("no dpkg-deb")
    monkeypatch.setattr("pyassay.probes.packaging.runs.ENVIRONMENTS", (BARE, EMPTY))
    found = []
    for name, depends in (("fits", "libc6"), ("wants", "pyassay-ghost (>= 2)")):
        tree = tmp_path / name
        (tree / "DEBIAN").mkdir(parents=True)
        (tree / "opt/patient").mkdir(parents=True)
        (tree / "usr/bin").mkdir(parents=True)
        script(tree / "opt/patient", GOOD)
        (tree / "usr/bin/patient").symlink_to("/opt/patient/program")
        (tree / "DEBIAN/control").write_text(
            f"Package: patient\nVersion: 1\nArchitecture: all\nMaintainer: a <a@b.c>\n"
            f"Depends: {depends}\nDescription: x\n"
        )
        deb = tmp_path / f"{name}.deb"
        subprocess.run(["dpkg-deb", "--root-owner-group", "-b", tree, deb], check=True, capture_output=True)
        found.append(candidate(deb, program="/usr/bin/patient", delivery=Delivery.PACKAGE, name=name))
    store = Store(tmp_path / "store")
    rows = list(Runner(places, store, Foreteller(places, store, read)).rows(found))
    seen = {(row["subject_id"], row["environment"]): row for row in rows}
    fits, wants = (seen[one.subject_id, BARE.name] for one in found)
    assert (fits["outcome"], fits["predicted"]) == ("ran", True), fits["error_line"] + fits["predicted_why"]
    assert (wants["outcome"], wants["predicted"]) == ("failed", False)
    assert "depends on pyassay-ghost (>= 2)" in wants["error_line"]
    assert wants["predicted_why"] == "depends on pyassay-ghost (>= 2)"
    left = [tag for image in places.engine.images() for tag in image.tags if "pyassay-installed" in tag]
    assert not [tag for tag in left if places.engine.run_id in tag]


def test_an_image_that_cannot_be_had_is_a_reason():
    ghost = Environment("debian:0 bare", "debian:0", "pyassay-ghost")
    try:
        places = prepared((ghost,), build_images=False)
    except EngineError as error:
        pytest.skip(str(error))
    with contextlib.closing(places):
        if places.engine is None:
            pytest.skip(places.missing[ghost.name])
        assert "pyassay images build debian:pyassay-ghost" in places.missing[ghost.name]
