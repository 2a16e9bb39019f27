"""Makers of small ELF files: with the real compiler and linker, and byte by byte for foreign machines."""

from __future__ import annotations

import platform
import shutil
import struct
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pytest
from corpus.rootfs import build

PROGRAM = "int main(void) { return 0; }"
# Without the compiler's start files a library refers to nothing but what its source names.
BARE = ("-nostartfiles",)


def without_section_headers(source: Path, target: Path) -> Path:
    """Copy an ELF file of 64 bits, little end first, and forget its section headers (not their bytes)."""
    data = bytearray(source.read_bytes())
    struct.pack_into("<Q", data, 40, 0)  # e_shoff
    struct.pack_into("<HHH", data, 58, 0, 0, 0)  # e_shentsize, e_shnum, e_shstrndx
    target.write_bytes(data)
    return target


def with_weak_needs(source: Path, target: Path, version: str) -> Path:
    """Copy an ELF file and set VER_FLG_WEAK on one needed version.

    Neither of the GNU linkers sets the flag where all references are weak, so it is patched in: the entry
    begins with the ELF hash of the name.
    """
    data = bytearray(source.read_bytes())
    wanted = struct.pack("<I", elf_hash(version.encode()))
    places = [place for place in range(0, len(data) - 16, 4) if data[place : place + 6] == wanted + b"\0\0"]
    assert len(places) == 1, f"{version}: {len(places)} entries"
    struct.pack_into("<H", data, places[0] + 4, 2)
    target.write_bytes(data)
    return target


def elf_hash(name: bytes) -> int:
    """Hash a name as the System V ABI says."""
    value = 0
    for letter in name:
        value = (value << 4) + letter
        high = value & 0xF0000000
        value ^= high >> 24
        value &= ~high & 0xFFFFFFFF
    return value


def _said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout


def _library(name: str) -> str:
    """Return where the compiler finds a library; the bare name where it does not."""
    return _said("gcc", f"-print-file-name={name}").strip()


def private_symbol() -> str:
    """Return a function that this machine's libc offers to nobody but its own parts."""
    symbols = _said("nm", "-D", _library("libc.so.6"))
    names = [line.split()[-1] for line in symbols.splitlines() if line.endswith("@@GLIBC_PRIVATE")]
    functions = [name.partition("@")[0] for name in names if name.startswith("__libc_")]
    if not functions:
        pytest.skip("this libc has no private functions")
    return functions[0]


