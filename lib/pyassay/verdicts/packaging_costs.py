"""Rules on what a packaged application costs, what is inside, how it behaves, and on the tool."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date

from pyassay.reference import load
from pyassay.verdicts.packaging_builds import (
    BUILT,
    EVERYWHERE,
    Build,
    Marked,
    first_names,
    known,
    stated_reason,
    unmeasured,
)
from pyassay.verdicts.packaging_criteria import Mark
from pyassay.verdicts.policy import PackagingPolicy

__all__ = ["COSTS", "OF_DAYS", "OF_TOOL", "circumstance"]

_UNPACKED_BYTES = 1_000_000
_RELEASE_DAYS = 3 * 365


def build_time(build: Build, policy: PackagingPolicy) -> Marked:
    """Mark the time of its build."""
    seconds = build.row["duration_s"]
    if not known(seconds):
        return unmeasured("its build was not timed", "packaging_builds")
    mark = Mark.YES if seconds <= 60 * policy.max_build_minutes else Mark.NO
    cached = ", in an earlier run" if known(build.row["cached"]) and build.row["cached"] else ""
    why = f"{seconds:.1f} s of wall and {build.row['cpu_s']:.1f} s of CPU time{cached}"
    return Marked(mark, f"{seconds:.1f} s", why, "packaging_builds")


def size(build: Build, policy: PackagingPolicy) -> Marked:
    """Mark its size."""
    count = build.row["size_bytes"]
    if not known(count):
        return unmeasured("its size is not known", "packaging_builds")
    megabytes = float(count) / 1e6
    mark = Mark.YES if megabytes <= policy.max_size_mb else Mark.NO
    return Marked(
        mark,
        f"{megabytes:.1f} MB",
        f"{megabytes:.1f} MB; the limit is {policy.max_size_mb:g}",
        "packaging_builds",
    )


def first_start(build: Build, policy: PackagingPolicy) -> Marked:
    """Mark the first start of a user."""
    found = build.started("first")
    if found is None or not known(found["median_s"]):
        why = str(found["reason"]) if found else "its first start was not timed"
        return unmeasured(why, "packaging_start_samples")
    seconds, limit = found["median_s"], policy.max_first_start_s
    warm = build.started("warm")
    beside = f"; a later one {warm['median_s']:.2f} s" if warm and known(warm["median_s"]) else ""
    mark = Mark.YES if seconds <= limit else Mark.NO
    why = f"The first start takes {seconds:.2f} s (median){beside}; the limit is {limit:g} s"
    where = {"command_id": build.id, "state": "first"}
    return Marked(mark, f"{seconds:.2f} s", why, "packaging_start_samples", where)


def unpacks_nothing(build: Build, policy: PackagingPolicy) -> Marked:
    """Mark what a second start writes."""
    rows = [row for row in build.tables.get("packaging_footprints", ()) if row["start"] == "second"]
    seen = [row for row in rows if known(row["temporary_bytes"])]
    if not seen:
        return unmeasured(stated_reason(rows, "what it writes was not measured"), "packaging_footprints")
    written = int(seen[0]["temporary_bytes"])
    mark = Mark.YES if written < _UNPACKED_BYTES else Mark.NO
    why = f"A second start writes {written / 1e6:.1f} MB to the temporary folder"
    return Marked(mark, f"{written / 1e6:.1f} MB", why, "packaging_footprints", {"start": "second"})


def leaves_nothing(build: Build, policy: PackagingPolicy) -> Marked:
    """Mark what stays in the temporary folder."""
    rows = list(build.tables.get("packaging_footprints", ()))
    left = [int(row["left_bytes"]) for row in rows if known(row["left_bytes"])]
    killed = [int(row["left_after_kill_bytes"]) for row in rows if known(row["left_after_kill_bytes"])]
    if not left:
        return unmeasured(stated_reason(rows, "what it leaves was not measured"), "packaging_footprints")
    if max(left) > 0:
        return Marked(Mark.NO, "", f"It leaves {max(left) / 1e6:.1f} MB at each end", "packaging_footprints")
    if killed and max(killed) > 0:
        why = f"SIGKILL leaves {max(killed) / 1e6:.1f} MB in the temporary folder"
        return Marked(Mark.PARTLY, "", why, "packaging_footprints")
    told = "" if killed else "; SIGKILL was not tried"
    return Marked(Mark.YES, "", f"The temporary folder is as before{told}", "packaging_footprints")


def reproducible(build: Build, policy: PackagingPolicy) -> Marked:
    """Mark whether two builds give the same bytes."""
    rows = list(build.tables.get("packaging_repeats", ()))
    seen = [row for row in rows if known(row["same"])]
    if not seen:
        return unmeasured(stated_reason(rows, "it was not built twice"), "packaging_repeats")
    same = [row for row in seen if row["same"]]
    plain = [row for row in seen if not row["epoch_set"]]
    differs = next((row for row in seen if not row["same"]), None)
    if not same and differs is not None:
        why = f"Two builds differ{': ' if differs['first_difference'] else ''}{differs['first_difference']}"
        return Marked(Mark.NO, "", why, "packaging_repeats")
    if plain and not any(row["same"] for row in plain):
        return Marked(Mark.BY_HAND, "", "The same bytes only with SOURCE_DATE_EPOCH", "packaging_repeats")
    told = "" if plain else ", with SOURCE_DATE_EPOCH"
    return Marked(Mark.YES, "", f"Two builds give the same bytes{told}", "packaging_repeats")


def updates(build: Build, policy: PackagingPolicy) -> Marked:
    """Mark who can replace the libraries that it runs with."""
    rows = [row for row in build.tables.get("packaging_contents", ()) if row["library"] != "sbom"]
    if not rows:
        outside = [str(name) for name in build.row["outside_libraries"] if not EVERYWHERE.search(str(name))]
        if not known(build.row["elf_files"]):
            return unmeasured("it could not be opened", "packaging_builds")
        told = f": {first_names(outside)}" if outside else ""
        return Marked(
            Mark.YES, "the system", f"It runs with the system's libraries{told}", "packaging_builds"
        )
    by = list(dict.fromkeys(str(row["updated_by"]) for row in rows))
    packaged = [one for one in by if _by_the_system(one)]
    mark = Mark.YES if len(packaged) == len(by) else Mark.PARTLY if packaged else Mark.BY_HAND
    return Marked(
        mark, first_names(by, 1), f"Its libraries are replaced by: {first_names(by)}", "packaging_contents"
    )


def _by_the_system(updated_by: str) -> bool:
    """Tell whether a package manager of the target does it, with no new build of anything."""
    return bool(re.match(r"(apt|dnf|the system)\b", updated_by)) and "build" not in updated_by


def sbom(build: Build, policy: PackagingPolicy) -> Marked:
    """Mark whether a bill of materials is inside."""
    rows = list(build.tables.get("packaging_contents", ()))
    bills = [row for row in rows if row["library"] == "sbom"]
    if bills:
        why = f"{len(bills)} inside: {first_names([str(row['path']) for row in bills], 1)}"
        return Marked(Mark.YES, str(len(bills)), why, "packaging_contents", {"library": "sbom"})
    if not known(build.row["elf_files"]):
        return unmeasured("it could not be opened", "packaging_builds")
    return Marked(Mark.NO, "0", "No bill of materials is inside", "packaging_contents")


def openssl(build: Build, on: date) -> Marked:
    """Mark the OpenSSL inside by its branch."""
    if not known(build.row["elf_files"]):
        return unmeasured("it could not be opened", "packaging_builds")
    rows = [row for row in build.tables.get("packaging_contents", ()) if row["library"] == "openssl"]
    if not rows:
        return Marked(
            Mark.YES, "none", "No OpenSSL is inside: the system's is used, if any", "packaging_contents"
        )
    table = load("openssl_branches")
    where = {"library": "openssl"}
    versions = list(dict.fromkeys(str(row["version"]) for row in rows))
    value = ", ".join(version or "?" for version in versions)
    if table.stale(on):
        return Marked(Mark.NOT_MEASURED, value, "the table of its branches is past its shelf life", "", where)
    ends = {str(row["branch"]): str(row["end_of_life"]) for row in table.frame.to_dict("records")}
    dead, unknown = [], []
    for row in rows:
        branch = next((one for one in ends if re.match(rf"{re.escape(one)}(\D|$)", str(row["version"]))), "")
        if not branch:
            unknown.append(str(row["version"]) or "a copy without a version")
        elif ends[branch] and ends[branch] < on.isoformat() and not _by_the_system(str(row["updated_by"])):
            # What a distribution still maintains in place is not dead, whatever upstream says.
            dead.append(f"{row['version']} ({row['brought_by']}; ended {ends[branch]})")
    if dead:
        why = f"It carries OpenSSL {first_names(dead)}"
        return Marked(Mark.NO, value, why, "packaging_contents", where)
    if unknown:
        return Marked(
            Mark.NOT_MEASURED,
            value,
            f"OpenSSL {first_names(unknown)} is of no known branch",
            "packaging_contents",
            where,
        )
    return Marked(
        Mark.YES, value, f"OpenSSL {value} is of branches with support", "packaging_contents", where
    )


def licence(build: Build, on: date) -> Marked:
    """Mark the licence of the tool."""
    told = str(build.row["licence"])
    source = str(build.row["licence_source"])
    if not told:
        if source:
            return Marked(Mark.YES, "none", source[:1].upper() + source[1:], "packaging_builds")
        return unmeasured("the tool does not say its licence", "packaging_builds")
    copyleft = re.search(r"\bA?L?GPL", told)
    excepted = re.search(r"exception|\bWITH\b|\bOR\b|except", f"{told} {source}")
    mark = Mark.BY_HAND if copyleft and not excepted else Mark.YES
    why = f"{told} ({source})" if source else told
    return Marked(mark, told, why, "packaging_builds")


def maintained(build: Build, on: date) -> Marked:
    """Mark whether somebody works on the tool."""
    table = load("packagers")
    rows = [row for row in table.frame.to_dict("records") if row["packager"] == str(build.row["packager"])]
    if not rows or table.stale(on):
        return unmeasured("nothing is known of its releases, or the table is past its shelf life")
    row = rows[0]
    if row["dormant_since"] and str(row["dormant_since"]) <= on.isoformat():
        why = f"{row['tool']}: dormant since {row['dormant_since']}, last release {row['last_release']}"
        return Marked(Mark.NO, "dormant", why)
    if not row["last_release"]:
        return unmeasured(f"{row['tool']}: it has no releases of its own, or their dates are not known")
    days = (on - date.fromisoformat(str(row["last_release"]))).days
    why = f"{row['tool']} {row['newest']} is of {row['last_release']}"
    return Marked(Mark.YES if days <= _RELEASE_DAYS else Mark.NO, str(row["last_release"]), why)


_OUTCOMES: Mapping[str, Mark] = {"works": Mark.YES, "differs": Mark.PARTLY, "fails": Mark.NO}


def circumstance(build: Build, key: str) -> Marked:
    """Mark how it behaves under one circumstance."""
    if build.row["status"] != BUILT:
        return unmeasured(f"{build.row['status']}: {build.row['reason']}".strip(": "), "packaging_builds")
    rows = [row for row in build.tables.get("packaging_circumstances", ()) if row["circumstance"] == key]
    seen = [row for row in rows if row["outcome"] in _OUTCOMES]
    where = {"circumstance": key}
    if not seen:
        why = next((str(row["seen"]) for row in rows if row["seen"]), "it was not tried")
        return Marked(Mark.NOT_MEASURED, "", why, "packaging_circumstances", where)
    worst = max(seen, key=lambda row: list(_OUTCOMES).index(str(row["outcome"])))
    mark = _OUTCOMES[str(worst["outcome"])]
    error = str(worst["seen"]) if mark is Mark.NO else ""
    return Marked(
        mark, "", str(worst["seen"]), "packaging_circumstances", where, str(worst["command"]), error
    )


COSTS: Mapping[str, Callable[[Build, PackagingPolicy], Marked]] = {
    "build-time": build_time,
    "size": size,
    "first-start": first_start,
    "unpacks-nothing": unpacks_nothing,
    "leaves-nothing": leaves_nothing,
    "reproducible": reproducible,
    "updates": updates,
    "sbom": sbom,
}
"""By criterion."""

OF_DAYS: Mapping[str, Callable[[Build, date], Marked]] = {"openssl": openssl}
"""Rules on what was built that depend on the day."""

OF_TOOL: Mapping[str, Callable[[Build, date], Marked]] = {"licence": licence, "maintained": maintained}
"""Rules on the tool, which hold of what could not be built, too."""
