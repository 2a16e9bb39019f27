"""Differences between uv's pip interface and pip: builds, pre-releases, constraints, passwords, settings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from pyassay.probes.installers.bench import Bench, BenchError, Row
from pyassay.probes.installers.difference_samples import make_seeing_sdist, sha256
from pyassay.probes.installers.index import Index, IndexSpec
from pyassay.probes.installers.isolation import Home, Run
from pyassay.probes.installers.ports import closed_port
from pyassay.probes.installers.samples import make_wheel
from pyassay.probes.installers.tools import Environment, Installer

__all__ = ["GROUP", "SHARE", "observe"]

GROUP = "differences"
SHARE = 0.6

_TIMEOUT_S = 90.0
_AT_ONCE = 3
_USER, _PASSWORD = "alice", "s3cret"
# It has two ways to answer: the password, or (asked with --mode=creds) user and password as JSON.
_KEYRING = """\
#!/bin/sh
echo "$@" >> "{log}"
case "$*" in
*json*get*) echo '{{"username": "{user}", "password": "{password}"}}';;
get*) echo "{password}";;
*) exit 2;;
esac
"""


@dataclass(frozen=True, slots=True)
class _Wares:
    """What is offered: two indexes of the same files, one of which wants credentials, and no way out."""

    folder: Path
    index: Index
    closed: Index
    nowhere: str


@dataclass(slots=True)
class _Desk:
    """Where one claim is tried with one installer."""

    bench: Bench
    installer: Installer
    wares: _Wares
    home: Home
    environment: Environment

    def install(
        self,
        *requirements: str,
        index: str | None = "",
        options: tuple[str | Path, ...] = (),
        extra: Mapping[str, str] | None = None,
        settings_files: bool = False,
        cwd: Path | None = None,
    ) -> Run:
        """Install; from the open index unless another is named, from none that is named if None."""
        argv = self.installer.install(
            self.environment,
            requirements,
            index=self.wares.index.url if index == "" else index,
            cache=self.home.cache,
            options=[str(one) for one in options],
        )
        if index is None:
            argv.remove("--no-index")
        return self.bench.run(
            argv, self.home, timeout_s=_TIMEOUT_S, extra=extra, settings_files=settings_files, cwd=cwd
        )

    def installed(self, name: str) -> str:
        """Return the version that is installed; empty: none is."""
        found = sorted(self.environment.site_packages.glob(f"{name}-*.dist-info"))
        return ", ".join(path.name.removesuffix(".dist-info").split("-", 1)[1] for path in found)

    def write(self, name: str, text: str) -> Path:
        """Write a file into the home."""
        path = self.home.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def answer(self, claim: str, what: str, seen: str, run: Run) -> Row:
        """Return a row."""
        seen = seen if run.ok or not run.telling else f"{seen}; {run.telling}"
        return self.bench.answer(
            self.installer, claim, what, run=run, seen=seen, details={"said": run.output[-1500:]}
        )


def observe(bench: Bench) -> Iterator[Row]:
    """Try every claim with every installer, some at a time."""
    bench.environment()
    folder = bench.folder("wares")
    _fill(folder)
    with (
        bench.index(IndexSpec((folder,))) as index,
        bench.index(IndexSpec((folder,), credentials=(_USER, _PASSWORD)), "closed") as closed,
        closed_port() as nowhere,
        ThreadPoolExecutor(_AT_ONCE) as pool,
    ):
        bench.shown.replaced[nowhere] = "http://nowhere"
        wares = _Wares(folder, index, closed, nowhere)
        works: list[tuple[str, Installer, Future[Row]]] = []
        for claim, probe in _PROBES.items():
            if not bench.is_asked(claim):
                continue
            for installer in bench.installers:
                work = partial(_tried, bench, installer, wares, claim, probe)
                works.append((claim, installer, pool.submit(work)))
        for claim, installer, future in works:
            try:
                yield future.result()
            except BenchError as error:
                yield bench.not_measured(installer, claim, str(error))


def _tried(
    bench: Bench, installer: Installer, wares: _Wares, claim: str, probe: Callable[[_Desk, str], Row]
) -> Row:
    return probe(_Desk(bench, installer, wares, bench.home(), bench.environment()), claim)


def _fill(folder: Path) -> None:
    make_wheel(folder, "plain", "1.0")
    make_wheel(folder, "plain", "2.0")
    make_wheel(folder, "other", "1.0")
    make_wheel(folder, "early", "1.0b1")
    make_wheel(folder, "mixed", "1.0")
    make_wheel(folder, "mixed", "2.0b1")
    make_wheel(folder, "wants_mixed", "1.0", requires=["mixed>=2.0b1"])
    make_wheel(folder, "wants_old", "1.0", requires=["plain<2"])
    make_wheel(folder, "with_extra", "1.0", extras={"known": ["other"]})
    for version in ("1.0", "2.0"):
        make_wheel(folder, "builder", version)
    make_seeing_sdist(folder, "sees_plain", requires=(), looks_for="plain")
    make_seeing_sdist(folder, "sees_builder", requires=("builder",), looks_for="builder")


def _isolation(desk: _Desk, claim: str, *, isolated: bool = True) -> Row:
    """Build something that says whether it can import what is installed."""
    before = desk.install("plain==1.0")
    run = desk.install("sees_plain", options=() if isolated else ("--no-build-isolation",))
    saw = _saw(desk, "sees_plain")
    if not before.ok or (not run.ok and not run.exit_code):
        raise BenchError(f"{desk.installer.label}: {before.telling or run.telling}")
    what = "fails" if not run.ok else ("open" if saw == "1.0" else "isolated")
    return desk.answer(claim, what, f"the build saw {saw or 'nothing'}", run)


def _saw(desk: _Desk, name: str) -> str:
    """Return the version of what a build looked for and found, as it noted it; empty: not found."""
    file = desk.environment.site_packages / name / "saw.txt"
    return file.read_text(encoding="utf-8").strip() if file.is_file() else ""


def _prerelease(desk: _Desk, claim: str, *, wanted: str, name: str, version: str) -> Row:
    run = desk.install(wanted)
    got = desk.installed(name)
    what = "takes" if got == version else ("older" if got else "stops")
    return desk.answer(claim, what, f"{name} {got or 'is not installed'}", run)


def _unknown_extra(desk: _Desk, claim: str) -> Row:
    run = desk.install("with_extra[unknown]")
    warned = run.says(r"warning.*extra|extra.*(not|does)")
    what = ("warns" if warned else "silent") if desk.installed("with_extra") else "stops"
    return desk.answer(claim, what, warned or "no word of it", run)


def _constraints(desk: _Desk, claim: str, *, by_variable: bool) -> Row:
    file = desk.write("constraints.txt", "plain==1.0\n")
    if by_variable:
        run = desk.install("plain", extra={"PIP_CONSTRAINT": str(file)})
        names = {"1.0": "read", "2.0": "ignored"}
    else:
        run = desk.install("plain", options=("-c", file))
        names = {"1.0": "held", "2.0": "ignored"}
    got = desk.installed("plain")
    return desk.answer(claim, names.get(got, "stops"), f"plain {got or 'is not installed'}", run)


def _constraints_in_builds(desk: _Desk, claim: str) -> Row:
    file = desk.write("constraints.txt", "builder==1.0\n")
    name = "PIP_CONSTRAINT" if desk.installer.family == "pip" else "UV_CONSTRAINT"
    run = desk.install("sees_builder", extra={name: str(file)})
    saw = _saw(desk, "sees_builder")
    what = {"1.0": "reaches", "2.0": "not"}.get(saw, "fails")
    return desk.answer(claim, what, f"built with builder {saw or '(not found)'}, constrained to 1.0", run)


def _hash_on_one(desk: _Desk, claim: str) -> Row:
    digest = sha256(desk.wares.folder / "plain-2.0-py3-none-any.whl")
    file = desk.write("requirements.txt", f"plain==2.0 --hash=sha256:{digest}\nother==1.0\n")
    run = desk.install(options=("-r", file))
    both = bool(desk.installed("plain") and desk.installed("other"))
    what = "checks" if both else ("demands" if run.says(r"hash") else "stops")
    return desk.answer(claim, what, "both are installed" if both else "nothing is installed", run)


def _hash_wrong(desk: _Desk, claim: str) -> Row:
    file = desk.write("requirements.txt", f"plain==2.0 --hash=sha256:{'0' * 64}\n")
    run = desk.install(options=("-r", file))
    got = desk.installed("plain")
    return desk.answer(claim, "installed" if got else "refused", f"plain {got or 'is not installed'}", run)


def _breaks_installed(desk: _Desk, claim: str) -> Row:
    before = desk.install("wants_old")
    if not before.ok:
        raise BenchError(f"{desk.installer.label}: {before.telling}")
    run = desk.install("plain==2.0")
    warned = run.says(r"incompatible|requires plain|conflict")
    what = ("warns" if warned else "silent") if desk.installed("plain") == "2.0" else "stops"
    return desk.answer(claim, what, warned or "no word of it", run)


def _netrc(desk: _Desk, claim: str) -> Row:
    host = urlsplit(desk.wares.closed.url).hostname
    file = desk.write(".netrc", f"machine {host}\nlogin {_USER}\npassword {_PASSWORD}\n")
    file.chmod(0o600)
    run = desk.install("plain", index=desk.wares.closed.url)
    got = desk.installed("plain")
    return desk.answer(claim, "used" if got else "not_used", f"plain {got or 'is not installed'}", run)


def _keyring(desk: _Desk, claim: str, *, told: bool) -> Row:
    """Offer a keyring on PATH that writes down that it was asked, and knows the password."""
    log = desk.home.folder / "asked"
    program = desk.write("programs/keyring", _KEYRING.format(log=log, user=_USER, password=_PASSWORD))
    program.chmod(0o755)
    # pip asks nobody, keyring neither, while it is told to take no input.
    extra = {"PATH": f"{program.parent}:/usr/bin:/bin", "PIP_NO_INPUT": "0"}
    run = desk.install(
        "plain",
        index=desk.wares.closed.url.replace("://", f"://{_USER}@", 1),
        options=("--keyring-provider", "subprocess") if told else (),
        extra=extra,
    )
    asked = log.read_text(encoding="utf-8").split("\n")[0] if log.exists() else ""
    got = desk.installed("plain")
    what = "asked" if asked else "not_asked"
    if told:
        what = "used" if got and asked else "not_used"
    seen = f"keyring was asked: {asked}" if asked else "keyring was not asked"
    return desk.answer(claim, what, f"{seen}; plain {got or 'is not installed'}", run)


def _settings_file(desk: _Desk, claim: str, *, name: str, text: str, below: str = "") -> Row:
    """Name the index in a file of settings only."""
    desk.write(name, text.format(url=desk.wares.index.url, host=urlsplit(desk.wares.index.url).netloc))
    cwd = desk.home.folder / below
    cwd.mkdir(parents=True, exist_ok=True)
    # Else it would go on to the public registry: whatever is not on loopback, goes nowhere.
    nowhere = dict.fromkeys(("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"), desk.wares.nowhere)
    quick = {"UV_HTTP_RETRIES": "0", "PIP_RETRIES": "0"}
    run = desk.install(
        "plain",
        index=None,
        extra={**nowhere, "NO_PROXY": "127.0.0.1", **quick},
        settings_files=True,
        cwd=cwd,
    )
    got = desk.installed("plain")
    # What it says may name the index of this machine's own settings.
    run = Run(run.command, run.exit_code, run.duration_s, "", run.timed_out)
    seen = f"plain {got}, from the index that only the file names" if got else "plain is not installed"
    return desk.answer(claim, "read" if got else "ignored", seen, run)


def _requested(desk: _Desk, claim: str) -> Row:
    """Install one thing that needs another, and look which of them is noted as asked for."""
    run = desk.install("wants_old")
    infos = {
        name: desk.environment.site_packages / f"{name}-1.0.dist-info" for name in ("wants_old", "plain")
    }
    if not run.ok:
        raise BenchError(f"{desk.installer.label}: {run.telling}")
    noted = [name for name, info in infos.items() if (info / "REQUESTED").is_file()]
    what = {("wants_old",): "right", ("wants_old", "plain"): "all", (): "none"}.get(tuple(noted), "wrong")
    return desk.answer(claim, what, f"REQUESTED stands beside {', '.join(noted) or 'neither'}", run)


_UV_TOML = '[[index]]\nurl = "{url}"\ndefault = true\n'
_PIP_CONF = "[global]\nindex-url = {url}\ntrusted-host = {host}\n"
_PYPROJECT = '[[tool.uv.index]]\nurl = "{url}"\ndefault = true\n'
_PROBES: Mapping[str, Callable[[_Desk, str], Row]] = {
    "build_isolation": _isolation,
    "no_build_isolation": partial(_isolation, isolated=False),
    "prerelease_only": partial(_prerelease, wanted="early", name="early", version="1.0b1"),
    "prerelease_direct": partial(_prerelease, wanted="mixed>=2.0b1", name="mixed", version="2.0b1"),
    "prerelease_transitive": partial(_prerelease, wanted="wants_mixed", name="mixed", version="2.0b1"),
    "unknown_extra": _unknown_extra,
    "constraints_file": partial(_constraints, by_variable=False),
    "pip_variables": partial(_constraints, by_variable=True),
    "constraints_in_builds": _constraints_in_builds,
    "hash_on_one": _hash_on_one,
    "hash_wrong": _hash_wrong,
    "breaks_installed": _breaks_installed,
    "netrc": _netrc,
    "keyring_unasked": partial(_keyring, told=False),
    "keyring_told": partial(_keyring, told=True),
    "reads_pip_conf": partial(_settings_file, name=".config/pip/pip.conf", text=_PIP_CONF),
    "reads_uv_toml": partial(_settings_file, name=".config/uv/uv.toml", text=_UV_TOML),
    "reads_project": partial(_settings_file, name="work/pyproject.toml", text=_PYPROJECT, below="work/below"),
    "requested_recorded": _requested,
}
