"""Run notebooks and say truthfully how that went.

papermill sets the parameters and steps through the cells; the kernel is ours: the very interpreter that runs
pyassay, whatever kernels are installed, with no configuration of the user's, and always gone afterwards.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nbformat import NotebookNode

__all__ = ["ExecutedNotebook", "Execution", "Status", "execute", "execute_all", "kernel_environment"]

_LOG = logging.getLogger(__name__)
_LOG.addHandler(logging.NullHandler())
_LOG.propagate = False

_KERNEL = ("-m", "ipykernel_launcher", "-f", "{connection_file}")
# No history file, no colours in tracebacks.
_KERNEL_OPTIONS = ("--HistoryManager.enabled=False", "--InteractiveShell.colors=nocolor")
_ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
# A socket's path may not be longer than 107 bytes; jupyter_client adds a suffix.
_MAX_SOCKET_PATH = 90
_DROPPED = frozenset(
    {"PYTHONSTARTUP", "PYTHONINSPECT", "PYTHONBREAKPOINT", "PYTHONWARNINGS", "PYTHONOPTIMIZE"}
)


class Status(StrEnum):
    """How an execution ended."""

    DONE = "done"
    FAILED = "failed"
    TIMED_OUT = "timed out"
    KERNEL_DIED = "kernel died"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class Execution:
    """One notebook to run.

    Attributes
    ----------
    notebook : Path
        The file; it is not changed.
    parameters : dict
        Checked values (see :class:`pyassay.reports.parameters.Parameters`).
    cwd : Path or None
        Working folder of the kernel; None: the notebook's.
    """

    notebook: Path
    parameters: Mapping[str, Any] = field(default_factory=dict)
    cwd: Path | None = None


@dataclass(frozen=True, slots=True)
class ExecutedNotebook:
    """A notebook with whatever output it came to.

    Attributes
    ----------
    name : str
        The file's stem.
    nb : NotebookNode
        With the output up to the end, whichever end that was.
    status : Status
        Only ``done`` means that every cell ran.
    cell : int or None
        Index in ``nb.cells`` of the cell at which it ended, unless it is done or never began.
    message : str
        One line that says what went wrong; empty when done.
    traceback : str
        Of the failing cell, without colours.
    duration_s : float
        Wall time, the kernel's start included.
    peak_memory_bytes : int or None
        Of the kernel process; None where that cannot be known.
    """

    name: str
    nb: NotebookNode
    status: Status
    cell: int | None
    message: str
    traceback: str
    duration_s: float
    peak_memory_bytes: int | None


def kernel_environment(folder: Path) -> dict[str, str]:
    """Return the environment of a kernel: nothing of the user's IPython or Jupyter, times in UTC.

    Parameters
    ----------
    folder : Path
        An empty folder to use instead of the user's configuration.
    """
    environment = {name: value for name, value in os.environ.items() if name not in _DROPPED}
    for name in [name for name in environment if name.startswith(("JUPYTER_", "IPYTHON"))]:
        del environment[name]
    return environment | {
        "IPYTHONDIR": str(folder / "ipython"),
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_DATA_DIR": str(folder / "data"),
        "JUPYTER_RUNTIME_DIR": str(folder),
        "JUPYTER_NO_CONFIG": "1",
        "JUPYTER_PLATFORM_DIRS": "1",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        # The axes of charts are drawn in local time.
        "TZ": "UTC",
    }


def execute(
    notebook: Path,
    parameters: Mapping[str, Any] | None = None,
    *,
    timeout_s: float = 600.0,
    cwd: Path | None = None,
) -> ExecutedNotebook:
    """Run one notebook; see :func:`execute_all`."""
    return execute_all([Execution(notebook, parameters or {}, cwd)], timeout_s=timeout_s, workers=1)[0]


def execute_all(
    executions: Sequence[Execution],
    *,
    timeout_s: float = 600.0,
    workers: int | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> list[ExecutedNotebook]:
    """Run notebooks side by side, each in a kernel of its own.

    Parameters
    ----------
    executions : sequence of Execution
        What to run; one that fails leaves the others alone.
    timeout_s : float
        For each notebook as a whole.
    workers : int, optional
        How many at a time; the number of cores by default.
    progress : callable, optional
        Called as ``progress(done, total, name)`` whenever one has ended.

    Returns
    -------
    list of ExecutedNotebook
        In the order given.

    Raises
    ------
    KeyboardInterrupt
        On Ctrl-C, after every kernel has been ended.
    """
    # The first import of papermill changes global state (its registry of engines): not in several threads.
    import papermill.engines  # noqa: F401

    running = _Running()
    with ThreadPoolExecutor(min(workers or os.cpu_count() or 1, max(len(executions), 1))) as pool:
        futures = {pool.submit(_execute, item, timeout_s, running): item for item in executions}
        try:
            pending = set(futures)
            while pending:
                finished, pending = wait(pending, return_when=FIRST_COMPLETED)
                for future in finished:
                    if progress is not None:
                        name = futures[future].notebook.stem
                        progress(len(futures) - len(pending), len(futures), name)
        except BaseException:
            for future in futures:
                future.cancel()
            running.stop()
            raise
    return [future.result() for future in futures]


class _Running:
    """The kernels that run now, so that all can be ended at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._groups: set[int] = set()
        self.stopped = False

    def add(self, group: int) -> None:
        with self._lock:
            self._groups.add(group)
            late = self.stopped
        if late:
            _kill(group)

    def remove(self, group: int) -> None:
        with self._lock:
            self._groups.discard(group)

    def stop(self) -> None:
        with self._lock:
            self.stopped = True
            groups = tuple(self._groups)
        for group in groups:
            _kill(group)


