"""The catalogue of quirks: what is asked of every interpreter, why it matters, and how an answer is read.

One TOML file for each consequence, one section for each quirk, one script of the same name in
``probes/guest/quirks``. The probe takes questions from here and observes; the levels are for the rules.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

__all__ = ["CONSEQUENCES", "CatalogueError", "Quirk", "Reading", "catalogue"]

CONSEQUENCES: Mapping[str, str] = {
    "environments": "Environments and installing",
    "extensions": "Building extensions",
    "embedding": "Embedding",
    "relocation": "Moving, copying and confining",
    "tls": "TLS and cryptography",
    "terminals": "Terminals and the prompt",
    "modules": "The standard library",
    "system": "Operating system",
    "debugging": "Debugging and profiling",
}
"""What a quirk is a nuisance for, in the order in which it is reported."""

LEVELS = ("good", "note", "caution", "bad")
_WORD = re.compile(r"[a-z][a-z0-9_]*")
_KEYS = frozenset(
    {"question", "why", "reference", "platforms", "timeout_s", "uses", "reproduce", "workaround", "answers"}
)
_REQUIRED = frozenset({"question", "why", "reference", "reproduce", "answers"})


class CatalogueError(ValueError):
    """The catalogue is faulty: one line that names file, quirk and key."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How one answer is read.

    Attributes
    ----------
    level : {"good", "note", "caution", "bad"}
        For a reader who has not said what is needed. A note is what many builds lack, plain ones too: it
        counts only where it is needed.
    means : str
        The answer in words.
    """

    level: str
    means: str


@dataclass(frozen=True, slots=True)
class Quirk:
    """One question to an interpreter.

    Attributes
    ----------
    id : str
        Its section in the catalogue and the name of its script.
    consequence : str
        One of :data:`CONSEQUENCES`.
    question, why : str
        In plain words; why it matters in production.
    answers : mapping of str to Reading
        Every answer that its script can give.
    reference : tuple of str
        Pages or issues that speak of it.
    reproduce : str
        A command for a shell; ``{python}`` stands for the executable.
    workaround : str
        What to do about it; empty: nothing is known.
    uses : tuple of str
        What a policy may need that a worse answer than good denies, besides the consequence itself.
    platforms : tuple of str
        Values of ``sys.platform`` for which it makes sense.
    timeout_s : float
        Wall seconds.
    """

    id: str
    consequence: str
    question: str
    why: str
    answers: Mapping[str, Reading]
    reference: tuple[str, ...]
    reproduce: str
    workaround: str = ""
    uses: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ("linux",)
    timeout_s: float = 15.0


@cache
def catalogue() -> Mapping[str, Quirk]:
    """Return every quirk by its id, in the order of the consequences and of their files.

    Raises
    ------
    CatalogueError
        If a file is faulty.
    """
    found: dict[str, Quirk] = {}
    for consequence in CONSEQUENCES:
        file = files(__name__).joinpath(f"{consequence}.toml")
        if not file.is_file():
            continue
        try:
            sections = tomllib.loads(file.read_text(encoding="utf-8"))
        except tomllib.TOMLDecodeError as error:
            raise CatalogueError(f"{consequence}.toml: not TOML: {error}") from error
        for name, section in sections.items():
            if name in found:
                raise CatalogueError(f"{consequence}.toml: {name}: named twice")
            found[name] = _quirk(name, consequence, section)
    return found


def _quirk(name: str, consequence: str, section: Mapping[str, Any]) -> Quirk:
    where = f"{consequence}.toml: {name}"
    if not _WORD.fullmatch(name):
        raise CatalogueError(f"{where}: not a name of small letters, digits and _")
    if unknown := set(section) - _KEYS:
        raise CatalogueError(f"{where}: unknown key {sorted(unknown)[0]}")
    if missing := _REQUIRED - set(section):
        raise CatalogueError(f"{where}: {sorted(missing)[0]} is missing")
    answers = {}
    for answer, reading in section["answers"].items():
        if set(reading) != {"level", "means"} or reading["level"] not in LEVELS:
            raise CatalogueError(f"{where}: answer {answer}: wants level ({', '.join(LEVELS)}) and means")
        answers[answer] = Reading(reading["level"], reading["means"])
    if not answers:
        raise CatalogueError(f"{where}: no answers")
    return Quirk(
        name,
        consequence,
        section["question"],
        section["why"],
        answers,
        tuple(section["reference"]),
        section["reproduce"],
        section.get("workaround", ""),
        tuple(section.get("uses", ())),
        tuple(section.get("platforms", ("linux",))),
        float(section.get("timeout_s", 15)),
    )
