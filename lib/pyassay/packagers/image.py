"""An image, as ``docker save`` writes it: layers of ours on a base, put together without running anything.

The engine is asked for the files of the base image only. Layers and configuration are written here, in
a fixed order and with one time, so the same input gives the same bytes.
"""

from __future__ import annotations

import json
import platform
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pyassay.packagers import image_layers
from pyassay.packagers.container_build import ready_image, why_no_container
from pyassay.packagers.model import BuildError, Built, Delivery, Form, InputKind, ToolFacts
from pyassay.packagers.outer_needs import outer_needs
from pyassay.packagers.python_tree import (
    command_line,
    drop_scripts,
    make_tree,
    own_work,
    pip_for,
    safe_module,
    safe_name,
    wheel_pins,
    why_not_copied,
)
from pyassay.places.container import Engine, EngineError

if TYPE_CHECKING:
    from pyassay.packagers.model import Inputs, Project
    from pyassay.packagers.workshop import Workshop

__all__ = ["BASE", "FORMS", "PYTHON_BASE", "TOOL", "available", "build", "inputs"]

BASE = "debian:bookworm"
PYTHON_BASE = "debian:bookworm+python3"
FORMS = (
    Form("image-debian", "image", f"image: {BASE} and the tree by hand", slides_row=""),
    Form("image-debian-python", "image", f"image: {BASE}, its python3 and a virtual environment"),
    Form("image-scratch", "image", "image: nothing but glibc and the tree by hand"),
)
TOOL = ToolFacts(
    name="image",
    requirements=(),
    licence="",
    licence_source="no tool: the archive is written by pyassay; the base keeps the licences of its packages",
)

_ARCHITECTURES = {
    "x86_64": "amd64",
    "aarch64": "arm64",
    "armv7l": "arm",
    "ppc64le": "ppc64le",
    "s390x": "s390x",
}
_PYTHON = re.compile(r"python(\d+)\.(\d+)")


def available(form: Form, workshop: Workshop) -> str:
    """Return why no base image can be had, or why the Python cannot be copied."""
    reason = why_no_container(_base(form))
    if not reason and form.name != "image-debian-python":
        reason = why_not_copied(workshop.python)
    return reason


def inputs(form: Form) -> tuple[InputKind, ...]:
    """Return all three on a base image; nothing else than wheels that carry their libraries on none."""
    return (InputKind.REPAIRED, InputKind.OLDEST) if form.name == "image-scratch" else tuple(InputKind)


def build(form: Form, project: Project, inputs: Inputs, workshop: Workshop) -> Built:
    """Make the folder that goes to ``/opt/NAME``, take the base, and write the archive."""
    name = f"/opt/{safe_name(project.name, 'a folder')}"
    base = workshop.folder / "base.tar"
    identity, packages = _export(_base(form), base, workshop)
    versions = {"base": f"{_base(form)} {identity[:19]}", "glibc": packages.get("libc6", "")}
    environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
    layers = [base]
    if form.name == "image-debian-python":
        folder, arguments = _environment(project, inputs, workshop, base)
        program = f"{name}/bin/python"
        versions["python3"] = packages.get("python3", "")
    else:
        tree = make_tree(project, inputs, workshop, workshop.folder / "tree")
        folder, versions = tree.folder, tree.versions | versions
        program, arguments = f"{name}/{tree.launcher}", ()
        if form.name == "image-scratch":
            # There is no shell in it.
            program, arguments = f"{name}/{tree.python}", ("-I", "-m", tree.module)
            environment |= {"LD_LIBRARY_PATH": f"{name}/{tree.library_path}"} if tree.library_path else {}
            layers = [_libraries(folder, base, workshop)]
    path = workshop.output / f"{safe_name(project.name, 'a file')}.tar"
    own = workshop.folder / "own.tar"
    with own_work(workshop):
        image_layers.write_folder(folder, name.lstrip("/"), own, workshop.source_date_epoch or 0)
        image_layers.write_archive(
            path,
            [*layers, own],
            tag=f"pyassay-built/{re.sub('[^a-z0-9]+', '-', project.name.lower()).strip('-')}:{form.name}",
            architecture=_architecture(inputs),
            entry_point=[program, *arguments],
            environment=environment,
            epoch=workshop.source_date_epoch or 0,
        )
    workshop.commands.append(f"# layers: {_base(form)}, then FOLDER as {name}; entry point {program}")
    return Built(
        form=form,
        delivery=Delivery.IMAGE,
        path=path,
        program=program,
        arguments=tuple(arguments),
        environment={},
        commands=tuple(workshop.commands),
        tool_versions=versions,
        duration_s=workshop.usage.duration_s,
        cpu_s=workshop.usage.cpu_s,
        peak_rss_bytes=workshop.usage.peak_rss_bytes,
        log=workshop.log,
    )


