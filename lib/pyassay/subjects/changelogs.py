"""The changelog that a Debian or Ubuntu package leaves on disk: which advisories each of its versions names.

To name an advisory is not to fix it. Debian writes "CVE-2024-0397" for a fix, but also "does not affect us",
"revert the fix of" or "built against expat, which was patched for". So every mention has a reading, and
carries its line, for the reader to judge. The reading is taken from the words that maintainers use: of 28,199
mentions in the 905 changelogs of a Debian 12 with a desktop all but 118 read as fixes; those were looked at.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from itertools import islice
from pathlib import Path

from pyassay.subjects.bounded import head
from pyassay.subjects.display import display_text

__all__ = ["COLUMNS", "Changelog", "Entry", "Mention", "entries", "locate", "parse", "read"]

#: Columns of a changelog as rows: package (source), version and day of the entry (ISO 8601, may be empty),
#: advisory, reading (``fixed``, ``reverted``, ``not affected``, ``named``; in the last row, which names no
#: advisory, ``complete`` or ``incomplete``) and line (text of the item).
COLUMNS = ("package", "version", "day", "advisory", "reading", "line")

_MAX_PACKED_BYTES = 4 << 20
_MAX_BYTES = 16 << 20
_MAX_LINE = 2_000
_MAX_ENTRIES = 20_000
_SHOWN = 240
_ADVISORY = re.compile(r"\bCVE-(?:19|20)\d\d-\d{4,7}\b", re.IGNORECASE | re.ASCII)
_HEADING = re.compile(
    r"(?P<package>[a-z0-9][a-z0-9+.-]{0,80}) \((?P<version>[0-9A-Za-z.+:~-]{1,80})\)(?P<suites>[^;]{0,200});"
)
_SIGNED = re.compile(r" -- .{0,200}?  (?P<date>.{0,60})$")
_CUT_OFF = re.compile(r"^# ?(?:Older entries have been removed|For older changelog entries)", re.MULTILINE)
_BULLET = re.compile(r"(?P<indent> {1,20})[*+o~-] ")

_NAME = r"CVE-(?:19|20)\d\d-\d{4,7}"
# "CVE-2024-1: what it is", "[CVE-2024-1]", "Fix CVE-2024-1", "d/p/CVE-2024-1.patch: ..." are about that one;
# what follows describes the flaw, not the change.
_ABOUT = re.compile(rf"(?:fix(?:es|ed)?:? |\[|[\w./-]{{1,60}}/)?{_NAME}", re.IGNORECASE)
# "skip tables without data (CVE-2024-1, CVE-2024-2)", "a use after free. Fixes CVE-2024-1."
_SAID_FIXED = re.compile(
    rf"[(\[](?:{_NAME}[, ]{{0,2}}){{1,40}}[)\]]"
    rf"|\b(?:fix(?:es|ed)?|address(?:es|ed)?|closes:?(?: #\d{{1,8}},){{0,9}}) {_NAME}",
    re.IGNORECASE,
)
_FIX_FOLLOWS = re.compile(rf"\bfix(?:es|ed)? {_NAME}", re.IGNORECASE)
_REVERTED = re.compile(r"\brevert(?:s|ed|ing)?\b", re.IGNORECASE)
_NO_HARM = (
    r"(?:\b(?:does|do|is|are|was|were)(?: not|n't) (?:be )?(?:affect|vulnerable|expos)"
    r"|\bnot[- ](?:affected|vulnerable)\b|\bunaffected\b|\bnever (?:affected|vulnerable)\b)"
)
_NOT_AFFECTED = re.compile(_NO_HARM, re.IGNORECASE)
_NAMED_AS_NOT_AFFECTING = re.compile(rf"{_NO_HARM}.{{0,60}}{_NAME}|{_NAME}.{{0,60}}{_NO_HARM}", re.IGNORECASE)
# Said of a fix elsewhere, of one that is still to come, or of one that was not enough.
_NO_FIX = re.compile(
    r"\b(?:which|that) (?:was|were|is|are|has been|had been) (?:already )?(?:patched|fixed)\b"
    r"|\bnot (?:yet )?(?:been )?(?:fixed|patched|backported|applied|included|addressed)\b|\bunfixed\b"
    r"|\b(?:still|remains?) (?:open|vulnerable|to be fixed)\b"
    r"|\bregress(?:ion|ed|es)\b|\bincomplete\b|\b(?:ignored|postponed)\b",
    re.IGNORECASE,
)
_STILL_OPEN = re.compile(rf"{_NAME}[^:(]{{0,20}}\bnot (?:yet )?(?:been )?(?:fixed|patched)", re.IGNORECASE)
_TAKEN_OUT = re.compile(r"(?:drop|remove|delete|disable|unapply|rebase|refresh|rename)[ds]?\b", re.IGNORECASE)
_BY_UPSTREAM = re.compile(
    r"\b(?:merged|included|applied|fixed|integrated|accepted)\b.{0,40}\b(?:upstream|release)\b"
    r"|\bupstream\b.{0,40}\b(?:merged|included|applied|fixed|integrated)\b|\bfix included\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Mention:
    """One advisory named in one entry.

    Attributes
    ----------
    advisory, version, day : str
        ``CVE-2024-0397``, the version of the entry, the day on which it was signed (ISO 8601, may be empty).
    reading : str
        ``fixed``; ``reverted``: a fix was taken back; ``not affected``: so the entry says; ``named``: named
        without a word that it is fixed here.
    line : str
        The item that names it, shortened.
    """

    advisory: str
    version: str
    day: str
    reading: str
    line: str


@dataclass(frozen=True, slots=True)
class Changelog:
    """What a changelog says of advisories.

    Attributes
    ----------
    package : str
        Source package.
    versions : tuple of str
        Of its entries, newest first.
    mentions : tuple of Mention
        Newest first.
    complete : bool
        False: it was too long, or damaged, so that its older part is missing.
    since : str
        Packagers cut old entries off, and say so in a last line: the day of the oldest that was left (ISO
        8601); what was fixed before may not be named. Empty: nothing was cut off.
    """

    package: str
    versions: tuple[str, ...]
    mentions: tuple[Mention, ...]
    complete: bool = True
    since: str = ""

    def covers(self, version: str) -> bool:
        """Tell whether it is the changelog of a version: its newest entry is that, but for a binary rebuild.

        A rebuild (``+b1``) has an entry of its own, or none.
        """
        return bool(self.versions) and re.sub(r"\+b\d+$", "", version) in (
            self.versions[0],
            re.sub(r"\+b\d+$", "", self.versions[0]),
        )

    def latest(self) -> dict[str, Mention]:
        """Return the mention that decides on each advisory.

        That is the newest one that says something: a fix that is only named again later stays a fix, one
        that is reverted later does not.
        """
        decided: dict[str, Mention] = {}
        for mention in reversed(self.mentions):
            known = decided.get(mention.advisory)
            if known is None or mention.reading != "named":
                decided[mention.advisory] = mention
        return decided

    def rows(self) -> list[dict[str, str]]:
        """Return the mentions as rows with :data:`COLUMNS`, after them one that names no advisory.

        Its version is the newest of the changelog, its reading ``complete`` or ``incomplete``, its day that
        since which there are entries.
        """
        cells = [(self.package, m.version, m.day, m.advisory, m.reading, m.line) for m in self.mentions]
        state = "complete" if self.complete else "incomplete"
        newest = self.versions[0] if self.versions else ""
        cells.append((self.package, newest, self.since, "", state, ""))
        return [dict(zip(COLUMNS, row, strict=True)) for row in cells]

    @classmethod
    def from_rows(cls, rows: Iterable[Mapping[str, str]]) -> Changelog:
        """Return the changelog that :meth:`rows` made rows of."""
        package, newest, since, complete = "", "", "", True
        versions, mentions = dict[str, None](), list[Mention]()
        for row in rows:
            package = row["package"]
            if not row["advisory"]:
                newest, since, complete = row["version"], row["day"], row["reading"] != "incomplete"
                continue
            versions[row["version"]] = None
            mentions.append(Mention(row["advisory"], row["version"], row["day"], row["reading"], row["line"]))
        ordered = dict.fromkeys([newest, *versions]) if newest else versions
        return cls(package, tuple(ordered), tuple(mentions), complete, since)


def locate(package: str, root: Path = Path("/")) -> Path | None:
    """Return the changelog of an installed package; None where documentation was left out (slim images)."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9+.-]{0,80}", package):
        return None
    for name in ("changelog.Debian.gz", "changelog.Debian", "changelog.gz"):
        path = root / "usr/share/doc" / package / name
        # A link may lead to another package's folder, but not out of this root.
        if path.is_file() and path.resolve().is_relative_to(root.resolve()):
            return path
    return None


