"""One measurement of build backends, step by step; what fails leaves a row and the rest goes on."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyassay.packagers.cache import cache_root
from pyassay.places.host import StartError, run
from pyassay.probes.backends.archives import ArchiveError, members, parsed_metadata
from pyassay.probes.backends.building import (
    CHANGES,
    Rows,
    Toolchain,
    build_outputs,
    initialise_git,
    repeat,
)
from pyassay.probes.backends.catalogue import Backend, backend_named, normalised
from pyassay.probes.backends.closures import closure_rows, crate_rows, licence_of
from pyassay.probes.backends.features import try_features
from pyassay.probes.backends.outputs import failed_output
from pyassay.probes.backends.own_builds import build_own_project
from pyassay.probes.backends.own_project import OwnProject, ProjectError, read_project
from pyassay.probes.backends.platforms import platform_rows
from pyassay.probes.backends.projects import Sample, write_extension, write_pure
from pyassay.probes.backends.settings import Settings, Wanted
from pyassay.probes.backends.timing import TimedBackend, time_builds
from pyassay.probes.backends.wheelhouse import Package, Wheelhouse, WheelhouseError, open_wheelhouse
from pyassay.probes.backends.workplace import BuildPlace, NotBuiltError, opened
from pyassay.subjects.model import Artifact, SubjectKind

__all__ = ["Collected", "Session"]

Progress = Callable[[int, int, str], None]

_ASKING = ("get_requires_for_build_wheel", "get_requires_for_build_sdist", "get_requires_for_build_editable")
_QUICK_CHANGES = {"pure": ("again", "other umask", "all of these"), "extension": ("again", "all of these")}
_STEPS = 4


@dataclass(slots=True)
class Collected:
    """Rows by table, the subjects, and why some could not be measured."""

    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    subjects: list[Artifact] = field(default_factory=list)

    def add(self, table: str, rows: Iterable[dict[str, Any]]) -> None:
        """Append rows to a table."""
        self.rows.setdefault(table, []).extend(rows)

    def fact(self, name: str, value: object) -> None:
        """Note something about the run."""
        self.add("backend_context", [{"fact": name, "value": str(value) or "absent"}])


@dataclass(frozen=True, slots=True)
class _Subject:
    wanted: Wanted
    backend: Backend
    version: str

    @property
    def id(self) -> str:
        return f"{self.wanted.name}-{self.version}" if self.version else self.wanted.name


@dataclass(slots=True)
class Session:
    """A measurement with one Python.

    Attributes
    ----------
    python : Path
        The interpreter that builds.
    label : str
        What it is called.
    settings : Settings
    progress : callable, optional
    """

    python: Path
    label: str
    settings: Settings
    progress: Progress | None = None
    found: Collected = field(default_factory=Collected)
    _done: int = 0

    def run(self) -> Collected:
        """Measure everything, and return what was found."""
        wanted = self.settings.wanted()
        own = self._own_project()
        self._tell(0, "wheels")
        try:
            wheelhouse = open_wheelhouse(
                self.python,
                wanted,
                cache=self.settings.cache,
                more=own.requires if own else (),
                tell=lambda what: self._tell(0, what),
            )
        except WheelhouseError as error:
            for one in wanted:
                self._not_measured(_Subject(one, backend_named(one.name), one.version), str(error))
            return self.found
        subjects = []
        for one in wanted:
            subject = _Subject(one, backend_named(one.name), wheelhouse.versions.get(one.requirement, ""))
            if subject.version:
                subjects.append(subject)
            else:
                reason = wheelhouse.failures.get(one.requirement, "pip did not resolve it")
                self._not_measured(subject, reason)
        root = cache_root(self.settings.cache)
        with opened(self.python, wheelhouse, root, timeout_s=self.settings.timeout_s) as place:
            self._context(place)
            self._tell(0, "environments and closures")
            with ThreadPoolExecutor(max_workers=min(2, os.cpu_count() or 1)) as pool:
                timed = [one for one in pool.map(lambda each: self._measure(place, each), subjects) if one]
            # In the order of the catalogue, whichever thread was first.
            order = {subject.id: number for number, subject in enumerate(subjects)}
            for rows in self.found.rows.values():
                rows.sort(key=lambda row: order.get(str(row.get("subject_id", "")), -1))
            self.found.subjects.sort(key=lambda artifact: order.get(artifact.id, len(order)))
            if own is not None:
                self._tell(2, f"the project {own.name}")
                build_own_project(place, own, timed, self.found)
            self._tell(3, "timings")
            if timed and self.settings.budget_s > 0:
                self._time(place, timed)
        self._tell(_STEPS, "")
        return self.found

    def _tell(self, step: int, label: str) -> None:
        if self.progress is not None:
            self.progress(step, _STEPS, label)

    def _own_project(self) -> OwnProject | None:
        if self.settings.project is None:
            return None
        try:
            return read_project(self.settings.project)
        except ProjectError as error:
            name = self.settings.project.name
            self.found.fact("your own project", f"{name}: {error}")
            self.found.failed[f"own-{normalised(name)}"] = str(error)
            return None

    def _not_measured(self, subject: _Subject, reason: str) -> None:
        self.found.failed[subject.id] = reason
        self.found.subjects.append(_artifact(subject, reason))
        self.found.add("backends", [_backend_row(subject, reason)])
        for project in subject.backend.projects:
            for kind in ("wheel", "sdist"):
                row = failed_output(subject.id, project, kind, "not measured", reason)
                self.found.add("backend_outputs", [row])

    def _measure(self, place: BuildPlace, subject: _Subject) -> TimedBackend | None:
        """Measure one backend but for its speed; None: it cannot be."""
        house, backend = place.wheelhouse, subject.backend
        requirement = f"{subject.wanted.name}=={subject.version}"
        try:
            plain = place.environment(requirement)
            row = _backend_row(subject, "") | _about(
                house, house.closures[subject.wanted.requirement], subject
            )
            first = self._sample(place, subject, backend.projects[-1])
            bare, told = place.hooks(
                plain,
                backend.build_backend,
                first.folder,
                [(hook, ()) for hook in _ASKING],
                compilers=False,
            )
            row["hooks"] = list(told["hooks"])
            for name, call in zip(("wheel", "sdist", "editable"), bare, strict=True):
                row[f"asks_for_{name}"] = list(call.value or [])
            # What a machine with compilers is asked for: what they bring must not be installed besides.
            calls, _ = place.hooks(
                plain, backend.build_backend, first.folder, [(hook, ()) for hook in _ASKING]
            )
            asked = sorted({one for call in calls for one in call.value or []})
            environment = place.environment(requirement, *asked) if asked else plain
        except (NotBuiltError, OSError) as error:
            self._not_measured(subject, str(error))
            return None
        self._brings_along(house, subject, row)
        tools = Toolchain(subject.id, backend.build_backend, environment)
        rows = Rows()
        for project in backend.projects:
            lacking = [
                one
                for one in (backend.programs if project == "extension" else ())
                if one not in place.programs
            ]
            if lacking:
                reason = f"not measured: {', '.join(lacking)} is not on this machine"
                rows.outputs += [
                    failed_output(subject.id, project, kind, "not measured", reason)
                    for kind in ("wheel", "sdist")
                ]
                continue
            sample = self._sample(place, subject, project)
            made, modules = build_outputs(place, tools, project, sample, rows)
            row["modules_imported"] = row["modules_imported"] or modules or None
            changes = CHANGES if self.settings.profile == "full" else _QUICK_CHANGES[project]
            fresh = self._sample(place, subject, project)
            repeat(place, tools, project, fresh, rows, changes=changes)
            try_features(place, tools, backend, subject.version, project, fresh, made, rows)
        self.found.add("backends", [row])
        self._keep(rows)
        self.found.subjects.append(_artifact(subject, None))
        self._done += 1
        self._tell(1, f"{subject.id} built")
        return TimedBackend(tools, backend, subject.version)

    def _sample(self, place: BuildPlace, subject: _Subject, project: str) -> Sample:
        folder = place.folder(project) / "demo"
        write = write_pure if project == "pure" else write_extension
        sample = write(folder, subject.backend, subject.version)
        initialise_git(place, folder)
        return sample

    def _keep(self, rows: Rows) -> None:
        for table in ("outputs", "files", "metadata", "repeats", "features"):
            self.found.add(f"backend_{table}", getattr(rows, table))

    def _brings_along(self, house: Wheelhouse, subject: _Subject, row: dict[str, Any]) -> None:
        scopes: dict[str, list[Package]] = {"declared": house.closures[subject.wanted.requirement]}
        lacking: list[dict[str, Any]] = []
        for scope, column in (("wheel", "asks_for_wheel"), ("editable", "asks_for_editable")):
            for requirement in row[column]:
                name = normalised(str(requirement).split("[")[0].split(";")[0].strip())
                for sign in "=<>~! ":
                    name = name.partition(sign)[0]
                if name in house.closures:
                    scopes.setdefault(scope, []).extend(house.closures[name])
                else:
                    lacking.append(_unknown_package(subject.id, scope, name, house))
        self.found.add("backend_closures", [*closure_rows(subject.id, house, scopes), *lacking])
        everything = {one.name: one for listed in scopes.values() for one in listed}
        self.found.add("backend_crates", crate_rows(subject.id, house, list(everything.values())))
        self.found.add("backend_platforms", platform_rows(subject.id, house, scopes))

    def _time(self, place: BuildPlace, timed: Sequence[TimedBackend]) -> None:
        def told(done: int, total: int, label: str) -> None:
            if self.progress is not None:
                self.progress(3 * total + done, _STEPS * total, label)

        self.found.add(
            "backend_build_samples",
            time_builds(
                place,
                timed,
                profile=self.settings.profile,
                budget_s=self.settings.budget_s,
                repeats=self.settings.repeats,
                progress=told,
            ),
        )

    def _context(self, place: BuildPlace) -> None:
        house = place.wheelhouse
        self.found.fact("Python that builds", self.label)
        self.found.fact("wheels chosen on", house.made_on)
        for name in ("pip", "build", "uv"):
            self.found.fact(f"frontend {name}", house.versions.get(name) or house.failures.get(name, ""))
        for name, argv in (("cc", ("--version",)), ("cargo", ("--version",)), ("git", ("--version",))):
            self.found.fact(name, _first_line(place.programs.get(name), argv))
        self.found.fact("cores", os.cpu_count() or "not known")
        self.found.fact("load before", f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "")
        self.found.fact("kernel", platform.release())
        self.found.fact("profile", self.settings.profile)


def _artifact(subject: _Subject, error: str | None) -> Artifact:
    label = f"{subject.wanted.name} {subject.version}".strip()
    return Artifact(subject.id, label, SubjectKind.TOOL, Path(), "backend", None, error)


def _backend_row(subject: _Subject, reason: str) -> dict[str, Any]:
    return {
        "subject_id": subject.id,
        "name": subject.wanted.name,
        "version": subject.version,
        "build_backend": subject.backend.build_backend,
        "projects": list(subject.backend.projects),
        "requires_python": "",
        "licence": "",
        "released": "",
        "hooks": [],
        "asks_for_wheel": [],
        "asks_for_sdist": [],
        "asks_for_editable": [],
        "modules_imported": None,
        "reason": reason,
    }


def _about(house: Wheelhouse, closure: Sequence[Package], subject: _Subject) -> dict[str, Any]:
    own = next((one for one in closure if one.name == subject.wanted.name), None)
    if own is None:
        return {}
    try:
        found = members(house.wheel(own))
    except ArchiveError:
        return {}
    about = next((one.data for one in found if one.name.endswith(".dist-info/METADATA")), b"")
    metadata = parsed_metadata(about)
    return {
        "requires_python": str(metadata.get("Requires-Python") or ""),
        "licence": licence_of(metadata),
        "released": house.released(own.name, own.version),
    }


def _unknown_package(subject_id: str, scope: str, name: str, house: Wheelhouse) -> dict[str, Any]:
    counts = ["pure", "size_bytes", "unpacked_bytes", "files", "python_files", "python_lines"]
    counts += ["native_files", "native_bytes"]
    return {
        "subject_id": subject_id,
        "scope": scope,
        "distribution": name,
        "version": "",
        "wheel": "",
        **dict.fromkeys(counts),
        "native": [],
        "vendored": [],
        "sboms": [],
        "licence": "",
        "reason": house.failures.get(name, "its hook asks for it; the wheelhouse does not have it"),
    }


def _first_line(program: str | None, arguments: Sequence[str]) -> str:
    if program is None:
        return "absent"
    try:
        done = run([program, *arguments], timeout_s=30.0)
    except StartError:
        return "absent"
    return next(iter(done.stdout.decode("utf-8", "replace").splitlines()), "absent")
