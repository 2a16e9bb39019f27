"""Where Pythons are looked for: names in PATH, and the folders that each tool keeps its own in.

Nothing here runs anything: what is yielded are paths that look like an interpreter by name, or virtual
environments.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from stat import S_ISREG

from pyassay.elf import is_elf
from pyassay.subjects.bounded import entries, head
from pyassay.subjects.display import display_path

__all__ = [
    "Search",
    "is_python_name",
    "is_shared_prefix",
    "path_entries",
    "pythons_in",
    "shim_of",
    "system_locations",
]

_NAME = re.compile(
    r"(?:python|pypy|graalpy|graalpython|platform-python)(?:\d+(?:\.\d+){0,2})?"
    r"(?:dmu|dm|du|mu|dt|td|d|m|u|t)?(?:-c|-dbg|-debug)?"
)
_SHARED_PREFIXES = frozenset(map(Path, ("/", "/usr", "/usr/local", "/opt", "/app")))
_MAX_ENTRIES = 20_000
_MAX_LIST_BYTES = 1 << 20
_SHIM_BYTES = 4096
# Words by which scripts that choose an interpreter at run time give themselves away.
_SHIMS: tuple[tuple[str, re.Pattern[bytes]], ...] = (
    ("pyenv", re.compile(rb"\bpyenv['\"]? exec\b|PYENV_ROOT")),
    ("asdf", re.compile(rb"\basdf['\"]? exec\b|asdf-plugin")),
    ("mise", re.compile(rb"\b(?:mise|rtx)['\"]? (?:exec|x|hook)\b")),
)
# Programs that behave as an interpreter when called by its name.
_SHIM_PROGRAMS = frozenset({"mise", "rtx", "asdf", "rye", "uv", "pyenv", "volta", "proto-shim"})
# Never descended into: no interpreter lies there, and they hold most of the files.
_LEFT_OUT = frozenset(
    {"__pycache__", "site-packages", "dist-packages", "node_modules", ".git", ".hg", ".cache"}
)
_VIRTUAL_FILE_SYSTEMS = frozenset(map(Path, ("/proc", "/sys", "/dev", "/run/user")))


@dataclass(slots=True)
class Search:
    """A bounded walk through folders; no link to a folder is followed.

    Attributes
    ----------
    max_depth, max_entries, max_seconds : int, int, float
        Where the walk ends.
    remarks : list of str
        One line for every folder that was not read to its end.
    """

    max_depth: int = 12
    max_entries: int = 300_000
    max_seconds: float = 20.0
    remarks: list[str] = field(default_factory=list)

    def walk(self, root: Path) -> Iterator[Path]:
        """Yield what has the name of an interpreter (dangling links, too), and every ``pyvenv.cfg``."""
        if not root.is_dir():
            self.remarks.append(f"{display_path(root)}: no such folder")
            return
        until = time.monotonic() + self.max_seconds
        pending = [(root.resolve(), 0)]
        count = 0
        while pending:
            folder, depth = pending.pop()
            try:
                listed = sorted(os.scandir(folder), key=lambda entry: entry.name)
            except OSError as error:
                self.remarks.append(f"{display_path(folder)}: {error.strerror or 'not readable'}")
                continue
            count += len(listed)
            if count > self.max_entries or time.monotonic() > until:
                limit = (
                    f"{self.max_entries} entries" if count > self.max_entries else f"{self.max_seconds:g} s"
                )
                self.remarks.append(f"{display_path(root)}: not searched to its end (over {limit})")
                return
            for entry in reversed(listed):
                if entry.is_dir(follow_symlinks=False):
                    if entry.name in _LEFT_OUT or folder / entry.name in _VIRTUAL_FILE_SYSTEMS:
                        continue
                    if depth + 1 > self.max_depth:
                        self.remarks.append(
                            f"{display_path(entry.path)}: deeper than {self.max_depth} folders"
                        )
                        continue
                    pending.append((folder / entry.name, depth + 1))
            yield from (
                folder / entry.name
                for entry in listed
                if entry.name == "pyvenv.cfg" or _looks_like_python(folder / entry.name)
            )


def is_shared_prefix(prefix: Path) -> bool:
    """Tell whether a prefix is shared by the whole system, so that not all below it is one interpreter's."""
    return prefix in _SHARED_PREFIXES


def is_python_name(name: str) -> bool:
    """Tell whether a file of this name may be an interpreter: ``python3.12``, ``python2.7d``, ``pypy3``."""
    return _NAME.fullmatch(name) is not None


def shim_of(path: Path) -> str | None:
    """Return the tool whose shim this is: a file that chooses an interpreter, and is none itself."""
    try:
        real = path.resolve(strict=True)
        if real.name in _SHIM_PROGRAMS:
            return real.name
    except (OSError, RuntimeError):
        return None
    start = head(real, _SHIM_BYTES)
    if not start.startswith(b"#!"):
        return None
    return next((tool for tool, marks in _SHIMS if marks.search(start)), None)


def path_entries() -> list[Path]:
    """Return the absolute folders of PATH, once each."""
    entries = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return [Path(entry) for entry in dict.fromkeys(entries) if entry.startswith("/")]


def pythons_in(folder: Path) -> list[Path]:
    """Return the files of one folder that look like interpreters, by name."""
    return [path for path in entries(folder) if _looks_like_python(path)]


def system_locations() -> Iterator[Path]:
    """Yield every path on this system that may be an interpreter, or is a ``pyvenv.cfg``."""
    for folder in (*path_entries(), *map(Path, ("/usr/bin", "/usr/local/bin", "/usr/libexec"))):
        yield from pythons_in(folder)
    for pattern_root, pattern in _patterns():
        for folder in _globbed(pattern_root, pattern):
            yield from pythons_in(folder)
    for environment in _environments():
        if (environment / "pyvenv.cfg").is_file():
            yield environment / "pyvenv.cfg"


