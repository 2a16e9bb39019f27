"""What looks like a library and is none, or is another: made with the real compiler and linker."""

from __future__ import annotations

import os
import random
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path

import pytest
from corpus.rootfs import build
from pyassay.elf import ElfError
from pyassay.probes.libraries.scan import Carried, scan

OPENSSL = ("OpenSSL 3.0.16 11 Feb 2025", 'OPENSSLDIR: "/etc/ssl"')
SQLITE = "CREATE TABLE x(type text,name text,tbl_name text,rootpage int,sql text)"
SOURCE_ID = "2025-11-28 17:28:25 281fc0e9afc38674b9b0991943b9e9d1e64c6cbdb133d35f6f5c87ff6af38a88"
PATCHED = SOURCE_ID[:-4] + "alt1"
EXPAT = "unclosed CDATA section"
MPDECIMAL = "mpd_setminalloc: ignoring request to set MPD_MINALLOC a second time"


def with_strings(path: Path, strings: Iterable[str], *options: str, more: str = "") -> Path:
    """Build a library that uses strings, so that the linker may merge them."""
    quoted = [text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") for text in strings]
    lines = [f'const char *f{number}(void) {{ return "{text}"; }}' for number, text in enumerate(quoted)]
    return build(path, "\n".join([*lines, more]), options=("-O2", "-Wl,-O2", *options))


def carried(path: Path) -> dict[str, Carried]:
    return {one.library: one for one in scan(path, str(path)).carried}


def versions(path: Path) -> dict[str, str]:
    return {library: one.version for library, one in carried(path).items()}


def test_openssl_in_a_program(tmp_path: Path) -> None:
    found = carried(with_strings(tmp_path / "lib.so", OPENSSL))
    assert list(found) == ["openssl"]
    assert found["openssl"].version == "3.0.16"
    assert found["openssl"].confidence == "certain"
    assert found["openssl"].detail == 'OPENSSLDIR: "/etc/ssl"'


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("OpenSSL 1.1.1w  11 Sep 2023", "1.1.1w"),
        ("OpenSSL 1.1.1k  FIPS 25 Mar 2021", "1.1.1k"),
        ("OpenSSL 1.0.2k-fips  26 Jan 2017", "1.0.2k"),
        ("OpenSSL 3.1.4+quic 24 Oct 2023", "3.1.4"),
        ("OpenSSL 1.0.2zh-fips  30 May 2023", "1.0.2zh"),
        ("OpenSSL 3.5.0-dev xx XXX xxxx", ""),
    ],
)
def test_the_ways_in_which_openssl_states_its_version(tmp_path: Path, text: str, version: str) -> None:
    assert versions(with_strings(tmp_path / "lib.so", [text, OPENSSL[1]])).get("openssl", "") == version


@pytest.mark.parametrize(
    "strings",
    [
        ("OpenSSL 1.0.2 is too old for this program", "needs OpenSSL 3.0.0 or newer, see OpenSSL 1.1.1"),
        # OPENSSL_VERSION_TEXT of the headers, in a program that loads whatever the system has.
        ("OpenSSL 1.0.2k-fips  26 Jan 2017", "compiled with %s, running with %s"),
        ("libcurl/7.58.0 r-curl/3.1 user agent",),
        ("1.3.1.zlib-ng", "zlib.h"),
        ("1.2.13", "zlib version mismatch"),
        ("EditLine wrapper", "Importing this module enables command line editing using libedit readline."),
        (f"SQLITE_SOURCE_ID: {SOURCE_ID}\nSQLITE_VERSION: 3.54.1", "3.54.1"),
        ("3.12.1", "Python %s", "2.7.18", "python3.12"),
        ("expat_2.5.0",),
        ("tcl_patchLevel", "tk_patchLevel", "8.6.13"),
        ("GLIBC_2.2.5", "2.3.3"),
        ("error: BoringSSL SSL_read: %s", "not supported with BoringSSL"),
        ("LibreSSL 2.7.0 or newer is needed",),
        ("BIO_s_mem failed in AWS-LC ",),
    ],
    ids=lambda strings: strings[0][:40],
)
def test_who_only_speaks_of_a_library_does_not_carry_it(tmp_path: Path, strings: tuple[str, ...]) -> None:
    assert versions(with_strings(tmp_path / "lib.so", strings)) == {}


def test_a_library_that_is_loaded_is_not_carried(tmp_path: Path) -> None:
    crypto = build(
        tmp_path / "libcrypto.so.3", "const char *OpenSSL_version(int t){return 0;}", soname="libcrypto.so.3"
    )
    client = build(
        tmp_path / "client.so",
        "const char *OpenSSL_version(int); const char *f(void){return OpenSSL_version(0);}"
        'const char *g(void){return "OpenSSL 3.0.2 15 Mar 2022";}',
        libraries=[crypto],
    )
    assert versions(client) == {}
    # The library itself is one by its name, whatever it says; here nothing.
    assert versions(crypto) == {"openssl": ""}


