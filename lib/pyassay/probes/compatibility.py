"""Compatibility: how an interpreter behaves where builds differ, found out by trying, never quoted.

Each question of the catalogue (:mod:`pyassay.probes.quirks`) is put to the interpreter by a small script that
runs in it, in a process of its own with a clean environment, a scratch folder and a timeout; several at once.
"""

from __future__ import annotations

import json
import re
import secrets
import shlex
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from pyassay.places.host import Completed, StartError
from pyassay.places.host import run as run_here
from pyassay.probes.observations import Column, TableSchema
from pyassay.probes.quirks import CatalogueError, Quirk, catalogue
from pyassay.probes.quirks.scripts import assembled
from pyassay.probes.regrtest import TABLE as REGRTEST
from pyassay.probes.regrtest import probe as run_own_tests
from pyassay.subjects.model import Interpreter, Subject

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MEASURED", "NOT_APPLICABLE", "NOT_MEASURED", "QUIRKS", "TABLES", "Settings", "probe", "takes"]

MEASURED, NOT_MEASURED, NOT_APPLICABLE = "measured", "not measured", "not applicable"

QUIRKS = TableSchema(
    "quirks",
    "one row per interpreter and question of the catalogue of quirks",
    (
        Column("subject_id", "text", "which subject of the table `subjects`"),
        Column("quirk", "text", "the question's name in the catalogue"),
        Column("consequence", "text", "what it is a nuisance for: extensions, tls, relocation ..."),
        Column("outcome", "text", "measured, not measured or not applicable"),
        Column("answer", "text", "one of the catalogue's answers; empty when it was not measured"),
        Column("observed", "text", "what was seen, one line; {scratch} stands for the probe's own folder"),
        Column("reason", "text", "why it was not measured, or does not apply"),
        Column("details", "text", "JSON object: lists and counts behind the line"),
        Column("command", "text", "a command that shows the same, for a shell"),
        Column("duration_s", "number", "wall time of the probe"),
    ),
)
TABLES: tuple[TableSchema, ...] = (QUIRKS, REGRTEST)

_AT_ONCE = 4
_MAX_OUTPUT_BYTES = 1 << 20
_MAX_TEXT, _MAX_DETAILS = 600, 20_000
_FLAGS = ("-I", "-B", "-")
# Python 2 has no isolated mode.
_OLD_FLAGS = ("-E", "-s", "-B", "-")
_SCRATCH = re.compile(r"[^\s'\"=:,;(]*/quirk-[A-Za-z0-9_]+")

Run = Callable[[Sequence[str], float, bytes], Completed]
"""Run a command with a timeout (seconds) and what it reads, in the interpreter's own place."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the probe is told.

    Attributes
    ----------
    quirks : tuple of str
        Ask only these; none: all.
    at_once : int
        How many probes run side by side.
    own_tests : bool
        Run a part of CPython's own test suite besides, where an interpreter carries it.
    """

    quirks: tuple[str, ...] = ()
    at_once: int = _AT_ONCE
    own_tests: bool = False


def takes(subject: Subject) -> bool:
    """Tell whether the question makes sense: it is one for interpreters."""
    return isinstance(subject, Interpreter)


def probe(subject: Interpreter, settings: Settings | None = None) -> dict[str, pd.DataFrame]:
    """Ask an interpreter every question of the catalogue, where it lies: on this host, or in its image.

    Raises
    ------
    ValueError
        If it could not be run at all: says why.
    EngineError
        If it lies in an image, and no container can be had.
    """
    if subject.error:
        raise ValueError(subject.error)
    wanted = settings or Settings()
    known = catalogue()
    asked = [known[name] for name in wanted.quirks] if wanted.quirks else list(known.values())
    with _given(subject) as given, _in_its_place(subject, wanted.at_once) as runners:
        free: SimpleQueue[Run] = SimpleQueue()
        for runner in runners:
            free.put(runner)

        def ask(quirk: Quirk) -> dict[str, Any]:
            run = free.get()
            try:
                return _ask(subject, quirk, run, given)
            finally:
                free.put(run)

        # What takes long first, so that no core idles at the end.
        order = sorted(asked, key=lambda quirk: -quirk.timeout_s)
        with ThreadPoolExecutor(len(runners)) as pool:
            answered = dict(zip((quirk.id for quirk in order), pool.map(ask, order), strict=True))
    frames = {QUIRKS.name: QUIRKS.frame(answered[quirk.id] for quirk in asked)}
    if wanted.own_tests:
        frames[REGRTEST.name] = run_own_tests(subject)
    return frames


@contextmanager
def _in_its_place(subject: Interpreter, at_once: int) -> Iterator[list[Run]]:
    """Give what runs commands where the interpreter lies: one for each command at a time."""
    if not subject.image:
        yield [_on_this_host] * at_once
        return
    from pyassay.places.container import Engine

    with ExitStack() as stack:
        # An engine serves one thread.
        engines = [stack.enter_context(Engine.connect()) for _ in range(at_once)]
        yield [_in_container(stack.enter_context(engine.session(subject.image))) for engine in engines]


