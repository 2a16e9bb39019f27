"""Platform tags: the exact one of PEP 600, and auditwheel's policies with the reasons why they refuse."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Literal

from pyassay.elf.versions import Floor, SymbolVersion

if TYPE_CHECKING:
    from pyassay.elf.reader import ElfFile

__all__ = [
    "ClosestPolicy",
    "ParsedPlatform",
    "PlatformPolicy",
    "PlatformTag",
    "PolicyError",
    "Refusal",
    "allowed",
    "closest_policy",
    "libc_of",
    "parse_platform",
    "platform_tag",
    "platforms_claimed",
    "policies",
]

Libc = Literal["glibc", "musl"]

_POLICY_FILES: dict[Libc, str] = {"glibc": "manylinux-policy.json", "musl": "musllinux-policy.json"}
_PREFIX: dict[str, str] = {"glibc": "manylinux", "musl": "musllinux"}
_LEGACY = {
    "manylinux1": "manylinux_2_5",
    "manylinux2010": "manylinux_2_12",
    "manylinux2014": "manylinux_2_17",
}
_TAG = re.compile(r"(?P<kind>manylinux|musllinux)_(?P<major>\d{1,4})_(?P<minor>\d{1,4})_(?P<machine>\w+)")
# Installers look no further down than this (PEP 600 grew out of manylinux1 and manylinux2014).
_OLDEST = {"x86_64": (2, 5), "i686": (2, 5)}
_OLDEST_ELSEWHERE = (2, 17)
_LOADER = re.compile(r"ld-linux.*|ld64\.so\.[12]")
_MUSL_SONAME = re.compile(r"libc\.musl-.*\.so\.1|ld-musl-.*")
_GLIBC_SONAME = re.compile(
    r"lib(?:c|m)\.so\.6(?:\.1)?|ld-linux.*|ld64\.so\.[12]|libdl\.so\.2|lib(?:pthread|rt|util|anl)\.so\.[01]"
)
_MUSL_SONAMES_OF_POLICY = {"i686": "x86", "armv7l": "armv7"}


class PolicyError(ValueError):
    """auditwheel's policy file is not of the form expected."""


@dataclass(frozen=True, slots=True)
class PlatformPolicy:
    """One of auditwheel's platform policies, for one machine.

    Attributes
    ----------
    name : str
        ``manylinux_2_17_x86_64``; ``linux_x86_64`` for the generic one that allows anything.
    aliases : tuple of str
        ``manylinux2014_x86_64``.
    libc : {"glibc", "musl"}
    machine : str
    number : tuple of int
        ``(2, 17)``; empty for the generic one.
    versions : dict of str to frozenset of str
        Symbol versions allowed by family, whole: ``{"GLIBC": {"GLIBC_2.17", ...}}``.
    libraries : frozenset of str
        Sonames that may be needed from the system.
    forbidden_symbols : dict of str to frozenset of str
        By soname of an allowed library, symbols of it that are private in spite of that.
    """

    name: str
    aliases: tuple[str, ...]
    libc: Libc
    machine: str
    number: tuple[int, ...]
    priority: int
    versions: Mapping[str, frozenset[str]] = field(repr=False)
    libraries: frozenset[str] = field(repr=False)
    forbidden_symbols: Mapping[str, frozenset[str]] = field(repr=False)

    @property
    def generic(self) -> bool:
        """True for ``linux_<machine>``, which promises nothing."""
        return not self.number