def make_corpus(folder: Path) -> dict[str, Path]:
    """Build every small file with gcc and ld; each shows one thing that a reader may get wrong.

    Skips where there is no compiler; what this linker cannot make is left out.
    """
    if shutil.which("gcc") is None or shutil.which("objcopy") is None:
        pytest.skip("needs gcc and binutils")
    if platform.libc_ver()[0] != "glibc":
        pytest.skip("needs a compiler for glibc")
    made: dict[str, Path] = {}

    def add(name: str, source: str = PROGRAM, *options: str, **more: object) -> Path:
        made[name] = build(folder / name, source, options=options, **more)  # type: ignore[arg-type]
        return made[name]

    add("program", PROGRAM, program=True)
    add("library", "int f(void) { return 1; }", soname="liblibrary.so.1")
    if "pack-relative-relocs" in _said("ld", "--help"):
        add("relr", "int x; int *p = &x; " + PROGRAM, "-Wl,-z,pack-relative-relocs", "-pie", program=True)
    add(
        "named_2_99",
        'extern int far(void) __asm__("GLIBC_2.99"); int here(void) __asm__("GLIBC_2.98");'
        "int here(void) { return far(); }",
    )
    add(
        "weak_c",
        "extern int gettid(void) __attribute__((weak)); int f(void){return gettid?gettid():0;}",
        *BARE,
    )
    add(
        "strong_c",
        "extern int getpid(void); extern int gettid(void); int f(void){return getpid()+gettid();}",
        *BARE,
    )
    made["weak_version"] = with_weak_needs(made["strong_c"], folder / "weak_version", "GLIBC_2.30")
    add(
        "private",
        f"extern int {private_symbol()}(void); int f(void) {{ return {private_symbol()}(); }}",
        *BARE,
    )

    add("stack_exec", PROGRAM, "-z", "execstack", program=True)
    add("stack_plain", PROGRAM, "-z", "noexecstack", program=True)
    add("relro_none", PROGRAM, "-Wl,-z,norelro", "-Wl,-z,lazy", program=True)
    add("relro_partial", PROGRAM, "-Wl,-z,relro", "-Wl,-z,lazy", program=True)
    add("relro_full", PROGRAM, "-Wl,-z,relro", "-Wl,-z,now", program=True)
    add("now_without_relro", PROGRAM, "-Wl,-z,norelro", "-Wl,-z,now", program=True)
    add("rpath", PROGRAM, "-Wl,--disable-new-dtags,-rpath,$ORIGIN/../lib:/opt/x", program=True)
    add("runpath", PROGRAM, "-Wl,--enable-new-dtags,-rpath,$ORIGIN/../lib:/opt/x", program=True)
    add("build_id", PROGRAM, "-Wl,--build-id=0x0123456789abcdef", program=True)
    add("build_id_sha1", PROGRAM, "-Wl,--build-id=sha1", program=True)
    add("build_id_none", PROGRAM, "-Wl,--build-id=none", program=True)
    if "/" in _library("libc.a"):
        add("static", PROGRAM, "-static", program=True)
    if "/" in _library("libc.a") and "/" in _library("rcrt1.o"):
        add("static_pie", PROGRAM, "-static-pie", program=True)
    add("no_pie", PROGRAM, "-no-pie", program=True)
    add("with_debug", "int f(void) { return 1; }", "-g")
    add(
        "library_with_interpreter",
        'const char where[] __attribute__((section(".interp"))) = "/lib64/ld-linux-x86-64.so.2";'
        "int f(void) { return 1; }",
        soname="libboth.so.1",
    )
    made["library_with_interpreter"].chmod(0o644)
    both = "extern int puts(const char *); void *p; int own(void) { return 3; }"
    # The address of a function from elsewhere, in code that is not position independent: the symbol stays
    # undefined and is hashed all the same, because other libraries must find it here.
    add(
        "undefined_and_hashed",
        both + "int main(void) { p = (void *)&puts; return p != 0; }",
        "-fno-pic",
        "-no-pie",
        "-rdynamic",
        "-Wl,--hash-style=gnu",
        program=True,
    )
    for style in ("sysv", "gnu", "both"):
        add(f"hash_{style}", both + "int two(void) { return puts(0); }", f"-Wl,--hash-style={style}")
    add(
        "imports_only",
        "extern int puts(const char *); static void f(void) __attribute__((constructor));"
        "static void f(void) { puts(0); }",
        "-Wl,--hash-style=gnu",
        *BARE,
    )
    versions = "V_1 { global: one; local: *; }; V_2 { global: two; } V_1;"
    source = "int one(void) { return 1; } int two(void) { return 2; } int hidden(void) { return 3; }"
    add("versions", source, soname="libversions.so", version_script=versions)
    add(
        "old_and_new",
        '__asm__(".symver old,f@V_1"); __asm__(".symver new,f@@V_2");'
        "int old(void) { return 1; } int new(void) { return 2; }",
        soname="liboldnew.so",
        version_script="V_1 { global: f; local: *; }; V_2 { global: f; } V_1;",
    )
    add(
        "needs_two",
        "extern int one(void); extern int f(void); int g(void) { return one() + f(); }",
        libraries=[made["versions"], made["old_and_new"]],
    )

    if platform.machine() == "x86_64":
        add(
            "copied",
            "extern char **environ; extern void *stdout; int main(void){return environ==stdout;}",
            "-fno-pic",
            "-no-pie",
            "-rdynamic",
            program=True,
        )
        add("level_marked", PROGRAM, "-Wl,-z,x86-64-v3", program=True)
        add(
            "level_unmarked",
            "int f(int *a, int n){int s=0; for(int i=0;i<n;i++) s+=a[i]; return s;}",
            "-march=x86-64-v3",
            "-O3",
        )
        add("text_relocations", 'int x; __asm__(".text\\n.quad x\\n");', "-Wl,-z,notext")
        made["no_sections"] = without_section_headers(made["needs_two"], folder / "no_sections")
        made["program_no_sections"] = without_section_headers(made["program"], folder / "program_no_sections")
    for name in ("needs_two", "program", "versions"):
        target = folder / f"{name}_stripped"
        subprocess.run(["strip", "-s", "-o", target, made[name]], check=True, timeout=30)
        made[target.name] = target
    subprocess.run(
        ["objcopy", "--only-keep-debug", made["with_debug"], folder / "debug_file"], check=True, timeout=30
    )
    made["debug_file"] = folder / "debug_file"
    subprocess.run(
        ["gcc", "-c", "-x", "c", "-", "-o", folder / "object"], input=b"int x;", check=True, timeout=30
    )
    made["object"] = folder / "object"
    return made


