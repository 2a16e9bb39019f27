"""What has gone stale: real virtual environments, a real uv, real packages and images; and hostile ones."""

from __future__ import annotations

import bz2
import gzip
import itertools
import lzma
import os
import platform
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import zstandard
from pyassay import find
from pyassay.probes import staleness
from pyassay.probes.debian.apt_lists import ListError, offers, unpacked_list
from pyassay.probes.debian.database import of_root
from pyassay.probes.staleness import uv as staleness_uv
from pyassay.probes.staleness.environments import Bases, environment_row
from pyassay.probes.staleness.packages import candidate_rows
from pyassay.subjects.artifacts import artifact
from pyassay.subjects.debian_versions import version_key
from pyassay.subjects.images import ROOTFS
from pyassay.subjects.locations import Search
from pyassay.subjects.model import Artifact, Interpreter, SubjectKind

BASE = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
VERSION = platform.python_version()
SERIES = ".".join(VERSION.split(".")[:2])
run = partial(subprocess.run, check=True, capture_output=True, text=True, timeout=60)


def make_venv(folder: Path, python: Path = BASE) -> Path:
    """Make a virtual environment with the standard library's own tool."""
    run([python, "-m", "venv", "--without-pip", folder])
    return folder


def edit(folder: Path, **settings: str) -> None:
    """Set keys of a pyvenv.cfg; an empty value takes the key out."""
    path = folder / "pyvenv.cfg"
    lines = [line for line in path.read_text().splitlines() if line.partition(" =")[0] not in settings]
    lines += [f"{key} = {value}" for key, value in settings.items() if value]
    path.write_text("\n".join(lines) + "\n")


def row_of(folder: Path, subjects: tuple[Interpreter, ...] = ()) -> dict[str, Any]:
    return environment_row(folder, Bases.of(subjects))


# Environments ----------------------------------------------------------------------------------------------


def test_a_fresh_environment_is_current_or_bound_to_the_folder_of_its_patch(
    tmp_path: Path, running_interpreter: Interpreter
) -> None:
    row = row_of(make_venv(tmp_path / "v"), (running_interpreter,))
    assert (row["kind"], row["cfg_version"], row["base_version"]) == ("venv", VERSION, VERSION)
    assert row["subject_id"] == running_interpreter.id
    assert row["state"] == ("pinned patch" if VERSION in str(BASE.parent) else "current")


def test_the_version_of_a_base_is_read_from_its_bytes(tmp_path: Path) -> None:
    for one in find():
        if isinstance(one, Interpreter) and one.implementation == "cpython" and not one.error:
            unknown = Bases()
            assert unknown.version(one.executable) == one.version, one.label
    assert Bases().version(tmp_path / "absent") == ""


def test_what_mends_an_environment_whose_base_moved_on(tmp_path: Path) -> None:
    folder = make_venv(tmp_path / "a folder; with $names")
    edit(folder, version=f"{SERIES}.0rc1")
    row = row_of(folder)
    assert row["state"] == "base moved on"
    assert f"{SERIES}.0rc1" in row["evidence"]
    assert VERSION in row["evidence"]
    run([*shlex.split(row["mends"]), "--without-pip"])
    mended = row_of(folder)
    assert mended["cfg_version"] == VERSION
    assert mended["state"] in ("current", "pinned patch")


def test_an_environment_without_its_base(tmp_path: Path) -> None:
    folder = make_venv(tmp_path / "v")
    edit(folder, home="/opt/gone-3.12.1/bin", executable="/opt/gone-3.12.1/bin/python3.12")
    for link in (folder / "bin").glob("python*"):
        link.unlink()
    (folder / "bin/python").symlink_to("/opt/gone-3.12.1/bin/python3.12")
    row = row_of(folder)
    assert (row["state"], row["base"]) == ("base gone", "/opt/gone-3.12.1/bin/python3.12")
    assert row["mends"].startswith(f"python{SERIES} -m venv --clear ")
    assert row["base_version"] == ""


def test_an_environment_made_for_another_series(tmp_path: Path) -> None:
    folder = make_venv(tmp_path / "v")
    edit(folder, version="3.4.9", version_info="")
    row = row_of(folder)
    assert row["state"] == "different interpreter"
    run([*shlex.split(row["mends"]), "--without-pip"])
    assert row_of(folder)["state"] in ("current", "pinned patch")


