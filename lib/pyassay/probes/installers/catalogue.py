"""The catalogue of claims: what the field says of installers, and how what was seen is named.

One section for each claim, in ``claims.toml`` and the files beside it whose names begin with ``claims_``. The
catalogue holds what was claimed and in which words it can be answered; whether a claim still holds is for
the rules.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

__all__ = ["CatalogueError", "Claim", "catalogue"]

_WORD = re.compile(r"[a-z][a-z0-9_]*")
_REQUIRED = frozenset({"title", "statement", "group", "source"})
_KEYS = _REQUIRED | {"answers", "claimed", "applies", "table"}


class CatalogueError(ValueError):
    """The catalogue is faulty: one line that names file, claim and key."""


@dataclass(frozen=True, slots=True)
class Claim:
    """One statement about installers, to be tried.

    Attributes
    ----------
    key : str
        Its section in the catalogue.
    title : str
        A few words for a table.
    statement : str
        What the field says, in words of our own: one sentence.
    group : str
        The group of probes that tries it: the name of its module.
    source : str
        Where it is said.
    answers : mapping of str to str
        Every answer that its probe can give, and what it means. Empty where no single answer exists: what
        was measured stands in ``table``.
    claimed : mapping of str to str
        By family (``uv``, ``pip``): the answer that the statement implies. None for a family: it says
        nothing of it.
    applies : tuple of str
        Families that it makes sense for; empty: all.
    table : str
        The table that holds what was measured.
    """

    key: str
    title: str
    statement: str
    group: str
    source: str
    answers: Mapping[str, str] = field(default_factory=dict)
    claimed: Mapping[str, str] = field(default_factory=dict)
    applies: tuple[str, ...] = ()
    table: str = "installer_answers"


@cache
def catalogue() -> Mapping[str, Claim]:
    """Return every claim by its key, in the order of the files.

    Raises
    ------
    CatalogueError
        If a file is faulty.
    """
    found: dict[str, Claim] = {}
    entries = (
        entry for entry in files(__package__).iterdir() if re.fullmatch(r"claims\w*\.toml", entry.name)
    )
    for entry in sorted(entries, key=lambda entry: entry.name):
        try:
            sections = tomllib.loads(entry.read_text(encoding="utf-8"))
        except tomllib.TOMLDecodeError as error:
            raise CatalogueError(f"{entry.name}: not TOML: {error}") from error
        for key, section in sections.items():
            if key in found:
                raise CatalogueError(f"{entry.name}: {key}: named twice")
            found[key] = _claim(key, section, f"{entry.name}: {key}")
    return found


def _claim(key: str, section: Mapping[str, Any], where: str) -> Claim:
    if not _WORD.fullmatch(key):
        raise CatalogueError(f"{where}: not a name of small letters, digits and _")
    if unknown := set(section) - _KEYS:
        raise CatalogueError(f"{where}: unknown key {sorted(unknown)[0]}")
    if missing := _REQUIRED - set(section):
        raise CatalogueError(f"{where}: {sorted(missing)[0]} is missing")
    answers, claimed = section.get("answers", {}), section.get("claimed", {})
    if bool(answers) == ("table" in section):
        raise CatalogueError(f"{where}: wants either answers or the table that holds what was measured")
    if answers and (odd := set(claimed.values()) - set(answers)):
        raise CatalogueError(f"{where}: claimed: {sorted(odd)[0]} is none of its answers")
    return Claim(
        key,
        section["title"],
        section["statement"],
        section["group"],
        section["source"],
        answers,
        claimed,
        tuple(section.get("applies", ())),
        section.get("table", "installer_answers"),
    )
