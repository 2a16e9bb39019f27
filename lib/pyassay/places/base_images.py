"""Base images without a registry: a distribution installed from the host's own mirror, then imported.

The mirror is the one that apt is configured with, and it is recorded nowhere: not in the image, not in what
is returned.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import re
import selectors
import shlex
import shutil
import signal
import subprocess
import tarfile
import tempfile
import time
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit, urlunsplit

from pyassay.places.apt_sources import AptSource, acquire_options, sources
from pyassay.places.container import Engine
from pyassay.places.container_errors import one_line
from pyassay.places.host import clean_environment
from pyassay.places.interruption import unwound_by_signals

__all__ = ["BaseImage", "BaseImageError", "build", "image_name"]

_NAME = re.compile(
    r"(?P<base>(?P<distribution>[a-z][a-z0-9]{0,30}):(?P<suite>[a-z0-9][a-z0-9.-]{0,60}))"
    r"(?:\+(?P<packages>[a-z0-9][a-z0-9.+-]*(?:,[a-z0-9][a-z0-9.+-]*)*))?"
)
_LABEL = "pyassay.base"
_TAG_LENGTH = 128
_FOLDER = "pyassay-image-"
_RELEASE_BYTES = 16 << 10
_STATUS_BYTES = 64 << 20
_FETCH_S = 30.0
_BUILD_S = 1800.0
_KEPT_LINES = 60
_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy")
_UNTRUSTED = re.compile(
    r"NO_PUBKEY|NOSPLIT|is not signed|EXPKEYSIG|REVKEYSIG|unknown key|Invalid signature|Missing key"
    r"|couldn't be verified|Release signed by|not trusted|no valid OpenPGP|signature verification"
    r"|verification failed",
    re.IGNORECASE,
)
_UNREACHABLE = re.compile(
    r"Could not resolve|Could not connect|Connection (?:failed|refused|timed out)|Unable to connect"
    r"|Temporary failure|Couldn't download|Failed to fetch|Network is unreachable",
    re.IGNORECASE,
)
_EXPIRED = re.compile(r"Release file for .* is (?:expired|not valid)", re.IGNORECASE)
_FORBIDDEN = re.compile(
    r"unshare.*(?:not permitted|failed)|Cannot install into target|noexec or nodev|cannot mount"
    r"|mknod.*not permitted",
    re.IGNORECASE,
)

Progress = Callable[[int, int, str], None]
"""Called as ``progress(done, total, label)`` with numbers of images."""


class BaseImageError(Exception):
    """An image could not be built: one line that says why, and what would help."""


@dataclass(frozen=True, slots=True)
class BaseImage:
    """A base image in the engine.

    Attributes
    ----------
    name : str
        ``debian:bookworm``.
    id : str
        ``sha256:...`` of the image.
    suite : str
    packages : dict of str to str
        Names and versions of the packages installed.
    built_at : datetime
        UTC.
    duration_s : float
        Of the building, in seconds; 0 for an image that was there.
    tool : str
        ``mmdebstrap`` or ``debootstrap``; empty for an image that was there.
    """

    name: str
    id: str
    suite: str
    packages: dict[str, str]
    built_at: datetime
    duration_s: float
    tool: str

    @property
    def is_new(self) -> bool:
        """Whether it was built just now."""
        return bool(self.tool)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is to be built: the image's name, and of what."""

    name: str
    distribution: str
    suite: str
    packages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Mirror:
    source: AptSource
    date: datetime | None
    codename: str


