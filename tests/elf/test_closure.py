"""The closure is what the real loader loads, in any root, and nothing leads out of a root."""

from __future__ import annotations

import os
import platform
import shutil
import socket
import stat
import struct
import time
from pathlib import Path

import pytest
from corpus.rootfs import FakeRoot, build, trace
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyassay.elf.closure import Closure, Root, closure, processor_level
from pyassay.elf.reader import is_elf, read

LOADER = "/lib64/ld-linux-x86-64.so.2"
needs_glibc = pytest.mark.skipif(
    platform.machine() != "x86_64" or not Path(LOADER).exists(), reason="needs glibc's loader for x86_64"
)


def pythons() -> list[Path]:
    home = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    found = [
        Path(name) for name in ("/usr/bin/python3", shutil.which("python3") or "") if Path(name).is_file()
    ]
    found += sorted(home.glob("versions/*/bin/python[23].*"))
    real = {path.resolve() for path in found}
    return sorted(path for path in real if is_elf(path) and path.name.startswith("python"))


def modules(python: Path) -> list[Path]:
    return sorted(python.parent.parent.glob("lib/python*/lib-dynload/*.so"))


def programs(limit: int) -> list[Path]:
    found = [path for path in sorted(Path("/usr/bin").iterdir()) if path.is_file() and not path.is_symlink()]
    return [
        path for path in found if not path.stat().st_mode & (stat.S_ISUID | stat.S_ISGID) and is_elf(path)
    ][:limit]


def shown(files: object) -> str:
    return "\n".join(sorted(map(str, files)))  # type: ignore[call-overload]


def assert_same(path: Path, root: Root) -> Closure:
    """Hold a closure against the real loader of this host."""
    found = closure(path, root)
    elf = read(path)
    truth = trace(path, loader=None if elf.interpreter else LOADER)
    expected = {os.path.realpath(file) for file in truth.files} - {os.path.realpath(path)}
    mine = {str(file) for file in found.files}
    # A library that needs nothing of libc's does not mention the loader that maps it.
    mine -= {os.path.realpath(LOADER)} - expected
    assert shown(mine) == shown(expected), f"{path}\n{truth.output}"
    missing = {item.soname for item in found.missing} | {item.version for item in found.missing_versions}
    assert missing == truth.missing, f"{path}\n{truth.output}"
    return found


@needs_glibc
def test_programs_of_the_host_load_what_the_loader_loads() -> None:
    root = Root("/")
    checked = 0
    for path in programs(120):
        elf = read(path)
        if elf.interpreter is not None and "ld-linux" in elf.interpreter:
            assert_same(path, root)
            checked += 1
    assert checked >= 20


@needs_glibc
@pytest.mark.parametrize("python", pythons(), ids=str)
def test_interpreters_and_their_modules_load_what_the_loader_loads(python: Path) -> None:
    root = Root("/")
    own = assert_same(python, root)
    assert own.errors == ()
    for module in modules(python):
        alone = assert_same(module, root)
        inside = closure(module, root, preloaded=own)
        assert inside.errors == ()
        assert set(alone.loaded) <= set(inside.loaded) | {read(module).soname}


@needs_glibc
def test_a_hundred_modules_take_a_moment() -> None:
    python = max(pythons(), key=lambda path: len(modules(path)), default=None)
    if python is None or not modules(python):
        pytest.skip("no interpreter with extension modules as files")
    root = Root("/")
    own = closure(python, root)
    files = modules(python)
    start = time.process_time()
    for module in files:
        closure(module, root, preloaded=own)
    assert (time.process_time() - start) / len(files) < 0.005


# Search order, held against the real loader.


