"""Tables of packaged applications, row by row; numbers in tests are those of a real measurement by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from pyassay.evidence import SKIPPED, SUBJECTS
from pyassay.probes.packaging.tables import TABLES

_SCHEMAS = {schema.name: schema for schema in (SUBJECTS, *TABLES, SKIPPED)}
_DEFAULTS: dict[str, Any] = {"text": "", "texts": [], "flag": None, "count": None, "number": float("nan")}
RELEASES = ("debian:11", "debian:12", "debian:13")
WORKS = ("psycopg2", "pycurl", "extension")


def environments(*, builder: bool = False) -> list[dict[str, Any]]:
    """Return the environments: four of each release, the empty image, and those with the very Python."""
    rows: list[dict[str, Any]] = []
    for release in RELEASES:
        for python in (False, True):
            for libraries in (False, True):
                words = [*(["python3"] if python else []), *(["libraries"] if libraries else [])]
                name = f"{release} with {' and '.join(words)}" if words else f"{release} bare"
                rows.append(
                    {
                        "environment": name,
                        "distribution": release,
                        "has_python": python,
                        "has_libraries": libraries,
                        "has_builder": False,
                    }
                )
    nothing = {"distribution": "", "has_python": False, "has_libraries": False, "has_builder": False}
    rows.append({"environment": "empty", **nothing})
    if builder:
        rows += [
            {
                "environment": f"{release} with its builder's Python",
                "distribution": release,
                "has_python": False,
                "has_libraries": False,
                "has_builder": True,
            }
            for release in RELEASES
        ]
    return rows


class Packed:
    """Builds the tables; what a test does not say has a harmless default."""

    def __init__(self) -> None:
        self.rows: dict[str, list[dict[str, Any]]] = {name: [] for name in _SCHEMAS}

    def add(self, table: str, **values: Any) -> Packed:
        defaults = {column.name: _DEFAULTS[column.kind] for column in _SCHEMAS[table].columns}
        self.rows[table].append({**defaults, **values})
        return self

    def build(self, subject_id: str = "it", **values: Any) -> Packed:
        """Add a build that succeeded, and its subject."""
        row = {
            "form": subject_id,
            "packager": "pex",
            "label": subject_id,
            "inputs_kind": "oldest",
            "python": "CPython 3.12.10",
            "status": "built",
            "delivery": "file",
            "program": subject_id,
            "licence": "Apache-2.0",
            "licence_source": "its metadata",
            "duration_s": 9.4,
            "cpu_s": 8.9,
            "size_bytes": 13_000_000,
            "files": 1,
            "elf_files": 53,
            "glibc_floor": "2.28",
            "floor_set_by": "psycopg2.libs/liblber-2-dfe6a708.4.so.2.11.5",
            "carries_python": False,
            "cached": False,
            "commands": [f"pack {subject_id}"],
            **values,
        }
        label = str(row["label"])
        kind = str(row["inputs_kind"])
        named = f"{label}, {kind} wheels" if kind else label
        self.add("subjects", subject_id=subject_id, label=named, kind="build", format=str(row["form"]))
        return self.add("packaging_builds", subject_id=subject_id, **row)

    def run(self, subject_id: str = "it", error_line: str = "", **values: Any) -> Packed:
        """Add one run; it failed if it said an error."""
        row = {
            "environment": "debian:12 bare",
            "distribution": "debian:12",
            "has_python": False,
            "has_libraries": False,
            "has_builder": False,
            "command": f"./{subject_id} run",
            "outcome": "failed" if error_line else "ran",
            "exit_code": 1 if error_line else 0,
            "works": [] if error_line else list(WORKS),
            "error_line": error_line,
            "duration_s": 0.6,
            **values,
        }
        return self.add("packaging_runs", subject_id=subject_id, **row)

    def everywhere(
        self,
        subject_id: str,
        refused: Mapping[str, str] | None = None,
        *,
        builder: bool = False,
        predicted: bool | None = None,
    ) -> Packed:
        """Run it in every environment; ``refused`` says by environment (or its beginning) what it said."""
        for place in environments(builder=builder):
            name = str(place["environment"])
            error = next((text for key, text in (refused or {}).items() if name.startswith(key)), "")
            if name == "empty":
                error = f"exec ./{subject_id}: no such file or directory"
            foretold = None if predicted is None else not error
            self.run(subject_id, error, **place, predicted=foretold)
        return self

    def starts(
        self, times: Mapping[str, Sequence[float]], *, state: str = "warm", what: str = "help"
    ) -> Packed:
        """Add samples: seconds by command and block; ``python -m`` and ``control`` are the reference's."""
        for command, seconds in times.items():
            entry = {"python -m": "reference", "control": "control"}.get(command, "candidate")
            for block, value in enumerate(seconds, 1):
                self.add(
                    "packaging_start_samples",
                    command_id="python -m" if entry == "control" else command,
                    what=what,
                    state=state,
                    block=block,
                    position=1,
                    entry=entry,
                    wall_s=value,
                    cpu_s=0.95 * value,
                    peak_rss_bytes=30_000_000,
                )
        return self

    def tables(self) -> dict[str, pd.DataFrame]:
        return {name: schema.frame(self.rows[name]) for name, schema in _SCHEMAS.items()}


