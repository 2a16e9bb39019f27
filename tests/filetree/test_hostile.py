"""Archives that lie: nothing hangs, nothing is unpacked beyond its limits, what is wrong is said."""

from __future__ import annotations

import io
import os
import struct
import tarfile
import time
import tracemalloc
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard
from corpus.archives import CONTENT, entry, make_deb, make_folder, make_tar, make_zip, tar_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyassay.filetree import FileTreeError, Limits, Member, Refused, open_tree


def walk(source: Path | io.BytesIO, limits: Limits | None = None) -> tuple[list[str], list[Refused]]:
    """Read everything that a tree gives; what a member refuses counts as refused."""
    names: list[str] = []
    refused: list[Refused] = []
    with open_tree(source, "made", limits=limits) as tree:
        for item in tree:
            if isinstance(item, Refused):
                refused.append(item)
                continue
            names.append(item.path)
            if item.kind == "file":
                try:
                    item.head()
                    with item.open(lambda head, size: [(0, 1000)]) as stream:
                        stream.read(500)
                except FileTreeError as error:
                    refused.append(Refused(item.path, str(error)))
    for one in refused:
        assert one.reason.isprintable()
        assert len(one.reason) < 1000
    return names, refused


def reasons(source: Path | io.BytesIO, limits: Limits | None = None) -> str:
    return "\n".join(f"{one.path}: {one.reason}" for one in walk(source, limits)[1])


SMALL = Limits(members=200, total_bytes=50_000_000, depth=3, kept_bytes=1_000_000)


# Whatever bytes -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    base = tmp_path_factory.mktemp("samples")
    folder = make_folder(base / "folder")
    made = {
        packing or "tar": make_tar(base / f"a.{packing}", folder, packing).read_bytes()
        for packing in ("", "gz", "bz2", "xz", "zst")
    }
    made["zip"] = make_zip(base / "a.zip").read_bytes()
    made["zipapp"] = make_zip(base / "a.pyz", before=b"#!/bin/sh\n").read_bytes()
    package = make_deb(base / "a.deb", folder)
    if package is not None:
        made["deb"] = package.read_bytes()
    return made


def test_truncated_anywhere(samples: dict[str, bytes]) -> None:
    whole = {name: set(walk(io.BytesIO(data))[0]) for name, data in samples.items()}
    for name, data in samples.items():
        step = max(64, len(data) // 120)
        for length in range(0, len(data) - 1, step):
            try:
                names, refused = walk(io.BytesIO(data[:length]), SMALL)
            except FileTreeError as error:
                assert str(error).startswith("made: "), name
                continue
            # Cut so short that nothing tells what it was: one file.
            if names == ["made"]:
                continue
            assert refused or whole[name] <= set(names), (name, length)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_changed_anywhere(samples: dict[str, bytes], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(samples)))
    content = bytearray(samples[name])
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at] = data.draw(st.integers(0, 255))
    started = time.process_time()
    try:
        walk(io.BytesIO(bytes(content)), SMALL)
    except FileTreeError as error:
        assert str(error).startswith("made: ")
    assert time.process_time() - started < 5


# Bombs ----------------------------------------------------------------------------------------------------


def peak_of(source: Path | io.BytesIO, limits: Limits) -> tuple[int, str]:
    tracemalloc.start()
    try:
        return tracemalloc.get_traced_memory()[1], reasons(source, limits) or ""
    finally:
        tracemalloc.stop()


def test_a_member_of_zeros_is_refused_by_its_ratio(tmp_path: Path) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("zeros", "w") as stream:
        for _ in range(120):
            stream.write(bytes(1 << 20))
    assert "from " in reasons(path, Limits(ratio=500))
    assert "more than 500 times as many" in reasons(path, Limits(ratio=500))


@pytest.mark.parametrize("packing", ["gz", "xz", "zst", "bz2"])
def test_a_packed_stream_of_zeros_stays_within_its_limits(tmp_path: Path, packing: str) -> None:
    zeros = 200 << 20
    info = entry("zeros")
    info.size = zeros
    header = info.tobuf(tarfile.GNU_FORMAT)
    import bz2
    import lzma

    pieces: Iterator[bytes] = (header if number == 0 else bytes(1 << 20) for number in range(201))
    makers = {"gz": lambda: zlib.compressobj(wbits=31), "bz2": bz2.BZ2Compressor, "xz": lzma.LZMACompressor}
    packer = zstandard.ZstdCompressor().compressobj() if packing == "zst" else makers[packing]()  # type: ignore[no-untyped-call]
    data = b"".join(packer.compress(piece) for piece in pieces) + packer.flush()
    tracemalloc.start()
    found = reasons(io.BytesIO(data), SMALL)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "more than 50000000 bytes unpacked" in found
    assert peak < 40_000_000


def test_a_stream_of_any_length_is_read_in_little_memory() -> None:
    class Zeros(io.RawIOBase):
        """Endless: a tar stream of one member of 400 MB, then another file."""

        def __init__(self) -> None:
            super().__init__()
            big, small = entry("big.bin"), entry("after.so")
            big.size, small.size = 400 << 20, 4
            self.parts = [big.tobuf(tarfile.GNU_FORMAT), b"", small.tobuf(tarfile.GNU_FORMAT)]
            self.parts += [b"\x7fELF" + bytes(508), bytes(10240)]
            self.zeros = 400 << 20

        def readable(self) -> bool:
            return True

        def read(self, size: int = -1) -> bytes:
            if self.parts and self.parts[0]:
                part, self.parts[0] = self.parts[0][:size], self.parts[0][size:]
                if not self.parts[0]:
                    self.parts.pop(0)
                return part
            if self.parts and self.zeros:
                part = bytes(min(size, self.zeros))
                self.zeros -= len(part)
                if not self.zeros:
                    self.parts.pop(0)
                return part
            return b""

    tracemalloc.start()
    names = [item.path for item in open_tree(Zeros(), "export") if isinstance(item, Member) and item.head(4)]  # type: ignore[arg-type]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert names == ["big.bin", "after.so"]
    assert peak < 20_000_000


