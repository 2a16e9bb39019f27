"""The rules of portability: from symbol versions and libraries to a verdict with its reasons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import cast

import pandas as pd

from pyassay.elf.versions import version_key
from pyassay.reference import ReferenceTable, load, supported
from pyassay.subjects.static import is_libpython
from pyassay.verdicts.claims import Rows, claims
from pyassay.verdicts.distribution_matrix import matrix, oldest_by_family, summary
from pyassay.verdicts.lowering import by_file, named, some, what_would_lower
from pyassay.verdicts.model import Level, Reason, Verdict
from pyassay.verdicts.policy import Policy, PortabilityPolicy
from pyassay.verdicts.requirements import executable_stack, flag, rows_by_subject, text
from pyassay.verdicts.trials import agreement, trials_summary

__all__ = [
    "judge",
    "matrix",
    "oldest_by_family",
    "summary",
    "supported",
    "trials_summary",
    "what_would_lower",
]

QUESTION = "portability"
_ISA_ORDER = ("x86-64-v1", "x86-64-v2", "x86-64-v3", "x86-64-v4")
_PREDICTED = (
    *("subject_id", "distro", "version", "label", "family", "channel", "libc", "release_date", "supported"),
    *("prediction", "reason", "asks", "axis"),
)
_SYSTEM_LIBRARIES = ("/lib/", "/lib32/", "/lib64/", "/usr/lib/", "/usr/lib32/", "/usr/lib64/")
_DISTRIBUTORS = ("debian", "ubuntu", "fedora", "rhel", "suse", "alpine", "arch")

Tables = Mapping[str, pd.DataFrame]
_Rows = list[tuple[object, ...]]


def judge(
    tables: Tables, policy: Policy, on: date, *, reference: ReferenceTable | None = None
) -> list[Verdict]:
    """Judge every subject.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        All tables of the portability probe and ``subjects``.
    policy : Policy
        Its section ``portability`` is read.
    on : date
        The day of the evidence: decides what is supported, and whether the reference table is too old.
    reference : ReferenceTable, optional
        The distributions; by default those shipped.

    Returns
    -------
    list of Verdict
        One per subject, in the order of the table of subjects. Past the shelf life of the reference table no
        verdict says anything of distributions, and none is better than ``unknown``.
    """
    table = reference or load("distributions")
    releases = table.frame
    found = matrix(tables, releases, on)
    if policy.portability.extended_support:
        subjects = len(found) // max(len(releases), 1)
        longest = supported(releases, on, extended=True).tolist()
        found["supported"] = pd.array(longest * subjects, dtype="boolean")
    observed = _Observed.of(tables)
    return [
        _judge(_Case.of(str(subject_id), observed, rows, policy.portability), table, on)
        for subject_id, rows in found[[*_PREDICTED]].groupby("subject_id", sort=False)
    ]


@dataclass(frozen=True, slots=True)
class _Observed:
    """The tables, by subject; of each the columns that the rules read."""

    subjects: Mapping[str, _Rows]
    files: Mapping[str, _Rows]
    floors: Mapping[str, _Rows]
    needs: Mapping[str, _Rows]
    symbols: Mapping[str, _Rows]
    libraries: Mapping[str, _Rows]
    closure: Mapping[str, _Rows]
    skipped: Mapping[str, _Rows]
    lies: Mapping[str, _Rows]
    wheels: Mapping[str, _Rows]
    trials: Mapping[str, _Rows]

    @staticmethod
    def of(tables: Tables) -> _Observed:
        return _Observed(
            rows_by_subject(tables.get("subjects"), "error", "builder", "kind"),
            rows_by_subject(
                tables.get("files"),
                *("file", "scope", "machine", "elf_type"),
                *("executable_stack", "text_relocations", "isa_level"),
            ),
            rows_by_subject(tables.get("floors"), "scope", "family", "hard"),
            rows_by_subject(tables.get("needs"), "file", "scope", "family", "number", "weak"),
            rows_by_subject(tables.get("symbols"), "file", "scope", "family", "version", "symbol"),
            rows_by_subject(
                tables.get("libraries"), "file", "scope", "soname", "inside", "allowed", "resolved"
            ),
            rows_by_subject(tables.get("closure"), "file", "scope", "name"),
            rows_by_subject(tables.get("skipped"), "file", "reason"),
            _lies(tables),
            rows_by_subject(tables.get("wheels"), "wheel"),
            rows_by_subject(
                tables.get("trials"), "place", "release", "what", "file", "outcome", "message", "foretold"
            ),
        )


def _lies(tables: Tables) -> dict[str, _Rows]:
    """Return what wheels claim and do not keep, by subject."""
    if not len(tables.get("wheels", ())):
        return {}
    names = ("wheels", "files", "needs", "symbols", "libraries", "python_symbols")
    found: dict[str, _Rows] = {}
    rows = {name: tables[name].to_dict("records") for name in names}
    for finding in claims(cast("Rows", rows)):
        found.setdefault(finding.subject_id, []).append((finding.line,))
    return found


@dataclass(frozen=True, slots=True)
class _Case:
    """One subject before the judge.

    ``native`` are the releases with the C library that it is made for, ``counted`` those of them that are in
    support and not left out by the policy.
    """

    subject_id: str
    observed: _Observed
    policy: PortabilityPolicy
    predictions: pd.DataFrame
    native: pd.DataFrame
    counted: pd.DataFrame

    @staticmethod
    def of(
        subject_id: str, observed: _Observed, predictions: pd.DataFrame, policy: PortabilityPolicy
    ) -> _Case:
        foreign = (predictions["prediction"] == "refused") & (predictions["axis"] == "libc")
        native = predictions[~predictions["libc"].isin(set(predictions.loc[foreign, "libc"]))]
        counts = (
            native["supported"].fillna(False).astype(bool)
            & native["channel"].isin(["release", "rolling"])
            & ~native["family"].isin(policy.ignore_families)
            & ~_keys(native).isin(policy.may_refuse)
        )
        return _Case(subject_id, observed, policy, predictions, native, native[counts])

    def rows(self, table: str) -> _Rows:
        by_subject: Mapping[str, _Rows] = getattr(self.observed, table)
        return by_subject.get(self.subject_id, [])

    @property
    def error(self) -> str:
        """Why the interpreter could not be run, or the artifact not read; empty: it was."""
        return next((text(error) for error, *_ in self.rows("subjects")), "")

    @property
    def wheel(self) -> bool:
        """Tell whether it is a wheel."""
        return bool(self.rows("wheels"))

    @property
    def shipped(self) -> bool:
        """Tell whether it is an artifact or an image, not an interpreter."""
        return next((kind in {"artifact", "image"} for _, _, kind in self.rows("subjects")), False)


def _keys(found: pd.DataFrame) -> pd.Series[str]:
    return found["distro"] + ":" + found["version"]


def _judge(case: _Case, reference: ReferenceTable, on: date) -> Verdict:
    plain = case.shipped and not case.error and not case.rows("skipped")
    if not case.rows("files") and not plain:
        why = next(
            filter(None, (case.error, *(text(reason) for _, reason in case.rows("skipped")))),
            "none of its files could be read",
        )
        reason = Reason(Level.UNKNOWN, why, "skipped", {"subject_id": case.subject_id})
        headline = f"could not be assayed: {why}"
        return Verdict(case.subject_id, QUESTION, Level.UNKNOWN, headline, (reason,))
    stale = reference.stale(on)
    reasons = [
        *([_too_old(reference, on)] if stale else _distributions(case)),
        *_claims(case),
        *_floor(case),
        *_missing_here(case),
        *_tied(case),
        *_outside(case),
        *_dangers(case),
        *_packages(case),
        *_tried(case),
        *_not_observed(case),
    ]
    headline = "not judged: the table of distributions is too old" if stale else _headline(case)
    ordered = sorted(reasons, key=lambda reason: -reason.level.severity)
    level = Level.worst(reason.level for reason in reasons)
    return Verdict(case.subject_id, QUESTION, level, headline, tuple(ordered))


def _too_old(reference: ReferenceTable, on: date) -> Reason:
    return Reason(
        Level.UNKNOWN,
        f"the table of distributions is of {reference.as_of}, {reference.age_days(on)} days before this "
        f"evidence: too old to judge by",
    )


def _headline(case: _Case) -> str:
    kind = next((text(kind) for _, _, kind in case.rows("subjects")), "")
    if kind == "image":
        return "brings its own C library: it needs a kernel and something to run containers"
    if case.shipped and not case.rows("files"):
        return "holds no native code: it runs wherever its Python does"
    where = _where(case)
    return f"claims what it does not keep; {where}" if case.rows("lies") else where


def _where(case: _Case) -> str:
    native, counted = case.native, case.counted
    if len(native) == 0 or native["prediction"].eq("unknown").all():
        why = str(case.predictions["reason"].iloc[0] if len(native) == 0 else native["reason"].iloc[0])
        return f"not known: {why}"
    runs = int((counted["prediction"] == "runs").sum())
    libraries = set(counted["libc"])
    releases = f"supported {libraries.pop()} releases" if len(libraries) == 1 else "supported releases"
    dated = native[(native["prediction"] == "runs") & (native["release_date"] != "")]
    back = ""
    if len(dated):
        first = dated.sort_values("release_date", kind="stable").iloc[0]
        back = f", back to {first['label']} ({first['release_date'][:4]})"
    if runs == len(counted):
        return f"runs on all {runs} {releases}{back}"
    share = f"runs on {runs} of {len(counted)} {releases}{back}"
    parts = [share]
    for prediction, verb in (
        ("refused", "refused by"),
        ("partial", "only in part on"),
        ("unknown", "not known for"),
    ):
        rows = counted[counted["prediction"] == prediction]
        if len(rows):
            # What the policy requires comes first: it is what makes the verdict bad.
            rows = rows.iloc[(~_keys(rows).isin(case.policy.must_run_on)).argsort(kind="stable")]
            # Without the file, whose name holds a version: equal fates get equal headlines.
            asks = str(rows["asks"].iloc[0]).partition(" needs ")
            parts.append(f"{verb} {some(rows['label'])} ({'needs ' + asks[2] if asks[2] else asks[0]})")
    return "; ".join(parts)


def _distributions(case: _Case) -> list[Reason]:
    found = case.predictions
    keys = _keys(found)
    reasons: list[Reason] = []
    by_key = dict(
        zip(keys, zip(found["prediction"], found["label"], found["reason"], strict=True), strict=True)
    )
    # A wheel for musl is one of several of its project: the policy's glibc releases take another.
    elsewhere = (
        set(keys[(found["axis"] == "libc") & (found["prediction"] == "refused")]) if case.wheel else set()
    )
    for key in case.policy.must_run_on:
        if key in elsewhere:
            continue
        if key not in by_key:
            missing = f"{key} is required, but the table of distributions has no such release"
            reasons.append(Reason(Level.UNKNOWN, missing))
            continue
        prediction, label, why = map(str, by_key[key])
        level, says = {
            "runs": (Level.GOOD, ""),
            "partial": (Level.BAD, f"{label} is required and loads it only in part: {why}"),
            "refused": (Level.BAD, f"{label} is required and refuses it: {why}"),
        }.get(prediction, (Level.UNKNOWN, f"{label} is required; whether it runs there is not known: {why}"))
        if says:
            reasons.append(Reason(level, says, "needs"))
    counted = case.counted
    others = counted[~_keys(counted).isin(case.policy.must_run_on)]
    for prediction, verb, level in (
        ("refused", "refuse it", Level.CAUTION),
        ("partial", "load it only in part", Level.CAUTION),
        ("unknown", "are not known to run it", Level.UNKNOWN),
    ):
        rows = others[others["prediction"] == prediction]
        if len(rows):
            one_verb = verb.replace("refuse", "refuses").replace("load", "loads").replace("are", "is")
            why = rows.iloc[0]["reason" if rows["reason"].nunique() == 1 else "asks"]
            said = f"{some(rows['label'])} {verb if len(rows) > 1 else one_verb}: {why}"
            reasons.append(Reason(level, said, "needs"))
    foreign = found[~found["libc"].isin(set(case.native["libc"]))]
    if len(foreign):
        families = some(foreign["family"])
        made = ", ".join(sorted(set(case.native["libc"]))) or "another C library"
        lacks = f"made for {made}: it cannot run on the {len(foreign)} {foreign['libc'].iloc[0]} releases"
        reasons.append(Reason(Level.GOOD, f"{lacks} ({families}), which are not counted", "files"))
    return reasons


def _claims(case: _Case) -> list[Reason]:
    lines = [text(line) for (line,) in case.rows("lies")]
    if not lines:
        return []
    more = f" and {len(lines) - 1} more" if len(lines) > 1 else ""
    return [Reason(Level.BAD, f"claims what it does not keep: {lines[0]}{more}", "wheels")]


def _floor(case: _Case) -> list[Reason]:
    number = _hard(case, "own", "GLIBC")
    if not number:
        return []
    at = by_file(
        (text(file), text(symbol))
        for file, scope, family, version, symbol in case.rows("symbols")
        if scope != "site" and family == "GLIBC" and version == number
    )
    where = {"family": "GLIBC", "version": number}
    if not at:
        return [Reason(Level.GOOD, f"needs GLIBC_{number}", "floors", {"family": "GLIBC", "hard": number})]
    return [Reason(Level.GOOD, f"needs GLIBC_{number} for {named(at)}", "symbols", where)]


def _hard(case: _Case, scope: str, family: str) -> str:
    return next(
        (text(hard) for of, whose, hard in case.rows("floors") if of == scope and whose == family), ""
    )


def _missing_here(case: _Case) -> list[Reason]:
    reasons: list[Reason] = []
    for scope, level, what in (
        ("runtime", Level.BAD, "the interpreter lacks on this machine"),
        ("stdlib", Level.CAUTION, "standard modules lack on this machine"),
        ("site", Level.CAUTION, "installed packages lack on this machine"),
        ("program", Level.CAUTION, "its programs lack on this machine"),
        ("library", Level.CAUTION, "its libraries lack on this machine"),
    ):
        rows = [(text(file), text(name)) for file, whose, name in case.rows("closure") if whose == scope]
        if rows:
            said = f"{what}: {some(name for _, name in rows)} (for {some(file for file, _ in rows)})"
            reasons.append(Reason(level, said, "closure", {"scope": scope}))
    return reasons


def _outside(case: _Case) -> list[Reason]:
    wanted = [
        (text(file), text(scope), text(soname))
        for file, scope, soname, inside, allowed, resolved in case.rows("libraries")
        if scope != "site"
        and not _borrowed(soname, resolved)
        and not flag(inside)
        and flag(allowed) is False
        and soname not in case.policy.allow_libraries
    ]
    names = sorted({soname for _, _, soname in wanted})
    if not names:
        return []
    count = f"{len(names)} {'library' if len(names) == 1 else 'libraries'}"
    where = {"inside": "False", "allowed": "False"}
    builder = next((text(builder) for _, builder, _ in case.rows("subjects")), "")
    if builder in _DISTRIBUTORS:
        said = f"its distribution's packages bring {count} along: {some(names)}"
        return [Reason(Level.GOOD, said, "libraries", where)]
    runtime = sorted({soname for _, scope, soname in wanted if scope in {"runtime", "program"}})
    modules = len({file for file, scope, _ in wanted if scope in {"stdlib", "library"}})
    noun, of = ("program", "libraries") if case.shipped else ("interpreter", "modules")
    users = f"the {noun} itself needs {some(runtime)}" if runtime else f"for {modules} of its {of}"
    said = f"{count} must be installed wherever it goes: {some(names)} ({users})"
    return [Reason(Level.CAUTION, said, "libraries", where)]


def _borrowed(soname: object, resolved: object) -> bool:
    """Tell whether a libpython was found in somebody's tree, where no other system has it."""
    found = text(resolved)
    return is_libpython(text(soname)) and found.startswith("/") and not found.startswith(_SYSTEM_LIBRARIES)


