"""Workers: a process per interpreter that does chunks of work when asked, on this host or in a container."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from pyassay.places.host import StartError, _one_line
from pyassay.places.live import Live, LiveContainer, LiveProcess, LostError
from pyassay.probes.performance.settings import OwnWorkload
from pyassay.subjects.identity import guest_script

if TYPE_CHECKING:
    from pyassay.places.container import Engine, Session
    from pyassay.subjects.model import Interpreter

__all__ = ["AskError", "Executor", "Processes", "Worker", "WorkerLostError"]

_MARK = b"pyassay-worker "
_START_S = 30.0
_LOAD_S = 60.0
_OWN_MOUNT = "/pyassay-own"
# The worker comes through the pipe: it needs no file that the place's user could read. -s and -S: nobody's
# site-packages, no .pth files, no sitecustomize; -B: no bytecode is written into the subject.
_FLAGS = ("-s", "-S", "-B", "-c")
_BOOTSTRAP = (
    "import sys; s = getattr(sys.stdin, 'buffer', sys.stdin); n = int(s.readline()); "
    "exec(compile(s.read(n), 'performance_worker.py', 'exec'), {'__name__': 'pyassay_worker'})"
)


class WorkerLostError(Exception):
    """A worker is gone: its cell is lost, the next one needs a new worker.

    Attributes
    ----------
    kind : {"start", "crash", "hang", "rubbish", "memory"}
    """

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind


class AskError(Exception):
    """The worker answers that it cannot: the last line of the traceback."""


class Worker(Protocol):
    """What the engine asks."""

    def ask(self, do: str, timeout_s: float, **arguments: Any) -> dict[str, Any]:
        """Return the answer, or raise :class:`AskError` or :class:`WorkerLostError`."""

    def close(self, *, gently: bool = True) -> None:
        """End it; gently: it does not hang."""


class Executor(Protocol):
    """What opens workers."""

    def open(self, subject: Interpreter, entry: str, hash_seed: int, core: int | None) -> Worker:
        """Start a worker, pin it and give it the workloads, or raise :class:`WorkerLostError`."""


@dataclass(slots=True)
class _LiveWorker:
    live: Live
    memory_bytes: int
    asked: int = 0

    def ask(self, do: str, timeout_s: float, **arguments: Any) -> dict[str, Any]:
        self.asked += 1
        command = {"do": do, "id": self.asked, **arguments}
        answer = self._exchanged(json.dumps(command).encode() + b"\n", timeout_s)
        if "error" in answer:
            raise AskError(_one_line(str(answer["error"]))[:400])
        if (answer.get("rss") or 0) > self.memory_bytes:
            raise WorkerLostError(
                "memory", f"it holds {answer['rss'] >> 20} MiB, more than {self.memory_bytes >> 20} MiB"
            )
        return answer

    def _exchanged(self, data: bytes, timeout_s: float) -> dict[str, Any]:
        try:
            self.live.send(data, timeout_s)
            line = self.live.read_line(timeout_s)
        except LostError as error:
            raise WorkerLostError(error.kind, str(error)) from error
        try:
            answer = json.loads(line.removeprefix(_MARK)) if line.startswith(_MARK) else None
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict) or answer.get("id") != self.asked:
            shown = _one_line(line[:100].decode("utf-8", "replace"))
            raise WorkerLostError("rubbish", f"it answers {shown!r}")
        return answer

    def greet(self, source: bytes) -> None:
        """Hand the worker its own source, and wait until it says that it runs."""
        self._exchanged(b"%d\n%b" % (len(source), source), _START_S)

    def close(self, *, gently: bool = True) -> None:
        if gently:
            with contextlib.suppress(LostError):
                self.live.send(b'{"do": "end"}\n', 1.0)
        self.live.close(gently=gently)


@dataclass(slots=True)
class Processes:
    """Real workers. Use it in a ``with`` statement.

    Parameters
    ----------
    workload_source : str
        Of the module with ``WORKLOADS`` and ``SPAWNS``.
    own : sequence of OwnWorkload
    memory_bytes : int
        A worker that holds more is lost.
    """

    workload_source: str
    own: Sequence[OwnWorkload] = ()
    memory_bytes: int = 1 << 30
    hello: dict[str, dict[str, Any]] = field(default_factory=dict)
    _stack: ExitStack = field(default_factory=ExitStack)
    _sessions: dict[tuple[str, str], Session] = field(default_factory=dict)
    _engine: Engine | None = None
    _folder: Path | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def scratch(self, subject: Interpreter) -> str:
        """Return a folder of the place that a worker may write to."""
        if subject.image:
            return "/tmp"  # noqa: S108 - a container's own, in memory
        if self._folder is None:
            made = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="pyassay-performance-"))
            self._folder = Path(made)
        return str(self._folder)

    def open(self, subject: Interpreter, entry: str, hash_seed: int, core: int | None) -> Worker:
        """Start a worker, pin it and give it the workloads.

        Raises
        ------
        WorkerLostError
            If it does not start, or says nothing sensible.
        """
        argv = [os.fspath(_executable(subject)), *_FLAGS, _BOOTSTRAP]
        environment = {"PYTHONHASHSEED": str(hash_seed)}
        worker = _LiveWorker(self._started(subject, entry, argv, environment), self.memory_bytes)
        try:
            worker.greet(guest_script("performance_worker"))
            limit = None if subject.image else self.memory_bytes
            is_first = subject.id not in self.hello
            hello = worker.ask("hello", _START_S, core=core, memory_bytes=limit, clocks=is_first)
            loaded = worker.ask(
                "load",
                _LOAD_S,
                source=self.workload_source,
                own=[self._own(one, subject) for one in self.own],
                cache=f"{self.scratch(subject)}/{subject.id}.code",
                # What a worker that is killed leaves there goes with all the rest.
                scratch=f"{self.scratch(subject)}/{subject.id}-{entry}",
            )
            if is_first:
                self.hello[subject.id] = hello | {"loaded": loaded}
        except AskError as error:
            worker.close(gently=False)
            raise WorkerLostError("start", f"the workloads cannot be loaded: {error}") from error
        except BaseException:
            worker.close(gently=False)
            raise
        return worker

    def _started(
        self, subject: Interpreter, entry: str, argv: Sequence[str], environment: Mapping[str, str]
    ) -> Live:
        if not subject.image:
            try:
                return LiveProcess.start(argv, extra_environment=environment)
            except StartError as error:
                raise WorkerLostError("start", str(error)) from error
        from pyassay.places.container import EngineError

        try:
            session = self._session(subject, entry)
            return LiveContainer.start(session, argv, extra_environment=environment)
        except EngineError as error:
            raise WorkerLostError("start", str(error)) from error

    def _session(self, subject: Interpreter, entry: str) -> Session:
        """Return the container of a worker; each has its own, so that ending one spares the others."""
        from pyassay.places.container import Engine

        key = (subject.id, entry)
        if key not in self._sessions:
            if self._engine is None:
                self._engine = self._stack.enter_context(Engine.connect())
            mounts = {str(one.search_folder): f"{_OWN_MOUNT}-{n}" for n, one in enumerate(self.own)}
            # Twice the limit, so that the worker's own word is heard first.
            session = self._engine.session(subject.image, mounts, memory_bytes=2 * self.memory_bytes)
            self._sessions[key] = self._stack.enter_context(session)
        return self._sessions[key]

    def _own(self, one: OwnWorkload, subject: Interpreter) -> dict[str, Any]:
        folder = str(one.search_folder)
        if subject.image:
            mounted = list(dict.fromkeys(str(other.search_folder) for other in self.own))
            places = {str(other.search_folder): n for n, other in enumerate(self.own)}
            folder = f"{_OWN_MOUNT}-{places[folder]}" if folder in mounted else folder
        return {
            "name": one.name,
            "target": one.target,
            "folder": folder,
            "script": f"{folder}/{Path(one.target).name}" if one.is_script else None,
            "site_folders": [os.fspath(site) for site in subject.site_folders],
        }


def _executable(subject: Interpreter) -> Path:
    """Return what a user would start: of an environment its own name, which knows its packages."""
    if subject.environment is not None and not subject.image:
        named = subject.environment / "bin" / "python"
        if named.exists():
            return named
    return subject.executable
