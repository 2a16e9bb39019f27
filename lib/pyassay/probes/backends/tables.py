"""The tables of build backends: what each is made of, what it makes, how long that takes."""

from __future__ import annotations

from pyassay.probes.observations import Column, TableSchema

__all__ = [
    "BACKENDS",
    "CLOSURES",
    "CONTEXT",
    "CRATES",
    "FEATURES",
    "FILES",
    "METADATA",
    "OUTPUTS",
    "PLATFORMS",
    "REPEATS",
]

_SUBJECT = Column("subject_id", "text", "which backend at which version: a row of the table `subjects`")
_PROJECT = Column("project", "text", "`pure`, `extension`, or the name of the reader's own project")
_ARTIFACT = Column("artifact", "text", "`wheel` or `sdist`")

CONTEXT = TableSchema(
    "backend_context",
    "one row per fact about the run: the Python, the frontends, the compilers, the wheelhouse",
    (
        Column("fact", "text", "what it is about"),
        Column("value", "text", "what was found; `absent` where there is none"),
    ),
)

BACKENDS = TableSchema(
    "backends",
    "one row per backend",
    (
        _SUBJECT,
        Column("name", "text", "of the distribution: `flit-core`"),
        Column("version", "text", "the version that was measured; empty: none could be had"),
        Column("build_backend", "text", "what `[build-system]` names: `flit_core.buildapi`"),
        Column("projects", "texts", "what it was given to build: `pure`, `extension`, the reader's own"),
        Column("requires_python", "text", "as its metadata say"),
        Column("licence", "text", "as its metadata say: an expression, or a classifier"),
        Column("released", "text", "day of its release as the index tells it (ISO 8601); empty: it does not"),
        Column("hooks", "texts", "the hooks of PEP 517 and 660 that it offers"),
        Column("asks_for_wheel", "texts", "what `get_requires_for_build_wheel` asks for besides"),
        Column("asks_for_sdist", "texts", "what `get_requires_for_build_sdist` asks for besides"),
        Column("asks_for_editable", "texts", "what `get_requires_for_build_editable` asks for besides"),
        Column("modules_imported", "count", "Python modules in memory after it has built a wheel"),
        Column("reason", "text", "why it could not be measured at all; else empty"),
    ),
)

CLOSURES = TableSchema(
    "backend_closures",
    "one row per backend and package that has to be installed before it can build",
    (
        _SUBJECT,
        Column("scope", "text", "`declared` (its metadata), `wheel` or `editable` (what its hooks ask for)"),
        Column("distribution", "text", "name of the package"),
        Column("version", "text", "as pip resolved it"),
        Column("wheel", "text", "file name of the wheel"),
        Column("pure", "flag", "whether one wheel serves every platform (tag `none-any`)"),
        Column("size_bytes", "count", "of the wheel"),
        Column("unpacked_bytes", "count", "of the files in it"),
        Column("files", "count", "in it"),
        Column("python_files", "count", "in it"),
        Column("python_lines", "count", "of these, comments and empty lines included"),
        Column("native_files", "count", "ELF, PE and Mach-O files in it, by their first bytes"),
        Column("native_bytes", "count", "of these"),
        Column("native", "texts", "their format and name"),
        Column("vendored", "texts", "packages of others that it carries within (folders named vendor)"),
        Column("sboms", "texts", "bills of materials in it"),
        Column("licence", "text", "as its metadata say"),
        Column("reason", "text", "why it could not be read; else empty"),
    ),
)

CRATES = TableSchema(
    "backend_crates",
    "one row per backend, package and list of Rust crates: what is compiled into a binary",
    (
        _SUBJECT,
        Column("distribution", "text", "the package: `uv-build`"),
        Column("version", "text", "of it"),
        Column("listed_in", "text", "`Cargo.lock` of its sdist, or `bill of materials` in its wheel"),
        Column("file", "text", "which file that is"),
        Column("crates", "count", "all that are listed, the project's own included"),
        Column("third_party", "count", "those that come from a registry or a repository"),
        Column("reachable", "count", "third-party crates that the backend's own crate leads to"),
        Column("own", "count", "those that the sdist brings itself"),
        Column("rust_files", "count", "Rust source files in the sdist"),
        Column("rust_lines", "count", "of these"),
        Column("sdist_bytes", "count", "size of the sdist"),
        Column("sdist_unpacked_bytes", "count", "of the files in it"),
        Column("needs", "texts", "what its sdist asks for to be compiled: `maturin>=1.0`, `rustc 1.94`"),
        Column("reason", "text", "why it could not be read; else empty"),
    ),
)

