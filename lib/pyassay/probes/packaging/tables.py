"""The tables of packaging: what was built, where it ran, how it behaves, what is inside."""

from __future__ import annotations

from pyassay.probes.observations import Column, TableSchema

__all__ = [
    "ASKED_OF",
    "BUILDS",
    "CIRCUMSTANCES",
    "CONTENTS",
    "FOOTPRINTS",
    "INPUTS",
    "REPEATS",
    "RUNS",
    "START_SAMPLES",
    "TABLES",
]

ASKED_OF = "asked of "
"""What a reason begins with where another artifact of the same form was asked instead; its id follows."""

_SUBJECT = Column("subject_id", "text", "Which artifact: a row of the table `subjects`.")

INPUTS = TableSchema(
    "packaging_inputs",
    "One row per wheelhouse that packagers were given.",
    (
        Column("inputs_id", "text", "`raw-3.12.10`: kind and Python."),
        Column("kind", "text", "`raw`, `repaired` or `oldest`."),
        Column("python", "text", "The Python that they were built for and packed by, in words."),
        Column("built_in", "text", "`this host`, or the image that they were built in."),
        Column("status", "text", "`built` or `not available`."),
        Column("reason", "text", "Why it is not available, one line; else empty."),
        Column("wheels", "texts", "File names of the wheels."),
        Column("size_bytes", "count", "Of all of them."),
        Column("glibc_floor", "text", "The newest glibc symbol version in any of them: `2.34`; empty: none."),
        Column("floor_set_by", "text", "The member that needs it."),
        Column("duration_s", "number", "Wall seconds to build (and repair) them."),
        Column("cpu_s", "number", "CPU seconds of the same."),
        Column("commands", "texts", "How to build them again."),
    ),
)

BUILDS = TableSchema(
    "packaging_builds",
    "One row per form and inputs: what was built, or why not.",
    (
        _SUBJECT,
        Column("form", "text", "`pex-venv`."),
        Column("packager", "text", "Its module: `pex`."),
        Column("label", "text", "`pex --venv`."),
        Column("slides_row", "text", "The row of the slides' table; empty: not among theirs."),
        Column("inputs_id", "text", "A row of `packaging_inputs`; empty: none were needed or to be had."),
        Column("inputs_kind", "text", "`raw`, `repaired`, `oldest`; empty: it makes no difference."),
        Column("python", "text", "The Python that was packed, or packed by, in words."),
        Column("status", "text", "`built`, `failed`, or `not available`."),
        Column("reason", "text", "Why it is not built and what would help, one line; else empty."),
        Column("packager_version", "text", "Of the tool; empty: unknown."),
        Column("licence", "text", "Of the tool, SPDX."),
        Column("licence_source", "text", "Where that stands."),
        Column("delivery", "text", "`file`, `folder`, `package` or `image`."),
        Column("program", "text", "What is started in it."),
        Column("commands", "texts", "How to build it again."),
        Column("tool_versions", "texts", "`gcc 12.2.0` ..."),
        Column("duration_s", "number", "Wall seconds of the packager alone."),
        Column("cpu_s", "number", "CPU seconds of the same."),
        Column("peak_rss_bytes", "count", "Of its largest process."),
        Column("environment_bytes", "count", "What the packager's own environment takes on disk."),
        Column("size_bytes", "count", "Of the artifact; of a folder the sum of its files."),
        Column("files", "count", "How many files it is."),
        Column("elf_files", "count", "ELF files in it, payloads opened; missing: it could not be read."),
        Column("glibc_floor", "text", "Newest glibc symbol version in it, payloads opened; empty: none."),
        Column("floor_set_by", "text", "The member that needs it."),
        Column(
            "outer_floor", "text", "The same of the outer file alone: what objdump would show; empty: none."
        ),
        Column(
            "outside_libraries",
            "texts",
            "Sonames that it needs and does not carry, the C library's left out.",
        ),
        Column("carries_python", "flag", "Whether a Python interpreter is inside."),
        Column("sha256", "text", "Of the artifact; of a folder over names and bytes."),
        Column("cached", "flag", "Whether it was built in an earlier run; the durations are that run's."),
        Column("log_tail", "text", "The last lines that the packager said."),
    ),
)

