"""The history of glibc's symbols, read from a real glibc: why a program needs the version it needs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from pyassay.elf.reader import ElfError
from pyassay.elf.symbols import defined_versions, exported_symbols
from pyassay.elf.versions import SymbolVersion

if TYPE_CHECKING:
    from pyassay.elf.closure import Root

__all__ = ["Explanation", "SymbolHistory", "SymbolKind", "musl_version"]

# The libraries that make up glibc. Functions moved between them (into libc.so.6 in 2.34), so they share one
# history.
_FAMILY = (
    "libc.so.6",
    "libm.so.6",
    "libpthread.so.0",
    "libdl.so.2",
    "librt.so.1",
    "libutil.so.1",
    "libanl.so.1",
    "libresolv.so.2",
    "libmvec.so.1",
)
_LOADERS = ("ld-linux*.so.*", "ld64.so.*")
_RENAME_DEPTH = 4
_MUSL_BYTES = 8 << 20
_MUSL_VERSION = re.compile(rb"(?<=\0)(\d{1,3})\.(\d{1,3})\.\d{1,3}(?:-git-[0-9a-z-]{1,40})?\0")

# How headers turn one name into another: pattern of the new name -> older names that did the same job, the
# nearest first. A pattern is only a suspicion: it counts when the older name is in the table with an older
# version.
_RENAMES: tuple[tuple[re.Pattern[str], tuple[str, ...]], ...] = tuple(
    (re.compile(pattern), older)
    for pattern, older in (
        # 2.38: C23's strtol accepts 0b, and scanf with it; 2.7: C99's scanf lost %a as a flag.
        (r"__isoc23_(?P<name>\w+)", ("__isoc99_{name}", "{name}")),
        (r"__isoc99_(?P<name>\w+)", ("{name}",)),
        # 2.33: stat and its like became functions; before, headers called a function that took a version
        # number.
        (r"(?P<how>[fl]?)stat(?P<rest>(?:at)?(?:64)?)", ("__{how}xstat{rest}",)),
        (r"mknod(?P<rest>(?:at)?)", ("__xmknod{rest}",)),
        # _FORTIFY_SOURCE.
        (r"__(?P<name>\w+)_chk", ("{name}",)),
        (r"__(?P<name>\w+)_2", ("{name}",)),
        # 2.34: large times on 32-bit machines.
        (r"__(?P<name>\w+?)64_time64", ("{name}64", "{name}")),
        (r"__(?P<name>\w+?)_time64", ("{name}",)),
        (r"__(?P<name>\w+?)64(?P<rest>_r)?", ("{name}{rest}",)),
        # Large files.
        (r"(?P<name>\w+?)64(?P<rest>_\w+)?", ("{name}{rest}",)),
        # -ffinite-math-only, until 2.31.
        (r"__(?P<name>\w+)_finite", ("{name}",)),
        # POSIX's version of a function that differs from GNU's.
        (r"__(?:xpg|posix)_(?P<name>\w+)", ("{name}",)),
        # Functions that lost the mark of a non-portable one when POSIX took them in.
        (r"(?P<name>[a-z]\w+)", ("{name}_np", "__{name}")),
        (r"__(?P<name>[a-z]\w*[a-z])", ("{name}",)),
    )
)


class SymbolKind(StrEnum):
    """Why a symbol needs the version that it needs."""

    NEW = "new function"
    RE_VERSIONED = "re-versioned"
    RENAMED = "renamed"
    BASELINE = "baseline"
    MARKER = "marker"
    PRIVATE = "private"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a glibc's own table tells about one needed symbol.

    Attributes
    ----------
    symbol, version : str
        As needed: ``memcpy``, ``GLIBC_2.14``.
    kind : SymbolKind
        ``new function``: no glibc before had it. ``re-versioned``: the same name has an older version.
        ``renamed``: another name did the job before. ``baseline``: as old as glibc on this machine.
        ``marker``: a version without symbols that the loader looks for. ``private``: GLIBC_PRIVATE.
        ``unknown``: the glibc at hand does not define it.
    previous_symbol, previous_version : str or None
        What a build on an older system would have used: the newest of the older ones. For ``unknown``, what
        the name suggests.
    oldest_version : str or None
        The oldest version that the same source can need: the floor after a rebuild on the oldest system. For
        a new function the version itself.
    library : str or None
        Soname of the library at hand that defines it.
    note : str
        Why it is unknown; else empty.
    """

    symbol: str
    version: str
    kind: SymbolKind
    previous_symbol: str | None = None
    previous_version: str | None = None
    oldest_version: str | None = None
    library: str | None = None
    note: str = ""

    @property
    def sentence(self) -> str:
        """One line for a report: ``fstat: renamed in 2.33 (before: __fxstat, 2.2.5)``."""
        number = _bare(self.version)
        before = f"{self.previous_symbol}, " if self.previous_symbol not in {None, self.symbol} else ""
        before = f" (before: {before}{_bare(self.previous_version)})" if self.previous_version else ""
        match self.kind:
            case SymbolKind.NEW:
                return f"{self.symbol}: new in {number}"
            case SymbolKind.RE_VERSIONED | SymbolKind.RENAMED:
                return f"{self.symbol}: {self.kind} in {number}{before}"
            case SymbolKind.BASELINE:
                return f"{self.symbol}: in glibc since its first version for this machine, {number}"
            case SymbolKind.MARKER:
                return f"{self.version}: a marker that the loader looks for, not a function"
            case SymbolKind.PRIVATE:
                return f"{self.symbol}: private to the glibc that it was built with"
            case _:
                return f"{self.symbol}: {number} is unknown{before}: {self.note}"

    def __str__(self) -> str:
        return self.sentence


