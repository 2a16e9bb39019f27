"""Wheels of a requirement set, for a Python, downloaded once."""

from __future__ import annotations

import hashlib
from pathlib import Path

from pyassay.probes.installers.registry import cache_folder, download
from pyassay.probes.installers.settings import RequirementSet
from pyassay.subjects.model import Interpreter

__all__ = ["pinned", "wheelhouse"]


def wheelhouse(wanted: RequirementSet, interpreter: Interpreter) -> Path:
    """Return the folder of wheels of a set, with all that it needs.

    Raises
    ------
    RegistryError
        If they cannot be had.
    """
    series = ".".join(interpreter.version.split(".")[:2])
    key = "\n".join((*wanted.requirements, series, interpreter.architecture, interpreter.libc))
    digest = hashlib.sha256(key.encode()).hexdigest()[:12]
    entry = cache_folder("installers") / "wheels" / f"{wanted.name}-{series}-{digest}"
    return download(wanted.requirements, entry, python=interpreter.executable)


def pinned(folder: Path) -> list[str]:
    """Return a folder's distributions as exact requirements, sorted."""
    from pyassay.probes.installers.index_files import distributions

    return sorted(f"{one.project}=={one.version}" for one in distributions([folder]))