def _in_container(session: Any) -> Run:
    def run(argv: Sequence[str], timeout_s: float, input_bytes: bytes) -> Completed:
        completed: Completed = session.run(
            argv,
            timeout_s=timeout_s,
            input_bytes=input_bytes,
            max_output_bytes=_MAX_OUTPUT_BYTES,
            extra_environment={"HOME": "/tmp"},  # noqa: S108 - of the container
        )
        return completed

    return run


def _on_this_host(argv: Sequence[str], timeout_s: float, input_bytes: bytes) -> Completed:
    # Removed whatever happens: a probe that is killed cannot tidy up.
    scratch = tempfile.mkdtemp(prefix="pyassay-")
    try:
        return run_here(
            argv,
            timeout_s=timeout_s,
            input_bytes=input_bytes,
            cwd=scratch,
            extra_environment={"TMPDIR": scratch, "HOME": scratch},
            max_output_bytes=_MAX_OUTPUT_BYTES,
        )
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


@contextmanager
def _given(subject: Interpreter) -> Iterator[Mapping[str, Any]]:
    """Give what this host can lend to a probe on it: build backends and tools from our own environment."""
    if subject.image:
        yield {}
        return
    from pyassay.probes.quirks.backends import backends_at_hand

    with backends_at_hand() as backends:
        yield backends.given()


def _ask(subject: Interpreter, quirk: Quirk, run: Run, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row of one question."""
    token = f"quirk-answer-{secrets.token_hex(8)}"
    flags = _OLD_FLAGS if subject.version.startswith("2.") else _FLAGS
    found: dict[str, Any] = {}
    duration = 0.0
    try:
        source = assembled(quirk.id, token, given)
        completed = run((str(subject.executable), *flags), quirk.timeout_s, source)
        duration = completed.duration_s
        found = _answer(completed, token, quirk)
    except (StartError, CatalogueError) as error:
        found = {"outcome": NOT_MEASURED, "reason": str(error)}
    return {
        "subject_id": subject.id,
        "quirk": quirk.id,
        "consequence": quirk.consequence,
        "answer": "",
        "observed": "",
        "reason": "",
        "details": "{}",
        "command": quirk.reproduce.replace("{python}", shlex.quote(str(subject.executable))),
        "duration_s": round(duration, 3),
        **found,
    }


def _answer(completed: Completed, token: str, quirk: Quirk) -> dict[str, Any]:
    """Return what a probe found out; whatever it printed else is not believed."""
    said = _marked(completed.stdout, token)
    if said is None:
        return {"outcome": NOT_MEASURED, "reason": _why_silent(completed, quirk)}
    outcome, answer = said.get("outcome"), said.get("answer")
    if outcome not in (MEASURED, NOT_MEASURED, NOT_APPLICABLE):
        return {"outcome": NOT_MEASURED, "reason": "the probe's answer cannot be read"}
    if outcome != MEASURED:
        return {"outcome": outcome, "reason": _line(said.get("reason"))}
    if answer not in quirk.answers:
        return {"outcome": NOT_MEASURED, "reason": f"an answer that the catalogue lacks: {_line(answer)}"}
    details = said.get("details")
    text = _shortened(json.dumps(details if isinstance(details, dict) else {}, sort_keys=True))
    return {
        "outcome": MEASURED,
        "answer": answer,
        "observed": _line(said.get("observed")),
        "details": text if len(text) <= _MAX_DETAILS else "{}",
    }


def _marked(stdout: bytes, token: str) -> Mapping[str, Any] | None:
    for line in _reversed_lines(stdout):
        head, _, rest = line.partition(" ")
        if head == token:
            try:
                said = json.loads(rest)
            except (ValueError, RecursionError):
                return None
            return said if isinstance(said, dict) else None
    return None


def _reversed_lines(stdout: bytes) -> Iterable[str]:
    return reversed(stdout.decode("utf-8", "replace").split("\n"))


def _why_silent(completed: Completed, quirk: Quirk) -> str:
    if completed.timed_out:
        return f"no answer within {quirk.timeout_s:g} s"
    if completed.truncated:
        return f"its output went over {_MAX_OUTPUT_BYTES >> 20} MiB"
    code = completed.returncode
    how = f"exit status {code}" if code is None or code >= 0 else f"killed by signal {-code}"
    last = _line(completed.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2])
    return f"the interpreter gave no answer: {how}" + (f": {last}" if last else "")


def _line(value: object) -> str:
    text = value if isinstance(value, str) else ""
    return _shortened(" ".join(text.split()))[:_MAX_TEXT]


def _shortened(text: str) -> str:
    """Return text with one name for scratch folders, which are never the same twice."""
    return _SCRATCH.sub("{scratch}", text)