@needs_glibc
def test_rpath_is_inherited_and_runpath_is_not(tmp_path: Path) -> None:
    build(tmp_path / "deep/libleaf.so", soname="libleaf.so")
    for kind, flag in (("rpath", "--disable-new-dtags"), ("runpath", "--enable-new-dtags")):
        middle = build(
            tmp_path / f"{kind}/libmiddle.so", libraries=[tmp_path / "deep/libleaf.so"], soname="libmiddle.so"
        )
        top = build(
            tmp_path / f"{kind}/top",
            "int main(void){return 0;}",
            libraries=[middle],
            options=[f"-Wl,{flag},-rpath,$ORIGIN:{tmp_path}/deep"],
            program=True,
        )
        found = assert_same(top, Root("/"))
        assert ("libleaf.so" in found.loaded) == (kind == "rpath")
        assert bool(found.missing) == (kind == "runpath")


@needs_glibc
def test_rpath_is_void_beside_runpath(tmp_path: Path) -> None:
    leaf = build(tmp_path / "deep/libleaf.so", soname="libleaf.so")
    top = build(
        tmp_path / "libtop.so", libraries=[leaf], options=[f"-Wl,--enable-new-dtags,-rpath,{tmp_path}/deep"]
    )
    assert assert_same(top, Root("/")).missing == ()
    # The linker does not write both: turn an idle entry of the dynamic section into a RPATH that would help,
    # and point RUNPATH nowhere.
    nowhere = build(
        tmp_path / "libboth.so", libraries=[leaf], options=["-Wl,--enable-new-dtags,-rpath,/nowhere"]
    )
    data = bytearray(nowhere.read_bytes())
    helpful = f"{tmp_path}/deep".encode()
    assert add_rpath(data, helpful)
    nowhere.write_bytes(data)
    assert read(nowhere).rpath == (f"{tmp_path}/deep",)
    assert read(nowhere).runpath == ("/nowhere",)
    assert [item.soname for item in assert_same(nowhere, Root("/")).missing] == ["libleaf.so"]


@needs_glibc
def test_rpath_beside_runpath_is_not_inherited_either(tmp_path: Path) -> None:
    leaf = build(tmp_path / "deep/libleaf.so", soname="libleaf.so")
    middle = build(tmp_path / "near/libmiddle.so", libraries=[leaf], soname="libmiddle.so")
    options = [f"-Wl,--enable-new-dtags,-rpath,{tmp_path}/near"]
    top = build(tmp_path / "libtop.so", libraries=[middle], options=options)
    data = bytearray(top.read_bytes())
    assert add_rpath(data, f"{tmp_path}/deep".encode())
    top.write_bytes(data)
    found = assert_same(top, Root("/"))
    assert found.loaded["libmiddle.so"] == middle
    assert [item.soname for item in found.missing] == ["libleaf.so"]


def add_rpath(data: bytearray, text: bytes) -> bool:
    """Turn DT_RELACOUNT into DT_RPATH, with its text over symbol names that nobody looks up by hash."""
    offset, size = next(
        (struct.unpack_from("<Q", data, at + 8)[0], struct.unpack_from("<Q", data, at + 32)[0])
        for at in range(64, 64 + 56 * struct.unpack_from("<H", data, 56)[0], 56)
        if struct.unpack_from("<I", data, at)[0] == 2
    )
    tags = {struct.unpack_from("<Q", data, at)[0]: at for at in range(offset, offset + size, 16)}
    strings = struct.unpack_from("<Q", data, tags[5] + 8)[0]
    # A second string table at the end of the file would need a segment; DT_STRSZ grows over padding instead.
    end = strings + struct.unpack_from("<Q", data, tags[10] + 8)[0]
    if 0x6FFFFFF9 not in tags:
        return False
    place = data.find(b"\0" * (len(text) + 2), end)
    struct.pack_into("<Q", data, tags[10] + 8, place + len(text) + 2 - strings)
    data[place + 1 : place + 1 + len(text)] = text
    struct.pack_into("<QQ", data, tags[0x6FFFFFF9], 15, place + 1 - strings)
    return True


