"""The pure patient and its wheels, for the packagers that carry a Python."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from pyassay.packagers import packager
from pyassay.packagers.appimage_runtime import IMAGE
from pyassay.packagers.model import Built, Form, InputKind, Inputs, Project
from pyassay.packagers.wheels import InputsUnavailable, make_inputs
from pyassay.packagers.wheels import project as read_project
from pyassay.packagers.workshop import Workshop
from pyassay.places.base_images import image_name
from pyassay.places.container import Engine, EngineError
from pyassay.subjects.model import Interpreter

_PURE = Path(__file__).parents[2] / "data" / "patient" / "pure"
_EPOCH = 1_700_000_000

Build = Callable[..., Built]


@pytest.fixture(scope="session")
def pure_patient() -> Project:
    return read_project(_PURE)


@pytest.fixture(scope="session")
def why_no_appimage_runtime() -> str:
    """Say why our runtime cannot be compiled in seconds: no engine, or none of its image."""
    wanted = image_name(IMAGE)
    try:
        with Engine.connect() as engine:
            if engine.has_image(wanted) or os.environ.get("PYASSAY_BUILD_SLOW") == "1":
                return ""
    except EngineError as error:
        return str(error)
    return f"the engine has no {wanted}, which takes minutes: pyassay images build {IMAGE}"


@pytest.fixture(scope="session")
def workshops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("workshops")


@pytest.fixture(scope="session")
def pure_wheels(workshops: Path, pure_patient: Project, running_interpreter: Interpreter) -> Inputs:
    try:
        return make_inputs(InputKind.RAW, pure_patient, running_interpreter, cache=workshops)
    except InputsUnavailable as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def build_pure(workshops: Path, pure_patient: Project, pure_wheels: Inputs) -> Build:
    """Build a form of the pure patient, or of another project with its wheels; the same one once."""
    done: dict[str, Built] = {}

    def build(
        form: Form, project: Project = pure_patient, inputs: Inputs = pure_wheels, *, attempt: int = 1
    ) -> Built:
        named = hashlib.sha256(repr((project, inputs.wheelhouse)).encode()).hexdigest()[:12]
        key = f"test-{form.name}-{named}"
        if f"{key}.{attempt}" in done:
            return done[f"{key}.{attempt}"]
        module = packager(form.packager)
        with Workshop.open(
            workshops,
            build_key=key,
            timeout_s=900.0,
            source_date_epoch=_EPOCH,
            python=inputs.python,
            attempt=attempt,
        ) as workshop:
            why = module.available(form, workshop)
            if why:
                pytest.skip(why)
            done[f"{key}.{attempt}"] = module.build(form, project, inputs, workshop)
        return done[f"{key}.{attempt}"]

    return build
