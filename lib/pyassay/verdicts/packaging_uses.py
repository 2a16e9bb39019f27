"""A verdict by use: which form, of those that were built and run, is the one for a purpose."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from pyassay.verdicts.packaging_builds import BUILT, Build, first_names, known, shown_names
from pyassay.verdicts.packaging_criteria import Mark, criterion
from pyassay.verdicts.packaging_marks import builds, marks
from pyassay.verdicts.policy import Policy

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["USES", "USE_COLUMNS", "Use", "by_use"]

USE_COLUMNS = ("use", "title", "winners", "headline", "reasons", "but", "runners_up", "left_out", "rule")
# What the name of a form says already.
_PLAIN = frozenset({"one-file", "no-installer", "python"})
# What no use asks for, and a chooser should know.
_CAVEATS = ("openssl", "first-start", "reproducible", "sbom", "licence", "maintained")
_RUNNERS_UP = 3
_YES = (Mark.YES,)
_NEARLY = (Mark.YES, Mark.PARTLY)
_EASY = (Mark.YES, Mark.BY_HAND)


@dataclass(frozen=True, slots=True)
class Use:
    """One purpose.

    Attributes
    ----------
    key, title : str
    requires : tuple of (str, tuple of Mark)
        Criteria with the marks that will do; all of them.
    prefers : tuple of str
        Keys of :data:`_PREFERENCES`, the weightiest first.
    place : str
        Of :data:`_PLACES`: where it must have run; empty: the criteria say that.
    """

    key: str
    title: str
    requires: tuple[tuple[str, tuple[Mark, ...]], ...]
    prefers: tuple[str, ...]
    place: str = ""


USES: tuple[Use, ...] = (
    Use(
        "customers",
        "One file for customers on unknown Linux",
        (
            ("one-file", _YES),
            ("python", _YES),
            ("system-libraries", _YES),
            ("environments", _YES),
            ("glibc", _YES),
        ),
        ("start", "size"),
    ),
    Use(
        "folder",
        "An archive for customers on unknown Linux",
        (
            ("no-installer", _YES),
            ("python", _YES),
            ("system-libraries", _YES),
            ("environments", _YES),
            ("glibc", _YES),
        ),
        ("start", "size"),
    ),
    Use(
        "own-servers",
        "Our own servers with one Debian release",
        (("exit-code", _YES), ("sigterm", _YES), ("updates", _NEARLY)),
        ("updates", "start", "size"),
        "one release",
    ),
    Use(
        "container",
        "In a container image, read-only and as another user",
        (
            ("plain-container", _YES),
            ("read-only", _YES),
            ("other-user", _YES),
            ("exit-code", _YES),
            ("sigterm", _YES),
        ),
        ("start", "size"),
        "copied",
    ),
    Use(
        "locked",
        "A hardened server: nothing may be executed in /tmp",
        (("environments", _NEARLY), ("noexec-tmp", _YES), ("other-user", _YES), ("unpacks-nothing", _YES)),
        ("reach", "start"),
    ),
    Use(
        "desktop",
        "A desktop download without root",
        (("one-file", _YES), ("python", _YES), ("environments", _NEARLY), ("leaves-nothing", _NEARLY)),
        ("reach", "size", "start"),
    ),
    Use(
        "internal",
        "An internal tool on machines that have the very Python",
        (("no-installer", _YES), ("python-dependencies", _YES)),
        ("size", "start"),
        "with the Python",
    ),
    Use(
        "scripts",
        "A command that scripts start again and again",
        (("start-up", _YES), ("environments", _NEARLY), ("exit-code", _YES), ("unpacks-nothing", _YES)),
        ("start", "reach"),
    ),
    Use(
        "rebuilt",
        "A release that others must be able to rebuild",
        (("reproducible", _EASY), ("environments", _NEARLY)),
        ("reach", "start"),
    ),
)
"""The purposes that the article begins with."""


def _start(build: Build) -> float:
    found = build.started("warm")
    return float(found["ratio"]) if found and known(found["ratio"]) else math.inf


def _size(build: Build) -> float:
    return float(build.row["size_bytes"]) if known(build.row["size_bytes"]) else math.inf


def _refusals(build: Build) -> float:
    counted = build.counted
    return sum(run["outcome"] != "ran" for run in counted) / len(counted) if counted else math.inf


_PREFERENCES: Mapping[str, tuple[str, Callable[[Build], float]]] = {
    "start": ("starts fastest", _start),
    "size": ("is the smallest", _size),
    "reach": ("runs in most environments", _refusals),
    "updates": ("has its libraries updated by the system", lambda build: 0.0),
}
_ORDER = tuple(str(mark) for mark in (Mark.YES, Mark.PARTLY, Mark.BY_HAND, Mark.NO, Mark.NOT_MEASURED))


def _in_one_release(build: Build) -> bool:
    return any(run["outcome"] == "ran" for run in build.counted)


def _with_the_python(build: Build) -> bool:
    own = [run for run in build.runs if run["has_builder"]]
    return bool(own) and all(run["outcome"] == "ran" for run in own)


def _is_copied(build: Build) -> bool:
    return str(build.row["delivery"]) in ("file", "folder", "image")


_PLACES: Mapping[str, tuple[str, Callable[[Build], bool]]] = {
    "copied": ("is copied into an image, or is one", _is_copied),
    "one release": ("ran in some release", _in_one_release),
    "with the Python": ("ran wherever the very Python was brought", _with_the_python),
}


def by_use(
    tables: Mapping[str, pd.DataFrame], policy: Policy, on: date, marked: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Name the form for each purpose.

    What meets all requirements of a use is a candidate; the preferences order them. Start-ups whose
    intervals overlap are one and the same; then the next preference decides, and those that are still equal
    win together.

    Parameters
    ----------
    tables, policy, on, marked
        As for :func:`pyassay.verdicts.packaging.judge`.

    Returns
    -------
    DataFrame
        One row per use: ``use``, ``title``; ``winners`` (list of subject ids; empty: none will do),
        ``headline``, ``reasons`` (list of sentences, each with its evidence), ``but``
        (the same: what no requirement asks for, and is not as wished), ``runners_up`` (list of dicts:
        ``subject_id`` and ``why``), ``left_out`` (list of dicts: ``criterion``, ``count``: how many fail it)
        and ``rule`` (the requirements in words).
    """
    import pandas as pd

    found = builds(tables)
    marked = marks(tables, policy, on, found) if marked is None else marked
    by_subject: dict[str, dict[str, dict[str, Any]]] = {}
    for row in marked.to_dict("records"):
        own = by_subject.setdefault(str(row["subject_id"]), {})
        own[str(row["criterion"])] = {str(key): value for key, value in row.items()}
    labels = shown_names(tables)
    built = [build for build in found if build.row["status"] == BUILT]
    rows = [_of(use, built, by_subject, labels) for use in USES]
    return pd.DataFrame(rows, columns=list(USE_COLUMNS))


