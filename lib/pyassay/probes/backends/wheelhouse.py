"""The wheelhouse: everything that builds need, downloaded once; what is measured later needs no network."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pyassay.packagers.cache import BusyError, cache_root, digest_of_words, locked, remove, write_atomically
from pyassay.packagers.last_words import hide_addresses
from pyassay.places.host import StartError, run
from pyassay.probes.backends.catalogue import FRONTENDS, backend_named, normalised
from pyassay.probes.backends.pip_runs import Pip, PipError, ask_index, said, without_settings
from pyassay.probes.backends.settings import Wanted

__all__ = ["Package", "Wheelhouse", "WheelhouseError", "open_wheelhouse"]

_RECORD = "wheelhouse.json"
_LAYOUT = "4"
_DOWNLOAD_S = 600.0
_INDEX_S = 180.0
_MAX_FILE_BYTES = 256 << 20


class WheelhouseError(Exception):
    """There are no wheels to build with: one line."""


@dataclass(frozen=True, slots=True)
class Package:
    """One package of a closure, as pip resolved it."""

    name: str
    version: str
    wheel: str


@dataclass(frozen=True, slots=True)
class Wheelhouse:
    """Wheels, sdists, and what the index said of them.

    Attributes
    ----------
    folder : Path
    made_on : str
        Day on which the index was asked (ISO 8601).
    closures : dict of str to list of Package
        By requirement (``flit-core==4.2.0``, or ``cmake`` of the build tools): what has to be installed.
    versions : dict of str to str
        By requirement as it was asked for: the version that pip chose.
    failures : dict of str to str
        By requirement: why it could not be had.
    pages : dict of str to list of dict
        By project: its files on the index (``filename``, ``url``, ``sha256``, ``released``).
    sdists : dict of str to str
        By ``name==version``: file name of the sdist that was fetched; or ``: reason``.
    """

    folder: Path
    made_on: str
    closures: dict[str, list[Package]] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    pages: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    sdists: dict[str, str] = field(default_factory=dict)

    @property
    def wheels(self) -> Path:
        """Return the folder of the wheels."""
        return self.folder / "wheels"

    @property
    def pip_wheel(self) -> Path:
        """Return the wheel of the newest pip: what installs from here, and asks the index."""
        return self.wheels / next(one.wheel for one in self.closures["pip"] if one.name == "pip")

    def wheel(self, package: Package) -> Path:
        """Return where a package's wheel lies."""
        return self.wheels / package.wheel

    def sdist(self, name: str, version: str) -> tuple[Path | None, str]:
        """Return where a package's sdist lies, or why there is none."""
        found = self.sdists.get(f"{name}=={version}", ": it was not asked for")
        return (None, found[2:]) if found.startswith(": ") else (self.folder / "sdists" / found, "")

    def released(self, name: str, version: str) -> str:
        """Return the day on which a version appeared on the index; empty: it does not say."""
        days = [
            str(one["released"])
            for one in self.pages.get(name, [])
            if _is_of(one["filename"], name, [version]) and one["released"]
        ]
        return min(days, default="")


