"""A folder with a distribution in it as a place: described statically, and run in without an engine.

As root, the kernel's namespaces are used by way of util-linux (unshare, mount, chroot); otherwise bubblewrap.
Every mount lies in a namespace of the command's own, so none outlives it, however it ends.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import secrets
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

from pyassay.elf.closure import Root
from pyassay.elf.libc import musl_version
from pyassay.elf.reader import ElfError
from pyassay.elf.symbols import defined_versions
from pyassay.elf.versions import SymbolVersion
from pyassay.places import host
from pyassay.places.container import Engine
from pyassay.places.container_errors import one_line
from pyassay.places.host import Completed
from pyassay.places.interruption import unwound_by_signals

__all__ = ["RootFs", "RootFsError"]

_UNPRIVILEGED = 65534
_GIB = 1 << 30
_MEMORY, _PIDS, _OUTPUT, _TMP_BYTES = 2 * _GIB, 256, 16 << 20, 1 * _GIB
_MAX_ENTRIES = 20_000
_TEXT_BYTES = 1 << 20
_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_ENVIRONMENT = {"PATH": _SYSTEM_PATH, "TMPDIR": "/tmp"}  # noqa: S108
_DEVICES = ("null", "zero", "full", "random", "urandom")
_NOT_LAID_OUT, _NOT_LAID_OUT_STATUS = "pyassay: not laid out", 125
_BANNER = re.compile(rb"GNU C Library [^\n\0]{1,200} release version (\d{1,2}\.\d{1,3})")
_LIBRARY_BYTES = 16 << 20
_KERNEL = frozenset({"proc", "sys", "dev", "tmp", "run"})
_MACHINES = ("x86_64", "aarch64", "i686", "armv7l", "ppc64le", "s390x", "riscv64", "loongarch64")
_TOOLS = ("unshare", "mount", "chroot", "setpriv", "prlimit", "sh")


class RootFsError(Exception):
    """A folder is no distribution, or nothing can be run in it here: one line that says why."""


class RootFs:
    """A folder with a distribution in it.

    Parameters
    ----------
    path : path
        The folder; it is never written to.

    Attributes
    ----------
    path : Path
        Links resolved.
    os_release : dict of str to str
        ``ID``, ``VERSION_ID``, ``PRETTY_NAME`` ...; empty if it has no such file.

    Raises
    ------
    RootFsError
        If it is no folder, or holds neither a loader nor an ``os-release``.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(os.path.realpath(path))
        shown = one_line(path)
        if not self.path.is_dir():
            raise RootFsError(f"{shown}: no folder")
        self.root = Root(self.path)
        self.os_release = self._os_release()
        if not self.os_release and not self.libc[0]:
            raise RootFsError(f"{shown}: no distribution: it has neither an os-release nor a loader")

    def __repr__(self) -> str:
        return f"RootFs({str(self.path)!r}: {self.name}, {' '.join(self.libc).strip() or 'no libc'})"

    @property
    def name(self) -> str:
        """Return what a reader calls it: ``Debian GNU/Linux 12 (bookworm)``, or the name of the folder."""
        return self.os_release.get("PRETTY_NAME") or one_line(self.path.name)

    @property
    def release(self) -> str:
        """Return ``debian:12``, as the table of distributions has it; a rolling release lacks the number."""
        parts = (self.os_release.get("ID", ""), self.os_release.get("VERSION_ID", ""))
        return ":".join(part for part in parts if part)

    @functools.cached_property
    def libc(self) -> tuple[str, str]:
        """Return the C library and its version as its files tell: ``("glibc", "2.36")``; empty: none."""
        for machine in _MACHINES:
            with contextlib.suppress(ElfError, OSError):
                library = self.root.library("libc.so.6", machine)
                version = _glibc_version(library) if library is not None else ""
                if version:
                    return "glibc", version
        for loader in self._loaders("ld-musl-*.so.1"):
            found = musl_version(loader)
            if found is not None:
                return "musl", ".".join(map(str, found))
        return "", ""

    def _loaders(self, pattern: str) -> list[Path]:
        found = []
        for folder in ("/lib", "/usr/lib"):
            real = self.root.resolve(folder)
            if real is not None:
                found += sorted(self.root.host(real).glob(pattern))[:20]
        return [path for path in found if path.is_file() and not path.is_symlink()]

    def _os_release(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for name in ("/etc/os-release", "/usr/lib/os-release"):
            real = self.root.resolve(name)
            if real is None or not self.root.host(real).is_file():
                continue
            try:
                with self.root.host(real).open("rb") as stream:
                    text = stream.read(_TEXT_BYTES).decode("utf-8", "replace")
            except OSError:
                continue
            for line in text.splitlines()[:100]:
                key, equals, value = line.partition("=")
                if equals and not key.startswith("#"):
                    found[key.strip()] = one_line(value.strip().strip("\"'"))[:80]
            return found
        return found

    # Running -----------------------------------------------------------------------------------------------

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout_s: float,
        mounts: Mapping[Path, str] | Mapping[str, str] | None = None,
        input_bytes: bytes = b"",
        memory_bytes: int = _MEMORY,
        pids: int = _PIDS,
        extra_environment: Mapping[str, str] | None = None,
        max_output_bytes: int = _OUTPUT,
    ) -> Completed:
        """Run a command with this folder as its root, read-only, without network.

        Parameters
        ----------
        argv : sequence of str
            The command; looked up in the usual folders unless it holds a slash.
        timeout_s : float
            Wall seconds.
        mounts : mapping, optional
            Folders or files of this host -> where the command sees them, read-only.
        input_bytes : bytes
            What it reads from its standard input, then end of file.
        memory_bytes : int
            Limit of the address space of each process, and of ``/tmp``, which lies in memory.
        pids : int
            Limit of the processes and threads of its user.
        extra_environment : mapping, optional
        max_output_bytes : int
            Limit of stdout and of stderr, each.

        Returns
        -------
        Completed
            Its ``returncode`` is 128 plus its number when a signal ended the command, 127 or 126 when
            it could not be started.

        Raises
        ------
        RootFsError
            If nothing can be run in it here: says why.
        """
        words = tuple(os.fspath(word) for word in argv)
        if not words or not words[0] or any("\0" in word for word in words):
            raise RootFsError("no command given")
        plan = _plan(self.path, _wanted(mounts))
        means, reason = _means()
        if not means:
            raise RootFsError(f"{one_line(self.path)}: nothing can be run in it here: {reason}")
        # Bubblewrap starts as this user, whose processes count until it has a namespace of its own.
        allowed = pids + (_own_threads() if means == "bubblewrap" else 0)
        limited = ("prlimit", f"--as={memory_bytes}", f"--nproc={allowed}", "--core=0", "--")
        environment = _ENVIRONMENT | dict(extra_environment or {})
        tmp_bytes = min(_TMP_BYTES, memory_bytes)
        with unwound_by_signals(), tempfile.TemporaryDirectory(prefix="pyassay-root-") as made:
            if means == "bubblewrap":
                command = (*limited, *_bubblewrap(plan, tmp_bytes), *words)
            else:
                script = _script(plan, Path(made), tmp_bytes, limited)
                command = (*_namespaces(), "sh", "-c", script, "sh", *words)
            try:
                done = host.run(
                    command,
                    timeout_s=timeout_s,
                    input_bytes=input_bytes,
                    extra_environment=environment,
                    max_output_bytes=max_output_bytes,
                )
            except host.StartError as error:
                raise RootFsError(f"{one_line(self.path)}: {error}") from error
        said = done.stderr.decode("utf-8", "replace")
        if _not_laid_out(means, done.returncode, said):
            why = one_line(said.replace(_NOT_LAID_OUT, ""))
            raise RootFsError(f"{one_line(self.path)}: cannot be laid out as a root: {why}")
        status = done.returncode
        if means == "bubblewrap" and status == 1 and said.startswith("bwrap: execvp"):
            status = 127 if "No such file" in said else 126
        return replace(done, argv=words, returncode=status)

    @contextlib.contextmanager
    def as_image(self, engine: Engine) -> Iterator[str]:
        """Import the folder to an engine, give the image's name, and remove the image in the end.

        Raises
        ------
        RootFsError
            If the folder cannot be packed.
        EngineError
            If the engine refuses it.
        """
        image = f"pyassay-rootfs:{secrets.token_hex(8)}"
        argv = (
            *("tar", "--numeric-owner", "--one-file-system", "--ignore-failed-read", "--warning=none"),
            *(
                "--exclude=./proc/*",
                "--exclude=./sys/*",
                "--exclude=./dev/*",
                "-C",
                str(self.path),
                "-c",
                ".",
            ),
        )
        try:
            process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        except OSError as error:
            raise RootFsError(f"{one_line(self.path)}: tar: {error.strerror}") from error
        try:
            if process.stdout is None:
                raise RootFsError(f"{one_line(self.path)}: tar gives nothing")
            engine.import_tar(cast(BinaryIO, process.stdout), image)
            yield image
        finally:
            process.kill()
            process.communicate()
            engine.remove_image(image)


