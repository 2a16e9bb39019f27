"""What starts are compared with: ``python -m`` in a virtual environment of the very Python and wheels."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from pyassay.packagers.model import Inputs, Project
from pyassay.places.host import StartError, run
from pyassay.probes.packaging.store import digest_of
from pyassay.subjects.model import Interpreter

__all__ = ["NoReferenceError", "Reference", "files_of", "reference"]

_MAKE_S = 120.0


class NoReferenceError(Exception):
    """The environment to compare with cannot be made: one line."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A virtual environment with the project in it.

    Attributes
    ----------
    id : str
        ``python -m, 3.12.10``.
    project : Project
    python : Path
        In it.
    folder : Path
        Of the environment.
    base : Interpreter
        That it rests on.
    """

    id: str
    project: Project
    python: Path
    folder: Path
    base: Interpreter


def files_of(python: Interpreter) -> list[Path]:
    """Return the files and folders of a Python itself, without what a system may have beside them."""
    libraries = [path for folder in python.library_folders for path in folder.glob("libpython3*.so*")]
    return [python.executable, *([python.stdlib] if python.stdlib is not None else []), *libraries]


def reference(project: Project, inputs: Inputs, cache: Path, name: str) -> Reference:
    """Return the environment, made once.

    Wheels are unpacked rather than installed: a Python may lack pip, and nothing but modules is needed.

    Raises
    ------
    NoReferenceError
        If it cannot be made.
    """
    base = inputs.python
    key = digest_of(base.executable, base.version, inputs.digest, project.digest)[:24]
    folder = cache / "packaging" / "references" / key
    found = Reference(name, project, folder / "bin" / "python", folder, base)
    if (folder / "made").is_file():
        return found
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        # Made where it will stay: it knows its own place.
        shutil.rmtree(folder, ignore_errors=True)
        _run([base.executable, "-I", "-m", "venv", "--without-pip", "--symlinks", folder])
        site = next(folder.glob("lib/python3*/site-packages"), None)
        if site is None:
            raise NoReferenceError(f"{base.label}: the virtual environment has no site-packages")
        for wheel in sorted(inputs.wheelhouse.glob("*.whl")):
            _unpack(wheel, site)
        _run([found.python, "-I", "-m", "compileall", "-q", site])
        (folder / "made").write_text("")
    except (OSError, zipfile.BadZipFile, StartError) as error:
        raise NoReferenceError(f"{base.label}: no environment to compare with: {error}") from error
    return found


def _run(argv: list[str | Path]) -> None:
    done = run(argv, timeout_s=_MAKE_S)
    if not done.ok:
        said = (done.stderr or done.stdout).decode("utf-8", "replace").strip().splitlines() or ["nothing"]
        raise NoReferenceError(f"{Path(argv[0]).name} {' '.join(map(str, argv[1:4]))}: {said[-1]}")


def _unpack(wheel: Path, site: Path) -> None:
    with zipfile.ZipFile(wheel) as archive, tempfile.TemporaryDirectory(dir=site) as made:
        archive.extractall(made)
        for part in sorted(Path(made).iterdir()):
            roots = [part]
            if part.name.endswith(".data"):
                roots = [one for name in ("purelib", "platlib") for one in (part / name).glob("*")]
            for one in roots:
                shutil.copytree(
                    one, site / one.name, dirs_exist_ok=True, symlinks=True
                ) if one.is_dir() else (shutil.copy2(one, site / one.name))
