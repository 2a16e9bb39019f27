"""Finding Pythons: real ones of this machine, and trees that a stranger laid out."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pyassay.subjects import Subjects, find
from pyassay.subjects.model import Confidence, Interpreter, SubjectKind
from pyassay.subjects.naming import version_key


def script(path: Path, body: str) -> Path:
    """Write an executable shell script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def below(subjects: Subjects, folder: Path) -> list[Interpreter]:
    return [one for one in subjects if (one.environment or one.executable).is_relative_to(folder)]


@pytest.fixture(scope="module")
def everything() -> Subjects:
    """Find all of this machine once."""
    return find()


# --- this machine -----------------------------------------------------------------------------------------


def test_the_interpreter_that_runs_us_is_found_with_its_facts(everything, base_python):
    [own] = [one for one in everything if one.executable == base_python and one.environment is None]
    assert own.version == "{}.{}.{}".format(*sys.version_info[:3]) or sys.version_info[3] != "final"
    assert own.implementation == sys.implementation.name
    assert own.error is None
    assert own.prefix == Path(sys.base_prefix).resolve()
    assert own.stdlib == Path(os.__file__).parent
    assert own.architecture == os.uname().machine
    assert own.libc in {"glibc", "musl"}
    assert own.libc_version
    assert own.compiler
    assert own.build_date
    assert own.provenance.clues


def test_each_interpreter_is_listed_once(everything):
    files = [one.executable for one in everything if one.environment is None]
    assert len(files) == len({path.stat().st_ino if path.exists() else path for path in files})
    prefixes = [
        (one.prefix, one.version) for one in everything if one.error is None and one.environment is None
    ]
    assert len(prefixes) == len(set(prefixes))
    assert len({one.id for one in everything}) == len(everything)
    assert len({one.label for one in everything}) == len(everything)


def test_every_file_is_real_and_no_shim(everything):
    for one in everything:
        if one.error is None:
            assert one.executable.resolve() == one.executable
            assert one.executable.read_bytes()[:4] == b"\x7fELF"


def test_order_and_ids_do_not_change(everything):
    again = find()
    assert [one.id for one in again] == [one.id for one in everything]
    keys = [version_key(one.version) for one in everything]
    assert keys == sorted(keys)


def test_versions_that_pyenv_has_are_all_found(everything):
    root = Path(os.environ.get("PYENV_ROOT", os.path.expanduser("~/.pyenv")))  # noqa: PTH111
    installed = [folder for folder in root.glob("versions/*") if (folder / "bin" / "python").exists()]
    installed = [folder for folder in installed if not (folder / "pyvenv.cfg").exists()]
    if not installed:
        pytest.skip("no pyenv versions on this machine")
    found = {one.prefix: one for one in everything}
    for folder in installed:
        one = found[folder.resolve()]
        assert one.error is None
        assert one.provenance.builder in {"pyenv", "conda", "anaconda", "conda-forge", "pypy", "graalpy"}
        if one.provenance.builder == "pyenv":
            assert one.version == folder.name
            assert one.id == f"cpython-{folder.name}-pyenv"
            assert any(os.fspath(folder).rpartition("/")[2] in clue for clue in one.provenance.clues)


def test_package_of_the_distribution_is_known_by_its_owner(everything):
    known = [one for one in everything if one.executable.is_relative_to("/usr/bin") and one.error is None]
    if not known or not shutil.which("dpkg-query"):
        pytest.skip("no Python in /usr/bin, or no dpkg to compare with")
    for one in known:
        answer = subprocess.run(
            ["dpkg-query", "-S", one.executable], capture_output=True, text=True, check=False
        ).stdout
        if answer:
            package = answer.partition(":")[0]
            assert one.provenance.confidence is Confidence.CERTAIN
            assert any(package in clue for clue in one.provenance.clues)


def test_find_is_quick(everything):
    started = time.monotonic()
    count = len(find())
    # A loaded machine may take three times as long as an idle one; each interpreter starts once, in parallel.
    assert time.monotonic() - started < 3 + 0.3 * count


# --- trees of strangers -----------------------------------------------------------------------------------


def test_hanging_interpreter_is_cut_off_and_the_others_are_found(home, base_python):
    script(home / "bin" / "python3.8", "sleep 300")
    (home / "bin" / "python3.99").symlink_to(base_python)
    started = time.monotonic()
    subjects = find(timeout_s=3)
    assert time.monotonic() - started < 15
    [hung] = below(subjects, home)
    assert "no answer within 3 s" in hung.error
    assert hung.error.startswith("~/bin/python3.8: ")
    assert hung.version == "3.8"
    [real] = [one for one in subjects if one.executable == base_python]
    assert home / "bin" / "python3.99" in real.aliases


