"""The runtime of our own: compiled for real, started with a small image behind it, mounted and unpacked."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from pyassay.filetree import open_tree
from pyassay.packagers import appimage_runtime
from pyassay.packagers.model import BuildError
from pyassay.packagers.workshop import Workshop
from pyassay.places.container import Engine, EngineError

_APPRUN = r"""#!/bin/sh
case $1 in
    told) printf '%s\n' "$APPIMAGE" "$APPDIR" "$ARGV0" "${OWD-unset}" "$PWD" "$0" ;;
    exit) exit "$2" ;;
    wait) echo "$APPDIR"; exec sleep 60 ;;
    *) for word; do printf '<%s>' "$word"; done ;;
esac
"""
_HOSTILE = ["a b", "", "$(touch x)", "`x`", "a\nb", "*", "--", "--appimage-extract"]
_NOTHING: Mapping[str, str] = {}
_UNPACKED = {"APPIMAGE_EXTRACT_AND_RUN": "1"}


@pytest.fixture(scope="module")
def runtime(
    tmp_path_factory: pytest.TempPathFactory, why_no_appimage_runtime: str
) -> appimage_runtime.Runtime:
    """Compile it, where that takes seconds."""
    if why_no_appimage_runtime:
        pytest.skip(why_no_appimage_runtime)
    with (
        pytest.MonkeyPatch.context() as patch,
        Workshop.open(tmp_path_factory.mktemp("runtime"), build_key="runtime", timeout_s=900.0) as workshop,
    ):
        patch.delenv(appimage_runtime.RUNTIME, raising=False)
        made = appimage_runtime.runtime(workshop)
        again = time.monotonic()
        assert appimage_runtime.runtime(workshop) == made
        assert time.monotonic() - again < 0.5, "compiled twice"
    return made


@pytest.fixture(scope="module")
def program(runtime: appimage_runtime.Runtime, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make an AppImage of a shell script."""
    if shutil.which("mksquashfs") is None:
        pytest.skip("no mksquashfs (squashfs-tools)")
    folder = tmp_path_factory.mktemp("appimage")
    inside = folder / "AppDir"
    (inside / "sub" / "deep").mkdir(parents=True)
    (inside / "AppRun").write_text(_APPRUN)
    (inside / "AppRun").chmod(0o755)
    (inside / "sub" / "link").symlink_to("../AppRun")
    (inside / "sub" / "deep" / "data").write_bytes(os.urandom(300_000))
    image = folder / "image"
    packing: list[str | Path] = ["mksquashfs", inside, image, "-noappend", "-root-owned", "-comp", "zstd"]
    subprocess.run(packing, check=True, capture_output=True, timeout=60)
    made = folder / "a program.AppImage"
    made.write_bytes(runtime.path.read_bytes() + image.read_bytes())
    made.chmod(0o755)
    return made


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    folder = tmp_path / "tmp"
    folder.mkdir()
    return folder


