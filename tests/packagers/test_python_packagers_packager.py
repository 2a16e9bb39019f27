"""The packagers that need only a Python, really built: what comes out starts, tells and carries its data."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import subprocess
from pathlib import Path

import pytest
from pyassay.packagers import forms, packager
from pyassay.packagers.model import BuildError, Built, Delivery, Form, InputKind, Inputs, Project
from pyassay.packagers.pex import SCIE_PARTS
from pyassay.packagers.staging import program_name
from pyassay.packagers.wheels import InputsUnavailable, make_inputs
from pyassay.packagers.wheels import project as read_project
from pyassay.packagers.workshop import Workshop
from pyassay.subjects.model import Interpreter

_PATIENT = Path(__file__).parents[2] / "data" / "patient" / "pure"
_MINE = ("pex", "shiv", "zipapp", "pyinstaller", "cx_freeze", "uv_tool", "venv_pack")
_FORMS = {form.name: form for form in forms(_MINE)}
_QUICK = ("shiv", "zipapp", "pex-zip", "pyinstaller-onedir")
_PROVED = ("pex-loose", "pex-shboot", "uv-tool", "venv-pack", "cx_freeze")
_EPOCH = 1_700_000_000
_TIMEOUT_S = 240.0


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("packagers")


@pytest.fixture(scope="session")
def patient() -> Project:
    return read_project(_PATIENT)


@pytest.fixture(scope="session")
def pure_inputs(cache: Path, patient: Project, running_interpreter: Interpreter) -> Inputs:
    try:
        return make_inputs(InputKind.RAW, patient, running_interpreter, cache=cache)
    except InputsUnavailable as error:
        pytest.skip(str(error))


def _build(form: Form, project: Project, inputs: Inputs, cache: Path, attempt: int = 1) -> Built:
    module = packager(form.packager)
    with Workshop.open(
        cache,
        build_key=f"test-{form.name}",
        timeout_s=_TIMEOUT_S,
        source_date_epoch=_EPOCH,
        python=inputs.python,
        attempt=attempt,
    ) as workshop:
        why = module.available(form, workshop)
        if why:
            pytest.skip(why)
        return module.build(form, project, inputs, workshop)


def _start(built: Built, inputs: Inputs, home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = built.path if built.delivery is Delivery.FILE else built.path / built.program
    # What asks /usr/bin/env for the Python of its wheels finds that one.
    named = home / f"python{'.'.join(inputs.python.version.split('.')[:2])}"
    if not named.exists():
        named.symlink_to(inputs.python.executable)
    return subprocess.run(
        [program, *built.arguments, *arguments],
        capture_output=True,
        text=True,
        cwd=home,
        env={"HOME": str(home), "PATH": f"{home}:/usr/bin:/bin"},
        timeout=60,
        check=False,
    )


def _digest(path: Path) -> str:
    found = hashlib.sha256()
    for file in [path] if path.is_file() else sorted(path.rglob("*")):
        found.update(str(file.relative_to(path)).encode())
        found.update(str(file.readlink()).encode() if file.is_symlink() else b"")
        found.update(file.read_bytes() if file.is_file() else b"")
    return found.hexdigest()


@pytest.mark.parametrize(
    "name", [*_QUICK, *(pytest.param(name, marks=pytest.mark.proof) for name in _PROVED)]
)
def test_what_is_built_works_and_carries_data_metadata_and_entry_point(
    name: str, cache: Path, patient: Project, pure_inputs: Inputs, tmp_path: Path
) -> None:
    built = _build(_FORMS[name], patient, pure_inputs, cache)
    assert built.path.exists()
    ran = _start(built, pure_inputs, tmp_path, "run")
    assert ran.returncode == 0, ran.stderr
    assert set(json.loads(ran.stdout)["works"]) >= set(patient.expected)
    facts = json.loads(_start(built, pure_inputs, tmp_path, "facts").stdout)
    assert facts["version"] == patient.version
    assert facts["entry_points"] == 1
    assert "hello" in facts["resource"]
    assert _start(built, pure_inputs, tmp_path, "exit", "7").returncode == 7
    assert built.duration_s > 0
    assert built.peak_rss_bytes > 0
    text = "\n".join(built.commands)
    assert str(cache) not in text
    assert str(pure_inputs.python.executable) not in text


def test_the_same_bytes_twice_where_the_tool_can(cache: Path, patient: Project, pure_inputs: Inputs) -> None:
    digests = {
        _digest(_build(_FORMS["shiv"], patient, pure_inputs, cache, attempt).path) for attempt in (1, 2)
    }
    assert len(digests) == 1


@pytest.mark.parametrize("name", sorted(_FORMS))
def test_a_wheelhouse_without_wheels_is_one_line(
    name: str, cache: Path, patient: Project, pure_inputs: Inputs, tmp_path: Path
) -> None:
    empty = dataclasses.replace(pure_inputs, wheelhouse=tmp_path)

    with pytest.raises(BuildError) as caught:
        _build(_FORMS[name], patient, empty, cache)
    assert "\n" not in str(caught.value)


def test_a_tool_that_fails_is_one_line_with_its_own_words(
    cache: Path, patient: Project, pure_inputs: Inputs, tmp_path: Path
) -> None:
    for wheel in pure_inputs.wheelhouse.glob("*.whl"):
        (tmp_path / wheel.name).write_bytes(wheel.read_bytes()[:100])
    broken = dataclasses.replace(pure_inputs, wheelhouse=tmp_path)
    for name in ("shiv", "pex-zip"):
        with pytest.raises(BuildError) as caught:
            _build(_FORMS[name], patient, broken, cache)
        said = str(caught.value)
        assert "\n" not in said
        assert any(wheel.name.split("-")[0] in said for wheel in tmp_path.glob("*.whl")), (name, said)


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("patient", "patient"),
        ("my.tool-2", "my.tool-2"),
        ("a b; touch OUCH", "a-b-touch-OUCH"),
        ("$(touch OUCH)", "touch-OUCH"),
        ("../../OUCH", "OUCH"),
        ("-rf", "rf"),
        ("..", "program"),
        ("", "program"),
        ("x" * 300 + " ", "x" * 60),
        ("new\nline\x00", "new-line"),
    ],
)
def test_a_script_name_becomes_a_harmless_file_name(script: str, expected: str, patient: Project) -> None:
    assert program_name(dataclasses.replace(patient, script=script)) == expected


def test_a_hostile_script_name_reaches_no_shell(cache: Path, patient: Project, pure_inputs: Inputs) -> None:
    hostile = dataclasses.replace(patient, script="a b; touch OUCH $(touch OUCH) `touch OUCH`")
    built = _build(_FORMS["zipapp"], hostile, pure_inputs, cache)
    assert built.path.name == "a-b-touch-OUCH-touch-OUCH-touch-OUCH"
    assert not list(cache.rglob("OUCH"))


@pytest.mark.parametrize("name", sorted(_FORMS))
@pytest.mark.parametrize(
    "change",
    [
        {"name": "a; touch OUCH", "module": "a;b", "entry_point": "$(touch OUCH):main"},
        {"name": "--help", "module": "-c", "entry_point": "patient.cli:main\nimport os"},
    ],
)
def test_hostile_names_are_refused_before_anything_runs(
    name: str, change: dict[str, str], cache: Path, patient: Project, pure_inputs: Inputs
) -> None:
    with pytest.raises(BuildError) as caught:
        _build(_FORMS[name], dataclasses.replace(patient, **change), pure_inputs, cache)
    assert "\n" not in str(caught.value)
    log = cache / "packaging" / "builds" / f"test-{name}" / "build.log"
    assert "$ " not in log.read_text()


def test_a_scie_says_what_it_lacks(
    cache: Path, pure_inputs: Inputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    form = _FORMS["pex-scie"]
    module = packager("pex")
    with Workshop.open(
        cache, build_key="test-available", timeout_s=60, python=pure_inputs.python
    ) as workshop:
        monkeypatch.delenv(SCIE_PARTS, raising=False)
        assert SCIE_PARTS in module.available(form, workshop)
        assert "release pages" in module.available(form, workshop)
        monkeypatch.setenv(SCIE_PARTS, str(tmp_path / "none"))
        assert "no such folder" in module.available(form, workshop)
        monkeypatch.setenv(SCIE_PARTS, str(tmp_path))
        assert "no program" in module.available(form, workshop)
        (tmp_path / "science").write_text("#!/bin/sh\n")
        (tmp_path / "science").chmod(0o755)
        assert module.available(form, workshop) == ""


@pytest.mark.proof
def test_a_scie_is_asked_for_with_the_parts_of_the_folder(
    cache: Path, patient: Project, pure_inputs: Inputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The real one is to be had from a release page only: this one answers for its version, notes and refuses.
    science, noted = tmp_path / "science", tmp_path / "noted"
    science.write_text(
        '#!/bin/sh\n[ "$1" = --version ] && { echo 0.21.0; exit 0; }\n'
        f'for file; do [ -f "$file" ] && grep base_url "$file" >> {noted}; done\n'
        "echo 'science: error: no, thank you' >&2; exit 3\n"
    )
    science.chmod(0o755)
    monkeypatch.setenv(SCIE_PARTS, str(tmp_path))
    with pytest.raises(BuildError, match=r"^pex: exit status 1: .*no, thank you$"):
        _build(_FORMS["pex-scie"], patient, pure_inputs, cache)
    assert f"{tmp_path.as_uri()}/jump" in noted.read_text()
    assert f"{tmp_path.as_uri()}/providers/PythonBuildStandalone" in noted.read_text()


def test_too_old_a_python_is_said(cache: Path, running_interpreter: Interpreter) -> None:
    old = dataclasses.replace(running_interpreter, version="3.9.18", label="3.9.18 pyenv")
    with Workshop.open(cache, build_key="test-old", timeout_s=60, python=old) as workshop:
        why = packager("cx_freeze").available(_FORMS["cx_freeze"], workshop)
    assert why == "cx_Freeze==8.7.3 needs Python 3.10 or newer, 3.9.18 pyenv is 3.9.18"


def test_every_form_names_its_packager_and_takes_all_inputs() -> None:
    for form in _FORMS.values():
        module = packager(form.packager)
        assert form in module.FORMS
        assert module.inputs(form) == (InputKind.RAW, InputKind.REPAIRED, InputKind.OLDEST)
        assert module.TOOL.licence
        assert module.TOOL.licence_source
        assert all("==" in one for one in module.TOOL.requirements)
