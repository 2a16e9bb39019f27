"""How an artifact comes into a container: mounted, installed by dpkg, or loaded as an image."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pyassay.packagers.model import Delivery
from pyassay.places.container import EngineError
from pyassay.probes.packaging.candidates import Candidate
from pyassay.probes.packaging.environments import Environment
from pyassay.probes.packaging.rooms import INSTALLED, Furniture, Rooms
from pyassay.probes.packaging.telling import telling_line
from pyassay.probes.tree import is_shared_prefix
from pyassay.subjects.model import Interpreter

__all__ = ["Placed", "PlacingError", "mounts_of", "path_variable", "placed"]

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_INSTALL_S = 180.0
_PACKAGE = "/pyassay/package.deb"


class PlacingError(Exception):
    """An artifact cannot be brought into an environment.

    Attributes
    ----------
    refused : bool
        Whether that is its own failure (dpkg refuses it) rather than a lack of ours.
    """

    def __init__(self, reason: str, *, refused: bool = False) -> None:
        super().__init__(reason)
        self.refused = refused


@dataclass(frozen=True)
class Placed:
    """An artifact in an image.

    Attributes
    ----------
    image : str
    mounts : dict of Path to str
    argv : list of str
        Starts it.
    environment : dict of str to str
    """

    image: str
    mounts: dict[Path, str]
    argv: list[str]
    environment: Mapping[str, str] = field(default_factory=dict)


def mounts_of(candidate: Candidate, environment: Environment) -> dict[Path, str]:
    """Return what an environment needs to see of this host to run an artifact that is a file or a folder."""
    built = candidate.built
    found = {built.path: candidate.in_container} if built is not None else {}
    if environment.has_builder:
        prefix = candidate.python.prefix
        if prefix is None or is_shared_prefix(prefix):
            raise PlacingError(
                "the Python that packed it is the system's own and cannot be brought along; "
                "see the places with python3"
            )
        found[prefix] = str(prefix)
    return found


def path_variable(python: Interpreter, environment: Environment) -> str:
    """Return PATH: in front, where it is there, the very Python that packed."""
    return f"{python.executable.parent}:{_PATH}" if environment.has_builder else _PATH


@contextlib.contextmanager
def placed(engine: Rooms, candidate: Candidate, environment: Environment) -> Iterator[Placed]:
    """Bring an artifact into an environment; what was installed or loaded for it is removed in the end.

    Raises
    ------
    PlacingError
        If it cannot be brought there.
    EngineError
        If the engine fails.
    """
    built = candidate.built
    if built is None:
        raise PlacingError(candidate.reason)
    variables = {"PATH": path_variable(candidate.python, environment), **built.environment}
    if built.delivery is Delivery.IMAGE:
        with _loaded(engine, built.path) as image:
            yield Placed(image, {}, candidate.argv(), built.environment)
    elif built.delivery is Delivery.PACKAGE:
        with _installed(engine, candidate, environment) as image:
            yield Placed(image, {}, candidate.argv(), variables)
    else:
        argv = candidate.argv(candidate.in_container)
        yield Placed(environment.image, mounts_of(candidate, environment), argv, variables)


@contextlib.contextmanager
def _installed(engine: Rooms, candidate: Candidate, environment: Environment) -> Iterator[str]:
    built = candidate.built
    if built is None or built.path.suffix != ".deb":
        raise PlacingError("an .rpm, and these systems install .deb packages")
    if not environment.suite:
        raise PlacingError("an empty image has nothing that installs a package", refused=True)
    image = f"{INSTALLED}{engine.run_id}:{candidate.subject_id.lower()}"[:120]
    with engine.room(environment.image, {built.path: _PACKAGE}, Furniture(writable=True, user="0:0")) as room:
        done = room.run(["dpkg", "-i", _PACKAGE], timeout_s=_INSTALL_S, extra_environment={"PATH": _PATH})
        if done.returncode != 0:
            why = telling_line(done.stderr, done.stdout)
            lines = (done.stderr + done.stdout).decode("utf-8", "replace").splitlines()
            lacks = [" ".join(line.split()).rstrip(".") for line in lines if " depends on " in line]
            raise PlacingError(f"dpkg: {'; '.join(lacks) or why}"[:300], refused=True)
        engine.commit(image)
    try:
        yield image
    finally:
        with contextlib.suppress(EngineError):
            engine.remove_image(image)


@contextlib.contextmanager
def _loaded(engine: Rooms, archive: Path) -> Iterator[str]:
    before = {image.id for image in engine.images()}
    try:
        with archive.open("rb") as stream:
            found = engine.load(stream)
    except OSError as error:
        raise PlacingError(f"{archive.name}: {error.strerror or error}") from error
    if not found:
        raise PlacingError(f"{archive.name}: the engine found no image in it")
    try:
        yield found[0]
    finally:
        for image in set(found) - before:
            with contextlib.suppress(EngineError):
                engine.remove_image(image)
