"""Installers: where they come from, and what they are told."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from packaging.requirements import InvalidRequirement, Requirement
from packaging.version import InvalidVersion, Version

from pyassay.places.host import StartError, run
from pyassay.probes.installers.registry import RegistryError, cache_folder, download, newest, placed, unpacked
from pyassay.subjects.model import Artifact, SubjectKind

__all__ = ["FAMILIES", "Environment", "Installer", "InstallerError", "obtain"]

FAMILIES = ("uv", "pip")
"""The installers whose command line is known here."""

_VERSION = re.compile(r"\b(\d+(?:\.\d+)+\w*)")


class InstallerError(Exception):
    """An installer cannot be had: one line that names it."""


@dataclass(frozen=True, slots=True)
class Environment:
    """A virtual environment that is installed into.

    Attributes
    ----------
    folder, python, site_packages : Path
        Its folder, its interpreter and where packages go.
    """

    folder: Path
    python: Path
    site_packages: Path


@dataclass(frozen=True, slots=True)
class Installer:
    """One installer at one version.

    Attributes
    ----------
    id : str
        ``uv-0.13.8``: the subject's.
    family : str
        Of :data:`FAMILIES`.
    version : str
    path : Path
        Of uv its executable; of pip the folder of its package, which any Python runs: nothing has to be
        installed into an environment to install into it.
    requirement : str
        As it was asked for.
    """

    id: str
    family: str
    version: str
    path: Path
    requirement: str

    @property
    def label(self) -> str:
        """What charts and tables call it."""
        return f"{self.family} {self.version}"

    @property
    def subject(self) -> Artifact:
        """Return it as a row of the table of subjects."""
        size = self.path.stat().st_size if self.path.is_file() else None
        return Artifact(self.id, self.label, SubjectKind.TOOL, self.path, "installer", size)

    def argv(self, python: Path) -> list[str]:
        """Return the words that start it; pip is run by `python`, and so installs where that one lives."""
        return [str(self.path)] if self.family == "uv" else [str(python), str(self.path)]

    def install(
        self,
        environment: Environment,
        requirements: Sequence[str],
        *,
        index: str | None = None,
        extra_indexes: Sequence[str] = (),
        cache: Path | None = None,
        compile_bytecode: bool | None = None,
        options: Sequence[str] = (),
        trusted: bool = True,
    ) -> list[str]:
        """Return the command that installs into an environment.

        Parameters
        ----------
        environment : Environment
        requirements : sequence of str
        index : str, optional
            Address of the index; none at all unless given.
        extra_indexes : sequence of str
            Further addresses, in their order.
        cache : Path, optional
            Its cache folder; none is used unless given.
        compile_bytecode : bool, optional
            Its own default unless given: pip compiles, uv does not.
        options : sequence of str
            Further words.
        trusted : bool
            Whether pip is told to trust the hosts of the indexes, as it trusts those with TLS.
        """
        words = self.argv(environment.python)
        words += (
            ["pip", "install", "--python", str(environment.python)] if self.family == "uv" else ["install"]
        )
        words += ["--no-index"] if index is None else ["--index-url", index]
        for extra in extra_indexes:
            words += ["--extra-index-url", extra]
        if self.family == "pip" and trusted:
            # Over plain HTTP pip keeps nothing unless it trusts the host; with TLS it does.
            for host in dict.fromkeys(urlsplit(url).netloc for url in (index, *extra_indexes) if url):
                words += ["--trusted-host", host.rpartition("@")[2]]
        without = "--no-cache" if self.family == "uv" else "--no-cache-dir"
        words += [without] if cache is None else ["--cache-dir", str(cache)]
        if compile_bytecode is not None:
            word = {"uv": "compile-bytecode", "pip": "compile"}[self.family]
            words.append(f"--{word}" if compile_bytecode else f"--no-{word}")
        return [*words, *options, *requirements]


def obtain(wanted: str, *, python: Path | None = None) -> Installer:
    """Return an installer: ``uv==0.9.30``, ``uv`` (the newest in the registry), or the path of an executable.

    Parameters
    ----------
    wanted : str
    python : Path, optional
        Whose registry client may be used.

    Raises
    ------
    InstallerError
        If it is no installer that is known here, or cannot be had.
    """
    if os.sep in wanted:
        return _given(Path(wanted))
    try:
        requirement = Requirement(wanted)
    except InvalidRequirement as error:
        raise InstallerError(f"{wanted}: neither a requirement nor a path: {error}") from error
    family = requirement.name.lower()
    if family not in FAMILIES:
        raise InstallerError(f"{wanted}: none of the installers that are known here ({', '.join(FAMILIES)})")
    exact = [item.version for item in requirement.specifier if item.operator == "=="]
    version = exact[0] if exact else (newest(family) or _newest_in_cache(family))
    if version is None:
        raise InstallerError(f"{wanted}: the registry does not answer, and none is in the cache")
    try:
        folder = _fetched(family, str(Version(version)), python)
    except (InvalidVersion, RegistryError, OSError) as error:
        raise InstallerError(f"{wanted}: {error}") from error
    path = folder / ("uv" if family == "uv" else "pip")
    return Installer(f"{family}-{version}", family, version, path, wanted)


def _fetched(family: str, version: str, python: Path | None) -> Path:
    store = cache_folder("installers")

    def fill(folder: Path) -> None:
        wheels = download(
            [f"{family}=={version}"],
            store / "wheels" / f"{family}-{version}",
            dependencies=False,
            python=python,
        )
        wheel = next(wheels.glob("*.whl"))
        if family == "pip":
            unpacked(wheel, folder)
        else:
            unpacked(wheel, folder / "wheel")
            for scripts in (folder / "wheel").glob("uv-*.data/scripts/uv"):
                scripts.rename(folder / "uv")
                (folder / "uv").chmod(0o755)
            shutil.rmtree(folder / "wheel")
        if not (folder / family).exists():
            raise RegistryError(f"{wheel.name}: holds no {family}")

    return placed(store / "tools" / f"{family}-{version}", fill)


def _newest_in_cache(family: str) -> str | None:
    found = (cache_folder("installers") / "tools").glob(f"{family}-*")
    versions = [path.name.removeprefix(f"{family}-") for path in found]
    return max(versions, key=Version, default=None)


def _given(path: Path) -> Installer:
    if path.is_dir() and (path / "__main__.py").is_file():
        raise InstallerError(f"{path}: a folder; name the version to have pip, as in pip==26.3")
    try:
        done = run([path, "--version"], timeout_s=30)
    except StartError as error:
        raise InstallerError(str(error)) from error
    words = done.stdout.decode(errors="replace").split()
    family = words[0] if words else ""
    if not done.ok or family != "uv" or not (found := _VERSION.search(" ".join(words))):
        raise InstallerError(f"{path}: does not say that it is uv")
    return Installer(f"{family}-{found[1]}", family, found[1], path.resolve(), str(path))
