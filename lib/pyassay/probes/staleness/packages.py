"""Packages that a Python rests on: what is installed, against the newest that apt's lists on disk know."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Any

from pyassay.probes.debian.apt_lists import AptList, newest_day
from pyassay.probes.debian.database import InstalledPackages, image_of, packages_of
from pyassay.subjects.debian_versions import version_key
from pyassay.subjects.model import Artifact, Interpreter, SubjectKind
from pyassay.subjects.packages import owners

__all__ = ["candidate_rows", "system_packages_of"]


def system_packages_of(
    subject: Interpreter | Artifact, libraries: Iterable[Mapping[str, Any]]
) -> dict[str, tuple[str, str]]:
    """Return manager and version of the system's packages that a subject rests on, by name.

    Parameters
    ----------
    subject : Interpreter or Artifact
    libraries : iterable of mapping
        Its rows of ``bundled_libraries``.
    """
    found = {
        str(row["package"]): (str(row["package_manager"]), str(row["package_version"]))
        for row in libraries
        if row["package"] and row["package_manager"] not in ("", "wheel")
    }
    if not isinstance(subject, Interpreter):
        return found
    # The interpreter itself, and its standard library: Debian spreads them over several packages.
    paths = [subject.executable]
    if subject.stdlib is not None:
        paths += [subject.stdlib / name for name in ("os.py", "sqlite3/__init__.py", "tkinter/__init__.py")]
    if image_of(subject):
        for stanza in packages_of(subject).owning(map(str, paths)):
            found.setdefault(stanza.name, ("dpkg", stanza.version))
        return found
    for owner in owners(paths).values():
        found.setdefault(owner.package, (owner.manager, owner.version))
    return found


def candidate_rows(
    subject: Interpreter | Artifact, libraries: Iterable[Mapping[str, Any]], *, today: date | None = None
) -> list[dict[str, Any]]:
    """Return the rows of ``package_candidates`` for one subject.

    Raises
    ------
    EngineError, FileTreeError
        If its image cannot be read.
    """
    if isinstance(subject, Artifact) and subject.kind is not SubjectKind.IMAGE:
        # What is shipped rests on no installed package yet.
        return []
    wanted = system_packages_of(subject, libraries)
    if not wanted:
        return []
    system = packages_of(subject)
    names = [name for name, (manager, _) in wanted.items() if manager == "dpkg"]
    lists, wrong = system.lists() if names else ([], [])
    day = today or datetime.now(UTC).date()
    rows = []
    for name, (manager, version) in sorted(wanted.items()):
        row = {
            "subject_id": subject.id,
            "package": name,
            "installed": version,
            "candidate": "",
            "origin": "",
            "lists_day": newest_day(lists),
            "lists_age_days": _age(newest_day(lists), day),
            "reason": "",
        }
        if manager != "dpkg":
            row["reason"] = f"a package of {manager}: only apt's lists are read"
        else:
            row |= _candidate(name, version, system, lists, wrong)
        rows.append(row)
    return rows


def _candidate(
    name: str, version: str, system: InstalledPackages, lists: list[AptList], wrong: list[str]
) -> dict[str, str]:
    if not lists:
        reason = f"no list could be read: {'; '.join(wrong)[:250]}" if wrong else "apt has no lists on disk"
        return {"reason": reason}
    # Of several architectures the one whose version is in question.
    installed = [one for one in system.packages.get(name, []) if one.version == version]
    architectures = {one.architecture for one in installed} or {"all"}
    offered = [
        one
        for one in lists
        if name in one.versions
        and one.automatic
        and ("all" in architectures or one.architecture in architectures | {"all"})
    ]
    if not offered:
        return {"reason": "not in apt's lists" + (f" ({len(wrong)} could not be read)" if wrong else "")}
    best = max(offered, key=lambda one: version_key(one.versions[name]))
    if version_key(best.versions[name]) < version_key(version):
        return {"candidate": version, "origin": "", "reason": "newer than what apt's lists offer"}
    partly = f"{len(wrong)} lists could not be read" if wrong else ""
    return {"candidate": best.versions[name], "origin": best.origin, "reason": partly}


def _age(day: str, today: date) -> int | None:
    return (today - date.fromisoformat(day)).days if day else None
