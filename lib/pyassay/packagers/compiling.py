"""What compiling needs on this host: a compiler, and headers, borrowed where they are not installed."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from pyassay.packagers.model import BuildError

if TYPE_CHECKING:
    from pyassay.packagers.workshop import Workshop

__all__ = ["Compiling", "compiling_here"]

_ASK = (
    "import os, sysconfig; print(sysconfig.get_config_var('CC') or ''); "
    "print(os.path.exists(os.path.join(sysconfig.get_paths()['include'], 'Python.h')))"
)


@dataclass(slots=True)
class Compiling:
    """How compilers are called.

    Attributes
    ----------
    environment : dict of str to str
        Variables for the build.
    shown : dict of str to str
        Those of them that another host needs, too.
    versions : dict of str to str
        Of the compiler and of the libraries' headers.
    """

    environment: dict[str, str] = field(default_factory=dict)
    shown: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)


def compiling_here(workshop: Workshop, python: Path, debian_packages: Sequence[str]) -> Compiling:
    """Return how to compile on this host.

    Headers of packages that are not installed are unpacked from the distribution's own packages into the
    workshop; the libraries that they belong to are the host's.

    Raises
    ------
    BuildError
        If there is no compiler, or the interpreter has no headers; the line says what to install.
    """
    found = Compiling()
    said = workshop.run([python, "-I", "-c", _ASK], timeout_s=60.0, shown="").stdout.splitlines()
    own, has_headers = (*said, "", "")[:2]
    if has_headers != "True":
        raise BuildError(f"{python}: has no Python.h to compile against: install its headers (python3-dev)")
    compiler = (own.split() or [""])[0]
    if not compiler or workshop.which(compiler) is None:
        # What it was built with is seldom what this host has: clang of python-build-standalone.
        compiler = next((name for name in ("gcc", "cc", "clang") if workshop.which(name)), "")
        if not compiler:
            raise BuildError("no C compiler in PATH: install one (on Debian: apt install gcc libc6-dev)")
        plus = {"gcc": "g++", "cc": "c++", "clang": "clang++"}[compiler]
        found.shown = {"CC": compiler} | ({"CXX": plus} if workshop.which(plus) else {})
    first = next(
        iter(workshop.run([compiler, "--version"], timeout_s=60.0, shown="").stdout.splitlines()), ""
    )
    number = re.search(r"(\d+(?:\.\d+)+)(?!.*\d\.\d)", first)
    found.versions[Path(compiler).name] = number[1] if number else first
    lacking = _not_installed(workshop, debian_packages)
    found.environment = dict(found.shown)
    if lacking:
        found.environment |= _borrowed(workshop, lacking, found.versions)
    found.versions |= _versions(workshop, [one for one in debian_packages if one not in lacking])
    return found


def _versions(workshop: Workshop, packages: Sequence[str]) -> dict[str, str]:
    query = workshop.which("dpkg-query")
    if query is None or not packages:
        return {}
    said = workshop.run([query, "-W", "-f", "${Package} ${Version}\\n", *packages], timeout_s=60.0, shown="")
    return dict(line.split(" ", 1) for line in said.stdout.splitlines() if " " in line)


def _not_installed(workshop: Workshop, packages: Sequence[str]) -> list[str]:
    """Return which packages Debian's package manager does not know as installed; none on other systems."""
    query = workshop.which("dpkg-query")
    lacking = []
    for package in packages if query else ():
        try:
            said = workshop.run(
                [query or "", "-W", "-f", "${db:Status-Status}", package], timeout_s=60.0, shown=""
            ).stdout
        except BuildError:
            said = ""
        if said.strip() != "installed":
            lacking.append(package)
    return lacking


def _borrowed(workshop: Workshop, packages: Sequence[str], versions: dict[str, str]) -> dict[str, str]:
    """Unpack packages of headers and return the variables by which compilers find them."""
    install = f"apt install {' '.join(packages)}"
    apt, unpack = workshop.which("apt-get"), workshop.which("dpkg-deb")
    if apt is None or unpack is None:
        raise BuildError(f"headers are not installed: {install}")
    folder = workshop.folder / "headers"
    folder.mkdir()
    for package in packages:
        try:
            workshop.run([apt, "--quiet", "download", package], cwd=folder, network=True, shown="")
        except BuildError as error:
            raise BuildError(f"{package} is not installed, and cannot be had ({error}): {install}") from None
    root = folder / "unpacked"
    for archive in sorted(folder.glob("*.deb")):
        workshop.run([unpack, "--extract", archive, root], shown="")
        name, version = archive.name.split("_")[:2]
        versions[name] = f"{unquote(version)} (unpacked, not installed)"
        workshop.say(f"headers of {archive.name} are borrowed: it is not installed")
    includes = [root / "usr/include", *sorted((root / "usr/include").glob("*-linux-gnu*"))]
    includes.append(root / "usr/include/postgresql")
    libraries = [
        one for one in (root / "usr/lib", *sorted((root / "usr/lib").glob("*-linux-gnu*"))) if one.is_dir()
    ]
    for library in libraries:
        _point_to_host(library, Path("/") / library.relative_to(root))
    return {
        "CPATH": os.pathsep.join(str(one) for one in includes if one.is_dir()),
        "LIBRARY_PATH": os.pathsep.join(map(str, libraries)),
        "PATH": f"{root / 'usr/bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
    }


def _point_to_host(folder: Path, there: Path) -> None:
    """Let the links for the linker lead to the host's own libraries, and leave no static ones to be taken."""
    for archive in folder.glob("*.a"):
        archive.unlink()
    for link in folder.glob("*.so"):
        if not link.is_symlink():
            continue
        target = there / link.readlink()
        if not target.exists():
            # Another build of the same version: what counts is the name that programs ask for.
            target = next(iter(sorted(there.glob(f"{link.name}.*"), key=lambda one: len(one.name))), target)
        link.unlink()
        link.symlink_to(target)
