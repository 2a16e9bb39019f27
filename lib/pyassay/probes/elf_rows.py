"""From ELF files that were read to the rows of the portability tables: floors, symbols, libraries, tags."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyassay.elf.closure import Closure, Root, closure
from pyassay.elf.libc import SymbolHistory, musl_version
from pyassay.elf.newest import newest_numbers
from pyassay.elf.platform_tags import allowed, closest_policy, libc_of, platform_tag
from pyassay.elf.reader import ElfFile
from pyassay.elf.symbols import UndefinedSymbol
from pyassay.elf.versions import SymbolVersion, floors
from pyassay.probes.portability_tables import TABLES

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Made", "Observed", "Rows", "Whereabouts", "add_all", "made_of"]

OWN = ("runtime", "stdlib", "program", "library")
_GROUPS = (("own", OWN), ("site", ("site",)))


@dataclass(frozen=True, slots=True)
class Observed:
    """One ELF file: where a loader would find it, how it is shown, and what it holds."""

    path: Path
    shown: str
    scope: str
    size_bytes: int
    elf: ElfFile
    symbols: Sequence[UndefinedSymbol]
    forbidden: frozenset[str] = frozenset()


@dataclass(slots=True)
class Rows:
    """Rows of one subject, by table."""

    subject_id: str
    tables: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {t.name: [] for t in TABLES})

    def add(self, table: str, **row: Any) -> None:
        """Append a row."""
        self.tables[table].append({"subject_id": self.subject_id, **row})

    def frames(self) -> dict[str, pd.DataFrame]:
        """Return every table as a DataFrame."""
        return {schema.name: schema.frame(self.tables[schema.name]) for schema in TABLES}


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Where a subject's libraries are searched, and what counts as its own.

    Attributes
    ----------
    root : Root
        Whose loader rules say which library is found where.
    inside : callable
        Tells of a path whether it comes along with the subject.
    shown : callable
        Returns a path as the evidence names it.
    carried : callable
        Finds, by its name and the file that asks for it, a library that the subject carries where no loader
        rule leads: a program that unpacks itself sets the search path. None: it carries none of that name.
    newest_of_each : bool
        Bind symbols also to the newest version of each file, not only of the subject.
    contained : bool
        The subject brings the C library along: an image, a root file system.
    """

    root: Root
    inside: Callable[[Path], bool]
    shown: Callable[[Path], str]
    carried: Callable[[str, Path], Path | None] = lambda soname, needed_by: None
    newest_of_each: bool = False
    contained: bool = False


def add_all(rows: Rows, observed: Sequence[Observed], where: Whereabouts, architecture: str = "") -> None:
    """Fill every table but ``skipped``, ``wheels`` and ``python_symbols``."""
    machine = next((item.elf.machine for item in observed), architecture)
    history = _history(where.root, machine)
    for item in observed:
        _add_file(rows, item)
    for group, scopes in _GROUPS:
        members = [item for item in observed if item.scope in scopes]
        if members:
            _add_floors(rows, group, members)
            _add_symbols(rows, members, history, newest_of_each=where.newest_of_each)
    closures = _closures(observed, where.root)
    _add_missing(rows, observed, closures, where)
    _add_libraries(rows, observed, closures, where)
    if not where.contained:
        _add_tags(rows, observed, rows.tables["libraries"])


def _add_file(rows: Rows, item: Observed) -> None:
    elf = item.elf
    rows.add(
        "files",
        file=item.shown,
        scope=item.scope,
        size_bytes=item.size_bytes,
        machine=elf.machine,
        bits=elf.bits,
        elf_type=elf.type,
        libc=libc_of(elf) or "",
        interpreter=elf.interpreter or "",
        soname=elf.soname or "",
        needed=elf.needed,
        rpath=elf.rpath,
        runpath=elf.runpath,
        executable_stack=elf.executable_stack,
        text_relocations=elf.text_relocations,
        relro=elf.relro,
        bind_now=elf.bind_now,
        packed_relocations=elf.packed_relocations,
        isa_level=elf.isa_level or "",
        build_id=elf.build_id or "",
        pie=elf.pie,
        static=elf.static,
    )
    for need in elf.version_needs:
        version = SymbolVersion.parse(need.version)
        rows.add(
            "needs",
            file=item.shown,
            scope=item.scope,
            soname=need.soname,
            version=need.version,
            family=version.family,
            number=_dotted(version),
            weak=need.weak,
        )


