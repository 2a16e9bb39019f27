"""Which published advisories concern a component, and whether they are open, fixed, backported or not known.

A version alone does not tell: a distribution fixes without changing it, and a branch that has ended gets no
advisories to be measured by. So each advisory is judged by the branch first, then by the changelog of the
package; and where the branch has ended or a table is past its shelf life, nothing is called clean.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING

from pyassay.reference.security import branch_of, release_key
from pyassay.verdicts.advisory_tables import AdvisoryTables, Claim, shipped

if TYPE_CHECKING:
    import pandas as pd

    from pyassay.subjects.changelogs import Changelog
    from pyassay.subjects.packages import Owner

__all__ = [
    "ADVISORY_COLUMNS",
    "COMPONENTS",
    "SEVERITIES",
    "AdvisoryStatus",
    "Assessment",
    "assess",
    "component_name",
]

_COMPONENT_NAMES = {"cpython": "CPython", "expat": "expat", "openssl": "OpenSSL", "xz": "xz"}
COMPONENTS = tuple(_COMPONENT_NAMES)
"""Components that the tables know advisories of."""

#: Columns of :meth:`Assessment.frame`.
ADVISORY_COLUMNS = (
    "component",
    "version",
    "branch",
    "advisory",
    "status",
    "by_version",
    "severity",
    "published",
    "fixed_in",
    "fix_is_public",
    "reason",
    "changelog_version",
    "changelog_line",
    "counts",
)

# As others call them.
_ALIASES = {"xz utils": "xz", "liblzma": "xz", "libexpat": "expat", "python": "cpython"}
SEVERITIES = ("unrated", "low", "medium", "moderate", "high", "critical")
"""From what nobody has rated upwards; ``unrated`` is not low: it counts as nothing is known."""


@dataclass(frozen=True, slots=True)
class AdvisoryStatus:
    """What is known of one advisory.

    Attributes
    ----------
    advisory : str
        ``CVE-2024-0397``; empty: not one advisory, but a reason why there may be others.
    status : str
        ``open``, ``fixed``, ``backported`` or ``unknown``.
    by_version : str
        ``affected``, ``fixed`` or ``unknown``: what the version alone says.
    severity, published : str
        Of the advisory; ``unrated`` and empty where not known.
    fixed_in : str
        First release of the branch that has the fix; empty: none known.
    fix_is_public : bool
        False: that release is sold to customers of a support contract only.
    reason : str
        One sentence.
    changelog_version, changelog_line : str
        The entry of the package's changelog that decided, and its text.
    counts : bool
        False: an ``unknown`` that tells nothing against this release (see :func:`assess`).
    """

    advisory: str
    status: str
    by_version: str
    severity: str = "unrated"
    published: str = ""
    fixed_in: str = ""
    fix_is_public: bool = True
    reason: str = ""
    changelog_version: str = ""
    changelog_line: str = ""
    counts: bool = True


@dataclass(frozen=True, slots=True)
class Assessment:
    """The advisories of one component in one place.

    Attributes
    ----------
    component, version, branch : str
        The branch is empty for a component that has none.
    advisories : tuple of AdvisoryStatus
        Open ones first, the worst of them first.
    limits : tuple of str
        Why something may be open that is not listed: while there is one, nothing is called clean.
    notes : tuple of str
        What else a reader should know.
    """

    component: str
    version: str
    branch: str
    advisories: tuple[AdvisoryStatus, ...]
    limits: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def count(self, status: str) -> int:
        """Return how many advisories have a status."""
        return sum(row.status == status for row in self.advisories)

    @property
    def affected_by_version(self) -> int:
        """Return how many the version alone would call open: what a scanner blind to backports reports."""
        return sum(row.by_version == "affected" for row in self.advisories)

    @property
    def open_by_severity(self) -> dict[str, int]:
        """Return how many are open, per severity, the worst first."""
        counted = Counter(row.severity for row in self.advisories if row.status == "open")
        return {severity: counted[severity] for severity in reversed(SEVERITIES) if counted[severity]}

    @property
    def overall(self) -> str:
        """Return ``open``, ``unknown`` or ``clean``; clean is only what has neither open ones nor limits."""
        if self.count("open"):
            return "open"
        doubtful = any(row.status == "unknown" and row.counts for row in self.advisories)
        return "unknown" if self.limits or doubtful else "clean"

    def rows(self) -> list[dict[str, object]]:
        """Return one row per advisory and one per limit, with :data:`ADVISORY_COLUMNS`."""
        limits = (AdvisoryStatus("", "unknown", "unknown", reason=limit) for limit in self.limits)
        where = {"component": self.component, "version": self.version, "branch": self.branch}
        return [
            where | {name: getattr(row, name) for name in ADVISORY_COLUMNS[3:]}
            for row in (*self.advisories, *limits)
        ]

    def frame(self) -> pd.DataFrame:
        """Return :meth:`rows` as a table."""
        import pandas as pd

        return pd.DataFrame(self.rows(), columns=list(ADVISORY_COLUMNS))


def component_name(component: str) -> str:
    """Return what a component's makers call it: ``CPython``; of one that is not known the key itself."""
    return _COMPONENT_NAMES.get(component, component)


