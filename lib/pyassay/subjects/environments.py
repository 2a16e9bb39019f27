"""Virtual environments: which one a path lies in, and the interpreter that it rests on."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pyassay.subjects.bounded import entries, head
from pyassay.subjects.display import display_path, display_text

__all__ = ["VirtualEnvironment", "environment_of", "parse_pyvenv_cfg", "read_environment"]

_MAX_CFG_BYTES = 64 << 10
_MAX_KEYS = 200
_MAX_CHAIN = 5
_VERSION = re.compile(r"\d{1,2}\.\d{1,3}(?:\.\d{1,3}(?:(?:a|b|rc)\d+)?)?")
_TRUE = frozenset({"true", "1", "yes", "on"})


@dataclass(frozen=True, slots=True)
class VirtualEnvironment:
    """A virtual environment.

    Attributes
    ----------
    folder : Path
        Its root, with ``pyvenv.cfg`` (or the ``orig-prefix.txt`` of old virtualenvs).
    base : Path or None
        The executable of the interpreter that it rests on; None when it is gone.
    version : str
        As ``pyvenv.cfg`` says: ``3.12.1``, ``3.12`` or empty.
    system_site : bool
        Whether the packages of the base are seen, too.
    error : str or None
        One line: why there is no base.
    """

    folder: Path
    base: Path | None
    version: str
    system_site: bool
    error: str | None

    def site_folders(self) -> tuple[Path, ...]:
        """Return its own ``site-packages`` folders that exist."""
        found: dict[Path, None] = {}
        for lib in ("lib", "lib64"):
            for folder in entries(self.folder / lib):
                if folder.name.startswith(("python", "pypy", "graalpy")):
                    found |= dict.fromkeys(
                        (folder / name).resolve() for name in ("site-packages",) if (folder / name).is_dir()
                    )
        if (self.folder / "site-packages").is_dir():
            # PyPy 7.3.7 and older.
            found[(self.folder / "site-packages").resolve()] = None
        return tuple(found)


def environment_of(executable: Path) -> Path | None:
    """Return the virtual environment that a path to an executable lies in, following its links one by one.

    ``/usr/local/bin/tool-python -> /opt/tool/bin/python -> /usr/bin/python3.12`` lies in ``/opt/tool``.
    """
    for hop in _hops(executable):
        for folder in (hop.parent.parent, hop.parent):
            if _is_environment(folder):
                return folder
    return None


def read_environment(folder: Path) -> VirtualEnvironment:
    """Resolve a virtual environment to its base interpreter."""
    settings = _settings(folder)
    match = _VERSION.match(settings.get("version") or settings.get("version_info") or "")
    version = match[0] if match is not None else ""
    system_site = settings.get("include-system-site-packages", "").strip().lower() in _TRUE
    base, error = _base(folder, settings, version)
    return VirtualEnvironment(folder, base, version, system_site, error)


def parse_pyvenv_cfg(text: str) -> dict[str, str]:
    """Return the settings of a ``pyvenv.cfg``: keys in lower case, what is no ``key = value`` left out.

    Of a key that comes twice, the first is taken, as CPython does for ``home``.
    """
    settings: dict[str, str] = {}
    for line in text.splitlines():
        key, equals, value = line.partition("=")
        key = key.strip().lower()
        if equals and key and len(settings) < _MAX_KEYS:
            settings.setdefault(key, value.strip())
    return settings


def _is_environment(folder: Path) -> bool:
    try:
        return (folder / "pyvenv.cfg").is_file() or _orig_prefix(folder) is not None
    except OSError:
        return False


def _settings(folder: Path) -> dict[str, str]:
    data = head(folder / "pyvenv.cfg", _MAX_CFG_BYTES)
    return parse_pyvenv_cfg(data.decode("utf-8", "surrogateescape"))


def _orig_prefix(folder: Path) -> Path | None:
    """Return where an old virtualenv (before 20) says that its base is."""
    for library in entries(folder / "lib"):
        marker = library / "orig-prefix.txt"
        if library.name.startswith(("python", "pypy")) and marker.is_file():
            return _path(head(marker, 4096).decode("utf-8", "surrogateescape").strip())
    return None


def _base(folder: Path, settings: dict[str, str], version: str) -> tuple[Path | None, str | None]:
    wanted = "no home in pyvenv.cfg"
    for candidate in _base_candidates(folder, settings, version):
        resolved = _executable(candidate)
        # An environment made from an environment: on to what that one rests on.
        for _ in range(_MAX_CHAIN):
            if resolved is None:
                break
            inner = environment_of(resolved)
            if inner is None:
                return resolved, None
            if inner == folder:
                resolved = None
                break
            resolved = _first(_base_candidates(inner, _settings(inner), version))
    home = settings.get("home", "")
    if home:
        wanted = f"home = {display_text(home)[:300]}"
    return None, f"{display_path(folder)}: the interpreter of this virtual environment is gone ({wanted})"


def _base_candidates(folder: Path, settings: dict[str, str], version: str) -> Iterator[Path]:
    for key in ("executable", "base-executable"):
        named = _path(settings.get(key, ""))
        if named is not None:
            yield named
    series = ".".join(version.split(".")[:2])
    home = _path(settings.get("home", ""))
    names = [f"python{series}"] if series else []
    # Its own links say more than the bare home: /usr/bin may hold many.
    own = [path for path in entries(folder / "bin") if path.name.startswith(("python", "pypy", "graalpy"))]
    for path in own:
        for hop in _hops(path):
            if hop.parent.parent != folder:
                yield hop
                break
    if home is not None:
        names += [path.name for path in own]
        for name in dict.fromkeys((*names, "python3", "python", "pypy3", "python2")):
            yield home / name
    original = _orig_prefix(folder)
    if original is not None:
        for path in own:
            yield original / "bin" / path.name


def _first(paths: Iterator[Path]) -> Path | None:
    return next((found for path in paths if (found := _executable(path)) is not None), None)


def _executable(path: Path) -> Path | None:
    try:
        resolved = path.resolve(strict=True)
    except (OSError, RuntimeError):
        return None
    return resolved if resolved.is_file() and os.access(resolved, os.X_OK) else None


def _path(text: str) -> Path | None:
    return Path(text) if text.startswith("/") and "\0" not in text and len(text) < 4096 else None


def _hops(path: Path) -> Iterator[Path]:
    """Yield a path and what each of its links leads to, with the folder on the way resolved."""
    current = path
    for _ in range(40):
        try:
            current = current.parent.resolve() / current.name
            yield current
            current = current.parent / current.readlink()
        except (OSError, RuntimeError, ValueError):
            return
