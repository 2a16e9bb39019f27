"""Who built an interpreter, and how that is known.

Every rule looks for the marks that one builder leaves. The first rule that finds its marks names the builder;
the clues say which file or variable was seen with which value, so that a reader can disagree.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pyassay.subjects.bounded import entries, head
from pyassay.subjects.display import display_path, display_text
from pyassay.subjects.identity import Identity
from pyassay.subjects.model import Confidence, Provenance
from pyassay.subjects.packages import Distribution, Owner

__all__ = ["BUILDERS", "INSTALLERS", "Facts", "distribution_key", "provenance_of"]

BUILDERS: dict[str, str] = {
    "actions-python": "GitHub Actions (actions/python-versions)",
    "alpine": "Alpine Linux",
    "anaconda": "Anaconda",
    "arch": "Arch Linux",
    "asdf": "asdf",
    "conda": "conda",
    "conda-forge": "conda-forge",
    "deadsnakes": "deadsnakes",
    "debian": "Debian",
    "docker-official": "Docker official image",
    "fedora": "Fedora",
    "graalpy": "GraalPy",
    "guix": "GNU Guix",
    "homebrew": "Homebrew",
    "manylinux-image": "manylinux image",
    "nix": "Nix",
    "package": "system package",
    "pyenv": "pyenv",
    "pypy": "PyPy",
    "python-build-standalone": "python-build-standalone",
    "source": "built from source",
    "ubuntu": "Ubuntu",
    "unknown": "unknown",
}
"""Keys of :attr:`Provenance.builder` and their labels; another distribution has its os-release id as key."""

INSTALLERS: dict[str, str] = {
    "google-cloud-sdk": "Google Cloud SDK",
    "hatch": "Hatch",
    "mise": "mise",
    "pdm": "PDM",
    "poetry": "Poetry",
    "pyenv": "pyenv",
    "rye": "Rye",
    "uv": "uv",
}
"""Keys of :attr:`Provenance.installer` and their labels."""

# Folders that installers keep Pythons in: the parts of the path that give them away.
_INSTALLER_FOLDERS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("uv", ("uv", "python")),
    ("hatch", ("hatch", "env", "virtual", ".pythons")),
    ("hatch", ("hatch", "pythons")),
    ("mise", ("mise", "installs", "python")),
    ("pdm", ("pdm", "python")),
    ("poetry", ("pypoetry", "python")),
    ("rye", (".rye", "py")),
    ("google-cloud-sdk", ("platform", "bundledpythonunix")),
)
_DEADSNAKES = re.compile(r"\+(?:trusty|xenial|bionic|focal|jammy|noble|plucky|resolute)\d+$")
_PBS_PREFIX = "--prefix=/install"
_PBS_OPENSSL = "--with-openssl=/tools/deps"
_SYSTEM_PREFIXES = (Path("/usr"), Path("/"))
_DISTRIBUTION_PACKAGE = re.compile(r"(?:lib)?(?:python|pypy|graalpy|platform-python)(?:$|[\d.-])")


@dataclass(frozen=True, slots=True)
class Facts:
    """What the rules look at.

    Attributes
    ----------
    executable : Path
        The real file.
    prefix : Path or None
        Where its standard library lies.
    identity : Identity or None
        None when it could not be asked: then only paths and packages speak.
    owner : Owner or None
        The system package that holds the executable.
    distribution : Distribution
        Of this system.
    """

    executable: Path
    prefix: Path | None
    identity: Identity | None
    owner: Owner | None
    distribution: Distribution

    def variable(self, name: str) -> str:
        """Return a variable of its sysconfig, or nothing."""
        return self.identity.variables.get(name, "") if self.identity is not None else ""

    @property
    def implementation(self) -> str:
        """Its implementation, from its name when it could not be asked."""
        if self.identity is not None:
            return self.identity.implementation
        for name in ("pypy", "graalpy"):
            if self.executable.name.startswith(name):
                return name
        return "cpython"


def provenance_of(facts: Facts) -> Provenance:
    """Say who built an interpreter; ``unknown`` when nothing tells."""
    for rule in _RULES:
        found = rule(facts)
        if found is not None:
            return found
    return Provenance("unknown", BUILDERS["unknown"], Confidence.UNKNOWN, tuple(_owned(facts)))


def _conda(facts: Facts) -> Provenance | None:
    if facts.prefix is None:
        return None
    name = "python" if facts.implementation == "cpython" else facts.implementation
    for record in entries(facts.prefix / "conda-meta"):
        if not (record.name.startswith(f"{name}-") and record.suffix == ".json"):
            continue
        try:
            described = json.loads(head(record, 16 << 20))
        except (ValueError, RecursionError):
            continue
        if not isinstance(described, dict) or described.get("name") != name:
            continue
        channel = _word(described.get("channel")) or _word(described.get("url"))
        builder = "conda"
        if "conda-forge" in channel:
            builder = "conda-forge"
        elif any(owner in channel for owner in ("pkgs/main", "defaults", "repo.anaconda.com")):
            builder = "anaconda"
        what = f"{name} {_word(described.get('version'))}, build {_word(described.get('build'))}"
        clue = (
            f"{display_path(record)} records {what}, channel {channel.rsplit('://', 1)[-1] or 'not named'}."
        )
        label = BUILDERS[builder] if builder == "conda" else f"{BUILDERS[builder]} (conda)"
        return Provenance(builder, label, Confidence.CERTAIN, (clue,), "")
    return None


def _python_build_standalone(facts: Facts) -> Provenance | None:
    clues, certain = [], False
    variable = facts.variable("PYTHON_BUILD_STANDALONE")
    arguments = facts.variable("CONFIG_ARGS")
    recipe = _PBS_PREFIX in arguments and _PBS_OPENSSL in arguments
    if variable:
        clues.append(
            f"sysconfig says PYTHON_BUILD_STANDALONE = {display_text(variable[:20])} (written by uv)."
        )
        certain = True
    if recipe:
        clues.append(f"CONFIG_ARGS holds {_PBS_PREFIX} and {_PBS_OPENSSL}, the recipe's own folders.")
    elif facts.variable("prefix") == "/install":
        clues.append("sysconfig says prefix = /install, the recipe's own folder.")
        recipe = True
    if "clang" in (facts.identity.compiler.lower() if facts.identity else "") and clues:
        clues.append(f"It was compiled by {facts.identity.compiler.strip() if facts.identity else ''}.")
    if facts.prefix is not None and facts.implementation == "cpython":
        build = head(facts.prefix / "BUILD", 100).decode("utf-8", "replace").strip()
        if re.fullmatch(r"\d{8}(?:T\d{4})?", build):
            clues.append(f"{display_path(facts.prefix / 'BUILD')} names release {build}.")
            certain = True
    installer = _installer(facts)
    if installer == "uv" and facts.implementation == "cpython":
        # uv takes every CPython from there.
        certain = certain or recipe or facts.identity is None
    if not clues and not (installer == "uv" and facts.implementation == "cpython"):
        return None
    if recipe and "--enable-optimizations" not in arguments and "--with-lto" not in arguments and arguments:
        clues.append(
            "CONFIG_ARGS holds neither --enable-optimizations (PGO) nor --with-lto, "
            "which its optimised releases have."
        )
        certain = False
    clues += [*_installed(facts, installer), *_owned(facts)]
    return _told("python-build-standalone", clues, certain=certain, installer=installer)


def _store(facts: Facts) -> Provenance | None:
    for store, builder in (("/nix/store", "nix"), ("/gnu/store", "guix")):
        if facts.executable.is_relative_to(store):
            item = facts.executable.relative_to(store).parts[0]
            return _told(builder, [f"It lies in {store}/{display_text(item)}."], certain=True)
    return None


def _homebrew(facts: Facts) -> Provenance | None:
    parts = facts.executable.parts
    if "Cellar" not in parts and ".linuxbrew" not in parts:
        return None
    clues = [f"It lies in {display_path(facts.executable.parent)}, a folder of Homebrew."]
    receipt = None
    if "Cellar" in parts and len(parts) > parts.index("Cellar") + 3:
        receipt = Path(*parts[: parts.index("Cellar") + 3]) / "INSTALL_RECEIPT.json"
    if receipt is not None and receipt.is_file():
        clues.append(f"{display_path(receipt)} is there.")
    return _told("homebrew", clues, certain=receipt is not None and receipt.is_file())


def _manylinux_image(facts: Facts) -> Provenance | None:
    prefix = facts.prefix
    if prefix is None or prefix.parent not in (Path("/opt/_internal"), Path("/opt/python")):
        return None
    certain = facts.executable.parts[2:3] == ("_internal",)
    return _told("manylinux-image", [f"Its prefix is {display_path(prefix)}."], certain=certain)


def _actions(facts: Facts) -> Provenance | None:
    parts = facts.executable.parts
    arguments = facts.variable("CONFIG_ARGS")
    if "hostedtoolcache" not in parts and "--prefix=/opt/hostedtoolcache" not in arguments:
        return None
    clues = [f"It lies in {display_path(facts.executable.parent)}."]
    if "--prefix=/opt/hostedtoolcache" in arguments:
        clues.append("CONFIG_ARGS holds --prefix=/opt/hostedtoolcache.")
    return _told("actions-python", clues, certain=len(clues) == 2)


def _pyenv(facts: Facts) -> Provenance | None:
    root, version = _pyenv_version(facts.executable)
    source = facts.variable("abs_srcdir")
    built = "/python-build." in source
    if root is None and not built:
        return None
    clues = []
    if root is not None:
        clues.append(f"It lies in {display_path(root / 'versions' / version)}.")
    if built:
        clues.append(f"sysconfig says abs_srcdir = {display_text(source[:200])}, a folder of python-build.")
    if root is not None:
        definition = root / "plugins" / "python-build" / "share" / "python-build" / version
        if definition.is_file():
            clues.append(f"{display_path(definition)} is its definition.")
    if facts.implementation in {"pypy", "graalpy"}:
        # pyenv only unpacks these.
        return _told(facts.implementation, clues, certain=False, installer="pyenv")
    return _told("pyenv", clues, certain=root is not None and built)


def _asdf(facts: Facts) -> Provenance | None:
    parts = facts.executable.parts
    for name, folder in (("asdf", ".asdf"), ("mise", "mise")):
        if _holds(parts, (folder, "installs", "python")):
            clue = f"It lies in {display_path(facts.executable.parent)}, a folder of {name}."
            built = "/python-build." in facts.variable("abs_srcdir")
            if name == "asdf":
                return _told("asdf", [clue], certain=built)
            return _told("source", [clue], certain=False, installer="mise")
    return None


def _alternative(facts: Facts) -> Provenance | None:
    """PyPy and GraalPy that no distribution packaged."""
    implementation = facts.implementation
    if implementation not in {"pypy", "graalpy"} or facts.owner is not None:
        return None
    said = facts.identity.version_line if facts.identity is not None else facts.executable.name
    installer = _installer(facts)
    return _told(
        implementation,
        [f"It calls itself {said}.", *_installed(facts, installer)],
        certain=False,
        installer=installer,
    )


def _packaged(facts: Facts) -> Provenance | None:
    owner = facts.owner
    if owner is None:
        return None
    clues = _owned(facts)
    native = _DISTRIBUTION_PACKAGE.match(owner.package) is not None
    suffix = _DEADSNAKES.search(owner.version) if owner.manager == "dpkg" else None
    if suffix is not None:
        clues.append(f"The version ends in {suffix[0]}, as those of deadsnakes do.")
        return _told("deadsnakes", clues, certain=False)
    if not native or facts.prefix not in (*_SYSTEM_PREFIXES, None):
        label = f"package {owner.package} ({owner.manager})"
        return Provenance("package", label, Confidence.LIKELY, tuple(clues))
    system = facts.distribution
    key = distribution_key(system) or owner.manager
    label = BUILDERS.get(key) or system.name or key
    if system.version:
        clues.append(f"os-release says ID = {system.id}, VERSION_ID = {system.version}.")
    return Provenance(key, label, Confidence.CERTAIN, tuple(clues))


def distribution_key(system: Distribution) -> str:
    """Return the key that stands for a distribution as a builder."""
    return re.sub(r"[^a-z0-9]+", "-", system.id.lower()).strip("-")


def _docker_official(facts: Facts) -> Provenance | None:
    source = facts.variable("abs_srcdir")
    if facts.prefix != Path("/usr/local") or not source.startswith("/usr/src/python"):
        return None
    clues = [f"Its prefix is /usr/local and sysconfig says abs_srcdir = {display_text(source[:80])}."]
    version = os.environ.get("PYTHON_VERSION", "")
    named = facts.identity is not None and version == facts.identity.version
    if named:
        clues.append(f"The environment says PYTHON_VERSION = {display_text(version[:40])}.")
    return _told("docker-official", clues, certain=named and "PYTHON_SHA256" in os.environ)


def _source(facts: Facts) -> Provenance | None:
    arguments, source = facts.variable("CONFIG_ARGS"), facts.variable("abs_srcdir")
    if facts.identity is None or not (arguments or source):
        return None
    clues = []
    if source:
        clues.append(f"sysconfig says abs_srcdir = {display_text(source[:200])}.")
    match = re.search(r"--prefix=([^' ]{1,200})", arguments)
    if match:
        clues.append(f"CONFIG_ARGS holds --prefix={display_text(match[1])}.")
    clues.append("No package of the system owns it.")
    return _told("source", clues, certain=False)


_RULES: tuple[Callable[[Facts], Provenance | None], ...] = (
    _conda,
    _python_build_standalone,
    _store,
    _homebrew,
    _manylinux_image,
    _actions,
    _pyenv,
    _asdf,
    _alternative,
    _packaged,
    _docker_official,
    _source,
)


def _told(builder: str, clues: list[str], *, certain: bool, installer: str = "") -> Provenance:
    label = BUILDERS[builder]
    if installer:
        by = "bundled with" if installer == "google-cloud-sdk" else "installed by"
        label += f" ({by} {INSTALLERS[installer]})"
    return Provenance(
        builder, label, Confidence.CERTAIN if certain else Confidence.LIKELY, tuple(clues), installer
    )


def _owned(facts: Facts) -> list[str]:
    owner = facts.owner
    if owner is None:
        return []
    by = f", maintained by {owner.maintainer}" if owner.maintainer else ""
    shown = display_path(facts.executable)
    return [f"{owner.manager} says that {shown} is of {owner.package} {owner.version}{by}."]


def _installed(facts: Facts, installer: str) -> Iterator[str]:
    if installer:
        yield f"It lies in {display_path(facts.executable.parent)}, where {INSTALLERS[installer]} puts them."


def _installer(facts: Facts) -> str:
    configured = os.environ.get("UV_PYTHON_INSTALL_DIR", "")
    if configured.startswith("/") and facts.executable.is_relative_to(Path(configured).resolve()):
        return "uv"
    for installer, parts in _INSTALLER_FOLDERS:
        if _holds(facts.executable.parts, parts):
            return installer
    return "pyenv" if _pyenv_version(facts.executable)[0] is not None else ""


def _pyenv_version(executable: Path) -> tuple[Path | None, str]:
    """Return pyenv's root and the name of the version that an executable lies in, if it does."""
    parts = executable.parts
    for index in range(len(parts) - 2, 0, -1):
        if parts[index] == "versions":
            root = Path(*parts[:index])
            configured = os.environ.get("PYENV_ROOT", "")
            if (
                root.name == ".pyenv"
                or (configured and root == Path(configured).resolve())
                or (root / "plugins" / "python-build").is_dir()
            ):
                return root, parts[index + 1]
    return None, ""


def _holds(parts: tuple[str, ...], run: tuple[str, ...]) -> bool:
    return any(parts[index : index + len(run)] == run for index in range(len(parts) - len(run) + 1))


def _word(value: object) -> str:
    return display_text(value[:200]) if isinstance(value, str) else ""
