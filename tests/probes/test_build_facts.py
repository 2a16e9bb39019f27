"""How interpreters were built: known truths, and a made-up interpreter compiled with this flag and that."""

from __future__ import annotations

import platform
import random
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyassay
import pytest
from pyassay.elf import ElfError
from pyassay.elf.functions import Function, code_at, exported_functions, linkage_names, local_functions
from pyassay.elf.reader import Image
from pyassay.probes.build import BUILD_FACTS, FACTS, LIBRARIES, probe, takes
from pyassay.probes.build.declared import declared_facts
from pyassay.probes.build.evidence import read_evidence
from pyassay.probes.build.finding import Finding
from pyassay.probes.build.layout import layout
from pyassay.probes.build.machine_code import AARCH64, X86_64, has_frame, has_landing, indirect_jumps
from pyassay.probes.build.places import loop_file
from pyassay.subjects.model import Interpreter

INTERPRETERS = [
    one
    for one in pyassay.find()
    if isinstance(one, Interpreter) and one.error is None and not one.image and not one.environment
]
Row = dict[str, Any]


def facts(interpreter: Interpreter) -> dict[str, Row]:
    rows = probe(interpreter)[BUILD_FACTS.name].to_dict("records")
    return {str(row["fact"]): {str(key): value for key, value in row.items()} for row in rows}


# What is known of real builds ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("builder", "installer", "version", "scatter", "unoptimised"),
    [
        ("python-build-standalone", "google-cloud-sdk", "3.12.10", 0.111, "yes"),
        ("pyenv", "", "3.12.1", 0.118, "yes"),
        ("pyenv", "", "3.13.0", 0.122, "yes"),
        ("debian", "", "3.11.2", 0.678, "no"),
    ],
)
def test_the_layout_tells_the_known_truths(
    builder: str, installer: str, version: str, scatter: float, unoptimised: str
) -> None:
    found = [
        one
        for one in INTERPRETERS
        if (one.provenance.builder, one.version) == (builder, version)
        and (one.provenance.installer == installer or not installer)
    ]
    if not found:
        pytest.skip(f"no {version} of {installer or builder} on this machine")
    rows = facts(found[0])
    # A security update of the same version moves it by some thousandths.
    assert rows["pgo"]["value"] == pytest.approx(scatter, abs=0.005)
    assert rows["unoptimised"]["observed"] == unoptimised
    assert rows["pgo"]["observed"] == rows["lto"]["observed"] == ("no" if unoptimised == "yes" else "likely")


@pytest.mark.parametrize("interpreter", INTERPRETERS, ids=lambda one: one.id)
def test_every_fact_has_its_row(interpreter: Interpreter) -> None:
    frame = probe(interpreter)[BUILD_FACTS.name]
    assert list(frame["fact"]) == [*FACTS, *(f"library {name}" for name in LIBRARIES)]
    assert set(frame["subject_id"]) == {interpreter.id}
    assert set(frame["reason"]) == {""}
    rows = {str(row["fact"]): row for row in frame.to_dict("records")}
    for row in rows.values():
        assert row["evidence"], row
        assert row["observed"], row
        assert "\n" not in str(row["evidence"])
    assert rows["computed_gotos"]["observed"] == "yes"
    assert rows["bytecode"]["observed"] in {"yes", "no", "in part"}
    assert Path(rows["pgo"]["file"]).is_file()
    shared = rows["libpython"]["observed"] == "shared"
    assert shared == ("libpython" in Path(rows["pgo"]["file"]).name)


def test_debian_declares_a_shared_library_and_runs_a_static_executable() -> None:
    found = [one for one in INTERPRETERS if one.provenance.builder == "debian"]
    if not found:
        pytest.skip("no Python of Debian's on this machine")
    rows = facts(found[0])
    assert "--enable-shared" in rows["libpython"]["declared"]
    assert rows["libpython"]["observed"] == "static"
    assert rows["lto"]["declared"] == ""
    assert rows["lto"]["observed"] == "likely"
    assert rows["fortify"]["observed"] == rows["stack_protector"]["observed"] == "yes"


@pytest.mark.skipif(shutil.which("objdump") is None, reason="binutils are not installed")
@pytest.mark.parametrize("interpreter", INTERPRETERS, ids=lambda one: one.id)
def test_indirect_jumps_are_counted_as_a_disassembler_counts_them(interpreter: Interpreter) -> None:
    if interpreter.architecture != "x86_64":
        pytest.skip("objdump's words are those of x86-64")
    path = loop_file(interpreter).path
    with Image(path) as image:
        named = {one.name: one for one in exported_functions(image)}
        loop = named.get("_PyEval_EvalFrameDefault") or named["PyEval_EvalFrameEx"]
        counted = indirect_jumps(code_at(image, loop.address, loop.size), X86_64)
    ends = (f"--start-address={loop.address}", f"--stop-address={loop.address + loop.size}")
    listing = subprocess.run(
        ["objdump", "-d", "--no-show-raw-insn", *ends, path], capture_output=True, text=True, check=True
    ).stdout
    assert counted == pytest.approx(len(re.findall(r"jmp\s+\*", listing)), abs=4)


