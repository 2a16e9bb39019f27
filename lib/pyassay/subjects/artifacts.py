"""Artifacts as subjects: what is shipped rather than run here. Looking at one never starts it."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from hashlib import blake2s
from pathlib import Path

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
        with open_tree(path) as tree:
            if tree.format != _SINGLE:
                return True
        with path.open("rb") as file:
            return file.read(4) == b"\x7fELF"
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
        display_text(path.absolute().name or str(path))[:120],
        SubjectKind.ARTIFACT,
        path,
        found,
        size,
        error,
    )


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
