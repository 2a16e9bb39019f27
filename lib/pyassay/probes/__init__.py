"""Probes: observe a subject and return facts, never opinions.

Each question has one module with ``TABLES`` (the documented tables) and either ``probe(subject)`` (those
tables for one subject) or, where subjects are compared, ``measure(subjects, settings, progress=)`` (for all
of them: ``frames``, ``failed``: the reason by subject, and, if the subjects that the tables speak of are the
probe's own work, ``subjects``). It may have ``takes(subject)`` (whether the
question makes sense for it), ``probe_in(subject, place)`` (the same, in another place) and
``probe_host(subjects)`` (what belongs to the machine rather than to one subject).
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

__all__ = ["ABOUT_PYTHONS", "ABOUT_TOOLS", "QUESTIONS", "UnknownQuestionError", "probe_module"]

ABOUT_PYTHONS: tuple[str, ...] = ("portability", "compatibility", "performance", "security")
"""What is asked about the Pythons and artifacts that the reader names, unless he asks for something else."""

ABOUT_TOOLS: tuple[str, ...] = ("packaging", "installers", "backends")
"""What is asked about tools: they are fetched and put to work, with the reader's Pythons, so on request."""

QUESTIONS: tuple[str, ...] = ABOUT_PYTHONS + ABOUT_TOOLS
"""The questions that can be asked, in the order in which reports list them."""


class UnknownQuestionError(LookupError):
    """No probe answers this question."""


def probe_module(question: str) -> ModuleType:
    """Return the module that probes a question.

    Raises
    ------
    UnknownQuestionError
        If there is none; the message lists those there are.
    """
    if question not in QUESTIONS:
        raise UnknownQuestionError(f"{question}: no such question; there are: {', '.join(QUESTIONS)}")
    return import_module(f"pyassay.probes.{question}")
