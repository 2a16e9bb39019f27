"""Why one build is faster than another: what was seen in the binary, and what is only a guess."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Cause", "causes", "is_unoptimised"]

YES, NO = "yes", "no"
_UNOPTIMISED = "unoptimised"
_LIBRARY = "library "
_WORDS = {
    "debug": "the counting of references of a debug build",
    "assertions": "C assertions",
    "interposition": "calls of its own functions through the linkage table",
    "free_threading": "free threading",
    "jit": "the JIT compiler",
    "tail_call_interpreter": "the tail-calling interpreter",
    "frame_pointers": "frame pointers kept",
    "computed_gotos": "computed gotos",
}


@dataclass(frozen=True, slots=True)
class Cause:
    """What may explain a difference.

    Attributes
    ----------
    sentence : str
        For a reader.
    seen : bool
        Seen in the binary; else it is a guess.
    table : str
        The table of evidence that it rests on.
    """

    sentence: str
    seen: bool
    table: str


def is_unoptimised(facts: pd.DataFrame, subject: str) -> bool:
    """Tell whether a build shows neither profile-guided nor link-time optimisation in its binary.

    Parameters
    ----------
    facts : DataFrame
        ``build_facts``.
    subject : str
        Its id.
    """
    return _observed(facts, subject).get(_UNOPTIMISED, ("", ""))[0] == YES


def causes(tables: Mapping[str, pd.DataFrame], subject: str) -> list[Cause]:
    """Return what sets a build apart from the reference, the most telling first.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        ``build_facts``, ``subjects`` and ``performance_samples``.
    subject : str
        Who is compared.
    """
    samples, facts = tables["performance_samples"], tables["build_facts"]
    control = samples.loc[samples["entry"] == "control", "subject_id"]
    if not len(control):
        return []
    reference = str(control.iloc[0])
    return [
        *_optimisation(facts, subject, reference),
        *_other_facts(facts, subject, reference),
        *_versions(tables["subjects"], subject, reference),
        *_libraries(facts, subject, reference),
    ]


def _observed(facts: pd.DataFrame, subject: str) -> dict[str, tuple[str, str]]:
    own = facts[facts["subject_id"] == subject]
    return {
        str(fact): (str(observed), str(evidence))
        for fact, observed, evidence in zip(own["fact"], own["observed"], own["evidence"], strict=True)
    }


def _optimisation(facts: pd.DataFrame, subject: str, reference: str) -> list[Cause]:
    mine, other = is_unoptimised(facts, subject), is_unoptimised(facts, reference)
    evidence = _observed(facts, subject).get(_UNOPTIMISED, ("", ""))[1]
    behind = f" ({evidence})" if evidence else ""
    if mine and not other:
        text = f"It is built without profile-guided and link-time optimisation{behind}; the reference is not."
        return [Cause(text, True, "build_facts")]
    if mine:
        text = f"Like the reference, it is built without profile-guided and link-time optimisation{behind}."
        return [Cause(text, True, "build_facts")]
    if other:
        text = "The reference is built without profile-guided and link-time optimisation; this build is not."
        return [Cause(text, True, "build_facts")]
    return []


def _other_facts(facts: pd.DataFrame, subject: str, reference: str) -> list[Cause]:
    mine, other = _observed(facts, subject), _observed(facts, reference)
    found = []
    for fact, words in _WORDS.items():
        here, there = mine.get(fact, ("", ""))[0], other.get(fact, ("", ""))[0]
        if {here, there} == {YES, NO}:
            text = f"It has {words}, the reference has not." if here == YES else f"The reference has {words}."
            found.append(Cause(text, True, "build_facts"))
    return found


def _versions(subjects: pd.DataFrame, subject: str, reference: str) -> list[Cause]:
    versions = dict(zip(subjects["subject_id"], subjects["version"], strict=True))
    mine, other = str(versions.get(subject, "")), str(versions.get(reference, ""))
    if mine.split(".")[:2] == other.split(".")[:2]:
        return []
    text = (
        f"It is CPython {mine}, the reference {other}: how much of the difference is CPython's own, and how "
        "much the build's, these measurements cannot tell."
    )
    return [Cause(text, False, "subjects")]


def _libraries(facts: pd.DataFrame, subject: str, reference: str) -> list[Cause]:
    mine, other = _observed(facts, subject), _observed(facts, reference)
    differing = [
        f"{fact.removeprefix(_LIBRARY)} {here[0]} against {other[fact][0]}"
        for fact, here in mine.items()
        if fact.startswith(_LIBRARY) and fact in other and _known(here[0], other[fact][0])
    ]
    if not differing:
        return []
    text = f"Its libraries are others, which may tell in workloads that use them: {', '.join(differing)}."
    return [Cause(text, False, "build_facts")]


def _known(here: str, there: str) -> bool:
    return here != there and "unknown" not in (here, there) and bool(here and there)
