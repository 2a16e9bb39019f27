"""Artifacts probed: the same tables as for interpreters, read from where they lie, nothing run."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from corpus.archives import make_deb
from corpus.rootfs import build
from pyassay.evidence import load
from pyassay.gathering import gather
from pyassay.probes.portability import observe, probe
from pyassay.subjects import Artifact, Interpreter, find
from pyassay.verdicts import judge


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Make a program that carries one of its two libraries, by RUNPATH, and a text."""
    folder = tmp_path / "tree"
    carried = build(folder / "lib/libown.so.1", "int own(void){return 1;}", soname="libown.so.1")
    outside = build(tmp_path / "else/libother.so.1", "int other(void){return 1;}", soname="libother.so.1")
    build(
        folder / "bin/app",
        "int own(void); int other(void); int main(void){return own() + other();}",
        program=True,
        libraries=[carried, outside],
        options=["-Wl,-rpath,$ORIGIN/../lib"],
    )
    (folder / "README").write_text("no ELF file")
    (folder / "lib/libown.so").symlink_to("libown.so.1")
    return folder


def subject(path: Path) -> Artifact:
    (found,) = find(path)
    assert isinstance(found, Artifact)
    return found


def packed(tree: Path, kind: str, target: Path) -> Path:
    if kind == "folder":
        return tree
    path = target / f"made.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            for file in sorted(tree.rglob("*")):
                if file.is_file():
                    archive.write(file, file.relative_to(tree))
    elif kind == "deb":
        if make_deb(path, tree) is None:
            pytest.skip("no dpkg-deb here")
    else:
        with tarfile.open(path, "w:gz") as archive:
            archive.add(tree, arcname="made")
    return path


@pytest.mark.parametrize("kind", ["folder", "zip", "tar.gz", "deb"])
def test_an_archive_is_read_as_the_folder_it_was_made_from(tree: Path, tmp_path: Path, kind: str) -> None:
    tables = probe(subject(packed(tree, kind, tmp_path)))
    files = {file.removeprefix("made/"): scope for file, scope in tables["files"][["file", "scope"]].values}
    assert files["bin/app"] == "program"
    assert files["lib/libown.so.1"] == "library"
    inside = {
        row.soname: (row.inside, row.resolved.removeprefix("made/"))
        for row in tables["libraries"].itertuples()
        if row.file.endswith("app")
    }
    assert inside["libown.so.1"] == (True, "lib/libown.so.1")
    assert inside["libother.so.1"] == (False, "")
    missing = set(tables["closure"]["name"])
    assert missing == {"libother.so.1"}
    assert tables["skipped"].empty
    assert tables["floors"].query("family == 'GLIBC'")["scope"].tolist() == ["own"]


def test_a_real_package_needs_what_its_maintainer_says(tmp_path: Path) -> None:
    """Compare with dpkg-shlibdeps' own source of truth: the loader finds everything that it depends on."""
    if shutil.which("apt-get") is None:
        pytest.skip("no apt-get here")
    done = subprocess.run(
        ["apt-get", "download", "-q", "bash"], cwd=tmp_path, capture_output=True, timeout=60, check=False
    )
    packages = list(tmp_path.glob("bash_*.deb"))
    if done.returncode or not packages:
        pytest.skip("no package to be had from a mirror")
    found = subject(packages[0])
    assert found.format == "deb"
    tables = probe(found)
    assert "bin/bash" in {file.removeprefix("usr/") for file in tables["files"]["file"]}
    assert not tables["libraries"]["inside"].any()


def test_a_frozen_library_is_carried_by_its_name(tmp_path: Path) -> None:
    """A program that unpacks itself sets the search path: no loader rule leads to what it carries."""
    library = build(tmp_path / "libown.so.1", "int own(void){return 1;}", soname="libown.so.1")
    module = build(tmp_path / "mod.so", "int own(void); int f(void){return own();}", libraries=[library])
    archive = tmp_path / "made.zip"
    with zipfile.ZipFile(archive, "w") as made:
        made.write(module, "deep/mod.so")
        made.write(library, "libown.so.1")
    tables = probe(subject(archive))
    (row,) = [row for row in tables["libraries"].itertuples() if row.soname == "libown.so.1"]
    assert (row.inside, row.resolved) == (True, "libown.so.1")


def test_what_is_not_native_runs_everywhere(tmp_path: Path) -> None:
    wheel = tmp_path / "pure-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as made:
        made.writestr("pure.py", "")
        made.writestr("pure-1.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
    (verdict,) = judge(gather("portability", [subject(wheel)]))
    assert str(verdict.level) == "good"
    assert verdict.headline == "holds no native code: it runs wherever its Python does"


def test_damaged_members_are_rows_and_the_rest_goes_on(tree: Path, tmp_path: Path) -> None:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for name, data in (
            ("bad.so", (tree / "bin/app").read_bytes()[:300]),
            ("<script>.so", (tree / "lib/libown.so.1").read_bytes()),
        ):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    path = tmp_path / "made.tar"
    path.write_bytes(made.getvalue())
    tables = probe(subject(path))
    assert tables["files"]["file"].tolist() == ["<script>.so"]
    assert tables["skipped"]["file"].tolist() == ["bad.so"]
    path.write_bytes(made.getvalue()[:900])
    rows = observe(subject(path)).tables
    assert rows["skipped"]


def test_evidence_of_artifacts_is_recorded_and_judged(tree: Path, tmp_path: Path) -> None:
    evidence = gather("portability", [subject(packed(tree, "zip", tmp_path))])
    again = load(evidence.save(tmp_path / "evidence"))
    for name, frame in evidence.tables.items():
        pd.testing.assert_frame_equal(frame, again.table(name))
    (verdict,) = judge(again)
    assert any("libother.so.1" in reason.text for reason in verdict.reasons)
    row = again.table("subjects").iloc[0]
    assert (row["kind"], row["format"], row["label"]) == ("artifact", "zip", "made.zip")


def test_an_artifact_is_never_started(tmp_path: Path) -> None:
    marker = tmp_path / "started"
    program = build(
        tmp_path / "app",
        f'#include <fcntl.h>\nint main(void){{return open("{marker}", O_CREAT, 0600) < 0;}}',
        program=True,
    )
    program.chmod(0o755)
    observe(subject(program))
    assert not marker.exists()


def test_a_damaged_module_of_a_python_in_a_root_file_system_is_a_row(
    running_interpreter: Interpreter, tmp_path: Path
) -> None:
    root = tmp_path / "root"
    build(root / "opt/py/bin/python3", "int main(void){return 0;}", program=True)
    build(root / "opt/py/lib/python3.11/lib-dynload/good.so")
    bad = root / "opt/py/lib/python3.11/lib-dynload/bad.so"
    bad.write_bytes((root / "opt/py/bin/python3").read_bytes()[:200])
    stdlib = Path("/opt/py/lib/python3.11")
    inside = replace(
        running_interpreter,
        executable=Path("/opt/py/bin/python3"),
        prefix=Path("/opt/py"),
        stdlib=stdlib,
        platstdlib=stdlib,
        library_folders=(),
        image=f"rootfs:{root}",
    )
    tables = probe(inside)
    assert set(tables["files"]["file"]) == {"bin/python3", "lib/python3.11/lib-dynload/good.so"}
    assert tables["skipped"]["file"].tolist() == ["lib/python3.11/lib-dynload/bad.so"]
    bad.unlink()
    assert probe(inside)["skipped"].empty, "a folder that has changed is read anew"
