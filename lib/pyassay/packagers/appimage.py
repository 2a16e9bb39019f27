"""AppImage: the tree made by hand in a squashfs image, behind a runtime that mounts or unpacks it.

The runtime file is the user's to give: it comes from release pages, not from a package registry. The AppRun
is the launcher of the tree and no more: what is measured is the format, not the start-up code of some tool.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from pyassay.packagers.model import BuildError, Built, Delivery, Form, InputKind, ToolFacts
from pyassay.packagers.python_tree import command_line, make_tree, own_work, safe_name, why_not_copied

if TYPE_CHECKING:
    from pyassay.packagers.model import Inputs, Project
    from pyassay.packagers.workshop import Workshop

__all__ = ["FORMS", "RUNTIME", "TOOL", "available", "build", "inputs", "runtime_file"]

FORMS = (
    Form("appimage", "appimage", "AppImage, mounted by FUSE", slides_row="AppImage"),
    Form("appimage-extract", "appimage", "AppImage, unpacked at each start", slides_row="AppImage"),
)
TOOL = ToolFacts(
    name="AppImage (mksquashfs and a runtime file)",
    requirements=(),
    licence="GPL-2.0-or-later",
    licence_source="mksquashfs: debian/copyright of squashfs-tools; the runtime file has its own licence",
)
RUNTIME = "PYASSAY_APPIMAGE_RUNTIME"
"""Variable: a runtime file of AppImage type 2, as its project releases it (``runtime-x86_64``)."""

_MAX_RUNTIME_BYTES = 64 << 20
# Bytes 8 to 10 of an AppImage, in the padding of ELF's identification.
_MAGIC = b"AI\x02"
_ICON = '<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64"/>\n'


def available(form: Form, workshop: Workshop) -> str:
    """Return which of the two parts is missing, or why the Python cannot be copied."""
    missing = []
    if workshop.which("mksquashfs") is None:
        missing.append("mksquashfs (on Debian: apt install squashfs-tools)")
    file = runtime_file(workshop)
    if file is None:
        missing.append(
            f"a runtime file of AppImage type 2, which only its release pages have ({RUNTIME}=FILE)"
        )
    if missing:
        return f"AppImage lacks {' and '.join(missing)}"
    return (_why_no_runtime(file) if file else "") or why_not_copied(workshop.python)


def inputs(form: Form) -> tuple[InputKind, ...]:
    """Return all three."""
    return tuple(InputKind)


def runtime_file(workshop: Workshop) -> Path | None:
    """Return the runtime file that the user gave, by the variable or in the cache; None: there is none."""
    given = os.environ.get(RUNTIME)
    machine = os.uname().machine
    path = Path(given) if given else workshop.cache / "packaging" / "appimage" / f"runtime-{machine}"
    return path.absolute() if path.is_file() else None


def build(form: Form, project: Project, inputs: Inputs, workshop: Workshop) -> Built:
    """Make the tree, add what an AppDir has, pack it, and put the runtime in front."""
    runtime = runtime_file(workshop)
    if runtime is None:
        raise BuildError(available(form, workshop))
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
            for part in (runtime, image):
                with part.open("rb") as source:
                    shutil.copyfileobj(source, target)
        path.chmod(0o755)
    except OSError as error:
        raise BuildError(f"{path.name}: {error.strerror}") from error
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
        | {"mksquashfs": (said.split() or ["", "", ""])[2], "runtime": runtime.name},
        duration_s=workshop.usage.duration_s,
        cpu_s=workshop.usage.cpu_s,
        peak_rss_bytes=workshop.usage.peak_rss_bytes,
        log=workshop.log,
    )


def _why_no_runtime(file: Path) -> str:
    """Return why a file is no runtime, or nothing."""
    try:
        with file.open("rb") as stream:
            start = stream.read(16)
        if start[:4] == b"\x7fELF" and start[8:11] == _MAGIC and file.stat().st_size <= _MAX_RUNTIME_BYTES:
            return ""
    except OSError as error:
        return f"{file}: {error.strerror}"
    return f"{file}: not a runtime of AppImage type 2"
