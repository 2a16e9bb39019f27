"""Rules on build backends: which reader can use which, and what each of them should know."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from pyassay.verdicts.model import Level, Reason, Verdict
from pyassay.verdicts.policy import Policy

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["READERS", "Finding", "by_reader", "findings", "judge"]

QUESTION = "backends"
READERS = {
    "application": "application team",
    "distribution": "distribution packager",
    "security": "security-conscious organisation",
}
"""For whom backends are judged, by the key of the policy."""

_OLD_METADATA = ("1.0", "1.1", "1.2", "2.0", "2.1", "2.2", "2.3")
_MANY_VENDORED = 3
_OUTSIDE = {
    "licence-outside": "a licence file from outside of the project",
    "readme-outside": "a readme from outside of the project",
    "link-outside": "what a symbolic link out of the project leads to",
}
# Projects that were written for every backend.
_OURS = ("pure", "extension")
_UNCHECKED = {"unknown-licence": "an unknown licence", "unknown-key": "a misspelt key of [project]"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding on a backend, for one reader.

    Attributes
    ----------
    subject_id, reader : str
        `reader` is a key of :data:`READERS`; empty: for every one.
    reason : Reason
    """

    subject_id: str
    reader: str
    reason: Reason


@dataclass(frozen=True, slots=True)
class _Subject:
    id: str
    tables: Mapping[str, pd.DataFrame]
    policy: Policy

    def rows(self, table: str, **where: str) -> list[dict[Any, Any]]:
        frame = self.tables[table]
        chosen = frame["subject_id"] == self.id
        for column, value in where.items():
            chosen &= frame[column] == value
        return frame[chosen].to_dict("records")

    def reason(self, level: Level, text: str, table: str, **where: str) -> Reason:
        return Reason(level, text, table, {"subject_id": self.id, **where})


_Rule = Callable[[_Subject], Iterator[tuple[str, Reason]]]


def judge(tables: Mapping[str, pd.DataFrame], policy: Policy, on: date) -> list[Verdict]:
    """Give one verdict on each backend: the worst of those for the readers that the policy names.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        Those of :data:`pyassay.probes.backends.TABLES`, and ``subjects``.
    policy : Policy
        Its section ``backends``.
    on : date
        The day of the evidence.
    """
    found = findings(tables, policy)
    subjects = tables["subjects"]
    verdicts = []
    for row in subjects[subjects["format"] == "backend"].to_dict("records"):
        subject = str(row["subject_id"])
        own = [one for one in found if one.subject_id == subject]
        levels = {reader: _level(own, reader) for reader in policy.backends.readers}
        error = str(row["error"])
        if error:
            reason = Reason(Level.UNKNOWN, error, "backends", {"subject_id": subject})
            verdicts.append(Verdict(subject, QUESTION, Level.UNKNOWN, f"not measured: {error}", (reason,)))
            continue
        counted = [one for one in own if not one.reader or one.reader in policy.backends.readers]
        reasons = tuple(
            Reason(
                one.reason.level,
                f"{READERS[one.reader]}: {one.reason.text}" if one.reader else one.reason.text,
                one.reason.table,
                one.reason.where,
            )
            for one in sorted(counted, key=lambda one: -one.reason.level.severity)
        )
        verdicts.append(
            Verdict(subject, QUESTION, Level.worst(levels.values()), _headline(levels, own), reasons)
        )
    return verdicts


def by_reader(tables: Mapping[str, pd.DataFrame], policy: Policy) -> pd.DataFrame:
    """Return the level of every backend for every reader.

    Returns
    -------
    DataFrame
        ``subject_id``, ``reader`` (key of :data:`READERS`), ``level``, ``why`` (its worst findings, or the
        best thing that is known).
    """
    import pandas as pd

    found = findings(tables, policy)
    subjects = tables["subjects"]
    rows = []
    for subject in subjects.loc[subjects["format"] == "backend", "subject_id"]:
        own = [one for one in found if one.subject_id == subject]
        for reader in READERS:
            counted = [one.reason for one in own if one.reader in ("", reader)]
            level = _level(own, reader)
            why = [reason.text for reason in counted if reason.level is level]
            rows.append(
                {"subject_id": subject, "reader": reader, "level": str(level), "why": "; ".join(why[:3])}
            )
    return pd.DataFrame(rows, columns=["subject_id", "reader", "level", "why"])


def _level(own: list[Finding], reader: str) -> Level:
    counted = [one.reason.level for one in own if one.reader in ("", reader)]
    return Level.worst(counted) if counted else Level.UNKNOWN


def _headline(levels: Mapping[str, Level], own: list[Finding]) -> str:
    told = []
    for reader, level in levels.items():
        worst = [one.reason.text for one in own if one.reader in ("", reader) and one.reason.level is level]
        told.append(
            f"{READERS[reader]}: {level}" + (f" ({worst[0]})" if level is not Level.GOOD and worst else "")
        )
    return "; ".join(told)


