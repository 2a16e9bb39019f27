"""Base images from the host's own mirror: its configuration read, its refusals one line, a real build."""

from __future__ import annotations

import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyassay.places import base_images
from pyassay.places.apt_sources import acquire_options, parse_deb822, parse_one_line, sources
from pyassay.places.base_images import BaseImageError, build

# apt's configuration ---------------------------------------------------------------------------------------


def test_one_line_format():
    found = parse_one_line(
        "# deb http://commented.example/ x main\n"
        "deb http://one.example/debian/ bookworm main contrib # a remark\n"
        "deb-src http://one.example/debian bookworm main\n"
        "deb [arch=amd64 signed-by=/k/A.gpg,/k/b.gpg trusted=yes] https://two.example/x suite/\n"
        "deb cdrom:[Debian]/ bookworm main\n"
        "deb [unclosed http://three.example y main\n"
        "nonsense\n"
    )
    assert [(one.uri, one.suite, one.components) for one in found] == [
        ("http://one.example/debian", "bookworm", ("main", "contrib")),
        ("https://two.example/x", "suite/", ()),
    ]
    assert found[1].signed_by == (Path("/k/A.gpg"), Path("/k/b.gpg"))
    assert (found[0].trusted, found[1].trusted) == (False, True)


def test_deb822_format():
    found = parse_deb822(
        "Types: deb deb-src\n"
        "URIs: http://one.example/debian/ file:/srv/mirror\n"
        "# a remark\n"
        "Suites: trixie\n trixie-updates\n"
        "components: main\n"
        "Signed-By: /k/a.gpg\n"
        "\n"
        "Types: deb\nURIs: http://off.example\nSuites: x\nComponents: main\nEnabled: no\n"
        "\n\n"
        "Types: deb-src\nURIs: http://source.example\nSuites: x\nComponents: main\n"
        "\n"
        "Types: deb\nURIs: https://key.example\nSuites: x\nComponents: main\nTrusted: yes\n"
        "Signed-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mQINBF\n -----END PGP PUBLIC KEY BLOCK-----"
    )
    assert [(one.uri, one.suite) for one in found] == [
        ("http://one.example/debian", "trixie"),
        ("http://one.example/debian", "trixie-updates"),
        ("file:/srv/mirror", "trixie"),
        ("file:/srv/mirror", "trixie-updates"),
        ("https://key.example", "x"),
    ]
    assert found[0].signed_by == (Path("/k/a.gpg"),)
    assert (found[-1].signed_by, found[-1].trusted) == ((), True)


@given(st.text(alphabet=st.sampled_from("deb Types:URIsh/t.p[]=#\n\r\t\0\x85é")))
def test_damaged_configuration_is_no_crash(text):
    parse_one_line(text)
    parse_deb822(text)


def test_folder_of_sources(tmp_path):
    parts = tmp_path / "sources.list.d"
    parts.mkdir()
    (tmp_path / "sources.list").write_text("deb http://a.example x main\n")
    (parts / "b.sources").write_bytes(
        b"Types: deb\nURIs: http://b.example\nSuites: \xff x\nComponents: main\n"
    )
    (parts / "c.list").write_text("deb http://a.example x main\ndeb http://c.example x main\n")
    (parts / "d.list.save").write_text("deb http://d.example x main\n")
    (parts / "e.list").mkdir()
    assert [one.uri for one in sources(tmp_path)] == [
        "http://a.example",
        "http://b.example",
        "http://b.example",
        "http://c.example",
    ]
    assert sources(tmp_path / "absent") == []


def test_how_apt_fetches_here():
    if shutil.which("apt-config") is None:
        assert acquire_options() == []
        pytest.skip("no apt here")
    for line in acquire_options():
        assert line.startswith("Acquire::")
        assert line.endswith('";')


