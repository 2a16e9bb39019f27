"""What the probe of build backends is told."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from pyassay.probes.backends.catalogue import BACKENDS, UnknownBackendError, backend_named, normalised

__all__ = ["Settings", "SettingsError", "Wanted"]

_PIN = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)(?:==([A-Za-z0-9][A-Za-z0-9.!+_-]*))?")
_PROFILES = ("quick", "full")


class SettingsError(ValueError):
    """A setting is out of its range, or names what does not exist: one line."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A backend, and the version of it that is wanted; empty: the newest."""

    name: str
    version: str = ""

    @property
    def requirement(self) -> str:
        """Return it as pip reads it."""
        return f"{self.name}=={self.version}" if self.version else self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How to measure.

    Attributes
    ----------
    backends : tuple of str
        ``flit-core`` or ``flit-core==3.12.0``; empty: all of the catalogue, the newest of each.
    project : Path, optional
        A project of the reader's own, with a ``pyproject.toml``: it is copied, and built with the backend
        that it declares, and with the others where its metadata allow it.
    profile : {"quick", "full"}
        ``quick`` times frontends with two backends only, ``full`` with every one.
    minutes : float
        Of wall time for the timings; what does not fit is measured with fewer blocks.
    cache : Path, optional
        Where wheels and environments are kept; the user's cache folder unless given.
    repeats : int
        Blocks of timings at most.
    timeout_s : float
        Wall seconds that a single build may take.
    """

    backends: tuple[str, ...] = ()
    project: Path | None = None
    profile: str = "quick"
    minutes: float | None = None
    cache: Path | None = None
    repeats: int | None = None
    timeout_s: float = 120.0

    def __post_init__(self) -> None:
        if self.profile not in _PROFILES:
            raise SettingsError(f"profile is {self.profile!r}, not one of {', '.join(_PROFILES)}")
        if self.minutes is not None and not self.minutes >= 0:
            raise SettingsError("minutes has to be 0 or more")
        if self.repeats is not None and self.repeats < 1:
            raise SettingsError("repeats has to be at least 1")
        if not self.timeout_s > 0:
            raise SettingsError("timeout_s has to be more than 0")
        self.wanted()

    def wanted(self) -> tuple[Wanted, ...]:
        """Return the backends that are wanted, each once.

        Raises
        ------
        SettingsError
            If one is not known, or is no name with an exact version.
        """
        found: list[Wanted] = []
        for given in self.backends or tuple(one.name for one in BACKENDS):
            match = _PIN.fullmatch(given.replace(" ", ""))
            if match is None:
                raise SettingsError(f"{given!r}: write a backend as NAME or NAME==VERSION")
            try:
                backend_named(match[1])
            except UnknownBackendError as error:
                raise SettingsError(str(error)) from error
            one = Wanted(normalised(match[1]), match[2] or "")
            if one not in found:
                found.append(one)
        return tuple(found)

    @property
    def budget_s(self) -> float:
        """Return the wall seconds that timings may take."""
        if self.minutes is not None:
            return 60 * self.minutes
        return 90.0 if self.profile == "quick" else 600.0
