"""From paths that look like Pythons to interpreters, each once: links, copies and environments resolved."""

from __future__ import annotations

import hashlib
import os
import re
import threading
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from stat import S_ISREG

from pyassay.elf import is_elf
from pyassay.subjects.display import display_path
from pyassay.subjects.environments import VirtualEnvironment, environment_of, read_environment
from pyassay.subjects.identity import Identity, NotIdentifiedError, ask
from pyassay.subjects.locations import is_python_name, is_shared_prefix, shim_of
from pyassay.subjects.model import Confidence, Interpreter, Provenance, SubjectKind
from pyassay.subjects.packages import Distribution, Owner, distribution, owners
from pyassay.subjects.provenance import Facts, provenance_of
from pyassay.subjects.static import StaticFacts, libpython_folders, musl_version, static_facts

__all__ = ["Gathering"]

_MAX_AT_ONCE = 16


@dataclass(slots=True)
class _Found:
    """One real file, and what led to it."""

    executable: Path
    aliases: set[Path] = field(default_factory=set)
    environments: set[Path] = field(default_factory=set)
    identity: Identity | None = None
    error: str | None = None

    def take(self, other: _Found) -> None:
        self.aliases |= other.aliases | {other.executable}
        self.environments |= other.environments


class Gathering:
    """Candidates on their way to interpreters: :meth:`add` each, then :meth:`identify` all at once.

    Parameters
    ----------
    timeout_s : float
        Wall seconds that each interpreter has for its answer.
    """

    def __init__(self, *, timeout_s: float = 10.0) -> None:
        self._timeout_s = timeout_s
        self._cancelled = threading.Event()
        self._found: dict[Path, _Found] = {}
        self._merged: dict[Path, Path] = {}
        self._environments: dict[Path, VirtualEnvironment] = {}
        self._interpreters: dict[Path, Interpreter] = {}

    def add(self, path: Path, *, explicit: bool = False) -> Path | None:
        """Take a candidate; return the key that :meth:`get` knows it by, or None when it is no interpreter.

        Parameters
        ----------
        path : Path
            A file, or a ``pyvenv.cfg``.
        explicit : bool
            The user named it: then its name need not look like an interpreter's.
        """
        # Not lexically: what ".." means depends on the links before it.
        path = path.parent.resolve() / path.name if ".." in path.parts else path.absolute()
        if path.name == "pyvenv.cfg":
            return self.add_environment(path.parent)
        environment = environment_of(path)
        if environment is not None:
            return self.add_environment(environment)
        real, why = _resolved(path)
        if why is not None:
            return self._add_broken(path, real, why)
        meant = explicit or is_python_name(real.name)
        return self._add_real(real, path).executable if meant and shim_of(real) is None else None

    def add_environment(self, folder: Path) -> Path:
        """Take a virtual environment, and with it the interpreter that it rests on; return its key."""
        folder = folder.resolve()
        if folder not in self._environments:
            environment = self._environments[folder] = read_environment(folder)
            if environment.base is not None:
                self._add_real(environment.base, environment.base).environments.add(folder)
        return folder

    def _add_broken(self, path: Path, real: Path, why: str) -> Path:
        found = self._found.setdefault(real, _Found(real))
        found.error = f"{display_path(path)}: {why}"
        if path != real:
            found.aliases.add(path)
        return real

    def _add_real(self, real: Path, alias: Path) -> _Found:
        found = self._found.setdefault(real, _Found(real))
        if alias != real:
            found.aliases.add(alias)
        return found

    def identify(self) -> None:
        """Ask every candidate who it is, in parallel, and find those that are one and the same."""
        self._merge_copies(lambda found: found.executable.parent)
        self._ask([found for found in self._found.values() if found.identity is None and found.error is None])
        self._follow_scripts()
        # The same bytes for the same prefix: a copy or hard link in another folder.
        self._merge_copies(lambda found: found.identity.prefix if found.identity is not None else None)
        system = distribution()
        owned = owners(self._found)
        for real, found in self._found.items():
            self._interpreters[real] = _described(found, owned.get(real), system)

    def interpreters(self) -> list[Interpreter]:
        """Return every interpreter, and a row for each environment whose base is gone."""
        broken = [one for one in self._environments.values() if one.base is None]
        return [*self._interpreters.values(), *map(_baseless, broken)]

    def get(self, key: Path) -> Interpreter:
        """Return the subject of a key that :meth:`add` gave."""
        environment = self._environments.get(key)
        if environment is None:
            return self._interpreters[self._merged_into(key)]
        if environment.base is None:
            return _baseless(environment)
        return _in_environment(self._interpreters[self._merged_into(environment.base)], environment)

    def _merged_into(self, real: Path) -> Path:
        while real in self._merged:
            real = self._merged[real]
        return real

    def _merge(self, found: _Found, into: _Found) -> None:
        into.take(found)
        self._merged[found.executable] = into.executable
        del self._found[found.executable]

    def _merge_copies(self, place: Callable[[_Found], Path | None]) -> None:
        """Merge files with the same bytes at the same place."""
        groups: defaultdict[tuple[Path, int], list[_Found]] = defaultdict(list)
        for found in self._found.values():
            where = place(found)
            try:
                status = found.executable.stat()
            except OSError:
                continue
            # A FIFO or a device of that name is not waited for.
            if where is not None and S_ISREG(status.st_mode):
                groups[where, status.st_size].append(found)
        for group in groups.values():
            same: dict[bytes, _Found] = {}
            # Only files of equal size are read.
            for found in sorted(group, key=_preference) if len(group) > 1 else ():
                digest = _digest(found.executable)
                if digest is None:
                    continue
                if digest in same:
                    self._merge(found, same[digest])
                else:
                    same[digest] = found

    def _ask(self, group: list[_Found]) -> None:
        if not group:
            return
        with ThreadPoolExecutor(min(_MAX_AT_ONCE, len(group)), thread_name_prefix="pyassay-ask") as pool:
            try:
                list(pool.map(self._ask_one, group))
            except BaseException:
                # Ctrl-C: whoever still thinks about its answer is not waited for.
                self._cancelled.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _ask_one(self, found: _Found) -> None:
        try:
            if not os.access(found.executable, os.X_OK):
                raise NotIdentifiedError(f"{display_path(found.executable)}: not executable")
            found.identity = ask(
                found.executable, timeout_s=self._timeout_s, cancelled=self._cancelled.is_set
            )
        except NotIdentifiedError as error:
            found.error = str(error)

    def _follow_scripts(self) -> None:
        """Replace each script by the interpreter that it starts, which is asked itself; none is believed."""
        scripts = [
            found
            for found in self._found.values()
            if found.identity is not None and not is_elf(found.executable)
        ]
        targets: list[_Found] = []
        leads: list[tuple[_Found, Path]] = []
        for script in scripts:
            claimed = script.identity.executable if script.identity is not None else None
            real = _real_elf(claimed)
            script.identity = None
            if real is None:
                script.error = f"{display_path(script.executable)}: a script that leads to no interpreter"
                continue
            leads.append((script, real))
            if real not in self._found and real not in self._merged:
                self._found[real] = _Found(real)
                targets.append(self._found[real])
        self._ask(targets)
        for script, real in leads:
            target = self._found[self._merged_into(real)]
            if target.identity is None and target in targets:
                # It has only this script's word for being an interpreter.
                self._found.pop(real, None)
                script.error = f"{display_path(script.executable)}: a script that leads to no interpreter"
            elif target.executable != script.executable:
                self._merge(script, target)