# What cannot be built --------------------------------------------------------------------------------------


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """Serve a folder over HTTP; give it and its address."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def suite(folder: Path, name: str, origin: str) -> None:
    place = folder / "dists" / name
    place.mkdir(parents=True)
    (place / "InRelease").write_text(f"Origin: {origin}\nSuite: stable\nCodename: {name}\nDate: nonsense\n")


def apt_of(tmp_path: Path, *lines: str) -> Path:
    folder = tmp_path / "apt"
    folder.mkdir(exist_ok=True)
    (folder / "sources.list").write_text("".join(f"{line}\n" for line in lines))
    return folder


class NoEngine:
    """For what is refused before an engine is asked for anything but what it has."""

    def has_image(self, name: str) -> bool:
        return False


@pytest.fixture
def bootstrap() -> None:
    try:
        base_images._tool("x")
    except BaseImageError as error:
        pytest.skip(str(error))


def refusal(name: str, **options: object) -> str:
    with pytest.raises(BaseImageError) as raised:
        list(build((name,), NoEngine(), **options))  # type: ignore[arg-type]
    message = str(raised.value)
    assert message.startswith(f"{name}: ") or "\x1b" in name
    assert message.isprintable()
    assert len(message) < 500
    return message


@pytest.mark.parametrize(
    "name",
    [
        "debian",
        "",
        "debian:",
        "Debian:x",
        "a:../x",
        "a:b c",
        "x:\x1b[31m",
        "a:-b",
        "a:b+",
        "a:b+x;y",
        "a:b+-o",
    ],
)
def test_what_is_no_name(name):
    assert "not a name that can be built" in refusal(name)


@pytest.mark.usefixtures("bootstrap")
def test_what_the_mirror_has_not(tmp_path, mirror):
    folder, address = mirror
    suite(folder, "bookworm", "Debian")
    apt = apt_of(tmp_path, f"deb {address} bookworm main")
    assert "has this suite of debian" in refusal("debian:nosuch", apt_folder=apt)
    assert "no mirror in apt's configuration has ubuntu" in refusal("ubuntu:noble", apt_folder=apt)
    # The suite's name is not enough: whose it is counts.
    assert "no mirror in apt's configuration has ubuntu" in refusal("ubuntu:bookworm", apt_folder=apt)


@pytest.mark.usefixtures("bootstrap")
def test_no_mirror_and_none_that_answers(tmp_path, mirror):
    assert "names no mirror" in refusal("debian:trixie", apt_folder=tmp_path)
    apt = apt_of(tmp_path, "deb http://user:secret@127.0.0.1:9/debian bookworm main")
    message = refusal("debian:bookworm", apt_folder=apt)
    assert "the mirror cannot be reached: http://127.0.0.1:9/debian: " in message
    assert "secret" not in message
    # The next one may.
    folder, address = mirror
    suite(folder, "bookworm", "Other")
    apt = apt_of(tmp_path, "deb http://127.0.0.1:9/debian bookworm main", f"deb {address} bookworm main")
    assert "cannot be reached" in refusal("debian:bookworm", apt_folder=apt)


@pytest.mark.usefixtures("bootstrap")
def test_a_proxy_of_the_user_is_asked(tmp_path, mirror, monkeypatch):
    if any("::Proxy" in line for line in acquire_options()):
        pytest.skip("apt has a proxy of its own here")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    folder, address = mirror
    suite(folder, "bookworm", "Debian")
    apt = apt_of(tmp_path, f"deb {address} bookworm main")
    assert "the mirror cannot be reached" in refusal("debian:bookworm", apt_folder=apt)


@pytest.mark.usefixtures("bootstrap")
def test_a_mirror_that_is_not_signed(tmp_path, mirror):
    folder, address = mirror
    suite(folder, "bookworm", "Debian")
    apt = apt_of(tmp_path, f"deb {address} bookworm main")
    message = refusal("debian:bookworm", apt_folder=apt)
    assert "the mirror's signature is by no key that is trusted here" in message
    assert "debian-archive-keyring" in message
    assert "no such keyring" in refusal("debian:bookworm", apt_folder=apt, keyring=tmp_path / "absent.gpg")
    assert not list(Path(base_images.tempfile.gettempdir()).glob("pyassay-image-*/root*"))


def test_without_tools_or_rights(tmp_path, monkeypatch):
    monkeypatch.setattr(base_images, "_SYSTEM_PATH", str(tmp_path))
    assert "neither mmdebstrap nor debootstrap is installed" in refusal("debian:bookworm")
    (tmp_path / "debootstrap").write_text("#!/bin/sh\n")
    (tmp_path / "debootstrap").chmod(0o755)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "debootstrap needs root; mmdebstrap does not" in refusal("debian:bookworm")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("E: Release signed by unknown key (key id 648ACFD622F3D138)", "by no key that is trusted"),
        ("E: Release file for http://m/x is expired (invalid since 3d)", "has expired"),
        ("E: Failed to fetch http://m/pool/x.deb  Could not connect to m:80", "reached any more"),
        ("unshare: unshare failed: Operation not permitted", "may not make mounts"),
        ("E: Cannot install into target '/x' mounted with noexec or nodev", "may not make mounts"),
        ("something else\nE: odd \x1b[31m end", r"debootstrap failed: E: odd \x1b[31m end"),
        ("", "debootstrap failed: it ended without a word"),
    ],
)
def test_why_a_tool_failed(said, expected):
    source = base_images.AptSource("http://m", "x", ("main",))
    message = base_images._why("debian:x", "debian", "debootstrap", said.splitlines(), source)
    assert expected in message
    assert message.isprintable()


def test_a_tool_that_hangs_or_floods_is_ended(tmp_path):
    steps: list[str] = []
    environment = {"PATH": os.environ["PATH"]}
    started = time.monotonic()
    with pytest.raises(BaseImageError, match="x: not built within 1 s"):
        base_images._watch(
            "x", ("sh", "-c", "echo I: one; sleep 86397 & sleep 86397"), environment, 1, steps.append
        )
    assert time.monotonic() - started < 10
    assert steps == ["one"]
    flood = "head -c 5000000 /dev/zero; i=0; while [ $i -lt 500 ]; do echo line $i; i=$((i+1)); done; exit 3"
    said = base_images._watch("x", ("sh", "-c", flood), environment, 60, steps.append)
    assert said is not None
    assert (len(said), said[-1]) == (60, "line 499")
    assert base_images._watch("x", ("true",), environment, 60, steps.append) is None


# A real one ------------------------------------------------------------------------------------------------


@pytest.mark.engine
def test_one_that_is_there_is_left_alone(engine, image):
    if not image.startswith("debian:"):
        pytest.skip("the engine has no Debian image")
    (found,) = build((image,), engine)
    assert (found.is_new, found.duration_s, found.id) == (False, 0, engine.digest(image))
    assert {"libc6", "dpkg", "base-files"} <= set(found.packages)


@pytest.mark.engine
@pytest.mark.slow
@pytest.mark.usefixtures("bootstrap")
@pytest.mark.timeout(300)
def test_killed_in_mid_build_it_leaves_nothing_that_the_next_does_not_remove(engine, tmp_path, monkeypatch):
    code = (
        "from pyassay.places.base_images import build\n"
        "from pyassay.places.container import Engine\n"
        "say = lambda done, total, label: print(label, flush=True)\n"
        "with Engine.connect() as engine:\n"
        "    engine.import_tar = None\n"
        "    list(build(('debian:trixie',), engine, rebuild=True, progress=say))\n"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    tmp_path.chmod(0o755)
    process = subprocess.Popen(
        (sys.executable, "-c", code),
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        if not any("download" in line.lower() or "retrieving" in line.lower() for line in lines):
            pytest.skip(process.communicate()[1].strip().splitlines()[-1])
    finally:
        process.kill()
        process.communicate()
    until = time.monotonic() + 10
    while tools_in(tmp_path) and time.monotonic() < until:
        time.sleep(0.1)
    assert not tools_in(tmp_path)
    assert str(tmp_path) not in Path("/proc/self/mounts").read_text()
    assert list(tmp_path.iterdir())
    monkeypatch.setattr(base_images.tempfile, "tempdir", str(tmp_path))
    base_images._sweep()
    assert not list(tmp_path.iterdir())


def tools_in(folder: Path) -> list[str]:
    """Return the processes that name a folder, or lie in it."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if str(folder).encode() in (process / "cmdline").read_bytes():
                found.append(process.name)
        except OSError:
            continue
    return found


