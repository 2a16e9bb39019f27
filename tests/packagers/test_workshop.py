"""The place of a build: what its commands see, what they take, and what is left."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyassay.packagers.cache import BusyError, digest_of_files, digest_of_words, locked, remove
from pyassay.packagers.last_words import hide_addresses, telling_line
from pyassay.packagers.model import BuildError
from pyassay.packagers.workshop import Workshop


@pytest.fixture
def workshop(tmp_path: Path) -> Iterator[Workshop]:
    with Workshop.open(
        tmp_path / "cache", build_key="one", timeout_s=60, source_date_epoch=1700000000
    ) as one:
        yield one


def python(workshop: Workshop, code: str, **settings: object) -> str:
    return workshop.run([sys.executable, "-c", code], **settings).stdout  # type: ignore[arg-type]


def test_users_settings_do_not_reach_a_build(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PIP_INDEX_URL", "PYTHONPATH", "UV_INDEX", "CC", "PIP_FIND_LINKS", "LD_PRELOAD_NOT"):
        monkeypatch.setenv(name, "leaked")
    seen = json.loads(python(workshop, "import json, os; print(json.dumps(dict(os.environ)))"))
    assert "leaked" not in seen.values()
    assert seen["HOME"] == str(workshop.folder / "home")
    assert seen["TMPDIR"] == str(workshop.folder / "tmp")
    assert seen["SOURCE_DATE_EPOCH"] == "1700000000"
    assert (seen["PIP_CONFIG_FILE"], seen["PIP_NO_INDEX"]) == ("/dev/null", "1")


def test_downloads_know_where_pip_finds_packages_and_nothing_else(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "https://index.invalid/simple")
    monkeypatch.setenv("PIP_TARGET", "/elsewhere")
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    code = "import json, os; print(json.dumps(dict(os.environ)))"
    seen = json.loads(python(workshop, code, network=True))
    assert seen["HOME"] == os.environ["HOME"]
    assert seen["PIP_INDEX_URL"] == "(address)"
    assert "/elsewhere" not in seen.values()
    assert seen["PIP_CACHE_DIR"].startswith(str(workshop.cache))


def test_builds_have_a_loopback_and_no_other_network(workshop: Workshop) -> None:
    code = (
        "import socket; print(*(name for _, name in socket.if_nameindex()));"
        "server = socket.create_server(('127.0.0.1', 0));"
        "socket.create_connection(server.getsockname(), 5); print('talks')"
    )
    names, talks = python(workshop, code).splitlines()
    assert talks == "talks"
    if "takes no network away" in workshop.log.read_text():
        pytest.skip("this kernel lets nobody leave the network")
    assert names == "lo"


def test_cpu_and_memory_of_children_are_measured(workshop: Workshop) -> None:
    grandchild = "x = bytearray(200 << 20); i = 0\nwhile i < 3_000_000: i += 1"
    ran = workshop.run(
        [
            sys.executable,
            "-c",
            f"import subprocess, sys; subprocess.run([sys.executable, '-c', {grandchild!r}])",
        ]
    )
    assert ran.peak_rss_bytes > 200 << 20
    assert 0.05 < ran.cpu_s < ran.duration_s * 4
    idle = workshop.run(["sleep", "0.5"])
    assert idle.cpu_s < 0.1
    assert idle.duration_s >= 0.5
    assert idle.peak_rss_bytes < 40 << 20
    assert workshop.usage.cpu_s == pytest.approx(ran.cpu_s + idle.cpu_s)
    assert workshop.usage.peak_rss_bytes == ran.peak_rss_bytes


def test_one_that_hangs_is_ended_with_all_of_its_children(workshop: Workshop, tmp_path: Path) -> None:
    pids = tmp_path / "pid"
    started = time.monotonic()
    with pytest.raises(BuildError, match=r"^sh: not done after 1 s, ended"):
        workshop.run(["sh", "-c", f"sleep 77 & echo $! > {pids}; wait"], timeout_s=1)
    assert time.monotonic() - started < 10
    # Its init may be slow to reap it, or do it never.
    status = Path(f"/proc/{pids.read_text().strip()}/status")
    assert not status.exists() or "\nState:\tZ" in status.read_text()
    assert workshop.timed_out


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (["no-such-program"], "no-such-program: exit status 127: no-such-program: No such file or directory"),
        (["sh", "-c", "exit 4"], "sh: exit status 4"),
        (["sh", "-c", "echo 'x.c:1:2: fatal error: curl/curl.h: No such file' >&2; echo note: >&2; exit 1"],
         "sh: exit status 1: x.c:1:2: fatal error: curl/curl.h: No such file"),
        (["sh", "-c", "kill -9 $$"], "sh: exit status 137"),
        ([sys.executable, "-m", "no_such_module"],
         f"no_such_module: exit status 1: {sys.executable}: No module named no_such_module"),
    ],
)  # fmt: skip
def test_a_failure_is_one_line(workshop: Workshop, argv: list[str], line: str) -> None:
    with pytest.raises(BuildError) as failed:
        workshop.run(argv)
    assert str(failed.value) == line
    assert argv[0] in workshop.log.read_text()


def test_output_that_is_no_text_is_kept_readable(workshop: Workshop) -> None:
    assert workshop.run(["printf", r"\377\n"]).stdout == "\\xff\n"
    assert "\\xff" in workshop.log.read_text()


def test_scratch_goes_and_the_artifact_stays(tmp_path: Path) -> None:
    with Workshop.open(tmp_path, build_key="one", timeout_s=60) as workshop:
        workshop.run(["sh", "-c", "mkdir a; touch a/b; chmod 500 a"])
        (workshop.output / "artifact").write_text("made")
    assert not workshop.folder.exists()
    assert (workshop.output / "artifact").read_text() == "made"
    with Workshop.open(tmp_path, build_key="one", timeout_s=60, attempt=2) as again:
        assert again.folder == workshop.folder
        assert again.output != workshop.output
    assert (workshop.output / "artifact").exists()


def test_two_processes_make_the_same_one_after_the_other(tmp_path: Path) -> None:
    code = f"""
