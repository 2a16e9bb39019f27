"""Artifacts packed by hand in no time: shell scripts that answer as the patient does, well or badly."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pyassay.packagers.model import Built, Delivery, Form, InputKind, Project
from pyassay.probes.packaging.candidates import Candidate
from pyassay.probes.packaging.reading import read_artifact
from pyassay.probes.packaging.store import digest_of_path
from pyassay.subjects.model import Confidence, Interpreter, Provenance, SubjectKind

GOOD = r"""#!/bin/sh
case "$1" in
run) echo '{"works": ["part"], "fails": {}}';;
facts) echo '{"file": "/x", "file_exists": true, "resource": "hello", "version": "1.0", "sys_path": ["/a"],'
  echo '"executable": "/usr/bin/snake", "subprocess": "42", "working_folder": "/"}';;
exit) exit "$2";;
spawn) echo 42;;
wait) trap 'kill $s 2>/dev/null; exit 7' TERM; echo ready $$; sleep 20 & s=$!; wait $s;;
args) printf '%s' '{"args": ["a b", "", "it'"'"'s \"quoted\"", "$HOME", "*", "-x", "grün"], '
  printf '%s' '"stdin": "line 1\nline 2 – ü\n"}';;
esac
"""

# Unpacks itself to TMPDIR, forgets to remove that when it is killed, loses exit codes, and needs a home.
BAD = r"""#!/bin/sh
case "$1" in
run) mkdir -p "$TMPDIR/unpacked" "$HOME/.bad" || exit 3; echo kept > "$HOME/.bad/file"
  [ -z "$PYTHONPATH" ] || echo "PYASSAY-PLANTED json" >&2
  echo '{"works": ["part"], "fails": {}}';;
facts) echo '{"file": "/x", "file_exists": false, "resource": "!FileNotFoundError: no", "version": "1.0",'
  echo '"sys_path": ["", "/a"], "executable": "", "subprocess": "!OSError: no"}';;
exit) exit 0;;
spawn) echo "RuntimeError: no" >&2; exit 1;;
wait) mkdir "$TMPDIR/_MEIabc123"; echo unpacked > "$TMPDIR/_MEIabc123/file"; echo ready $$; sleep 20;;
args) echo '{"args": ["a", "b"], "stdin": ""}';;
esac
"""


def project(*, speaks: bool = True, expected: tuple[str, ...] = ("part",)) -> Project:
    """Return what the scripts pretend to be."""
    return Project(
        Path("/nowhere"), "patient", "1.0", "patient", "patient.cli:main", "patient", ("--help",), ("run",),
        expected, speaks, False, "0",
    )  # fmt: skip


def python(
    builder: str = "pyenv", version: str = "3.12.1", prefix: Path = Path("/nowhere"), **more
) -> Interpreter:
    """Return a Python that packs, in name only."""
    facts = {
        "id": f"cpython-{version}-{builder}", "label": f"{version} {builder}",
        "kind": SubjectKind.INTERPRETER,
        "executable": prefix / "bin/python3", "version": version, "implementation": "cpython",
        "architecture": "x86_64", "libc": "glibc", "libc_version": "2.36", "compiler": "", "build_date": "",
        "prefix": prefix, "stdlib": None, "platstdlib": None, "library_folders": (), "site_folders": (),
        "aliases": (), "environments": (), "environment": None,
        "provenance": Provenance(builder, builder, Confidence.CERTAIN),
    }  # fmt: skip
    return Interpreter(**(facts | more))


def candidate(
    path: Path,
    *,
    program: str = "",
    delivery: Delivery = Delivery.FILE,
    name: str = "script",
    kind: InputKind | None = None,
    environment: Mapping[str, str] | None = None,
    of: Project | None = None,
    packs: Interpreter | None = None,
) -> Candidate:
    """Return an artifact as if a packager had made it."""
    form = Form(name, name, name)
    one = Candidate(form, kind, packs or python(), of or project())
    one.built = Built(form, delivery, path, program or path.name, environment=environment or {})
    one.status, one.digest = "built", digest_of_path(path)
    one.carries_python = True
    return one


def script(folder: Path, text: str, name: str = "program") -> Path:
    """Write a program that anyone may start."""
    path = folder / name
    path.write_text(text, "utf-8")
    path.chmod(0o755)
    folder.chmod(0o755)
    return path


def read(one: Candidate):
    """Return what is read of it."""
    return read_artifact(one.built)
