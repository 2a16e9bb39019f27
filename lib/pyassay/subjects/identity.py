"""Ask an interpreter who it is: run a script in it, and believe no more than what has the right shape."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pyassay
from pyassay.places.host import StartError, run
from pyassay.subjects.display import display_path, display_text

__all__ = ["QUIET_FLAGS", "Identity", "NotIdentifiedError", "ask", "guest_script", "parsed"]

_MAX_OUTPUT_BYTES = 1 << 20
_MAX_TEXT = 400
_MAX_VARIABLE = 64 << 10
_VERSION = re.compile(r"\d{1,2}\.\d{1,3}\.\d{1,3}(?:(?:a|b|rc)\d{1,3})?")
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,30}")
_TELLING = (
    re.compile(
        r"error while loading shared libraries: |Error (?:loading|relocating) |: version `\S+' not found"
    ),
    re.compile(r"^[A-Za-z_][A-Za-z0-9_.]{0,100}(?:Error|Exception): "),
    re.compile(r"^Fatal Python error: "),
)
"""What loaders (glibc's, musl's) and Pythons say when they give up, the most telling first."""
# No bytecode is written into the subject; nothing of the user, of the environment or of .pth files is run.
# (2.7 has no -I.)
QUIET_FLAGS = ("-E", "-s", "-S", "-B", "-")


class NotIdentifiedError(Exception):
    """The interpreter did not say who it is; one line, why."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What an interpreter says of itself, checked for shape only; empty where it said nothing."""

    version: str
    version_line: str
    implementation: str
    implementation_version: str
    abi_flags: str
    machine: str
    bits: int
    libc: str
    compiler: str
    build_name: str
    build_date: str
    executable: Path | None
    prefix: Path | None
    exec_prefix: Path | None
    base_prefix: Path | None
    paths: dict[str, Path] = field(default_factory=dict)
    site_folders: tuple[Path, ...] = ()
    variables: dict[str, str] = field(default_factory=dict)


@cache
def guest_script(name: str) -> bytes:
    """Return the source of a script that is made to run inside a foreign interpreter."""
    # Read, never imported: it is written for other Pythons than this one.
    return (Path(pyassay.__file__).parent / "probes" / "guest" / f"{name}.py").read_bytes()


def ask(
    executable: Path, *, timeout_s: float = 10.0, cancelled: Callable[[], bool] | None = None
) -> Identity:
    """Run the identity script in an interpreter, until it is cancelled.

    Raises
    ------
    NotIdentifiedError
        If it does not start, fails, hangs, or answers something else than an identity.
    """
    shown = display_path(executable)
    try:
        completed = run(
            (executable, *QUIET_FLAGS),
            timeout_s=timeout_s,
            input_bytes=guest_script("identity"),
            max_output_bytes=_MAX_OUTPUT_BYTES,
            cancelled=cancelled,
        )
    except StartError as error:
        raise NotIdentifiedError(str(error).replace(str(executable), shown)) from error
    if completed.timed_out:
        raise NotIdentifiedError(f"{shown}: no answer within {timeout_s:g} s")
    if completed.truncated:
        raise NotIdentifiedError(f"{shown}: its output went over {_MAX_OUTPUT_BYTES >> 20} MiB")
    if completed.returncode != 0:
        code = completed.returncode
        how = f"exit status {code}" if code is None or code >= 0 else f"killed by signal {-code}"
        raise NotIdentifiedError(f"{shown}: {how}{_last_words(completed.stderr)}")
    return parsed(completed.stdout, shown)


def _last_words(stderr: bytes) -> str:
    """Return the line that says why: the last of the kind that tells most, else the last one."""
    lines = [line for line in stderr.decode("utf-8", "replace").splitlines() if line.strip()]
    for telling in _TELLING:
        if found := [line for line in lines if telling.search(line)]:
            return f": {_line(found[-1])}"
    return f": {_line(lines[-1])}" if lines else ""


def parsed(stdout: bytes, shown: str, *, is_folder: Callable[[Path], bool] = Path.is_dir) -> Identity:
    """Return the identity that the script printed.

    Parameters
    ----------
    stdout : bytes
    shown : str
        What errors call the interpreter.
    is_folder : callable
        Tells whether a folder exists where the interpreter lives; by default on this host.

    Raises
    ------
    NotIdentifiedError
        If it is no identity.
    """

    def folder(value: Any) -> Path | None:
        path = _path(value)
        try:
            return path if path is not None and is_folder(path) else None
        except OSError:
            return None

    lines = stdout.strip().splitlines()
    try:
        document = json.loads(lines[-1]) if lines else None
        if not isinstance(document, dict) or document.get("pyassay_identity") != 1:
            raise NotIdentifiedError(f"{shown}: its answer is no identity")
        facts = document["facts"]
        version, implementation = facts["version"], facts["implementation"]
        if not (isinstance(version, str) and _VERSION.fullmatch(version)):
            raise NotIdentifiedError(f"{shown}: claims a version that is none")
        if not (isinstance(implementation, str) and _NAME.fullmatch(implementation)):
            raise NotIdentifiedError(f"{shown}: claims an implementation that is none")
    except (ValueError, RecursionError, KeyError, TypeError) as error:
        raise NotIdentifiedError(f"{shown}: its answer is no identity") from error
    bits = facts.get("bits")
    return Identity(
        version=version,
        version_line=_text(facts.get("version_line")),
        implementation=implementation,
        implementation_version=_matching(_VERSION, facts.get("implementation_version")),
        abi_flags=_matching(re.compile("[a-z]{0,8}"), facts.get("abi_flags")),
        machine=_matching(re.compile(r"[A-Za-z0-9_.-]{1,40}"), facts.get("machine")),
        bits=bits if bits in (32, 64) else 0,
        libc=_text(facts.get("libc")),
        compiler=_text(facts.get("compiler")),
        build_name=_text(facts.get("build_name")),
        build_date=_text(facts.get("build_date")),
        executable=_path(facts.get("executable")),
        prefix=folder(facts.get("prefix")),
        exec_prefix=folder(facts.get("exec_prefix")),
        base_prefix=folder(facts.get("base_prefix")),
        paths={name: path for name, value in _items(facts.get("paths")) if (path := _path(value))},
        site_folders=tuple(path for value in _list(facts.get("site_folders")) if (path := _path(value))),
        variables={
            name: str(value)[:_MAX_VARIABLE]
            for name, value in _items(facts.get("variables"))
            if isinstance(value, (str, int))
        },
    )


def _line(text: str) -> str:
    shown = display_text(" ".join(text.split()))
    return shown if len(shown) <= _MAX_TEXT else shown[: _MAX_TEXT - 1] + "…"


def _text(value: Any) -> str:
    return _line(value[: _MAX_TEXT * 4]) if isinstance(value, str) else ""


def _matching(pattern: re.Pattern[str], value: Any) -> str:
    return value if isinstance(value, str) and pattern.fullmatch(value) else ""


def _path(value: Any) -> Path | None:
    good = isinstance(value, str) and value.startswith("/") and "\0" not in value and len(value) < 4096
    return Path(value) if good else None


def _items(value: Any) -> list[tuple[str, Any]]:
    return list(value.items())[:100] if isinstance(value, dict) else []


def _list(value: Any) -> list[Any]:
    return value[:100] if isinstance(value, list) else []
