"""Images as subjects: found without running anything in them, then their Pythons asked in a container."""

from __future__ import annotations

import io
import secrets
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyassay.elf.closure import Root, closure
from pyassay.probes.portability import probe
from pyassay.subjects import Artifact, Interpreter, SelectorError, find

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def system_python() -> Interpreter:
    """Give the distribution's Python: its files lie where every system has them."""
    found = [
        one
        for one in find()
        if isinstance(one, Interpreter) and one.prefix == Path("/usr") and one.error is None and one.stdlib
    ]
    if not found:
        pytest.skip("no Python of a distribution here")
    return found[0]


@pytest.fixture(scope="module")
def image(system_python: Interpreter, debian_images: list[str]) -> Iterator[str]:
    """Make an image of that Python, its standard library and the libraries that it loads: nothing else."""
    from pyassay.places.container import Engine

    root = Root("/")
    reference = f"pyassay-test:{secrets.token_hex(4)}"
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        loaded = closure(system_python.executable, root)
        for soname, path in loaded.loaded.items():
            for name in {path, path.parent / soname.rpartition("/")[2]}:
                archive.add(path, arcname=str(name).lstrip("/"))
        loader = root.elf(str(system_python.executable))
        archive.add(Path(loader.interpreter).resolve(), arcname=loader.interpreter.lstrip("/"))  # type: ignore[union-attr,arg-type]
        archive.add(system_python.executable, arcname=str(system_python.executable).lstrip("/"))
        link = tarfile.TarInfo("usr/bin/python3")
        link.type, link.linkname = tarfile.SYMTYPE, system_python.executable.name
        archive.addfile(link)
        archive.add(
            system_python.stdlib,
            arcname=str(system_python.stdlib).lstrip("/"),
            filter=lambda one: None if "__pycache__" in one.name or "/test" in one.name else one,
        )
        for folder in ("tmp", "proc", "sys", "dev", "etc"):
            made = tarfile.TarInfo(folder)
            made.type, made.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(made)
        text = b'ID=madeup\nVERSION_ID="7"\nNAME="Made Up"\n'
        release = tarfile.TarInfo("etc/os-release")
        release.size = len(text)
        archive.addfile(release, io.BytesIO(text))
    stream.seek(0)
    with Engine.connect() as engine:
        engine.import_tar(stream, reference)
        yield reference
        engine.remove_image(reference)


def test_an_image_and_the_python_in_it(image: str, system_python: Interpreter) -> None:
    interpreter, whole = find(f"docker:{image}")
    assert isinstance(whole, Artifact)
    assert (str(whole.kind), whole.format, str(whole.path)) == ("image", "image", image)
    assert isinstance(interpreter, Interpreter)
    assert interpreter.error is None
    assert (interpreter.version, interpreter.image) == (system_python.version, image)
    assert (interpreter.executable, interpreter.prefix) == (system_python.executable, Path("/usr"))
    assert interpreter.provenance.builder == "madeup"


def test_it_is_probed_like_one_of_this_host(image: str, system_python: Interpreter) -> None:
    interpreter, whole = find(f"docker:{image}")
    there, here = probe(interpreter), probe(system_python)
    own = there["floors"].query("scope == 'own' and family == 'GLIBC'")["hard"].item()
    assert own == here["floors"].query("scope == 'own' and family == 'GLIBC'")["hard"].item()
    modules = {Path(file).name for file in there["files"].query("scope == 'stdlib'")["file"]}
    assert modules == {Path(file).name for file in here["files"].query("scope == 'stdlib'")["file"]}
    # The image lacks the libraries of some modules: that is seen from the outside.
    lacking = set(probe(whole)["closure"]["name"])
    host_lacks = set(here["closure"]["name"])
    assert lacking - host_lacks
    assert not any(name.startswith("libc.so") for name in lacking)


def test_an_image_that_is_not_there_is_one_line() -> None:
    with pytest.raises(SelectorError, match=r"nowhere:atall") as caught:
        find("docker:nowhere:atall")
    assert "\n" not in str(caught.value)


def test_nothing_is_left_behind(image: str) -> None:
    from pyassay.places.container import Engine

    with Engine.connect() as engine:
        left = engine._client.containers(all=True, filters={"label": "pyassay.run"})
    assert left == []


def test_a_folder_with_a_distribution_in_it(image: str, system_python: Interpreter, tmp_path: Path) -> None:
    from pyassay.places.container import Engine

    with (
        Engine.connect() as engine,
        engine.export(image) as stream,
        tarfile.open(fileobj=stream, mode="r|") as archive,
    ):
        archive.extractall(tmp_path / "root", filter="tar")
    interpreter, whole = find(f"rootfs:{tmp_path}/root")
    assert isinstance(interpreter, Interpreter)
    assert isinstance(whole, Artifact)
    assert (whole.format, interpreter.image) == ("rootfs", f"rootfs:{tmp_path}/root")
    if interpreter.error is not None and "neither" in interpreter.error:
        pytest.skip(interpreter.error)
    assert (interpreter.error, interpreter.version) == (None, system_python.version)
    from_image, _ = find(f"docker:{image}")
    expected = probe(from_image)["floors"].drop(columns="subject_id")
    assert probe(interpreter)["floors"].drop(columns="subject_id").equals(expected)
    with pytest.raises(SelectorError, match="nowhere: No such file"):
        find(f"rootfs:{tmp_path}/nowhere")
