"""By hand: a relocatable copy of the Python, the wheels in it, and a launcher of three lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyassay.packagers.model import Built, Delivery, Form, InputKind, ToolFacts
from pyassay.packagers.python_tree import make_tree, safe_name, why_not_copied

if TYPE_CHECKING:
    from pyassay.packagers.model import Inputs, Project
    from pyassay.packagers.workshop import Workshop

__all__ = ["FORMS", "TOOL", "available", "build", "inputs"]

FORMS = (Form("by-hand", "by_hand", "by hand", slides_row="By hand", quick=True),)
TOOL = ToolFacts(
    name="by hand",
    requirements=(),
    licence="",
    licence_source="no tool: what is inside keeps the licences of the Python and of the wheels",
)


def available(form: Form, workshop: Workshop) -> str:
    """Return why the Python's files cannot be copied; empty: they can."""
    return why_not_copied(workshop.python)


def inputs(form: Form) -> tuple[InputKind, ...]:
    """Return all three: the wheels go in as they are."""
    return tuple(InputKind)


def build(form: Form, project: Project, inputs: Inputs, workshop: Workshop) -> Built:
    """Copy, install, compile, and write the launcher."""
    folder = workshop.output / safe_name(project.script, "a program")
    tree = make_tree(project, inputs, workshop, folder)
    return Built(
        form=form,
        delivery=Delivery.FOLDER,
        path=tree.folder,
        program=tree.launcher,
        commands=tuple(workshop.commands),
        tool_versions=tree.versions,
        duration_s=workshop.usage.duration_s,
        cpu_s=workshop.usage.cpu_s,
        peak_rss_bytes=workshop.usage.peak_rss_bytes,
        log=workshop.log,
    )