def assess(
    component: str,
    version: str,
    *,
    on: date,
    package: Owner | None = None,
    changelog: Changelog | None = None,
    maintained_until: date | None = None,
    tables: AdvisoryTables | None = None,
) -> Assessment:
    """Judge a component by its version, its branch and the changelog of its package.

    An advisory of CPython without a known fix on the branch is ``unknown``. It does not count against a
    release that was made after it was published, or after another branch had fixed it: who made that release
    knew of it, so it was fixed without being named, or did not concern the branch.

    Parameters
    ----------
    component : str
        One of :data:`COMPONENTS`, in any case of letters (``OpenSSL``, ``Expat``, ``XZ Utils``); of any other
        nothing is known, and that is said.
    version : str
        As found in the bytes: ``3.0.16``, ``1.1.1w``, ``3.12.1``. Empty: not known.
    on : date
        The day to judge on; what the tables know is taken as known on that day.
    package : Owner, optional
        The package that owns the file; None: bundled, so the version alone decides.
    changelog : Changelog, optional
        Of that package; None: not on disk.
    maintained_until : date, optional
        Until when its distribution sends fixes; the end of the upstream branch does not matter before.
    tables : AdvisoryTables, optional
        Those shipped, unless given.
    """
    tables = shipped() if tables is None else tables
    called = component
    plain = called.lower().partition(" (")[0]  # "XZ Utils (liblzma)"
    component = _ALIASES.get(plain, plain)
    branch = branch_of(component, version)
    if component not in COMPONENTS:
        return Assessment(called, version, branch, (), (f"no advisories of {called} are in the tables",))
    if release_key(version) is None:
        shown = f"{version!r} is no version" if version else "its version is not known"
        return Assessment(called, version, "", (), (shown,))
    claims = tables.claims(component, version, branch)
    limits, notes = list(tables.stale(component, on)), list[str]()
    seen = _Package(package, changelog)
    ended = tables.ended(component, branch, on)
    if ended and seen.judged and maintained_until is not None and on <= maintained_until:
        notes.append(f"{ended}; the distribution sends fixes until {maintained_until}")
    elif ended:
        limits.append(f"{ended}: what was found later need not be listed for it")
    if seen.doubt:
        limits.append(seen.doubt)
    rows = sorted((seen.judge(_status(claim), claim.known_since) for claim in claims), key=_order)
    aside = sum(row.status == "unknown" and not row.counts for row in rows)
    if aside:
        notes.append(f"{aside} advisories name no fix on branch {branch}, and do not count against it")
    return Assessment(called, version, branch, tuple(rows), tuple(limits), tuple(notes))


def _status(claim: Claim) -> AdvisoryStatus:
    status = {"affected": "open", "fixed": "fixed", "unknown": "unknown"}[claim.by_version]
    return AdvisoryStatus(
        claim.advisory,
        status,
        claim.by_version,
        claim.severity,
        claim.published,
        claim.fixed_in,
        claim.fix_is_public,
        claim.reason,
        counts=claim.counts,
    )


def _order(row: AdvisoryStatus) -> tuple[int, int, str]:
    statuses = ("open", "unknown", "backported", "fixed")
    return statuses.index(row.status), -SEVERITIES.index(row.severity), row.advisory


class _Package:
    """What the package of a component says of advisories."""

    def __init__(self, package: Owner | None, changelog: Changelog | None) -> None:
        self.package = package
        self.doubt = ""
        self.since = changelog.since if changelog is not None else ""
        self.mentions = changelog.latest() if changelog is not None and package is not None else {}
        if package is None:
            return
        if package.manager != "dpkg":
            self.doubt = f"{package.package}: fixes in packages of {package.manager} cannot be seen"
        elif changelog is None:
            self.doubt = f"{package.package}: its changelog is not on disk, so its fixes cannot be seen"
        elif not changelog.covers(package.version):
            newest = changelog.versions[0] if changelog.versions else "nothing"
            self.doubt = f"{package.package}: {package.version} is installed, its changelog ends at {newest}"
        elif not changelog.complete:
            self.doubt = f"{package.package}: its changelog is damaged or too long to be read whole"

    @property
    def judged(self) -> bool:
        """Whether there is a package, and its changelog can be believed."""
        return self.package is not None and not self.doubt

    def judge(self, row: AdvisoryStatus, known_since: str) -> AdvisoryStatus:
        """Return what the package makes of what the version says."""
        if self.package is None or row.status == "fixed":
            return row
        mention = self.mentions.get(row.advisory)
        if mention is None or mention.reading == "named":
            doubt = self.doubt or self._cut_off(known_since)
            return replace(row, status="unknown", reason=doubt) if doubt and row.status == "open" else row
        status, reason = {
            "fixed": ("backported", f"fixed in {mention.version} of its package"),
            "reverted": ("open", f"its fix was taken back in {mention.version}"),
            "not affected": ("unknown", f"its package says that it is not affected, in {mention.version}"),
        }[mention.reading]
        return replace(
            row,
            status=status,
            reason=reason,
            changelog_version=mention.version,
            changelog_line=mention.line,
        )

    def _cut_off(self, known_since: str) -> str:
        if not self.since or known_since >= self.since:
            return ""
        return f"its package names it nowhere, but older entries than of {self.since} were cut off"