PLATFORMS = TableSchema(
    "backend_platforms",
    "one row per backend and platform: whether it can be installed without compiling",
    (
        _SUBJECT,
        Column("target", "text", "a row of the reference table `pep11_tiers`"),
        Column("tier", "text", "of PEP 11; `none`: not among them"),
        Column("ready", "flag", "whether every package of the closure has a wheel for it; missing: unknown"),
        Column("distribution", "text", "the package with fewest platforms; empty: all of them are pure"),
        Column("wheel", "text", "the wheel of that package that serves it; empty: none"),
        Column("lacking", "texts", "packages of the closure without a wheel for it"),
        Column("to_compile", "texts", "what compiling these takes"),
        Column("scope", "text", "`declared`, or `wheel` where the hook asks for more"),
        Column("reason", "text", "why it could not be told; else empty"),
    ),
)

OUTPUTS = TableSchema(
    "backend_outputs",
    "one row per backend, project and artifact: what was made",
    (
        _SUBJECT,
        _PROJECT,
        _ARTIFACT,
        Column("status", "text", "`built`, `failed` or `not measured`"),
        Column("reason", "text", "why there is none; else empty"),
        Column("filename", "text", "as the hook returned it"),
        Column("size_bytes", "count", "of the artifact"),
        Column("sha256", "text", "of it"),
        Column("files", "count", "in it, folders left out"),
        Column("folders", "count", "entries of folders in it"),
        Column("metadata_version", "text", "of METADATA or PKG-INFO"),
        Column("generator", "text", "as WHEEL says; empty for sdists"),
        Column("tag", "text", "as WHEEL says; empty for sdists"),
        Column("licence_expression", "text", "as the metadata say"),
        Column("licence_files", "texts", "as the metadata say, if they are there indeed"),
        Column("record_faults", "texts", "what RECORD says and does not hold"),
        Column("lacks", "texts", "files of the project that a reader would expect in it"),
        Column("adds", "texts", "files in it that are not the project's"),
        Column("times", "texts", "the distinct dates of its entries, five at most"),
        Column("modes", "texts", "the distinct permissions of its files"),
        Column("owners", "texts", "user and group of its entries (sdists)"),
        Column("has_tests", "flag", "whether the project's tests are in it"),
        Column("hook_wall_s", "number", "wall seconds of the hook, in a process that lives already"),
        Column("hook_cpu_s", "number", "CPU seconds of the same, children included"),
    ),
)

FILES = TableSchema(
    "backend_files",
    "one row per file of an artifact",
    (
        _SUBJECT,
        _PROJECT,
        _ARTIFACT,
        Column("path", "text", "without name and version: `.dist-info/METADATA`, `src/assaydemo/core.py`"),
        Column("role", "text", "`code`, `data`, `metadata`, `licence`"),
        Column("size_bytes", "count", "of it"),
        Column("sha256", "text", "of it"),
        Column("mode", "text", "its permissions, octal"),
    ),
)

METADATA = TableSchema(
    "backend_metadata",
    "one row per field of an artifact's core metadata",
    (
        _SUBJECT,
        _PROJECT,
        _ARTIFACT,
        Column("field", "text", "`Requires-Dist`; `Description` for the text below the fields"),
        Column("values", "texts", "sorted, as they are written"),
    ),
)

REPEATS = TableSchema(
    "backend_repeats",
    "one row per backend, project, artifact and change of circumstances: same bytes?",
    (
        _SUBJECT,
        _PROJECT,
        _ARTIFACT,
        Column("change", "text", "`again`, `other folder`, `later`, `other umask`, `all of these`"),
        Column("epoch_set", "flag", "whether SOURCE_DATE_EPOCH was set"),
        Column("same", "flag", "whether the bytes are the same; missing: not measured"),
        Column("same_content", "flag", "whether the files in it are the same, whatever their dates"),
        Column("first_difference", "text", "where they differ first; else empty"),
        Column("reason", "text", "why it was not measured; else empty"),
    ),
)

FEATURES = TableSchema(
    "backend_features",
    "one row per backend, project and thing that was tried",
    (
        _SUBJECT,
        _PROJECT,
        Column("feature", "text", "key: `editable`, `dynamic-version`, `licence-outside` ..."),
        Column("question", "text", "what was tried, as a question"),
        Column(
            "outcome",
            "text",
            "`works`, `does not`, `refused`, `taken in`, `left out`, or `not measured`",
        ),
        Column("seen", "text", "what was seen, or why it was not measured: one line"),
    ),
)
