"""Rules on installers: how fast, why, and what it costs to take one for another."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING

from pyassay.probes.installers.catalogue import catalogue
from pyassay.verdicts.installers_claims import answers, family_of, newest
from pyassay.verdicts.installers_speed import Times, digits, parts
from pyassay.verdicts.model import Level, Reason, Verdict, unanswered
from pyassay.verdicts.policy import Policy

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["COSTS", "costs", "judge"]

Leads = Mapping[tuple[str, str], Times]
"""By cache and part: how many times pip takes as long."""

_NAMED = 2
_CONFUSIONS = (
    *("confusion_extra_internal", "confusion_extra_public", "confusion_transitive"),
    *("internal_401", "internal_403", "internal_500", "internal_refused", "internal_cut", "internal_silent"),
)
COSTS: Mapping[str, Mapping[str, Level]] = {
    # What goes wrong without a word.
    "race_versions": {"broken": Level.BAD, "fails": Level.CAUTION},
    "race_same": {"broken": Level.BAD, "fails": Level.CAUTION},
    "file_tampered": {"installed": Level.BAD},
    "hash_wrong": {"installed": Level.BAD},
    "python_tampered": {"installed": Level.BAD},
    "python_own_builds": {"installed": Level.BAD},
    "rebuilt_python": {"only_noted": Level.BAD, "kept": Level.CAUTION},
    "externally_managed": {"global": Level.BAD, "user": Level.BAD},
    # A public package in place of the internal one.
    **{key: {"public": Level.CAUTION} for key in _CONFUSIONS},
    # What another place is, or another time, than one expects.
    "no_environment": {"global": Level.CAUTION, "refuses": Level.CAUTION},
    "version_only_public": {"stops": Level.CAUTION},
    "environment_above": {"environment": Level.CAUTION},
    "environment_in_folder": {"environment": Level.CAUTION},
    "require_virtualenv": {"ignored": Level.CAUTION},
    "user_option": {"refuses": Level.CAUTION},
    "project_ignores_active": {"environment": Level.CAUTION},
    "edit_reaches_others": {"both": Level.CAUTION, "others": Level.CAUTION, "later": Level.CAUTION},
    "compiles_by_default": {"no": Level.CAUTION},
    "sdist_built_once": {"each": Level.CAUTION, "several": Level.CAUTION, "fails": Level.CAUTION},
    "shared_cache_fetches_once": {"each": Level.CAUTION, "fails": Level.CAUTION},
    "busy_environment": {"goes_on": Level.CAUTION},
    "lock_timeout": {"gives_up": Level.CAUTION},
    "venv_downloads": {"tries": Level.CAUTION},
    "python_silence": {"late": Level.CAUTION},
    "upgrade_reaches_minor": {"stays": Level.CAUTION, "breaks": Level.BAD},
    "upgrade_reaches_patch": {"stays": Level.CAUTION, "breaks": Level.BAD},
    "reads_pip_conf": {"ignored": Level.CAUTION},
    "pip_variables": {"ignored": Level.CAUTION},
    "keyring_unasked": {"not_asked": Level.CAUTION},
    "prerelease_transitive": {"stops": Level.CAUTION},
    "hash_on_one": {"checks": Level.CAUTION},
    "breaks_installed": {"silent": Level.CAUTION},
    "requested_recorded": {"all": Level.CAUTION, "none": Level.CAUTION, "wrong": Level.CAUTION},
}
"""By claim: the answers that cost something, and how they are judged; what costs most comes first."""


def costs(tables: Mapping[str, pd.DataFrame], policy: Policy) -> pd.DataFrame:
    """Return every answer that costs something, with ``level``; what the policy wants comes besides.

    An answer that the policy's ``needs`` does not name is bad; claims of its ``ignore`` do not count.
    """
    given = answers(tables)
    needs = dict(entry.split("=", 1) for entry in policy.installers.needs)
    levels = []
    for row in given.to_dict("records"):
        claim, answer = str(row["claim"]), str(row["answer"])
        level = COSTS.get(claim, {}).get(answer)
        if claim in needs and answer != "not applicable":
            level = None if answer == needs[claim] else Level.BAD
            level = Level.UNKNOWN if answer == "not measured" else level
        levels.append("" if level is None or claim in policy.installers.ignore else str(level))
    judged = given.assign(level=levels)
    return judged[judged["level"] != ""].reset_index(drop=True)


def judge(tables: Mapping[str, pd.DataFrame], policy: Policy, on: date) -> list[Verdict]:
    """Return one verdict per installer.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        The tables of :mod:`pyassay.probes.installers`, with ``subjects`` and ``skipped``.
    policy : Policy
        Its section ``installers``.
    on : date
        Not used: what an installer does today does not change with the day.
    """
    found = costs(tables, policy)
    measured = set(tables["installer_answers"]["subject_id"]) | set(tables["installer_samples"]["subject_id"])
    subjects = tables["subjects"]
    leads = {(row["cache"], row["what"]): row["times"] for row in parts(tables) if row["times"] is not None}
    verdicts = []
    for row in subjects[subjects["kind"] == "tool"].to_dict("records"):
        subject = str(row["subject_id"])
        if subject not in measured:
            verdicts.append(
                unanswered(
                    subject,
                    "installers",
                    tables["skipped"],
                    error=str(row.get("error") or ""),
                    otherwise="it took no part",
                    words="could not be put to the test",
                )
            )
            continue
        own = found[found["subject_id"] == subject]
        reasons = [*_speed_reasons(leads, subject, measured), *_cost_reasons(own)]
        level = Level.worst(reason.level for reason in reasons)
        verdicts.append(
            Verdict(subject, "installers", level, _headline(leads, subject, measured, own), tuple(reasons))
        )
    return verdicts


def _cost_reasons(own: pd.DataFrame) -> list[Reason]:
    ranked = sorted(own.to_dict("records"), key=lambda row: -Level(row["level"]).severity)
    return [
        Reason(
            Level(row["level"]),
            f"{catalogue()[row['claim']].title}: {row['means'] or row['answer']}.",
            "installer_answers",
            {"subject_id": str(row["subject_id"]), "claim": str(row["claim"])},
        )
        for row in ranked
    ]


def _speed_reasons(leads: Leads, subject: str, measured: set[str]) -> list[Reason]:
    if subject != newest(measured, "uv"):
        return []
    return [
        Reason(
            Level.GOOD,
            f"{cache} cache, {what}: {times}, over {times.blocks} blocks.",
            "installer_samples",
            {"cache": cache},
        )
        for (cache, what), times in leads.items()
    ]


def _headline(leads: Leads, subject: str, measured: set[str], own: pd.DataFrame) -> str:
    price = f"integration cost: {_price(own)}"
    family = family_of(subject)
    if subject == newest(measured, family):
        if family == "uv" and (fast := _why_fast(leads)):
            return f"{fast}; {price}"
        slow = leads.get(("warm", "compiling"), leads.get(("cold", "compiling")))
        if family == "pip" and slow is not None and slow.low > 1:
            return f"takes {digits(slow.centre)} times as long for compiling what it installs; {price}"
    return price


def _price(own: pd.DataFrame) -> str:
    order = list(COSTS)
    ranked = sorted(
        own.to_dict("records"), key=lambda row: order.index(row["claim"]) if row["claim"] in COSTS else 0
    )
    told = []
    for is_fault, one, many in ((True, "fault", "faults"), (False, "thing to know", "things to know")):
        titles = [catalogue()[row["claim"]].title for row in ranked if (row["level"] == "bad") is is_fault]
        if titles:
            rest = f" and {len(titles) - _NAMED} more" if titles[_NAMED:] else ""
            named = ", ".join(titles[:_NAMED])
            told.append(f"{len(titles)} {one if len(titles) == 1 else many} ({named}{rest})")
    return ", ".join(told) or "none was found"


def _why_fast(found: Leads) -> str:
    """Return why uv is fast, from what was measured: compiling, links, and the rest."""
    leads = {cache: found[cache, "in all"] for cache in ("cold", "warm") if (cache, "in all") in found}
    if not leads:
        return ""
    faster = {cache: times for cache, times in leads.items() if times.low > 1}
    if not faster:
        return f"not certainly faster than pip with a {' or a '.join(leads)} cache"
    told = [f"{digits(times.centre)} times with a {cache} cache" for cache, times in faster.items()]
    fast = f"faster than pip, {' and '.join(told)}"
    cache = list(faster)[-1]
    reasons = []
    if (compiling := found.get((cache, "compiling"))) and compiling.low > 1:
        reasons.append(f"does not compile ({digits(compiling.centre)} times)")
    if (links := found.get((cache, "links, not copies"))) and links.low > 1:
        reasons.append(f"links ({digits(links.centre)} times)")
    if reasons:
        fast += f", also because it {' and '.join(reasons)}"
    if both := found.get((cache, "compiling on both sides")):
        fast += f"; {digits(both.centre)} times where both compile"
    return fast