def test_archives_in_archives_without_end() -> None:
    data = b"x"
    for _ in range(12):
        made = io.BytesIO()
        with zipfile.ZipFile(made, "w") as archive:
            archive.writestr("inner.zip", data)
            archive.writestr("again.zip", data)
        data = made.getvalue()
    names, refused = walk(io.BytesIO(data), SMALL)
    assert len(names) <= 201
    assert any("archives deep: not opened" in one.reason for one in refused)


def test_members_without_end() -> None:
    many = tar_of(*((entry(f"f{number}"), b"") for number in range(500)))
    names, refused = walk(io.BytesIO(many), SMALL)
    assert len(names) == 200
    assert refused[-1].reason == "more than 200 members: the rest is not read"


# Names ----------------------------------------------------------------------------------------------------

ESCAPES = {
    "../../etc/passwd": "a path that leads outside",
    "a/../../b": "a path that leads outside",
    "/etc/passwd": "an absolute path",
}


@pytest.mark.parametrize(("name", "why"), ESCAPES.items())
def test_a_name_that_leads_outside_is_not_read(name: str, why: str) -> None:
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr(name, b"1")
        archive.writestr("good", b"2")
    for source in (zipped, io.BytesIO(tar_of((entry(name), b"1"), (entry("good"), b"2")))):
        names, refused = walk(source)
        assert names == ["good"]
        assert [one.reason for one in refused] == [why]


def test_a_name_that_appears_twice_is_said() -> None:
    data = tar_of((entry("a.so"), b"1"), (entry("a.so"), b"2"))
    names, refused = walk(io.BytesIO(data))
    assert names == ["a.so", "a.so"]
    assert "more than once" in refused[0].reason


def test_odd_names_are_kept_as_they_are(tmp_path: Path) -> None:
    odd = ["new\nline.so", "<script>alert(1)</script>.so", "\u202egnp.so", os.fsdecode(b"caf\xe9.so")]
    for name in odd:
        (tmp_path / name.replace("/", "_")).write_bytes(b"\x7fELF")
    names, refused = walk(tmp_path)
    assert sorted(names) == sorted(name.replace("/", "_") for name in odd)
    assert refused == []


# Lies in headers ------------------------------------------------------------------------------------------


def test_an_encrypted_member_is_refused() -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("secret.so", b"1")
    data = bytearray(made.getvalue())
    for magic, offset in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        data[data.index(magic) + offset] |= 1
    assert reasons(io.BytesIO(bytes(data))) == "secret.so: encrypted"


def test_a_wrong_checksum_is_said() -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("a.so", b"content that is checked")
    data = made.getvalue().replace(b"content that is", b"content that IS", 1)
    assert "Bad CRC-32" in reasons(io.BytesIO(data))


def test_a_zip_member_that_claims_more_than_it_has() -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("a.so", b"short")
    data = bytearray(made.getvalue())
    at = data.index(b"PK\x01\x02")
    struct.pack_into("<II", data, at + 20, 5, 900_000)
    assert "a.so: " in reasons(io.BytesIO(bytes(data)))


def test_an_extended_header_of_gigabytes_is_not_read_into_memory() -> None:
    header = entry("./PaxHeaders/x", tarfile.XHDTYPE)
    header.size = 4 << 30
    tracemalloc.start()
    found = reasons(io.BytesIO(header.tobuf(tarfile.GNU_FORMAT) + bytes(20_000_000)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "an extended header of 4294967296 bytes" in found
    assert peak < 50_000_000


def test_a_huge_zip_directory_is_refused() -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("a", b"1")
    data = bytearray(made.getvalue())
    struct.pack_into("<I", data, data.index(b"PK\x05\x06") + 12, 0x7FFFFFFF)
    with pytest.raises(FileTreeError, match="made: a zip directory of 2147483647 bytes"):
        walk(io.BytesIO(bytes(data)))


def test_a_sparse_member_is_refused(tmp_path: Path) -> None:
    info = entry("sparse", tarfile.GNUTYPE_SPARSE)
    data = info.tobuf(tarfile.GNU_FORMAT) + bytes(1024)
    names, refused = walk(io.BytesIO(data))
    assert names == []
    assert refused


# Folders --------------------------------------------------------------------------------------------------


def test_what_is_no_file_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.so")
    (tmp_path / "zero.so").symlink_to("/dev/zero")
    (tmp_path / "loop").symlink_to(".")
    (tmp_path / "good.so").write_bytes(b"\x7fELF")
    found = {item.path: item.kind for item in open_tree(tmp_path) if isinstance(item, Member)}
    assert found == {"good.so": "file", "loop": "symlink", "pipe.so": "other", "zero.so": "symlink"}
    with pytest.raises(FileTreeError, match="not a regular file"):
        open_tree(tmp_path / "pipe.so")


def test_a_file_that_vanishes_while_the_folder_is_read(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(CONTENT["bin/tool"])
    tree = iter(open_tree(tmp_path))
    first = next(tree)
    (tmp_path / "b").unlink()
    second = next(tree)
    assert isinstance(first, Member)
    assert second == Refused("b", "No such file or directory")


def test_what_is_not_there_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(FileTreeError, match=r"nowhere\\ntwo: No such file or directory$"):
        open_tree(tmp_path / "nowhere\ntwo")
