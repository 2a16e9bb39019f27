"""The prediction put to the test: real programs and Pythons, in real containers, on another processor."""

from __future__ import annotations

import platform
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from pyassay.gathering import gather
from pyassay.probes.trials import EmulatedProcessor, NoPlace, places_at_hand, try_subject
from pyassay.subjects import Artifact, Interpreter, find
from pyassay.verdicts.trials import agreement


def compiled(target: Path, source: str, *options: str) -> Path:
    if shutil.which("gcc") is None:
        pytest.skip("no gcc here")
    code = target.with_suffix(".c")
    code.write_text(source)
    subprocess.run(["gcc", "-o", target, code, *options], check=True, capture_output=True, timeout=60)
    return target


def artifact(path: Path) -> Artifact:
    (found,) = find(path)
    assert isinstance(found, Artifact)
    return found


@pytest.mark.engine
def test_an_interpreter_behaves_as_foretold(
    debian_images: list[str], running_interpreter: Interpreter
) -> None:
    with places_at_hand(debian_images) as places:
        rows = [row for place in places for row in try_subject(running_interpreter, place)]
    if running_interpreter.prefix in {Path("/usr"), Path("/usr/local")}:
        assert {row["outcome"] for row in rows if row["place"] in debian_images} == {"not tried"}
        pytest.skip("the Python that runs the tests belongs to its distribution: it cannot be moved")
    counted = agreement(rows)
    assert counted.disagreements == ()
    assert counted.tried >= len(debian_images)
    tried_in = {row["place"] for row in rows if row["outcome"] != "not tried"}
    assert set(debian_images) <= tried_in


NEW_FUNCTION = """
#define _GNU_SOURCE
#include <stdio.h>
#include <unistd.h>
int main(void) { puts("started"); return close_range(100, 101, 0) > 0; }
"""


@pytest.mark.engine
def test_a_program_is_refused_where_its_glibc_is_missing(debian_images: list[str], tmp_path: Path) -> None:
    program = artifact(compiled(tmp_path / "app", NEW_FUNCTION))
    with places_at_hand(debian_images) as places:
        outcomes = {place.name: list(try_subject(program, place)) for place in places}
    rows = [row for found in outcomes.values() for row in found]
    assert agreement(rows).disagreements == ()
    for name in debian_images:
        (row,) = outcomes[name]
        # close_range came with glibc 2.34; bullseye has 2.31.
        assert row["outcome"] == ("refused" if "bullseye" in name else "works"), row
        assert ("GLIBC_2.34" in row["message"]) == ("bullseye" in name)


OPENER = """
#include <dlfcn.h>
#include <stdio.h>
int main(int count, char **words) {
    void *opened = dlopen(words[1], RTLD_NOW);
    if (!opened) fprintf(stderr, "%s\\n", dlerror());
    return opened == 0;
}
"""


@pytest.mark.engine
def test_an_executable_stack_is_refused_from_glibc_2_41_on(debian_images: list[str], tmp_path: Path) -> None:
    from pyassay.places.container import Engine

    library = compiled(
        tmp_path / "stack.so", "int f(void){return 1;}", "-shared", "-fPIC", "-Wl,-z,execstack"
    )
    opener = compiled(tmp_path / "opener", OPENER, "-static-libgcc", "-ldl")
    tmp_path.chmod(0o755)
    refused = {}
    with Engine.connect() as engine:
        for image in debian_images:
            done = engine.run(image, ("/t/opener", "/t/stack.so"), timeout_s=30, mounts={tmp_path: "/t"})
            if b"GLIBC_" in done.stderr:
                continue
            refused[image] = done.returncode != 0
            if refused[image]:
                assert b"cannot enable executable stack" in done.stderr
    assert refused
    assert refused == {image: "trixie" in image for image in refused}
    assert library.exists()
    assert opener.exists()


VECTORS = """
#include <immintrin.h>
int main(int count, char **words) {
    __m256i many = _mm256_set1_epi32(count);
    many = _mm256_mullo_epi32(many, many);
    int out[8];
    _mm256_storeu_si256((__m256i *)out, many);
    return out[0] != count * count;
}
"""


@pytest.mark.skipif(platform.machine() != "x86_64", reason="x86_64 processors are emulated")
def test_code_for_a_newer_processor_is_refused_by_an_older_one(tmp_path: Path) -> None:
    if not EmulatedProcessor.available():
        pytest.skip("no qemu-x86_64 (qemu-user) here")
    newer = artifact(compiled(tmp_path / "v3", VECTORS, "-O1", "-march=x86-64-v3"))
    plain = artifact(compiled(tmp_path / "v1", "int main(void){return 0;}"))
    place = EmulatedProcessor("x86-64-v1", "qemu64")
    assert [row["outcome"] for row in try_subject(newer, place)] == ["refused"]
    assert [row["outcome"] for row in try_subject(plain, place)] == ["works"]


def test_without_an_engine_the_evidence_says_what_was_not_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody.sock")
    program = artifact(compiled(tmp_path / "app", "int main(void){return 0;}"))
    with places_at_hand() as places:
        assert isinstance(places[0], NoPlace)
        evidence = gather("portability", [program], places=places)
    rows: list[dict[str, Any]] = evidence.table("trials").to_dict("records")  # type: ignore[assignment]
    assert rows[0]["outcome"] == "not tried"
    assert "nobody.sock" in rows[0]["message"]
    assert len(evidence.table("files")) == 1


def test_what_cannot_be_started_is_a_row(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "data").write_bytes(b"1")
    place = EmulatedProcessor("x86-64-v1", "qemu64")
    (row,) = try_subject(artifact(folder), place)
    assert row["outcome"] == "not tried"
    assert row["message"] == "folder: nothing that could be started as it is"
