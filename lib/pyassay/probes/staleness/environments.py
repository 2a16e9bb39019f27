"""Virtual environments that have been left behind: by the interpreter they rest on, or together with it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from pyassay.elf import ElfError
from pyassay.elf.closure import Root, closure
from pyassay.probes.libraries.scan import scan
from pyassay.probes.signatures import signatures
from pyassay.subjects.bounded import entries, head
from pyassay.subjects.display import display_path, display_text
from pyassay.subjects.environments import environment_of, parse_pyvenv_cfg, read_environment
from pyassay.subjects.locations import Search
from pyassay.subjects.model import Interpreter
from pyassay.subjects.static import is_libpython, static_facts

__all__ = ["Bases", "environment_row", "environments_below"]

_MAX_CFG_BYTES = 64 << 10
_PATCH_FOLDER = re.compile(r"(?:^|[^\d.])(\d\.\d{1,3}\.\d{1,3})(?![\d.])", re.ASCII)
_CONDA_PYTHON = re.compile(r"python-(\d+\.\d+\.\d+)-[^/]*\.json", re.ASCII)
_PATCH = re.compile(r"\d+\.\d+\.\d+(?:(?:a|b|rc)\d+)?", re.ASCII)


@dataclass(slots=True)
class Bases:
    """What is known of the interpreters that environments rest on.

    Attributes
    ----------
    known : dict of Path to Interpreter
        By their executables.
    """

    known: dict[Path, Interpreter] = field(default_factory=dict)

    @classmethod
    def of(cls, subjects: Iterable[Interpreter]) -> Bases:
        """Return those among the subjects of this host."""
        return cls({one.executable: one for one in subjects if not one.image})

    def subject_id(self, executable: Path) -> str:
        """Return the subject that an executable is; empty: none of them."""
        one = self.known.get(executable)
        return one.id if one is not None else ""

    def version(self, executable: Path) -> str:
        """Return the version of an interpreter: as it told, or as its bytes tell; it is not run here."""
        one = self.known.get(executable)
        if one is not None and one.version:
            return one.version
        try:
            status = executable.stat()
        except OSError:
            return ""
        return _version_in_bytes(executable, status.st_size, status.st_mtime_ns)

    def implementation(self, executable: Path) -> str:
        """Return ``cpython``, ``pypy``, ``graalpy``."""
        one = self.known.get(executable)
        if one is not None:
            return one.implementation
        return next((name for name in ("pypy", "graalpy") if executable.name.startswith(name)), "cpython")


@lru_cache(maxsize=512)
def _version_in_bytes(executable: Path, *_: int) -> str:
    known = {"cpython": signatures()["cpython"]}
    try:
        files = [executable]
        loaded = closure(executable, Root("/")).loaded
        files += [path for soname, path in loaded.items() if is_libpython(soname)]
        for path in files:
            for one in scan(path, str(path), known).carried:
                if _PATCH.fullmatch(one.version):
                    return one.version
    except (ElfError, OSError, ValueError):
        pass
    said = static_facts(executable).version
    return said if _PATCH.fullmatch(said) else ""


def environments_below(search: Search, folder: Path) -> Iterator[Path]:
    """Yield the virtual environments (conda's, too) below a folder, within the limits of a search."""
    seen: set[Path] = set()
    for path in search.walk(folder):
        root = path.parent if path.name == "pyvenv.cfg" else path.parent.parent
        if root not in seen and (path.name == "pyvenv.cfg" or (root / "conda-meta").is_dir()):
            seen.add(root)
            yield root


def environment_row(folder: Path, bases: Bases) -> dict[str, Any]:
    """Return what is known of one virtual environment: a row of the table ``environments``."""
    row: dict[str, Any] = {
        "subject_id": "",
        "path": display_path(folder),
        "kind": "",
        "base": "",
        "cfg_version": "",
        "base_version": "",
        "state": "unknown",
        "mends": "",
        "evidence": "",
    }
    try:
        row |= _observed(folder, bases)
        if row["mends"] and not str(folder).isprintable():
            row |= {"mends": "", "evidence": f"{row['evidence']}; its path cannot be typed"}
        return row  # noqa: TRY300
    except (OSError, ValueError) as error:
        return row | {"evidence": display_text(" ".join(str(error).split()))[:300]}


def _observed(folder: Path, bases: Bases) -> dict[str, Any]:
    data = head(folder / "pyvenv.cfg", _MAX_CFG_BYTES)
    if not data:
        return _conda(folder) or {"evidence": "no pyvenv.cfg that could be read"}
    settings = parse_pyvenv_cfg(data.decode("utf-8", "surrogateescape"))
    kind = next((name for name in ("uv", "virtualenv") if name in settings), "venv")
    environment = read_environment(folder)
    found: dict[str, Any] = {
        "kind": kind,
        "base": display_path(environment.base) if environment.base is not None else _named(settings),
        "cfg_version": environment.version,
    }
    series = ".".join(environment.version.split(".")[:2])
    if environment.base is None:
        return found | {
            "state": "base gone",
            "mends": _anew(kind, folder, series),
            "evidence": f"pyvenv.cfg names {_named(settings) or 'no base'}: nothing there can be started; "
            "made anew, it needs its packages again",
        }
    base_version = bases.version(environment.base)
    found |= {"base_version": base_version, "subject_id": bases.subject_id(environment.base)}
    stated = settings.get("implementation", "").lower()
    implementation = bases.implementation(environment.base)
    return found | _state(
        _Rests(folder, kind, settings, environment.base, environment.version, base_version),
        other=f"{stated}, not {implementation}" if stated and stated != implementation else "",
    )


@dataclass(frozen=True, slots=True)
class _Rests:
    folder: Path
    kind: str
    settings: Mapping[str, str]
    base: Path
    version: str
    base_version: str

    @property
    def series(self) -> str:
        return ".".join(self.base_version.split(".")[:2])


def _state(one: _Rests, other: str) -> dict[str, Any]:
    if not one.base_version:
        return {"evidence": f"the version of {display_path(one.base)} could not be read from its bytes"}
    cfg = one.version or "no version"
    now = f"pyvenv.cfg says {cfg}, {display_path(one.base)} is {one.base_version}"
    started = _started(one.folder)
    if started is not None and started != one.base:
        return {
            "state": "different interpreter",
            "mends": _anew(one.kind, one.folder, one.series, one.base),
            "evidence": f"{now}, but bin/python starts {display_path(started)}; "
            "made anew, it needs its packages again",
        }
    if other or (one.version and one.version.split(".")[:2] != one.base_version.split(".")[:2]):
        return {
            "state": "different interpreter",
            "mends": _anew(one.kind, one.folder, one.series, one.base),
            "evidence": f"{now}{f' (made for {other})' if other else ''}: its packages were installed for "
            "another Python; made anew, it needs them again",
        }
    # PyPy's own version and the language's differ; only one of the language's form is compared.
    if _PATCH.fullmatch(one.version) and one.version != one.base_version:
        return {
            "state": "base moved on",
            "mends": _upgraded(one.kind, one.folder, one.base),
            "evidence": f"{now}: made for another patch, its packages stay as they are",
        }
    pinned = _pinned(one)
    if pinned:
        return {"state": "pinned patch", "mends": _unpinned(one), "evidence": f"{now}; {pinned}"}
    return {"state": "current", "evidence": now}


def _pinned(one: _Rests) -> str:
    """Return how it is bound to one patch release, as written (links not resolved); empty: it is not."""
    for told, path in (("home", one.settings.get("home", "")), ("bin/python", _first_hop(one.folder))):
        for match in _PATCH_FOLDER.finditer(path):
            if match[1] == one.base_version:
                shown = display_path(path)[:300]
                return f"{told} leads to {shown}: the folder of one patch release, which no upgrade changes"
    return ""


def _first_hop(folder: Path) -> str:
    """Return where the environment's own link to its interpreter leads, as written."""
    path = folder / "bin" / "python"
    for _ in range(10):
        try:
            target = path.parent / path.readlink()
        except (OSError, ValueError):
            return ""
        if target.parent != folder / "bin":
            return str(target)
        path = target
    return ""


def _started(folder: Path) -> Path | None:
    """Return the interpreter that the environment's own link starts; None where it has a copy."""
    hop = _first_hop(folder)
    try:
        real = Path(hop).resolve(strict=True) if hop else None
    except (OSError, RuntimeError, ValueError):
        return None
    # From an environment to another one: what that one rests on has been followed already.
    return real if real is not None and environment_of(Path(hop)) is None else None


def _named(settings: Mapping[str, str]) -> str:
    for key in ("executable", "base-executable", "home"):
        if settings.get(key):
            return display_text(settings[key])[:300]
    return ""


def _conda(folder: Path) -> dict[str, Any] | None:
    listed = entries(folder / "conda-meta")
    if not listed:
        return None
    match = next((found for path in listed if (found := _CONDA_PYTHON.fullmatch(path.name))), None)
    version = match[1] if match else ""
    facts: dict[str, Any] = {"kind": "conda", "cfg_version": version}
    if match is None:
        return facts | {"evidence": "conda-meta names no python: an environment without one"}
    executable = folder / "bin" / "python"
    if not executable.exists():
        return facts | {
            "state": "base gone",
            "mends": f"conda install --force-reinstall --prefix {_quoted(folder)} python={version}",
            "evidence": f"conda-meta names python {version}, bin/python is not there",
        }
    return facts | {
        "base": display_path(executable),
        "state": "current",
        "evidence": f"carries its own python {version}: conda update --prefix {_quoted(folder)} python",
    }


# What mends it ---------------------------------------------------------------------------------------------


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))


