"""One wheelhouse for all tests of build backends, from the registry that this machine's pip uses."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pyassay.probes.backends.settings import Settings
from pyassay.probes.backends.wheelhouse import Wheelhouse, WheelhouseError, open_wheelhouse
from pyassay.probes.backends.workplace import BuildPlace, opened
from pyassay.subjects.model import Interpreter

BACKENDS = ("flit-core", "uv-build", "hatchling")


@pytest.fixture(scope="session")
def backends_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def backend_wheels(backends_cache: Path, running_interpreter: Interpreter) -> Wheelhouse:
    wanted = Settings(backends=BACKENDS).wanted()
    try:
        found = open_wheelhouse(running_interpreter.executable, wanted, cache=backends_cache)
    except WheelhouseError as error:
        pytest.skip(f"no wheels to be had from a registry: {error}")
    if lacking := [one for one in BACKENDS if one not in found.versions]:
        pytest.skip(f"the registry has no {', '.join(lacking)}: {found.failures}")
    return found


@pytest.fixture(scope="session")
def build_place(
    backend_wheels: Wheelhouse, backends_cache: Path, running_interpreter: Interpreter
) -> Iterator[BuildPlace]:
    with opened(running_interpreter.executable, backend_wheels, backends_cache) as place:
        yield place
