"""The operating system: what the probes say of real interpreters, and of ones that are made to differ."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from corpus.asked_quirks import answer, asked, built_before, by_builder, check_sound, names_of, spread


def tuned(tmp_path: Path, lines: str) -> Path:
    """Write a wrapper that starts Debian's Python after some lines of shell, and looks like one."""
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("no bash to write a wrapper in")
    real = by_builder("debian")[-1].executable
    wrapper = tmp_path / "python"
    wrapper.write_text(f"#!{bash}\n{lines.replace('REAL', str(real))}\n")
    wrapper.chmod(0o755)
    return wrapper


def test_every_question_is_answered_or_says_why() -> None:
    for subject in spread():
        check_sound(asked("system", subject), subject)


def test_functions_are_missing_where_the_interpreter_lacks_them() -> None:
    for subject in spread():
        row = answer("missing_os_functions", subject)
        missing = json.loads(row["details"])["missing"]
        assert (row["answer"] == "all_there") == (not missing)
        names = [name for name in missing if name.startswith("os.")]
        code = f"import os; print([n for n in {names!r} if hasattr(os, n[3:])])"
        shown = subprocess.run([subject.executable, "-c", code], capture_output=True, text=True, check=True)
        assert shown.stdout == "[]\n"


def test_an_old_build_lacks_what_a_new_system_has() -> None:
    for subject in by_builder("python-build-standalone"):
        if not built_before(subject, "2026-03-01"):
            pytest.skip("built against newer headers")
        row = answer("missing_os_functions", subject)
        assert row["answer"] == "some_missing"
        assert {"os.getrandom", "os.memfd_create", "os.copy_file_range", "os.pidfd_open"} <= set(
            json.loads(row["details"])["missing"]
        )
        families = json.loads(answer("missing_socket_families", subject)["details"])["missing"]
        assert {"AF_VSOCK", "AF_QIPCRTR"} <= set(families)
        assert answer("lock_clock", subject)["answer"] == "realtime"
        configured = json.loads(answer("sysconfig_have", subject)["details"])["values"]
        wanted = ("HAVE_GETRANDOM", "HAVE_PREADV2", "HAVE_CLOSE_RANGE", "HAVE_SEM_CLOCKWAIT")
        assert {configured[name] for name in wanted} == {0}
        assert answer("libc_ver", subject)["answer"] == "too_low"
        assert answer("isa_level", subject)["answer"] in ("v1", "")


def test_a_python_of_the_distribution_has_everything() -> None:
    for subject in by_builder("debian"):
        expected = {
            "missing_os_functions": "all_there",
            "missing_socket_families": "all_there",
            "bluetooth": "present",
            "sysconfig_have": "all_used",
            "libc_ver": "agrees",
            "locale_startup": "utf8",
            "signals": "as_documented",
            "thread_stack": "works",
            "executable_stack": "protected",
            "hash_randomization": "on",
            "int_max_digits": "limited",
            "name_service": "switch",
        }
        rows = asked("system", subject)
        assert {name: rows[name]["answer"] for name in expected} == expected


def test_old_versions_are_as_old_as_they_are() -> None:
    for subject in spread():
        version = tuple(int(part) for part in subject.version.split(".")[:2])
        rows = asked("system", subject)
        assert rows["locale_startup"]["answer"] == ("utf8" if version >= (3, 7) else "ascii")
        assert rows["hash_randomization"]["answer"] == ("on" if version >= (3, 3) else "off")
        started = rows["multiprocessing_start"]["answer"]
        assert started == ("forkserver" if version >= (3, 14) else "fork")
        assert (rows["jit"]["outcome"] == "not applicable") == (version < (3, 13))


@pytest.mark.parametrize(
    ("quirk", "lines", "expected"),
    [
        ("hash_randomization", 'export PYTHONHASHSEED=0; exec -a "$0" REAL "$@"', "off"),
        ("int_max_digits", 'export PYTHONINTMAXSTRDIGITS=0; exec -a "$0" REAL "$@"', "unlimited"),
        ("locale_startup", 'export PYTHONIOENCODING=latin-1; exec -a "$0" REAL "$@"', "ascii"),
        # Without exec, the shell is what gets the signal, and its exit status is what is seen.
        ("signals", '(exec -a "$0" REAL "$@"); exit $?', "differs"),
        # A thread gets what the limit of the main thread says: a stack as small as that of musl.
        ("thread_stack", 'ulimit -s 128; exec -a "$0" REAL "$@"', "crashes"),
    ],
)
def test_a_difference_is_seen(tmp_path: Path, ask: Any, quirk: str, lines: str, expected: str) -> None:
    seen = ask(quirk, tuned(tmp_path, lines))
    assert (seen.outcome, seen.answer) == ("measured", expected), seen


def test_who_asks_for_an_executable_stack(tmp_path: Path) -> None:
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler")
    wants = names_of("executable_stack")["wants_executable_stack"]
    source = tmp_path / "one.c"
    source.write_text("int one(void) { return 1; }\n")
    found = {}
    for option in ("execstack", "noexecstack"):
        library = tmp_path / f"lib{option}.so"
        subprocess.run(
            [compiler, "-shared", "-fPIC", f"-Wl,-z,{option}", source, "-o", library],
            check=True,
            capture_output=True,
        )
        found[option] = wants(str(library))
    assert found == {"execstack": True, "noexecstack": False}
    cut = tmp_path / "cut.so"
    cut.write_bytes((tmp_path / "libexecstack.so").read_bytes()[:70])
    assert not wants(str(cut))
    assert not wants(str(tmp_path / "absent.so"))
