"""Programs that carry their files, made to mislead: bounded in time and memory, what is wrong is said."""

from __future__ import annotations

import io
import shutil
import struct
import time
import tracemalloc
import zlib
from pathlib import Path

import pytest
import zstandard
from corpus.archives import CONTENT, make_folder
from corpus.onefiles import (
    make_appimage,
    nuitka_payload,
    pyinstaller_archive,
    squashfs_endless,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyassay.filetree import FileTreeError, Limits, Refused, open_tree

ELF = b"\x7fELF" + bytes(60)
SMALL = Limits(members=300, total_bytes=50_000_000, kept_bytes=4_000_000)


def walk(data: bytes, limits: Limits = SMALL) -> tuple[dict[str, bytes], list[Refused]]:
    """Read what a tree gives, the first bytes of what is large; what a member refuses counts as refused."""
    files: dict[str, bytes] = {}
    refused: list[Refused] = []
    with open_tree(io.BytesIO(data), "made", limits=limits) as tree:
        for item in tree:
            if isinstance(item, Refused):
                refused.append(item)
            elif item.kind == "file":
                try:
                    with item.open(lambda head, size: [(0, 1000)]) as stream:
                        files[item.path] = stream.read(min(item.size_bytes, 1000))
                except FileTreeError as error:
                    refused.append(Refused(item.path, str(error)))
    for one in refused:
        assert one.reason.isprintable()
        assert len(one.reason) < 1000
    return files, refused


def bounded(data: bytes, limits: Limits = SMALL) -> list[Refused]:
    """Read it all in seconds of the processor and in little memory."""
    tracemalloc.start()
    began = time.process_time()
    try:
        return walk(data, limits)[1]
    except FileTreeError as error:
        return [Refused("", str(error))]
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert time.process_time() - began < 10
        assert peak < 40_000_000 + 3 * len(data)


# squashfs --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("header", "4294967295 entries below one header"),
        ("folder", "more than 300 members"),
        ("loop", "a folder that is at another place of the image, too"),
    ],
)
def test_a_small_image_that_claims_ever_more(kind: str, why: str) -> None:
    data = squashfs_endless(kind, 3000)
    assert len(data) < 600_000
    assert why in "\n".join(one.reason for one in bounded(data))


def test_a_file_of_an_exabyte_in_a_small_image() -> None:
    data = squashfs_endless("file", 3000)
    assert len(data) < 200_000
    found: list[int] = []
    began = time.process_time()
    with open_tree(io.BytesIO(data), "made", limits=SMALL) as tree:
        for item in tree:
            assert not isinstance(item, Refused)
            found.append(item.size_bytes)
            with pytest.raises(FileTreeError, match="more than 50000000 bytes unpacked"):
                item.open(lambda head, size: [(size - 1000, 1000)])
    assert found == [2**60]
    assert time.process_time() - began < 10