def findings(tables: Mapping[str, pd.DataFrame], policy: Policy) -> list[Finding]:
    """Return every finding on every backend."""
    subjects = tables["subjects"]
    return [
        Finding(subject, reader, reason)
        for subject in map(str, subjects.loc[subjects["format"] == "backend", "subject_id"])
        for rule in _RULES
        for reader, reason in rule(_Subject(subject, tables, policy))
    ]


def _builds(one: _Subject) -> Iterator[tuple[str, Reason]]:
    rows = one.rows("backend_outputs")
    if not one.id.startswith("own-"):
        # The reader's project was not written for this backend: that it does not build says little of it.
        exchanged = [row for row in rows if row["project"] not in _OURS]
        rows = [row for row in rows if row["project"] in _OURS]
        for row in exchanged:
            if row["status"] == "failed":
                where = {"project": str(row["project"]), "artifact": str(row["artifact"])}
                text = (
                    f"does not make the {row['artifact']} of {row['project']} as it stands: {row['reason']}"
                )
                yield "application", one.reason(Level.GOOD, text, "backend_outputs", **where)
    if not rows:
        yield "", one.reason(Level.UNKNOWN, "nothing was built with it", "backend_outputs")
    for row in rows:
        where = {"project": str(row["project"]), "artifact": str(row["artifact"])}
        what = f"the {row['artifact']} of the {row['project']} project"
        if row["status"] == "failed":
            yield (
                "",
                one.reason(
                    Level.BAD, f"{what} could not be built: {row['reason']}", "backend_outputs", **where
                ),
            )
        elif row["status"] != "built":
            yield "", one.reason(Level.UNKNOWN, f"{what}: {row['reason']}", "backend_outputs", **where)
        elif len(row["record_faults"]):
            text = f"RECORD of {what} does not hold: {row['record_faults'][0]}"
            yield "", one.reason(Level.BAD, text, "backend_outputs", **where)
    built = [row for row in rows if row["status"] == "built"]
    if built and len(built) == len(rows):
        text = f"builds {len(built)} of {len(rows)} artifacts; what RECORD says holds"
        yield "", one.reason(Level.GOOD, text, "backend_outputs")
    for row in built:
        where = {"project": str(row["project"]), "artifact": str(row["artifact"])}
        if len(row["lacks"]):
            text = f"leaves {', '.join(row['lacks'])} out of the {row['artifact']} unless it is told"
            yield "application", one.reason(Level.CAUTION, text, "backend_outputs", **where)
        if row["metadata_version"] in _OLD_METADATA:
            text = f"writes metadata version {row['metadata_version']}, without licence expressions"
            yield "distribution", one.reason(Level.CAUTION, text, "backend_outputs", **where)


def _works(one: _Subject) -> Iterator[tuple[str, Reason]]:
    for row in one.rows("backend_features"):
        where = {"feature": str(row["feature"]), "project": str(row["project"])}
        feature, outcome, seen = row["feature"], row["outcome"], row["seen"]
        if feature in ("installs", "editable", "wheel-from-sdist") and outcome == "does not":
            level = Level.BAD if feature == "installs" else Level.CAUTION
            text = f"{row['question']} No: {seen}"
            yield "application", one.reason(level, text, "backend_features", **where)
            if feature == "wheel-from-sdist":
                yield "distribution", one.reason(level, text, "backend_features", **where)
        elif feature == "dynamic-version" and outcome == "does not":
            text = "takes no version from the module's source: it has to stand in pyproject.toml"
            yield "application", one.reason(Level.GOOD, text, "backend_features", **where)
        elif feature in ("odd-name", "version-spelling", "odd-files") and outcome == "does not":
            text = f"{row['question']} No: {seen}"
            yield "application", one.reason(Level.CAUTION, text, "backend_features", **where)


def _trusted(one: _Subject) -> Iterator[tuple[str, Reason]]:
    for row in one.rows("backend_features"):
        where = {"feature": str(row["feature"])}
        if row["feature"] in _OUTSIDE and row["outcome"] == "taken in":
            odd = ", under a name with .. in it" if "/../" in row["seen"] else ""
            text = f"takes {_OUTSIDE[row['feature']]} in{odd}"
            yield "security", one.reason(Level.CAUTION, text, "backend_features", **where)
        elif row["feature"] == "untracked-files" and "id_rsa" in row["seen"]:
            text = "puts a private key that lies in the project's folder, unknown to git, into the sdist"
            yield "security", one.reason(Level.CAUTION, text, "backend_features", **where)
        elif row["feature"] == "ignored-files" and row["outcome"] == "taken in":
            text = "takes in what .gitignore names"
            yield "security", one.reason(Level.CAUTION, text, "backend_features", **where)
        elif row["feature"] in _UNCHECKED and row["outcome"] == "does not":
            text = f"lets {_UNCHECKED[row['feature']]} pass"
            yield "application", one.reason(Level.GOOD, text, "backend_features", **where)


