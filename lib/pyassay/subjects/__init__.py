"""Subjects: what the user typed, or nothing at all, turned into what is assayed."""

from pyassay.subjects.collection import Subjects
from pyassay.subjects.display import display_path, display_text
from pyassay.subjects.model import Confidence, Interpreter, Provenance, SubjectKind
from pyassay.subjects.selectors import SelectorError, find

__all__ = [
    "Confidence",
    "Interpreter",
    "Provenance",
    "SelectorError",
    "SubjectKind",
    "Subjects",
    "display_path",
    "display_text",
    "find",
]
