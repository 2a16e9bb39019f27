"""Things that a backend is asked to do, each really tried: editable installs, odd names, hostile files."""

from __future__ import annotations

import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyassay.probes.backends.building import Rows, Toolchain, built, initialise_git
from pyassay.probes.backends.catalogue import Backend
from pyassay.probes.backends.outputs import ArchiveError, Artifact, differences, read_artifact, record_faults
from pyassay.probes.backends.pip_runs import said
from pyassay.probes.backends.projects import Sample, Variation, write_pure
from pyassay.probes.backends.workplace import BuildPlace, NotBuiltError

__all__ = ["QUESTIONS", "try_features"]

WORKS, DOES_NOT, REFUSED, TAKEN, LEFT_OUT = "works", "does not", "refused", "taken in", "left out"
NOT_MEASURED = "not measured"

_ODD_FILES = ("naïve café.txt", "with  spaces.txt", 'quote"and,comma.txt', "-dash.txt", "l" * 180 + ".txt")
_SECRET = b"a secret of the machine that builds\n"

QUESTIONS: Mapping[str, str] = {
    "installs": "Does the wheel install, and what it installed work?",
    "editable": "Does an editable install import, and see a change of the source?",
    "wheel-from-sdist": "Is the wheel made from the sdist the one made from the project?",
    "dynamic-version": "Can the version be taken from the module's source?",
    "odd-name": "Is a project called Odd.Name--Demo written as the specifications say?",
    "version-spelling": "Is the version 01.2.3-RC.1 written as PEP 440 says?",
    "odd-files": "Do data files with spaces, quotes, commas and other scripts come out whole?",
    "executable-bit": "Does a script among the data stay executable?",
    "untracked-files": "Do files that git does not know (a private key in the project's folder) get in?",
    "ignored-files": "Do files that .gitignore names (.env) get in?",
    "licence-outside": "Is license-files = ['../secret.txt'] refused?",
    "readme-outside": "Is readme = '../secret.md' refused?",
    "link-outside": "Does a symbolic link out of the project bring a foreign file in?",
    "unknown-licence": "Is license = 'No Such-Licence' refused?",
    "unknown-key": "Is a key that [project] does not have refused?",
}
"""Every feature, and what is asked of it."""

_ALWAYS = ("installs", "editable", "wheel-from-sdist")


@dataclass(frozen=True, slots=True)
class _Case:
    place: BuildPlace
    tools: Toolchain
    backend: Backend
    version: str

    def sample(self, variation: Variation) -> Sample:
        return write_pure(self.place.folder("feature") / "demo", self.backend, self.version, variation)

    def made(self, sample: Sample, *kinds: str) -> dict[str, Artifact]:
        """Build it, or raise what the backend said."""
        told, _ = built(self.place, self.tools, sample.folder, kinds)
        found = {}
        for kind, (path, error, _, _) in told.items():
            if path is None:
                raise NotBuiltError(error)
            found[kind] = read_artifact(path)
        return found


def try_features(
    place: BuildPlace,
    tools: Toolchain,
    backend: Backend,
    version: str,
    project: str,
    sample: Sample,
    made: Mapping[str, Path],
    rows: Rows,
    *,
    features: Sequence[str] | None = None,
) -> None:
    """Try every feature that makes sense for a project, or some, and record what was seen."""
    case = _Case(place, tools, backend, version)
    wanted = tuple(QUESTIONS) if project == "pure" else _ALWAYS
    for feature in wanted if features is None else features:
        try:
            outcome, seen = _tried(case, feature, sample, made)
        except (NotBuiltError, ArchiveError, OSError, ValueError) as error:
            outcome, seen = NOT_MEASURED, str(error)
        rows.features.append(_row(tools.subject_id, project, feature, outcome, seen))


def _row(subject_id: str, project: str, feature: str, outcome: str, seen: str) -> dict[str, Any]:
    return {
        "subject_id": subject_id,
        "project": project,
        "feature": feature,
        "question": QUESTIONS[feature],
        "outcome": outcome,
        "seen": " ".join(seen.split())[:300],
    }


def _tried(case: _Case, feature: str, sample: Sample, made: Mapping[str, Path]) -> tuple[str, str]:
    if feature == "installs":
        return _installs(case, sample, made.get("wheel"))
    if feature == "editable":
        return _editable(case, sample)
    if feature == "wheel-from-sdist":
        return _from_sdist(case, made)
    return _TRIALS[feature](case)


def _installs(case: _Case, sample: Sample, wheel: Path | None) -> tuple[str, str]:
    if wheel is None:
        return NOT_MEASURED, "there is no wheel"
    python = _fresh(case, wheel)
    failure = _fails(case, python, sample.check)
    return (DOES_NOT, failure) if failure else (WORKS, "installed into a fresh environment and imported")


