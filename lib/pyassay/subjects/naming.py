"""Ids and labels: short, unique, and the same in every run."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from hashlib import blake2s

from pyassay.subjects.display import display_text
from pyassay.subjects.model import Interpreter, SubjectKind
from pyassay.subjects.provenance import INSTALLERS

__all__ = ["named", "version_key"]

_STAGES = {"a": 0, "b": 1, "rc": 2, "": 3}
_IMPLEMENTATIONS = {"pypy": "PyPy ", "graalpy": "GraalPy ", "cpython": ""}
_SHORT = {"python-build-standalone": "pbs", "docker-official": "docker"}
_SHORT_LABELS = {
    "actions-python": "GitHub Actions",
    "conda-forge": "conda-forge",
    "docker-official": "Docker image",
    "manylinux-image": "manylinux image",
    "package": "package",
    "python-build-standalone": "PBS",
    "source": "source",
    "unknown": "unknown",
}


def named(subjects: Iterable[Interpreter]) -> list[Interpreter]:
    """Return subjects sorted by version, builder and path, with their ids and labels.

    An id is made of implementation, version and builder (or installer); only where two subjects would share
    one, each gets a hash of its path, so that the id does not depend on the order.
    """
    ordered = sorted(subjects, key=_order)
    ids, labels = [_id(one) for one in ordered], [_label(one) for one in ordered]
    id_counts, label_counts = Counter(ids), Counter(labels)
    finished = []
    for one, identifier, label in zip(ordered, ids, labels, strict=True):
        path = os.fsencode(one.environment or one.executable) + one.image.encode()
        mark = blake2s(path, digest_size=3).hexdigest()
        finished.append(
            replace(
                one,
                id=identifier if id_counts[identifier] == 1 else f"{identifier}-{mark}",
                label=label if label_counts[label] == 1 else f"{label} ({mark})",
            )
        )
    return finished


def version_key(version: str) -> tuple[object, ...]:
    """Return a sort key: 3.9 before 3.15.0a1 before 3.15.0; what is no version last."""
    match = re.fullmatch(r"(\d+(?:\.\d+)*)(?:(a|b|rc)(\d+))?", version)
    if match is None:
        return (1, (), 0, 0, version)
    numbers = tuple(map(int, match[1].split(".")))
    return (0, numbers, _STAGES[match[2] or ""], int(match[3] or 0), "")


def _order(one: Interpreter) -> tuple[object, ...]:
    return (
        version_key(one.version),
        one.abi_flags,
        one.provenance.builder,
        one.provenance.installer,
        os.fsencode(one.executable),
        os.fsencode(one.environment or ""),
        one.image,
    )


def _id(one: Interpreter) -> str:
    if one.environment is not None:
        parts = ["env", one.environment.name, one.implementation, _version(one)]
    elif one.error is not None and not one.version:
        parts = ["unasked", one.executable.name]
    else:
        parts = [one.implementation, _version(one), _builder(one)]
    if one.image:
        parts += ["in", one.image]
    text = "-".join(re.sub(r"[^a-z0-9.]+", "-", part.lower()).strip("-.") for part in parts if part)
    return re.sub(r"-{2,}", "-", text)[:100].strip("-") or "unnamed"


def _label(one: Interpreter) -> str:
    provenance = one.provenance
    by = INSTALLERS.get(provenance.installer) or _SHORT_LABELS.get(provenance.builder) or provenance.label
    if one.error is not None and not one.version:
        label = f"{one.executable.name} (not asked)"
    else:
        label = f"{_IMPLEMENTATIONS.get(one.implementation, one.implementation + ' ')}{_version(one)} {by}"
    if one.kind is SubjectKind.ENVIRONMENT and one.environment is not None:
        inner = f"{_version(one)} {by}".strip() if one.error is None else "base is gone"
        label = f"{one.environment.name} ({inner})"
    if one.image:
        label += f" in {one.image}"
    return display_text(label)[:80]


def _version(one: Interpreter) -> str:
    # The flags that make another ABI; "m" was every build's.
    return one.version + "".join(flag for flag in one.abi_flags if flag in "td")


def _builder(one: Interpreter) -> str:
    return one.provenance.installer or _SHORT.get(one.provenance.builder, one.provenance.builder)
