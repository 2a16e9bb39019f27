"""A relocatable tree: a Python's own files, the wheels, and a launcher; what several packagers put inside.

It is a copy of the interpreter's program, standard library and libpython, and nothing else of its prefix: so
one kept among the system's files (Debian's) can be copied too. Left out: tests, IDLE,
tkinter, lib2to3, ensurepip, static libraries, and the packages of its site folders.
"""

from __future__ import annotations

import contextlib
import csv
import fnmatch
import os
import re
import shlex
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pyassay.packagers.model import BuildError

if TYPE_CHECKING:
    from pyassay.packagers.model import Inputs, Project
    from pyassay.packagers.workshop import Workshop
    from pyassay.subjects.model import Interpreter

__all__ = [
    "Tree",
    "command_line",
    "drop_scripts",
    "entry_point",
    "install_wheels",
    "make_tree",
    "own_work",
    "pip_for",
    "safe_module",
    "safe_name",
    "wheel_pins",
    "why_not_copied",
]

_PIPS = (((3, 10), "pip==26.3"), ((3, 9), "pip==26.0.1"), ((3, 8), "pip==25.0.1"), ((3, 7), "pip==24.0"))

_LEFT_OUT = (
    *("test", "idlelib", "tkinter", "turtledemo", "ensurepip", "lib2to3"),
    *("site-packages", "dist-packages", "__pycache__", "config-*", "EXTERNALLY-MANAGED"),
    *("sitecustomize.py", "usercustomize.py", "*.a", "_tkinter.*", "_test*.so", "_ctypes_test.*", "_xxtest*"),
)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")
_MODULE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*")
_SMALL_S = 60.0
# Where it lies and which libpython it has loaded, as the copy itself sees it.
_PLACE = (
    "import sys, sysconfig\n"
    "print(sys.prefix)\n"
    "print(sysconfig.get_path('purelib'))\n"
    "maps = open('/proc/self/maps').read().splitlines()\n"
    "print(next((line.split(None, 5)[5] for line in maps if '/libpython' in line), ''))\n"
)
# Whatever cannot be compiled stays as it is: old code in a package is no failure of the build.
_COMPILE = (
    "import compileall, py_compile, sys\n"
    "mode = py_compile.PycInvalidationMode.UNCHECKED_HASH\n"
    "compileall.compile_dir(sys.argv[1], maxlevels=50, quiet=2, stripdir=sys.argv[2], prependdir='/',\n"
    "                       invalidation_mode=mode)\n"
)


@dataclass(frozen=True, slots=True)
class Tree:
    """What :func:`make_tree` made.

    Attributes
    ----------
    folder : Path
        Holds `launcher` and the Python's folder.
    launcher : str
        Name of the shell script that starts the application.
    python : str
        The interpreter, as a path in the folder.
    library_path : str
        The folder of its libpython in the folder, if the loader must be told; else empty.
    module : str
        What is started: ``python -I -m module``.
    versions : dict of str to str
        Of the Python, pip and strip that had a part in it.
    """

    folder: Path
    launcher: str
    python: str
    library_path: str
    module: str
    versions: dict[str, str]


def why_not_copied(interpreter: Interpreter | None) -> str:
    """Return why an interpreter's files cannot be copied elsewhere; empty if nothing speaks against it."""
    if interpreter is None:
        return ""
    if interpreter.error or interpreter.stdlib is None:
        return f"{interpreter.label}: {interpreter.error or 'where its standard library lies is not known'}"
    if interpreter.implementation.lower() != "cpython":
        return f"{interpreter.label}: the layout of {interpreter.implementation} is not known to us"
    if interpreter.provenance.builder == "conda":
        return f"{interpreter.label}: conda's Pythons are copied by conda-pack, from a conda environment"
    return ""


def safe_name(name: str, what: str) -> str:
    """Return a name if it can be that of a file and a word for a shell as it is.

    Raises
    ------
    BuildError
        If it has other characters than letters, digits and ``._+-``, or begins with one of these.
    """
    if not _NAME.fullmatch(name):
        raise BuildError(f"{name[:100]!r}: not a name that {what} could have")
    return name


def safe_module(name: str) -> str:
    """Return the dotted name of a module if it is one.

    Raises
    ------
    BuildError
        If it is none.
    """
    if not _MODULE.fullmatch(name):
        raise BuildError(f"{name[:100]!r}: not the name of a module")
    return name


def entry_point(project: Project) -> tuple[str, str]:
    """Return module and attribute of the project's entry point.

    Raises
    ------
    BuildError
        If it is no entry point.
    """
    module, colon, attribute = project.entry_point.partition(":")
    if not colon:
        raise BuildError(f"{project.entry_point[:100]!r}: not an entry point (module:function)")
    return safe_module(module.strip()), safe_module(attribute.strip())


def pip_for(interpreter: Interpreter) -> str:
    """Return the newest pip, pinned, that a Python can run.

    Raises
    ------
    BuildError
        If it is older than all those that install today's wheels.
    """
    major, minor = (int(part) for part in interpreter.version.split(".")[:2])
    for least, pip in _PIPS:
        if (major, minor) >= least:
            return pip
    raise BuildError(f"{interpreter.label}: no pip of today runs on it")


