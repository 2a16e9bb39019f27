"""Builds are kept by content: a tiny packager of our own, and what happens to it."""

from __future__ import annotations

import dataclasses
import sys
import types
from pathlib import Path

import pyassay.packagers
import pytest
from pyassay.packagers.build import FailedBuildError, UnavailableError, build_form
from pyassay.packagers.model import BuildError, Built, Delivery, Form, InputKind, Inputs, Project, ToolFacts
from pyassay.packagers.projects import project
from pyassay.packagers.workshop import ToolMissingError, Workshop
from pyassay.resources import share
from pyassay.subjects.model import Interpreter

FORM = Form("tiny", "tiny", "tiny")


class Tiny(types.ModuleType):
    """A packager that writes one file, and counts how often."""

    FORMS = (FORM,)
    TOOL = ToolFacts("tiny", (), "MIT", "here")

    def __init__(self, file: Path) -> None:
        super().__init__("pyassay.packagers.tiny")
        self.__file__ = str(file)
        self.calls = 0
        self.lacks = ""
        self.error: Exception | None = None
        self.command = "echo made > {output}/tiny"

    def available(self, form: Form, workshop: Workshop) -> str:
        return self.lacks

    def inputs(self, form: Form) -> tuple[InputKind, ...]:
        return (InputKind.RAW,)

    def build(self, form: Form, project: Project, inputs: Inputs, workshop: Workshop) -> Built:
        self.calls += 1
        if self.error:
            raise self.error
        workshop.run(["sh", "-c", self.command.format(output=workshop.output)])
        return Built(
            form,
            Delivery.FILE,
            workshop.output / "tiny",
            "tiny",
            ("-x",),
            {"A": "1"},
            tool_versions={"tiny": "1"},
        )


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tiny:
    file = tmp_path / "tiny.py"
    file.write_text("# a packager\n")
    module = Tiny(file)
    monkeypatch.setitem(sys.modules, "pyassay.packagers.tiny", module)
    monkeypatch.setattr(pyassay.packagers, "PACKAGERS", (*pyassay.packagers.PACKAGERS, "tiny"))
    return module


@pytest.fixture
def inputs(tmp_path: Path, running_interpreter: Interpreter) -> Inputs:
    folder = tmp_path / "wheels"
    folder.mkdir()
    return Inputs(InputKind.RAW, folder, running_interpreter, "this host", "0" * 64)


@pytest.fixture
def patient() -> Project:
    return project(share("data", "patient", "pure"))


def test_it_is_built_once_and_measured(tiny: Tiny, inputs: Inputs, patient: Project, tmp_path: Path) -> None:
    first = build_form(FORM, patient, inputs, tmp_path / "cache", timeout_s=60)
    again = build_form(FORM, patient, inputs, tmp_path / "cache", timeout_s=60)
    assert tiny.calls == 1
    assert not first.cached
    assert again == dataclasses.replace(first, cached=True)
    assert first.path.read_text() == "made\n"
    assert first.duration_s > 0
    assert first.peak_rss_bytes > 0
    assert first.commands
    assert "echo made" in first.log.read_text()