@pytest.mark.engine
def test_an_interpreter_in_an_image(debian_images: list[str]) -> None:
    from pyassay.places.container import Engine
    from pyassay.subjects.images import image_subjects

    with Engine.connect() as engine:
        for reference in debian_images:
            _, pythons = image_subjects(engine, reference)
            if pythons:
                break
        else:
            pytest.skip("no Debian image of the engine has a Python")
    rows = facts(replace(pythons[0], id="in-image"))
    assert {row["reason"] for row in rows.values()} == {""}
    assert rows["unoptimised"]["observed"] == "no"
    assert rows["pgo"]["value"] > 0.6
    assert rows["libpython"]["observed"] == "static"
    assert rows["library openssl"]["observed"].startswith("OpenSSL")


# Layout ----------------------------------------------------------------------------------------------------


def _functions(order: list[int]) -> list[Function]:
    return [
        Function(f"Py{'ABCDEFGHIJ'[number // 40]}thing_F{number}", 16 * place, 16)
        for place, number in enumerate(order)
    ]


def test_a_layout_by_object_files_and_a_shuffled_one() -> None:
    together = layout(_functions(list(range(400))))
    assert together is not None
    assert (together.scatter, together.families, together.functions) == (10 / 400, 10, 400)
    assert together.kind == "together"
    shuffled = list(range(400))
    random.Random(3).shuffle(shuffled)
    scattered = layout(_functions(shuffled))
    assert scattered is not None
    assert scattered.scatter > 0.8
    assert scattered.kind == "scattered"
    # Some modules in order, some not: no judgement.
    half = layout(_functions(list(range(280)) + [number for number in shuffled if number >= 280]))
    assert half is not None
    assert half.kind == "between"


def test_too_few_functions_tell_nothing() -> None:
    assert layout(_functions(list(range(100)))) is None
    assert layout([Function("main", 16, 4)] * 500) is None


# What is declared ------------------------------------------------------------------------------------------


def test_declared_words_are_quoted_and_lies_are_not_believed() -> None:
    declared = declared_facts(
        {
            "CONFIG_ARGS": "'--enable-optimizations' '--with-lto=thin' '--enable-bolt' 'CC=gcc-14 -pthread'",
            "PY_CORE_CFLAGS": "-O2 -DNDEBUG -O3 -march=x86-64-v3 -fno-semantic-interposition",
            "CPPFLAGS": "-Wdate-time -D_FORTIFY_SOURCE=3",
            "PGO_PROF_USE_FLAG": "-fprofile-use",
            "Py_GIL_DISABLED": 1,
            "CC": "gcc-14 -pthread",
        }
    )
    assert declared == {
        "pgo": "--enable-optimizations",
        "lto": "--with-lto=thin",
        "bolt": "--enable-bolt",
        "optimisation_level": "-O3",
        "assertions": "-DNDEBUG",
        "march": "-march=x86-64-v3",
        "interposition": "-fno-semantic-interposition",
        "fortify": "-D_FORTIFY_SOURCE=3",
        "free_threading": "Py_GIL_DISABLED=1",
        "compiler": "gcc-14 -pthread",
    }
    assert "pgo" not in declared_facts({"PGO_PROF_USE_FLAG": "-fprofile-use", "CONFIG_ARGS": "--prefix=/x"})
    assert declared_facts({"CONFIG_ARGS": None, "CFLAGS": 3, "OPT": ["-O2"]}) == {}


# Machine code ----------------------------------------------------------------------------------------------


def test_beginnings_of_functions() -> None:
    assert has_frame(bytes.fromhex("f30f1efa554889e5"), X86_64)
    assert has_frame(bytes.fromhex("55488bec"), X86_64)
    assert not has_frame(bytes.fromhex("554889fb"), X86_64)
    assert has_landing(bytes.fromhex("f30f1efa55"), X86_64)
    assert not has_landing(b"", AARCH64)
    # paciasp; stp x29, x30, [sp, #-32]!; mov x29, sp
    code = bytes.fromhex("3f2303d5fd7bbea9fd030091")
    assert has_landing(code, AARCH64)
    assert has_frame(code, AARCH64)
    assert not has_frame(bytes.fromhex("1f2003d5" * 4), AARCH64)


