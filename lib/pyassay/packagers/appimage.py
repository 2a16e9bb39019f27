"""AppImage: the tree made by hand in a squashfs image, behind a runtime that mounts or unpacks it.

The AppRun is the launcher of the tree and no more: what is measured is the format, not the start-up code of
some tool.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from pyassay.packagers.appimage_runtime import RUNTIME, runtime, runtime_identity, why_no_runtime
from pyassay.packagers.model import BuildError, Built, Delivery, Form, InputKind, ToolFacts
from pyassay.packagers.python_tree import command_line, make_tree, own_work, safe_name, why_not_copied

if TYPE_CHECKING:
    from pyassay.packagers.model import Inputs, Project
    from pyassay.packagers.workshop import Workshop

__all__ = ["FORMS", "RUNTIME", "TOOL", "available", "build", "identity", "inputs"]

FORMS = (
    Form("appimage", "appimage", "AppImage, mounted by FUSE", slides_row="AppImage"),
    Form("appimage-extract", "appimage", "AppImage, unpacked at each start", slides_row="AppImage"),
)
TOOL = ToolFacts(
    name="AppImage (mksquashfs and a runtime file)",
    requirements=(),
    licence="GPL-2.0-or-later",
    licence_source="mksquashfs: debian/copyright of squashfs-tools; a given runtime has its own licence, and "
    "ours is linked with lzo, which has this one, too",
)
_ICON = '<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64"/>\n'


def available(form: Form, workshop: Workshop) -> str:
    """Return which of the two parts is missing, or why the Python cannot be copied."""
    missing = []
    if workshop.which("mksquashfs") is None:
        missing.append("mksquashfs (on Debian: apt install squashfs-tools)")
    why = why_no_runtime(workshop.cache)
    if why:
        missing.append(why)
    if missing:
        return f"AppImage lacks {' and '.join(missing)}"
    return why_not_copied(workshop.python)


def identity(form: Form, cache: Path | None) -> tuple[str, ...]:
    """Return what an artifact depends on besides the project, the wheels and these modules: the runtime."""
    return (runtime_identity(cache),)


def inputs(form: Form) -> tuple[InputKind, ...]:
    """Return all three."""
    return tuple(InputKind)


def build(form: Form, project: Project, inputs: Inputs, workshop: Workshop) -> Built:
    """Make the tree, add what an AppDir has, pack it, and put the runtime in front."""
    front = runtime(workshop)
    name = safe_name(project.script, "a program")
    tree = make_tree(project, inputs, workshop, workshop.folder / "AppDir")
    entry = f"[Desktop Entry]\nType=Application\nName={name}\nExec={name}\nIcon={name}\nCategories=Utility;\n"
    (tree.folder / f"{name}.desktop").write_text(f"{entry}Terminal=true\n", "utf-8")
    (tree.folder / f"{name}.svg").write_text(_ICON, "utf-8")
    (tree.folder / "AppRun").symlink_to(tree.launcher)
    image = workshop.folder / "image.squashfs"
    # One processor: with more, the order of the blocks is chance.
    argv: list[str | Path] = [
        *("mksquashfs", tree.folder, image, "-noappend", "-root-owned", "-no-xattrs", "-no-progress"),
        *("-comp", "zstd", "-processors", "1"),
    ]
    workshop.run(argv, shown=command_line(workshop, argv))
    path = workshop.output / f"{name}.AppImage"
    try:
        with own_work(workshop), path.open("wb") as target:
            for part in (front.path, image):
                with part.open("rb") as source:
                    shutil.copyfileobj(source, target)
        path.chmod(0o755)
    except OSError as error:
        raise BuildError(f"{path.name}: {error.strerror}") from error
    if front.how:
        workshop.commands.append(front.how)
    workshop.commands.append(command_line(workshop, ["cat", "RUNTIME", image]) + f" > OUTPUT/{path.name}")
    said = workshop.run(["mksquashfs", "-version"], shown="", timeout_s=60.0).stdout
    return Built(
        form=form,
        delivery=Delivery.FILE,
        path=path,
        program=path.name,
        environment={"APPIMAGE_EXTRACT_AND_RUN": "1"} if form.name == "appimage-extract" else {},
        commands=tuple(workshop.commands),
        tool_versions=tree.versions
        | {"mksquashfs": (said.split() or ["", "", ""])[2], "runtime": front.version},
        duration_s=workshop.usage.duration_s,
        cpu_s=workshop.usage.cpu_s,
        peak_rss_bytes=workshop.usage.peak_rss_bytes,
        log=workshop.log,
    )
