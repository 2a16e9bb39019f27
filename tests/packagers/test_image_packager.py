"""Images: layers and archives from small trees; a whole one in the engine where there is one."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from pyassay.packagers import image, image_layers
from pyassay.packagers.model import BuildError, Built, Delivery, Project
from pyassay.packagers.outer_needs import OuterNeeds

FORMS = {form.name: form for form in image.FORMS}


def _names(path: Path) -> list[str]:
    with tarfile.open(path) as archive:
        return archive.getnames()


def _layer(path: Path, entries: dict[str, bytes | str]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, content in entries.items():
            entry = tarfile.TarInfo(name)
            if isinstance(content, str):
                entry.type, entry.linkname = tarfile.SYMTYPE, content
                archive.addfile(entry)
            else:
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
    return path


def test_a_folder_becomes_the_same_layer_whenever_it_is_written(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "b").mkdir(parents=True)
    (folder / "b" / "program").write_text("#!/bin/sh\n")
    (folder / "b" / "program").chmod(0o700)
    (folder / "a").write_text("text")
    (folder / "link").symlink_to("a")
    digests = []
    for number in (1, 2):
        target = tmp_path / f"{number}.tar"
        image_layers.write_folder(folder, "opt/app", target, 7)
        digests.append(hashlib.sha256(target.read_bytes()).hexdigest())
        (folder / "a").touch()
    assert digests[0] == digests[1]
    with tarfile.open(tmp_path / "1.tar") as layer:
        modes = {member.name: oct(member.mode) for member in layer if not member.issym()}
        assert {member.mtime for member in layer} == {7}
    assert modes == {
        "opt": "0o755",
        "opt/app": "0o755",
        "opt/app/a": "0o644",
        "opt/app/b": "0o755",
        "opt/app/b/program": "0o755",
    }


def test_what_the_engine_adds_to_a_root_is_left_out(tmp_path: Path) -> None:
    names = {".dockerenv": b"", "etc/hosts": b"", "etc/passwd": b"x", "dev/console": b"", "proc/x": b""}
    with _layer(tmp_path / "export.tar", dict(names)).open("rb") as stream:
        image_layers.write_base(stream, tmp_path / "base.tar")
    assert _names(tmp_path / "base.tar") == ["etc/passwd"]
    with pytest.raises(image_layers.LayerError):
        image_layers.write_base(io.BytesIO(b"no archive" * 100), tmp_path / "none.tar")


def test_libraries_are_found_behind_links_and_what_is_lacking_is_said(tmp_path: Path) -> None:
    base = _layer(
        tmp_path / "base.tar",
        {
            "lib": "usr/lib",
            "usr/lib64/ld-linux-x86-64.so.2": "/lib/x86_64-linux-gnu/ld-2.36.so",
            "usr/lib/x86_64-linux-gnu/ld-2.36.so": b"loader",
            "usr/lib/x86_64-linux-gnu/libc.so.6": b"libc",
            "usr/lib/x86_64-linux-gnu/libz.so.1": "libz.so.1.2",
            "usr/lib/x86_64-linux-gnu/libz.so.1.2": b"zlib",
        },
    )
    needs = OuterNeeds("2.36", ("libz.so.1", "libpq.so.5"), ("ld-linux-x86-64.so.2",))
    missing = image_layers.write_libraries(base, tmp_path / "made.tar", needs, tmp_path / "scratch")
    assert missing == ["libpq.so.5"]
    with tarfile.open(tmp_path / "made.tar") as layer:
        loader = layer.extractfile("lib64/ld-linux-x86-64.so.2")
        assert loader is not None
        assert loader.read() == b"loader"
        library = layer.extractfile("usr/lib/x86_64-linux-gnu/libz.so.1")
        assert library is not None
        assert library.read() == b"zlib"
    empty = _layer(tmp_path / "empty.tar", {"etc/passwd": b""})
    with pytest.raises(image_layers.LayerError, match="ld-linux"):
        image_layers.write_libraries(empty, tmp_path / "none.tar", needs, tmp_path / "scratch")


def test_an_archive_says_what_its_layers_are(tmp_path: Path) -> None:
    layers = [_layer(tmp_path / f"{number}.tar", {f"file{number}": b"x"}) for number in (1, 2)]
    path = tmp_path / "image.tar"
    image_layers.write_archive(
        path,
        layers,
        tag="name:tag",
        architecture="amd64",
        entry_point=["/opt/app", "a b"],
        environment={"LANG": "C"},
        epoch=0,
    )
    with tarfile.open(path) as archive:
        content = {member.name: archive.extractfile(member) for member in archive if member.isreg()}
        data = {name: stream.read() for name, stream in content.items() if stream is not None}
    (manifest,) = json.loads(data["manifest.json"])
    config = json.loads(data[manifest["Config"]])
    found = [f"sha256:{hashlib.sha256(data[name]).hexdigest()}" for name in manifest["Layers"]]
    assert found == config["rootfs"]["diff_ids"]
    assert manifest["RepoTags"] == ["name:tag"]
    assert config["config"]["Entrypoint"] == ["/opt/app", "a b"]


@pytest.mark.proof
def test_an_image_with_the_systems_python_runs_in_the_engine(
    build_pure: Callable[..., Built], pure_patient: Project
) -> None:
    docker = pytest.importorskip("docker", reason="the Docker SDK is not installed")
    from pyassay.places.container import Engine, NoEngineError

    try:
        with Engine.connect() as engine:
            if not engine.has_image("debian:bookworm-python3"):
                pytest.skip("the engine has no debian:bookworm-python3: pyassay images build")
    except NoEngineError as error:
        pytest.skip(str(error))
    built = build_pure(FORMS["image-debian-python"])
    assert built.delivery is Delivery.IMAGE
    client = docker.from_env()
    with built.path.open("rb") as stream:
        (loaded,) = client.images.load(stream)
    try:
        with Engine.connect() as engine:
            argv = [built.program, *built.arguments, "run"]
            ran = engine.run(loaded.id, argv, timeout_s=60.0)
        assert ran.ok, ran.stderr
        assert set(json.loads(ran.stdout)["works"]) >= set(pure_patient.expected)
    finally:
        client.images.remove(loaded.id, force=True)
        client.close()


@pytest.mark.parametrize("name", ["../up", "a b", "$(x)"])
def test_a_hostile_name_is_refused(
    name: str, build_pure: Callable[..., Built], pure_patient: Project
) -> None:
    with pytest.raises(BuildError):
        build_pure(FORMS["image-scratch"], dataclasses.replace(pure_patient, name=name))
