"""Every format read equal to the folder that it was made from."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest
from corpus.archives import CONTENT, entry, make_deb, make_folder, make_tar, make_zip, tar_of
from pyassay.filetree import FileTree, Limits, Member, Refused, open_tree


def contents(tree: FileTree) -> tuple[dict[str, bytes], list[Refused]]:
    """Read every file of a tree, in two ways that must agree."""
    found: dict[str, bytes] = {}
    refused: list[Refused] = []
    with tree:
        for item in tree:
            if isinstance(item, Refused):
                refused.append(item)
            elif item.kind == "file":
                head = item.head(100)
                with item.open() as stream:
                    data = stream.read()
                    assert data[:100] == head
                    stream.seek(-min(3, len(data)), io.SEEK_END)
                    assert stream.read() == data[-3:]
                assert len(data) == item.size_bytes
                found[item.path] = data
    return found, refused


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path / "folder")


def test_a_folder(folder: Path) -> None:
    assert contents(open_tree(folder)) == (CONTENT, [])
    links = [item.target for item in open_tree(folder) if isinstance(item, Member) and item.kind == "symlink"]
    assert links == ["a.so"]


@pytest.mark.parametrize("packing", ["", "gz", "bz2", "xz", "zst"])
def test_tar_archives(folder: Path, tmp_path: Path, packing: str) -> None:
    tree = open_tree(make_tar(tmp_path / "made", folder, packing))
    assert (tree.format, tree.details) == ("tar", {"packing": packing} if packing else {})
    assert contents(tree) == (CONTENT, [])


def test_a_tar_stream_that_cannot_seek(folder: Path, tmp_path: Path) -> None:
    data = make_tar(tmp_path / "made", folder).read_bytes()

    class Pipe(io.RawIOBase):
        position = 0

        def readable(self) -> bool:
            return True

        def read(self, size: int = -1) -> bytes:
            part = data[self.position : self.position + min(size, 700)]
            self.position += len(part)
            return part

    assert contents(open_tree(Pipe(), "export")) == (CONTENT, [])  # type: ignore[arg-type]


ZIPS = {
    "wheel": {"x/a.so": b"\x7fELF", "x-1.dist-info/WHEEL": b"Wheel-Version: 1.0\n"},
    "pex": {"PEX-INFO": b"{}", "__main__.py": b""},
    "shiv": {"environment.json": b"{}", "_bootstrap/__init__.py": b"", "__main__.py": b""},
    "zipapp": {"__main__.py": b"print()"},
    "zip": {"a": b"1"},
}


@pytest.mark.parametrize("kind", ZIPS)
@pytest.mark.parametrize("before", [b"", b"#!/usr/bin/env python3\n"])
def test_zip_archives(tmp_path: Path, kind: str, before: bytes) -> None:
    tree = open_tree(make_zip(tmp_path / "made", ZIPS[kind], before=before))
    assert tree.format == kind
    assert contents(tree) == (ZIPS[kind], [])


def test_a_program_with_a_zip_archive_behind_it(tmp_path: Path) -> None:
    program = b"\x7fELF" + b"\0" * 500
    tree = open_tree(make_zip(tmp_path / "app.bin", ZIPS["zipapp"], before=program))
    found, refused = contents(tree)
    assert (tree.format, refused) == ("zipapp", [])
    assert found.pop("app.bin").startswith(program)
    assert found == {f"app.bin!/{name}": data for name, data in ZIPS["zipapp"].items()}


def test_a_debian_package(folder: Path, tmp_path: Path) -> None:
    package = make_deb(tmp_path / "made.deb", folder)
    if package is None:
        pytest.skip("no dpkg-deb here")
    tree = open_tree(package)
    found, refused = contents(tree)
    assert tree.format == "deb"
    assert found.pop("DEBIAN/control").startswith(b"Package: made\n")
    assert (found, refused) == (CONTENT, [])


def test_an_image_archive_shows_what_a_container_sees(tmp_path: Path) -> None:
    lower = tar_of(
        (entry("etc/kept"), b"kept"),
        (entry("etc/gone"), b"gone"),
        (entry("etc/changed"), b"old"),
        (entry("opt/old"), b"hidden by an opaque folder"),
        (entry("srv/all/x"), b"hidden by its folder"),
    )
    upper = tar_of(
        (entry("etc/changed"), b"new"),
        (entry("etc/.wh.gone"), b""),
        (entry("opt/.wh..wh..opq"), b""),
        (entry("opt/new"), b"new"),
        (entry("srv/.wh.all"), b""),
    )
    manifest = json.dumps([{"Layers": ["lower.tar", "upper.tar"]}]).encode()
    saved = tmp_path / "saved.tar"
    saved.write_bytes(
        tar_of((entry("lower.tar"), lower), (entry("upper.tar"), upper), (entry("manifest.json"), manifest))
    )
    tree = open_tree(saved)
    found, refused = contents(tree)
    assert (tree.format, refused) == ("docker-archive", [])
    assert found == {"etc/changed": b"new", "opt/new": b"new", "etc/kept": b"kept"}


def test_a_single_file(tmp_path: Path) -> None:
    path = tmp_path / "tool"
    path.write_bytes(CONTENT["bin/tool"])
    tree = open_tree(path)
    assert tree.format == "file"
    assert contents(tree) == ({"tool": CONTENT["bin/tool"]}, [])


def test_archives_in_archives(tmp_path: Path) -> None:
    wheel = make_zip(tmp_path / "w.whl", ZIPS["wheel"]).read_bytes()
    pex = make_zip(tmp_path / "p.pex", {"PEX-INFO": b"{}", ".deps/w.whl": wheel}).read_bytes()
    outer = tmp_path / "outer.tar"
    outer.write_bytes(tar_of((entry("opt/p.pex"), pex)))
    found, refused = contents(open_tree(outer))
    assert refused == []
    assert found["opt/p.pex!/.deps/w.whl!/x/a.so"] == b"\x7fELF"
    alone, _ = contents(open_tree(outer, nested=False))
    assert list(alone) == ["opt/p.pex"]
    _, shallow = contents(open_tree(outer, limits=Limits(depth=1)))
    assert [(one.path, one.reason) for one in shallow] == [
        ("opt/p.pex!/.deps/w.whl", "an archive 1 archives deep: not opened")
    ]


def test_links_in_a_tar_archive(tmp_path: Path) -> None:
    path = tmp_path / "links.tar"
    path.write_bytes(
        tar_of(
            (entry("./usr/lib/a.so"), b"\x7fELF"),
            (entry("./lib", tarfile.SYMTYPE, "usr/lib"), b""),
            (entry("./usr/lib/b.so", tarfile.LNKTYPE, "./usr/lib/a.so"), b""),
        )
    )
    links = [item for item in open_tree(path) if isinstance(item, Member) and item.target]
    assert [(link.path, link.kind, link.target) for link in links] == [
        ("lib", "symlink", "usr/lib"),
        ("usr/lib/b.so", "hardlink", "usr/lib/a.so"),
    ]


@pytest.mark.parametrize("packed", ["zip", "tar"])
def test_of_a_huge_member_only_windows_are_held(tmp_path: Path, packed: str) -> None:
    data = b"".join(number.to_bytes(4, "big") for number in range(250_000))
    path = tmp_path / "big"
    if packed == "zip":
        make_zip(path, {"big.so": data})
    else:
        path.write_bytes(tar_of((entry("big.so"), data)))
    tree = open_tree(path, limits=Limits(kept_bytes=300_000))
    member = next(iter(tree))
    assert isinstance(member, Member)
    with member.open(lambda head, size: [(0, 100), (500_000, 1000), (size - 10, 10)]) as stream:
        for start, length in ((0, 64), (500_000, 1000), (len(data) - 10, 10)):
            stream.seek(start)
            assert stream.read(length) == data[start : start + length]
        stream.seek(300_000)
        with pytest.raises(OSError, match="bytes from 300000 on were not kept"):
            stream.read(1)
    tree = open_tree(path, limits=Limits(kept_bytes=300_000))
    member = next(iter(tree))
    assert isinstance(member, Member)
    with pytest.raises(ValueError, match=r"big\.so: 1000000 bytes, more than the 300000 that are held"):
        member.open()


def test_a_source_distribution(tmp_path: Path) -> None:
    path = tmp_path / "made_up-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        info = entry("made_up-1.0/PKG-INFO")
        archive.addfile(info, io.BytesIO())
    assert open_tree(path).format == "sdist"
    other = tmp_path / "other-1.0.tar.gz"
    other.write_bytes(path.read_bytes())
    assert open_tree(other).format == "tar"