@needs_glibc
def test_origin_inside_needed_is_found_from_the_real_place(tmp_path: Path) -> None:
    # python-build-standalone names its libpython so; its program is reached through a link.
    library = build(tmp_path / "tree/lib/libown.so.1", soname="$ORIGIN/../lib/libown.so.1")
    program = build(tmp_path / "tree/bin/own", "int main(void){return 0;}", libraries=[library], program=True)
    assert "$ORIGIN/../lib/libown.so.1" in read(program).needed
    assert_same(program, Root("/"))
    (tmp_path / "bin").mkdir()
    link = tmp_path / "bin/own"
    link.symlink_to(program)
    found = assert_same(link, Root("/"))
    assert found.loaded["$ORIGIN/../lib/libown.so.1"] == library.resolve()


@needs_glibc
def test_origin_of_a_library_is_the_folder_of_its_name_not_of_its_file(tmp_path: Path) -> None:
    leaf = build(tmp_path / "store/libleaf.so", soname="libleaf.so")
    middle = build(
        tmp_path / "store/libmiddle.so.1.0",
        libraries=[leaf],
        options=["-Wl,-rpath,$ORIGIN"],
        soname="libmiddle.so.1",
    )
    (tmp_path / "links").mkdir()
    (tmp_path / "links/libmiddle.so.1").symlink_to(middle)
    top = build(
        tmp_path / "top",
        "int main(void){return 0;}",
        libraries=[middle],
        options=[f"-Wl,-rpath,{tmp_path}/links"],
        program=True,
    )
    assert [item.soname for item in assert_same(top, Root("/")).missing] == ["libleaf.so"]


@needs_glibc
@pytest.mark.parametrize("token", ["$ORIGIN/../$LIB", "${ORIGIN}/../${LIB}", "$ORIGIN/../$LIB/"])
def test_tokens(tmp_path: Path, token: str) -> None:
    folder = tmp_path / "lib/x86_64-linux-gnu"
    leaf = build(folder / "libleaf.so", soname="libleaf.so")
    for other in ("lib64", "lib"):
        (tmp_path / other).mkdir(exist_ok=True)
        shutil.copy(leaf, tmp_path / other)
    top = build(tmp_path / "bin/libtop.so", libraries=[leaf], options=[f"-Wl,-rpath,{token}"])
    assert assert_same(top, Root("/")).missing == ()


@needs_glibc
def test_files_of_other_machines_and_classes_are_passed_over(tmp_path: Path) -> None:
    good = build(tmp_path / "good/libleaf.so", soname="libleaf.so")
    alien = tmp_path / "alien/libleaf.so"
    alien.parent.mkdir()
    data = bytearray(good.read_bytes())
    struct.pack_into("<H", data, 18, 183)  # EM_AARCH64
    alien.write_bytes(data)
    build(tmp_path / "small/libleaf.so", options=["-m32", "-nostdlib"], soname="libleaf.so")
    rpath = f"-Wl,-rpath,{tmp_path}/alien:{tmp_path}/small:{tmp_path}/good"
    top = build(tmp_path / "libtop.so", libraries=[good], options=[rpath])
    assert assert_same(top, Root("/")).loaded["libleaf.so"] == good


@needs_glibc
def test_a_corrupt_library_is_reported_and_the_walk_goes_on(tmp_path: Path) -> None:
    good = build(tmp_path / "good/libleaf.so", soname="libleaf.so")
    top = build(
        tmp_path / "libtop.so",
        libraries=[good, "-lm"],
        options=[f"-Wl,-rpath,{tmp_path}/bad:{tmp_path}/good"],
    )
    bad = tmp_path / "bad/libleaf.so"
    bad.parent.mkdir()
    for content in (b"INPUT(libleaf.so)\n", good.read_bytes()[:100], b"\x7fELF"):
        bad.write_bytes(content)
        found = closure(top, Root("/"))
        assert [item.soname for item in found.missing] == ["libleaf.so"]
        assert str(bad) in found.missing[0].reason
        assert "libm.so.6" in found.loaded
        assert "\n" not in found.errors[0]
    assert "error while loading" in trace(top, loader=LOADER).output  # the loader looks no further, either