def _fresh(case: _Case, wheel: Path) -> Path:
    """Install a wheel and what it requires into a fresh environment; return its Python."""
    place = case.place
    python = place.make_environment(place.folder("fresh") / "environment").python
    argv: list[str | Path] = [
        python,
        f"{place.wheelhouse.pip_wheel}/pip",
        "install",
        "--quiet",
        "--no-compile",
        wheel,
    ]
    done = place.run(argv, cwd=place.scratch, variables=place.variables())
    if not done.ok:
        raise NotBuiltError(f"pip does not install it: {said(done)}")
    return python


def _fails(case: _Case, python: Path, code: str) -> str:
    variables = case.place.variables(case.tools.environment)
    done = case.place.run([python, "-I", "-B", "-c", code], cwd=case.place.scratch, variables=variables)
    return "" if done.ok else said(done)


def _editable(case: _Case, sample: Sample) -> tuple[str, str]:
    place, tools = case.place, case.tools
    output = place.folder("editable")
    (call,), told = place.hooks(
        tools.environment, tools.build_backend, sample.folder, [("build_editable", [str(output)])]
    )
    if "build_editable" not in told["hooks"]:
        return DOES_NOT, "it has no hook build_editable"
    if call.error:
        return DOES_NOT, call.error
    wheel = output / str(call.value)
    python = _fresh(case, wheel)
    if failure := _fails(case, python, sample.check):
        return DOES_NOT, f"installed, but {failure}"
    sources = [path for path in sample.folder.rglob("__init__.py") if path.parent.name == sample.module]
    with sources[0].open("a") as stream:
        stream.write("\nCHANGED = 7\n")
    failure = _fails(case, python, f"import {sample.module} as m; assert m.CHANGED == 7")
    way = ", ".join(sorted(name for name in read_artifact(wheel).files if ".dist-info" not in name))
    return (DOES_NOT, f"a change is not seen: {failure}") if failure else (WORKS, f"by {way}")


def _from_sdist(case: _Case, made: Mapping[str, Path]) -> tuple[str, str]:
    import tarfile

    if "sdist" not in made or "wheel" not in made:
        return NOT_MEASURED, "there is no sdist, or no wheel to compare with"
    folder = case.place.folder("unpacked")
    with tarfile.open(made["sdist"], "r:gz") as archive:
        archive.extractall(folder, filter="data")
    tops = [path for path in folder.iterdir() if path.is_dir()]
    told, _ = built(case.place, case.tools, tops[0], ("wheel",))
    path, error, _, _ = told["wheel"]
    if path is None:
        return DOES_NOT, error
    first, second = read_artifact(made["wheel"]).files, read_artifact(path).files
    different = [
        line
        for line in differences(first, second)
        # A compiled module names the folder that it was compiled in, a bill of materials its own number.
        if not line.startswith(".dist-info/RECORD:")
        and "against" not in line
        and ".so: other" not in line
        and "/sboms/" not in line
    ]
    if different:
        return DOES_NOT, f"{len(different)} differences: {'; '.join(different[:3])}"
    return WORKS, "the same files; what is not compiled has the same content"


def _dynamic(case: _Case) -> tuple[str, str]:
    if not case.backend.dynamic_version:
        variation = Variation(dynamic=True)
        try:
            made = case.made(case.sample(variation), "wheel")
        except NotBuiltError as error:
            return DOES_NOT, f"its documentation names no way, and it says: {error}"
        return DOES_NOT, f"its documentation names no way; it wrote {made['wheel'].path.name}"
    variation = Variation(
        dynamic=True, version="4.5.6", settings=case.backend.dynamic_version.format(module="assaydemo")
    )
    name = case.made(case.sample(variation), "wheel")["wheel"].path.name
    return (WORKS if "-4.5.6-" in name else DOES_NOT), name


def _odd_name(case: _Case) -> tuple[str, str]:
    settings = case.backend.module.format(module="odd_name_demo")
    variation = Variation(name="Odd.Name--Demo", module="odd_name_demo", settings=settings)
    try:
        made = case.made(case.sample(variation), "wheel", "sdist")
    except NotBuiltError as error:
        return DOES_NOT, str(error)
    names = [one.path.name for one in made.values()]
    right = ["odd_name_demo-1.2.3-py3-none-any.whl", "odd_name_demo-1.2.3.tar.gz"]
    kept = made["wheel"].metadata.get("Name")
    return (WORKS if names == right else DOES_NOT), f"{', '.join(names)}; Name: {kept}"


def _version(case: _Case) -> tuple[str, str]:
    try:
        made = case.made(case.sample(Variation(version="01.2.3-RC.1")), "wheel")["wheel"]
    except NotBuiltError as error:
        return REFUSED, str(error)
    written = str(made.metadata.get("Version"))
    right = written == "1.2.3rc1" and "-1.2.3rc1-" in made.path.name
    return (WORKS if right else DOES_NOT), f"{made.path.name}; Version: {written}"