Marks = Mapping[str, Mapping[str, Mapping[str, Any]]]


def _of(use: Use, built: list[Build], marked: Marks, labels: Mapping[str, str]) -> dict[str, Any]:
    lacking = {build.id: _lacking(use, build, marked[build.id]) for build in built}
    will_do = [build for build in built if not lacking[build.id]]
    ordered = sorted(will_do, key=lambda build: _rank(use, build, marked[build.id], will_do))
    counts: dict[str, int] = {}
    for missing in lacking.values():
        for key in missing:
            counts[key] = counts.get(key, 0) + 1
    row: dict[str, Any] = {
        "use": use.key,
        "title": use.title,
        "rule": _rule(use),
        "left_out": [
            {"criterion": key, "count": count}
            for key, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        ],
    }
    if not ordered:
        return row | _nothing(use, built, lacking, marked, labels)
    best = _rank(use, ordered[0], marked[ordered[0].id], will_do)
    winners = [build for build in ordered if _rank(use, build, marked[build.id], will_do) == best]
    rest = [build for build in ordered if build not in winners]
    first = marked[winners[0].id]
    names = first_names([str(labels.get(build.id, build.id)) for build in winners], 4)
    return row | {
        "winners": [build.id for build in winners],
        "headline": f"{names}, {_figures(winners[0], first)}",
        "reasons": [_because(key, first[key]) for key, _ in use.requires if key not in _PLAIN],
        "but": [
            f"{first[key]['why']}."
            for key in _CAVEATS
            if key in first and first[key]["mark"] in (Mark.NO, Mark.BY_HAND)
        ],
        "runners_up": [
            {"subject_id": build.id, "why": _behind(use, build, winners[0], marked, will_do)}
            for build in rest[:_RUNNERS_UP]
        ],
    }


def _because(key: str, row: Mapping[str, Any]) -> str:
    # What was seen under a circumstance says little without its title.
    if row["table"] == "packaging_circumstances":
        return f"{criterion(key).title}: {row['mark']}."
    return f"{row['why']}."


