"""The small projects that every backend builds: the same files, and only ``[build-system]`` differs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pyassay.probes.backends.catalogue import Backend

__all__ = ["EXTENSION_NAME", "PURE_NAME", "Sample", "build_system", "write_extension", "write_pure"]

PURE_NAME, EXTENSION_NAME = "assaydemo", "assaynative"
VERSION = "1.2.3"

_ABOUT = """\
description = "A project that every backend builds."
requires-python = ">=3.9"
license = {licence}
license-files = {licence_files}
authors = [{{ name = "Zoë Ångström", email = "zoe@example.org" }}]
keywords = ["assay", "demo"]
classifiers = ["Development Status :: 4 - Beta", "Programming Language :: Python :: 3"]
"""
_MORE = """\
dependencies = ["packaging>=20; python_version >= '3.9'"]

[project.optional-dependencies]
fast = ["pluggy>=1"]

[project.scripts]
{script} = "{module}.core:main"

[project.entry-points."assay.plugins"]
demo = "{module}.core:answer"

[project.urls]
Homepage = "https://example.org/demo"
"""
_C = """\
#define PY_SSIZE_T_CLEAN
#include <Python.h>
static PyObject *answer(PyObject *self, PyObject *unused) { return PyLong_FromLong(42); }
static PyMethodDef methods[] = {{"answer", answer, METH_NOARGS, "42"}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_core", NULL, -1, methods};
PyMODINIT_FUNC PyInit__core(void) { return PyModule_Create(&module); }
"""
_RUST = """\
#[no_mangle]
pub extern "C" fn answer() -> i32 { 42 }
"""


@dataclass(frozen=True, slots=True)
class Sample:
    """A project as it lies there.

    Attributes
    ----------
    folder : Path
    name, module, version : str
    wheel_files : frozenset of str
        What a reader expects in its wheel, compiled modules left out.
    sdist_files : frozenset of str
        What is needed to build it again from its sdist.
    check : str
        Python that ends well when the installed project works.
    """

    folder: Path
    name: str
    module: str
    version: str
    wheel_files: frozenset[str]
    sdist_files: frozenset[str]
    check: str


@dataclass(frozen=True, slots=True)
class Variation:
    """What differs from the plain project.

    Attributes
    ----------
    name, module, version, licence, licence_files, readme : str
        Of the metadata; the three last as TOML.
    dynamic : bool
        The version is not in ``pyproject.toml``.
    settings : str
        Further lines of ``pyproject.toml``.
    project_lines : str
        Further lines of its table ``[project]``.
    files : mapping of str to bytes
        Further files, by their path.
    """

    name: str = PURE_NAME
    module: str = PURE_NAME
    version: str = VERSION
    licence: str = '"MIT"'
    licence_files: str = '["LICENSE", "NOTICE"]'
    readme: str = '"README.md"'
    dynamic: bool = False
    settings: str = ""
    project_lines: str = ""
    files: Mapping[str, bytes] = field(default_factory=dict)


def build_system(backend: Backend, version: str, *, ranged: bool = False) -> str:
    """Return the table ``[build-system]`` that asks for a backend.

    Parameters
    ----------
    backend : Backend
    version : str
    ranged : bool
        Ask for a range up to the next minor version, as uv writes it for uv_build: uv takes its shortcut
        only for a range that its own version is in.
    """
    numbers = version.split(".")
    wanted = f"{backend.requirement}=={version}"
    if ranged and len(numbers) > 1 and numbers[1].isdigit():
        wanted = f"{backend.requirement}>={version},<{numbers[0]}.{int(numbers[1]) + 1}"
    return (
        f"[build-system]\nrequires = [{json.dumps(wanted)}]\n"
        f"build-backend = {json.dumps(backend.build_backend)}\n"
    )


def write_pure(
    folder: Path,
    backend: Backend,
    version: str,
    variation: Variation = Variation(),
    *,
    ranged: bool = False,
) -> Sample:
    """Write the project without compiled parts: two packages, data, a script, tests, two licence files."""
    one = variation
    versioned = 'dynamic = ["version"]\n' if one.dynamic else f'version = "{one.version}"\n'
    about = _ABOUT.format(licence=one.licence, licence_files=one.licence_files)
    files: dict[str, bytes] = {
        "pyproject.toml": "\n".join(
            (
                build_system(backend, version, ranged=ranged),
                f'[project]\nname = "{one.name}"\n{versioned}readme = {one.readme}\n{about}'
                f"{one.project_lines}{_MORE.format(module=one.module, script=one.module)}",
                one.settings,
            )
        ).encode(),
        f"src/{one.module}/__init__.py": f'"""A demo."""\n\n__version__ = "{one.version}"\n'.encode(),
        f"src/{one.module}/core.py": b"def answer():\n    return 42\n\n\ndef main():\n    print(answer())\n",
        f"src/{one.module}/py.typed": b"",
        f"src/{one.module}/data/table.json": b'{"answer": 42}\n',
        f"src/{one.module}/sub/__init__.py": b"",
        f"src/{one.module}/sub/deep.py": b"DEPTH = 2\n",
        "README.md": "# Demo\n\nA naïve one.\n".encode(),
        "LICENSE": b"MIT License\n\nPermission is hereby granted, free of charge.\n",
        "NOTICE": b"A notice that belongs to the licence.\n",
        "CHANGELOG.md": b"# 1.2.3\n",
        "tests/test_demo.py": b"def test_nothing():\n    pass\n",
        ".gitignore": b"/dist/\n*.pyc\n.env\n",
        **one.files,
    }
    _write(folder, files)
    inner = [name for name in files if name.startswith(f"src/{one.module}/")]
    return Sample(
        folder,
        one.name,
        one.module,
        one.version,
        frozenset(name.removeprefix("src/") for name in inner),
        frozenset([*inner, "pyproject.toml", "README.md", "LICENSE", "NOTICE"]),
        f"import {one.module}.core as c; assert c.answer() == 42",
    )


def write_extension(
    folder: Path, backend: Backend, version: str, settings: str = "", *, dynamic: bool = False
) -> Sample:
    """Write the project with a compiled module: in C, or (maturin) in Rust without a single crate."""
    name = EXTENSION_NAME
    tools, files = _sources(backend, name)
    if backend.name == "maturin":
        loading = b"from assaynative._core import lib\n\n\ndef answer():\n    return lib.answer()\n"
    else:
        loading = b"from assaynative._core import answer as answer\n"
    package = "python" if backend.name == "maturin" else "src"
    about = _ABOUT.format(licence='"MIT"', licence_files='["LICENSE"]')
    needs = 'dependencies = ["cffi>=1"]\n' if backend.name == "maturin" else ""
    versioned = 'dynamic = ["version"]\n' if dynamic else f'version = "{VERSION}"\n'
    files |= {
        "pyproject.toml": "\n".join(
            (
                build_system(backend, version),
                f'[project]\nname = "{name}"\n{versioned}readme = "README.md"\n{about}{needs}',
                tools,
                settings,
            )
        ).encode(),
        f"{package}/{name}/__init__.py": loading,
        "README.md": b"# Native\n",
        "LICENSE": b"MIT License\n",
        ".gitignore": b"/dist/\n",
    }
    _write(folder, files)
    needed = {path for path in files if not path.startswith((".", "target/"))}
    return Sample(
        folder,
        name,
        name,
        VERSION,
        frozenset({f"{name}/__init__.py"}),
        frozenset(needed),
        f"import {name}; assert {name}.answer() == 42",
    )


def _sources(backend: Backend, name: str) -> tuple[str, dict[str, bytes]]:
    """Return the lines of ``pyproject.toml`` and the files by which a backend compiles."""
    source = {f"src/{name}/_core.c": _C.encode()}
    if backend.name == "setuptools":
        lines = f'ext-modules = [{{ name = "{name}._core", sources = ["src/{name}/_core.c"] }}]'
        return f"[tool.setuptools]\n{lines}\n", source
    if backend.name == "meson-python":
        meson = (
            f"project('{name}', 'c', version: '{VERSION}')\n"
            "py = import('python').find_installation(pure: false)\n"
            f"py.install_sources('src/{name}/__init__.py', subdir: '{name}')\n"
            f"py.extension_module('_core', 'src/{name}/_core.c', subdir: '{name}', install: true)\n"
        )
        return "", source | {"meson.build": meson.encode()}
    if backend.name == "scikit-build-core":
        cmake = (
            "cmake_minimum_required(VERSION 3.18)\n"
            f"project({name} LANGUAGES C)\n"
            "find_package(Python REQUIRED COMPONENTS Interpreter Development.Module)\n"
            f"python_add_library(_core MODULE src/{name}/_core.c WITH_SOABI)\n"
            f"install(TARGETS _core DESTINATION {name})\n"
        )
        return "", source | {"CMakeLists.txt": cmake.encode()}
    cargo = (
        f'[package]\nname = "{name}"\nversion = "{VERSION}"\nedition = "2021"\n\n'
        '[lib]\nname = "_core"\ncrate-type = ["cdylib"]\n'
    )
    lines = f'bindings = "cffi"\npython-source = "python"\nmodule-name = "{name}._core"'
    return f"[tool.maturin]\n{lines}\n", {
        "Cargo.toml": cargo.encode(),
        # As cargo writes it; without one it would be written into the project.
        "Cargo.lock": f'version = 3\n\n[[package]]\nname = "{name}"\nversion = "{VERSION}"\n'.encode(),
        "src/lib.rs": _RUST.encode(),
        # Given, because the crate that would make it cannot be had without a registry.
        "target/header.h": b"int32_t answer(void);\n",
    }


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        path.chmod(0o644)
