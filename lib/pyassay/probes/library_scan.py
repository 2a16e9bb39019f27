"""Which libraries one ELF file carries, by its bytes and symbols alone: bounded, nothing executed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache

from pyassay.elf.lookup import Symbol, Symbols
from pyassay.elf.reader import DT_SONAME, PT_LOAD, ElfError, Image, Source
from pyassay.probes.signatures import BytePattern, Signature, SymbolVersionSource, signatures

__all__ = ["Carried", "Scan", "scan"]

_CHUNK_BYTES = 1 << 20
_OVERLAP_BYTES = 2048
# Most places of one anchor that a pattern is tried at, and most bytes of one file: far above any honest one.
_MAX_PLACES = 20_000
_MAX_BYTES = 2 << 30
_MAX_CANDIDATES = 12
_PF_X = 1
_LONGEST_SHOWN = 120


@dataclass(frozen=True, slots=True)
class Carried:
    """A library that a file carries.

    Attributes
    ----------
    library : str
        Id of its signature.
    version : str
        Empty when it could not be determined; ``evidence`` then says why.
    method : str
        ``symbol``, ``bytes`` or ``soname``.
    confidence : str
        ``certain``, ``likely`` or ``unknown`` (the library is there, its version is not known).
    evidence : str
        One line: the very string or symbol that was found.
    detail : str
        What else its bytes tell: a source id, a folder of configuration.
    named : bool
        The file is this library by its own soname or name.
    """

    library: str
    version: str
    method: str
    confidence: str
    evidence: str
    detail: str = ""
    named: bool = False


@dataclass(frozen=True, slots=True)
class Scan:
    """What was found in a file, and what was not read of it (empty: nothing)."""

    carried: tuple[Carried, ...]
    unread: str = ""


def scan(source: Source, name: str, known: Mapping[str, Signature] | None = None) -> Scan:
    """Tell which libraries an ELF file carries.

    Parameters
    ----------
    source : Path, str, bytes or binary file
    name : str
        Its path: its last part may name a library.
    known : mapping of str to Signature, optional
        By default all of :func:`pyassay.probes.signatures.signatures`.

    Raises
    ------
    NotElf, ElfError
        If it is none, or damaged.
    OSError
        If it cannot be read.
    """
    with Image(source, name) as image:
        return _Search(image, name, signatures() if known is None else known).run()


@dataclass(slots=True)
class _Hit:
    """A match: the version (None: the pattern has none), and the text around it."""

    version: str | None
    text: str


@dataclass(slots=True)
class _Search:
    image: Image
    name: str
    known: Mapping[str, Signature]
    unread: list[str] = field(default_factory=list)
    _defined: dict[str, Symbol] = field(default_factory=dict)
    _contained: dict[bytes, bool] = field(default_factory=dict)

    def run(self) -> Scan:
        soname = self._soname()
        named = {key for key, one in self.known.items() if one.is_soname(soname) or one.is_soname(self.name)}
        symbols = Symbols(self.image, full=True)
        self._defined = symbols.find_all(list(_symbol_names(tuple(self.known.values()))))
        hits = self._first_pass()
        there = {key for key, one in self.known.items() if self._is_there(key, one, hits, key in named)}
        found: dict[str, Carried] = {}
        for key in there:
            if (by_symbol := self._by_symbol(self.known[key], symbols)) is not None:
                found[key] = by_symbol
            elif (by_bytes := self._by_pattern(self.known[key], hits, key in named)) is not None:
                found[key] = by_bytes
        self._bare_versions(there - found.keys(), found)
        details = self._details(there)
        carried = []
        for key in sorted(there):
            one = found.get(key) or self._unknown(self.known[key], hits, key in named, soname)
            carried.append(self._finished(one, details.get(key, ""), key in named))
        return Scan(tuple(carried), "; ".join(dict.fromkeys(self.unread)))

    # What is there ------------------------------------------------------------------------------------------

    def _soname(self) -> str:
        try:
            if DT_SONAME in self.image.dynamic:
                return self.image.string(self.image.dynamic[DT_SONAME], "DT_SONAME")
        except ElfError:
            pass
        return ""

    def _is_there(self, key: str, one: Signature, hits: dict[BytePattern, list[_Hit]], named: bool) -> bool:
        if any(self._contains(text) for text in one.unless):
            return False
        if any(name in self._defined for name in one.defines):
            return True
        if named and (key != "zlib_ng" or self._contains(b".zlib-ng")):
            return True
        if any(self._source_defined(source) for source in one.symbols):
            return True
        # A bare version shows nothing by itself, only its proof does.
        return any(
            (pattern in hits or (pattern.bare and bool(pattern.proof))) and self._proved(pattern)
            for pattern in one.patterns
        )

    def _source_defined(self, source: SymbolVersionSource) -> bool:
        symbol = self._defined.get(source.name)
        return symbol is not None and self.image.room_after(symbol.address) > 0

    def _proved(self, pattern: BytePattern) -> bool:
        return not pattern.proof or any(self._contains(text) for text in pattern.proof)

    def _contains(self, text: bytes) -> bool:
        if text not in self._contained:
            self._contained[text] = any(text in chunk for chunk in self._chunks())
        return self._contained[text]

    # Versions -----------------------------------------------------------------------------------------------

    def _by_symbol(self, one: Signature, symbols: Symbols) -> Carried | None:
        for source in one.symbols:
            symbol = self._defined.get(source.name)
            if symbol is None:
                continue
            version, shown = _decoded(source, symbol, symbols, self.image.order)
            if version:
                return Carried(one.id, version, "symbol", "certain", f"{source.name}: {shown}")
        return None

    def _by_pattern(self, one: Signature, hits: dict[BytePattern, list[_Hit]], named: bool) -> Carried | None:
        texts: dict[str, str] = {}
        for pattern in one.patterns:
            if pattern.bare or not (named or self._proved(pattern)):
                continue
            for hit in hits.get(pattern, ()):
                if hit.version:
                    texts.setdefault(hit.version, hit.text)
        if not texts:
            return None
        if len(texts) > 1:
            shown = " / ".join(list(texts.values())[:_MAX_CANDIDATES])
            return Carried(one.id, "", "bytes", "unknown", f"several versions: {shown}")
        ((version, text),) = texts.items()
        return Carried(one.id, version, "bytes", "certain", text)

    def _bare_versions(self, missing: set[str], found: dict[str, Carried]) -> None:
        """Look for versions that stand alone, of libraries that are there and said nothing better."""
        wanted = {
            pattern: key for key in sorted(missing) for pattern in self.known[key].patterns if pattern.bare
        }
        if not wanted:
            return
        clean: dict[str, set[str]] = {key: set() for key in wanted.values()}
        tails: dict[str, dict[str, str]] = {key: {} for key in wanted.values()}
        for chunk in self._chunks():
            for pattern, key in wanted.items():
                for version, before in _standing_alone(pattern, chunk):
                    if not before:
                        clean[key].add(version)
                    elif len(tails[key]) < _MAX_CANDIDATES:
                        tails[key].setdefault(version, before + version)
        # Those that others depend on first.
        for key in sorted(clean, key=lambda key: len(self.known[key].not_of)):
            taken = {found[other].version for other in self.known[key].not_of if other in found}
            if (one := _only(key, clean[key] - taken, tails[key], taken)) is not None:
                found[key] = one

    def _unknown(
        self, one: Signature, hits: dict[BytePattern, list[_Hit]], named: bool, soname: str
    ) -> Carried:
        texts = [hit.text for pattern in one.patterns for hit in hits.get(pattern, ())]
        symbols = [name for name in one.defines if name in self._defined]
        proofs = [text for pattern in one.patterns for text in pattern.proof if self._contained.get(text)]
        why = "no version of its own in it"
        if texts:
            return Carried(one.id, "", "bytes", "unknown", f"{why}; found {texts[0]}")
        if symbols:
            return Carried(one.id, "", "symbol", "unknown", f"{why}; it defines {symbols[0]}")
        if named:
            shown = soname or self.name.rpartition("/")[2]
            return Carried(one.id, "", "soname", "unknown", f"{why}; it is {_shown(shown.encode())}")
        return Carried(one.id, "", "bytes", "unknown", f"{why}; found {_shown(proofs[0]) if proofs else ''}")

    def _details(self, there: set[str]) -> dict[str, str]:
        wanted = {one.details: key for key in sorted(there) if (one := self.known[key]).details is not None}
        found: dict[str, str] = {}
        for chunk in self._chunks() if wanted else ():
            for pattern, key in wanted.items():
                if pattern is None:
                    continue
                for match in pattern.pattern.finditer(chunk):
                    # Of two, the one that is a string of its own.
                    alone = chunk[match.start() - 1 : match.start()] == b"\0"
                    if key not in found or alone:
                        found[key] = _shown(match["detail"])
                    if alone:
                        break
        return found

    def _finished(self, one: Carried, detail: str, named: bool) -> Carried:
        modified = self.known[one.library].modified
        evidence = one.evidence
        if detail and detail not in evidence:
            evidence = f"{evidence}; {detail}"
        if detail and modified is not None and modified.search(detail):
            evidence = f"{evidence} (built from modified sources)"
        return Carried(one.library, one.version, one.method, one.confidence, evidence, detail, named)

    # Bytes --------------------------------------------------------------------------------------------------

    def _first_pass(self) -> dict[BytePattern, list[_Hit]]:
        """Search for every anchor, and try the patterns around those that are there."""
        by_anchor = _anchors(tuple(self.known.values()))
        proofs = _bare_proofs(tuple(self.known.values()))
        places = dict.fromkeys(by_anchor, 0)
        hits: dict[BytePattern, list[_Hit]] = {}
        self._contained |= dict.fromkeys(proofs, False)
        for chunk in self._chunks():
            for text in proofs:
                if not self._contained[text] and text in chunk:
                    self._contained[text] = True
            for anchor, patterns in by_anchor.items():
                at = chunk.find(anchor)
                while at >= 0:
                    places[anchor] += 1
                    if places[anchor] > _MAX_PLACES:
                        self.unread.append(f"more than {_MAX_PLACES} times {_shown(anchor)}")
                        break
                    for pattern in patterns:
                        _try(pattern, chunk, at, hits)
                    at = chunk.find(anchor, at + 1)
        return hits

    def _chunks(self) -> Iterator[bytes]:
        """Yield what a loader maps without leave to execute, in overlapping pieces, a NUL on either side."""
        left = _MAX_BYTES
        for offset, size in self._regions():
            position, end = offset, offset + size
            while position < end:
                if left <= 0:
                    self.unread.append(f"only the first {_MAX_BYTES} bytes were read")
                    return
                wanted = min(_CHUNK_BYTES, end - position)
                first = max(offset, position - _OVERLAP_BYTES) if position > offset else position
                piece = self.image.at(first, position + wanted - first, "a segment")
                yield b"\0" + piece + b"\0" if first + len(piece) == end else b"\0" + piece
                position += wanted
                left -= wanted

    def _regions(self) -> list[tuple[int, int]]:
        loads = [segment for segment in self.image.segments if segment[0] == PT_LOAD and segment[4]]
        if not loads:
            return [(0, self.image.size)]
        constant = [segment for segment in loads if not segment[1] & _PF_X]
        # Older linkers put constants and code into one segment: the first, with the headers, is executable.
        first = min(loads, key=lambda segment: segment[3])
        chosen = loads if first[1] & _PF_X or not constant else constant
        return sorted({(segment[2], min(segment[4], self.image.size - segment[2])) for segment in chosen})


@cache
def _anchors(known: tuple[Signature, ...]) -> dict[bytes, list[BytePattern]]:
    found: dict[bytes, list[BytePattern]] = {}
    for one in known:
        for pattern in one.patterns:
            if not pattern.bare:
                found.setdefault(pattern.anchor, []).append(pattern)
    return found


@cache
def _bare_proofs(known: tuple[Signature, ...]) -> frozenset[bytes]:
    bare = {text for one in known for pattern in one.patterns if pattern.bare for text in pattern.proof}
    return frozenset(bare | {text for one in known for text in one.unless})


@cache
def _symbol_names(known: tuple[Signature, ...]) -> tuple[str, ...]:
    names = [source.name for one in known for source in one.symbols]
    return tuple(dict.fromkeys([*names, *(name for one in known for name in one.defines)]))


def _try(pattern: BytePattern, chunk: bytes, at: int, hits: dict[BytePattern, list[_Hit]]) -> None:
    start = max(0, at - pattern.around)
    end = min(len(chunk), at + len(pattern.anchor) + pattern.around)
    for match in pattern.pattern.finditer(chunk, start, end):
        if match.end() <= at:
            continue
        if match.start() > at + len(pattern.anchor):
            return
        version = match["version"].decode("latin-1") if "version" in pattern.pattern.groupindex else None
        known = hits.setdefault(pattern, [])
        if len(known) < _MAX_CANDIDATES and all(version != hit.version for hit in known):
            known.append(_Hit(version, _shown(match[0])))


def _standing_alone(pattern: BytePattern, chunk: bytes) -> Iterator[tuple[str, str]]:
    """Yield versions that end a string, and what stands before each in that string (empty: nothing)."""
    for number, match in enumerate(pattern.pattern.finditer(chunk)):
        if number > _MAX_PLACES:
            return
        start, end = match.span()
        if chunk[end : end + 1] != b"\0":
            continue
        before = chunk[start - 1 : start]
        # Part of another number or name: GLIBC_2.2.5, expat_2.5.0, v1.2.3, 12.5.1.
        if before and (before.isalnum() or before in b"._+-"):
            continue
        if before in (b"", b"\0") or not 32 <= before[0] < 127:
            yield match["version"].decode("latin-1"), ""
        else:
            string = chunk[max(0, start - 60) : start].rpartition(b"\0")[2]
            yield match["version"].decode("latin-1"), string.decode("latin-1")


def _only(key: str, clean: set[str], tails: Mapping[str, str], taken: Iterable[str]) -> Carried | None:
    if len(clean) == 1:
        (version,) = clean
        return Carried(key, version, "bytes", "likely", f"{version}, the only string of that form")
    if clean:
        return Carried(
            key, "", "bytes", "unknown", f"several strings of its form: {', '.join(sorted(clean))}"
        )
    left = {version: text for version, text in tails.items() if version not in taken}
    if len(left) == 1:
        ((version, text),) = left.items()
        return Carried(
            key, version, "bytes", "likely", f"{version}, the tail of {_shown(text.encode('latin-1'))}"
        )
    if left:
        shown = ", ".join(_shown(text.encode("latin-1")) for text in left.values())
        return Carried(key, "", "bytes", "unknown", f"several strings end in one of its form: {shown}")
    return None


def _decoded(source: SymbolVersionSource, symbol: Symbol, symbols: Symbols, order: str) -> tuple[str, str]:
    """Return the version that a symbol carries, and what was seen; empty if it does not."""
    if source.decode in ("integer", "python"):
        data = symbols.data(symbol, 4)
        if len(data) < 4 or symbol.function:
            return "", ""
        number: int | None = int.from_bytes(data, "little" if order == "<" else "big")
    elif source.decode == "returned integer":
        number = symbols.returned_integer(symbol) if symbol.function else None
    else:
        text = symbols.string(symbol) if source.decode == "string" else symbols.returned_string(symbol)
        return source.from_string(text), _shown(text)
    if number is None:
        return "", ""
    shown = f"{number:#010x}" if source.decode == "python" or source.radix == 256 else str(number)
    return source.from_integer(number), shown


def _shown(text: bytes) -> str:
    """Return bytes fit for one line: what is not printable ASCII escaped, of bounded length."""
    shown = "".join(chr(byte) if 32 <= byte < 127 else f"\\x{byte:02x}" for byte in text.strip(b"\0 \n"))
    return shown if len(shown) <= _LONGEST_SHOWN else f"{shown[: _LONGEST_SHOWN - 1]}…"
