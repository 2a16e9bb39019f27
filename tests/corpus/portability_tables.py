"""Small tables of the shape that the probe records, for the rules to judge."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
from pyassay.evidence import SKIPPED, SUBJECTS
from pyassay.probes.portability import TABLES

_SCHEMAS = {schema.name: schema for schema in (SUBJECTS, *TABLES, SKIPPED)}
_DEFAULTS: dict[str, Any] = {"text": "", "texts": [], "flag": False, "count": 0}
Tables = dict[str, pd.DataFrame]


class Evidence:
    """Builds tables row by row; what a test does not say has a harmless default."""

    def __init__(self) -> None:
        self.rows: dict[str, list[dict[str, Any]]] = {name: [] for name in _SCHEMAS}

    def add(self, table: str, **values: Any) -> None:
        schema = _SCHEMAS[table]
        defaults = {column.name: _DEFAULTS[column.kind] for column in schema.columns}
        self.rows[table].append({**defaults, "subject_id": "it", **values})

    def subject(self, subject_id: str = "it", **values: Any) -> Evidence:
        self.add("subjects", **{"subject_id": subject_id, "label": subject_id, "builder": "pyenv", **values})
        return self

    def file(
        self,
        file: str,
        needs: Sequence[str] = (),
        *,
        scope: str = "runtime",
        subject_id: str = "it",
        **values: Any,
    ) -> Evidence:
        """Add a file and its needs, each written ``GLIBC_2.17`` or ``libstdc++.so.6:GLIBCXX_3.4.21``."""
        self.add(
            "files", **{"file": file, "scope": scope, "libc": "glibc", "subject_id": subject_id, **values}
        )
        for need in needs:
            soname, _, version = need.rpartition(":")
            weak = version.endswith("?")
            version = version.rstrip("?")
            family, _, number = version.partition("_")
            self.add(
                "needs",
                subject_id=subject_id,
                file=file,
                scope=scope,
                soname=soname or "libc.so.6",
                version=version,
                family=family,
                number=number if number[:1].isdigit() else "",
                weak=weak,
            )
        return self

    def tables(self) -> Tables:
        return {name: schema.frame(self.rows[name]) for name, schema in _SCHEMAS.items()}


def python(*needs: str, **values: Any) -> Tables:
    """One interpreter whose executable has these needs."""
    return Evidence().subject(**values).file("bin/python3", needs).tables()
