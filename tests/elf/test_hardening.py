"""Hardening of files made with and without it, and agreement with checksec.py on the system's own."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

import pytest
from corpus.rootfs import build
from pyassay.elf import ElfError
from pyassay.elf.hardening import FORTIFIED, Hardening, hardening
from pyassay.elf.reader import read
from pyassay.elf.symbols import exported_symbols

MAIN = """
#include <stdio.h>
#include <string.h>
int main(int n, char **v) { char b[64]; strcpy(b, v[0]); memset(b, n, n); printf("%s", b); return b[n]; }
"""


def made(folder: Path, *options: str, source: str = MAIN, program: bool = True) -> Hardening:
    return hardening(build(folder / "file", source, options=("-O2", *options), program=program))


def test_everything_on(tmp_path: Path) -> None:
    found = made(
        tmp_path,
        *("-fPIE", "-pie", "-Wl,-z,relro,-z,now", "-fstack-protector-all", "-D_FORTIFY_SOURCE=2", "-s"),
    )
    assert (found.pie, found.relro, found.canary, found.executable_stack) == ("PIE", "full", True, False)
    assert {"strcpy", "memset", "printf"} <= set(found.fortified)
    assert (found.plain, found.rpath, found.runpath) == ((), (), ())
    assert (found.writable_code, found.stripped) == (0, True)


def test_everything_off(tmp_path: Path) -> None:
    found = made(
        tmp_path,
        *("-no-pie", "-fno-pie", "-Wl,-z,norelro", "-fno-stack-protector", "-U_FORTIFY_SOURCE"),
        *("-Wl,-z,execstack", "-Wl,--disable-new-dtags", "-Wl,-rpath,/a:/b"),
    )
    assert (found.pie, found.relro, found.canary, found.executable_stack) == ("no", "none", False, True)
    assert {"strcpy", "printf"} <= set(found.plain)
    assert (found.fortified, found.rpath, found.runpath) == ((), ("/a", "/b"), ())
    assert not found.stripped


def test_partial_relro_runpath_and_a_library(tmp_path: Path) -> None:
    options = ("-Wl,-z,relro,-z,lazy", "-Wl,--enable-new-dtags", "-Wl,-rpath,$ORIGIN")
    found = made(tmp_path, *options, source="int f(void){return 1;}", program=False)
    assert (found.pie, found.relro, found.rpath, found.runpath) == ("DSO", "partial", (), ("$ORIGIN",))


@pytest.mark.skipif(platform.machine() != "x86_64", reason="CET is x86's")
@pytest.mark.parametrize(
    ("option", "features"),
    [("full", ("ibt", "shstk")), ("branch", ("ibt",)), ("return", ("shstk",)), ("none", ())],
)
def test_control_flow_by_the_property_note(tmp_path: Path, option: str, features: tuple[str, ...]) -> None:
    # The start files of the compiler decide, too: a file has what all its parts have.
    source = "void _start(void) { for(;;); }"
    found = made(tmp_path, f"-fcf-protection={option}", "-nostartfiles", "-nostdlib", source=source)
    assert found.features == features
    assert found.possible_features == ("ibt", "shstk")


def test_a_segment_to_write_and_execute(tmp_path: Path) -> None:
    source = "void _start(void) { for(;;); } int x = 3;"
    found = made(tmp_path, "-nostartfiles", "-nostdlib", "-static", "-Wl,-N", source=source)
    assert found.writable_code == 1
    assert found.canary is False


def test_a_static_and_stripped_program_does_not_say_whether_it_has_canaries(tmp_path: Path) -> None:
    source = "void _start(void) { for(;;); }"
    found = made(tmp_path, "-nostartfiles", "-nostdlib", "-static", "-no-pie", "-s", source=source)
    assert found.canary is None


def test_damage_is_an_error_or_an_answer(tmp_path: Path) -> None:
    whole = build(tmp_path / "file", MAIN, options=("-O2",), program=True).read_bytes()
    answers = 0
    for place in range(0, len(whole) - 8, 61):
        data = bytearray(whole)
        data[place : place + 8] = b"\xff\x7f" * 4
        try:
            hardening(bytes(data), "file")
            answers += 1
        except ElfError as error:
            assert "\n" not in str(error)
    assert answers > 50


def system_files() -> list[Path]:
    folders = [Path("/usr/bin"), Path("/usr/sbin"), *Path("/usr/lib").glob("*-linux-gnu*")]
    files = [path for folder in folders for path in sorted(folder.glob("*")) if path.suffix != ".o"]
    return [path for path in files if path.is_file() and not path.is_symlink()][::9]


def test_agreement_with_checksec() -> None:
    elf = pytest.importorskip("checksec.elf", reason="checksec.py is not installed")
    relro = {"No": "none", "Partial": "partial", "Full": "full"}
    pie = {"No": "no", "DSO": "DSO", "PIE": "PIE"}
    compared = 0
    for path in system_files():
        with path.open("rb") as file:
            if file.read(4) != b"\x7fELF":
                continue
        ours, theirs = hardening(path), elf.ELFSecurity(path)
        # It asks this machine's libc which functions have a checked variant.
        known = theirs._libc.fortified_symbols_base
        own = {symbol.name for symbol in exported_symbols(path)} & (known | theirs._libc.fortified_symbols)
        plain = [name for name in ours.plain if name in known]
        said = {
            "relro": (ours.relro, relro[theirs.relro.name]),
            "pie": (ours.pie, pie[theirs.pie.name]),
            "canary": (bool(ours.canary), theirs.has_canary),
            "nx": (ours.executable_stack is False, theirs.has_nx),
            "rpath": (bool(ours.rpath), theirs.has_rpath),
            "runpath": (bool(ours.runpath), theirs.has_runpath),
            "stripped": (ours.stripped, theirs.is_stripped),
        }
        if not own:
            said["fortified"] = (len(ours.fortified), len(theirs.fortified))
            said["fortifiable"] = (len(ours.fortified) + len(plain), len(theirs.fortifiable))
        assert {key: pair for key, pair in said.items() if pair[0] != pair[1]} == {}, path
        compared += 1
    if not compared:
        pytest.skip("no ELF files where systems have them")


def test_every_checked_variant_of_this_machine_s_libc_is_known() -> None:
    said = subprocess.run(["gcc", "-print-file-name=libc.so.6"], capture_output=True, text=True, check=False)
    libc = Path(said.stdout.strip())
    if not libc.is_file() or read(libc).soname != "libc.so.6":
        pytest.skip("needs glibc")
    names = {symbol.name for symbol in exported_symbols(os.path.realpath(libc))}
    checked = {name[2:-4] for name in names if name.startswith("__") and name.endswith("_chk")}
    assert len(checked) > 50
    assert checked <= FORTIFIED
