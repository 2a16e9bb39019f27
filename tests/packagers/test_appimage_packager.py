"""AppImage: what it lacks, and the pure patient packed and started for real."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from pyassay.packagers import appimage
from pyassay.packagers.model import Built, Inputs, Project
from pyassay.packagers.workshop import Workshop


def test_an_appimage_without_runtime_says_what_it_lacks(
    pure_wheels: Inputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = tmp_path / "runtime"
    wrong.write_bytes(b"\x7fELF" + bytes(60))
    with Workshop.open(
        tmp_path / "cache", build_key="reasons", timeout_s=60.0, python=pure_wheels.python
    ) as workshop:
        monkeypatch.delenv(appimage.RUNTIME, raising=False)
        monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no.sock")
        reason = appimage.available(appimage.FORMS[0], workshop)
        assert appimage.RUNTIME in reason
        assert "no.sock" in reason
        assert "\n" not in reason
        monkeypatch.setenv(appimage.RUNTIME, str(wrong))
        assert "not a runtime" in appimage.available(appimage.FORMS[0], workshop)
        monkeypatch.setenv("PATH", str(tmp_path))
        assert "mksquashfs" in appimage.available(appimage.FORMS[0], workshop)


@pytest.mark.proof
def test_an_appimage_is_a_runtime_with_an_image_behind_it(
    build_pure: Callable[..., Built],
    pure_patient: Project,
    why_no_appimage_runtime: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(appimage.RUNTIME, raising=False)
    given = tmp_path / "given"
    if why_no_appimage_runtime:
        given.write_bytes(b"\x7fELF" + bytes(4) + b"AI\x02" + bytes(4085))
        monkeypatch.setenv(appimage.RUNTIME, str(given))
    built = build_pure(appimage.FORMS[1])
    assert dict(built.environment) == {"APPIMAGE_EXTRACT_AND_RUN": "1"}
    data = built.path.read_bytes()
    if why_no_appimage_runtime:
        assert data.startswith(given.read_bytes())
        assert data[4096:4100] == b"hsqs"
        assert built.tool_versions["runtime"] == "given"
        pytest.skip(f"packed, not started: {why_no_appimage_runtime}")
    assert (data[:4], data[8:11]) == (b"\x7fELF", b"AI\x02")
    assert built.tool_versions["runtime"].startswith("our own, of squashfuse ")
    assert any("appimage_runtime.c" in line for line in built.commands)
    environment = {"PATH": os.defpath, **built.environment}
    ran = subprocess.run([built.path, "run"], env=environment, capture_output=True, timeout=60, check=True)
    assert set(json.loads(ran.stdout)["works"]) >= set(pure_patient.expected)