@needs_glibc
def test_pipes_and_sockets_are_not_opened(tmp_path: Path) -> None:
    leaf = build(tmp_path / "good/libleaf.so", soname="libleaf.so")
    (tmp_path / "bad").mkdir()
    os.mkfifo(tmp_path / "bad/libleaf.so")
    top = build(tmp_path / "libtop.so", libraries=[leaf], options=[f"-Wl,-rpath,{tmp_path}/bad"])
    assert [item.soname for item in closure(top, Root("/")).missing] == ["libleaf.so"]
    assert closure(tmp_path / "bad/libleaf.so", Root("/")).unreadable[0].reason == "not a regular file"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        assert closure(tmp_path / "s", Root("/")).errors


def test_a_subject_that_cannot_be_read_is_a_result_not_an_exception(tmp_path: Path) -> None:
    text = tmp_path / "<script>\n.so"
    text.write_text("no ELF")
    for path in (text, tmp_path / "absent", tmp_path, tmp_path / ("x" * 300)):
        found = closure(path, Root("/"))
        assert found.loaded == {}
        assert len(found.errors) == 1


@needs_glibc
@settings(max_examples=150, deadline=2000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_broken_files_are_results_not_exceptions(tmp_path: Path, data: st.DataObject) -> None:
    made = tmp_path / "libmade.so"
    if not made.exists():
        build(made, libraries=["-lm"], options=["-Wl,-rpath,$ORIGIN:/opt"], soname="libmade.so")
        build(tmp_path / "libuser.so", libraries=[made], options=["-Wl,-rpath,$ORIGIN/broken"])
        (tmp_path / "broken").mkdir()
    content = bytearray(made.read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, min(len(content), 1500) - 1))] = data.draw(st.integers(0, 255))
    broken = tmp_path / "broken/libmade.so"
    broken.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    root = Root("/")
    for path in (broken, tmp_path / "libuser.so"):
        for error in closure(path, root).errors:
            assert "\n" not in error


@needs_glibc
def test_hostile_search_paths_are_bounded(tmp_path: Path) -> None:
    stubs = [build(tmp_path / "stub/first.so", soname="lib00.so")]
    for number in range(1, 40):
        stubs.append(tmp_path / f"stub/{number}.so")
        stubs[-1].write_bytes(stubs[0].read_bytes().replace(b"lib00.so\0", b"lib%02d.so\0" % number))
    # Many names of one folder.
    many = ":".join(f"/usr/{'./' * step}lib" for step in range(55))
    top = build(tmp_path / "libtop.so", libraries=stubs, options=[f"-Wl,-rpath,{many}"])
    start = time.process_time()
    found = closure(top, Root("/"))
    assert len(found.missing) == 40
    assert time.process_time() - start < 1
    # A loader file made to hang a search for its folders.
    (tmp_path / "root/lib64").mkdir(parents=True)
    (tmp_path / "root/lib64/ld-linux-x86-64.so.2").write_bytes(b"/a" * 4_000_000)
    start = time.process_time()
    closure(top, Root(tmp_path / "root", mounts={"/t": tmp_path}))
    assert time.process_time() - start < 5


# Versions.

OLD = "LEAF_1 { global: old; local: *; };"
NEW = "LEAF_1 { global: old; local: *; }; LEAF_2 { global: new; } LEAF_1;"


def versioned(folder: Path, script: str | None) -> Path:
    return build(
        folder / "libleaf.so", "int old(void){return 1;} int new(void){return 2;}", soname="libleaf.so",
        version_script=script,
    )  # fmt: skip


