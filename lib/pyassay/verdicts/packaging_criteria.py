"""What a packaged application is judged by: the slides' six criteria, and those that stand beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from pyassay.probes.packaging.catalogue import catalogue
from pyassay.verdicts.model import Level

__all__ = ["CIRCUMSTANCES", "CRITERIA", "GROUPS", "SLIDES", "Criterion", "Mark", "criterion"]


class Mark(StrEnum):
    """How a criterion is answered."""

    YES = "yes"
    """As it comes."""
    PARTLY = "partly"
    """In some of the cases that were tried."""
    BY_HAND = "by hand"
    """After something that somebody must do: install a Python, set a variable."""
    NO = "no"
    NOT_MEASURED = "not measured"


@dataclass(frozen=True, slots=True)
class Criterion:
    """One question put to every build.

    Attributes
    ----------
    key : str
        What policies and tables call it.
    title : str
        For a reader: the answer "yes" is the one wished for.
    group : str
        A key of :data:`GROUPS`.
    rule : str
        When it is "yes", and when not, in a sentence.
    no_means : Level
        What "no" does to the verdict, unless the policy needs a "yes".
    """

    key: str
    title: str
    group: str
    rule: str
    no_means: Level = Level.GOOD


GROUPS: Mapping[str, str] = {
    "slides": "the slides' criteria",
    "reach": "where it runs",
    "cost": "what it costs",
    "circumstances": "under which circumstances",
    "inside": "what is inside",
    "tool": "the tool",
}
"""Groups of criteria in the order of the tables."""

_BAD, _CAUTION, _GOOD = Level.BAD, Level.CAUTION, Level.GOOD

SLIDES: tuple[Criterion, ...] = (
    Criterion(
        "system-libraries",
        "system libraries carried",
        "slides",
        "yes: every library that its files name is inside, but for those of every Linux; by hand: a package "
        "names them and its installer brings them; partly: some are inside; no: none.",
    ),
    Criterion(
        "python-dependencies",
        "Python dependencies carried",
        "slides",
        "yes: its check ran somewhere, with nothing installed for it but the Python; no: where its Python "
        "is, a module was missing or could not be imported.",
        _BAD,
    ),
    Criterion(
        "plain-container",
        "runs in a plain container",
        "slides",
        "yes: in every bare image of a distribution; partly: in some; by hand: in none of them, but once "
        "something was installed; no: nowhere.",
    ),
    Criterion(
        "python",
        "Python carried",
        "slides",
        "yes: an interpreter is inside; by hand: a package names it and its installer brings it; no: the "
        "target must have it.",
    ),
    Criterion(
        "no-installer",
        "no installer needed",
        "slides",
        "yes: a file or a folder that is copied; no: a package manager or a container engine puts it there.",
    ),
    Criterion(
        "start-up",
        "start-up is cheap",
        "slides",
        "yes: the interval of the ratio to `python -m` lies within the policy's limit; no: beyond it; "
        "partly: on both sides.",
        _CAUTION,
    ),
)
"""The slides' columns."""

# What goes wrong silently in production, unlike a program that refuses to start.
_SERIOUS = frozenset(
    {"arguments-and-stdin", "cwd", "exit-code", "pythonpath", "resource", "sigterm", "spawn"}
)

CIRCUMSTANCES: Mapping[str, Criterion] = {
    one.key: Criterion(
        one.key,
        one.title,
        "circumstances",
        f"yes: works; partly: differs; no: fails. {one.why}",
        _CAUTION if one.key in _SERIOUS else _GOOD,
    )
    for one in catalogue()
}
"""The circumstances that the probe tries, by their keys."""

_OURS: tuple[Criterion, ...] = (
    Criterion(
        "environments",
        "runs in every environment tried",
        "reach",
        "yes: wherever there is a distribution; partly: in some; no: nowhere. The empty image counts for "
        "nobody: it has no C library. An environment to which the very Python was brought counts only for "
        "forms that carry none.",
        _BAD,
    ),
    Criterion("one-file", "is one file", "reach", "yes: one file that is started; no: anything else."),
    Criterion(
        "glibc",
        "needs only an old glibc",
        "reach",
        "yes: the newest symbol version of all that is inside, payloads opened, is within the policy's.",
        _CAUTION,
    ),
    Criterion(
        "foretold",
        "the static check foretells it",
        "reach",
        "yes: it agrees with every run; partly: with some; no: with none.",
    ),
    Criterion("build-time", "builds quickly", "cost", "yes: within the policy's minutes."),
    Criterion("size", "is small", "cost", "yes: within the policy's megabytes.", _CAUTION),
    Criterion(
        "first-start",
        "the first start is quick, too",
        "cost",
        "yes: its median is within the policy's seconds; no: beyond.",
        _CAUTION,
    ),
    Criterion(
        "unpacks-nothing",
        "unpacks nothing at each start",
        "cost",
        "yes: a second start writes less than a megabyte; no: more.",
    ),
    Criterion(
        "leaves-nothing",
        "leaves nothing behind",
        "cost",
        "yes: the temporary folder is as before, even after SIGKILL; partly: but for SIGKILL; no: never.",
    ),
    Criterion(
        "reproducible",
        "builds to the same bytes twice",
        "inside",
        "yes: the same bytes; by hand: only with SOURCE_DATE_EPOCH; no: different bytes.",
    ),
    Criterion(
        "openssl",
        "no dead OpenSSL inside",
        "inside",
        "yes: none is inside, or all of branches with support on the day of the evidence; no: one has ended.",
        _CAUTION,
    ),
    Criterion(
        "updates",
        "somebody else updates its libraries",
        "inside",
        "yes: the system's package manager; by hand: whoever built it builds anew; partly: some of each.",
    ),
    Criterion("sbom", "bills of materials survive", "inside", "yes: at least one is inside; no: none."),
    Criterion(
        "licence",
        "the tool's licence asks nothing",
        "tool",
        "yes: permissive, or with an exception for what it builds; by hand: copyleft without, to be read.",
    ),
    Criterion(
        "maintained",
        "the tool is maintained",
        "tool",
        "yes: a release within three years; no: none, or its project says that it is dormant.",
        _CAUTION,
    ),
)

CRITERIA: Mapping[str, Criterion] = {
    one.key: one
    for one in (
        *SLIDES,
        *_OURS,
        *CIRCUMSTANCES.values(),
    )
}
"""Every criterion by its key, in the order of the tables."""


def criterion(key: str) -> Criterion:
    """Return a criterion; a circumstance that has no title here is called by its key."""
    return CRITERIA.get(key) or Criterion(
        key, key.replace("-", " "), "circumstances", "yes: works; partly: differs; no: fails."
    )
