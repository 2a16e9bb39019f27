"""Is what lies in an environment what the records say? After several installers worked in it at once."""

from __future__ import annotations

import base64
import csv
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

__all__ = ["State", "state_of"]

_VERSION_LINE = re.compile(r"VERSION = '([^']+)'")
# What pip and uv call what they have not moved to its place yet, or have moved away from it.
_LEFTOVER = re.compile(r"~|\.tmp|pip-|tmp")


@dataclass(frozen=True, slots=True)
class State:
    """What was found of one distribution in a site-packages folder.

    Attributes
    ----------
    records : tuple of str
        Its .dist-info folders.
    versions : tuple of str
        The versions that its modules say they are of.
    wrong, missing, foreign : int
        Files with another digest than recorded; recorded, but not there; there, but not recorded.
    leftovers : int
        Temporary files and folders beside it.
    """

    records: tuple[str, ...]
    versions: tuple[str, ...]
    wrong: int
    missing: int
    foreign: int
    leftovers: int

    @property
    def consistent(self) -> bool:
        """Whether one version lies there, whole, and nothing else of it."""
        return (
            len(self.records) == len(self.versions) == 1
            and self.versions[0] in self.records[0]
            and not (self.wrong or self.missing or self.foreign)
        )

    @property
    def seen(self) -> str:
        """What was found, in a line."""
        if not self.records:
            return "not installed"
        parts = [f"{len(self.records)} .dist-info", f"modules of {', '.join(self.versions) or 'no version'}"]
        for count, what in (
            (self.wrong, "files differ from their record"),
            (self.missing, "recorded files are missing"),
            (self.foreign, "files are in no record"),
            (self.leftovers, "temporary files are left"),
        ):
            parts += [f"{count} {what}"] if count else []
        return "; ".join(parts)


def state_of(site_packages: Path, name: str) -> State:
    """Compare the files of a distribution (whose package has its name) with its records."""
    records = sorted(site_packages.glob(f"{name}-*.dist-info"))
    known: set[Path] = set()
    wrong = missing = 0
    for folder in records:
        recorded = _recorded(folder)
        missing += 0 if recorded else 1
        for path, digest in recorded.items():
            file = site_packages / path
            known.add(file)
            if not file.is_file():
                missing += 1
            elif digest and _digest(file) != digest:
                wrong += 1
    modules = list((site_packages / name).glob("*.py"))
    found = (_VERSION_LINE.match(module.read_text(errors="replace")) for module in modules)
    leftovers = [path for path in site_packages.iterdir() if _LEFTOVER.match(path.name)]
    return State(
        tuple(path.name for path in records),
        tuple(sorted({one[1] for one in found if one})),
        wrong,
        missing,
        len([module for module in modules if module not in known]),
        len(leftovers),
    )


def _recorded(folder: Path) -> dict[str, str]:
    """Return digests by path; empty: there is no record."""
    try:
        with (folder / "RECORD").open(newline="", encoding="utf-8", errors="replace") as stream:
            rows = [row for row in csv.reader(stream) if len(row) == 3]
    except (OSError, csv.Error):
        return {}
    return {path: digest for path, digest, _ in rows if not path.endswith(".pyc")}


def _digest(path: Path) -> str:
    digest = hashlib.sha256(path.read_bytes()).digest()
    return "sha256=" + base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
