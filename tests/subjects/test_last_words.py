"""Why an interpreter did not start, out of all that it said; the texts are those of real ones."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from pyassay.subjects.identity import NotIdentifiedError, ask

NO_STANDARD_LIBRARY = """\
Could not find platform independent libraries <prefix>
Python path configuration:
  sys.prefix = '/install'
Fatal Python error: init_fs_encoding: failed to get the Python codec of the filesystem encoding
Python runtime state: core initialized
ModuleNotFoundError: No module named 'encodings'

Current thread 0x00007f0000000000 (most recent call first):
  <no Python frame>
"""
FATAL = """\
Fatal Python error: _PyInterpreterState_Get: no current interpreter

Current thread 0x00007f0000000000 (most recent call first):
  <no Python frame>
"""
GLIBC = "python3: error while loading shared libraries: libx.so.1: cannot open shared object file\n"
VERSION = "python3: /lib/libc.so.6: version `GLIBC_2.38' not found (required by python3)\n"
MUSL = """\
Error loading shared library libz.so.1: No such file or directory (needed by python3)
Error relocating python3: deflate: symbol not found
"""


@pytest.mark.parametrize(
    ("stderr", "told"),
    [
        (NO_STANDARD_LIBRARY, "ModuleNotFoundError: No module named 'encodings'"),
        (FATAL, "Fatal Python error: _PyInterpreterState_Get: no current interpreter"),
        (GLIBC + "hint: ask somebody\n", GLIBC.strip()),
        (VERSION, VERSION.strip()),
        (MUSL, "Error relocating python3: deflate: symbol not found"),
        ("first\nlast\n\n", "last"),
    ],
)
def test_the_line_that_tells_is_told(tmp_path: Path, stderr: str, told: str) -> None:
    program = tmp_path / "python3"
    program.write_text(f"#!/bin/sh\nprintf %s {shlex.quote(stderr)} >&2\nexit 1\n")
    program.chmod(0o755)
    with pytest.raises(NotIdentifiedError) as caught:
        ask(program)
    assert str(caught.value).endswith(f": exit status 1: {told}")
