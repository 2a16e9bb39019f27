"""No environment is active: where a package goes then, and who refuses.

All of it happens in copies of the chosen Python (:mod:`.python_copy`), which stand first on ``PATH``: a
package that goes into "the" Python goes into a copy that is thrown away.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from pyassay.probes.installers.bench import Bench, Row
from pyassay.probes.installers.index import Index, IndexSpec
from pyassay.probes.installers.isolation import Home
from pyassay.probes.installers.python_copy import PythonCopy, copy_python
from pyassay.probes.installers.samples import make_wheel
from pyassay.probes.installers.tools import Installer

__all__ = ["GROUP", "SHARE", "observe"]

GROUP = "environments"
SHARE = 0.5

_NAME = "newcomer"
_TIMEOUT_S = 90.0
_AT_ONCE = 3
_MANAGED = "[externally-managed]\nError=This Python belongs to the distribution.\n"
_PROJECT = (
    '[project]\nname = "mine"\nversion = "1.0"\nrequires-python = ">=3.8"\ndependencies = ["newcomer"]\n'
)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where one trial happens.

    Attributes
    ----------
    home : Home
    python : PythonCopy
        First on ``PATH``.
    folder : Path
        Where the installer is started: ``{home}/work/below``.
    """

    home: Home
    python: PythonCopy
    folder: Path

    @property
    def global_python(self) -> str:
        """The program, as a word of a command line."""
        return str(self.python.program)


@dataclass(frozen=True, slots=True)
class _Trial:
    """One claim, tried: what is prepared, what is said, and how places are named in the answer.

    Attributes
    ----------
    claim : str
    uv, pip : tuple of str
        Words after ``install``; ``{python}`` stands for the program, ``{home}`` for the home.
    before : tuple of str
        Words between ``pip`` and ``install`` (of pip: before ``install``).
    variables : mapping of str to str
    prepare : callable, optional
    families : tuple of str
    answers : mapping of str to str
        Names of outcomes of its own.
    """

    claim: str
    uv: tuple[str, ...] = ()
    pip: tuple[str, ...] = ()
    pip_first: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    prepare: Callable[[Bench, _Place], None] | None = None
    families: tuple[str, ...] = ("uv", "pip")
    answers: Mapping[str, str] = field(default_factory=dict)
    sync: bool = False


def _environment_at(*names: str) -> Callable[[Bench, _Place], None]:
    def prepare(bench: Bench, place: _Place) -> None:
        for name in names:
            bench.environment(place.home.folder / name)

    return prepare


def _managed(bench: Bench, place: _Place) -> None:
    (place.python.stdlib / "EXTERNALLY-MANAGED").write_text(_MANAGED, encoding="utf-8")


def _project(bench: Bench, place: _Place) -> None:
    bench.environment(place.home.folder / "active")
    (place.folder / "pyproject.toml").write_text(_PROJECT, encoding="utf-8")


_REQUIRED = {"PIP_REQUIRE_VIRTUALENV": "1"}
_TRIALS = (
    _Trial("no_environment"),
    _Trial("system_option", uv=("--system",), families=("uv",)),
    _Trial("system_variable", variables={"UV_SYSTEM_PYTHON": "1"}, families=("uv",)),
    _Trial("python_by_path", uv=("--python", "{python}"), pip_first=("--python", "{python}")),
    _Trial("user_option", uv=("--user",), pip=("--user",)),
    _Trial("target_option", uv=("--target", "{home}/target"), pip=("--target", "{home}/target")),
    _Trial("environment_in_folder", prepare=_environment_at("work/below/.venv")),
    _Trial("environment_above", prepare=_environment_at("work/.venv")),
    _Trial(
        "environment_by_variable",
        variables={"VIRTUAL_ENV": "{home}/active"},
        prepare=_environment_at("active", "work/below/.venv"),
    ),
    _Trial("require_virtualenv", uv=("--system",), variables=_REQUIRED, answers={"global": "ignored"}),
    _Trial("externally_managed", uv=("--system",), prepare=_managed),
    _Trial(
        "break_system_packages",
        uv=("--system", "--break-system-packages"),
        pip=("--break-system-packages",),
        prepare=_managed,
    ),
    _Trial(
        "project_ignores_active",
        variables={"VIRTUAL_ENV": "{home}/active"},
        prepare=_project,
        families=("uv",),
        sync=True,
    ),
)


