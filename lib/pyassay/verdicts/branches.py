"""Where a CPython stands on its branch: patch level, phase and end of the branch, later fixes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, NamedTuple

from pyassay.reference.security import ReleaseKey, branch_of, records, release_key, table
from pyassay.reference.tables import load

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["PatchLevel", "branch_status", "later_fixes", "patch_level"]


@dataclass(frozen=True, slots=True)
class PatchLevel:
    """A release of CPython against the newest of its branch.

    Attributes
    ----------
    version, branch : str
        ``3.12.1``, ``3.12``; the branch is empty where the version is none.
    phase : str
        ``feature`` (before its first release), ``bugfix``, ``security``, ``ended`` or ``unknown``.
    end_of_life : str
        ISO 8601; empty: not known.
    days_to_end : int or None
        Days until then; negative: it has ended.
    newest, newest_date : str
        Newest release of the branch that was out on the day; a pre-release only where there is no other. The
        date is empty where not known.
    behind : int or None
        How many releases of the branch came after this one; None: not known.
    behind_days : int or None
        Days since the first of them; None: there is none, or its day is not known.
    limits : tuple of str
        Why this may be wrong.
    """

    version: str
    branch: str
    phase: str
    end_of_life: str
    days_to_end: int | None
    newest: str
    newest_date: str
    behind: int | None
    behind_days: int | None
    limits: tuple[str, ...] = ()


def branch_status(branch: str, on: date) -> str:
    """Return the phase of a branch of CPython on a day, as :class:`PatchLevel` names it."""
    row = _branch(branch)
    return _phase(row, on.isoformat()) if row is not None else "unknown"


def patch_level(version: str, on: date) -> PatchLevel:
    """Compare a release of CPython with what its branch had on a day."""
    branch, day = branch_of("cpython", version), on.isoformat()
    row, key = _branch(branch), release_key(version)
    limits = [
        f"the table {name} is of {load(name).as_of}, and was good until {load(name).best_before}"
        for name in ("cpython_branches", "cpython_releases")
        if load(name).stale(on)
    ]
    if row is None or key is None:
        missing = f"CPython {branch} is no branch that the tables know" if branch else "no version"
        return PatchLevel(version, branch, "unknown", "", None, "", "", None, None, (missing, *limits))
    out = [release for release in _releases(branch) if (release.day or "0000") <= day]
    line = [release for release in out if not release.prerelease] or out
    newest = line[-1] if line else _Release(key, "", "", False)
    later = [release for release in line if release.key > key]
    if all(release.key != key for release in out):
        limits.append(f"the table cpython_releases does not know {version}")
    return PatchLevel(
        version,
        branch,
        _phase(row, day),
        row["end_of_life"],
        (date.fromisoformat(row["end_of_life"]) - on).days,
        newest.version,
        newest.day,
        len(later),
        (on - date.fromisoformat(later[0].day)).days if later and later[0].day else None,
        tuple(limits),
    )


def later_fixes(version: str) -> pd.DataFrame:
    """Return the security fixes that later releases of the same branch brought.

    Returns
    -------
    DataFrame
        As the table ``cpython_security_fixes``, the oldest first. One issue may stand there more than once,
        under Security or Library: count by ``issue``.
    """
    key = release_key(version)
    frame = table("cpython_security_fixes")
    keys = frame["version"].map(release_key)
    chosen = [
        branch == branch_of("cpython", version) and key is not None and other is not None and other > key
        for branch, other in zip(frame["branch"], keys, strict=True)
    ]
    order = keys[chosen].sort_values(kind="stable").index
    return frame.loc[order].reset_index(drop=True)


def _branch(branch: str) -> Mapping[str, str] | None:
    rows = records(table("cpython_branches"))
    return next((row for row in rows if row["branch"] == branch), None)


class _Release(NamedTuple):
    key: ReleaseKey
    version: str
    day: str  # an upper bound where the day of release is not known
    prerelease: bool


def _releases(branch: str) -> list[_Release]:
    frame = table("cpython_releases")
    own = frame[frame["branch"] == branch]
    days = own["release_date"].where(own["release_date"] != "", own["seen_by"])
    rows = zip(own["version"], days, own["prerelease"], strict=True)
    return sorted(
        _Release(key, version, day, bool(prerelease))
        for version, day, prerelease in rows
        if (key := release_key(version)) is not None
    )


def _phase(row: Mapping[str, str], day: str) -> str:
    if day < row["first_release"]:
        return "feature"
    if day < row["end_of_bugfix"]:
        return "bugfix"
    return "security" if day < row["end_of_life"] else "ended"
