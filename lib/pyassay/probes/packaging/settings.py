"""What a measurement of packaging is told: which packagers, what they pack, for which Pythons, how much."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from pyassay.packagers import PACKAGERS
from pyassay.packagers.model import InputKind

__all__ = ["PATIENTS", "PROFILES", "Settings", "SettingsError"]

PROFILES = ("quick", "full")
PATIENTS = ("full", "pure")
"""Projects of ours to pack: one with compiled parts and system libraries, one without."""


class SettingsError(ValueError):
    """A setting is out of its range, or names what does not exist: one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How to measure.

    Attributes
    ----------
    packagers : tuple of str
        Of :data:`pyassay.packagers.PACKAGERS`; all of them unless given.
    patient : str
        ``full``, ``pure``, or the folder of a project; empty: as the profile has it.
    pythons : tuple of str
        Ids of subjects that pack; empty: chosen by rule, see :mod:`pyassay.probes.packaging.pythons`.
    profile : {"quick", "full"}
        ``quick``: the pure patient, the forms that build in seconds, fewer starts.
    inputs : tuple of InputKind
        Where the wheels come from.
    start_minutes : float
        Wall minutes for timing starts.
    build_timeout_s : float
        Limit of each build, in seconds.
    containers : bool
        Whether to run artifacts in containers; else their rows say that this was not asked for.
    build_images : bool
        Whether base images that the engine lacks are built.
    repeats : bool
        Whether artifacts are built a second time and compared.
    anew : bool
        Build and measure again what is in the cache.
    cache : Path, optional
        The folder of cached builds and results; the user's cache unless given.
    """

    packagers: tuple[str, ...] = PACKAGERS
    patient: str = ""
    pythons: tuple[str, ...] = ()
    profile: str = "quick"
    inputs: tuple[InputKind, ...] = tuple(InputKind)
    start_minutes: float = 6.0
    build_timeout_s: float = 1800.0
    containers: bool = True
    build_images: bool = True
    repeats: bool = True
    anew: bool = False
    cache: Path | None = None

    def __post_init__(self) -> None:
        if unknown := [name for name in self.packagers if name not in PACKAGERS]:
            raise SettingsError(f"{unknown[0]}: no such packager; there are: {', '.join(PACKAGERS)}")
        if not self.packagers:
            raise SettingsError(f"no packager named; there are: {', '.join(PACKAGERS)}")
        if self.profile not in PROFILES:
            raise SettingsError(f"{self.profile}: no such profile; there are: {', '.join(PROFILES)}")
        kinds = [str(kind) for kind in InputKind]
        if unknown := [str(kind) for kind in self.inputs if str(kind) not in kinds]:
            raise SettingsError(f"{unknown[0]}: no such kind of wheels; there are: {', '.join(kinds)}")
        if not self.inputs:
            raise SettingsError(f"no kind of wheels named; there are: {', '.join(kinds)}")
        if not 0 <= self.start_minutes <= 24 * 60:
            raise SettingsError(f"{self.start_minutes} minutes for start-up: 0 to 1440 are possible")
        if self.build_timeout_s <= 0:
            raise SettingsError(f"{self.build_timeout_s} s for a build: more than nothing is needed")
        if self.patient and self.patient not in PATIENTS and not Path(self.patient).is_dir():
            raise SettingsError(f"{self.patient}: no folder, and none of {', '.join(PATIENTS)}")

    @property
    def project_folder(self) -> Path:
        """Return the folder of the project that is packed."""
        from pyassay.resources import share

        name = self.patient or ("pure" if self.profile == "quick" else "full")
        return share("data", "patient", name) if name in PATIENTS else Path(name).absolute()

    @property
    def cache_folder(self) -> Path:
        """Return the folder of the cache: ``PYASSAY_CACHE``, else the user's."""
        from platformdirs import user_cache_path

        if self.cache is not None:
            return self.cache.absolute()
        given = os.environ.get("PYASSAY_CACHE")
        return Path(given).absolute() if given else user_cache_path("pyassay")
