"""Programs that carry their files with them: AppImage, PyInstaller, Nuitka."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TypeVar

import pytest
from corpus.archives import CONTENT, make_folder
from corpus.onefiles import attach_with_nuitka, make_appimage, make_pyinstaller, nuitka_payload
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyassay.filetree import FileTreeError, Limits, Member, Refused, open_tree

T = TypeVar("T")
SMALL = Limits(members=300, total_bytes=100_000_000, kept_bytes=40_000_000)


def contents(
    source: Path | io.BytesIO, *, nested: bool = True
) -> tuple[str, dict[str, bytes], dict[str, str], list[Refused]]:
    files: dict[str, bytes] = {}
    links: dict[str, str] = {}
    refused: list[Refused] = []
    with open_tree(source, limits=SMALL, nested=nested) as tree:
        for item in tree:
            if isinstance(item, Refused):
                refused.append(item)
            elif item.kind == "symlink":
                links[item.path] = item.target
            elif item.kind == "file":
                with item.open() as stream:
                    files[item.path] = stream.read()
    return tree.format, files, links, refused


def below(found: dict[str, T], name: str) -> dict[str, T]:
    """Return what lies inside of a program, without the program."""
    return {path.removeprefix(f"{name}!/"): value for path, value in found.items() if path != name}


@pytest.fixture
def program() -> Path:
    """Give a small real program."""
    found = shutil.which("true")
    assert found
    return Path(found).resolve()


@pytest.mark.parametrize("packing", ["gzip", "xz", "zstd"])
def test_an_appimage(tmp_path: Path, program: Path, packing: str) -> None:
    made = make_appimage(tmp_path / "made.AppImage", make_folder(tmp_path / "folder"), program, packing)
    kind, files, links, refused = contents(made)
    assert (kind, refused) == ("appimage", [])
    assert files["made.AppImage"].startswith(program.read_bytes())
    assert below(files, "made.AppImage") == CONTENT
    assert below(links, "made.AppImage") == {"lib/link.so": "a.so"}
    alone = contents(made.with_suffix(".squashfs"))
    assert alone == ("squashfs", CONTENT, {"lib/link.so": "a.so"}, [])


def test_an_appimage_packed_in_another_way_is_a_row(tmp_path: Path, program: Path) -> None:
    made = make_appimage(tmp_path / "made.AppImage", make_folder(tmp_path / "folder"), program, "lz4")
    kind, files, _, refused = contents(made)
    assert (kind, list(files)) == ("appimage", ["made.AppImage"])
    assert refused[0].reason == "packed with lz4, which is not read here"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_appimage_neither_hangs_nor_crashes(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    whole = tmp_path_factory.getbasetemp() / "whole.AppImage"
    if not whole.exists():
        found = shutil.which("true")
        assert found
        make_appimage(whole, make_folder(whole.parent / "whole-folder"), Path(found).resolve(), "gzip")
    content = bytearray(whole.read_bytes())
    start = content.index(b"hsqs")
    for _ in range(data.draw(st.integers(1, 5))):
        content[data.draw(st.integers(start, len(content) - 1))] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(start + 96, len(content))) :]
    began = time.process_time()
    try:
        with open_tree(io.BytesIO(bytes(content)), "made", limits=SMALL) as tree:
            for item in tree:
                if isinstance(item, Member) and item.kind == "file":
                    try:
                        item.open().read()
                    except FileTreeError:
                        continue
    except FileTreeError as error:
        assert str(error).startswith("made: ")
    assert time.process_time() - began < 5


FILES = {
    "app.bin": b"\x7fELF" + b"p" * 3000,
    "lib.so": CONTENT["lib/a.so"],
    "data/empty": b"",
    "x.txt": b"text",
}


@pytest.mark.parametrize("packed", ["whole", "each", "none"])
@pytest.mark.parametrize("checksums", [False, True])
@pytest.mark.parametrize("behind", [b"", b"\0" * 5000])
def test_a_nuitka_program(tmp_path: Path, program: Path, packed: str, checksums: bool, behind: bytes) -> None:
    path = tmp_path / "app"
    payload = nuitka_payload(FILES, {"link.so": "lib.so"}, checksums=checksums, packed=packed)
    path.write_bytes(program.read_bytes() + payload + behind)
    kind, files, links, refused = contents(path)
    assert (kind, refused) == ("nuitka-onefile", [])
    assert files["app"].startswith(program.read_bytes())
    assert (below(files, "app"), below(links, "app")) == (FILES, {"link.so": "lib.so"})


@pytest.mark.parametrize("checksums", [False, True])
def test_a_nuitka_program_of_1_0_without_flags(tmp_path: Path, program: Path, checksums: bool) -> None:
    path = tmp_path / "app"
    payload = nuitka_payload(FILES, {}, checksums=checksums, flags=False)
    path.write_bytes(program.read_bytes() + payload)
    kind, files, _, refused = contents(path)
    assert (kind, refused, below(files, "app")) == ("nuitka-onefile", [], FILES)


@pytest.mark.parametrize("packed", ["whole", "each", "none"])
@pytest.mark.parametrize("checksums", [False, True])
def test_what_nuitka_itself_attaches(tmp_path: Path, program: Path, packed: str, checksums: bool) -> None:
    folder = tmp_path / "app.dist"
    for name, data in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    (folder / "app.bin").chmod(0o755)
    (folder / "link.so").symlink_to("lib.so")
    path = tmp_path / "app"
    path.write_bytes(program.read_bytes())
    attach_with_nuitka(folder, path, "app.bin", packed=packed, checksums=checksums)
    kind, files, links, refused = contents(path)
    assert (kind, refused) == ("nuitka-onefile", [])
    assert (below(files, "app"), below(links, "app")) == (FILES, {"link.so": "lib.so"})


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(
    not os.environ.get("PYASSAY_BUILD_NUITKA"),
    reason="Nuitka compiles for minutes: set PYASSAY_BUILD_NUITKA=1 to try its real programs",
)
def test_a_program_that_nuitka_built(tmp_path: Path) -> None:
    pytest.importorskip("nuitka", reason="no Nuitka here")
    (tmp_path / "app.py").write_text("print('hello')\n")
    command = [sys.executable, "-m", "nuitka", "--onefile", "--assume-yes-for-downloads", "app.py"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=800)
    folder = tmp_path / "app.dist"
    expected = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    kind, files, links, refused = contents(tmp_path / "app.bin", nested=False)
    assert (kind, refused) == ("nuitka-onefile", [])
    inside = below(files, "app.bin")
    assert set(inside) | set(below(links, "app.bin")) == set(expected)
    assert inside == {name: expected[name].read_bytes() for name in inside}


def test_a_truncated_nuitka_program_is_a_row(tmp_path: Path, program: Path) -> None:
    path = tmp_path / "app"
    payload = nuitka_payload(FILES, {}, checksums=False)
    path.write_bytes(program.read_bytes() + payload[: len(payload) // 2])
    _, _, _, refused = contents(path)
    assert len(refused) == 1


@pytest.fixture(scope="module")
def frozen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_pyinstaller(tmp_path_factory.mktemp("pyinstaller"))


def test_a_pyinstaller_program_read_as_pyinstaller_reads_it(frozen: Path) -> None:
    from PyInstaller.archive.readers import CArchiveReader

    theirs = CArchiveReader(str(frozen))
    expected = {
        name: theirs.extract(name)
        for name, (_, _, _, _, typecode) in theirs.toc.items()
        if typecode not in {"n", "o", "d"}
    }
    kind, files, links, refused = contents(frozen, nested=False)
    assert (kind, refused) == ("pyinstaller", [])
    assert below(files, frozen.name) == expected
    assert any(name.startswith("libpython") for name in expected)
    assert set(below(links, frozen.name)) == {name for name, entry in theirs.toc.items() if entry[4] == "n"}


def test_the_frozen_program_runs(frozen: Path) -> None:
    done = subprocess.run([frozen, "x"], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == 'hello ["x"]\n'


def test_a_damaged_pyinstaller_program_is_said(frozen: Path, tmp_path: Path) -> None:
    data = bytearray(frozen.read_bytes())
    at = data.rfind(b"MEI\014\013\012\013\016")
    for place, value in ((at + 8, 0xFF), (at + 12, 0xFF), (at + 16, 0xFF)):
        damaged = bytearray(data)
        damaged[place] = value
        path = tmp_path / "damaged"
        path.write_bytes(damaged)
        kind, _, _, refused = contents(path)
        assert kind == "pyinstaller"
        assert "damaged PyInstaller archive" in refused[0].reason
