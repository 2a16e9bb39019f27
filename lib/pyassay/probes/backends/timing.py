"""How long builds take: the same project, by several frontends and backends, timed in turns."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pyassay.probes.backends.building import Toolchain
from pyassay.probes.backends.catalogue import Backend
from pyassay.probes.backends.projects import Variation, write_extension, write_pure
from pyassay.probes.backends.workplace import BuildPlace, Environment, NotBuiltError
from pyassay.probes.observations import Column, TableSchema
from pyassay.probes.paired_commands import PairedSettings, TimedCommand, measure_commands, paired_columns

__all__ = ["BUILD_SAMPLES", "FRONTENDS", "Frontend", "TimedBackend", "time_builds"]

Progress = Callable[[int, int, str], None]

BUILD_SAMPLES = TableSchema(
    "backend_build_samples",
    "one row per timed build: every command once in every block of its comparison, the reference twice",
    (
        Column("comparison", "text", "`backends` (hooks alone), `frontends`, `sdists` or `extensions`"),
        Column("subject_id", "text", "the backend: a row of the table `subjects`"),
        Column("project", "text", "`pure` or `extension`"),
        Column("artifact", "text", "`wheel` or `sdist`"),
        Column("frontend", "text", "`hook`, `uv build`, `pip wheel`, `python -m build` ..."),
        Column("cache", "text", "`warm`, `cold` (the frontend's cache was emptied before), or empty"),
        *paired_columns(),
    ),
)


@dataclass(frozen=True, slots=True)
class Frontend:
    """A way to start a build.

    Attributes
    ----------
    name : str
    isolated : bool
        Whether it makes an environment for the backend each time.
    """

    name: str
    isolated: bool


FRONTENDS: tuple[Frontend, ...] = (
    Frontend("hook", False),
    Frontend("uv build", True),
    Frontend("uv build --force-pep517", True),
    Frontend("pip wheel", True),
    Frontend("python -m build --installer uv", True),
    Frontend("python -m build", True),
)
"""From the least to the most that is done besides the build."""

# Of the time, by what a block of each costs.
_SHARES = {"backends": 0.2, "sdists": 0.1, "extensions": 0.15, "frontends": 0.55}
_HOOK = (
    "import sys, importlib; name, artifact, out = sys.argv[1:4]; sys.argv[1:] = [];"
    "getattr(importlib.import_module(name), 'build_' + artifact)(out)"
)


@dataclass(frozen=True, slots=True)
class TimedBackend:
    """A backend that takes part in a comparison."""

    tools: Toolchain
    backend: Backend
    version: str


@dataclass(frozen=True, slots=True)
class _Build:
    of: TimedBackend
    project: str
    artifact: str
    frontend: str
    cache: str

    @property
    def id(self) -> str:
        """What the samples call it."""
        words = (self.of.tools.subject_id, self.project, self.artifact, self.frontend, self.cache)
        return " · ".join(word for word in words if word)


def time_builds(
    place: BuildPlace,
    taking_part: Sequence[TimedBackend],
    *,
    profile: str,
    budget_s: float,
    repeats: int | None = None,
    progress: Progress | None = None,
) -> list[dict[str, Any]]:
    """Time builds, and return the rows of ``backend_build_samples``.

    Parameters
    ----------
    place : BuildPlace
    taking_part : sequence of TimedBackend
    profile : str
        ``quick``: frontends with two backends only, one cache state; ``full``: with all, cold and warm.
    budget_s : float
        Wall seconds for all comparisons together.
    repeats : int, optional
        Blocks at most.
    """
    tools: Environment | None
    try:
        tools = place.environment("pip", "build", "uv")
    except NotBuiltError:
        tools = None
    comparisons = _comparisons(taking_part, profile, with_frontends=tools is not None)
    left = {name: _SHARES[name] for name, builds in comparisons if builds}
    ends = time.monotonic() + budget_s
    rows: list[dict[str, Any]] = []
    for name, builds in comparisons:
        if not builds:
            continue
        by_id = {build.id: build for build in builds}
        commands = [_command(place, build, tools) for build in builds]
        # What one comparison leaves, the next ones have.
        share_s = (ends - time.monotonic()) * left[name] / sum(left.values())
        del left[name]
        # Only frontends have caches that a first start fills.
        settings = PairedSettings(
            budget_s=max(1.0, share_s), min_blocks=3, pin=False, warmups=int(name == "frontends")
        )
        if repeats is not None:
            settings = replace(settings, min_blocks=min(3, repeats), max_blocks=repeats)
        for row in measure_commands(commands, builds[0].id, settings, progress=progress):
            build = by_id[row["command_id"]]
            rows.append(
                {
                    "comparison": name,
                    "subject_id": build.of.tools.subject_id,
                    "project": build.project,
                    "artifact": build.artifact,
                    "frontend": build.frontend,
                    "cache": build.cache,
                    **row,
                }
            )
    return rows


def _comparisons(
    taking_part: Sequence[TimedBackend], profile: str, *, with_frontends: bool
) -> list[tuple[str, list[_Build]]]:
    pure = [one for one in taking_part if "pure" in one.backend.projects]
    extensions = [one for one in taking_part if "extension" in one.backend.projects]
    chosen = pure if profile == "full" else _disputed(pure)
    states = ("warm", "cold") if profile == "full" else ("warm",)
    frontends: list[_Build] = []
    if with_frontends:
        for one in chosen:
            for frontend in FRONTENDS:
                # Its shortcut is uv's for uv_build only: for others both are one and the same.
                if frontend.name.endswith("--force-pep517") and one.backend.name != "uv-build":
                    continue
                for state in states if frontend.isolated else ("",):
                    frontends.append(_Build(one, "pure", "wheel", frontend.name, state))
        frontends.sort(key=lambda build: (build.frontend != "python -m build", build.cache != "warm"))
    return [
        ("backends", [_Build(one, "pure", "wheel", "hook", "") for one in pure]),
        ("sdists", [_Build(one, "pure", "sdist", "hook", "") for one in pure]),
        ("extensions", [_Build(one, "extension", "wheel", "hook", "") for one in extensions]),
        ("frontends", frontends),
    ]


def _disputed(pure: Sequence[TimedBackend]) -> list[TimedBackend]:
    """Choose two backends for the quick profile: those of the dispute if they are there."""
    named = [one for one in pure if one.backend.name in ("flit-core", "uv-build")]
    return [*named, *(one for one in pure if one not in named)][:2]


def _command(place: BuildPlace, build: _Build, tools: Environment | None) -> TimedCommand:
    of = build.of
    folder = place.folder("timed")
    project, output, home = folder / "demo", folder / "out", folder / "home"
    home.mkdir()
    ranged = of.backend.name == "uv-build" and build.frontend != "hook"
    if build.project == "pure":
        write_pure(project, of.backend, of.version, Variation(), ranged=ranged)
    else:
        write_extension(project, of.backend, of.version)
    original = folder / "original"
    shutil.copytree(project, original)

    def prepare() -> None:
        # What an earlier build left there (build/, egg-info, target/) would make this one another.
        for path in (project, output):
            shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(original, project)
        output.mkdir()
        if build.cache == "cold":
            shutil.rmtree(home, ignore_errors=True)
            home.mkdir()

    def expect(stdout: bytes, stderr: bytes, status: int) -> str:
        made = [path.name for path in output.iterdir()] if output.is_dir() else []
        ending = ".whl" if build.artifact == "wheel" else ".tar.gz"
        if status == 0 and any(name.endswith(ending) for name in made):
            return ""
        last = [line for line in (stderr or stdout).decode("utf-8", "replace").splitlines() if line.strip()]
        return f"exit status {status}: {last[-1].strip() if last else 'it made nothing'}"

    environment = of.tools.environment if build.frontend == "hook" else tools
    variables = place.variables(
        environment,
        HOME=str(home),
        PIP_CACHE_DIR=str(home / "pip"),
        UV_CACHE_DIR=str(home / "uv"),
        UV_PYTHON=str(place.python),
    )
    return TimedCommand(
        id=build.id,
        argv=_argv(build, of, environment, project, output),
        environment=variables,
        cwd=project,
        prepare=prepare,
        expect=expect,
        timeout_s=place.timeout_s,
    )


def _argv(
    build: _Build, of: TimedBackend, environment: Environment | None, project: Path, output: Path
) -> list[str | Path]:
    assert environment is not None  # noqa: S101 - frontends take part only where there is one
    flag = f"--{build.artifact}"
    python = environment.python
    ways: dict[str, list[str | Path]] = {
        "hook": [python, "-I", "-c", _HOOK, of.backend.build_backend, build.artifact, output],
        "uv build": [environment.bin / "uv", "build", flag, "--out-dir", output, project],
        "uv build --force-pep517": [
            *(environment.bin / "uv", "build", "--force-pep517", flag),
            *("--out-dir", output, project),
        ],
        "pip wheel": [*(python, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", output), project],
        "python -m build --installer uv": [
            *(python, "-m", "build", "--installer", "uv", flag),
            *("--outdir", output, project),
        ],
        "python -m build": [python, "-m", "build", flag, "--outdir", output, project],
    }
    return ways[build.frontend]