def make_32(folder: Path) -> Path:
    """Build a library of 32 bits without any C library; the test is skipped where the compiler cannot."""
    return build(
        folder / "lib32.so",
        "extern int far(void); int f(void) { return far(); }",
        options=["-m32", "-nostdlib"],
        soname="lib32.so",
    )


def write_elf(  # noqa: PLR0912 - one branch per table of the format
    *,
    bits: int = 64,
    big: bool = False,
    machine: int = 62,
    elf_type: int = 3,
    soname: str | None = None,
    interpreter: str | None = None,
    needed: Sequence[str] = (),
    needs: Mapping[str, Iterable[tuple[str, bool]]] | None = None,
    defines: Sequence[str] = (),
    undefined: Sequence[tuple[str, str | None]] = (),
    exported: Sequence[tuple[str, str | None]] = (),
    build_id: bytes = b"",
    base: int = 0x10000,
) -> bytes:
    """Write a dynamic ELF file of any class and byte order, with one segment and no section headers.

    `needs` is soname to (version, VER_FLG_WEAK); a symbol's version is one of `needs` or `defines`.
    """
    order = ">" if big else "<"
    wide = bits == 64
    word = "Q" if wide else "I"
    strings = bytearray(b"\0")

    def text(value: str) -> int:
        raw = value.encode() + b"\0"
        place = strings.find(b"\0" + raw)
        if place >= 0:
            return place + 1
        strings.extend(raw)
        return len(strings) - len(raw)

    indices: dict[str, int] = {}
    definitions = bytearray()
    names = ["base", *defines] if defines else []
    for number, name in enumerate(names, 1):
        indices[name] = number
        following = 0 if number == len(names) else 28
        definitions += struct.pack(
            order + "HHHHIII", 1, int(number == 1), number, 1, elf_hash(name.encode()), 20, following
        )
        definitions += struct.pack(order + "II", text(name), 0)
    requirements = bytearray()
    wanted = {key: list(value) for key, value in (needs or {}).items()}
    for position, (library, entries) in enumerate(wanted.items(), 1):
        following = 0 if position == len(wanted) else 16 + 16 * len(entries)
        requirements += struct.pack(order + "HHIII", 1, len(entries), text(library), 16, following)
        for place, (version, weak) in enumerate(entries, 1):
            indices[version] = max(1, *indices.values(), 1) + 1
            requirements += struct.pack(
                order + "IHHII",
                elf_hash(version.encode()),
                2 if weak else 0,
                indices[version],
                text(version),
                0 if place == len(entries) else 16,
            )
    symbols = bytearray(24 if wide else 16)
    versions = [0]
    for section, entries_of in ((0, undefined), (1, exported)):
        for name, version in entries_of:
            value = 0x1000 if section else 0
            if wide:
                symbols += struct.pack(order + "IBBHQQ", text(name), 0x12, 0, section, value, 0)
            else:
                symbols += struct.pack(order + "IIIBBH", text(name), value, 0, 0x12, 0, section)
            versions.append(1 if version is None else indices[version])
    hash_word = "Q" if wide and machine in {22, 0x9026} else "I"
    table = struct.pack(
        f"{order}{2 + 1 + len(versions)}{hash_word}", 1, len(versions), 0, *[0] * len(versions)
    )
    note = struct.pack(order + "III", 4, len(build_id), 3) + b"GNU\0" + build_id if build_id else b""

    tags: list[tuple[int, int | str]] = [(1, text(name)) for name in needed]
    if soname is not None:
        tags.append((14, text(soname)))
    tags += [(4, "hash"), (5, "strings"), (6, "symbols"), (10, len(strings)), (11, 24 if wide else 16)]
    if requirements or definitions:
        tags.append((0x6FFFFFF0, "versions"))
    if requirements:
        tags += [(0x6FFFFFFE, "needs"), (0x6FFFFFFF, len(wanted))]
    if definitions:
        tags += [(0x6FFFFFFC, "definitions"), (0x6FFFFFFD, len(names))]
    tags.append((0, 0))

    parts: dict[str, bytes] = {
        "strings": bytes(strings),
        "symbols": bytes(symbols),
        "versions": struct.pack(f"{order}{len(versions)}H", *versions),
        "needs": bytes(requirements),
        "definitions": bytes(definitions),
        "hash": table,
        "dynamic": bytes(len(tags) * (16 if wide else 8)),
        "note": note,
        "interpreter": interpreter.encode() + b"\0" if interpreter else b"",
    }
    header_size, segment_size = (64, 56) if wide else (52, 32)
    count = 2 + bool(note) + bool(interpreter)
    offsets: dict[str, int] = {}
    end = header_size + segment_size * count
    for name, content in parts.items():
        end += -end % 8
        offsets[name] = end
        end += len(content)
    dynamic = b"".join(
        struct.pack(order + 2 * word, tag, base + offsets[value] if isinstance(value, str) else value)
        for tag, value in tags
    )
    parts["dynamic"] = dynamic

    def segment(kind: int, flags: int, offset: int, size: int) -> bytes:
        if wide:
            return struct.pack(order + "IIQQQQQQ", kind, flags, offset, base + offset, 0, size, size, 8)
        return struct.pack(order + "IIIIIIII", kind, offset, base + offset, 0, size, size, flags, 8)

    segments = segment(1, 5, 0, end) + segment(2, 6, offsets["dynamic"], len(dynamic))
    if note:
        segments += segment(4, 4, offsets["note"], len(note))
    if interpreter:
        segments += segment(3, 4, offsets["interpreter"], len(parts["interpreter"]))
    identity = b"\x7fELF" + bytes([2 if wide else 1, 2 if big else 1, 1]) + bytes(9)
    header = identity + struct.pack(
        order + "HHI" + 3 * word + "IHHHHHH",
        elf_type,
        machine,
        1,
        0,
        header_size,
        0,
        0,
        header_size,
        segment_size,
        count,
        0,
        0,
        0,
    )
    data = bytearray(end)
    data[: len(header) + len(segments)] = header + segments
    for name, content in parts.items():
        data[offsets[name] : offsets[name] + len(content)] = content
    return bytes(data)


