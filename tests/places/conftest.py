"""A real engine and a real image, where there are any; nothing is started for the tests' sake."""

from __future__ import annotations

import io
import secrets
import shutil
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pyassay.elf import ElfError, read
from pyassay.places.container import Engine, EngineError

_APPLETS = ("sh", "cat", "echo", "env", "id", "ls", "sleep", "touch", "true", "yes", "head", "test", "dd")


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    try:
        connected = Engine.connect()
    except EngineError as error:
        pytest.skip(str(error))
    with connected:
        yield connected


def packed(entries: dict[str, bytes | str | None]) -> io.BytesIO:
    """Make a tar of programs (bytes), symbolic links (str) and folders (None)."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, content in entries.items():
            member = tarfile.TarInfo(name)
            member.mode = 0o755
            if content is None:
                member.type = tarfile.DIRTYPE
                archive.addfile(member)
            elif isinstance(content, str):
                member.type, member.linkname = tarfile.SYMTYPE, content
                archive.addfile(member)
            else:
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    stream.seek(0)
    return stream


@pytest.fixture(scope="session")
def static_busybox() -> bytes:
    found = shutil.which("busybox")
    try:
        if found is None or read(Path(found)).interpreter is not None:
            pytest.skip("no statically linked busybox here (on Debian: apt install busybox-static)")
    except ElfError as error:
        pytest.skip(str(error))
    return Path(found).read_bytes()


@pytest.fixture(scope="session")
def make_image(engine: Engine) -> Iterator[Callable[[dict[str, bytes | str | None]], str]]:
    """Give a function that makes an image of files; each is removed in the end."""
    made: list[str] = []

    def make(entries: dict[str, bytes | str | None], **labels: str) -> str:
        made.append(f"pyassay-test:{secrets.token_hex(4)}")
        engine.import_tar(packed(entries), made[-1], labels)
        return made[-1]

    yield make
    for image in made:
        engine.remove_image(image)


@pytest.fixture(scope="session")
def image(engine: Engine, request: pytest.FixtureRequest) -> str:
    """Name an image with a shell: a Debian at hand, else a busybox."""
    tags = sorted(tag for one in engine.images() for tag in one.tags if tag.startswith("debian:"))
    if tags:
        return tags[0]
    busybox = request.getfixturevalue("static_busybox")
    links = {f"bin/{name}": "busybox" for name in _APPLETS}
    made: str = request.getfixturevalue("make_image")(
        {"bin": None, "tmp": None, "etc": None, "bin/busybox": busybox, **links}
    )
    return made