def test_an_upgrade_by_a_python_of_another_folder_mends_nothing(tmp_path: Path) -> None:
    """``venv --upgrade`` writes pyvenv.cfg anew and leaves the link: 3.11.2 is said, 3.11.7 is started."""
    by_series: dict[str, list[Path]] = {}
    for one in find():
        if isinstance(one, Interpreter) and one.implementation == "cpython" and not one.error:
            series = ".".join(one.version.split(".")[:2])
            by_series.setdefault(series, []).append(one.executable)
    pair = next((paths for paths in by_series.values() if len(paths) > 1), None)
    if pair is None:
        pytest.skip("needs two CPythons of one series")
    folder = make_venv(tmp_path / "v", pair[0])
    run([pair[1], "-m", "venv", "--upgrade", "--without-pip", folder])
    row = row_of(folder)
    started = Path(
        run([folder / "bin/python", "-c", "import sys; print(sys.version.split()[0])"]).stdout.strip()
    )
    if str(started) == row["cfg_version"]:
        pytest.skip("both are of the same patch release, or venv has learned to relink")
    assert row["state"] == "different interpreter"
    assert "but bin/python starts" in row["evidence"]


def uv_program() -> Path:
    found = staleness_uv.uv_binaries()
    if not found:
        pytest.skip("there is no uv here")
    return found[0]


def test_uv_s_environments_are_pinned_unless_they_name_the_series(tmp_path: Path) -> None:
    uv, version = uv_program(), VERSION
    # As uv lays out its Pythons: a folder for each patch release, and a link for the series.
    patch = tmp_path / "python" / f"cpython-{version}-linux-x86_64-gnu"
    series = tmp_path / "python" / f"cpython-{SERIES}-linux-x86_64-gnu"
    (patch / "bin").mkdir(parents=True)
    (patch / "bin" / f"python{SERIES}").symlink_to(BASE)
    series.symlink_to(patch.name)
    states = {}
    for name, home in (("pinned", patch), ("following", series)):
        folder = tmp_path / name
        run([uv, "venv", "--offline", "--no-config", "--python", BASE, folder])
        (folder / "bin/python").unlink()
        (folder / "bin/python").symlink_to(home / "bin" / f"python{SERIES}")
        edit(folder, home=str(home / "bin"))
        row = row_of(folder)
        assert row["kind"] == "uv"
        states[name] = row["state"]
    assert states == {"pinned": "pinned patch", "following": "current"}


def test_uv_mends_what_is_pinned_without_losing_packages(tmp_path: Path) -> None:
    if VERSION not in str(BASE.parent):
        pytest.skip("this Python does not lie in the folder of a patch release")
    folder = tmp_path / "v"
    run([uv_program(), "venv", "--offline", "--no-config", "--python", BASE, folder])
    kept = folder / "lib" / f"python{SERIES}" / "site-packages" / "kept.py"
    kept.write_text("")
    row = row_of(folder)
    assert row["state"] == "pinned patch"
    words = shlex.split(row["mends"])
    assert words[:3] == ["uv", "venv", "--allow-existing"]
    # The series, as uv finds it here.
    run([uv_program(), *words[1:], "--offline", "--no-config"])
    assert kept.exists()


def test_other_makers(tmp_path: Path) -> None:
    folder = make_venv(tmp_path / "v")
    edit(folder, virtualenv="20.35.4", version=f"{SERIES}.0a1")
    row = row_of(folder)
    assert (row["kind"], row["state"]) == ("virtualenv", "base moved on")
    assert row["mends"].startswith("virtualenv --python ")
    conda = tmp_path / "conda"
    (conda / "conda-meta").mkdir(parents=True)
    (conda / "conda-meta/python-3.12.7-h2b335a9_0_cpython.json").write_text("{}")
    assert row_of(conda)["state"] == "base gone"
    (conda / "bin").mkdir()
    (conda / "bin/python").symlink_to(BASE)
    row = row_of(conda)
    assert (row["kind"], row["cfg_version"], row["state"]) == ("conda", "3.12.7", "current")


@pytest.mark.parametrize(
    "content",
    [b"", b"\0" * 100, b"\xff\xfehome = x", b"home = /\n" * 5, b"a=b\n" * 100_000, b"home = ../../x\n"],
)
def test_a_damaged_pyvenv_cfg_is_a_row(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "pyvenv.cfg").write_bytes(content)
    row = row_of(tmp_path)
    assert row["state"] in ("unknown", "base gone")
    assert row["evidence"]
    assert "\n" not in row["evidence"]


def test_a_pipe_and_a_circle_do_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pyvenv.cfg")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python").symlink_to("python")
    assert row_of(tmp_path)["state"] == "unknown"