# Medians of three rounds of eight starts of `--help`, in seconds; the control is another entry of the same.
MEASURED_STARTS: Mapping[str, Sequence[float]] = {
    "python -m": (0.0741, 0.0731, 0.0735),
    "control": (0.0720, 0.0737, 0.0750),
    "by-hand": (0.0734, 0.0806, 0.0758),
    "pex-venv": (0.2368, 0.1779, 0.1787),
    "pyinstaller-onefile": (0.3707, 0.4251, 0.3668),
}
FIRST_STARTS: Mapping[str, Sequence[float]] = {
    "python -m": (0.0749, 0.0746, 0.0758),
    "control": (0.0783, 0.0751, 0.0767),
    "by-hand": (0.0727, 0.0716, 0.0800),
    "pex-venv": (2.9376, 2.6333, 2.9777),
    "pyinstaller-onefile": (0.3543, 0.3519, 0.3557),
}
BARE_PEX = "/usr/bin/env: 'python3.12': No such file or directory"
NO_LIBSSL = "ImportError: libssl.so.3: cannot open shared object file: No such file or directory"
NO_GLIBC = "/lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.34' not found (required by ./nuitka)"


def measured() -> Packed:
    """Return a small measurement: three forms of the oldest wheels, one of raw ones, one not to be had."""
    packed = Packed()
    packed.build("pex-venv", slides_row="Pex", label="pex --venv")
    packed.everywhere("pex-venv", dict.fromkeys(RELEASES, BARE_PEX), predicted=True)
    for release in RELEASES:
        place = f"{release} with its builder's Python"
        packed.run("pex-venv", environment=place, distribution=release, has_builder=True, predicted=True)
    packed.build(
        "by-hand",
        slides_row="By hand",
        label="by hand",
        packager="by_hand",
        delivery="folder",
        files=2100,
        size_bytes=73_866_843,
        carries_python=True,
        licence="",
        licence_source="no tool: what is inside keeps its licences",
        elf_files=57,
        outside_libraries=["libz.so.1"],
    ).everywhere("by-hand", predicted=True)
    packed.build(
        "pyinstaller-onefile",
        label="PyInstaller --onefile",
        packager="pyinstaller",
        size_bytes=23_230_824,
        carries_python=True,
        outer_floor="2.14",
        licence="GPL-2.0-or-later WITH Bootloader-exception",
    ).everywhere("pyinstaller-onefile", predicted=True)
    packed.build(
        "nuitka-raw",
        label="Nuitka onefile",
        packager="nuitka",
        slides_row="Nuitka",
        inputs_kind="raw",
        size_bytes=10_980_112,
        carries_python=True,
        glibc_floor="2.34",
        floor_set_by="patient",
        outside_libraries=["libcrypto.so.3", "libcurl.so.4", "libpq.so.5", "libssl.so.3"],
        licence="AGPL-3.0-or-later",
        licence_source="its classifier; LICENSE-RUNTIME.txt excepts what it builds",
        duration_s=172.0,
        cpu_s=172.0,
    ).everywhere(
        "nuitka-raw",
        {
            "debian:11": NO_GLIBC,
            "debian:12 bare": NO_LIBSSL,
            "debian:12 with python3": NO_LIBSSL,
            "debian:13 bare": NO_LIBSSL,
            "debian:13 with python3": NO_LIBSSL,
        },
        predicted=True,
    )
    packed.build(
        "pyoxidizer",
        label="PyOxidizer",
        packager="pyoxidizer",
        slides_row="PyOxidizer",
        inputs_kind="",
        status="not available",
        reason="its Rust crates are out of reach",
        licence="MPL-2.0",
        delivery="",
        size_bytes=None,
        elf_files=None,
        carries_python=None,
        commands=[],
    )
    packed.starts(MEASURED_STARTS).starts(FIRST_STARTS, state="first")
    for name in ("pex-venv", "by-hand", "pyinstaller-onefile"):
        packed.add(
            "packaging_contents",
            subject_id=name,
            library="openssl",
            version="1.1.1w",
            path="pycurl.libs/libcrypto.so.1.1",
            brought_by="a wheel",
            updated_by="a new build of the wheel and the artifact",
        )
    packed.add("packaging_repeats", subject_id="pex-venv", epoch_set=False, same=True)
    packed.add(
        "packaging_inputs",
        inputs_id="oldest-3.12.10",
        kind="oldest",
        python="CPython 3.12.10",
        built_in="debian:bullseye",
        status="built",
        wheels=["pycurl-7.46.0-cp312-cp312-manylinux_2_28_x86_64.whl"],
        size_bytes=12_000_000,
        glibc_floor="2.28",
        floor_set_by="psycopg2.libs/liblber-2-dfe6a708.4.so.2.11.5",
        duration_s=60.0,
        cpu_s=55.0,
        commands=["pip wheel .", "auditwheel repair"],
    )
    return packed