def read(package: str, root: Path = Path("/")) -> Changelog | None:
    """Read the changelog of an installed package; None where there is none, or nothing of it is one."""
    path = locate(package, root)
    found = parse(head(path, _MAX_PACKED_BYTES)) if path is not None else None
    return found if found is not None and found.versions else None


def parse(data: bytes) -> Changelog:
    """Parse a changelog, packed by gzip or not; damage ends it, and is said.

    At most 16 MiB of text, 20,000 entries and 2,000 characters of a line are looked at.
    """
    text, whole = _unpacked(data)
    package, oldest, versions, mentions = "", "", list[str](), list[Mention]()
    for entry in _entries(text):
        oldest = entry.day or oldest
        package = package or entry.package
        if len(versions) == _MAX_ENTRIES:
            whole = False
            break
        versions.append(entry.version)
        mentions.extend(_mentions(entry))
    since = oldest if _CUT_OFF.search(text[-_MAX_LINE:]) else ""
    return Changelog(package, tuple(versions), tuple(mentions), whole, since)


@dataclass(slots=True)
class Entry:
    """One version: its package, the distributions that it went to, its day, and the text of its items."""

    package: str
    version: str
    distribution: str
    lines: list[str]
    day: str = ""

    def mentions(self) -> Iterator[Mention]:
        """Yield the advisories that it names."""
        return _mentions(self)