def says(**facts: object) -> str:
    """Return a script's body that claims to be a Python."""
    claimed = {"version": "3.12.1", "implementation": "cpython", "executable": "/bin/sh", "prefix": "/usr"}
    return f"echo '{json.dumps({'pyassay_identity': 1, 'facts': claimed | facts})}'"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("echo garbage", "no identity"),
        ("echo '{}'", "no identity"),
        ("echo '[1, 2]'", "no identity"),
        ("echo '{\"pyassay_identity\": 1}'", "no identity"),
        ('echo \'{"pyassay_identity": 1, "facts": 7}\'', "no identity"),
        ("head -c 100000 /dev/zero | tr '\\0' '['", "no identity"),
        ("cat /dev/zero", "went over"),
        ("cat /dev/urandom >&2", "went over"),
        ("exit 7", "exit status 7"),
        ("echo cannot open libx.so >&2; exit 127", "exit status 127: cannot open libx.so"),
        ("kill -SEGV $$", "killed by signal 11"),
        ("true", "no identity"),
        (says(version="3.12; rm"), "version"),
        (says(version=[3]), "version"),
        (says(implementation="<b>"), "implementation"),
        # Well-formed lies: a script's word is not taken, and what it names is no Python.
        (says(), "leads to no interpreter"),
        (says(executable=None), "leads to no interpreter"),
        (says(executable="/nonexistent/python3"), "leads to no interpreter"),
    ],
)
def test_what_answers_nonsense_is_a_row_with_its_error(home, body, said):
    script(home / "bin" / "python3.8", body)
    [one] = below(find(home / "bin" / "python3.8"), home)
    assert said in one.error
    assert "\n" not in one.error
    assert len(one.error) < 700


def test_script_that_starts_a_real_interpreter_is_its_alias(home, base_python):
    wrapper = script(home / "bin" / "python3.8", f'exec {base_python} "$@"')
    [one] = find(wrapper)
    assert one.executable == base_python
    assert wrapper in one.aliases
    assert one.error is None


def test_fork_that_keeps_the_pipe_does_not_hang(home):
    script(home / "bin" / "python3.8", "sleep 300 & echo garbage")
    started = time.monotonic()
    [one] = below(find(home / "bin" / "python3.8", timeout_s=60), home)
    assert time.monotonic() - started < 10
    assert one.error


def test_dangling_links_and_loops_are_rows(home):
    (home / "bin" / "python3.7").symlink_to(home / "nowhere" / "python3.7")
    (home / "bin" / "python3").symlink_to("python3.7")
    (home / "bin" / "python3.5").symlink_to("python3.4")
    (home / "bin" / "python3.4").symlink_to("python3.5")
    rows = {one.executable: one for one in below(find(), home)}
    gone = rows.pop(home / "nowhere" / "python3.7")
    assert "which does not exist" in gone.error
    assert set(gone.aliases) == {home / "bin" / "python3.7", home / "bin" / "python3"}
    assert {one.error.rpartition(": ")[2] for one in rows.values()} == {"a loop of links"}


def test_names_are_harmless(home):
    folder = home / "<script>alert(1)</script>\n\x1b[31m"
    broken = script(folder / "bin" / "python3.8", "exit 1")
    subjects = find(search=[folder.parent])
    [one] = below(subjects, folder)
    assert one.executable == broken
    for text in (one.error, one.label, one.id, repr(subjects), subjects._repr_html_()):
        assert "\x1b" not in text
    assert "\n" not in one.error
    assert "<script>" not in subjects._repr_html_()
    assert "&lt;script&gt;" in subjects._repr_html_()


def test_undecodable_name(home):
    folder = Path(os.fsdecode(os.fsencode(home) + b"/\xff\xfe"))
    script(folder / "bin" / "python3.8", "exit 1")
    [one] = below(find(search=[home]), folder)
    assert "\\udcff" in one.error
    one.error.encode("utf-8")


def test_files_that_only_have_the_name(home):
    (home / "bin" / "python").write_text("complete -F _python python\n")
    (home / "bin" / "python3").mkdir()
    os.mkfifo(home / "bin" / "python3.6", 0o777)
    script(home / "bin" / "python3-config", "exit 1")
    script(home / "bin" / "pythonic", "exit 1")
    assert below(find(), home) == []