@needs_glibc
def test_missing_symbol_versions(tmp_path: Path) -> None:
    new = versioned(tmp_path / "new", NEW)
    top = build(
        tmp_path / "libtop.so", "int new(void); int top(void){return new();}", libraries=[new],
        options=["-Wl,-rpath,$ORIGIN/found"],
    )  # fmt: skip
    (tmp_path / "found").symlink_to("new")
    assert assert_same(top, Root("/")).errors == ()
    versioned(tmp_path / "old", OLD)
    (tmp_path / "found").unlink()
    (tmp_path / "found").symlink_to("old")
    found = assert_same(top, Root("/"))
    assert [(item.version, item.soname, item.weak) for item in found.missing_versions] == [
        ("LEAF_2", "libleaf.so", False)
    ]
    assert "LEAF_2" in found.errors[0]


@needs_glibc
def test_a_library_without_versions_is_only_warned_of(tmp_path: Path) -> None:
    new = versioned(tmp_path / "new", NEW)
    top = build(
        tmp_path / "libtop.so", "int new(void); int top(void){return new();}", libraries=[new],
        options=["-Wl,-rpath,$ORIGIN/plain"],
    )  # fmt: skip
    versioned(tmp_path / "plain", None)
    found = assert_same(top, Root("/"))
    assert found.errors == ()
    assert [item.soname for item in found.unversioned] == ["libleaf.so"]


@needs_glibc
def test_a_weak_version_is_no_error(tmp_path: Path) -> None:
    new = versioned(tmp_path / "new", NEW)
    top = build(
        tmp_path / "libtop.so", "int new(void); int top(void){return new();}", libraries=[new],
        options=["-Wl,-rpath,$ORIGIN/old"],
    )  # fmt: skip
    versioned(tmp_path / "old", OLD)
    data = bytearray(top.read_bytes())
    need = next(need for need in read(top).version_needs if need.version == "LEAF_2")
    entry = data.find(struct.pack("<IHH", elf_hash(need.version), 0, need.index))
    assert entry > 0
    struct.pack_into("<H", data, entry + 4, 2)  # VER_FLG_WEAK
    top.write_bytes(data)
    found = closure(top, Root("/"))
    assert [(item.version, item.weak) for item in found.missing_versions] == [("LEAF_2", True)]
    assert found.errors == ()
    assert "weak version `LEAF_2' not found" in trace(top, loader=LOADER).output


def elf_hash(name: str) -> int:
    value = 0
    for byte in name.encode():
        value = (value << 4) + byte
        high = value & 0xF0000000
        value = (value ^ high >> 24) & ~high & 0xFFFFFFFF
    return value


# What is loaded already.


@needs_glibc
def test_preloaded_libraries_are_reused(tmp_path: Path) -> None:
    leaf = build(tmp_path / "hidden/libleaf.so", soname="libleaf.so")
    program = build(
        tmp_path / "program", "int main(void){return 0;}", libraries=[leaf], program=True,
        options=["-Wl,--enable-new-dtags,-rpath,$ORIGIN/hidden"],
    )  # fmt: skip
    module = build(tmp_path / "module.so", libraries=[leaf])
    root = Root("/")
    assert closure(module, root).missing
    inside = closure(module, root, preloaded=closure(program, root))
    assert inside.errors == ()
    assert inside.loaded["libleaf.so"] == leaf
    assert inside.interpreter == Path(LOADER).resolve()


@needs_glibc
def test_a_module_has_the_rpath_of_the_program_but_not_its_runpath(tmp_path: Path) -> None:
    leaf = build(tmp_path / "hidden/libleaf.so", soname="libleaf.so")
    module = build(tmp_path / "module.so", libraries=[leaf])
    source = "#include <dlfcn.h>\nint main(int c, char**v){return dlopen(v[1], RTLD_NOW) == 0;}"
    root = Root("/")
    for flag, works in (("--disable-new-dtags", True), ("--enable-new-dtags", False)):
        program = build(
            tmp_path / "program", source, program=True, libraries=["-ldl"],
            options=[f"-Wl,{flag},-rpath,$ORIGIN/hidden"],
        )  # fmt: skip
        root = Root("/")
        assert (closure(module, root, preloaded=closure(program, root)).errors == ()) == works
        assert (os.spawnv(os.P_WAIT, program, [str(program), str(module)]) == 0) == works


