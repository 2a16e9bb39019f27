"""Put to the test: start a subject in another place, load its modules there, and note what happens.

Beside each outcome stands what was foretold of that very place: which libraries and symbol versions the
closure lacks there. What the two come to is said by :mod:`pyassay.verdicts.trials`.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pyassay.elf.archived import ArchivedRoot
from pyassay.elf.closure import Closure, Root, closure
from pyassay.filetree import FileTreeError, open_tree
from pyassay.places.host import Completed, StartError
from pyassay.places.host import run as run_here
from pyassay.probes.artifact_members import lay
from pyassay.probes.tree import Skipped, elf_files, is_shared_prefix
from pyassay.subjects.contents import read_contents
from pyassay.subjects.identity import QUIET_FLAGS, guest_script
from pyassay.subjects.images import ROOTFS, image_index, rootfs_index
from pyassay.subjects.model import Artifact, Interpreter, Subject

if TYPE_CHECKING:
    from pyassay.places.container import Engine
    from pyassay.places.rootfs import RootFs
    from pyassay.subjects.images import ImageIndex

__all__ = ["EmulatedProcessor", "InImage", "NoPlace", "TrialPlace", "places_at_hand", "try_subject"]

_START_TIMEOUT_S = 60.0
_MODULES_TIMEOUT_S = 300.0
_MAX_OUTPUT_BYTES = 4 << 20
_MESSAGE = 400
# What a loader, or a program that calls one, says when it refuses.
_REFUSED = re.compile(
    rb"error while loading shared libraries|cannot open shared object file|version [`'][^']+' not found"
    rb"|cannot enable executable stack|CPU ISA level is lower than required|Illegal instruction"
    rb"|no such file or directory|exec format error|kernel too old",
    re.IGNORECASE,
)
_STARTED_FORMATS = frozenset({"file", "appimage", "pyinstaller", "nuitka-onefile", "makeself", "staticx"})
_TRIAL_FOLDER = "/pyassay-trial"
_SIGILL = 4
_BUILT_IN = "built in: "
_MAX_IMAGES = 20


class TrialPlace(Protocol):
    """Where things are tried."""

    @property
    def name(self) -> str:
        """What a reader calls it."""

    @property
    def release(self) -> str:
        """What the table of distributions calls it; empty: it has no such release."""

    def run(
        self, argv: Sequence[str], *, timeout_s: float, input_bytes: bytes, mounts: dict[str, str]
    ) -> Completed:
        """Run a command with folders of this host mounted read-only (here: there)."""

    def foretell(self, mounts: Iterable[str]) -> Root | None:
        """Return the root file system of the place with folders of this host in it; None: as here."""


@dataclass(slots=True)
class _Distribution:
    """A whole distribution, known by its index."""

    index: ImageIndex

    @property
    def name(self) -> str:
        """Return the image's name, or the folder as a selector."""
        return self.index.reference

    @property
    def release(self) -> str:
        """Return what the table of distributions calls it: ``debian:12``."""
        return self.index.release

    def foretell(self, mounts: Iterable[str]) -> Root | None:
        """Return its root with some folders of this host in it."""
        tree = Root(_nowhere(), mounts={folder: folder for folder in mounts})
        return ArchivedRoot(*self.index.contents.rooted(""), base=tree)


@dataclass(slots=True)
class InImage(_Distribution):
    """A container of an image, a new one for each command."""

    engine: Engine

    def run(
        self, argv: Sequence[str], *, timeout_s: float, input_bytes: bytes, mounts: dict[str, str]
    ) -> Completed:
        """Run a command in a new container.

        As the owner of the first folder: a tree below somebody's home can be entered by nobody else.
        """
        from pyassay.places.container import UNPRIVILEGED

        owner = next((Path(here).stat() for here in mounts), None)
        user = UNPRIVILEGED if owner is None else f"{owner.st_uid}:{owner.st_gid}"
        return self.engine.run(
            self.index.reference,
            argv,
            timeout_s=timeout_s,
            mounts=mounts,
            user=user,
            input_bytes=input_bytes,
            max_output_bytes=_MAX_OUTPUT_BYTES,
        )


