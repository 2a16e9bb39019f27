"""A Python to throw away: a copy of the chosen one's own files, that installers may do anything to."""

from __future__ import annotations

import fnmatch
import shutil
from dataclasses import dataclass
from pathlib import Path

from pyassay.places.host import StartError, run
from pyassay.probes.installers.bench import BenchError
from pyassay.subjects.model import Interpreter

__all__ = ["PythonCopy", "copy_python"]

# What is not needed here, and what belongs to the place: packages, and the mark of who manages it.
_LEFT_OUT = (
    *("test", "idlelib", "tkinter", "turtledemo", "lib2to3", "ensurepip", "pydoc_data"),
    *("site-packages", "dist-packages", "config-*", "EXTERNALLY-MANAGED"),
    *("sitecustomize.py", "usercustomize.py", "*.a", "_test*.so", "_ctypes_test.*", "_xxtest*"),
)
_ASK = "import sys, sysconfig; print(sys.prefix); print(sysconfig.get_path('purelib'))"


@dataclass(frozen=True, slots=True)
class PythonCopy:
    """A copied Python.

    Attributes
    ----------
    folder : Path
        Its prefix.
    program : Path
        ``bin/python3.12``; ``bin/python3`` and ``bin/python`` lead to it.
    stdlib, site_packages : Path
        Its standard library, and where packages go that are installed into it.
    """

    folder: Path
    program: Path
    stdlib: Path
    site_packages: Path


def copy_python(interpreter: Interpreter, folder: Path) -> PythonCopy:
    """Copy an interpreter's program and standard library into an empty folder.

    Raises
    ------
    BenchError
        If it cannot be copied, or does not find itself where it then lies: one line.
    """
    if interpreter.stdlib is None:
        raise BenchError(f"{interpreter.label}: where its standard library lies is not known")
    program = folder / "bin" / ".".join(f"python{interpreter.version}".split(".")[:2])
    stdlib = folder / "lib" / interpreter.stdlib.name
    try:
        program.parent.mkdir(parents=True)
        shutil.copy2(interpreter.executable, program)
        for name in ("python3", "python"):
            (program.parent / name).symlink_to(program.name)
        _copy_folder(interpreter.stdlib, stdlib)
        modules = (interpreter.platstdlib or interpreter.stdlib) / "lib-dynload"
        if not (stdlib / "lib-dynload").exists() and modules.is_dir():
            _copy_folder(modules, stdlib / "lib-dynload")
        for holder in interpreter.library_folders:
            for library in sorted(holder.glob("libpython*.so.*")):
                if not (folder / "lib" / library.name).exists():
                    shutil.copy2(library, folder / "lib" / library.name, follow_symlinks=False)
    except (OSError, shutil.Error) as error:
        said = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise BenchError(f"{interpreter.label}: cannot be copied: {said}") from error
    site_packages = _settled(interpreter, folder, program)
    site_packages.mkdir(parents=True, exist_ok=True)
    return PythonCopy(folder, program, stdlib, site_packages)


def _copy_folder(source: Path, target: Path) -> None:
    def left_out(_: str, names: list[str]) -> set[str]:
        return {name for name in names if any(fnmatch.fnmatchcase(name, one) for one in _LEFT_OUT)}

    shutil.copytree(source, target, ignore=left_out, ignore_dangling_symlinks=True)


def _settled(interpreter: Interpreter, folder: Path, program: Path) -> Path:
    """Return where packages go; whatever is written has to stay in the copy."""
    try:
        done = run([str(program), "-I", "-S", "-c", _ASK], timeout_s=60)
    except StartError as error:
        raise BenchError(f"{interpreter.label}: its copy does not start: {error}") from error
    said = done.stdout.decode(errors="replace").splitlines()
    if not done.ok or len(said) != 2:
        raise BenchError(f"{interpreter.label}: its copy does not start")
    places = [Path(line).resolve() for line in said]
    if not all(place.is_relative_to(folder.resolve()) for place in places):
        raise BenchError(f"{interpreter.label}: copied, it still looks for its files in {said[0]}")
    return places[1]
