"""The gate of a pipeline: whether what is shipped keeps what it claims, and what is asked of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyassay.probes.portability import observe
from pyassay.probes.portability_tables import TABLES
from pyassay.subjects.collection import subject_row
from pyassay.subjects.display import display_text
from pyassay.verdicts.claims import Finding, claims, only_allowed

if TYPE_CHECKING:
    from pyassay.subjects.model import Subject
    from pyassay.verdicts.policy import Policy

__all__ = ["Checked", "GateError", "check"]


class GateError(ValueError):
    """What was asked of the gate makes no sense: one line."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What the gate saw.

    Attributes
    ----------
    subjects, wheels, elf_files : int
        How many were looked at.
    findings : tuple of Finding
        What is not as it should be; empty: pass.
    unreadable : tuple of Finding
        What could not be looked at: ``found`` says why.
    """

    subjects: int = 0
    wheels: int = 0
    elf_files: int = 0
    findings: tuple[Finding, ...] = ()
    unreadable: tuple[Finding, ...] = ()


@dataclass(slots=True)
class _Seen:
    rows: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {t.name: [] for t in TABLES})
    subjects: list[dict[str, object]] = field(default_factory=list)
    unreadable: list[Finding] = field(default_factory=list)


def check(
    subjects: Sequence[Subject],
    *,
    allow: Sequence[str] = (),
    distros: Sequence[str] = (),
    policy: Policy | None = None,
    on: date | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> Checked:
    """Hold subjects against their own claims, and against what else is asked.

    Parameters
    ----------
    subjects : sequence of Interpreter or Artifact
    allow : sequence of str
        Platform tags: whatever is not installable under one of them is a finding, by name and by content.
    distros : sequence of str
        Releases of the table of distributions (``debian:11``) on which everything must run.
    policy : Policy, optional
        Every reason that makes a verdict ``bad`` under it is a finding.
    on : date, optional
        The day to judge as of; by default today.
    progress : callable, optional
        Called as ``progress(done, total, label)``.

    Raises
    ------
    GateError
        If a tag or a release is not known.
    """
    seen = _Seen()
    for number, subject in enumerate(subjects):
        if progress is not None:
            progress(number, len(subjects), subject.label)
        _observe(subject, seen)
    if progress is not None:
        progress(len(subjects), len(subjects), "")
    findings = [*claims(seen.rows)]
    if allow:
        try:
            findings += only_allowed(seen.rows, allow)
        except ValueError as error:
            raise GateError(str(error)) from error
    if distros or policy is not None:
        findings += _judged(seen, distros, policy, on or datetime.now(UTC).date())
    prefixes = _prefixes(seen)
    return Checked(
        len(subjects),
        len(seen.rows["wheels"]),
        len(seen.rows["files"]),
        tuple(_named(finding, prefixes) for finding in dict.fromkeys(findings)),
        tuple(_named(finding, prefixes) for finding in seen.unreadable),
    )


def _observe(subject: Subject, seen: _Seen) -> None:
    seen.subjects.append(subject_row(subject))
    if subject.error:
        seen.unreadable.append(Finding(subject.id, "", subject.error, "to be read"))
        return
    try:
        found = observe(subject).tables
    except Exception as error:  # noqa: BLE001 - one subject's fault must not end the check of the others
        reason = " ".join(f"{error}".split())[:500] or type(error).__name__
        seen.unreadable.append(Finding(subject.id, "", reason, "to be read"))
        return
    for name, rows in found.items():
        seen.rows[name] += rows
    seen.unreadable += [
        Finding(subject.id, str(row["file"]), str(row["reason"]), "to be read") for row in found["skipped"]
    ]


def _prefixes(seen: _Seen) -> dict[str, str]:
    """Return what to put before a file's name so that a reader finds it."""
    return {str(row["subject_id"]): _file_name(row) for row in seen.subjects}


def _file_name(row: Mapping[str, object]) -> str:
    if row["kind"] == "artifact":
        return display_text(Path(str(row["executable"])).absolute().name)
    return str(row["label"])


def _named(finding: Finding, prefixes: dict[str, str]) -> Finding:
    subject = prefixes[finding.subject_id]
    file = finding.file
    shown = subject if file in {"", subject} else f"{subject}: {file}"
    return Finding(finding.subject_id, shown, finding.found, finding.wanted)


def _judged(seen: _Seen, distros: Sequence[str], policy: Policy | None, on: date) -> list[Finding]:
    import pandas as pd

    from pyassay.evidence import SUBJECTS
    from pyassay.reference import distributions
    from pyassay.verdicts.model import Level
    from pyassay.verdicts.portability import judge, matrix

    tables: dict[str, pd.DataFrame] = {schema.name: schema.frame(seen.rows[schema.name]) for schema in TABLES}
    tables["subjects"] = SUBJECTS.frame(seen.subjects)
    found: list[Finding] = []
    if distros:
        releases = distributions()
        keys = releases["distro"] + ":" + releases["version"]
        known = set(keys)
        for key in distros:
            if key not in known:
                raise GateError(f"{key}: no such release in the table of distributions{_nearest(key, keys)}")
        predicted = matrix(tables, releases[keys.isin(distros)], on)
        for row in predicted[predicted["prediction"] != "runs"].to_dict("records"):
            said = {"refused": "", "partial": "in part: ", "unknown": "not known: "}[row["prediction"]]
            wanted = f"{row['label']} ({row['libc']} {row['libc_version']})"
            found.append(Finding(str(row["subject_id"]), "", f"{said}{row['asks']}", wanted))
    if policy is not None:
        for verdict in judge(tables, policy, on):
            found += [
                Finding(verdict.subject_id, "", reason.text, f"policy {policy.name}")
                for reason in verdict.reasons
                if reason.level is Level.BAD
            ]
    return found


def _nearest(key: str, known: Iterable[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(key, list(known), n=3, cutoff=0.5)
    return f"; nearest: {', '.join(near)}" if near else ""
