"""Evidence sets: what was observed, on which machine, when and how; recorded whole or not at all.

An evidence set is a folder: ``manifest.json`` and one Parquet file per table. It is written beside its
destination and moved into place at the end, so that no reader ever sees half of one.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyassay.probes import ABOUT_TOOLS, QUESTIONS, probe_module
from pyassay.probes.observations import Column, TableSchema

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "SCHEMA_VERSION",
    "SKIPPED",
    "SUBJECTS",
    "Evidence",
    "EvidenceError",
    "Manifest",
    "ProbeRun",
    "load",
    "redacted",
    "schemas",
]

SCHEMA_VERSION = 3
_MANIFEST = "manifest.json"
_MAX_MANIFEST_BYTES = 16 << 20
_MADE_BY_PROBES = ("build", "tool")

SUBJECTS = TableSchema(
    "subjects",
    "one row per subject",
    (
        Column("subject_id", "text", "stable within an evidence set"),
        Column("label", "text", "what charts and tables call it"),
        Column("kind", "text", "interpreter, environment, artifact or image; build or tool: a probe's own"),
        Column("executable", "text", "the real file, links resolved; the artifact; the image's name"),
        Column("image", "text", "the image that an interpreter lies in; empty: this host"),
        Column("format", "text", "of an artifact: wheel, pex, deb ...; else empty"),
        Column("size_bytes", "count", "of an artifact that is a file"),
        Column("version", "text", "3.12.1; empty when it could not be asked"),
        Column("implementation", "text", "cpython, pypy, ..."),
        Column("architecture", "text", "x86_64, ..."),
        Column("libc", "text", "glibc or musl"),
        Column("libc_version", "text", "of the host, as the interpreter sees it"),
        Column("compiler", "text", "as the interpreter reports it"),
        Column("build_date", "text", "as the interpreter reports it"),
        Column("prefix", "text", "of the base interpreter"),
        Column("builder", "text", "key of who built it"),
        Column("installer", "text", "key of who put it there, where that is somebody else; else empty"),
        Column("provenance", "text", "who built it, in words"),
        Column("provenance_confidence", "text", "certain, likely or unknown"),
        Column("provenance_clues", "texts", "how that is known"),
        Column("aliases", "texts", "other names that lead to it"),
        Column("environments", "texts", "virtual environments that rest on it"),
        Column("environment", "text", "the virtual environment that is the subject; empty: none"),
        Column("error", "text", "why it could not be asked; empty: it was"),
    ),
)


SKIPPED = TableSchema(
    "skipped",
    "one row per thing that could not be observed",
    (
        Column("subject_id", "text", "which subject of the table `subjects`"),
        Column("question", "text", "the question that it was observed for"),
        Column("file", "text", "which file, or other part of it; empty: the whole subject"),
        Column("reason", "text", "one line"),
    ),
)


class EvidenceError(Exception):
    """An evidence set cannot be read or written: one line that names it and says why."""


@dataclass(frozen=True, slots=True)
class ProbeRun:
    """One probe on one subject: ``status`` is ``done`` or ``failed``, ``reason`` says why it failed."""

    question: str
    subject_id: str
    status: str
    reason: str
    duration_s: float


@dataclass(frozen=True, slots=True)
class Manifest:
    """Where an evidence set comes from.

    Attributes
    ----------
    schema_version : int
        Of this layout; a set from a later layout is refused.
    recorded_at : str
        UTC, ISO 8601, to the second. Judgements are made as of its date.
    questions : tuple of str
        Which probes ran.
    host, tools, parameters : dict of str to str
        Facts about the machine (no name of it), versions of the libraries, what the run was asked.
    runs : tuple of ProbeRun
        Each probe on each subject with its duration.
    redacted : bool
        Paths were replaced by the names of subjects (see :func:`redacted`).
    """

    schema_version: int
    recorded_at: str
    questions: tuple[str, ...]
    host: dict[str, str]
    tools: dict[str, str]
    parameters: dict[str, str] = field(default_factory=dict)
    runs: tuple[ProbeRun, ...] = ()
    redacted: bool = False

    @property
    def on(self) -> date:
        """Return the day as of which the evidence is judged."""
        return datetime.fromisoformat(self.recorded_at).date()


@dataclass(frozen=True, slots=True)
class Evidence:
    """Observations by table, and the manifest that says where they come from."""

    manifest: Manifest
    tables: Mapping[str, pd.DataFrame]

    def table(self, name: str) -> pd.DataFrame:
        """Return one table.

        Raises
        ------
        EvidenceError
            If the set has no such table; the message lists those it has.
        """
        if name not in self.tables:
            raise EvidenceError(f"{name}: no such table; there are: {', '.join(sorted(self.tables))}")
        return self.tables[name]

    def about(self, question: str) -> Mapping[str, pd.DataFrame]:
        """Return the tables; of ``skipped`` and ``subjects`` only the rows that belong to this question.

        Builds and tools, which a question about tools made its subjects, belong to that one only.
        """
        tables = dict(self.tables)
        if SKIPPED.name in tables:
            skipped = tables[SKIPPED.name]
            tables[SKIPPED.name] = skipped[skipped["question"] == question].reset_index(drop=True)
        if SUBJECTS.name in tables:
            subjects = tables[SUBJECTS.name]
            own = subjects["kind"].isin(_MADE_BY_PROBES)
            if question in ABOUT_TOOLS:
                asked = {run.subject_id for run in self.manifest.runs if run.question == question}
                chosen = own & subjects["subject_id"].isin(asked)
            else:
                chosen = ~own
            tables[SUBJECTS.name] = subjects[chosen].reset_index(drop=True)
        return tables

    def answered_by(self, other: Evidence) -> Evidence:
        """Return this set with the answers of another in place of its own to the same questions.

        Of the subjects, those of the other come in place of those of the same id; one that no question
        speaks of any more goes.
        """
        import pandas as pd

        replaced = set(other.manifest.questions)
        kept_runs = [run for run in self.manifest.runs if run.question not in replaced]
        runs = (*kept_runs, *other.manifest.runs)
        spoken_of = {run.subject_id for run in runs}
        subjects = self.tables[SUBJECTS.name]
        new = other.tables[SUBJECTS.name]
        kept = subjects[
            subjects["subject_id"].isin(spoken_of) & ~subjects["subject_id"].isin(new["subject_id"])
        ]
        skipped = self.tables[SKIPPED.name]
        tables = {
            **self.tables,
            **other.tables,
            SUBJECTS.name: pd.concat([kept, new], ignore_index=True),
            SKIPPED.name: pd.concat(
                [skipped[~skipped["question"].isin(replaced)], other.tables[SKIPPED.name]], ignore_index=True
            ),
        }
        asked = {*self.manifest.questions, *replaced}
        questions = tuple(question for question in QUESTIONS if question in asked)
        manifest = replace(
            self.manifest,
            recorded_at=max(self.manifest.recorded_at, other.manifest.recorded_at),
            questions=questions,
            tools={**self.manifest.tools, **other.manifest.tools},
            runs=runs,
            redacted=self.manifest.redacted and other.manifest.redacted,
        )
        return Evidence(manifest, {schema.name: tables[schema.name] for schema in schemas(questions)})

    @property
    def digest(self) -> str:
        """Return a SHA-256 over the content of every table and the manifest, independent of file formats."""
        total = hashlib.sha256(_dump(self.manifest).encode())
        for name in sorted(self.tables):
            total.update(f"\0{name}\0".encode())
            total.update(self.tables[name].to_json(orient="split", index=False).encode())
        return total.hexdigest()

    def save(self, folder: Path, *, replace_existing: bool = False) -> Path:
        """Write the set to a folder that does not exist yet, completely or not at all.

        Raises
        ------
        EvidenceError
            If the folder exists and may not be replaced, or cannot be written.
        """
        with self.staged(folder, replace_existing=replace_existing):
            return folder.absolute()

    @contextmanager
    def staged(self, folder: Path, *, replace_existing: bool = False) -> Iterator[Path]:
        """Write the set beside its folder, yield where, and move it into place unless the block fails.

        What is made of the evidence in the block and the evidence itself so change together.

        Raises
        ------
        EvidenceError
            As :meth:`save`.
        """
        folder = folder.absolute()
        try:
            if folder.exists() and not replace_existing:
                raise EvidenceError(f"{folder}: exists already")
            folder.parent.mkdir(parents=True, exist_ok=True)
            scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        except OSError as error:
            raise _unwritable(folder, error) from error
        try:
            try:
                self._write(scratch / "set")
            except OSError as error:
                raise _unwritable(folder, error) from error
            yield scratch / "set"
            try:
                if folder.exists():
                    folder.rename(scratch / "old")
                (scratch / "set").rename(folder)
            except OSError as error:
                if not folder.exists() and (scratch / "old").exists():
                    (scratch / "old").rename(folder)
                raise _unwritable(folder, error) from error
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def _write(self, folder: Path) -> None:
        folder.mkdir()
        described: dict[str, Any] = {}
        for name, frame in self.tables.items():
            path = folder / f"{name}.parquet"
            frame.to_parquet(path, index=False, compression="zstd")
            _sync(path)
            described[name] = {"rows": len(frame), "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
        manifest = {**json.loads(_dump(self.manifest)), "tables": described}
        path = folder / _MANIFEST
        path.write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        _sync(path)

    def _repr_html_(self) -> str:
        from html import escape

        rows = "".join(
            f"<tr><th scope='row'>{escape(name)}</th><td>{len(frame)}</td>"
            f"<td>{escape(', '.join(map(str, frame.columns)))}</td></tr>"
            for name, frame in self.tables.items()
        )
        return (
            f"<table><caption>Evidence of {escape(self.manifest.recorded_at)}: "
            f"{escape(', '.join(self.manifest.questions))}</caption>"
            f"<thead><tr><th>table</th><th>rows</th><th>columns</th></tr></thead><tbody>{rows}</tbody></table>"
        )


def load(folder: Path | str) -> Evidence:
    """Read an evidence set.

    Raises
    ------
    EvidenceError
        If the folder is no evidence set, comes from a later version, or its bytes are not those recorded.
    """
    folder = Path(folder)
    try:
        with (folder / _MANIFEST).open("rb") as file:
            text = file.read(_MAX_MANIFEST_BYTES + 1)
        if len(text) > _MAX_MANIFEST_BYTES:
            raise EvidenceError(f"{folder}: {_MANIFEST} is larger than {_MAX_MANIFEST_BYTES} bytes")
        raw = json.loads(text)
        found = raw["schema_version"]
        if found != SCHEMA_VERSION:
            raise EvidenceError(f"{folder}: schema version {found}, this pyassay reads {SCHEMA_VERSION}")
        manifest = _manifest(raw)
        tables = {
            schema.name: _read_table(folder, schema, raw["tables"][schema.name]["sha256"])
            for schema in schemas(manifest.questions)
        }
    except OSError as error:
        name = Path(str(error.filename or folder)).name
        kind = "no" if name == _MANIFEST else "damaged"
        raise EvidenceError(f"{folder}: {kind} evidence set: {name}: {error.strerror or error}") from error
    except EvidenceError:
        raise
    except (KeyError, TypeError, ValueError, LookupError) as error:
        raise EvidenceError(
            _one_line(f"{folder}: damaged evidence set: {type(error).__name__}: {error}")
        ) from error
    return Evidence(manifest, tables)


def redacted(evidence: Evidence) -> Evidence:
    """Return the evidence without this machine's folders, fit for publication.

    Each interpreter's prefix becomes ``{its id}``, every environment ``{environment n}``, the cache
    ``{cache}`` and the home folder ``~``; prefixes that every system has (``/usr``) stay.
    """
    from pyassay.packagers.cache import cache_root
    from pyassay.probes.tree import is_shared_prefix

    subjects = evidence.table("subjects")
    names: dict[str, str] = {}
    for row in subjects.itertuples():
        if row.prefix and not is_shared_prefix(Path(str(row.prefix))):
            names[str(row.prefix)] = f"{{{row.subject_id}}}"
    seen = sorted(
        {path for paths in subjects["environments"] for path in paths} | set(subjects["environment"]) - {""}
    )
    names |= {path: f"{{environment {number}}}" for number, path in enumerate(seen, 1)}
    names[str(cache_root())] = "{cache}"
    names.setdefault(str(Path.home()), "~")
    names.setdefault(str(Path.cwd()), ".")
    # The longest first: a prefix may lie inside the home folder.
    pattern = re.compile("|".join(re.escape(path) for path in sorted(names, key=lambda p: (-len(p), p))))

    def clean(text: str) -> str:
        return pattern.sub(lambda match: names[match[0]], text)

    tables: dict[str, pd.DataFrame] = {}
    for schema in schemas(evidence.manifest.questions):
        frame = evidence.tables[schema.name].copy()
        for column in schema.columns:
            if column.kind == "text":
                frame[column.name] = frame[column.name].map(clean)
            elif column.kind == "texts":
                frame[column.name] = frame[column.name].map(lambda cell: list(map(clean, cell)))
        tables[schema.name] = schema.restore(frame)
    runs = tuple(replace(run, reason=clean(run.reason)) for run in evidence.manifest.runs)
    parameters = {key: clean(value) for key, value in evidence.manifest.parameters.items()}
    return Evidence(replace(evidence.manifest, redacted=True, runs=runs, parameters=parameters), tables)


def schemas(questions: Sequence[str]) -> tuple[TableSchema, ...]:
    """Return the tables of an evidence set on these questions, subjects and what was skipped included."""
    unique: dict[str, TableSchema] = {SUBJECTS.name: SUBJECTS}
    for question in questions:
        unique |= {schema.name: schema for schema in probe_module(question).TABLES}
    return tuple((unique | {SKIPPED.name: SKIPPED}).values())


def _read_table(folder: Path, schema: TableSchema, sha256: str) -> pd.DataFrame:
    import pandas as pd

    path = folder / f"{schema.name}.parquet"
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
            raise EvidenceError(f"{path}: not the bytes that the manifest records")
    return schema.restore(pd.read_parquet(path))


def _manifest(raw: Mapping[str, Any]) -> Manifest:
    manifest = Manifest(
        schema_version=int(raw["schema_version"]),
        recorded_at=str(raw["recorded_at"]),
        questions=tuple(map(str, raw["questions"])),
        host=_texts(raw["host"]),
        tools=_texts(raw["tools"]),
        parameters=_texts(raw["parameters"]),
        runs=tuple(ProbeRun(**run) for run in raw["runs"]),
        redacted=bool(raw["redacted"]),
    )
    unknown = set(manifest.questions) - set(QUESTIONS)
    if unknown:
        raise EvidenceError(f"questions unknown to this pyassay: {', '.join(sorted(unknown))}")
    manifest.on  # noqa: B018 - a date that cannot be read must fail here, not in a report
    return manifest


def _texts(raw: Mapping[str, Any]) -> dict[str, str]:
    return {str(key): str(value) for key, value in raw.items()}


def _dump(manifest: Manifest) -> str:
    return json.dumps(asdict(manifest), sort_keys=True)


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _unwritable(folder: Path, error: OSError) -> EvidenceError:
    return EvidenceError(f"{folder}: cannot be written: {error.strerror or error}")


def _one_line(text: str) -> str:
    return " ".join(text.split())[:500]
