"""What is judged: one row per form and inputs, built or not, and how it is started where it is brought to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pyassay.packagers.model import Built, Delivery, Form, InputKind, Inputs, Project, ToolFacts
from pyassay.subjects.model import Artifact, Interpreter, SubjectKind

__all__ = ["KIND_WORDS", "Candidate", "identifier", "label"]

KIND_WORDS = {
    InputKind.RAW: "raw wheels",
    InputKind.REPAIRED: "repaired wheels",
    InputKind.OLDEST: "wheels of the oldest system",
}
_POINT = "/pyassay"


@dataclass(slots=True)
class Candidate:
    """A form with its inputs, and what came of it.

    Attributes
    ----------
    form : Form
    kind : InputKind or None
        None: the wheels make no difference.
    python : Interpreter
        What packs.
    project : Project
    tool : ToolFacts or None
        None: the packager's module cannot be loaded.
    inputs : Inputs or None
    built : Built or None
        None: `reason` says why.
    status : str
        ``built``, ``failed`` or ``not available``.
    reason : str
    log : Path or None
        Of the build, also where it failed.
    digest : str
        Of the artifact; empty if there is none.
    carries_python : bool or None
        None: unknown.
    suffix : str
        Tells two Pythons of one version apart.
    """

    form: Form
    kind: InputKind | None
    python: Interpreter
    project: Project
    tool: ToolFacts | None = None
    inputs: Inputs | None = None
    built: Built | None = None
    status: str = "not available"
    reason: str = ""
    log: Path | None = None
    digest: str = ""
    carries_python: bool | None = None
    suffix: str = ""

    @property
    def subject_id(self) -> str:
        """Return its id: ``build-pex-venv-repaired-3.12.10``."""
        return identifier(self.form, self.kind, f"{self.python.version}{self.suffix}")

    @property
    def subject(self) -> Artifact:
        """Return it as a subject of the evidence."""
        path = self.built.path if self.built is not None else Path()
        return Artifact(
            self.subject_id,
            label(self.form, self.kind, f"{self.python.version}{self.suffix.replace('-', ' ')}"),
            SubjectKind.BUILD,
            path,
            self.form.name,
            path.stat().st_size if self.built is not None and path.is_file() else None,
            # What is not to be had here is a row with a reason, and no fault of the run.
            self.reason or self.status if self.status == "failed" else None,
        )

    @property
    def in_container(self) -> str:
        """Return where a container sees the artifact."""
        name = self.built.path.name if self.built is not None else ""
        return f"{_POINT}/{self.subject_id}/{name}"

    def argv(self, place: str = "") -> list[str]:
        """Return the command that starts it, at a place (its own unless given)."""
        built = self.built
        if built is None:
            return []
        if built.delivery is Delivery.FILE:
            return [place or str(built.path), *built.arguments]
        if built.delivery is Delivery.FOLDER:
            return [f"{place or built.path}/{built.program}", *built.arguments]
        return [built.program, *built.arguments]


def identifier(form: Form, kind: InputKind | None, python: str) -> str:
    """Return the id of a build."""
    return "-".join(filter(None, ("build", form.name, str(kind or ""), python)))


def label(form: Form, kind: InputKind | None, python: str) -> str:
    """Return what tables call it: ``pex --venv, repaired wheels, 3.12.10``."""
    return ", ".join(filter(None, (form.label, KIND_WORDS[kind] if kind else "", python)))
