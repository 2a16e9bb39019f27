"""Staleness: what was made for an older Python, knows only older ones, or has newer ones waiting.

Facts only, nothing from a network, and nothing is changed: how many days are too many is said by the rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyassay.probes.debian.database import image_of, packages_of
from pyassay.probes.observations import Column, TableSchema
from pyassay.probes.staleness.environments import Bases, environment_row, environments_below
from pyassay.probes.staleness.packages import candidate_rows
from pyassay.probes.staleness.uv import uv_binaries, uv_rows
from pyassay.subjects.display import display_path
from pyassay.subjects.images import ROOTFS
from pyassay.subjects.locations import Search, system_locations
from pyassay.subjects.model import Interpreter, Subject, SubjectKind

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ENVIRONMENTS", "IMAGES_AGE", "PACKAGE_CANDIDATES", "TABLES", "UV_BINARIES", "probe", "probe_host"]

_SUBJECT = Column("subject_id", "text", "which subject of the table `subjects`")
_REASON = Column("reason", "text", "why something is not known; empty: it is")

ENVIRONMENTS = TableSchema(
    "environments",
    "one row per virtual environment of this machine that was seen",
    (
        Column("subject_id", "text", "the interpreter that it rests on; empty: none of the subjects"),
        Column("path", "text", "its folder"),
        Column("kind", "text", "venv, virtualenv, uv or conda; empty: not known"),
        Column("base", "text", "the interpreter that it rests on, links resolved; gone: as it was named"),
        Column("cfg_version", "text", "the version that pyvenv.cfg names: what it was made for"),
        Column("base_version", "text", "the version of that interpreter now; empty: not known"),
        Column(
            "state",
            "text",
            "current, base moved on (another patch release is there now), pinned patch (bound to the folder "
            "of one patch release: no upgrade reaches it), base gone, different interpreter, or unknown",
        ),
        Column("mends", "text", "the command that mends it; empty: nothing to mend, or it is not known"),
        Column("evidence", "text", "one line: what was found where"),
    ),
)

UV_BINARIES = TableSchema(
    "uv_binaries",
    "one row per uv of this machine and branch of CPython that it can install, as it says without a network",
    (
        Column("path", "text", "the program, links resolved"),
        Column("version", "text", "its version; empty: it did not tell"),
        Column("branch", "text", "3.12; empty: it did not list its Pythons, see the reason"),
        Column(
            "newest", "text", "the newest release of the branch that it knows; before the first a preview"
        ),
        Column("build", "text", "tag of the build of python-build-standalone: 20261110"),
        Column("known", "count", "how many releases of the branch it knows"),
        _REASON,
    ),
)

PACKAGE_CANDIDATES = TableSchema(
    "package_candidates",
    "one row per subject and package of the system that it rests on",
    (
        _SUBJECT,
        Column("package", "text", "owns the interpreter, or a library that it loads"),
        Column("installed", "text", "version that is installed"),
        Column(
            "candidate",
            "text",
            "the newest version in apt's lists on disk, or the installed one if that is newer; pins in "
            "apt's preferences are not looked at; empty: not known",
        ),
        Column("origin", "text", "archive and suite that offer it: Debian bookworm-security"),
        Column("lists_day", "text", "day of the newest of apt's lists (ISO 8601), as its Release file says"),
        Column("lists_age_days", "count", "days from there to the observation; missing: not known"),
        _REASON,
    ),
)

IMAGES_AGE = TableSchema(
    "images_age",
    "one row per image, and per interpreter in one",
    (
        _SUBJECT,
        Column("image", "text", "as the reader named it"),
        Column("created", "text", "day on which it was built, as it says (ISO 8601); empty: not known"),
        Column("packages_day", "text", "day on which dpkg last changed anything in it (ISO 8601)"),
        Column("packages", "count", "packages that dpkg has installed in it; missing: it has no dpkg"),
        _REASON,
    ),
)

TABLES: tuple[TableSchema, ...] = (ENVIRONMENTS, UV_BINARIES, PACKAGE_CANDIDATES, IMAGES_AGE)

_MAX_ENVIRONMENTS = 2_000


def probe(subject: Subject, libraries: Iterable[Mapping[str, Any]] | None = None) -> dict[str, pd.DataFrame]:
    """Observe what belongs to one subject: the tables ``package_candidates`` and ``images_age``.

    Parameters
    ----------
    subject : Interpreter or Artifact
    libraries : iterable of mapping, optional
        Its rows of ``bundled_libraries``, where they are known already.

    Raises
    ------
    EngineError, FileTreeError
        If its image cannot be read.
    """
    if libraries is None:
        from pyassay.probes.libraries import observe

        rests = isinstance(subject, Interpreter) or subject.kind is SubjectKind.IMAGE
        libraries = observe(subject) if rests else ()
    return {
        PACKAGE_CANDIDATES.name: PACKAGE_CANDIDATES.frame(candidate_rows(subject, libraries)),
        IMAGES_AGE.name: IMAGES_AGE.frame(_image_rows(subject)),
    }


def probe_host(
    subjects: Sequence[Subject] = (), *, folders: Sequence[Path] | None = None, search: Search | None = None
) -> dict[str, pd.DataFrame]:
    """Observe what belongs to the machine: the tables ``environments`` and ``uv_binaries``.

    Parameters
    ----------
    subjects : sequence of Interpreter or Artifact
        Environments that the finder met on the way to them are observed.
    folders : sequence of Path, optional
        Every environment below these is observed, too. By default those of the current folder, and those
        where tools keep theirs.
    search : Search, optional
        Limits of the walk through each folder; what was not read to its end is in its ``remarks``, which
        are rows without a kind.
    """
    interpreters = [one for one in subjects if isinstance(one, Interpreter) and not one.image]
    limits = search if search is not None else Search(max_depth=8, max_entries=100_000, max_seconds=5.0)
    found: dict[Path, None] = {}
    for one in interpreters:
        found |= dict.fromkeys(_resolved([*one.environments, *filter(None, [one.environment])]))
    for folder in _current_folder() if folders is None else folders:
        found |= dict.fromkeys(_resolved(environments_below(limits, folder)))
    if folders is None:
        found |= dict.fromkeys(
            _resolved(path.parent for path in system_locations() if path.name == "pyvenv.cfg")
        )
    bases = Bases.of(interpreters)
    listed = list(found)[:_MAX_ENVIRONMENTS]
    rows = [environment_row(path, bases) for path in listed]
    remarks = [text for text in limits.remarks if ": deeper than " not in text]
    deep = len(limits.remarks) - len(remarks)
    if deep:
        remarks.append(f"{deep} folders deeper than {limits.max_depth} below the start were not searched")
    if len(found) > len(listed):
        remarks.append(f"{len(found) - len(listed)} more environments were not looked at")
    rows += [_remark(text) for text in remarks]
    return {
        ENVIRONMENTS.name: ENVIRONMENTS.frame(rows),
        UV_BINARIES.name: UV_BINARIES.frame(uv_rows(uv_binaries(listed))),
    }


def _current_folder() -> list[Path]:
    try:
        return [Path.cwd()]
    except OSError:
        # It has been removed.
        return []


def _resolved(paths: Iterable[Path]) -> Iterable[Path]:
    for path in paths:
        try:
            yield path.resolve()
        except (OSError, RuntimeError):
            yield path


def _remark(text: str) -> dict[str, Any]:
    empty: dict[str, Any] = dict.fromkeys(ENVIRONMENTS.column_names, "")
    path, _, why = text.partition(": ")
    return empty | {"path": path if why else "", "state": "unknown", "evidence": why or text}


def _image_rows(subject: Subject) -> list[dict[str, Any]]:
    image = image_of(subject)
    if not image:
        return []
    row: dict[str, Any] = {
        "subject_id": subject.id,
        "image": display_path(image),
        "created": "",
        "packages_day": "",
        "packages": None,
        "reason": "",
    }
    if image.startswith(ROOTFS):
        row["reason"] = "a root file system does not say when it was built"
    else:
        row["created"] = _created(image)
    system = packages_of(subject)
    if system.count:
        row |= {"packages": system.count, "packages_day": system.status_day}
    else:
        row["reason"] = "; ".join(filter(None, (row["reason"], "it has no packages of dpkg")))
    return [row]


def _created(image: str) -> str:
    from pyassay.places.container import Engine

    with Engine.connect() as engine:
        digest = engine.digest(image)
        created = next((one.created for one in engine.images() if one.id == digest), None)
    # Reproducible builds claim 1970: that is no date.
    return created.date().isoformat() if created is not None and created.year > 1980 else ""
