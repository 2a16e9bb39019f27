import shutil
import subprocess
from pathlib import Path

import pytest
from corpus.hand_packed import GOOD, candidate, read, script
from pyassay.elf.archived import ArchivedFile, ArchivedRoot
from pyassay.elf.closure import Root
from pyassay.packagers.model import Delivery
from pyassay.probes.packaging.dependencies import installed_packages, unsatisfied
from pyassay.probes.packaging.prediction import Ground, predict

NOTHING = Ground(ArchivedRoot({}, {}))


@pytest.fixture(scope="module")
def host():
    return Ground(ArchivedRoot({}, {}, base=Root("/")))


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A program and a library of its own, compiled here."""
    if shutil.which("gcc") is None:
        pytest.skip("no gcc")
    folder = tmp_path_factory.mktemp("compiled")
    (folder / "lib.c").write_text("int own(void) { return 0; }\n")
    (folder / "main.c").write_text("int own(void); int main(void) { return own(); }\n")
    subprocess.run(
        "gcc -shared -fPIC -Wl,-soname,libpyassayown.so.1 -o libpyassayown.so.1 lib.c && "
        "gcc -o program main.c -L. -l:libpyassayown.so.1 -Wl,-rpath,'$ORIGIN'",
        shell=True, cwd=folder, check=True,
    )  # fmt: skip
    return folder


def test_a_script_runs_where_its_interpreter_is(tmp_path, host):
    one = read(candidate(script(tmp_path, GOOD)))
    assert predict(one, host).runs is True
    found = predict(one, NOTHING)
    assert (found.runs, found.why) == (False, "/bin/sh, which starts it, is not there")


def test_env_looks_the_interpreter_up(tmp_path, host):
    one = read(candidate(script(tmp_path, "#!/usr/bin/env python9.99\n")))
    assert predict(one, host).why == "python9.99, which starts it, is not there"


def test_a_file_that_is_no_program_does_not_run(tmp_path, host):
    one = read(candidate(script(tmp_path, "just text\n")))
    assert predict(one, host).runs is False


def test_a_library_that_is_carried_and_one_that_is_not(tmp_path, built, host):
    whole, lacking = tmp_path / "whole", tmp_path / "lacking"
    for folder in (whole, lacking):
        folder.mkdir()
        shutil.copy2(built / "program", folder)
    shutil.copy2(built / "libpyassayown.so.1", whole)
    one = candidate(whole, program="program", delivery=Delivery.FOLDER)
    assert predict(read(one), host).runs is True
    other = candidate(lacking, program="program", delivery=Delivery.FOLDER)
    found = predict(read(other), host)
    assert found.runs is False
    assert "libpyassayown.so.1" in found.why
    # Where there is no C library, the loader lacks first.
    assert "ld-linux" in predict(read(one), NOTHING).why or "ld" in predict(read(one), NOTHING).why


def test_the_prediction_is_what_happens(tmp_path, built, host):
    """On this very host: started for real."""
    for name, carried in (("with", True), ("without", False)):
        folder = tmp_path / name
        folder.mkdir()
        shutil.copy2(built / "program", folder)
        if carried:
            shutil.copy2(built / "libpyassayown.so.1", folder)
        foretold = predict(read(candidate(folder, program="program", delivery=Delivery.FOLDER)), host).runs
        happened = subprocess.run([folder / "program"], check=False, capture_output=True).returncode == 0
        assert foretold is happened is carried


def test_an_appimage_needs_fuse_unless_it_is_told_to_unpack(tmp_path, host, monkeypatch):
    one = read(candidate(script(tmp_path, GOOD)))
    monkeypatch.setattr(one, "format", "appimage")
    assert "/dev/fuse" in predict(one, host).why
    other = read(candidate(script(tmp_path, GOOD), environment={"APPIMAGE_EXTRACT_AND_RUN": "1"}))
    monkeypatch.setattr(other, "format", "appimage")
    assert predict(other, host).runs is True


def test_relations_of_debian_packages():
    have = installed_packages("libc6\t2.31-13+deb11u11\t\ndash\t0.5.11\tsh (= 1), ash\n")
    assert unsatisfied("Package: x\nDepends: libc6 (>= 2.28), dash\n", have) == []
    assert unsatisfied("Depends: libc6 (>= 2.34), libc6 (<< 3)\n", have) == ["libc6 (>= 2.34)"]
    assert unsatisfied("Depends: nothing | ash, python3:any (>= 3.9~)\n", have) == ["python3:any (>= 3.9~)"]
    assert unsatisfied("Pre-Depends: ghost\n\n", have) == ["ghost"]
    assert unsatisfied("", have) == []
    assert unsatisfied("Depends: \x00 (((, \n", have) != []


def test_of_damaged_files_nothing_is_said(tmp_path, host):
    path = tmp_path / "broken"
    path.write_bytes(b"\x7fELF" + b"\xff" * 60)
    path.chmod(0o755)
    found = predict(read(candidate(path)), host)
    assert found.runs is not True
    assert isinstance(Path(path), Path)


def test_a_shell_that_looks_for_a_python_takes_only_one_that_fits(tmp_path):
    folder = tmp_path / "app"
    (folder / "site-packages").mkdir(parents=True)
    script(folder, "#!/bin/sh\nfor one in python3.99 python3; do command -v $one && exec $one; done\n")
    if shutil.which("gcc") is None:
        pytest.skip("no gcc")
    source = tmp_path / "m.c"
    source.write_text("int nothing;\n")
    module = folder / "site-packages/m.cpython-399-x86_64-linux-gnu.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", module, source], check=True)
    one = read(candidate(folder, program="program", delivery=Delivery.FOLDER))
    assert one.module_pythons == {"3.99"}
    shell = {"/bin/sh": ArchivedFile(content=b"x")}
    python3 = {"/usr/bin/python3.11": ArchivedFile(content=b"x")}
    links = {"/usr/bin/python3": "python3.11"}
    found = predict(one, Ground(ArchivedRoot(shell | python3, links)))
    assert found.why == "the Python there is 3.11, its modules are for 3.99"
    assert predict(one, Ground(ArchivedRoot(shell, {}))).why == "python3.99, which it looks for, is not there"
