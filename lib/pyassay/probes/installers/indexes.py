"""Index order: which of two packages of one name is installed, and what an internal index that fails does.

An internal name is put on a "public" index too, at a higher version: the dependency confusion. Both indexes
are ours; the version in the environment tells where the package came from.
"""

from __future__ import annotations

import contextlib
import re
import socket
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from pyassay.probes.installers.bench import Bench, Row
from pyassay.probes.installers.index import Fault, Index, IndexSpec
from pyassay.probes.installers.samples import make_wheel
from pyassay.probes.installers.tools import Installer

__all__ = ["GROUP", "SHARE", "observe"]

GROUP = "indexes"
SHARE = 0.7

_NAME, _OURS, _THEIRS = "acme_internal", "1.0", "99.0"
_TIMEOUT_S = 90.0
_AT_ONCE = 4
# So that what hangs on purpose does not hang as long as it would for a user.
_SHORT = {
    "uv": {"UV_HTTP_TIMEOUT": "2", "UV_HTTP_RETRIES": "1"},
    "pip": {"PIP_DEFAULT_TIMEOUT": "2", "PIP_RETRIES": "1"},
}


@dataclass(frozen=True, slots=True)
class _Trial:
    """One claim, tried: which index is named how, what is asked for, how the internal index fails."""

    claim: str
    requirement: str = "acme-internal"
    internal_is_extra: bool = True
    options: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()
    listens: bool = True
    patient: bool = True
    answers: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_quick(self) -> bool:
        """Whether nobody waits for anything."""
        return self.listens and not any(one.kind == "silent" or one.status >= 500 for one in self.faults)


def _strategy(name: str) -> dict[str, tuple[str, ...]]:
    return {"uv": ("--index-strategy", name)}


# A trial whose outcome has other names than internal, public and stops.
_FILE = {"internal": "installed", "stops": "stops"}
_TRIALS = (
    _Trial("confusion_extra_internal"),
    _Trial("confusion_extra_public", internal_is_extra=False),
    _Trial("confusion_transitive", "acme-app"),
    _Trial("confusion_pinned", f"acme-internal=={_OURS}"),
    _Trial("version_only_public", "acme-internal>=2", answers={"public": "found"}),
    _Trial("strategy_first_match", options=_strategy("unsafe-first-match")),
    _Trial("strategy_best_match", options=_strategy("unsafe-best-match")),
    *(
        _Trial(f"internal_{status}", faults=(Fault(status=status, on="page"),))
        for status in (404, 401, 403, 500)
    ),
    _Trial("internal_500_once", f"acme-internal=={_OURS}", faults=(Fault(status=500, on="page", times=1),)),
    _Trial("internal_refused", listens=False),
    _Trial("internal_cut", faults=(Fault("cut", on="page"),), patient=False),
    _Trial("internal_silent", faults=(Fault("silent", on="page"),), patient=False),
    _Trial(
        "file_cut",
        f"acme-internal=={_OURS}",
        faults=(Fault("cut", on="file", times=1),),
        answers=_FILE,
    ),
    _Trial(
        "file_tampered",
        f"acme-internal=={_OURS}",
        faults=(Fault("tampered", on="file"),),
        answers={"internal": "installed", "stops": "refused"},
    ),
)


def observe(bench: Bench) -> Iterator[Row]:
    """Try every claim with every installer, some at a time: most of them wait."""
    bench.environment()
    internal, public = _wares(bench)
    trials = [
        (trial, installer)
        for trial in _TRIALS
        if bench.is_asked(trial.claim)
        for installer in bench.installers
        if not trial.options or installer.family in trial.options
    ]
    with bench.index(IndexSpec((public,)), "public") as index, ThreadPoolExecutor(_AT_ONCE) as pool:
        # Those that wait longest first: they leave the cores to the others.
        started = {
            (trial.claim, installer.id): pool.submit(_try, bench, trial, installer, internal, index)
            for trial, installer in sorted(trials, key=lambda one: one[0].is_quick)
        }
        for trial, installer in trials:
            yield started[trial.claim, installer.id].result()


def _wares(bench: Bench) -> tuple[Path, Path]:
    internal, public = bench.folder("internal"), bench.folder("public")
    # Large enough that half of its file and half of its page are something.
    filler = {f"{_NAME}/__init__.py": "VERSION = 1\n", f"{_NAME}/words.py": "# words\n" * 4000}
    make_wheel(internal, _NAME, _OURS, files=filler)
    make_wheel(internal, "acme_app", "1.0", requires=["acme-internal"])
    make_wheel(public, _NAME, _THEIRS)
    return internal, public


def _try(bench: Bench, trial: _Trial, installer: Installer, wares: Path, public: Index) -> Row:
    environment, home = bench.environment(), bench.home()
    with contextlib.ExitStack() as stack:
        if trial.listens:
            index = stack.enter_context(bench.index(IndexSpec((wares,), faults=trial.faults), "internal"))
            url = index.url
        else:
            index, url = None, stack.enter_context(_nobody(bench))
        first, extra = (public.url, url) if trial.internal_is_extra else (url, public.url)
        argv = installer.install(
            environment,
            [trial.requirement],
            index=first,
            extra_indexes=[extra],
            options=trial.options.get(installer.family, ()),
        )
        run = bench.run(
            argv, home, timeout_s=_TIMEOUT_S, extra={} if trial.patient else _SHORT[installer.family]
        )
        asked = [] if index is None else index.requests()
    version = _installed(environment.site_packages)
    outcome = {_OURS: "internal", _THEIRS: "public", "": "stops"}.get(version, version)
    answer = trial.answers.get(outcome, outcome)
    warned = run.says(r"\bwarning|\bhint")
    seen = (f"installed {_NAME} {version}" + (f"; {warned}" if warned else "")) if version else run.telling
    details = {
        "version": version,
        "warned": warned,
        "asked_internal": len(asked),
        "statuses": [one.status for one in asked][:20],
        "said": run.output[-1500:],
    }
    return bench.answer(installer, trial.claim, answer, run=run, seen=seen, details=details)


def _installed(site_packages: Path) -> str:
    found = [re.fullmatch(rf"{_NAME}-(.+)\.dist-info", path.name) for path in site_packages.iterdir()]
    return ", ".join(sorted(one[1] for one in found if one))


@contextlib.contextmanager
def _nobody(bench: Bench) -> Iterator[str]:
    """Yield an address at which nobody listens: the port is taken, so that nobody can."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        host = f"127.0.0.1:{port}"
        bench.shown.replaced |= {host: "internal", f"host='127.0.0.1', port={port}": "host='internal'"}
        yield f"http://{host}/simple/"