def _odd_files(case: _Case) -> tuple[str, str]:
    files = {f"src/assaydemo/data/{name}": name.encode() for name in _ODD_FILES}
    # setuptools takes data where it is asked to.
    settings = "[tool.setuptools.package-data]\nassaydemo = ['data/*']\n" if _is_setuptools(case) else ""
    try:
        made = case.made(case.sample(Variation(files=files, settings=settings)), "wheel", "sdist")
    except NotBuiltError as error:
        return REFUSED, str(error)
    lost = [
        f"{name[:30]} (of the {kind})"
        for kind, artifact in made.items()
        for path in files
        for name in [path.rsplit("/", 1)[-1]]
        if (path.removeprefix("src/") if kind == "wheel" else path) not in artifact.files
    ]
    faults = [*lost, *record_faults(made["wheel"])]
    return (DOES_NOT, "; ".join(faults[:4])) if faults else (WORKS, f"all {len(_ODD_FILES)}, RECORD right")


def _is_setuptools(case: _Case) -> bool:
    return case.backend.name == "setuptools"


def _executable(case: _Case) -> tuple[str, str]:
    settings = "[tool.setuptools.package-data]\nassaydemo = ['data/*']\n" if _is_setuptools(case) else ""
    sample = case.sample(Variation(files={"src/assaydemo/data/run.sh": b"#!/bin/sh\n"}, settings=settings))
    (sample.folder / "src/assaydemo/data/run.sh").chmod(0o755)
    member = case.made(sample, "wheel")["wheel"].files.get("assaydemo/data/run.sh")
    if member is None:
        return DOES_NOT, "it is not in the wheel"
    return (WORKS if member.mode & stat.S_IXUSR else DOES_NOT), f"mode {member.mode:04o} in the wheel"


def _stray(case: _Case, names: tuple[str, ...]) -> tuple[str, str]:
    sample = case.sample(Variation())
    initialise_git(case.place, sample.folder)
    for name in names:
        (sample.folder / name).write_bytes(_SECRET)
    made = case.made(sample, "wheel", "sdist")
    found = [
        f"{name} in the {kind}"
        for kind, artifact in made.items()
        for name, one in artifact.files.items()
        if one.data == _SECRET
    ]
    git = "" if "git" in case.place.programs else " (there is no git here)"
    return (TAKEN, ", ".join(found) + git) if found else (LEFT_OUT, f"neither in wheel nor in sdist{git}")


def _outside(case: _Case, variation: Variation) -> tuple[str, str]:
    sample = case.sample(variation)
    for name in ("secret.txt", "secret.md"):
        (sample.folder.parent / name).write_bytes(_SECRET)
    try:
        made = case.made(sample, "wheel", "sdist")
    except NotBuiltError as error:
        return REFUSED, str(error)
    found = [
        f"{name} of the {kind}"
        for kind, artifact in made.items()
        for name, one in artifact.files.items()
        if _SECRET.strip() in one.data
    ]
    return (TAKEN, f"in {', '.join(found)}") if found else (LEFT_OUT, "built without it, and without a word")


def _link(case: _Case) -> tuple[str, str]:
    settings = "[tool.setuptools.package-data]\nassaydemo = ['data/*']\n" if _is_setuptools(case) else ""
    sample = case.sample(Variation(settings=settings))
    secret = sample.folder.parent / "secret.txt"
    secret.write_bytes(_SECRET)
    (sample.folder / "src/assaydemo/data/linked.txt").symlink_to("../../../../secret.txt")
    try:
        made = case.made(sample, "wheel", "sdist")
    except NotBuiltError as error:
        return REFUSED, str(error)
    told = []
    for kind, artifact in made.items():
        for name, one in artifact.files.items():
            if one.data == _SECRET:
                told.append(f"its content is in the {kind} as {name}")
            elif one.link:
                told.append(f"the link itself is in the {kind}")
    return (TAKEN, "; ".join(told)) if told else (LEFT_OUT, "neither in wheel nor in sdist")


def _refused(case: _Case, variation: Variation) -> tuple[str, str]:
    try:
        made = case.made(case.sample(variation), "wheel")["wheel"]
    except NotBuiltError as error:
        return REFUSED, str(error)
    written = made.metadata.get("License-Expression") or ""
    return DOES_NOT, f"built all the same{f', with License-Expression: {written}' if written else ''}"


_TRIALS: Mapping[str, Callable[[_Case], tuple[str, str]]] = {
    "dynamic-version": _dynamic,
    "odd-name": _odd_name,
    "version-spelling": _version,
    "odd-files": _odd_files,
    "executable-bit": _executable,
    "untracked-files": lambda case: _stray(case, ("id_rsa", "src/assaydemo/data/local.key")),
    "ignored-files": lambda case: _stray(case, (".env",)),
    "licence-outside": lambda case: _outside(case, Variation(licence_files='["../secret.txt"]')),
    "readme-outside": lambda case: _outside(case, Variation(readme='"../secret.md"')),
    "link-outside": _link,
    "unknown-licence": lambda case: _refused(case, Variation(licence='"No Such-Licence"')),
    "unknown-key": lambda case: _refused(case, Variation(project_lines='licence-of-mine = "x"\n')),
}
