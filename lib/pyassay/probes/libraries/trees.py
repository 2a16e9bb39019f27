"""The libraries of an interpreter of this host: what its files carry, what they load, what it says itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path, PurePosixPath

from pyassay.elf import ElfError
from pyassay.elf.closure import Closure, Root, closure
from pyassay.elf.reader import shown
from pyassay.probes.libraries import Library
from pyassay.probes.libraries.packages import conda_packages, system_packages, wheel_packages
from pyassay.probes.libraries.runtime import Answer, Answers, ask
from pyassay.probes.libraries.scan import Carried, Scan, scan
from pyassay.probes.tree import Skipped, TreeFile, elf_files, is_shared_prefix, shown_path
from pyassay.subjects.model import Interpreter

__all__ = ["interpreter_libraries"]

_ORDER = ("runtime", "stdlib", "site")


def interpreter_libraries(interpreter: Interpreter) -> tuple[list[Library], list[tuple[str, str]]]:
    """Return the libraries of an interpreter, and (file, reason) of what could not be read."""
    unread: list[tuple[str, str]] = []
    files: list[TreeFile] = []
    for item in elf_files(interpreter):
        if isinstance(item, Skipped):
            unread.append((item.shown, item.reason))
        else:
            files.append(item)
    loads = _Loads(interpreter)
    found: list[Library] = []
    own = {item.path.resolve() for item in files}
    outside: dict[Path, str] = {}
    for item in files:
        found += _carried(item.path, item.shown, item.scope, "", unread)
        for path in loads.of(item.path).files:
            if path not in own:
                # What several load belongs to the one that none can do without.
                outside[path] = min(item.scope, outside.get(path, item.scope), key=_ORDER.index)
    for path, scope in sorted(outside.items()):
        linkage = "" if _comes_along(path, interpreter) else "system"
        found += _carried(path, shown_path(path, interpreter), scope, linkage, unread)
    found = _with_packages(found, interpreter)
    if interpreter.error is None and not interpreter.image:
        answers = ask(interpreter.executable)
        if answers.error:
            unread.append((shown_path(interpreter.executable, interpreter), f"run time: {answers.error}"))
        found = _with_answers(found, answers, loads, interpreter)
    return found, unread


def _comes_along(path: Path, interpreter: Interpreter) -> bool:
    """Tell whether a library that is loaded lies in the interpreter's own tree (as conda's do)."""
    own = [interpreter.environment, interpreter.prefix]
    return any(
        folder is not None and not is_shared_prefix(folder) and path.is_relative_to(folder.resolve())
        for folder in own
    )


class _Loads:
    """What a loader would load for each file of an interpreter: modules into the running program."""

    def __init__(self, interpreter: Interpreter) -> None:
        self._root = Root("/")
        self._program = closure(interpreter.executable, self._root)
        self._executable = interpreter.executable
        self._known: dict[Path, Closure] = {}

    def of(self, path: Path) -> Closure:
        """Return the closure of a file."""
        if path == self._executable:
            return self._program
        if path not in self._known:
            self._known[path] = closure(path, self._root, preloaded=self._program)
        return self._known[path]


def _carried(path: Path, file: str, scope: str, linkage: str, unread: list[tuple[str, str]]) -> list[Library]:
    try:
        found = _scanned(path)
    except (ElfError, OSError) as error:
        text = error.strerror or type(error).__name__ if isinstance(error, OSError) else str(error)
        unread.append((file, text.removeprefix(f"{shown(path)}: ")))
        return []
    if found.unread:
        unread.append((file, found.unread))
    return [
        Library(
            one,
            PurePosixPath(path),
            file,
            linkage or ("vendored shared" if one.named else "static"),
            scope,
            needed=found.needed,
        )
        for one in found.carried
    ]


def _scanned(path: Path) -> Scan:
    """Scan a file, once as long as it does not change: interpreters share the system's libraries."""
    status = path.stat()
    return _scan_of(path, status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=4096)
def _scan_of(path: Path, *_: int) -> Scan:
    return scan(path, str(path))


def _with_packages(found: Iterable[Library], interpreter: Interpreter) -> list[Library]:
    listed = list(found)
    known = conda_packages(interpreter.prefix) if interpreter.prefix is not None else {}
    known |= wheel_packages(interpreter.site_folders)
    known |= system_packages({Path(one.path) for one in listed if Path(one.path) not in known})
    return [replace(one, package=known.get(Path(one.path))) for one in listed]


def _with_answers(
    found: list[Library], answers: Answers, loads: _Loads, interpreter: Interpreter
) -> list[Library]:
    """Set what was said at run time beside the file that said it; what no file explains is a row, too."""
    result = list(found)
    for answer in answers.by_library.values():
        module = (answer.module or interpreter.executable).resolve()
        places = [
            number
            for number, one in enumerate(result)
            if one.carried.library == answer.library and Path(one.path) == module
        ]
        if not places:
            loaded = set(loads.of(module).files) if module.exists() else set()
            places = [
                number
                for number, one in enumerate(result)
                if one.carried.library == answer.library and Path(one.path).resolve() in loaded
            ]
        if places:
            for number in places:
                result[number] = replace(result[number], runtime_version=answer.version)
        else:
            result.append(_only_said(answer, module, interpreter))
    return result


def _only_said(answer: Answer, module: Path, interpreter: Interpreter) -> Library:
    file = shown_path(module, interpreter)
    carried = Carried(
        answer.library,
        answer.version,
        "run time",
        "certain",
        f"run time says {answer.version}; nothing of it in the bytes of {file} and what it loads",
    )
    scope = "runtime" if answer.module is None else "stdlib"
    return Library(carried, PurePosixPath(module), file, "", scope, None, answer.version)
