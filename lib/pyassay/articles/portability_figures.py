"""The figures of the article on portability: from labelled rows to a chart and the sentence it proves."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import pandas as pd

from pyassay import charts
from pyassay.elf.versions import version_key
from pyassay.reference import distributions, glibc_releases

__all__ = ["families", "floors", "years"]

_LANDMARKS = ("centos:7", "debian:10", "almalinux:8", "debian:11", "almalinux:9", "debian:12", "debian:13")
_FIRST_YEAR = 2012
_LONG_NAMES = {"Amazon": "Amazon Linux", "Oracle": "Oracle Linux", "Rocky": "Rocky Linux"}
_DRAWN = (
    *("Debian", "Ubuntu", "Fedora", "openSUSE"),
    *("RHEL", "CentOS", "AlmaLinux", "Rocky", "Oracle", "Amazon", "Alpine"),
)

Chart = alt.LayerChart | alt.FacetChart


def floors(labelled: pd.DataFrame) -> Chart:
    """Draw glibc floors on the dates of those glibcs, beside those of well-known distributions.

    Parameters
    ----------
    labelled : DataFrame
        ``Python`` (label), ``hard`` and ``soft`` (numbers, empty: none), from top to bottom.
    """
    releases = glibc_releases()
    released = dict(zip(releases["version"], releases["release_date"], strict=True))
    points = labelled.melt(
        id_vars="Python", value_vars=["hard", "soft"], var_name="strength", value_name="version"
    )
    points["release_date"] = [str(released.get(version, "")) for version in points["version"]]
    points = points[points["release_date"] != ""].rename(columns={"Python": "label"})
    landmarks = distributions()
    landmarks = landmarks[(landmarks["distro"] + ":" + landmarks["version"]).isin(_LANDMARKS)]
    dates = [str(released.get(version, "")) for version in landmarks["libc_version"]]
    landmarks = landmarks.assign(release_date=dates).drop_duplicates("release_date")
    return charts.floors_by_date(
        points[["label", "version", "release_date", "strength"]],
        landmarks[["label", "release_date"]],
        finding=_floors_finding(points),
    )


def _floors_finding(points: pd.DataFrame) -> str:
    known = set(zip(points["version"], points["release_date"], strict=True))
    if not known:
        return "No Python here requires a version of glibc"
    ordered = sorted(known, key=lambda pair: version_key(pair[0]) or ())
    oldest, newest = (f"{number} ({day[:4]})" for number, day in (ordered[0], ordered[-1]))
    if oldest == newest:
        return f"All of these Pythons require glibc {oldest}"
    return f"What these Pythons require lies between glibc {oldest} and glibc {newest}"


def families(labelled: pd.DataFrame, *, rows: Sequence[str]) -> Chart:
    """Draw the oldest release of each distribution on which each Python runs.

    Parameters
    ----------
    labelled : DataFrame
        As :func:`pyassay.verdicts.portability.oldest_by_family` returns it, with ``Python`` for the subject,
        and ``release`` for the label of the release.
    rows : sequence of str
        Every label, from top to bottom.
    """
    cells = labelled.rename(columns={"Python": "label"})
    cells["oldest"] = [
        release.removeprefix(_LONG_NAMES.get(family, family)).replace("Leap", "").strip() or "none"
        for release, family in zip(cells["release"], cells["family"], strict=True)
    ]
    cells["year"] = cells["release_date"].str[:4]
    cells["coverage"] = _coverage(cells)
    cells.loc[cells["coverage"] == "not known", "oldest"] = "?"
    drawn = cells[cells["family"].isin(_DRAWN)]
    drawn = drawn.sort_values("family", key=lambda names: names.map(_DRAWN.index), kind="stable")
    columns = ["label", "family", "oldest", "year", "coverage"]
    return charts.runs_by_family(drawn[columns], rows=rows, finding=_families_finding(cells))


def _families_finding(cells: pd.DataFrame) -> str:
    totals = cells.groupby("label", sort=False)[["runs", "total", "unknown"]].sum()
    # Of what is not known at all nothing is said.
    totals = totals.loc[totals["unknown"] < totals["total"], ["runs", "total"]]
    ranked = sorted(
        ((int(runs), int(total), str(label)) for label, runs, total in totals.itertuples()),
        key=lambda item: -item[0],
    )
    if not ranked or not ranked[0][0]:
        return "None of the releases runs any of these Pythons"
    most, total, furthest = ranked[0]
    least, _, nearest = ranked[-1]
    finding = f"{furthest} reaches furthest: {most} of {total} releases run it"
    return finding if least == most else f"{finding}; {nearest} the least: {least}"


def years(labelled: pd.DataFrame, *, until: int, rows: Sequence[str]) -> Chart:
    """Draw on how many of the distributions released in each year each Python runs.

    Parameters
    ----------
    labelled : DataFrame
        As :func:`pyassay.verdicts.portability.matrix` returns it, with ``Python`` for the subject.
    until : int
        The last year drawn.
    rows : sequence of str
        Every label, from top to bottom.
    """
    dated = labelled[labelled["release_date"] != ""].rename(columns={"Python": "label"})
    dated = dated.assign(year=dated["release_date"].str[:4].astype(int))
    dated = dated[(dated["year"] >= _FIRST_YEAR) & (dated["year"] <= until)]
    counted = dated.assign(
        runs=dated["prediction"] == "runs", unknown=dated["prediction"] == "unknown", total=1
    )
    cells = counted.groupby(["label", "year"], sort=False, as_index=False)[["runs", "unknown", "total"]].sum()
    cells = cells.sort_values("year", kind="stable")
    cells = cells.sort_values("label", key=lambda labels: labels.map(list(rows).index), kind="stable")
    cells["coverage"] = _coverage(cells)
    finding = _years_finding(cells, until)
    cells["runs"] = cells["runs"].astype(str) + "/" + cells["total"].astype(str)
    return charts.runs_by_year(cells[["label", "year", "runs", "coverage"]], rows=rows, finding=finding)


def _years_finding(cells: pd.DataFrame, until: int) -> str:
    since: dict[str, int] = {}
    for label, group in cells.groupby("label", sort=False):
        if (group["coverage"] == "not known").all():
            continue
        refusing = group.loc[group["coverage"] != "all", "year"]
        since[str(label)] = int(refusing.max()) + 1 if len(refusing) else int(group["year"].min())
    if not since:
        return "There is nothing to draw: no subject could be read"
    first, last = min(since, key=since.__getitem__), max(since, key=since.__getitem__)
    if since[first] > until:
        return "No Python here runs on every glibc release of the last year"
    finding = f"{first} runs on every glibc release since {since[first]}"
    if since[last] > until:
        return f"{finding}; {last} is refused by some of the last year"
    return finding if since[last] == since[first] else f"{finding}, {last} only on those since {since[last]}"


def _coverage(cells: pd.DataFrame) -> list[str]:
    """Say how many of ``total`` releases run: all, some, none; or that of none of them it is known."""
    answers = []
    for total, runs, unknown in zip(cells["total"], cells["runs"], cells["unknown"], strict=True):
        if unknown == total:
            answers.append("not known")
        elif runs:
            answers.append("all" if runs == total else "some")
        else:
            answers.append("none")
    return answers