@dataclass(frozen=True, slots=True)
class PlatformTag:
    """A platform tag and why it is this one (one sentence; empty when the glibc floor says it all)."""

    tag: str
    reason: str = ""

    def __str__(self) -> str:
        return self.tag


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why one policy does not allow the facts.

    Attributes
    ----------
    policy : str
    versions : tuple of str
        Symbol versions outside the policy.
    libraries : tuple of str
        Sonames needed from the system that the policy does not list.
    symbols : tuple of str
        Private symbols of allowed libraries.
    """

    policy: str
    versions: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ()
    symbols: tuple[str, ...] = ()

    def __str__(self) -> str:
        parts = []
        if self.versions:
            parts.append(f"symbol versions {', '.join(self.versions)}")
        if self.libraries:
            parts.append(f"libraries {', '.join(self.libraries)}")
        if self.symbols:
            parts.append(f"private symbols {', '.join(self.symbols)}")
        return f"{self.policy} does not allow {'; '.join(parts)}"


@dataclass(frozen=True, slots=True)
class ClosestPolicy:
    """The most compatible policy that the facts satisfy.

    Attributes
    ----------
    policy : PlatformPolicy
        The generic one when no other allows the facts.
    refusals : tuple of Refusal
        Of every more compatible policy, the nearest first: ``refusals[0]`` is what to mend to get further.
    """

    policy: PlatformPolicy
    refusals: tuple[Refusal, ...]

    @property
    def reason(self) -> str:
        """Why the next more compatible policy refuses; empty if there is none."""
        return str(self.refusals[0]) if self.refusals else ""


@dataclass(frozen=True, slots=True)
class ParsedPlatform:
    """A platform tag taken apart: ``libc`` is None and ``number`` empty for ``linux_<machine>``."""

    libc: Libc | None
    number: tuple[int, ...]
    machine: str


def libc_of(elf: ElfFile) -> Libc | None:
    """Tell which C library a file is made for; None if it needs none (static, or no more than plain code).

    The soname of the C library and the program interpreter decide. ``libc.so`` alone is musl's (glibc's file
    of that name is a linker script, never a soname); GLIBC symbol versions are glibc's.
    """
    interpreter = (elf.interpreter or "").rpartition("/")[2]
    names = (interpreter, *elf.needed, elf.soname or "")
    if any(_MUSL_SONAME.fullmatch(name) for name in names):
        return "musl"
    if any(_GLIBC_SONAME.fullmatch(name) for name in names) or any(
        need.version.startswith("GLIBC_") for need in elf.version_needs
    ):
        return "glibc"
    if "libc.so" not in elf.needed and elf.soname != "libc.so":
        return None
    # Android's C library goes by that name, too, but has symbol versions of its own.
    bionic = interpreter.startswith("linker") or any(
        need.version.startswith("LIBC") for need in elf.version_needs
    )
    return None if bionic else "musl"


def policies(libc: Libc | None = None, machine: str | None = None) -> tuple[PlatformPolicy, ...]:
    """Return auditwheel's policies, the most compatible first, the generic ``linux_<machine>`` last.

    Parameters
    ----------
    libc : {"glibc", "musl"}, optional
    machine : str, optional
        By default all of them.

    Raises
    ------
    PolicyError
        If the installed auditwheel's file is of another form.
    """
    return tuple(
        policy
        for one in ([libc] if libc else list(_POLICY_FILES))
        for policy in _read_policies(one)
        if machine in {None, policy.machine}
    )


@cache
def _read_policies(libc: Libc) -> tuple[PlatformPolicy, ...]:
    # Through the package's folder: importing auditwheel.policy would pull in pyelftools and more.
    file = _POLICY_FILES[libc]
    try:
        entries = json.loads((resources.files("auditwheel") / "policy" / file).read_bytes())
    except (ModuleNotFoundError, OSError, ValueError) as error:
        raise PolicyError(f"auditwheel's {file}: {error}") from error
    found = _parse_policies(entries, libc, file)
    _validate(found, file)
    return tuple(found)


def _parse_policies(entries: Any, libc: Libc, file: str) -> list[PlatformPolicy]:
    found: list[PlatformPolicy] = []
    try:
        machines = sorted({machine for entry in entries for machine in entry["symbol_versions"]})
        for entry in entries:
            for machine in entry["symbol_versions"] or (machines if entry["name"] == "linux" else ()):
                found.append(_parse_policy(entry, libc, machine))
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise PolicyError(f"auditwheel's {file}: not of the form known: {error!r}") from error
    return sorted(found, key=lambda policy: (policy.machine, -policy.priority))


def _parse_policy(entry: Mapping[str, Any], libc: Libc, machine: str) -> PlatformPolicy:
    name = entry["name"]
    match = re.fullmatch(r"(manylinux|musllinux)_(\d+)_(\d+)|linux", name)
    if match is None or (match[1] not in {None, _PREFIX[libc]}):
        raise ValueError(f"policy {name!r}")
    libraries = [_text(soname) for soname in entry["lib_whitelist"]]
    if libc == "musl":
        own = f"libc.musl-{_MUSL_SONAMES_OF_POLICY.get(machine, machine)}.so.1"
        libraries = [own if soname == "libc.so" else soname for soname in libraries]
    return PlatformPolicy(
        name=f"{name}_{machine}",
        aliases=tuple(f"{_text(alias)}_{machine}" for alias in entry["aliases"]),
        libc=libc,
        machine=machine,
        number=(int(match[2]), int(match[3])) if match[1] else (),
        priority=int(entry["priority"]),
        versions={
            _text(family): frozenset(f"{family}_{_text(version)}" for version in versions)
            for family, versions in entry["symbol_versions"].get(machine, {}).items()
        },
        libraries=frozenset(libraries),
        forbidden_symbols={
            _text(soname): frozenset(_text(symbol) for symbol in symbols)
            for soname, symbols in entry["blacklist"].items()
        },
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not text")
    return value


def _validate(found: Collection[PlatformPolicy], file: str) -> None:
    """Hold the file to what the search relies on: each policy allows all that the one before allows."""
    if not any(policy.generic for policy in found) or all(policy.generic for policy in found):
        raise PolicyError(f"auditwheel's {file}: needs a generic policy and others")
    previous: PlatformPolicy | None = None
    for policy in found:
        if previous is not None and previous.machine == policy.machine and not policy.generic:
            if policy.number <= previous.number or policy.priority >= previous.priority:
                raise PolicyError(f"auditwheel's {file}: {policy.name} and {previous.name} are not in order")
            if not previous.libraries <= policy.libraries:
                raise PolicyError(f"auditwheel's {file}: {policy.name} lacks libraries of {previous.name}")
            for family, versions in previous.versions.items():
                if not versions <= policy.versions.get(family, frozenset()):
                    raise PolicyError(
                        f"auditwheel's {file}: {policy.name} lacks {family} versions of {previous.name}"
                    )
        previous = policy


def allowed(soname: str, policy: PlatformPolicy | None = None) -> bool:
    """Tell whether a library may be needed from the system under a policy (by default: under any at all)."""
    if _LOADER.fullmatch(soname):
        return True
    if policy is not None:
        return policy.generic or soname in policy.libraries
    return soname in _libraries_of_any()


@cache
def _libraries_of_any() -> frozenset[str]:
    return frozenset().union(*(policy.libraries for policy in policies()))


def closest_policy(
    versions: Iterable[str] | Mapping[str, Floor],
    sonames: Iterable[str],
    machine: str,
    libc: str | None,
    *,
    undefined_symbols: Iterable[str] = (),
    musl_version: tuple[int, int] | None = None,
) -> ClosestPolicy:
    """Find the most compatible of auditwheel's policies, and why the ones before it refuse.

    Parameters
    ----------
    versions : iterable of str, or dict of str to Floor
        Every symbol version needed (exact, what auditwheel does: it leaves out those needed from the dynamic
        loader), or the floors by family, as good as exact because policies allow versions up to a newest one.
    sonames : iterable of str
        Libraries needed that lie outside the tree.
    machine : str
    libc : {"glibc", "musl"} or None
        None counts as glibc, like auditwheel on a host with glibc.
    undefined_symbols : iterable of str
        For the few symbols of allowed libraries (zlib's, mostly) that policies forbid. Strong ones only: a
        weak reference (``__cxa_thread_atexit_impl`` in everything made with Rust) does without.
    musl_version : tuple of int, optional
        Of the musl that the file was built with, ``(1, 2)``: nothing in a file tells. By default the newest
        known.

    Raises
    ------
    LookupError
        If auditwheel knows no policy for the machine.
    """
    kind: Libc = "musl" if libc == "musl" else "glibc"
    candidates = list(policies(kind, machine))
    if not candidates:
        raise LookupError(f"{machine}: auditwheel has no policy for this machine and {kind}")
    if kind == "musl":
        newest = max(policy.number for policy in candidates)
        wanted = musl_version or newest
        candidates = [policy for policy in candidates if policy.number == wanted or policy.generic]
    needed = _raw_versions(versions)
    symbols = frozenset(undefined_symbols)
    libraries = sorted(frozenset(sonames))
    refusals: list[Refusal] = []
    for policy in candidates:
        refusal = _refusal(policy, needed, libraries, symbols)
        if refusal is None:
            return ClosestPolicy(policy, tuple(reversed(refusals)))
        refusals.append(refusal)
    raise PolicyError(f"auditwheel's policies for {machine}: none is generic")


def _raw_versions(versions: Iterable[str] | Mapping[str, Floor]) -> list[str]:
    if not isinstance(versions, Mapping):
        return sorted(frozenset(versions), key=_order)
    found: list[str] = []
    for family, floor in versions.items():
        found += [version.raw for version in (floor.hard, floor.soft) if version is not None]
        found += [f"{family}_PRIVATE"] if floor.private else []
        if not (floor.hard or floor.soft or floor.private):
            found.append(family)  # a version without a number is a family of its own: CXXABI_FLOAT128
    return sorted(frozenset(found), key=_order)


def _order(raw: str) -> tuple[str, tuple[int, ...], str]:
    version = SymbolVersion.parse(raw)
    return version.family, version.number or (), raw


def _refusal(
    policy: PlatformPolicy, versions: list[str], libraries: list[str], symbols: frozenset[str]
) -> Refusal | None:
    if policy.generic:
        return None
    # A family that policies do not know (a library's own) is no matter of theirs.
    refused_versions = tuple(
        version
        for version in versions
        if (family := version.partition("_")[0]) in policy.versions and version not in policy.versions[family]
    )
    refused_libraries = tuple(soname for soname in libraries if not allowed(soname, policy))
    refused_symbols = tuple(
        sorted(
            symbol
            for soname in libraries
            for symbol in policy.forbidden_symbols.get(soname, frozenset()) & symbols
        )
    )
    if refused_versions or refused_libraries or refused_symbols:
        return Refusal(policy.name, refused_versions, refused_libraries, refused_symbols)
    return None


def platform_tag(
    floors: Mapping[str, Floor],
    machine: str,
    libc: str | None,
    *,
    musl_version: tuple[int, int] | None = None,
) -> PlatformTag:
    """Give the exact platform tag of PEP 600 (or PEP 656 for musl): the glibc floor, not a policy above it.

    A tag promises more than glibc: any distribution with that glibc must do. So a family of another library
    (GLIBCXX) that came later than the glibc floor raises the tag to the first policy that allows it. One
    exception downwards: aarch64's 2_17 allows ``GLIBC_2.18``, which its distributions had added to 2.17.

    Parameters
    ----------
    floors : dict of str to Floor
        By family, see :func:`pyassay.elf.versions.floors`; only hard floors count, weak references do load.
    machine : str
    libc : {"glibc", "musl"} or None
    musl_version : tuple of int, optional
        Of the musl that the file was built with; by default the newest that policies know.

    Returns
    -------
    PlatformTag
        ``linux_<machine>`` with a reason where no tag can promise anything.
    """
    if libc == "musl":
        known = [policy.number for policy in policies("musl", machine) if policy.number]
        if musl_version is None and not known:
            return PlatformTag(f"linux_{machine}", f"musl, and no policy for {machine}")
        major, minor = musl_version or max(known)
        reason = (
            ""
            if musl_version
            else "musl has no symbol versions: the newest musl that policies know is assumed"
        )
        return PlatformTag(f"musllinux_{major}_{minor}_{machine}", reason)
    if libc is None:
        return PlatformTag(f"linux_{machine}", "needs no C library: no tag says so")
    return _glibc_tag(floors, machine)


def _glibc_tag(floors: Mapping[str, Floor], machine: str) -> PlatformTag:
    floor = floors.get("GLIBC")
    if floor is not None and floor.private:
        return PlatformTag(
            f"linux_{machine}", "needs GLIBC_PRIVATE: bound to the very glibc that it was built with"
        )
    oldest = _OLDEST.get(machine, _OLDEST_ELSEWHERE)
    number: tuple[int, ...] = oldest
    reason = ""
    if floor is not None and floor.hard is not None:
        if floor.hard.number is None:
            return PlatformTag(f"linux_{machine}", f"needs {floor.hard.raw}, whose glibc is not known")
        number = max(oldest, floor.hard.number[:2])
        if number > floor.hard.number[:2]:
            reason = (
                f"glibc floor {_dotted(floor.hard.number)}; the oldest tag for {machine} is {_dotted(oldest)}"
            )
        earlier = _earlier_policy(floor.hard, number, machine)
        if earlier is not None:
            number, reason = earlier.number, f"{earlier.name} allows {floor.hard.raw}"
    for family in sorted(floors):
        hard = floors[family].hard
        if family == "GLIBC" or hard is None:
            continue
        needed = _first_policy(hard, machine)
        if needed is None:
            continue
        if needed.generic:
            return PlatformTag(f"linux_{machine}", f"needs {hard.raw}, newer than any policy allows")
        if needed.number > number:
            number, reason = needed.number, f"needs {hard.raw}, first allowed by {needed.name}"
    return PlatformTag(f"manylinux_{number[0]}_{number[1]}_{machine}", reason)


def _earlier_policy(floor: SymbolVersion, number: tuple[int, ...], machine: str) -> PlatformPolicy | None:
    for policy in policies("glibc", machine):
        if (
            policy.number
            and policy.number < number
            and floor.raw in policy.versions.get("GLIBC", frozenset())
        ):
            return policy
    return None


def _first_policy(version: SymbolVersion, machine: str) -> PlatformPolicy | None:
    """Return the first policy that allows a version (in the end the generic one); None: not their family."""
    family = version.raw.partition("_")[0]
    candidates = policies("glibc", machine)
    if not any(family in policy.versions for policy in candidates):
        return None
    return next(
        policy
        for policy in candidates
        if policy.generic or version.raw in policy.versions.get(family, frozenset())
    )


def _dotted(number: tuple[int, ...]) -> str:
    return ".".join(map(str, number))


def parse_platform(platform: str) -> ParsedPlatform:
    """Take a platform tag apart; legacy names (``manylinux2014_x86_64``) are those of PEP 600.

    Raises
    ------
    ValueError
        If it is no tag of Linux.
    """
    for legacy, name in _LEGACY.items():
        if platform.startswith(f"{legacy}_"):
            platform = name + platform[len(legacy) :]
    match = _TAG.fullmatch(platform)
    if match is not None:
        libc: Libc = "glibc" if match["kind"] == "manylinux" else "musl"
        return ParsedPlatform(libc, (int(match["major"]), int(match["minor"])), match["machine"])
    if platform.startswith("linux_") and platform[len("linux_") :].isidentifier():
        return ParsedPlatform(None, (), platform[len("linux_") :])
    raise ValueError(f"{platform}: no platform tag of Linux")


def platforms_claimed(tag: str) -> tuple[str, ...]:
    """Return the platforms of a wheel's tag: two for ``py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64``.

    Raises
    ------
    ValueError
        If it is no wheel tag.
    """
    from packaging.tags import parse_tag  # slow to import, seldom wanted

    try:
        return tuple(sorted({one.platform for one in parse_tag(tag)}))
    except ValueError as error:
        raise ValueError(f"{tag}: no wheel tag") from error
