"""Moving, copying and confining: what the probes say of real interpreters and of a bad wrapper."""

from __future__ import annotations

import os
import py_compile
import shutil
from pathlib import Path
from typing import Any

import pytest
from corpus.asked_quirks import all_interpreters, answer, asked, by_builder, check_sound, names_of, spread


def test_every_question_is_answered_or_says_why() -> None:
    for subject in spread():
        check_sound(asked("relocation", subject), subject)


@pytest.mark.slow
def test_every_question_is_answered_by_all_others() -> None:
    for subject in set(all_interpreters()) - set(spread()):
        for consequence in ("relocation", "system", "debugging"):
            check_sound(asked(consequence, subject), subject)


def test_a_python_of_the_distribution_survives_everything() -> None:
    for subject in by_builder("debian"):
        rows = asked("relocation", subject)
        assert rows["relocated_tree"]["outcome"] == "not applicable"
        seen = {name: row["answer"] for name, row in rows.items() if row["outcome"] == "measured"}
        for name in ("hardlink", "copied_binary", "odd_argv0", "minimal_environment", "setcap", "no_proc"):
            assert seen.get(name, "works") == "works", rows[name]


def test_a_launcher_that_names_its_library_by_origin() -> None:
    """python-build-standalone before May 2025: a small executable finds libpython by $ORIGIN."""
    for subject in by_builder("python-build-standalone"):
        if b"$ORIGIN/../lib/libpython" not in subject.executable.read_bytes():
            pytest.skip("this build is linked statically")
        assert answer("hardlink", subject)["answer"] == "not_loaded"
        assert answer("copied_binary", subject)["answer"] == "fails"
        assert answer("relocated_tree", subject)["answer"] == "works"
        setcap, no_proc = answer("setcap", subject), answer("no_proc", subject)
        if setcap["outcome"] == "measured":
            assert "DST not allowed in SUID/SGID programs" in setcap["observed"]
        if no_proc["outcome"] == "measured":
            assert "Py_BytesMain" in no_proc["observed"]


def test_a_tree_with_an_absolute_search_path_leans_on_the_old_one() -> None:
    for subject in by_builder("pyenv"):
        row = answer("relocated_tree", subject)
        if "libpython" not in row["observed"]:
            continue
        assert row["answer"] == "old_tree"
        assert str(subject.prefix) in row["observed"]
        return
    pytest.skip("no interpreter of pyenv is linked against its libpython")


def test_the_original_is_not_marked_with_capabilities() -> None:
    for subject in spread():
        answer("setcap", subject)
        assert "security.capability" not in os.listxattr(subject.executable)


def test_compiled_files_are_told_apart(tmp_path: Path) -> None:
    state = names_of("stdlib_bytecode")["_state"]
    source = tmp_path / "module.py"
    source.write_text("answer = 42\n")
    from importlib.util import MAGIC_NUMBER, cache_from_source

    cache = cache_from_source(str(source))
    assert state(str(source), cache, MAGIC_NUMBER) == "missing"
    py_compile.compile(str(source))
    assert state(str(source), cache, MAGIC_NUMBER) == "valid"
    os.utime(source, (1, 1))
    assert state(str(source), cache, MAGIC_NUMBER) == "stale"
    py_compile.compile(str(source), invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    os.utime(source, (2, 2))
    assert state(str(source), cache, MAGIC_NUMBER) == "valid"
    assert state(str(source), cache, b"\0\0\r\n") == "stale"
    Path(cache).write_bytes(b"\0")
    assert state(str(source), cache, MAGIC_NUMBER) == "stale"


def test_a_wrapper_that_needs_its_environment(tmp_path: Path, ask: Any) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("no bash to write a wrapper in")
    real = by_builder("debian")[-1].executable
    wrapper = tmp_path / "python"
    # Under the name of the wrapper, the interpreter takes it for its executable.
    wrapper.write_text(
        f'#!{bash}\n[ -n "$HOME" ] || {{ echo no HOME >&2; exit 3; }}\nexec -a "$0" {real} "$@"\n'
    )
    wrapper.chmod(0o755)
    seen = ask("minimal_environment", wrapper)
    assert (seen.outcome, seen.answer, seen.observed) == ("measured", "fails", "no HOME")
