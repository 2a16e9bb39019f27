"""Portability: what an interpreter's ELF files ask of the system that is to load them.

Static: nothing of the subject is executed here. Facts only; what they mean on which distribution is said by
:mod:`pyassay.verdicts.portability`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyassay.elf import ElfError, NotElf
from pyassay.elf.closure import Closure, Root, closure
from pyassay.elf.libc import SymbolHistory, musl_version
from pyassay.elf.platform_tags import allowed, closest_policy, libc_of, platform_tag
from pyassay.elf.reader import ElfFile, read
from pyassay.elf.symbols import UndefinedSymbol, undefined_symbols
from pyassay.elf.versions import SymbolVersion, floors
from pyassay.probes.observations import Column, TableSchema
from pyassay.probes.tree import Skipped, TreeFile, elf_files, is_shared_prefix, shown_path
from pyassay.subjects.model import Interpreter

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TABLES", "probe"]

_SUBJECT = Column("subject_id", "text", "which subject of the table `subjects`")
_FILE = Column("file", "text", "path, relative to the interpreter's tree where it lies inside it")
_SCOPE = Column(
    "scope", "text", "runtime (executable, libpython), stdlib (extension modules) or site (packages)"
)

TABLES: tuple[TableSchema, ...] = (
    TableSchema(
        "files",
        "one row per ELF file of a subject",
        (
            _SUBJECT,
            _FILE,
            _SCOPE,
            Column("size_bytes", "count", "size of the file"),
            Column("machine", "text", "processor: x86_64, aarch64, ..."),
            Column("bits", "count", "32 or 64"),
            Column("elf_type", "text", "exec or dyn"),
            Column("libc", "text", "glibc, musl, or empty when the file names neither"),
            Column("interpreter", "text", "PT_INTERP: the loader that it asks for"),
            Column("soname", "text", "DT_SONAME"),
            Column("needed", "texts", "DT_NEEDED, in order"),
            Column("rpath", "texts", "DT_RPATH, split"),
            Column("runpath", "texts", "DT_RUNPATH, split"),
            Column(
                "executable_stack",
                "flag",
                "PT_GNU_STACK asks for an executable stack; missing: no such header",
            ),
            Column("text_relocations", "flag", "DT_TEXTREL"),
            Column("relro", "text", "none, partial or full"),
            Column("bind_now", "flag", "every symbol is bound at load"),
            Column("packed_relocations", "flag", "DT_RELR: needs glibc 2.36 or newer"),
            Column("isa_level", "text", "x86-64 level that the file declares; empty: it declares none"),
            Column("build_id", "text", "GNU build id, hexadecimal"),
            Column("pie", "flag", "position independent executable"),
            Column("static", "flag", "needs no loader"),
        ),
    ),
    TableSchema(
        "needs",
        "one row per file and symbol version that it requires (.gnu.version_r)",
        (
            _SUBJECT,
            _FILE,
            _SCOPE,
            Column("soname", "text", "the library that must define the version"),
            Column("version", "text", "as written: GLIBC_2.17"),
            Column("family", "text", "GLIBC, GLIBCXX, CXXABI, GCC, ..."),
            Column("number", "text", "2.17; empty when the version has no order"),
            Column("weak", "flag", "VER_FLG_WEAK: absence is no error"),
        ),
    ),
    TableSchema(
        "floors",
        "one row per subject, scope and family: the newest version required",
        (
            _SUBJECT,
            Column("scope", "text", "interpreter (runtime and stdlib) or site (installed packages)"),
            Column("family", "text", "GLIBC, GLIBCXX, CXXABI, GCC, ..."),
            Column("hard", "text", "number of the newest version whose absence is an error; empty: none"),
            Column("soft", "text", "number of a newer one that is only referenced weakly; empty: none"),
            Column("private", "flag", "a file asks for GLIBC_PRIVATE: this very glibc and no other"),
            Column("files", "count", "files that hold the hard floor"),
        ),
    ),
    TableSchema(
        "symbols",
        "undefined symbols bound to the four newest versions of each family",
        (
            _SUBJECT,
            _FILE,
            _SCOPE,
            Column("family", "text", "GLIBC, GLIBCXX, ..."),
            Column("version", "text", "number of the version: 2.17"),
            Column("symbol", "text", "its name; empty for a version that marks an ABI feature"),
            Column("binding", "text", "strong, weak, or none (a marker)"),
            Column("version_weak", "flag", "VER_FLG_WEAK"),
            Column("kind", "text", "new function, re-versioned, renamed, marker or unknown"),
            Column("previous", "text", "what did its work before: __fxstat@2.2.5; empty: nothing"),
        ),
    ),
    TableSchema(
        "libraries",
        "one row per file and library that it names in DT_NEEDED",
        (
            _SUBJECT,
            _FILE,
            _SCOPE,
            Column("soname", "text", "as written in DT_NEEDED"),
            Column("inside", "flag", "found inside the interpreter's own tree"),
            Column("resolved", "text", "where this host's loader rules find it; empty: nowhere"),
            Column("allowed", "flag", "auditwheel's policies take it as part of every system"),
        ),
    ),
    TableSchema(
        "closure",
        "what this host cannot give: one row per missing library or symbol version",
        (
            _SUBJECT,
            _FILE,
            _SCOPE,
            Column("missing_kind", "text", "library or version"),
            Column("name", "text", "soname, or VERSION of soname"),
            Column("needed_by", "text", "the file that asks for it"),
        ),
    ),
    TableSchema(
        "tags",
        "one row per subject and scope: the exact platform tag and the nearest policy",
        (
            _SUBJECT,
            Column("scope", "text", "interpreter or site"),
            Column("machine", "text", "x86_64, ..."),
            Column("libc", "text", "glibc or musl"),
            Column("tag", "text", "exact PEP 600 or PEP 656 tag of the floors"),
            Column("policy", "text", "auditwheel's most compatible policy that the facts satisfy"),
            Column("reason", "text", "what the next more compatible policy refuses; or why there is no tag"),
        ),
    ),
    TableSchema(
        "skipped",
        "what could not be observed, and why",
        (_SUBJECT, _FILE, Column("reason", "text", "one line")),
    ),
)
"""The tables that :func:`probe` fills, with their columns."""

_SHOWN_VERSIONS = 4
_GROUPS = (("interpreter", ("runtime", "stdlib")), ("site", ("site",)))


@dataclass(slots=True)
class _Observed:
    tree: TreeFile
    elf: ElfFile
    symbols: list[UndefinedSymbol]


@dataclass(slots=True)
class _Rows:
    subject_id: str
    tables: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {t.name: [] for t in TABLES})

    def add(self, table: str, **row: Any) -> None:
        self.tables[table].append({"subject_id": self.subject_id, **row})


def probe(interpreter: Interpreter, *, root: Path = Path("/")) -> dict[str, pd.DataFrame]:
    """Observe the portability of one interpreter.

    Parameters
    ----------
    interpreter : Interpreter
        As :func:`pyassay.find` gives it; one that could not be run is still read.
    root : Path
        The root file system whose loader rules say which library is found where.

    Returns
    -------
    dict of str to DataFrame
        By the names of :data:`TABLES`. A file that could not be read is a row of ``skipped``.
    """
    rows = _Rows(interpreter.id)
    observed = _read_all(interpreter, rows)
    loader_root = Root(root)
    machine = next((item.elf.machine for item in observed), interpreter.architecture)
    history = _history(loader_root, machine)
    for group, scopes in _GROUPS:
        members = [item for item in observed if item.tree.scope in scopes]
        if members:
            _add_floors(rows, group, members)
            _add_symbols(rows, members, history)
    closures = _closures(observed, loader_root)
    _add_missing(rows, interpreter, observed, closures)
    _add_libraries(rows, interpreter, observed, closures)
    _add_tags(rows, observed, rows.tables["libraries"])
    return {schema.name: schema.frame(rows.tables[schema.name]) for schema in TABLES}


def _read_all(interpreter: Interpreter, rows: _Rows) -> list[_Observed]:
    observed: list[_Observed] = []
    for item in elf_files(interpreter):
        if isinstance(item, Skipped):
            rows.add("skipped", file=item.shown, reason=item.reason)
            continue
        try:
            elf = read(item.path, name=item.shown)
            symbols = undefined_symbols(item.path, name=item.shown)
        except NotElf:
            continue
        except (ElfError, OSError) as error:
            rows.add("skipped", file=item.shown, reason=str(error))
            continue
        observed.append(_Observed(item, elf, symbols))
        _add_file(rows, item, elf)
    if not observed:
        rows.add(
            "skipped",
            file=shown_path(interpreter.executable, interpreter),
            reason=interpreter.error or "no ELF file was found in its tree",
        )
    return observed


def _add_file(rows: _Rows, item: TreeFile, elf: ElfFile) -> None:
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


def _add_floors(rows: _Rows, group: str, members: list[_Observed]) -> None:
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


def _add_symbols(rows: _Rows, members: list[_Observed], history: SymbolHistory | None) -> None:
    newest = _newest_numbers(members)
    for item in members:
        bound: set[str] = set()
        for symbol in item.symbols:
            if symbol.version is None:
                continue
            version = SymbolVersion.parse(symbol.version)
            bound.add(symbol.version)
            if version.number in newest.get(version.family, ()):
                _add_symbol(
                    rows,
                    item,
                    version,
                    symbol.name,
                    "weak" if symbol.weak else "strong",
                    symbol.version_weak,
                    history,
                )
        for need in item.elf.version_needs:
            # A version without a symbol (GLIBC_ABI_DT_RELR) marks a feature; it raises the floor too.
            if need.version not in bound:
                version = SymbolVersion.parse(need.version)
                if version.number in newest.get(version.family, ()):
                    _add_symbol(rows, item, version, "", "none", need.weak, history)


def _add_symbol(
    rows: _Rows,
    item: _Observed,
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
        file=item.tree.shown,
        scope=item.tree.scope,
        family=version.family,
        version=_dotted(version),
        symbol=name or version.raw,
        binding=binding,
        version_weak=version_weak,
        kind=kind,
        previous=previous,
    )


def _newest_numbers(members: list[_Observed]) -> dict[str, set[tuple[int, ...]]]:
    numbers: dict[str, set[tuple[int, ...]]] = {}
    for item in members:
        for need in item.elf.version_needs:
            version = SymbolVersion.parse(need.version)
            if version.number is not None:
                numbers.setdefault(version.family, set()).add(version.number)
    return {family: set(sorted(found)[-_SHOWN_VERSIONS:]) for family, found in numbers.items()}


def _history(root: Root, machine: str) -> SymbolHistory | None:
    try:
        return SymbolHistory.from_root(root, machine)
    except (ValueError, OSError):
        return None


def _closures(observed: list[_Observed], root: Root) -> dict[str, Closure]:
    """Resolve what each file needs, by shown path; extension modules as their interpreter would load them."""
    main: Closure | None = None
    found: dict[str, Closure] = {}
    for item in observed:
        found[item.tree.shown] = closure(item.tree.path, root, preloaded=main)
        if main is None and item.tree.scope == "runtime":
            main = found[item.tree.shown]
    return found


def _add_missing(
    rows: _Rows, interpreter: Interpreter, observed: list[_Observed], closures: Mapping[str, Closure]
) -> None:
    known: set[tuple[str, str, str]] = set()
    # A vendored library (numpy.libs/...) finds its neighbours because its module has loaded them.
    vendored = {item.tree.path.name for item in observed if item.tree.scope == "site"}
    for item in observed:
        lacks = closures[item.tree.shown]
        found = [
            ("library", missing.soname, missing.needed_by)
            for missing in lacks.missing
            if item.tree.scope != "site" or missing.soname not in vendored
        ]
        found += [
            ("version", f"{missing.version} of {missing.soname}", missing.needed_by)
            for missing in lacks.missing_versions
            if not missing.weak
        ]
        for row in found:
            if row in known:
                continue
            known.add(row)
            kind, name, needed_by = row
            rows.add(
                "closure",
                file=item.tree.shown,
                scope=item.tree.scope,
                missing_kind=kind,
                name=name,
                needed_by=shown_path(Path(needed_by), interpreter),
            )


def _add_libraries(
    rows: _Rows, interpreter: Interpreter, observed: list[_Observed], closures: Mapping[str, Closure]
) -> None:
    own = {item.tree.path.resolve() for item in observed}
    for item in observed:
        loaded = closures[item.tree.shown].loaded
        for soname in item.elf.needed:
            resolved = loaded.get(soname)
            inside = resolved is not None and (resolved in own or _inside(resolved, interpreter))
            rows.add(
                "libraries",
                file=item.tree.shown,
                scope=item.tree.scope,
                soname=soname,
                inside=inside,
                resolved="" if resolved is None else shown_path(resolved, interpreter),
                allowed=allowed(soname.rpartition("/")[2]),
            )


def _inside(path: Path, interpreter: Interpreter) -> bool:
    """Tell whether a library comes along with the interpreter: inside its own tree, or its environment."""
    roots = [interpreter.environment, *interpreter.site_folders]
    if interpreter.prefix is not None and not is_shared_prefix(interpreter.prefix):
        roots.append(interpreter.prefix)
    return any(root is not None and path.is_relative_to(root) for root in roots)


def _add_tags(rows: _Rows, observed: list[_Observed], libraries: Sequence[Mapping[str, Any]]) -> None:
    for group, scopes in _GROUPS:
        members = [item for item in observed if item.tree.scope in scopes]
        for machine in dict.fromkeys(item.elf.machine for item in members):
            _add_tag(
                rows, group, machine, [item for item in members if item.elf.machine == machine], libraries
            )


def _loader(members: list[_Observed]) -> str | None:
    return next((item.elf.interpreter for item in members if item.elf.interpreter), None)


def _add_tag(
    rows: _Rows, group: str, machine: str, members: list[_Observed], libraries: Sequence[Mapping[str, Any]]
) -> None:
    libc = next((found for item in members if (found := libc_of(item.elf))), None)
    by_family = floors(need for item in members for need in item.elf.version_needs)
    known = musl_version(Path(loader)) if libc == "musl" and (loader := _loader(members)) else None
    tag = platform_tag(by_family, machine, libc, musl_version=known)
    shown = {item.tree.shown for item in members}
    outside = {
        str(row["soname"]).rpartition("/")[2]
        for row in libraries
        if row["file"] in shown and not row["inside"]
    }
    # A weak reference may stay unresolved, so it breaks no policy.
    strong = {symbol.name for item in members for symbol in item.symbols if not symbol.weak}
    try:
        closest = closest_policy(
            by_family, outside, machine, libc, undefined_symbols=strong, musl_version=known
        )
        policy, refusal = closest.policy.name, closest.reason
    except LookupError as error:
        policy, refusal = "", str(error)
    rows.add(
        "tags",
        scope=group,
        machine=machine,
        libc=libc or "",
        tag=tag.tag,
        policy=policy,
        reason="; ".join(reason for reason in (tag.reason, refusal) if reason),
    )
