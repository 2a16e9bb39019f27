"""Projects are read with suspicion; wheels are real ones, compiled here where a compiler is."""

from __future__ import annotations

import dataclasses
import io
import os
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest
from pyassay.packagers.model import BuildError, InputKind
from pyassay.packagers.oldest import check_there
from pyassay.packagers.projects import build_settings, copy_source
from pyassay.packagers.sdists import build_requires
from pyassay.packagers.wheels import InputsUnavailable, ProjectError, make_inputs, project
from pyassay.packagers.workshop import Workshop
from pyassay.resources import share
from pyassay.subjects.interpreters import Gathering
from pyassay.subjects.model import Interpreter

MINIMAL = """
[project]
name = "mine"
version = "1"
[project.scripts]
mine = "mine.cli:main"
"""


def written(folder: Path, text: str | bytes) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "pyproject.toml").write_bytes(text.encode() if isinstance(text, str) else text)
    return folder


# Projects ----------------------------------------------------------------------------------------------


def test_a_project_of_ones_own_needs_no_settings(tmp_path: Path) -> None:
    mine = project(written(tmp_path / "p", MINIMAL))
    assert (mine.name, mine.version, mine.module, mine.entry_point) == (
        "mine",
        "1",
        "mine.cli",
        "mine.cli:main",
    )
    assert mine.help_arguments == mine.check_arguments == ("--help",)
    assert (mine.expected, mine.speaks, mine.pure) == ((), False, False)
    assert project(tmp_path / "p" / "pyproject.toml") == mine
    (tmp_path / "p/src/mine").mkdir(parents=True)
    (tmp_path / "p/src/mine/__main__.py").write_text("")
    changed = project(tmp_path / "p")
    assert changed.module == "mine"
    assert changed.digest != mine.digest
    settings = build_settings(tmp_path / "p")
    assert settings.build_requires == ("setuptools", "wheel")
    assert settings.pins[InputKind.OLDEST] == ()


def test_what_is_no_source_does_not_count(tmp_path: Path) -> None:
    folder = written(tmp_path / "p", MINIMAL)
    before = project(folder)
    for name in (".git/a", "build/a", "x.egg-info/a", "a/__pycache__/a.pyc", ".venv/lib/a"):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text("x")
    after = project(folder)
    assert after.digest == before.digest
    copy_source(after, tmp_path / "copy")
    assert sorted(one.name for one in (tmp_path / "copy").iterdir()) == ["a", "pyproject.toml"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[project", "no TOML"),
        (b"\xff\xfe", "no TOML"),
        ("a = " + "[" * 5000, "no TOML"),
        ("#" * (2 << 20), "larger than 1 MiB"),
        ("", "project.name: None will not do"),
        ("project = 1", "project is no table"),
        ("[project]\nname = 'x'\n", "has no script"),
        (MINIMAL.replace('"mine"', '"../../mine"'), "project.name"),
        (MINIMAL.replace('"1"', '"1; rm -rf"'), "project.version"),
        (MINIMAL.replace("mine.cli:main", "mine.cli"), "project.scripts.mine"),
        (MINIMAL.replace("mine.cli:main", "mine.cli:main\\nimport os"), "project.scripts.mine"),
        (
            MINIMAL + 'other = "o:m"\nthird = "o:m"\n[tool.pyassay]\nscript = "fourth"',
            "is none of its scripts",
        ),
        (MINIMAL + '[tool.pyassay]\ncheck = "run"', "check is no list"),
        (MINIMAL + "[tool.pyassay]\nexpected = [1]", "expected holds something that is no text"),
        (MINIMAL + '[tool.pyassay]\npure = "yes"', "true or false"),
        (MINIMAL + '[tool.pyassay]\nmodule = "-c"', "tool.pyassay.module"),
    ],
)
def test_a_strange_project_is_one_line_that_names_it(tmp_path: Path, text: str | bytes, why: str) -> None:
    folder = written(tmp_path / "strange\nname", text)
    with pytest.raises(ProjectError) as said:
        project(folder)
    assert why in str(said.value)
    assert "strange\\nname" in str(said.value)
    assert "\n" not in str(said.value)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('[build-system]\nrequires = ["--index-url=x"]', "build-system.requires"),
        ('[tool.pyassay]\nfrom-source = ["-r file"]', "from-source"),
        ('[tool.pyassay]\ndebian-packages = ["a;b"]', "debian-packages"),
        ('[tool.pyassay]\nbuild-environment = {"a=b" = "c"}', "build-environment"),
        ('[tool.pyassay.pins]\nnewest = ["a==1"]', "'newest' is none of raw, repaired, oldest"),
        ('[tool.pyassay.pins]\nraw = ["a == "]', "tool.pyassay.pins.raw"),
    ],
)
def test_settings_that_could_be_options_are_refused(tmp_path: Path, text: str, why: str) -> None:
    folder = written(tmp_path / "p", MINIMAL + text)
    with pytest.raises(ProjectError, match=why):
        build_settings(folder)


def test_a_folder_without_project_and_one_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="no such file: a project to pack has one"):
        project(tmp_path)
    os.mkfifo(tmp_path / "pyproject.toml")
    with pytest.raises(ProjectError, match="no such file"):
        project(tmp_path)


# Source distributions -----------------------------------------------------------------------------------


