"""Verdicts: rules that read observations, reference tables and a policy; no clock, no network."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from pyassay.verdicts.model import Level, Reason, Verdict, to_frame
from pyassay.verdicts.policy import Policy, PolicyError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd

    from pyassay.evidence import Evidence

__all__ = ["Level", "Policy", "PolicyError", "Reason", "Verdict", "judge", "judged", "to_frame"]


def judge(
    evidence: Evidence, policy: Policy | None = None, questions: Sequence[str] | None = None
) -> list[Verdict]:
    """Judge an evidence set, as of the day on which it was recorded.

    Parameters
    ----------
    evidence : Evidence
        Observations of one or more questions.
    policy : Policy, optional
        What is required; the shipped default when omitted.
    questions : sequence of str, optional
        Judge these only.

    Returns
    -------
    list of Verdict
        One per question and subject.
    """
    chosen = policy or Policy.load()
    verdicts: list[Verdict] = []
    for question in evidence.manifest.questions if questions is None else questions:
        rules = import_module(f"pyassay.verdicts.{question}")
        verdicts += rules.judge(evidence.about(question), chosen, evidence.manifest.on)
    return verdicts


def judged(evidence: Evidence, policy: Policy | str | Path = "default") -> pd.DataFrame:
    """Judge an evidence set and return the verdicts as a table: :func:`pyassay.judge`.

    Parameters
    ----------
    evidence : Evidence
        Observations of one or more questions.
    policy : Policy, str or Path
        What is required: a policy, the name of a shipped one, or the path of one.

    Returns
    -------
    DataFrame
        One row per question and subject: see :func:`to_frame`.
    """
    return to_frame(judge(evidence, policy if isinstance(policy, Policy) else Policy.load(policy)))
