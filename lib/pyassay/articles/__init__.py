"""Articles: what the notebooks show. One module per question; each method is one sentence, table or chart.

A notebook narrates and calls; the rules of :mod:`pyassay.verdicts` judge; this package words and draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyassay.articles.portability import PortabilityArticle

__all__ = ["portability"]


def portability(
    evidence: str | Path = "", *, policy: str = "default", subjects: Sequence[str] = ()
) -> PortabilityArticle:
    """Open the article on portability.

    Parameters
    ----------
    evidence : str or Path
        A recorded evidence set; empty: the interpreters of this machine are probed now.
    policy : str
        Name of a shipped policy, or the path of one.
    subjects : sequence of str
        Selectors, when probing now; empty: every interpreter found.
    """
    from pyassay.articles.portability import PortabilityArticle
    from pyassay.evidence import gather, load
    from pyassay.subjects import find
    from pyassay.verdicts.policy import Policy

    found = load(evidence) if evidence else gather("portability", find(*subjects))
    return PortabilityArticle(found, Policy.load(policy))