def test_a_path_that_cannot_be_typed_has_no_command(tmp_path: Path) -> None:
    folder = make_venv(tmp_path / "a\nb")
    edit(folder, version=f"{SERIES}.0a1")
    row = row_of(folder)
    assert row["state"] == "base moved on"
    assert row["mends"] == ""
    assert "\n" not in row["path"]


def test_folders_are_searched_within_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = make_venv(tmp_path / "deep/er/v")
    (tmp_path / "deep/linked").symlink_to(tmp_path)
    monkeypatch.setattr(staleness, "uv_binaries", lambda environments: [])
    found = staleness.probe_host(folders=[tmp_path, tmp_path / "absent"])["environments"]
    assert list(found.columns) == staleness.ENVIRONMENTS.column_names
    assert found["path"].tolist()[0].endswith("deep/er/v")
    assert found["state"].tolist()[1:] == ["unknown"]
    assert "no such folder" in found["evidence"].tolist()[1]
    shallow = staleness.probe_host(folders=[tmp_path], search=Search(max_depth=1))["environments"]
    assert shallow["kind"].tolist() == [""]
    assert "deeper than 1" in shallow["evidence"][0]
    assert made.is_dir()


def test_environments_that_the_finder_met_are_observed(
    tmp_path: Path, running_interpreter: Interpreter, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_venv(tmp_path / "v")
    monkeypatch.setattr(staleness, "uv_binaries", lambda environments: [])
    subject = replace(running_interpreter, environments=(folder,))
    found = staleness.probe_host([subject], folders=[])["environments"]
    assert found["subject_id"].tolist() == [running_interpreter.id]


# uv --------------------------------------------------------------------------------------------------------


def test_a_real_uv_tells_what_it_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    # Nothing of the user's settings may change its answer.
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS_JSON_URL", "file:///nonexistent")
    rows = list(staleness_uv.uv_rows([uv_program()]))
    assert [row["reason"] for row in rows] == [""] * len(rows)
    by_branch = {row["branch"]: row for row in rows}
    assert {"3.10", "3.11", "3.12", "3.13"} <= by_branch.keys()
    for branch, row in by_branch.items():
        assert row["newest"].startswith(f"{branch}.")
        assert len(row["build"]) == 8
        assert row["known"] > 0
    # 3.9.25, not 3.9.9; a release, not a preview.
    assert int(by_branch["3.9"]["newest"].split(".")[2]) > 20
    assert by_branch["3.12"]["newest"].replace(".", "").isdecimal()


def pretend(path: Path, script: str) -> Path:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("exit 3", "exit status 3"),
        ("echo 'uv 0.9.1'; [ \"$1\" = --version ] || exit 2", "exit status 2"),
        ("[ \"$1\" = --version ] && echo 'uv 0.9.1' || echo '[1'", "not the JSON"),
        ("[ \"$1\" = --version ] && echo 'uv 0.9.1' || echo '[1]'", "not the JSON"),
        ("[ \"$1\" = --version ] && echo 'uv 0.9.1' || echo '{}'", "not the JSON"),
        ("[ \"$1\" = --version ] && echo 'uv 0.9.1' || echo '[]'", "names no CPython"),
        ("sleep 60", "no answer in time"),
        ("yes", "did not tell"),
    ],
)
def test_a_uv_that_does_not_answer_is_a_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, reason: str
) -> None:
    monkeypatch.setattr(staleness_uv, "_VERSION_S", 0.5)
    (row,) = staleness_uv.uv_rows([pretend(tmp_path / "uv", script)])
    assert reason in row["reason"]
    assert row["branch"] == ""


def test_previews_are_told_only_where_there_is_no_release() -> None:
    order = staleness_uv._order
    assert order("3.14.0a7") < order("3.14.0b1") < order("3.14.0rc2") < order("3.14.0rc10") < order("3.14.0")
    assert order("3.9.9") < order("3.9.25")


# Packages --------------------------------------------------------------------------------------------------

VERSIONS = (
    *("0", "0-0", "1", "1.0", "1.0-1", "1.0-1+b1", "1.0~rc1-1", "1.0~", "1.0~~", "1.0+dfsg-1", "1.0a", "1a"),
    *("1:0.1", "0:1.0-1", "1.10", "1.9", "1.0-1~bpo12+1", "3.0.19-1~deb12u2", "3.0.22-1~deb12u2", "1.0-1-2"),
    *("8.6.13+dfsg-2", "1:1.2.13.dfsg-1", "1.3.dfsg+really1.3.1-1", "2.5.0-1+deb12u1", "2.5.0-1+deb12u5"),
)


