"""Rules on what a packaged application carries and where it runs."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pyassay.elf.versions import version_key
from pyassay.verdicts.packaging_builds import (
    EVERYWHERE,
    FAILED,
    RAN,
    Build,
    Marked,
    first_failure,
    first_names,
    is_package,
    known,
    resting_on,
    unmeasured,
    why_not_run,
)
from pyassay.verdicts.packaging_criteria import Mark
from pyassay.verdicts.policy import PackagingPolicy

__all__ = ["REACH"]

# A folder of the artifact itself stands in the name: the library is inside.
_INSIDE = "$ORIGIN"
_MODULE = re.compile(r"ModuleNotFoundError|No module named|ImportError|PackageNotFoundError")
_SHARED_OBJECT = re.compile(r"cannot open shared object file|version `[\w.]+' not found")


def system_libraries(build: Build, policy: PackagingPolicy) -> Marked:
    """Mark whether the libraries of the system that it needs are inside."""
    if not known(build.row["elf_files"]):
        return _libraries_by_run(build)
    names = [str(name) for name in build.row["outside_libraries"]]
    lacking = [name for name in names if not EVERYWHERE.search(name) and _INSIDE not in name]
    carried = [
        str(row["library"])
        for row in build.tables.get("packaging_contents", ())
        if row["library"] != "sbom" and row["brought_by"] != "the Python"
    ]
    without = [run for run in build.counted if not run["has_libraries"]]
    lost = [run for run in without if run["outcome"] == FAILED and _lacks_library(str(run["error_line"]))]
    if lacking:
        value, told = f"{len(lacking)} lacking", f"It needs {first_names(lacking)} from outside"
        if is_package(build):
            told += "; the package names them, apt or dnf brings them"
            return Marked(Mark.BY_HAND, value, told, "packaging_builds")
        told += f", and carries {first_names(carried)}" if carried else ""
        mark = Mark.PARTLY if carried else Mark.NO
        return (
            resting_on(lost[0], mark, value, told) if lost else Marked(mark, value, told, "packaging_builds")
        )
    if lost and len(lost) == len(without):
        why = "Its files name nothing from outside, and yet a library was missing"
        return resting_on(lost[0], Mark.PARTLY, "", why)
    if carried:
        value, why = f"{len(set(carried))} inside", f"It carries {first_names(carried)}"
        return Marked(Mark.YES, value, why, "packaging_contents")
    why = "It needs no library beyond those of every Linux"
    return Marked(Mark.YES, "needs none", why, "packaging_builds")


def _libraries_by_run(build: Build) -> Marked:
    ran = next((run for run in build.counted if not run["has_libraries"] and run["outcome"] == RAN), None)
    if ran is None:
        why = "it could not be opened, and ran nowhere without the libraries"
        return unmeasured(why, "packaging_builds")
    return resting_on(ran, Mark.YES, "", f"It could not be opened, but it ran in {ran['environment']}")


def _lacks_library(error: str) -> bool:
    return bool(_SHARED_OBJECT.search(error)) and "GLIBC_" not in error


def python_dependencies(build: Build, policy: PackagingPolicy) -> Marked:
    """Mark whether the Python packages that it needs are inside and work."""
    ran = next((run for run in build.runs if run["outcome"] == RAN), None)
    if ran is not None:
        works = first_names([str(part) for part in ran["works"]], 4)
        told = f": {works}" if works else ""
        return resting_on(ran, Mark.YES, "", f"In {ran['environment']} everything worked{told}")
    failed = [run for run in build.runs if run["outcome"] == FAILED]
    lost = [
        run
        for run in failed
        if _MODULE.search(str(run["error_line"])) and not _SHARED_OBJECT.search(str(run["error_line"]))
    ]
    if lost:
        # Where the very Python is, nothing else can be to blame.
        run = next((run for run in lost if run["has_builder"]), lost[0])
        return resting_on(run, Mark.NO, "", f"In {run['environment']} a module could not be imported")
    why = (
        "it ran nowhere, and stopped before its dependencies were asked for" if failed else why_not_run(build)
    )
    return unmeasured(why, "packaging_runs")


def plain_container(build: Build, policy: PackagingPolicy) -> Marked:
    """Mark whether it runs in bare images of distributions."""
    bare = build.bare()
    if not bare:
        return unmeasured("no bare image was tried: " + why_not_run(build), "packaging_runs")
    ran = [run for run in bare if run["outcome"] == RAN]
    value = f"{len(ran)} of {len(bare)}"
    failed = first_failure(bare)
    if failed is None:
        return resting_on(
            ran[-1], Mark.YES, value, f"It ran in {first_names([str(run['environment']) for run in ran])}"
        )
    refused = f"{failed['environment']} refused it"
    if ran:
        return resting_on(
            failed,
            Mark.PARTLY,
            value,
            f"It ran in {first_names([str(run['environment']) for run in ran])}; {refused}",
        )
    others = [run for run in build.counted if run["outcome"] == RAN]
    if others:
        wants = _wants(others)
        told = f"Bare images refuse it; it runs once {wants} there, as in {others[0]['environment']}"
        return resting_on(failed, Mark.BY_HAND, value, told)
    return resting_on(failed, Mark.NO, value, f"It ran in no container of a distribution; {refused}")


def _wants(runs: Sequence[Mapping[str, Any]]) -> str:
    """Return what all environments had in which it ran: ``the very Python is``."""
    libraries = all(run["has_libraries"] for run in runs)
    if all(run["has_builder"] for run in runs):
        wanted = "the very Python"
    elif all(run["has_builder"] or run["has_python"] for run in runs):
        wanted = "the system's Python"
    elif libraries:
        return "the libraries are"
    else:
        return "something more is"
    return f"{wanted} and the libraries are" if libraries else f"{wanted} is"


def python(build: Build, policy: PackagingPolicy) -> Marked:
    """Mark whether a Python is inside."""
    carries = build.row["carries_python"]
    bare = build.bare()
    alone = next((run for run in bare if run["outcome"] == RAN), None)
    if not known(carries):
        if alone is None:
            why = "it could not be opened, and ran in no image without a Python"
            return unmeasured(why, "packaging_builds")
        return resting_on(alone, Mark.YES, "", f"It ran in {alone['environment']}, where no Python is")
    if carries:
        return Marked(
            Mark.YES, "", f"{build.row['python'] or 'An interpreter'} is inside", "packaging_builds"
        )
    if is_package(build):
        why = "No interpreter is inside; the package names the one that it needs, and apt brings it"
        return Marked(Mark.BY_HAND, "", why, "packaging_builds")
    failed, why = first_failure(bare), "No interpreter is inside"
    return resting_on(failed, Mark.NO, "", why) if failed else Marked(Mark.NO, "", why, "packaging_builds")


_DELIVERIES: Mapping[str, tuple[Mark, str]] = {
    "file": (Mark.YES, "One file, that is copied and started"),
    "folder": (Mark.YES, "A folder, that is copied (or unpacked) and started"),
    "package": (Mark.NO, "A package: apt or dnf puts it in place, as root"),
    "image": (Mark.NO, "An image: a container engine loads and starts it"),
}


def no_installer(build: Build, policy: PackagingPolicy) -> Marked:
    """Mark whether it needs no installer."""
    delivery = str(build.row["delivery"])
    if delivery not in _DELIVERIES:
        return unmeasured("how it is delivered is not known", "packaging_builds")
    mark, why = _DELIVERIES[delivery]
    return Marked(mark, delivery, why, "packaging_builds")


def one_file(build: Build, policy: PackagingPolicy) -> Marked:
    """Mark whether it is one file that is started."""
    delivery = str(build.row["delivery"])
    if delivery not in _DELIVERIES:
        return unmeasured("how it is delivered is not known", "packaging_builds")
    mark = Mark.YES if delivery == "file" else Mark.NO
    files = build.row["files"]
    count = f" of {int(files)} files" if known(files) and int(files) != 1 else ""
    return Marked(mark, delivery, f"It is a {delivery}{count}", "packaging_builds")


def start_up(build: Build, policy: PackagingPolicy) -> Marked:
    """Mark the warm start against ``python -m`` of the same program."""
    found = build.started("warm")
    if found is None:
        return unmeasured(_why_not_timed(build), "packaging_start_samples")
    low, high, ratio = found["ratio_low"], found["ratio_high"], found["ratio"]
    limit = policy.max_start_ratio
    where = {"command_id": build.id, "state": "warm", "what": str(found["what"])}
    if not known(low):
        value = f"{ratio:.2f}" if known(ratio) else ""
        return Marked(Mark.NOT_MEASURED, value, str(found["reason"]), "packaging_start_samples", where)
    mark = Mark.YES if high <= limit else Mark.NO if low > limit else Mark.PARTLY
    why = (
        f"A warm start takes {1000 * found['median_s']:.0f} ms, {ratio:.2f} times (95 %: {low:.2f} to "
        f"{high:.2f}) that of python -m; the limit is {limit:g}"
    )
    return Marked(mark, f"{ratio:.2f}", why, "packaging_start_samples", where)


def _why_not_timed(build: Build) -> str:
    return (
        "its start was not timed" if any(run["outcome"] == RAN for run in build.runs) else why_not_run(build)
    )


def environments(build: Build, policy: PackagingPolicy) -> Marked:
    """Mark in how many environments it ran."""
    counted = build.counted
    if not counted:
        return unmeasured(why_not_run(build), "packaging_runs")
    ran = [run for run in counted if run["outcome"] == RAN]
    value = f"{len(ran)} of {len(counted)}"
    failed = first_failure(counted)
    if failed is None:
        return Marked(Mark.YES, value, f"It ran in all {len(counted)} environments", "packaging_runs")
    if not ran:
        return resting_on(failed, Mark.NO, value, f"It ran in none of {len(counted)} environments")
    wheres = {str(run["distribution"]) for run in ran}
    if len(wheres) < len({run["distribution"] for run in counted}):
        told = f"It ran in {value} environments, all of them {first_names(sorted(wheres))}"
    else:
        told = f"It ran in {value} environments: where {_wants(ran)} there"
    return resting_on(failed, Mark.PARTLY, value, told)


def glibc(build: Build, policy: PackagingPolicy) -> Marked:
    """Mark the newest symbol version of glibc that anything inside needs."""
    if not known(build.row["elf_files"]):
        return unmeasured("it could not be opened", "packaging_builds")
    floor, outer = str(build.row["glibc_floor"]), str(build.row["outer_floor"])
    if not floor:
        return Marked(Mark.YES, "none", "Nothing inside needs a version of glibc", "packaging_builds")
    key = version_key(floor)
    within = key is not None and key <= (version_key(policy.max_glibc) or ())
    why = f"glibc {floor} is needed by {build.row['floor_set_by'] or 'a member'}"
    if outer and outer != floor:
        why += f"; the outer file alone says {outer}"
    return Marked(Mark.YES if within else Mark.NO, floor, why, "packaging_builds")


def foretold(build: Build, policy: PackagingPolicy) -> Marked:
    """Mark how often the static check was right."""
    asked = [run for run in build.runs if known(run["predicted"])]
    if not asked:
        return unmeasured("nothing was foretold of a run that was measured", "packaging_runs")
    wrong = [run for run in asked if bool(run["predicted"]) != (run["outcome"] == RAN)]
    value = f"{len(asked) - len(wrong)} of {len(asked)}"
    if not wrong:
        return Marked(Mark.YES, value, f"It agrees with all {len(asked)} runs", "packaging_runs")
    said = "that it runs" if wrong[0]["predicted"] else f"that it fails ({wrong[0]['predicted_why']})"
    why = f"In {wrong[0]['environment']} it said {said}"
    return resting_on(wrong[0], Mark.NO if len(wrong) == len(asked) else Mark.PARTLY, value, why)


REACH: Mapping[str, Callable[[Build, PackagingPolicy], Marked]] = {
    "system-libraries": system_libraries,
    "python-dependencies": python_dependencies,
    "plain-container": plain_container,
    "python": python,
    "no-installer": no_installer,
    "start-up": start_up,
    "environments": environments,
    "one-file": one_file,
    "glibc": glibc,
    "foretold": foretold,
}
"""By criterion."""
