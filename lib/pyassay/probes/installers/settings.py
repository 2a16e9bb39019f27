"""What the probe of installers is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["GROUPS", "SETS", "RequirementSet", "Settings", "SettingsError"]

GROUPS = ("indexes", "locks", "environments", "pythons", "differences", "first_import", "speed")
"""The groups of probes, each a module of this package with that name, in the order in which they work.

Those without a module are left out. What can use any time that is left comes last.
"""


class SettingsError(ValueError):
    """A setting is out of its range, or names what does not exist: one line."""


@dataclass(frozen=True, slots=True)
class RequirementSet:
    """Distributions that are installed together.

    Attributes
    ----------
    name : str
    requirements : tuple of str
        Resolved once, when they are downloaded.
    imports : str
        The statement with which an application of them begins.
    meaning : str
        What it stands for.
    """

    name: str
    requirements: tuple[str, ...]
    imports: str
    meaning: str


SETS: Mapping[str, RequirementSet] = {
    one.name: one
    for one in (
        RequirementSet("small", ("click",), "import click", "one pure distribution"),
        RequirementSet(
            "web",
            ("fastapi", "uvicorn", "httpx", "sqlalchemy", "alembic", "jinja2", "pydantic-settings", "pyyaml"),
            "import fastapi, uvicorn, httpx, sqlalchemy.orm, alembic, jinja2, pydantic_settings, yaml",
            "a web application: some thirty distributions, a few with extensions",
        ),
        RequirementSet(
            "pure",
            ("django", "djangorestframework", "requests", "rich"),
            "import django.db.models, requests, rich.console",
            "few distributions of many modules, nearly all pure Python",
        ),
    )
}
"""Those that are known by name."""

_PROFILES = ("quick", "full")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How installers are put to the test.

    Attributes
    ----------
    installers : tuple of str
        ``uv==0.9.30``, ``uv`` (the newest in the registry), ``pip``, or the path of an executable of uv.
    groups : tuple of str
        Of :data:`GROUPS`.
    profile : {"quick", "full"}
        Quick: few blocks and trials, two requirement sets; full: all.
    budget_min : float
        Wall minutes for all groups, what is downloaded not counted; what does not fit is shortened.
    sets : tuple of RequirementSet or str, optional
        What is installed; the profile's unless given.
    latencies_ms : tuple of float, optional
        Of the index, before each answer; the profile's unless given.
    claims : tuple of str
        Only these; none: all.
    scratch : Path, optional
        Where to work; a temporary folder unless given. Hard links are possible only within one file system.
    """

    installers: tuple[str, ...] = ("uv==0.9.30", "uv", "pip")
    groups: tuple[str, ...] = GROUPS
    profile: str = "quick"
    budget_min: float | None = None
    sets: tuple[RequirementSet | str, ...] | None = None
    latencies_ms: tuple[float, ...] | None = None
    claims: tuple[str, ...] = ()
    scratch: Path | None = None
    seed: str = field(default="installers")

    def __post_init__(self) -> None:
        if self.profile not in _PROFILES:
            raise SettingsError(f"{self.profile}: no such profile; there are: {', '.join(_PROFILES)}")
        if unknown := set(self.groups) - set(GROUPS):
            raise SettingsError(f"{sorted(unknown)[0]}: no such group; there are: {', '.join(GROUPS)}")
        if not self.installers:
            raise SettingsError("installers: at least one is needed")
        if self.budget_min is not None and not self.budget_min > 0:
            raise SettingsError("budget_min has to be more than 0")
        for one in self.sets or ():
            if isinstance(one, str) and one not in SETS:
                raise SettingsError(f"{one}: no such requirement set; there are: {', '.join(SETS)}")

    @property
    def is_full(self) -> bool:
        """Whether everything is asked for."""
        return self.profile == "full"

    @property
    def budget_s(self) -> float:
        """Wall seconds for all groups."""
        return 60 * (self.budget_min if self.budget_min is not None else (15.0 if self.is_full else 3.0))

    @property
    def chosen_sets(self) -> tuple[RequirementSet, ...]:
        """What is installed."""
        named = self.sets or (tuple(SETS) if self.is_full else ("small", "web"))
        return tuple(SETS[one] if isinstance(one, str) else one for one in named)

    @property
    def chosen_latencies_ms(self) -> tuple[float, ...]:
        """Latencies of the index."""
        if self.latencies_ms is not None:
            return self.latencies_ms
        return (0.0, 50.0) if self.is_full else (0.0,)