def _tied(case: _Case) -> list[Reason]:
    """Return the libpythons of other trees that it loads by their absolute path."""
    found: dict[tuple[str, str], None] = {}
    for _, scope, soname, inside, _, resolved in case.rows("libraries"):
        if scope != "site" and not flag(inside) and _borrowed(soname, resolved):
            found[text(soname).rpartition("/")[2], text(resolved).rpartition("/")[0]] = None
    return [
        Reason(
            Level.CAUTION,
            f"loads {soname} from {folder}: it works only while that folder is there",
            "libraries",
            {"soname": soname, "inside": "False"},
        )
        for soname, folder in found
    ]


def _dangers(case: _Case) -> list[Reason]:
    policy = case.policy
    started: list[str] = []
    imported: list[str] = []
    relocated: list[str] = []
    newer: dict[str, str] = {}
    above = _ISA_ORDER[_ISA_ORDER.index(policy.isa_max) + 1 :]
    for file, scope, machine, elf_type, stack, relocations, isa in case.rows("files"):
        if scope == "site":
            continue
        if executable_stack(stack, machine, elf_type):
            (started if scope in {"runtime", "program"} else imported).append(text(file))
        if flag(relocations):
            relocated.append(text(file))
        if isa in above:
            newer[text(file)] = text(isa)
    reasons: list[Reason] = []
    if imported:
        said = f"{some(imported)}: asks for an executable stack, so glibc 2.41 and newer refuse to import it"
        scope = "library" if case.shipped else "stdlib"
        reasons.append(Reason(policy.executable_stack, said, "files", {"scope": scope}))
    if started:
        said = (
            f"{some(started)}: asks for an executable stack, which glibc grants at start, and opens a way in"
        )
        level = min(policy.executable_stack, Level.CAUTION, key=lambda level: level.severity)
        scope = "program" if case.shipped else "runtime"
        reasons.append(Reason(level, said, "files", {"scope": scope}))
    if relocated:
        said = f"{some(relocated)}: has relocations in its code, which hardened kernels refuse"
        reasons.append(Reason(policy.text_relocations, said, "files", {"text_relocations": "True"}))
    if newer:
        highest = max(newer.values())
        said = f"{some(newer)}: built for {highest} processors, the policy allows {policy.isa_max}"
        reasons.append(Reason(Level.BAD, said, "files", {"isa_level": highest}))
    return reasons


