"""Build one form of a project: from the cache if it was built before, failures too."""

from __future__ import annotations

from pathlib import Path

from pyassay.packagers.model import BuildError, Built, Form, Inputs, Project

__all__ = ["UnavailableError", "build_form"]


class UnavailableError(BuildError):
    """The packager cannot build this form here: one line that says why, and what would help."""


def build_form(
    form: Form,
    project: Project,
    inputs: Inputs,
    cache: Path | None = None,
    *,
    timeout_s: float,
    epoch: int | None = None,
    anew: bool = False,
    attempt: int = 1,
) -> Built:
    """Build it, or take it from the cache."""
    raise UnavailableError(f"{form.name}: not written yet")
