"""The wheels that packagers are given: built on this host, repaired, or built on the oldest distribution."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pyassay.packagers.model import InputKind, Inputs, Project

if TYPE_CHECKING:
    from pyassay.places.container import Engine
    from pyassay.subjects.model import Interpreter

__all__ = ["InputsUnavailable", "ProjectError", "make_inputs", "project"]

_TIMEOUT_S = 1200.0


class InputsUnavailable(Exception):  # noqa: N818
    """Such wheels cannot be had here: one line that says why, and what would help."""


class ProjectError(Exception):
    """A folder is no project that can be packed: one line, names it."""


def project(path: Path) -> Project:
    """Read what is to be packed from the ``pyproject.toml`` of a folder."""
    raise ProjectError(f"{path}: not written yet")


def make_inputs(
    kind: InputKind,
    project: Project,
    python: Interpreter,
    *,
    cache: Path | None = None,
    engine: Engine | None = None,
    timeout_s: float = _TIMEOUT_S,
    anew: bool = False,
) -> Inputs:
    """Return the wheels of a project and of all that it needs, from the cache or made now."""
    raise InputsUnavailable(f"{kind}: not written yet")