def test_what_makes_a_difference_makes_another(
    tiny: Tiny, inputs: Inputs, patient: Project, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    first = build_form(FORM, patient, inputs, cache, timeout_s=60)
    others = [
        build_form(FORM, dataclasses.replace(patient, digest="1" * 64), inputs, cache, timeout_s=60),
        build_form(FORM, patient, dataclasses.replace(inputs, digest="1" * 64), cache, timeout_s=60),
        build_form(FORM, patient, inputs, cache, timeout_s=60, epoch=1),
        build_form(FORM, patient, inputs, cache, timeout_s=60, attempt=2),
    ]
    Path(str(tiny.__file__)).write_text("# another packager\n")
    others.append(build_form(FORM, patient, inputs, cache, timeout_s=60))
    assert tiny.calls == 6
    assert len({one.path for one in [first, *others]}) == 6
    assert first.path.exists()


def test_a_version_that_the_backend_finds_is_that_of_the_wheel(
    tiny: Tiny, inputs: Inputs, patient: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    build = tiny.build

    def noting(form: Form, project: Project, inputs: Inputs, workshop: Workshop) -> Built:
        seen.append(project.version)
        return build(form, project, inputs, workshop)

    monkeypatch.setattr(tiny, "build", noting)
    for name in ("other-1-py3-none-any.whl", "Patient-2.5-py3-none-any.whl", "no wheel.whl"):
        (inputs.wheelhouse / name).touch()
    build_form(FORM, dataclasses.replace(patient, version=""), inputs, tmp_path / "cache", timeout_s=60)
    assert seen == ["2.5"]


def test_damage_is_noticed_and_anew_is_anew(
    tiny: Tiny, inputs: Inputs, patient: Project, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    first = build_form(FORM, patient, inputs, cache, timeout_s=60)
    first.path.write_text("cut")
    assert build_form(FORM, patient, inputs, cache, timeout_s=60).path.read_text() == "made\n"
    build_form(FORM, patient, inputs, cache, timeout_s=60, anew=True)
    assert tiny.calls == 3
    (first.log.parent / "build.json").write_text('{"built": [')
    build_form(FORM, patient, inputs, cache, timeout_s=60)
    assert tiny.calls == 4


def test_failures_are_kept_with_their_log(
    tiny: Tiny, inputs: Inputs, patient: Project, tmp_path: Path
) -> None:
    tiny.command = "echo 'Error: no such thing' >&2; exit 3"
    for _ in range(2):
        with pytest.raises(FailedBuildError, match=r"^sh: exit status 3: Error: no such thing$") as failed:
            build_form(FORM, patient, inputs, tmp_path / "cache", timeout_s=60)
        assert "no such thing" in failed.value.log.read_text()
    assert tiny.calls == 1
    tiny.command = "echo made > {output}/tiny"
    assert build_form(FORM, patient, inputs, tmp_path / "cache", timeout_s=60, anew=True)


def test_more_time_is_another_chance(tiny: Tiny, inputs: Inputs, patient: Project, tmp_path: Path) -> None:
    tiny.command = "sleep 30"
    for _ in range(2):
        with pytest.raises(FailedBuildError, match="not done after"):
            build_form(FORM, patient, inputs, tmp_path / "cache", timeout_s=1)
    assert tiny.calls == 1
    tiny.command = "echo made > {output}/tiny"
    assert build_form(FORM, patient, inputs, tmp_path / "cache", timeout_s=60)


def test_what_may_pass_is_not_kept(tiny: Tiny, inputs: Inputs, patient: Project, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    tiny.lacks = "no tiny here: install it"
    with pytest.raises(UnavailableError, match=r"^no tiny here: install it$"):
        build_form(FORM, patient, inputs, cache, timeout_s=60)
    tiny.lacks, tiny.error = "", ToolMissingError("index not reached")
    with pytest.raises(FailedBuildError, match="index not reached"):
        build_form(FORM, patient, inputs, cache, timeout_s=60)
    tiny.error = ZeroDivisionError("a bug\nof two lines")
    with pytest.raises(FailedBuildError, match=r"^tiny: ZeroDivisionError: a bug of two lines$") as failed:
        build_form(FORM, patient, inputs, cache, timeout_s=60)
    assert "Traceback" in failed.value.log.read_text()
    tiny.error = None
    assert build_form(FORM, patient, inputs, cache, timeout_s=60)
    assert isinstance(failed.value, BuildError)


def test_nothing_where_the_artifact_should_be_is_a_failure(
    tiny: Tiny, inputs: Inputs, patient: Project, tmp_path: Path
) -> None:
    tiny.command = "true"
    with pytest.raises(FailedBuildError, match=r"^tiny: nothing lies at .*tiny"):
        build_form(FORM, patient, inputs, tmp_path / "cache", timeout_s=60)
