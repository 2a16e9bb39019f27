"""What quirk scripts share: its reader of ELF against the package's own, its lines, and its processes."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
from corpus.asked_quirks import names_of
from corpus.elf_makers import FOREIGN, write_foreign
from pyassay.elf import read


@pytest.fixture(scope="module")
def reading() -> dict[str, Any]:
    """Give all that the scripts that read ELF define."""
    scripts = ("build_id", "libcrypt", "executable_stack", "static_modules_musl", "symbols")
    return {name: value for script in scripts for name, value in names_of(script).items()}


@pytest.mark.parametrize("machine", FOREIGN)
def test_elf_of_any_width_and_order_is_read_as_the_package_reads_it(
    reading: dict[str, Any], machine: str, tmp_path: Path
) -> None:
    path = tmp_path / "library.so"
    path.write_bytes(write_foreign(machine))
    ours = read(path)
    assert ours.needed
    assert tuple(reading["needed"](str(path))) == ours.needed
    assert ours.build_id
    assert reading["build_id"](str(path)) == ours.build_id
    elf = reading["Elf"](str(path))
    (interpreter,) = elf.segments(reading["PT_INTERP"])
    assert elf.bytes_at(interpreter.offset, interpreter.length) == f"{ours.interpreter}\0".encode()
    assert len(elf.segments()) == elf.segment_count
    # The question is for files of 64 bits only.
    if ours.bits == 64:
        assert reading["wants_executable_stack"](str(path)) == (ours.executable_stack is not False)


@pytest.mark.parametrize("machine", ["aarch64", "i686", "s390x", "mips"])
def test_a_damaged_elf_file_is_read_as_far_as_it_goes(
    reading: dict[str, Any], machine: str, tmp_path: Path
) -> None:
    whole = write_foreign(machine)
    path = tmp_path / "library.so"
    variants = [whole[:size] for size in range(0, len(whole), 37)]
    variants += [whole[:at] + b"\xff" * 8 + whole[at + 8 :] for at in range(8, min(len(whole), 600), 4)]
    for variant in variants:
        path.write_bytes(variant)
        try:
            elf = reading["Elf"](str(path))
        except reading["NoElf"] as error:
            assert str(error) == f"{path} is no ELF file"
            assert len(variant) < 64
            continue
        assert len(elf.segments()) <= max(elf.segment_count, 0)
        assert isinstance(elf.section_names(), list)
        assert isinstance(reading["needed"](str(path)), list)
        assert isinstance(reading["build_id"](str(path)), str)


def test_the_line_that_names_the_error_is_found() -> None:
    line_with = names_of("embed")["line_with"]
    texts = ("first\n  an error: x \nan error: y", "an error: z\n fatal")
    assert line_with(("error:",), *texts) == "an error: x"
    assert line_with(("error: z", "fatal"), *texts) == "an error: z"
    assert line_with(("nothing",), *texts) == ""


def test_a_target_ends_with_its_block_and_at_its_timeout() -> None:
    given = names_of("gdb")
    scratch = Path(given["SCRATCH"])
    scratch.mkdir()
    try:
        with given["target"](given["TARGET"], 20) as process:
            assert process.poll() is None
        assert process.returncode == -signal.SIGKILL
        with given["target"](given["TARGET"], 0.5) as process:
            assert process.wait(10) == -signal.SIGKILL
    finally:
        shutil.rmtree(scratch)
