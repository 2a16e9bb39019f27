"""Security: what a subject carries, who answers for it, how it is hardened, and what has gone stale.

Facts only, and nothing from a network: which advisories concern a component is said by
:mod:`pyassay.verdicts.security`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pyassay.probes import (
    byte_provenance,
    compatibility,
    hardening,
    libraries,
    package_advisories,
    site_packages,
    staleness,
)
from pyassay.probes.observations import TableSchema
from pyassay.probes.package_changelogs import PACKAGE_CHANGELOGS
from pyassay.probes.package_changelogs import observe as observe_changelogs
from pyassay.subjects.model import Interpreter, Subject

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["JUDGED", "TABLES", "TLS_CHECKS", "probe", "probe_host"]

JUDGED = ("cpython", "expat", "openssl", "xz")
"""The components whose packages' changelogs are read: those that advisories are known of."""

TLS_CHECKS = TableSchema(
    "tls_checks",
    "one row per interpreter and handshake with a server in the same process",
    compatibility.QUIRKS.columns,
)

TABLES: tuple[TableSchema, ...] = (
    *libraries.TABLES,
    PACKAGE_CHANGELOGS,
    *hardening.TABLES,
    TLS_CHECKS,
    *staleness.TABLES,
    *byte_provenance.TABLES,
    *site_packages.TABLES,
    *package_advisories.TABLES,
)

_HANDSHAKES = ("tls_versions", "ca_lookup", "bad_certificates", "default_ca")


def probe(subject: Subject, settings: package_advisories.Settings | None = None) -> dict[str, pd.DataFrame]:
    """Observe one subject.

    Parameters
    ----------
    subject : Interpreter or Artifact
        As :func:`pyassay.find` gives it.
    settings : package_advisories.Settings, optional
        Whether a service may be asked for the advisories of packages; by default none is.

    Returns
    -------
    dict of str to DataFrame
        By the names of :data:`TABLES`.
    """
    carried = libraries.observe(subject)
    frames = {
        libraries.BUNDLED_LIBRARIES.name: libraries.BUNDLED_LIBRARIES.frame(carried),
        PACKAGE_CHANGELOGS.name: PACKAGE_CHANGELOGS.frame(observe_changelogs(subject, carried, JUDGED)),
        **hardening.probe(subject),
        **staleness.probe(subject, carried),
        **byte_provenance.probe(subject, carried),
    }
    packages = site_packages.observe(subject)
    (installed,), (asked_of,) = site_packages.TABLES, package_advisories.TABLES
    frames[installed.name] = installed.frame(packages)
    frames[asked_of.name] = asked_of.frame(
        package_advisories.observe(subject, packages, settings=settings or package_advisories.Settings())
    )
    if isinstance(subject, Interpreter) and not subject.error:
        asked = compatibility.probe(subject, compatibility.Settings(quirks=_HANDSHAKES))
        frames[TLS_CHECKS.name] = asked[compatibility.QUIRKS.name]
    return frames


def probe_host(subjects: Sequence[Subject]) -> dict[str, pd.DataFrame]:
    """Observe what belongs to the machine: environments that have gone stale, the uv that brings Pythons."""
    return staleness.probe_host(subjects)
