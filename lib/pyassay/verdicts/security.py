"""Rules on security: which advisories are open in what a subject carries, and what would close them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import TYPE_CHECKING, Any

from pyassay.probes.observations import records
from pyassay.reference.security import release_key
from pyassay.subjects.changelogs import Changelog
from pyassay.subjects.packages import Owner
from pyassay.verdicts.advisories import (
    COMPONENTS,
    SEVERITIES,
    AdvisoryStatus,
    Assessment,
    assess,
    component_name,
)
from pyassay.verdicts.advisory_tables import maintained_until
from pyassay.verdicts.branches import PatchLevel, patch_level
from pyassay.verdicts.closing import what_closes
from pyassay.verdicts.model import Level, Reason, Verdict
from pyassay.verdicts.policy import Policy, SecurityPolicy

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "ADVISORY_ROW_COLUMNS",
    "COMPONENT_COLUMNS",
    "advisories",
    "components",
    "judge",
    "maintaining_package",
    "patch_levels",
]

QUESTION = "security"
OWN, SITE = "own", "site"
COMPONENT_COLUMNS = (
    *("subject_id", "component", "version", "scope", "linkage", "file", "package", "package_version"),
    *("overall", "open", "high", "backported", "unknown", "by_version", "severities", "limits", "notes"),
    *("closes",),
)
ADVISORY_ROW_COLUMNS = (
    *("subject_id", "component", "version", "scope", "advisory", "status", "severity", "published"),
    *("fixed_in", "reason", "changelog_version", "changelog_line"),
)
_ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class _Component:
    """One component in one place of a subject, with its advisories."""

    subject: str
    name: str
    version: str
    scope: str
    linkage: str
    file: str
    package: str
    package_version: str
    assessment: Assessment

    @property
    def open(self) -> list[AdvisoryStatus]:
        return [row for row in self.assessment.advisories if row.status == "open"]


def components(tables: Mapping[str, pd.DataFrame], on: date, policy: Policy) -> pd.DataFrame:
    """Judge every component that advisories are known of.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        Those of :data:`pyassay.probes.security.TABLES`, and ``subjects``.
    on : date
        The day to judge on.
    policy : Policy
        Its section ``security``: accepted advisories do not count.

    Returns
    -------
    DataFrame
        One row per subject and component: ``component``, ``version``, ``scope`` (``own``: the subject itself,
        ``site``: installed packages), ``linkage``, ``file``, ``package`` and its version (what would be
        upgraded; empty: bundled), ``overall`` (open, unknown or clean), ``open``, ``high`` (high and
        critical among them), ``backported``, ``unknown``, ``by_version`` (what a scanner blind to backports
        would call open), ``severities``, ``limits``, ``notes``, ``closes`` (what would close them).
    """
    import pandas as pd

    rows = [_component_row(one, tables) for one in _assessed(tables, on, policy.security)]
    return pd.DataFrame(rows, columns=list(COMPONENT_COLUMNS))


def advisories(tables: Mapping[str, pd.DataFrame], on: date, policy: Policy) -> pd.DataFrame:
    """Return every advisory that is open, backported or not known, component by component.

    Returns
    -------
    DataFrame
        ``subject_id``, ``component``, ``version``, ``scope``, ``advisory``, ``status``, ``severity``,
        ``published``, ``fixed_in``, ``reason``, ``changelog_version``, ``changelog_line``.
    """
    import pandas as pd

    rows = [
        {
            "subject_id": one.subject,
            "component": one.name,
            "version": one.version,
            "scope": one.scope,
            **{name: getattr(row, name) for name in ADVISORY_ROW_COLUMNS[4:]},
        }
        for one in _assessed(tables, on, policy.security)
        for row in one.assessment.advisories
        if row.status in ("open", "backported") or (row.status == "unknown" and row.counts)
    ]
    return pd.DataFrame(rows, columns=list(ADVISORY_ROW_COLUMNS))


def maintaining_package(tables: Mapping[str, pd.DataFrame], subject: str, on: date) -> str:
    """Return the package by which a distribution maintains a CPython on a day; empty: none does.

    A package of somebody else that carries a Python along (``google-cloud-cli``) is none, and neither is one
    of a release whose support has ended.
    """
    told = tables["package_changelogs"]
    own = told[(told["subject_id"] == subject) & told["installed"].str.match(r"(lib)?python\d")]
    for row in records(own.drop_duplicates("installed")):
        until = maintained_until(str(row["distribution"]), str(row["release"]))
        if until is not None and on <= until:
            return str(row["installed"])
    return ""


def patch_levels(tables: Mapping[str, pd.DataFrame], on: date) -> dict[str, PatchLevel]:
    """Return where each CPython stands on its branch."""
    subjects = tables["subjects"]
    cpython = subjects[(subjects["implementation"] == "cpython") & (subjects["version"] != "")]
    return {
        str(subject): patch_level(str(version), on)
        for subject, version in zip(cpython["subject_id"], cpython["version"], strict=True)
    }


def judge(tables: Mapping[str, pd.DataFrame], policy: Policy, on: date) -> list[Verdict]:
    """Give one verdict on each subject.

    Parameters
    ----------
    tables, policy, on
        As for :func:`components`.
    """
    found: dict[str, list[_Component]] = {}
    for one in _assessed(tables, on, policy.security):
        found.setdefault(one.subject, []).append(one)
    levels = patch_levels(tables, on)
    verdicts = []
    for row in records(tables["subjects"]):
        subject = str(row["subject_id"])
        reasons = [
            *_branch_reasons(
                subject, levels.get(subject), policy.security, maintaining_package(tables, subject, on)
            ),
            *(reason for one in found.get(subject, []) for reason in _reasons(one, tables, policy.security)),
            *_tls_reasons(subject, tables["tls_checks"]),
            *_unread(subject, tables),
        ]
        reasons.sort(key=lambda reason: -reason.level.severity)
        level = Level.worst(reason.level for reason in reasons)
        if str(row["error"]) and not found.get(subject):
            level = Level.UNKNOWN
        headline = _headline(found.get(subject, []), levels.get(subject), str(row["error"]))
        verdicts.append(Verdict(subject, QUESTION, level, headline, tuple(reasons)))
    return verdicts


# Components ------------------------------------------------------------------------------------------------


def _assessed(tables: Mapping[str, pd.DataFrame], on: date, policy: SecurityPolicy) -> Iterable[_Component]:
    changelogs = _changelogs(tables["package_changelogs"])
    subjects = {str(row["subject_id"]): row for row in records(tables["subjects"])}
    seen: set[tuple[str, ...]] = set()
    for row in records(tables["bundled_libraries"]):
        name, subject = str(row["library"]), str(row["subject_id"])
        if name not in COMPONENTS:
            continue
        scope = SITE if row["scope"] == SITE else OWN
        package = str(row["package"]) if row["package_manager"] not in ("", "wheel") else ""
        # The executable and the library of one interpreter are packages of one source: the same fixes.
        source = str(row["package_source"]) if package else ""
        key = (subject, name, str(row["version"]), scope, source or package)
        if key in seen:
            continue
        seen.add(key)
        known = changelogs.get((subject, package), _NO_CHANGELOG)
        assessment = _accepting(
            _assess(
                name,
                str(row["version"]),
                on,
                str(row["package_manager"]),
                package,
                str(row["package_version"]),
                known,
            ),
            policy,
        )
        yield _Component(
            subject,
            name,
            str(row["version"]),
            scope,
            str(row["linkage"]),
            str(row["file"]),
            package,
            str(row["package_version"]) if package else "",
            assessment,
        )
    with_python = {key[0] for key in seen if key[1] == "cpython"}
    for subject, about in subjects.items():
        if subject in with_python or about["implementation"] != "cpython" or not about["version"]:
            continue
        # The version that the interpreter itself told, where its bytes gave none away.
        assessment = _accepting(
            _assess("cpython", str(about["version"]), on, "", "", "", _NO_CHANGELOG), policy
        )
        file = str(about["executable"])
        yield _Component(subject, "cpython", str(about["version"]), OWN, "", file, "", "", assessment)


@dataclass(frozen=True, slots=True)
class _Known:
    changelog: Changelog | None
    distribution: str
    release: str


_NO_CHANGELOG = _Known(None, "", "")


@cache
def _assess(
    name: str, version: str, on: date, manager: str, package: str, package_version: str, known: _Known
) -> Assessment:
    owner = Owner(manager, package, package_version) if package else None
    until = maintained_until(known.distribution, known.release) if known.distribution else None
    return assess(name, version, on=on, package=owner, changelog=known.changelog, maintained_until=until)


def _accepting(assessment: Assessment, policy: SecurityPolicy) -> Assessment:
    """Return the assessment without advisories that the policy accepts."""
    if not policy.accept:
        return assessment
    kept = tuple(row for row in assessment.advisories if row.advisory not in policy.accept)
    gone = len(assessment.advisories) - len(kept)
    notes = (*assessment.notes, f"{gone} accepted by the policy") if gone else assessment.notes
    return Assessment(
        assessment.component, assessment.version, assessment.branch, kept, assessment.limits, notes
    )


def _changelogs(frame: pd.DataFrame) -> dict[tuple[str, str], _Known]:
    found = {}
    for (subject, installed), rows in frame.groupby(["subject_id", "installed"], sort=False):
        told = records(rows)
        absent = any(row["reading"] == _ABSENT for row in told)
        changelog = None if absent else Changelog.from_rows(told)
        first = told[0]
        found[str(subject), str(installed)] = _Known(
            changelog, str(first["distribution"]), str(first["release"])
        )
    return found


def _component_row(one: _Component, tables: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    found = one.assessment
    severities = found.open_by_severity
    return {
        "subject_id": one.subject,
        "component": one.name,
        "version": one.version,
        "scope": one.scope,
        "linkage": one.linkage,
        "file": one.file,
        "package": one.package,
        "package_version": one.package_version,
        "overall": found.overall,
        "open": found.count("open"),
        "high": severities.get("high", 0) + severities.get("critical", 0),
        "backported": found.count("backported"),
        "unknown": sum(row.status == "unknown" and row.counts for row in found.advisories),
        "by_version": found.affected_by_version,
        "severities": ", ".join(f"{count} {severity}" for severity, count in severities.items()),
        "limits": list(found.limits),
        "notes": list(found.notes),
        "closes": _closes(one, tables),
    }


def _closes(one: _Component, tables: Mapping[str, pd.DataFrame]) -> str:
    if not one.open:
        return ""
    subjects = tables["subjects"]
    about = next(row for row in records(subjects) if row["subject_id"] == one.subject)
    candidates = tables["package_candidates"]
    own = candidates[(candidates["subject_id"] == one.subject) & (candidates["package"] == one.package)]
    candidate = str(own["candidate"].iloc[0]) if len(own) else ""
    fixes = [row.fixed_in for row in one.open if row.fixed_in and row.fix_is_public]
    newest = max(fixes, key=lambda version: release_key(version) or ((), 0, "", 0), default="")
    return what_closes(
        component=one.name,
        wanted=newest,
        without_fix=sum(not row.fixed_in or not row.fix_is_public for row in one.open),
        package=one.package,
        installed=one.package_version,
        candidate=candidate,
        builder=str(about["builder"]),
        installer=str(about["installer"]),
        in_packages=one.scope == SITE,
    )


# Verdicts --------------------------------------------------------------------------------------------------


def _reasons(one: _Component, tables: Mapping[str, pd.DataFrame], policy: SecurityPolicy) -> Iterable[Reason]:
    where = {"subject_id": one.subject, "library": one.name}
    what = f"{component_name(one.name)} {one.version or 'of unknown version'}"
    if one.scope == SITE:
        what = f"{what} in its packages ({one.file})"
    found = one.assessment
    if one.open:
        worst = max(SEVERITIES.index(row.severity) for row in one.open)
        bad = worst >= SEVERITIES.index(policy.bad_severity)
        level = Level.BAD if bad and one.scope == OWN else Level.CAUTION
        severities = ", ".join(f"{count} {name}" for name, count in found.open_by_severity.items())
        example = max(one.open, key=lambda row: (SEVERITIES.index(row.severity), row.published, row.advisory))
        text = f"{what}: {len(one.open)} open ({severities}), such as {example.advisory}"
        if found.count("backported"):
            text += f"; its package has fixed {found.count('backported')} more"
        if closes := _closes(one, tables):
            text += f". {closes[:1].upper()}{closes[1:]}"
        yield Reason(level, text, "bundled_libraries", where)
        if found.limits and one.scope == OWN:
            yield Reason(Level.UNKNOWN, f"{what}: {found.limits[0]}", "bundled_libraries", where)
    elif found.overall == "unknown":
        why = found.limits[0] if found.limits else "some advisories name no fix on this branch"
        level = Level.UNKNOWN if one.scope == OWN else Level.CAUTION
        yield Reason(level, f"{what}: not known to be clean: {why}", "bundled_libraries", where)
    else:
        backports = found.count("backported")
        how = f", {backports} of them by its package" if backports else ""
        text = f"{what}: nothing open, {found.count('fixed') + backports} fixed{how}"
        yield Reason(Level.GOOD, text, "bundled_libraries", where)


def _branch_reasons(
    subject: str, level: PatchLevel | None, policy: SecurityPolicy, package: str
) -> Iterable[Reason]:
    if level is None:
        return
    where = {"subject_id": subject}
    if level.phase == "ended":
        words = f"CPython {level.branch} ended on {level.end_of_life}: nobody fixes it upstream"
        if package:
            yield Reason(Level.GOOD, f"{words}, its distribution does ({package})", "subjects", where)
        else:
            yield Reason(policy.ended_branch, words, "subjects", where)
    elif level.phase == "unknown":
        yield Reason(Level.UNKNOWN, f"CPython {level.version}: {'; '.join(level.limits)}", "subjects", where)
    if level.behind and not package:
        days = f", for {level.behind_days} days" if level.behind_days is not None else ""
        count = f"{level.behind} release{'' if level.behind == 1 else 's'}"
        text = f"{count} behind CPython {level.newest}, the newest of its branch{days}"
        yield Reason(Level.CAUTION, text, "subjects", where)


def _tls_reasons(subject: str, checks: pd.DataFrame) -> Iterable[Reason]:
    from pyassay.probes.quirks import catalogue

    own = checks[(checks["subject_id"] == subject) & (checks["outcome"] == "measured")]
    for row in records(own):
        quirk = catalogue().get(str(row["quirk"]))
        reading = quirk.answers.get(str(row["answer"])) if quirk else None
        if quirk and reading and reading.level in ("caution", "bad"):
            text = f"{quirk.question} {reading.means[:1].upper()}{reading.means[1:]}: {row['observed']}"
            yield Reason(Level(reading.level), text, "tls_checks", {"subject_id": subject, "quirk": quirk.id})


def _unread(subject: str, tables: Mapping[str, pd.DataFrame]) -> Iterable[Reason]:
    skipped = tables["skipped"]
    for reason in skipped.loc[skipped["subject_id"] == subject, "reason"]:
        yield Reason(Level.UNKNOWN, f"Not observed: {reason}", "skipped", {"subject_id": subject})


def _headline(found: list[_Component], level: PatchLevel | None, error: str) -> str:
    own = [one for one in found if one.scope == OWN]
    opened = [one for one in own if one.open]
    if opened:
        # One advisory that two copies of a component have is one advisory.
        by_component: dict[str, set[str]] = {}
        severe = set()
        for one in opened:
            name = f"{component_name(one.name)} {one.version}"
            by_component.setdefault(name, set()).update(row.advisory for row in one.open)
            severe |= {row.advisory for row in one.open if row.severity in ("high", "critical")}
        total = len(set().union(*by_component.values()))
        unrated = {row.advisory for one in opened for row in one.open if row.severity == "unrated"}
        noun = "advisory" if total == 1 else "advisories"
        parts = ", ".join(f"{name} ({len(found)})" for name, found in by_component.items())
        text = f"{total} open {noun}, {len(severe)} high, {len(unrated - severe)} without a rating: {parts}"
    elif not own:
        text = f"could not be judged: {error}" if error else "carries none of the components that are judged"
    elif any(one.assessment.overall == "unknown" for one in own):
        names = ", ".join(f"{component_name(one.name)}" for one in own if one.assessment.overall == "unknown")
        text = f"nothing is known to be open, but not everything is known: {names}"
    else:
        text = f"nothing open in {', '.join(f'{component_name(one.name)} {one.version}' for one in own)}"
    if level is not None and level.phase == "ended":
        text += f"; its branch {level.branch} has ended"
    return text