def _brings(one: _Subject) -> Iterator[tuple[str, Reason]]:
    rows = [row for row in one.rows("backend_closures") if row["scope"] != "editable"]
    if not rows:
        return
    if unknown := [row for row in rows if row["reason"]]:
        text = f"{unknown[0]['distribution']}: {unknown[0]['reason']}"
        yield "security", one.reason(Level.UNKNOWN, text, "backend_closures")
    packages = len(rows)
    size = sum(int(row["size_bytes"]) for row in rows if not _missing(row["size_bytes"]))
    many = packages > one.policy.backends.max_packages
    text = f"{packages} package{'' if packages == 1 else 's'} to install, {size / 1e6:.2f} MB"
    for reader in ("distribution", "security"):
        yield reader, one.reason(Level.CAUTION if many else Level.GOOD, text, "backend_closures")
    native = [row for row in rows if not _missing(row["native_files"]) and row["native_files"]]
    if native:
        size = sum(int(row["native_bytes"]) for row in native)
        names = ", ".join(name for row in native for name in row["native"][:2])
        bills = all(len(row["sboms"]) for row in native)
        told = "with a bill of materials" if bills else "without a bill of materials"
        text = f"{size / 1e6:.1f} MB of machine code in its wheels ({names}), {told}"
        yield "security", one.reason(Level.CAUTION, text, "backend_closures")
    vendored = sorted({name for row in rows for name in row["vendored"]})
    if vendored:
        level = Level.CAUTION if len(vendored) > _MANY_VENDORED else Level.GOOD
        word = "package" if len(vendored) == 1 else "packages"
        text = f"carries {len(vendored)} {word} of others within: {', '.join(vendored[:4])}"
        yield "distribution", one.reason(level, text, "backend_closures")


def _compiled(one: _Subject) -> Iterator[tuple[str, Reason]]:
    for row in one.rows("backend_crates", listed_in="Cargo.lock"):
        if _missing(row["third_party"]):
            text = f"its crates could not be counted: {row['reason']}"
            yield "distribution", one.reason(Level.UNKNOWN, text, "backend_crates")
            continue
        oldest = [need for need in row["needs"] if need.startswith("rustc")]
        text = f"{row['third_party']} crates of others to be compiled for {row['distribution']}"
        text += f", with {oldest[0]}" if oldest else ""
        yield "distribution", one.reason(Level.CAUTION, text, "backend_crates")


def _runs_on(one: _Subject) -> Iterator[tuple[str, Reason]]:
    from pyassay.reference import load

    names = load("pep11_tiers").frame.set_index("target")["label"]
    rows = one.rows("backend_platforms")
    unknown = [row for row in rows if _missing(row["ready"])]
    if unknown:
        yield "", one.reason(Level.UNKNOWN, unknown[0]["reason"], "backend_platforms")
        return
    lacking = [row for row in rows if not row["ready"]]
    first = [str(names.get(row["target"], row["target"])) for row in lacking if row["tier"] == "1"]
    if first:
        text = f"no ready wheel on {', '.join(first)}"
        yield "application", one.reason(Level.BAD, text, "backend_platforms", tier="1")
    if lacking:
        shown = ", ".join(str(names.get(row["target"], row["target"])) for row in lacking[:4])
        more = f" and {len(lacking) - 4} more" if len(lacking) > 4 else ""
        text = f"has to be compiled on {len(lacking)} of {len(rows)} platforms: {shown}{more}"
        yield "distribution", one.reason(Level.CAUTION, text, "backend_platforms")
    elif rows:
        text = f"one wheel or another serves all {len(rows)} platforms"
        yield "distribution", one.reason(Level.GOOD, text, "backend_platforms")


def _repeatable(one: _Subject) -> Iterator[tuple[str, Reason]]:
    rows = [row for row in one.rows("backend_repeats") if row["epoch_set"]]
    for artifact in ("wheel", "sdist"):
        own = [row for row in rows if row["artifact"] == artifact and not _missing(row["same"])]
        again = [row for row in own if row["change"] == "again" and not row["same"]]
        other = [row for row in own if row["change"] != "again" and not row["same"]]
        where = {"artifact": artifact}
        for reader in ("distribution", "security"):
            if again:
                text = f"the {artifact} is another each time ({again[0]['first_difference']})"
                yield reader, one.reason(Level.CAUTION, text, "backend_repeats", **where)
            elif other:
                changes = ", ".join(dict.fromkeys(str(row["change"]) for row in other))
                text = f"the {artifact} changes with circumstances: {changes}"
                yield reader, one.reason(Level.CAUTION, text, "backend_repeats", **where)
            elif own:
                text = f"the {artifact} is the same bytes under all circumstances that were tried"
                yield reader, one.reason(Level.GOOD, text, "backend_repeats", **where)


def _missing(value: object) -> bool:
    import pandas as pd

    return value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value))


_RULES: tuple[_Rule, ...] = (_builds, _works, _trusted, _brings, _compiled, _runs_on, _repeatable)
