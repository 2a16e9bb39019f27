"""Build backends and tools that are lent to an interpreter which has none of its own.

A probe that builds an extension must not install anything: it is given a folder with the pure-Python packages
of this environment, to be put on its search path, and one with the programs that they start.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

__all__ = ["Backends", "backends_at_hand"]

PACKAGES = (
    "setuptools",
    "meson-python",
    "meson",
    "pyproject-metadata",
    "packaging",
    "scikit-build-core",
    "pathspec",
    "tomli",
    "exceptiongroup",
    "typing-extensions",
)
"""What the three backends consist of; the last three only before Python 3.11."""

PROGRAMS = {"ninja": "ninja", "cmake": "cmake", "py-spy": "py-spy"}
"""Programs, by the distribution that brings them."""

_ELF = b"\x7fELF"


@dataclass(frozen=True, slots=True)
class Backends:
    """What can be lent.

    Attributes
    ----------
    packages : pathlib.Path
        A folder for ``PYTHONPATH``.
    programs : pathlib.Path
        A folder for ``PATH``; programs that the place has itself go first.
    versions, requires_python : dict of str to str
        By the name of the distribution; what is not installed here is in neither.
    """

    packages: Path
    programs: Path
    versions: dict[str, str]
    requires_python: dict[str, str]

    def given(self, root: str = "") -> dict[str, Any]:
        """Return the entries of GIVEN for the guest scripts.

        Parameters
        ----------
        root : str
            Where the parent of both folders is seen from inside a container; empty: as here.
        """
        return {
            "backends": f"{root}/{self.packages.name}" if root else str(self.packages),
            "bin": f"{root}/{self.programs.name}" if root else str(self.programs),
            "backend_versions": self.versions,
            "backend_requires_python": self.requires_python,
        }


@contextmanager
def backends_at_hand(*, copied: bool = False) -> Iterator[Backends]:
    """Make the two folders, and remove them at the end.

    Parameters
    ----------
    copied : bool
        Copies instead of symbolic links: for a container, where the links would lead nowhere.
    """
    with tempfile.TemporaryDirectory(prefix="pyassay-backends-") as name:
        # Interpreters under test may run as nobody.
        Path(name).chmod(0o755)
        lent = Backends(Path(name) / "packages", Path(name) / "bin", {}, {})
        lent.packages.mkdir()
        lent.programs.mkdir()
        for package in PACKAGES:
            found = _distribution(package)
            if found is not None and _lend(found, lent.packages, copied=copied):
                lent.versions[package] = found.version
                known = "Requires-Python" in found.metadata
                lent.requires_python[package] = found.metadata["Requires-Python"] if known else ""
        for program, package in PROGRAMS.items():
            found = _distribution(package)
            executable = _program(found, program) if found is not None else None
            if executable is None:
                continue
            if copied:
                _copy_program(executable, lent.programs)
            else:
                (lent.programs / program).symlink_to(executable)
        yield lent


def _distribution(name: str) -> Distribution | None:
    try:
        return distribution(name)
    except PackageNotFoundError:
        return None


def _lend(found: Distribution, folder: Path, *, copied: bool) -> bool:
    """Link or copy the top level of a distribution; False when its files are not where they should be."""
    tops = {file.parts[0] for file in found.files or () if file.parts[0] not in ("..", "__pycache__")}
    paths = [Path(str(found.locate_file(top))) for top in sorted(tops)]
    paths = [path for path in paths if path.is_dir() or path.suffix == ".py"]
    if not any(not path.name.endswith(".dist-info") for path in paths):
        return False
    for path in paths:
        target = folder / path.name
        if target.exists():
            continue
        if not copied:
            target.symlink_to(path.resolve(), target_is_directory=path.is_dir())
        elif path.is_dir():
            shutil.copytree(path, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(path, target)
    return True


def _program(found: Distribution, name: str) -> Path | None:
    """Return the program itself, not a script that starts it from this environment."""
    for file in found.files or ():
        if file.name != name:
            continue
        path = Path(str(found.locate_file(file))).resolve()
        try:
            with path.open("rb") as stream:
                if stream.read(4) == _ELF:
                    return path
        except OSError:
            continue
    return None


def _copy_program(executable: Path, folder: Path) -> None:
    """Copy a program; CMake with its modules, which it looks for in ``../share`` beside its own folder."""
    shutil.copy2(executable, folder / executable.name)
    for shared in executable.parent.parent.glob(f"share/{executable.name}*"):
        shutil.copytree(shared, folder.parent / "share" / shared.name, dirs_exist_ok=True)
