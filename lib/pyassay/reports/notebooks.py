"""Which notebook answers a question, and what a reader calls the question."""

from __future__ import annotations

__all__ = ["notebook_name", "question_title"]

_NAMES = {"backends": "build_backends"}
_TITLES = {"packaging": "Ways to ship", "installers": "Installers", "backends": "Build backends"}


def notebook_name(question: str) -> str:
    """Return the name of the notebook, and of the page that is made of it, without a suffix."""
    return _NAMES.get(question, question)


def question_title(question: str) -> str:
    """Return the heading under which the front page lists its verdicts."""
    return _TITLES.get(question, "Verdicts")
