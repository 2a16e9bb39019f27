"""Python downloads behind a firewall: errors and the time until them, mirrors, tampered archives, upgrades.

What uv installs is real: a copy of the chosen Python, packed as the releases are, offered by a mirror of our
own. Its newer patch is the same Python whose ``sitecustomize`` says another version. Everything that is not
on loopback goes through a proxy that does not exist: nothing outside is ever asked.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from pyassay.places.host import StartError, run
from pyassay.probes.installers.bench import Bench, BenchError, Row
from pyassay.probes.installers.isolation import Home, Run
from pyassay.probes.installers.ports import closed_port, silent_port
from pyassay.probes.installers.python_copy import copy_python
from pyassay.probes.installers.python_releases import Mirror, Releases, serve_releases
from pyassay.probes.installers.tools import Installer

__all__ = ["GROUP", "SHARE", "observe"]

GROUP = "pythons"
SHARE = 0.8

_TIMEOUT_S, _PATIENCE_S = 120.0, 180.0
_SOON_S = 20.0
_ONCE = {"UV_HTTP_RETRIES": "0"}
_CUT_OFF = ("unshare", "-rn")
_AT_ONCE = 4
_VERSION = "import sys; print('.'.join(map(str, sys.version_info[:3]))); print(sys.base_prefix)"


def observe(bench: Bench) -> Iterator[Row]:
    """Try every claim with every uv."""
    uvs = bench.family("uv")
    if not uvs:
        return
    python = copy_python(bench.interpreter, bench.folder("python"))
    releases = Releases.pack(python, bench.interpreter, bench.folder("releases"))
    with (
        closed_port() as nowhere,
        silent_port() as silent,
        serve_releases(releases) as mirror,
        ThreadPoolExecutor(_AT_ONCE) as pool,
    ):
        bench.shown.replaced.update({nowhere: "http://nowhere", silent: "http://silent"})
        bench.shown.replaced[mirror.origin] = "http://mirror"
        desks = [_Desk(bench, installer, releases, mirror, nowhere, silent) for installer in uvs]
        works: list[tuple[str, _Desk, Future[Row]]] = []
        # Those that wait for nothing but time are begun first, and asked for last.
        for claim, probe in _WAITING.items():
            works += [(claim, desk, pool.submit(probe, desk)) for desk in desks if bench.is_asked(claim)]
        # One after the other: the log of the mirror tells what each of them asked.
        for claim, probe in _PROBES.items():
            for desk in desks:
                if bench.is_asked(claim):
                    yield _answered(bench, desk, claim, partial(probe, desk))
        for claim, desk, future in works:
            yield _answered(bench, desk, claim, future.result)


def _answered(bench: Bench, desk: _Desk, claim: str, work: Callable[[], Row]) -> Row:
    try:
        return work()
    except BenchError as error:
        return bench.not_measured(desk.installer, claim, str(error))


class _Desk:
    """Where one uv is put to the test."""

    def __init__(
        self,
        bench: Bench,
        installer: Installer,
        releases: Releases,
        mirror: Mirror,
        nowhere: str,
        silent: str,
    ) -> None:
        self.bench, self.installer, self.releases, self.mirror = bench, installer, releases, mirror
        self.nowhere, self.silent = nowhere, silent

    def home(self) -> Home:
        """Return a new user."""
        return self.bench.home()

    def run(
        self,
        home: Home,
        *words: str | Path,
        extra: Mapping[str, str] | None = None,
        timeout_s: float = _TIMEOUT_S,
        proxy: str | None = None,
        prefix: tuple[str, ...] = (),
    ) -> Run:
        """Run uv so that it reaches loopback only, and may download."""
        proxy = self.nowhere if proxy is None else proxy
        # Not in the command that is shown: they are for us, not for who repeats it.
        ours = {
            "UV_PYTHON_DOWNLOADS": "automatic",
            "UV_PYTHON_INSTALL_DIR": str(self.pythons(home)),
            "UV_PYTHON_BIN_DIR": str(home.folder / "bin"),
            **dict.fromkeys(("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"), proxy),
            "NO_PROXY": "127.0.0.1",
        }
        settings = [f"{name}={value}" for name, value in ours.items() if name not in (extra or {})]
        argv = [*prefix, "/usr/bin/env", *settings]
        shown_words = [str(self.installer.path), *map(str, words)]
        done = self.bench.run([*argv, *shown_words], home, extra=extra, timeout_s=timeout_s)
        command = done.command
        for word in argv:
            command = command.replace(f"{self.bench.shown(word)} ", "", 1)
        return Run(command, done.exit_code, done.duration_s, done.output, done.timed_out)

    @staticmethod
    def pythons(home: Home) -> Path:
        """Return where uv puts its Pythons."""
        return home.folder / "pythons"

    def install(self, home: Home, *words: str, extra: Mapping[str, str] | None = None, **options: Any) -> Run:
        """Run ``uv python install``."""
        return self.run(home, "python", "install", "--no-bin", *words, extra=extra, **options)

    def listed(self, name: str, **extra: str) -> dict[str, str]:
        """Return the variables that name a list of downloads and the mirror for them."""
        return {
            "UV_PYTHON_INSTALL_MIRROR": self.mirror.origin,
            "UV_PYTHON_DOWNLOADS_JSON_URL": str(self.releases.lists[name]),
            **extra,
        }

    def prepared(self) -> Home:
        """Return a user for whom uv has installed the Python at its older patch."""
        home = self.home()
        done = self.install(home, self.releases.series, extra=self.listed("older"))
        if not done.ok:
            raise BenchError(f"{self.installer.label}: uv python install: {done.telling}")
        return home

    def answer(self, claim: str, what: str, seen: str, run: Run, **details: Any) -> Row:
        """Return a row."""
        details = {**details, "said": run.output[-1500:], "duration_s": round(run.duration_s, 1)}
        return self.bench.answer(self.installer, claim, what, run=run, seen=seen, details=details)

    def given_up(self, claim: str, run: Run, home: Home) -> Row:
        """Return the row of a download that should not be possible."""
        installed = any(self.pythons(home).glob("*/bin/python*"))
        how = "soon" if not run.timed_out and run.duration_s < _SOON_S else "late"
        seen = f"nothing after {run.duration_s:.0f} s, and ended by us" if run.timed_out else _after(run)
        return self.answer(claim, "installs" if installed else how, seen, run)


def _why(run: Run) -> str:
    """Return an error's first and last line: uv's chain of causes ends with the one that explains."""
    lines = [" ".join(line.split()) for line in run.output.splitlines() if line.strip()]
    chain = [line for line in lines if line.lower().startswith(("error", "cause", "caused by"))]
    if not chain:
        return run.telling
    return " ... ".join(dict.fromkeys((chain[0], chain[-1])))[:400]


def _after(run: Run) -> str:
    return f"after {run.duration_s:.1f} s: {_why(run)}"


def _no_route(desk: _Desk) -> Row:
    home = desk.home()
    if not _can_cut_off():
        raise BenchError("this user may not make a network of its own (unshare -rn)")
    run = desk.install(home, desk.releases.series, prefix=_CUT_OFF, proxy="")
    return desk.given_up("python_no_network", run, home)


def _refused(desk: _Desk) -> Row:
    home = desk.home()
    return desk.given_up("python_refused", desk.install(home, desk.releases.series), home)


def _dropped(desk: _Desk) -> Row:
    home = desk.home()
    # Two minutes of waiting are for those who want to know it exactly.
    patience_s = _PATIENCE_S if desk.bench.settings.is_full else _SOON_S
    run = desk.install(home, desk.releases.series, proxy=desk.silent, timeout_s=patience_s)
    return desk.given_up("python_silence", run, home)


def _venv_downloads(desk: _Desk) -> Row:
    """Ask for an environment of a Python that is not there."""
    home = desk.home()
    run = desk.run(home, "venv", "--python", desk.releases.series, "--managed-python", home.folder / "env")
    tried = bool(run.says(r"download|error sending request"))
    return desk.answer("venv_downloads", "tries" if tried else "refuses", _after(run), run)


def _never(desk: _Desk) -> Row:
    home = desk.home()
    extra = {"UV_PYTHON_DOWNLOADS": "never"}
    run = desk.run(
        home,
        *("venv", "--managed-python", "--python", desk.releases.series),
        home.folder / "env",
        extra=extra,
    )
    tried = bool(run.says(r"error sending request|failed to download"))
    return desk.answer("downloads_forbidden", "tries" if tried else "refuses", _why(run), run)


def _mirror_and_list(desk: _Desk) -> Row:
    """Install from the mirror with the list that lies there, start it, and make an environment of it."""
    home = desk.home()
    extra = {**desk.listed("both"), "UV_PYTHON_DOWNLOADS_JSON_URL": f"{desk.mirror.origin}/list.json"}
    run = desk.install(home, desk.releases.series, extra=extra)
    versions = sorted(path.name for path in desk.pythons(home).glob("cpython-*.*.*"))
    made = desk.run(home, "venv", "--managed-python", "-p", desk.releases.series, home.folder / "env")
    works = _version(home.folder / "env")[0] if made.ok else ""
    right = run.ok and works == desk.releases.newer
    seen = f"{', '.join(versions) or 'nothing'} in {run.duration_s:.1f} s" if run.ok else _why(run)
    return desk.answer(
        "python_mirror_list",
        "installs" if right else "fails",
        f"{seen}; an environment of it is {works or made.telling}" if run.ok else seen,
        run,
        asked=desk.mirror.taken(),
    )


def _mirror_only(desk: _Desk) -> Row:
    """Point the mirror variable to archives of our own, with uv's own list and its digests."""
    home = desk.home()
    desk.mirror.taken()
    extra = {"UV_PYTHON_INSTALL_MIRROR": f"{desk.mirror.origin}/anything"}
    run = desk.install(home, desk.releases.series, extra=extra)
    asked = desk.mirror.taken()
    what = "installed" if run.ok else ("refused" if asked else "not_asked")
    return desk.answer("python_own_builds", what, _why(run), run, asked=asked)


