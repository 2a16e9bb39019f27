"""Containers: confined, bounded, and gone afterwards, whatever happens."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tarfile
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyassay.places.container import (
    Engine,
    EngineError,
    EngineGoneError,
    ImageAbsentError,
    NoEngineError,
)
from pyassay.places.container_owners import RUN_LABEL, creator_is_gone, owner_labels
from pyassay.places.container_streams import Framing

engine_needed = pytest.mark.engine


def made_by(engine: Engine, pid: int) -> dict[str, str]:
    """Return id and state of the containers that a process has made; other runs may use the engine, too."""
    return {one["Id"]: one["State"] for one in engine._containers(f"pyassay.pid={pid}")}


def volumes_of(engine: Engine, pid: int) -> set[str]:
    found = engine._client.volumes({"label": f"pyassay.pid={pid}"})["Volumes"] or ()
    return {one["Name"] for one in found}


def ours(engine: Engine) -> set[str]:
    return set(made_by(engine, os.getpid()))


def until(condition, within_s: float = 20.0) -> bool:
    end = time.monotonic() + within_s
    while not (found := condition()) and time.monotonic() < end:
        time.sleep(0.02)
    return bool(found)


@pytest.fixture
def nothing_left(engine: Engine) -> Iterator[None]:
    before = ours(engine)
    yield
    assert ours(engine) <= before
    assert not volumes_of(engine, os.getpid())


# What it does ----------------------------------------------------------------------------------------------


@engine_needed
@pytest.mark.usefixtures("nothing_left")
def test_result_of_an_orderly_command(engine, image):
    done = engine.run(image, ("sh", "-c", "echo out; echo err >&2; exit 3"), timeout_s=20)
    assert (done.returncode, done.stdout, done.stderr) == (3, b"out\n", b"err\n")
    assert (done.ok, done.timed_out, done.truncated, done.out_of_memory) == (False,) * 4
    assert 0 < done.duration_s < 20
    assert engine.run(image, ("true",), timeout_s=20).ok


@engine_needed
@pytest.mark.usefixtures("nothing_left")
def test_input_larger_than_any_buffer_comes_back_whole(engine, image):
    data = os.urandom(3_000_000)
    assert engine.run(image, ("cat",), timeout_s=60, input_bytes=data).stdout == data
    assert engine.run(image, ("true",), timeout_s=60, input_bytes=data).ok
    assert engine.run(image, ("cat",), timeout_s=20).stdout == b""


@engine_needed
@pytest.mark.usefixtures("nothing_left")
def test_a_signal_and_what_cannot_be_started(engine, image):
    assert engine.run(image, ("sh", "-c", "kill -SEGV $$"), timeout_s=20).returncode == 139
    missing = engine.run(image, ("/no/such",), timeout_s=20)
    assert missing.returncode == 127
    assert b"/no/such" in missing.stderr
    with pytest.raises(EngineError, match="no command given"):
        engine.run(image, (), timeout_s=20)


@engine_needed
def test_it_is_confined(engine, image, monkeypatch):
    monkeypatch.setenv("SOME_SECRET", "x")
    script = """
        id -u; id -g
        ls /sys/class/net
        touch /x 2>/dev/null || echo read-only
        printf '#!/bin/sh\\necho tmp runs\\n' > /tmp/x && chmod 755 /tmp/x && /tmp/x
        cat /proc/self/status
        env
    """
    said = engine.run(
        image, ("sh", "-c", textwrap.dedent(script)), timeout_s=20, extra_environment={"MINE": "1"}
    ).stdout.decode()
    lines = said.splitlines()
    assert lines[:5] == ["65534", "65534", "lo", "read-only", "tmp runs"]
    for wanted in ("CapBnd:\t0000000000000000", "CapEff:\t0000000000000000", "NoNewPrivs:\t1", "MINE=1"):
        assert wanted in lines
    assert "TMPDIR=/tmp" in lines
    assert "SOME_SECRET" not in said


@engine_needed
def test_mounts_are_read_only(engine, image, tmp_path):
    folder = tmp_path / "a folder"
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    (folder / "file").write_text("content")
    file = tmp_path / "single"
    file.write_text("one")
    script = "cat /deep/er/file /single; touch /deep/er/new 2>/dev/null || echo refused"
    done = engine.run(
        image, ("sh", "-c", script), timeout_s=20, mounts={folder: "/deep/er", str(file): "/single"}
    )
    assert done.stdout == b"contentonerefused\n"
    assert [path.name for path in folder.iterdir()] == ["file"]


@engine_needed
@pytest.mark.usefixtures("nothing_left")
def test_what_is_mounted_in_the_private_folder_of_root_can_be_read(engine, image, tmp_path):
    tmp_path.chmod(0o755)
    (tmp_path / "file").write_text("content")
    script = "cat /root/.python/versions/file; touch /root/x 2>/dev/null || echo refused"
    done = engine.run(image, ("sh", "-c", script), timeout_s=20, mounts={tmp_path: "/root/.python/versions"})
    assert done.stdout == b"contentrefused\n"
    with engine.session(image, {tmp_path: "/root/.python"}) as session:
        assert session.run(("cat", "/root/.python/file"), timeout_s=20).stdout == b"content"


@engine_needed
def test_mounts_that_cannot_be_are_said_at_once(engine, image, tmp_path):
    secret = tmp_path / "secret"
    secret.mkdir(mode=0o700)
    with pytest.raises(EngineError, match=r"secret: the container's user 65534 may not read it \(mode 700\)"):
        engine.run(image, ("true",), timeout_s=20, mounts={secret: "/x"})
    with pytest.raises(EngineError, match="absent: cannot be mounted: No such file or directory"):
        engine.run(image, ("true",), timeout_s=20, mounts={tmp_path / "absent": "/x"})
    for there in ("relative", "/", "/a/../etc", "/a\0b"):
        with pytest.raises(EngineError, match="not a place for a mount"):
            engine.run(image, ("true",), timeout_s=20, mounts={tmp_path: there})


@engine_needed
def test_images_and_their_digests(engine, image):
    found = next(one for one in engine.images() if image in one.tags)
    assert found.id == engine.digest(image)
    assert found.id.startswith("sha256:")
    assert (found.os, found.size_bytes > 100_000, found.created.tzinfo is not None) == ("linux", True, True)
    assert engine.has_image(image)
    assert not engine.has_image("pyassay-nowhere:1")


@engine_needed
def test_an_absent_image_is_named(engine):
    for call in (
        lambda: engine.run("pyassay-nowhere:1", ("true",), timeout_s=5),
        lambda: engine.export("pyassay-nowhere:1").__enter__(),
        lambda: engine.session("pyassay-nowhere:1").__enter__(),
        lambda: engine.digest("pyassay-nowhere:1"),
    ):
        with pytest.raises(ImageAbsentError) as raised:
            call()
        message = str(raised.value)
        assert message.startswith("pyassay-nowhere:1: ")
        assert "docker pull pyassay-nowhere:1" in message
        assert "pyassay images build" in message
    for name in ("", "two words", "UPPER", "a:b:c", "x\x1b[31m"):
        with pytest.raises(EngineError) as raised:
            engine.digest(name)
        assert str(raised.value).isprintable()


@engine_needed
@pytest.mark.usefixtures("nothing_left")
def test_export_is_a_stream_of_the_root_file_system(engine, make_image):
    image = make_image({"etc": None, "etc/os-release": b"ID=tiny\n", "link": "etc/os-release"})
    with engine.export(image) as stream:
        assert not stream.seekable()
        with tarfile.open(fileobj=stream, mode="r|") as archive:
            found = {member.name: archive.extractfile(member) for member in archive if member.isfile()}
    assert "etc/os-release" in found
    # Left half read.
    with engine.export(image) as stream:
        assert len(stream.read(512)) == 512


@engine_needed
@pytest.mark.usefixtures("nothing_left")
def test_image_with_volumes_health_check_and_entry_point(engine, static_busybox, make_image):
    base = make_image({"bin": None, "data": None, "bin/sh": static_busybox, "data/kept": b"kept"})
    changes = ["VOLUME /data", 'ENTRYPOINT ["/bin/false"]', 'ENV SPECIAL="of the image"']
    tag = f"{base}-x"
    container = engine._client.create_container(base, "sh")
    try:
        engine._client.commit(container, *tag.split(":"), changes=changes)
    finally:
        engine._client.remove_container(container)
    try:
        volumes = {one["Name"] for one in engine._client.volumes()["Volumes"] or ()}
        script = "read x < /data/kept || true; echo $x $SPECIAL; (: > /data/new) || echo refused"
        done = engine.run(tag, ("sh", "-c", script), timeout_s=20)
        assert done.stdout == b"kept of the image\nrefused\n"
        assert {one["Name"] for one in engine._client.volumes()["Volumes"] or ()} == volumes
    finally:
        engine.remove_image(tag)


# Limits ----------------------------------------------------------------------------------------------------


@engine_needed
@pytest.mark.usefixtures("nothing_left")
def test_a_hang_is_killed(engine, image):
    started = time.monotonic()
    done = engine.run(image, ("sh", "-c", "trap '' TERM INT; echo here; sleep 300"), timeout_s=1)
    assert time.monotonic() - started < 10
    assert (done.timed_out, done.ok, done.stdout, done.returncode) == (True, False, b"here\n", 137)
    assert done.duration_s == pytest.approx(1, abs=0.8)


@engine_needed
@pytest.mark.usefixtures("nothing_left")
def test_a_flood_is_cut_off_while_it_comes(engine, image):
    started = time.monotonic()
    done = engine.run(image, ("yes",), timeout_s=60, max_output_bytes=100_000)
    assert time.monotonic() - started < 20
    assert (done.truncated, len(done.stdout), done.ok) == (True, 100_000, False)


@engine_needed
@pytest.mark.usefixtures("nothing_left")
def test_a_fork_bomb_is_limited(engine, image):
    bomb = "f() { f | f & }; f; sleep 2; echo survived"
    done = engine.run(image, ("sh", "-c", bomb), timeout_s=8, pids=40, max_output_bytes=1 << 20)
    assert b"ork" in done.stderr or done.timed_out or done.truncated
    assert engine.run(image, ("true",), timeout_s=20).ok


@engine_needed
@pytest.mark.usefixtures("nothing_left")
def test_memory_is_limited_and_so_is_what_lies_in_tmp(engine, image):
    fill = "head -c 300000000 /dev/zero > /tmp/x; echo $?"
    done = engine.run(image, ("sh", "-c", fill), timeout_s=60, memory_bytes=64 << 20)
    assert done.stdout != b"0\n"
    assert done.out_of_memory
    # head buffers nothing, so it lives with as little.
    assert engine.run(image, ("true",), timeout_s=60, memory_bytes=64 << 20).ok


# Sessions --------------------------------------------------------------------------------------------------


@engine_needed
@pytest.mark.usefixtures("nothing_left")
def test_session_runs_one_command_after_the_other(engine, image, tmp_path):
    tmp_path.chmod(0o755)
    (tmp_path / "file").write_text("mounted")
    with engine.session(image, {tmp_path: "/m"}) as session:
        assert session.run(("cat", "/m/file"), timeout_s=20).stdout == b"mounted"
        # Quick ones: their output must not be lost with the headers that come with it.
        for number in range(15):
            done = session.run(("echo", str(number)), timeout_s=20)
            assert (done.ok, done.stdout) == (True, f"{number}\n".encode())
        failed = session.run(("sh", "-c", "echo e >&2; exit 5"), timeout_s=20)
        assert (failed.returncode, failed.stderr) == (5, b"e\n")
        data = os.urandom(2_000_000)
        assert session.run(("cat",), timeout_s=60, input_bytes=data).stdout == data
        done = session.run(
            ("sh", "-c", "id -u; pwd; echo $A $LANG"), timeout_s=20, extra_environment={"A": "b"}, cwd="/tmp"
        )
        assert done.stdout == b"65534\n/tmp\nb C.UTF-8\n"
        missing = session.run(("/no/such",), timeout_s=20)
        assert (missing.returncode, missing.stdout, b"/no/such" in missing.stderr) == (127, b"", True)
        assert session.renewals == 0


@engine_needed
@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize(
    ("script", "limits", "expected"),
    [
        ("sleep 300", {"timeout_s": 0.7}, {"timed_out": True, "returncode": 137}),
        ("yes", {"timeout_s": 30, "max_output_bytes": 50_000}, {"truncated": True, "returncode": 137}),
        ("sleep 300 & echo left", {"timeout_s": 30}, {"stdout": b"left\n", "returncode": 0}),
        ("kill -9 -1; sleep 5", {"timeout_s": 30}, {"timed_out": False}),
    ],
)
def test_session_survives_what_a_command_does(engine, image, script, limits, expected):
    with engine.session(image) as session:
        assert session.run(("true",), timeout_s=20).ok
        started = time.monotonic()
        done = session.run(("sh", "-c", script), **limits)
        assert time.monotonic() - started < 15
        assert {key: getattr(done, key) for key in expected} == expected
        after = session.run(("sh", "-c", "ls /tmp; echo fine"), timeout_s=20)
        assert (after.stdout, after.returncode) == (b"fine\n", 0)
        assert session.renewals == 1
        assert session.run(("echo", "again"), timeout_s=20).stdout == b"again\n"


@engine_needed
@pytest.mark.usefixtures("nothing_left")
def test_session_in_an_image_that_has_nothing_to_keep_it_alive(engine, static_busybox, make_image):
    image = make_image({"echo": static_busybox, "bin": None, "bin/sleep": b"no program\n"})
    with engine.session(image) as session:
        for _ in range(3):
            assert session.run(("/echo", "hello"), timeout_s=20).stdout == b"hello\n"


# Whatever happens, it is removed ---------------------------------------------------------------------------

_HANGING = """
import sys
from pyassay.places.container import Engine
with Engine.connect() as engine:
    if sys.argv[2] == "run":
        engine.run(sys.argv[1], ("sleep", "300"), timeout_s=300, mounts={"/usr/share": "/root/x"})
    elif sys.argv[2] == "session":
        with engine.session(sys.argv[1]) as session:
            session.run(("sleep", "300"), timeout_s=300)
    else:
        with engine.export(sys.argv[1]) as stream:
            import time
            time.sleep(300)
