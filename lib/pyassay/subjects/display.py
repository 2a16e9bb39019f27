"""How paths are shown to people."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["display_path", "display_text"]


def display_text(text: str) -> str:
    r"""Return text on one line, what is not printable escaped: ``\n``, ``\x1b``, ``\udcff``."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


def display_path(path: str | os.PathLike[str]) -> str:
    r"""Return a path for people: the home folder as ``~``, control characters and undecodable bytes escaped.

    >>> display_path("/opt/py\n<b>/bin/python3")
    '/opt/py\\n<b>/bin/python3'
    """
    shown = os.fspath(path)
    home = os.environ.get("HOME", "")
    if home.startswith("/") and home != "/":
        home_path = Path(home)
        if Path(shown).is_relative_to(home_path):
            shown = os.fspath(Path("~") / Path(shown).relative_to(home_path))
    return display_text(shown)
