"""Downloads of Python: a real uv installs a real Python from a mirror on loopback, and from nowhere else."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from corpus.installer_bench import PIP, UV, answered, bench_of
from pyassay.probes.installers import pythons
from pyassay.probes.installers.catalogue import catalogue
from pyassay.probes.installers.python_copy import PythonCopy
from pyassay.probes.installers.python_releases import Releases, serve_releases
from pyassay.subjects.model import Interpreter

CLAIMS = ("python_mirror_list", "python_tampered", "pypy_variable", "upgrade_reaches_patch", "rebuilt_python")
Rows = dict[tuple[str, str], dict[str, Any]]


@pytest.fixture(scope="module")
def rows(running_interpreter: Interpreter, tmp_path_factory: pytest.TempPathFactory) -> Rows:
    return answered(pythons, bench_of(running_interpreter, tmp_path_factory.mktemp("pythons"), *CLAIMS))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("claim", "answer"),
    [
        ("python_mirror_list", "installs"),
        ("python_tampered", "refused"),
        ("pypy_variable", "own"),
        ("upgrade_reaches_patch", "stays"),
        # What uv 0.9.30 did: the newer build's number beside the older build's files.
        ("rebuilt_python", "only_noted"),
    ],
)
def test_what_a_real_uv_does(rows: Rows, claim: str, answer: str) -> None:
    row = rows[claim, UV]
    assert (row["answer"], row["reason"]) == (answer, "")
    assert rows[claim, PIP]["answer"] == "not applicable"


@pytest.mark.slow
def test_the_shown_command_can_be_repeated(rows: Rows) -> None:
    row = rows["python_mirror_list", UV]
    assert row["command"].startswith("UV_PYTHON_INSTALL_MIRROR=http://mirror UV_PYTHON_DOWNLOADS_JSON_URL=")
    assert "PROXY" not in row["command"]
    assert "Hash mismatch" in rows["python_tampered", UV]["seen"]


@pytest.mark.slow
def test_refused_connections_are_an_error_at_once(running_interpreter: Interpreter, tmp_path: Path) -> None:
    found = answered(
        pythons, bench_of(running_interpreter, tmp_path, "python_refused", "downloads_forbidden")
    )
    assert found["python_refused", UV]["answer"] == "soon"
    assert "Connection refused" in found["python_refused", UV]["seen"]
    assert found["downloads_forbidden", UV]["answer"] == "refuses"


@pytest.fixture
def small(running_interpreter: Interpreter, tmp_path: Path) -> Releases:
    tree = tmp_path / "tree"
    (tree / "lib" / "python3" / "__pycache__").mkdir(parents=True)
    (tree / "lib" / "python3" / "os.py").write_text("")
    (tree / "lib" / "python3" / "__pycache__" / "os.pyc").write_text("")
    python = PythonCopy(tree, tree / "bin" / "python3", tree / "lib" / "python3", tree)
    (tmp_path / "releases").mkdir()
    return Releases.pack(python, running_interpreter, tmp_path / "releases")


def test_lists_name_archives_by_their_digest(small: Releases) -> None:
    listed = json.loads(small.lists["both"].read_text())
    assert [one["patch"] for one in listed.values()] == [
        int(small.older.split(".")[2]) + 1,
        int(small.older.split(".")[2]),
    ]
    for one in listed.values():
        data = (small.folder / one["url"].rsplit("/", 1)[1]).read_bytes()
        assert hashlib.sha256(data).hexdigest() == one["sha256"]
    tampered = next(iter(json.loads(small.lists["tampered"].read_text()).values()))
    data = (small.folder / tampered["url"].rsplit("/", 1)[1]).read_bytes()
    assert hashlib.sha256(data).hexdigest() != tampered["sha256"]


def test_archives_hold_the_tree_without_its_bytecode(small: Releases) -> None:
    def names(name: str) -> set[str]:
        data = gzip.decompress((small.folder / f"{name}.tar.gz").read_bytes())
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            return {one.name for one in archive if one.isfile()}

    assert names("older") == {"python/lib/python3/os.py"}
    assert names("newer") - names("older") == {"python/lib/python3/sitecustomize.py"}
    assert names("rebuilt") - names("older") == {f"python/lib/python3/{Releases.MARK}"}


def test_the_mirror_tells_what_was_asked(small: Releases) -> None:
    with serve_releases(small) as mirror:
        got = urllib.request.urlopen(f"{mirror.origin}/anything/x.tar.gz", timeout=10).read()
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"{mirror.origin}/missing/older.tar.gz", timeout=10)
        assert mirror.taken() == ["/anything/x.tar.gz", "/missing/older.tar.gz"]
        assert mirror.taken() == []
    assert got == (small.folder / "older.tar.gz").read_bytes()


def test_every_probe_has_its_claim() -> None:
    tried = {*pythons._PROBES, *pythons._WAITING}
    assert tried == {claim.key for claim in catalogue().values() if claim.group == "pythons"}
