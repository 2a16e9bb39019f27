"""shiv: a zip with a site-packages folder in it, unpacked into the user's HOME at the first start."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyassay.packagers.model import Built, Delivery, Form, InputKind, ToolFacts
from pyassay.packagers.staging import (
    ALL_INPUTS,
    Recipe,
    env_shebang,
    finished,
    program_name,
    python_too_old,
    split_entry_point,
    wheels,
)

if TYPE_CHECKING:
    from pyassay.packagers.model import Inputs, Project
    from pyassay.packagers.workshop import Workshop

__all__ = ["FORMS", "TOOL", "available", "build", "inputs"]

FORMS = (Form("shiv", "shiv", "shiv", quick=True),)
TOOL = ToolFacts(
    "shiv",
    ("shiv==1.0.8",),
    "BSD-2-Clause",
    "LICENSE in its wheel; the metadata says BSD License",
)


def available(form: Form, workshop: Workshop) -> str:
    """Return why it cannot be built here; empty: it can."""
    # Its own metadata says 3.6; the click that it needs has outgrown that.
    return python_too_old(workshop, TOOL.requirements[0], (3, 8))


def inputs(form: Form) -> tuple[InputKind, ...]:
    """Return which wheels make a difference to it."""
    return ALL_INPUTS


def build(form: Form, project: Project, inputs: Inputs, workshop: Workshop) -> Built:
    """Build it; the same bytes twice only by ``--reproducible``, which is on.

    Raises
    ------
    BuildError
        If it fails.
    """
    module, called = split_entry_point(project)
    packed = wheels(inputs)
    tools = workshop.environment(TOOL.requirements, inputs.python.executable)
    recipe = Recipe(workshop, inputs, tools, TOOL.requirements)
    target = workshop.output / program_name(project)
    recipe.run(
        [
            tools.bin / "shiv",
            *("--entry-point", f"{module}:{called}"),
            *("--python", env_shebang(inputs)),
            *("--output-file", target),
            "--reproducible",
            *("--no-index", "--no-deps"),
            *packed,
        ]
    )
    return finished(recipe, form, Delivery.FILE, target, target.name)
