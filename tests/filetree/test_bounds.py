"""Odd archives that are no lie, images in every wrapping, and the rules for what is opened and held."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import json
import lzma
import os
import socket
import struct
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import zstandard
from corpus.archives import entry, make_zip, tar_of
from pyassay.filetree import FileTreeError, Limits, Member, Refused, open_tree

PACKERS = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress, "zst": zstandard.compress}


def read(source: Path | io.BytesIO, limits: Limits | None = None) -> dict[str, bytes | str]:
    """Return the content of every file, the reason of everything refused."""
    found: dict[str, bytes | str] = {}
    with open_tree(source, "made", limits=limits) as tree:
        for item in tree:
            if isinstance(item, Refused):
                found[item.path] = item.reason
            elif item.kind == "file":
                try:
                    with item.open() as stream:
                        found[item.path] = stream.read()
                except FileTreeError as error:
                    found[item.path] = str(error)
    return found


# Zip ------------------------------------------------------------------------------------------------------


def test_zip64() -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        with archive.open("big.so", "w", force_zip64=True) as stream:
            stream.write(b"\x7fELF")
        for number in range(66_000):  # more than the old directory can count
            archive.writestr(f"f{number}", b"")
    found = read(made)
    assert len(found) == 66_001
    assert found["big.so"] == b"\x7fELF"


def test_a_large_stored_member_is_read_in_place(tmp_path: Path) -> None:
    data = bytes(range(256)) * 400
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("x.so", data)
    path = tmp_path / "outer.pex"
    with path.open("wb") as file:
        file.write(b"#!/bin/sh\n")
        with zipfile.ZipFile(file, "a") as archive:
            archive.writestr("inner.whl", inner.getvalue())
            archive.writestr("y.so", data)
    small = Limits(kept_bytes=1000)
    assert read(path, small) == {
        "inner.whl": inner.getvalue(),
        "inner.whl!/x.so": data,
        "y.so": data,
    }
    # Packed, it would have to be held.
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inner.whl", inner.getvalue())
    refused = [item for item in open_tree(path, limits=small) if isinstance(item, Refused)]
    why = f"an archive of {len(inner.getvalue())} bytes, more than the 1000 that are held: not opened"
    assert refused == [Refused("inner.whl", why)]


def test_a_stored_member_that_ends_behind_the_file() -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("x.so", b"1234")
    data = bytearray(made.getvalue())
    struct.pack_into("<II", data, data.index(b"PK\x01\x02") + 20, 900_000, 900_000)
    member = next(iter(open_tree(io.BytesIO(bytes(data)), "made", limits=Limits(kept_bytes=1000))))
    assert isinstance(member, Member)
    with pytest.raises(FileTreeError, match=r"x\.so: truncated: \d+ of the 900000 bytes that it claims"):
        member.open()


def test_members_that_lie_over_each_other_are_refused() -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name in ("a", "b"):
            archive.writestr(name, b"x" * 100)
    data = bytearray(made.getvalue())
    struct.pack_into("<I", data, data.rindex(b"PK\x01\x02") + 42, 0)
    assert read(io.BytesIO(bytes(data)))["a"] == "lies over another member"


def test_a_zipapp_without_a_suffix_is_opened_and_a_document_is_not(tmp_path: Path) -> None:
    app = make_zip(tmp_path / "app", {"__main__.py": b"1"}, before=b"#!/usr/bin/python3\n").read_bytes()
    found = read(io.BytesIO(tar_of((entry("usr/bin/app"), app), (entry("usr/share/a.docx"), app))))
    assert set(found) == {"usr/bin/app", "usr/bin/app!/__main__.py", "usr/share/a.docx"}


# Tar ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("claim", ["-1", "99999999999999999999", "x", "100"])
def test_a_pax_header_that_lies_about_the_size(claim: str) -> None:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.PAX_FORMAT) as archive:
        info = entry("a.so")
        info.pax_headers = {"size": claim}
        info.size = 4
        archive.addfile(info, io.BytesIO(b"\x7fELF"))
        archive.addfile(entry("b.so"))
    names: list[str] = []
    try:
        with open_tree(io.BytesIO(made.getvalue()), "made") as tree:
            for item in tree:
                names.append(item.path)
                if isinstance(item, Member):
                    item.head()
    except FileTreeError as error:
        assert str(error).startswith("made: ")
    assert len(names) <= 3


def test_devices_and_pipes_in_a_tar_archive_are_named_and_not_read() -> None:
    data = tar_of((entry("dev/null", tarfile.CHRTYPE), b""), (entry("run/pipe", tarfile.FIFOTYPE), b""))
    tree = open_tree(io.BytesIO(data), "made")
    assert [(item.path, item.kind, item.head()) for item in tree if isinstance(item, Member)] == [
        ("dev/null", "other", b""),
        ("run/pipe", "other", b""),
    ]


def test_names_that_are_not_utf_8_come_back_as_bytes() -> None:
    name = os.fsdecode(b"caf\xe9/new\nline<script>.so")
    assert list(read(io.BytesIO(tar_of((entry(name), b"1"))))) == [name]


@pytest.mark.slow
def test_a_stream_of_two_gigabytes_in_three_hundred_megabytes(tmp_path: Path) -> None:
    with (tmp_path / "big.so").open("wb") as file:
        file.truncate(2 << 30)
    script = """
