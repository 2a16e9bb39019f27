"""Built twice in the same folder, one after the other: whether the bytes are the same, else where not."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pyassay.filetree import FileTreeError, Member, open_tree
from pyassay.packagers.model import BuildError, Built
from pyassay.places.container_errors import one_line
from pyassay.probes.packaging.candidates import Candidate
from pyassay.probes.packaging.store import digest_of_path

__all__ = ["EPOCH", "first_difference", "repeat_rows", "unrepeated"]

EPOCH = 1_700_000_000
"""SOURCE_DATE_EPOCH of the second pair: seconds, in November 2023."""

_PIECE_BYTES = 1 << 20
# A build that takes longer is repeated once, not three times.
_LONG_S = 60.0

Row = dict[str, Any]
Build = Callable[[Candidate, int | None, int], Built]


def repeat_rows(candidate: Candidate, build: Build) -> list[Row]:
    """Build an artifact again, without and with SOURCE_DATE_EPOCH, and compare.

    Parameters
    ----------
    candidate : Candidate
        Built, without SOURCE_DATE_EPOCH.
    build : callable
        Builds it: given the candidate, SOURCE_DATE_EPOCH or None, and the number of the attempt.
    """
    built = candidate.built
    if built is None:
        return unrepeated(candidate, f"not built: {candidate.reason or candidate.status}")
    rows = [_compared(candidate, None, lambda: built, lambda: build(candidate, None, 2))]
    if built.duration_s > _LONG_S:
        reason = f"a build takes {built.duration_s:.0f} s, and this would take two more"
        return [*rows, _row(candidate, EPOCH, reason=reason)]
    rows.append(
        _compared(candidate, EPOCH, lambda: build(candidate, EPOCH, 1), lambda: build(candidate, EPOCH, 2))
    )
    return rows


def unrepeated(candidate: Candidate, reason: str) -> list[Row]:
    """Return the rows of an artifact that was not built twice."""
    return [_row(candidate, epoch, reason=reason) for epoch in (None, EPOCH)]


def _compared(
    candidate: Candidate, epoch: int | None, first: Callable[[], Built], second: Callable[[], Built]
) -> Row:
    try:
        one, other = first().path, second().path
        if digest_of_path(one) == digest_of_path(other):
            return _row(candidate, epoch, same=True)
        return _row(candidate, epoch, same=False, difference=first_difference(one, other))
    except (BuildError, FileTreeError, OSError) as error:
        return _row(candidate, epoch, reason=one_line(error))


def first_difference(one: Path, other: Path) -> str:
    """Return the first member, in the order of the names, that is not the same in both; or the first byte."""
    try:
        left, right = _members(one), _members(other)
    except FileTreeError:
        left = right = {}
    for name in sorted({*left, *right}):
        if left.get(name) != right.get(name):
            if name not in left or name not in right:
                return f"{name}: in one only"
            return f"{name}: {' and '.join(_aspects(left[name], right[name]))} differ"
    if one.is_file() and other.is_file():
        return f"byte {_first_byte(one, other)} of the file; its members are the same"
    return "names or modes"


def _aspects(left: tuple[Any, ...], right: tuple[Any, ...]) -> list[str]:
    names = ("kinds", "targets", "modes", "bytes")
    return [name for name, a, b in zip(names, left, right, strict=True) if a != b]


def _members(path: Path) -> dict[str, tuple[Any, ...]]:
    found: dict[str, tuple[Any, ...]] = {}
    with open_tree(path, name=path.name) as tree:
        for item in tree:
            if not isinstance(item, Member):
                continue
            content = ""
            if item.kind == "file":
                with item.open() as stream:
                    whole = hashlib.sha256()
                    while piece := stream.read(_PIECE_BYTES):
                        whole.update(piece)
                content = whole.hexdigest()
            found[item.path] = (item.kind, item.target, item.mode, content)
    return found


def _first_byte(one: Path, other: Path) -> int:
    at = 0
    with one.open("rb") as left, other.open("rb") as right:
        while True:
            a, b = left.read(_PIECE_BYTES), right.read(_PIECE_BYTES)
            if a != b:
                return at + next(
                    (number for number, (x, y) in enumerate(zip(a, b, strict=False)) if x != y),
                    min(len(a), len(b)),
                )
            if not a:
                return at
            at += len(a)


def _row(
    candidate: Candidate,
    epoch: int | None,
    *,
    same: bool | None = None,
    difference: str = "",
    reason: str = "",
) -> Row:
    return {
        "subject_id": candidate.subject_id,
        "epoch_set": epoch is not None,
        "same": same,
        "first_difference": difference[:300],
        "reason": reason[:300],
    }
