"""What the reference tables claim of each advisory for one release of a component, by its version alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cache

from pyassay.reference.security import ReleaseKey, records, release_key
from pyassay.reference.tables import ReferenceTable, load

__all__ = ["AdvisoryTables", "Claim", "maintained_until", "shipped"]

_NAMES = (
    "cpython_advisories",
    "cpython_branches",
    "cpython_releases",
    "openssl_advisories",
    "openssl_branches",
    "library_advisories",
)
_TITLES = {"cpython": "CPython", "openssl": "OpenSSL"}

Row = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Claim:
    """One advisory and one release.

    Attributes
    ----------
    advisory, severity, published : str
        The last is empty where not known.
    by_version : str
        ``affected``, ``fixed`` or ``unknown``.
    fixed_in : str
        First release of the branch with the whole fix; empty: none known.
    fix_is_public : bool
        False: only for customers of a support contract.
    reason : str
        One sentence.
    counts : bool
        False: an ``unknown`` that does not tell against the release.
    known_since : str
        Day of the advisory, or of the first release that fixed it (ISO 8601); empty: not known. A package
        cannot have fixed it long before.
    """

    advisory: str
    by_version: str
    severity: str
    published: str
    fixed_in: str
    reason: str
    fix_is_public: bool = True
    counts: bool = True
    known_since: str = ""


@dataclass(frozen=True, slots=True)
class AdvisoryTables:
    """The tables by name: those that :func:`shipped` returns, or others of the same columns."""

    tables: Mapping[str, ReferenceTable]
    _records: dict[str, list[dict[str, str]]] = field(default_factory=dict, repr=False, compare=False)

    def stale(self, component: str, on: date) -> list[str]:
        """Return one sentence for each table of a component that is past its shelf life on a day."""
        prefix = component if component in _TITLES else "library"
        return [
            f"the table {name} is of {table.as_of}, and was good until {table.best_before}"
            for name, table in sorted(self.tables.items())
            if name.startswith(prefix) and table.stale(on)
        ]

    def ended(self, component: str, branch: str, on: date) -> str:
        """Return a sentence if a branch has ended on a day, or its end is not known; else nothing."""
        if component not in _TITLES:
            return ""
        title = f"{_TITLES[component]} {branch}"
        row = next((row for row in self._rows(f"{component}_branches") if row["branch"] == branch), None)
        if row is None or not row["end_of_life"]:
            return f"the end of {title} is not known"
        return f"{title} ended on {row['end_of_life']}" if row["end_of_life"] <= on.isoformat() else ""

    def claims(self, component: str, version: str, branch: str) -> list[Claim]:
        """Return what is claimed of every advisory of a component that concerns a branch."""
        key = release_key(version)
        if key is None:
            return []
        if component == "cpython":
            return list(self._cpython(key, version, branch))
        if component == "openssl":
            return list(self._openssl(key, branch))
        rows = self._rows("library_advisories")
        return [_ranged(row, key) for row in rows if row["library"] == component]

    def _rows(self, name: str) -> list[dict[str, str]]:
        if name not in self._records:
            self._records[name] = records(self.tables[name].frame)
        return self._records[name]

    def _openssl(self, key: ReleaseKey, branch: str) -> Iterator[Claim]:
        by_advisory: dict[str, list[dict[str, str]]] = {}
        for row in self._rows("openssl_advisories"):
            by_advisory.setdefault(row["advisory"], []).append(row)
        began = next(
            (row["first_release"] for row in self._rows("openssl_branches") if row["branch"] == branch), ""
        )
        for advisory, rows in by_advisory.items():
            own = next((row for row in rows if row["branch"] == branch), None)
            first = rows[0]
            if own is not None:
                yield _ranged(own, key)
            elif branch not in first["analysed"].split() and began and first["published"] >= began:
                reason = f"OpenSSL did not say whether {branch} is affected"
                day = first["published"]
                yield Claim(advisory, "unknown", first["severity"], day, "", reason, known_since=day)

    def _cpython(self, key: ReleaseKey, version: str, branch: str) -> Iterator[Claim]:
        known = _Releases(self._rows("cpython_releases"), version, branch)
        by_advisory: dict[str, list[dict[str, str]]] = {}
        for row in self._rows("cpython_advisories"):
            by_advisory.setdefault(row["advisory"], []).append(row)
        for advisory, rows in by_advisory.items():
            own = next((row for row in rows if row["branch"] == branch), None)
            severity, published = rows[0]["severity"], rows[0]["published"]
            if own is not None:
                fixed_in = own["complete_in"]
                claim = _against(advisory, severity, published, fixed_in, key)
            else:
                status, reason, counts = known.elsewhere(
                    [row["complete_in"] for row in rows if row["complete_in"]], published
                )
                claim = Claim(advisory, status, severity, published, "", reason, counts=counts)
            fixed_on = [known.days.get(row["fixed_in"], "") for row in rows]
            yield replace(claim, known_since=min(filter(None, [published, *fixed_on]), default=""))


class _Releases:
    """The days of CPython's releases, as far as they bear on one release."""

    def __init__(self, rows: Iterable[Row], version: str, branch: str) -> None:
        # Where only an upper bound is known, that is used.
        self.days = {row["version"]: row["release_date"] or row["seen_by"] for row in rows}
        self.branch = branch
        own = [name for name in self.days if name.startswith(f"{branch}.")]
        self.began = min((self.days[name] for name in own), default="")
        self.branched = self.days.get(f"{branch}.0b1", "")  # main is branched off at the first beta
        self.day = self.days.get(version.partition("+")[0], "")
        self.past_beta = bool(self.branched) and self.day >= self.branched

    def elsewhere(self, fixed_in: Iterable[str], published: str) -> tuple[str, str, bool]:
        """Judge an advisory that the branch is not known to fix: status, reason, whether it counts."""
        fixes = sorted((self.days.get(name, ""), name) for name in fixed_in)
        if not fixes:
            predates = bool(published) and published < max(self.began, self.day)
            return "unknown", "no release is known that fixed it", not predates
        own = release_key(self.branch)
        day, name = fixes[0]
        older = [
            (day, name)
            for day, name in fixes
            if own is not None and (key := release_key(name)) is not None and key[0][:2] < own[0][:2]
        ]
        # A fix goes to main first: what an older branch had before this one was branched off, this one has.
        if older and older[0][0] and self.past_beta and older[0][0] < self.branched:
            return "fixed", f"fixed in {older[0][1]}, before {self.branch} was branched off", True
        earlier = bool(day) and bool(self.day) and day <= self.day
        when = "before this release" if earlier else "after this release, or on a day not known"
        return "unknown", f"fixed in {name} {when}; no fix is known on {self.branch}", not earlier


