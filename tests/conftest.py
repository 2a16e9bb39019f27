"""What every test may use: real interpreters of this machine, described without asking the finder."""

from __future__ import annotations

import platform
import sys
import sysconfig
from pathlib import Path

import pytest
from corpus.real_wheels import real_wheels
from pyassay.subjects.model import Confidence, Interpreter, Provenance, SubjectKind


@pytest.fixture(scope="session")
def running_interpreter() -> Interpreter:
    """Describe the base interpreter that runs the tests."""
    base = Path(sys.base_prefix).resolve()
    executable = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    series = f"python{sys.version_info.major}.{sys.version_info.minor}"
    libdir = sysconfig.get_config_var("LIBDIR")
    return Interpreter(
        id="cpython-running",
        label="running",
        kind=SubjectKind.INTERPRETER,
        executable=executable,
        version=platform.python_version(),
        implementation=sys.implementation.name,
        architecture=platform.machine(),
        libc="glibc" if platform.libc_ver()[0] == "glibc" else "musl",
        libc_version=platform.libc_ver()[1],
        compiler=platform.python_compiler(),
        build_date="",
        prefix=base,
        stdlib=base / "lib" / series,
        platstdlib=base / "lib" / series,
        library_folders=(Path(libdir),) if libdir and Path(libdir).is_dir() else (),
        site_folders=(),
        aliases=(),
        environments=(),
        environment=None,
        provenance=Provenance("unknown", "unknown", Confidence.UNKNOWN),
    )


@pytest.fixture(scope="session")
def wheelhouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fetch real wheels of real projects, once."""
    folder = tmp_path_factory.mktemp("wheelhouse")
    real_wheels(folder)
    return folder


@pytest.fixture(scope="session")
def debian_images() -> list[str]:
    """Name the Debian base images of the Docker engine."""
    pytest.importorskip("docker", reason="the Docker SDK is not installed")
    from pyassay.places.container import Engine, EngineError

    try:
        with Engine.connect() as engine:
            found = sorted(
                tag for image in engine.images() for tag in image.tags if tag.startswith("debian:")
            )
    except EngineError as error:
        pytest.skip(str(error))
    if not found:
        pytest.skip("the engine has no Debian image: pyassay images build debian:bullseye debian:trixie")
    return found
