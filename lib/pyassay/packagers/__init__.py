"""Packagers: each packs one application in one or more forms. A module each, with the same three verbs."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from pyassay.packagers.model import Form, Packager

__all__ = ["PACKAGERS", "UnknownPackagerError", "forms", "packager"]

PACKAGERS: tuple[str, ...] = (
    "pex",
    "shiv",
    "zipapp",
    "pyinstaller",
    "nuitka",
    "cx_freeze",
    "dh_virtualenv",
    "appimage",
    "pyoxidizer",
    "by_hand",
    "nfpm",
    "image",
    "uv_tool",
    "venv_pack",
)
"""Every packager, the slides' six among them, in the order in which tables list them."""


class UnknownPackagerError(LookupError):
    """There is no packager of this name; one line that lists those there are."""


def packager(name: str) -> Packager:
    """Return the module of a packager.

    Raises
    ------
    UnknownPackagerError
        If there is none.
    """
    if name not in PACKAGERS:
        raise UnknownPackagerError(f"{name}: no such packager; there are: {', '.join(PACKAGERS)}")
    return cast("Packager", import_module(f"pyassay.packagers.{name}"))


def forms(names: tuple[str, ...] = PACKAGERS) -> tuple[Form, ...]:
    """Return every form of some packagers, in their order."""
    return tuple(form for name in names for form in packager(name).FORMS)