# Roots.


@pytest.fixture
def fake(tmp_path: Path) -> FakeRoot:
    return FakeRoot(tmp_path / "root")


@needs_glibc
def test_a_root_with_absolute_links_is_walked_as_by_chroot(fake: FakeRoot) -> None:
    leaf = build(fake.path / "opt/libs/libleaf.so.1.5", soname="libleaf.so.1")
    (fake.path / "opt/libs/libleaf.so.1").symlink_to("/opt/libs/libleaf.so.1.5")
    (fake.path / "etc/ld.so.conf").write_text("include ld.so.conf.d/*.conf # all\n\nhwcap 0 x\n")
    (fake.path / "etc/ld.so.conf.d").mkdir()
    (fake.path / "etc/ld.so.conf.d/a.conf").write_text("include /etc/ld.so.conf\n/opt/alias/\n")
    (fake.path / "opt/alias").symlink_to("../../../../../../../opt/libs")
    program = build(
        fake.path / "usr/bin/program", "int main(void){return 0;}", libraries=[leaf, "-lm"], program=True
    )
    root = Root(fake.path)
    assert root.configured_directories == ("/opt/alias",)
    found = closure(program, root)
    assert found.errors == ()
    assert found.loaded["libleaf.so.1"] == leaf
    assert all(file.is_relative_to(fake.path) for file in found.files)
    assert found == closure("/usr/bin/program", Root(fake.path))
    fake.ldconfig()
    truth = fake.trace("/usr/bin/program")
    assert {root.resolve(file) for file in truth.files} == {root.inside(file) for file in found.files}


@needs_glibc
def test_configured_folders_serve_only_names_that_ldconfig_takes(fake: FakeRoot) -> None:
    odd = build(fake.path / "opt/libs/odd.so", soname="odd.so")
    (fake.path / "etc/ld.so.conf").write_text("/opt/libs\n")
    program = build(fake.path / "usr/bin/program", "int main(void){return 0;}", libraries=[odd], program=True)
    assert [item.soname for item in closure(program, Root(fake.path)).missing] == ["odd.so"]
    fake.ldconfig()
    assert fake.trace("/usr/bin/program").missing == {"odd.so"}
    shutil.copy(odd, fake.path / "usr/lib/odd.so")
    assert closure(program, Root(fake.path)).missing == ()
    assert fake.trace("/usr/bin/program").missing == frozenset()


def test_folders_built_into_the_loader_differ_between_distributions(tmp_path: Path) -> None:
    root = tmp_path / "root"
    for folder in ("usr/lib64", "usr/lib/x86_64-linux-gnu", "opt/store/lib"):
        name = folder.replace("/", "-")
        build(root / folder / f"lib{name}.so", options=["-nostdlib"], soname=f"lib{name}.so")
        build(root / folder / "libleaf.so", options=["-nostdlib"], soname="libleaf.so")

    def found(folder: str) -> bool:
        return Root(root).library(f"lib{folder.replace('/', '-')}.so", "x86_64") is not None

    # Without a loader: what distributions do. With one: what it says.
    assert found("usr/lib64")
    assert found("usr/lib/x86_64-linux-gnu")
    assert not found("opt/store/lib")
    (root / "lib64").mkdir()
    loader = root / "lib64/ld-linux-x86-64.so.2"
    loader.write_bytes(b"\x7fELF /etc/x\0/lib64/\0/usr/lib64/\0\0")
    assert found("usr/lib64")
    assert not found("usr/lib/x86_64-linux-gnu")
    loader.write_bytes(b"\x7fELF\0/opt/store/lib/\0/usr/local/lib/\0")
    assert found("opt/store/lib")
    assert not found("usr/lib64")