def _tampered(desk: _Desk) -> Row:
    home = desk.home()
    run = desk.install(home, desk.releases.series, extra=desk.listed("tampered"))
    return desk.answer("python_tampered", "installed" if run.ok else "refused", _why(run), run)


def _pypy(desk: _Desk) -> Row:
    """Ask for PyPy with each of the two variables, and look which of them leads to the mirror."""
    reached = {}
    runs = {}
    for name in ("UV_PYTHON_INSTALL_MIRROR", "UV_PYPY_INSTALL_MIRROR"):
        desk.mirror.taken()
        extra = {name: f"{desk.mirror.origin}/missing", **_ONCE}
        runs[name] = desk.install(desk.home(), "pypy3.10", extra=extra)
        reached[name] = bool(desk.mirror.taken())
    python, pypy = reached.values()
    what = {(False, True): "own", (True, False): "shared", (True, True): "both"}.get((python, pypy), "none")
    seen = f"asked the mirror with {', '.join(name for name, one in reached.items() if one) or 'neither'}"
    return desk.answer("pypy_variable", what, seen, runs["UV_PYPY_INSTALL_MIRROR"], reached=reached)


def _one_mirror(desk: _Desk) -> Row:
    desk.mirror.taken()
    extra = {"UV_ASTRAL_MIRROR_URL": f"{desk.mirror.origin}/missing", **_ONCE}
    run = desk.install(desk.home(), desk.releases.series, extra=extra)
    asked = desk.mirror.taken()
    return desk.answer("astral_mirror", "asked" if asked else "ignored", _why(run), run, asked=asked)