def _run(
    program: Path, *words: str, temporary: Path, cwd: Path | None = None, more: Mapping[str, str] = _NOTHING
) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.defpath, "TMPDIR": str(temporary), **more}
    return subprocess.run(
        [program, *words], env=environment, cwd=cwd, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture
def mounts(program: Path, temporary: Path) -> None:
    """Skip where nobody can mount: no device, or no right and no fusermount3."""
    tried = _run(program, "exit", "0", temporary=temporary)
    if tried.returncode == 127 and tried.stderr.startswith("fuse"):
        pytest.skip(tried.stderr.partition("\n")[0])
    assert tried.returncode == 0, tried.stderr


def _gone(temporary: Path) -> bool:
    """Tell whether nothing is left in a folder; the process that serves the mount ends after the program."""
    until = time.monotonic() + 10
    while any(temporary.iterdir()):
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return str(temporary) not in Path("/proc/mounts").read_text()


def test_it_is_a_static_program_with_the_magic_of_type_2(
    runtime: appimage_runtime.Runtime, temporary: Path
) -> None:
    data = runtime.path.read_bytes()
    assert (data[:4], data[8:11]) == (b"\x7fELF", b"AI\x02")
    assert b"/ld-linux" not in data
    assert re.fullmatch(r"our own, of squashfuse \d\S+ and libfuse 3\.\S+", runtime.version)
    assert "gcc" in runtime.how
    assert "\n" not in runtime.how
    said = _run(runtime.path, "--appimage-offset", temporary=temporary)
    assert int(said.stdout) == len(data)


def test_the_image_is_where_both_of_us_find_it(
    program: Path, runtime: appimage_runtime.Runtime, temporary: Path
) -> None:
    said = _run(program, "--appimage-offset", "x", temporary=temporary)
    offset = int(said.stdout)
    assert offset == runtime.path.stat().st_size
    assert program.read_bytes()[offset : offset + 4] == b"hsqs"
    with open_tree(program) as tree:
        assert tree.format == "appimage"


def test_unpacked_it_runs_and_leaves_nothing(program: Path, temporary: Path, tmp_path: Path) -> None:
    ran = _run(program, "told", temporary=temporary, cwd=tmp_path, more=_UNPACKED)
    appimage, appdir, argv0, owd, here, zeroth = ran.stdout.splitlines()
    assert Path(appimage) == program.resolve()
    assert argv0 == str(program)
    assert Path(appdir).parent == temporary
    assert Path(appdir).name.startswith("appimage_extracted_")
    assert zeroth == f"{appdir}/AppRun"
    assert (owd, here) == ("unset", str(tmp_path))
    assert not any(temporary.iterdir())
    ran = _run(program, "exit", "9", "--appimage-extract-and-run", temporary=temporary)
    assert (ran.returncode, ran.stderr) == (9, "")
    ran = _run(program, *_HOSTILE, temporary=temporary, more=_UNPACKED)
    assert ran.stdout == "".join(f"<{word}>" for word in _HOSTILE)
    assert not any(temporary.iterdir())


@pytest.mark.usefixtures("mounts")
def test_mounted_it_runs_and_leaves_nothing(program: Path, temporary: Path, tmp_path: Path) -> None:
    ran = _run(program, "told", temporary=temporary, cwd=tmp_path)
    appimage, appdir, argv0, owd, here, zeroth = ran.stdout.splitlines()
    assert Path(appimage) == program.resolve()
    assert argv0 == str(program)
    assert (Path(appdir).parent, Path(appdir).name[:13]) == (temporary, ".mount_a prog")
    assert zeroth == f"{appdir}/AppRun"
    assert owd == here == str(tmp_path)
    ran = _run(program, "exit", "9", temporary=temporary)
    assert (ran.returncode, ran.stderr) == (9, "")
    ran = _run(program, *_HOSTILE, temporary=temporary)
    assert ran.stdout == "".join(f"<{word}>" for word in _HOSTILE)
    assert _gone(temporary)


@pytest.mark.usefixtures("mounts")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_mounted_a_signal_is_the_programs_and_the_mount_goes(
    number: signal.Signals, program: Path, temporary: Path
) -> None:
    environment = {"PATH": os.defpath, "TMPDIR": str(temporary)}
    with subprocess.Popen([program, "wait"], env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        folder = process.stdout.readline().strip()
        assert folder in Path("/proc/mounts").read_text().replace("\\040", " ")
        process.send_signal(number)
        assert process.wait(10) == -number
    assert _gone(temporary)


def test_unpacked_a_killed_one_leaves_its_folder_as_the_projects_own_does(
    program: Path, temporary: Path
) -> None:
    environment = {"PATH": os.defpath, "TMPDIR": str(temporary), **_UNPACKED}
    with subprocess.Popen(
        [program, "wait"], env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        folder = Path(process.stdout.readline().strip())
        process.kill()
        assert process.wait(10) == -signal.SIGKILL
        assert (folder / "AppRun").is_file()
        os.killpg(process.pid, signal.SIGKILL)


def test_it_unpacks_what_matches(program: Path, temporary: Path, tmp_path: Path) -> None:
    ran = _run(program, "--appimage-extract", "sub/deep", temporary=temporary, cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    root = tmp_path / "squashfs-root"
    assert {str(path.relative_to(root)) for path in root.rglob("*")} == {"sub", "sub/deep", "sub/deep/data"}
    source = program.parent / "AppDir"
    assert _run(program, "--appimage-extract", temporary=temporary, cwd=tmp_path).returncode == 0
    assert {path.relative_to(root) for path in root.rglob("*")} == {
        path.relative_to(source) for path in source.rglob("*")
    }
    assert (root / "sub" / "link").readlink() == Path("../AppRun")
    assert (root / "sub/deep/data").read_bytes() == (source / "sub/deep/data").read_bytes()
    assert (root / "AppRun").stat().st_mode == (source / "AppRun").stat().st_mode


@pytest.mark.parametrize("environment", [{}, _UNPACKED], ids=["mounted", "unpacked"])
@pytest.mark.parametrize(
    ("kept", "said"), [(-5000, "truncated: "), (0, "no squashfs image at byte "), (50, "no squashfs image")]
)
def test_a_truncated_image_is_one_line(
    kept: int,
    said: str,
    environment: dict[str, str],
    program: Path,
    runtime: appimage_runtime.Runtime,
    temporary: Path,
    tmp_path: Path,
) -> None:
    cut = tmp_path / "cut"
    size = (program if kept < 0 else runtime.path).stat().st_size + kept
    cut.write_bytes(program.read_bytes()[:size])
    cut.chmod(0o755)
    ran = _run(cut, "exit", "0", temporary=temporary, more=environment)
    assert (ran.returncode, ran.stdout) == (127, "")
    assert ran.stderr.startswith(f"{cut}: {said}")
    assert ran.stderr.count("\n") == 1
    assert not any(temporary.iterdir())


def test_a_damaged_image_neither_hangs_nor_leaves_files(
    program: Path, runtime: appimage_runtime.Runtime, temporary: Path, tmp_path: Path
) -> None:
    data = bytearray(program.read_bytes())
    start = runtime.path.stat().st_size
    inodes = start + int.from_bytes(data[start + 64 : start + 72], "little")
    data[inodes + 2 : inodes + 60] = bytes(58)
    damaged = tmp_path / "damaged"
    damaged.write_bytes(data)
    damaged.chmod(0o755)
    ran = _run(damaged, "exit", "0", temporary=temporary, more=_UNPACKED)
    assert ran.returncode == 127
    assert "squashfs image" in ran.stderr
    assert not any(temporary.iterdir())


def test_other_options_of_the_projects_runtime_are_refused(program: Path, temporary: Path) -> None:
    ran = _run(program, "x", "--appimage-portable-home", temporary=temporary)
    assert ran.returncode == 1
    assert ran.stderr == "--appimage-portable-home is not yet implemented in version pyassay\n"


@pytest.mark.parametrize("image", ["debian:bullseye", "debian:bookworm", "debian:trixie"])
def test_it_starts_in_a_distribution(image: str, program: Path) -> None:
    try:
        with Engine.connect() as engine:
            if not engine.has_image(image):
                pytest.skip(f"{image}: absent")
            mounted = {program: "/a"}
            done = engine.run(
                image, ["/a", "exit", "9"], timeout_s=60, mounts=mounted, extra_environment=_UNPACKED
            )
            assert (done.returncode, done.stderr) == (9, b"")
            command = "/a exit 9; echo $?; ls -A /tmp"
            done = engine.run(image, ["/bin/sh", "-c", command], timeout_s=60, mounts=mounted)
    except EngineError as error:
        pytest.skip(str(error))
    assert done.stdout == b"127\n"
    first, *_ = done.stderr.decode().splitlines()
    assert first == "fuse: device not found, try 'modprobe fuse' first"


def test_the_users_runtime_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(appimage_runtime.RUNTIME, raising=False)
    own = appimage_runtime.runtime_identity(tmp_path)
    given = tmp_path / "given"
    monkeypatch.setenv(appimage_runtime.RUNTIME, str(given))
    assert str(given) in appimage_runtime.why_no_runtime(tmp_path)
    given.write_bytes(b"\x7fELF" + bytes(60))
    assert "not a runtime" in appimage_runtime.why_no_runtime(tmp_path)
    with (
        Workshop.open(tmp_path, build_key="given", timeout_s=60.0) as workshop,
        pytest.raises(BuildError, match="not a runtime"),
    ):
        appimage_runtime.runtime(workshop)
    given.write_bytes(b"\x7fELF" + bytes(4) + b"AI\x02" + bytes(60))
    assert appimage_runtime.why_no_runtime(tmp_path) == ""
    with Workshop.open(tmp_path, build_key="given", timeout_s=60.0) as workshop:
        assert appimage_runtime.runtime(workshop) == appimage_runtime.Runtime(given, "given")
    first = appimage_runtime.runtime_identity(tmp_path)
    given.write_bytes(given.read_bytes() + b"x")
    assert len({own, first, appimage_runtime.runtime_identity(tmp_path)}) == 3


@pytest.fixture
def without_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(appimage_runtime.RUNTIME, raising=False)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no.sock")


@pytest.mark.usefixtures("without_engine")
def test_without_runtime_and_engine_it_says_what_would_help(tmp_path: Path) -> None:
    why = appimage_runtime.why_no_runtime(tmp_path)
    assert f"{appimage_runtime.RUNTIME}=FILE" in why
    assert "no.sock" in why
    assert "\n" not in why
    with (
        Workshop.open(tmp_path, build_key="none", timeout_s=60.0) as workshop,
        pytest.raises(BuildError, match=r"no\.sock"),
    ):
        appimage_runtime.runtime(workshop)
