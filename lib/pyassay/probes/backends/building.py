"""Build one project with one backend, and put what came out into rows."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyassay.probes.backends.outputs import (
    ArchiveError,
    differences,
    failed_output,
    file_rows,
    first_byte_difference,
    metadata_rows,
    output_row,
    read_artifact,
)
from pyassay.probes.backends.projects import Sample
from pyassay.probes.backends.workplace import EPOCH, BuildPlace, Environment, NotBuiltError

__all__ = ["CHANGES", "Rows", "Toolchain", "build_outputs", "built", "initialise_git", "repeat"]

_KINDS = (("build_wheel", "wheel"), ("build_sdist", "sdist"))
CHANGES = ("again", "other folder", "later", "other umask", "all of these")
"""Under which other circumstances a build is repeated."""

_LATER_S = 86_400 * 40
_UMASKS = (0o022, 0o077)


@dataclass(frozen=True, slots=True)
class Toolchain:
    """A backend at a version in an environment.

    Attributes
    ----------
    subject_id : str
    build_backend : str
    environment : Environment
        Holds the backend and what its hooks ask for.
    backend_path : tuple of str
        Of ``[build-system]``, for a project that brings its backend itself.
    """

    subject_id: str
    build_backend: str
    environment: Environment
    backend_path: tuple[str, ...] = ()


@dataclass(slots=True)
class Rows:
    """Rows by table, as they come."""

    outputs: list[dict[str, Any]] = field(default_factory=list)
    files: list[dict[str, Any]] = field(default_factory=list)
    metadata: list[dict[str, Any]] = field(default_factory=list)
    repeats: list[dict[str, Any]] = field(default_factory=list)
    features: list[dict[str, Any]] = field(default_factory=list)


def initialise_git(place: BuildPlace, folder: Path) -> None:
    """Make a repository of a project: meson-python makes sdists of nothing else, others ask it what to take.

    Nothing happens where there is no git.
    """
    git = place.programs.get("git")
    if git is None:
        return
    variables = place.variables(
        GIT_AUTHOR_DATE="2026-01-01T00:00:00Z",
        GIT_COMMITTER_DATE="2026-01-01T00:00:00Z",
        GIT_AUTHOR_NAME="demo",
        GIT_AUTHOR_EMAIL="demo@example.org",
        GIT_COMMITTER_NAME="demo",
        GIT_COMMITTER_EMAIL="demo@example.org",
    )
    for words in (("init", "--quiet"), ("add", "."), ("commit", "--quiet", "--message=all")):
        place.run([git, *words], cwd=folder, variables=variables)


def built(
    place: BuildPlace,
    tools: Toolchain,
    project: Path,
    kinds: Sequence[str] = ("wheel", "sdist"),
    *,
    epoch: int | None = None,
    umask: int | None = None,
) -> tuple[dict[str, tuple[Path | None, str, float, float]], int]:
    """Build artifacts by hooks, in one process.

    Returns
    -------
    dict
        By ``wheel`` or ``sdist``: the file (None: there is none), why not, wall and CPU seconds.
    int
        Python modules in memory after the first.
    """
    wanted = [(hook, kind) for hook, kind in _KINDS if kind in kinds]
    outputs = {kind: place.folder(kind) for _, kind in wanted}
    told: dict[str, tuple[Path | None, str, float, float]] = {}
    try:
        calls, _ = place.hooks(
            tools.environment,
            tools.build_backend,
            project,
            [(hook, [str(outputs[kind])]) for hook, kind in wanted],
            backend_path=tools.backend_path,
            epoch=epoch,
            umask=umask,
        )
    except NotBuiltError as error:
        return {kind: (None, str(error), 0.0, 0.0) for _, kind in wanted}, 0
    for (_, kind), call in zip(wanted, calls, strict=True):
        path = outputs[kind] / Path(str(call.value)).name if call.value else None
        fault = call.error or ("" if path is not None and path.is_file() else "it made no file")
        told[kind] = (None if fault else path, fault, call.wall_s, call.cpu_s)
    return told, calls[0].modules if calls else 0


def build_outputs(
    place: BuildPlace, tools: Toolchain, project: str, sample: Sample, rows: Rows
) -> tuple[dict[str, Path], int]:
    """Build a project and record what came out; return the files, and the modules in memory."""
    given = frozenset(
        str(path.relative_to(sample.folder))
        for path in sample.folder.rglob("*")
        if path.is_file() and ".git" not in path.relative_to(sample.folder).parts
    )
    told, modules = built(place, tools, sample.folder, epoch=EPOCH)
    found: dict[str, Path] = {}
    for kind, (path, error, wall_s, cpu_s) in told.items():
        if path is None:
            rows.outputs.append(failed_output(tools.subject_id, project, kind, "failed", error))
            continue
        try:
            artifact = read_artifact(path)
        except ArchiveError as fault:
            rows.outputs.append(failed_output(tools.subject_id, project, kind, "failed", str(fault)))
            continue
        found[kind] = path
        is_wheel = kind == "wheel"
        inner = frozenset(name.removeprefix("src/").removeprefix("python/") for name in given)
        rows.outputs.append(
            output_row(
                tools.subject_id,
                project,
                artifact,
                expected=sample.wheel_files if is_wheel else sample.sdist_files,
                given=inner if is_wheel else given,
                wall_s=wall_s,
                cpu_s=cpu_s,
            )
        )
        rows.files += file_rows(tools.subject_id, project, artifact)
        rows.metadata += metadata_rows(tools.subject_id, project, artifact)
    return found, modules


def repeat(
    place: BuildPlace, tools: Toolchain, project: str, sample: Sample, rows: Rows, *, changes: Sequence[str]
) -> None:
    """Build a project again under other circumstances, with SOURCE_DATE_EPOCH and without."""
    for epoch in (EPOCH, None):
        first, _ = _once(place, tools, sample.folder, "", epoch)
        for change in changes if epoch is not None else changes[-1:]:
            second, _ = _once(place, tools, sample.folder, change, epoch)
            for kind in ("wheel", "sdist"):
                rows.repeats.append(
                    {
                        "subject_id": tools.subject_id,
                        "project": project,
                        "artifact": kind,
                        "change": change,
                        "epoch_set": epoch is not None,
                        **_compared(first[kind], second[kind]),
                    }
                )


def _once(
    place: BuildPlace, tools: Toolchain, project: Path, change: str, epoch: int | None
) -> tuple[dict[str, tuple[Path | None, str, float, float]], int]:
    """Build a fresh copy: what an earlier build left in the folder is no circumstance of this one."""
    moved = change in ("other folder", "all of these")
    parent = place.folder("elsewhere-and-deeper" if moved else "here")
    folder = parent / "another" / project.name if moved else place.scratch / "copies" / tools.subject_id
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(project, folder, symlinks=True)
    other_umask = change in ("other umask", "all of these")
    if other_umask:
        # A checkout under another umask has other permissions, too.
        for path in folder.rglob("*"):
            if ".git" not in path.parts and not path.is_symlink():
                path.chmod(0o700 if path.is_dir() or path.stat().st_mode & 0o100 else 0o600)
    if change in ("later", "all of these"):
        _make_older(folder)
    return built(place, tools, folder, epoch=epoch, umask=_UMASKS[other_umask])


def _make_older(folder: Path) -> None:
    """Give every file an earlier date: the same as to build later, as far as the files can tell."""
    import os

    for path in folder.rglob("*"):
        if ".git" not in path.parts and not path.is_symlink():
            when = path.stat().st_mtime - _LATER_S
            os.utime(path, (when, when))


def _compared(
    first: tuple[Path | None, str, float, float], second: tuple[Path | None, str, float, float]
) -> dict[str, Any]:
    nothing = {"same": None, "same_content": None, "first_difference": "", "reason": ""}
    if first[0] is None or second[0] is None:
        return nothing | {"reason": first[1] or second[1]}
    one, other = first[0].read_bytes(), second[0].read_bytes()
    if one == other:
        return nothing | {"same": True, "same_content": True}
    try:
        told = differences(read_artifact(first[0]).files, read_artifact(second[0]).files)
    except ArchiveError as error:
        return nothing | {"reason": str(error)}
    # RECORD differs wherever anything does; what does is the news.
    told = sorted(told, key=lambda line: line.startswith(".dist-info/RECORD"))
    dates = first_byte_difference(one, other) + ", the files in it are the same"
    return nothing | {"same": False, "same_content": not told, "first_difference": told[0] if told else dates}
