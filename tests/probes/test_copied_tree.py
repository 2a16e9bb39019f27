"""A tree that was copied, as its programs see it: they load the libpython of the tree that was copied."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyassay import find
from pyassay.elf.reader import ElfError, read
from pyassay.gathering import gather
from pyassay.subjects.model import Interpreter
from pyassay.verdicts import judge
from pyassay.verdicts.model import Level

LEFT_OUT = ("test", "tests", "site-packages", "__pycache__", "idlelib", "ensurepip", "config-*")


def absolute_trees() -> Iterator[tuple[Path, Path]]:
    """Yield each tree whose program loads libpython by an absolute path, and the program."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for tree in (Path(sys.base_prefix).resolve(), *sorted(pyenv.glob("3.*"), reverse=True)):
        for program in sorted(tree.glob("bin/python3.*")):
            try:
                elf = read(program)
            except (ElfError, OSError):
                continue
            if tree != Path("/usr") and f"{tree}/lib" in (*elf.runpath, *elf.rpath):
                yield tree, program


@pytest.fixture(scope="module")
def original() -> Path:
    tree, _ = next(absolute_trees(), (None, None))
    if tree is None:
        pytest.skip("no Python on this machine loads its libpython by an absolute path")
    return tree


@pytest.fixture
def copied(original: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "copy"
    (folder / "lib").mkdir(parents=True)
    shutil.copytree(original / "bin", folder / "bin", symlinks=True)
    for path in original.glob("lib/python3.*"):
        shutil.copytree(
            path, folder / "lib" / path.name, symlinks=True, ignore=shutil.ignore_patterns(*LEFT_OUT)
        )
    for path in original.glob("lib/libpython*"):
        shutil.copy2(path, folder / "lib", follow_symlinks=False)
    return folder


def only(path: Path) -> Interpreter:
    (found,) = find(path)
    assert isinstance(found, Interpreter)
    assert found.error is None
    return found


@pytest.mark.parametrize("carries", [True, False], ids=["with its libpython", "without"])
def test_a_copied_tree_depends_on_the_original(original: Path, copied: Path, carries: bool) -> None:
    if not carries:
        for path in copied.glob("lib/libpython*"):
            path.unlink()
    copy, whole = only(copied), only(original)
    assert all(folder.is_relative_to(copied) for folder in copy.library_folders)
    evidence, unmoved = gather("portability", [copy]), gather("portability", [whole])
    libraries = evidence.table("libraries")
    asked = libraries[
        libraries["soname"].str.startswith("libpython") & libraries["file"].str.startswith("bin/")
    ]
    assert len(asked)
    assert not asked["inside"].any()
    assert all(resolved.startswith(f"{original}/lib/libpython") for resolved in asked["resolved"])
    foreign = evidence.table("files")["file"].str.startswith(str(original))
    assert foreign.sum() == (0 if carries else 1)

    def floor(table: object) -> dict[str, str]:
        rows = table[table["scope"] == "own"]
        return dict(zip(rows["family"], rows["hard"], strict=True))

    # What its libpython needs is not forgotten.
    assert floor(evidence.table("floors"))["GLIBC"] == floor(unmoved.table("floors"))["GLIBC"]
    (verdict,), (expected,) = judge(evidence), judge(unmoved)
    assert verdict.headline == expected.headline
    said = [reason.text for reason in verdict.reasons if reason.level is Level.CAUTION]
    assert any(
        text.startswith("loads libpython") and f"from {original}/lib: it works only while" in text
        for text in said
    ), said
    assert not any("while that folder is there" in reason.text for reason in expected.reasons)
    assert not any("libpython" in text for text in said if "must be installed" in text)
