"""Wheels of a requirement set, for a Python, downloaded once."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from pyassay.probes.installers.registry import RegistryError, cache_folder, download
from pyassay.probes.installers.settings import RequirementSet
from pyassay.subjects.model import Interpreter

__all__ = ["pinned", "set_row", "wheelhouse"]


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


def set_row(wanted: RequirementSet, interpreter: Interpreter) -> dict[str, Any]:
    """Return the row of the table of requirement sets; one that cannot be had says why."""
    try:
        folder, reason = wheelhouse(wanted, interpreter), ""
        wheels = list(folder.glob("*.whl"))
        distributions = pinned(folder)
    except RegistryError as error:
        wheels, distributions, reason = [], [], str(error)
    return {
        "set": wanted.name,
        "meaning": wanted.meaning,
        "requirements": list(wanted.requirements),
        "distributions": distributions,
        "wheels_bytes": sum(path.stat().st_size for path in wheels) if wheels else None,
        "with_extensions": len([path for path in wheels if not path.stem.endswith("-any")]),
        "imports": wanted.imports,
        "python_id": interpreter.id,
        "python": interpreter.label,
        "reason": reason,
    }


def pinned(folder: Path) -> list[str]:
    """Return a folder's distributions as exact requirements, sorted."""
    from pyassay.probes.installers.index_files import distributions

    return sorted(f"{one.project}=={one.version}" for one in distributions([folder]))
