"""venv-pack: a virtual environment as an archive, unpacked again where it is wanted.

Its ``bin/python`` is a link to the interpreter it was made with, which must lie at the same path there (or
where ``--python-prefix`` says); its scripts expect ``bin/activate`` first, so it is started by its Python.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyassay.packagers.model import Built, Delivery, Form, InputKind, ToolFacts
from pyassay.packagers.staging import (
    ALL_INPUTS,
    Recipe,
    finished,
    install,
    module_start,
    program_name,
    wheels,
)

if TYPE_CHECKING:
    from pyassay.packagers.model import Inputs, Project
    from pyassay.packagers.workshop import Workshop

__all__ = ["FORMS", "TOOL", "available", "build", "inputs"]

FORMS = (Form("venv-pack", "venv_pack", "venv-pack, unpacked"),)
TOOL = ToolFacts(
    "venv-pack",
    ("venv-pack==0.2.0",),
    "BSD-3-Clause",
    "LICENSE of its source archive; the metadata says BSD",
)


def available(form: Form, workshop: Workshop) -> str:
    """Return why it cannot be built here; empty: it can."""
    return ""


def inputs(form: Form) -> tuple[InputKind, ...]:
    """Return which wheels make a difference to it."""
    return ALL_INPUTS


def build(form: Form, project: Project, inputs: Inputs, workshop: Workshop) -> Built:
    """Build it, and unpack it as its reader does.

    Raises
    ------
    BuildError
        If it fails.
    """
    wheels(inputs)
    start = module_start(project, inputs)
    tools = workshop.environment(TOOL.requirements, inputs.python.executable)
    recipe = Recipe(workshop, inputs, tools, TOOL.requirements)
    name = program_name(project)
    environment, archive = workshop.folder / "environment", workshop.folder / f"{name}.tar.gz"
    recipe.run([inputs.python.executable, "-I", "-m", "venv", "--without-pip", environment])
    install(recipe, inputs, ("--python", environment / "bin" / "python"))
    recipe.run([tools.bin / "venv-pack", "--quiet", "--prefix", environment, "--output", archive])
    target = workshop.output / name
    target.mkdir()
    recipe.say(f"mkdir -p {recipe.word(str(target))}")
    recipe.run(["tar", "--extract", "--file", archive, "--directory", target])
    return finished(
        recipe,
        form,
        Delivery.FOLDER,
        target,
        "bin/python",
        arguments=start,
        versions=lambda name: name == "venv-pack",
    )