@pytest.mark.engine
@pytest.mark.slow
@pytest.mark.usefixtures("bootstrap")
@pytest.mark.timeout(900)
def test_a_real_build(engine, monkeypatch):
    """Under a name of its own, so that nobody's image is replaced."""
    steps: list[str] = []
    tag = "pyassay-test:built"
    real = engine.import_tar
    monkeypatch.setattr(engine, "import_tar", lambda stream, name, labels: real(stream, tag, labels))
    try:
        (built,) = build(
            ("debian:trixie+netbase",),
            engine,
            rebuild=True,
            progress=lambda done, total, label: steps.append(label),
        )
    except BaseImageError as error:
        if any(
            word in str(error) for word in ("no mirror", "names no mirror", "cannot be reached", "may not")
        ):
            pytest.skip(str(error))
        raise
    try:
        assert built.is_new
        assert built.duration_s > 0
        assert built.packages["libc6"].startswith("2.41")
        assert built.id == engine.digest(tag)
        assert built.packages["netbase"]
        assert steps[0] == "debian:trixie-netbase: asking the mirror"
        assert steps[-1] == "debian:trixie-netbase: done"
        labels = dict(next(one.labels for one in engine.images() if tag in one.tags))
        assert labels["pyassay.base"] == "debian:trixie-netbase"
        assert f"libc6={built.packages['libc6']}" in labels["pyassay.packages"].split()
        # Nothing of this host is in it.
        uris = {one.uri.partition("://")[2].partition("/")[0] for one in sources()} - {""}
        look = (
            "cat /etc/apt/sources.list /etc/apt/sources.list.d/* /etc/apt/apt.conf.d/* /etc/hostname; id -u"
        )
        said = engine.run(tag, ("sh", "-c", look), timeout_s=30).stdout.decode()
        assert said.splitlines()[-1] == "65534"
        assert not [uri for uri in uris if uri in said or uri in json.dumps(labels)]
    finally:
        engine.remove_image(tag)


