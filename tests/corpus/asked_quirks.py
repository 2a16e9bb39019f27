"""Quirks asked of the interpreters of this host, once for all tests that look at the answers."""

from __future__ import annotations

import shutil
from datetime import datetime
from functools import cache
from typing import Any

import pytest
from pyassay.probes.compatibility import NOT_MEASURED, QUIRKS, Settings, probe
from pyassay.probes.quirks import catalogue
from pyassay.probes.quirks.scripts import sources
from pyassay.subjects import Interpreter, find

Row = dict[str, Any]


@cache
def all_interpreters() -> tuple[Interpreter, ...]:
    """Every CPython of this host that answers, oldest first."""
    found = [one for one in find() if isinstance(one, Interpreter)]
    return tuple(one for one in found if not one.error and one.implementation == "cpython")


@cache
def spread() -> tuple[Interpreter, ...]:
    """A few of them that differ most: each series' ends and one of every builder."""
    everything = all_interpreters()
    if not everything:
        pytest.skip("no CPython on this host answers")
    newer = [one for one in everything if not one.version.startswith("2.")]
    chosen = {everything[0].id, newer[0].id, newer[-1].id}
    for one in everything:
        if not any(
            other.id in chosen and other.provenance.builder == one.provenance.builder for other in everything
        ):
            chosen.add(one.id)
    return tuple(one for one in everything if one.id in chosen)


@cache
def asked(consequence: str, subject: Interpreter) -> dict[str, Row]:
    """Return the rows of one group of questions by quirk."""
    names = tuple(quirk.id for quirk in catalogue().values() if quirk.consequence == consequence)
    frame = probe(subject, Settings(quirks=names))[QUIRKS.name]
    return {row["quirk"]: row for row in frame.to_dict("records")}


def answer(quirk: str, subject: Interpreter) -> Row:
    """Return the row of one question, asked alone or among its group before."""
    return asked(catalogue()[quirk].consequence, subject)[quirk]


def by_builder(builder: str) -> list[Interpreter]:
    """Return those of the spread that a builder made; skips the test when there is none."""
    found = [one for one in spread() if one.provenance.builder == builder]
    if not found:
        pytest.skip(f"no interpreter of {builder} on this host")
    return found


def built_before(subject: Interpreter, day: str) -> bool:
    """Tell whether an interpreter says that it was compiled before a day (ISO 8601)."""
    try:
        built = datetime.strptime(" ".join(subject.build_date.split()[:3]), "%b %d %Y")
    except ValueError:
        return False
    return built < datetime.fromisoformat(day)


def check_sound(rows: dict[str, Row], subject: Interpreter) -> None:
    """Fail unless every question got an answer of the catalogue, or a reason that is not our own fault."""
    for name, row in rows.items():
        where = f"{name} of {subject.id}: {row}"
        if row["outcome"] == "measured":
            assert row["answer"] in catalogue()[name].answers, where
            assert row["observed"], where
        else:
            assert row["reason"], where
            assert not row["answer"], where
        if row["outcome"] == NOT_MEASURED:
            ours = ("the probe failed", "gave no answer", "no answer within", "lacks", "cannot be read")
            assert not any(words in row["reason"] for words in ours), where


def names_of(quirk: str) -> dict[str, Any]:
    """Return what a guest script and its parts define, as it would be run."""
    namespace: dict[str, Any] = {}
    for source in sources(quirk):
        exec(compile(source, f"guest script of {quirk}", "exec"), namespace)
    shutil.rmtree(namespace["SCRATCH"])
    return namespace
