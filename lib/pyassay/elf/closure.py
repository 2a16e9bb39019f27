"""What a dynamic loader would load: the closure of DT_NEEDED in any root file system, with nothing run."""

from __future__ import annotations

import fnmatch
import os
import re
import stat
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pyassay.elf.platform_tags import libc_of
from pyassay.elf.reader import ElfError, ElfFile, VersionNeed, read, shown
from pyassay.elf.symbols import defined_versions

__all__ = [
    "Closure",
    "Missing",
    "MissingVersion",
    "Root",
    "Unreadable",
    "Unversioned",
    "closure",
    "processor_level",
]

_LINK_LIMIT = 40  # the kernel's own (MAXSYMLINKS)
_CONF_FILE_LIMIT = 1000
_CONF_BYTES = 1 << 20
_LOADER_BYTES = 8 << 20
_DIRECTORY_LIMIT = 1000
_OBJECT_LIMIT = 4096  # shared objects in one closure; a real one has hundreds at most
_PATH_BYTES = 1 << 16

_TRIPLETS = {
    "x86_64": "x86_64-linux-gnu",
    "i686": "i386-linux-gnu",
    "aarch64": "aarch64-linux-gnu",
    "armv7l": "arm-linux-gnueabihf",
    "ppc64le": "powerpc64le-linux-gnu",
    "s390x": "s390x-linux-gnu",
    "riscv64": "riscv64-linux-gnu",
    "loongarch64": "loongarch64-linux-gnu",
}
_GLIBC_LOADERS = {
    "x86_64": "/lib64/ld-linux-x86-64.so.2",
    "i686": "/lib/ld-linux.so.2",
    "aarch64": "/lib/ld-linux-aarch64.so.1",
    "armv7l": "/lib/ld-linux-armhf.so.3",
    "ppc64le": "/lib64/ld64.so.2",
    "s390x": "/lib/ld64.so.1",
    "riscv64": "/lib/ld-linux-riscv64-lp64d.so.1",
    "loongarch64": "/lib64/ld-linux-loongarch-lp64d.so.1",
}
_MUSL_NAMES = {
    "x86_64": "x86_64",
    "i686": "i386",
    "aarch64": "aarch64",
    "armv7l": "armhf",
    "ppc64le": "powerpc64le",
    "s390x": "s390x",
    "riscv64": "riscv64",
    "loongarch64": "loongarch64",
}
_BITS = {"i686": 32, "armv7l": 32}
_BIG_ENDIAN = {"s390x", "ppc64"}