def observe(bench: Bench) -> Iterator[Row]:
    """Try every claim with every installer, each in a home and with a Python of its own."""
    bench.environment()
    wares = bench.folder("wares")
    make_wheel(wares, _NAME, "1.0")
    template = copy_python(bench.interpreter, bench.folder("python"))
    trials = [
        (trial, installer)
        for trial in _TRIALS
        if bench.is_asked(trial.claim)
        for installer in bench.family(*trial.families)
    ]
    with bench.index(IndexSpec((wares,))) as index, ThreadPoolExecutor(_AT_ONCE) as pool:
        works = [pool.submit(_try, bench, trial, one, template, index) for trial, one in trials]
        for work in works:
            yield work.result()


def _try(bench: Bench, trial: _Trial, installer: Installer, template: PythonCopy, index: Index) -> Row:
    place = _place(bench, template)
    if trial.prepare is not None:
        trial.prepare(bench, place)
    run = bench.run(
        _words(installer, trial, place, index),
        place.home,
        cwd=place.folder,
        timeout_s=_TIMEOUT_S,
        extra=_variables(trial, place),
    )
    found = _found(place)
    shutil.rmtree(place.python.folder)
    outcome = " and ".join(sorted({_kind(one) for one in found})) or "refuses"
    if not run.ok and found:
        outcome = "fails"
    said = run.says(r"\bwarning|^using python|defaulting to user") if run.ok else run.telling
    where = f"into {', '.join(found)}" if found else "nothing installed"
    details = {"where": found, "said": run.output[-1500:]}
    return bench.answer(
        installer,
        trial.claim,
        trial.answers.get(outcome, outcome),
        run=run,
        seen=f"{where}, status {run.exit_code}" + (f": {said}" if said else ""),
        details=details,
    )


def _place(bench: Bench, template: PythonCopy) -> _Place:
    home = bench.home()
    folder = home.folder / "global"
    # Other names of the copied files: an installer adds files to a Python, it does not write into its own.
    shutil.copytree(template.folder, folder, symlinks=True, copy_function=os.link)
    bench.shown.replaced[str(folder)] = "{global}"

    def moved(path: Path) -> Path:
        return folder / path.relative_to(template.folder)

    python = PythonCopy(
        folder, moved(template.program), moved(template.stdlib), moved(template.site_packages)
    )
    below = home.folder / "work" / "below"
    below.mkdir(parents=True)
    return _Place(home, python, below)


def _words(installer: Installer, trial: _Trial, place: _Place, index: Index) -> list[str]:
    def filled(words: tuple[str, ...]) -> list[str]:
        named = {"python": place.global_python, "home": str(place.home.folder)}
        return [word.format_map(named) for word in words]

    options = ["--index-url", index.url]
    if installer.family == "uv":
        if trial.sync:
            return [str(installer.path), "sync", "--default-index", index.url]
        return [str(installer.path), "pip", "install", *filled(trial.uv), *options, _NAME]
    start = installer.argv(place.python.program)
    return [*start, *filled(trial.pip_first), "install", *filled(trial.pip), *options, _NAME]


def _variables(trial: _Trial, place: _Place) -> dict[str, str]:
    named = {name: value.format(home=place.home.folder) for name, value in trial.variables.items()}
    return {"PATH": f"{place.python.program.parent}:/usr/bin:/bin", **named}


def _found(place: _Place) -> list[str]:
    """Return where the package lies, as paths in the home; the Python's own packages as ``{global}``."""
    home = place.home.folder
    files = [path for path in home.rglob(f"{_NAME}/__init__.py") if place.home.cache not in path.parents]
    shown = []
    for file in sorted(files):
        inside = file.parent.parent.relative_to(home)
        shown.append("{global}" if inside.parts[0] == "global" else inside.as_posix())
    return shown


def _kind(place: str) -> str:
    if place == "{global}":
        return "global"
    if place.startswith(".local/"):
        return "user"
    return {"target": "target", "active": "active"}.get(place.split("/", 1)[0], "environment")