def _resolved(path: Path) -> tuple[Path, str | None]:
    """Return the real file, or the path that could not be resolved and why."""
    try:
        real = path.resolve()
        if real.is_file():
            return real, None
        there = real.exists()
        if not there:
            # From 3.13 on a loop is no error to resolve().
            path.stat()
    except (OSError, RuntimeError) as error:
        if not isinstance(error, FileNotFoundError | NotADirectoryError):
            return path, "a loop of links"
    if there:
        return real, "not a regular file"
    return real, f"a link to {display_path(real)}, which does not exist"


def _real_elf(path: Path | None) -> Path | None:
    try:
        real = path.resolve(strict=True) if path is not None else None
    except (OSError, RuntimeError):
        return None
    return real if real is not None and real.is_file() and is_elf(real) else None


def _preference(found: _Found) -> tuple[object, ...]:
    """Sort ``python3.12`` before ``python3``, ``python`` and ``python3.12d``."""
    name = found.executable.name
    return (not name[-1].isdigit(), -name.count("."), len(name), os.fspath(found.executable))


def _digest(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "blake2b").digest()
    except OSError:
        return None


def _described(found: _Found, owner: Owner | None, system: Distribution) -> Interpreter:
    static, identity = static_facts(found.executable), found.identity
    prefix = (identity.base_prefix or identity.prefix if identity is not None else None) or static.prefix
    facts = Facts(found.executable, prefix, identity, owner, system)
    paths = identity.paths if identity is not None else {}
    libc, libc_version = _libc(static, identity)
    version = identity.version if identity is not None else static.version
    return Interpreter(
        id="",
        label="",
        kind=SubjectKind.INTERPRETER,
        executable=found.executable,
        version=version,
        implementation=facts.implementation,
        architecture=static.architecture or _machine(identity),
        libc=libc,
        libc_version=libc_version,
        compiler=identity.compiler if identity is not None else "",
        build_date=identity.build_date if identity is not None else "",
        prefix=prefix,
        stdlib=_existing(paths.get("stdlib")) or static.stdlib,
        platstdlib=_existing(paths.get("platstdlib")) or static.stdlib,
        library_folders=_library_folders(facts, ".".join(version.split(".")[:2])),
        site_folders=_site_folders(facts, static),
        aliases=tuple(sorted(found.aliases)),
        environments=tuple(sorted(found.environments)),
        environment=None,
        provenance=provenance_of(facts),
        error=found.error,
        abi_flags=identity.abi_flags if identity is not None else "",
    )