@pytest.mark.parametrize("name", ["/dev/zero", "FIFO"])
def test_endless_files_that_a_glob_matches_are_not_read(home, name):
    folder = home / "endless"
    folder.mkdir()
    for file in ("python3.7", "python3.8"):
        if name == "FIFO":
            os.mkfifo(folder / file, 0o777)
        else:
            (folder / file).symlink_to(name if file == "python3.7" else "/dev/null")
    # In a process of its own: a read that never ends is then cut off.
    code = "import sys; from pyassay.subjects import find; [print(one.error) for one in find(sys.argv[1])]"
    asked = [sys.executable, "-c", code, f"{folder}/python3.*"]
    answer = subprocess.run(asked, capture_output=True, text=True, timeout=60, check=True)
    assert [line.rpartition(": ")[2] for line in answer.stdout.splitlines()] == ["not a regular file"] * 2


def test_unrunnable_elf_tells_what_its_files_tell(home, base_python):
    root = home / "opt" / "python"
    (root / "bin").mkdir(parents=True)
    (root / "lib" / "python3.14").mkdir(parents=True)
    (root / "lib" / "python3.14" / "os.py").touch()
    (root / "include" / "python3.14").mkdir(parents=True)
    (root / "include" / "python3.14" / "patchlevel.h").write_text('#define PY_VERSION  "3.14.2+"\n')
    executable = root / "bin" / "python3.14"
    executable.write_bytes(base_python.read_bytes())
    executable.chmod(0o644)
    [one] = find(executable)
    assert one.error == "~/opt/python/bin/python3.14: not executable" or os.access(executable, os.X_OK)
    assert one.version == "3.14.2"
    assert one.architecture == os.uname().machine
    assert one.prefix == root
    assert one.stdlib == root / "lib" / "python3.14"
    assert one.libc in {"glibc", "musl"}
    assert one.compiler == ""


def test_truncated_elf_is_a_row(home, base_python):
    executable = home / "bin" / "python3.9"
    executable.write_bytes(base_python.read_bytes()[:100])
    executable.chmod(0o755)
    [one] = find(executable)
    assert one.error
    assert "\n" not in one.error


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_folder_is_a_remark(home):
    (home / "secret").mkdir(mode=0)
    assert any("secret" in remark for remark in find(search=[home]).remarks)


def test_copies_and_hard_links_of_one_file_are_one(home, base_python):
    for name in ("python3.12", "python3", "python"):
        shutil.copy(base_python, home / "bin" / name)
    os.link(home / "bin" / "python3.12", home / "bin" / "python3.12m")
    rows = below(find(), home)
    real = [one for one in find() if one.executable == base_python]
    # The copies have the prefix of the original or cannot start; either way they are one.
    assert len(rows) <= 1
    aliases = set((rows or real)[0].aliases)
    assert {home / "bin" / "python", home / "bin" / "python3"} <= aliases
    if rows:
        assert rows[0].executable.name == "python3.12"


def test_pyenv_shim_is_no_interpreter(home, base_python):
    root = home / ".pyenv"
    (root / "versions" / "9.9.9" / "bin").mkdir(parents=True)
    (root / "versions" / "9.9.9" / "bin" / "python").symlink_to(base_python)
    shim = root / "shims" / "python3"
    script(
        shim,
        f'program="${{0##*/}}"\nexport PYENV_ROOT="{root}"\nexec "{root}/libexec/pyenv" exec "$program" "$@"',
    )
    # By content, wherever it lies.
    elsewhere = home / "bin" / "python3"
    shutil.copy(shim, elsewhere)
    subjects = find()
    assert below(subjects, home) == []
    [real] = [one for one in subjects if one.executable == base_python]
    assert root / "versions" / "9.9.9" / "bin" / "python" in real.aliases
    assert not {shim, elsewhere} & set(real.aliases)


def test_link_to_a_version_chooser_is_no_interpreter(home):
    script(home / "bin" / "mise", "sleep 300")
    (home / "bin" / "python3.8").symlink_to("mise")
    assert below(find(), home) == []


# --- searched folders -------------------------------------------------------------------------------------


def test_search_is_bounded_and_follows_no_links(home, base_python):
    deep = home / "a" / "b" / "bin"
    deep.mkdir(parents=True)
    (deep / "python3").symlink_to(base_python)
    (home / "a" / "loop").symlink_to(home / "a")
    bottom = home.joinpath(*"abcdefghijklmnop")
    bottom.mkdir(parents=True)
    subjects = find(search=[home])
    [real] = [one for one in subjects if one.executable == base_python]
    assert deep / "python3" in real.aliases
    assert not any("loop" in alias.parts for alias in real.aliases)
    assert any("deeper than" in remark for remark in subjects.remarks)


def test_folder_that_is_not_there_is_a_remark(home):
    assert find("/usr/bin/env", search=[home / "nope"]).remarks == ("~/nope: no such folder",)


