"""Rules on what build backends make: whether two wheels of one project are the same, or what differs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from itertools import combinations
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["EQUAL_LEVELS", "disagreements", "equalities", "normalised_values"]

EQUAL_LEVELS = ("same bytes", "same files and metadata", "same files", "different")
"""How much alike two artifacts are, the most alike first."""

# They name the tool or the version of the form, never the project.
_OF_THE_TOOL = frozenset({"metadata-version"})
_COLUMNS = ["project", "artifact", "first", "second", "level", "differences"]


def normalised_values(field: str, values: list[str]) -> tuple[str, ...]:
    """Return a field's values so that equal meaning is equal text.

    >>> normalised_values("Requires-Dist", ["a >=1; python_version>='3.9'"])
    ('a>=1; python_version >= "3.9"',)
    """
    from packaging.requirements import InvalidRequirement, Requirement

    found = []
    for value in values:
        text = " ".join(value.split()) if field.lower() != "description" else value.strip()
        if field.lower() == "requires-dist":
            with suppress(InvalidRequirement):
                text = str(Requirement(text))
        elif field.lower() == "keywords":
            text = ",".join(sorted(part for part in re.split(r"[,\s]+", text) if part))
        elif field.lower() == "project-url":
            text = re.sub(r"\s*,\s*", ", ", text)
        found.append(text)
    return tuple(sorted(found))


def equalities(
    tables: Mapping[str, pd.DataFrame], project: str = "pure", artifact: str = "wheel"
) -> pd.DataFrame:
    """Compare what backends made of one project, each with each.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        ``backend_outputs``, ``backend_files``, ``backend_metadata``.
    project, artifact : str

    Returns
    -------
    DataFrame
        ``project``, ``artifact``, ``first``, ``second`` (ids of subjects), ``level`` (one of
        :data:`EQUAL_LEVELS`), ``differences`` (list of text).
    """
    import pandas as pd

    outputs = _of(tables["backend_outputs"], project, artifact)
    outputs = outputs[outputs["status"] == "built"]
    digests = dict(zip(outputs["subject_id"], outputs["sha256"], strict=True))
    files, fields = tables["backend_files"], tables["backend_metadata"]
    content = {one: _content(_of(files, project, artifact), one) for one in digests}
    about = {one: _about(_of(fields, project, artifact), one) for one in digests}
    rows = []
    for first, second in combinations(digests, 2):
        other_files = _differing(content[first], content[second])
        other_fields = _differing(about[first], about[second])
        if digests[first] == digests[second]:
            level = 0
        elif not other_files and not other_fields:
            level = 1
        else:
            level = 3 if other_files else 2
        rows.append(
            {
                "project": project,
                "artifact": artifact,
                "first": first,
                "second": second,
                "level": EQUAL_LEVELS[level],
                "differences": [*other_files, *other_fields],
            }
        )
    return pd.DataFrame(rows, columns=_COLUMNS)


def disagreements(
    tables: Mapping[str, pd.DataFrame], project: str = "pure", artifact: str = "wheel"
) -> pd.DataFrame:
    """Return in what backends disagree about one project, and who is with whom.

    Returns
    -------
    DataFrame
        ``what`` (a file or a field of metadata), ``value`` (what these have: of files a digest's begin;
        empty: they lack it), ``subjects`` (list of ids), the most frequent value of each first.
    """
    import pandas as pd

    outputs = _of(tables["backend_outputs"], project, artifact)
    subjects = list(outputs.loc[outputs["status"] == "built", "subject_id"])
    files = _of(tables["backend_files"], project, artifact)
    fields = _of(tables["backend_metadata"], project, artifact)
    by_subject: dict[str, dict[str, str]] = {}
    for one in subjects:
        about = {name: "; ".join(values) for name, values in _about(fields, one).items()}
        by_subject[one] = {**{name: sha[:12] for name, sha in _content(files, one).items()}, **about}
    rows = []
    for what in sorted({name for known in by_subject.values() for name in known}):
        groups: dict[str, list[str]] = {}
        for one, known in by_subject.items():
            groups.setdefault(known.get(what, ""), []).append(one)
        if len(groups) > 1:
            ordered = sorted(groups.items(), key=lambda item: -len(item[1]))
            rows += [{"what": what, "value": value, "subjects": who} for value, who in ordered]
    return pd.DataFrame(rows, columns=["what", "value", "subjects"])


def _of(frame: pd.DataFrame, project: str, artifact: str) -> pd.DataFrame:
    return frame[(frame["project"] == project) & (frame["artifact"] == artifact)]


def _content(files: pd.DataFrame, subject: str) -> dict[str, str]:
    own = files[(files["subject_id"] == subject) & (files["role"] != "metadata")]
    # A licence counts by its name and content, wherever a form of metadata puts it.
    names = own["path"].str.replace(r"^\.dist-info/(licenses/)?", "(licence) ", regex=True)
    return dict(zip(names, own["sha256"], strict=True))


def _about(fields: pd.DataFrame, subject: str) -> dict[str, tuple[str, ...]]:
    own = fields[(fields["subject_id"] == subject) & ~fields["field"].str.lower().isin(_OF_THE_TOOL)]
    return {
        # Names of fields are those of mail headers: Author-Email is Author-email.
        str(field).lower(): normalised_values(str(field), list(values))
        for field, values in zip(own["field"], own["values"], strict=True)
    }


def _differing(first: Mapping[str, object], second: Mapping[str, object]) -> list[str]:
    told = [f"{name}: only the first" for name in sorted(set(first) - set(second))]
    told += [f"{name}: only the second" for name in sorted(set(second) - set(first))]
    return told + [
        f"{name}: differs" for name in sorted(set(first) & set(second)) if first[name] != second[name]
    ]
