"""pip, as it is found: for downloads with the user's own settings, for everything else without any."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pyassay.packagers.last_words import hide_addresses, telling_line
from pyassay.places.host import Completed, StartError, run
from pyassay.subjects.identity import guest_script

__all__ = ["Pip", "PipError", "ask_index", "said", "without_settings"]

_ENSURED = (
    "import ensurepip, glob, os;"
    "print((sorted(glob.glob(os.path.join(os.path.dirname(ensurepip.__file__), '_bundled', 'pip-*.whl')))"
    " or [''])[-1])"
)
_OUTPUT_BYTES = 64 << 20


class PipError(Exception):
    """pip, or what was asked of an index through it, failed: one line."""


def said(done: Completed) -> str:
    """Return why a command failed: its own telling line, addresses left out."""
    if done.timed_out:
        return f"not finished after {done.duration_s:.0f} s"
    line = telling_line(done.stderr.decode("utf-8", "replace"), done.stdout.decode("utf-8", "replace"))
    return hide_addresses(line) or f"exit status {done.returncode}"


def without_settings(wheels: Path, home: Path) -> dict[str, str]:
    """Return the environment in which pip and uv know of nothing but a folder of wheels.

    Parameters
    ----------
    wheels : Path
        Where they find every package.
    home : Path
        What they take for the home folder.
    """
    return {
        "HOME": str(home),
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(wheels),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
        "PIP_CACHE_DIR": str(home / "pip-cache"),
        "UV_NO_CONFIG": "1",
        "UV_OFFLINE": "1",
        "UV_NO_INDEX": "1",
        "UV_FIND_LINKS": str(wheels),
        "UV_CACHE_DIR": str(home / "uv-cache"),
        "UV_PYTHON_DOWNLOADS": "never",
        "CARGO_HOME": str(home / "cargo"),
        "CARGO_NET_OFFLINE": "true",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_SYSTEM": os.devnull,
        "NO_COLOR": "1",
    }


class Pip:
    """A pip that works for one interpreter, with the settings of the user.

    Parameters
    ----------
    python : Path
        The interpreter that packages are chosen for.

    Raises
    ------
    PipError
        If there is none: not beside pyassay, not in the interpreter, not in its ``ensurepip``.
    """

    def __init__(self, python: Path) -> None:
        self.python = python
        self._argv = self._found()

    def run(self, *words: str, timeout_s: float) -> Completed:
        """Run pip with the user's own configuration, for downloads.

        Raises
        ------
        PipError
            If it fails; carries its own words.
        """
        try:
            done = run(
                [*self._argv, *words],
                timeout_s=timeout_s,
                extra_environment=_as_the_user(),
                max_output_bytes=_OUTPUT_BYTES,
            )
        except StartError as error:
            raise PipError(str(error)) from error
        if not done.ok:
            raise PipError(f"pip {words[0]}: {said(done)}")
        return done

    def _found(self) -> list[str]:
        # Ours runs in their interpreter, and is mostly the newer one.
        for argv in (
            [sys.executable, "-m", "pip", "--python", str(self.python)],
            [str(self.python), "-m", "pip"],
        ):
            if _works([*argv, "--version"]):
                return argv
        for giver in (self.python, Path(sys.executable)):
            wheel = _output([str(giver), "-I", "-c", _ENSURED])
            if wheel and _works([str(self.python), f"{wheel}/pip", "--version"]):
                return [str(self.python), f"{wheel}/pip"]
        raise PipError(f"{self.python}: there is no pip to download with; install pip beside pyassay")


def _as_the_user() -> dict[str, str]:
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("PYTHON") and name != "VIRTUAL_ENV"
    }


def _works(argv: Sequence[str]) -> bool:
    try:
        return run(argv, timeout_s=30.0, extra_environment=_as_the_user()).ok
    except StartError:
        return False


def _output(argv: Sequence[str]) -> str:
    try:
        done = run(argv, timeout_s=30.0)
    except StartError:
        return ""
    return done.stdout.decode("utf-8", "replace").strip() if done.ok else ""


def ask_index(python: Path, pip_wheel: Path, asked: Mapping[str, Any], *, timeout_s: float) -> dict[str, Any]:
    """Ask the user's index for lists of files, or fetch some of them: see the guest ``index_files``.

    Raises
    ------
    PipError
        If it gives no answer.
    """
    with tempfile.TemporaryDirectory(prefix="pyassay-index-") as name:
        script, answer = Path(name) / "index_files.py", Path(name) / "answer.json"
        script.write_bytes(guest_script("index_files"))
        try:
            done = run(
                [python, script, answer],
                timeout_s=timeout_s,
                input_bytes=json.dumps(asked).encode(),
                extra_environment=_as_the_user() | {"PYTHONPATH": str(pip_wheel)},
            )
            if not done.ok:
                raise PipError(f"the index could not be asked: {said(done)}")
            told: dict[str, Any] = json.loads(answer.read_bytes())
        except (StartError, OSError, ValueError) as error:
            raise PipError(f"the index could not be asked: {error}") from error
        return told