def _glibc_version(library: Path) -> str:
    """Return what a glibc would say of itself; its newest symbol version may be older than it."""
    with library.open("rb") as stream:
        banner = _BANNER.search(stream.read(_LIBRARY_BYTES))
    if banner is not None:
        return banner[1].decode()
    numbers = [
        parsed.number
        for version in defined_versions(library)
        if (parsed := SymbolVersion.parse(version)).family == "GLIBC"
        and parsed.number is not None
        and not version.startswith("GLIBC_ABI_")
    ]
    return ".".join(map(str, max(numbers))) if numbers else ""


def _wanted(mounts: Mapping[Path, str] | Mapping[str, str] | None) -> dict[PurePosixPath, Path]:
    wanted: dict[PurePosixPath, Path] = {}
    for here, there in (mounts or {}).items():
        target = PurePosixPath(there)
        if not target.is_absolute() or ".." in target.parts or "\0" in there or len(target.parts) < 2:
            raise RootFsError(one_line(f"{there!r}: not a place for a mount: an absolute path below / is"))
        source = Path(here).absolute()
        if not source.exists():
            raise RootFsError(f"{one_line(source)}: cannot be mounted: no such file or folder")
        wanted[target] = source
    return wanted


# What is mounted where -------------------------------------------------------------------------------------


