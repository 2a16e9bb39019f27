"""Libraries in real interpreters and wheels: versions, linkage and owners, static and at run time."""

from __future__ import annotations

import pytest
from pyassay.probes.libraries import BUNDLED_LIBRARIES, observe, probe
from pyassay.subjects.model import Interpreter


@pytest.fixture(scope="module")
def running(running_interpreter: Interpreter) -> list[dict[str, object]]:
    return observe(running_interpreter)


def test_the_table_is_complete(running_interpreter: Interpreter) -> None:
    frame = probe(running_interpreter)["bundled_libraries"]
    assert list(frame.columns) == BUNDLED_LIBRARIES.column_names
    assert set(frame["subject_id"]) == {running_interpreter.id}


def test_static_and_run_time_agree(running: list[dict[str, object]]) -> None:
    told = {row["library"] for row in running if row["runtime_version"]}
    assert {"cpython", "openssl", "sqlite", "zlib", "expat"} <= told
    assert [row for row in running if row["agrees"] is False] == []
    assert {row["library"] for row in running if row["agrees"]} >= {"cpython", "openssl", "sqlite", "zlib"}
