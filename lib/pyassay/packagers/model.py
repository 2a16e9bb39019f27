"""What is packed, from what, in which form, and what came out: plain records that know no tool."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pyassay.packagers.workshop import Workshop
    from pyassay.subjects.model import Interpreter

__all__ = [
    "BuildError",
    "Built",
    "Delivery",
    "Form",
    "InputKind",
    "Inputs",
    "Packager",
    "Project",
    "ToolFacts",
]


class BuildError(Exception):
    """A packager, or a step before it, failed: one line that names it and carries its own last words."""


class InputKind(StrEnum):
    """Where the wheels come from that a packager is given: that decides more than the packager does."""

    RAW = "raw"
    """Built on this host, as they are."""
    REPAIRED = "repaired"
    """Built on this host, then the system libraries put inside by auditwheel."""
    OLDEST = "oldest"
    """Built on the oldest distribution at hand, then repaired."""


class Delivery(StrEnum):
    """What kind of thing comes out."""

    FILE = "file"
    """One file that is started."""
    FOLDER = "folder"
    """A folder with a program in it."""
    PACKAGE = "package"
    """A .deb or .rpm: an installer must put it in place."""
    IMAGE = "image"
    """An image of a container engine."""


@dataclass(frozen=True, slots=True)
class Project:
    """The application that is packed: our patient, or the reader's own.

    Attributes
    ----------
    source : Path
        The folder with its ``pyproject.toml``.
    name, version : str
        Of its distribution.
    module : str
        What ``python -m`` starts.
    entry_point : str
        ``patient.cli:main``: of its console script.
    script : str
        The name of that script.
    help_arguments, check_arguments : tuple of str
        What is started to time it (``--help``) and to see that it works (``run``).
    expected : tuple of str
        What each must be part of the output of the check, else it did not work.
    speaks : bool
        Whether it has the patient's further commands (``facts``, ``exit``, ``wait``, ``spawn``, ``args``);
        what rests on those is not measured otherwise.
    pure : bool
        Whether neither it nor anything it needs has a compiled part.
    digest : str
        SHA-256 over its files' names and bytes.
    """

    source: Path
    name: str
    version: str
    module: str
    entry_point: str
    script: str
    help_arguments: tuple[str, ...]
    check_arguments: tuple[str, ...]
    expected: tuple[str, ...]
    speaks: bool
    pure: bool
    digest: str


@dataclass(frozen=True, slots=True)
class Inputs:
    """A wheelhouse: the project's own wheel and those of all that it needs, for one Python.

    Attributes
    ----------
    kind : InputKind
    wheelhouse : Path
        Holds exactly the wheels to install.
    python : Interpreter
        What they were built for, and what packs them.
    built_in : str
        ``this host``, or the image.
    digest : str
        SHA-256 over the wheels' names and bytes.
    wheels : tuple of str
        File names.
    size_bytes : int
        Of all of them.
    duration_s, cpu_s : float
        To build and repair them, wall and CPU; without downloads and the making of tools' environments.
    commands : tuple of str
        How to make them again, as lines for a shell.
    tool_versions : dict of str to str
        Of compiler, pip, auditwheel.
    cached : bool
        Whether an earlier run made them; the durations are that run's.
    pins : tuple of str
        The price of an old distribution: versions that they are held to, because newer ones do not compile
        there.
    """

    kind: InputKind
    wheelhouse: Path
    python: Interpreter
    built_in: str
    digest: str
    wheels: tuple[str, ...] = ()
    size_bytes: int = 0
    duration_s: float = 0.0
    cpu_s: float = 0.0
    commands: tuple[str, ...] = ()
    tool_versions: Mapping[str, str] = field(default_factory=dict)
    cached: bool = False
    pins: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Form:
    """One way of packing: a packager in one of its modes.

    Attributes
    ----------
    name : str
        Stable, fit for file names: ``pex-venv``.
    packager : str
        The module: ``pex``.
    label : str
        For a reader: ``pex --venv``.
    slides_row : str
        The row of the slides' table that it belongs to (``Pex``); empty: an extra of ours.
    quick : bool
        Whether it takes part in the quick profile.
    """

    name: str
    packager: str
    label: str
    slides_row: str = ""
    quick: bool = False


@dataclass(frozen=True, slots=True)
class ToolFacts:
    """Which tool it is.

    Attributes
    ----------
    name : str
        ``PyInstaller``.
    requirements : tuple of str
        Pinned: ``pyinstaller==6.22.3``; what its environment is made of. Empty: no Python package.
    licence : str
        SPDX expression as the tool's own metadata or its packager's says it.
    licence_source : str
        Where that stands.
    """

    name: str
    requirements: tuple[str, ...]
    licence: str
    licence_source: str


@dataclass(frozen=True, slots=True)
class Built:
    """An artifact, and what it took.

    Attributes
    ----------
    form : Form
    delivery : Delivery
    path : Path
        The file or folder. Of an image: a file as ``docker save`` writes it.
    program : str
        What is started: of a file its name, of a folder a path in it, of a package or image the absolute path
        where it then lies.
    arguments : tuple of str
        Put before the user's arguments.
    environment : dict of str to str
        Variables that this form is started with (``APPIMAGE_EXTRACT_AND_RUN``); mostly none.
    commands : tuple of str
        How to build it again, as lines for a shell.
    tool_versions : dict of str to str
        Of everything that had a part in it: packager, compiler, bootloader.
    duration_s, cpu_s : float
        Of the packager alone, without the making of its environment; wall and CPU (children included).
    peak_rss_bytes : int
        Of the largest process.
    environment_bytes : int
        What the packager's own environment takes on disk.
    log : Path
        What it said.
    cached : bool
        Whether an earlier run built it; the durations are that run's.
    """

    form: Form
    delivery: Delivery
    path: Path
    program: str
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    commands: tuple[str, ...] = ()
    tool_versions: Mapping[str, str] = field(default_factory=dict)
    duration_s: float = 0.0
    cpu_s: float = 0.0
    peak_rss_bytes: int = 0
    environment_bytes: int = 0
    log: Path = Path()
    cached: bool = False


class Packager(Protocol):
    """What each module of :mod:`pyassay.packagers` offers: three verbs and two constants."""

    FORMS: tuple[Form, ...]
    TOOL: ToolFacts

    def available(self, form: Form, workshop: Workshop) -> str:
        """Return why this form cannot be built here and what would help, one line; empty: it can."""

    def inputs(self, form: Form) -> tuple[InputKind, ...]:
        """Return which wheels make a difference to it; most forms: all three."""

    def build(self, form: Form, project: Project, inputs: Inputs, workshop: Workshop) -> Built:
        """Build it, in the workshop's folders only, or raise :class:`BuildError`."""