def wheel_pins(wheelhouse: Path) -> list[str]:
    """Return ``name==version`` of every wheel in a wheelhouse.

    Raises
    ------
    BuildError
        If there is none, or a file's name is not that of a wheel.
    """
    from packaging.utils import InvalidWheelFilename, parse_wheel_filename

    pins = []
    for wheel in sorted(wheelhouse.glob("*.whl")):
        try:
            name, version, *_ = parse_wheel_filename(wheel.name)
        except InvalidWheelFilename as error:
            raise BuildError(" ".join(str(error).split())) from None
        pins.append(f"{name}=={version}")
    if not pins:
        raise BuildError(f"{wheelhouse}: holds no wheel")
    return pins


def make_tree(project: Project, inputs: Inputs, workshop: Workshop, folder: Path) -> Tree:
    """Make the tree in a new folder.

    Raises
    ------
    BuildError
        If the Python does not work where it is copied to, or the wheels cannot be installed.
    """
    launcher, module = safe_name(project.script, "a program"), safe_module(project.module)
    reason = why_not_copied(inputs.python)
    if reason:
        raise BuildError(reason)
    inside = "python" if launcher != "python" else "python-files"
    root = folder / inside
    with own_work(workshop):
        program = _copy(inputs.python, root)
    site, library_path = _settle(workshop, root, program)
    environment = _library_path(root) if library_path else {}
    pip = install_wheels(inputs, workshop, program, "--target", site, environment=environment)
    versions = {"python": inputs.python.version, "pip": pip}
    drop_scripts(site)
    for script in (root / "bin").iterdir():
        if not script.name.startswith("python"):
            script.unlink()
    versions |= _strip(workshop, root, program)
    for cached in sorted(root.rglob("__pycache__")):
        shutil.rmtree(cached, ignore_errors=True)
    compiling: list[str | Path] = [program, "-s", "-c", _COMPILE, root / "lib", folder]
    shown: list[str | Path] = [
        program,
        "-m",
        "compileall",
        "-q",
        "--invalidation-mode",
        "unchecked-hash",
        root / "lib",
    ]
    # Not -I: the seed of hashes must count, or sets would be written in another order every time.
    environment = environment | {"PYTHONHASHSEED": "0"}
    workshop.run(compiling, environment=environment, shown=command_line(workshop, shown))
    library = f"{inside}/lib" if library_path else ""
    python = f"{inside}/bin/{program.name}"
    _write_launcher(folder / launcher, python, library, module)
    _settle_modes(folder, workshop.source_date_epoch)
    return Tree(folder, launcher, python, library, module, versions)


def _copy(interpreter: Interpreter, root: Path) -> Path:
    """Copy the interpreter's own files and return the program's place."""
    stdlib = interpreter.stdlib
    if stdlib is None:
        raise BuildError(f"{interpreter.label}: where its standard library lies is not known")
    try:
        (root / "bin").mkdir(parents=True)
        program = root / "bin" / ".".join(("python" + interpreter.version).split(".")[:2])
        shutil.copy2(interpreter.executable, program)
        (root / "bin" / "python3").symlink_to(program.name)
        _copy_folder(stdlib, root / "lib" / stdlib.name)
        modules = (interpreter.platstdlib or stdlib) / "lib-dynload"
        if not (root / "lib" / stdlib.name / "lib-dynload").exists() and modules.is_dir():
            _copy_folder(modules, root / "lib" / stdlib.name / "lib-dynload")
        for holder in interpreter.library_folders:
            # Not the name that only linkers use, which is sometimes a second copy.
            for library in sorted(holder.glob("libpython*.so.*")):
                if not (root / "lib" / library.name).exists():
                    shutil.copy2(library, root / "lib" / library.name, follow_symlinks=False)
    except (OSError, shutil.Error) as error:
        raise BuildError(f"{interpreter.label}: cannot be copied: {_first_line(error)}") from error
    return program


def _copy_folder(source: Path, target: Path) -> None:
    def left_out(_: str, names: list[str]) -> set[str]:
        return {name for name in names if any(fnmatch.fnmatchcase(name, one) for one in _LEFT_OUT)}

    shutil.copytree(source, target, ignore=left_out, ignore_dangling_symlinks=True)


def _settle(workshop: Workshop, root: Path, program: Path) -> tuple[Path, bool]:
    """Return where packages go, and whether the loader must be told where libpython is.

    It must find itself where it now lies, and no libpython but its own: one that does not is not relocatable.
    """
    said = "it does not start"
    for environment in ({}, _library_path(root)):
        try:
            ran = workshop.run(
                [program, "-I", "-S", "-c", _PLACE], environment=environment, timeout_s=_SMALL_S, shown=""
            )
            prefix, site, library = ran.stdout.split("\n")[:3]
        except BuildError as error:
            said = str(error)
            continue
        except ValueError:
            said = "it does not say where it lies"
            continue
        if Path(prefix).resolve() != root.resolve():
            raise BuildError(
                f"{program.name}: not relocatable: copied, it still looks for its files in {prefix}"
            )
        if not library or Path(library).is_relative_to(root.resolve()):
            return Path(site), bool(environment)
        said = f"copied, it still loads {library}"
    raise BuildError(f"{program.name}: not relocatable: {said}")


