from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from pyassay.probes.tree import Skipped, TreeFile, elf_files, shown_path
from pyassay.subjects.model import Interpreter


@pytest.fixture
def tree(running_interpreter: Interpreter, tmp_path: Path) -> Interpreter:
    """A tree of its own: real ELF files in the places where an interpreter has them."""
    root = tmp_path / "tree"
    stdlib = root / "lib" / "python3.99"
    (root / "bin").mkdir(parents=True)
    (stdlib / "lib-dynload").mkdir(parents=True)
    (stdlib / "site-packages" / "package").mkdir(parents=True)
    program = Path("/bin/ls").resolve()
    for place in (
        "bin/python3.99",
        "lib/python3.99/lib-dynload/_x.so",
        "lib/python3.99/site-packages/package/y.so",
    ):
        shutil.copyfile(program, root / place)
    (stdlib / "os.py").write_text("'source'")
    return replace(
        running_interpreter,
        executable=root / "bin" / "python3.99",
        version="3.99.0",
        prefix=root,
        stdlib=stdlib,
        platstdlib=stdlib,
        library_folders=(root / "lib",),
        site_folders=(stdlib / "site-packages",),
    )


def scopes(interpreter: Interpreter) -> dict[str, str]:
    return {item.shown: item.scope for item in elf_files(interpreter) if isinstance(item, TreeFile)}


def skipped(interpreter: Interpreter) -> dict[str, str]:
    return {item.shown: item.reason for item in elf_files(interpreter) if isinstance(item, Skipped)}


def test_each_file_has_its_scope(tree: Interpreter) -> None:
    assert scopes(tree) == {
        "bin/python3.99": "runtime",
        "lib/python3.99/lib-dynload/_x.so": "stdlib",
        "lib/python3.99/site-packages/package/y.so": "site",
    }


def test_copies_hard_links_and_links_count_once(tree: Interpreter) -> None:
    folder = tree.executable.parent
    shutil.copyfile(tree.executable, folder / "python3")
    os.link(tree.executable, folder / "python")
    (folder / "python4").symlink_to("python3.99")
    assert [name for name in scopes(tree) if name.startswith("bin/")] == ["bin/python3.99"]


def test_the_library_that_programs_load_stands_for_its_copies(tree: Interpreter) -> None:
    assert tree.prefix is not None
    for name in ("libpython3.99.so", "libpython3.99.so.1.0"):
        shutil.copyfile("/bin/cat", tree.prefix / "lib" / name)
    assert [name for name in scopes(tree) if "libpython" in name] == ["lib/libpython3.99.so.1.0"]


def test_objects_for_a_linker_are_left_out(tree: Interpreter) -> None:
    assert tree.stdlib is not None
    content = bytearray(tree.executable.read_bytes())
    content[16:18] = b"\x01\x00"
    (tree.stdlib / "python_object").write_bytes(content)
    assert "lib/python3.99/python_object" not in scopes(tree)


def test_loops_dangling_links_and_pipes_are_survived(tree: Interpreter) -> None:
    assert tree.stdlib is not None
    (tree.stdlib / "loop").symlink_to(tree.stdlib)
    (tree.stdlib / "self.so").symlink_to("self.so")
    (tree.stdlib / "gone.so").symlink_to("/nonexistent/gone.so")
    os.mkfifo(tree.stdlib / "pipe.so")
    assert len(scopes(tree)) == 3
    assert skipped(tree) == {
        "lib/python3.99/gone.so": "dangling link",
        "lib/python3.99/self.so": "dangling link",
    }


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_file_is_a_row_with_its_reason(tree: Interpreter) -> None:
    assert tree.stdlib is not None
    (tree.stdlib / "lib-dynload" / "_x.so").chmod(0)
    assert skipped(tree) == {"lib/python3.99/lib-dynload/_x.so": "Permission denied"}


def test_a_missing_executable_is_a_row_with_its_reason(tree: Interpreter) -> None:
    tree.executable.unlink()
    assert skipped(tree)["bin/python3.99"] == "No such file or directory"


def test_a_very_deep_tree_ends(tree: Interpreter) -> None:
    assert tree.stdlib is not None
    deep = tree.stdlib.joinpath(*["d"] * 60)
    deep.mkdir(parents=True)
    assert any("deeper than" in reason for reason in skipped(tree).values())


def test_the_system_prefix_is_not_walked(tree: Interpreter) -> None:
    system = replace(tree, prefix=Path("/usr"))
    assert not [name for name in scopes(system) if name.startswith("bin/") and "python" not in name]


def test_paths_are_shown_relative_to_environment_and_tree(tree: Interpreter, tmp_path: Path) -> None:
    environment = tmp_path / "venv"
    subject = replace(tree, environment=environment)
    assert shown_path(environment / "lib" / "a.so", subject) == "lib/a.so"
    assert shown_path(tree.executable, subject) == "bin/python3.99"
    assert shown_path(Path("/lib/libc.so.6"), subject) == "/lib/libc.so.6"
