"""What is installed: locks, environment.yml, the wheel and what travels inside it."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCKS = ("report", "test", "lab")
_NO_OUTER_MAKE = {"MAKEFLAGS": "", "MAKELEVEL": "", "MFLAGS": ""}
SHARED = ("notebooks", "data/reference", "data/policies", "data/evidence/recorded")


def _locked(name: str) -> dict[str, list[Requirement]]:
    """Return the requirements of a lock file by canonical name (one name may be there once per marker)."""
    logical = (ROOT / "requirements" / f"{name}.txt").read_text().replace("\\\n", " ")
    found: dict[str, list[Requirement]] = {}
    for line in logical.splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            requirement = Requirement(line.split("--hash")[0])
            found.setdefault(canonicalize_name(requirement.name), []).append(requirement)
    return found


def _wanted(name: str) -> list[Requirement]:
    project = PROJECT["project"]
    extra = project["optional-dependencies"].get(name, [])
    return [
        Requirement(text)
        for text in (*project["dependencies"], *PROJECT["dependency-groups"]["checkout"], *extra)
    ]


@pytest.mark.parametrize("name", LOCKS)
class TestLock:
    def test_every_requirement_is_pinned_and_has_hashes(self, name: str) -> None:
        logical = (ROOT / "requirements" / f"{name}.txt").read_text().replace("\\\n", " ")
        lines = [line for line in logical.splitlines() if line.strip() and not line.startswith("#")]
        assert len(lines) > 50
        for line in lines:
            assert re.match(r"[A-Za-z0-9._-]+==[^ ]+( ; .+?)?( +--hash=sha256:[0-9a-f]{64})+$", line), line[
                :200
            ]

    def test_no_host_and_no_path(self, name: str) -> None:
        text = (ROOT / "requirements" / f"{name}.txt").read_text()
        assert "://" not in text
        assert "--index-url" not in text
        assert "--find-links" not in text
        assert " @ " not in text

    def test_in_step_with_pyproject(self, name: str) -> None:
        locked = _locked(name)
        for requirement in _wanted(name):
            pins = locked.get(canonicalize_name(requirement.name), [])
            versions = [next(iter(pin.specifier)).version for pin in pins]
            assert versions, f"{requirement}: not in requirements/{name}.txt: run `make lock`"
            assert all(map(requirement.specifier.contains, versions)), f"{requirement}: locked at {versions}"


@pytest.mark.parametrize("name", ["test", "lab"])
def test_every_environment_holds_that_of_a_report(name: str) -> None:
    """`make test` leaves an environment that `make report` takes as it is."""
    larger = _locked(name)
    for package, pins in _locked("report").items():
        assert {str(pin.specifier) for pin in pins} == {
            str(pin.specifier) for pin in larger.get(package, [])
        }, package


def test_jupyterlab_stays_out_of_the_environment_of_a_report() -> None:
    """Its mere presence slows every import of papermill and altair."""
    assert "jupyterlab" not in _locked("report")
    assert "jupyterlab" not in _locked("test")
    assert "jupyterlab" in _locked("lab")


def test_environment_yml_is_in_step_with_pyproject(tmp_path: Path) -> None:
    committed = ROOT / "environment.yml"
    planned = subprocess.run(
        ["make", "--no-print-directory", "--dry-run", "--always-make", "environment"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    command = re.search(
        r"pyproject2conda (yaml .*?)--output environment\.yml", planned.stdout.replace("\\\n", " ")
    )
    assert command, planned.stdout
    written = tmp_path / "environment.yml"
    program = "from pyproject2conda.cli import app; app()"
    subprocess.run(
        [sys.executable, "-c", program, *shlex.split(command[1]), "--output", os.fspath(written)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    assert written.read_text() == committed.read_text(), "run `make environment`"
    assert "docker-py" in committed.read_text()
    assert "  - docker>" not in committed.read_text()


def test_conda_forge_and_pypi_docker_have_the_same_bound() -> None:
    (conda,) = PROJECT["tool"]["pyproject2conda"]["dependencies"]["docker"]["packages"]
    (pypi,) = PROJECT["project"]["optional-dependencies"]["docker"]
    assert conda == pypi.replace("docker", "docker-py", 1)


def test_a_python_that_is_too_old_is_named_in_one_line(tmp_path: Path) -> None:
    old = tmp_path / "python3"
    # Not a real old Python: those of the machine differ. What make sees of one is its exit code and message.
    old.write_text(f"#!{sys.executable}\n" + _PRETENDER)
    old.chmod(0o755)
    done = subprocess.run(
        ["make", "report", f"PYTHON={old}", f"VENV={tmp_path / 'venv'}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | _NO_OUTER_MAKE,
    )
    assert done.returncode != 0
    assert "pyassay needs Python 3.11 or newer" in done.stderr
    assert "3.9" in done.stderr
    assert not (tmp_path / "venv").exists()


_PRETENDER = """
import sys
sys.version_info = (3, 9, 18, "final", 0)
exec(sys.argv[sys.argv.index("-c") + 1])
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    # Without --wheel: the wheel is built from the source distribution, so both are tried.
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", os.fspath(folder)]
    done = subprocess.run([*build, os.fspath(ROOT)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = folder.glob("*.whl")
    return built


@pytest.mark.slow
class TestWheel:
    def test_carries_every_shared_file(self, wheel: Path) -> None:
        inside = set(zipfile.ZipFile(wheel).namelist())
        tracked = subprocess.run(
            ["git", "ls-files", "-z", "--", *SHARED], cwd=ROOT, capture_output=True, text=True, check=False
        )
        if tracked.returncode:
            pytest.skip("not a git checkout: nothing says which files belong")
        files = [name for name in tracked.stdout.split("\0") if name and (ROOT / name).is_file()]
        # What nbval holds the notebooks to is for this checkout.
        files.remove("notebooks/conftest.py")
        assert "pyassay/share/notebooks/conftest.py" not in inside
        assert {f"pyassay/share/{name}" for name in files} <= inside

    def test_carries_every_module_and_template(self, wheel: Path) -> None:
        inside = set(zipfile.ZipFile(wheel).namelist())
        sources = (
            path for path in (ROOT / "lib").rglob("*") if path.is_file() and "__pycache__" not in path.parts
        )
        assert {path.relative_to(ROOT / "lib").as_posix() for path in sources} <= inside

    def test_carries_nothing_else(self, wheel: Path) -> None:
        inside = zipfile.ZipFile(wheel).namelist()
        assert not [name for name in inside if not name.startswith(("pyassay/", "pyassay-"))]
        assert not [name for name in inside if "__pycache__" in name or ".ipynb_checkpoints" in name]

    def test_works_from_an_empty_folder(self, wheel: Path, tmp_path: Path) -> None:
        command = _installed(wheel, tmp_path / "venv")
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()

        def run(*arguments: str) -> str:
            done = subprocess.run(
                [command, *arguments], cwd=elsewhere, capture_output=True, text=True, check=False, timeout=250
            )
            assert done.returncode == 0, done.stderr
            return done.stdout

        assert run("--version") == f"pyassay {PROJECT['project']['version']}\n"
        found = json.loads(run("find", "--json", sys.executable))
        assert found["interpreters"]
        run("report", "portability", os.path.realpath(sys.executable))
        interpreter = command.with_name("python")
        program = "from pyassay.cli import _notebooks_to_edit; print(_notebooks_to_edit())"
        opened = subprocess.run(
            [interpreter, "-c", program], cwd=elsewhere, capture_output=True, text=True, check=True
        )
        assert Path(opened.stdout.strip()) == elsewhere / "pyassay-lab" / "notebooks"
        assert (elsewhere / "pyassay-lab" / "notebooks" / "portability.ipynb").is_file()
        for name in ("index.html", "portability.html"):
            assert (elsewhere / "reports" / name).stat().st_size > 1000


def _installed(wheel: Path, folder: Path) -> Path:
    """Install a wheel beside which only the dependencies come from this environment; no network."""
    venv.create(folder, symlinks=True, with_pip=False)
    purelib = Path(sysconfig.get_path("purelib", vars={"base": os.fspath(folder)}))
    # pip runs here and installs there; with --prefix it would uninstall the checkout from this environment.
    pip = [sys.executable, "-m", "pip", "--python", os.fspath(folder / "bin" / "python"), "--quiet"]
    install = [*pip, "install", "--disable-pip-version-check", "--no-index", "--no-deps", os.fspath(wheel)]
    done = subprocess.run(install, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    # After the wheel's own folder, and without its .pth files: the editable checkout must not be what runs.
    (purelib / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    interpreter = folder / "bin" / "python"
    origin = subprocess.run(
        [interpreter, "-c", "import pyassay; print(pyassay.__file__)"],
        capture_output=True,
        text=True,
        check=True,
        cwd="/",
    ).stdout
    assert origin.startswith(os.fspath(folder)), origin
    return folder / "bin" / "pyassay"
