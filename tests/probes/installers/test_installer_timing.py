"""Installations and first imports timed for real, on a small set of our own."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from pyassay.probes import installers
from pyassay.probes.installers import RequirementSet, Settings, first_import, speed
from pyassay.probes.installers.bench import Bench
from pyassay.probes.installers.samples import make_wheel
from pyassay.probes.installers.tools import InstallerError, obtain
from pyassay.subjects.model import Interpreter

# Known by a name for which little time is set aside.
SET = RequirementSet("small", ("sample",), "import sample.one", "made for the test")
MODULES = 40


@pytest.fixture
def bench(running_interpreter: Interpreter, tmp_path: Path) -> Bench:
    try:
        both = (obtain("uv==0.9.30"), obtain("pip==26.3"))
    except InstallerError as error:
        pytest.skip(f"no registry: {error}")
    body = "".join(f"def f{number}(x):\n    return [x, {number}]\n" for number in range(300))
    files = {f"sample/m{number}.py": body for number in range(MODULES - 2)}
    imports = "".join(f"from sample import m{number}\n" for number in range(MODULES - 2))
    files |= {"sample/__init__.py": "", "sample/one.py": imports}
    wares = tmp_path / "wares"
    make_wheel(wares, "sample", "1.0", files=files)
    (tmp_path / "scratch").mkdir()
    settings = Settings(sets=(SET,), claims=("compiles_by_default", "warm_cache_asks", "reads_metadata"))
    return Bench(
        both, running_interpreter, settings, tmp_path / "scratch", lambda one: wares, time.monotonic() + 1
    )


def rows_of(module: Any, bench: Bench) -> dict[str, list[dict[str, Any]]]:
    rows: dict[str, list[Any]] = {table.name: [] for table in installers.TABLES}
    for table, row in module.observe(bench):
        rows[table].append(row)
    for table in installers.TABLES:
        table.frame(rows[table.name])
    return rows


@pytest.mark.proof
def test_installations_are_timed_in_turns_and_their_requests_counted(bench: Bench) -> None:
    rows = rows_of(speed, bench)
    samples = rows["installer_samples"]
    assert {row["failure"] for row in samples} == {""}
    assert {(row["cache"], row["entry"]) for row in samples} == {
        (cache, entry) for cache in ("cold", "warm") for entry in ("reference", "control", "candidate")
    }
    ways = {(row["subject_id"], row["bytecode"], row["link_mode"], row["cache"]) for row in samples}
    assert ("uv-0.9.30", False, "copy", "warm") in ways
    assert {("pip-26.3", True, "copy", "cold"), ("uv-0.9.30", True, "default", "cold")} <= ways
    fastest = {
        who: min(row["wall_s"] for row in samples if row["subject_id"] == who)
        for who in ("uv-0.9.30", "pip-26.3")
    }
    assert fastest["uv-0.9.30"] < fastest["pip-26.3"]
    traffic = {(row["subject_id"], row["index"], row["cache"]): row for row in rows["installer_traffic"]}
    cold = traffic["uv-0.9.30", "modern", "cold"]
    assert (cold["page_requests"], cold["metadata_requests"], cold["file_requests"]) == (1, 1, 1)
    assert (cold["installed"], cold["modules"], cold["compiled"]) == (1, MODULES, 0)
    assert traffic["pip-26.3", "modern", "cold"]["compiled"] == MODULES
    assert traffic["pip-26.3", "plain", "cold"]["metadata_requests"] == 0
    assert traffic["uv-0.9.30", "modern", "warm"]["file_requests"] == 0
    found = {(row["claim"], row["subject_id"]): row["answer"] for row in rows["installer_answers"]}
    assert found["compiles_by_default", "uv-0.9.30"] == "no"
    assert found["compiles_by_default", "pip-26.3"] == "yes"
    assert found["warm_cache_asks", "uv-0.9.30"] == "nothing"
    assert found["reads_metadata", "pip-26.3"] == "yes"


@pytest.mark.proof
def test_who_pays_for_compiling(bench: Bench) -> None:
    samples = rows_of(first_import, bench)["installer_imports"]
    assert {row["failure"] for row in samples} == {""}
    compiled = {row["state"]: row["compiled"] for row in samples}
    assert compiled["nothing compiled, nothing written"] == compiled["first start, compiles and writes"] == 0
    assert compiled["compiled by the installer"] == compiled["compiled by the first start"] == MODULES

    def cpu_s(state: str) -> float:
        return min(row["cpu_s"] for row in samples if row["state"] == state)

    assert cpu_s("nothing compiled, nothing written") > 1.5 * cpu_s("compiled by the first start")
    assert cpu_s("first start, compiles and writes") > 1.5 * cpu_s("compiled by the installer")
