"""PyOxidizer: a Rust program that embeds Python and its modules.

Dormant: 0.24.0 of 2022-12-30 is its last release, and its author calls it "effectively in a zombie state"
(gregoryszorc.com, "My Shifting Open Source Priorities", 2024-03-17). It targets Python 3.8 to 3.10, as its
"Getting Started" says; issue 716 asks for more since 2023. A build needs three things that its wheel does not
bring: Rust, the crates of the program that it writes (from a registry of their own), and a full archive of
python-build-standalone.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from pyassay.packagers.model import BuildError, Built, Delivery, Form, InputKind, ToolFacts
from pyassay.packagers.python_tree import command_line, entry_point, pip_for, safe_name, wheel_pins

if TYPE_CHECKING:
    from pyassay.packagers.model import Inputs, Project
    from pyassay.packagers.workshop import Workshop

__all__ = ["CRATES", "DISTRIBUTION", "FORMS", "TOOL", "available", "build", "configuration", "inputs"]

FORMS = (Form("pyoxidizer", "pyoxidizer", "PyOxidizer", slides_row="PyOxidizer"),)
TOOL = ToolFacts(
    name="PyOxidizer",
    requirements=("pyoxidizer==0.24.0",),
    licence="MPL-2.0",
    licence_source="License of pyoxidizer 0.24.0 on PyPI",
)
CRATES = "PYASSAY_PYOXIDIZER_CRATES"
"""Variable: a folder as ``cargo vendor`` makes it, with all crates of the program that PyOxidizer writes."""
DISTRIBUTION = "PYASSAY_PYOXIDIZER_PYTHON"
"""Variable: a full archive of python-build-standalone (``...-full.tar.zst``) of Python 3.8, 3.9 or 3.10."""

_TARGETS = ((3, 8), (3, 9), (3, 10))
_RECIPE = """\
def make_exe():
    dist = PythonDistribution(sha256={digest}, local_path={archive}, flavor="standalone")
    policy = dist.make_python_packaging_policy()
    policy.resources_location = "in-memory"
    policy.resources_location_fallback = "filesystem-relative:lib"
    policy.allow_in_memory_shared_library_loading = True
    config = dist.make_python_interpreter_config()
    config.run_command = {start}
    exe = dist.to_python_executable(name={program}, packaging_policy=policy, config=config)
    exe.add_python_resources(exe.read_package_root(path={site}, packages={packages}))
    return exe

def make_install(exe):
    files = FileManifest()
    files.add_python_resource(".", exe)
    return files

register_target("exe", make_exe)
register_target("install", make_install, depends=["exe"], default=True)
resolve_targets()
"""


def available(form: Form, workshop: Workshop) -> str:
    """Return everything that it lacks here, in one line."""
    missing = []
    python = workshop.python
    if python is not None and _minor(python.version) not in _TARGETS:
        missing.append(f"a Python 3.8, 3.9 or 3.10 (issue 716; this is {python.version})")
    if workshop.which("cargo") is None:
        missing.append("cargo and rustc")
    if not _folder(CRATES):
        missing.append(
            f"its Rust crates, from a registry of their own (`cargo vendor`, then {CRATES}=FOLDER)"
        )
    if not _file(DISTRIBUTION):
        missing.append(f"a full archive of python-build-standalone ({DISTRIBUTION}=FILE)")
    if not missing:
        return ""
    return f"PyOxidizer, dormant since its release of 2022-12-30, lacks {'; '.join(missing)}"


def inputs(form: Form) -> tuple[InputKind, ...]:
    """Return all three."""
    return tuple(InputKind)


def configuration(project: Project, archive: Path, digest: str, site: Path) -> str:
    """Return ``pyoxidizer.bzl``; every text in it is quoted.

    Raises
    ------
    BuildError
        If the project's names are none.
    """
    module, attribute = entry_point(project)
    name = attribute.partition(".")[0]
    packages = sorted(one.name for one in site.iterdir() if (one / "__init__.py").is_file())
    return _RECIPE.format(
        digest=json.dumps(digest),
        archive=json.dumps(str(archive)),
        start=json.dumps(f"import sys; from {module} import {name}; sys.exit({attribute}())"),
        program=json.dumps(safe_name(project.script, "a program")),
        site=json.dumps(str(site)),
        packages=json.dumps(packages),
    )


def build(form: Form, project: Project, inputs: Inputs, workshop: Workshop) -> Built:
    """Unpack the wheels, write the configuration, and let it write and compile its program."""
    archive, crates = _file(DISTRIBUTION), _folder(CRATES)
    if archive is None or crates is None:
        raise BuildError(available(form, workshop))
    tools = workshop.environment([*TOOL.requirements, pip_for(inputs.python)], inputs.python.executable)
    site = workshop.folder / "site"
    wheelhouse = inputs.wheelhouse.absolute()
    pip: list[str | Path] = [tools.python, "-I", "-m", "pip", "install", "--quiet", "--no-index"]
    pip += [
        "--find-links",
        wheelhouse,
        "--no-deps",
        "--no-compile",
        "--target",
        site,
        *wheel_pins(wheelhouse),
    ]
    workshop.run(pip, shown=command_line(workshop, ["pip", *pip[4:]]).replace(str(wheelhouse), "WHEELHOUSE"))
    recipe = workshop.folder / "recipe"
    recipe.mkdir()
    with archive.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    (recipe / "pyoxidizer.bzl").write_text(configuration(project, archive, digest, site), "utf-8")
    home = workshop.folder / "cargo"
    home.mkdir()
    (home / "config.toml").write_text(
        '[source.crates-io]\nreplace-with = "given"\n\n[source.given]\n'
        f"directory = {json.dumps(str(crates))}\n\n[net]\noffline = true\n",
        "utf-8",
    )
    argv = [str(tools.bin / "pyoxidizer"), "build", "--system-rust", "--release", "--path", str(recipe)]
    environment = {"CARGO_HOME": str(home), "PYOXIDIZER_CACHE_DIR": str(workshop.folder / "pyoxidizer")}
    workshop.run(argv, environment=environment, shown=command_line(workshop, ["pyoxidizer", *argv[1:]]))
    made = sorted(recipe.glob("build/*/release/install"))
    if not made:
        raise BuildError("pyoxidizer: ended well, but made no install folder")
    program = safe_name(project.script, "a program")
    path = workshop.output / program
    shutil.move(made[0], path)
    alone = [one.name for one in path.iterdir()] == [program]
    if alone:
        shutil.move(path / program, workshop.output / f"{program}.one")
        path.rmdir()
        (workshop.output / f"{program}.one").rename(path)
    return Built(
        form=form,
        delivery=Delivery.FILE if alone else Delivery.FOLDER,
        path=path,
        program=program,
        commands=tuple(workshop.commands),
        tool_versions={"pyoxidizer": tools.versions.get("pyoxidizer", ""), "python": archive.name},
        duration_s=workshop.usage.duration_s,
        cpu_s=workshop.usage.cpu_s,
        peak_rss_bytes=workshop.usage.peak_rss_bytes,
        environment_bytes=tools.size_bytes,
        log=workshop.log,
    )


def _minor(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())


def _file(variable: str) -> Path | None:
    path = Path(os.environ.get(variable, "") or os.devnull)
    return path.absolute() if path.is_file() else None


def _folder(variable: str) -> Path | None:
    path = Path(os.environ.get(variable, "") or os.devnull)
    return path.absolute() if path.is_dir() else None
