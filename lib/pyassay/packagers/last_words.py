"""Of all that a failed command said: the one line that tells why."""

from __future__ import annotations

import re

__all__ = ["hide_addresses", "telling_line"]

_LONGEST = 300
_LOOKED_AT = 400
# Best first; of each the last one, but of a compiler's the first: the others follow from it.
_FATAL = re.compile(
    r"\bfatal error: |error: command '|undefined reference to|cannot find -l|: command not found"
)
_TELLING = re.compile(r"^(?:\S*(?:Error|Exception)|ERROR|FATAL|[Ee]rror|fatal|E)\b:? ?\S|\berror: ")
# pip's frame around what really failed.
_FRAME = re.compile(
    r"subprocess-exited-with-error|metadata-generation-failed|exit code: "
    r"|^\s*(?:╰─>|note:|hint:|\[end of output\]|×)"
    r"|Failed to build one or more wheels|Could not build wheels|Failed building wheel|Failed to build '"
)
_ADDRESS = re.compile(
    r"\b[a-z][a-z0-9+.-]{1,20}://[^\s'\"<>)\]]+|(?<=host=')[^']*(?=')|(?<=host=\")[^\"]*(?=\")"
)


def telling_line(*said: str) -> str:
    """Return the line that tells why a command failed; empty if it said nothing.

    Parameters
    ----------
    *said : str
        Its streams, the likeliest to tell it first: standard error, then standard output.
    """
    candidates = [[_plain(line) for line in text.splitlines()[-_LOOKED_AT:]] for text in said]
    lines = [[line for line in one if line] for one in candidates]
    for one in lines:
        for line in one:
            if _FATAL.search(line) and not _FRAME.search(line):
                return _short(line)
    for one in lines:
        for line in reversed(one):
            if _TELLING.search(line) and not _FRAME.search(line):
                return _short(line)
    return next((_short(line) for one in lines for line in reversed(one) if not _FRAME.search(line)), "")


def hide_addresses(text: str) -> str:
    """Return a text with every address of a server left out."""
    return _ADDRESS.sub("(address)", text)


def _plain(line: str) -> str:
    line = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line).strip()
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in line)


def _short(line: str) -> str:
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"
