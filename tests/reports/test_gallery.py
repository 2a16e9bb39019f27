"""The committed report is what this code makes of the committed evidence, byte for byte."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pyassay.evidence import load
from pyassay.reports.assembly import build
from pyassay.reports.recording import drawing_versions
from pyassay.resources import share

GALLERY = Path(__file__).resolve().parents[2] / "reports" / "gallery"


def test_the_gallery_is_made_again_byte_for_byte(tmp_path: Path) -> None:
    made_with = json.loads((GALLERY / "made-with.json").read_text())
    if made_with != drawing_versions():
        pytest.skip(f"made with other versions: {made_with}")
    recorded = share("data", "evidence", "recorded")
    build(load(recorded).manifest.questions, recorded, tmp_path)
    kept = {path.relative_to(GALLERY): path.read_bytes() for path in GALLERY.rglob("*") if path.is_file()}
    made = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    del kept[Path("made-with.json")]
    assert sorted(kept) == sorted(made)
    differing = [str(path) for path in kept if kept[path] != made[path]]
    assert not differing, "run `make record ARGUMENTS=--outputs-only` and look at what changed"