def _plan(root: Path, mounts: Mapping[PurePosixPath, Path]) -> list[tuple[str, str, str]]:
    """Return the steps that make up a root: ("bind" | "link" | "folder", source or target, place).

    The folder itself may lack the places that something is to be mounted at, and cannot be written to. So its
    top is made anew in memory, with each of its entries bound there; and a folder that a mount lies in, too.
    """
    inner = Root(root)
    resolved: dict[PurePosixPath, Path] = {}
    for target, source in mounts.items():
        # As far as it exists, the way there may lead over links.
        for parent in target.parents:
            real = inner.resolve(str(parent))
            if real is not None:
                resolved[PurePosixPath(real) / target.relative_to(parent)] = source
                break
    steps: list[tuple[str, str, str]] = []

    def lay(folder: Path, place: PurePosixPath) -> None:
        with os.scandir(folder) as entries:
            found = sorted(entries, key=lambda entry: entry.name)[:_MAX_ENTRIES]
        for entry in found:
            at = place / entry.name
            if str(place) == "/" and entry.name in _KERNEL:
                continue
            if at in resolved:
                continue
            if entry.is_symlink():
                steps.append(("link", os.readlink(entry.path), str(at)))  # noqa: PTH115 - of an entry
            elif entry.is_dir() and any(at in target.parents for target in resolved):
                steps.append(("folder", "", str(at)))
                lay(Path(entry.path), at)
            elif entry.is_dir() or entry.is_file():
                steps.append(("bind", entry.path, str(at)))

    lay(root, PurePosixPath("/"))
    for target, source in sorted(resolved.items(), key=lambda pair: len(pair[0].parts)):
        steps.append(("bind", str(source), str(target)))
    return steps


def _own_threads() -> int:
    count = 0
    for entry in os.scandir("/proc"):
        if entry.name.isdecimal():
            with contextlib.suppress(OSError):
                if entry.stat().st_uid == os.getuid():
                    count += sum(1 for _ in os.scandir(f"/proc/{entry.name}/task"))
    return count


def _not_laid_out(means: str, status: int | None, said: str) -> bool:
    if means == "bubblewrap":
        # The command's own failures to start look like this, too, but name execvp.
        return status == 1 and said.startswith("bwrap: ") and "execvp" not in said
    return status == _NOT_LAID_OUT_STATUS and said.rstrip().endswith(_NOT_LAID_OUT)


def _bubblewrap(plan: Sequence[tuple[str, str, str]], tmp_bytes: int) -> tuple[str, ...]:
    argv = ["bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL"]
    for what, source, place in plan:
        match what:
            case "bind":
                argv += ["--ro-bind", source, place]
            case "link":
                argv += ["--symlink", source, place]
            case _:
                argv += ["--dir", place]
    argv += ["--proc", "/proc", "--dev", "/dev"]
    argv += ["--size", str(tmp_bytes), "--perms", "1777", "--tmpfs", "/tmp"]  # noqa: S108
    argv += ["--remount-ro", "/", "--unshare-user", "--uid", str(_UNPRIVILEGED), "--gid", str(_UNPRIVILEGED)]
    return (*argv, "--chdir", "/", "--")


