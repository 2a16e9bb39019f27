"""What is to be packed, read from the ``pyproject.toml`` of a folder that may be anybody's."""

from __future__ import annotations

import os
import re
import shutil
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyassay.packagers.cache import digest_of_files
from pyassay.packagers.model import InputKind, Project
from pyassay.subjects.bounded import head

__all__ = ["BuildSettings", "ProjectError", "build_settings", "copy_source", "project"]

_MAX_TOML = 1 << 20
_MAX_SOURCE_BYTES = 256 << 20
_MAX_SOURCE_FILES = 20_000
_MAX_WORDS = 100
# What lies in a working copy and is no source of it: results of builds, environments, caches.
_NO_SOURCE = frozenset(
    {".git", ".hg", ".svn", ".tox", ".nox", ".venv", "venv", "build", "dist", "__pycache__", "node_modules"}
    | {".mypy_cache", ".pytest_cache", ".ruff_cache", ".eggs", ".DS_Store"}
)
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9])?")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.!+_-]{0,60}")
_IDENTIFIER = r"[^\W\d]\w{0,99}"
_ENTRY = re.compile(
    rf"(?P<module>{_IDENTIFIER}(?:\.{_IDENTIFIER}){{0,20}})\s*:\s*{_IDENTIFIER}(?:\.{_IDENTIFIER}){{0,5}}"
)
_SYSTEM_PACKAGE = re.compile(r"[a-z0-9][a-z0-9.+-]{0,80}")
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]{0,60}")
_VALUE = re.compile(r"[^\0\n]{0,500}")
_DEFAULT_BACKEND = ("setuptools", "wheel")


class ProjectError(Exception):
    """A folder is no project that can be packed: one line, names it."""


@dataclass(frozen=True, slots=True)
class BuildSettings:
    """What a project says of how its wheels are made.

    Attributes
    ----------
    build_requires : tuple of str
        Of its build backend, as pip takes them.
    dependencies : tuple of str
        Those that it declares outright.
    from_source : tuple of str
        Names of dependencies that are compiled here even where the index has wheels of them.
    debian_packages : tuple of str
        What compiling needs on Debian.
    environment : dict of str to str
        Variables for its building.
    pins : dict of InputKind to tuple of str
        Versions that one kind of wheels is held to: ``pycurl==7.46.0``.
    """

    build_requires: tuple[str, ...]
    dependencies: tuple[str, ...]
    from_source: tuple[str, ...]
    debian_packages: tuple[str, ...]
    environment: Mapping[str, str]
    pins: Mapping[InputKind, tuple[str, ...]]


def project(path: Path) -> Project:
    """Read what is to be packed from the ``pyproject.toml`` of a folder.

    Its ``[project]`` table says name, version and script. A table ``[tool.pyassay]`` may say more: ``script``
    (which of several), ``module`` (what ``python -m`` starts), ``help`` and ``check`` (arguments; ``--help``
    unless said), ``expected`` (what the check's output holds), ``pure``, and what :class:`BuildSettings` has.

    Parameters
    ----------
    path : Path
        The folder, or the file itself.

    Raises
    ------
    ProjectError
        If it cannot be read, or has no script that could be started.
    """
    folder, document = _document(path)
    shown = _shown(folder)
    table = _table(shown, document, "project")
    own = _table(shown, _table(shown, document, "tool"), "pyassay")
    name = _matching(shown, "project.name", table.get("name"), _NAME)
    version = table.get("version", "")
    if version:
        version = _matching(shown, "project.version", version, _VERSION)
    script, entry_point = _script(shown, table, own)
    module = own.get("module") or _module(folder, entry_point)
    help_arguments = _words(shown, own, "help") or ("--help",)
    pure = own.get("pure", False)
    speaks = own.get("speaks", False)
    if not isinstance(pure, bool) or not isinstance(speaks, bool):
        raise ProjectError(f"{shown}: tool.pyassay.pure and tool.pyassay.speaks are true or false")
    return Project(
        source=folder,
        name=name,
        version=version,
        module=_matching(
            shown, "tool.pyassay.module", module, re.compile(rf"{_IDENTIFIER}(?:\.{_IDENTIFIER})*")
        ),
        entry_point=entry_point,
        script=script,
        help_arguments=help_arguments,
        check_arguments=_words(shown, own, "check") or help_arguments,
        expected=_words(shown, own, "expected"),
        speaks=speaks,
        pure=pure,
        digest=_digest(folder),
    )


def build_settings(path: Path) -> BuildSettings:
    """Read what a project says of how its wheels are made.

    Raises
    ------
    ProjectError
        If it says something else than can be meant.
    """
    folder, document = _document(path)
    shown = _shown(folder)
    own = _table(shown, _table(shown, document, "tool"), "pyassay")
    backend = _table(shown, document, "build-system")
    requires = _requirements(shown, "build-system.requires", _words(shown, backend, "requires"))
    packages = _words(shown, own, "debian-packages")
    for package in packages:
        _matching(shown, "tool.pyassay.debian-packages", package, _SYSTEM_PACKAGE)
    from_source = _words(shown, own, "from-source")
    for one in from_source:
        _matching(shown, "tool.pyassay.from-source", one, _NAME)
    pins = _table(shown, own, "pins")
    unknown = sorted(set(pins) - {str(kind) for kind in InputKind})
    if unknown:
        raise ProjectError(f"{shown}: tool.pyassay.pins: {unknown[0]!r} is none of {', '.join(InputKind)}")
    variables = _table(shown, own, "build-environment")
    for variable, value in variables.items():
        _matching(shown, "tool.pyassay.build-environment", variable, _VARIABLE)
        _matching(shown, f"tool.pyassay.build-environment.{variable}", value, _VALUE)
    return BuildSettings(
        environment=dict(variables),
        build_requires=requires or _DEFAULT_BACKEND,
        dependencies=_requirements(
            shown, "project.dependencies", _words(shown, _table(shown, document, "project"), "dependencies")
        ),
        from_source=from_source,
        debian_packages=packages,
        pins={
            kind: _requirements(shown, f"tool.pyassay.pins.{kind}", _words(shown, pins, kind))
            for kind in InputKind
        },
    )