@pytest.mark.parametrize(
    ("strings", "library", "version"),
    [
        (("AWS-LC 5.12.0", "AWS-LC FIPS", "AWS-LC KEM method", "OPENSSLDIR: n/a"), "aws_lc", "5.12.0"),
        (("AWS-LC FIPS 2.0.17", "OPENSSLDIR: n/a"), "aws_lc", "2.0.17"),
        (("AWS-LC KEM method",), "aws_lc", ""),
        (("BoringSSL", "OPENSSLDIR: n/a"), "boringssl", ""),
        # The linker makes the name the tail of a client's sentence.
        (("not supported with BoringSSL", "BoringSSL", "OPENSSLDIR: n/a"), "boringssl", ""),
        (("LibreSSL 3.8.2", 'OPENSSLDIR: "/etc/ssl"'), "libressl", "3.8.2"),
    ],
)
def test_relatives_of_openssl_go_by_their_own_names(
    tmp_path: Path, strings: tuple[str, ...], library: str, version: str
) -> None:
    claims = [f"OpenSSL 1.1.1 (compatible; {name})" for name in (strings[0], "OpenSSL 1.1.1")]
    assert versions(with_strings(tmp_path / "lib.so", [*strings, *claims])) == {library: version}


def test_zlib_ng_is_not_zlib(tmp_path: Path) -> None:
    inflate, copyright_ = (
        "invalid distance too far back",
        " deflate 1.3.1 Copyright 1995-2024 Jean-loup Gailly",
    )
    compatible = with_strings(tmp_path / "a.so", ["1.3.1.zlib-ng", inflate, copyright_, "2.2.4"])
    assert versions(compatible) == {"zlib_ng": "2.2.4"}
    assert carried(compatible)["zlib_ng"].detail == "1.3.1.zlib-ng"
    native = with_strings(
        tmp_path / "b.so", ["Zlib-ng functable failed initialization!", inflate, copyright_]
    )
    assert versions(native) == {"zlib_ng": ""}
    assert versions(with_strings(tmp_path / "c.so", [inflate, copyright_])) == {"zlib": "1.3.1"}


def test_zlib_ng_in_the_place_of_zlib(tmp_path: Path) -> None:
    source = 'const char *zlibVersion(void) { return "1.3.1.zlib-ng"; }'
    source += 'const char *e(void) { return "invalid distance too far back"; }'
    file = build(tmp_path / "libz.so.1", source, soname="libz.so.1")
    (found,) = carried(file).values()
    assert (found.library, found.named) == ("zlib_ng", True)


def test_the_linker_makes_versions_the_tails_of_other_strings(tmp_path: Path) -> None:
    file = with_strings(
        tmp_path / "lib.so", [SQLITE, "3.47.1", "the database is 3.47.1", SOURCE_ID, f"fts-5.0 {SOURCE_ID}"]
    )
    data = file.read_bytes()
    assert b"\x003.47.1\x00" not in data, "this linker does not merge tails, so nothing is shown"
    assert b"\x00" + SOURCE_ID.encode() not in data
    found = carried(file)["sqlite"]
    assert (found.version, found.method, found.confidence) == ("3.47.1", "bytes", "likely")
    assert found.detail == SOURCE_ID


def test_the_tail_of_a_longer_name_is_no_version(tmp_path: Path) -> None:
    file = with_strings(tmp_path / "lib.so", ["expat_2.5.0", EXPAT, MPDECIMAL, "2.4.2", "libmpdec 12.5.1"])
    assert versions(file) == {"expat": "2.5.0", "mpdecimal": "2.4.2"}
    alone = with_strings(tmp_path / "alone.so", ["expat_2.5.0", EXPAT, MPDECIMAL])
    assert versions(alone) == {"expat": "2.5.0", "mpdecimal": ""}


def test_several_candidates_are_unknown_and_all_named(tmp_path: Path) -> None:
    found = carried(with_strings(tmp_path / "lib.so", [MPDECIMAL, "2.4.2", "2.5.1"]))["mpdecimal"]
    assert (found.version, found.confidence) == ("", "unknown")
    assert "2.4.2, 2.5.1" in found.evidence


def test_two_versions_of_one_library_are_both_named(tmp_path: Path) -> None:
    strings = [*OPENSSL, "OpenSSL 1.1.1w  11 Sep 2023"]
    found = carried(with_strings(tmp_path / "lib.so", strings))["openssl"]
    assert (found.version, found.confidence) == ("", "unknown")
    assert "3.0.16" in found.evidence
    assert "1.1.1w" in found.evidence


def test_sqlite_built_from_modified_sources(tmp_path: Path) -> None:
    found = carried(with_strings(tmp_path / "lib.so", [SQLITE, "3.51.1", PATCHED, f"fts5: {SOURCE_ID}"]))[
        "sqlite"
    ]
    assert found.detail == PATCHED
    assert found.evidence.endswith("alt1 (built from modified sources)")
    plain = carried(with_strings(tmp_path / "plain.so", [SQLITE, "3.51.1", SOURCE_ID]))["sqlite"]
    assert plain.detail == SOURCE_ID
    assert "modified" not in plain.evidence