# What the reader should call it: e_machine, bits, big-endian.
FOREIGN = {
    "aarch64": (183, 64, False),
    "armv7l": (40, 32, False),
    "i686": (3, 32, False),
    "ppc64le": (21, 64, False),
    "ppc64": (21, 64, True),
    "s390x": (22, 64, True),
    "riscv64": (243, 64, False),
    "ppc": (20, 32, True),
    "mips": (8, 32, True),
    "mipsel": (8, 32, False),
    "armv7b": (40, 32, True),
    "aarch64_be": (183, 64, True),
    "x32": (62, 32, False),
    "x86_64": (62, 64, False),
}


def write_foreign(machine: str) -> bytes:
    """Write a library for one of `FOREIGN` with every table that the readers know."""
    number, bits, big = FOREIGN[machine]
    return write_elf(
        bits=bits,
        big=big,
        machine=number,
        soname=f"lib{machine}.so.1",
        interpreter="/lib/ld.so",
        needed=["libc.so.6", "libm.so.6"],
        needs={
            "libc.so.6": [("GLIBC_2.17", False), ("GLIBC_2.34", True)],
            "libm.so.6": [("GLIBC_2.29", False)],
        },
        defines=["OWN_1", "OWN_2"],
        undefined=[("puts", "GLIBC_2.17"), ("later", "GLIBC_2.34"), ("exp", "GLIBC_2.29"), ("loose", None)],
        exported=[("one", "OWN_1"), ("two", "OWN_2"), ("plain", None)],
        build_id=bytes(range(1, 21)),
    )
