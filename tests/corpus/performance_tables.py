"""Tables of a measurement of speed with known truth, for rules and articles."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import pandas as pd
from pyassay.evidence import SKIPPED, SUBJECTS
from pyassay.probes.observations import TableSchema
from pyassay.probes.performance import TABLES

_DEFAULTS: dict[str, Any] = {"text": "", "texts": [], "flag": False, "count": 0, "number": 0.0}
WORKLOADS = ("calls", "dicts", "zlib", "pystone-like", "start: -c pass")


def row(schema: TableSchema, **values: Any) -> dict[str, Any]:
    return {**{column.name: _DEFAULTS[column.kind] for column in schema.columns}, **values}


def measured(
    truth: Mapping[str, float],
    *,
    blocks: int = 12,
    noise: float = 0.01,
    seed: int = 1,
    block_s: float = 10.0,
) -> dict[str, pd.DataFrame]:
    """Return tables in which each subject takes `truth` times as long as the reference, the first of them."""
    schemas = {schema.name: schema for schema in (SUBJECTS, SKIPPED, *TABLES)}
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in schemas}

    def add(table: str, **values: Any) -> None:
        if "subject_id" not in values and "subject_id" in schemas[table].column_names:
            values["subject_id"] = ""
        rows[table].append(row(schemas[table], **values))

    random_ = random.Random(seed)
    reference = next(iter(truth))
    for subject in truth:
        add("subjects", subject_id=subject, label=subject, kind="interpreter", version="3.12.1")
    for name in WORKLOADS:
        group = "startup" if name.startswith("start") else "core"
        add("performance_workloads", workload=name, group=group, in_suite=group == "core", iterations=100)
    for block in range(1, blocks + 1):
        add("performance_blocks", block=block, duration_s=block_s)
        for name in WORKLOADS:
            for subject, entry in [*((one, "subject") for one in truth), (reference, "control")]:
                level = truth[subject] * (1 + random_.gauss(0, noise))
                for turn in range(4):
                    seconds = 0.01 * level * (1 + abs(random_.gauss(0, noise / 4)))
                    add(
                        "performance_samples",
                        block=block,
                        subject_id=subject,
                        entry=entry,
                        workload=name,
                        round=turn,
                        position=1,
                        iterations=100,
                        cpu_s=seconds,
                        wall_s=seconds * 1.5,
                    )
    return {name: schema.frame(rows[name]) for name, schema in schemas.items()}