PYTHON = 'const char *Py_GetVersion(void){return 0;} const char *f(void){return "%.80s (%.80s) %.80s";}'


def test_cpython_by_its_symbol_and_before_3_11_by_its_string(tmp_path: Path) -> None:
    new = build(tmp_path / "new.so", PYTHON + "const unsigned long Py_Version = 0x030c0af0;")
    assert carried(new)["cpython"].method == "symbol"
    assert versions(new) == {"cpython": "3.12.10"}
    prefix = with_strings(tmp_path / "old.so", ["/opt/versions/3.10.13", "3.10.13", "3.2.0"], more=PYTHON)
    assert versions(prefix) == {"cpython": "3.10.13"}
    assert "the tail of /opt/versions/3.10.13" in carried(prefix)["cpython"].evidence
    # A prefix of another version beside its own string is not believed; a merged one cannot be told apart.
    other = with_strings(tmp_path / "other.so", ["/opt/versions/3.9.18", "3.10.13"], more=PYTHON)
    assert versions(other) == {"cpython": "3.10.13"}


def test_a_variable_that_a_program_only_copies_is_not_its_own(tmp_path: Path) -> None:
    library = build(tmp_path / "libpython3.12.so.1.0", "unsigned long Py_Version = 0x030c0af0;")
    program = build(
        tmp_path / "program",
        "extern unsigned long Py_Version; int main(void){return Py_Version == 3;}",
        libraries=[library],
        options=("-no-pie", "-fno-pie"),
        program=True,
    )
    assert versions(program) == {}
    assert versions(library) == {"cpython": "3.12.10"}


@pytest.mark.parametrize(
    "options", [("-Wl,-z,noseparate-code",), ("-Wl,-z,separate-code",), ("-s",)], ids=" ".join
)
def test_wherever_the_linker_puts_constants(tmp_path: Path, options: tuple[str, ...]) -> None:
    assert versions(with_strings(tmp_path / "lib.so", OPENSSL, *options)) == {"openssl": "3.0.16"}


@pytest.mark.parametrize("before", range((1 << 20) - 24, (1 << 20) + 8, 5))
def test_across_the_borders_of_the_pieces_that_are_read(before: int) -> None:
    # No program headers: all of it is looked at.
    head = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x03\x00\x3e\x00" + bytes(44)
    text = "\0".join([*OPENSSL, MPDECIMAL, "2.4.2", "expat_2.5.0"]).encode()
    data = head + bytes(before - len(head)) + text + bytes(3000)
    found = {one.library: one.version for one in scan(data, "x.so").carried}
    assert found == {"openssl": "3.0.16", "mpdecimal": "2.4.2"}


def test_any_damage_is_an_error_or_an_answer(tmp_path: Path) -> None:
    file = with_strings(tmp_path / "lib.so", [*OPENSSL, SQLITE, "3.47.1"], more=PYTHON)
    whole = file.read_bytes()
    answers = 0
    chance = random.Random(6)
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        cut = bytes(data[: chance.randrange(len(data))]) if chance.random() < 0.2 else bytes(data)
        try:
            answers += bool(scan(cut, "lib.so").carried)
        except ElfError as error:
            assert "\n" not in str(error)
    assert answers > 100


def test_floods_of_anchors_end() -> None:
    head = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x03\x00\x3e\x00" + bytes(44)
    flood = (
        b"OpenSSL 3.0.16 11 Feb 202" * 150_000
        + b'OPENSSLDIR: "'
        + b"flate 1.1.1.1.1" * 90_000
        + b"expat_" * 90_000
    )
    flood += b"3.10.10" * 90_000 + SQLITE.encode() + b"%.80s (%.80s) %.80s" + b"2025-11-28 17:28:25 " * 50_000
    started = time.process_time()
    found = scan(head + flood, "x.so")
    assert "more than 20000 times OpenSSL" in found.unread
    # Not a measurement: what backtracks without end takes minutes.
    assert time.process_time() - started < 30


def test_a_huge_file_is_read_in_part(tmp_path: Path) -> None:
    file = tmp_path / "huge.so"
    file.write_bytes(b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x03\x00\x3e\x00" + bytes(44))
    os.truncate(file, 3 << 30)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pyassay.probes.libraries.text._MAX_BYTES", 8 << 20)
        assert scan(file, "huge.so").unread == "only the first 8388608 bytes were read"


def test_a_stripped_library_says_the_same(tmp_path: Path) -> None:
    source = 'const char *XML_ExpatVersion(void) { return "expat_2.6.3"; }'
    file = build(tmp_path / "libexpat.so.1", source, soname="libexpat.so.1")
    before = carried(file)
    subprocess.run(["strip", str(file)], check=True, timeout=30)
    assert carried(file) == before
    assert (before["expat"].version, before["expat"].method) == ("2.6.3", "symbol")
