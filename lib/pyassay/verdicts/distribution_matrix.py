"""On which distribution does a Python run: predicted from symbol versions, of glibc and of libstdc++."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

import pandas as pd

from pyassay.elf.versions import version_key

__all__ = ["matrix", "oldest_by_family", "supported"]

_AXES = {
    "GLIBC": ("libc_version", "glibc"),
    "GLIBCXX": ("glibcxx_max", "libstdc++"),
    "CXXABI": ("cxxabi_max", "libstdc++"),
    "GCC": ("gcc_s_max", "libgcc"),
    "ZLIB": ("zlib_max", "zlib"),
}
# glibc 2.41 refuses to make the stack executable when it loads a library (bug 32653); 2.31 and 2.36 load it.
_STACK_REFUSED_FROM = (2, 41)
_RANK = {"runs": 0, "unknown": 1, "partial": 2, "refused": 3}

MATRIX_COLUMNS = (
    "subject_id",
    "distro",
    "version",
    "label",
    "family",
    "libc",
    "libc_version",
    "release_date",
    "end_of_support",
    "supported",
    "prediction",
    "reason",
    "axis",
    "refused_modules",
)


@dataclass(frozen=True, slots=True)
class _Requirement:
    """What one file asks of a system."""

    file: str
    runtime: bool
    axis: str
    column: str
    number: tuple[int, ...]
    written: str

    def against(self, system: Mapping[str, str]) -> str:
        """Say what is asked and what a system has."""
        return f"{self.file} needs {self.written}, and it has {system[self.column]}"


@dataclass(frozen=True, slots=True)
class _Outcome:
    prediction: str
    reason: str
    axis: str
    refused_modules: int


def supported(distributions: pd.DataFrame, on: date) -> pd.Series:
    """Tell for each distribution whether it is in regular support on a day.

    Returns
    -------
    Series of nullable boolean
        Rolling ones always are; missing where no end is known. A release later than the day is not.
    """
    day = on.isoformat()
    known = (distributions["end_of_support"] != "") | distributions["rolling"]
    alive = distributions["rolling"] | (distributions["end_of_support"] >= day)
    born = (distributions["release_date"] == "") | (distributions["release_date"] <= day)
    answers = [bool(yes) if sure else None for yes, sure in zip(alive & born, known, strict=True)]
    return pd.Series(answers, index=distributions.index, dtype="boolean")


def matrix(tables: Mapping[str, pd.DataFrame], distributions: pd.DataFrame, on: date) -> pd.DataFrame:
    """Predict for every subject and distribution whether the interpreter runs there.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        ``subjects``, ``files``, ``needs``, ``libraries`` of the portability probe.
    distributions : DataFrame
        As :func:`pyassay.reference.distributions` returns it.
    on : date
        The day that decides what is still supported.

    Returns
    -------
    DataFrame
        One row per subject and distribution: the distribution's columns, ``supported`` (nullable),
        ``prediction``, ``reason``, ``axis`` and ``refused_modules``. ``prediction`` is ``runs``; ``partial``:
        the interpreter starts, but so many extension modules of the standard library refuse to load;
        ``refused``; or ``unknown``. Installed packages play no part.
    """
    alive = supported(distributions, on)
    parts: list[pd.DataFrame] = []
    shown = distributions[
        ["distro", "version", "label", "family", "libc", "libc_version", "release_date", "end_of_support"]
    ]
    profile_columns = ["libc", *dict.fromkeys(column for column, _ in _AXES.values())]
    profiles = list(distributions[profile_columns].itertuples(index=False, name=None))
    for subject_id in tables["subjects"]["subject_id"]:
        subject = _Subject.of(str(subject_id), tables)
        outcomes = {
            profile: subject.on(dict(zip(profile_columns, profile, strict=True))) for profile in set(profiles)
        }
        found = [outcomes[profile] for profile in profiles]
        part = shown.assign(
            supported=alive,
            prediction=[outcome.prediction for outcome in found],
            reason=[outcome.reason for outcome in found],
            axis=[outcome.axis for outcome in found],
            refused_modules=[outcome.refused_modules for outcome in found],
        )
        part.insert(0, "subject_id", str(subject_id))
        parts.append(part)
    if not parts:
        kinds = {"supported": "boolean", "refused_modules": "int64"}
        return pd.DataFrame({name: pd.Series(dtype=kinds.get(name, "str")) for name in MATRIX_COLUMNS})
    return pd.concat(parts, ignore_index=True)[list(MATRIX_COLUMNS)]


@dataclass(frozen=True, slots=True)
class _Subject:
    """One subject's requirements, taken out of the tables once."""

    unreadable: str
    libc: str
    private: str
    requirements: tuple[_Requirement, ...]
    stacks: tuple[tuple[str, bool], ...]

    @staticmethod
    def of(subject_id: str, tables: Mapping[str, pd.DataFrame]) -> _Subject:
        files = tables["files"]
        files = files[(files["subject_id"] == subject_id) & (files["scope"] != "site")]
        if files.empty:
            error = tables["subjects"].set_index("subject_id")["error"].get(subject_id, "")
            return _Subject(str(error) or "none of its files could be read", "", "", (), ())
        runtime = set(files.loc[files["scope"] == "runtime", "file"])
        named = [libc for libc in files.loc[files["scope"] == "runtime", "libc"] if libc]
        needs = tables["needs"]
        needs = needs[
            (needs["subject_id"] == subject_id) & (needs["scope"] != "site") & ~needs["weak"].astype(bool)
        ]
        libraries = tables["libraries"]
        carried = libraries[(libraries["subject_id"] == subject_id) & libraries["inside"].astype(bool)]
        inside = set(zip(carried["file"], carried["soname"], strict=True))
        private = "".join(needs.loc[needs["version"] == "GLIBC_PRIVATE", "file"].head(1))
        stacks = files.loc[files["executable_stack"].fillna(value=False).astype(bool), "file"]
        return _Subject(
            "",
            named[0] if named else "",
            private,
            tuple(_requirements(needs, runtime, inside)),
            tuple((file, file in runtime) for file in stacks),
        )

    def on(self, system: Mapping[str, str]) -> _Outcome:
        """Predict on a system given by its C library and newest symbol versions."""
        if self.unreadable:
            return _Outcome("unknown", self.unreadable, "", 0)
        if self.libc and self.libc != system["libc"]:
            return _Outcome("refused", f"built for {self.libc}, this is {system['libc']}", "libc", 0)
        if self.libc == "musl":
            # musl has no symbol versions: an older one may lack a function, and no table says which.
            return _Outcome("unknown", "musl has no symbol versions that could be compared", "libc", 0)
        if self.private:
            return _Outcome(
                "unknown", f"{self.private} needs GLIBC_PRIVATE: its very glibc and no other", "glibc", 0
            )
        return self._weigh(system)

    def _weigh(self, system: Mapping[str, str]) -> _Outcome:
        refusing: dict[str, _Requirement] = {}
        unknown: _Requirement | None = None
        for requirement in self.requirements:
            has = version_key(system[requirement.column])
            if has is None:
                unknown = unknown or requirement
            elif has < requirement.number:
                known = refusing.get(requirement.file)
                if known is None or known.number < requirement.number:
                    refusing[requirement.file] = requirement
        glibc = version_key(system["libc_version"])
        stacks = [item for item in self.stacks if glibc is not None and glibc >= _STACK_REFUSED_FROM]
        for file, runtime in stacks:
            if runtime:
                return _Outcome(
                    "refused", f"{file} asks for an executable stack: refused since glibc 2.41", "stack", 0
                )
        main = max(
            (need for need in refusing.values() if need.runtime), key=lambda need: need.number, default=None
        )
        if main is not None:
            return _Outcome("refused", main.against(system), main.axis, 0)
        modules = sorted({*refusing, *(file for file, _ in stacks)})
        if modules:
            worst = max(refusing.values(), key=lambda need: need.number, default=None)
            count = (
                "1 standard module refuses"
                if len(modules) == 1
                else f"{len(modules)} standard modules refuse"
            )
            why = f"{modules[0]} asks for an executable stack" if worst is None else worst.against(system)
            axis = "stack" if worst is None else worst.axis
            return _Outcome("partial", f"{count} to load: {why}", axis, len(modules))
        if unknown is not None:
            return _Outcome(
                "unknown",
                f"{unknown.file} needs {unknown.written}; what it has is not known",
                unknown.axis,
                0,
            )
        return _Outcome("runs", "", "", 0)