def entries(data: bytes) -> Iterator[Entry]:
    """Yield the entries of a changelog, packed or not, the newest first; bounded like :func:`parse`."""
    return islice(_entries(_unpacked(data)[0]), _MAX_ENTRIES)


def _unpacked(data: bytes) -> tuple[str, bool]:
    whole = len(data) < _MAX_PACKED_BYTES
    if data[:2] == b"\x1f\x8b":
        engine = zlib.decompressobj(wbits=31)
        try:
            data = engine.decompress(data, _MAX_BYTES)
        except zlib.error:
            return "", False
        whole = whole and engine.eof
    elif len(data) > _MAX_BYTES:
        data, whole = data[:_MAX_BYTES], False
    return data.decode("utf-8", "replace"), whole


def _entries(text: str) -> Iterator[Entry]:
    entry: Entry | None = None
    for full in text.split("\n"):
        line = full[:_MAX_LINE].rstrip()
        if line and not line.startswith(" "):
            heading = _HEADING.match(line)
            if heading:
                if entry is not None:
                    yield entry
                suites = heading["suites"].strip()
                entry = Entry(heading["package"], heading["version"], suites, [])
        elif entry is not None and line.startswith(" -- "):
            entry.day = _day(line)
        elif entry is not None:
            entry.lines.append(line)
    if entry is not None:
        yield entry


def _day(line: str) -> str:
    match = _SIGNED.match(line)
    try:
        return parsedate_to_datetime(match["date"]).date().isoformat() if match else ""
    except (ValueError, TypeError, IndexError, OverflowError):
        return ""


def _mentions(entry: Entry) -> Iterator[Mention]:
    for heading, item in _items(entry.lines):
        named = dict.fromkeys(name.upper() for name in _ADVISORY.findall(item))
        if not named:
            continue
        reading, line = _reading(heading, item), display_text(item)[:_SHOWN]
        for advisory in named:
            yield Mention(advisory, entry.version, entry.day, reading, line)


def _items(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield every bullet with what it continues over, and the text of the bullet that it stands under."""
    open_items: list[tuple[int, str]] = []
    text, indent = "", 0

    def finished() -> Iterator[tuple[str, str]]:
        if text:
            yield (open_items[-1][1] if open_items else ""), text

    for line in lines:
        bullet = _BULLET.match(line)
        if bullet is None and line.strip():
            text = f"{text} {line.strip()}"[: 4 * _MAX_LINE].strip()
            continue
        yield from finished()
        if bullet is None:  # an empty line ends every item
            open_items, text, indent = [], "", 0
            continue
        deeper = len(bullet["indent"])
        if text and deeper > indent:
            open_items.append((indent, text))
        while open_items and open_items[-1][0] >= deeper:
            open_items.pop()
        text, indent = line[bullet.end() :].strip(), deeper
    yield from finished()


def _reading(heading: str, item: str) -> str:
    texts = (item, heading)
    reading = "fixed"
    if _NAMED_AS_NOT_AFFECTING.search(item) or _NOT_AFFECTED.search(heading):
        reading = "not affected"
    elif _ABOUT.match(item):
        taken_back = "reverted" if _REVERTED.match(heading) else ""
        reading = taken_back or ("named" if _STILL_OPEN.match(item) else "fixed")
    elif any(map(_BY_UPSTREAM.search, texts)):
        reading = "fixed"
    elif any(map(_TAKEN_OUT.match, texts)):
        reading = "fixed" if _FIX_FOLLOWS.search(item) else "named"
    elif _SAID_FIXED.search(item):
        reading = "fixed"
    elif any(map(_REVERTED.match, texts)):
        reading = "reverted"
    elif any(map(_NO_FIX.search, texts)):
        reading = "named"
    return reading