def _libc(static: StaticFacts, identity: Identity | None) -> tuple[str, str]:
    said = identity.libc if identity is not None else ""
    match = re.fullmatch(r"glibc (\d+(?:\.\d+){1,2})", said)
    if static.libc == "musl" and static.elf is not None:
        return "musl", musl_version(static.elf)
    if static.libc == "glibc" or (match and not static.libc):
        return "glibc", match[1] if match else ""
    return static.libc, ""


def _machine(identity: Identity | None) -> str:
    machine = identity.machine if identity is not None else ""
    # A 32-bit process is told the machine of the kernel.
    return "i686" if machine == "x86_64" and identity is not None and identity.bits == 32 else machine


def _library_folders(facts: Facts, series: str) -> tuple[Path, ...]:
    if not series:
        return ()
    candidates = [facts.executable.parent]
    multiarch = facts.variable("MULTIARCH")
    multiarch = multiarch if re.fullmatch(r"[A-Za-z0-9_.-]+", multiarch) else ""
    named = facts.variable("LIBDIR")
    roots = [Path(named)] if named.startswith("/") and "\0" not in named else []
    if facts.prefix is not None and not is_shared_prefix(facts.prefix):
        # A copied tree still names the folder that it was built for: that one is another Python's.
        own = [facts.prefix, *([facts.identity.exec_prefix] if facts.identity is not None else [])]
        roots = [root for root in roots if any(_is_below(root, folder) for folder in own)]
    if facts.prefix is not None:
        roots += [facts.prefix / "lib", facts.prefix / "lib64"]
    for root in roots:
        candidates += [root, *([root / multiarch] if multiarch else [])]
    return libpython_folders(candidates, series)


def _is_below(path: Path, folder: Path | None) -> bool:
    return folder is not None and path.resolve().is_relative_to(folder.resolve())


def _site_folders(facts: Facts, static: StaticFacts) -> tuple[Path, ...]:
    identity = facts.identity
    named: list[Path] = []
    if identity is not None:
        named += identity.site_folders
        named += [identity.paths[name] for name in ("purelib", "platlib") if name in identity.paths]
    stdlib = (identity.paths.get("stdlib") if identity is not None else None) or static.stdlib
    if stdlib is not None:
        named += [stdlib / "site-packages", stdlib / "dist-packages"]
        if identity is not None and identity.version.startswith("2.") and facts.prefix == Path("/usr"):
            # Debian's; later versions tell by themselves.
            named.append(Path("/usr/local/lib") / stdlib.name / "dist-packages")
    return tuple(dict.fromkeys(folder.resolve() for folder in named if _existing(folder) is not None))


def _existing(folder: Path | None) -> Path | None:
    try:
        return folder if folder is not None and folder.is_dir() else None
    except OSError:
        return None


def _in_environment(base: Interpreter, environment: VirtualEnvironment) -> Interpreter:
    own = environment.site_folders()
    return replace(
        base,
        kind=SubjectKind.ENVIRONMENT,
        site_folders=(*own, *(base.site_folders if environment.system_site else ())),
        environment=environment.folder,
        environments=(),
        aliases=(),
    )


def _baseless(environment: VirtualEnvironment) -> Interpreter:
    """Return the row of an environment whose interpreter is gone."""
    return Interpreter(
        id="",
        label="",
        kind=SubjectKind.ENVIRONMENT,
        executable=environment.folder / "bin" / "python",
        version=environment.version,
        implementation="cpython",
        architecture="",
        libc="",
        libc_version="",
        compiler="",
        build_date="",
        prefix=None,
        stdlib=None,
        platstdlib=None,
        library_folders=(),
        site_folders=environment.site_folders(),
        aliases=(),
        environments=(),
        environment=environment.folder,
        provenance=Provenance("unknown", "unknown", Confidence.UNKNOWN),
        error=environment.error,
    )