def _anew(kind: str, folder: Path, series: str, base: Path | None = None) -> str:
    python = _quoted(base) if base is not None else f"python{series or '3'}"
    if kind == "uv":
        return f"uv venv --clear --python {python.removeprefix('python')} {_quoted(folder)}"
    if kind == "virtualenv":
        return f"virtualenv --clear --python {python} {_quoted(folder)}"
    return f"{python} -m venv --clear {_quoted(folder)}"


def _upgraded(kind: str, folder: Path, base: Path) -> str:
    if kind == "uv":
        return f"uv venv --allow-existing --python {_quoted(base)} {_quoted(folder)}"
    if kind == "virtualenv":
        return f"virtualenv --python {_quoted(base)} {_quoted(folder)}"
    return f"{_quoted(base)} -m venv --upgrade {_quoted(folder)}"


def _unpinned(one: _Rests) -> str:
    """Return a command that binds it to what follows upgrades, or to the newest patch release.

    ``python -m venv --upgrade`` run by a Python of another folder would not do: it writes pyvenv.cfg anew and
    leaves the link as it is.
    """
    folder = _quoted(one.folder)
    if one.kind == "uv" or "/uv/python/" in str(one.base):
        return f"uv venv --allow-existing --python {one.series} {folder}"
    if "/.pyenv/" in str(one.base):
        newest = f'"$(pyenv root)/versions/$(pyenv latest {one.series})/bin/python"'
        return f"pyenv install --skip-existing {one.series} && {newest} -m venv --clear {folder}"
    return f"python{one.series} -m venv --clear {folder}"
