"""The tree made by hand, for real: it works where it was never built, and is the same twice."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from pyassay.packagers import by_hand, python_tree
from pyassay.packagers.model import BuildError, Built, Delivery, Inputs, Project
from pyassay.subjects.model import Interpreter

FORM = by_hand.FORMS[0]


def _run(built: Built, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "PYTHONPATH": "/nonexistent"}
    return subprocess.run(
        [folder / built.program, *built.arguments, *arguments],
        capture_output=True,
        text=True,
        cwd="/",
        env=environment,
        timeout=60,
        check=False,
    )


def test_it_works_after_a_move(
    build_pure: Callable[..., Built], pure_patient: Project, tmp_path: Path
) -> None:
    built = build_pure(FORM)
    assert built.delivery is Delivery.FOLDER
    moved = tmp_path / "with a space"
    shutil.copytree(built.path, moved, symlinks=True)
    ran = _run(built, moved, "run")
    assert ran.returncode == 0, ran.stderr
    assert set(json.loads(ran.stdout)["works"]) >= set(pure_patient.expected)
    facts = json.loads(_run(built, moved, "facts").stdout)
    assert all(Path(one).is_relative_to(moved) for one in facts["sys_path"]), facts["sys_path"]
    assert "hello" in facts["resource"]
    assert _run(built, moved, "exit", "7").returncode == 7
    assert built.duration_s > 0
    assert not any(str(built.path.parent) in line for line in built.commands)


def test_through_a_link_too(build_pure: Callable[..., Built], tmp_path: Path) -> None:
    built = build_pure(FORM)
    link = tmp_path / "start"
    link.symlink_to(built.path / built.program)
    assert subprocess.run([link, "--help"], capture_output=True, timeout=60, check=False).returncode == 0


def test_the_same_bytes_twice(build_pure: Callable[..., Built]) -> None:
    first, second = _digests(build_pure(FORM).path), _digests(build_pure(FORM, attempt=2).path)
    assert len(first) > 100
    assert {name for name in first.keys() | second.keys() if first.get(name) != second.get(name)} == set()


def _digests(folder: Path) -> dict[str, str]:
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in folder.rglob("*")
        if file.is_file() and not file.is_symlink()
    }


def test_what_needs_no_packaging_is_left_out(build_pure: Callable[..., Built]) -> None:
    names = {path.name for path in build_pure(FORM).path.rglob("*")}
    assert not names & {"ensurepip", "idlelib", "tkinter", "EXTERNALLY-MANAGED", "pip", "direct_url.json"}
    assert "click" in names


@pytest.mark.parametrize("name", ["a b", "$(touch x)", "../up", "-m", "a;b", "", "a\nb", "a'b"])
def test_a_hostile_name_never_reaches_a_shell(
    name: str, build_pure: Callable[..., Built], pure_patient: Project
) -> None:
    for project in (
        dataclasses.replace(pure_patient, script=name),
        dataclasses.replace(pure_patient, module=name),
    ):
        with pytest.raises(BuildError) as error:
            build_pure(FORM, project)
        assert "\n" not in str(error.value)


def test_a_wheelhouse_of_something_else_is_one_line(
    build_pure: Callable[..., Built], pure_patient: Project, pure_wheels: Inputs, tmp_path: Path
) -> None:
    for content, telling in ((None, "no wheel"), ("click.whl", "wheel"), ("x-1-py3-none-any.whl", "x")):
        folder = tmp_path / str(content)
        folder.mkdir()
        if content:
            (folder / content).write_bytes(b"not a zip")
        with pytest.raises(BuildError, match=telling) as error:
            build_pure(FORM, pure_patient, dataclasses.replace(pure_wheels, wheelhouse=folder))
        assert "\n" not in str(error.value)


def test_pythons_that_cannot_be_copied_are_refused_in_a_line(running_interpreter: Interpreter) -> None:
    assert python_tree.why_not_copied(running_interpreter) == ""
    conda = dataclasses.replace(running_interpreter.provenance, builder="conda")
    for changed in (
        dataclasses.replace(running_interpreter, error="hung"),
        dataclasses.replace(running_interpreter, stdlib=None),
        dataclasses.replace(running_interpreter, implementation="pypy"),
        dataclasses.replace(running_interpreter, provenance=conda),
    ):
        reason = python_tree.why_not_copied(changed)
        assert reason.startswith(running_interpreter.label)
        assert "\n" not in reason
