"""What is to be built, and the rows that say what came of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyassay.filetree import FileTreeError
from pyassay.packagers import packager
from pyassay.packagers.build import UnavailableError, build_form
from pyassay.packagers.model import BuildError, Built, Delivery, Form, InputKind, Inputs, Packager, Project
from pyassay.packagers.wheels import InputsUnavailable, make_inputs
from pyassay.places.container import Engine
from pyassay.places.container_errors import one_line
from pyassay.probes.packaging.candidates import Candidate
from pyassay.probes.packaging.contents import content_rows, static_facts, wheel_floor
from pyassay.probes.packaging.pythons import uses_the_targets_python
from pyassay.probes.packaging.reading import ReadArtifact, read_artifact
from pyassay.probes.packaging.settings import Settings
from pyassay.probes.packaging.store import Store, digest_of_path
from pyassay.subjects.model import Interpreter

__all__ = ["Builder"]

_LOG_LINES = 12
_LOG_BYTES = 1 << 16

Row = dict[str, Any]


@dataclass
class Builder:
    """Builds every form with every kind of wheels, and describes what came out.

    Attributes
    ----------
    settings : Settings
    project : Project
    store : Store
    engine : Engine or None
        For the wheels of the oldest system.
    progress : callable
    """

    settings: Settings
    project: Project
    store: Store
    engine: Engine | None
    progress: Callable[[str], None] = lambda label: None
    input_rows: list[Row] = field(default_factory=list)
    content_rows: list[Row] = field(default_factory=list)
    _read: dict[str, ReadArtifact] = field(default_factory=dict)

    def candidates(self, pythons: Sequence[Interpreter]) -> list[Candidate]:
        """Build all; what fails is a candidate with its reason."""
        found: list[Candidate] = []
        versions: set[str] = set()
        for number, python in enumerate(pythons):
            suffix = f"-{python.provenance.builder}" if python.version in versions else ""
            versions.add(python.version)
            wheels: dict[InputKind, Inputs | str] = {}
            for name in self.settings.packagers:
                for form, kinds, module, why in self._forms(name):
                    if number > 0 and not uses_the_targets_python(form):
                        continue
                    for kind in kinds:
                        one = Candidate(form, kind, python, self.project, suffix=suffix)
                        one.tool = module.TOOL if module else None
                        one.reason = why
                        found.append(one)
                        if module:
                            self._build(one, wheels)
        return found

    def _forms(self, name: str) -> list[tuple[Form, tuple[InputKind | None, ...], Packager | None, str]]:
        try:
            module = packager(name)
        except ImportError as error:
            return [(Form(name, name, name), (None,), None, one_line(error))]
        found: list[tuple[Form, tuple[InputKind | None, ...], Packager | None, str]] = []
        for form in module.FORMS:
            if self.settings.profile == "quick" and not form.quick:
                continue
            kinds: tuple[InputKind | None, ...] = tuple(
                kind for kind in module.inputs(form) if kind in self.settings.inputs
            )
            # Wheels without compiled parts are the same wherever they are built.
            found.append((form, (None,) if self.project.pure else kinds or (None,), module, ""))
        return found

    def _wheels(
        self, kind: InputKind, python: Interpreter, known: dict[InputKind, Inputs | str]
    ) -> Inputs | str:
        if kind not in known:
            self.progress(f"wheels: {kind}, {python.label}")
            known[kind] = self._made(kind, python)
        return known[kind]

    def _made(self, kind: InputKind, python: Interpreter) -> Inputs | str:
        row: Row = {
            "inputs_id": f"{kind}-{python.version}",
            "kind": str(kind),
            "python": python.label,
            "built_in": "",
            "status": "not available",
            "reason": "",
            "wheels": [],
            "size_bytes": None,
            "glibc_floor": "",
            "floor_set_by": "",
            "duration_s": None,
            "cpu_s": None,
            "commands": [],
        }
        self.input_rows.append(row)
        try:
            inputs = make_inputs(
                kind,
                self.project,
                python,
                cache=self.settings.cache_folder,
                engine=self.engine,
                anew=self.settings.anew,
            )
        except (InputsUnavailable, BuildError) as error:
            reason = row["reason"] = one_line(error)
            return reason
        files = sorted(inputs.wheelhouse.glob("*.whl"))
        row |= {
            "status": "built",
            "built_in": inputs.built_in,
            "wheels": [path.name for path in files],
            "size_bytes": sum(path.stat().st_size for path in files),
        }
        row |= {"duration_s": inputs.duration_s, "cpu_s": inputs.cpu_s, "commands": list(inputs.commands)}
        try:
            floor = wheel_floor(inputs.wheelhouse)
            row |= {"glibc_floor": floor.version, "floor_set_by": floor.set_by}
        except FileTreeError as error:
            row["reason"] = one_line(error)
        return inputs

    def _build(self, one: Candidate, wheels: dict[InputKind, Inputs | str]) -> None:
        kind = one.kind or next(iter(self.settings.inputs))
        inputs = self._wheels(kind, one.python, wheels)
        if isinstance(inputs, str):
            one.reason = inputs
            return
        one.inputs = inputs
        self.progress(one.subject.label)
        try:
            one.built = self.build(one, None, 1)
        except UnavailableError as error:
            one.reason = one_line(error)
        except BuildError as error:
            one.status, one.reason = "failed", one_line(error)
            one.log = getattr(error, "log", None)
        else:
            self._describe(one)

    def build(self, one: Candidate, epoch: int | None, attempt: int) -> Built:
        """Build one, again if it is not the first attempt.

        Raises
        ------
        BuildError
            If that fails.
        """
        if one.inputs is None:
            raise BuildError(f"{one.form.label}: no wheels")
        return build_form(
            one.form,
            self.project,
            one.inputs,
            self.settings.cache_folder,
            timeout_s=self.settings.build_timeout_s,
            epoch=epoch,
            anew=self.settings.anew,
            attempt=attempt,
        )

    def _describe(self, one: Candidate) -> None:
        built = one.built
        if built is None:
            return
        one.status = "built"
        one.log = built.log
        try:
            one.digest = digest_of_path(built.path)
            facts = self.store.rows("facts", self._key(one), lambda: [static_facts(self.read(one))])[0]
            rows = self.store.rows("contents", self._key(one), lambda: self._contents(one))
        except (FileTreeError, OSError) as error:
            one.reason = one_line(error)
            return
        self.content_rows += [{**row, "subject_id": one.subject_id} for row in rows]
        linked_in = any(row["library"] == "cpython" for row in rows)
        one.carries_python = bool(facts["carries_python"]) or linked_in

    def _key(self, one: Candidate) -> tuple[object, ...]:
        return one.digest, one.form.name, one.inputs.digest if one.inputs else "", one.python.executable

    def _contents(self, one: Candidate) -> list[Row]:
        return content_rows(one, self.read(one), self.settings.cache_folder)

    def read(self, one: Candidate) -> ReadArtifact:
        """Read an artifact, once for each that has the same bytes.

        Raises
        ------
        FileTreeError
            If it cannot be read.
        """
        if one.built is None:
            raise FileTreeError(f"{one.subject_id}: not built")
        key = f"{one.digest}/{one.form.name}"
        if key not in self._read:
            self._read[key] = read_artifact(one.built)
            self._read[key].carries_python |= one.carries_python is True
        return self._read[key]

    def rows(self, candidates: Sequence[Candidate]) -> list[Row]:
        """Return the rows of ``packaging_builds``."""
        return [self._row(one) for one in candidates]

    def _row(self, one: Candidate) -> Row:
        built, tool, inputs = one.built, one.tool, one.inputs
        versions = built.tool_versions if built else {}
        row: Row = {
            "subject_id": one.subject_id,
            "form": one.form.name,
            "packager": one.form.packager,
            "label": one.form.label,
            "slides_row": one.form.slides_row,
            "inputs_id": f"{inputs.kind}-{one.python.version}" if inputs else "",
            "inputs_kind": str(one.kind or ""),
            "python": one.python.label,
            "status": one.status,
            "reason": one.reason,
            "packager_version": _version(one, versions),
            "licence": tool.licence if tool else "",
            "licence_source": tool.licence_source if tool else "",
            "delivery": str(built.delivery) if built else "",
            "program": built.program if built else "",
            "commands": list(built.commands) if built else [],
            "tool_versions": [f"{name} {version}" for name, version in versions.items()],
            "duration_s": built.duration_s if built else None,
            "cpu_s": built.cpu_s if built else None,
            "peak_rss_bytes": built.peak_rss_bytes if built else None,
            "environment_bytes": built.environment_bytes if built else None,
            "size_bytes": None,
            "files": None,
            "elf_files": None,
            "glibc_floor": "",
            "floor_set_by": "",
            "outer_floor": "",
            "outside_libraries": [],
            "carries_python": one.carries_python,
            "sha256": one.digest,
            "cached": built.cached if built else None,
            "log_tail": _tail(one.log) if one.log is not None else "",
        }
        if built and one.digest:
            row["size_bytes"], row["files"] = _size(built.path, built.delivery)
            facts = self.store.rows("facts", self._key(one), lambda: [static_facts(self.read(one))])[0]
            row |= {**facts, "carries_python": one.carries_python}
        return row


def _version(one: Candidate, versions: Any) -> str:
    tool = one.tool
    if tool is None:
        return ""
    for name, version in versions.items():
        if name.lower().replace("_", "-") == tool.name.lower().replace("_", "-"):
            return str(version)
    pinned = tool.requirements[0] if tool.requirements else ""
    return pinned.partition("==")[2]


def _size(path: Path, delivery: Delivery) -> tuple[int, int]:
    if delivery is not Delivery.FOLDER or not path.is_dir():
        return path.stat().st_size, 1
    files = [one for one in path.rglob("*") if one.is_file() and not one.is_symlink()]
    return sum(one.stat().st_size for one in files), len(files)


def _tail(log: Path) -> str:
    try:
        with log.open("rb") as stream:
            stream.seek(max(0, log.stat().st_size - _LOG_BYTES))
            text = stream.read().decode("utf-8", "replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-_LOG_LINES:])
