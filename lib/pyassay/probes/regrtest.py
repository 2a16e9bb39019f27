"""CPython's own test suite, where an interpreter carries it: a deeper look than any question of ours.

Each chosen module of the package ``test`` is run by ``python -m test`` in the interpreter, in a process,
a scratch folder and a home of its own. No resource is switched on (network, audio, much disk or processor
time): so does ``python -m test`` of every version when it is given no ``-u``.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyassay.places.host import Completed, StartError, run
from pyassay.probes.observations import Column, TableSchema
from pyassay.subjects.model import Interpreter

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["DEFAULT", "TABLE", "probe"]

DEFAULT: tuple[str, ...] = (
    "test_struct",
    "test_json",
    "test_math",
    "test_unicodedata",
    "test_zlib",
    "test_bz2",
    "test_lzma",
    "test_hashlib",
    "test_sqlite3",
    "test_ctypes",
    "test_readline",
    "test_uuid",
    "test_dbm",
    "test_ensurepip",
)
"""What depends on how an interpreter was built and linked, is over within seconds, needs no network."""

TABLE = TableSchema(
    "regrtest",
    "one row per interpreter and module of CPython's own test suite that was run in it",
    (
        Column("subject_id", "text", "which subject of the table `subjects`"),
        Column("module", "text", "the module of the package `test`; empty: no module could be run"),
        Column("outcome", "text", "passed, failed, skipped, timed out or not measured"),
        Column("tests_run", "count", "tests that were started, skipped ones among them; <NA>: not said"),
        Column("failures", "count", "tests that failed or ended in an error; <NA>: not said"),
        Column("message", "text", "which tests failed, or why it was skipped or not run"),
        Column("duration_s", "number", "wall time of the process; NaN: none was started"),
    ),
)

_AT_ONCE = 2
_LOOK_TIMEOUT_S = 30.0
_MAX_OUTPUT_BYTES = 8 << 20
_MAX_MESSAGE = 400
_NAMED = 5
_NO_TESTS_RAN = 4
_MODULE = re.compile(r"test_\w{1,80}")
# The name that a module had in older versions.
_FORMERLY = {"test_sqlite3": "test_sqlite"}
# Only asks where files are, so that a broken module does not take the answer along. Python 2 has its own way.
_LOOK = """
import json, os, sys
try:
    import test
    folders = list(test.__path__)
except ImportError:
    folders = []
suite = any(os.path.exists(os.path.join(folder, "regrtest.py")) for folder in folders)
def there(name):
    return any(os.path.isfile(os.path.join(folder, *path)) for folder in folders
               for path in ((name + ".py",), (name, "__init__.py")))