# --- virtual environments ---------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["links", "copies"])
def environment(request, tmp_path_factory, base_python) -> Path:
    folder = tmp_path_factory.mktemp("environments") / f"of {request.param}"
    extra = ["--copies"] if request.param == "copies" else []
    subprocess.run([base_python, "-m", "venv", "--without-pip", *extra, folder], check=True)
    return folder


@pytest.mark.parametrize("selected", ["", "bin", "bin/python", "bin/python3"])
def test_environment_is_a_subject_that_rests_on_its_base(environment, base_python, selected):
    [one] = find(environment / selected)
    assert one.kind is SubjectKind.ENVIRONMENT
    assert one.environment == environment
    assert one.executable == base_python
    assert one.error is None
    [site] = one.site_folders
    assert site.is_relative_to(environment)
    assert one.prefix == Path(sys.base_prefix).resolve()


def test_environment_appears_with_its_base_only(environment, base_python, monkeypatch):
    monkeypatch.setenv("VIRTUAL_ENV", os.fspath(environment))
    subjects = find()
    assert below(subjects, environment) == []
    [base] = [one for one in subjects if one.executable == base_python]
    assert environment in base.environments


def test_environment_in_the_current_folder_and_through_links(home, base_python, environment):
    (home / ".venv").symlink_to(environment)
    (home / "bin" / "tool-python").symlink_to(environment / "bin" / "python")
    (home / "bin" / "python3.77").symlink_to("tool-python")
    [base] = [one for one in find() if one.executable == base_python]
    assert base.environments.count(environment) == 1
    [one] = find("python3.77")
    assert one.environment == environment


def test_system_packages_count_when_the_environment_says_so(environment, base_python):
    [base] = find(base_python)
    settings = environment / "pyvenv.cfg"
    before = settings.read_text()
    settings.write_text(before.replace("= false", "= true"))
    try:
        [one] = find(environment)
    finally:
        settings.write_text(before)
    assert set(base.site_folders) < set(one.site_folders)


def test_environment_whose_base_is_gone(home):
    folder = home / ".venv"
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").symlink_to("/nonexistent/bin/python3.6")
    (folder / "pyvenv.cfg").write_text("home = /nonexistent/bin\nversion = 3.6.1\n")
    for subjects in (find(), find(folder), find(folder / "bin" / "python"), find(f"venv:{folder}")):
        [one] = below(subjects, home)
        assert one.kind is SubjectKind.ENVIRONMENT
        assert one.environment == folder
        assert one.version == "3.6.1"
        assert "is gone" in one.error
        assert "/nonexistent/bin" in one.error


def test_environment_of_an_environment(environment, base_python, tmp_path):
    outer = tmp_path / "outer"
    subprocess.run([environment / "bin" / "python", "-m", "venv", "--without-pip", outer], check=True)
    [one] = find(outer)
    assert (one.executable, one.environment) == (base_python, outer)


def test_environments_that_rest_on_each_other(home):
    for name, other in (("one", "two"), ("two", "one")):
        (home / name / "bin").mkdir(parents=True)
        script(home / name / "bin" / "python", "sleep 300")
        (home / name / "pyvenv.cfg").write_text(f"home = {home / other / 'bin'}\n")
    [one] = find(home / "one")
    assert "is gone" in one.error


def test_old_virtualenv(home, base_python):
    folder = home / "old"
    library = folder / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}"
    (library / "site-packages").mkdir(parents=True)
    (library / "orig-prefix.txt").write_text(os.fspath(base_python.parent.parent))
    (folder / "bin").mkdir()
    shutil.copy(base_python, folder / "bin" / "python3")
    [one] = find(folder / "bin" / "python3")
    assert one.environment == folder
    assert one.executable == base_python
    assert one.site_folders == (library / "site-packages",)


# --- collections ------------------------------------------------------------------------------------------


def test_frame_has_the_columns_of_the_evidence(everything):
    from pyassay.evidence import SUBJECTS

    assert list(everything.to_frame().columns) == [column.name for column in SUBJECTS.columns]


def test_collection_is_a_sequence_with_a_frame(everything):
    assert len(everything[:2]) == 2
    assert isinstance(everything[:2], Subjects)
    assert everything[0] in everything
    frame = everything.to_frame()
    assert list(frame["subject_id"]) == [one.id for one in everything]
    assert frame["provenance_clues"].map(type).eq(list).all()
    # Only an artifact has a size.
    assert not frame.drop(columns="size_bytes").isna().any(axis=None)
    assert Subjects().to_frame().columns.tolist() == frame.columns.tolist()
