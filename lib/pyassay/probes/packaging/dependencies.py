"""What a Debian package depends on, held against what is installed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.parser import HeaderParser

from pyassay.subjects.debian_versions import version_key

__all__ = ["QUERY", "installed_packages", "unsatisfied"]

QUERY = ("dpkg-query", "-W", "-f", "${Package}\\t${Version}\\t${Provides}\\n")
_RELATION = re.compile(r"([a-z0-9][a-z0-9.+-]*)(?::\w+)?\s*(?:\(\s*(<<|<=|=|>=|>>)\s*([^)\s]+)\s*\))?")


def installed_packages(text: str) -> dict[str, str]:
    r"""Return names and versions from the answer to :data:`QUERY`; what is only provided has the version "".

    >>> installed_packages("dash\t0.5.12-2\tsh-like (= 1), other\n")
    {'dash': '0.5.12-2', 'sh-like': '', 'other': ''}
    """
    found: dict[str, str] = {}
    for line in text.splitlines():
        name, _, rest = line.partition("\t")
        version, _, provides = rest.partition("\t")
        if name:
            found[name] = version
        for one in provides.split(","):
            if match := _RELATION.match(one.strip()):
                found.setdefault(match[1], match[3] or "")
    return found


def unsatisfied(control: str, packages: Mapping[str, str]) -> list[str]:
    """Return the relations of ``Depends`` and ``Pre-Depends`` that do not hold.

    >>> unsatisfied("Depends: libc6 (>= 2.34), python3 (<< 3.12) | python4", {"libc6": "2.31-13"})
    ['libc6 (>= 2.34)', 'python3 (<< 3.12) | python4']
    """
    fields = HeaderParser().parsestr(control.lstrip())
    relations = [
        " ".join(one.split())
        for name in ("Pre-Depends", "Depends")
        for one in (fields[name] or "").split(",")
    ]
    return [one for one in relations if one and not any(_holds(part, packages) for part in one.split("|"))]


def _holds(relation: str, packages: Mapping[str, str]) -> bool:
    match = _RELATION.fullmatch(relation.strip())
    if match is None or match[1] not in packages:
        return False
    have, sign, wanted = packages[match[1]], match[2], match[3]
    if sign is None:
        return True
    if not have:
        return False
    ours, theirs = version_key(have), version_key(wanted)
    return {
        "<<": ours < theirs,
        "<=": ours <= theirs,
        "=": ours == theirs,
        ">=": ours >= theirs,
        ">>": ours > theirs,
    }[sign]
