"""Homes that hold nothing but what a test puts there."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

_VARIABLES = (
    "PYENV_ROOT",
    "PYENV_VERSION",
    "UV_PYTHON_INSTALL_DIR",
    "XDG_DATA_HOME",
    "CONDA_PREFIX",
    "CONDA_EXE",
    "CONDA_ROOT",
    "MAMBA_ROOT_PREFIX",
    "VIRTUAL_ENV",
    "WORKON_HOME",
    "ASDF_DATA_DIR",
    "MISE_DATA_DIR",
    "HOMEBREW_PREFIX",
    "CLOUDSDK_ROOT_DIR",
    "AGENT_TOOLSDIRECTORY",
    "PYTHON_VERSION",
    "PYTHON_SHA256",
)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty home folder: HOME and the current folder; PATH is ``~/bin`` and the system's."""
    folder = tmp_path / "home"
    (folder / "bin").mkdir(parents=True)
    for name in _VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", os.fspath(folder))
    monkeypatch.setenv("PATH", f"{folder / 'bin'}:/usr/bin:/bin")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture(scope="session")
def base_python() -> Path:
    """Return the real interpreter under the one that runs the tests."""
    return Path(getattr(sys, "_base_executable", sys.executable)).resolve()
