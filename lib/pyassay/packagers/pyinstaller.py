"""PyInstaller: follows imports, puts modules, an interpreter and its libraries beside a bootloader."""

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
    requirement,
)

if TYPE_CHECKING:
    from pyassay.packagers.model import Inputs, Project
    from pyassay.packagers.workshop import Workshop

__all__ = ["FORMS", "TOOL", "available", "build", "inputs"]

FORMS = (
    Form("pyinstaller-onedir", "pyinstaller", "PyInstaller --onedir", quick=True),
    Form("pyinstaller-onefile", "pyinstaller", "PyInstaller --onefile"),
)
TOOL = ToolFacts(
    "PyInstaller",
    ("pyinstaller==6.22.3", "pyinstaller-hooks-contrib==2026.9"),
    "GPL-2.0-or-later WITH Bootloader-exception",
    "COPYING.txt in its wheel; the metadata says GPLv2-or-later with a special exception",
)
_PARTS = frozenset({"pyinstaller", "pyinstaller-hooks-contrib", "altgraph", "packaging", "setuptools"})


def available(form: Form, workshop: Workshop) -> str:
    """Return why it cannot be built here; empty: it can."""
    return python_too_old(workshop, TOOL.requirements[0], (3, 8))


def inputs(form: Form) -> tuple[InputKind, ...]:
    """Return which wheels make a difference to it."""
    return ALL_INPUTS


def build(form: Form, project: Project, inputs: Inputs, workshop: Workshop) -> Built:
    """Build it. It is told of the project's own data and of all metadata: by itself it takes neither.

    Raises
    ------
    BuildError
        If it fails.
    """
    named = requirement(project).partition("==")[0]
    packages = own_packages(project, inputs)
    tools = workshop.environment(TOOL.requirements, inputs.python.executable)
    recipe = Recipe(workshop, inputs, tools, TOOL.requirements)
    python = own_environment(recipe, inputs)
    script = workshop.folder / "entry.py"
    entry_script(project, script, recipe)
    name = program_name(project)
    onefile = form.name == "pyinstaller-onefile"
    recipe.run(
        [
            # Not isolated, else Python would not see PYTHONHASHSEED.
            *(python, python.parent / "pyinstaller"),
            "--onefile" if onefile else "--onedir",
            *("--name", name, "--noconfirm", "--noupx"),
            *("--recursive-copy-metadata", named),
            *(word for package in packages for word in ("--collect-all", package)),
            *("--distpath", workshop.output, "--workpath", workshop.folder / "work"),
            *("--specpath", workshop.folder),
            script,
        ],
        # The order of sets reaches the archive.
        environment={} if workshop.source_date_epoch is None else {"PYTHONHASHSEED": "1"},
    )
    delivery = Delivery.FILE if onefile else Delivery.FOLDER
    path = workshop.output / name
    return finished(recipe, form, delivery, path, name, versions=_PARTS.__contains__)