def _library_path(root: Path) -> dict[str, str]:
    return {"LD_LIBRARY_PATH": str(root / "lib")}


def install_wheels(
    inputs: Inputs,
    workshop: Workshop,
    python: Path,
    *options: str | Path,
    environment: Mapping[str, str] | None = None,
) -> str:
    """Install the wheelhouse for an interpreter, without index; return the version of pip that did it.

    Parameters
    ----------
    inputs : Inputs
    workshop : Workshop
    python : Path
        Needs no pip of its own.
    *options : str or Path
        Of pip: ``--target``, FOLDER.
    environment : mapping, optional
        That the interpreter needs.

    Raises
    ------
    BuildError
        If one cannot be installed.
    """
    pip = workshop.environment([pip_for(inputs.python)], inputs.python.executable)
    wheelhouse = inputs.wheelhouse.absolute()
    # By name, not by file: pip notes where a file came from, and that would be in the artifact.
    argv: list[str | Path] = [
        *(pip.python, "-I", "-m", "pip", "--python", python, "install", "--quiet", "--no-index"),
        *("--find-links", wheelhouse, "--no-deps", "--no-compile", "--no-cache-dir"),
        *("--no-warn-script-location", *options, *wheel_pins(wheelhouse)),
    ]
    shown = command_line(workshop, ["pip", *argv[4:]]).replace(str(wheelhouse), "WHEELHOUSE")
    workshop.run(argv, environment=environment, shown=shown)
    return pip.versions.get("pip", "")


def drop_scripts(site: Path) -> None:
    """Remove the scripts that pip has put beside packages, which name an interpreter of this host.

    Their lines in the records go too: they hold digests of files that name our folders.
    """
    shutil.rmtree(site / "bin", ignore_errors=True)
    for record in sorted(site.glob("*.dist-info/RECORD")):
        with record.open(encoding="utf-8", newline="") as stream:
            rows = [row for row in csv.reader(stream) if row and (site / row[0]).exists()]
        with record.open("w", encoding="utf-8", newline="") as stream:
            csv.writer(stream, lineterminator="\n").writerows(rows)


def _strip(workshop: Workshop, root: Path, program: Path) -> dict[str, str]:
    """Strip what is Python's own; the wheels stay as they came."""
    strip = workshop.which("strip")
    if strip is None:
        return {}
    libraries = [file for file in sorted((root / "lib").glob("libpython*.so.*")) if not file.is_symlink()]
    argv: list[str | Path] = [strip, "--strip-all", program, *libraries]
    try:
        workshop.run(argv, shown=command_line(workshop, argv), timeout_s=_SMALL_S)
        said = workshop.run([strip, "--version"], shown="", timeout_s=_SMALL_S).stdout
    except BuildError as error:
        workshop.say(f"left unstripped: {error}")
        return {}
    return {"strip": said.partition("\n")[0].rpartition(" ")[2]}


def _write_launcher(file: Path, python: str, library: str, module: str) -> None:
    words = f'exec "$here/{python}" -I -m {shlex.quote(module)} "$@"'
    told = ""
    if library:
        told = f'export LD_LIBRARY_PATH="$here/{library}${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}"\n'
    file.write_text(f'#!/bin/sh\nhere=$(dirname "$(readlink -f "$0")")\n{told}{words}\n', "utf-8")
    file.chmod(0o755)


def _settle_modes(folder: Path, epoch: int | None) -> None:
    """Let everybody read it, whatever the umask here, and give everything one time if one is set."""
    for top, folders, files in os.walk(folder, topdown=False):
        for name in (*files, *folders, "."):
            path = Path(top) / name
            if not path.is_symlink():
                runs = path.is_dir() or path.stat().st_mode & 0o100
                path.chmod(0o755 if runs else 0o644)
            if epoch is not None:
                os.utime(path, (epoch, epoch), follow_symlinks=False)


@contextlib.contextmanager
def own_work(workshop: Workshop) -> Iterator[None]:
    """Count what this process does itself, without a child, as the packager's."""
    started, cpu = time.monotonic(), time.process_time()
    try:
        yield
    finally:
        workshop.usage.duration_s += time.monotonic() - started
        workshop.usage.cpu_s += time.process_time() - cpu


def command_line(workshop: Workshop, argv: Iterable[str | Path]) -> str:
    """Return a command as a line for a reader's shell, the workshop's folders by short names."""
    line = shlex.join(os.fspath(word) for word in argv)
    # The longer ones first: one may lie in the other.
    for folder, name in ((workshop.output, "OUTPUT"), (workshop.folder, "FOLDER")):
        line = line.replace(str(folder), name)
    return line


def _first_line(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return " ".join(str(error).split())[:300]