def _managed(desk: _Desk) -> Row:
    home = desk.prepared()
    program = next(desk.pythons(home).glob("cpython-*.*.*/bin/python3"))
    run = desk.run(home, "pip", "install", "--no-index", "--python", program, "newcomer")
    marked = any(desk.pythons(home).glob("cpython-*.*.*/lib/python*/EXTERNALLY-MANAGED"))
    refused = "externally managed" in run.output
    what = "refused" if marked and refused else "open"
    return desk.answer("managed_is_closed", what, run.telling, run, marked=marked)


def _upgraded(desk: _Desk, claim: str, wanted: str) -> Row:
    """Make an environment, upgrade the Python, and ask the environment which one it is of."""
    home = desk.prepared()
    folder = home.folder / "env"
    made = desk.run(home, "venv", "--managed-python", "-p", wanted, folder)
    before = _version(folder)[0]
    if not made.ok or before != desk.releases.older:
        raise BenchError(f"{desk.installer.label}: uv venv -p {wanted}: {made.telling}")
    run = desk.run(home, "python", "upgrade", desk.releases.series, extra=desk.listed("both"))
    there = any(desk.pythons(home).glob(f"cpython-{desk.releases.newer}-*/bin/python3"))
    if not run.ok or not there:
        raise BenchError(f"{desk.installer.label}: uv python upgrade: {_why(run)}")
    after, prefix = _version(folder)
    what = {desk.releases.older: "stays", desk.releases.newer: "follows"}.get(after, "breaks")
    seen = f"made with -p {wanted}: {before} before, {after or 'broken'} after the upgrade"
    return desk.answer(claim, what, seen, run, base_prefix=desk.bench.shown(prefix))


