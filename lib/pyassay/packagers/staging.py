"""What several packagers need: names that are safe, wheels put in place, the commands told."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from pyassay.packagers.model import BuildError, Built, Delivery, Form, InputKind

if TYPE_CHECKING:
    from pyassay.packagers.model import Inputs, Project
    from pyassay.packagers.workshop import ToolEnvironment, Workshop

__all__ = [
    "ALL_INPUTS",
    "Recipe",
    "entry_script",
    "env_shebang",
    "finished",
    "install",
    "minor_version",
    "module_start",
    "own_environment",
    "own_packages",
    "pip_of",
    "program_name",
    "python_too_old",
    "requirement",
    "split_entry_point",
    "wheels",
]

ALL_INPUTS = (InputKind.RAW, InputKind.REPAIRED, InputKind.OLDEST)
"""Of forms that put in what they are given."""

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.!+_-]*")
_MAX_MEMBERS = 200_000


def requirement(project: Project) -> str:
    """Return ``patient==1.0``.

    Raises
    ------
    BuildError
        If its name or version is none that packaging knows.
    """
    if not _NAME.fullmatch(project.name) or not _VERSION.fullmatch(project.version):
        raise BuildError(f"{f'{project.name} {project.version}'!a}: no name and version of a distribution")
    return f"{project.name}=={project.version}"


def split_entry_point(project: Project) -> tuple[str, str]:
    """Return module and callable of its entry point: ``patient.cli`` and ``main``.

    Raises
    ------
    BuildError
        If it is no entry point.
    """
    module, _, called = (part.strip() for part in project.entry_point.partition(":"))
    if not all(word.isidentifier() for part in (module, called) for word in part.split(".")):
        raise BuildError(f"{project.entry_point!a}: no entry point like package.module:function")
    return module, called


def program_name(project: Project) -> str:
    """Return the name of its script as a file name; one with odd characters gives them up."""
    if _NAME.fullmatch(project.script):
        return project.script
    return re.sub(r"[^A-Za-z0-9]+", "-", project.script).strip("-")[:60] or "program"


def minor_version(inputs: Inputs) -> str:
    """Return ``3.12``: what its wheels were built for."""
    return ".".join(inputs.python.version.split(".")[:2])


def env_shebang(inputs: Inputs) -> str:
    """Return what starts that Python wherever it lies."""
    return f"/usr/bin/env python{minor_version(inputs)}"


def module_start(project: Project, inputs: Inputs) -> tuple[str, ...]:
    """Return what starts it by an environment's own Python: without the current folder, as its script does.

    Raises
    ------
    BuildError
        If its module is none.
    """
    if not all(word.isidentifier() for word in project.module.split(".")):
        raise BuildError(f"{project.module!a}: no module")
    parts = minor_version(inputs).split(".")
    has_safe_path = all(part.isdigit() for part in parts) and tuple(map(int, parts)) >= (3, 11)
    return ("-P", "-m", project.module) if has_safe_path else ("-m", project.module)


def python_too_old(workshop: Workshop, tool: str, least: tuple[int, int]) -> str:
    """Return why a tool does not run in the workshop's Python, or nothing.

    Parameters
    ----------
    workshop : Workshop
    tool : str
        With its version.
    least : tuple of int
        As ``Requires-Python`` of its metadata says.
    """
    python = workshop.python
    parts = python.version.split(".")[:2] if python is not None else []
    if not all(part.isdigit() for part in parts) or len(parts) != 2 or python is None:
        return ""
    if (int(parts[0]), int(parts[1])) >= least:
        return ""
    return f"{tool} needs Python {least[0]}.{least[1]} or newer, {python.label} is {python.version}"


def wheels(inputs: Inputs) -> tuple[Path, ...]:
    """Return the wheels, sorted by name.

    Raises
    ------
    BuildError
        If there are none.
    """
    found = tuple(sorted(inputs.wheelhouse.glob("*.whl")))
    if not found:
        raise BuildError(f"{inputs.wheelhouse}: no wheel in it")
    return found


def own_packages(project: Project, inputs: Inputs) -> tuple[str, ...]:
    """Return the packages that the project itself brings, topmost ones only, as its wheel lists them.

    Packages, not single modules: what lies in them besides is data that a frozen form must be told of.

    Raises
    ------
    BuildError
        If its wheel is not there or cannot be read.
    """
    from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

    wanted = canonicalize_name(project.name)
    for wheel in wheels(inputs):
        try:
            if parse_wheel_filename(wheel.name)[0] != wanted:
                continue
            with zipfile.ZipFile(wheel) as archive:
                names = archive.namelist()
        except InvalidWheelFilename:
            continue
        except (OSError, zipfile.BadZipFile) as error:
            raise BuildError(f"{wheel.name}: cannot be read: {error}") from None
        return _topmost(names[:_MAX_MEMBERS])
    raise BuildError(f"{inputs.wheelhouse}: no wheel of {project.name!a} in it")


def _topmost(names: Iterable[str]) -> tuple[str, ...]:
    folders = sorted({PurePosixPath(name).parent for name in names if name.endswith("/__init__.py")})
    kept: list[PurePosixPath] = []
    for folder in folders:
        if all(part.isidentifier() for part in folder.parts) and not any(
            folder.is_relative_to(one) for one in kept
        ):
            kept.append(folder)
    return tuple(".".join(folder.parts) for folder in kept)


def entry_script(project: Project, file: Path, recipe: Recipe) -> None:
    """Write what a console script of it is, for tools that take only a script.

    Frozen programs need ``freeze_support`` first: what multiprocessing starts is the program itself.

    Raises
    ------
    BuildError
        If its entry point is none.
    """
    module, called = split_entry_point(project)
    lines = [
        "import multiprocessing, sys",
        "multiprocessing.freeze_support()",
        f"from {module} import {called.split('.')[0]}",
        f"sys.exit({called}())",
    ]
    file.write_text("\n".join([*lines, ""]), "utf-8")
    recipe.say(f"printf '%s\\n' {shlex.join(lines)} > {recipe.word(str(file))}")


class Recipe:
    """The commands of a build, run and noted: with short names for folders, to be typed again anywhere.

    Parameters
    ----------
    workshop : Workshop
    inputs : Inputs
    tools : ToolEnvironment, optional
        The packager's; making it is the first line.
    requirements : sequence of str
        What it is made of.
    """

    def __init__(
        self,
        workshop: Workshop,
        inputs: Inputs,
        tools: ToolEnvironment | None = None,
        requirements: Sequence[str] = (),
    ) -> None:
        self.workshop, self.tools = workshop, tools
        python = str(inputs.python.executable)
        self._names = [(str(inputs.wheelhouse), "wheels"), (str(workshop.output), "out")]
        if tools is not None:
            self._names.append((str(tools.bin.parent), "tools"))
        self._names += [(str(workshop.folder), "work"), (python, f"python{minor_version(inputs)}")]
        self.lines = ["mkdir -p work out  # wheels: the folder of the wheels to pack"]
        if requirements:
            self.say(f"python{minor_version(inputs)} -m venv tools")
            self.say(f"tools/bin/python -m pip install {shlex.join(requirements)}")

    def say(self, line: str) -> None:
        """Note a line that is not run as a command."""
        self.lines.append(line)

    def call(self, folder: Path, name: str) -> None:
        """Give one more folder a short name."""
        self._names.insert(0, (str(folder), name))

    def word(self, word: str) -> str:
        """Return a word of a command with the short names in it, quoted for a shell."""
        for path, name in self._names:
            word = re.sub(rf"{re.escape(path)}(?=/|$)", name, word)
        return shlex.quote(word)

    def run(
        self,
        argv: Sequence[str | Path],
        *,
        environment: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        """Run a command in the workshop and note it.

        Raises
        ------
        BuildError
            If it fails.
        """
        words = [str(word) for word in argv]
        variables = dict(environment or {})
        if self.workshop.source_date_epoch is not None:
            variables["SOURCE_DATE_EPOCH"] = str(self.workshop.source_date_epoch)
        shown = " ".join(
            [*(f"{name}={self.word(value)}" for name, value in variables.items()), *map(self.word, words)]
        )
        self.lines.append(shown)
        self.workshop.run(words, environment=environment, cwd=cwd, shown=shown)


def install(
    recipe: Recipe, inputs: Inputs, where: Sequence[str | Path], *, extra: Sequence[str] = ()
) -> None:
    """Install all wheels, without an index and without asking what they need: they are what is needed.

    Parameters
    ----------
    recipe : Recipe
    inputs : Inputs
    where : sequence of str or path
        Arguments for pip: ``("--python", PATH)`` before, else ``("--target", PATH)``.
    extra : sequence of str
        More options of ``pip install``.

    Raises
    ------
    BuildError
        If pip refuses.
    """
    before, after = (where, ()) if where and where[0] == "--python" else ((), where)
    recipe.run(
        [
            *pip_of(recipe.tools),
            *before,
            *("install", "--quiet", "--no-index", "--no-deps", "--no-warn-script-location"),
            *extra,
            *after,
            *wheels(inputs),
        ]
    )


def pip_of(tools: ToolEnvironment | None) -> list[str | Path]:
    """Return a command that is pip: of the tool's environment, else our own.

    Raises
    ------
    BuildError
        If there is neither.
    """
    if tools is not None and "pip" in tools.versions:
        return [tools.python, "-I", "-m", "pip"]
    if find_spec("pip") is None:
        raise BuildError("pip is neither in the tool's environment nor in pyassay's own: install it there")
    return [sys.executable, "-I", "-m", "pip"]


def own_environment(recipe: Recipe, inputs: Inputs) -> Path:
    """Return the Python of an environment with the packager *and* all wheels in it, made for this build.

    Packagers that follow imports must have both in one place. The shared environment of the tool is copied
    and the wheels are installed into the copy: the same as to install both into a new one.

    Raises
    ------
    BuildError
        If it cannot be made.
    """
    tools = recipe.tools
    if tools is None:
        raise BuildError("a packager without an environment has none to copy")
    copy = recipe.workshop.folder / "both"
    try:
        shutil.copytree(tools.bin.parent, copy, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    except (OSError, shutil.Error) as error:
        raise BuildError(f"{copy}: the environment cannot be copied: {error}"[:400]) from None
    recipe.say("cp -a tools work/both")
    python = copy / "bin" / "python"
    install(recipe, inputs, ("--python", python))
    return python


def finished(
    recipe: Recipe,
    form: Form,
    delivery: Delivery,
    path: Path,
    program: str,
    *,
    arguments: tuple[str, ...] = (),
    versions: Callable[[str], bool] = lambda name: True,
    other_versions: Mapping[str, str] | None = None,
) -> Built:
    """Return what was built, with what the workshop measured.

    Parameters
    ----------
    recipe : Recipe
    form : Form
    delivery : Delivery
    path : Path
    program : str
    arguments : tuple of str
    versions : callable
        Which distributions of the tool's environment had a part in it.
    other_versions : mapping, optional
        Of what is not in that environment.

    Raises
    ------
    BuildError
        If the tool said nothing but left no artifact.
    """
    if not path.exists() or (path.is_dir() and not (path / program).exists()):
        raise BuildError(f"{form.label}: it ended well but left no {path.name}")
    workshop, tools = recipe.workshop, recipe.tools
    named = {name: number for name, number in (tools.versions if tools else {}).items() if versions(name)}
    return Built(
        form=form,
        delivery=delivery,
        path=path,
        program=program,
        arguments=arguments,
        commands=tuple(recipe.lines),
        tool_versions={**named, **(other_versions or {})},
        duration_s=workshop.usage.duration_s,
        cpu_s=workshop.usage.cpu_s,
        peak_rss_bytes=workshop.usage.peak_rss_bytes,
        environment_bytes=tools.size_bytes if tools else 0,
        log=workshop.log,
    )
