"""One start of a command, from a process that is small enough not to be seen in its figures."""

from __future__ import annotations

import binascii
import marshal
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyassay
from pyassay.places.host import _MARK, StartError, _one_line
from pyassay.places.live import LiveProcess, LostError

__all__ = ["MAX_OUTPUT_BYTES", "Started", "Starter"]

MAX_OUTPUT_BYTES = 1 << 18
"""Of standard output and of standard error, each; a command that says more is ended."""

_SCRIPT = Path(pyassay.__file__).parent / "probes" / "guest" / "starter.py"
_HELLO_S = 30.0
_SLACK_S = 30.0
# Between the look at the starter's own size and the command's beginning it may grow by some pages.
_FLOOR_SLACK_BYTES = 1 << 19


@dataclass(frozen=True, slots=True)
class Started:
    """What became of one start.

    Attributes
    ----------
    failure : str
        Why it counts for nothing, one line; empty: it ended by itself and left nothing behind. Its exit
        status is not judged.
    hung : bool
        It was ended because its time was up.
    status : int or None
        Exit status, negative for a signal.
    wall_s, cpu_s : float or None
        Seconds; CPU of user and system, of all its processes.
    peak_rss_bytes : int or None
        Of its largest process; None where that is less than what the starter itself takes.
    stdout, stderr : bytes
    """

    failure: str
    hung: bool = False
    status: int | None = None
    wall_s: float | None = None
    cpu_s: float | None = None
    peak_rss_bytes: int | None = None
    stdout: bytes = b""
    stderr: bytes = b""


class Starter:
    """Starts commands one at a time. Use it in a ``with`` statement.

    The process that does it is made anew when it is lost.
    """

    def __init__(self) -> None:
        self._live: LiveProcess | None = None
        self._mark = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the process, and with it whatever it has started."""
        live, self._live = self._live, None
        if live is not None:
            live.close()

    def start(
        self,
        argv: Sequence[str | os.PathLike[str]],
        *,
        environment: Mapping[str, str],
        cwd: str | os.PathLike[str] | None = None,
        input_bytes: bytes = b"",
        timeout_s: float,
        cores: Sequence[int] = (),
    ) -> Started:
        """Run a command to its end, never through a shell.

        Parameters
        ----------
        argv : sequence of str or path
            The command; the first item is looked up in the environment's ``PATH`` unless it holds a slash.
        environment : mapping
            All of it.
        cwd : path, optional
            ``/`` unless given.
        input_bytes : bytes
            What it reads from its standard input, then end of file.
        timeout_s : float
            Wall seconds.
        cores : sequence of int
            To which it is bound; empty: to none.
        """
        words = [os.fspath(word) for word in argv]
        if not words:
            return Started("no command given")
        program = words[0]
        if "/" not in program:
            found = shutil.which(program, path=environment.get("PATH", os.defpath))
            if found is None:
                return Started(_one_line(f"{program}: No such file or directory"))
            program = found
        try:
            live = self._ready()
        except (StartError, LostError, ValueError) as error:
            self.close()
            return Started(f"the starter of commands does not start: {error}")
        order = {
            "program": os.fsencode(program),
            "argv": [os.fsencode(word) for word in words],
            "environment": {
                os.fsencode(name): os.fsencode(value)
                for name, value in {**environment, _MARK: self._mark}.items()
            },
            "cwd": os.fsencode(cwd or "/"),
            "input": bytes(input_bytes),
            "timeout_s": float(timeout_s),
            "cores": sorted(cores),
            "max_output_bytes": MAX_OUTPUT_BYTES,
        }
        try:
            live.send(_encoded(order), _SLACK_S)
            answer = _decoded(live.read_line(timeout_s + _SLACK_S))
        except (LostError, ValueError) as error:
            self.close()
            return Started(_one_line(f"the starter of commands was lost: {error}"), hung=True)
        except BaseException:
            self.close()
            raise
        if answer.get("stuck"):
            self.close()
        return _read(words[0], timeout_s, answer)

    def _ready(self) -> LiveProcess:
        if self._live is None:
            python = getattr(sys, "_base_executable", None) or sys.executable
            # -I and -S: nobody's site-packages, no .pth files, no PYTHON* variable; -B: no bytecode.
            live = LiveProcess.start([python, "-I", "-S", "-B", _SCRIPT, "first"])
            self._live, self._mark = live, live._mark
            _decoded(live.read_line(_HELLO_S))
        return self._live


def _encoded(order: Mapping[str, Any]) -> bytes:
    return binascii.b2a_base64(marshal.dumps(dict(order)))


def _decoded(line: bytes) -> dict[str, Any]:
    try:
        # From a process of ours, which runs our own script.
        answer = marshal.loads(binascii.a2b_base64(line))  # noqa: S302
    except (EOFError, TypeError) as error:
        raise ValueError(str(error)) from error
    if not isinstance(answer, dict):
        raise ValueError("no answer")  # noqa: TRY004 - to the caller it is one failure
    return answer


def _read(name: str, timeout_s: float, answer: Mapping[str, Any]) -> Started:
    why, outlived = answer["why"], answer.get("outlived", 0)
    failure = ""
    if why == "start":
        failure = f"{name}: {answer['error']}"
    elif why == "timeout":
        failure = f"not done within {timeout_s:g} s"
    elif why == "flood":
        failure = f"it prints more than {MAX_OUTPUT_BYTES >> 10} KiB"
    elif why:
        failure = f"it was ended: {why}"
    elif outlived:
        failure = f"it left {outlived} process{'' if outlived == 1 else 'es'} running"
    peak, floor = answer.get("peak_rss_bytes"), answer.get("floor_bytes", 0) + _FLOOR_SLACK_BYTES
    return Started(
        _one_line(failure),
        why == "timeout",
        answer.get("status"),
        answer.get("wall_s"),
        answer.get("cpu_s"),
        peak if peak is not None and peak > floor else None,
        answer.get("stdout", b""),
        answer.get("stderr", b""),
    )
