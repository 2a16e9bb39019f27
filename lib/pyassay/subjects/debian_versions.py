"""Versions of Debian packages, and their order: what ``dpkg --compare-versions`` does, on any system."""

from __future__ import annotations

import re

__all__ = ["version_key"]

_MAX_LENGTH = 200
_PARTS = re.compile(r"(\D*)(\d*)", re.ASCII)

Key = tuple[object, ...]


def version_key(version: str) -> tuple[int, Key, Key]:
    """Return a key that sorts versions as dpkg does (deb-version(7)).

    >>> version_key("1.0~rc1-1") < version_key("1.0-1") < version_key("1:0.5")
    True
    """
    epoch, colon, rest = version[:_MAX_LENGTH].strip().partition(":")
    if not colon:
        epoch, rest = "", epoch
    upstream, _, revision = rest.rpartition("-")
    if not upstream:
        upstream, revision = rest, ""
    return int(epoch) if epoch.isdecimal() else 0, _key(upstream), _key(revision)


def _key(text: str) -> Key:
    parts: list[object] = []
    for match in _PARTS.finditer(text or "0"):
        if match[0]:
            # What ends sorts before what goes on, but after "~".
            parts += [(*map(_weight, match[1]), 0), int(match[2] or 0)]
    return (*parts, (0,))


def _weight(letter: str) -> int:
    if letter == "~":
        return -1
    return ord(letter) + (0 if letter.isalpha() else 1 << 21)