def test_jumps_to_computed_addresses() -> None:
    # jmp *rax; jmp *r8; notrack jmp *rax; jmp *(,rax,8); jmp *(r12,rax,8); jmp rel32; call *rax
    code = bytes.fromhex("ffe041ffe03effe0ff24c50010400041ff24c4e900000000ffd0")
    assert indirect_jumps(code, X86_64) == 5
    # br x16; blr x16; ret
    assert indirect_jumps(bytes.fromhex("00021fd600023fd6c0035fd6"), AARCH64) == 1


# A made-up interpreter ------------------------------------------------------------------------------------

FAMILIES = ("List", "Dict", "Unicode", "Long", "Tuple", "Set", "Bytes", "Type")


def _sources(folder: Path) -> list[str]:
    """Write eight C files of thirty functions that call each other, and one loop with and without gotos."""
    names = []
    for number, family in enumerate(FAMILIES):
        following = FAMILIES[(number + 1) % len(FAMILIES)]
        lines = ["#include <string.h>", "#include <assert.h>"]
        lines += [f"int Py{following}_F{one}(int, char *);" for one in range(30)]
        for one in range(30):
            lines.append(
                f"int Py{family}_F{one}(int n, char *text) {{ char own[64]; assert(n != {one}); "
                "memcpy(own, text, n); own[n] = 0; "
                f"return n > 2 ? Py{following}_F{one}(n - 1, own) : own[1]; }}"
            )
        lines.append(f"double Py{family}_Half(double a) {{ return a * 0.5; }}")
        name = f"{family}.c"
        (folder / name).write_text("\n".join(lines))
        names.append(name)
    cases = "\n".join(f'case {one}: n = n * 3 + {one}; puts("{one}"); break;' for one in range(200))
    labels = ", ".join(f"&&L{one}" for one in range(200))
    targets = "\n".join(f'L{one}: n = n * 3 + {one}; puts("{one}"); goto *to[*++p];' for one in range(200))
    floats = "\n".join(
        f"struct c {name}(struct c a, struct c b) "
        "{ struct c r = { a.x * b.x + a.y, a.y - b.y * a.x }; return r; }"
        for name in ("_Py_c_sum", "_Py_c_prod", "_Py_c_quot")
    )
    (folder / "loop.c").write_text(
        "#include <stdio.h>\nstruct c { double x, y; };\n" + floats + "\n#ifdef GOTOS\n"
        "int _PyEval_EvalFrameDefault(const unsigned char *p, int n) { "
        f"static const void *const to[] = {{ {labels} }}; goto *to[*p];\n{targets} }}\n#else\n"
        "int _PyEval_EvalFrameDefault(const unsigned char *p, int n) { for (;; p++) switch (*p) {\n"
        f"{cases}\ndefault: return n; }} }}\n#endif\n"
    )
    return [*names, "loop.c"]


def _build(folder: Path, *flags: str) -> Path:
    sources = _sources(folder)
    target = folder / "libpython3.12.so.1.0"
    done = subprocess.run(
        ["gcc", "-shared", "-fPIC", "-w", "-O2", *flags, "-o", target.name, *sources],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return target


def _seen(path: Path) -> dict[str, Finding]:
    return read_evidence(path, "3.12.1")


needs_gcc = pytest.mark.skipif(
    shutil.which("gcc") is None or platform.machine() != "x86_64", reason="no C compiler for x86-64"
)


@pytest.fixture(scope="session")
def plain_and_hardened(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Finding], ...]:
    """Compile the same sources twice, each choice one way and the other."""
    plain = _build(
        tmp_path_factory.mktemp("plain"),
        *("-fcf-protection=none", "-fno-stack-protector", "-U_FORTIFY_SOURCE", "-fomit-frame-pointer"),
        *("-DNDEBUG", "-fsemantic-interposition", "-fno-lto", "-Wl,-z,lazy"),
    )
    hardened = _build(
        tmp_path_factory.mktemp("hardened"),
        *("-fcf-protection=full", "-fstack-protector-all", "-D_FORTIFY_SOURCE=2", "-fno-omit-frame-pointer"),
        *("-DGOTOS", "-mavx", "-Wl,-Bsymbolic", "-fno-gcse", "-frecord-gcc-switches"),
    )
    return _seen(plain), _seen(hardened)


@needs_gcc
@pytest.mark.parametrize(
    ("fact", "plain", "hardened"),
    [
        ("frame_pointers", "no", "yes"),
        ("stack_protector", "no", "yes"),
        ("fortify", "no", "yes"),
        ("control_flow_protection", "no", "yes"),
        ("computed_gotos", "no", "yes"),
        ("interposition", "yes", "no"),
        ("march", "no AVX (x86-64 or x86-64-v2)", "with AVX (x86-64-v3 or newer)"),
        ("optimisation_level", "unknown", "-O2"),
    ],
)
def test_each_flag_shows_in_the_binary(
    plain_and_hardened: tuple[dict[str, Finding], ...], fact: str, plain: str, hardened: str
) -> None:
    first, second = plain_and_hardened
    assert (first[fact].observed, second[fact].observed) == (plain, hardened), (first[fact], second[fact])