print(json.dumps([suite, [name for name in sys.argv[1:] if there(name)]]))
"""
_RAN = re.compile(r"^Ran (\d+) tests? in ", re.MULTILINE)
_TOTAL = re.compile(r"^Total tests: run=([\d,]+)", re.MULTILINE)
_COUNTS = re.compile(r"^FAILED \(([^)\n]*)\)", re.MULTILINE)
_CULPRIT = re.compile(r"^(?:FAIL|ERROR): (\S[^\n]{0,120})", re.MULTILINE)
_SKIPPED = re.compile(r"^(?:\S+ )?\S* ?skipped -- ([^\n]+)|^test_\w+ skipped[^\n]*$", re.MULTILINE)
_FATAL = re.compile(r"^(?:Fatal Python error|\w*Error|\w*Exception)\b[^\n]*", re.MULTILINE)


def probe(
    subject: Interpreter, modules: Sequence[str] = DEFAULT, *, timeout_s: float = 120.0
) -> pd.DataFrame:
    """Run modules of CPython's test suite in an interpreter of this host.

    Parameters
    ----------
    subject : Interpreter
        One that lies in an image is not run: its row says so.
    modules : sequence of str
        Names such as ``test_json``.
    timeout_s : float
        Wall seconds for each module.

    Returns
    -------
    DataFrame
        By :data:`TABLE`, in the order of `modules`; a single row without a module where none can be run.

    Raises
    ------
    ValueError
        If a name is no module of a test suite.
    """
    for name in modules:
        if not _MODULE.fullmatch(name):
            raise ValueError(f"not a module of the test suite: {name!r}")
    return TABLE.frame(_rows(subject, tuple(modules), timeout_s))


def _rows(subject: Interpreter, modules: Sequence[str], timeout_s: float) -> list[dict[str, Any]]:
    if subject.image:
        return [_row(subject, "", "not measured", message="it lies in an image; only this host's are run")]
    if subject.error:
        return [_row(subject, "", "not measured", message=subject.error)]
    # Isolated, but Python 2 knows no -I; -B, so that nothing is written into its tree.
    flags = ("-E", "-s", "-B") if subject.version.startswith("2.") else ("-I", "-B")
    try:
        there, present = _look(subject, flags, modules)
    except (StartError, ValueError) as error:
        return [_row(subject, "", "not measured", message=f"it could not be asked: {error}")]
    if not there:
        return [_row(subject, "", "not measured", message="the package test is not there")]
    if not present:
        # Debian and others ship the helpers of the suite with Python, its tests in a package of their own.
        return [
            _row(subject, "", "not measured", message="its package test holds none of the modules asked for")
        ]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(partial(_one, subject, flags, present, timeout_s), modules))


def _look(subject: Interpreter, flags: Sequence[str], modules: Sequence[str]) -> tuple[bool, frozenset[str]]:
    """Return whether it carries the suite, and which of the modules."""
    names = [*modules, *(_FORMERLY[name] for name in modules if name in _FORMERLY)]
    ended = run([subject.executable, *flags, "-c", _LOOK, *names], timeout_s=_LOOK_TIMEOUT_S)
    if not ended.ok:
        last = ended.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
        raise ValueError("no answer in time" if ended.timed_out else "".join(last) or "it failed")
    there, present = json.loads(ended.stdout)
    return bool(there), frozenset(present)


def _one(
    subject: Interpreter, flags: Sequence[str], present: frozenset[str], timeout_s: float, module: str
) -> dict[str, Any]:
    name = module if module in present else _FORMERLY.get(module, module)
    if name not in present:
        return _row(subject, module, "not measured", message=f"its package test has no {module}")
    # Short: some tests make sockets in it, whose paths may have a hundred characters only.
    scratch = Path(tempfile.mkdtemp(prefix="rt"))
    try:
        ended = run(
            [subject.executable, *flags, "-m", "test", "-v", name],
            timeout_s=timeout_s,
            cwd=scratch,
            extra_environment={"TMPDIR": os.fspath(scratch), "HOME": os.fspath(scratch)},
            max_output_bytes=_MAX_OUTPUT_BYTES,
        )
    except StartError as error:
        return _row(subject, name, "not measured", message=str(error))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return _read(subject, name, ended)


def _read(subject: Interpreter, name: str, ended: Completed) -> dict[str, Any]:
    """Return the row of a module that was run."""
    text = (ended.stdout + b"\n" + ended.stderr).decode("utf-8", "replace").replace("\r\n", "\n")
    total = _TOTAL.findall(text)
    ran = [int(number.replace(",", "")) for number in total[-1:]] or list(map(int, _RAN.findall(text)))
    found: dict[str, Any] = {"duration_s": ended.duration_s, "tests_run": sum(ran) if ran else None}
    skipped = _SKIPPED.search(text)
    culprits = list(dict.fromkeys(_CULPRIT.findall(text)))
    if ended.timed_out:
        return _row(subject, name, "timed out", message=f"no end after {ended.duration_s:.0f} s", **found)
    if ended.truncated:
        message = f"it wrote more than {_MAX_OUTPUT_BYTES >> 20} MiB"
        return _row(subject, name, "not measured", message=message, **found)
    if ended.returncode == 0 and skipped and not found["tests_run"]:
        return _row(subject, name, "skipped", message=_reason(skipped), **found)
    if ended.returncode == 0:
        return _row(subject, name, "passed", failures=0, **found)
    if ended.returncode == _NO_TESTS_RAN:
        message = _reason(skipped) if skipped else "it has no tests for this platform"
        return _row(subject, name, "skipped", message=message, **found)
    return _row(
        subject,
        name,
        "failed",
        failures=_failures(text, culprits),
        message=_blame(text, culprits, ended),
        **found,
    )


def _reason(skipped: re.Match[str]) -> str:
    return skipped.group(1) or skipped.group(0)


def _failures(text: str, culprits: Sequence[str]) -> int | None:
    counts = [
        int(number)
        for group in _COUNTS.findall(text)
        for number in re.findall(r"(?:failures|errors|unexpected successes)=(\d+)", group)
    ]
    return sum(counts) or len(culprits) or None


def _blame(text: str, culprits: Sequence[str], ended: Completed) -> str:
    """Return which tests failed, else the error that ended everything, else how it ended."""
    if culprits:
        more = f" and {len(culprits) - _NAMED} more" if len(culprits) > _NAMED else ""
        return "; ".join(culprits[:_NAMED]) + more
    if fatal := _FATAL.findall(text):
        return str(fatal[-1])
    code = ended.returncode
    return f"ended by signal {-code}" if code is not None and code < 0 else f"exit status {code}"


def _row(
    subject: Interpreter,
    module: str,
    outcome: str,
    *,
    tests_run: int | None = None,
    failures: int | None = None,
    message: str = "",
    duration_s: float = float("nan"),
) -> dict[str, Any]:
    return {
        "subject_id": subject.id,
        "module": module,
        "outcome": outcome,
        "tests_run": tests_run,
        "failures": failures,
        "message": " ".join(message.split())[:_MAX_MESSAGE],
        "duration_s": duration_s,
    }