@needs_glibc
def test_hwcaps_folders_go_by_the_level_of_the_processor(fake: FakeRoot) -> None:
    folder = fake.path / "usr/lib/x86_64-linux-gnu"
    plain = build(folder / "libleaf.so.1", soname="libleaf.so.1")
    levels = ("x86-64-v2", "x86-64-v3", "x86-64-v4")
    for level in levels:
        build(folder / "glibc-hwcaps" / level / "libleaf.so.1", soname="libleaf.so.1")
    program = build(
        fake.path / "usr/bin/program", "int main(void){return 0;}", libraries=[plain], program=True
    )

    def chosen(level: str | None) -> str:
        return closure(program, Root(fake.path, isa_level=level)).loaded["libleaf.so.1"].parent.name

    assert chosen(None) == folder.name
    assert [chosen(level) for level in levels] == list(levels)
    fake.ldconfig()
    truth = {Path(file).parent.name for file in fake.trace("/usr/bin/program").files if "libleaf" in file}
    assert truth == {chosen(processor_level())}


@needs_glibc
def test_nothing_leads_out_of_a_root(fake: FakeRoot, tmp_path: Path) -> None:
    outside = build(tmp_path / "outside/libsecret.so", soname="libsecret.so")
    libs = fake.path / "usr/lib"
    (libs / "libsecret.so").symlink_to(outside)  # absolute: means a path inside the root
    (libs / "libup.so").symlink_to("../" * 40 + str(outside))
    (fake.path / "escape").symlink_to("../../outside")
    (libs / "libloop.so").symlink_to("libloop2.so")
    (libs / "libloop2.so").symlink_to("libloop.so")
    (libs / "self").symlink_to(".")
    (fake.path / "etc/ld.so.conf").write_text(
        f"{tmp_path}/outside\n/escape\n/../../outside\n"
        "include /../../../etc/passwd\ninclude ../../outside/*\n"
    )
    program = build(
        fake.path / "usr/bin/program", "int main(void){return 0;}", program=True,
        libraries=[
            build(tmp_path / f"stub/{name}.so", soname=soname)
            for name, soname in (
                ("a", "libsecret.so"), ("b", "libup.so"), ("c", "libloop.so"), ("d", str(outside)),
                ("e", "/escape/libsecret.so"), ("f", "$ORIGIN/../../../outside/libsecret.so"),
            )
        ],
        options=[f"-Wl,-rpath,{tmp_path}/outside:$ORIGIN/../../../outside:/escape"],
    )  # fmt: skip
    root = Root(fake.path)
    found = closure(program, root)
    assert len(found.missing) == 6, found.missing
    assert all(file.is_relative_to(fake.path) for file in found.files)
    assert root.resolve("/usr/lib/libloop.so") is None
    assert root.resolve("/usr/lib/self/self/self/libloop.so") is None
    assert root.resolve("/" + "self/" * 5000) is None
    assert root.resolve("/../../../../etc") == "/etc"
    assert root.resolve("/usr/lib/self/self/../lib/x86_64-linux-gnu/libc.so.6") == (
        "/usr/lib/x86_64-linux-gnu/libc.so.6"
    )
    assert root.inside(outside) is None
    # And a subject outside is none, even when a path of that name is given.
    assert closure(outside, root).errors


@needs_glibc
def test_a_long_chain_of_links_ends(fake: FakeRoot) -> None:
    chain = fake.path / "chain"
    chain.mkdir()
    (chain / "0").write_text("end")
    for step in range(1, 50):
        (chain / str(step)).symlink_to(f"/chain/{step - 1}")
    root = Root(fake.path)
    assert root.resolve("/chain/40") == "/chain/0"
    assert root.resolve("/chain/41") is None


