"""On which distribution does a Python run: predicted from symbol versions, of glibc and of libstdc++.

An executable stack is refused by glibc 2.41 and newer when a library is loaded by ``dlopen``, which is how a
module is imported; not for the executable and the libraries it starts with, and a stack that is executable
already stays so (NEWS of glibc 2.41).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

import pandas as pd

from pyassay.elf.versions import version_key
from pyassay.reference import supported
from pyassay.verdicts.requirements import AXES, Asked, Demand, Number, Requirement, text

__all__ = ["MATRIX_COLUMNS", "PREDICTIONS", "matrix", "oldest_by_family", "summary", "supported"]

PREDICTIONS = ("runs", "partial", "refused", "unknown")

MATRIX_COLUMNS = (
    "subject_id",
    "distro",
    "version",
    "label",
    "family",
    "channel",
    "libc",
    "libc_version",
    "release_date",
    "end_of_support",
    "supported",
    "prediction",
    "reason",
    "asks",
    "axis",
    "refused_modules",
    "needs_installed",
)
_FACTS = MATRIX_COLUMNS[1:10]
_PROFILE = ("libc", *dict.fromkeys(column for column, _ in AXES.values()))

_STACK_REFUSED_FROM = (2, 41)
_MEASURED_ON = "x86_64"
# Where glibc has no port, the table of distributions says nothing.
_MACHINES = ("x86_64", "aarch64", "i686", "armv7l", "ppc64le", "s390x", "riscv64")
_MODULES_SHOWN = 4
_LIBRARIES_SHOWN = 6


@dataclass(frozen=True, slots=True)
class _Outcome:
    """A prediction for all releases that have the same libraries."""

    prediction: str
    asks: str = ""
    has: str = ""
    axis: str = ""
    modules: int = 0

    @property
    def reason(self) -> str:
        """What is asked and what there is; the release is "it", so that rows group by reason."""
        return f"{self.asks}, and it {self.has}" if self.has else self.asks


def matrix(tables: Mapping[str, pd.DataFrame], distributions: pd.DataFrame, on: date) -> pd.DataFrame:
    """Predict for every subject and distribution whether the interpreter runs there.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        ``subjects``, ``files``, ``needs``, ``libraries`` and ``skipped`` of the portability probe.
    distributions : DataFrame
        As :func:`pyassay.reference.distributions` returns it.
    on : date
        The day that decides what is still supported.

    Returns
    -------
    DataFrame
        One row per subject and distribution: the distribution's columns; ``supported`` (nullable boolean);
        ``prediction``: ``runs``, ``partial`` (it starts, but ``refused_modules`` extension modules of the
        standard library, or libraries of an artifact, refuse to load), ``refused`` or ``unknown``;
        ``reason``, one sentence, and ``asks``, the half of it that says what is needed; ``axis``: which
        library decided (``glibc``, ``libstdc++``, ``libgcc``, ``zlib``, ``libc``, ``stack``, ``machine`` or
        empty); ``needs_installed``: the libraries
        that must be installed besides, separated by ``, ``. Installed packages play no part.
    """
    alive = supported(distributions, on).tolist()
    facts = {
        name: [text(cell) for cell in distributions[name]]
        if name in distributions
        else ["release"] * len(distributions)
        for name in _FACTS
    }
    systems = list(zip(*([text(cell) for cell in distributions[name]] for name in _PROFILE), strict=True))
    distinct = {system: dict(zip(_PROFILE, system, strict=True)) for system in systems}
    columns: dict[str, list[object]] = {name: [] for name in MATRIX_COLUMNS}
    for subject_id, asked in Asked.of_all(tables):
        by_system = {system: _predict(asked, has) for system, has in distinct.items()}
        found = [by_system[system] for system in systems]
        for name, cells in facts.items():
            columns[name] += cells
        columns["subject_id"] += [subject_id] * len(systems)
        columns["supported"] += alive
        columns["prediction"] += [outcome.prediction for outcome in found]
        columns["reason"] += [outcome.reason for outcome in found]
        columns["asks"] += [outcome.asks for outcome in found]
        columns["axis"] += [outcome.axis for outcome in found]
        columns["refused_modules"] += [outcome.modules for outcome in found]
        columns["needs_installed"] += [", ".join(asked.outside)] * len(systems)
    dtypes = {"supported": "boolean", "refused_modules": "int64"}
    return pd.DataFrame(
        {name: pd.Series(cells, dtype=dtypes.get(name, "str")) for name, cells in columns.items()}
    )


def _predict(asked: Asked, system: Mapping[str, str]) -> _Outcome:
    return _anywhere(asked) or _on(asked, system)


def _anywhere(asked: Asked) -> _Outcome | None:
    """Return the prediction for what no release makes a difference to; None: it does."""
    outcomes = (
        (asked.unreadable, "unknown", asked.unreadable, ""),
        (asked.contained, "runs", "it brings its own C library; only the kernel is the host's", ""),
        (not asked.native, "runs", "nothing in it is native code", ""),
        (
            asked.machine and asked.machine not in _MACHINES,
            "unknown",
            f"no distribution was measured on {asked.machine}",
            "machine",
        ),
        (asked.static, "runs", "its executable is static: it needs no C library of the system", ""),
        (not asked.libc, "unknown", "which C library it is made for is not known", "libc"),
    )
    for holds, prediction, asks, axis in outcomes:
        if holds:
            return _Outcome(prediction, asks, axis=axis)
    return None


def _on(asked: Asked, system: Mapping[str, str]) -> _Outcome:
    if asked.libc != system["libc"]:
        return _Outcome("refused", f"made for {asked.libc}", f"has {system['libc']}", "libc")
    return _on_musl(asked, system) if asked.libc == "musl" else _on_glibc(asked, system)


def _on_musl(asked: Asked, system: Mapping[str, str]) -> _Outcome:
    """Go by PEP 656: what was built with musl 1.2 runs with 1.2 and newer; nothing in a file tells more."""
    made, has = (_series(version) for version in (asked.libc_version, system["libc_version"]))
    if made is None or has is None or has < made:
        known = f"built with musl {asked.libc_version or 'of an unknown version'}"
        return _Outcome(
            "unknown",
            f"{known}, and musl has no symbol versions that could be compared",
            f"has {system['libc_version'] or 'an unknown version'}",
            "libc",
        )
    return _Outcome(
        "runs", f"built with musl {asked.libc_version} (PEP 656)", f"has {system['libc_version']}", ""
    )


def _series(version: str) -> tuple[int, ...] | None:
    found = version_key(".".join(version.split(".")[:2]))
    return found if found is not None and len(found) == 2 else None


def _on_glibc(asked: Asked, system: Mapping[str, str]) -> _Outcome:
    refused, unknown = _weigh(asked.start, asked, system, imported=False)
    if refused is not None:
        return refused
    if unknown is not None:
        return unknown
    failing: list[tuple[str, _Outcome, Number]] = []
    doubtful: _Outcome | None = None
    for file, demand in asked.modules.items():
        refused, unknown = _weigh(demand, asked, system, imported=True)
        if refused is not None:
            failing.append((file, refused, _newest(demand)))
        doubtful = doubtful or unknown
    if failing:
        names = [_module(file) for file, _, _ in failing]
        more = len(names) - _MODULES_SHOWN
        shown = ", ".join(names[:_MODULES_SHOWN]) + (f" and {more} more" if more > 0 else "")
        _, worst, _ = max(failing, key=lambda item: (item[1].axis != "stack", item[2]))
        if asked.whole:
            return _Outcome("refused", worst.asks, worst.has, worst.axis, len(names))
        noun = asked.module_noun
        plural = noun.replace("module", "modules").replace("library", "libraries")
        count = f"1 {noun} refuses" if len(names) == 1 else f"{len(names)} {plural} refuse"
        asks = f"{count} to load ({shown}): {worst.asks}"
        return _Outcome("partial", asks, worst.has, worst.axis, len(names))
    if doubtful is not None:
        return _Outcome(
            "unknown",
            doubtful.asks
            if asked.whole
            else f"it starts, but for one {asked.module_noun} it is not known: {doubtful.asks}",
            doubtful.has,
            doubtful.axis,
        )
    return _Outcome("runs", _conditions(asked))


def _weigh(
    demand: Demand, asked: Asked, system: Mapping[str, str], *, imported: bool
) -> tuple[_Outcome | None, _Outcome | None]:
    """Return why a system refuses what is loaded together, or else why that is not known."""
    unknown: _Outcome | None = None
    for family, (column, axis) in AXES.items():
        requirement = demand.newest.get(family)
        if requirement is None:
            continue
        has, asks = version_key(system[column]), _asks(requirement)
        if has is None:
            unknown = unknown or _Outcome("unknown", asks, "was not measured", axis)
        elif has < requirement.number:
            if family == "GCC" and asked.machine not in ("", _MEASURED_ON):
                # libgcc's versions differ by machine: aarch64 has a GCC_11.0 that x86_64 never had.
                unknown = unknown or _Outcome(
                    "unknown",
                    asks,
                    f"has {system[column]} on {_MEASURED_ON}, libgcc differs by machine",
                    axis,
                )
                continue
            return _Outcome("refused", asks, f"has {system[column]}", axis), None
    glibc = version_key(system["libc_version"])
    granted = not imported or bool(asked.start.stack)
    if demand.stack and not granted and glibc is not None and glibc >= _STACK_REFUSED_FROM:
        asks = f"{demand.stack} asks for an executable stack, which glibc refuses since 2.41"
        return _Outcome("refused", asks, f"has {system['libc_version']}", "stack"), None
    if demand.private and asked.libc_version != system["libc_version"]:
        asks = f"{demand.private} needs GLIBC_PRIVATE: its very glibc {asked.libc_version}".rstrip()
        unknown = unknown or _Outcome("unknown", asks, f"has {system['libc_version']}", "glibc")
    if demand.unordered:
        unknown = unknown or _Outcome("unknown", demand.unordered, "may or may not have it", "")
    if demand.unread:
        unknown = unknown or _Outcome("unknown", f"{demand.unread} could not be read")
    return None, unknown


def _asks(requirement: Requirement) -> str:
    return f"{requirement.file} needs {requirement.written}"


def _newest(demand: Demand) -> Number:
    return max((requirement.number for requirement in demand.newest.values()), default=())


def _module(file: str) -> str:
    """Return the name by which a module is imported: ``_ssl``."""
    name = file.rpartition("/")[2]
    return name.partition(".")[0] or name


def _conditions(asked: Asked) -> str:
    conditions = []
    if asked.outside:
        more = len(asked.outside) - _LIBRARIES_SHOWN
        listed = ", ".join(asked.outside[:_LIBRARIES_SHOWN]) + (f" and {more} more" if more > 0 else "")
        conditions.append(f"provided that {listed} can be installed there")
    if asked.machine not in ("", _MEASURED_ON):
        conditions.append(f"judged by what the distribution has on {_MEASURED_ON}")
    return "; ".join(conditions)


def oldest_by_family(found: pd.DataFrame) -> pd.DataFrame:
    """Return for each subject and distribution family the oldest release on which it runs.

    Parameters
    ----------
    found : DataFrame
        As :func:`matrix` returns it.

    Returns
    -------
    DataFrame
        ``subject_id``, ``family``, ``label`` and ``version`` (empty: none runs), ``release_date``,
        ``supported_total``, ``supported_runs``, ``total``, ``runs``, ``unknown`` (releases). Development
        branches and moving names do not count.
    """
    names = ("label", "version", "release_date")
    numbers = ("supported_total", "supported_runs", "total", "runs", "unknown")
    rows: list[dict[str, object]] = []
    for key, group in _grouped(found, ["subject_id", "family"]):
        running = [row for row in group if row["prediction"] == "runs"]
        alive = [row for row in group if row["supported"] is True]
        oldest = min(
            running, key=lambda row: (not row["release_date"], str(row["release_date"])), default=None
        )
        rows.append(
            dict(zip(("subject_id", "family"), key, strict=True))
            | {name: "" if oldest is None else oldest[name] for name in names}
            | {
                "supported_total": len(alive),
                "supported_runs": sum(row["prediction"] == "runs" for row in alive),
                "total": len(group),
                "runs": len(running),
                "unknown": sum(row["prediction"] == "unknown" for row in group),
            }
        )
    return _typed(rows, ("subject_id", "family", *names), numbers)


def summary(found: pd.DataFrame) -> pd.DataFrame:
    """Return one row per subject: on how much of what there is it runs, and how far back.

    Parameters
    ----------
    found : DataFrame
        As :func:`matrix` returns it.

    Returns
    -------
    DataFrame
        ``subject_id``; ``runs``, ``partial``, ``refused``, ``unknown`` (releases); ``supported_total``,
        ``supported_runs`` (releases in regular support); ``oldest``, ``oldest_date``: the oldest dated
        release that runs; ``every_since``: the date from which on every dated release runs (empty: not even
        the newest); ``except_for``: those released since ``oldest_date`` that do not run, between commas.
        Only releases with the subject's own C library count (where one at least is not refused for it);
        development branches and moving names do not.
    """
    names = ("oldest", "oldest_date", "every_since", "except_for")
    numbers = (*PREDICTIONS, "supported_total", "supported_runs")
    rows: list[dict[str, object]] = []
    for (subject_id,), every in _grouped(found, ["subject_id"]):
        foreign = {row["libc"] for row in every if row["prediction"] == "refused" and row["axis"] == "libc"}
        group = [row for row in every if row["libc"] not in foreign]
        dated = sorted(
            (row for row in group if row["release_date"]), key=lambda row: str(row["release_date"])
        )
        running = [row for row in dated if row["prediction"] == "runs"]
        failing = [row for row in dated if row["prediction"] != "runs"]
        oldest_date = str(running[0]["release_date"]) if running else ""
        last_failure = str(failing[-1]["release_date"]) if failing else ""
        alive = [row for row in group if row["supported"] is True]
        rows.append(
            {
                "subject_id": subject_id,
                "oldest": running[0]["label"] if running else "",
                "oldest_date": oldest_date,
                "every_since": next(
                    (str(row["release_date"]) for row in dated if str(row["release_date"]) > last_failure), ""
                ),
                "except_for": ", ".join(
                    str(row["label"])
                    for row in failing
                    if oldest_date and str(row["release_date"]) >= oldest_date
                ),
                **{name: sum(row["prediction"] == name for row in group) for name in PREDICTIONS},
                "supported_total": len(alive),
                "supported_runs": sum(row["prediction"] == "runs" for row in alive),
            }
        )
    return _typed(rows, ("subject_id", *names), numbers)


def _grouped(
    found: pd.DataFrame, keys: list[str]
) -> Iterable[tuple[tuple[object, ...], list[dict[str, object]]]]:
    groups: dict[tuple[object, ...], list[dict[str, object]]] = {}
    wanted = ["subject_id", "family", "label", "version", "channel", "libc", "release_date", "supported"]
    columns = [*wanted, "prediction", "axis"]
    for cells in zip(*(found[name].tolist() for name in columns), strict=True):
        row = dict(zip(columns, cells, strict=True))
        if row["channel"] in ("release", "rolling"):
            groups.setdefault(tuple(row[key] for key in keys), []).append(row)
    return groups.items()


def _typed(rows: list[dict[str, object]], texts: tuple[str, ...], numbers: tuple[str, ...]) -> pd.DataFrame:
    return pd.DataFrame(
        {name: pd.Series([row[name] for row in rows], dtype="str") for name in texts}
        | {name: pd.Series([row[name] for row in rows], dtype="int64") for name in numbers}
    )