def _packages(case: _Case) -> list[Reason]:
    reasons: list[Reason] = []
    for family in ("GLIBC", "GLIBCXX"):
        site, interpreter = (_hard(case, scope, family) for scope in ("site", "own"))
        if (version_key(site) or ()) <= (version_key(interpreter) or ()):
            continue
        files = [
            text(file)
            for file, scope, whose, number, weak in case.rows("needs")
            if scope == "site" and whose == family and number == site and not flag(weak)
        ]
        own = (
            f"the interpreter's own is {interpreter}" if interpreter else "the interpreter itself needs none"
        )
        said = f"an installed package raises the floor to {family}_{site} ({some(files)}); {own}"
        reasons.append(Reason(Level.CAUTION, said, "needs", {"scope": "site", "family": family}))
    return reasons


def _tried(case: _Case) -> list[Reason]:
    names = ("place", "release", "what", "file", "outcome", "message", "foretold")
    rows = [dict(zip(names, row, strict=True)) for row in case.rows("trials")]
    counted = agreement(rows)
    if not counted.tried:
        return []
    places = some(dict.fromkeys(text(row["place"]) for row in rows if row["outcome"] != "not tried"))
    said = f"put to the test in {places}: {counted.agree} of {counted.tried} predictions held"
    reasons = [Reason(Level.GOOD, said, "trials")]
    if counted.disagreements:
        more = len(counted.disagreements) - 1
        wrong = counted.disagreements[0] + (f" and {more} more" if more else "")
        reasons.append(Reason(Level.CAUTION, f"a prediction did not hold: {wrong}", "trials"))
    required = [
        row
        for row in rows
        if row["release"] in case.policy.must_run_on
        and row["what"] == "start"
        and row["outcome"] == "refused"
    ]
    if required:
        first = required[0]
        said = (
            f"{text(first['place'])} is required and refused it when it was tried: {text(first['message'])}"
        )
        reasons.append(Reason(Level.BAD, said, "trials"))
    return reasons


def _not_observed(case: _Case) -> list[Reason]:
    reasons: list[Reason] = []
    skipped = [text(file) for file, _ in case.rows("skipped")]
    if skipped:
        count = f"{len(skipped)} {'file' if len(skipped) == 1 else 'files'}"
        reasons.append(Reason(Level.CAUTION, f"{count} could not be read: {some(skipped)}", "skipped"))
    if case.error:
        reasons.append(Reason(Level.CAUTION, f"it could not be run here: {case.error}", "subjects"))
    return reasons