@needs_glibc
def test_a_tree_of_this_host_in_another_root(fake: FakeRoot, tmp_path: Path) -> None:
    library = build(tmp_path / "tree/lib/libown.so", soname="libown.so")
    absent = build(tmp_path / "stub/libabsent.so.1", soname="libabsent.so.1")
    program = build(
        tmp_path / "tree/bin/own",
        "int main(void){return 0;}",
        libraries=[library, absent],
        program=True,
        options=["-Wl,-rpath,$ORIGIN/../lib"],
    )
    root = Root(fake.path, mounts={"/opt/tree": tmp_path / "tree"})
    found = closure(program, root)
    assert found.subject == "/opt/tree/bin/own"
    assert found.loaded["libown.so"] == library
    assert found.loaded["libc.so.6"].is_relative_to(fake.path)
    assert [item.soname for item in found.missing] == ["libabsent.so.1"]
    assert found.missing[0].needed_by == "/opt/tree/bin/own"


@needs_glibc
def test_an_absent_program_interpreter_is_missing(fake: FakeRoot) -> None:
    program = build(
        fake.path / "bin/alpine", "int main(void){return 0;}", program=True,
        options=["-nostdlib", "-e", "main", "-Wl,--dynamic-linker,/lib/ld-musl-x86_64.so.1"],
        libraries=[build(fake.path / "lib2/libx.so", soname="libx.so", options=["-nostdlib"])],
    )  # fmt: skip
    found = closure(program, Root(fake.path))
    assert found.missing[0].soname == "/lib/ld-musl-x86_64.so.1"
    assert "interpreter" in found.missing[0].reason


def test_a_musl_root(tmp_path: Path) -> None:
    root_path = tmp_path / "alpine"
    bare = ["-nostdlib", "-nostartfiles"]
    musl = build(root_path / "lib/ld-musl-x86_64.so.1", soname="libc.musl-x86_64.so.1", options=bare)
    (root_path / "lib/libc.musl-x86_64.so.1").symlink_to("ld-musl-x86_64.so.1")
    leaf = build(root_path / "opt/lib/libleaf.so", soname="libleaf.so", options=bare)
    hidden = build(root_path / "hidden/libdeep.so", soname="libdeep.so", options=bare)
    middle = build(root_path / "hidden/libmiddle.so", soname="libmiddle.so", libraries=[hidden], options=bare)
    (root_path / "etc").mkdir()
    (root_path / "etc/ld-musl-x86_64.path").write_text("/lib:/usr/local/lib\n/opt/lib\n")
    stub = build(tmp_path / "libm.so", soname="libm.so.6", options=bare)
    program = build(
        root_path / "bin/program", "int main(void){return 0;}", program=True,
        libraries=[musl, leaf, middle, stub],
        options=[*bare, "-e", "main", "-Wl,--dynamic-linker,/lib/ld-musl-x86_64.so.1",
                 "-Wl,--enable-new-dtags,-rpath,$ORIGIN/../hidden"],
    )  # fmt: skip
    found = closure(program, Root(root_path))
    assert found.errors == ()
    assert found.loaded["libleaf.so"] == leaf
    assert found.loaded["libdeep.so"] == hidden  # musl: RUNPATH is inherited
    assert found.loaded["libm.so.6"] == musl  # and every part of libc is the loader itself
    assert found.interpreter == musl
    (root_path / "etc/ld-musl-x86_64.path").unlink()
    assert [item.soname for item in closure(program, Root(root_path)).missing] == ["libleaf.so"]


def test_a_root_must_be_a_folder(tmp_path: Path) -> None:
    with pytest.raises(NotADirectoryError, match="no folder"):
        Root(tmp_path / "absent")


def test_cyclic_needs_end(tmp_path: Path) -> None:
    first = build(tmp_path / "libfirst.so", soname="libfirst.so", options=["-nostdlib"])
    build(
        tmp_path / "libsecond.so",
        soname="libsecond.so",
        libraries=[first],
        options=["-nostdlib", "-Wl,-rpath,$ORIGIN"],
    )
    build(
        first,
        soname="libfirst.so",
        libraries=[tmp_path / "libsecond.so"],
        options=["-nostdlib", "-Wl,-rpath,$ORIGIN"],
    )
    found = closure(first, Root("/"))
    assert found.missing == ()
    assert {"libsecond.so"} <= set(found.loaded)
