"""The uv binaries of a machine, and the newest Pythons that each knows without a network."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pyassay.places.host import StartError, run
from pyassay.subjects.display import display_path, display_text
from pyassay.subjects.locations import path_entries

__all__ = ["uv_binaries", "uv_rows"]

_MAX_BINARIES = 20
_VERSION_S, _LIST_S = 10.0, 30.0
_UV = re.compile(r"uv (\d{1,4}\.\d{1,4}\.\d{1,4}\S{0,20})")
_PYTHON = re.compile(r"(\d{1,2})\.(\d{1,3})\.(\d{1,3})((?:a|b|rc)\d{1,3})?", re.ASCII)
_BUILD = re.compile(r"/releases/download/(\d{8})/")
_LISTING = (
    *("python", "list", "--all-versions", "--only-downloads", "--offline", "--no-config", "--no-cache"),
    *("--output-format", "json"),
)


def uv_binaries(environments: Iterable[Path] = ()) -> list[Path]:
    """Return the uv programs of this machine, links resolved, once each.

    Looked for in PATH, where installers put it (``~/.local/bin``, ``~/.cargo/bin``, ``/usr/local/bin`` ...),
    beside the running Python and in the given environments.
    """
    found: dict[tuple[int, int], Path] = {}
    for folder in (*path_entries(), *_known_folders(), *(root / "bin" for root in environments)):
        try:
            real = (folder / "uv").resolve(strict=True)
            if real.is_file() and os.access(real, os.X_OK):
                # Installers link one file into many environments.
                found.setdefault((real.stat().st_dev, real.stat().st_ino), real)
        except (OSError, RuntimeError):
            continue
    return list(found.values())


def _known_folders() -> Iterator[Path]:
    yield Path(sys.executable).parent
    home = os.environ.get("HOME", "")
    if home.startswith("/"):
        for inside in (".local/bin", ".cargo/bin", "bin", ".local/share/uv/tools/uv/bin", ".pyenv/shims"):
            yield Path(home) / inside
    yield from map(Path, ("/usr/local/bin", "/usr/bin", "/opt/uv/bin", "/home/linuxbrew/.linuxbrew/bin"))


def uv_rows(binaries: Iterable[Path]) -> Iterator[dict[str, Any]]:
    """Ask each uv for its version and its list of Pythons; it is not let onto the network.

    Of an entry of its JSON ``implementation``, ``variant``, ``version`` and ``url`` are looked at; the others
    (``key``, ``version_parts``, ``path``, ``symlink``, ``os``, ``arch``, ``libc``) are those of this machine
    or say the same. Yields a row for each branch of CPython that it knows.
    """
    listed = list(binaries)
    for path in listed[:_MAX_BINARIES]:
        yield from _rows(path)
    for path in listed[_MAX_BINARIES:]:
        yield _row(path, reason=f"not asked: more than {_MAX_BINARIES} of them here")


def _row(path: Path, version: str = "", reason: str = "") -> dict[str, Any]:
    return {
        "path": display_path(path),
        "version": version,
        "branch": "",
        "newest": "",
        "build": "",
        "known": None,
        "reason": reason,
    }


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    try:
        said = run((path, "--version"), timeout_s=_VERSION_S, max_output_bytes=4096)
        match = _UV.match(said.stdout.decode("utf-8", "replace"))
        if not said.ok or match is None:
            how = "no answer in time" if said.timed_out else f"exit status {said.returncode}"
            yield _row(path, reason=f"it did not tell its version ({how})")
            return
        version = display_text(match[1])
        answer = run((path, *_LISTING), timeout_s=_LIST_S, max_output_bytes=32 << 20)
    except StartError as error:
        yield _row(path, reason=display_text(str(error))[:300])
        return
    if not answer.ok:
        words = display_text(" ".join(answer.stderr.decode("utf-8", "replace").split()))[:200]
        how = "no answer in time" if answer.timed_out else words or f"exit status {answer.returncode}"
        yield _row(path, version, f"it did not list its Pythons: {how}")
        return
    try:
        branches = _branches(json.loads(answer.stdout))
    except (ValueError, TypeError, RecursionError):
        yield _row(path, version, "its list of Pythons is not the JSON that was expected")
        return
    if not branches:
        yield _row(path, version, "its list names no CPython for this machine")
    for branch, offers in sorted(branches.items(), key=lambda item: _order(f"{item[0]}.0")):
        # A branch has a newest release; before its first, a newest preview.
        newest = max(offers, key=lambda offer: (not _PYTHON.fullmatch(offer)[4], _order(offer)))  # type: ignore[index]
        yield _row(path, version) | {
            "branch": branch,
            "newest": newest,
            "build": offers[newest],
            "known": len(offers),
        }


def _branches(entries: object) -> dict[str, dict[str, str]]:
    """Return the builds by version, by branch."""
    found: dict[str, dict[str, str]] = {}
    if not isinstance(entries, list):
        raise TypeError
    for entry in entries:
        if not isinstance(entry, Mapping):
            raise TypeError
        if entry.get("implementation") != "cpython" or entry.get("variant", "default") != "default":
            continue
        match = _PYTHON.fullmatch(str(entry.get("version", "")))
        if match is not None:
            build = _BUILD.search(str(entry.get("url") or ""))
            found.setdefault(f"{match[1]}.{match[2]}", {})[match[0]] = build[1] if build else ""
    return found


def _order(version: str) -> tuple[object, ...]:
    match = _PYTHON.fullmatch(version)
    if match is None:
        return (0, 0, 0, "", 0)
    level, serial = re.fullmatch(r"([a-z]*)(\d*)", match[4] or "~0", re.ASCII), 0
    name = level[1] if level is not None else "~"
    serial = int(level[2] or 0) if level is not None else 0
    return (int(match[1]), int(match[2]), int(match[3]), name or "~", serial)
