"""A folder as a place: what it is, and running in it with nothing left behind."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pyassay.places import rootfs
from pyassay.places.rootfs import RootFs, RootFsError

_APPLETS = ("sh", "cat", "echo", "env", "id", "ls", "sleep", "touch", "true", "yes", "kill", "grep")


@pytest.fixture
def folder(tmp_path: Path, static_busybox: bytes) -> Path:
    """Lay out a small distribution, as an unprivileged user may read it."""
    root = tmp_path / "a root's folder"
    for name in ("usr/bin", "usr/lib", "etc", "opt/kept"):
        (root / name).mkdir(parents=True)
    (root / "usr/bin/busybox").write_bytes(static_busybox)
    (root / "usr/bin/busybox").chmod(0o755)
    for name in _APPLETS:
        (root / "usr/bin" / name).symlink_to("busybox")
    (root / "bin").symlink_to("usr/bin")
    (root / "usr/lib/os-release").write_text(
        'ID=tiny\nVERSION_ID="1.5"\nPRETTY_NAME="Tiny \\x1b 1.5"\n# x=y\n'
    )
    (root / "etc/os-release").symlink_to("/usr/lib/os-release")
    (root / "opt/kept/file").write_text("kept")
    return root


@pytest.fixture(params=["unshare", "bubblewrap"])
def place(folder: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> RootFs:
    """Run by each means that works here."""
    if request.param == "unshare":
        means, reason = rootfs._means()
        if means != "unshare":
            pytest.skip(f"not by unshare and chroot: {reason or 'only root may'}")
    elif shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed")
    elif trouble := rootfs._fails(
        ("bwrap", "--unshare-all", "--ro-bind", "/", "/", "--proc", "/proc", "true")
    ):
        pytest.skip(f"bubblewrap may not: {trouble}")
    monkeypatch.setattr(rootfs, "_means", lambda: (request.param, ""))
    return RootFs(folder)


def mounts() -> str:
    return Path("/proc/self/mounts").read_text()


def test_what_it_is(folder):
    tiny = RootFs(folder)
    assert tiny.release == "tiny:1.5"
    assert tiny.name.startswith("Tiny ")
    assert tiny.name.isprintable()
    assert tiny.libc == ("", "")


def test_what_is_no_distribution(tmp_path):
    with pytest.raises(RootFsError, match="absent: no folder"):
        RootFs(tmp_path / "absent")
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/os-release").symlink_to("../../../../../../../../etc/os-release")
    with pytest.raises(RootFsError, match="neither an os-release nor a loader"):
        RootFs(tmp_path)
    os.mkfifo(tmp_path / "etc/real")
    (tmp_path / "etc/os-release").unlink()
    (tmp_path / "etc/os-release").symlink_to("real")
    with pytest.raises(RootFsError, match="neither an os-release nor a loader"):
        RootFs(tmp_path)


def test_this_system_says_of_its_glibc_what_is_read_of_it():
    said = subprocess.run(("getconf", "GNU_LIBC_VERSION"), capture_output=True, text=True, check=False).stdout
    if not said.startswith("glibc "):
        pytest.skip("this system's C library is not glibc")
    assert RootFs("/").libc == ("glibc", said.split()[1])


def test_it_is_confined(place, tmp_path):
    before = mounts()
    script = (
        "id -u; id -g; touch /x /etc/x || echo refused; echo runs > /tmp/x; cat /tmp/x; cat /proc/net/dev"
    )
    done = place.run(("sh", "-c", script), timeout_s=20)
    lines = done.stdout.decode().splitlines()
    assert lines[:4] == ["65534", "65534", "refused", "runs"]
    assert {line.split(":")[0].strip() for line in lines[6:]} == {"lo"}
    status = place.run(("cat", "/proc/self/status"), timeout_s=20).stdout.decode().splitlines()
    assert "NoNewPrivs:\t1" in status
    assert "CapEff:\t0000000000000000" in status
    assert mounts() == before


def test_environment_and_input(place, monkeypatch):
    monkeypatch.setenv("SOME_SECRET", "x")
    said = place.run(("env",), timeout_s=20, extra_environment={"MINE": "1"}).stdout.decode()
    assert "MINE=1" in said.splitlines()
    assert "SOME_SECRET" not in said
    data = os.urandom(1_000_000)
    done = place.run(("cat",), timeout_s=20, input_bytes=data)
    assert (done.stdout, done.argv, done.ok) == (data, ("cat",), True)


def test_mounts_at_places_that_it_has_not(place, tmp_path):
    given = tmp_path / "given 'it'"
    given.mkdir()
    (given / "file").write_text("content")
    (tmp_path / "another").mkdir()
    (tmp_path / "another/file").write_text("another")
    script = (
        "cat /deep/er/file /opt/new/file /opt/kept/file /bin/single; ls -d /opt/kept; "
        "touch /deep/er/x 2>/dev/null || echo refused"
    )
    done = place.run(
        ("sh", "-c", script),
        timeout_s=20,
        mounts={given: "/deep/er", given / "file": "/bin/single", tmp_path / "another": "/opt/new"},
    )
    assert done.stdout == b"contentanotherkeptcontent/opt/kept\nrefused\n", done.stderr
    assert sorted(path.name for path in (place.path / "opt").iterdir()) == ["kept"]
    for there in ("relative", "/", "/a/../etc"):
        with pytest.raises(RootFsError, match="not a place for a mount"):
            place.run(("true",), timeout_s=20, mounts={given: there})
    with pytest.raises(RootFsError, match="absent: cannot be mounted"):
        place.run(("true",), timeout_s=20, mounts={tmp_path / "absent": "/x"})


def test_results(place):
    assert place.run(("sh", "-c", "exit 125"), timeout_s=20).returncode == 125
    assert place.run(("sh", "-c", "kill -SEGV $$"), timeout_s=20).returncode == 139
    missing = place.run(("/no/such",), timeout_s=20)
    assert (missing.returncode, b"/no/such" in missing.stderr) == (127, True)
    with pytest.raises(RootFsError, match="no command given"):
        place.run((), timeout_s=20)


def test_hang_and_flood(place):
    before = mounts()
    started = time.monotonic()
    done = place.run(("sh", "-c", "trap '' TERM; sleep 86399 & sleep 86399"), timeout_s=1)
    assert (done.timed_out, time.monotonic() - started < 10) == (True, True)
    flood = place.run(("yes",), timeout_s=20, max_output_bytes=10_000)
    assert (flood.truncated, len(flood.stdout)) == (True, 10_000)
    assert mounts() == before
    assert not [one for one in Path("/proc").glob("[0-9]*/cmdline") if b"86399" in content(one)]


def content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def test_a_fork_bomb_is_limited(folder):
    means, reason = rootfs._means()
    if not means or (means == "bubblewrap" and os.geteuid() == 0):
        pytest.skip(reason or "processes of root are not counted")
    bomb = "f() { f | f & }; f; sleep 1; echo survived"
    done = RootFs(folder).run(("sh", "-c", bomb), timeout_s=5, pids=40, max_output_bytes=1 << 20)
    assert b"fork" in done.stderr


def test_killed_with_its_caller(folder):
    means, reason = rootfs._means()
    if not means:
        pytest.skip(reason)
    before = mounts()
    code = (
        "import sys; from pyassay.places.rootfs import RootFs\n"
        "RootFs(sys.argv[1]).run(('sleep', '86398'), timeout_s=300)"
    )
    process = subprocess.Popen((sys.executable, "-c", code, str(folder)))

    def sleepers() -> list[Path]:
        return [one for one in Path("/proc").glob("[0-9]*/cmdline") if content(one) == b"sleep\x0086398\0"]

    until = time.monotonic() + 20
    while not sleepers() and time.monotonic() < until:
        time.sleep(0.02)
    assert sleepers()
    process.kill()
    process.wait()
    until = time.monotonic() + 5
    while sleepers() and time.monotonic() < until:
        time.sleep(0.02)
    assert not sleepers()
    assert mounts() == before


def test_nothing_to_run_with_is_one_line(folder, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    rootfs._means.cache_clear()
    try:
        with pytest.raises(RootFsError) as raised:
            RootFs(folder).run(("true",), timeout_s=5)
    finally:
        rootfs._means.cache_clear()
    message = str(raised.value)
    assert "nothing can be run in it here" in message
    assert "bubblewrap" in message
    assert message.isprintable()


@pytest.mark.engine
def test_as_an_image(folder, engine):
    with RootFs(folder).as_image(engine) as image:
        assert engine.run(image, ("cat", "/opt/kept/file"), timeout_s=20).stdout == b"kept"
    assert not engine.has_image(image)