REPEATS = TableSchema(
    "packaging_repeats",
    "One row per artifact that was built twice.",
    (
        _SUBJECT,
        Column("epoch_set", "flag", "Whether SOURCE_DATE_EPOCH was set."),
        Column("same", "flag", "Whether the bytes are the same; missing: not measured."),
        Column("first_difference", "text", "Where they differ first; else empty."),
        Column("reason", "text", "Why it was not measured; else empty."),
    ),
)

RUNS = TableSchema(
    "packaging_runs",
    "One row per artifact and environment: what was foretold, and what happened.",
    (
        _SUBJECT,
        Column(
            "environment", "text", "`debian:11 bare`, `debian:12 with python3 and libraries`, `empty` ..."
        ),
        Column("image", "text", "The image of the engine; empty: made for the purpose."),
        Column("distribution", "text", "`debian:11`; empty for the empty image."),
        Column("has_python", "flag", "Whether the distribution's python3 is there."),
        Column("has_libraries", "flag", "Whether libcurl and libpq are there."),
        Column("has_builder", "flag", "Whether the very Python that packed it is there."),
        Column("command", "text", "What was run."),
        Column("outcome", "text", "`ran`, `failed`, `not measured`."),
        Column("exit_code", "count", "Of it; missing: it was killed, or not measured."),
        Column("works", "texts", "The parts of the project that said they work."),
        Column("error_line", "text", "What it said when it failed, or why it was not measured; else empty."),
        Column("duration_s", "number", "Wall seconds, the engine's share included."),
        Column("predicted", "flag", "Whether the static check said that it runs; missing: it could not say."),
        Column("predicted_why", "text", "What it said is lacking; else empty."),
    ),
)

CIRCUMSTANCES = TableSchema(
    "packaging_circumstances",
    "One row per artifact and circumstance: does it still do what it should?",
    (
        _SUBJECT,
        Column("circumstance", "text", "Key: `read-only`, `sigterm`, `resource` ... of the catalogue."),
        Column("environment", "text", "Where it was tried."),
        Column("outcome", "text", "`works`, `fails`, `differs` or `not measured`."),
        Column("seen", "text", "What was seen, or why it was not measured: one line."),
        Column("command", "text", "What was run."),
    ),
)

FOOTPRINTS = TableSchema(
    "packaging_footprints",
    "One row per artifact and start: what it writes outside of itself.",
    (
        _SUBJECT,
        Column("start", "text", "`first` or `second` of the same user."),
        Column("home_bytes", "count", "Written to the home folder and left there."),
        Column("temporary_bytes", "count", "Written to the temporary folder while it ran."),
        Column("left_bytes", "count", "Left in the temporary folder when it had ended."),
        Column(
            "left_after_kill_bytes", "count", "Left in the temporary folder when it was killed (SIGKILL)."
        ),
        Column("reason", "text", "Why it was not measured; else empty."),
    ),
)

CONTENTS = TableSchema(
    "packaging_contents",
    "One row per artifact and library or bill of materials found inside.",
    (
        _SUBJECT,
        Column("library", "text", "`openssl`, `libcurl`, `libpq`, `sbom` ..."),
        Column("version", "text", "`1.1.1w`; empty: unknown."),
        Column("path", "text", "The member."),
        Column("brought_by", "text", "`the Python`, `a wheel`, `the packager`, `the system`, `unknown`."),
        Column(
            "updated_by", "text", "Who can replace it: `apt`, `a new build of the wheel and the artifact` ..."
        ),
    ),
)

START_SAMPLES = TableSchema(
    "packaging_start_samples",
    "One row per start: artifacts and `python -m` in turns.",
    (
        Column("command_id", "text", "A subject_id, or `python -m` of the Python that packed it."),
        Column("what", "text", "`help` or `check`."),
        Column("state", "text", "`warm`, `cold` (the page cache dropped) or `first` (nothing unpacked yet)."),
        Column("block", "count", "Number of the block, from 1."),
        Column("position", "count", "Place of the command in its block, from 1."),
        Column("entry", "text", "`reference`, `control` (the reference again) or `candidate`."),
        Column("wall_s", "number", "Wall seconds; missing: it failed."),
        Column("cpu_s", "number", "CPU seconds, user and system, children included."),
        Column("peak_rss_bytes", "count", "Of its largest process."),
        Column("failure", "text", "Why it counts for nothing; else empty."),
    ),
)

TABLES = (INPUTS, BUILDS, REPEATS, RUNS, CIRCUMSTANCES, FOOTPRINTS, CONTENTS, START_SAMPLES)