@needs_gcc
def test_object_file_after_object_file(plain_and_hardened: tuple[dict[str, Finding], ...]) -> None:
    plain, hardened = plain_and_hardened
    for seen in (plain, hardened):
        assert seen["unoptimised"].observed == "yes"
        assert seen["pgo"].value == pytest.approx(8 / 248, abs=0.01)
    assert "GCC" in plain["compiler"].observed
    assert plain["assertions"].observed == "no"
    # Its assertions are not Python's: the import alone proves nothing.
    assert hardened["assertions"].observed == "no"
    assert "__assert_fail is there" in hardened["assertions"].evidence


@needs_gcc
def test_stripping_hides_local_symbols_only(tmp_path: Path) -> None:
    whole = _build(tmp_path, "-g")
    stripped = tmp_path / "stripped.so"
    subprocess.run(["strip", "-o", stripped, whole], check=True)
    with Image(whole) as image, Image(stripped) as bare:
        assert len(local_functions(image)) > 240
        assert local_functions(bare) == []
        assert {one.name for one in exported_functions(image)} == {
            one.name for one in exported_functions(bare)
        }
        assert linkage_names(image) == linkage_names(bare) > {"PyDict_F3"}
    before, after = _seen(whole), _seen(stripped)
    assert before["unoptimised"] == after["unoptimised"]
    assert before["interposition"] == after["interposition"]


# Bad input -------------------------------------------------------------------------------------------------


def test_damaged_binaries_raise_one_error_or_are_read(running_interpreter: Interpreter) -> None:
    whole = loop_file(running_interpreter).path.read_bytes()
    generator = random.Random(20)
    for length in (0, 3, 60, 4096, len(whole) // 3, len(whole) - 7):
        _read(whole[:length])
    for _ in range(25):
        damaged = bytearray(whole)
        for _ in range(40):
            damaged[generator.randrange(min(len(whole), 60_000))] = generator.randrange(256)
        damaged[:4] = whole[:4]
        _read(bytes(damaged))


def _read(content: bytes) -> None:
    try:
        read_evidence(content, "3.12.1", "damaged")
    except ElfError as error:
        assert str(error).startswith("damaged: ")
        assert "\n" not in str(error)


def _pretender(folder: Path, running: Interpreter, script: str) -> Interpreter:
    folder.mkdir(exist_ok=True)
    program = folder / "python3"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return replace(running, executable=program, prefix=folder, library_folders=())


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("exit 3", "exit status 3"),
        ("echo '{}'", "its answer is none"),
        ("echo '[[[[[[['", "its answer is none"),
        ("kill -9 $$", "exit status -9"),
    ],
)
def test_one_that_does_not_answer_is_said_in_every_row(
    tmp_path: Path, running_interpreter: Interpreter, script: str, why: str
) -> None:
    rows = facts(_pretender(tmp_path, running_interpreter, script))
    assert len(rows) == len(FACTS) + len(LIBRARIES)
    for row in rows.values():
        assert why in row["reason"], row
        assert row["declared"] == ""
        assert row["observed"] == "unknown"
    assert "its binary could not be read" in rows["pgo"]["reason"]
    assert "not an ELF file" in rows["pgo"]["reason"]


def test_one_that_lies_is_not_believed_beyond_its_shape(
    tmp_path: Path, running_interpreter: Interpreter
) -> None:
    lie = (
        '{"pyassay_build_flags": 1, "variables": ["x"], "running": {"bytecode": {"sources": "many"}, '
        '"libraries": {"zlib": {"version": "1\\\\n\\\\u001b[31m"}, "expat": 7}, "jit": 3, "version": 1}}'
    )
    rows = facts(_pretender(tmp_path, running_interpreter, f"cat >/dev/null; printf '{lie}'"))
    assert rows["library zlib"]["observed"].isprintable()
    assert rows["library expat"]["observed"] == "unknown"
    assert rows["bytecode"]["observed"] == "unknown"
    assert rows["jit"]["observed"] == "unknown"


def test_one_that_cannot_be_run_is_still_read(running_interpreter: Interpreter) -> None:
    rows = facts(replace(running_interpreter, error="it crashes"))
    assert rows["pgo"]["declared"] == ""
    assert rows["pgo"]["reason"] == "it crashes"
    assert rows["computed_gotos"]["observed"] == "yes"


def test_only_interpreters_are_taken(running_interpreter: Interpreter) -> None:
    from pyassay.subjects.model import Artifact, SubjectKind

    assert takes(running_interpreter)
    assert not takes(Artifact("x", "x", SubjectKind.ARTIFACT, Path("/x"), "wheel"))