def _namespaces() -> tuple[str, ...]:
    return (
        *("setpriv", "--pdeathsig", "KILL", "--"),
        *("unshare", "--mount", "--pid", "--net", "--ipc", "--uts", "--fork", "--kill-child", "--"),
    )


def _script(plan: Sequence[tuple[str, str, str]], new: Path, tmp_bytes: int, limited: Sequence[str]) -> str:
    """Return the shell script that lays out the root in a mount namespace, then runs its arguments in it."""
    quote = shlex.quote
    lines = [
        # As long as anything here fails, it is not the command that did.
        f"set -e; trap 'echo {_NOT_LAID_OUT} >&2; exit {_NOT_LAID_OUT_STATUS}' EXIT",
        f"mount -t tmpfs -o mode=755,size=16m pyassay {quote(str(new))}",
        f"cd {quote(str(new))}",
    ]

    def bind(source: str, place: str) -> None:
        target = quote(f".{place}")
        if Path(source).is_dir():
            lines.append(f"mkdir -p {target}")
        else:
            lines.append(f"mkdir -p {quote(f'.{PurePosixPath(place).parent}')}; : > {target}")
        lines.append(f"mount --bind -- {quote(source)} {target}")
        lines.append(f"mount -o remount,bind,ro,nosuid,nodev -- {target}")

    for what, source, place in plan:
        match what:
            case "bind":
                bind(source, place)
            case "link":
                lines.append(f"ln -s -- {quote(source)} {quote(f'.{place}')}")
            case _:
                lines.append(f"mkdir -p {quote(f'.{place}')}")
    lines += [
        "mkdir -p proc dev/shm tmp run sys",
        "mount -t proc -o nosuid,nodev,noexec pyassay proc",
        f"mount -t tmpfs -o mode=1777,nosuid,nodev,size={tmp_bytes} pyassay tmp",
        "mount -t tmpfs -o mode=1777,nosuid,nodev,noexec,size=64m pyassay dev/shm",
        *(f": > dev/{name}; mount --bind /dev/{name} dev/{name}" for name in _DEVICES),
        "ln -s /proc/self/fd dev/fd; ln -s fd/0 dev/stdin; ln -s fd/1 dev/stdout; ln -s fd/2 dev/stderr",
        "mount -o remount,ro pyassay .",
        "unset OLDPWD",
    ]
    # The rights that chroot needs are the last; with the user they go, and cannot come back.
    drop = (
        "setpriv",
        "--no-new-privs",
        "--bounding-set",
        "-all,+sys_chroot,+setuid,+setgid",
        "--inh-caps",
        "-all",
    )
    user = f"{_UNPRIVILEGED}:{_UNPRIVILEGED}"
    enter = ("chroot", f"--userspec={user}", "--groups=", ".")
    # The shell stays: it is the first process of the namespace, and whoever kills it kills all. The command's
    # change of user would make it forget whose death it was to die with.
    lines.append(f'trap - EXIT; set +e; {shlex.join((*drop, *limited, *enter))} "$@"; exit $?')
    return "\n".join(lines)


@functools.cache
def _means() -> tuple[str, str]:
    """Return how a command can be given another root here ("unshare", "bubblewrap" or ""), and why not."""
    reasons = []
    if os.geteuid() == 0:
        absent = [tool for tool in _TOOLS if shutil.which(tool) is None]
        if absent:
            reasons.append(f"{', '.join(absent)} not installed")
        elif trouble := _fails((*_namespaces(), "mount", "-t", "tmpfs", "pyassay", tempfile.gettempdir())):
            reasons.append(f"mounts are not allowed ({trouble})")
        else:
            return "unshare", ""
    if shutil.which("bwrap") is None:
        how = "no bubblewrap (apt install bubblewrap)" if os.geteuid() else "no bubblewrap either"
        reasons.append(how)
    elif trouble := _fails(
        ("bwrap", "--unshare-all", "--ro-bind", "/", "/", "--proc", "/proc", "--", "true")
    ):
        reasons.append(f"bubblewrap may not ({trouble})")
    else:
        return "bubblewrap", ""
    return "", f"{'; '.join(reasons)}; an engine could import it"


def _fails(argv: Sequence[str]) -> str:
    try:
        done = host.run(argv, timeout_s=20, max_output_bytes=1 << 16)
    except host.StartError as error:
        return str(error)
    if done.ok:
        return ""
    return one_line(done.stderr.decode("utf-8", "replace"))[:200] or f"exit status {done.returncode}"
