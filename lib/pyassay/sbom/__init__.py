"""Bills of materials: what was found in a subject, as CycloneDX, with the evidence for each component.

The same evidence gives the same bytes: the serial number is derived from its digest, the time is that of the
recording.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, uuid5

from pyassay.probes.observations import records
from pyassay.subjects.display import display_text

if TYPE_CHECKING:
    from pyassay.evidence import Evidence

__all__ = ["SbomError", "cyclonedx"]

_LIBRARIES = "bundled_libraries"
_PACKAGES = "installed_packages"


class SbomError(Exception):
    """No bill of materials can be made of this evidence: one line that says why."""


def cyclonedx(evidence: Evidence, subject_id: str | None = None) -> str:
    """Return the bill of materials of one subject: CycloneDX 1.6, JSON.

    Its components are the libraries of ``bundled_libraries`` and, where the evidence has them, the Python
    packages of ``installed_packages``. A library in several files is one component with several occurrences;
    one whose version could not be determined has none, and says why in its evidence. Confidence is a rank,
    no probability: certain 1, likely 0.7, unknown 0. What could not be read is a property of the subject.

    Parameters
    ----------
    evidence : Evidence
        With the table ``bundled_libraries``.
    subject_id : str, optional
        Which subject; may be left out when there is only one.

    Raises
    ------
    SbomError
        If the evidence has no such subject or table, or the library for CycloneDX is not installed.
    """
    if _LIBRARIES not in evidence.tables:
        raise SbomError(
            "this evidence says nothing of libraries: it has no answer to the question `security`"
        )
    subject = _subject(evidence, subject_id)
    try:
        from pyassay.sbom.building import Found, bill
    except ImportError as error:
        raise SbomError(f"CycloneDX needs `pip install pyassay[sbom]`: {display_text(str(error))}") from error
    chosen = str(subject["subject_id"])
    try:
        recorded = datetime.fromisoformat(evidence.manifest.recorded_at)
    except ValueError as error:
        raise SbomError(f"{evidence.manifest.recorded_at}: no time of recording") from error
    found = Found(
        subject=subject,
        libraries=_rows(evidence, _LIBRARIES, chosen),
        packages=_rows(evidence, _PACKAGES, chosen),
        skipped=_rows(evidence, "skipped", chosen),
        host=evidence.manifest.host,
        tool_version=evidence.manifest.tools.get("pyassay", ""),
        recorded=recorded if recorded.tzinfo else recorded.replace(tzinfo=UTC),
        serial=uuid5(NAMESPACE_URL, f"pyassay:{evidence.digest}:{chosen}"),
    )
    return bill(found)


def _subject(evidence: Evidence, subject_id: str | None) -> Mapping[str, Any]:
    rows = records(evidence.table("subjects"))
    known = [str(row["subject_id"]) for row in rows]
    if subject_id is None:
        if len(rows) != 1:
            listed = ", ".join(map(display_text, known[:20])) or "none"
            raise SbomError(f"name one of the {len(rows)} subjects of this evidence: {listed}")
        return rows[0]
    if subject_id not in known:
        near = get_close_matches(subject_id, known, n=3, cutoff=0.4)
        nearest = f"; nearest: {', '.join(map(display_text, near))}" if near else ""
        raise SbomError(f"{display_text(subject_id)}: no such subject in this evidence{nearest}")
    return rows[known.index(subject_id)]


def _rows(evidence: Evidence, table: str, subject_id: str) -> list[dict[str, Any]]:
    if table not in evidence.tables:
        return []
    frame = evidence.tables[table]
    return records(frame[frame["subject_id"] == subject_id])
