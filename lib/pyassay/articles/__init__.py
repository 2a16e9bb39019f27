"""Articles: what the notebooks show. One module per question; each method is one table or chart.

A notebook narrates and calls; the rules of :mod:`pyassay.verdicts` judge; this package words and draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

__all__ = ["article"]


def article(
    question: str, *, evidence: str | Path = "", policy: str = "default", subjects: Sequence[str] = ()
) -> Any:
    """Open the article on a question, and let charts and tables show themselves in the house style.

    Parameters
    ----------
    question : str
        One of :data:`pyassay.probes.QUESTIONS`.
    evidence : str or Path
        A recorded evidence set; empty: the interpreters of this machine are probed now.
    policy : str
        Name of a shipped policy, or the path of one.
    subjects : sequence of str
        Selectors, when probing now; empty: every interpreter found.

    Returns
    -------
    object
        The class ``Article`` of the module of that name: ``PortabilityArticle`` ...

    Raises
    ------
    UnknownQuestionError
        If no probe answers the question.
    EvidenceError, PolicyError, SelectorError
        If the evidence, the policy or a selector cannot be read.
    """
    from pyassay.evidence import EvidenceError, load
    from pyassay.gathering import gather
    from pyassay.probes import probe_module
    from pyassay.theme import enable
    from pyassay.verdicts.policy import Policy

    probe_module(question)
    chosen = Policy.load(policy)
    if evidence:
        found = load(evidence)
        if question not in found.manifest.questions:
            asked = ", ".join(found.manifest.questions)
            raise EvidenceError(f"{evidence}: holds nothing on {question}, only on {asked}")
    else:
        from pyassay.subjects import find

        found = gather(question, find(*subjects))
    enable()
    return import_module(f"pyassay.articles.{question}").Article(found, chosen)