def _looks_like_python(path: Path) -> bool:
    if not is_python_name(path.name):
        return False
    try:
        status = path.stat()
    except OSError:
        # A link to nothing is a finding; a file that vanished or may not be looked at is none.
        return path.is_symlink()
    if not S_ISREG(status.st_mode):
        return False
    # Completion scripts and the like have the name, too.
    return bool(status.st_mode & 0o111) or is_elf(path)


def _patterns() -> Iterator[tuple[Path, str]]:
    """Yield the ``bin`` folders that tools keep interpreters in, as a folder and a glob below it."""
    home, data = _home(), _data_home()
    for root in _pyenv_roots(home):
        yield from ((root, pattern) for pattern in ("versions/*/bin", "versions/*/envs/*/bin"))
    for root in _roots("UV_PYTHON_INSTALL_DIR", data / "uv" / "python", home / ".local/share/uv/python"):
        yield from ((root, pattern) for pattern in ("*-*/bin", "*-*/install/bin"))
    for root in _conda_roots():
        yield from ((root, pattern) for pattern in ("bin", "envs/*/bin"))
    yield home / ".conda/envs", "*/bin"
    for root in _roots("ASDF_DATA_DIR", home / ".asdf") + _roots("MISE_DATA_DIR", data / "mise"):
        yield root, "installs/python/*/bin"
    yield home / ".rye/py", "*/bin"
    yield home / ".rye/py", "*/install/bin"
    yield data / "hatch", "env/virtual/.pythons/*/python/bin"
    yield data / "hatch", "pythons/*/python/bin"
    yield data / "pdm/python", "*/bin"
    yield data / "pypoetry/python", "*/bin"
    for root in _roots("HOMEBREW_PREFIX", Path("/home/linuxbrew/.linuxbrew")):
        yield root, "opt/python@*/bin"
    yield Path("/opt/python"), "*/bin"
    yield Path("/opt"), "*/bin"
    yield from (
        (root, "Python/*/*/bin") for root in _roots("AGENT_TOOLSDIRECTORY", Path("/opt/hostedtoolcache"))
    )
    yield Path("/usr/lib"), "pypy*/bin"
    yield Path("/nix/var/nix/profiles/default"), "bin"
    yield home / ".nix-profile", "bin"
    yield from _bundles(home)


def _pyenv_roots(home: Path) -> list[Path]:
    roots = _roots("PYENV_ROOT", home / ".pyenv")
    program = shutil.which("pyenv")
    # bin/pyenv is a link to libexec/pyenv, or a script beside it.
    return [*roots, *([Path(program).resolve().parent.parent] if program else [])]


def _bundles(home: Path) -> Iterator[tuple[Path, str]]:
    """Yield where the Google Cloud SDK keeps the interpreter that it brings along."""
    inside = "platform/bundledpythonunix/bin"
    gcloud = shutil.which("gcloud")
    if gcloud:
        yield Path(gcloud).resolve().parent.parent, inside
    for root in _roots("CLOUDSDK_ROOT_DIR"):
        yield root, inside
    for folder in (home, *map(Path, ("/usr/lib", "/usr/lib64", "/usr/share", "/usr/local", "/opt"))):
        yield folder, f"*/{inside}"


def _conda_roots() -> list[Path]:
    home = _home()
    roots = _roots("CONDA_PREFIX") + _roots("CONDA_ROOT") + _roots("MAMBA_ROOT_PREFIX")
    for program in (os.environ.get("CONDA_EXE", ""), shutil.which("conda"), shutil.which("mamba")):
        if program and program.startswith("/"):
            roots.append(Path(program).resolve().parent.parent)
    names = ("miniconda3", "anaconda3", "miniforge3", "mambaforge", "micromamba", "conda")
    roots += [folder / name for folder in (home, Path("/opt")) for name in names]
    listed = head(home / ".conda" / "environments.txt", _MAX_LIST_BYTES)
    lines = listed.decode("utf-8", "surrogateescape").splitlines()
    roots += [Path(line) for line in lines[:1000] if line.startswith("/") and "\0" not in line]
    return list(dict.fromkeys(roots))


def _environments() -> Iterator[Path]:
    home, data = _home(), _data_home()
    yield from _roots("VIRTUAL_ENV")
    with contextlib.suppress(OSError):
        yield Path.cwd() / ".venv"
        yield Path.cwd() / "venv"
    kept = [*_roots("WORKON_HOME"), home / ".virtualenvs", data / "pipx/venvs", data / "uv/tools"]
    for folder in (*kept, home / ".cache/pypoetry/virtualenvs"):
        yield from _globbed(folder, "*")


def _roots(variable: str, *otherwise: Path) -> list[Path]:
    """Return the folder that a variable names, then the usual ones."""
    named = os.environ.get(variable, "")
    return [*([Path(named)] if named.startswith("/") else []), *otherwise]


def _globbed(root: Path, pattern: str) -> list[Path]:
    found: Iterable[Path] = root.glob(pattern)
    try:
        return sorted(path for path, _ in zip(found, range(_MAX_ENTRIES), strict=False) if path.is_dir())
    except OSError:
        return []


def _home() -> Path:
    named = os.environ.get("HOME", "")
    return Path(named) if named.startswith("/") else Path("/nonexistent")


def _data_home() -> Path:
    named = os.environ.get("XDG_DATA_HOME", "")
    return Path(named) if named.startswith("/") else _home() / ".local" / "share"
