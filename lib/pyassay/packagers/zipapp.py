"""The standard library's zipapp: modules are imported from the zip itself, so extension modules are not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyassay.packagers.model import Built, Delivery, Form, InputKind, ToolFacts
from pyassay.packagers.staging import (
    ALL_INPUTS,
    Recipe,
    env_shebang,
    finished,
    install,
    program_name,
    split_entry_point,
    wheels,
)

if TYPE_CHECKING:
    from pyassay.packagers.model import Inputs, Project
    from pyassay.packagers.workshop import Workshop

__all__ = ["FORMS", "TOOL", "available", "build", "inputs"]

FORMS = (Form("zipapp", "zipapp", "zipapp", quick=True),)
# Which Python's it is, is what packs.
TOOL = ToolFacts("zipapp", (), "PSF-2.0", "LICENSE of CPython, whose standard library it is part of")


def available(form: Form, workshop: Workshop) -> str:
    """Return why it cannot be built here; it always can."""
    return ""


def inputs(form: Form) -> tuple[InputKind, ...]:
    """Return which wheels make a difference to it."""
    return ALL_INPUTS


def build(form: Form, project: Project, inputs: Inputs, workshop: Workshop) -> Built:
    """Build it: wheels installed into a folder, the folder zipped. It has no option for the same bytes twice.

    Raises
    ------
    BuildError
        If it fails.
    """
    module, called = split_entry_point(project)
    wheels(inputs)
    # An environment only for its pip.
    tools = workshop.environment((), inputs.python.executable)
    recipe = Recipe(workshop, inputs, tools)
    recipe.say(f"{recipe.word(str(inputs.python.executable))} -m venv tools")
    stage = workshop.folder / "stage"
    # Compiled files are of no use in __pycache__ folders of a zip.
    install(recipe, inputs, ("--target", stage), extra=("--no-compile",))
    target = workshop.output / program_name(project)
    recipe.run(
        [
            *(inputs.python.executable, "-I", "-m", "zipapp", stage),
            *("--main", f"{module}:{called}"),
            *("--python", env_shebang(inputs)),
            *("--output", target),
            "--compress",
        ]
    )
    return finished(
        recipe,
        form,
        Delivery.FILE,
        target,
        target.name,
        versions=lambda name: name == "pip",
        other_versions={"zipapp": f"of Python {inputs.python.version}"},
    )