def _base(form: Form) -> str:
    return PYTHON_BASE if form.name == "image-debian-python" else BASE


def _architecture(inputs: Inputs) -> str:
    machine = inputs.python.architecture or platform.machine()
    return _ARCHITECTURES.get(machine, machine)


def _export(image: str, target: Path, workshop: Workshop) -> tuple[str, Mapping[str, str]]:
    """Write the files of a base image as a layer; return its identity and its packages."""
    try:
        with Engine.connect() as engine:
            base = ready_image(engine, image, workshop)
            with own_work(workshop), engine.export(base.name) as stream:
                image_layers.write_base(stream, target)
            return base.id, base.packages
    except (EngineError, OSError, image_layers.LayerError) as error:
        raise BuildError(f"{image}: {error}") from error


def _libraries(folder: Path, base: Path, workshop: Workshop) -> Path:
    """Write a layer of the loader, glibc and whatever else the folder needs, out of the base's files."""
    needs = outer_needs(folder)
    target = workshop.folder / "libraries.tar"
    try:
        missing = image_layers.write_libraries(base, target, needs, workshop.folder / "unpacked")
    except (OSError, image_layers.LayerError) as error:
        raise BuildError(f"{BASE}: {error}") from error
    for library in missing:
        workshop.say(f"{library}: the base has no such library, so the image has none")
    return target


def _environment(
    project: Project, inputs: Inputs, workshop: Workshop, base: Path
) -> tuple[Path, Sequence[str]]:
    """Make what ``python3 -m venv`` would make in the image, and install the wheels for its Python."""
    module = safe_module(project.module)
    found = _PYTHON.fullmatch(Path(image_layers.link_target(base, "usr/bin/python3")).name)
    if found is None:
        raise BuildError(f"{PYTHON_BASE}: has no python3")
    version = f"{found[1]}.{found[2]}"
    folder = workshop.folder / "environment"
    site = folder / "lib" / f"python{version}" / "site-packages"
    site.mkdir(parents=True)
    (folder / "bin").mkdir()
    (folder / "bin" / "python").symlink_to("/usr/bin/python3")
    settings = "home = /usr/bin\ninclude-system-site-packages = false\n"
    (folder / "pyvenv.cfg").write_text(f"{settings}version = {version}\n", "utf-8")
    pip = workshop.environment([pip_for(inputs.python)], inputs.python.executable)
    wheelhouse = inputs.wheelhouse.absolute()
    argv: list[str | Path] = [
        *(pip.python, "-I", "-m", "pip", "install", "--quiet", "--no-index", "--find-links", wheelhouse),
        *("--no-deps", "--no-compile", "--only-binary", ":all:", "--python-version", version),
        *("--implementation", "cp", "--no-warn-script-location", "--target", site),
        *wheel_pins(wheelhouse),
    ]
    shown = command_line(workshop, ["pip", *argv[4:]]).replace(str(wheelhouse), "WHEELHOUSE")
    try:
        workshop.run(argv, shown=shown)
    except BuildError as error:
        own = ".".join(inputs.python.version.split(".")[:2])
        if own != version:
            raise BuildError(
                f"{PYTHON_BASE}: its Python is {version}, the wheels are for {own}: {error}"
            ) from error
        raise
    drop_scripts(site)
    workshop.say(json.dumps({"environment": str(folder), "python": version}))
    return folder, ("-I", "-m", module)
