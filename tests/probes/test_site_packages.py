"""Packages in site folders: the same as the standard library sees, and nothing that can hang or hide."""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
from dataclasses import replace
from importlib.metadata import distributions
from pathlib import Path

import pytest
from pyassay.probes import site_packages
from pyassay.probes.site_packages import INSTALLED_PACKAGES, installed, observe, probe
from pyassay.subjects.model import Artifact, Interpreter, SubjectKind


def record(folder: Path, name: str, **files: str) -> Path:
    """Make a dist-info or egg-info."""
    made = folder / name
    made.mkdir(parents=True)
    for file, text in files.items():
        (made / file.replace("PKG_INFO", "PKG-INFO")).write_text(text, encoding="utf-8")
    return made


def test_the_same_packages_as_the_standard_library_sees(running_interpreter: Interpreter) -> None:
    own = replace(running_interpreter, site_folders=(Path(sysconfig.get_path("purelib")),))
    frame = probe(own)["installed_packages"]
    assert list(frame.columns) == INSTALLED_PACKAGES.column_names
    folders = list(map(str, own.site_folders))
    theirs = sorted((one.metadata["Name"], one.version) for one in distributions(path=folders))
    assert len(theirs) > 20
    assert sorted(zip(frame["distribution"], frame["version"], strict=True)) == theirs
    assert set(frame["error"]) == {""}


def test_debian_s_packages_have_their_owner() -> None:
    folder = Path("/usr/lib/python3/dist-packages")
    if not folder.is_dir() or shutil.which("dpkg") is None:
        pytest.skip("no Debian Python here")
    found = [one for one in installed([folder]) if (one.record / "METADATA").is_file()]
    if not found:
        pytest.skip("no package of Debian has a dist-info here")
    owned = site_packages._owners(found)
    for one in found:
        said = subprocess.run(
            ["dpkg", "-S", one.record / "METADATA"], capture_output=True, text=True, check=False, timeout=60
        )
        known = owned[one.record].package if one.record in owned else ""
        assert known == said.stdout.partition(":")[0], one


def test_pip_tells_what_was_asked_for_and_uv_does_not(tmp_path: Path) -> None:
    asked = "Metadata-Version: 2.1\nName: a\nVersion: 1\n\nName: other\n"
    record(tmp_path, "a-1.dist-info", METADATA=asked, INSTALLER="pip\n", REQUESTED="")
    record(tmp_path, "b-1.dist-info", METADATA=asked.replace("Name: a", "Name: b"), INSTALLER="pip")
    record(
        tmp_path, "c-1.dist-info", METADATA=asked.replace("Name: a", "Name: c"), INSTALLER="uv", REQUESTED=""
    )
    record(tmp_path, "d-1.dist-info", METADATA=asked.replace("Name: a", "Name: d"))
    found = {one.name: (one.installer, one.requested) for one in installed([tmp_path])}
    assert found == {"a": ("pip", True), "b": ("pip", False), "c": ("uv", None), "d": ("", None)}


def test_records_of_every_age(tmp_path: Path) -> None:
    site, project = tmp_path / "site", tmp_path / "project"
    record(site, "New_Name-1.0.dist-info", METADATA="Name: New.Name\nVersion: 1.0\n")
    record(site, "old-2.0-py3.8.egg-info", PKG_INFO="Name: old\r\nVersion: 2.0\r\n\r\nText")
    (site / "older-3.0.egg-info").write_text("Name: older\nVersion: 3.0\n")
    (site / "oldest-4.0-py2.7.egg").write_bytes(b"PK\x03\x04 a zipped egg")
    record(site / "egg-5.0-py3.6.egg", "EGG-INFO", PKG_INFO="Name: egg\nVersion: 5.0\n")
    record(project, "linked.egg-info", PKG_INFO="Name: linked\nVersion: 6.0\n")
    (site / "linked.egg-link").write_text(f"{project}\n.")
    (site / "gone.egg-link").write_text("/nonexistent/project\n.")
    found = {one.name: (one.version, one.error) for one in installed([site, site])}
    assert found == {
        "New.Name": ("1.0", ""),
        "old": ("2.0", ""),
        "older": ("3.0", ""),
        "oldest": (
            "4.0",
            "PKG-INFO is absent, empty or cannot be read; known by the name of its record only",
        ),
        "egg": ("5.0", ""),
        "linked": ("6.0", ""),
        "gone": ("", "a link to /nonexistent/project, where no egg-info lies"),
    }


@pytest.mark.timeout(20)
def test_hostile_records_are_rows(tmp_path: Path) -> None:
    os.mkfifo(record(tmp_path, "fifo-1.dist-info") / "METADATA")
    (record(tmp_path, "loop-1.dist-info") / "METADATA").symlink_to("METADATA")
    (record(tmp_path, "device-1.dist-info") / "METADATA").symlink_to("/dev/zero")
    with (record(tmp_path, "huge-1.dist-info") / "METADATA").open("wb") as file:
        file.truncate(1 << 40)
    (record(tmp_path, "many-1.dist-info") / "METADATA").write_bytes(b"Name: a\n" * 100_000)
    (record(tmp_path, "bytes-1.dist-info") / "METADATA").write_bytes(
        b"Name: n\xff\0m\nVersion: 1\0\x1b[31m\n"
    )
    record(tmp_path, "path-1.dist-info", METADATA="Name: ../../etc\nVersion: 1\n")
    record(tmp_path, "no-version.dist-info", METADATA="Name: no-version\n\nVersion: 9\n")
    record(tmp_path, "line\nbreak.dist-info")
    record(tmp_path, ".dist-info")
    found = {one.record.name: one for one in installed([tmp_path])}
    assert len(found) == 10
    assert all(one.error for name, one in found.items()), found
    for name in ("fifo", "loop", "device", "huge", "bytes", "path"):
        one = found[f"{name}-1.dist-info"]
        assert (one.name, one.version.partition("\\")[0]) == (name, "1")
    assert found["no-version.dist-info"].name == "no-version"
    assert all(one.name.isprintable() and one.version.isprintable() for one in found.values())


def test_more_packages_than_are_read_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site_packages, "_MAX_PACKAGES", 3)
    for number in range(5):
        record(tmp_path, f"p{number}-1.dist-info", METADATA=f"Name: p{number}\nVersion: 1\n")
    *found, last = installed([tmp_path])
    assert [one.name for one in found] == ["p0", "p1", "p2"]
    assert last.error == "more than 3 packages: the rest is not read"


def test_an_image_s_packages_are_a_row_that_says_so(running_interpreter: Interpreter) -> None:
    (row,) = observe(replace(running_interpreter, image="debian:trixie"))
    assert row["error"] == "the packages of an interpreter in an image are not read"
    assert row["file"] == ""


def test_an_artifact_has_no_site_folders() -> None:
    assert observe(Artifact("a", "a", SubjectKind.ARTIFACT, Path("a.whl"), "wheel")) == []
