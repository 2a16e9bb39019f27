"""Real installers on a bench for a test: obtained once, and a group of probes run with them."""

from __future__ import annotations

import time
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from pyassay.probes import installers
from pyassay.probes.installers import Settings, _observe
from pyassay.probes.installers.bench import Bench
from pyassay.probes.installers.registry import RegistryError
from pyassay.probes.installers.settings import RequirementSet
from pyassay.probes.installers.tools import Installer, InstallerError, obtain
from pyassay.subjects.model import Interpreter

UV, PIP = "uv-0.9.30", "pip-26.3"


@cache
def _obtained(wanted: tuple[str, ...]) -> tuple[Installer, ...] | str:
    try:
        return tuple(obtain(one) for one in wanted)
    except InstallerError as error:
        return str(error)


def bench_of(interpreter: Interpreter, folder: Path, *claims: str) -> Bench:
    """Return a bench with uv and pip; skips where they cannot be had."""
    found = _obtained(("uv==0.9.30", "pip==26.3"))
    if isinstance(found, str):
        pytest.skip(f"no registry: {found}")

    def none(wanted: RequirementSet) -> Path:
        raise RegistryError(f"{wanted.name}: not in tests")

    return Bench(found, interpreter, Settings(claims=claims), folder, none, time.monotonic() + 60)


def answered(module: ModuleType, bench: Bench) -> dict[tuple[str, str], dict[str, Any]]:
    """Run a group and return the rows of its answers by claim and installer; they fit the table."""
    rows: dict[str, list[Any]] = {table.name: [] for table in installers.TABLES}
    _observe(module, bench, rows)
    installers.tables.ANSWERS.frame(rows["installer_answers"])
    return {(row["claim"], row["subject_id"]): row for row in rows["installer_answers"]}