def build(
    names: Sequence[str],
    engine: Engine,
    *,
    rebuild: bool = False,
    keyring: Path | None = None,
    timeout_s: float = _BUILD_S,
    progress: Progress | None = None,
    apt_folder: Path = Path("/etc/apt"),
) -> Iterator[BaseImage]:
    """Build base images one by one and give each when it is there; one that is there already is left alone.

    Parameters
    ----------
    names : sequence of str
        ``debian:bookworm``: a distribution and its suite, as the mirror calls it. With packages, several
        after commas, ``debian:bookworm+python3`` becomes the image ``debian:bookworm-python3``.
    engine : Engine
    rebuild : bool
        Build it even if the engine has an image of that name, which then loses it.
    keyring : Path, optional
        What the mirror has to be signed by, instead of what apt's configuration says.
    timeout_s : float
        Limit for each, in seconds.
    progress : callable, optional
    apt_folder : Path
        Where apt's sources are.

    Yields
    ------
    BaseImage

    Raises
    ------
    BaseImageError
        If one cannot be built: no such suite, mirror not reached, not signed by a trusted key, no rights ...
    EngineError
        If the engine fails.
    """
    tell = progress or (lambda done, total, label: None)
    for number, name in enumerate(names):
        match = _NAME.fullmatch(name)
        if match is None:
            raise BaseImageError(
                one_line(
                    f"{name}: not a name that can be built: a distribution and a suite are, debian:bookworm"
                )
            )
        packages = tuple(filter(None, (match["packages"] or "").split(",")))
        name = image_name(name)  # noqa: PLW2901
        if not rebuild and engine.has_image(name):
            tell(number + 1, len(names), f"{name}: is there")
            yield _present(engine, name, match["suite"])
            continue

        def step(label: str, number: int = number, name: str = name) -> None:
            tell(number, len(names), f"{name}: {label}")

        wanted = _Wanted(name, match["distribution"], match["suite"], packages)
        yield _build(engine, wanted, keyring, timeout_s, step, apt_folder)
        tell(number + 1, len(names), f"{name}: done")


def image_name(recipe: str) -> str:
    """Return what the image is called that is built from a name with packages.

    ``debian:bookworm+python3`` becomes ``debian:bookworm-python3``. A tag cannot hold the signs of ``g++``
    or a comma, nor more than 128 of any: a long list ends in a digest of itself.
    """
    name = re.sub(r"[^A-Za-z0-9_.:-]", "-", recipe)
    repository, _, tag = name.partition(":")
    if len(tag) <= _TAG_LENGTH:
        return name
    digest = hashlib.sha256(recipe.encode()).hexdigest()[:12]
    return f"{repository}:{tag[: _TAG_LENGTH - len(digest) - 1]}-{digest}"


def _present(engine: Engine, name: str, suite: str) -> BaseImage:
    found = next(image for image in engine.images() if name in image.tags)
    with engine.export(name) as stream:
        packages = _packages(stream)
    return BaseImage(name, found.id, suite, packages, found.created, 0.0, "")


def _build(
    engine: Engine,
    wanted: _Wanted,
    keyring: Path | None,
    timeout_s: float,
    step: Callable[[str], None],
    apt_folder: Path,
) -> BaseImage:
    started = time.monotonic()
    name, distribution, suite = wanted.name, wanted.distribution, wanted.suite
    tool = _tool(name)
    if keyring is not None and not keyring.is_file():
        raise BaseImageError(one_line(f"{name}: {keyring}: no such keyring"))
    options = acquire_options()
    environment = _environment(options)
    step("asking the mirror")
    mirror = _mirror(name, distribution, suite, sources(apt_folder), environment)
    _sweep()
    with unwound_by_signals(), tempfile.TemporaryDirectory(prefix=f"{_FOLDER}{os.getpid()}-") as made:
        folder = Path(made)
        # apt fetches as a user of its own.
        folder.chmod(0o755)
        environment |= {"TMPDIR": made}
        if mirror.date is not None:
            environment["SOURCE_DATE_EPOCH"] = str(int(mirror.date.timestamp()))
        archive = folder / "root.tar"
        rings = (keyring,) if keyring else _keyrings(mirror.source, distribution)
        make = _mmdebstrap if tool == "mmdebstrap" else _debootstrap
        argv = make(mirror.source, wanted, archive, rings, options)
        said = _watch(name, argv, environment, timeout_s, step)
        if said is not None or not archive.is_file():
            raise BaseImageError(_why(name, distribution, tool, said or [], mirror.source))
        with archive.open("rb") as stream:
            packages = _packages(stream)
        if not packages:
            raise BaseImageError(f"{name}: {tool} made no system: it has no packages")
        built_at = datetime.now(UTC).replace(microsecond=0)
        step("importing")
        labels = {
            _LABEL: name,
            "pyassay.suite": mirror.codename or suite,
            "pyassay.variant": "minbase",
            "pyassay.tool": tool,
            "pyassay.built": built_at.isoformat(),
            "pyassay.packages": " ".join(f"{key}={value}" for key, value in packages.items()),
        }
        with archive.open("rb") as stream:
            identifier = engine.import_tar(stream, name, labels)
    duration = time.monotonic() - started
    return BaseImage(name, identifier, suite, packages, built_at, duration, tool)


