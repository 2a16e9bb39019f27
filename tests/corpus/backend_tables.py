"""Tables of a small measurement of two build backends, made by hand."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pandas as pd
from pyassay.evidence import SKIPPED, SUBJECTS
from pyassay.probes.backends import TABLES
from pyassay.probes.observations import TableSchema
from pyassay.reference import load
from pyassay.subjects.collection import subject_row
from pyassay.subjects.model import Artifact, SubjectKind

__all__ = ["backend_tables"]

FLIT, UV = "flit-core-4", "uv-build-1"
_EMPTY: dict[str, Any] = {"text": "", "texts": [], "flag": None, "count": None, "number": math.nan}


def _row(schema: TableSchema, **cells: Any) -> dict[str, Any]:
    return {column.name: _EMPTY[column.kind] for column in schema.columns} | cells


def backend_tables() -> dict[str, pd.DataFrame]:
    """Return every table: one backend in Python alone, one that is a binary; the same wheel by both."""
    schemas = {schema.name: schema for schema in TABLES}
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in schemas}

    def add(table: str, subject: str, **cells: Any) -> None:
        rows[table].append(_row(schemas[table], subject_id=subject, **cells))

    rows["backend_context"].append({"fact": "cores", "value": "2"})
    for subject, name in ((FLIT, "flit-core"), (UV, "uv-build")):
        native = 1 if name == "uv-build" else 0
        add("backends", subject, name=name, version="1", projects=["pure"])
        add(
            "backend_closures",
            subject,
            scope="declared",
            distribution=name,
            pure=not native,
            size_bytes=48_000,
            unpacked_bytes=3_200_000 if native else 150_000,
            python_lines=3_600,
            native_files=native,
            native_bytes=3_000_000 * native,
            native=["ELF uv-build"] * native,
            sboms=["uv-build.cyclonedx.json"] * native,
        )
        for platform in load("pep11_tiers").frame.to_dict("records"):
            ready = not native or platform["tier"] == "1"
            add(
                "backend_platforms",
                subject,
                target=platform["target"],
                tier=platform["tier"],
                ready=ready,
                to_compile=[] if ready else ["uv-build: maturin>=1, rustc 1.97"],
            )
        for artifact in ("wheel", "sdist"):
            about = {"project": "pure", "artifact": artifact}
            digest = "0" * 64 if subject == FLIT else "1" * 64
            add("backend_outputs", subject, **about, status="built", metadata_version="2.4", sha256=digest)
            for path, role in (("a/core.py", "code"), (".dist-info/METADATA", "metadata")):
                sha = "a" * 64 if role == "code" else digest
                add("backend_files", subject, **about, path=path, role=role, sha256=sha)
            marker = "python_full_version" if native else "python_version"
            for field, values in (
                ("Metadata-Version", ["2.4" if native else "2.5"]),
                ("Author-Email" if native else "Author-email", ["Zoe <z@example.org>"]),
                ("Requires-Dist", [f"b>=1; {marker} >= '3.9'"]),
            ):
                add("backend_metadata", subject, **about, field=field, values=values)
            add("backend_repeats", subject, **about, change="again", epoch_set=True, same=True)
        add("backend_features", subject, project="pure", feature="installs", outcome="works", question="?")
    for listed, crates, third in (("Cargo.lock", 317, 293), ("bill of materials", 243, 221)):
        needs = ["maturin>=1", "rustc 1.97"]
        about = {"distribution": "uv-build", "listed_in": listed, "crates": crates, "third_party": third}
        add("backend_crates", UV, **about, needs=needs)
    for block in range(1, 7):
        for number, (subject, command, entry, seconds) in enumerate(
            (
                (FLIT, "flit hook", "reference", 0.4),
                (UV, "uv hook", "candidate", 0.1),
                (FLIT, "flit hook", "control", 0.404),
            ),
            1,
        ):
            times = {"wall_s": seconds + 0.001 * block, "cpu_s": seconds}
            about = {"comparison": "backends", "project": "pure", "artifact": "wheel", "frontend": "hook"}
            place = {"command_id": command, "entry": entry, "block": block, "position": number}
            add("backend_build_samples", subject, **about, **place, **times)
    tables = {name: schema.frame(rows[name]) for name, schema in schemas.items()}
    subjects = [
        Artifact(FLIT, "flit-core 4", SubjectKind.TOOL, Path(), "backend"),
        Artifact(UV, "uv-build 1", SubjectKind.TOOL, Path(), "backend"),
    ]
    return {
        **tables,
        SUBJECTS.name: SUBJECTS.frame(map(subject_row, subjects)),
        SKIPPED.name: SKIPPED.frame([]),
    }
