"""Which libraries one ELF file carries, by its bytes and symbols alone: bounded, nothing executed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache

from pyassay.elf.lookup import Symbol, Symbols
from pyassay.elf.reader import DT_SONAME, ElfError, Image, Source
from pyassay.probes.libraries.text import Constants, Hit, shown_bytes
from pyassay.probes.signatures import BytePattern, Signature, SymbolVersionSource, signatures

__all__ = ["Carried", "Scan", "scan"]

_MAX_SHOWN = 12
_NONE = "no version of its own in it"


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
    """What was found in a file, what was not read of it (empty: nothing), DT_NEEDED and DT_SONAME."""

    carried: tuple[Carried, ...]
    unread: str = ""
    needed: tuple[str, ...] = ()
    soname: str = ""


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
class _Search:
    image: Image
    name: str
    known: Mapping[str, Signature]
    _soname: str = ""
    _defined: dict[str, Symbol] = field(default_factory=dict)
    _contained: set[bytes] = field(default_factory=set)
    _hits: dict[BytePattern, list[Hit]] = field(default_factory=dict)

    def run(self) -> Scan:
        every = tuple(self.known.values())
        offset = self.image.dynamic.get(DT_SONAME)
        self._soname = "".join(_names(self.image, [] if offset is None else [offset]))
        symbols = Symbols(self.image, full=True)
        constants = Constants(self.image)
        self._defined = symbols.find_all(list(_symbol_names(every)))
        self._hits, self._contained = constants.hits(_anchors(every), _texts(every))
        self._contained |= constants.contained({text for pattern in self._hits for text in pattern.proof})
        there = [one for one in every if self._is_there(one)]
        found: dict[str, Carried] = {}
        for one in there:
            if (carried := self._by_symbol(one, symbols) or self._by_pattern(one)) is not None:
                found[one.id] = carried
        self._bare_versions([one for one in there if one.id not in found], constants, found)
        patterns = {one.id: one.detail for one in there if one.detail is not None}
        details = constants.first(patterns, "detail")
        return Scan(
            tuple(
                self._finished(one, found.get(one.id) or self._unknown(one), details.get(one.id, ""))
                for one in there
            ),
            "; ".join(constants.unread),
            tuple(_names(self.image, self.image.needed_offsets)),
            self._soname,
        )

    # What is there ------------------------------------------------------------------------------------------

    def _is_there(self, one: Signature) -> bool:
        if any(text in self._contained for text in one.unless):
            return False
        if one.is_soname(self._soname) or one.is_soname(self.name):
            return True
        if any(self._has(name) for name in (*one.defines, *(source.name for source in one.symbols))):
            return True
        # A bare version shows nothing by itself, only its proof does.
        return any(
            (pattern in self._hits or (pattern.bare and bool(pattern.proof))) and self._proved(pattern)
            for pattern in one.patterns
        )

    def _has(self, name: str) -> bool:
        """Tell whether a symbol is defined here, with bytes: a copied variable of another file has none."""
        symbol = self._defined.get(name)
        return symbol is not None and self.image.room_after(symbol.address) > 0

    def _proved(self, pattern: BytePattern) -> bool:
        return not pattern.proof or any(text in self._contained for text in pattern.proof)

    def _is_named(self, one: Signature) -> bool:
        return any(one.is_soname(name) or one.stands_for(name) for name in (self._soname, self.name))

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

    def _by_pattern(self, one: Signature) -> Carried | None:
        texts: dict[str, str] = {}
        for pattern in one.patterns:
            if not pattern.bare and (self._proved(pattern) or self._is_named(one)):
                for hit in self._hits.get(pattern, ()):
                    if hit.version:
                        texts.setdefault(hit.version, hit.text)
        if not texts:
            return None
        if len(texts) > 1:
            shown = " / ".join(list(texts.values())[:_MAX_SHOWN])
            return Carried(one.id, "", "bytes", "unknown", f"several versions: {shown}")
        ((version, text),) = texts.items()
        return Carried(one.id, version, "bytes", "certain", text)

    def _bare_versions(
        self, missing: Iterable[Signature], constants: Constants, found: dict[str, Carried]
    ) -> None:
        """Look for versions that stand alone, of libraries that are there and said nothing better."""
        # Those that others exclude come first.
        wanted = sorted(missing, key=lambda one: len(one.not_of))
        bare = {one.id: [pattern for pattern in one.patterns if pattern.bare] for one in wanted}
        whole, tails = constants.standing_alone(pattern for patterns in bare.values() for pattern in patterns)
        for one in wanted:
            taken = {found[other].version for other in one.not_of if other in found}
            versions = {version for pattern in bare[one.id] for version in whole[pattern]} - taken
            ends = {
                version: text
                for pattern in bare[one.id]
                for version, text in tails[pattern].items()
                if version not in taken
            }
            if versions or ends:
                found[one.id] = _the_only(one.id, versions, ends)

    def _unknown(self, one: Signature) -> Carried:
        texts = [hit.text for pattern in one.patterns for hit in self._hits.get(pattern, ())]
        defined = [name for name in one.defines if name in self._defined]
        proofs = [text for pattern in one.patterns for text in pattern.proof if text in self._contained]
        if texts:
            return Carried(one.id, "", "bytes", "unknown", f"{_NONE}; found {texts[0]}")
        if defined:
            return Carried(one.id, "", "symbol", "unknown", f"{_NONE}; it defines {defined[0]}")
        if proofs:
            return Carried(one.id, "", "bytes", "unknown", f"{_NONE}; found {shown_bytes(proofs[0])}")
        name = (self._soname or self.name).rpartition("/")[2].encode("utf-8", "surrogateescape")
        return Carried(one.id, "", "soname", "unknown", f"{_NONE}; it is {shown_bytes(name)}")

    def _finished(self, signature: Signature, one: Carried, detail: str) -> Carried:
        evidence = one.evidence
        if detail and detail not in evidence:
            evidence = f"{evidence}; {detail}"
        if detail and signature.modified is not None and signature.modified.search(detail):
            evidence = f"{evidence} (built from modified sources)"
        named = self._is_named(signature)
        return Carried(one.library, one.version, one.method, one.confidence, evidence, detail, named)


def _names(image: Image, offsets: Iterable[int]) -> Iterator[str]:
    """Yield strings of the dynamic section, up to the first that is damaged."""
    with suppress(ElfError):
        for offset in offsets:
            yield image.string(offset, "a name")


@cache
def _anchors(known: tuple[Signature, ...]) -> dict[bytes, list[BytePattern]]:
    found: dict[bytes, list[BytePattern]] = {}
    for one in known:
        for pattern in one.patterns:
            if not pattern.bare:
                found.setdefault(pattern.anchor, []).append(pattern)
    return found


@cache
def _texts(known: tuple[Signature, ...]) -> frozenset[bytes]:
    """Return what is searched for from the start; other proofs only once their pattern has matched."""
    bare = {text for one in known for pattern in one.patterns if pattern.bare for text in pattern.proof}
    return frozenset(bare | {text for one in known for text in one.unless})


@cache
def _symbol_names(known: tuple[Signature, ...]) -> tuple[str, ...]:
    names = [source.name for one in known for source in one.symbols]
    return tuple(dict.fromkeys([*names, *(name for one in known for name in one.defines)]))


def _the_only(library: str, whole: set[str], tails: Mapping[str, str]) -> Carried:
    """Believe a version that is the only one of its form, a whole string before the tail of another."""
    if len(whole) == 1:
        (version,) = whole
        return Carried(library, version, "bytes", "likely", f"{version}, the only string of that form")
    if whole:
        shown = ", ".join(sorted(whole)[:_MAX_SHOWN])
        return Carried(library, "", "bytes", "unknown", f"several strings of its form: {shown}")
    texts = [shown_bytes(text.encode("latin-1")) for text in tails.values()]
    if len(tails) == 1:
        version = next(iter(tails))
        return Carried(library, version, "bytes", "likely", f"{version}, the tail of {texts[0]}")
    return Carried(library, "", "bytes", "unknown", f"several strings end in its form: {', '.join(texts)}")


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
        return source.from_string(text), shown_bytes(text)
    if number is None:
        return "", ""
    shown = f"{number:#010x}" if source.decode == "python" or source.radix == 256 else str(number)
    return source.from_integer(number), shown
