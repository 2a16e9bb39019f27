"""Which Pythons pack: chosen by rule, so that the same machine gives the same table."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pyassay.packagers.model import Form
from pyassay.probes.packaging.settings import SettingsError
from pyassay.subjects.model import Interpreter, Subject, SubjectKind

__all__ = ["chosen", "described", "takes", "uses_the_targets_python"]

_RELOCATABLE = "python-build-standalone"
_OLDEST = (3, 9)
_TARGETS = ("pex", "shiv", "zipapp", "dh_virtualenv", "venv_pack")
_FINAL = re.compile(r"\d+\.\d+\.\d+")


def takes(subject: Subject) -> bool:
    """Tell whether a subject may pack: an ordinary CPython of this host that works."""
    return (
        isinstance(subject, Interpreter)
        and subject.kind is SubjectKind.INTERPRETER
        and subject.implementation == "cpython"
        and not subject.error
        and not subject.image
        and not subject.abi_flags
        and _numbers(subject) >= _OLDEST
    )


def chosen(subjects: Sequence[Subject], wanted: Sequence[str]) -> list[Interpreter]:
    """Return who packs, the first everything, the second (if any) only what uses the target's own Python.

    The first is a relocatable one (python-build-standalone, which uv installs), the newest final release of
    them; else the newest final release of any other. The second is the distribution's own python3.

    Raises
    ------
    SettingsError
        If one that is wanted is not there.
    """
    able = [one for one in subjects if isinstance(one, Interpreter) and takes(one)]
    if wanted:
        by_id = {one.id: one for one in able}
        if missing := [name for name in wanted if name not in by_id]:
            raise SettingsError(
                f"{missing[0]}: no Python that packs; there are: {', '.join(by_id) or 'none'}"
            )
        return [by_id[name] for name in wanted]
    first = max(able, key=_rank, default=None)
    own = [one for one in able if one.provenance.builder in {"debian", "ubuntu"} and one is not first]
    return [*([first] if first else []), *sorted(own, key=_numbers, reverse=True)[:1]]


def _rank(python: Interpreter) -> tuple[bool, bool, tuple[int, ...]]:
    final = _FINAL.fullmatch(python.version) is not None
    return final, python.provenance.builder == _RELOCATABLE, _numbers(python)


def _numbers(python: Interpreter) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", python.version)[:3]))


def uses_the_targets_python(form: Form) -> bool:
    """Tell whether a form leaves the Python to the machine that it is brought to."""
    return form.packager in _TARGETS and "scie" not in form.name


def described(python: Interpreter) -> str:
    """Return a Python in words."""
    return python.label
