"""Run an installer where nothing of the user is, and leave nothing behind: a home for each trial."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pyassay.places.host import StartError, run

__all__ = ["Home", "Run", "Shown", "run_isolated"]

_SYSTEM_PATH = "/usr/bin:/bin"
_TELLING = re.compile(r"\b(error|fail\w*|refus\w*|denied|timeout|timed out|hint)\b|×", re.IGNORECASE)
_CAUSE = re.compile(r"cause:|caused by:|╰─▶|hint:|because", re.IGNORECASE)
_MAX_LINE, _MAX_OUTPUT = 400, 20_000
_COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")

# What makes an installer quiet and keeps it from settings; not what makes it faster or slower.
_QUIET = {
    "NO_COLOR": "1",
    "PIP_NO_INPUT": "1",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "PIP_ROOT_USER_ACTION": "ignore",
    "UV_NO_PROGRESS": "1",
    "UV_PYTHON_DOWNLOADS": "never",
}
_NO_SETTINGS = {"PIP_CONFIG_FILE": os.devnull, "UV_NO_CONFIG": "1"}


@dataclass(slots=True)
class Shown:
    """How texts are shown: paths of this machine and ports of the day are replaced by their meaning."""

    replaced: dict[str, str] = field(default_factory=dict)

    def __call__(self, text: str) -> str:
        """Return a text as it may stand in evidence: the longest names are replaced first."""
        # A copy: other threads may add to it.
        known = dict(self.replaced)
        for name in sorted(known, key=len, reverse=True):
            text = text.replace(name, known[name])
        return text


@dataclass(frozen=True, slots=True)
class Run:
    """What became of one run of an installer.

    Attributes
    ----------
    command : str
        For a shell, with the variables that were set for it; paths by their meaning.
    exit_code : int or None
        Negative for a signal; None when it could not be started at all.
    duration_s : float
        Wall seconds.
    output : str
        Both of its outputs, stdout first; the last 20,000 letters; paths by their meaning.
    timed_out : bool
        Whether it had to be ended.
    """

    command: str
    exit_code: int | None
    duration_s: float
    output: str
    timed_out: bool = False

    @property
    def ok(self) -> bool:
        """Whether it ended with status 0."""
        return self.exit_code == 0

    @property
    def telling(self) -> str:
        """Return the line that says most: what speaks of an error and goes on about it, else the last."""
        lines = [" ".join(line.split()) for line in self.output.splitlines() if line.strip()]
        if not lines:
            return "it did not end in time" if self.timed_out else ""
        telling = [line for line in lines if _TELLING.search(line)]
        line = telling[0] if telling and not self.ok else lines[-1]
        if telling and not self.ok:
            causes = [one for one in lines[lines.index(line) + 1 :] if _CAUSE.match(one)]
            line = " ".join([line, *causes[-1:]])
        line = line[:_MAX_LINE]
        return f"it did not end in time; {line}"[:_MAX_LINE] if self.timed_out else line

    def says(self, pattern: str) -> str:
        """Return the first line of its output that a pattern is found in; empty: there is none."""
        found = (line for line in self.output.splitlines() if re.search(pattern, line, re.IGNORECASE))
        return " ".join(next(found, "").split())[:_MAX_LINE]


@dataclass(frozen=True, slots=True)
class Home:
    """A throw-away user: home, configuration, caches, temporary files.

    Attributes
    ----------
    folder : Path
        ``$HOME``.
    cache : Path
        Where installers keep what they fetched.
    """

    folder: Path
    cache: Path

    @classmethod
    def make(cls, folder: Path, *, cache: Path | None = None) -> Home:
        """Make one in a folder; several homes may share a cache."""
        home = cls(folder, cache or folder / ".cache")
        for one in (folder, home.cache, folder / ".config", folder / ".local" / "share", folder / "tmp"):
            one.mkdir(parents=True, exist_ok=True)
        return home

    def environment(
        self, extra: Mapping[str, str] | None = None, *, settings_files: bool = False
    ) -> dict[str, str]:
        """Return the variables that an installer is run with.

        Parameters
        ----------
        extra : mapping, optional
            Set besides, or instead.
        settings_files : bool
            Let it read configuration files: those in this home, and those of the system.
        """
        folder = self.folder
        environment = {
            "PATH": _SYSTEM_PATH,
            "HOME": str(folder),
            "TMPDIR": str(folder / "tmp"),
            "XDG_CONFIG_HOME": str(folder / ".config"),
            "XDG_CONFIG_DIRS": str(folder / ".config" / "xdg"),
            "XDG_CACHE_HOME": str(self.cache),
            "XDG_DATA_HOME": str(folder / ".local" / "share"),
            "XDG_STATE_HOME": str(folder / ".local" / "state"),
            **_QUIET,
        }
        return environment | ({} if settings_files else _NO_SETTINGS) | dict(extra or {})


def run_isolated(
    argv: Sequence[str | os.PathLike[str]],
    home: Home,
    *,
    shown: Shown | None = None,
    timeout_s: float = 120.0,
    cwd: Path | None = None,
    extra: Mapping[str, str] | None = None,
    settings_files: bool = False,
    cancelled: Callable[[], bool] | None = None,
) -> Run:
    """Run a command as the user of a home; never raises for what the command does.

    Parameters
    ----------
    argv : sequence of str or path
        Never through a shell.
    home : Home
    shown : Shown, optional
        How paths are shown.
    timeout_s : float
        Wall seconds; then it and all that it started are ended.
    cwd : Path, optional
        Where it runs; in the home unless given.
    extra : mapping, optional
        Further variables; they are shown in front of the command.
    settings_files : bool
        See :meth:`Home.environment`.
    cancelled : callable, optional
        Asked now and then; it is ended when it says yes.
    """
    words = [os.fspath(word) for word in argv]
    shown = shown or Shown()
    settings = "".join(f"{name}={shlex.quote(value)} " for name, value in (extra or {}).items())
    command = shown(settings + shlex.join(words))
    try:
        done = run(
            words,
            timeout_s=timeout_s,
            cwd=cwd or home.folder,
            extra_environment=home.environment(extra, settings_files=settings_files),
            max_output_bytes=4 << 20,
            cancelled=cancelled,
        )
    except StartError as error:
        return Run(command, None, 0.0, shown(str(error)))
    text = b"\n".join(filter(None, (done.stdout, done.stderr))).decode(errors="replace")
    output = shown(_COLOURS.sub("", text))[-_MAX_OUTPUT:]
    return Run(command, done.returncode, done.duration_s, output, done.timed_out)