import time
from pathlib import Path
from pyassay.packagers.workshop import Workshop
with Workshop.open(Path({str(tmp_path)!r}), build_key="one", timeout_s=60) as workshop:
    print(time.monotonic()); time.sleep(0.5); print(time.monotonic())
"""
    both = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    spans = sorted(tuple(map(float, one.communicate(timeout=60)[0].split())) for one in both)
    assert spans[0][1] <= spans[1][0]


def test_a_lock_is_not_waited_for_without_end(tmp_path: Path) -> None:
    with (
        locked(tmp_path / "a.lock", timeout_s=1),
        pytest.raises(BusyError, match=r"^a: another process"),
        locked(tmp_path / "a.lock", timeout_s=0.2),
    ):
        pass


def test_digests_tell_names_from_bytes(tmp_path: Path) -> None:
    assert digest_of_words(["ab", "c"]) != digest_of_words(["a", "bc"])
    (tmp_path / "a").write_text("x")
    before = digest_of_files(tmp_path)
    (tmp_path / "a").rename(tmp_path / "b")
    renamed = digest_of_files(tmp_path)
    (tmp_path / "b").chmod(0o755)
    assert len({before, renamed, digest_of_files(tmp_path)}) == 3
    (tmp_path / "loop").symlink_to(".")
    assert digest_of_files(tmp_path)
    remove(tmp_path / "loop")
    assert (tmp_path / "b").exists()


def test_what_pip_says_around_an_error_is_not_the_error() -> None:
    said = """
      building 'pycurl' extension
      src/pycurl.h:1:10: fatal error: curl/curl.h: No such file or directory
      error: command '/usr/bin/gcc' failed with exit code 1
      [end of output]
  note: This error originates from a subprocess, and is likely not a problem with pip.
  ERROR: Failed building wheel for pycurl
ERROR: Failed to build one or more wheels
"""
    assert telling_line(said) == "src/pycurl.h:1:10: fatal error: curl/curl.h: No such file or directory"
    assert telling_line("", "ValueError: no\n") == "ValueError: no"
    assert telling_line("\n", "") == ""
    assert telling_line("\x1b[31mError: red\x1b[0m\x07") == "Error: red\\x07"
    assert len(telling_line("E" * 10_000)) < 400
    assert hide_addresses("get https://user:word@host.invalid/simple/x failed") == "get (address) failed"
    assert hide_addresses("HTTPSConnectionPool(host='host.invalid', port=443)").count("host.invalid") == 0


@pytest.mark.slow
def test_an_environment_is_made_once_and_says_what_is_in_it(tmp_path: Path) -> None:
    base = Path(getattr(sys, "_base_executable", sys.executable))
    with Workshop.open(tmp_path, build_key="one", timeout_s=120) as workshop:
        made = workshop.environment(["click==8.1.8"], base)
        assert made.versions["click"] == "8.1.8"
        assert made.size_bytes > 300_000
        assert workshop.usage.cpu_s == 0
        assert workshop.commands == []
        started = time.monotonic()
        assert workshop.environment(["click==8.1.8"], base) == made
        assert time.monotonic() - started < 0.5
        said = workshop.run([made.python, "-I", "-c", "import click; print(click.__file__)"]).stdout
        assert said.startswith(str(made.bin.parent))