def test_requirements_of_a_source_distribution(tmp_path: Path) -> None:
    archive = tmp_path / "a-1.tar.gz"
    text = b'[build-system]\nrequires = ["flit-core>=3"]\n'
    with tarfile.open(archive, "w:gz") as opened:
        for name, data in (("a-1/deep/pyproject.toml", b"no"), ("a-1/pyproject.toml", text)):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            opened.addfile(member, io.BytesIO(data))
    assert build_requires(archive) == ("flit-core>=3",)
    archive.write_bytes(archive.read_bytes()[:40])
    assert build_requires(archive) == ("setuptools", "wheel")
    assert build_requires(tmp_path / "none") == ("setuptools", "wheel")


# Wheels -------------------------------------------------------------------------------------------------


def test_an_interpreter_that_cannot_be_used_has_no_wheels(
    running_interpreter: Interpreter, tmp_path: Path
) -> None:
    pure = project(share("data", "patient", "pure"))
    broken = dataclasses.replace(running_interpreter, error="does not start")
    with pytest.raises(InputsUnavailable, match=r"^running: does not start$"):
        make_inputs(InputKind.RAW, pure, broken, cache=tmp_path)


@pytest.mark.slow
def test_pure_wheels_are_made_once_and_work(running_interpreter: Interpreter, tmp_path: Path) -> None:
    pure = project(share("data", "patient", "pure"))
    try:
        made = make_inputs(InputKind.REPAIRED, pure, running_interpreter, cache=tmp_path)
    except InputsUnavailable as error:
        pytest.skip(f"no package registry, it seems: {error}")
    assert [name.split("-")[0] for name in made.wheels] == ["click", "patient"]
    assert all(name.endswith("-none-any.whl") for name in made.wheels)
    assert (made.kind, made.built_in, made.cached) == (InputKind.REPAIRED, "this host", False)
    assert made.size_bytes == sum(one.stat().st_size for one in made.wheelhouse.iterdir())
    assert made.cpu_s > 0
    assert not any(str(tmp_path) in command for command in made.commands)
    started = time.monotonic()
    again = make_inputs(InputKind.REPAIRED, pure, running_interpreter, cache=tmp_path)
    assert time.monotonic() - started < 1
    assert again == dataclasses.replace(made, cached=True)
    path = os.pathsep.join(str(made.wheelhouse / name) for name in made.wheels)
    done = subprocess.run(
        [sys.executable, "-S", "-m", "patient", "run"],
        env={"PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    # Metadata, too, and the data file, are found in the wheel as it is.
    assert '"works": ["click", "data"]' in done.stdout
    assert '"version": "1.0"' in done.stdout
    (made.wheelhouse / made.wheels[0]).write_bytes(b"cut")
    log = made.wheelhouse.parent / "build.log"
    before = log.stat().st_mtime_ns
    assert not make_inputs(InputKind.REPAIRED, pure, running_interpreter, cache=tmp_path).cached
    assert log.stat().st_mtime_ns > before


def test_a_systems_own_python_is_not_taken_to_an_old_one(
    running_interpreter: Interpreter, tmp_path: Path
) -> None:
    full = project(share("data", "patient", "full"))
    system = dataclasses.replace(running_interpreter, prefix=Path("/usr"))
    with (
        Workshop.open(tmp_path, build_key="one", timeout_s=60) as workshop,
        pytest.raises(BuildError, match="cannot be taken to debian:bullseye: give a Python"),
    ):
        check_there(workshop, system, build_settings(full.source), None)


@pytest.mark.slow
def test_wheels_of_the_whole_patient(tmp_path: Path) -> None:
    """Compile, repair and try all kinds: minutes, so only when asked for."""
    named = os.environ.get("PYASSAY_TEST_WHEELS")
    if not named:
        pytest.skip("PYASSAY_TEST_WHEELS is not set to an interpreter (3 minutes on two cores)")
    gathering = Gathering()
    key = gathering.add(Path(named), explicit=True)
    assert key is not None
    gathering.identify()
    python = gathering.get(key)
    full = project(share("data", "patient", "full"))
    raw = make_inputs(InputKind.RAW, full, python, cache=tmp_path)
    assert sum(name.endswith("-linux_x86_64.whl") for name in raw.wheels) == 3
    repaired = make_inputs(InputKind.REPAIRED, full, python, cache=tmp_path)
    assert sum("manylinux" in name for name in repaired.wheels) == 3
    assert repaired.size_bytes > raw.size_bytes
    assert repaired.duration_s > raw.duration_s
    kinds = [raw, repaired]
    try:
        kinds.append(make_inputs(InputKind.OLDEST, full, python, cache=tmp_path))
    except InputsUnavailable as error:
        assert "give" in str(error) or "engine" in str(error)
    else:
        assert kinds[-1].pins == ("pycurl==7.46.0",)
        assert any(name.startswith("pycurl-7.46.0-") for name in kinds[-1].wheels)
    for made in kinds:
        target = tmp_path / made.kind
        with Workshop.open(tmp_path, build_key="try", timeout_s=120) as workshop:
            tools = workshop.environment((), python.executable)
            files = sorted(made.wheelhouse.iterdir())
            workshop.run([tools.python, "-m", "pip", "install", "--no-deps", "--target", target, *files])
            said = workshop.run(
                [tools.python, "-m", "patient", "run"], environment={"PYTHONPATH": str(target)}
            )
        assert '"works": ["psycopg2", "pycurl", "extension"]' in said.stdout
