"""What an interpreter of this host says of its libraries when it is asked, in one bounded process."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from pyassay.places.host import StartError, run
from pyassay.subjects.identity import QUIET_FLAGS, guest_script

__all__ = ["Answer", "Answers", "ask"]

_TIMEOUT_S = 30.0
_MAX_OUTPUT_BYTES = 1 << 18
_VERSION = re.compile(r"[0-9][0-9A-Za-z.+-]{0,40}")
_LIBRARY = re.compile(r"[a-z0-9_]{1,30}")
_TLS = (
    ("openssl", re.compile(r"OpenSSL (\d+\.\d+\.\d+[a-z]{0,2})")),
    ("libressl", re.compile(r"LibreSSL (\d+\.\d+\.\d+)")),
    ("aws_lc", re.compile(r"AWS-LC (?:FIPS )?(\d+\.\d+\.\d+)")),
    ("aws_lc", re.compile(r"AWS-LC()")),
    ("boringssl", re.compile(r"BoringSSL()")),
)


@dataclass(frozen=True, slots=True)
class Answer:
    """A library's version, and the file of the module that uses it (None: it is built in)."""

    library: str
    version: str
    module: Path | None


@dataclass(frozen=True, slots=True)
class Answers:
    """Answers by library; ``error`` says why the interpreter did not give them all (empty: it did)."""

    by_library: dict[str, Answer]
    error: str = ""


def ask(executable: Path, *, timeout_s: float = _TIMEOUT_S) -> Answers:
    """Ask an interpreter; a library that it has no module for is not among the answers."""
    try:
        done = run(
            (executable, *QUIET_FLAGS),
            timeout_s=timeout_s,
            input_bytes=guest_script("library_versions"),
            max_output_bytes=_MAX_OUTPUT_BYTES,
        )
    except StartError as error:
        return Answers({}, str(error))
    found: dict[str, Answer] = {}
    for line in done.stdout.splitlines():
        if (answer := _answer(line)) is not None:
            found.setdefault(answer.library, answer)
    return Answers(found, "" if done.ok else _why(done.timed_out, done.truncated, done.returncode, timeout_s))


def _why(timed_out: bool, truncated: bool, code: int | None, timeout_s: float) -> str:
    if timed_out:
        return f"no answer within {timeout_s:g} s"
    if truncated:
        return "its output went over the limit"
    return f"killed by signal {-code}" if code is not None and code < 0 else f"exit status {code}"


def _answer(line: bytes) -> Answer | None:
    """Return an answer that has the shape of one: the interpreter is not trusted."""
    try:
        raw = json.loads(line)
    except ValueError:
        return None
    values = [raw.get(key) for key in ("pyassay_library", "version", "file")] if isinstance(raw, dict) else []
    if not values or not all(isinstance(value, str) for value in values):
        return None
    library, version, file = map(str, values)
    module = Path(file) if file.startswith("/") and "\0" not in file else None
    if library == "openssl":
        match = next(((name, found) for name, form in _TLS if (found := form.match(version))), None)
        return Answer(match[0], match[1][1], module) if match else None
    # What zlib-ng stands in for is not what it is.
    is_version = _VERSION.fullmatch(version) is not None and not version.endswith(".zlib-ng")
    return Answer(library, version, module) if is_version and _LIBRARY.fullmatch(library) else None
