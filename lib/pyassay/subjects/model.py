"""What is assayed: the immutable description of a subject."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

__all__ = ["Artifact", "Confidence", "Interpreter", "Provenance", "Subject", "SubjectKind"]


class SubjectKind(StrEnum):
    """The kinds of subject that a probe may be given."""

    INTERPRETER = "interpreter"
    ENVIRONMENT = "environment"
    ARTIFACT = "artifact"
    IMAGE = "image"
    BUILD = "build"
    """What a packager made of the patient: a probe's own subject."""
    TOOL = "tool"
    """An installer or a build backend, at one version: a probe's own subject."""


class Confidence(StrEnum):
    """How sure a statement of provenance is."""

    CERTAIN = "certain"
    LIKELY = "likely"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Provenance:
    """Who built an interpreter, and how that is known.

    Attributes
    ----------
    builder : str
        Short stable key: ``python-build-standalone``, ``debian``, ``ubuntu``, ``pyenv``, ``conda``,
        ``docker-official``, ``unknown``, ...
    label : str
        The same for a reader: ``python-build-standalone (installed by uv)``, ``Debian``.
    confidence : Confidence
        ``certain`` when the builder signed or named itself, ``likely`` when inferred.
    clues : tuple of str
        One sentence per clue, naming the file or variable and the value seen.
    installer : str
        Short key of who put it there, where that is another than the builder: ``uv``, ``google-cloud-sdk``;
        else empty.
    """

    builder: str
    label: str
    confidence: Confidence
    clues: tuple[str, ...] = ()
    installer: str = ""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """One Python, resolved through every symbolic link, shim and virtual environment.

    Attributes
    ----------
    id : str
        Stable within a run, fit for file names and HTML anchors: ``cpython-3.12.1-pyenv``.
    label : str
        What charts and tables call it: ``3.12.1 pyenv``; unique within one :func:`find`.
    kind : SubjectKind
        ``environment`` when the reader pointed at a virtual environment: then ``environment`` is set and the
        packages in it belong to the subject.
    executable : Path
        The real file, after resolving links.
    version, implementation, architecture, libc, libc_version, compiler, build_date : str
        As the interpreter reports them; empty when it could not be asked.
    prefix, stdlib, platstdlib : Path or None
        Of the base interpreter.
    library_folders : tuple of Path
        Folders that hold its own shared libpython, if any. The ``LIBDIR`` of a copied tree is none: it lies
        in the tree that was copied.
    site_folders : tuple of Path
        ``site-packages`` (and ``dist-packages``) folders that exist: the base interpreter's, or the virtual
        environment's for ``environment`` subjects.
    aliases : tuple of Path
        Other names that lead to it (links, PATH entries, shims).
    environments : tuple of Path
        Virtual environments seen on the way that rest on it.
    environment : Path or None
        The virtual environment that is the subject.
    provenance : Provenance
        Who built it.
    error : str or None
        Why it could not be asked (crashed, hung, not executable ...): one line; None when all is well.
    abi_flags : str
        ``t`` free-threaded, ``d`` debug, ``m`` (3.7 and older); mostly empty.
    image : str
        The image that it lies in, as the reader named it; then its paths are paths in there. Empty: this
        host.
    """

    id: str
    label: str
    kind: SubjectKind
    executable: Path
    version: str
    implementation: str
    architecture: str
    libc: str
    libc_version: str
    compiler: str
    build_date: str
    prefix: Path | None
    stdlib: Path | None
    platstdlib: Path | None
    library_folders: tuple[Path, ...]
    site_folders: tuple[Path, ...]
    aliases: tuple[Path, ...]
    environments: tuple[Path, ...]
    environment: Path | None
    provenance: Provenance
    error: str | None = None
    abi_flags: str = ""
    image: str = ""

    @property
    def location(self) -> Path:
        """Return the path that a reader knows it by."""
        return self.environment or self.executable


@dataclass(frozen=True, slots=True)
class Artifact:
    """Something that is shipped: a wheel, a pex, a binary, a package, a folder, or a whole image.

    Attributes
    ----------
    id : str
        Stable within a run, fit for file names and HTML anchors: ``wheel-numpy-2.3.1-cp312``.
    label : str
        What charts and tables call it; unique within one :func:`find`.
    kind : SubjectKind
        ``artifact`` or ``image``; ``build`` or ``tool`` where a probe made or fetched it itself.
    path : Path
        The file or folder; of an image its reference (``debian:trixie``). Of a build that could not be made
        the empty path.
    format : str
        What its bytes say it is: ``wheel``, ``pex``, ``deb``, ``file`` ...; empty when it could not be read.
        Of a build its form (``pex-venv``), of a tool ``installer`` or ``backend``.
    size_bytes : int or None
        Of the file; None of a folder or an image.
    error : str or None
        Why it cannot be read at all: one line.
    """

    id: str
    label: str
    kind: SubjectKind
    path: Path
    format: str
    size_bytes: int | None = None
    error: str | None = None

    @property
    def location(self) -> Path:
        """Return the path that a reader knows it by."""
        return self.path


Subject = Interpreter | Artifact