def _rebuilt(desk: _Desk) -> Row:
    """Offer a newer build of the same version, and look whether an upgrade brings its files."""
    home = desk.prepared()
    run = desk.run(home, "python", "upgrade", desk.releases.series, extra=desk.listed("rebuilt"))
    folder = next(desk.pythons(home).glob(f"cpython-{desk.releases.older}-*"), None)
    if folder is None or not run.ok:
        raise BenchError(f"{desk.installer.label}: uv python upgrade: {_why(run)}")
    build = "nothing"
    with contextlib.suppress(OSError):
        build = (folder / "BUILD").read_text(encoding="utf-8").strip()
    replaced = any(folder.glob(f"lib/python*/{desk.releases.MARK}"))
    says_new = build == desk.releases.REBUILT
    what = "replaced" if replaced else ("only_noted" if says_new else "kept")
    seen = f"its BUILD says {build}, its files are of the {'newer' if replaced else 'older'} build"
    return desk.answer("rebuilt_python", what, seen, run, asked=desk.mirror.taken())


def _version(environment: Path) -> tuple[str, str]:
    """Return version and base of an environment's Python; empty: it does not start."""
    try:
        done = run([str(environment / "bin" / "python"), "-c", _VERSION], timeout_s=60)
    except StartError:
        return "", ""
    lines = done.stdout.decode(errors="replace").splitlines()
    return (lines[0], lines[1]) if done.ok and len(lines) == 2 else ("", "")


def _can_cut_off() -> bool:
    try:
        return run([*_CUT_OFF, "/bin/true"], timeout_s=10).ok
    except StartError:
        return False


_WAITING: Mapping[str, Callable[[_Desk], Row]] = {
    "python_silence": _dropped,
    "python_no_network": _no_route,
    "python_refused": _refused,
    "venv_downloads": _venv_downloads,
}
_PROBES: Mapping[str, Callable[[_Desk], Row]] = {
    "downloads_forbidden": _never,
    "python_mirror_list": _mirror_and_list,
    "python_own_builds": _mirror_only,
    "python_tampered": _tampered,
    "pypy_variable": _pypy,
    "astral_mirror": _one_mirror,
    "managed_is_closed": _managed,
    "upgrade_reaches_minor": lambda desk: _upgraded(desk, "upgrade_reaches_minor", desk.releases.series),
    "upgrade_reaches_patch": lambda desk: _upgraded(desk, "upgrade_reaches_patch", desk.releases.older),
    "rebuilt_python": _rebuilt,
}
