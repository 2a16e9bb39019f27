"""The rules of portability: from symbol versions and libraries to a verdict with its reasons."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date

import pandas as pd

from pyassay.elf.versions import version_key
from pyassay.reference import load
from pyassay.verdicts.distribution_matrix import matrix, oldest_by_family, supported
from pyassay.verdicts.model import Level, Reason, Verdict
from pyassay.verdicts.policy import Policy, PortabilityPolicy

__all__ = ["judge", "matrix", "oldest_by_family", "supported", "what_would_lower"]

QUESTION = "portability"
_ISA_ORDER = ("x86-64-v1", "x86-64-v2", "x86-64-v3", "x86-64-v4")
_DISTRIBUTORS = ("debian", "ubuntu", "fedora", "rhel", "suse", "alpine", "arch")
_NAMES_SHOWN = 6

Tables = Mapping[str, pd.DataFrame]


def judge(tables: Tables, policy: Policy, on: date) -> list[Verdict]:
    """Judge every subject.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        All tables of the portability probe and ``subjects``.
    policy : Policy
        Its section ``portability`` is read.
    on : date
        The day of the evidence: decides what is supported, and whether the reference table is too old.

    Returns
    -------
    list of Verdict
        In the order of the table of subjects.
    """
    reference = load("distributions")
    found = matrix(tables, reference.frame, on)
    verdicts: list[Verdict] = []
    for subject_id in tables["subjects"]["subject_id"]:
        own = {name: frame[frame["subject_id"] == subject_id] for name, frame in tables.items()}
        row = found[found["subject_id"] == subject_id]
        if own["files"].empty:
            why = next(iter([*own["subjects"]["error"], *own["skipped"]["reason"]]), "")
            reason = Reason(
                Level.UNKNOWN, why or "none of its files could be read", "skipped", {"subject_id": subject_id}
            )
            verdicts.append(
                Verdict(
                    subject_id, QUESTION, Level.UNKNOWN, f"could not be assayed: {reason.text}", (reason,)
                )
            )
            continue
        reasons = [
            *_distributions(row, own, policy.portability),
            *_floor(own),
            *_missing_here(own),
            *_outside(own, policy.portability),
            *_dangers(own, policy.portability),
            *_packages(own),
            *_skipped(own),
        ]
        headline = _headline(row, policy.portability)
        if reference.stale(on):
            text = (
                f"the table of distributions is of {reference.as_of}, "
                f"{reference.age_days(on)} days before this evidence: too old to judge by"
            )
            reasons.insert(0, Reason(Level.UNKNOWN, text))
            headline = "not judged: the table of distributions is too old"
        if error := "".join(own["subjects"]["error"]):
            reasons.append(Reason(Level.CAUTION, f"it could not be run here: {error}", "subjects"))
        level = Level.worst(reason.level for reason in reasons)
        ordered = sorted(reasons, key=lambda reason: -reason.level.severity)
        verdicts.append(Verdict(subject_id, QUESTION, level, headline, tuple(ordered)))
    return verdicts


def what_would_lower(tables: Tables) -> pd.DataFrame:
    """Tell what holds each floor up, step by step.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        ``floors``, ``needs`` and ``symbols`` of the portability probe.

    Returns
    -------
    DataFrame
        Per subject and family, from the floor downwards (at most four steps): ``subject_id``, ``family``,
        ``version`` (the number that is required), ``next_version`` (what would be required if everything in
        this row were gone; empty: nothing is known below), ``files`` and ``symbols`` (how many),
        ``names`` (file: symbols, the first few), ``kinds`` (how many of each kind). Weak versions are
        left out.
    """
    rows = []
    symbols = tables["symbols"]
    symbols = symbols[(symbols["scope"] != "site") & ~symbols["version_weak"].astype(bool)]
    for (subject_id, family), group in symbols.groupby(["subject_id", "family"], sort=False):
        steps = sorted(set(group["version"]), key=lambda number: version_key(number) or (), reverse=True)
        for number, below in zip(steps, [*steps[1:], ""], strict=True):
            step = group[group["version"] == number]
            by_file = _by_file(step)
            rows.append(
                {
                    "subject_id": subject_id,
                    "family": family,
                    "version": number,
                    "next_version": below,
                    "files": len(by_file),
                    "symbols": step["symbol"].nunique(),
                    "names": _named(by_file),
                    "kinds": _counted(step.drop_duplicates("symbol")["kind"]),
                }
            )
    return pd.DataFrame(
        rows,
        columns=["subject_id", "family", "version", "next_version", "files", "symbols", "names", "kinds"],
    )


def _by_file(symbols: pd.DataFrame) -> dict[str, list[str]]:
    return {str(file): sorted(set(names)) for file, names in symbols.groupby("file")["symbol"]}


def _named(by_file: Mapping[str, list[str]]) -> str:
    shown = [
        f"{file}: {_some(names)}"
        for file, names in sorted(by_file.items(), key=lambda item: (-len(item[1]), item[0]))
    ]
    return "; ".join(shown[:2]) + (f"; and {len(shown) - 2} more files" if len(shown) > 2 else "")


def _counted(kinds: pd.Series) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in kinds.value_counts().sort_index().items())


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _some(names: Iterable[str]) -> str:
    listed = list(dict.fromkeys(names))
    more = len(listed) - _NAMES_SHOWN
    return ", ".join(listed[:_NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _counted_releases(found: pd.DataFrame, policy: PortabilityPolicy) -> pd.DataFrame:
    """Return the releases that count: supported, glibc, of no ignored family."""
    alive = found["supported"].fillna(value=False).astype(bool)
    return found[alive & (found["libc"] == "glibc") & ~found["family"].isin(policy.ignore_families)]


def _headline(found: pd.DataFrame, policy: PortabilityPolicy) -> str:
    counted = _counted_releases(found, policy)
    runs = counted[counted["prediction"] == "runs"]
    everywhere = found[(found["prediction"] == "runs") & (found["release_date"] != "")]
    back = ""
    if len(everywhere):
        first = everywhere.sort_values("release_date", kind="stable").iloc[0]
        back = f", back to {first['label']} ({first['release_date'][:4]})"
    if found["prediction"].eq("unknown").all():
        return f"not known: {found['reason'].iloc[0]}"
    if len(runs) == len(counted):
        return f"runs on all {len(counted)} supported glibc releases{back}"
    refused = counted[counted["prediction"].isin(["refused", "partial"])]
    if refused.empty:
        return (
            f"runs on {len(runs)} of {len(counted)} supported glibc releases, the others are not known{back}"
        )
    share = f"runs on {len(runs)} of {len(counted)} supported glibc releases{back}"
    return f"{share}; refused by {_some(refused['label'])}"


def _distributions(found: pd.DataFrame, own: Tables, policy: PortabilityPolicy) -> list[Reason]:
    keys = found["distro"] + ":" + found["version"]
    reasons: list[Reason] = []
    for key in policy.must_run_on:
        row = found[keys == key]
        if row.empty:
            reasons.append(
                Reason(
                    Level.UNKNOWN, f"{key} is required, but the table of distributions has no such release"
                )
            )
            continue
        prediction, label, why = (str(row.iloc[0][name]) for name in ("prediction", "label", "reason"))
        if prediction in ("refused", "partial"):
            reasons.append(Reason(Level.BAD, f"{label} is required and refuses it: {why}", "needs"))
        elif prediction == "unknown":
            reasons.append(
                Reason(
                    Level.UNKNOWN, f"{label} is required; whether it runs there is not known: {why}", "needs"
                )
            )
    counted = _counted_releases(found[~keys.isin(policy.must_run_on)], policy)
    for prediction, verb in (("refused", "refuse it"), ("partial", "load it only in part")):
        rows = counted[counted["prediction"] == prediction]
        if len(rows):
            text = f"{_some(rows['label'])} {verb}: {rows.iloc[0]['reason']}"
            reasons.append(Reason(Level.CAUTION, text, "needs"))
    return reasons


def _floor(own: Tables) -> list[Reason]:
    floors = own["floors"]
    glibc = floors[(floors["scope"] == "interpreter") & (floors["family"] == "GLIBC")]
    if glibc.empty or not glibc.iloc[0]["hard"]:
        return []
    number = str(glibc.iloc[0]["hard"])
    symbols = own["symbols"]
    at = symbols[
        (symbols["scope"] != "site") & (symbols["family"] == "GLIBC") & (symbols["version"] == number)
    ]
    where = {"family": "GLIBC", "version": number}
    if at.empty:
        return [Reason(Level.GOOD, f"needs GLIBC_{number}", "floors", where)]
    by_file = _by_file(at)
    return [Reason(Level.GOOD, f"needs GLIBC_{number} for {_named(by_file)}", "symbols", where)]


def _missing_here(own: Tables) -> list[Reason]:
    closure = own["closure"]
    reasons: list[Reason] = []
    for scope, level, what in (
        ("runtime", Level.BAD, "the interpreter lacks on this machine"),
        ("stdlib", Level.CAUTION, "standard modules lack on this machine"),
        ("site", Level.CAUTION, "installed packages lack on this machine"),
    ):
        rows = closure[closure["scope"] == scope]
        if len(rows):
            text = f"{what}: {_some(rows['name'])} (for {_some(rows['file'])})"
            reasons.append(Reason(level, text, "closure", {"scope": scope}))
    return reasons


def _outside(own: Tables, policy: PortabilityPolicy) -> list[Reason]:
    libraries = own["libraries"]
    wanted = libraries[
        (libraries["scope"] != "site")
        & ~libraries["inside"].astype(bool)
        & ~libraries["allowed"].astype(bool)
    ]
    names = sorted(set(wanted["soname"]) - set(policy.allow_libraries))
    if not names:
        return []
    builder = "".join(own["subjects"]["builder"].head(1))
    if builder in _DISTRIBUTORS:
        count = _count(len(names), "library", "libraries")
        text = f"its distribution's packages bring {count} along: {_some(names)}"
        return [Reason(Level.GOOD, text, "libraries", {"allowed": "False"})]
    runtime = sorted(set(wanted.loc[wanted["scope"] == "runtime", "soname"]) & set(names))
    modules = wanted.loc[wanted["soname"].isin(names) & (wanted["scope"] == "stdlib"), "file"].nunique()
    text = (
        f"{_count(len(names), 'library', 'libraries')} must be installed wherever it goes: {_some(names)} "
        + (
            f"(the interpreter itself needs {_some(runtime)})"
            if runtime
            else f"(for {modules} of its modules)"
        )
    )
    return [Reason(Level.CAUTION, text, "libraries", {"allowed": "False"})]


def _dangers(own: Tables, policy: PortabilityPolicy) -> list[Reason]:
    files = own["files"][own["files"]["scope"] != "site"]
    reasons: list[Reason] = []
    stack = files.loc[files["executable_stack"].fillna(value=False).astype(bool), "file"]
    if len(stack):
        text = f"{_some(stack)}: asks for an executable stack, which glibc 2.41 and newer refuse"
        reasons.append(Reason(policy.executable_stack, text, "files", {"executable_stack": "True"}))
    relocated = files.loc[files["text_relocations"].fillna(value=False).astype(bool), "file"]
    if len(relocated):
        text = f"{_some(relocated)}: has relocations in its code, which hardened kernels refuse"
        reasons.append(Reason(policy.text_relocations, text, "files", {"text_relocations": "True"}))
    allowed = _ISA_ORDER.index(policy.isa_max)
    newer = files[files["isa_level"].isin(_ISA_ORDER[allowed + 1 :])]
    if len(newer):
        level = max(newer["isa_level"])
        text = f"{_some(newer['file'])}: built for {level} processors, the policy allows {policy.isa_max}"
        reasons.append(Reason(Level.BAD, text, "files", {"isa_level": level}))
    return reasons


def _packages(own: Tables) -> list[Reason]:
    floors = own["floors"]
    reasons: list[Reason] = []
    for family in ("GLIBC", "GLIBCXX"):
        by_scope = floors[floors["family"] == family].set_index("scope")["hard"].to_dict()
        site, interpreter = str(by_scope.get("site", "")), str(by_scope.get("interpreter", ""))
        if (version_key(site) or ()) <= (version_key(interpreter) or ()):
            continue
        needs = own["needs"]
        files = needs.loc[
            (needs["scope"] == "site") & (needs["family"] == family) & (needs["number"] == site), "file"
        ]
        against = (
            f"the interpreter's own is {interpreter}" if interpreter else "the interpreter itself needs none"
        )
        text = f"an installed package raises the floor to {family}_{site} ({_some(files)}); {against}"
        reasons.append(Reason(Level.CAUTION, text, "needs", {"scope": "site", "family": family}))
    return reasons


def _skipped(own: Tables) -> list[Reason]:
    skipped = own["skipped"]
    if skipped.empty:
        return []
    text = f"{_count(len(skipped), 'file', 'files')} could not be read: {_some(skipped['file'])}"
    return [Reason(Level.CAUTION, text, "skipped")]
