"""Why a symbol needs its version, told by the table of the glibc at hand."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from corpus.rootfs import build
from pyassay.elf.closure import Root
from pyassay.elf.libc import SymbolHistory, SymbolKind, musl_version
from pyassay.elf.symbols import undefined_symbols
from pyassay.elf.versions import SymbolVersion


@pytest.fixture(scope="module")
def history() -> SymbolHistory:
    path = Root("/").library("libc.so.6", "x86_64")
    if path is None:
        pytest.skip("needs a glibc for x86_64")
    return SymbolHistory.from_library(path)


def since(history: SymbolHistory, version: str) -> None:
    wanted, newest = SymbolVersion.parse(version).number, SymbolVersion.parse(history.newest).number
    assert wanted is not None
    assert newest is not None
    if newest < wanted:
        pytest.skip(f"the glibc of this host is older than {version}")


@pytest.mark.parametrize(
    ("symbol", "version", "kind", "previous", "oldest"),
    [
        ("memcpy", "2.14", "re-versioned", ("memcpy", "2.2.5"), "2.2.5"),
        ("pthread_create", "2.34", "re-versioned", ("pthread_create", "2.2.5"), "2.2.5"),
        ("dlopen", "2.34", "re-versioned", ("dlopen", "2.2.5"), "2.2.5"),
        ("__libc_start_main", "2.34", "re-versioned", ("__libc_start_main", "2.2.5"), "2.2.5"),
        ("pow", "2.29", "re-versioned", ("pow", "2.2.5"), "2.2.5"),
        ("fstat", "2.33", "renamed", ("__fxstat", "2.2.5"), "2.2.5"),
        ("lstat64", "2.33", "renamed", ("__lxstat64", "2.2.5"), "2.2.5"),
        ("fstatat", "2.33", "renamed", ("__fxstatat", "2.4"), "2.4"),
        ("mknodat", "2.33", "renamed", ("__xmknodat", "2.4"), "2.4"),
        ("fcntl64", "2.28", "renamed", ("fcntl", "2.2.5"), "2.2.5"),
        ("__isoc99_sscanf", "2.7", "renamed", ("sscanf", "2.2.5"), "2.2.5"),
        ("__memcpy_chk", "2.3.4", "renamed", ("memcpy", "2.2.5"), "2.2.5"),
        ("__openat64_2", "2.7", "renamed", ("openat64", "2.4"), "2.4"),
        ("__xpg_strerror_r", "2.3.4", "renamed", ("strerror_r", "2.2.5"), "2.2.5"),
        ("res_query", "2.34", "renamed", ("__res_query", "2.2.5"), "2.2.5"),
        ("secure_getenv", "2.17", "renamed", ("__secure_getenv", "2.2.5"), "2.2.5"),
        ("getrandom", "2.25", "new function", None, "2.25"),
        ("__explicit_bzero_chk", "2.25", "new function", None, "2.25"),  # the plain one is as new
        ("preadv64", "2.10", "new function", None, "2.10"),  # so is preadv
        ("acosf64", "2.27", "new function", None, "2.27"),  # for _Float64, no large-file acosf
        ("strtof64", "2.27", "new function", None, "2.27"),
        ("thrd_current", "2.28", "new function", None, "2.28"),
        ("printf", "2.2.5", "baseline", None, "2.2.5"),
    ],
)
def test_kinds(
    history: SymbolHistory,
    symbol: str,
    version: str,
    kind: str,
    previous: tuple[str, str] | None,
    oldest: str,
) -> None:
    since(history, f"GLIBC_{version}")
    found = history.explain(symbol, f"GLIBC_{version}")
    assert found.kind == kind
    wanted = (previous[0], f"GLIBC_{previous[1]}") if previous else (None, None)
    assert (found.previous_symbol, found.previous_version) == wanted
    assert found.oldest_version == f"GLIBC_{oldest}"


def test_sentences(history: SymbolHistory) -> None:
    since(history, "GLIBC_2.34")
    assert (
        history.explain("fstat", "GLIBC_2.33").sentence == "fstat: renamed in 2.33 (before: __fxstat, 2.2.5)"
    )
    assert history.explain("memcpy", "GLIBC_2.14").sentence == "memcpy: re-versioned in 2.14 (before: 2.2.5)"
    assert str(history.explain("getrandom", "GLIBC_2.25")) == "getrandom: new in 2.25"


def test_newer_than_the_glibc_at_hand_is_unknown_but_not_speechless(history: SymbolHistory) -> None:
    found = history.explain("__isoc23_strtol", "GLIBC_9.38")
    assert found.kind is SymbolKind.UNKNOWN
    assert found.previous_symbol in {"strtol", "__isoc23_strtol"}
    assert f"ends at {history.newest.removeprefix('GLIBC_')}" in found.sentence
    assert history.explain("no_such_function", "GLIBC_9.9").previous_symbol is None


def test_what_is_no_plain_version(history: SymbolHistory) -> None:
    assert history.explain("", "GLIBC_ABI_DT_RELR").kind is SymbolKind.MARKER
    assert history.explain("_rtld_global", "GLIBC_PRIVATE").kind is SymbolKind.PRIVATE
    assert history.explain("printf", "GLIBCXX_3.4").kind is SymbolKind.UNKNOWN
    assert history.explain("no_such_function", "GLIBC_2.4").kind is SymbolKind.UNKNOWN
    # A version that exists, with a function that does not have it.
    assert history.explain("memcpy", "GLIBC_2.4").kind is SymbolKind.UNKNOWN


def test_the_oldest_version_of_a_name(history: SymbolHistory) -> None:
    assert history.oldest_version("memcpy") == "GLIBC_2.2.5"
    assert history.versions_of("memcpy") == ("GLIBC_2.2.5", "GLIBC_2.14")
    assert history.oldest_version("no_such_function") is None


def test_the_table_is_that_of_readelf(history: SymbolHistory) -> None:
    if shutil.which("readelf") is None:
        pytest.skip("needs readelf")
    path = Root("/").library("libc.so.6", "x86_64")
    assert path is not None
    listing = subprocess.run(
        ["readelf", "-W", "--dyn-syms", path], capture_output=True, text=True, check=True
    )
    expected = set()
    for line in listing.stdout.splitlines():
        fields = line.split()
        if len(fields) == 8 and fields[6] != "UND" and "@" in fields[7]:
            name, _, version = fields[7].replace("@@", "@").partition("@")
            if version.startswith("GLIBC_2") and name != version:
                expected.add((name, version))
    assert len(expected) > 2000
    assert expected <= set(history)


def test_every_pattern_is_borne_out_by_the_table(history: SymbolHistory) -> None:
    for symbol, version in history:
        found = history.explain(symbol, version)
        assert found.kind not in {SymbolKind.UNKNOWN, SymbolKind.MARKER, SymbolKind.PRIVATE}
        if found.previous_version is None:
            continue
        assert found.previous_symbol is not None
        assert found.previous_version in history.versions_of(found.previous_symbol)
        before, now = SymbolVersion.parse(found.previous_version).number, SymbolVersion.parse(version).number
        assert before is not None
        assert now is not None
        assert before < now


def test_root_and_library_tell_the_same(history: SymbolHistory) -> None:
    root = SymbolHistory.from_root(Root("/"), "x86_64")
    assert set(root) == set(history)
    assert (root.oldest, root.newest) == (history.oldest, history.newest) == ("GLIBC_2.2.5", history.newest)
    assert "__tls_get_addr" in history  # from the loader
    assert history.skipped == ()


def test_a_compiled_program_is_explained(history: SymbolHistory, tmp_path: Path) -> None:
    since(history, "GLIBC_2.34")
    program = build(
        tmp_path / "program",
        "#include <sys/stat.h>\n#include <pthread.h>\n#include <math.h>\nint main(int c, char **v)"
        "{struct stat s; pthread_t t; return stat(v[0], &s) + pthread_create(&t, 0, 0, 0) + pow(c, c);}",
        program=True,
        libraries=["-lm"],
    )
    kinds = {
        symbol.name: history.explain(symbol.name, symbol.version).kind.value
        for symbol in undefined_symbols(program)
        if symbol.version is not None
    }
    assert kinds["stat"] == "renamed"
    assert kinds["pthread_create"] == kinds["pow"] == kinds["__libc_start_main"] == "re-versioned"


def test_a_made_up_glibc_with_large_times(tmp_path: Path) -> None:
    # What a 32-bit glibc has, in small: the chain stat64_time64 <- stat64 <- __xstat64.
    names = {
        "GLIBC_2.0": ["clock_gettime", "__xstat64", "lockf", "time"],
        "GLIBC_2.1": ["lockf64"],
        "GLIBC_2.33": ["stat64"],
        "GLIBC_2.34": ["__stat64_time64", "__clock_gettime64", "__time64"],
    }
    source = "".join(f"int {name}(void){{return 1;}}\n" for group in names.values() for name in group)
    script = "".join(f"{version} {{ global: {'; '.join(group)}; }};\n" for version, group in names.items())
    path = build(
        tmp_path / "libc.so.6",
        source,
        soname="libc.so.6",
        options=["-nostdlib", "-fno-builtin"],
        version_script=script,
    )
    history = SymbolHistory.from_library(path)
    assert (history.oldest, history.newest) == ("GLIBC_2.0", "GLIBC_2.34")
    found = history.explain("__stat64_time64", "GLIBC_2.34")
    assert (found.kind, found.previous_symbol, found.oldest_version) == ("renamed", "stat64", "GLIBC_2.0")
    assert history.explain("__clock_gettime64", "GLIBC_2.34").previous_symbol == "clock_gettime"
    assert history.explain("__time64", "GLIBC_2.34").previous_symbol == "time"
    assert history.explain("lockf64", "GLIBC_2.1").previous_symbol == "lockf"
    assert history.explain("time", "GLIBC_2.0").kind is SymbolKind.BASELINE


def test_a_reserved_name_is_a_forerunner_only_if_it_can_no_longer_be_linked(tmp_path: Path) -> None:
    source = (
        "int __gone_compat(void){return 1;} int __kept(void){return 1;} int gone(void){return 1;}"
        'int kept(void){return 1;}\n__asm__(".symver __gone_compat, __gone@GLIBC_2.0");'
    )
    script = (
        "GLIBC_2.0 { global: __kept; }; GLIBC_2.34 { global: gone; kept; local: __gone_compat; } GLIBC_2.0;"
    )
    path = build(
        tmp_path / "libc.so.6", source, soname="libc.so.6", options=["-nostdlib"], version_script=script
    )
    history = SymbolHistory.from_library(path)
    assert history.explain("gone", "GLIBC_2.34").previous_symbol == "__gone"
    assert history.explain("kept", "GLIBC_2.34").kind is SymbolKind.NEW


def test_what_is_no_glibc(tmp_path: Path) -> None:
    text = tmp_path / "libc.so.6"
    text.write_text("GROUP ( /lib/libc.so.6 )\n")
    with pytest.raises(ValueError, match="no symbol versions of glibc"):
        SymbolHistory.from_library(text)
    musl = build(
        tmp_path / "ld-musl-x86_64.so.1", "int printf(void){return 1;}", options=["-nostdlib", "-fno-builtin"]
    )
    with pytest.raises(ValueError, match="no symbol versions of glibc"):
        SymbolHistory.from_library(musl)
    with pytest.raises(ValueError, match=r"no libc\.so\.6 for x86_64"):
        SymbolHistory.from_root(Root(tmp_path), "x86_64")
    # One corrupt library among the family is told, the others count.
    good = Root("/").library("libc.so.6", "x86_64")
    if good is None:
        pytest.skip("needs a glibc for x86_64")
    shutil.copy(good, tmp_path / "libc.so.6")
    (tmp_path / "libm.so.6").write_bytes(b"\x7fELF")
    assert len(SymbolHistory.from_library(tmp_path / "libc.so.6").skipped) == 1


def test_the_version_of_a_musl_loader(tmp_path: Path) -> None:
    source = (
        'const char *v(void){return "1.2.3";} const char *t(void){return "musl libc (x86_64) Version %s";}'
    )
    made = build(tmp_path / "ld-musl-x86_64.so.1", source, options=["-nostdlib"])
    assert musl_version(made) == (1, 2)
    for path in sorted(Path("/lib").glob("ld-musl-*.so.1")):
        told = subprocess.run([path], capture_output=True, text=True, check=False, timeout=10).stderr
        version = musl_version(path)
        assert version is not None
        assert f"Version {version[0]}.{version[1]}." in told
    glibc = Root("/").library("libc.so.6", "x86_64")
    assert glibc is None or musl_version(glibc) is None
    assert musl_version(tmp_path) is None
    assert musl_version(tmp_path / "absent") is None
