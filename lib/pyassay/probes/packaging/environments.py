"""Where artifacts are run: three Debian releases, each with and without libraries and Python, and nothing."""

from __future__ import annotations

import io
import itertools
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import cast

from pyassay.places.base_images import BaseImageError, build, image_name
from pyassay.places.container import Engine, EngineError, NoEngineError
from pyassay.probes.packaging.rooms import Rooms

__all__ = ["EMPTY", "ENVIRONMENTS", "Environment", "Places", "prepared"]

EMPTY = "pyassay-empty:packaging"
_RELEASES = (("debian:11", "bullseye"), ("debian:12", "bookworm"), ("debian:13", "trixie"))
_CURL = {"trixie": "libcurl4t64"}


@dataclass(frozen=True)
class Environment:
    """One place to run artifacts in.

    Attributes
    ----------
    name : str
        ``debian:12 with python3``.
    distribution, suite : str
        ``debian:12``, ``bookworm``; empty for the empty image.
    has_python, has_libraries, has_builder : bool
        Whether the distribution's python3, libcurl and libpq, the very Python that packed are there.
    """

    name: str
    distribution: str = ""
    suite: str = ""
    has_python: bool = False
    has_libraries: bool = False
    has_builder: bool = False

    @cached_property
    def recipe(self) -> str:
        """Return what ``pyassay images build`` takes: ``debian:bookworm+python3``."""
        libraries = (_CURL.get(self.suite, "libcurl4"), "libpq5")
        packages = [*(["python3"] if self.has_python else []), *(libraries if self.has_libraries else ())]
        return f"debian:{self.suite}" + (f"+{','.join(packages)}" if packages else "") if self.suite else ""

    @property
    def image(self) -> str:
        """Return the image's name in the engine."""
        return image_name(self.recipe) if self.recipe else EMPTY


def _debian(distribution: str, suite: str, *, python: bool, libraries: bool) -> Environment:
    parts = [*(["python3"] if python else []), *(["libraries"] if libraries else [])]
    name = f"{distribution} {'with ' + ' and '.join(parts) if parts else 'bare'}"
    return Environment(name, distribution, suite, has_python=python, has_libraries=libraries)


ENVIRONMENTS = (
    *(
        _debian(*release, python=python, libraries=libraries)
        for release, python, libraries in itertools.product(_RELEASES, (False, True), (False, True))
    ),
    Environment("empty"),
    *(
        Environment(
            f"{distribution} with its builder's Python{' and libraries' if libraries else ''}",
            distribution,
            suite,
            has_libraries=libraries,
            has_builder=True,
        )
        for (distribution, suite), libraries in itertools.product(_RELEASES, (False, True))
    ),
)
"""Thirteen places for every artifact; the last six only for those that do not carry a Python."""


@dataclass(slots=True)
class Places:
    """The environments there are, and why the others are not.

    Attributes
    ----------
    engine : Rooms or None
        None: no engine answers.
    missing : dict of str to str
        Why an environment cannot be used, by its name.
    digests : dict of str to str
        Ids of images, by the name of the image.
    """

    engine: Rooms | None
    missing: dict[str, str]
    digests: dict[str, str]

    def close(self) -> None:
        """End the connection. Images stay, for the next time; the empty one has not a single byte."""
        if self.engine is not None:
            self.engine.close()


def prepared(
    environments: Sequence[Environment],
    *,
    build_images: bool,
    wanted: bool = True,
    progress: Callable[[str], None] = lambda label: None,
) -> Places:
    """Connect to the engine and see to it that the images are there, as far as that can be had."""
    if not wanted:
        return Places(
            None, dict.fromkeys((one.name for one in environments), "containers were not asked for"), {}
        )
    try:
        engine = cast(Rooms, Rooms.connect())
    except NoEngineError as error:
        return _nowhere(environments, str(error))
    engine.sweep_images()
    places = Places(engine, {}, {})
    for environment in environments:
        try:
            progress(environment.image)
            places.digests[environment.image] = _image(engine, environment, build_images=build_images)
        except (BaseImageError, EngineError) as error:
            places.missing[environment.name] = str(error)
    return places


def _nowhere(environments: Sequence[Environment], why: str) -> Places:
    return Places(None, dict.fromkeys((one.name for one in environments), why), {})


def _image(engine: Engine, environment: Environment, *, build_images: bool) -> str:
    if not environment.recipe:
        if not engine.has_image(EMPTY):
            empty = io.BytesIO()
            tarfile.open(fileobj=empty, mode="w").close()
            empty.seek(0)
            engine.import_tar(empty, EMPTY)
        # Its id is another whenever it is made; what is in it, never.
        return "nothing"
    if not engine.has_image(environment.image):
        if not build_images:
            raise BaseImageError(
                f"{environment.image}: the engine has no such image: "
                f"pyassay images build {environment.recipe}"
            )
        for _ in build([environment.recipe], engine):
            pass
    return engine.digest(environment.image)
