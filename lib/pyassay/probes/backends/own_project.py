"""A project of the reader's own: copied, built with its own backend, and with others where that is fair."""

from __future__ import annotations

import re
import shutil
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyassay.probes.backends.catalogue import BACKENDS, normalised
from pyassay.probes.backends.projects import build_system

__all__ = ["OwnProject", "ProjectError", "copied", "exchanged", "read_project"]

_MAX_FILE_BYTES = 1 << 20
_MAX_COPY_BYTES = 512 << 20
_LEFT_OUT = shutil.ignore_patterns(
    ".venv", "venv", "node_modules", "__pycache__", ".tox", ".nox", ".mypy_cache", ".ruff_cache", "*.egg-info"
)
_TABLES = {
    "flit-core": ("flit",),
    "uv-build": ("uv",),
    "hatchling": ("hatch",),
    "setuptools": ("setuptools", "setuptools_scm"),
    "pdm-backend": ("pdm",),
    "poetry-core": ("poetry",),
    "meson-python": ("meson-python",),
    "scikit-build-core": ("scikit-build",),
    "maturin": ("maturin",),
}
_LEGACY = ("setup.py", "setup.cfg", "meson.build", "CMakeLists.txt", "Cargo.toml")


class ProjectError(ValueError):
    """The reader's project cannot be read: one line that names it."""


@dataclass(frozen=True, slots=True)
class OwnProject:
    """What a ``pyproject.toml`` says.

    Attributes
    ----------
    folder : Path
    name : str
        Of ``[project]``, or of the folder.
    build_backend : str
        What its ``[build-system]`` names; setuptools where it names none, as PEP 517 says.
    backend_path : tuple of str
    requires : tuple of str
        What its ``[build-system]`` requires.
    backend : str
        The distribution of the catalogue that this is; empty: none of them.
    unfair : tuple of str
        Why other backends cannot be compared fairly on it; none: they can.
    """

    folder: Path
    name: str
    build_backend: str
    backend_path: tuple[str, ...]
    requires: tuple[str, ...]
    backend: str
    unfair: tuple[str, ...]


def read_project(folder: Path) -> OwnProject:
    """Read what a project says of how it is built.

    Raises
    ------
    ProjectError
        If there is no ``pyproject.toml`` that can be read.
    """
    file = folder / "pyproject.toml"
    try:
        with file.open("rb") as stream:
            data = stream.read(_MAX_FILE_BYTES + 1)
        if len(data) > _MAX_FILE_BYTES:
            raise ProjectError(f"{file}: larger than {_MAX_FILE_BYTES} bytes")
        declared = tomllib.loads(data.decode())
    except OSError as error:
        raise ProjectError(f"{file}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        if isinstance(error, ProjectError):
            raise
        raise ProjectError(f"{file}: not TOML: {' '.join(str(error).split())}") from error
    system, about = _table(declared, "build-system"), _table(declared, "project")
    build_backend = str(system.get("build-backend") or "setuptools.build_meta:__legacy__")
    name = about.get("name")
    return OwnProject(
        folder,
        name if isinstance(name, str) and name else folder.resolve().name,
        build_backend,
        _texts(system.get("backend-path")),
        _texts(system.get("requires")) or ("setuptools",),
        next((one.name for one in BACKENDS if one.build_backend == build_backend.partition(":")[0]), ""),
        tuple(_unfair(folder, declared, about, build_backend)),
    )


def _table(declared: dict[str, Any], name: str) -> dict[str, Any]:
    found = declared.get(name, {})
    return found if isinstance(found, dict) else {}


def _texts(value: object) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, list) else ()


def _unfair(folder: Path, declared: dict[str, Any], about: dict[str, Any], backend: str) -> list[str]:
    reasons = []
    if not about.get("name"):
        reasons.append("it has no [project] table: its metadata are the backend's own")
    if dynamic := _texts(about.get("dynamic")):
        reasons.append(f"its backend fills in {', '.join(dynamic)}")
    known = next((one.name for one in BACKENDS if one.build_backend == backend.partition(":")[0]), "")
    tool = _table(declared, "tool")
    for name in _TABLES.get(known, ()):
        settings = tool.get(name)
        # [tool.uv] is mostly about other things.
        if name == "uv" and not (isinstance(settings, dict) and "build-backend" in settings):
            continue
        if settings:
            reasons.append(f"[tool.{name}] tells its backend what no other reads")
    for name in _LEGACY:
        if (folder / name).is_file():
            reasons.append(f"{name} is for its backend only")
    return reasons


def copied(project: OwnProject, to: Path) -> Path:
    """Copy a project; environments and caches in it are left out.

    Raises
    ------
    ProjectError
        If it is larger than half a gigabyte, or cannot be read.
    """
    total = 0
    try:
        for path in project.folder.rglob("*"):
            if path.is_file() and not path.is_symlink():
                total += path.stat().st_size
                if total > _MAX_COPY_BYTES:
                    raise ProjectError(f"{project.folder}: larger than {_MAX_COPY_BYTES} bytes")
        shutil.copytree(project.folder, to, symlinks=True, ignore=_LEFT_OUT)
    except (OSError, shutil.Error) as error:
        raise ProjectError(
            f"{project.folder}: cannot be copied: {' '.join(str(error).split())[:200]}"
        ) from error
    return to


def exchanged(text: str, backend: str, version: str) -> str:
    """Return a ``pyproject.toml`` with another backend in ``[build-system]``, all else as it was.

    Parameters
    ----------
    text : str
    backend : str
        A name of the catalogue.
    version : str
    """
    known = next(one for one in BACKENDS if one.name == normalised(backend))
    kept: list[str] = []
    skipping = False
    for line in text.splitlines(keepends=True):
        heading = re.match(r"\s*\[\[?\s*([^\]#]+?)\s*\]", line)
        # An array over several lines begins with "[", too, but not one that has a word in it.
        if heading is not None and re.fullmatch(r"[A-Za-z0-9_.\"'-]+", heading[1]):
            skipping = heading[1] == "build-system"
        if not skipping:
            kept.append(line)
    return f"{build_system(known, version)}\n{''.join(kept)}"
