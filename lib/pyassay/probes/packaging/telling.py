"""What a program that failed says, in one line: the one that names a library or a version, if any does."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

__all__ = ["telling_line", "worked", "works"]

_MAX_LINE = 300
_MAX_TEXT = 1 << 18
# Best first: a library or symbol version, a device, an import, any error.
_TELLING = (
    re.compile(r"version [`'\"]|GLIBC\w*_[\d.]|cannot open shared object|\.so[.\d]*: |No such library"),
    re.compile(r"failed to map segment|depends on |Depends:|[Ff][Uu][Ss][Ee]\b"),
    re.compile(
        r"No interpreter|could not find .*interpreter|env: .*No such file|ImportError|ModuleNotFoundError"
    ),
    re.compile(r"Error\b|error\b|Exception|refused|denied|not found|No such file|Read-only"),
)
_OWN_PATHS = re.compile(r"/tmp/pyassay-run-\d+/")  # noqa: S108
_MEI = re.compile(r"(_MEI|onefile_|appimage_extracted_|\.mount_)[A-Za-z0-9_-]+")
_INIT = re.compile(r"^\[FATAL tini \(\d+\)\] ")
_PROCESS = re.compile(r"\[PYI-\d+:")
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def telling_line(stderr: bytes, stdout: bytes = b"") -> str:
    """Return the line that says most, the last of the best kind; names made for one run are cut."""
    for output in (stderr, stdout):
        text = _ANSI.sub("", output[-_MAX_TEXT:].decode("utf-8", "replace"))
        lines = [" ".join(line.split()) for line in text.splitlines()]
        lines = [line for line in lines if line]
        for pattern in _TELLING:
            if found := [line for line in lines if pattern.search(line)]:
                return _short(found[-1])
        if lines:
            return _short(lines[-1])
    return "it said nothing"


def _short(line: str) -> str:
    line = "".join(sign if sign.isprintable() else "?" for sign in line)
    line = _PROCESS.sub("[PYI:", _INIT.sub("", line))
    return _MEI.sub(r"\1*", _OWN_PATHS.sub("", line))[:_MAX_LINE]


def _said(stdout: bytes) -> tuple[str, tuple[str, ...] | None]:
    text = stdout.decode("utf-8", "replace")
    for line in (text, *text.splitlines()):
        try:
            said = json.loads(line)
        except ValueError:
            continue
        if isinstance(said, dict) and isinstance(said.get("works"), list):
            return text, tuple(str(one) for one in said["works"])
    return text, None


def works(stdout: bytes, expected: Sequence[str]) -> tuple[str, ...]:
    """Return the parts of the project that said they work: of the patient's JSON, else the expected texts."""
    text, said = _said(stdout)
    return tuple(one for one in expected if one in text) if said is None else said


def worked(stdout: bytes, expected: Sequence[str]) -> bool:
    """Tell whether all that is expected was said."""
    return set(expected) <= set(works(stdout, expected))
