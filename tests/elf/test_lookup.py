"""What symbols hold: against the compiler that made them, in every form of the tables that linkers write."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from corpus.rootfs import build
from pyassay.elf import ElfError
from pyassay.elf.lookup import Symbols
from pyassay.elf.reader import Image
from pyassay.elf.symbols import exported_symbols

SOURCE = """
const char text[] = "3.47.1"; const unsigned number = 0x030c0af0u; int zeros[100];
const char *name(void) { return "a version of 1.2.3"; }
unsigned constant(void) { return 50040012u; }
int more(int x) { return x + 50040012; }
static const char *hidden_name(void) { return "hidden 1.2.3"; }
const char *(*keep)(void) = hidden_name;
"""


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("-Wl,--hash-style=sysv",),
        ("-Wl,--hash-style=gnu",),
        ("-Wl,--hash-style=both", "-s"),
        ("-fcf-protection=full",),
        ("-fcf-protection=none", "-fno-omit-frame-pointer"),
        ("-O0", "-fcf-protection=full"),
        ("-Wl,-z,noseparate-code",),
    ],
    ids=" ".join,
)
def test_data_and_returned_constants(tmp_path: Path, options: tuple[str, ...]) -> None:
    file = build(tmp_path / "lib.so", SOURCE, options=options)
    with Image(file) as image:
        symbols = Symbols(image)
        found = symbols.find_all(["text", "number", "name", "constant", "more", "zeros", "absent"])
        assert sorted(found) == ["constant", "more", "name", "number", "text", "zeros"]
        assert symbols.string(found["text"]) == b"3.47.1"
        assert int.from_bytes(symbols.data(found["number"], 4), "little") == 0x030C0AF0
        assert symbols.returned_string(found["name"]) == b"a version of 1.2.3"
        assert symbols.returned_integer(found["constant"]) == 50040012
        # Neither a constant nor the address of a string; no bytes in the file at all.
        assert symbols.returned_integer(found["more"]) is None
        assert symbols.returned_string(found["more"]) == b""
        assert symbols.data(found["zeros"], 4) == b""


def test_a_program_at_a_fixed_place(tmp_path: Path) -> None:
    options = ("-no-pie", "-fno-pie", "-rdynamic")
    file = build(tmp_path / "program", SOURCE + "int main(void){return 0;}", options=options, program=True)
    with Image(file) as image:
        symbols = Symbols(image)
        found = symbols.find("name")
        assert found is not None
        assert symbols.returned_string(found) == b"a version of 1.2.3"


def test_what_is_not_exported_is_in_the_full_table_until_it_is_stripped(tmp_path: Path) -> None:
    file = build(tmp_path / "lib.so", SOURCE)
    with Image(file) as image:
        assert Symbols(image).find_all(["hidden_name"]) == {}
        symbols = Symbols(image, full=True)
        assert symbols.returned_string(symbols.find_all(["hidden_name"])["hidden_name"]) == b"hidden 1.2.3"
    subprocess.run(["strip", str(file)], check=True, timeout=30)
    with Image(file) as image:
        assert Symbols(image, full=True).find_all(["hidden_name"]) == {}


def mapped() -> list[Path]:
    """List what this very process has loaded."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    return sorted({Path(line.split(maxsplit=5)[5]) for line in lines if ".so" in line})


def test_every_exported_symbol_is_found_and_no_other() -> None:
    checked = 0
    for path in mapped():
        try:
            exported = {symbol.name for symbol in exported_symbols(path)}
        except (ElfError, OSError):
            continue
        with Image(path) as image:
            symbols = Symbols(image)
            some = sorted(exported)[:: max(1, len(exported) // 50)]
            assert [name for name in some if symbols.find(name) is None] == [], path
            assert [name for name in some if f"{name}_" not in exported and symbols.find(f"{name}_")] == [], (
                path
            )
            checked += len(some)
    assert checked > 100


def test_damaged_tables_are_no_error(tmp_path: Path) -> None:
    whole = build(tmp_path / "lib.so", SOURCE).read_bytes()
    found = 0
    for place in range(0, len(whole), 97):
        data = bytearray(whole)
        data[place : place + 8] = b"\xff" * 8
        try:
            with Image(bytes(data)) as image:
                symbols = Symbols(image, full=True)
                for symbol in symbols.find_all(["text", "name", "constant", "hidden_name"]).values():
                    symbols.string(symbol), symbols.returned_integer(symbol), symbols.returned_string(symbol)
                    found += 1
        except ElfError:
            continue
    assert found > 100
