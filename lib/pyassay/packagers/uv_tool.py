"""uv tool: the environment that ``uv tool install`` makes, taken as it is and copied elsewhere.

It is a virtual environment: packages, and links to an interpreter that must lie at the same path where it
goes. The script that uv writes names the path where it was installed, so a copy is started by its Python.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyassay.packagers.model import BuildError, Built, Delivery, Form, InputKind, ToolFacts
from pyassay.packagers.staging import ALL_INPUTS, Recipe, finished, module_start, requirement, wheels

if TYPE_CHECKING:
    from pyassay.packagers.model import Inputs, Project
    from pyassay.packagers.workshop import Workshop

__all__ = ["FORMS", "TOOL", "available", "build", "inputs"]

FORMS = (Form("uv-tool", "uv_tool", "uv tool install, copied"),)
TOOL = ToolFacts("uv", ("uv==0.13.9",), "MIT OR Apache-2.0", "License-Expression of its metadata")


def available(form: Form, workshop: Workshop) -> str:
    """Return why it cannot be built here; empty: it can."""
    return ""


def inputs(form: Form) -> tuple[InputKind, ...]:
    """Return which wheels make a difference to it."""
    return ALL_INPUTS


def build(form: Form, project: Project, inputs: Inputs, workshop: Workshop) -> Built:
    """Build it.

    Raises
    ------
    BuildError
        If it fails.
    """
    wanted = requirement(project)
    wheels(inputs)
    start = module_start(project, inputs)
    tools = workshop.environment(TOOL.requirements, inputs.python.executable)
    recipe = Recipe(workshop, inputs, tools, TOOL.requirements)
    environments = workshop.folder / "tools-of-uv"
    recipe.run(
        [
            *(tools.bin / "uv", "tool", "install"),
            *("--python", inputs.python.executable),
            *("--no-index", "--find-links", inputs.wheelhouse),
            *("--link-mode", "copy", "--no-progress"),
            wanted,
        ],
        environment={
            "UV_TOOL_DIR": str(environments),
            "UV_TOOL_BIN_DIR": str(workshop.folder / "bin"),
            "UV_CACHE_DIR": str(workshop.folder / "uv-cache"),
            "UV_PYTHON_DOWNLOADS": "never",
        },
    )
    found = [folder for folder in environments.iterdir() if (folder / "pyvenv.cfg").is_file()]
    if len(found) != 1:
        raise BuildError(f"{form.label}: it ended well but left no environment")
    # Installed where every build of it is, then copied: it holds the path of its installation.
    target = workshop.output / found[0].name
    recipe.run(["cp", "--archive", found[0], target])
    return finished(
        recipe,
        form,
        Delivery.FOLDER,
        target,
        "bin/python",
        arguments=start,
        versions=lambda name: name == "uv",
    )