def copy_source(project: Project, to: Path) -> None:
    """Copy a project's source, so that a backend that writes into it writes into the copy.

    Raises
    ------
    ProjectError
        If something in it cannot be read.
    """

    def ignored(_: str, names: list[str]) -> list[str]:
        return [name for name in names if _is_no_source(name)]

    try:
        shutil.copytree(project.source, to, symlinks=True, ignore=ignored)
    except (OSError, shutil.Error) as error:
        raise ProjectError(f"{_shown(project.source)}: cannot be copied: {_first(error)}") from None


def _first(error: OSError | shutil.Error) -> str:
    if isinstance(error, shutil.Error) and error.args and error.args[0]:
        return str(error.args[0][0][-1])
    return error.strerror or str(error)


def _is_no_source(name: str) -> bool:
    return name in _NO_SOURCE or name.endswith((".egg-info", ".pyc"))


def _document(path: Path) -> tuple[Path, Mapping[str, Any]]:
    file = path if path.name == "pyproject.toml" else path / "pyproject.toml"
    shown = _shown(file)
    try:
        if not file.is_file():
            raise ProjectError(f"{shown}: no such file: a project to pack has one")
        data = head(file, _MAX_TOML + 1)
    except (OSError, ValueError) as error:
        raise ProjectError(f"{shown}: {getattr(error, 'strerror', None) or error}") from None
    if len(data) > _MAX_TOML:
        raise ProjectError(f"{shown}: larger than {_MAX_TOML >> 20} MiB")
    try:
        return file.parent.resolve(), tomllib.loads(data.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise ProjectError(f"{shown}: no TOML: {_printable(str(error))}") from None


def _digest(folder: Path) -> str:
    size = count = 0
    found = set()
    try:
        for top, folders, files in os.walk(folder):
            found |= {name for name in (*folders, *files) if _is_no_source(name)}
            folders[:] = [name for name in folders if not _is_no_source(name)]
            count += len(files)
            size += sum((Path(top) / name).lstat().st_size for name in files if not _is_no_source(name))
            if size > _MAX_SOURCE_BYTES or count > _MAX_SOURCE_FILES:
                raise ProjectError(
                    f"{_shown(folder)}: more than {_MAX_SOURCE_BYTES >> 20} MiB or {_MAX_SOURCE_FILES} files "
                    "of source: name the folder of the project alone"
                )
        return digest_of_files(folder, without=frozenset(found))
    except OSError as error:
        raise ProjectError(f"{_shown(Path(error.filename or folder))}: {error.strerror or error}") from None


def _script(shown: str, table: Mapping[str, Any], own: Mapping[str, Any]) -> tuple[str, str]:
    scripts = _table(shown, table, "scripts")
    wanted = own.get("script", "")
    if not scripts:
        raise ProjectError(f"{shown}: its [project.scripts] has no script: there would be nothing to start")
    if not wanted and len(scripts) > 1:
        name = table.get("name")
        if name not in scripts:
            raise ProjectError(f"{shown}: has {len(scripts)} scripts: name one as tool.pyassay.script")
        wanted = name
    script = wanted or next(iter(scripts))
    if script not in scripts:
        raise ProjectError(f"{shown}: tool.pyassay.script: {_printable(repr(script))} is none of its scripts")
    entry = _matching(shown, f"project.scripts.{_printable(str(script))}", scripts[script], _ENTRY)
    return _matching(shown, "project.scripts", script, _NAME), re.sub(r"\s", "", entry)


def _module(folder: Path, entry_point: str) -> str:
    """Return what ``python -m`` starts: the package, if it can be started, else the script's own module."""
    module = entry_point.partition(":")[0]
    package = module.partition(".")[0]
    tops = (folder, folder / "src", folder / "lib")
    return package if any((top / package / "__main__.py").is_file() for top in tops) else module


def _table(shown: str, document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = document.get(name, {})
    if not isinstance(found, dict):
        raise ProjectError(f"{shown}: {name} is no table")
    return found


def _words(shown: str, table: Mapping[str, Any], name: str) -> tuple[str, ...]:
    found = table.get(name, [])
    if not isinstance(found, list) or len(found) > _MAX_WORDS:
        raise ProjectError(f"{shown}: {name} is no list of at most {_MAX_WORDS} texts")
    if not all(isinstance(one, str) and "\0" not in one and len(one) < 1000 for one in found):
        raise ProjectError(f"{shown}: {name} holds something that is no text")
    return tuple(found)


def _requirements(shown: str, where: str, found: tuple[str, ...]) -> tuple[str, ...]:
    from packaging.requirements import InvalidRequirement, Requirement

    for one in found:
        try:
            Requirement(one)
        except InvalidRequirement:
            raise ProjectError(f"{shown}: {where}: no requirement: {_printable(one[:100])}") from None
    return found


def _matching(shown: str, where: str, value: object, pattern: re.Pattern[str]) -> str:
    if not isinstance(value, str) or pattern.fullmatch(value) is None:
        raise ProjectError(f"{shown}: {where}: {_printable(repr(value)[:100])} will not do")
    return value


def _shown(path: Path) -> str:
    return _printable(str(path))


def _printable(text: str) -> str:
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)