"""


@contextlib.contextmanager
def hanging(engine: Engine, image: str, how: str) -> Iterator[subprocess.Popen[bytes]]:
    """Start another process, and wait until it has a container."""
    process = subprocess.Popen((sys.executable, "-c", _HANGING, image, how), stderr=subprocess.PIPE)
    wanted = ["created" if how == "export" else "running"]
    try:
        assert until(lambda: list(made_by(engine, process.pid).values()) == wanted)
        time.sleep(0.2)
        yield process
    finally:
        process.kill()
        process.communicate()
        engine.sweep()


@engine_needed
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("how", ["run", "session", "export"])
def test_removed_after_a_signal(engine, image, how, number):
    with hanging(engine, image, how) as process:
        process.send_signal(number)
        process.wait(20)
        assert process.returncode != 0
        assert not made_by(engine, process.pid)
        assert not volumes_of(engine, process.pid)


@engine_needed
def test_a_later_run_sweeps_up_after_a_crash_but_not_what_is_in_use(engine, image):
    with hanging(engine, image, "session") as alive, hanging(engine, image, "run") as dead:
        dead.kill()
        dead.wait()
        assert made_by(engine, dead.pid)
        assert volumes_of(engine, dead.pid)
        with Engine.connect() as later:
            assert later.swept >= 1
        assert not made_by(engine, dead.pid)
        assert not volumes_of(engine, dead.pid)
        assert list(made_by(engine, alive.pid).values()) == ["running"]


@engine_needed
@pytest.mark.usefixtures("nothing_left")
def test_removed_after_an_exception(engine, image):
    def fail_in_a_session() -> None:
        with engine.session(image) as session:
            session.run(("true",), timeout_s=20)
            raise ZeroDivisionError

    def fail_in_an_export() -> None:
        with engine.export(image):
            raise ZeroDivisionError

    for fail in (fail_in_a_session, fail_in_an_export):
        with pytest.raises(ZeroDivisionError):
            fail()


def test_whose_a_container_is():
    labels, now = owner_labels("x"), time.time()
    assert labels[RUN_LABEL] == "x"
    assert not creator_is_gone(labels, now - 10**6)
    child = subprocess.Popen(("sleep", "0"))
    child.wait()
    assert creator_is_gone({**labels, "pyassay.pid": str(child.pid)}, now)
    # A number that is used again.
    assert creator_is_gone({**labels, "pyassay.started": "1"}, now)
    # The same machine, started anew; another machine; another container's numbers.
    assert creator_is_gone({**labels, "pyassay.boot": "another"}, now)
    foreign = {**labels, "pyassay.boot": "another", "pyassay.host": "another"}
    assert not creator_is_gone(foreign, now - 3600)
    assert creator_is_gone(foreign, now - 48 * 3600)
    assert not creator_is_gone({**labels, "pyassay.pid_namespace": "pid:[1]"}, now - 3600)
    for damage in ({}, {"pyassay.pid": "²"}, {"pyassay.pid": "9" * 400}, {"pyassay.pid": "-1"}):
        assert creator_is_gone({**(labels if damage else {}), **damage}, now - 48 * 3600)


# No engine, or not for long --------------------------------------------------------------------------------


def one_line_of(call) -> str:
    with pytest.raises(EngineError) as raised:
        call()
    message = str(raised.value)
    assert message.isprintable()
    assert len(message) < 600
    return message


@pytest.fixture
def sdk() -> None:
    pytest.importorskip("docker", reason="the Docker SDK for Python is not installed")


@pytest.mark.usefixtures("sdk")
def test_no_engine(tmp_path, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    message = one_line_of(Engine.connect)
    assert message.startswith(f"no Docker engine runs at unix://{tmp_path}/none.sock: install one")
    assert "DOCKER_HOST" in message
    # A socket that nobody listens at.
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{tmp_path}/dead.sock")
    assert "no Docker engine runs at" in one_line_of(lambda: Engine.connect(f"unix://{tmp_path}/dead.sock"))
    for nonsense in (
        "nonsense",
        "tcp://",
        "http://[",
        "npipe:////x",
        "unix://a\x1b[31m",
        "ssh://",
    ):
        monkeypatch.setenv("DOCKER_HOST", nonsense)
        with pytest.raises(NoEngineError):
            Engine.connect()


def test_no_sdk():
    code = (
        "import sys; sys.modules['docker'] = None\n"
        "from pyassay.places.container import Engine, NoEngineError\n"
        "try: Engine.connect()\n"
        "except NoEngineError as error: print(error)"
    )
    said = subprocess.run((sys.executable, "-c", code), capture_output=True, text=True, check=True).stdout
    assert "is not installed: pip install 'pyassay[docker]'" in said
    assert said.count("\n") == 1


@pytest.mark.usefixtures("sdk")
def test_no_permission_on_the_socket(tmp_path):
    path = tmp_path / "engine.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        path.chmod(0)
        if os.geteuid() != 0:
            message = one_line_of(lambda: Engine.connect(f"unix://{path}"))
        else:
            message = said_by_nobody(f"unix://{path}", tmp_path)
    assert message.startswith(f"no permission on the Docker engine's socket unix://{path}: ")


def said_by_nobody(address: str, folder: Path) -> str:
    """Connect as another user: what needs importing has been, so it need not be able to read our files."""
    with contextlib.suppress(NoEngineError):
        Engine.connect(f"unix://{folder}/none.sock")
    for one in (folder, *folder.parents[:3]):
        if one.stat().st_uid == os.getuid() and one.name.startswith(("pytest-", "test_")):
            one.chmod(0o755)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            Engine.connect(address)
            os.write(writer, b"connected")
        except BaseException as error:  # noqa: BLE001 - a child of a test must not go on with the tests
            os.write(writer, str(error).encode())
        finally:
            os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    with os.fdopen(reader, "rb") as pipe:
        return pipe.read().decode()


class Wire:
    """A socket that passes everything on to the engine's, until it is cut."""

    def __init__(self, path: Path, target: str | None) -> None:
        self.path, self._target = path, target
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                here, _ = self._listener.accept()
                self._open.append(here)
                if self._target is None:
                    here.close()
                    continue
                there = socket.socket(socket.AF_UNIX)
                there.connect(self._target)
                self._open.append(there)
                for pair in ((here, there), (there, here)):
                    threading.Thread(target=self._pass_on, args=pair, daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def cut(self) -> None:
        self.path.unlink(missing_ok=True)
        for one in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


@pytest.mark.usefixtures("sdk")
def test_a_socket_that_closes_or_says_nothing(tmp_path):
    wire = Wire(tmp_path / "closing.sock", None)
    assert "no Docker engine answers at" in one_line_of(lambda: Engine.connect(f"unix://{wire.path}"))
    wire.cut()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{tmp_path}/mute.sock")
        listener.listen()
        started = time.monotonic()
        message = one_line_of(lambda: Engine.connect(f"unix://{tmp_path}/mute.sock", answer_s=0.5))
        assert "no Docker engine answers at" in message
        assert time.monotonic() - started < 10


@pytest.fixture
def wire(engine: Engine, tmp_path: Path) -> Iterator[Wire]:
    """Give a wire to the engine; containers that are lost when it is cut are removed."""
    if not engine.address.startswith("unix://"):
        pytest.skip(f"the engine is not at a socket: {engine.address}")
    before = ours(engine)
    wire = Wire(tmp_path / "wire.sock", engine.address.removeprefix("unix://"))
    yield wire
    wire.cut()
    for container in ours(engine) - before:
        engine._remove(container)


@engine_needed
@pytest.mark.parametrize("how", ["run", "session"])
def test_engine_gone_in_mid_run(engine, image, wire, how):
    before = ours(engine)
    with Engine.connect(f"unix://{wire.path}") as through:

        def cut() -> None:
            until(lambda: ours(engine) - before)
            time.sleep(1)
            wire.cut()

        def sleep() -> None:
            if how == "run":
                through.run(image, ("sleep", "60"), timeout_s=60)
            else:
                with through.session(image) as session:
                    session.run(("sleep", "60"), timeout_s=60)

        cutter = threading.Thread(target=cut)
        cutter.start()
        started = time.monotonic()
        with pytest.raises(EngineGoneError, match=r": sleep cannot be run: the Docker engine went away"):
            sleep()
        cutter.join()
        assert time.monotonic() - started < 15
        for call in (
            through.images,
            lambda: through.digest(image),
            lambda: through.export(image).__enter__(),
        ):
            assert "the Docker engine went away" in one_line_of(call)
        assert through.sweep() == 0


@engine_needed
def test_engine_gone_in_mid_export(engine, image, wire):
    with Engine.connect(f"unix://{wire.path}") as through:

        def read_all() -> None:
            with through.export(image) as stream:
                stream.read(1000)
                wire.cut()
                while stream.read(1 << 20):
                    pass

        assert f"{image}: cannot be exported: the Docker engine went away" in one_line_of(read_all)


# The frames ------------------------------------------------------------------------------------------------


@given(
    frames=st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(max_size=40))),
    cuts=st.lists(st.integers(1, 30), min_size=1),
    limit=st.integers(0, 100),
)
def test_frames_cut_anywhere_come_out_whole_up_to_the_limit(frames, cuts, limit):
    wire = b"".join(bytes([kind, 0, 0, 0]) + len(data).to_bytes(4, "big") + data for kind, data in frames)
    framing, position, turn = Framing(limit), 0, 0
    while position < len(wire):
        step = cuts[turn % len(cuts)]
        framing.feed(wire[position : position + step])
        position, turn = position + step, turn + 1
    whole = {kind: b"".join(data for one, data in frames if one == kind) for kind in (1, 2)}
    assert {kind: bytes(held) for kind, held in framing.output.items()} == {
        kind: data[:limit] for kind, data in whole.items()
    }
    assert framing.truncated == any(len(data) > limit for data in whole.values())
