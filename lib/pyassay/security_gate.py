"""The gate of a pipeline on security: whether what is shipped carries anything with an open advisory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from pyassay.evidence import SKIPPED, SUBJECTS
from pyassay.probes import libraries
from pyassay.probes.package_changelogs import PACKAGE_CHANGELOGS
from pyassay.probes.package_changelogs import observe as observe_changelogs
from pyassay.probes.security import JUDGED, TABLES
from pyassay.subjects.collection import subject_row
from pyassay.verdicts import security as rules
from pyassay.verdicts.advisories import SEVERITIES
from pyassay.verdicts.claims import Finding
from pyassay.verdicts.model import Level

if TYPE_CHECKING:
    import pandas as pd

    from pyassay.subjects.model import Subject
    from pyassay.verdicts.policy import Policy

__all__ = ["check_security"]

_NAMED = 6
_NO_FIX = "some advisories name no fix on its branch"


def check_security(
    subjects: Sequence[Subject],
    policy: Policy,
    *,
    on: date | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> tuple[list[Finding], list[Finding]]:
    """Hold what subjects carry against the advisories that the tables know; nothing is fetched.

    Parameters
    ----------
    subjects : sequence of Interpreter or Artifact
    policy : Policy
        Its section ``security``: from which severity on an advisory is a finding, and which are accepted.
    on : date, optional
        The day to judge as of; by default today.
    progress : callable, optional
        Called as ``progress(done, total, label)``.

    Returns
    -------
    tuple of list of Finding
        Findings; and what could not be looked at, or is not known: ``found`` says why.
    """
    day = on or datetime.now(UTC).date()
    carried: list[dict[str, Any]] = []
    told: list[dict[str, str]] = []
    unknown: list[Finding] = []
    for number, subject in enumerate(subjects):
        if progress is not None:
            progress(number, len(subjects), subject.label)
        try:
            rows = libraries.observe(subject)
            told += observe_changelogs(subject, rows, JUDGED)
            carried += rows
        except Exception as error:  # noqa: BLE001 - one subject's fault must not end the check of the others
            reason = " ".join(str(error).split())[:500] or type(error).__name__
            unknown.append(Finding(subject.id, subject.label, reason, "to be read"))
    if progress is not None:
        progress(len(subjects), len(subjects), "")
    tables: dict[str, pd.DataFrame] = {schema.name: schema.frame([]) for schema in (*TABLES, SKIPPED)}
    tables["subjects"] = SUBJECTS.frame(map(subject_row, subjects))
    tables[libraries.BUNDLED_LIBRARIES.name] = libraries.BUNDLED_LIBRARIES.frame(carried)
    tables[PACKAGE_CHANGELOGS.name] = PACKAGE_CHANGELOGS.frame(told)
    names = {subject.id: subject.label for subject in subjects}
    findings = [*_open(tables, policy, day, names), *_ended(tables, policy, day, names)]
    return findings, [*unknown, *_not_known(tables, policy, day, names)]


def _open(tables: dict[str, pd.DataFrame], policy: Policy, day: date, names: dict[str, str]) -> list[Finding]:
    severity = policy.security.bad_severity
    rows = rules.advisories(tables, day, policy)
    ranks = rows["severity"].map(SEVERITIES.index)
    counted = rows[(rows["status"] == "open") & (ranks >= SEVERITIES.index(severity))]
    wanted = f"no open advisory of severity {severity} or worse"
    found = []
    for key, group in counted.groupby(["subject_id", "component", "version"], sort=False):
        subject, component, version = map(str, key)
        listed = [
            f"{advisory} ({rated})"
            for advisory, rated in zip(group["advisory"], group["severity"], strict=True)
        ]
        rest = f" and {len(listed) - _NAMED} more" if len(listed) > _NAMED else ""
        text = f"{component} {version}: {', '.join(listed[:_NAMED])}{rest}"
        found.append(Finding(subject, names[subject], text, wanted))
    return found


def _ended(
    tables: dict[str, pd.DataFrame], policy: Policy, day: date, names: dict[str, str]
) -> list[Finding]:
    if policy.security.ended_branch is not Level.BAD:
        return []
    return [
        Finding(
            subject,
            names[subject],
            f"CPython {level.branch} ended {level.end_of_life}",
            "a branch that lives",
        )
        for subject, level in rules.patch_levels(tables, day).items()
        if level.phase == "ended" and not rules.maintaining_package(tables, subject, day)
    ]


def _not_known(
    tables: dict[str, pd.DataFrame], policy: Policy, day: date, names: dict[str, str]
) -> list[Finding]:
    rows = rules.components(tables, day, policy)
    doubtful = rows[(rows["overall"] == "unknown") & (rows["scope"] == rules.OWN)]
    return [
        Finding(
            str(row["subject_id"]),
            names[str(row["subject_id"])],
            f"{row['component']} {row['version']}: {row['limits'][0] if row['limits'] else _NO_FIX}",
            "to be known",
        )
        for row in doubtful.to_dict("records")
    ]
