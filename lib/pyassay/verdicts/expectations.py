"""What is expected of a build: quirks that are known of its kind, and since when they are gone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache

from packaging.version import InvalidVersion, Version

from pyassay.probes.quirks import Quirk

__all__ = ["FINE", "FIXED", "KNOWN", "UNEXPECTED", "UNLISTED", "Expectation", "day_of_build", "expectation"]

FINE = "fine"
KNOWN = "known"
FIXED = "known, fixed upstream"
UNEXPECTED = "unexpected"
UNLISTED = "not listed"

ANY = "*"
_BUILD_DATES = ("%b %d %Y, %H:%M:%S", "%b %d %Y %H:%M:%S", "%Y-%m-%d", "%b %d %Y")


@dataclass(frozen=True, slots=True)
class Expectation:
    """How an observation stands to what is known of builds of its kind.

    Attributes
    ----------
    state : str
        ``fine`` (as a plain build would do), ``known`` (this kind does it), ``known, fixed upstream`` (newer
        builds of this kind do not), ``unexpected`` (others of its kind and age do not), ``not listed`` (in
        no table yet).
    note : str
        One sentence of the table; empty: none.
    reference : str
        Where that stands.
    """

    state: str
    note: str = ""
    reference: str = ""


def expectation(quirk: Quirk, answer: str, *, builder: str, version: str, built: date | None) -> Expectation:
    """Hold an answer against the table of what is expected.

    Parameters
    ----------
    quirk : Quirk
        The question.
    answer : str
        One of its answers.
    builder : str
        Key of who built the interpreter.
    version : str
        ``3.12.10``.
    built : date or None
        The day of the build; None: not known, then rows that depend on it do not apply.
    """
    good = quirk.answers[answer].level == "good"
    own = [row for row in _rows() if row["quirk"] == quirk.id and row["builder"] in (builder, ANY)]
    # What is said of this builder counts before what is said of all.
    own.sort(key=lambda row: row["builder"] == ANY)
    fitting = [row for row in own if _fits(row, version, built)]
    if same := next((row for row in fitting if row["answer"] == answer), None):
        if good:
            return Expectation(FINE, same["note"], same["reference"])
        if later := _repaired(quirk, own, version, built):
            return Expectation(FIXED, later["note"] or same["note"], later["reference"] or same["reference"])
        return Expectation(KNOWN, same["note"], same["reference"])
    if good:
        return Expectation(FINE)
    if fitting:
        return Expectation(UNEXPECTED, fitting[0]["note"], fitting[0]["reference"])
    return Expectation(UNLISTED)


def _repaired(
    quirk: Quirk, rows: Sequence[Mapping[str, str]], version: str, built: date | None
) -> Mapping[str, str] | None:
    """Return the row of later builds of the same kind that do well."""
    for row in rows:
        begins = row["built_from"]
        later = bool(begins) and built is not None and date.fromisoformat(begins) > built
        if later and quirk.answers[row["answer"]].level == "good" and _fits(row, version, None, dated=False):
            return row
    return None


def _fits(row: Mapping[str, str], version: str, built: date | None, *, dated: bool = True) -> bool:
    if dated and (row["built_from"] or row["built_until"]):
        if built is None:
            return False
        if row["built_from"] and built < date.fromisoformat(row["built_from"]):
            return False
        if row["built_until"] and built >= date.fromisoformat(row["built_until"]):
            return False
    return _within(version, row["python_from"], row["python_until"])


def _within(version: str, start: str, end: str) -> bool:
    try:
        release = Version(version)
        return (not start or release >= Version(start)) and (not end or release < Version(end))
    except InvalidVersion:
        return not start and not end


@cache
def _rows() -> tuple[Mapping[str, str], ...]:
    from pyassay.reference import load

    frame = load("quirk_expectations").frame
    return tuple({str(key): str(value) for key, value in row.items()} for row in frame.to_dict("records"))


def day_of_build(text: str) -> date | None:
    """Return the day that an interpreter names as that of its build; None when it cannot be read."""
    shown = " ".join(text.split())
    for form in _BUILD_DATES:
        try:
            return datetime.strptime(shown, form).date()
        except ValueError:
            continue
    return None
