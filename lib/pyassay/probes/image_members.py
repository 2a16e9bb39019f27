"""The ELF files of an image, or of one interpreter in it: as read from its export, nothing run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pyassay.probes.artifact_members import scope_of
from pyassay.probes.elf_rows import Observed, Rows, Whereabouts, add_all
from pyassay.probes.tree import is_shared_prefix
from pyassay.subjects.contents import StoredElf
from pyassay.subjects.images import ROOTFS, ImageIndex, image_index, rootfs_index
from pyassay.subjects.model import Artifact, Interpreter

__all__ = ["observe_image", "observe_in_image"]


def observe_image(image: Artifact) -> Rows:
    """Observe every ELF file of an image against the libraries of that very image.

    Raises
    ------
    EngineError
        If the engine or the image is gone.
    """
    index = _index(str(image.path))
    rows = Rows(image.id)
    for path, reason in index.contents.skipped:
        rows.add("skipped", file=path, reason=reason)
    observed = [_observed(one, one.path, scope_of(one.elf)) for one in index.contents.elf]
    where = Whereabouts(
        index.root,
        inside=lambda path: index.root.holds(str(path)),
        shown=lambda path: str(path).removeprefix("/"),
        contained=True,
    )
    add_all(rows, observed, where)
    return rows


def observe_in_image(interpreter: Interpreter) -> Rows:
    """Observe one interpreter of an image.

    Raises
    ------
    EngineError
        If the engine or the image is gone.
    """
    index = _index(interpreter.image)
    rows = Rows(interpreter.id)
    observed = list(_own_files(interpreter, index))
    for path, reason in index.contents.skipped:
        if _scope(Path(f"/{path}"), interpreter) or f"/{path}" == str(interpreter.executable):
            rows.add("skipped", file=_shown(Path(f"/{path}"), interpreter), reason=reason)
    own = {item.path for item in observed}
    roots = [*interpreter.site_folders]
    if interpreter.prefix is not None and not is_shared_prefix(interpreter.prefix):
        roots.append(interpreter.prefix)
    where = Whereabouts(
        index.root,
        inside=lambda path: path in own or any(path.is_relative_to(root) for root in roots),
        shown=lambda path: _shown(path, interpreter),
    )
    add_all(rows, observed, where, interpreter.architecture)
    return rows


def _index(reference: str) -> ImageIndex:
    if reference.startswith(ROOTFS):
        return rootfs_index(Path(reference.removeprefix(ROOTFS)))
    from pyassay.places.container import Engine

    with Engine.connect() as engine:
        return image_index(engine, reference)


def _observed(one: StoredElf, shown: str, scope: str) -> Observed:
    return Observed(Path(f"/{one.path}"), shown, scope, one.size_bytes, one.elf, one.symbols, one.forbidden)


def _shown(path: Path, interpreter: Interpreter) -> str:
    if interpreter.prefix is not None and path.is_relative_to(interpreter.prefix):
        return str(path.relative_to(interpreter.prefix))
    return str(path)


def _own_files(interpreter: Interpreter, index: ImageIndex) -> Iterator[Observed]:
    executable = str(interpreter.executable)
    by_path = {f"/{one.path}": one for one in index.contents.elf}
    # The executable first: what it has loaded is there for the modules.
    for path, one in sorted(by_path.items(), key=lambda item: (item[0] != executable, item[0])):
        scope = _scope(Path(path), interpreter)
        if path == executable:
            scope = "runtime"
        if scope:
            yield _observed(one, _shown(Path(path), interpreter), scope)


def _scope(path: Path, interpreter: Interpreter) -> str:
    """Return whose a file is: runtime, stdlib, site, or empty for another's."""
    if any(path.is_relative_to(folder) for folder in interpreter.site_folders):
        return "site"
    for folder in (interpreter.platstdlib, interpreter.stdlib):
        if folder is not None and path.is_relative_to(folder):
            inner = path.relative_to(folder).parts[0]
            return "" if inner in {"site-packages", "dist-packages"} else "stdlib"
    series = ".".join(interpreter.version.split(".")[:2])
    prefixes = ("libpypy", "libgraalpy", *((f"libpython{series}",) if series else ()))
    if path.parent in interpreter.library_folders and path.name.startswith(prefixes):
        return "runtime"
    prefix = interpreter.prefix
    own = prefix is not None and not is_shared_prefix(prefix) and path.is_relative_to(prefix)
    return "runtime" if own else ""