@dataclass(slots=True)
class InRootFs(_Distribution):
    """A folder with a distribution in it, made the root of each command."""

    place: RootFs

    def run(
        self, argv: Sequence[str], *, timeout_s: float, input_bytes: bytes, mounts: dict[str, str]
    ) -> Completed:
        """Run a command with that folder as its root."""
        return self.place.run(
            argv,
            timeout_s=timeout_s,
            mounts=mounts,
            input_bytes=input_bytes,
            max_output_bytes=_MAX_OUTPUT_BYTES,
        )


@dataclass(frozen=True, slots=True)
class EmulatedProcessor:
    """An older processor on this host, by qemu-user.

    Attributes
    ----------
    level : str
        ``x86-64-v1``.
    model : str
        What qemu calls a processor of that level.
    """

    level: str
    model: str
    release: str = ""

    @property
    def name(self) -> str:
        """Return what a reader calls it."""
        return f"{self.level} processor (emulated)"

    @staticmethod
    def available() -> bool:
        """Tell whether the emulator is installed."""
        return shutil.which("qemu-x86_64") is not None

    def run(
        self, argv: Sequence[str], *, timeout_s: float, input_bytes: bytes, mounts: dict[str, str]
    ) -> Completed:
        """Run a command of this host, its folders where they are."""
        emulated = ("qemu-x86_64", "-cpu", self.model, *argv)
        return run_here(
            emulated, timeout_s=timeout_s, input_bytes=input_bytes, max_output_bytes=_MAX_OUTPUT_BYTES
        )

    def foretell(self, mounts: Iterable[str]) -> Root | None:
        """Return nothing: the libraries are those of this host."""
        return None


@dataclass(frozen=True, slots=True)
class NoPlace:
    """A place that could not be had, and why: every subject gets a row that says so."""

    name: str
    reason: str
    release: str = ""

    def run(
        self, argv: Sequence[str], *, timeout_s: float, input_bytes: bytes, mounts: dict[str, str]
    ) -> Completed:
        """Refuse.

        Raises
        ------
        StartError
            Always.
        """
        raise StartError(self.reason)

    def foretell(self, mounts: Iterable[str]) -> Root | None:
        """Return nothing."""
        return None


@contextmanager
def places_at_hand(images: Sequence[str] = ()) -> Iterator[list[TrialPlace]]:
    """Give the places in which subjects can be tried now, for as long as the block lasts.

    Parameters
    ----------
    images : sequence of str
        Images of the Docker engine, or ``rootfs:PATH``; by default every image that has a name, at most 20.

    Yields
    ------
    list of TrialPlace
        Images, then emulated processors. What cannot be had (no engine, no such image) is a
        :class:`NoPlace`.
    """
    with ExitStack() as stack:
        wanted = list(images)
        found = [_root_file_system(name) for name in wanted if name.startswith(ROOTFS)]
        if not wanted or len(found) < len(wanted):
            found += _in_images(stack, [name for name in wanted if not name.startswith(ROOTFS)])
        if EmulatedProcessor.available() and platform.machine() == "x86_64":
            found.append(EmulatedProcessor("x86-64-v1", "qemu64"))
        else:
            found.append(
                NoPlace("x86-64-v1 processor (emulated)", "qemu-x86_64 (qemu-user) is not installed")
            )
        yield found


def _in_images(stack: ExitStack, wanted: Sequence[str]) -> Iterator[TrialPlace]:
    """Yield the images wanted (none: all that have a name), as long as the stack is open."""
    from pyassay.places.container import Engine, EngineError

    try:
        engine = stack.enter_context(Engine.connect())
        names = wanted or [tag for image in engine.images() for tag in image.tags]
    except EngineError as error:
        yield NoPlace("containers", str(error))
        return
    if not names:
        yield NoPlace("containers", "the engine has no image: `pyassay images build` makes some")
    for name in names[:_MAX_IMAGES]:
        try:
            yield InImage(image_index(engine, name), engine)
        except (EngineError, FileTreeError) as error:
            yield NoPlace(name, str(error))
    for name in names[_MAX_IMAGES:]:
        yield NoPlace(name, f"more than {_MAX_IMAGES} images")


