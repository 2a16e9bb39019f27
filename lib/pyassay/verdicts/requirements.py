"""What an interpreter asks of the system that is to load it, taken out of the tables of its probe.

Two moments count. At *start* the loader takes the executable and everything it needs: if one version is
missing there, nothing runs. An extension module is loaded when it is *imported*: if it is refused, that
import fails and the rest goes on. What the tree carries along (conda's libstdc++) is not asked of the system.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pyassay.elf.versions import SymbolVersion, version_key
from pyassay.subjects.static import is_libpython

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "AXES",
    "Asked",
    "Demand",
    "Number",
    "Requirement",
    "executable_stack",
    "flag",
    "rows_by_subject",
    "text",
]

Number = tuple[int, ...]

_MUSLLINUX = re.compile(r"musllinux_(\d+)_(\d+)_")
_STANDARD, _CARRIED = "standard module", "library of it"

AXES: dict[str, tuple[str, str]] = {
    "GLIBC": ("libc_version", "glibc"),
    "GLIBCXX": ("glibcxx_max", "libstdc++"),
    "CXXABI": ("cxxabi_max", "libstdc++"),
    "GCC": ("gcc_s_max", "libgcc"),
    "ZLIB": ("zlib_max", "zlib"),
}
"""Families that the table of distributions measures: its column, and the name of the axis."""

# A file without PT_GNU_STACK gets the default of its machine, which glibc sets to executable on x86.
_EXECUTABLE_BY_DEFAULT = ("x86_64", "i686")


def text(cell: object) -> str:
    """Return a cell as text on one line; empty when it is missing. What would not print is escaped."""
    if not isinstance(cell, str):
        return ""
    if cell.isprintable():
        return cell
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in cell)


def flag(cell: object) -> bool | None:
    """Return a cell as a flag; None when it is missing."""
    return None if cell is None else bool(cell)


def rows_by_subject(frame: pd.DataFrame | None, *columns: str) -> dict[str, list[tuple[object, ...]]]:
    """Group the wanted columns of a table by subject; what is missing comes as None."""
    if frame is None or "subject_id" not in frame.columns:
        return {}
    cells = [
        frame[name].astype(object).where(frame[name].notna(), None).tolist()
        if name in frame.columns
        else [None] * len(frame)
        for name in ("subject_id", *columns)
    ]
    grouped: dict[str, list[tuple[object, ...]]] = {}
    for subject_id, *row in zip(*cells, strict=True):
        grouped.setdefault(str(subject_id), []).append(tuple(row))
    return grouped


@dataclass(frozen=True, slots=True)
class Requirement:
    """The newest version of one family that one file asks of the system."""

    file: str
    family: str
    number: Number
    written: str


@dataclass(slots=True)
class Demand:
    """What one file, or several that are loaded together, ask.

    Attributes
    ----------
    newest : dict of str to Requirement
        By family, only those of :data:`AXES`.
    private : str
        ``libfoo.so needs GLIBC_PRIVATE``; empty: no private interface.
    unordered : str
        The same for a version that has no place in the order: whether a system has it is not recorded.
    stack : str
        The file that asks for an executable stack; empty: none.
    unread : str
        A library that could not be read; empty: none.
    """

    newest: dict[str, Requirement] = field(default_factory=dict)
    private: str = ""
    unordered: str = ""
    stack: str = ""
    unread: str = ""

    def add(self, other: Demand) -> None:
        """Take in what another file asks."""
        for family, requirement in other.newest.items():
            known = self.newest.get(family)
            if known is None or known.number < requirement.number:
                self.newest[family] = requirement
        self.private = self.private or other.private
        self.unordered = self.unordered or other.unordered
        self.stack = self.stack or other.stack
        self.unread = self.unread or other.unread

    def beyond(self, other: Demand) -> bool:
        """Tell whether this asks anything that another does not ask already."""
        if self.private or self.unordered or self.stack or self.unread:
            return True
        return any(
            family not in other.newest or other.newest[family].number < requirement.number
            for family, requirement in self.newest.items()
        )


@dataclass(frozen=True, slots=True)
class Asked:
    """What one subject asks of the system.

    Attributes
    ----------
    unreadable : str
        Why nothing is known of it; empty: something is.
    libc, libc_version : str
        C library that it is made for; the version that it runs with where it was probed.
    machine : str
    static : bool
        The executable needs no loader.
    start : Demand
        Of the executable and what it needs to start. Its ``stack`` is harmless: see
        :mod:`pyassay.verdicts.distribution_matrix`.
    modules : dict of str to Demand
        By file, those extension modules of the standard library that ask for more than the start does.
    outside : tuple of str
        Sonames that must be installed besides: not carried along, and no part of every system.
    module_noun : str
        What a reader calls one of ``modules``: ``standard module``.
    whole : bool
        One module that is refused spoils it all.
    native : bool
        False: there is nothing in it that a loader would look at.
    contained : bool
        It brings its C library along: an image.
    """

    unreadable: str
    libc: str = ""
    libc_version: str = ""
    machine: str = ""
    static: bool = False
    start: Demand = field(default_factory=Demand)
    modules: Mapping[str, Demand] = field(default_factory=dict)
    outside: tuple[str, ...] = ()
    module_noun: str = _STANDARD
    whole: bool = False
    native: bool = True
    contained: bool = False

    @staticmethod
    def of_all(tables: Mapping[str, pd.DataFrame]) -> Iterator[tuple[str, Asked]]:
        """Yield every subject of the table ``subjects`` with what it asks, in order."""
        subjects = rows_by_subject(
            tables.get("subjects"), "error", "kind", "libc", "libc_version", "prefix", "executable"
        )
        files = rows_by_subject(
            _own(tables, "files"),
            *("file", "scope", "machine", "libc", "interpreter", "executable_stack", "static", "elf_type"),
        )
        needs = rows_by_subject(
            _own(tables, "needs"), "file", "soname", "version", "family", "number", "weak"
        )
        libraries = rows_by_subject(
            _own(tables, "libraries"), "file", "soname", "inside", "resolved", "allowed"
        )
        skipped = rows_by_subject(tables.get("skipped"), "file", "reason")
        built_with = _musl_claimed(tables)
        for subject_id, ((error, kind, *facts), *_) in subjects.items():
            if kind == "image" and not error:
                yield subject_id, Asked("", contained=True)
            elif kind == "artifact" and not error and subject_id not in files and subject_id not in skipped:
                yield subject_id, Asked("", native=False)
            elif error and kind == "interpreter" and not _has_modules(files.get(subject_id, [])):
                # It does not run, and only its launcher was read: that says little of where it would run.
                yield subject_id, Asked(text(error))
            elif subject_id in files:
                if subject_id in built_with:
                    facts[:2] = ["musl", built_with[subject_id]]
                yield (
                    subject_id,
                    _asked(
                        tuple(map(text, facts)),
                        files[subject_id],
                        needs.get(subject_id, []),
                        libraries.get(subject_id, []),
                        {text(file) for file, _ in skipped.get(subject_id, [])},
                    ),
                )
            else:
                reasons = (text(error), *(text(reason) for _, reason in skipped.get(subject_id, [])))
                yield subject_id, Asked(next(filter(None, reasons), "none of its files could be read"))


def _musl_claimed(tables: Mapping[str, pd.DataFrame]) -> dict[str, str]:
    """Return the musl that each wheel says it was built with: nothing in its files does."""
    found: dict[str, str] = {}
    for subject_id, rows in rows_by_subject(tables.get("wheels"), "claimed").items():
        for (claimed,) in rows:
            for tag in claimed if isinstance(claimed, list) else ():
                match = _MUSLLINUX.match(str(tag))
                if match:
                    found[subject_id] = f"{match[1]}.{match[2]}"
    return found


def _has_modules(files: Iterable[tuple[object, ...]]) -> bool:
    return any(scope == "stdlib" for _, scope, *_ in files)


def _own(tables: Mapping[str, pd.DataFrame], name: str) -> pd.DataFrame | None:
    """Return a table without the rows of installed packages."""
    frame = tables.get(name)
    return frame if frame is None or "scope" not in frame.columns else frame[~frame["scope"].isin(["site"])]


def _asked(
    facts: tuple[str, ...],
    files: Iterable[tuple[object, ...]],
    needs: Iterable[tuple[object, ...]],
    libraries: Iterable[tuple[object, ...]],
    skipped: set[str],
) -> Asked:
    host_libc, host_version, prefix, executable = facts
    libraries = list(libraries)
    carried, below, outside, known = _supplied(libraries)
    demands: dict[str, Demand] = {}
    every: dict[str, tuple[str, str, str, bool]] = {}
    runtime: dict[str, tuple[str, str, str, bool]] = {}
    candidates: list[str] = []
    modules: list[str] = []
    noun = _STANDARD
    for file, scope, machine, own_libc, interpreter, stack, static, elf_type in files:
        name = text(file)
        demands[name] = Demand(stack=name if executable_stack(stack, machine, elf_type) else "")
        every[name] = (text(machine), text(own_libc), text(interpreter), flag(static) is True)
        if scope in {"program", "library"}:
            noun = _CARRIED
        if scope in {"stdlib", "library"}:
            modules.append(name)
            continue
        runtime[name] = every[name]
        if executable in (name, f"{prefix.rstrip('/')}/{name}"):
            candidates.append(name)
    _fill(demands, needs, carried)
    for name in skipped:
        demands.setdefault(name, Demand(unread=name))
    _add_borrowed(below, libraries, runtime)
    first = candidates or [name for name, (_, _, loader, _) in runtime.items() if loader]
    if noun == _CARRIED and first:
        # A frozen program opens its libpython by hand (dlopen), and is nothing without it.
        pythons = [name for name in modules if name.rpartition("/")[2].startswith("libpython")]
        first = [*first, *pythons]
        modules = [name for name in modules if name not in pythons]
    # Without rows about libraries nothing tells what the executable loads: then all of the runtime counts.
    started = _reached(first, below) if first and known else list(runtime)
    start = Demand()
    for name in started:
        start.add(demands.get(name, Demand()))
    alike = [runtime[name] for name in started if name in runtime] or list((runtime or every).values())
    asked_later = {}
    for name in modules:
        demand = Demand()
        for part in _reached([name], below):
            if part not in started:
                demand.add(demands.get(part, Demand()))
        if demand.beyond(start):
            asked_later[name] = demand
    static = bool(alike) and all(facts[3] for facts in alike)
    libc = next((facts[1] for facts in alike if facts[1]), "") or ("" if static else host_libc)
    return Asked(
        unreadable="" if runtime or modules else "none of its own files could be read",
        libc=libc,
        libc_version=host_version if libc == host_libc else "",
        machine=next((facts[0] for facts in alike if facts[0]), ""),
        static=static,
        start=start,
        modules=asked_later,
        module_noun=noun,
        # Nothing of a wheel is started: whatever refuses one of its files refuses it.
        whole=not runtime and noun == _CARRIED,
        outside=tuple(sorted(outside)),
    )


def _add_borrowed(
    below: dict[str, list[str]], libraries: Iterable[tuple[object, ...]], runtime: Iterable[str]
) -> None:
    """Let a libpython that was read stand for the one of that name that is loaded from another tree.

    Wherever the program goes, the same must be there, and ask the same.
    """
    read = {name.rpartition("/")[2]: name for name in runtime}
    for file, soname, inside, *_ in libraries:
        name = read.get(text(soname).rpartition("/")[2])
        if name and is_libpython(name) and not flag(inside):
            below.setdefault(text(file), []).append(name)


def _supplied(
    libraries: Iterable[tuple[object, ...]],
) -> tuple[set[tuple[str, str]], dict[str, list[str]], set[str], bool]:
    """Return which file's libraries come along, below which file they lie, what must be installed besides.

    Last: whether anything is known of libraries at all.
    """
    carried: set[tuple[str, str]] = set()
    below: dict[str, list[str]] = {}
    outside: set[str] = set()
    known = False
    for file, soname, inside, resolved, allowed in libraries:
        known = True
        if flag(inside):
            carried.add((text(file), text(soname)))
            below.setdefault(text(file), []).append(text(resolved))
        elif flag(allowed) is False:
            outside.add(text(soname))
    return carried, below, outside, known


def executable_stack(stack: object, machine: object, elf_type: object) -> bool:
    """Tell whether a file asks for an executable stack, outright or by having no PT_GNU_STACK (on x86)."""
    known = flag(stack)
    if known is None:
        return machine in _EXECUTABLE_BY_DEFAULT and elf_type in ("dyn", "exec")
    return known


def _fill(
    demands: dict[str, Demand], needs: Iterable[tuple[object, ...]], carried: set[tuple[str, str]]
) -> None:
    for file, soname, version, family, number, weak in needs:
        name, written = text(file), text(version)
        if flag(weak) or (name, text(soname)) in carried:
            continue
        demand = demands.setdefault(name, Demand())
        parsed = version_key(text(number))
        if SymbolVersion.parse(written).private:
            demand.private = demand.private or name
        elif family in AXES and parsed is not None:
            requirement = Requirement(name, text(family), parsed, written or f"{family}_{number}")
            demand.add(Demand({requirement.family: requirement}))
        elif written.startswith(tuple(f"{known}_" for known in AXES)):
            # CXXABI_FLOAT128, CXXABI_TM_1, a GLIBC_ABI_ feature that is not known here.
            demand.unordered = demand.unordered or f"{name} needs {written}"


def _reached(first: Iterable[str], below: Mapping[str, list[str]]) -> list[str]:
    """Return files and everything that the tree carries along for them."""
    reached: dict[str, None] = dict.fromkeys(first)
    pending = list(reached)
    while pending:
        for name in below.get(pending.pop(), ()):
            if name and name not in reached:
                reached[name] = None
                pending.append(name)
    return list(reached)