def _dotted(version: SymbolVersion | None) -> str:
    return "" if version is None or version.number is None else ".".join(map(str, version.number))


def _add_floors(rows: Rows, group: str, members: list[Observed]) -> None:
    by_family = floors(need for item in members for need in item.elf.version_needs)
    holders: dict[str, int] = {}
    for item in members:
        for family, own in floors(item.elf.version_needs).items():
            if own.hard is not None and own.hard.number == _number(by_family[family].hard):
                holders[family] = holders.get(family, 0) + 1
    for family, floor in sorted(by_family.items()):
        rows.add(
            "floors",
            scope=group,
            family=family,
            hard=_dotted(floor.hard),
            soft=_dotted(floor.soft),
            private=floor.private,
            files=holders.get(family, 0),
        )


def _number(version: SymbolVersion | None) -> tuple[int, ...] | None:
    return None if version is None else version.number


def _add_symbols(
    rows: Rows, members: list[Observed], history: SymbolHistory | None, *, newest_of_each: bool
) -> None:
    newest = newest_numbers(item.elf for item in members)
    for item in members:
        wanted = newest
        if newest_of_each:
            own = newest_numbers([item.elf], 1)
            wanted = {family: newest.get(family, set()) | own.get(family, set()) for family in newest}
        bound: set[str] = set()
        for symbol in item.symbols:
            if symbol.version is None:
                continue
            version = SymbolVersion.parse(symbol.version)
            bound.add(symbol.version)
            if version.number in wanted.get(version.family, ()):
                binding = "weak" if symbol.weak else "strong"
                _add_symbol(rows, item, version, symbol.name, binding, symbol.version_weak, history)
        for need in item.elf.version_needs:
            # A version without a symbol (GLIBC_ABI_DT_RELR) marks a feature; it raises the floor too.
            if need.version not in bound:
                version = SymbolVersion.parse(need.version)
                if version.number in wanted.get(version.family, ()):
                    _add_symbol(rows, item, version, "", "none", need.weak, history)


def _add_symbol(
    rows: Rows,
    item: Observed,
    version: SymbolVersion,
    name: str,
    binding: str,
    version_weak: bool,
    history: SymbolHistory | None,
) -> None:
    kind, previous = "unknown", ""
    if version.family == "GLIBC" and history is not None:
        explained = history.explain(name or version.raw, version.raw)
        kind = str(explained.kind)
        if explained.previous_symbol or explained.previous_version:
            previous = f"{explained.previous_symbol or name}@{explained.previous_version or ''}"
    rows.add(
        "symbols",
        file=item.shown,
        scope=item.scope,
        family=version.family,
        version=_dotted(version),
        symbol=name or version.raw,
        binding=binding,
        version_weak=version_weak,
        kind=kind,
        previous=previous,
    )


def _history(root: Root, machine: str) -> SymbolHistory | None:
    try:
        return SymbolHistory.from_root(root, machine)
    except (ValueError, OSError):
        return None


def _closures(observed: Sequence[Observed], root: Root) -> dict[str, Closure]:
    """Resolve what each file needs, by shown path; extension modules as their interpreter would load them."""
    main: Closure | None = None
    found: dict[str, Closure] = {}
    for item in observed:
        found[item.shown] = closure(item.path, root, preloaded=main)
        if main is None and item.scope == "runtime":
            main = found[item.shown]
    return found