def _sweep() -> None:
    """Remove the folders, each as large as an image, that killed runs of ours have left."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_FOLDER}*-*"):
        pid = folder.name.removeprefix(_FOLDER).partition("-")[0]
        with contextlib.suppress(OSError):
            own = folder.lstat().st_uid == os.geteuid() and not folder.is_symlink()
            if own and pid.isdecimal() and not Path(f"/proc/{pid}").exists():
                shutil.rmtree(folder, ignore_errors=True)


# The mirror ------------------------------------------------------------------------------------------------


def _mirror(
    name: str, distribution: str, suite: str, found: Sequence[AptSource], environment: dict[str, str]
) -> _Mirror:
    """Find the source whose mirror has a suite of a distribution, whatever the host itself runs."""
    candidates: dict[str, AptSource] = {}
    for source in found:
        if "main" in source.components:
            candidates.setdefault(source.uri, source)
    if not candidates:
        raise BaseImageError(f"{name}: apt's configuration names no mirror (http, https or file)")
    opener = _opener(environment)
    trouble, others = "", set()
    for uri, source in candidates.items():
        try:
            fields = _release(opener, f"{uri}/dists/{suite}/")
        except (OSError, ValueError, http.client.HTTPException) as error:
            trouble = (
                trouble
                or f"{_harmless(uri)}: {getattr(error, 'reason', None) or error or type(error).__name__}"
            )
            continue
        if fields.get("origin", "").lower() == distribution:
            return _Mirror(source, _date(fields.get("date", "")), fields.get("codename", ""))
        others.add(fields.get("origin", ""))
    if trouble:
        raise BaseImageError(one_line(f"{name}: the mirror cannot be reached: {trouble}"))
    if distribution not in {_origin(opener, source) for source in candidates.values()}:
        raise BaseImageError(
            f"{name}: no mirror in apt's configuration has {distribution}: add a source of it, or pull the "
            "image where there is a registry"
        )
    raise BaseImageError(
        f"{name}: no mirror in apt's configuration has this suite of {distribution}; suites have names "
        "(bookworm), and old ones lie on the distribution's archive, which would have to be added as a source"
    )


def _origin(opener: urllib.request.OpenerDirector, source: AptSource) -> str:
    """Return whose packages a source has, as its own suite says."""
    try:
        return _release(opener, f"{source.uri}/dists/{source.suite}/").get("origin", "").lower()
    except (OSError, ValueError, http.client.HTTPException):
        return ""


def _release(opener: urllib.request.OpenerDirector, folder: str) -> dict[str, str]:
    """Return the fields at the head of a suite's Release file; none if the mirror has no such suite.

    Only its name is taken from it. What is installed is checked against the signature, by apt or gpgv.
    """
    for file in ("InRelease", "Release"):
        try:
            with opener.open(folder + file, timeout=_FETCH_S) as answer:
                text = answer.read(_RELEASE_BYTES).decode("utf-8", "replace")
        except urllib.error.HTTPError as error:
            if error.code in {403, 404, 410}:
                continue
            raise
        except urllib.error.URLError as error:
            if isinstance(error.reason, FileNotFoundError) or "No such file" in str(error.reason):
                continue
            raise
        pairs = (line.partition(":") for line in text.splitlines() if line[:1].isalpha())
        return {key.lower(): value.strip() for key, colon, value in pairs if colon}
    return {}


def _opener(environment: dict[str, str]) -> urllib.request.OpenerDirector:
    proxies = {scheme: value for scheme in ("http", "https") if (value := environment.get(f"{scheme}_proxy"))}
    opener = urllib.request.build_opener(urllib.request.ProxyHandler(proxies))
    # Some proxies let through only what looks like apt.
    opener.addheaders = [("User-Agent", "Debian APT-HTTP/1.3 (pyassay)")]
    return opener


def _environment(options: Sequence[str]) -> dict[str, str]:
    """Return the environment of the tools: made from nothing, but for the proxies of apt or of the user."""
    environment = clean_environment(
        {"PATH": _SYSTEM_PATH, "HOME": "/root", "DEBIAN_FRONTEND": "noninteractive"}
    )
    for variable in _PROXIES:
        value = os.environ.get(variable) or os.environ.get(variable.upper())
        if value:
            environment[variable] = value
    for line in options:
        match = re.fullmatch(r'Acquire::(https?)::Proxy "(.+)";', line, re.IGNORECASE)
        if match and match[2].upper() != "DIRECT":
            environment[f"{match[1].lower()}_proxy"] = match[2]
    return environment


def _keyrings(source: AptSource, distribution: str) -> tuple[Path, ...]:
    usual = Path(f"/usr/share/keyrings/{distribution}-archive-keyring.gpg")
    found = [ring for ring in (*source.signed_by, usual) if ring.is_file()]
    return tuple(dict.fromkeys(found))


def _date(text: str) -> datetime | None:
    try:
        parsed = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError):
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def _harmless(uri: str) -> str:
    """Leave out a user's name and password."""
    parts = urlsplit(uri)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


