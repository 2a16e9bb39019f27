"""pex: wheels in a zip or folder that finds an interpreter, unpacks itself and checks what fits."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from pyassay.packagers.model import BuildError, Built, Delivery, Form, InputKind, ToolFacts
from pyassay.packagers.staging import (
    ALL_INPUTS,
    Recipe,
    finished,
    program_name,
    python_too_old,
    requirement,
    split_entry_point,
    wheels,
)

if TYPE_CHECKING:
    from pyassay.packagers.model import Inputs, Project
    from pyassay.packagers.workshop import Workshop

__all__ = ["FORMS", "SCIE_PARTS", "TOOL", "available", "build", "inputs"]

FORMS = (
    Form("pex-zip", "pex", "pex", "Pex"),
    Form("pex-venv", "pex", "pex --venv", "Pex"),
    Form("pex-loose", "pex", "pex --layout loose", "Pex"),
    Form("pex-shboot", "pex", "pex --venv --sh-boot", "Pex"),
    Form("pex-scie", "pex", "pex --scie eager", "Pex"),
)
TOOL = ToolFacts("pex", ("pex==2.105.2",), "Apache-2.0", "License-Expression of its metadata")

SCIE_PARTS = "PYASSAY_SCIE_PARTS"
"""Environment variable: a folder with the program ``science`` and what ``science download`` fetched."""

_OPTIONS: dict[str, tuple[str, ...]] = {
    "pex-zip": (),
    "pex-venv": ("--venv",),
    "pex-loose": ("--layout", "loose"),
    "pex-shboot": ("--venv", "--sh-boot"),
    "pex-scie": ("--venv", "--scie", "eager", "--scie-only"),
}
_SCIE_NEEDS = (
    "the program `science` (a fat one) and what its `science download` fetches (scie-jump, an archive of "
    "python-build-standalone), which come from release pages only"
)
_PROGRAMS = ("science", "science-fat-linux-x86_64", "science-fat-linux-aarch64")


def available(form: Form, workshop: Workshop) -> str:
    """Return why it cannot be built here; empty: it can."""
    if form.name == "pex-scie":
        found = _scie_parts()
        if isinstance(found, str):
            return found
    return python_too_old(workshop, TOOL.requirements[0], (3, 5))


def inputs(form: Form) -> tuple[InputKind, ...]:
    """Return which wheels make a difference to it."""
    return ALL_INPUTS


def build(form: Form, project: Project, inputs: Inputs, workshop: Workshop) -> Built:
    """Build it. Of the wheelhouse nothing is resolved: no pip is needed for that, and no index.

    Raises
    ------
    BuildError
        If it fails, or what a scie needs is not there.
    """
    module, called = split_entry_point(project)
    wheels(inputs)
    parts = _scie_parts() if form.name == "pex-scie" else None
    if isinstance(parts, str):
        raise BuildError(f"{form.label}: {parts}")
    scie: list[str | Path] = []
    if parts is not None:
        scie = ["--scie-science-binary", parts[0], "--scie-assets-base-url", parts[1].as_uri()]
    tools = workshop.environment(TOOL.requirements, inputs.python.executable)
    recipe = Recipe(workshop, inputs, tools, TOOL.requirements)
    if parts is not None:
        recipe.say(f"# scie-parts: {_SCIE_NEEDS}")
        recipe.call(parts[1], "scie-parts")
    loose = form.name == "pex-loose"
    # Without the suffix a scie takes the name itself.
    target = workshop.output / (program_name(project) + ("" if form.name == "pex-scie" else ".pex"))
    recipe.run(
        [
            *(tools.python, "-I", "-m", "pex"),
            requirement(project),
            *("--no-pypi", "--pre-resolved-dists", inputs.wheelhouse),
            *("--entry-point", f"{module}:{called}"),
            *_OPTIONS[form.name],
            *scie,
            *("--output-file", target),
        ],
        environment={"PEX_IGNORE_RCFILES": "1", "PEX_ROOT": str(workshop.folder / "pex-root")},
    )
    delivery = Delivery.FOLDER if loose else Delivery.FILE
    return finished(
        recipe,
        form,
        delivery,
        target,
        "__main__.py" if loose else target.name,
        versions=lambda name: name == "pex",
    )


def _scie_parts() -> tuple[Path, Path] | str:
    """Return the program and the folder of its parts, or why there are none."""
    named = os.environ.get(SCIE_PARTS, "")
    if not named:
        return f"needs {_SCIE_NEEDS}: name a folder with both in {SCIE_PARTS}"
    folder = Path(named).absolute()
    if not folder.is_dir():
        return f"{SCIE_PARTS}={named}: no such folder; it should hold {_SCIE_NEEDS}"
    for name in _PROGRAMS:
        program = folder / name
        if program.is_file() and os.access(program, os.X_OK):
            return program, folder
    return f"{SCIE_PARTS}={named}: no program `science` in it; it should hold {_SCIE_NEEDS}"
