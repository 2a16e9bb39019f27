"""Artifacts as subjects: what is shipped rather than run here. Looking at one never starts it."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from hashlib import blake2s
from pathlib import Path

from pyassay.subjects.bounded import head
from pyassay.subjects.display import display_text
from pyassay.subjects.locations import is_python_name
from pyassay.subjects.model import Artifact, SubjectKind

__all__ = ["artifact", "is_artifact", "named_artifacts"]

_SUFFIXES = (
    *(".whl", ".zip", ".pex", ".pyz", ".shiv", ".deb", ".appimage", ".tar", ".tgz", ".tbz", ".txz", ".tzst"),
    *(".tar.gz", ".tar.bz2", ".tar.xz", ".tar.zst", ".squashfs", ".run", ".bin", ".so", ".exe"),
)
# What is none of the formats is a tree of one file: then only ELF is an artifact, a text is not.
_SINGLE = "file"
_WHEEL_NAME = re.compile(r"([^-]+-[^-]+(?:-\d[^-]*)?-[^-]+-[^-]+)-([^-]+)\.whl")
_NUMBERED = re.compile(r"(?:many|musl)linux_\d+_\d+_")
_LONG_NAME = 60
_VERSIONED_LIBRARY = re.compile(r"\.so(?:\.\d+)+$")


def is_artifact(path: Path) -> bool:
    """Tell whether a file is to be read as an artifact, not asked as an interpreter.

    By its content; a damaged one by its suffix. A file with the name of a Python is none, whatever it holds.
    """
    if path.is_dir() or is_python_name(path.name) or is_python_name(Path(os.path.realpath(path)).name):
        return False
    if path.name.lower().endswith(_SUFFIXES) or _VERSIONED_LIBRARY.search(path.name):
        return True
    from pyassay.filetree import FileTreeError, open_tree

    try:
        if head(path, 4) == b"\x7fELF":
            return True
        with open_tree(path) as tree:
            return tree.format != _SINGLE
    except (FileTreeError, OSError):
        return False


def artifact(path: Path) -> Artifact:
    """Describe a file or folder as a subject; one that cannot be read has an ``error``.

    Its id and label are provisional: see :func:`named_artifacts`.
    """
    from pyassay.filetree import FileTreeError, open_tree

    try:
        size = path.stat().st_size if path.is_file() else None
        with open_tree(path) as tree:
            found, error = tree.format, None
    except (FileTreeError, OSError) as raised:
        size, found = None, ""
        error = display_text((raised.strerror if isinstance(raised, OSError) else None) or str(raised))
    return Artifact(
        "",
        _label(path),
        SubjectKind.ARTIFACT,
        path,
        found,
        size,
        error,
    )


def _label(path: Path) -> str:
    """Return a file's name; of a wheel's, whose tags may be many, the oldest platform only."""
    name = path.absolute().name or str(path)
    match = _WHEEL_NAME.fullmatch(name)
    if match is not None and len(name) > _LONG_NAME:
        platforms = match[2].split(".")
        numbered = [platform for platform in platforms if _NUMBERED.match(platform)]
        name = f"{match[1]} {min(numbered or platforms, key=_age)}"
    return display_text(name)[:120]


def _age(platform: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", platform)[:2]))


def named_artifacts(artifacts: Iterable[Artifact]) -> list[Artifact]:
    """Return artifacts sorted by name and path, with ids and labels that are unique among them."""
    ordered = sorted(artifacts, key=lambda one: (one.path.name, os.fsencode(one.path)))
    ids = [_id(one) for one in ordered]
    counts, labels = Counter(ids), Counter(one.label for one in ordered)
    finished = []
    for one, identifier in zip(ordered, ids, strict=True):
        mark = blake2s(os.fsencode(one.path), digest_size=3).hexdigest()
        finished.append(
            replace(
                one,
                id=identifier if counts[identifier] == 1 else f"{identifier}-{mark}",
                label=one.label if labels[one.label] == 1 else f"{one.label} ({mark})",
            )
        )
    return finished


def _id(one: Artifact) -> str:
    name = one.path.absolute().name if one.kind is SubjectKind.ARTIFACT else f"image-{one.path}"
    text = re.sub(r"[^a-z0-9._]+", "-", name.lower()).strip("-.")
    return re.sub(r"-{2,}", "-", text)[:100].strip("-") or "unnamed"
