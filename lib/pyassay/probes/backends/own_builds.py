"""Build the reader's own project: with the backend that it declares, and with the others on copies."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyassay.probes.backends.building import Rows, Toolchain, build_outputs, initialise_git, repeat
from pyassay.probes.backends.catalogue import normalised
from pyassay.probes.backends.outputs import failed_output
from pyassay.probes.backends.own_project import OwnProject, ProjectError, copied, exchanged
from pyassay.probes.backends.projects import Sample
from pyassay.probes.backends.workplace import BuildPlace, NotBuiltError
from pyassay.subjects.model import Artifact, SubjectKind

if TYPE_CHECKING:
    from pyassay.probes.backends.session import Collected
    from pyassay.probes.backends.timing import TimedBackend

__all__ = ["build_own_project"]

_KINDS = ("wheel", "sdist")


def build_own_project(
    place: BuildPlace,
    own: OwnProject,
    others: Sequence[TimedBackend],
    found: Collected,
) -> None:
    """Build a copy of the reader's project with every backend that can, and record what came out."""
    subject_id = f"own-{normalised(own.name)}"
    rows = Rows()
    found.fact("your own project", own.name)
    found.fact("its backend", own.build_backend)
    found.fact("fair to others", "; ".join(own.unfair) or "yes: its metadata are those of [project]")
    reason, row = "", _own_row(own, subject_id)
    try:
        original = copied(own, place.folder("own") / (own.folder.resolve().name or "project"))
        if not (original / ".git").exists():
            initialise_git(place, original)
        environment = place.environment(*own.requires)
        calls, told = place.hooks(
            environment,
            own.build_backend,
            original,
            [("get_requires_for_build_wheel", ()), ("get_requires_for_build_sdist", ())],
            backend_path=own.backend_path,
        )
        row["hooks"] = list(told["hooks"])
        row["asks_for_wheel"], row["asks_for_sdist"] = ([*(call.value or [])] for call in calls)
        if asked := sorted({one for call in calls for one in call.value or []}):
            environment = place.environment(*own.requires, *asked)
        tools = Toolchain(subject_id, own.build_backend, environment, own.backend_path)
        sample = _sample(own, original, own.name)
        _, row["modules_imported"] = build_outputs(place, tools, own.name, sample, rows)
        repeat(place, tools, own.name, sample, rows, changes=("again", "all of these"))
    except (ProjectError, NotBuiltError, OSError) as error:
        reason = str(error)
        row["reason"] = found.failed[subject_id] = reason
        rows.outputs += [failed_output(subject_id, own.name, kind, "not measured", reason) for kind in _KINDS]
    else:
        for other in others:
            if "pure" in other.backend.projects:
                _exchange(place, own, original, other, rows)
    found.add("backends", [row])
    for table in ("outputs", "files", "metadata", "repeats", "features"):
        found.add(f"backend_{table}", getattr(rows, table))
    label = f"{own.name}: {own.backend or own.build_backend}"
    found.subjects.append(
        Artifact(subject_id, label, SubjectKind.TOOL, Path(), "backend", None, reason or None)
    )


def _exchange(place: BuildPlace, own: OwnProject, original: Path, other: TimedBackend, rows: Rows) -> None:
    subject_id = other.tools.subject_id
    if not own.name or any(reason.startswith("it has no [project]") for reason in own.unfair):
        rows.outputs += [
            failed_output(subject_id, own.name, kind, "not measured", own.unfair[0]) for kind in _KINDS
        ]
        return
    try:
        folder = place.folder("exchanged") / original.name
        shutil.copytree(original, folder, symlinks=True)
        file = folder / "pyproject.toml"
        file.write_text(exchanged(file.read_text(), other.backend.name, other.version))
        build_outputs(place, other.tools, own.name, _sample(own, folder, own.name), rows)
    except (OSError, UnicodeDecodeError, shutil.Error) as error:
        text = " ".join(str(error).split())[:300]
        rows.outputs += [failed_output(subject_id, own.name, kind, "not measured", text) for kind in _KINDS]


def _sample(own: OwnProject, folder: Path, name: str) -> Sample:
    # What its wheel should hold only its own backend can say.
    return Sample(folder, name, normalised(own.name).replace("-", "_"), "", frozenset(), frozenset(), "")


def _own_row(own: OwnProject, subject_id: str) -> dict[str, Any]:
    return {
        "subject_id": subject_id,
        "name": own.backend or own.build_backend,
        "version": "",
        "build_backend": own.build_backend,
        "projects": [own.name],
        "requires_python": "",
        "licence": "",
        "released": "",
        "hooks": [],
        "asks_for_wheel": [],
        "asks_for_sdist": [],
        "asks_for_editable": [],
        "modules_imported": None,
        "reason": "",
    }