@pytest.fixture(scope="module")
def plain_image(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Give an image whose tables are not packed, so that a changed byte is a changed field."""
    base = tmp_path_factory.mktemp("plain")
    program = base / "program"
    program.write_bytes(ELF)
    plain = ("-noI", "-noD", "-noF", "-noX", "-all-root")
    make_appimage(base / "made", make_folder(base / "folder"), program, "gzip", *plain)
    return (base / "made.squashfs").read_bytes()


def test_the_plain_image_is_whole(plain_image: bytes) -> None:
    assert walk(plain_image) == ({name: data[:1000] for name, data in CONTENT.items()}, [])


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_fields_of_an_image_changed_at_random(plain_image: bytes, data: st.DataObject) -> None:
    content = bytearray(plain_image)
    begin = int.from_bytes(plain_image[64:72], "little")  # the inode table: all tables lie behind it
    places = st.one_of(st.integers(0, 95), st.integers(begin, len(content) - 9))
    for _ in range(data.draw(st.integers(1, 4))):
        at, size = data.draw(places), data.draw(st.sampled_from([1, 2, 4, 8]))
        value = data.draw(st.one_of(st.just(256**size - 1), st.integers(0, 256**size - 1)))
        content[at : at + size] = value.to_bytes(size, "little")
    bounded(bytes(content))


def test_an_image_truncated_anywhere(plain_image: bytes) -> None:
    for length in range(0, len(plain_image) - 4200, 997):  # 4,096 bytes of padding say nothing
        files, refused = {}, []
        try:
            files, refused = walk(plain_image[:length])
        except FileTreeError as error:
            refused = [Refused("", str(error))]
        assert refused or length < 4 or set(files) == {"made"}, length


def test_a_damaged_file_of_an_image_leaves_the_others(plain_image: bytes) -> None:
    # The inode of the longest file: its size, as a 32-bit field.
    content = bytearray(plain_image)
    at = content.rindex(struct.pack("<I", 70_000))
    content[at : at + 4] = struct.pack("<I", 90_000)
    files, refused = walk(bytes(content))
    assert set(files) == set(CONTENT) - {"share/deep/er/name with space"}
    assert [one.path for one in refused] == ["share/deep/er/name with space"]


def test_an_appimage_without_section_headers(tmp_path: Path) -> None:
    # As sstrip leaves it: only the segments tell where the program ends.
    true = shutil.which("true")
    assert true
    program = tmp_path / "program"
    whole = bytearray(Path(true).resolve().read_bytes())
    begin, size, count = struct.unpack_from("<Q", whole, 32)[0], *struct.unpack_from("<HH", whole, 54)
    segments = [struct.unpack_from("<8xQ16xQ", whole, begin + size * at) for at in range(count)]
    whole[40:48], whole[58:64] = bytes(8), bytes(6)
    program.write_bytes(whole[: max(offset + length for offset, length in segments)])
    made = make_appimage(tmp_path / "made", make_folder(tmp_path / "folder"), program, "gzip")
    with open_tree(made) as tree:
        paths = {item.path for item in tree if not isinstance(item, Refused) and item.kind == "file"}
    assert tree.format == "appimage"
    assert {f"made!/{name}" for name in CONTENT} < paths


@pytest.mark.parametrize(("kind", "why"), [(1, "ISO 9660"), (2, "no squashfs")])
def test_an_appimage_that_holds_something_else(kind: int, why: str) -> None:
    true = shutil.which("true")
    assert true
    program = bytearray(Path(true).resolve().read_bytes())
    program[8:11] = b"AI" + bytes([kind])
    _, refused = walk(bytes(program) + b"DWARFS" + bytes(5000))
    assert [why in one.reason for one in refused] == [True]
    assert walk(bytes(program))[1] == []  # the runtime alone is a program


# Nuitka ----------------------------------------------------------------------------------------------------

FILES = {"app.bin": ELF * 40, "lib.so": CONTENT["lib/a.so"], "x.txt": b"text" * 50}


def test_a_payload_that_unpacks_without_end_is_not_passed_over_for_hours() -> None:
    packer = zstandard.ZstdCompressor(level=1).compressobj()
    stream = packer.compress(b"app.bin\0\1" + struct.pack("<Q", 2**40) + ELF)
    for _ in range(400):
        stream += packer.compress(bytes(1 << 20))
    data = ELF + b"KAY" + stream + packer.flush()
    assert len(data) < 100_000
    refused = bounded(data)
    assert "more than 50000000 bytes unpacked" in "\n".join(one.reason for one in refused)


@pytest.mark.parametrize("packed", ["whole", "each", "none"])
def test_a_wrong_checksum_is_a_row(packed: str) -> None:
    payload = nuitka_payload(FILES, {}, checksums=True, packed=packed)
    assert walk(ELF + payload)[1] == []
    header = b"x.txt\0\0" + struct.pack("<Q", 200)
    stream = zstandard.decompress(payload[3:]) if packed == "whole" else payload[3:]
    at = stream.index(header) + len(header)
    stream = stream[:at] + b"\1\2\3\4" + stream[at + 4 :]
    payload = payload[:3] + (zstandard.compress(stream) if packed == "whole" else stream)
    files, refused = walk(ELF + payload)
    assert set(files) == {"made", "made!/app.bin", "made!/lib.so"}
    assert [(one.path, "checksum" in one.reason) for one in refused] == [("made!/x.txt", True)]


def test_a_program_that_only_has_the_magic_is_a_program() -> None:
    assert walk(ELF + b"KAY and KAX, KAXa\0b" + bytes(3000)) == (
        {"made": ELF + b"KAY and KAX, KAXa\0b" + bytes(917)},
        [],
    )


# PyInstaller -----------------------------------------------------------------------------------------------

ENTRIES = [
    ("pyi-option", "o", b""),
    ("app", "s", b"script" * 30),
    ("libz.so.1", "b", CONTENT["lib/a.so"]),
    ("libz.so", "n", b"libz.so.1"),
    ("PYZ.pyz", "z", b"PYZ\0" + bytes(900)),
]


def test_the_archive_by_hand_is_what_pyinstaller_reads(tmp_path: Path) -> None:
    readers = pytest.importorskip("PyInstaller.archive.readers", reason="no PyInstaller here")
    path = tmp_path / "made"
    for compressed in (True, False):
        path.write_bytes(ELF + pyinstaller_archive(ENTRIES, compressed=compressed))
        theirs = readers.CArchiveReader(str(path))
        files, refused = walk(path.read_bytes())
        assert refused == []
        assert {name: theirs.extract(name) for name in ("app", "PYZ.pyz")} == {
            name: files[f"made!/{name}"] for name in ("app", "PYZ.pyz")
        }
        assert theirs.extract("libz.so.1")[:1000] == files["made!/libz.so.1"]


def test_a_damaged_link_leaves_the_others() -> None:
    data = ELF + pyinstaller_archive(ENTRIES)
    packed = zlib.compress(b"libz.so.1")
    files, refused = walk(data.replace(packed, b"\xff" * len(packed)))
    assert {"made!/app", "made!/libz.so.1", "made!/PYZ.pyz"} < set(files)
    assert [one.path for one in refused] == ["made!/libz.so"]


def test_what_lies_in_another_program_and_an_archive_of_long_ago_are_said() -> None:
    _, refused = walk(ELF + pyinstaller_archive([*ENTRIES, ("other:lib.so", "d", b"")]))
    assert refused == [Refused("made!/other:lib.so", "it lies in another program, which this one needs")]
    _, refused = walk(ELF + pyinstaller_archive(ENTRIES, cookie_bytes=24))
    assert ["before 2.1" in one.reason for one in refused] == [True]


def test_a_table_of_a_million_entries_ends_at_the_limit() -> None:
    entry = struct.pack("!IIIIBc", 20, 2**31, 1, 1, 0, b"b") + b"a\0"
    toc = entry * 1_000_000
    cookie = struct.pack("!8sIIII64s", b"MEI\014\013\012\013\016", len(toc) + 88, 0, len(toc), 312, b"lib")
    refused = bounded(ELF + toc + cookie)
    assert len(refused) == SMALL.members + 1


# Whatever bytes --------------------------------------------------------------------------------------------

SAMPLES = {
    **{
        f"nuitka {packed} {checksums}": ELF
        + nuitka_payload(FILES, {"l": "x"}, checksums=checksums, packed=packed)
        for packed in ("whole", "each", "none")
        for checksums in (False, True)
    },
    "pyinstaller": ELF + pyinstaller_archive(ENTRIES),
    "pyinstaller, not packed": ELF + pyinstaller_archive(ENTRIES, compressed=False),
}


@pytest.mark.parametrize("sample", SAMPLES)
def test_truncated_anywhere(sample: str) -> None:
    whole = SAMPLES[sample]
    complete = set(walk(whole)[0])
    for length in range(len(ELF), len(whole)):
        files, refused = walk(whole[:length])
        # Without its magic it is a program like any other, and all of that is read.
        assert refused or set(files) in ({"made"}, complete), length


@settings(max_examples=400, deadline=None)
@given(sample=st.sampled_from(sorted(SAMPLES)), data=st.data())
def test_bytes_changed_at_random(sample: str, data: st.DataObject) -> None:
    content = bytearray(SAMPLES[sample])
    for _ in range(data.draw(st.integers(1, 5))):
        at, size = data.draw(st.integers(0, len(content) - 9)), data.draw(st.sampled_from([1, 2, 4, 8]))
        content[at : at + size] = data.draw(st.binary(min_size=size, max_size=size))
    bounded(bytes(content))
