"""What a question that compares, or that makes its subjects itself, gives back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from pyassay.subjects.model import Artifact

__all__ = ["Measured"]


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured.

    Attributes
    ----------
    frames : dict of str to DataFrame
        By the names of the question's tables.
    failed : dict of str to str
        By the id of a subject of which nothing could be measured: the reason, one line.
    subjects : tuple of Artifact
        Those that the question made itself, measured or not: builds, installers, backends.
    """

    frames: Mapping[str, pd.DataFrame]
    failed: Mapping[str, str]
    subjects: tuple[Artifact, ...] = ()
