"""The catalogue of circumstances, as shipped."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pyassay.probes.packaging.rooms import Furniture

__all__ = ["ROOMS", "Circumstance", "catalogue"]

_OTHER_USER = "54321:54321"

ROOMS: dict[str, Furniture] = {
    "base": Furniture(),
    "read-only-home": Furniture(),
    "noexec": Furniture(tmp="noexec"),
    "nothing-writable": Furniture(tmp="none"),
    "other-user": Furniture(user=_OTHER_USER),
    "fuse": Furniture(devices=("/dev/fuse",), capabilities=("SYS_ADMIN",), user="0:0"),
}


@dataclass(frozen=True, slots=True)
class Circumstance:
    """One thing that may happen to an application.

    Attributes
    ----------
    key, title, why : str
    room : str
        Of :data:`ROOMS`.
    needs : tuple of str
        Commands of the project that it rests on.
    scope : str
        ``all`` or ``appimage``.
    """

    key: str
    title: str
    why: str
    room: str
    needs: tuple[str, ...]
    scope: str = "all"

    @property
    def only_for_the_patient(self) -> bool:
        """Whether a project without the patient's further commands cannot be asked it."""
        return any(need not in {"check", "help"} for need in self.needs)


@cache
def catalogue() -> tuple[Circumstance, ...]:
    """Return every circumstance, in the order of the report."""
    told = tomllib.loads(Path(__file__).with_name("circumstances.toml").read_text())
    return tuple(Circumstance(**{**entry, "needs": tuple(entry["needs"])}) for entry in told["circumstance"])