def _root_file_system(name: str) -> TrialPlace:
    from pyassay.places.rootfs import RootFs, RootFsError

    folder = Path(name.removeprefix(ROOTFS)).resolve()
    try:
        return InRootFs(rootfs_index(folder), RootFs(folder))
    except (RootFsError, FileTreeError) as error:
        return NoPlace(name, str(error))


def _nowhere() -> Path:
    """Return an empty folder: a root that has nothing but its mounts."""
    folder = Path(tempfile.gettempdir()) / f"pyassay-nowhere-{os.getuid()}"
    folder.mkdir(mode=0o500, exist_ok=True)
    return folder


def try_subject(subject: Subject, place: TrialPlace) -> Iterator[dict[str, Any]]:
    """Yield the rows of the table ``trials`` for one subject in one place.

    What cannot be tried is a row that says why; a place that fails is one, too.
    """
    rows = _interpreter(subject, place) if isinstance(subject, Interpreter) else _artifact(subject, place)
    for row in rows:
        yield {"subject_id": subject.id, "place": place.name, "release": place.release, **row}


def _row(what: str, file: str, outcome: str, message: str = "", foretold: str = "") -> dict[str, str]:
    return {
        "what": what,
        "file": file,
        "outcome": outcome,
        "message": " ".join(message.split())[:_MESSAGE],
        "foretold": foretold,
    }


def _not_tried(reason: str) -> list[dict[str, str]]:
    return [_row("start", "", "not tried", reason)]


# Interpreters ----------------------------------------------------------------------------------------------


def _interpreter(interpreter: Interpreter, place: TrialPlace) -> list[dict[str, str]]:
    prefix = interpreter.prefix
    hindrance = _hindrance(interpreter, here=isinstance(place, EmulatedProcessor))
    if prefix is None or hindrance:
        return _not_tried(hindrance or "its folder is not known")
    folder, executable = str(prefix), interpreter.executable
    modules = [
        item.path
        for item in elf_files(interpreter)
        if not isinstance(item, Skipped) and item.scope == "stdlib" and ".so" in item.path.name
    ]
    wanted = [[path.name.partition(".")[0], str(path)] for path in modules]
    script = f"MODULES = {json.dumps(wanted)}\n".encode() + guest_script("load_modules")
    completed, trouble = _run(
        place, (str(executable), *QUIET_FLAGS), _MODULES_TIMEOUT_S, script, {folder: folder}
    )
    if completed is None:
        return _not_tried(trouble)
    root = place.foretell([folder])
    main = None if root is None else closure(executable, root)
    shown = executable.name
    foretold = "" if main is None else _lacks(main)
    results = _results(completed)
    if results is None:
        return [_row("start", shown, "refused", _said(completed), foretold)]
    rows = [_row("start", shown, "works", "", foretold)]
    for path in modules:
        loads, message = results.get(str(path), (False, "no answer"))
        lacks = "" if root is None else _lacks(closure(path, root, preloaded=main))
        name = str(path.relative_to(prefix)) if path.is_relative_to(prefix) else str(path)
        rows.append(_row("module", name, "works" if loads else "refused", message, lacks))
    # Built-in modules are in the program, or its libpython: what they need, it needs to start.
    for key, (loads, message) in results.items():
        if key.startswith(_BUILT_IN):
            rows.append(_row("module", key[:200], "works" if loads else "refused", message))
    return rows