def _requirements(
    needs: pd.DataFrame, runtime: set[str], inside: set[tuple[str, str]]
) -> Iterable[_Requirement]:
    """Yield the newest version of each family that each file asks of the system."""
    newest: dict[tuple[str, str], _Requirement] = {}
    for file, soname, family, number, written in zip(
        needs["file"], needs["soname"], needs["family"], needs["number"], needs["version"], strict=True
    ):
        parsed = version_key(number)
        if family not in _AXES or parsed is None or (file, soname) in inside:
            continue
        column, axis = _AXES[family]
        known = newest.get((file, family))
        if known is None or known.number < parsed:
            newest[file, family] = _Requirement(file, file in runtime, axis, column, parsed, written)
    return newest.values()


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
        ``supported_total``, ``supported_runs``, ``total``, ``runs``, ``unknown`` (releases).
    """
    rows = []
    for (subject_id, family), group in found.groupby(["subject_id", "family"], sort=False):
        running = group[group["prediction"] == "runs"]
        dated = running[running["release_date"] != ""].sort_values("release_date", kind="stable")
        alive = group[group["supported"].fillna(value=False).astype(bool)]
        oldest = dated.iloc[0] if len(dated) else (running.iloc[0] if len(running) else None)
        rows.append(
            {
                "subject_id": subject_id,
                "family": family,
                "label": "" if oldest is None else oldest["label"],
                "version": "" if oldest is None else oldest["version"],
                "release_date": "" if oldest is None else oldest["release_date"],
                "supported_total": len(alive),
                "supported_runs": int((alive["prediction"] == "runs").sum()),
                "total": len(group),
                "runs": len(running),
                "unknown": int((group["prediction"] == "unknown").sum()),
            }
        )
    return pd.DataFrame(
        rows,
        columns=[
            "subject_id",
            "family",
            "label",
            "version",
            "release_date",
            "supported_total",
            "supported_runs",
            "total",
            "runs",
            "unknown",
        ],
    )