def _lacking(use: Use, build: Build, marked: Mapping[str, Mapping[str, Any]]) -> list[str]:
    lacking = [
        key
        for key, enough in use.requires
        if key not in marked or marked[key]["theirs"] or marked[key]["mark"] not in set(enough)
    ]
    if use.place and not _PLACES[use.place][1](build):
        lacking.append(use.place)
    return lacking


def _rank(
    use: Use, build: Build, marked: Mapping[str, Mapping[str, Any]], field: list[Build]
) -> tuple[float, ...]:
    return tuple(_preference(name, build, marked, field) for name in use.prefers)


def _preference(
    name: str, build: Build, marked: Mapping[str, Mapping[str, Any]], field: list[Build]
) -> float:
    if name == "updates":
        return float(_ORDER.index(str(marked["updates"]["mark"])))
    if name == "start":
        return _start_class(build, field)
    return _PREFERENCES[name][1](build)


def _start_class(build: Build, field: list[Build]) -> float:
    """Return how many of the field certainly start faster: overlapping intervals are equal."""
    own = build.started("warm")
    if own is None or not known(own["ratio_low"]):
        return math.inf
    others = [other.started("warm") for other in field if other.id != build.id]
    return float(
        sum(
            1
            for other in others
            if other and known(other["ratio_high"]) and other["ratio_high"] < own["ratio_low"]
        )
    )


def _figures(build: Build, marked: Mapping[str, Mapping[str, Any]]) -> str:
    parts = []
    if marked["environments"]["value"]:
        parts.append(f"ran in {marked['environments']['value']}")
    if marked["start-up"]["value"]:
        parts.append(f"{marked['start-up']['value']} × python -m")
    if marked["size"]["value"]:
        parts.append(str(marked["size"]["value"]))
    return ", ".join(parts)


def _behind(use: Use, build: Build, winner: Build, marked: Marks, field: list[Build]) -> str:
    for name in use.prefers:
        ours = _preference(name, build, marked[build.id], field)
        best = _preference(name, winner, marked[winner.id], field)
        if ours > best:
            words = (
                _PREFERENCES[name][0].replace("is the smallest", "is smaller").replace("fastest", "faster")
            )
            return f"will do, but the first {words} (this one: {_figures(build, marked[build.id])})"
    return f"will do ({_figures(build, marked[build.id])})"


def _nothing(
    use: Use,
    built: list[Build],
    lacking: Mapping[str, list[str]],
    marked: Marks,
    labels: Mapping[str, str],
) -> dict[str, Any]:
    """Return that nothing will do, and what comes nearest."""
    if not built:
        return {"winners": [], "headline": "nothing was built", "reasons": [], "but": [], "runners_up": []}
    # What is known to fail weighs more than what nobody has tried.
    failing = {
        build.id: [key for key in lacking[build.id] if _is_known(key, marked[build.id])] for build in built
    }
    near = sorted(
        built,
        key=lambda build: (
            *(len(failing[build.id]), len(lacking[build.id])),
            *(_refusals(build), _start(build)),
        ),
    )
    best = near[0].id
    nearest = [
        build
        for build in near
        if (len(failing[build.id]), len(lacking[build.id])) == (len(failing[best]), len(lacking[best]))
    ][:_RUNNERS_UP]
    told = first_names([str(labels.get(build.id, build.id)) for build in nearest])
    said = "nothing here will do; nearest" if failing[best] else "not known: not all was measured; nearest"
    return {
        "winners": [],
        "headline": f"{said}: {told}",
        "reasons": [],
        "but": [],
        "runners_up": [
            {
                "subject_id": build.id,
                "why": "; ".join(_missing(key, marked[build.id]) for key in lacking[build.id]),
            }
            for build in nearest
        ],
    }


def _is_known(key: str, marked: Mapping[str, Mapping[str, Any]]) -> bool:
    return key in marked and not marked[key]["theirs"] and marked[key]["mark"] != Mark.NOT_MEASURED


def _missing(key: str, marked: Mapping[str, Mapping[str, Any]]) -> str:
    if key in _PLACES:
        return f"it is not seen that it {_PLACES[key][0]}"
    if key not in marked:
        return f"{criterion(key).title}: it was not tried"
    row = marked[key]
    return f"{criterion(key).title}: {row['mark']} ({row['error_line'] or row['why']})"


def _rule(use: Use) -> str:
    wanted = [
        f"{criterion(key).title}: {' or '.join(str(mark) for mark in enough)}" for key, enough in use.requires
    ]
    if use.place:
        wanted.append(_PLACES[use.place][0])
    order = ", then ".join(_PREFERENCES[name][0] for name in use.prefers)
    return f"{'; '.join(wanted)}. Of those, the one that {order}."
