"""Where an interpreter's binary lies and how it is asked: on this host, in an image, in a folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pyassay.elf import ElfError, read
from pyassay.elf.closure import Root, closure
from pyassay.elf.reader import Source
from pyassay.places.host import Completed, run
from pyassay.subjects.identity import QUIET_FLAGS, guest_script
from pyassay.subjects.images import ROOTFS, image_index, rootfs_index
from pyassay.subjects.model import Interpreter
from pyassay.subjects.static import is_libpython

__all__ = ["LoopFile", "ask_build", "loop_file"]

_TIMEOUT_S = 20.0
_MAX_OUTPUT_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class LoopFile:
    """The file that holds the interpreter loop.

    Attributes
    ----------
    path : Path
        On this host, or in the image.
    shared : bool or None
        Whether it is a libpython that the executable loads; None: not known.
    image : str
        The image that it lies in; empty: this host.
    """

    path: Path
    shared: bool | None
    image: str = ""

    @contextmanager
    def opened(self) -> Iterator[Source]:
        """Give the bytes of the file.

        Raises
        ------
        ElfError
            If it is not there.
        EngineError, FileTreeError, OSError
            If the image or the file cannot be read.
        """
        if not self.image:
            yield self.path
        elif self.image.startswith(ROOTFS):
            yield _real(Path(self.image.removeprefix(ROOTFS)), self.path)
        else:
            with _member(self.image, self.path) as stream:
                yield stream


def loop_file(subject: Interpreter) -> LoopFile:
    """Find the file that holds the interpreter loop: the libpython that the executable loads, else itself.

    Raises
    ------
    ElfError
        If the executable is no ELF file, or loads a libpython that is not found.
    EngineError, FileTreeError, OSError
        If the image or the file cannot be read.
    """
    executable = subject.executable
    root: Root
    if subject.image:
        if subject.image.startswith(ROOTFS):
            root = rootfs_index(Path(subject.image.removeprefix(ROOTFS))).root
        else:
            from pyassay.places.container import Engine

            with Engine.connect() as engine:
                root = image_index(engine, subject.image).root
        elf = root.elf(root.resolve(str(executable)) or str(executable))
        needed = getattr(elf, "needed", None)
        if needed is None:
            raise ElfError(f"{executable}: {getattr(elf, 'reason', 'not found in the image')}")
    else:
        root = Root(Path("/"))
        needed = read(executable).needed
    wanted = [soname for soname in needed if is_libpython(soname)]
    if not wanted:
        return LoopFile(executable, False, subject.image)
    loaded = closure(executable, root).loaded
    if wanted[0] not in loaded:
        raise ElfError(f"{executable}: its {wanted[0]} is not found")
    path = str(loaded[wanted[0]])
    return LoopFile(Path((root.resolve(path) or path) if subject.image else path), True, subject.image)


def ask_build(subject: Interpreter) -> Completed:
    """Run the script that asks how an interpreter was built, where it lies.

    Raises
    ------
    StartError
        If it could not be started.
    EngineError
        If it lies in an image, and no container can be had.
    """
    argv = (str(subject.executable), *QUIET_FLAGS)
    script = guest_script("build_flags")
    if subject.image.startswith(ROOTFS):
        from pyassay.places.rootfs import RootFs

        return RootFs(Path(subject.image.removeprefix(ROOTFS))).run(
            argv, timeout_s=_TIMEOUT_S, input_bytes=script, max_output_bytes=_MAX_OUTPUT_BYTES
        )
    if subject.image:
        from pyassay.places.container import Engine

        with Engine.connect() as engine:
            return engine.run(
                subject.image,
                argv,
                timeout_s=_TIMEOUT_S,
                input_bytes=script,
                max_output_bytes=_MAX_OUTPUT_BYTES,
            )
    return run(argv, timeout_s=_TIMEOUT_S, input_bytes=script, max_output_bytes=_MAX_OUTPUT_BYTES)


@contextmanager
def _member(image: str, path: Path) -> Iterator[BinaryIO]:
    """Give one file of an image, read from its export."""
    from pyassay.filetree import open_tree
    from pyassay.places.container import Engine

    wanted = str(path).lstrip("/")
    with (
        Engine.connect() as engine,
        engine.export(image) as stream,
        open_tree(stream, name=image, nested=False) as tree,
    ):
        for item in tree:
            if item.path == wanted and not hasattr(item, "reason"):
                with item.open() as content:
                    yield content
                return
    raise ElfError(f"{path}: not found in {image}")


def _real(folder: Path, path: Path) -> Path:
    """Return where on this host a file of a root file system lies."""
    host = Root(folder).host(str(path))
    return Path(host)
