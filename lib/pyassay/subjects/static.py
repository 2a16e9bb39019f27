"""What can be told of an interpreter without running it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from pyassay.elf import ElfError, ElfFile, read
from pyassay.elf.platform_tags import libc_of
from pyassay.places.host import StartError, run
from pyassay.subjects.bounded import entries, head
from pyassay.subjects.locations import is_python_name

__all__ = ["StaticFacts", "is_libpython", "libpython_folders", "musl_version", "static_facts"]

_SERIES = re.compile(r"(?:python|pypy|graalpy)(\d+\.\d+)")
_LIBPYTHON = re.compile(r"libpython(\d\.\d+)[a-z]*\.so")
_PATCHLEVEL = re.compile(rb'#\s*define\s+PY_VERSION\s+"(\d{1,2}\.\d{1,3}\.\d{1,3}(?:(?:a|b|rc)\d{1,3})?)\+?"')
_MUSL_LOADER = re.compile(r"/lib(?:64)?/ld-musl-[a-z0-9_]+\.so\.1")


@dataclass(frozen=True, slots=True)
class StaticFacts:
    """What file names and headers say; empty where they say nothing.

    Attributes
    ----------
    elf : ElfFile or None
        The executable, when it is one.
    version : str
        From ``patchlevel.h`` (``3.12.1``), else from names (``3.12``).
    architecture, libc : str
        From the ELF header and the loader that it asks for.
    prefix, stdlib : Path or None
        The folder above ``bin`` when it holds a standard library.
    """

    elf: ElfFile | None
    version: str
    architecture: str
    libc: str
    prefix: Path | None
    stdlib: Path | None


def static_facts(executable: Path) -> StaticFacts:
    """Read what the files of an interpreter tell."""
    try:
        elf = read(executable) if executable.is_file() else None
    except (ElfError, OSError):
        elf = None
    series = _series(executable, elf)
    prefix, stdlib = _standard_library(executable, series)
    if not series and stdlib is not None:
        match = _SERIES.fullmatch(stdlib.name)
        series = match[1] if match else ""
    return StaticFacts(
        elf=elf,
        version=_patchlevel(prefix, series) or series,
        architecture=elf.machine if elf is not None else "",
        libc=(libc_of(elf) or "") if elf is not None else "",
        prefix=prefix,
        stdlib=stdlib,
    )


def libpython_folders(candidates: list[Path], series: str) -> tuple[Path, ...]:
    """Return those folders, links resolved, that hold a shared libpython (libpypy, ...) of a series."""
    prefixes = (f"libpython{series}", "libpypy", "libgraalpy", "libpythonvm")
    found: dict[Path, None] = {}
    for folder in candidates:
        if any(path.name.startswith(prefixes) and ".so" in path.name for path in entries(folder)):
            found[folder.resolve()] = None
    return tuple(found)


def is_libpython(soname: str) -> bool:
    """Tell whether a library is an interpreter: libpython3.12.so.1.0, /x/libpypy3-c.so."""
    return soname.rpartition("/")[2].startswith(("libpython", "libpypy", "libgraalpy"))


def musl_version(elf: ElfFile) -> str:
    """Return the version of the musl that runs a file, as its loader says; empty when it does not."""
    # Only a loader at the place where systems have it is run.
    if elf.interpreter is None or not _MUSL_LOADER.fullmatch(elf.interpreter):
        return ""
    try:
        said = run((elf.interpreter,), timeout_s=5, max_output_bytes=64 << 10).stderr
    except StartError:
        return ""
    match = re.search(rb"^Version (\d+(?:\.\d+){1,3})", said, re.MULTILINE)
    return match[1].decode() if match else ""


def _series(executable: Path, elf: ElfFile | None) -> str:
    match = _SERIES.match(executable.name)
    if match:
        return match[1]
    for soname in elf.needed if elf is not None else ():
        match = _LIBPYTHON.match(soname.rpartition("/")[2])
        if match:
            return match[1]
    return ""


def _standard_library(executable: Path, series: str) -> tuple[Path | None, Path | None]:
    prefix = executable.parent.parent
    named = [prefix / lib / f"python{series}" for lib in ("lib", "lib64")] if series else []
    found: list[Path] = []
    # Any file lies beside some lib folder; only a program of that name has it as its own.
    if not series and executable.parent.name == "bin" and is_python_name(executable.name):
        found = [path for path in entries(prefix / "lib") if _SERIES.fullmatch(path.name)]
    for folder in named or found:
        if (folder / "os.py").is_file():
            return prefix, folder
    return None, None


def _patchlevel(prefix: Path | None, series: str) -> str:
    if prefix is None or not series:
        return ""
    for folder in entries(prefix / "include"):
        if folder.name.startswith(f"python{series}"):
            match = _PATCHLEVEL.search(head(folder / "patchlevel.h", 64 << 10))
            if match:
                return match[1].decode()
    return ""
