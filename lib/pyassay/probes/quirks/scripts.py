"""The scripts that put the catalogue's questions to an interpreter, each as one text for its standard input.

A script is what stands in ``probes/guest/quirks``. Before it comes what every script has at hand
(``probes/guest/quirk.py``), then the parts of ``probes/guest/quirk_parts`` that its first line asks for::

    # with: terminal elf
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from pyassay.probes.quirks import CatalogueError
from pyassay.subjects.identity import guest_script

__all__ = ["assembled", "names", "part_names", "parts_of", "sources"]

_WITH = re.compile(rb"# *with: *([^\r\n]*)")


def names() -> tuple[str, ...]:
    """Return the names of the scripts that there are: one for each question of the catalogue."""
    return _names_in("quirks")


def part_names() -> tuple[str, ...]:
    """Return the names of the parts that scripts can ask for."""
    return _names_in("quirk_parts")


def assembled(name: str, token: str, given: Mapping[str, Any]) -> bytes:
    """Return all that an interpreter reads to answer one question.

    Parameters
    ----------
    name : str
        The question's name in the catalogue.
    token : str
        Stands before the answer on its line, so that nothing else that is printed is taken for it.
    given : mapping
        What is lent to the script, as plain values: see :mod:`pyassay.probes.quirks.backends`.

    Raises
    ------
    CatalogueError
        If there is no such script, or it asks for a part that there is not.
    """
    # ASCII: Python 2 takes nothing else from standard input.
    head = f"TOKEN, GIVEN = {token!r}, {dict(given)!a}".encode()
    return b"\n".join((head, *sources(name), b"_main(observe)\n"))


def sources(name: str) -> tuple[bytes, ...]:
    """Return what :func:`assembled` puts together: the prelude, the parts, and the script itself."""
    script = _script(name)
    return guest_script("quirk"), *(_part(part, name) for part in parts_of(script)), script


def parts_of(script: bytes) -> tuple[str, ...]:
    """Return the parts that a script asks for, in its first line."""
    asked = _WITH.match(script)
    return tuple(asked[1].decode("utf-8", "replace").split()) if asked else ()


def _script(name: str) -> bytes:
    if name not in names():
        raise CatalogueError(f"{name}: no such script in guest/quirks")
    return guest_script(f"quirks/{name}")


def _part(part: str, name: str) -> bytes:
    if part not in part_names():
        raise CatalogueError(f"guest/quirks/{name}.py: asks for the part {part!r}, of which there is no file")
    return guest_script(f"quirk_parts/{part}")


@cache
def _names_in(folder: str) -> tuple[str, ...]:
    there = files("pyassay.probes").joinpath("guest", folder).iterdir()
    return tuple(sorted(item.name.removesuffix(".py") for item in there if item.name.endswith(".py")))