# The command -----------------------------------------------------------------------------------------------

_COMMAND = "from pyassay.images_command import app; app(prog_name='images')"


def command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (sys.executable, "-c", _COMMAND, *arguments),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, **environment},
    )


def test_command_without_an_engine(tmp_path):
    pytest.importorskip("docker", reason="the Docker SDK for Python is not installed")
    for arguments in (("list",), ("build", "debian:trixie")):
        done = command(*arguments, DOCKER_HOST=f"unix://{tmp_path}/none.sock")
        assert done.returncode == 3
        assert done.stdout == ""
        assert done.stderr.splitlines()[-1].startswith("pyassay: no Docker engine runs at ")
        assert "Traceback" not in done.stderr
    done = command("build", "--json", "debian:trixie", DOCKER_HOST=f"unix://{tmp_path}/none.sock")
    assert json.loads(done.stdout)["images"] == []
    assert len(json.loads(done.stdout)["not_built"]) == 1


@pytest.mark.engine
def test_command_lists_and_builds(engine, image):
    listed = command("list")
    assert (listed.returncode, image in listed.stdout) == (0, True)
    document = json.loads(command("list", "--json").stdout)
    (found,) = [one for one in document["images"] if image in one["tags"]]
    assert found["id"] == engine.digest(image)
    if image.startswith("debian:"):
        done = command("build", image, "nonsense")
        assert done.returncode == 3
        assert "was there" in done.stdout
        assert "pyassay: nonsense: not a name" in done.stderr


def test_a_long_list_of_packages_makes_a_tag_that_an_engine_takes() -> None:
    assert base_images.image_name("debian:bookworm") == "debian:bookworm"
    assert base_images.image_name("debian:bookworm+g++,libc6-dev") == "debian:bookworm-g---libc6-dev"
    packages = ",".join(f"libsomething{number}-dev" for number in range(20))
    one = base_images.image_name(f"debian:bookworm+{packages}")
    other = base_images.image_name(f"debian:bookworm+{packages},more")
    assert one != other, "what was cut off must still tell them apart"
    for name in (one, other):
        assert re.fullmatch(r"debian:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", name)