def _kill(group: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def _execute(item: Execution, timeout_s: float, running: _Running) -> ExecutedNotebook:
    from papermill.iorw import load_notebook_node
    from papermill.parameterize import parameterize_notebook

    started = time.monotonic()
    nb = load_notebook_node(os.fspath(item.notebook.absolute()))
    if item.parameters:
        nb = parameterize_notebook(nb, dict(item.parameters), kernel_name="python3", language="python")
    with tempfile.TemporaryDirectory(prefix="pyassay-", ignore_cleanup_errors=True) as scratch:
        step = _Step(started + timeout_s)
        folder = (item.cwd or item.notebook.parent).absolute()
        failure = _run_cells(nb, Path(scratch), folder, step, running)
    status, message = _outcome(failure, nb, step, timeout_s, stopped=running.stopped)
    cell = None if status is Status.DONE else step.cell
    return ExecutedNotebook(
        name=item.notebook.stem,
        nb=nb,
        status=status,
        cell=cell,
        message=message,
        traceback=_traceback(nb, cell),
        duration_s=round(time.monotonic() - started, 3),
        peak_memory_bytes=step.peak_memory_bytes,
    )


@dataclass(slots=True)
class _Step:
    """Where an execution is."""

    deadline: float
    cell: int | None = None
    peak_memory_bytes: int | None = None

    def enter(self, cell: Any = None, cell_index: int | None = None) -> None:
        self.cell = cell_index

    def remaining_s(self, cell: Any = None) -> float:
        # Zero would mean "no limit".
        return max(self.deadline - time.monotonic(), 0.001)


def _run_cells(
    nb: NotebookNode, scratch: Path, cwd: Path, step: _Step, running: _Running
) -> Exception | None:
    """Run all cells; return what stopped them, unless it was an exception in a cell."""
    from jupyter_core.utils import run_sync
    from papermill.clientwrap import PapermillNotebookClient
    from papermill.engines import Engine

    manager = _kernel_manager(scratch)

    class OwnKernel(Engine):  # type: ignore[misc,unused-ignore]
        """papermill's engine, with our kernel."""

        @classmethod
        def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, **_: object) -> None:
            client = PapermillNotebookClient(
                nb_man,
                km=manager,
                log=_LOG,
                kernel_name=kernel_name,
                timeout_func=step.remaining_s,
                startup_timeout=max(int(step.remaining_s()), 1),
                on_cell_start=step.enter,
                coalesce_streams=True,
            )
            try:
                with _kernel(manager, run_sync, scratch, cwd, running):
                    try:
                        client.execute()
                    finally:
                        step.peak_memory_bytes = _peak_memory(manager)
            finally:
                if client.kc is not None:
                    client.kc.stop_channels()

    try:
        OwnKernel.execute_notebook(nb, "python3", progress_bar=False)
    except Exception as error:  # noqa: BLE001 - whatever it is, the caller reports it
        return error
    finally:
        _finish_tasks()
    return None


