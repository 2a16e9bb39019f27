"""Which interpreter the others are compared with, unless the reader names one."""

from __future__ import annotations

from collections.abc import Iterable

from packaging.version import InvalidVersion, Version

from pyassay.subjects.model import Interpreter, Subject

__all__ = ["default_reference"]

_DISTRIBUTIONS = frozenset({"debian", "ubuntu", "fedora", "rhel", "centos", "almalinux", "rocky", "alpine"})


def default_reference(subjects: Iterable[Subject]) -> str | None:
    """Return the id of the distribution's Python on this host, else of the newest; None when there is none.

    Parameters
    ----------
    subjects : iterable of Interpreter or Artifact
        Those that are to be compared.
    """
    able = [one for one in subjects if isinstance(one, Interpreter) and not one.error]
    own = [one for one in able if one.provenance.builder in _DISTRIBUTIONS and not one.image]
    chosen = max(own or able, key=_newness, default=None)
    return None if chosen is None else chosen.id


def _newness(interpreter: Interpreter) -> tuple[bool, Version]:
    try:
        version = Version(interpreter.version)
    except InvalidVersion:
        version = Version("0")
    return interpreter.implementation == "cpython", version