# The tools -------------------------------------------------------------------------------------------------


def _tool(name: str) -> str:
    if shutil.which("mmdebstrap", path=_SYSTEM_PATH):
        return "mmdebstrap"
    if shutil.which("debootstrap", path=_SYSTEM_PATH) is None:
        raise BaseImageError(
            f"{name}: neither mmdebstrap nor debootstrap is installed (on Debian: apt install mmdebstrap)"
        )
    if os.geteuid() != 0:
        raise BaseImageError(f"{name}: debootstrap needs root; mmdebstrap does not (apt install mmdebstrap)")
    return "debootstrap"


def _mmdebstrap(
    source: AptSource, wanted: _Wanted, archive: Path, rings: Sequence[Path], options: Sequence[str]
) -> list[str]:
    root = os.geteuid() == 0
    return [
        *(_namespaces() if root else ()),
        "mmdebstrap",
        f"--mode={'root' if root else 'unshare'}",
        "--variant=minbase",
        "--format=tar",
        *(f"--keyring={ring}" for ring in rings),
        *(f"--aptopt={option}" for option in options),
        *([f"--include={','.join(wanted.packages)}"] if wanted.packages else []),
        # Nothing of this host stays in the image.
        '--customize-hook=rm -f "$1"/etc/apt/apt.conf.d/99mmdebstrap "$1"/etc/apt/sources.list.d/*',
        '--customize-hook=: > "$1"/etc/apt/sources.list',
        '--customize-hook=: > "$1"/etc/resolv.conf; echo localhost > "$1"/etc/hostname',
        wanted.suite,
        str(archive),
        f"deb {'[trusted=yes] ' if source.trusted else ''}{source.uri} {wanted.suite} main",
    ]


def _debootstrap(
    source: AptSource, wanted: _Wanted, archive: Path, rings: Sequence[Path], options: Sequence[str]
) -> list[str]:
    tree = archive.with_name("root")
    keys = [f"--keyring={rings[0]}"] if rings else []
    if source.trusted:
        keys = ["--no-check-gpg"]
    more = [f"--include={','.join(wanted.packages)}"] if wanted.packages else []
    make = shlex.join(["debootstrap", "--variant=minbase", *keys, *more, wanted.suite, str(tree), source.uri])
    inside = shlex.quote(str(tree))
    # Nothing of this host stays in the image.
    clean = (
        f"cd {inside} && rm -rf var/cache/apt/archives/*.deb var/cache/apt/*.bin var/lib/apt/lists/* "
        "var/log/bootstrap.log && : > etc/apt/sources.list && : > etc/resolv.conf "
        "&& echo localhost > etc/hostname"
    )
    pack = f"tar --numeric-owner --one-file-system --sort=name -cf {shlex.quote(str(archive))} ."
    return [*_namespaces(), "sh", "-c", f"{make} && {clean} && {pack}"]