def test_versions_are_ordered_as_dpkg_orders_them() -> None:
    if shutil.which("dpkg") is None:
        pytest.skip("needs dpkg")
    for one, other in itertools.combinations(VERSIONS, 2):
        older = subprocess.run(["dpkg", "--compare-versions", one, "lt", other], check=False).returncode == 0
        equal = subprocess.run(["dpkg", "--compare-versions", one, "eq", other], check=False).returncode == 0
        assert (version_key(one) < version_key(other)) is older, (one, other)
        assert (version_key(one) == version_key(other)) is equal, (one, other)


def library_row(package: str, version: str, manager: str = "dpkg") -> dict[str, str]:
    return {"package": package, "package_version": version, "package_manager": manager}


def installed_here() -> dict[str, str]:
    if shutil.which("apt-cache") is None or not Path("/var/lib/dpkg/status").is_file():
        pytest.skip("needs Debian or Ubuntu")
    listed = run(["dpkg-query", "-W", "-f", "${Package} ${Version} ${db:Status-Abbrev}\n"]).stdout
    return {words[0]: words[1] for line in listed.splitlines() if (words := line.split())[2] == "ii"}


def test_candidates_are_those_of_apt(running_interpreter: Interpreter) -> None:
    installed = installed_here()
    if not any(Path("/var/lib/apt/lists").glob("*Packages*")):
        pytest.skip("apt has no lists here")
    wanted = ("libssl3", "libssl3t64", "libexpat1", "zlib1g", "libsqlite3-0", "libc6", "python3-minimal")
    names = [name for name in wanted if name in installed]
    rows = candidate_rows(running_interpreter, [library_row(name, installed[name]) for name in names])
    found = {row["package"]: row for row in rows}
    for name in names:
        policy = run(["apt-cache", "policy", name]).stdout
        candidate = next(line.split()[1] for line in policy.splitlines() if "Candidate:" in line)
        assert found[name]["candidate"] == candidate, found[name]
    days = {row["lists_day"] for row in rows if not row["reason"]}
    assert all(date.fromisoformat(day) for day in days)
    assert all(row["lists_age_days"] is None or row["lists_age_days"] >= 0 for row in rows)


RELEASE = b"""Origin: Debian
Suite: stable
Codename: bookworm
Date: Sat, 11 Jul 2026 10:16:37 UTC
"""
STATUS = b"""Package: libssl3
Status: install ok installed
Architecture: amd64
Version: 3.0.19-1~deb12u2

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1.0
"""
OFFERS = b"""Package: libssl3
Architecture: amd64
Version: 3.0.20-1
Description: nothing
 Version: 9.9

Package: libssl3
Version: 3.0.22-1~deb12u2

Package: libssl3-dev
Version: 99
"""
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "": lambda data: data,
    ".gz": gzip.compress,
    ".xz": lzma.compress,
    ".bz2": bz2.compress,
    ".zst": zstandard.ZstdCompressor().compress,
}
MIRROR = "mirror_debian_dists_bookworm"


def debian_root(root: Path, lists: dict[str, bytes], release: bytes = RELEASE) -> Path:
    (root / "var/lib/dpkg").mkdir(parents=True)
    (root / "var/lib/dpkg/status").write_bytes(STATUS)
    folder = root / "var/lib/apt/lists"
    folder.mkdir(parents=True)
    (folder / f"{MIRROR}_InRelease").write_bytes(release)
    for name, data in lists.items():
        (folder / name).write_bytes(data)
    return root


def candidate(root: Path, version: str = "3.0.19-1~deb12u2", package: str = "libssl3") -> dict[str, Any]:
    image = Artifact("i", "i", SubjectKind.IMAGE, Path(f"{ROOTFS}{root}"), "rootfs")
    (row,) = candidate_rows(image, [library_row(package, version)], today=date(2026, 11, 21))
    return row


@pytest.mark.parametrize("packing", [*PACKERS, ".lz4"])
def test_lists_in_every_packing(tmp_path: Path, packing: str) -> None:
    if packing == ".lz4":
        if shutil.which("lz4") is None:
            pytest.skip("needs lz4")
        data = subprocess.run(["lz4", "-c"], input=OFFERS, capture_output=True, check=True).stdout
    else:
        data = PACKERS[packing](OFFERS)
    row = candidate(debian_root(tmp_path, {f"{MIRROR}_main_binary-amd64_Packages{packing}": data}))
    assert row["candidate"] == "3.0.22-1~deb12u2"
    assert (row["origin"], row["lists_day"], row["lists_age_days"]) == ("Debian bookworm", "2026-07-11", 133)
    assert row["reason"] == ""


