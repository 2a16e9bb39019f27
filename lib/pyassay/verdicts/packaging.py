"""Rules on packaged applications: a verdict on each build, by the marks that its evidence gives it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import TYPE_CHECKING, Any

from pyassay.verdicts.model import Level, Reason, Verdict
from pyassay.verdicts.packaging_builds import BUILT, FAILED, Build
from pyassay.verdicts.packaging_criteria import CRITERIA, Mark, criterion
from pyassay.verdicts.packaging_marks import builds, marks
from pyassay.verdicts.packaging_slides import slides_comparison
from pyassay.verdicts.packaging_uses import USES, by_use
from pyassay.verdicts.policy import PackagingPolicy, Policy

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CRITERIA", "QUESTION", "USES", "by_use", "judge", "marks", "slides_comparison"]

QUESTION = "packaging"


def judge(
    tables: Mapping[str, pd.DataFrame], policy: Policy, on: date, marked: pd.DataFrame | None = None
) -> list[Verdict]:
    """Give one verdict on each build.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        ``subjects``, ``skipped`` and those of :mod:`pyassay.probes.packaging.tables`.
    policy : Policy
        Its section ``packaging``.
    on : date
        The day of the evidence.
    marked : DataFrame, optional
        What :func:`marks` returned for the same, if that is known already.
    """
    found = builds(tables)
    marked = marks(tables, policy, on, found) if marked is None else marked
    by_subject: dict[str, dict[str, dict[str, Any]]] = {}
    for row in marked.to_dict("records"):
        by_subject.setdefault(str(row["subject_id"]), {})[str(row["criterion"])] = {
            str(key): value for key, value in row.items()
        }
    known = {build.id: build for build in found}
    verdicts = []
    for subject in tables["subjects"].to_dict("records"):
        name = str(subject["subject_id"])
        if name in known:
            verdicts.append(_verdict(known[name], by_subject[name], policy.packaging))
        elif subject["kind"] == "build":
            verdicts.append(_nothing_known(name, tables, str(subject["error"])))
    return verdicts


def _nothing_known(subject: str, tables: Mapping[str, pd.DataFrame], error: str) -> Verdict:
    skipped = tables["skipped"]
    reasons = [str(reason) for reason in skipped.loc[skipped["subject_id"] == subject, "reason"]]
    why = error or (reasons[0] if reasons else "it is in no table")
    reason = Reason(Level.UNKNOWN, why, "skipped", {"subject_id": subject})
    return Verdict(subject, QUESTION, Level.UNKNOWN, f"nothing is known: {why}", (reason,))


def _verdict(build: Build, marked: Mapping[str, Mapping[str, Any]], policy: PackagingPolicy) -> Verdict:
    if build.row["status"] != BUILT:
        return _not_built(build, marked)
    reasons = list(_refused(build, policy))
    for key, row in marked.items():
        reasons += _reason(key, row, needed=key in policy.needs)
    reasons.sort(key=lambda reason: -reason.level.severity)
    level = Level.worst(reason.level for reason in reasons)
    if level is not Level.GOOD:
        # What is as wished stands in the headline.
        reasons = [reason for reason in reasons if reason.level is not Level.GOOD]
    return Verdict(build.id, QUESTION, level, _headline(marked, reasons), tuple(reasons))


def _not_built(build: Build, marked: Mapping[str, Mapping[str, Any]]) -> Verdict:
    failed = build.row["status"] == FAILED
    level = Level.BAD if failed else Level.UNKNOWN
    said = "could not be built" if failed else "is not available here"
    where = {"subject_id": build.id}
    reasons = [Reason(level, f"It {said}: {build.row['reason']}", "packaging_builds", where)]
    reasons += [
        Reason(Level.UNKNOWN, f"{criterion(key).title}: {row['mark']}. {row['why']}", "", {})
        for key, row in marked.items()
        if row["theirs"]
    ]
    if marked["maintained"]["mark"] == Mark.NO:
        reasons.append(Reason(Level.CAUTION, str(marked["maintained"]["why"]), "", {}))
    return Verdict(build.id, QUESTION, level, f"{said}: {build.row['reason']}", tuple(reasons))


def _refused(build: Build, policy: PackagingPolicy) -> Iterable[Reason]:
    """Return what the environments say in which the policy wants it to run."""
    runs = {str(run["environment"]): run for run in build.runs}
    for name in policy.must_run_in:
        where = {"subject_id": build.id, "environment": name}
        if name not in runs:
            yield Reason(
                Level.UNKNOWN, f"It must run in {name}, and was not run there", "packaging_runs", where
            )
        elif runs[name]["outcome"] == FAILED:
            text = f"It must run in {name}, and does not: {runs[name]['error_line']}"
            yield Reason(Level.BAD, text, "packaging_runs", where)


def _reason(key: str, row: Mapping[str, Any], *, needed: bool) -> list[Reason]:
    one, mark = criterion(key), Mark(row["mark"])
    level = Level.GOOD
    if row["theirs"] or mark is Mark.NOT_MEASURED:
        if not needed and one.no_means is not Level.BAD:
            return []
        level = Level.UNKNOWN
    elif mark is Mark.NO:
        level = Level.BAD if needed else one.no_means
    elif mark is not Mark.YES and (needed or one.no_means is not Level.GOOD):
        level = Level.CAUTION
    # What is as wished is said of the few criteria by which everybody chooses.
    if level is Level.GOOD and key not in _SAID:
        return []
    answer = str(mark) if not row["value"] else f"{mark} ({row['value']})"
    error = f" It said: {row['error_line']}" if row["error_line"] and mark is not Mark.YES else ""
    text = f"{one.title}: {answer}. {row['why']}.{error}"
    return [Reason(level, text, str(row["table"]), dict(row["where"]))]


_SAID = ("environments", "start-up", "size")


def _headline(marked: Mapping[str, Mapping[str, Any]], reasons: list[Reason]) -> str:
    ran, start, size = (marked[key] for key in ("environments", "start-up", "size"))
    parts = []
    if ran["mark"] == Mark.NOT_MEASURED:
        parts.append(f"built, but not run: {ran['why']}")
    else:
        parts.append(f"ran in {ran['value']} environments")
    if start["value"]:
        parts.append(f"starts in {start['value']} times the time of python -m")
    if size["value"]:
        parts.append(str(size["value"]))
    if marked["openssl"]["mark"] == Mark.NO:
        parts.append(f"carries a dead OpenSSL ({marked['openssl']['value']})")
    if any(reason.level is Level.BAD and reason.text.startswith("It must run in") for reason in reasons):
        parts.append("refused where the policy wants it to run")
    return "; ".join(parts)