def _add_missing(
    rows: Rows, observed: Sequence[Observed], closures: Mapping[str, Closure], where: Whereabouts
) -> None:
    known: set[tuple[str, str, str]] = set()
    # A vendored library (numpy.libs/...) finds its neighbours because its module has loaded them.
    vendored = {item.path.name for item in observed if item.scope == "site"}
    for item in observed:
        if item.scope == "library" and not _loadable(item.elf, where.root):
            # A wheel for another machine or C library: that this host cannot load it is no news.
            continue
        lacks = closures[item.shown]
        found = [
            ("library", missing.soname, missing.needed_by)
            for missing in lacks.missing
            if (item.scope != "site" or missing.soname not in vendored)
            and where.carried(missing.soname, Path(missing.needed_by)) is None
        ]
        found += [
            ("version", f"{missing.version} of {missing.soname}", missing.needed_by)
            for missing in lacks.missing_versions
            if not missing.weak and where.carried(missing.soname, Path(missing.needed_by)) is None
        ]
        for row in found:
            if row in known:
                continue
            known.add(row)
            kind, name, needed_by = row
            rows.add(
                "closure",
                file=item.shown,
                scope=item.scope,
                missing_kind=kind,
                name=name,
                needed_by=where.shown(Path(needed_by)),
            )


def _loadable(elf: ElfFile, root: Root) -> bool:
    return root.loader(elf.machine, libc_of(elf) or "glibc") is not None


def _add_libraries(
    rows: Rows, observed: Sequence[Observed], closures: Mapping[str, Closure], where: Whereabouts
) -> None:
    own = {item.path for item in observed}
    for item in observed:
        loaded = closures[item.shown].loaded
        for soname in item.elf.needed:
            resolved = loaded.get(soname)
            inside = resolved is not None and (resolved in own or where.inside(resolved))
            if not inside and (carried := where.carried(soname, item.path)) is not None:
                resolved, inside = carried, True
            rows.add(
                "libraries",
                file=item.shown,
                scope=item.scope,
                soname=soname,
                inside=inside,
                resolved="" if resolved is None else where.shown(resolved),
                allowed=allowed(soname.rpartition("/")[2]),
            )


def _add_tags(rows: Rows, observed: Sequence[Observed], libraries: Iterable[Mapping[str, Any]]) -> None:
    outside: dict[str, set[str]] = {}
    for row in libraries:
        if not row["inside"]:
            outside.setdefault(str(row["file"]), set()).add(str(row["soname"]).rpartition("/")[2])
    for group, scopes in _GROUPS:
        members = [item for item in observed if item.scope in scopes]
        for machine in dict.fromkeys(item.elf.machine for item in members):
            alike = [item for item in members if item.elf.machine == machine]
            made = made_of(alike, machine, outside)
            rows.add(
                "tags",
                scope=group,
                machine=machine,
                libc=made.libc,
                tag=made.tag,
                policy=made.policy,
                reason=made.reason,
            )


@dataclass(frozen=True, slots=True)
class Made:
    """What files of one machine make: C library, exact platform tag, nearest policy, and why."""

    libc: str
    tag: str
    policy: str
    reason: str


def made_of(members: Sequence[Observed], machine: str, outside: Mapping[str, Iterable[str]]) -> Made:
    """Compute the platform tag of files, given the libraries (by shown file) that they need from outside."""
    libc = next((found for item in members if (found := libc_of(item.elf))), None)
    by_family = floors(need for item in members for need in item.elf.version_needs)
    loader = next((item.elf.interpreter for item in members if item.elf.interpreter), None)
    known = musl_version(Path(loader)) if libc == "musl" and loader else None
    tag = platform_tag(by_family, machine, libc, musl_version=known)
    needed = {soname for item in members for soname in outside.get(item.shown, ())}
    # A weak reference may stay unresolved, so it breaks no policy.
    strong = {name for item in members for name in item.forbidden}
    try:
        closest = closest_policy(
            by_family, needed, machine, libc, undefined_symbols=strong, musl_version=known
        )
        policy, refusal = closest.policy.name, closest.reason
    except LookupError as error:
        policy, refusal = "", str(error)
    return Made(libc or "", tag.tag, policy, "; ".join(part for part in (tag.reason, refusal) if part))