def _hindrance(interpreter: Interpreter, *, here: bool) -> str:
    """Return why an interpreter cannot be tried elsewhere, or here; empty: it can."""
    prefix = interpreter.prefix
    if interpreter.image:
        return "it lies in an image of its own"
    if interpreter.error or prefix is None:
        return interpreter.error or ""
    if here:
        return ""
    if is_shared_prefix(prefix):
        return f"its files lie in {prefix}, among those of its system: they cannot be moved alone"
    inside = interpreter.executable.is_relative_to(prefix)
    return "" if inside else "its executable lies outside its folder"


def _results(completed: Completed) -> dict[str, tuple[bool, str]] | None:
    """Return what the script in the interpreter found, by path; None: it did not come that far."""
    lines = completed.stdout.strip().splitlines()
    try:
        document = json.loads(lines[-1]) if lines else None
        if not isinstance(document, dict) or document.get("pyassay_load_modules") != 1:
            return None
        return {str(path): (bool(loads), str(said)) for path, loads, said in document["results"]}
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _lacks(found: Closure) -> str:
    return "; ".join(found.errors[:3])


def _said(completed: Completed) -> str:
    if completed.timed_out:
        return "no end within the time allowed"
    lines = [line for line in completed.stderr.splitlines() if line.strip()]
    telling = [line for line in lines if _REFUSED.search(line)] or lines[-1:]
    status = f"exit status {completed.returncode}"
    return b"; ".join(telling[:3]).decode("utf-8", "replace") or status


def _run(
    place: TrialPlace, argv: Sequence[str], timeout_s: float, script: bytes, mounts: dict[str, str]
) -> tuple[Completed | None, str]:
    try:
        return place.run(argv, timeout_s=timeout_s, input_bytes=script, mounts=mounts), ""
    except StartError as error:
        return None, str(error)
    except Exception as error:  # noqa: BLE001 - an engine that fails must not end the run
        return None, f"{place.name}: {error}" if str(error) else f"{place.name}: {type(error).__name__}"


# Artifacts -------------------------------------------------------------------------------------------------


def _artifact(artifact: Artifact, place: TrialPlace) -> list[dict[str, str]]:
    path = artifact.path
    if artifact.error or artifact.format not in _STARTED_FORMATS or not path.is_file():
        kind = artifact.format or str(artifact.kind)
        return _not_tried(artifact.error or f"{kind}: nothing that could be started as it is")
    if not os.access(path, os.X_OK):
        return _not_tried("it is not executable")
    there = f"{_TRIAL_FOLDER}/{path.name}" if isinstance(place, _Distribution) else str(path.resolve())
    completed, trouble = _run(place, (there, "--help"), _START_TIMEOUT_S, b"", {str(path.resolve()): there})
    if completed is None:
        return _not_tried(trouble)
    foretold = _foretold(artifact, place)
    killed = completed.returncode in {-_SIGILL, 128 + _SIGILL}
    refused = bool(_REFUSED.search(completed.stderr)) or completed.returncode in {126, 127} or killed
    outcome = "refused" if refused else "works" if completed.returncode == 0 else "fails"
    return [_row("start", path.name, outcome, "" if outcome == "works" else _said(completed), foretold)]


def _foretold(artifact: Artifact, place: TrialPlace) -> str:
    root = place.foretell([])
    if root is None:
        return ""
    try:
        with open_tree(artifact.path.resolve(), name=artifact.label) as tree:
            single = tree.format == "file"
            contents = read_contents(tree, text_wanted=lambda path: False)
    except (FileTreeError, OSError) as error:
        return f"not known: {error}"
    laid = lay(artifact, contents, root, single=single)
    for item in sorted(laid.observed, key=lambda item: item.scope != "program"):
        found = closure(item.path, laid.root)
        lacks = [
            missing.soname
            for missing in found.missing
            if laid.carried(missing.soname, Path(missing.needed_by)) is None
        ]
        lacks += [
            f"{missing.version} of {missing.soname}"
            for missing in found.missing_versions
            if not missing.weak and laid.carried(missing.soname, Path(missing.needed_by)) is None
        ]
        if lacks:
            return f"{item.shown} lacks {', '.join(lacks[:3])}"
    return ""
