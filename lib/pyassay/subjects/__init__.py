"""Subjects: what the user typed, or nothing at all, turned into what is assayed.

The finder is imported when it is first asked for: whoever only shows names pays nothing for it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pyassay.subjects.display import display_path, display_text
from pyassay.subjects.model import Artifact, Confidence, Interpreter, Provenance, Subject, SubjectKind

if TYPE_CHECKING:
    from pyassay.subjects.collection import Subjects
    from pyassay.subjects.selectors import SelectorError, find

__all__ = [
    "Artifact",
    "Confidence",
    "Interpreter",
    "Provenance",
    "SelectorError",
    "Subject",
    "SubjectKind",
    "Subjects",
    "display_path",
    "display_text",
    "find",
]

_WHERE = {"Subjects": "collection", "SelectorError": "selectors", "find": "selectors"}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
