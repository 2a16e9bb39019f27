"""The tables that the portability probe fills, with their columns."""

from __future__ import annotations

from pyassay.probes.observations import Column, TableSchema

__all__ = ["TABLES"]

_SUBJECT = Column("subject_id", "text", "which subject of the table `subjects`")
_FILE = Column(
    "file", "text", "path, relative to the tree where it lies inside it; a.whl!/b.so inside an archive"
)
_SCOPE = Column(
    "scope",
    "text",
    "of an interpreter: runtime (executable, libpython), stdlib (extension modules) or site (packages); "
    "of anything else: program (can be started) or library",
)
_GROUP = Column(
    "scope",
    "text",
    "own (the interpreter without packages; all of an artifact or image) or site (installed packages)",
)

TABLES: tuple[TableSchema, ...] = (
    TableSchema(
        "files",
        "one row per ELF file of a subject",
        (
            _SUBJECT,
            _FILE,
            _SCOPE,
            Column("size_bytes", "count", "size of the file"),
            Column("machine", "text", "processor: x86_64, aarch64, ..."),
            Column("bits", "count", "32 or 64"),
            Column("elf_type", "text", "exec or dyn"),
            Column("libc", "text", "glibc, musl, or empty when the file names neither"),
            Column("interpreter", "text", "PT_INTERP: the loader that it asks for"),
            Column("soname", "text", "DT_SONAME"),
            Column("needed", "texts", "DT_NEEDED, in order"),
            Column("rpath", "texts", "DT_RPATH, split"),
            Column("runpath", "texts", "DT_RUNPATH, split"),
            Column(
                "executable_stack",
                "flag",
                "PT_GNU_STACK asks for an executable stack; missing: no such header",
            ),
            Column("text_relocations", "flag", "DT_TEXTREL"),
            Column("relro", "text", "none, partial or full"),
            Column("bind_now", "flag", "every symbol is bound at load"),
            Column("packed_relocations", "flag", "DT_RELR: needs glibc 2.36 or newer"),
            Column("isa_level", "text", "x86-64 level that the file declares; empty: it declares none"),
            Column("build_id", "text", "GNU build id, hexadecimal"),
            Column("pie", "flag", "position independent executable"),
            Column("static", "flag", "needs no loader"),
        ),
    ),
    TableSchema(
        "needs",
        "one row per file and symbol version that it requires (.gnu.version_r)",
        (
            _SUBJECT,
            _FILE,
            _SCOPE,
            Column("soname", "text", "the library that must define the version"),
            Column("version", "text", "as written: GLIBC_2.17"),
            Column("family", "text", "GLIBC, GLIBCXX, CXXABI, GCC, ..."),
            Column("number", "text", "2.17; empty when the version has no order"),
            Column("weak", "flag", "VER_FLG_WEAK: absence is no error"),
        ),
    ),
    TableSchema(
        "floors",
        "one row per subject, scope and family: the newest version required",
        (
            _SUBJECT,
            _GROUP,
            Column("family", "text", "GLIBC, GLIBCXX, CXXABI, GCC, ..."),
            Column("hard", "text", "number of the newest version whose absence is an error; empty: none"),
            Column("soft", "text", "number of a newer one that is only referenced weakly; empty: none"),
            Column("private", "flag", "a file asks for GLIBC_PRIVATE: this very glibc and no other"),
            Column("files", "count", "files that hold the hard floor"),
        ),
    ),
    TableSchema(
        "symbols",
        "undefined symbols bound to the four newest versions of each family, and in an artifact to the "
        "newest of each file",
        (
            _SUBJECT,
            _FILE,
            _SCOPE,
            Column("family", "text", "GLIBC, GLIBCXX, ..."),
            Column("version", "text", "number of the version: 2.17"),
            Column("symbol", "text", "its name; empty for a version that marks an ABI feature"),
            Column("binding", "text", "strong, weak, or none (a marker)"),
            Column("version_weak", "flag", "VER_FLG_WEAK"),
            Column("kind", "text", "new function, re-versioned, renamed, marker or unknown"),
            Column("previous", "text", "what did its work before: __fxstat@2.2.5; empty: nothing"),
        ),
    ),
    TableSchema(
        "libraries",
        "one row per file and library that it names in DT_NEEDED",
        (
            _SUBJECT,
            _FILE,
            _SCOPE,
            Column("soname", "text", "as written in DT_NEEDED"),
            Column("inside", "flag", "comes along with the subject: in its own tree or archive"),
            Column("resolved", "text", "where this host's loader rules find it; empty: nowhere"),
            Column("allowed", "flag", "auditwheel's policies take it as part of every system"),
        ),
    ),
    TableSchema(
        "closure",
        "what this host cannot give: one row per missing library or symbol version",
        (
            _SUBJECT,
            _FILE,
            _SCOPE,
            Column("missing_kind", "text", "library or version"),
            Column("name", "text", "soname, or VERSION of soname"),
            Column("needed_by", "text", "the file that asks for it"),
        ),
    ),
    TableSchema(
        "tags",
        "one row per subject and scope: the exact platform tag and the nearest policy",
        (
            _SUBJECT,
            _GROUP,
            Column("machine", "text", "x86_64, ..."),
            Column("libc", "text", "glibc or musl"),
            Column("tag", "text", "exact PEP 600 or PEP 656 tag of the floors"),
            Column("policy", "text", "auditwheel's most compatible policy that the facts satisfy"),
            Column("reason", "text", "what the next more compatible policy refuses; or why there is no tag"),
        ),
    ),
    TableSchema(
        "wheels",
        "one row per wheel in a subject that is an artifact: what its tags claim, and what its files make",
        (
            _SUBJECT,
            Column("wheel", "text", "path in the subject; its own file name when it is the subject"),
            Column("prefix", "text", "what the paths of its files begin with; empty: it is the subject"),
            Column("pythons", "texts", "python tags of the file name: cp312"),
            Column("abis", "texts", "ABI tags of the file name: abi3"),
            Column("claimed", "texts", "platform tags of the file name"),
            Column("recorded", "texts", "platform tags that its own WHEEL file records"),
            Column("elf_files", "count", "how many of its files are ELF"),
            Column("machines", "texts", "of its ELF files"),
            Column("libcs", "texts", "of its ELF files: glibc, musl"),
            Column("tag", "text", "exact platform tag of its files; empty: no ELF file, or of several kinds"),
            Column("policy", "text", "auditwheel's most compatible policy that its files satisfy"),
            Column("reason", "text", "what the next more compatible policy refuses; or why there is no tag"),
        ),
    ),
    TableSchema(
        "python_symbols",
        "symbols of CPython that a file for the stable ABI uses and that not every Python from 3.2 on has",
        (
            _SUBJECT,
            _FILE,
            Column("symbol", "text", "its name"),
            Column("added", "text", "version that added it to the stable ABI; empty: it is no part of it"),
        ),
    ),
    TableSchema(
        "trials",
        "one row per subject, place and thing tried there; empty when nothing was put to the test",
        (
            _SUBJECT,
            Column("place", "text", "image, or emulated processor"),
            Column("release", "text", "what the table of distributions calls the place: debian:12"),
            Column("what", "text", "start (the program) or module (of its standard library)"),
            Column("file", "text", "program or module; empty when nothing was tried"),
            Column("outcome", "text", "works, refused (by loader or processor), fails or not tried"),
            Column("message", "text", "what it said, or why it was not tried"),
            Column("foretold", "text", "what its closure lacks in that very place; empty: nothing"),
        ),
    ),
    TableSchema(
        "skipped",
        "what could not be observed, and why",
        (_SUBJECT, _FILE, Column("reason", "text", "one line")),
    ),
)
