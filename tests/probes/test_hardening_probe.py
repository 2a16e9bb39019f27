"""The table of hardening: of a real interpreter, a wheel, and what cannot be read."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from corpus.rootfs import build
from pyassay.probes.hardening import HARDENING, observe, probe
from pyassay.probes.portability import probe as portability
from pyassay.subjects.artifacts import artifact
from pyassay.subjects.model import Interpreter


def test_the_running_interpreter(running_interpreter: Interpreter) -> None:
    frame = probe(running_interpreter)["hardening"]
    assert list(frame.columns) == HARDENING.column_names
    assert len(frame) > 3
    assert (frame["reason"] == "").all()
    assert set(frame["pie"]) <= {"PIE", "DSO", "no"}
    # The same files, told by another probe.
    files = portability(running_interpreter)["files"].set_index("file")
    for row in frame.itertuples():
        assert row.relro == files.loc[row.file, "relro"]
        assert (row.pie == "PIE") == files.loc[row.file, "pie"]


def test_an_archive_and_what_is_damaged_in_it(tmp_path: Path) -> None:
    good = build(tmp_path / "good.so", "int f(void){return 1;}", options=("-Wl,-z,relro,-z,now",))
    path = tmp_path / "x-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(good, "x/good.so")
        archive.writestr("x/cut.so", good.read_bytes()[:3000])
        archive.writestr("x/text.so", "INPUT(libx.so.1)")
        archive.writestr("x-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\n")
    rows = {row["file"]: row for row in observe(artifact(path))}
    assert sorted(rows) == ["x/cut.so", "x/good.so"]
    assert (rows["x/good.so"]["relro"], rows["x/good.so"]["nx"]) == ("full", True)
    assert rows["x/cut.so"]["reason"].startswith("truncated")
    assert (rows["x/cut.so"]["pie"], rows["x/cut.so"]["canary"]) == ("", None)
    frame = probe(artifact(path))["hardening"]
    assert frame.loc[frame["file"] == "x/cut.so", "canary"].isna().all()


@pytest.mark.engine
def test_a_python_in_an_image(debian_images: list[str]) -> None:
    from pyassay import find

    names = [name for name in debian_images if "python" in name]
    if not names:
        pytest.skip("no image with a Python")
    subject = next(one for one in find(f"docker:{names[0]}") if isinstance(one, Interpreter))
    rows = {row["file"]: row for row in observe(subject)}
    executable = [row for file, row in rows.items() if file.endswith(subject.executable.name)]
    assert executable[0]["scope"] == "runtime"
    assert executable[0]["nx"] is True
    assert {row["scope"] for row in rows.values()} >= {"runtime", "stdlib"}
