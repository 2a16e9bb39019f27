"""What a source distribution says that its building needs."""

from __future__ import annotations

import tarfile
import tomllib
from pathlib import Path

__all__ = ["build_requires"]

_MAX_TOML = 1 << 20
_MAX_MEMBERS = 100_000
_UNSAID = ("setuptools", "wheel")


def build_requires(archive: Path) -> tuple[str, ...]:
    """Return the requirements of its build backend; setuptools and wheel if it does not say, as pip does.

    Parameters
    ----------
    archive : Path
        ``.tar.gz``; of another kind, or damaged, it says nothing.
    """
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        requires = tomllib.loads(_document(archive).decode("utf-8"))["build-system"]["requires"]
        return tuple(str(Requirement(one)) for one in requires) or _UNSAID
    except (OSError, EOFError, ValueError, KeyError, TypeError, tarfile.TarError, InvalidRequirement):
        return _UNSAID


def _document(archive: Path) -> bytes:
    with tarfile.open(archive) as opened:
        for number, member in enumerate(opened):
            if number > _MAX_MEMBERS:
                break
            parts = member.name.split("/")
            if (
                len(parts) == 2
                and parts[1] == "pyproject.toml"
                and member.isfile()
                and member.size < _MAX_TOML
            ):
                stream = opened.extractfile(member)
                return stream.read() if stream else b""
    return b""