import re, sys
from pyassay.filetree import open_tree
class Pipe:
    def read(self, size=-1):
        return sys.stdin.buffer.read(size)
    def seekable(self):
        return False
for item in open_tree(Pipe(), "export"):
    if item.kind == "file":
        with item.open(lambda head, size: [(size - 100, 100)]) as stream:
            stream.seek(-50, 2)
            assert len(stream.read()) == 50
# Not getrusage: that remembers the parent's size from before exec.
print(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
"""
    with subprocess.Popen(["tar", "-C", tmp_path, "-cf", "-", "big.so"], stdout=subprocess.PIPE) as packer:
        run = subprocess.run(
            [sys.executable, "-c", script], stdin=packer.stdout, capture_output=True, check=True, timeout=200
        )
    assert int(run.stdout) < 300 << 10  # in KiB


# Images ---------------------------------------------------------------------------------------------------


def blob(data: bytes) -> tuple[str, str]:
    digest = hashlib.sha256(data).hexdigest()
    return f"sha256:{digest}", f"blobs/sha256/{digest}"


def oci_layout(*layers: bytes) -> bytes:
    """Return an OCI image layout as a tar archive, with an index in its index."""
    manifest = json.dumps({"layers": [{"digest": blob(layer)[0]} for layer in layers]}).encode()
    index = json.dumps({"manifests": [{"digest": blob(manifest)[0]}]}).encode()
    top = json.dumps({"manifests": [{"digest": blob(index)[0]}]}).encode()
    members = [(entry(blob(data)[1]), data) for data in (*layers, manifest, index)]
    return tar_of(*members, (entry("index.json"), top), (entry("oci-layout"), b"{}"))


LOWER = tar_of((entry("etc/kept"), b"kept"), (entry("etc/gone"), b"gone"))
UPPER = gzip.compress(tar_of((entry("etc/.wh.gone"), b""), (entry("etc/new"), b"new")))


@pytest.mark.parametrize("packing", ["", *PACKERS])
def test_an_oci_layout_plain_and_packed(packing: str) -> None:
    data = oci_layout(LOWER, UPPER)
    data = PACKERS[packing](data) if packing else data
    tree = open_tree(io.BytesIO(data), "made")
    assert (tree.format, tree.details) == ("docker-archive", {"packing": packing} if packing else {})
    assert read(io.BytesIO(data)) == {"etc/new": b"new", "etc/kept": b"kept"}


@pytest.mark.parametrize(
    "index",
    [b"[]", b'{"manifests": [{"digest": 1}]}', b'{"manifests": [{"digest": "sha256:0"}]}', b"[" * 9999],
)
def test_an_index_that_leads_nowhere_makes_it_a_tar_archive(index: bytes) -> None:
    tree = open_tree(io.BytesIO(tar_of((entry("index.json"), index))), "made")
    assert tree.format == "tar"


def test_an_image_whose_layer_is_missing() -> None:
    manifest = json.dumps([{"Layers": ["gone.tar"]}]).encode()
    found = read(io.BytesIO(tar_of((entry("manifest.json"), manifest))))
    assert list(found.values()) == ["gone.tar: the layer is missing"]


# Folders --------------------------------------------------------------------------------------------------


def test_a_socket_is_named_and_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # a path of a socket must be short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket.so")
    found = [(item.path, item.kind, item.head()) for item in open_tree(tmp_path) if isinstance(item, Member)]
    assert found == [("socket.so", "other", b"")]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret.so"
    secret.write_bytes(b"\x7fELF")
    secret.chmod(0)
    (member,) = (item for item in open_tree(tmp_path) if isinstance(item, Member))
    with pytest.raises(FileTreeError, match=r"secret\.so: .*Permission denied"):
        member.head()


def test_a_file_that_shrinks_and_one_that_becomes_a_pipe(tmp_path: Path) -> None:
    for name in ("a.so", "b.so"):
        (tmp_path / name).write_bytes(b"\x7fELF" * 100)
    members = [item for item in open_tree(tmp_path) if isinstance(item, Member)]
    (tmp_path / "a.so").write_bytes(b"\x7f")
    (tmp_path / "b.so").unlink()
    os.mkfifo(tmp_path / "b.so")
    assert members[0].head() == b"\x7f"
    with pytest.raises(FileTreeError, match="not a regular file"):
        members[1].head()
