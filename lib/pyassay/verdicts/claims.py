"""What a wheel claims against what its files need: platform tag, C library, machine, stable ABI.

Exact where auditwheel rounds: a claim of ``manylinux_2_25`` is held against glibc 2.25. What PEP 600 asks
besides glibc (libstdc++, the libraries that every system has) is taken from auditwheel's policies: of the
policy of that name, or of the newest one below it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pyassay.elf.platform_tags import ParsedPlatform, PlatformPolicy, allowed, parse_platform, policies
from pyassay.elf.versions import SymbolVersion, version_key
from pyassay.verdicts.requirements import text

__all__ = ["Finding", "claims", "only_allowed"]

Rows = Mapping[str, Sequence[Mapping[str, Any]]]
_SYMBOLS_SHOWN = 3
_PYTHON_TAG = re.compile(r"(?:cp|py)3(\d+)")


@dataclass(frozen=True, slots=True)
class Finding:
    """One lie, or one thing that is not allowed.

    Attributes
    ----------
    subject_id : str
    file : str
        The file that holds it, or the wheel.
    found, wanted : str
        What it has, and what was claimed or asked for.
    """

    subject_id: str
    file: str
    found: str
    wanted: str

    @property
    def line(self) -> str:
        """Return it as one line: ``x.so: memfd_create@GLIBC_2.27 > claimed manylinux_2_17_x86_64``."""
        return f"{self.file}: {self.found} > {self.wanted}"


def claims(rows: Rows) -> list[Finding]:
    """Hold every wheel against its own tags.

    Parameters
    ----------
    rows : mapping of str to sequence of mapping
        Rows of the tables ``wheels``, ``files``, ``needs``, ``symbols``, ``libraries`` and
        ``python_symbols``.

    Returns
    -------
    list of Finding
        In the order of the wheels; one for each file and family at most.
    """
    found: list[Finding] = []
    for wheel in rows["wheels"]:
        own = _Own.of(rows, str(wheel["subject_id"]), str(wheel["prefix"]))
        found += _renamed(wheel)
        for platform, claimed in _distinct(wheel["claimed"]):
            found += own.against(platform, claimed, f"claimed {platform}")
        found += _stable_abi(wheel, own)
    return found


def only_allowed(rows: Rows, tags: Sequence[str]) -> list[Finding]:
    """Hold every subject against a list of platform tags; each allows what is more compatible, too.

    Parameters
    ----------
    rows : mapping of str to sequence of mapping
        As for :func:`claims`, and ``tags``.
    tags : sequence of str
        ``manylinux_2_28_x86_64``.

    Raises
    ------
    ValueError
        If one is no platform tag of Linux.
    """
    wanted = [(tag, parse_platform(tag)) for tag in tags]
    shown = f"allowed {', '.join(tags)}"
    found: list[Finding] = []
    in_wheels: dict[str, list[str]] = {}
    for wheel in rows["wheels"]:
        subject_id, prefix = str(wheel["subject_id"]), str(wheel["prefix"])
        in_wheels.setdefault(subject_id, []).append(prefix)
        platforms = [str(platform) for platform in wheel["claimed"]]
        if not any(_is_allowed(platform, wanted) for platform in platforms):
            claimed = ", ".join(platforms)
            found.append(Finding(subject_id, str(wheel["wheel"]), f"claims {claimed}", shown))
    for subject_id in dict.fromkeys(str(row["subject_id"]) for row in rows["files"]):
        own = _Own.of(rows, subject_id, "", besides=tuple(in_wheels.get(subject_id, ())))
        if not own.files:
            continue
        # It is enough that one of the tags allows it; what the widest refuses is what is said.
        by_tag = sorted((own.against(tag, platform, shown) for tag, platform in wanted), key=len)
        found += by_tag[0]
    return found


def _is_allowed(platform: str, wanted: Iterable[tuple[str, ParsedPlatform]]) -> bool:
    if platform == "any" or any(platform == tag for tag, _ in wanted):
        return True
    try:
        parsed = parse_platform(platform)
    except ValueError:
        return False
    return parsed.number != () and any(
        parsed.libc == other.libc and parsed.machine == other.machine and parsed.number <= other.number
        for _, other in wanted
    )


def _distinct(claimed: Iterable[str]) -> Iterator[tuple[str, ParsedPlatform | None]]:
    """Yield the claims that imply the others: the oldest for each C library and machine."""
    oldest: dict[tuple[object, str], tuple[str, ParsedPlatform]] = {}
    for platform in map(str, claimed):
        try:
            parsed = parse_platform(platform)
        except ValueError:
            yield platform, None
            continue
        key = (parsed.libc, parsed.machine)
        # manylinux2014 and manylinux_2_17 are one claim, better known by its number.
        if key not in oldest or (parsed.number, -len(platform)) < (
            oldest[key][1].number,
            -len(oldest[key][0]),
        ):
            oldest[key] = (platform, parsed)
    yield from oldest.values()


def _renamed(wheel: Mapping[str, Any]) -> Iterator[Finding]:
    recorded, claimed = ({_canonical(tag) for tag in wheel[name]} for name in ("recorded", "claimed"))
    if recorded and recorded != claimed:
        yield Finding(
            str(wheel["subject_id"]),
            str(wheel["wheel"]),
            f"its WHEEL file records {', '.join(sorted(recorded))}",
            f"claimed {', '.join(sorted(claimed))} by its name",
        )


def _canonical(platform: str) -> str:
    try:
        parsed = parse_platform(str(platform))
    except ValueError:
        return str(platform)
    if not parsed.number:
        return str(platform)
    kind = "musllinux" if parsed.libc == "musl" else "manylinux"
    return f"{kind}_{parsed.number[0]}_{parsed.number[1]}_{parsed.machine}"


def _stable_abi(wheel: Mapping[str, Any], own: _Own) -> Iterator[Finding]:
    if "abi3" not in wheel["abis"]:
        return
    minors = [int(match[1]) for tag in wheel["pythons"] if (match := _PYTHON_TAG.fullmatch(str(tag)))]
    floor = (3, min(minors)) if minors else (3, 2)
    claimed = f"claimed {'.'.join(map(str, wheel['pythons']))}-abi3"
    outside: dict[str, list[str]] = {}
    newer: dict[str, list[str]] = {}
    for row in own.python_symbols:
        added = version_key(str(row["added"])) if row["added"] else None
        if added is None:
            outside.setdefault(str(row["file"]), []).append(str(row["symbol"]))
        elif added > floor:
            newer.setdefault(str(row["file"]), []).append(f"{row['symbol']} (added in {row['added']})")
    for file, names in outside.items():
        yield Finding(own.subject_id, file, f"{_few(names)}, not in the stable ABI", claimed)
    for file, names in newer.items():
        yield Finding(own.subject_id, file, _few(names), claimed)


def _few(names: Sequence[str]) -> str:
    listed = sorted(dict.fromkeys(names))
    more = len(listed) - _SYMBOLS_SHOWN
    return ", ".join(listed[:_SYMBOLS_SHOWN]) + (f" and {more} more" if more > 0 else "")


@dataclass(frozen=True, slots=True)
class _Own:
    """The rows of one wheel, or of all of a subject that lies in none."""

    subject_id: str
    files: Sequence[Mapping[str, Any]]
    needs: Sequence[Mapping[str, Any]]
    symbols: Sequence[Mapping[str, Any]]
    libraries: Sequence[Mapping[str, Any]]
    python_symbols: Sequence[Mapping[str, Any]]

    @staticmethod
    def of(rows: Rows, subject_id: str, prefix: str, besides: tuple[str, ...] = ()) -> _Own:
        def chosen(table: str) -> list[Mapping[str, Any]]:
            return [
                row
                for row in rows[table]
                if row["subject_id"] == subject_id
                and str(row["file"]).startswith(prefix)
                and not (besides and str(row["file"]).startswith(besides))
            ]

        names = ("files", "needs", "symbols", "libraries", "python_symbols")
        return _Own(subject_id, *map(chosen, names))

    def against(self, platform: str, claimed: ParsedPlatform | None, wanted: str) -> list[Finding]:
        """Return what of these files breaks a claim."""
        if not self.files:
            return []
        if claimed is None:
            held = "is an ELF file"
            first = str(self.files[0]["file"])
            return [Finding(self.subject_id, first, held, wanted)]
        found = [
            Finding(self.subject_id, str(row["file"]), f"for {row['machine']}", wanted)
            for row in self.files
            if row["machine"] != claimed.machine
        ]
        if claimed.libc is None:
            return found
        found += [
            Finding(self.subject_id, str(row["file"]), f"made for {row['libc']}", wanted)
            for row in self.files
            if row["libc"] not in ("", claimed.libc)
        ]
        if found:
            # Of another kind altogether: its versions and libraries would only repeat that.
            return found
        policy = _policy(claimed)
        if claimed.libc == "glibc":
            found += self._versions(claimed, policy, wanted)
        if policy is not None:
            found += self._outside(policy, wanted)
        return found

    def _versions(
        self, claimed: ParsedPlatform, policy: PlatformPolicy | None, wanted: str
    ) -> Iterator[Finding]:
        carried = {(row["file"], row["soname"]) for row in self.libraries if row["inside"]}
        worst: dict[tuple[str, str], SymbolVersion] = {}
        for row in self.needs:
            if row["weak"] or (row["file"], row["soname"]) in carried:
                continue
            version = SymbolVersion.parse(str(row["version"]))
            if _keeps(version, claimed, policy):
                continue
            key = (str(row["file"]), version.family)
            known = worst.get(key)
            if known is None or (version.private, version.number or ()) > (known.private, known.number or ()):
                worst[key] = version
        for (file, family), version in worst.items():
            number = ".".join(map(str, version.number or ()))
            names = [
                str(row["symbol"])
                for row in self.symbols
                if row["file"] == file and row["family"] == family and row["version"] == number and number
            ]
            symbols = [name for name in names if name != version.raw]
            first = f"{symbols[0]}@{version.raw}" if symbols else version.raw
            more = f" and {len(symbols) - 1} more" if len(symbols) > 1 else ""
            yield Finding(self.subject_id, file, first + more, wanted)

    def _outside(self, policy: PlatformPolicy, wanted: str) -> Iterator[Finding]:
        for row in self.libraries:
            soname = text(row["soname"]).rpartition("/")[2]
            if not row["inside"] and not allowed(soname, policy):
                yield Finding(self.subject_id, str(row["file"]), f"needs {soname} from outside", wanted)


def _keeps(version: SymbolVersion, claimed: ParsedPlatform, policy: PlatformPolicy | None) -> bool:
    if version.private:
        return False
    if policy is not None and version.raw in policy.versions.get(version.family, frozenset()):
        return True
    if version.family == "GLIBC":
        # Exact: 2_25 lies between two policies. aarch64's 2_17 allows 2.18, which only its policy knows.
        return version.number is not None and version.number[:2] <= claimed.number
    # A family that policies do not know (a library's own) is no matter of a platform tag.
    return policy is None or version.raw.partition("_")[0] not in policy.versions


def _policy(claimed: ParsedPlatform) -> PlatformPolicy | None:
    """Return the policy of a claim, or the newest below it; None: there is none for the machine."""
    known = [policy for policy in policies(claimed.libc, claimed.machine) if policy.number]
    below = [policy for policy in known if policy.number <= claimed.number]
    return max(below, key=lambda policy: policy.number, default=None)