def test_what_apt_would_not_take_is_no_candidate(tmp_path: Path) -> None:
    name = f"{MIRROR}_main_binary-amd64_Packages"
    newer = candidate(debian_root(tmp_path / "a", {name: OFFERS}), "3.0.23-1")
    assert (newer["candidate"], newer["reason"]) == ("3.0.23-1", "newer than what apt's lists offer")
    asked = debian_root(tmp_path / "b", {name: OFFERS}, RELEASE + b"NotAutomatic: yes\n")
    assert candidate(asked)["reason"] == "not in apt's lists"
    other = debian_root(tmp_path / "c", {name.replace("amd64", "arm64"): OFFERS})
    assert candidate(other)["candidate"] == ""
    assert candidate(debian_root(tmp_path / "d", {}))["reason"] == "apt has no lists on disk"
    assert candidate(debian_root(tmp_path / "e", {name: OFFERS}), "1", "absent")["candidate"] == ""


def test_damaged_lists_are_a_reason(tmp_path: Path) -> None:
    name = f"{MIRROR}_main_binary-amd64_Packages.xz"
    row = candidate(debian_root(tmp_path, {name: lzma.compress(OFFERS * 1000)[:-50]}))
    assert row["candidate"] == ""
    assert "no list could be read" in row["reason"]
    with pytest.raises(ListError, match="not the name of a list"):
        offers("Packages", OFFERS, {})


def test_a_bomb_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    from pyassay.probes.debian import apt_lists

    monkeypatch.setattr(apt_lists, "MAX_LIST_BYTES", 1 << 20)
    bomb = gzip.compress(bytes(64 << 20))
    started = time.perf_counter()
    with pytest.raises(ListError, match="more than"):
        unpacked_list(f"{MIRROR}_main_binary-amd64_Packages.gz", bomb)
    assert time.perf_counter() - started < 2


def test_lists_of_a_root_do_not_lead_out_of_it(tmp_path: Path) -> None:
    root = debian_root(tmp_path / "root", {})
    outside = tmp_path / "outside"
    outside.write_bytes(OFFERS)
    (root / "var/lib/apt/lists" / f"{MIRROR}_main_binary-amd64_Packages").symlink_to(outside)
    assert candidate(root)["candidate"] == ""


def test_packages_of_other_managers_are_said_not_to_be_read(running_interpreter: Interpreter) -> None:
    rows = candidate_rows(running_interpreter, [library_row("openssl-libs", "3.2.2-1.el9", "rpm")])
    (row,) = [row for row in rows if row["package"] == "openssl-libs"]
    assert row["reason"] == "a package of rpm: only apt's lists are read"


def test_packages_removed_are_not_installed(tmp_path: Path) -> None:
    system = of_root(debian_root(tmp_path, {}))
    assert system.packages.keys() == {"libssl3"}
    assert system.count == 1
    assert system.status_day


def test_wheels_rest_on_no_package(tmp_path: Path) -> None:
    (tmp_path / "a-1-py3-none-any.whl").write_bytes(b"")
    subject = artifact(tmp_path / "a-1-py3-none-any.whl")
    frames = staleness.probe(subject)
    assert {name: len(frame) for name, frame in frames.items()} == {"package_candidates": 0, "images_age": 0}


# Images ----------------------------------------------------------------------------------------------------


def test_the_age_of_an_image(debian_images: list[str]) -> None:
    from pyassay.places.container import Engine

    reference = debian_images[-1]
    image = Artifact("i", "i", SubjectKind.IMAGE, Path(reference), "image")
    frames = staleness.probe(image, [library_row("zlib1g", "1:0.1")])
    (row,) = frames["images_age"].to_dict("records")
    with Engine.connect() as engine:
        said = engine.run(
            reference,
            ("dpkg-query", "-W", "-f", "${db:Status-Abbrev}\n"),
            timeout_s=30,
            max_output_bytes=1 << 20,
        )
    assert row["packages"] == said.stdout.decode().split().count("ii")
    assert date.fromisoformat(row["packages_day"]) <= date.fromisoformat(row["created"])
    (package,) = frames["package_candidates"].to_dict("records")
    assert package["reason"] or package["candidate"].startswith("1:1.")
