"""The tables of installers: answers to claims, races, traffic."""

from __future__ import annotations

from pyassay.probes.observations import Column, TableSchema
from pyassay.probes.paired_commands import paired_columns

__all__ = ["ANSWERS", "IMPORTS", "NOT_APPLICABLE", "NOT_MEASURED", "RACES", "SAMPLES", "SETS", "TRAFFIC"]

NOT_MEASURED, NOT_APPLICABLE = "not measured", "not applicable"

_SUBJECT = Column("subject_id", "text", "Which installer: a row of the table `subjects`.")
_TELLING = "What was seen, one line; {scratch} stands for the probe's own folder, {python} for the Python."
_REASON = Column("reason", "text", "Why it was not measured, or does not apply; else empty.")

ANSWERS = TableSchema(
    "installer_answers",
    "One row per claim of the catalogue and installer: what came out when it was put to the test.",
    (
        _SUBJECT,
        Column("claim", "text", "Key of the catalogue of claims."),
        Column(
            "answer",
            "text",
            f"One of the claim's answers, `{NOT_MEASURED}` or `{NOT_APPLICABLE}` (see reason).",
        ),
        Column("seen", "text", _TELLING),
        Column("details", "text", "JSON object: what stands behind the line."),
        Column("command", "text", "The command that shows it, for a shell."),
        Column("exit_code", "count", "Its exit status, negative for a signal; missing: it did not end."),
        Column("duration_s", "number", "Its wall seconds."),
        _REASON,
    ),
)

RACES = TableSchema(
    "installer_races",
    "One row per trial in which several installers of one kind worked at the same time.",
    (
        _SUBJECT,
        Column("race", "text", "`same sdist`, `one environment, several versions` ...: what they shared."),
        Column("trial", "count", "Number of the trial, from 1."),
        Column("at_once", "count", "How many were started together."),
        Column("shared_cache", "flag", "Whether they shared one cache."),
        Column("cache", "text", "`cold` (empty) or `warm` (it held what was asked for)."),
        Column("succeeded", "count", "How many ended with status 0."),
        Column("failed", "count", "How many ended otherwise, or had to be ended."),
        Column("builds", "count", "How often a source distribution was built; missing: there was none."),
        Column(
            "consistent", "flag", "Whether what lies there agrees with its RECORD, and is of one version."
        ),
        Column("records", "texts", "The .dist-info folders of the package afterwards."),
        Column("versions", "texts", "The versions that its modules are of."),
        Column("wrong_files", "count", "Files whose digest is not the one in their RECORD."),
        Column("missing_files", "count", "Files that a RECORD names and that are not there."),
        Column("foreign_files", "count", "Files of the package that no RECORD names."),
        Column("leftovers", "count", "Temporary files and folders left in site-packages."),
        Column("duration_s", "number", "Wall seconds until the last had ended."),
        Column("requests", "count", "Requests that reached the index."),
        Column("body_bytes", "count", "Bytes of content that the index sent."),
        Column("seen", "text", "What the first that failed said; else empty."),
        Column("command", "text", "One of the commands."),
        _REASON,
    ),
)

TRAFFIC = TableSchema(
    "installer_traffic",
    "One row per installer, requirement set, cache and way of the index: what one installation asked of it.",
    (
        _SUBJECT,
        Column("set", "text", "Name of the requirement set."),
        Column("cache", "text", "`cold` (empty) or `warm` (the same set was installed from it before)."),
        Column("index", "text", "`modern` (JSON, metadata, cache headers) or `plain` (HTML and files only)."),
        Column("page_requests", "count", "Requests for pages of projects."),
        Column("metadata_requests", "count", "Requests for metadata of a wheel (PEP 658)."),
        Column("file_requests", "count", "Requests for files, ranges counted each."),
        Column("range_requests", "count", "Of those, requests for a part."),
        Column("unchanged", "count", "Answers that it is as it was (304)."),
        Column("body_bytes", "count", "Bytes of content sent."),
        Column("installed", "count", "Distributions installed."),
        Column("modules", "count", "`.py` files in the environment afterwards."),
        Column("compiled", "count", "`.pyc` files in the environment afterwards."),
        Column("duration_s", "number", "Wall seconds."),
        Column("command", "text", "What was run."),
        _REASON,
    ),
)

SAMPLES = TableSchema(
    "installer_samples",
    "One row per timed installation: installers in turns; compare within one set, cache and latency.",
    (
        *paired_columns(),
        _SUBJECT,
        Column("set", "text", "Name of the requirement set; all of its distributions are pinned."),
        Column("cache", "text", "`cold` (empty) or `warm` (the same set was installed from it before)."),
        Column("bytecode", "flag", "Whether the installer was told to compile modules."),
        Column("link_mode", "text", "`default`, or `copy`: how files come from the cache."),
        Column("latency_ms", "number", "Milliseconds before each answer of the index."),
        Column("command", "text", "What was run."),
    ),
)

IMPORTS = TableSchema(
    "installer_imports",
    "One row per timed start of an application that was installed: who compiled its modules, and when.",
    (
        *paired_columns(),
        _SUBJECT,
        Column("set", "text", "Name of the requirement set."),
        Column("state", "text", "Of the bytecode: `compiled by the installer`, `first start ...` and so on."),
        Column("compiled", "count", "`.pyc` files in site-packages before the first of all starts."),
        Column("command", "text", "What was started."),
    ),
)

SETS = TableSchema(
    "installer_sets",
    "One row per requirement set that was installed.",
    (
        Column("set", "text", "Its name."),
        Column("meaning", "text", "What it stands for."),
        Column("requirements", "texts", "What was asked for."),
        Column("distributions", "texts", "What that came to, with exact versions."),
        Column("wheels_bytes", "count", "Size of the wheels."),
        Column("with_extensions", "count", "How many of the wheels are for this platform only."),
        Column("imports", "text", "The statement with which an application begins."),
        Column("python_id", "text", "The Python that was installed into: a row of the table `subjects`."),
        Column("python", "text", "The same for a reader."),
        _REASON,
    ),
)
