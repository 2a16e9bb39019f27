"""Images as subjects: what lies in them is read from their export; only then their Pythons are asked."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from pyassay.elf.archived import ArchivedRoot
from pyassay.elf.platform_tags import libc_of
from pyassay.places.host import Completed
from pyassay.subjects.contents import Contents, read_contents
from pyassay.subjects.display import display_text
from pyassay.subjects.identity import QUIET_FLAGS, Identity, NotIdentifiedError, guest_script, parsed
from pyassay.subjects.locations import is_python_name
from pyassay.subjects.model import Artifact, Confidence, Interpreter, Provenance, SubjectKind

if TYPE_CHECKING:
    from pyassay.filetree import FileTree
    from pyassay.places.container import Engine

__all__ = ["ROOTFS", "ImageIndex", "image_index", "image_subjects", "rootfs_index", "rootfs_subjects"]

_LOADER = re.compile(r"(?:^|/)(?:ld-(?:linux|musl|2\.)|ld64\.so|ld\.so)[^/]*$")
_CONFIGURATION = re.compile(
    r"etc/ld\.so\.conf|etc/ld\.so\.conf\.d/[^/]+|etc/ld-musl-[^/]+\.path|(?:etc|usr/lib)/os-release"
    r"|var/lib/dpkg/info/(?:lib)?(?:python|pypy)[^/]*\.list|lib/apk/db/installed"
)
_PROGRAMS = re.compile(r"(?:^|/)bin/[^/]+$")
_SHARED = frozenset(map(Path, ("/", "/usr", "/usr/local", "/opt", "/app")))
_ASKING: dict[str, Any] = {"timeout_s": 30.0, "max_output_bytes": 1 << 20}
ROOTFS = "rootfs:"
"""What the reference of a root file system begins with; the folder follows."""

Runner = Callable[..., Completed]
_known: dict[str, ImageIndex] = {}


@dataclass(frozen=True, slots=True)
class ImageIndex:
    """What is kept of an image.

    Attributes
    ----------
    reference : str
        As the reader named it: ``debian:trixie``.
    digest : str
    os_release : dict of str to str
        ``ID``, ``VERSION_ID``, ``VERSION_CODENAME``, ``PRETTY_NAME`` ...
    contents : Contents
        Every ELF file, every link, the few texts that a loader or a package database needs.
    root : ArchivedRoot
        The same as a root file system.
    pythons : tuple of str
        Absolute paths of what has the name of a Python and is a program, links resolved.
    """

    reference: str
    digest: str
    os_release: dict[str, str]
    contents: Contents
    root: ArchivedRoot
    pythons: tuple[str, ...]

    @property
    def release(self) -> str:
        """Return ``debian:12``, as the table of distributions names it; rolling releases lack the number."""
        parts = (self.os_release.get("ID", ""), self.os_release.get("VERSION_ID", ""))
        return ":".join(part for part in parts if part)


def image_index(engine: Engine, reference: str) -> ImageIndex:
    """Read an image once; nothing in it is run. What was read is remembered by its digest.

    Raises
    ------
    EngineError
        If there is no such image, or the engine fails.
    FileTreeError
        If what the engine exports cannot be read.
    """
    from pyassay.filetree import open_tree

    digest = engine.digest(reference)
    if digest not in _known:
        with engine.export(reference) as stream, open_tree(stream, name=reference, nested=False) as tree:
            _known[digest] = _index(tree, reference, digest)
    return replace(_known[digest], reference=reference)


def rootfs_index(folder: Path) -> ImageIndex:
    """Read a folder with a distribution in it like an image; nothing in it is run.

    It is read anew each time: unlike an image, it may have changed.

    Raises
    ------
    FileTreeError
        If it cannot be read.
    """
    from pyassay.filetree import open_tree

    reference = f"{ROOTFS}{folder}"
    with open_tree(folder, name=reference, nested=False) as tree:
        return _index(tree, reference, "")


def rootfs_subjects(folder: Path) -> tuple[Artifact, list[Interpreter]]:
    """Return a root file system and every interpreter in it, each asked with that folder as its root.

    Raises
    ------
    FileTreeError
        If it cannot be read.
    RootFsError
        If it is no distribution.
    """
    from pyassay.places.rootfs import RootFs

    index, place = rootfs_index(folder), RootFs(folder)
    return _subjects(index, "rootfs", partial(place.run, **_ASKING))


def image_subjects(engine: Engine, reference: str) -> tuple[Artifact, list[Interpreter]]:
    """Return an image and every interpreter in it, each asked in a container of its own.

    Raises
    ------
    EngineError
        As :func:`image_index`.
    """
    index = image_index(engine, reference)
    return _subjects(index, "image", partial(engine.run, reference, **_ASKING))


def _subjects(index: ImageIndex, kind: str, run: Runner) -> tuple[Artifact, list[Interpreter]]:
    shown = display_text(index.reference)[:120]
    image = Artifact("", shown, SubjectKind.IMAGE, Path(index.reference), kind, None, None)
    return image, [_interpreter(run, index, path) for path in index.pythons]


def _index(tree: FileTree, reference: str, digest: str) -> ImageIndex:
    contents = _contents(tree)
    root = ArchivedRoot(*contents.rooted(""))
    return ImageIndex(reference, digest, _os_release(contents), contents, root, _pythons(contents, root))


def _contents(tree: FileTree) -> Contents:
    return read_contents(
        tree,
        text_wanted=lambda path: bool(_CONFIGURATION.fullmatch(path) or _LOADER.search(path)),
        path_wanted=lambda path: bool(_PROGRAMS.search(path)) and is_python_name(_name(path)),
    )


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _os_release(contents: Contents) -> dict[str, str]:
    for path in ("etc/os-release", "usr/lib/os-release"):
        found: dict[str, str] = {}
        for line in contents.texts.get(path, b"").decode("utf-8", "replace").splitlines()[:100]:
            key, equals, value = line.partition("=")
            if equals:
                found[key.strip()] = display_text(value.strip().strip("\"'"))[:80]
        if found:
            return found
    return {}


def _pythons(contents: Contents, root: ArchivedRoot) -> tuple[str, ...]:
    found: dict[str, None] = {}
    programs = {f"/{one.path}" for one in contents.elf}
    for path in contents.paths:
        real = root.resolve(f"/{path}")
        # A link of that name to something else (busybox, a wrapper) is no Python.
        if real is not None and real in programs and is_python_name(_name(real)):
            found[real] = None
    return tuple(sorted(found))


def _interpreter(run: Runner, index: ImageIndex, path: str) -> Interpreter:
    stored = next(one for one in index.contents.elf if f"/{one.path}" == path)
    identity, error = _ask(run, index, path)
    version = identity.version if identity is not None else ""
    prefix = (identity.base_prefix or identity.prefix) if identity is not None else None
    paths = identity.paths if identity is not None else {}
    libc = libc_of(stored.elf) or ""
    said = re.fullmatch(r"glibc (\d+(?:\.\d+){1,2})", identity.libc) if identity is not None else None
    series = ".".join(version.split(".")[:2])
    return Interpreter(
        id="",
        label="",
        kind=SubjectKind.INTERPRETER,
        executable=Path(path),
        version=version,
        implementation=identity.implementation if identity is not None else "cpython",
        architecture=stored.elf.machine,
        libc=libc,
        libc_version=said[1] if said and libc == "glibc" else "",
        compiler=identity.compiler if identity is not None else "",
        build_date=identity.build_date if identity is not None else "",
        prefix=prefix,
        stdlib=paths.get("stdlib"),
        platstdlib=paths.get("platstdlib"),
        library_folders=_library_folders(index, series),
        site_folders=tuple(
            dict.fromkeys(
                (
                    *(identity.site_folders if identity is not None else ()),
                    *(paths[name] for name in ("purelib", "platlib") if name in paths),
                )
            )
        ),
        aliases=(),
        environments=(),
        environment=None,
        provenance=_provenance(index, path, identity, prefix),
        error=error,
        abi_flags=identity.abi_flags if identity is not None else "",
        image=index.reference,
    )


def _ask(run: Runner, index: ImageIndex, path: str) -> tuple[Identity | None, str | None]:
    shown = f"{index.reference}: {path}"
    try:
        completed = run((path, *QUIET_FLAGS), input_bytes=guest_script("identity"))
        if not completed.ok:
            how = "no answer in time" if completed.timed_out else f"exit status {completed.returncode}"
            raise NotIdentifiedError(f"{shown}: {how}")
        return parsed(completed.stdout, shown, is_folder=lambda folder: True), None
    except NotIdentifiedError as error:
        return None, str(error)
    except Exception as error:  # noqa: BLE001 - the image stays readable when its Python cannot be run
        return None, " ".join(f"{shown}: {error}".split())[:300]


def _library_folders(index: ImageIndex, series: str) -> tuple[Path, ...]:
    names = ("libpypy", "libgraalpy", *((f"libpython{series}",) if series else ()))
    found = (PurePosixPath(f"/{one.path}") for one in index.contents.elf)
    return tuple(dict.fromkeys(Path(path.parent) for path in found if path.name.startswith(names)))


def _provenance(index: ImageIndex, path: str, identity: Identity | None, prefix: Path | None) -> Provenance:
    variables = identity.variables if identity is not None else {}
    arguments = variables.get("CONFIG_ARGS", "")
    named = display_text(index.os_release.get("ID", ""))
    listed = next(
        (
            database
            for database, content in index.contents.texts.items()
            if database.startswith("var/lib/dpkg/info/")
            and f"\n{path}\n" in f"\n{content.decode('utf-8', 'replace')}\n"
        ),
        "",
    )
    if "PYTHON_BUILD_STANDALONE" in variables or "--with-openssl=/tools/deps" in arguments:
        clue = "sysconfig holds the marks of its recipe (PYTHON_BUILD_STANDALONE, /tools/deps)."
        return Provenance("python-build-standalone", "python-build-standalone", Confidence.CERTAIN, (clue,))
    if listed and named:
        package = listed.rpartition("/")[2].removesuffix(".list")
        clue = f"The image's dpkg says that {display_text(package)} owns {display_text(path)}."
        return Provenance(named, index.os_release.get("NAME", named), Confidence.CERTAIN, (clue,))
    if prefix == Path("/usr/local"):
        clue = "It lies in /usr/local, no package owns it, as in Docker's official images."
        return Provenance("docker-official", "Docker official image", Confidence.LIKELY, (clue,))
    if prefix == Path("/usr") and named:
        clue = f"It lies in /usr of {display_text(index.os_release.get('PRETTY_NAME', named))}."
        return Provenance(named, index.os_release.get("NAME", named), Confidence.LIKELY, (clue,))
    return Provenance("unknown", "unknown", Confidence.UNKNOWN)
