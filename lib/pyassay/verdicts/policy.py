"""Policies: what the reader requires, in TOML."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pyassay.probes.quirks import catalogue
from pyassay.reference import distributions
from pyassay.resources import share
from pyassay.verdicts.model import Level

__all__ = [
    "BackendsPolicy",
    "CompatibilityPolicy",
    "InstallersPolicy",
    "PackagingPolicy",
    "PerformancePolicy",
    "Policy",
    "PolicyError",
    "PortabilityPolicy",
    "SecurityPolicy",
]

_ISA_LEVELS = ("x86-64-v1", "x86-64-v2", "x86-64-v3", "x86-64-v4")
_MAX_BYTES = 1 << 20
_FEWEST_BLOCKS = 8
_SEVERITIES = ("low", "medium", "high", "critical")


class PolicyError(Exception):
    """A policy cannot be read: one line that names the file and the key."""


@dataclass(frozen=True, slots=True)
class PortabilityPolicy:
    """The section ``[portability]``.

    Attributes
    ----------
    must_run_on : tuple of str
        ``distro:version`` of the reference table; a subject that one of them refuses is bad.
    may_refuse : tuple of str
        ``distro:version``: releases left out when the other supported ones are counted.
    ignore_families : tuple of str
        Families left out when the other supported releases are counted.
    extended_support : bool
        Count releases in long-term, extended or paid support as supported, too.
    executable_stack, text_relocations : Level
        What each of these does to the verdict.
    isa_max : str
        The newest x86-64 level that a file may declare.
    allow_libraries : tuple of str
        Sonames that are installed everywhere, beyond those of auditwheel's policies.
    """

    must_run_on: tuple[str, ...] = ()
    may_refuse: tuple[str, ...] = ()
    ignore_families: tuple[str, ...] = ()
    extended_support: bool = False
    executable_stack: Level = Level.BAD
    text_relocations: Level = Level.CAUTION
    isa_max: str = "x86-64-v1"
    allow_libraries: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CompatibilityPolicy:
    """The section ``[compatibility]``.

    Attributes
    ----------
    needs : tuple of str
        What must work: consequences (``extensions``), uses (``tls-legacy``) or quirks of the catalogue.
        An interpreter that does worse there than a plain build is bad.
    ignore : tuple of str
        Quirks that do not count.
    """

    needs: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PerformancePolicy:
    """The section ``[performance]``.

    Attributes
    ----------
    margin_percent : float
        A difference smaller than this is none, however certain.
    min_blocks : int
        Fewer blocks support no statement.
    max_slower_percent : float or None
        An interpreter that is certainly slower than the reference by more is bad; None: slower is a caution.
    """

    margin_percent: float = 1.0
    min_blocks: int = 8
    max_slower_percent: float | None = None


@dataclass(frozen=True, slots=True)
class SecurityPolicy:
    """The section ``[security]``.

    Attributes
    ----------
    bad_severity : str
        An open advisory of this severity or a worse one is bad, a lesser one a caution.
    ended_branch : Level
        What a CPython is whose branch has ended, unless its distribution maintains it.
    accept : tuple of str
        Advisories that the reader has looked at and accepts: they do not count.
    """

    bad_severity: str = "high"
    ended_branch: Level = Level.BAD
    accept: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PackagingPolicy:
    """The section ``[packaging]``.

    Attributes
    ----------
    must_run_in : tuple of str
        Environments as the evidence names them (``debian:11 bare``); a form that fails in one is bad.
    needs : tuple of str
        Criteria that must be "yes": see :data:`pyassay.verdicts.packaging_criteria.CRITERIA`.
    max_start_ratio : float
        A start that takes more times as long as ``python -m`` is no cheap one.
    max_first_start_s : float
        So long may the first start of a user take, in seconds.
    max_size_mb, max_build_minutes : float
        Of the artifact (millions of bytes), and of its build.
    max_glibc : str
        The newest glibc that an artifact may need.
    """

    must_run_in: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    max_start_ratio: float = 2.0
    max_first_start_s: float = 1.0
    max_size_mb: float = 100.0
    max_build_minutes: float = 10.0
    max_glibc: str = "2.31"


@dataclass(frozen=True, slots=True)
class BackendsPolicy:
    """The section ``[backends]``.

    Attributes
    ----------
    readers : tuple of str
        For whom build backends are judged: ``application``, ``distribution``, ``security``. The worst counts.
    max_packages : int
        More packages than this in a backend's closure are a caution.
    """

    readers: tuple[str, ...] = ("application", "distribution", "security")
    max_packages: int = 5


@dataclass(frozen=True, slots=True)
class InstallersPolicy:
    """The section ``[installers]``.

    Attributes
    ----------
    needs : tuple of str
        ``claim=answer`` of the catalogue of claims: an installer that answers otherwise is bad.
    ignore : tuple of str
        Claims that do not count.
    """

    needs: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Policy:
    """What the reader requires, question by question."""

    name: str
    portability: PortabilityPolicy
    compatibility: CompatibilityPolicy = CompatibilityPolicy()
    performance: PerformancePolicy = PerformancePolicy()
    security: SecurityPolicy = SecurityPolicy()
    packaging: PackagingPolicy = PackagingPolicy()
    backends: BackendsPolicy = BackendsPolicy()
    installers: InstallersPolicy = InstallersPolicy()

    @staticmethod
    def load(name: str | Path = "default") -> Policy:
        """Read a shipped policy by its name, or any by its path.

        Raises
        ------
        PolicyError
            If it is absent, no TOML, or has a key or a value that nobody reads.
        """
        shown = str(name)
        try:
            is_path = isinstance(name, Path) or "/" in shown or shown.endswith(".toml")
            path = Path(name) if is_path else _shipped(shown)
            with path.open("rb") as file:
                content = file.read(_MAX_BYTES + 1)
            if len(content) > _MAX_BYTES:
                raise PolicyError(f"{shown}: larger than {_MAX_BYTES} bytes")
            raw = tomllib.loads(content.decode("utf-8"))
        except OSError as error:
            raise PolicyError(f"{shown}: no such policy: {error.strerror or error}") from error
        except (ValueError, RecursionError) as error:
            raise PolicyError(f"{shown}: not TOML: {' '.join(str(error).split())}") from error
        _known(shown, raw, ("name", *_SECTIONS))
        sections = {question: raw.get(question, {}) for question in _SECTIONS}
        for question, section in sections.items():
            if not isinstance(section, dict):
                raise PolicyError(f"{shown}: {question} is no section")
        if not isinstance(raw.get("name", ""), str):
            raise PolicyError(f"{shown}: name is no text")
        read = {question: reader(shown, sections[question]) for question, reader in _SECTIONS.items()}
        return Policy(raw.get("name") or shown, **read)


def _shipped(name: str) -> Path:
    known = sorted(path.stem for path in share("data", "policies").glob("*.toml"))
    if name not in known:
        near = get_close_matches(name, known, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise PolicyError(
            f"{name}: no such policy{hint}; there are: {', '.join(known)}, and the path of any file"
        )
    return share("data", "policies", f"{name}.toml")


def _portability(name: str, section: Mapping[str, Any]) -> PortabilityPolicy:
    _known(name, section, tuple(field.name for field in fields(PortabilityPolicy)))
    defaults = PortabilityPolicy()
    isa = section.get("isa_max", defaults.isa_max)
    if isa not in _ISA_LEVELS:
        raise PolicyError(f"{name}: isa_max is {isa!r}, not one of {', '.join(_ISA_LEVELS)}")
    extended = section.get("extended_support", defaults.extended_support)
    if not isinstance(extended, bool):
        raise PolicyError(f"{name}: extended_support is {extended!r}, neither true nor false")
    table = distributions()
    releases = tuple(table["distro"] + ":" + table["version"])
    return PortabilityPolicy(
        must_run_on=_texts(name, section, "must_run_on", releases),
        may_refuse=_texts(name, section, "may_refuse", releases),
        ignore_families=_texts(name, section, "ignore_families", tuple(table["family"].unique())),
        extended_support=extended,
        executable_stack=_level(name, section, "executable_stack", defaults.executable_stack),
        text_relocations=_level(name, section, "text_relocations", defaults.text_relocations),
        isa_max=isa,
        allow_libraries=_texts(name, section, "allow_libraries"),
    )


def _compatibility(name: str, section: Mapping[str, Any]) -> CompatibilityPolicy:
    _known(name, section, tuple(field.name for field in fields(CompatibilityPolicy)))
    quirks = catalogue()
    uses = {use for quirk in quirks.values() for use in (quirk.consequence, *quirk.uses)}
    return CompatibilityPolicy(
        needs=_texts(name, section, "needs", (*sorted(uses), *quirks), "the catalogue of quirks"),
        ignore=_texts(name, section, "ignore", tuple(quirks), "the catalogue of quirks"),
    )


def _performance(name: str, section: Mapping[str, Any]) -> PerformancePolicy:
    _known(name, section, tuple(field.name for field in fields(PerformancePolicy)))
    defaults = PerformancePolicy()
    margin = _number(name, section, "margin_percent", defaults.margin_percent)
    blocks = section.get("min_blocks", defaults.min_blocks)
    if not isinstance(blocks, int) or isinstance(blocks, bool) or not _FEWEST_BLOCKS <= blocks <= 1000:
        raise PolicyError(f"{name}: min_blocks is {blocks!r}, no whole number from {_FEWEST_BLOCKS} to 1000")
    return PerformancePolicy(margin, blocks, _number(name, section, "max_slower_percent", None))


def _security(name: str, section: Mapping[str, Any]) -> SecurityPolicy:
    _known(name, section, tuple(field.name for field in fields(SecurityPolicy)))
    defaults = SecurityPolicy()
    severity = section.get("bad_severity", defaults.bad_severity)
    if severity not in _SEVERITIES:
        raise PolicyError(f"{name}: bad_severity is {severity!r}, not one of {', '.join(_SEVERITIES)}")
    ended = _level(name, section, "ended_branch", defaults.ended_branch)
    return SecurityPolicy(severity, ended, _texts(name, section, "accept"))


def _packaging(name: str, section: Mapping[str, Any]) -> PackagingPolicy:
    # Not at the top: the other questions have nothing to do with the catalogue behind it.
    from pyassay.verdicts.packaging_criteria import CRITERIA

    _known(name, section, tuple(field.name for field in fields(PackagingPolicy)))
    defaults = PackagingPolicy()
    glibc = section.get("max_glibc", defaults.max_glibc)
    if not isinstance(glibc, str) or not re.fullmatch(r"\d{1,3}\.\d{1,3}", glibc):
        raise PolicyError(f"{name}: max_glibc is {glibc!r}, no version such as {defaults.max_glibc}")
    limits = ("max_start_ratio", "max_first_start_s", "max_size_mb", "max_build_minutes")
    return PackagingPolicy(
        must_run_in=_texts(name, section, "must_run_in"),
        needs=_texts(name, section, "needs", tuple(CRITERIA), "the list of criteria"),
        max_glibc=glibc,
        **{key: _number(name, section, key, getattr(defaults, key)) for key in limits},
    )


def _backends(name: str, section: Mapping[str, Any]) -> BackendsPolicy:
    _known(name, section, tuple(field.name for field in fields(BackendsPolicy)))
    defaults = BackendsPolicy()
    readers = _texts(name, section, "readers", defaults.readers, "the readers of build backends")
    most = section.get("max_packages", defaults.max_packages)
    if not isinstance(most, int) or isinstance(most, bool) or not 0 < most <= 1000:
        raise PolicyError(f"{name}: max_packages is {most!r}, no whole number from 1 to 1000")
    return BackendsPolicy(readers or defaults.readers, most)


def _installers(name: str, section: Mapping[str, Any]) -> InstallersPolicy:
    # Not at the top: the other questions have nothing to do with this catalogue.
    from pyassay.probes.installers.catalogue import catalogue as claims

    _known(name, section, tuple(field.name for field in fields(InstallersPolicy)))
    pairs = tuple(f"{key}={answer}" for key, claim in claims().items() for answer in claim.answers)
    where = "the catalogue of claims"
    return InstallersPolicy(
        needs=_texts(name, section, "needs", pairs, where),
        ignore=_texts(name, section, "ignore", tuple(claims()), where),
    )


def _number(name: str, section: Mapping[str, Any], key: str, default: Any) -> Any:
    value = section.get(key, default)
    if value is default:
        return value
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 <= value <= 1000:
        raise PolicyError(f"{name}: {key} is {value!r}, no number from 0 to 1000")
    return float(value)


def _known(name: str, section: Mapping[str, Any], keys: tuple[str, ...]) -> None:
    for key in section:
        if key not in keys:
            near = get_close_matches(key, keys, 1)
            hint = f"; did you mean {near[0]}?" if near else f"; there are: {', '.join(keys)}"
            raise PolicyError(f"{name}: unknown key {key!r}{hint}")


def _texts(
    name: str,
    section: Mapping[str, Any],
    key: str,
    known: tuple[str, ...] = (),
    where: str = "the table of distributions",
) -> tuple[str, ...]:
    value = section.get(key, [])
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise PolicyError(f"{name}: {key} is no list of texts")
    for item in value:
        if known and item not in known:
            alike = {one.casefold(): one for one in known}
            near = get_close_matches(item.casefold(), alike, 1)
            hint = f"; did you mean {alike[near[0]]}?" if near else ""
            raise PolicyError(f"{name}: {key}: {where} has no {item!r}{hint}")
    return tuple(value)


def _level(name: str, section: Mapping[str, Any], key: str, default: Level) -> Level:
    value = section.get(key, str(default))
    try:
        return Level(value)
    except ValueError as error:
        raise PolicyError(f"{name}: {key} is {value!r}, not one of {', '.join(Level)}") from error


_SECTIONS: Mapping[str, Callable[[str, Mapping[str, Any]], Any]] = {
    "portability": _portability,
    "compatibility": _compatibility,
    "performance": _performance,
    "security": _security,
    "packaging": _packaging,
    "backends": _backends,
    "installers": _installers,
}