def open_wheelhouse(
    python: Path,
    wanted: Sequence[Wanted],
    *,
    cache: Path | None = None,
    more: Iterable[str] = (),
    tell: Callable[[str], None] = lambda _: None,
) -> Wheelhouse:
    """Return the wheelhouse for an interpreter, made today if there is none.

    Parameters
    ----------
    python : Path
        The interpreter that builds; wheels are chosen for it.
    wanted : sequence of Wanted
        The backends.
    cache : Path, optional
        Root of pyassay's cache.
    more : iterable of str
        Requirements besides: those of a reader's own project.
    tell : callable
        Is told what is being done.

    Raises
    ------
    WheelhouseError
        If the index cannot be reached, and there is no older wheelhouse for the same.
    """
    try:
        status = python.stat()
    except OSError as error:
        raise WheelhouseError(f"{python}: {error.strerror}") from error
    requirements = [one.requirement for one in wanted]
    # A project of the reader's own may use any of them; what its hooks ask for is had all the same.
    asked = sorted({one for each in wanted for one in backend_named(each.name).asks})
    tools = [*FRONTENDS, *asked]
    extra = sorted(set(more))
    words = [str(python), str(status.st_size), str(status.st_mtime_ns), *requirements, "|", *tools, *extra]
    same = digest_of_words([_LAYOUT, *words])[:20]
    today = datetime.now(UTC).date().isoformat()
    root = cache_root(cache) / "backends" / "wheelhouses"
    folder = root / f"{same}-{today}"
    try:
        with locked(root / f"{same}.lock", timeout_s=_DOWNLOAD_S):
            if (found := _read(folder)) is not None:
                return found
            tell("downloading wheels")
            try:
                remove(folder)
                made = _make(folder, python, requirements, [*tools, *extra], today)
                write_atomically(folder / _RECORD, json.dumps(_written(made)).encode())
            except (PipError, OSError) as error:
                remove(folder)
                for older in sorted(root.glob(f"{same}-????-??-??"), reverse=True):
                    if (found := _read(older)) is not None:
                        return found
                raise WheelhouseError(f"no wheels to build with: {error}") from error
            # What is older serves only where today's cannot be had.
            for older in sorted(root.glob(f"{same}-????-??-??"))[:-2]:
                remove(older)
            return made
    except BusyError as error:
        raise WheelhouseError(str(error)) from error


def _make(
    folder: Path, python: Path, requirements: Sequence[str], tools: Sequence[str], today: str
) -> Wheelhouse:
    wheels = folder / "wheels"
    wheels.mkdir(parents=True)
    pip = Pip(python)
    made = Wheelhouse(folder, today)
    asked = [*requirements, *tools]
    for group in _rounds(asked):
        _download(pip, wheels, group, made.failures)
    _resolve(made, python, asked)
    if "pip" not in made.closures:
        raise PipError(made.failures.get("pip", "pip itself could not be downloaded"))
    _ask(made, python)
    return made


def _rounds(requirements: Sequence[str]) -> list[list[str]]:
    """Split requirements so that no name stands twice in a round: pip chooses one version of each."""
    rounds: list[dict[str, str]] = []
    for one in requirements:
        name = normalised(one.partition("==")[0])
        for round_ in rounds:
            if name not in round_:
                round_[name] = one
                break
        else:
            rounds.append({name: one})
    return [list(round_.values()) for round_ in rounds]


def _download(pip: Pip, wheels: Path, group: Sequence[str], failures: dict[str, str]) -> None:
    common = ("download", "--quiet", "--only-binary=:all:", "--no-input", "--dest", str(wheels))
    try:
        pip.run(*common, *group, timeout_s=_DOWNLOAD_S)
    except PipError as error:
        if len(group) == 1:
            failures[group[0]] = str(error)
            return
        # One that cannot be had must not keep the others away.
        for one in group:
            _download(pip, wheels, [one], failures)


def _resolve(made: Wheelhouse, python: Path, asked: Sequence[str]) -> None:
    """Let pip resolve each requirement by itself, from the folder alone."""
    pip_wheels = sorted(made.wheels.glob("pip-*.whl"))
    home = made.folder / "home"
    home.mkdir()
    for requirement in asked:
        if requirement in made.failures or not pip_wheels:
            continue
        report = made.folder / "report.json"
        argv: list[str | Path] = [python, f"{pip_wheels[-1]}/pip", "install", "--quiet", "--dry-run"]
        argv += ["--ignore-installed", "--only-binary=:all:", "--report", report, requirement]
        try:
            done = run(argv, timeout_s=60.0, extra_environment=without_settings(made.wheels, home))
            if not done.ok:
                made.failures[requirement] = said(done)
                continue
            packages = _reported(json.loads(report.read_bytes()))
        except (StartError, OSError, ValueError, KeyError, TypeError) as error:
            made.failures[requirement] = f"pip's report: {type(error).__name__}: {error}"
            continue
        own = normalised(requirement.partition("==")[0].partition("[")[0].strip())
        made.closures[requirement] = packages
        made.versions[requirement] = next((one.version for one in packages if one.name == own), "")
    remove(home)
    remove(made.folder / "report.json")


