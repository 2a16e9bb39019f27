"""Where one build happens: folders, tools and children of its own, measured, logged and ended in time."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pyassay.packagers import measured_child
from pyassay.packagers.cache import BusyError, cache_root, locked, remove
from pyassay.packagers.environments import ToolEnvironment, make_environment
from pyassay.packagers.last_words import hide_addresses, telling_line
from pyassay.packagers.model import BuildError
from pyassay.places.host import StartError, run

if TYPE_CHECKING:
    from pyassay.subjects.model import Interpreter

__all__ = ["Ran", "ToolEnvironment", "ToolMissingError", "Usage", "Workshop"]

_STALE_S = 24 * 3600.0
_OUTPUT_BYTES = 64 << 20
# Where packages come from and how that place is reached: what a download may know of the user's settings.
_PIP_SOURCES = (
    *(
        "INDEX_URL",
        "EXTRA_INDEX_URL",
        "FIND_LINKS",
        "NO_INDEX",
        "CERT",
        "CLIENT_CERT",
        "PROXY",
        "TRUSTED_HOST",
    ),
    *("RETRIES", "TIMEOUT", "DEFAULT_TIMEOUT", "CONFIG_FILE", "KEYRING_PROVIDER", "USE_FEATURE"),
)
_NETWORK_VARIABLES = (
    *(f"PIP_{name}" for name in _PIP_SOURCES),
    *(
        name
        for word in ("http", "https", "ftp", "all", "no")
        for name in (f"{word}_proxy", f"{word}_proxy".upper())
    ),
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "NETRC",
    "XDG_CONFIG_HOME",
    "XDG_CONFIG_DIRS",
)


class ToolMissingError(BuildError):
    """A packager's own environment could not be made: one line. It may be another time."""


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command of a build said and took.

    Attributes
    ----------
    stdout, stderr : str
        Bytes that are no UTF-8 as backslash escapes.
    duration_s : float
        Wall seconds.
    cpu_s : float
        User and system seconds, of it and of all its children that it waited for.
    peak_rss_bytes : int
        Resident memory of the largest of these processes; never less than the some 10 MB of the process that
        starts it.
    """

    stdout: str
    stderr: str
    duration_s: float
    cpu_s: float
    peak_rss_bytes: int


@dataclass(slots=True)
class Usage:
    """What the commands of a build took so far: sums, and the largest process.

    Attributes
    ----------
    duration_s, cpu_s : float
        Seconds.
    peak_rss_bytes : int
    """

    duration_s: float = 0.0
    cpu_s: float = 0.0
    peak_rss_bytes: int = 0


@dataclass(slots=True)
class Workshop:
    """The place of one build; made by :meth:`open`.

    Attributes
    ----------
    cache : Path
        Root of pyassay's cache.
    folder : Path
        Scratch, removed afterwards; the same path for the same build, so that a path in the artifact is no
        difference between two builds.
    home, temporary : Path
        In it: what the children take for HOME and TMPDIR.
    output : Path
        An empty folder to put the artifact into; it stays where it is.
    log : Path
        Every command and what it said.
    usage : Usage
        Of the commands run so far; the making of environments is not counted.
    commands : list of str
        The commands run so far, as lines for a shell.
    source_date_epoch : int or None
        Children see it as ``SOURCE_DATE_EPOCH``; in seconds.
    python : Interpreter or None
        What is packed, or packs.
    """

    cache: Path
    folder: Path
    output: Path
    log: Path
    deadline: float
    source_date_epoch: int | None = None
    python: Interpreter | None = None
    usage: Usage = field(default_factory=Usage)
    commands: list[str] = field(default_factory=list)
    _said_network: bool = False
    _timed_out: bool = False

    @classmethod
    @contextlib.contextmanager
    def open(
        cls,
        cache: Path | None = None,
        *,
        build_key: str,
        timeout_s: float,
        source_date_epoch: int | None = None,
        python: Interpreter | None = None,
        attempt: int = 1,
    ) -> Iterator[Workshop]:
        """Open the workshop of one build; another process that wants the same waits.

        Parameters
        ----------
        cache : Path, optional
            Root of the cache instead of the user's.
        build_key : str
            Names the build: fit for a file name.
        timeout_s : float
            For all of its commands together, in seconds.
        source_date_epoch : int, optional
            Seconds.
        python : Interpreter, optional
        attempt : int
            Above 1: the same build once more, in the same folder, its output beside the first one's.

        Raises
        ------
        BuildError
            If another process does not finish it in time, or the folders cannot be made.
        """
        root = cache_root(cache) / "packaging"
        entry = root / "builds" / (build_key if attempt == 1 else f"{build_key}.{attempt}")
        scratch = root / "scratch" / build_key
        try:
            _sweep(root)
            with locked(root / "locks" / f"{build_key}.lock", timeout_s=timeout_s):
                for path in (entry / "artifact", scratch):
                    remove(path)
                    path.mkdir(parents=True)
                workshop = cls(
                    cache_root(cache),
                    scratch,
                    entry / "artifact",
                    entry / "build.log",
                    time.monotonic() + timeout_s,
                    source_date_epoch,
                    python,
                )
                workshop.log.write_text("", "utf-8")
                workshop.home.mkdir()
                workshop.temporary.mkdir()
                try:
                    yield workshop
                finally:
                    remove(scratch)
        except BusyError as error:
            raise BuildError(str(error)) from None
        except OSError as error:
            raise BuildError(
                f"{build_key}: {error.filename or scratch}: {error.strerror or error}"
            ) from error

    @property
    def home(self) -> Path:
        """Return the HOME of its children."""
        return self.folder / "home"

    @property
    def temporary(self) -> Path:
        """Return the TMPDIR of its children."""
        return self.folder / "tmp"

    @property
    def timed_out(self) -> bool:
        """Tell whether a command of it was ended because its time, or that of all, was up."""
        return self._timed_out or self.remaining_s == 0

    @property
    def search_path(self) -> str:
        """Return the PATH of its children, to put something before it."""
        return os.environ.get("PATH", os.defpath)

    @property
    def remaining_s(self) -> float:
        """Return the seconds left for its commands."""
        return max(0.0, self.deadline - time.monotonic())

    def which(self, name: str) -> Path | None:
        """Return a program of this host by its name, if it is in PATH."""
        found = shutil.which(name)
        return Path(found) if found else None

    def say(self, text: str) -> None:
        """Write a line of ours into the log."""
        with self.log.open("a", encoding="utf-8", errors="backslashreplace") as stream:
            stream.write(f"# {text}\n")

    def environment(self, requirements: Sequence[str], python: Path) -> ToolEnvironment:
        """Return a virtual environment with some packages, from the cache or made now.

        Parameters
        ----------
        requirements : sequence of str
            As pip takes them, pinned.
        python : Path
            The interpreter that it rests on.

        Raises
        ------
        ToolMissingError
            If it cannot be made; the line says why.
        """
        counted, noted = replace(self.usage), list(self.commands)
        try:
            return make_environment(self, requirements, python)
        except BuildError as error:
            raise ToolMissingError(str(error)) from None
        finally:
            # The packager is measured, not pip.
            self.usage, self.commands = counted, noted

    def run(
        self,
        argv: Sequence[str | os.PathLike[str]],
        *,
        cwd: Path | None = None,
        environment: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
        network: bool = False,
        shown: str | None = None,
    ) -> Ran:
        """Run a command to its end and add what it took to :attr:`usage`.

        Parameters
        ----------
        argv : sequence of str or path
            The command; the first item is looked up in PATH unless it holds a slash.
        cwd : Path, optional
            :attr:`folder` unless given.
        environment : mapping, optional
            Added to the clean environment of builds.
        timeout_s : float, optional
            At most what is left of the workshop's time, and that unless given.
        network : bool
            Whether it downloads: with the network, and with what the user has set about where pip finds
            packages. Else it gets neither.
        shown : str, optional
            How the command is noted in :attr:`commands`; empty: not at all.

        Raises
        ------
        BuildError
            If it cannot be started, ends with another status than 0, says too much or takes too long.
        """
        words = [os.fspath(word) for word in argv]
        line = shlex.join(words)
        if shown != "":
            self.commands.append(shown or line)
        limit = min(timeout_s or self.remaining_s, self.remaining_s)
        report = self.folder / ".usage"
        report.unlink(missing_ok=True)
        with self.log.open("a", encoding="utf-8", errors="backslashreplace") as stream:
            stream.write(f"$ {line}\n")
        try:
            done = run(
                [
                    sys.executable,
                    "-I",
                    "-S",
                    measured_child.__file__,
                    str(report),
                    "host" if network else "none",
                    *words,
                ],
                timeout_s=limit,
                cwd=cwd or self.folder,
                extra_environment=self._environment(network) | dict(environment or {}),
                max_output_bytes=_OUTPUT_BYTES,
            )
        except StartError as error:
            self.say(str(error))
            raise BuildError(str(error)) from None
        said = [stream.decode(errors="backslashreplace") for stream in (done.stdout, done.stderr)]
        if network:
            # Whose mirror it was is nobody's business who reads the log.
            said = [hide_addresses(text) for text in said]
        cpu_s, peak, isolated = _read_report(report)
        ran = Ran(said[0], said[1], done.duration_s, cpu_s, peak)
        self._note(ran, done.returncode)
        if not network and not isolated and not self._said_network and not done.timed_out:
            self._said_network = True
            self.say("this kernel lets us take no network away: it ran with that of the host")
        name = _name(words)
        if done.timed_out:
            self._timed_out = True
            raise BuildError(f"{name}: not done after {limit:.0f} s, ended{_after(said)}")
        if done.truncated:
            raise BuildError(f"{name}: said more than {_OUTPUT_BYTES >> 20} MiB, ended")
        if done.returncode != 0:
            raise BuildError(f"{name}: {_status(done.returncode)}{_after(said)}")
        return ran

    def _note(self, ran: Ran, returncode: int | None) -> None:
        self.usage.duration_s += ran.duration_s
        self.usage.cpu_s += ran.cpu_s
        self.usage.peak_rss_bytes = max(self.usage.peak_rss_bytes, ran.peak_rss_bytes)
        with self.log.open("a", encoding="utf-8", errors="backslashreplace") as stream:
            for text in (ran.stdout, ran.stderr):
                stream.write(text if not text or text.endswith("\n") else f"{text}\n")
            stream.write(
                f"# {_status(returncode)}, {ran.duration_s:.2f} s, CPU {ran.cpu_s:.2f} s, "
                f"{ran.peak_rss_bytes / 1e6:.0f} MB\n"
            )

    def _environment(self, network: bool) -> dict[str, str]:
        """Return what is added to the clean environment of :func:`pyassay.places.host.run`."""
        made = {
            "HOME": str(self.home),
            "TMPDIR": str(self.temporary),
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_NO_INPUT": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONNOUSERSITE": "1",
        }
        if self.source_date_epoch is not None:
            made["SOURCE_DATE_EPOCH"] = str(self.source_date_epoch)
        if not network:
            return made | {
                "PIP_CONFIG_FILE": os.devnull,
                "PIP_NO_INDEX": "1",
                "UV_NO_CONFIG": "1",
                "UV_OFFLINE": "1",
            }
        made |= {name: os.environ[name] for name in _NETWORK_VARIABLES if name in os.environ}
        # The user's pip.conf and .netrc lie in the home; what pip would keep there, it keeps in our cache.
        made |= {"PIP_CACHE_DIR": str(self.cache / "pip"), "PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0"}
        return made | {"HOME": os.environ.get("HOME", str(self.home))}


def _sweep(root: Path) -> None:
    """Remove the scratch of builds that were killed: nobody holds their lock."""
    for folder in (root / "scratch").glob("*"):
        with contextlib.suppress(OSError, BusyError):
            if time.time() - folder.stat().st_mtime > _STALE_S:
                with locked(root / "locks" / f"{folder.name}.lock", timeout_s=0):
                    remove(folder)


def _read_report(file: Path) -> tuple[float, int, bool]:
    """Return CPU seconds, peak memory, whether the network was away; nothing is known of one killed."""
    try:
        cpu_s, peak, _, isolated = file.read_text("ascii").split()
        return float(cpu_s), int(peak), isolated == "1"
    except (OSError, ValueError):
        return 0.0, 0, False


def _status(returncode: int | None) -> str:
    return "could not be ended" if returncode is None else f"exit status {returncode}"


def _after(said: Sequence[str]) -> str:
    line = telling_line(said[1], said[0])
    return f": {line}" if line else ""


def _name(words: Sequence[str]) -> str:
    """Return what a command is called in a line: ``pip wheel`` of ``/.../python -I -m pip wheel ...``."""
    program, rest = Path(words[0]).name, list(words[1:])
    if "-m" in rest[:4]:
        program, *rest = rest[rest.index("-m") + 1 :] or [program]
    verb = next(iter(rest), "")
    return f"{program} {verb}" if verb.replace("-", "").isalpha() and not verb.startswith("-") else program
