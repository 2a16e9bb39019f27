"""dh-virtualenv: a .deb with a virtual environment, made by Debian's own tools for one release of Debian.

Everything comes from Debian: dh-virtualenv, debhelper, the Python. It is built in a container of the release,
so nothing is installed on the host; the wheels must fit that release's Python. ``dh_shlibdeps`` finds out
which packages of the release the binaries need.
"""

from __future__ import annotations

import shutil
import time
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pyassay.packagers.container_build import WORK, run_in_container, why_no_container
from pyassay.packagers.model import BuildError, Built, Delivery, Form, InputKind, ToolFacts
from pyassay.packagers.nfpm import package_name
from pyassay.packagers.projects import build_settings
from pyassay.packagers.python_tree import safe_name, wheel_pins

if TYPE_CHECKING:
    from pyassay.packagers.model import Inputs, Project
    from pyassay.packagers.workshop import Workshop

__all__ = ["FORMS", "IMAGE", "TOOL", "available", "build", "debian_folder", "inputs"]

RELEASE = "bookworm"
_PACKAGES = (
    *("dh-virtualenv", "debhelper", "python3-venv", "python3-setuptools", "python3-pip", "python3-wheel"),
    *("python3-dev", "build-essential"),
)
IMAGE = f"debian:{RELEASE}+{','.join(_PACKAGES)}"
"""The image that it is built in."""
FORMS = (
    Form("dh-virtualenv", "dh_virtualenv", f"dh-virtualenv on Debian {RELEASE}", slides_row="dh-virtualenv"),
)
TOOL = ToolFacts(
    name="dh-virtualenv",
    requirements=(),
    licence="GPL-2.0-or-later",
    licence_source="debian/copyright of Debian's package dh-virtualenv",
)

# No name of a project is in it: make and the shell read this.
_RULES = f"""\
#!/usr/bin/make -f
export DH_VIRTUALENV_INSTALL_ROOT=/opt/venvs
MINOR = $(shell python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
NEXT = $(shell python3 -c 'import sys; print("%d.%d" % (sys.version_info[0], sys.version_info[1] + 1))')
%:
\tdh $@ --with python-virtualenv
override_dh_virtualenv:
\tdh_virtualenv --builtin-venv --python=/usr/bin/python3 --skip-install \\
\t  --extra-pip-arg=--no-index --extra-pip-arg=--no-deps --extra-pip-arg=--no-compile \\
\t  --extra-pip-arg=--find-links={WORK}/wheels
override_dh_gencontrol:
\tdh_gencontrol -- '-Vpython3:Depends=python3 (>= $(MINOR)~), python3 (<< $(NEXT))'
override_dh_strip override_dh_dwz:
"""
_BUILD = """
set -e
mkdir source wheels
cp "$2"/*.whl wheels/
cp -r "$1"/. source/
cd source
dpkg-buildpackage --build=binary --no-sign --no-check-builddeps
cd ..
rm -rf source wheels
"""


def available(form: Form, workshop: Workshop) -> str:
    """Return why no container of the release can be had."""
    return why_no_container(IMAGE)


def inputs(form: Form) -> tuple[InputKind, ...]:
    """Return the raw ones: system libraries are what its packages of the system are for."""
    return (InputKind.RAW,)


def debian_folder(project: Project, folder: Path, epoch: int) -> None:
    """Write the files that debhelper reads into a new folder ``debian``.

    Raises
    ------
    BuildError
        If name, version or script are none that a package could have.
    """
    name, script = package_name(project), safe_name(project.script, "a program")
    version = safe_name(project.version, "a version")
    debian = folder / "debian"
    (debian / "source").mkdir(parents=True)
    date = format_datetime(datetime.fromtimestamp(epoch, UTC))
    files = {
        "control": (
            f"Source: {name}\nSection: misc\nPriority: optional\nMaintainer: pyassay <pyassay@localhost>\n"
            "Build-Depends: debhelper-compat (= 13), dh-virtualenv\nRules-Requires-Root: no\n\n"
            f"Package: {name}\nArchitecture: any\nPre-Depends: ${{misc:Pre-Depends}}\n"
            "Depends: ${shlibs:Depends}, ${misc:Depends}, ${python3:Depends}\n"
            f"Description: {name} in a virtual environment\n"
        ),
        "changelog": (
            f"{name} ({version}) {RELEASE}; urgency=low\n\n  * Built.\n\n"
            f" -- pyassay <pyassay@localhost>  {date}\n"
        ),
        "rules": _RULES,
        "source/format": "3.0 (native)\n",
        "links": f"opt/venvs/{name}/bin/{script} usr/bin/{script}\n",
    }
    for file, text in files.items():
        (debian / file).write_text(text, "utf-8")
    (debian / "rules").chmod(0o755)


def build(form: Form, project: Project, inputs: Inputs, workshop: Workshop) -> Built:
    """Write the source package, and build it in a container of the release."""
    source = workshop.folder / "source"
    source.mkdir()
    debian_folder(project, source, workshop.source_date_epoch or int(time.time()))
    wheelhouse = inputs.wheelhouse.absolute()
    (source / "requirements.txt").write_text("\n".join(wheel_pins(wheelhouse)) + "\n", "ascii")
    # What its libraries link to must be there when dh_shlibdeps looks for whose they are.
    wanted = [one for one in build_settings(project.source).debian_packages if one not in _PACKAGES]
    image = ",".join([IMAGE, *wanted])
    made = run_in_container(
        workshop,
        image,
        ["/bin/sh", "-c", _BUILD, "sh", str(source), str(wheelhouse)],
        python="/usr/bin/python3",
        mounts=[source, wheelhouse],
        environment={
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "PIP_CONFIG_FILE": "/dev/null",
            "PIP_NO_INDEX": "1",
        },
        shown="dpkg-buildpackage --build=binary --no-sign --no-check-builddeps",
    )
    name = package_name(project)
    found = sorted(made.folder.glob(f"{name}_*.deb"))
    if len(found) != 1:
        raise BuildError(f"dh-virtualenv: made {len(found)} packages instead of one")
    path = workshop.output / found[0].name
    shutil.move(found[0], path)
    packages = ("dh-virtualenv", "debhelper", "python3", "python3-pip", "dpkg-dev")
    return Built(
        form=form,
        delivery=Delivery.PACKAGE,
        path=path,
        program=f"/opt/venvs/{name}/bin/{safe_name(project.script, 'a program')}",
        commands=tuple(workshop.commands),
        tool_versions={one: made.packages[one] for one in packages if one in made.packages},
        duration_s=workshop.usage.duration_s,
        cpu_s=workshop.usage.cpu_s,
        peak_rss_bytes=workshop.usage.peak_rss_bytes,
        log=workshop.log,
    )