def _reported(report: Mapping[str, Any]) -> list[Package]:
    found = []
    for one in report["install"]:
        about, url = one["metadata"], one["download_info"]["url"]
        found.append(Package(normalised(about["name"]), about["version"], Path(url).name.replace("%2B", "+")))
    return sorted(found, key=lambda package: package.name)


def _ask(made: Wheelhouse, python: Path) -> None:
    """Ask the index what it has of every package, and fetch the sdists of those that are compiled."""
    packages = {(one.name, one.version): one for closure in made.closures.values() for one in closure}
    names = sorted({name for name, _ in packages})
    told = ask_index(python, made.pip_wheel, {"list": names}, timeout_s=_INDEX_S)["pages"]
    for name in names:
        page = told[name]
        # Of other versions nothing is asked later, and there may be thousands.
        versions = {version for one, version in packages if one == name}
        made.pages[name] = [one for one in page["files"] if _is_of(one["filename"], name, versions)]
        if page["faults"] and not page["files"]:
            made.failures[f"index of {name}"] = hide_addresses("; ".join(page["faults"]))
    (made.folder / "sdists").mkdir()
    wanted = []
    for (name, version), package in sorted(packages.items()):
        if package.wheel.endswith("-none-any.whl") or name in FRONTENDS:
            continue
        listed = [one for one in made.pages.get(name, []) if _is_sdist(one["filename"], name, version)]
        if not listed:
            made.sdists[f"{name}=={version}"] = ": the index lists none"
            continue
        to = made.folder / "sdists" / Path(listed[0]["filename"]).name
        wanted.append((name, version, to, listed[0]))
    # At most the first of each: no address outlives this step.
    fetched = ask_index(
        python,
        made.pip_wheel,
        {
            "fetch": [
                {"url": one["url"], "sha256": one["sha256"], "to": str(to)} for _, _, to, one in wanted
            ],
            "max_bytes": _MAX_FILE_BYTES,
        },
        timeout_s=_DOWNLOAD_S,
    )["fetched"]
    for name, version, to, _ in wanted:
        fault = fetched.get(str(to), "not fetched")
        made.sdists[f"{name}=={version}"] = f": {fault}" if fault else to.name
    for page in made.pages.values():
        for listed_file in page:
            del listed_file["url"]


def _is_of(filename: str, name: str, versions: Iterable[str]) -> bool:
    stem = normalised(filename.removesuffix(".tar.gz"))
    return any(
        stem == normalised(f"{name}-{one}") or stem.startswith(normalised(f"{name}-{one}") + "-")
        for one in versions
    )


def _is_sdist(filename: str, name: str, version: str) -> bool:
    stem = filename.removesuffix(".tar.gz")
    return stem != filename and normalised(stem) == normalised(f"{name}-{version}")


def _written(made: Wheelhouse) -> dict[str, Any]:
    return {
        "made_on": made.made_on,
        "python": sys.version,
        "closures": {
            key: [[one.name, one.version, one.wheel] for one in closure]
            for key, closure in made.closures.items()
        },
        "versions": made.versions,
        "failures": made.failures,
        "pages": made.pages,
        "sdists": made.sdists,
    }


def _read(folder: Path) -> Wheelhouse | None:
    try:
        kept = json.loads((folder / _RECORD).read_bytes())
        found = Wheelhouse(
            folder,
            str(kept["made_on"]),
            {key: [Package(*one) for one in closure] for key, closure in kept["closures"].items()},
            dict(kept["versions"]),
            dict(kept["failures"]),
            dict(kept["pages"]),
            dict(kept["sdists"]),
        )
        whole = all(found.wheel(one).is_file() for closure in found.closures.values() for one in closure)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if whole else None
