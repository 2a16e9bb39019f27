"""Makers of small libraries, programs and root file systems, with the real compiler, linker and loader."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest


def build(
    target: Path,
    source: str = "int nothing;",
    *,
    libraries: Iterable[Path | str] = (),
    options: Iterable[str] = (),
    soname: str | None = None,
    program: bool = False,
    version_script: str | None = None,
) -> Path:
    """Compile a shared library (or a program) from C; the test is skipped where there is no compiler."""
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc")
    target.parent.mkdir(parents=True, exist_ok=True)
    command = ["gcc", "-x", "c", "-", "-x", "none", "-o", str(target), "-Wl,--no-as-needed", "-O1", "-w"]
    command += [] if program else ["-shared", "-fPIC"]
    if soname is not None:
        command.append(f"-Wl,-soname,{soname}")
    if version_script is not None:
        script = target.with_name(target.name + ".map")
        script.write_text(version_script)
        command.append(f"-Wl,--version-script,{script}")
    command += [*options, *(str(library) for library in libraries), "-Wl,--allow-shlib-undefined"]
    done = subprocess.run(command, input=source, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode != 0 and "-m32" in command:
        pytest.skip("the compiler makes no 32-bit code")
    assert done.returncode == 0, done.stderr
    if version_script is not None:
        script.unlink()
    return target


@dataclass(frozen=True)
class Traced:
    """What the real loader said."""

    files: frozenset[str]
    missing: frozenset[str]
    output: str


def trace(file: Path | str, *, loader: str | None = None, root: Path | None = None) -> Traced:
    """Ask the real dynamic loader, with an empty environment, what it would load; `root` by chroot."""
    command = [loader, str(file)] if loader else [str(file)]
    enter = None if root is None else (lambda: os.chroot(root))
    done = subprocess.run(
        command,
        env={"LD_TRACE_LOADED_OBJECTS": "1"},
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        preexec_fn=enter,
    )
    files: set[str] = set()
    missing: set[str] = set()
    for line in (done.stdout + done.stderr).splitlines():
        if match := re.match(r"\t(.+) => not found", line):
            missing.add(match[1])
        elif match := re.match(r"\t(?:.+ => )?(/.+) \(0x[0-9a-f]+\)", line):
            files.add(match[1])
        if match := re.search(r"version `(.+?)' not found", line):
            missing.add(match[1])
    return Traced(frozenset(files), frozenset(missing), done.stdout + done.stderr)


class FakeRoot:
    """A root file system with this host's own glibc, in which the real loader can be run by chroot."""

    def __init__(self, path: Path) -> None:
        self.path = path
        libc = Path("/lib/x86_64-linux-gnu/libc.so.6")
        loader = Path("/lib64/ld-linux-x86-64.so.2")
        if not (libc.exists() and loader.exists()):
            pytest.skip("needs glibc for x86_64 in the places of Debian")
        self.loader = str(loader)
        multiarch = path / "usr/lib/x86_64-linux-gnu"
        multiarch.mkdir(parents=True)
        (path / "etc").mkdir()
        for name in ("libc.so.6", "libm.so.6"):
            shutil.copy(libc.parent / name, multiarch / name)
        shutil.copy(loader, multiarch / loader.name)
        # Absolute links everywhere: they must lead back into the root.
        (path / "lib").symlink_to("/usr/lib")
        (path / "usr/lib64").mkdir()
        (path / "lib64").symlink_to("/usr/lib64")
        (path / "usr/lib64" / loader.name).symlink_to(f"/lib/x86_64-linux-gnu/{loader.name}")

    def ldconfig(self) -> None:
        """Let the real ldconfig write the cache that the real loader reads."""
        tool = shutil.which("ldconfig", path="/sbin:/usr/sbin")
        if tool is None:
            pytest.skip("needs ldconfig")
        subprocess.run([tool, "-X", "-r", str(self.path)], check=True, capture_output=True, timeout=60)

    def trace(self, inside: str) -> Traced:
        """Run the real loader in the root."""
        if os.geteuid() != 0:
            pytest.skip("chroot needs root")
        return trace(inside, loader=self.loader, root=self.path)