# Subdirectories of glibc-hwcaps, best first.
_HWCAPS = {
    "x86_64": ("x86-64-v4", "x86-64-v3", "x86-64-v2"),
    "ppc64le": ("power10", "power9"),
    "s390x": ("z16", "z15", "z14", "z13"),
}
_X86_LEVELS = (
    ("x86-64-v2", {"cx16", "lahf_lm", "popcnt", "pni", "sse4_1", "sse4_2", "ssse3"}),
    ("x86-64-v3", {"abm", "avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "movbe"}),
    ("x86-64-v4", {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}),
)

_TOKEN = re.compile(r"\$(?:\{(ORIGIN|LIB|PLATFORM)\}|(ORIGIN|LIB|PLATFORM)(?![A-Za-z0-9_]))")
# Bounded repeats: a hostile loader must not make the search quadratic.
_SYSTEM_DIRECTORIES = re.compile(rb"(?:(?:/[A-Za-z0-9_.+@-]{1,255}){1,16}/\0){2,16}")
# musl's loader is its C library; it answers to the names of the libraries that other systems keep apart.
_MUSL_OWN = re.compile(r"lib(?:c|pthread|rt|m|dl|util|xnet)\.")


@dataclass(frozen=True, slots=True)
class Missing:
    """A library that the loader would not find (or would refuse).

    Attributes
    ----------
    soname : str
        As DT_NEEDED names it, or the path of the program interpreter.
    needed_by : str
        Path inside the root of the file that asks for it.
    reason : str
        ``not found``, or what is wrong with the file found.
    """

    soname: str
    needed_by: str
    reason: str = "not found"


@dataclass(frozen=True, slots=True)
class MissingVersion:
    """A symbol version that the library found does not define.

    Attributes
    ----------
    version, soname, needed_by : str
        ``GLIBC_2.38``, the library that should define it, and the path inside the root of the file that asks.
    weak : bool
        True if the reference carries ``VER_FLG_WEAK``: then the loader warns and goes on.
    """

    version: str
    soname: str
    needed_by: str
    weak: bool


@dataclass(frozen=True, slots=True)
class Unversioned:
    """A library without any symbol versions where some were asked for: glibc only warns."""

    soname: str
    needed_by: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file that could not be read as ELF, and why (one line)."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class _Loaded:
    """One mapped object, as far as the search for its libraries needs it."""

    path: str  # inside the root, as it was found: $ORIGIN is the folder of this name
    real: str  # inside the root, without symbolic links
    elf: ElfFile
    loader: _Loaded | None  # the object that first asked for it; RPATH is inherited along this chain


@dataclass(frozen=True, slots=True)
class Closure:
    """What would be loaded for one file.

    Attributes
    ----------
    subject : str
        Path inside the root.
    loaded : dict of str to Path
        For every name asked for (as DT_NEEDED spells it) and every soname on the way, the real file on this
        host; in the order of loading (breadth first). Includes what was preloaded and the program
        interpreter.
    missing : tuple of Missing
    missing_versions : tuple of MissingVersion
        Weak ones included: see :attr:`errors`.
    unversioned : tuple of Unversioned
    unreadable : tuple of Unreadable
        The subject itself, or a library, if it is no sound ELF file.
    interpreter : Path or None
        The program interpreter's real file.
    """

    subject: str
    loaded: Mapping[str, Path]
    missing: tuple[Missing, ...] = ()
    missing_versions: tuple[MissingVersion, ...] = ()
    unversioned: tuple[Unversioned, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()
    interpreter: Path | None = None
    _names: Mapping[str, _Loaded] = field(default_factory=dict, repr=False, compare=False)
    _main: _Loaded | None = field(default=None, repr=False, compare=False)

    @property
    def files(self) -> tuple[Path, ...]:
        """The real files, each once, in the order of loading; the subject is not among them."""
        return tuple(dict.fromkeys(self.loaded.values()))

    @property
    def errors(self) -> tuple[str, ...]:
        """One sentence per reason why a loader would refuse; empty when it would load."""
        found = [f"{item.path}: {item.reason}" for item in self.unreadable if item.path == self.subject]
        found += [f"{item.soname}: {item.reason} (needed by {item.needed_by})" for item in self.missing]
        found += [
            f"{item.soname}: no version {item.version} (needed by {item.needed_by})"
            for item in self.missing_versions
            if not item.weak
        ]
        return tuple(found)


@dataclass(frozen=True, slots=True)
class _Search:
    """Where one kind of loader looks, besides RPATH and RUNPATH."""

    libc: str
    machine: str
    e_machine: int | None
    bits: int
    byte_order: str
    configured: tuple[str, ...]  # ld.so.conf: only through the cache, so only for names that ldconfig takes
    system: tuple[str, ...]
    lib_token: str
    levels: tuple[str, ...]

    def fits(self, elf: ElfFile) -> bool:
        if (elf.bits, elf.byte_order) != (self.bits, self.byte_order):
            return False
        return elf.machine == self.machine or (self.e_machine is not None and elf.e_machine == self.e_machine)


class Root:
    """A root file system in which libraries are searched; a snapshot: what was read once is remembered.

    Parameters
    ----------
    path : str or Path
        Folder that plays ``/``. No look-up leaves it: absolute links start again at this folder, ``..`` stops
        at it, and a chain of more than 40 links counts as absent.
    mounts : mapping of str to Path, optional
        Folders of this host to be seen at other places in the root, like bind mounts (``{"/opt/python":
        tree}``): asks how an interpreter of this host would fare on another distribution's libraries.
    isa_level : str, optional
        Which ``glibc-hwcaps`` folders the processor may use: ``x86-64-v3`` admits v3 and v2, ``z15`` z15 and
        older. By default this host's processor for the root ``/``, and none of them for any other root.

    Raises
    ------
    NotADirectoryError
        If `path` is no folder.
    """

    def __init__(
        self,
        path: str | Path = "/",
        *,
        mounts: Mapping[str, str | Path] | None = None,
        isa_level: str | None = None,
    ) -> None:
        self.path = Path(os.path.realpath(path))
        if not self.path.is_dir():
            raise NotADirectoryError(f"{path}: no folder, so no root file system")
        self._prefix = "" if str(self.path) == "/" else str(self.path)
        self._given = os.path.abspath(path)  # noqa: PTH100 - Path.absolute keeps ".."
        self._mounts = {
            "/" + key.strip("/"): os.path.realpath(value) for key, value in sorted((mounts or {}).items())
        }
        self._mount_parents = {
            str(parent) for key in self._mounts for parent in (Path(key), *Path(key).parents)
        }
        self._isa_level = isa_level if isa_level is not None or self._prefix else processor_level()
        self._entries: dict[str, str | None] = {}
        self._resolved: dict[str, str | None] = {}
        self._elf: dict[str, ElfFile | Unreadable | None] = {}
        self._versions: dict[str, frozenset[str]] = {}
        self._searches: dict[tuple[object, ...], _Search] = {}
        self._found: dict[tuple[object, ...], tuple[str, str] | str] = {}
        self._configured: tuple[str, ...] | None = None

    def __repr__(self) -> str:
        return f"Root({str(self.path)!r})"

    # Paths.

    def host(self, inside: str) -> Path:
        """Return the path on this host of a path inside the root, itself free of links (see `resolve`)."""
        return Path(self._host(inside))

    def inside(self, path: str | Path) -> str | None:
        """Return what a path of this host is called inside the root; None if it lies outside."""
        absolute = os.path.abspath(path)  # noqa: PTH100
        for candidate in (absolute, os.path.realpath(absolute)):
            for point, folder in self._mounts.items():
                if candidate == folder or candidate.startswith(folder + "/"):
                    return point + candidate[len(folder) :]
            for prefix in (self._prefix, self._given if self._prefix else ""):
                if prefix in {"", candidate} or candidate.startswith(prefix + "/"):
                    return candidate[len(prefix) :] or "/"
        return None

    def resolve(self, inside: str) -> str | None:
        """Resolve every link of a path inside the root; None if it leads nowhere, or round in circles."""
        if inside not in self._resolved:
            self._resolved[inside] = self._walk(inside)
        return self._resolved[inside]

    def _host(self, inside: str) -> str:
        for point, folder in self._mounts.items():
            if inside == point or inside.startswith(point + "/"):
                return folder + inside[len(point) :]
        return self._prefix + inside or "/"

    def _walk(self, inside: str) -> str | None:
        if len(inside) > _PATH_BYTES:
            return None
        pending = deque(inside.split("/"))
        current = ""
        links = 0
        while pending:
            part = pending.popleft()
            if part in {"", "."}:
                continue
            if part == "..":
                current = current.rpartition("/")[0]
                continue
            target = self._entry(f"{current}/{part}")
            if target is None:
                return None
            if not target:
                current = f"{current}/{part}"
                continue
            links += 1
            if links > _LINK_LIMIT:
                return None
            if target.startswith("/"):
                current = ""
            pending.extendleft(reversed(target.split("/")))
        return current or "/"

    def _entry(self, inside: str) -> str | None:
        """Target of a link, "" for anything else that exists, None for what does not."""
        if inside not in self._entries:
            self._entries[inside] = "" if inside in self._mount_parents else _link_target(self._host(inside))
        return self._entries[inside]

    def _is_file(self, real: str) -> bool:
        # A pipe or a device in a hostile root would hang the reader.
        try:
            return stat.S_ISREG(os.lstat(self._host(real)).st_mode)
        except (OSError, ValueError):
            return False

    def _content(self, real: str, limit: int) -> bytes:
        """Return the first bytes of a file; none if it cannot be read."""
        try:
            with Path(self._host(real)).open("rb") as stream:
                return stream.read(limit)
        except OSError:
            return b""

    def _text(self, inside: str) -> str:
        real = self.resolve(inside)
        if real is None or not self._is_file(real):
            return ""
        return os.fsdecode(self._content(real, _CONF_BYTES))

    def _list(self, folder: str) -> list[str]:
        real = self.resolve(folder)
        if real is None:
            return []
        try:
            return sorted(entry.name for entry in os.scandir(self._host(real)))
        except OSError:
            return []

    def glob(self, pattern: str) -> list[str]:
        """Return the paths inside the root that match a pattern as in ld.so.conf's ``include``, sorted."""
        found = [""]
        for part in pattern.split("/"):
            if part == "":
                continue
            if any(character in part for character in "*?["):
                found = [
                    f"{folder}/{name}"
                    for folder in found
                    for name in fnmatch.filter(self._list(folder or "/"), part)
                    if not name.startswith(".") or part.startswith(".")
                ][:_CONF_FILE_LIMIT]
            else:
                found = [f"{folder}/{part}" for folder in found]
        return [path for path in found if self.resolve(path) is not None]

    # Where a loader looks.

    @property
    def configured_directories(self) -> tuple[str, ...]:
        """Existing folders that ``/etc/ld.so.conf`` and what it includes name, in their order."""
        if self._configured is None:
            self._configured = self._existing(self._configuration("/etc/ld.so.conf", set()))
        return self._configured

    def _existing(self, directories: Iterable[str]) -> tuple[str, ...]:
        """Keep the folders that exist, each real one once: the search tries every one for every name."""
        found: dict[str, str] = {}
        for directory in directories:
            real = self.resolve(directory)
            if real is not None:
                found.setdefault(real, directory)
            if len(found) >= _DIRECTORY_LIMIT:
                break
        return tuple(found.values())

    def _configuration(self, path: str, seen: set[str]) -> Iterator[str]:
        real = self.resolve(path)
        if real is None or real in seen or len(seen) >= _CONF_FILE_LIMIT:
            return
        seen.add(real)
        for raw in self._text(path).splitlines():
            words = raw.partition("#")[0].split()
            if not words:
                continue
            if words[0] == "include":
                for pattern in words[1:]:
                    absolute = pattern if pattern.startswith("/") else f"{path.rpartition('/')[0]}/{pattern}"
                    for included in self.glob(absolute):
                        yield from self._configuration(included, seen)
            elif words[0] != "hwcap":
                directory = " ".join(words).partition("=")[0].rstrip("/")
                if directory.startswith("/"):
                    yield directory

    def _search(self, elf: ElfFile, libc: str, interpreter: str | None) -> _Search:
        key = (elf.machine, elf.e_machine, elf.bits, elf.byte_order, libc, interpreter)
        if key not in self._searches:
            self._searches[key] = self._new_search(
                libc, elf.machine, elf.e_machine, elf.bits, elf.byte_order, interpreter
            )
        return self._searches[key]

    def _new_search(
        self,
        libc: str,
        machine: str,
        e_machine: int | None,
        bits: int,
        byte_order: str,
        interpreter: str | None,
    ) -> _Search:
        if libc == "musl":
            system: tuple[str, ...] = self._musl_directories(machine, interpreter)
            return _Search(libc, machine, e_machine, bits, byte_order, (), system, "lib", ())
        loader = interpreter or self._loader(machine, libc)
        system = self._built_in_directories(loader) or _usual_directories(machine, bits)
        under_usr = [directory[len("/usr/") :] for directory in system if directory.startswith("/usr/")]
        levels: tuple[str, ...] = _HWCAPS.get(machine, ())
        levels = levels[levels.index(self._isa_level) :] if self._isa_level in levels else ()
        return _Search(
            libc,
            machine,
            e_machine,
            bits,
            byte_order,
            self.configured_directories,
            system,
            under_usr[0] if under_usr else "lib",
            levels,
        )

    def _loader(self, machine: str, libc: str) -> str | None:
        path = (
            f"/lib/ld-musl-{_MUSL_NAMES.get(machine, machine)}.so.1"
            if libc == "musl"
            else _GLIBC_LOADERS.get(machine)
        )
        return path if path and self.resolve(path) else None

    def _built_in_directories(self, loader: str | None) -> tuple[str, ...]:
        """Return the folders that were compiled into a glibc loader: they differ between distributions."""
        real = self.resolve(loader) if loader else None
        if real is None or not self._is_file(real):
            return ()
        for match in _SYSTEM_DIRECTORIES.finditer(self._content(real, _LOADER_BYTES)):
            directories = [os.fsdecode(part).rstrip("/") for part in match[0].split(b"\0") if part]
            if all("/lib" in directory for directory in directories):
                return tuple(directories)
        return ()

    def _musl_directories(self, machine: str, interpreter: str | None) -> tuple[str, ...]:
        name = _MUSL_NAMES.get(machine, machine)
        match = re.search(r"ld-musl-(.+)\.so\.1$", interpreter or "")
        text = self._text(f"/etc/ld-musl-{match[1] if match else name}.path")
        directories = tuple(part.strip() for part in re.split(r"[:\n]", text) if part.strip().startswith("/"))
        return directories or ("/lib", "/usr/local/lib", "/usr/lib")

    # Reading.

    def elf(self, real: str) -> ElfFile | Unreadable | None:
        """Read a file once; None if it may not be read, `Unreadable` if it is no sound ELF file."""
        if real not in self._elf:
            self._elf[real] = self._read(real)
        return self._elf[real]

    def _read(self, real: str) -> ElfFile | Unreadable | None:
        if not self._is_file(real):
            return Unreadable(real, "not a regular file")
        try:
            return read(Path(self._host(real)), name=real)
        except ElfError as error:
            return Unreadable(real, str(error).removeprefix(f"{shown(real)}: "))
        except PermissionError:
            return None
        except OSError as error:
            return Unreadable(real, error.strerror or str(error))

    def defined_versions(self, real: str) -> frozenset[str]:
        """Return the symbol versions that a library defines; empty for one without, or an unreadable one."""
        if real not in self._versions:
            try:
                self._versions[real] = defined_versions(Path(self._host(real)), name=real)
            except (ElfError, OSError):
                self._versions[real] = frozenset()
        return self._versions[real]

    # Searching.

    def library(self, soname: str, machine: str, libc: str = "glibc") -> Path | None:
        """Return the real file of a library in the default places of a machine; None if absent."""
        bits = _BITS.get(machine, 64)
        order = "big" if machine in _BIG_ENDIAN else "little"
        key = (machine, None, bits, order, libc, None)
        if key not in self._searches:
            self._searches[key] = self._new_search(libc, machine, None, bits, order, None)
        found = self._find(soname, (), self._searches[key])
        return None if isinstance(found, str) else self.host(found[1])

    def loader(self, machine: str, libc: str = "glibc") -> Path | None:
        """Return the real file of a machine's program interpreter at its usual place; None if absent."""
        path = self._loader(machine, libc)
        real = self.resolve(path) if path else None
        return self.host(real) if real is not None and self._is_file(real) else None

    def _find(self, name: str, own: tuple[str, ...], search: _Search) -> tuple[str, str] | str:
        """Return (path as found, real path), or the reason why there is none."""
        key = (name, own, search)
        if key not in self._found:
            self._found[key] = self._find_in(self._candidates(name, own, search), search)
        return self._found[key]

    def _candidates(self, name: str, own: tuple[str, ...], search: _Search) -> Iterator[str]:
        if "/" in name:
            yield name
            return
        folders = [f"glibc-hwcaps/{level}/" for level in search.levels]
        for directory in own:
            for folder in (*folders, ""):
                yield f"{directory}/{folder}{name}"
        # ldconfig only takes names of this form, and its cache prefers the level to the folder.
        cached = name.startswith(("lib", "ld-")) and ".so" in name
        directories = (*search.configured, *search.system) if cached else search.system
        for folder in (*folders, ""):
            for directory in directories:
                yield f"{directory}/{folder}{name}"

    def _find_in(self, candidates: Iterable[str], search: _Search) -> tuple[str, str] | str:
        for path in candidates:
            real = self.resolve(path)
            if real is None or not self._is_file(real):
                continue
            elf = self.elf(real)
            if elf is None:
                continue
            # Neither loader looks any further when a file of that name turns out to be corrupt.
            if isinstance(elf, Unreadable):
                return f"{path}: {elf.reason}"
            if search.fits(elf):
                return path, real
            if search.libc == "musl":
                return f"{path}: for another machine ({elf.machine}, {elf.bits} bits)"
        return "not found"

    def own_directories(self, item: _Loaded, main: _Loaded | None, search: _Search) -> tuple[str, ...]:
        """Return the folders that an object's RPATH and RUNPATH, and those it inherits, add to the search."""
        directories: list[str] = []
        chain: list[_Loaded] = []
        step: _Loaded | None = item
        while step is not None and step not in chain:
            chain.append(step)
            step = step.loader
        if search.libc == "musl":
            for link in chain:
                directories += _expanded(link.elf.runpath or link.elf.rpath, link.path, search)
        elif item.elf.runpath:
            directories += _expanded(item.elf.runpath, item.path, search)
        else:
            if main is not None and main not in chain:
                chain.append(main)
            for link in chain:
                # RPATH is void in an object that has a RUNPATH, also for those that inherit it.
                if not link.elf.runpath:
                    directories += _expanded(link.elf.rpath, link.path, search)
        return self._existing(directories)


def closure(path: str | Path, root: Root, *, preloaded: Closure | None = None) -> Closure:
    """Find everything that a loader would map for a program or a library.

    Parameters
    ----------
    path : str or Path
        The file: a path on this host that lies in the root (or one of its mounts), or a path inside the root.
    root : Root
        Where libraries are searched. ``LD_LIBRARY_PATH`` and ``LD_PRELOAD`` play no part.
    preloaded : Closure, optional
        Of the program that will open the file with ``dlopen`` (an interpreter, for an extension module):
        libraries already loaded are reused by name, and the program's own RPATH counts.

    Returns
    -------
    Closure
        Never an exception for what a file holds: corrupt files are listed in ``unreadable``.
    """
    inside = root.inside(path)
    if inside is None or root.resolve(inside) is None:
        inside = str(path) if str(path).startswith("/") else inside or f"/{path}"
    return _Walk(root, preloaded).run(inside)


class _Walk:
    """The state of one breadth-first walk."""

    def __init__(self, root: Root, preloaded: Closure | None) -> None:
        self.root = root
        self.preloaded = preloaded
        self.names: dict[str, _Loaded] = dict(preloaded._names) if preloaded else {}
        self.by_file: dict[str, _Loaded] = {item.real: item for item in self.names.values()}
        self.order: list[_Loaded] = []
        self.missing: dict[tuple[str, str], Missing] = {}
        self.unreadable: dict[str, Unreadable] = {}
        self.interpreter: _Loaded | None = None
        self.own: dict[_Loaded, tuple[str, ...]] = {}

    def run(self, inside: str) -> Closure:
        real = self.root.resolve(inside)
        if real is None:
            return self._failed(inside, "no such file")
        elf = self.root.elf(real)
        if not isinstance(elf, ElfFile):
            return self._failed(inside, elf.reason if elf else "permission denied")
        before = self.preloaded
        # The kernel tells a program its real name; a library goes by the name under which it was opened.
        subject = _Loaded(real if elf.interpreter and before is None else inside, real, elf, None)
        main = before._main if before and before._main else subject
        interpreter = elf.interpreter or (main.elf.interpreter if before else None)
        libc = libc_of(elf) or libc_of(main.elf) or "glibc"
        search = self.root._search(elf, libc, interpreter)
        if elf.type in {"exec", "dyn"} and not elf.static:
            self.names.setdefault(elf.soname or "", subject)
            self.by_file[real] = subject
            self.order.append(subject)
            if elf.interpreter or elf.needed:
                self._load_interpreter(subject, search, interpreter)
            self._load_needed(main, search)
        weighed = [self._weigh(item) for item in self.order] if search.libc == "glibc" else []
        interpreter_item = self.interpreter
        return Closure(
            subject=inside,
            loaded={
                name: self.root.host(item.real)
                for name, item in self.names.items()
                if item is not subject and name
            },
            missing=tuple(self.missing.values()),
            missing_versions=tuple(version for found, _ in weighed for version in found),
            unversioned=tuple(library for _, found in weighed for library in found),
            unreadable=tuple(self.unreadable.values()),
            interpreter=self.root.host(interpreter_item.real)
            if interpreter_item
            else (before.interpreter if before else None),
            _names={name: item for name, item in self.names.items() if name},
            _main=main,
        )

    def _failed(self, inside: str, reason: str) -> Closure:
        return Closure(inside, {}, unreadable=(Unreadable(inside, reason),))

    def _take(self, item: _Loaded, *names: str) -> None:
        for name in names:
            self.names.setdefault(name, item)
        # What a program has loaded already is not walked again.
        if item.real not in self.by_file:
            self.by_file[item.real] = item
            self.order.append(item)

    def _load_interpreter(self, subject: _Loaded, search: _Search, asked: str | None) -> None:
        if self.preloaded is not None:
            self.interpreter = next((item for item in self.names.values() if item.path == asked), None)
            return
        path = asked or self.root._loader(search.machine, search.libc)
        if path is None:
            return
        real = self.root.resolve(path)
        elf = self.root.elf(real) if real is not None else None
        if real is None or elf is None:
            self.missing[path, subject.path] = Missing(path, subject.path, "program interpreter not found")
        elif isinstance(elf, Unreadable):
            self.unreadable[real] = elf
            self.missing[path, subject.path] = Missing(path, subject.path, elf.reason)
        elif real == subject.real:
            self.interpreter = subject
        else:
            self.interpreter = _Loaded(path, real, elf, None)
            self._take(self.interpreter, elf.soname or path.rpartition("/")[2])

    def _load_needed(self, main: _Loaded, search: _Search) -> None:
        done = 0
        while done < len(self.order):
            item = self.order[done]
            done += 1
            for needed in item.elf.needed:
                if len(self.names) + len(self.missing) > _OBJECT_LIMIT:
                    subject = self.order[0].path
                    reason = f"needs more than {_OBJECT_LIMIT} libraries"
                    self.unreadable[subject] = Unreadable(subject, reason)
                    return
                if needed not in self.names:
                    self._load(needed, item, main, search)

    def _load(self, needed: str, item: _Loaded, main: _Loaded, search: _Search) -> None:
        if search.libc == "musl" and self.interpreter is not None and _MUSL_OWN.match(needed):
            self._take(self.interpreter, needed)
            return
        name = _expand(needed, item.path, search)
        if name in self.names:
            self.names[needed] = self.names[name]
            return
        if "/" in name and not name.startswith("/"):
            found: tuple[str, str] | str = "a relative path: depends on the current folder"
        else:
            if item not in self.own:
                self.own[item] = self.root.own_directories(item, main, search)
            found = self.root._find(name, self.own[item], search)
        if isinstance(found, str):
            self.missing.setdefault((needed, item.path), Missing(needed, item.path, found))
            return
        path, real = found
        elf = self.root.elf(real)
        if not isinstance(elf, ElfFile):  # cannot be: _find_in has read it
            return
        # Two names for one file are one object.
        known = self.by_file.get(real)
        self._take(known or _Loaded(path, real, elf, item), needed, *([elf.soname] if elf.soname else []))

    def _weigh(self, item: _Loaded) -> tuple[list[MissingVersion], list[Unversioned]]:
        """Hold an object's version needs against what the libraries found define."""
        missing: dict[VersionNeed, MissingVersion] = {}
        unversioned: dict[str, Unversioned] = {}
        for need in item.elf.version_needs:
            library = self.names.get(need.soname)
            if library is None:
                continue
            defined = self.root.defined_versions(library.real)
            if not defined:
                unversioned[need.soname] = Unversioned(need.soname, item.path)
            elif need.version not in defined:
                missing[need] = MissingVersion(need.version, need.soname, item.path, need.weak)
        return list(missing.values()), list(unversioned.values())


def processor_level() -> str | None:
    """Return the level of this host's processor (``x86-64-v3``); None: baseline, or another machine."""
    try:
        text = Path("/proc/cpuinfo").read_text(errors="replace")
    except OSError:
        return None
    match = re.search(r"^flags\s*:(.*)$", text, re.MULTILINE)
    flags = set(match[1].split()) if match else set()
    level = None
    for name, wanted in _X86_LEVELS:
        if not wanted <= flags:
            break
        level = name
    return level


def _link_target(path: str) -> str | None:
    try:
        mode = os.lstat(path).st_mode
        return os.readlink(path) if stat.S_ISLNK(mode) else ""  # noqa: PTH115 - keeps a trailing slash
    except (OSError, ValueError):  # ValueError: a NUL in the name
        return None


def _usual_directories(machine: str, bits: int) -> tuple[str, ...]:
    triplet = _TRIPLETS.get(machine)
    folders = ([triplet] if triplet else []) and [f"lib/{triplet}"]
    folders += (["lib64"] if bits == 64 else []) + ["lib"]
    return tuple(f"{prefix}/{folder}" for folder in folders for prefix in ("", "/usr"))


def _expand(text: str, path: str, search: _Search) -> str:
    """Replace $ORIGIN, $LIB and $PLATFORM as the loader does for an object of that path."""
    if "$" not in text:
        return text
    origin = path.rpartition("/")[0] or "/"
    values = {"ORIGIN": origin, "LIB": search.lib_token, "PLATFORM": search.machine}
    if search.libc == "musl":
        values = {"ORIGIN": origin}

    def value(match: re.Match[str]) -> str:
        return values.get(match[1] or match[2], match[0])

    return _TOKEN.sub(value, text)


def _expanded(directories: tuple[str, ...], path: str, search: _Search) -> list[str]:
    # Empty and relative entries mean the current folder, which is nobody's to know: left out.
    found = [_expand(directory, path, search) for directory in directories]
    return [directory.rstrip("/") or "/" for directory in found if directory.startswith("/")]
