"""A whole measurement in small: one packager, the pure patient, no containers."""

import subprocess
import sys
from pathlib import Path

import pytest
from pyassay.probes.packaging import TABLES, Settings, SettingsError, measure, takes
from pyassay.probes.packaging.catalogue import catalogue
from pyassay.subjects import find
from pyassay.subjects.model import SubjectKind

_LEAVES = """
import os, sys
from pyassay.probes.packaging.rooms import INSTALLED, Furniture, Rooms
engine = Rooms.connect()
with engine.room("debian:bookworm", {}, Furniture(writable=True, user="0:0")) as room:
    room.run(["/bin/true"], timeout_s=30)
    engine.commit(f"{INSTALLED}{engine.run_id}:left")
    print(engine.run_id, flush=True)
    os._exit(1)
"""


@pytest.fixture(scope="module")
def pythons():
    found = [one for one in find(str(Path(sys.executable).resolve())) if takes(one)]
    if not found:
        pytest.skip("the Python that runs the tests is none that packs")
    return found


def test_nothing_that_packs_is_an_error():
    with pytest.raises(SettingsError, match="no Python that packs"):
        measure([], Settings(patient="pure"))


def test_a_folder_that_is_no_project_is_an_error(tmp_path):
    with pytest.raises(SettingsError):
        measure([], Settings(patient=str(tmp_path)))


@pytest.mark.slow
def test_every_table_speaks_of_every_artifact(pythons, tmp_path):
    settings = Settings(
        packagers=("zipapp",),
        patient="pure",
        containers=False,
        start_minutes=0.05,
        cache=tmp_path,
        repeats=True,
    )
    seen, told = [], []
    measured = measure(pythons, settings, lambda *step: told.append(step), saved=seen.append)
    frames = measured.frames
    assert list(frames) == [schema.name for schema in TABLES]
    if measured.failed:
        pytest.skip(next(iter(measured.failed.values())))
    (subject,) = measured.subjects
    assert subject.kind is SubjectKind.BUILD
    assert subject.path.is_file()
    assert subject.id == f"build-zipapp-{pythons[0].version}"
    builds = frames["packaging_builds"]
    assert builds.status.tolist() == ["built"]
    assert builds.size_bytes.tolist() == [subject.path.stat().st_size]
    assert builds.carries_python.tolist() == [False]
    runs = frames["packaging_runs"]
    assert len(runs) == 19
    assert set(runs.outcome) == {"not measured"}
    assert len(frames["packaging_circumstances"]) == len(catalogue())
    assert frames["packaging_repeats"].epoch_set.tolist() == [False, True]
    samples = frames["packaging_start_samples"]
    good = samples[samples.failure == ""]
    assert {"reference", "control", "candidate"} <= set(good.entry)
    assert (good.wall_s > 0).all()
    assert len(seen) == 5
    assert told[-1][:2] == (100, 100)
    # All of it is in the cache now.
    again = measure(pythons, settings)
    assert again.frames["packaging_builds"].cached.tolist() == [True]
    assert again.frames["packaging_start_samples"].equals(samples)


@pytest.mark.engine
def test_images_that_a_crashed_run_has_left_are_swept():
    pytest.importorskip("docker", reason="the Docker SDK is not installed")
    from pyassay.places.container import EngineError
    from pyassay.probes.packaging.rooms import Rooms

    try:
        engine = Rooms.connect()
    except EngineError as error:
        pytest.skip(str(error))
    with engine:
        if not engine.has_image("debian:bookworm"):
            pytest.skip("the engine has no debian:bookworm")
        done = subprocess.run([sys.executable, "-c", _LEAVES], capture_output=True, text=True, check=False)
        name = f"pyassay-installed-{done.stdout.strip()}:left"
        assert engine.has_image(name), done.stderr
        assert engine.sweep_images() >= 1
        assert not engine.has_image(name)
        engine.sweep()