@dataclass(frozen=True, slots=True)
class _Entry:
    number: tuple[int, ...]
    version: str
    library: str
    default: bool


class SymbolHistory:
    """Every versioned symbol of one glibc, with all its versions.

    Parameters
    ----------
    libraries : iterable of (str, Path)
        Soname and file of the libraries of one glibc.

    Attributes
    ----------
    newest, oldest : str
        The newest and the oldest version that ``libc.so.6`` defines (``GLIBC_2.36``; the oldest is the
        machine's first glibc).
    skipped : tuple of str
        Libraries that could not be read, one line each.

    Raises
    ------
    ValueError
        If no library defines a numbered GLIBC version: musl, or no C library at all.
    """

    def __init__(self, libraries: Iterable[tuple[str, Path]]) -> None:
        self._table: dict[str, list[_Entry]] = {}
        self._versions: set[str] = set()
        self._explained: dict[tuple[str, str], Explanation] = {}
        skipped: list[str] = []
        names: list[str] = []
        for soname, path in libraries:
            names.append(str(path))
            try:
                self._read(soname, path)
            except ElfError as error:
                skipped.append(str(error))
            except OSError as error:
                skipped.append(f"{path}: {error.strerror or error}")
        self.skipped = tuple(skipped)
        for entries in self._table.values():
            entries.sort(key=lambda entry: entry.number)
        numbered = sorted(
            (parsed.number, version)
            for version in self._versions
            if (parsed := SymbolVersion.parse(version)).number is not None
            and parsed.family == "GLIBC"
            and not version.startswith("GLIBC_ABI_")
        )
        if not numbered:
            told = f" ({skipped[0]})" if skipped else ""
            raise ValueError(f"{names[0] if names else 'no library'}: no symbol versions of glibc{told}")
        self.oldest, self.newest = numbered[0][1], numbered[-1][1]

    def __repr__(self) -> str:
        return f"SymbolHistory({len(self._table)} symbols, {_bare(self.oldest)} to {_bare(self.newest)})"

    def __contains__(self, symbol: object) -> bool:
        return symbol in self._table

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """Give every (symbol, version), sorted by name and then by age."""
        for symbol in sorted(self._table):
            yield from ((symbol, version) for version in self.versions_of(symbol))

    def _read(self, soname: str, path: Path) -> None:
        self._versions |= defined_versions(path)
        for symbol in exported_symbols(path):
            if symbol.version is None:
                continue
            parsed = SymbolVersion.parse(symbol.version)
            # Every version is exported as an absolute symbol of its own name; that is no function.
            if parsed.family != "GLIBC" or parsed.number is None or symbol.name == symbol.version:
                continue
            entry = _Entry(parsed.number, symbol.version, soname, symbol.default)
            self._table.setdefault(symbol.name, []).append(entry)

    @classmethod
    def from_library(cls, path: str | Path) -> SymbolHistory:
        """Read ``libc.so.6`` and those of its family that lie beside it.

        Raises
        ------
        ValueError
            If it is no glibc.
        """
        path = Path(path)
        libraries = [("libc.so.6", path)]
        libraries += [(name, path.parent / name) for name in _FAMILY[1:] if (path.parent / name).is_file()]
        loaders = [
            found for pattern in _LOADERS for found in sorted(path.parent.glob(pattern)) if found.is_file()
        ]
        libraries += [(found.name, found) for found in loaders[:1]]
        return cls(libraries)

    @classmethod
    def from_root(cls, root: Root, machine: str) -> SymbolHistory:
        """Read the glibc of a root file system for a machine (``x86_64``).

        Raises
        ------
        ValueError
            If the root has no glibc for that machine.
        """
        libraries = [(name, path) for name in _FAMILY if (path := root.library(name, machine)) is not None]
        if not libraries or libraries[0][0] != "libc.so.6":
            raise ValueError(f"{root.path}: no libc.so.6 for {machine}")
        loader = root.loader(machine)
        if loader is not None:
            libraries.append((loader.name, loader))
        return cls(libraries)

    def versions_of(self, symbol: str) -> tuple[str, ...]:
        """Return all versions of a symbol, the oldest first; empty for an unknown one."""
        return tuple(dict.fromkeys(entry.version for entry in self._table.get(symbol, ())))

    def oldest_version(self, symbol: str) -> str | None:
        """Return the oldest version that this name ever had (what a rebuild on an old system binds to)."""
        versions = self.versions_of(symbol)
        return versions[0] if versions else None

    def explain(self, symbol: str, version: str) -> Explanation:
        """Tell why a symbol needs a version.

        Parameters
        ----------
        symbol : str
        version : str
            Such as ``GLIBC_2.34``. For a marker (``GLIBC_ABI_DT_RELR``) the symbol is of no matter.
        """
        key = (symbol, version)
        if key not in self._explained:
            self._explained[key] = self._explain(symbol, version)
        return self._explained[key]

    def _explain(self, symbol: str, version: str) -> Explanation:
        parsed = SymbolVersion.parse(version)
        if parsed.private:
            return Explanation(symbol, version, SymbolKind.PRIVATE)
        if version.startswith("GLIBC_ABI_"):
            return Explanation(symbol or version, version, SymbolKind.MARKER)
        if parsed.family != "GLIBC" or parsed.number is None:
            return Explanation(symbol, version, SymbolKind.UNKNOWN, note="not a version of glibc")
        entry = next((entry for entry in self._table.get(symbol, ()) if entry.number == parsed.number), None)
        previous = self._previous(symbol, parsed.number)
        older_symbol, older = previous if previous else (None, None)
        oldest = self._oldest(symbol, parsed.number) or version
        if entry is None:
            return Explanation(
                symbol,
                version,
                SymbolKind.UNKNOWN,
                older_symbol,
                older.version if older else None,
                oldest if older else None,
                note=self._absence(symbol, parsed.number),
            )
        if older is not None:
            kind = SymbolKind.RE_VERSIONED if older_symbol == symbol else SymbolKind.RENAMED
        elif version == self.oldest:
            kind = SymbolKind.BASELINE
        else:
            kind = SymbolKind.NEW
        return Explanation(
            symbol, version, kind, older_symbol, older.version if older else None, oldest, entry.library
        )

    def _absence(self, symbol: str, number: tuple[int, ...]) -> str:
        newest = SymbolVersion.parse(self.newest).number or ()
        if number > newest:
            return f"the glibc at hand ends at {_bare(self.newest)}"
        if symbol in self._table:
            return f"the glibc at hand has it at {', '.join(map(_bare, self.versions_of(symbol)))} only"
        return f"the glibc at hand ({_bare(self.newest)}) has no such symbol"

    def _previous(self, symbol: str, number: tuple[int, ...]) -> tuple[str, _Entry] | None:
        """Return the newest older entry of the same name, else of a name that did its job."""
        for name in (symbol, *self._older_names(symbol)):
            entries = [entry for entry in self._table.get(name, ()) if entry.number < number]
            if entries:
                return name, entries[-1]
        return None

    def _older_names(self, symbol: str) -> Iterator[str]:
        for pattern, templates in _RENAMES:
            match = pattern.fullmatch(symbol)
            if match is None:
                continue
            groups = {key: value or "" for key, value in match.groupdict().items()}
            for template in templates:
                name = template.format(**groups)
                if name != symbol and self._stands_in(name, symbol):
                    yield name

    def _stands_in(self, older: str, symbol: str) -> bool:
        """Hold a suspicion against the table."""
        entries = self._table.get(older, ())
        # acosf64 is acos for the type _Float64, not acosf for large files.
        typed = re.fullmatch(r"(\w+)f64(_\w+)?", symbol)
        if typed and any(f"{typed[1]}{letter}{typed[2] or ''}" in self._table for letter in ("", "d")):
            return False
        # A public name takes over from a reserved one only if nothing can be linked to the reserved one any
        # more.
        if older == f"__{symbol}":
            return bool(entries) and not any(entry.default for entry in entries)
        return bool(entries)

    def _oldest(self, symbol: str, number: tuple[int, ...], depth: int = 0) -> str | None:
        first: _Entry | None = None
        while depth < _RENAME_DEPTH:
            depth += 1
            previous = self._previous(symbol, number)
            if previous is None:
                break
            symbol = previous[0]
            first = self._table[symbol][0]
            number = first.number
        return first.version if first else None


def musl_version(path: str | Path) -> tuple[int, int] | None:
    """Read the version that a musl loader (``ld-musl-x86_64.so.1``) would print, without running it.

    Returns
    -------
    tuple of int or None
        ``(1, 2)``; None if the file is no musl, or cannot be read.
    """
    try:
        if not Path(path).is_file():
            return None
        with Path(path).open("rb") as stream:
            content = stream.read(_MUSL_BYTES)
    except OSError:
        return None
    if not content.startswith(b"\x7fELF") or b"musl libc (" not in content:
        return None
    found = {(int(match[1]), int(match[2])) for match in _MUSL_VERSION.finditer(content)}
    return found.pop() if len(found) == 1 else None


def _bare(version: str | None) -> str:
    return (version or "").removeprefix("GLIBC_")
