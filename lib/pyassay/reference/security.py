"""The tables that the rules of security read, and the order of the releases in them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pyassay.reference.tables import load

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["NAMES", "ReleaseKey", "branch_of", "records", "release_key", "table"]

#: Tables of the security question.
NAMES = (
    "cpython_releases",
    "cpython_branches",
    "cpython_security_fixes",
    "cpython_advisories",
    "openssl_releases",
    "openssl_branches",
    "openssl_advisories",
    "pbs_tags",
    "pbs_builds",
    "pbs_components",
    "pbs_merges",
    "uv_releases",
    "library_releases",
    "library_advisories",
    "debian_uploads",
)

#: Numbers; whether it is a release (1) or comes before it (0); letters of a patch, or of a pre-release.
ReleaseKey = tuple[tuple[int, ...], int, str, int]

_RELEASE = re.compile(
    r"(?P<numbers>\d{1,8}(?:\.\d{1,8}){0,5})"
    r"(?:-?(?P<stage>alpha|beta|pre|rc|dev|a|b|c)(?P<serial>\d{1,6})?(?=$|[+~-])|(?P<letters>[a-z]{1,3}))?"
    r"(?:[+~-].{0,80})?"
)
_STAGES = {"dev": "0", "a": "a", "alpha": "a", "b": "b", "beta": "b", "c": "c", "pre": "c", "rc": "c"}


def table(name: str) -> pd.DataFrame:
    """Return the rows of one of :data:`NAMES`; ``load(name)`` tells its sources, date and columns, too."""
    return load(name).frame


def records(rows: pd.DataFrame) -> list[dict[str, str]]:
    """Return rows as dictionaries of text; flags are ``true`` or ``false``."""

    def text(cell: object) -> str:
        return str(cell).lower() if isinstance(cell, bool) else str(cell)

    return [{str(name): text(cell) for name, cell in row.items()} for row in rows.to_dict(orient="records")]


def release_key(version: str) -> ReleaseKey | None:
    """Return what releases of one product are ordered by; None when it is no release.

    Knows pre-releases (``3.13.0rc2``, ``3.0.0-beta1``, ``5.7.2beta``) and patch letters (``1.1.1w``,
    ``1.1.1zj``). What distributions append (``+dfsg``, ``-1ubuntu2``) does not count.

    >>> release_key("1.1.1w") < release_key("1.1.1zj")
    True
    >>> release_key("3.13.0rc2") < release_key("3.13.0") == release_key("3.13.0+")
    True
    """
    match = _RELEASE.fullmatch(version.strip())
    if match is None:
        return None
    numbers = [int(part) for part in match["numbers"].split(".")]
    while len(numbers) > 1 and numbers[-1] == 0:  # 1.3 is 1.3.0
        numbers.pop()
    stage, serial = match["stage"], match["serial"]
    if stage is not None and (serial is not None or len(stage) > 1):
        return tuple(numbers), 0, _STAGES[stage], int(serial or 0)
    return tuple(numbers), 1, match["letters"] or stage or "", 0


def branch_of(component: str, version: str) -> str:
    """Return the branch of a CPython (``3.12``) or OpenSSL (``3.0``, ``1.1.1``); empty when it has none."""
    match = re.match(r"(\d{1,4})\.(\d{1,4})(?:\.(\d{1,4}))?", version)
    if match is None or component not in ("cpython", "openssl"):
        return ""
    if component == "openssl" and int(match[1]) < 3:
        return f"{match[1]}.{match[2]}.{match[3] or 0}"
    return f"{match[1]}.{match[2]}"