def _finish_tasks() -> None:
    """End what nbclient left waiting for a kernel that is gone."""
    from jupyter_core.utils import ensure_event_loop

    loop = ensure_event_loop()
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))


@contextlib.contextmanager
def _kernel(manager: Any, run_sync: Any, scratch: Path, cwd: Path, running: _Running) -> Iterator[None]:
    """Start the kernel in a process group of its own, and leave nothing of the group."""
    run_sync(manager._async_start_kernel)(
        extra_arguments=list(_KERNEL_OPTIONS), cwd=os.fspath(cwd), env=kernel_environment(scratch)
    )
    group = manager.provisioner.process.pid
    running.add(group)
    try:
        yield
    finally:
        _kill(group)
        with contextlib.suppress(Exception):
            run_sync(manager._async_shutdown_kernel)(now=True)
        running.remove(group)


def _kernel_manager(scratch: Path) -> Any:
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager

    class OwnInterpreter(AsyncKernelManager):
        """A kernel manager that never looks for an installed kernel."""

        @property
        def kernel_spec(self) -> KernelSpec:
            return KernelSpec(argv=[sys.executable, *_KERNEL], display_name="Python 3", language="python")

    options: dict[str, Any] = {"connection_file": os.fspath(scratch / "kernel.json")}
    # Sockets in a private folder, where the path allows: other users of the machine cannot even connect.
    if len(os.fsencode(scratch)) < _MAX_SOCKET_PATH:
        options |= {"transport": "ipc", "ip": os.fspath(scratch / "kernel")}
    return OwnInterpreter(**options)


def _peak_memory(manager: Any) -> int | None:
    with contextlib.suppress(OSError, AttributeError, ValueError, IndexError):
        status = Path(f"/proc/{manager.provisioner.process.pid}/status").read_text(encoding="ascii")
        return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) * 1024
    return None


def _outcome(
    failure: Exception | None, nb: NotebookNode, step: _Step, timeout_s: float, *, stopped: bool
) -> tuple[Status, str]:
    from nbclient.exceptions import CellTimeoutError, DeadKernelError

    where = "before its first cell" if step.cell is None else f"in {_place(nb, step.cell)}"
    if failure is None:
        failed = [cell for cell in nb.cells if cell.metadata.get("papermill", {}).get("exception")]
        if not failed:
            return Status.DONE, ""
        errors = [output for output in failed[0].get("outputs", ()) if output.output_type == "error"]
        what = f"{errors[-1].ename}: {errors[-1].evalue}" if errors else "an error"
        return Status.FAILED, _one_line(f"{what} ({where})")
    if stopped:
        return Status.INTERRUPTED, f"interrupted {where}"
    if isinstance(failure, (CellTimeoutError, TimeoutError)) or step.remaining_s() <= 0.001:
        return Status.TIMED_OUT, f"not done after {timeout_s:g} s, stopped {where}"
    if isinstance(failure, DeadKernelError) or "died" in str(failure):
        return Status.KERNEL_DIED, f"the kernel died {where}"
    return Status.FAILED, _one_line(f"{type(failure).__name__}: {failure} ({where})")


def _place(nb: NotebookNode, index: int) -> str:
    """Return a cell by its number among the code cells and its first line."""
    number = sum(cell.cell_type == "code" for cell in nb.cells[: index + 1])
    first = next(iter(nb.cells[index].source.strip().splitlines()), "")
    return _one_line(f"code cell {number}: {first}")[:120]


def _traceback(nb: NotebookNode, index: int | None) -> str:
    if index is None or nb.cells[index].cell_type != "code":
        return ""
    errors = [output for output in nb.cells[index].outputs if output.output_type == "error"]
    return _ANSI.sub("", "\n".join(errors[-1].traceback)) if errors else ""


def _one_line(text: str) -> str:
    return " ".join(_ANSI.sub("", text).split())[:500]
