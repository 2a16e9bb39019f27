"""Signatures: each is sound, and a faulty one is refused by a line that names file and key."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pyassay.probes.signatures import SignatureError, SymbolVersionSource, load, parse, signatures

WANTED = {
    *("openssl", "libressl", "boringssl", "aws_lc", "sqlite", "zlib", "zlib_ng", "expat", "bzip2", "xz"),
    *("zstd", "ncurses", "readline", "libedit", "libffi", "mpdecimal", "tcl", "tk", "berkeley_db", "gdbm"),
    *("libuuid", "krb5", "curl", "libpq", "cpython"),
}
WHOLE = """
name = "X"
about = "an example"
"""
BYTES = """
[[bytes]]
anchor = "libx "
pattern = 'libx (?P<version>\\d\\.\\d)'
"""


def test_every_library_has_its_signature() -> None:
    assert set(signatures()) == WANTED


def test_each_says_what_merging_does_to_it() -> None:
    assert [key for key, one in signatures().items() if not one.linker] == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name = ", "x.toml: not TOML"),
        ("about = 'a'", "x.toml: name: wants a text"),
        (WHOLE, "x.toml: bytes: none"),
        (WHOLE + "colour = 'red'\nsonames = ['libx']", "x.toml: colour: unknown key"),
        (WHOLE + "sonames = 'libx'", "x.toml: sonames: wants a list of texts"),
        (WHOLE + "bytes = 1", "x.toml: bytes: wants tables: [[bytes]]"),
        (WHOLE + BYTES.replace('libx "', 'li"'), "x.toml: bytes[0].anchor: shorter than 4 bytes"),
        (WHOLE + BYTES + "offset = 3", "x.toml: bytes[0].offset: unknown key"),
        (WHOLE + BYTES + "around = 100000", "x.toml: bytes[0].around: wants a number from 1 to 512"),
        (WHOLE + BYTES + "bare = 1", "x.toml: bytes[0].bare: wants true or false"),
        (WHOLE + BYTES.replace("version", "number"), "x.toml: bytes[0].pattern: unknown group number"),
        (WHOLE + BYTES.replace(r"\d)", r"\d"), "x.toml: bytes[0].pattern: no pattern: "),
        (WHOLE + BYTES + "[[symbols]]\nname = 'x'\ndecode = 'guess'", "x.toml: symbols[0].decode: wants one"),
        (WHOLE + BYTES + "proof = ['\u20ac uro']", "x.toml: bytes[0].proof: '\u20ac' is no byte"),
        (WHOLE + "unless = ['\u20ac']", "x.toml: unless: '\u20ac' is no byte"),
        (WHOLE + "modified = '('" + BYTES, "x.toml: modified: no pattern: "),
        (WHOLE + "[[symbols]]\nname = 'x'\ndecode = 'string'", "x.toml: symbols[0].pattern: wants a text"),
        (
            WHOLE + "[[symbols]]\nname = 'x'\ndecode = 'string'\npattern = 'x'",
            "x.toml: symbols[0].pattern: has no group version",
        ),
    ],
)
def test_a_faulty_one_names_file_and_key(text: str, message: str) -> None:
    with pytest.raises(SignatureError, match=f"^{re.escape(message)}"):
        parse("x.toml", text)


@pytest.mark.parametrize(
    "pattern",
    [
        r"libx \d+",
        r"libx .*",
        r"libx (?:a|b)+",
        r"libx \d{2,}",
        r"libx (\d)\1",
        r"libx (?:\d{1,9}){1,9}",
        "x{0,400}y{0,400}",
    ],
)
def test_a_pattern_that_could_take_long_is_refused(pattern: str) -> None:
    with pytest.raises(SignatureError, match=r"^x\.toml: bytes\[0\]\.pattern: "):
        parse("x.toml", WHOLE + f"[[bytes]]\nanchor = 'libx'\npattern = '{pattern}'")


def test_letters_in_a_set_are_no_repeats() -> None:
    one = parse("x.toml", WHOLE + "[[bytes]]\nanchor = 'libx'\npattern = 'libx[+*.]{1,3}\\+'")
    assert one.patterns[0].pattern.fullmatch(b"libx*.+")


def test_a_signature_cannot_exclude_one_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text(WHOLE + "not_of = ['y']" + BYTES)
    with pytest.raises(SignatureError, match=r"^x\.toml: not_of: y: no such signature$"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("number", "keys", "version"),
    [
        (0x030C0AF0, {"decode": "python"}, "3.12.10"),
        (0x030E00B2, {"decode": "python"}, "3.14.0b2"),
        (0x030C0A00, {"decode": "python"}, ""),
        (3047001, {}, "3.47.1"),
        (50040012, {"divide": 10}, "5.4.1"),
        (10507, {"radix": 100}, "1.5.7"),
        (0x0802, {"radix": 256, "parts": 2}, "8.2"),
        (180006, {"radix": 10000, "parts": 2, "least": 100000}, "18.6"),
        (90624, {"radix": 10000, "parts": 2, "least": 100000}, ""),
        (0, {}, ""),
        (0xFFFFFFFF, {}, ""),
    ],
)
def test_numbers_are_split_into_versions(number: int, keys: dict[str, int], version: str) -> None:
    source = SymbolVersionSource("x", **({"decode": "integer"} | keys))  # type: ignore[arg-type]
    assert source.from_integer(number) == version


@pytest.mark.parametrize(
    ("name", "library"),
    [
        ("libcrypto.so.3", "openssl"),
        ("libcrypto-64b40125.so.1.1.1k", "openssl"),
        ("psycopg2_binary.libs/libkrb5-fcafa220.so.3.3", "krb5"),
        ("libsqlite3-e9f4411a.so.0.8.6", "sqlite"),
        ("libdb-5.3.so", "berkeley_db"),
        ("libtcl8.6.so", "tcl"),
        ("libtcl8-1a2b3c4d.6.so", "tcl"),
        ("libtcl9tk9.0.so", "tk"),
        ("libpython3.6m.so.1.0", "cpython"),
        ("/usr/lib/libpython2.7.so.1.0", "cpython"),
        ("libtinfo.so.6", "ncurses"),
        ("libpython3.so", ""),
        ("libzip.so.5", ""),
        ("libcryptopp.so.8", ""),
        ("libsslx.so", ""),
        ("libcrypto.a", ""),
    ],
)
def test_sonames_are_told_apart(name: str, library: str) -> None:
    assert [key for key, one in signatures().items() if one.is_soname(name)] == ([library] if library else [])