def _ranged(row: Row, key: ReleaseKey) -> Claim:
    published = row.get("published", "")
    introduced = release_key(row["introduced"]) if row["introduced"] else None
    severity = row.get("severity", "unrated")
    if introduced is not None and key < introduced:
        reason = f"came with {row['introduced']}"
        return Claim(row["advisory"], "fixed", severity, published, row["fixed_in"], reason)
    public = row.get("public", "true") != "false"
    claim = _against(row["advisory"], severity, published, row["fixed_in"], key, public=public)
    return replace(claim, known_since=published or row.get("fixed_date", ""))


def _against(
    advisory: str, severity: str, published: str, fixed_in: str, key: ReleaseKey, *, public: bool = True
) -> Claim:
    fixed = release_key(fixed_in) if fixed_in else None
    if fixed is not None and key >= fixed:
        return Claim(advisory, "fixed", severity, published, fixed_in, f"fixed in {fixed_in}", public)
    if fixed is None:
        reason = "no release of the branch fixes it"
    elif public:
        reason = f"fixed in {fixed_in}"
    else:
        reason = f"fixed in {fixed_in}, which is sold to customers of a support contract only"
    return Claim(advisory, "affected", severity, published, fixed_in, reason, public)


def maintained_until(distribution: str, release: str) -> date | None:
    """Return the last day on which a distribution sends fixes, long-term support counted; None: not known.

    >>> maintained_until("debian", "12")
    datetime.date(2028, 6, 30)
    """
    for row in records(load("distributions").frame):
        if (row["distro"], row["version"]) == (distribution, release):
            ends = [row[name] for name in ("end_of_support", "end_of_extended") if row[name]]
            return date.fromisoformat(max(ends)) if ends else None
    return None


@cache
def shipped() -> AdvisoryTables:
    """Return the tables that pyassay ships."""
    return AdvisoryTables({name: load(name) for name in _NAMES})