def _namespaces() -> tuple[str, ...]:
    """Keep every process and every mount of a tool where both end with it, even when it is killed."""
    # The first word is for when we are killed: the signal reaches unshare, which takes its child along.
    return (
        *("setpriv", "--pdeathsig", "KILL", "--"),
        *("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--"),
    )


def _watch(
    name: str, argv: Sequence[str], environment: dict[str, str], timeout_s: float, step: Callable[[str], None]
) -> list[str] | None:
    """Run a tool and follow what it says; return its last lines if it fails, None if it does not."""
    try:
        process = subprocess.Popen(
            argv,
            env=environment,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        raise BaseImageError(one_line(f"{name}: {argv[0]}: {error.strerror or error}")) from error
    until = time.monotonic() + timeout_s
    kept: deque[str] = deque(maxlen=_KEPT_LINES)
    try:
        for line in _lines(process, until):
            kept.append(line)
            # Not those that name temporary folders.
            if line.startswith("I: ") and "/" not in line:
                step(one_line(line[3:])[:100])
        if time.monotonic() >= until:
            raise BaseImageError(f"{name}: not built within {timeout_s:.0f} s")
        status = process.wait(max(until - time.monotonic(), 1))
    except subprocess.TimeoutExpired as error:
        raise BaseImageError(f"{name}: not built within {timeout_s:.0f} s") from error
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
    return None if status == 0 else list(kept)


def _lines(process: subprocess.Popen[bytes], until: float) -> Iterator[str]:
    """Give each line as it comes, until the end or the time is up; no line is longer than a few KiB."""
    stream = process.stdout
    if stream is None:
        return
    rest = b""
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        while (left := until - time.monotonic()) > 0:
            if not selector.select(left):
                continue
            data = os.read(stream.fileno(), 1 << 16)
            if not data:
                break
            *lines, rest = (rest + data).split(b"\n")
            rest = rest[-4096:]
            yield from (line[:4096].decode("utf-8", "replace") for line in lines)
    if rest:
        yield rest.decode("utf-8", "replace")


def _why(name: str, distribution: str, tool: str, said: Sequence[str], source: AptSource) -> str:
    """Say in one line why a tool failed."""
    text = "\n".join(said)
    marked = [line for line in said if re.match(r"(?:E|W|ERROR|Err)\b", line)] or list(said)
    # The mirror's address may hold a password.
    last = one_line(
        (marked[-1] if marked else "it ended without a word").replace(source.uri, _harmless(source.uri))
    )
    if _UNTRUSTED.search(text):
        return (
            f"{name}: the mirror's signature is by no key that is trusted here: install or update the "
            f"package {distribution}-archive-keyring, or name a keyring (keys of suites out of support lie "
            "apart, Debian's in debian-archive-removed-keys.gpg)"
        )
    if _EXPIRED.search(text):
        return (
            f"{name}: the mirror's Release file has expired: apt's Acquire::Check-Valid-Until would allow it"
        )
    if _UNREACHABLE.search(text):
        return f"{name}: the mirror cannot be reached any more: {last}"
    if _FORBIDDEN.search(text):
        return f"{name}: {tool} may not make mounts or devices here (a container without the right?): {last}"
    return f"{name}: {tool} failed: {last}"


# What is in it ---------------------------------------------------------------------------------------------


def _packages(stream: BinaryIO) -> dict[str, str]:
    """Read names and versions of installed packages from a tar of a root file system."""
    try:
        with tarfile.open(fileobj=stream, mode="r|") as archive:
            for member in archive:
                if member.name.lstrip("./") == "var/lib/dpkg/status" and member.isfile():
                    content = archive.extractfile(member)
                    return _installed(content.read(_STATUS_BYTES)) if content is not None else {}
    except tarfile.TarError:
        return {}
    return {}


def _installed(status: bytes) -> dict[str, str]:
    found: dict[str, str] = {}
    for stanza in status.decode("utf-8", "replace").split("\n\n"):
        pairs = (line.partition(":") for line in stanza.splitlines() if line[:1].isalpha())
        fields = {key: value.strip() for key, colon, value in pairs if colon}
        if fields.get("Status", "").endswith(" installed") and "Package" in fields:
            found[fields["Package"]] = fields.get("Version", "")
    return dict(sorted(found.items()))
