SOURCE = r"""
#include <Python.h>
static PyObject *answer(PyObject *self, PyObject *nothing) { return PyLong_FromLong(42); }
static PyMethodDef methods[] = {{"answer", answer, METH_NOARGS, ""}, {NULL, NULL, 0, NULL}};
#if PY_MAJOR_VERSION > 2
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "tiny", NULL, -1, methods, NULL, NULL, NULL, NULL};
PyMODINIT_FUNC PyInit_tiny(void) { return PyModule_Create(&module); }
#else
PyMODINIT_FUNC inittiny(void) { Py_InitModule("tiny", methods); }
#endif
"""
CMAKE = """
cmake_minimum_required(VERSION 3.18...4.0)
project(tiny LANGUAGES C)
find_package(Python COMPONENTS Interpreter Development.Module REQUIRED)
python_add_library(tiny MODULE tiny.c WITH_SOABI)
install(TARGETS tiny DESTINATION .)
"""
PROJECT = """
[build-system]
requires = ["scikit-build-core"]
build-backend = "scikit_build_core.build"
[project]
name = "tiny"
version = "1"
"""
BUILD = "import os, scikit_build_core.build as b; os.mkdir('dist'); b.build_wheel('dist')"


def _lent(module, names):
    """Return what PYTHONPATH must be for a backend: empty for the interpreter's own."""
    import re

    if python("-I", "-c", "import %s" % module, timeout=20).ok:
        return "its own %s" % names[0], ""
    versions = GIVEN.get("backend_versions", {})
    if not GIVEN.get("backends"):
        raise NotMeasured("there is no %s" % names[0])
    for name in names:
        if name not in versions:
            raise NotMeasured("no %s is at hand" % name)
        least = re.search(r">=\s*(\d+)\.(\d+)", GIVEN.get("backend_requires_python", {}).get(name, ""))
        if least and sys.version_info[:2] < (int(least.group(1)), int(least.group(2))):
            wanted = "%s.%s" % (least.group(1), least.group(2))
            raise NotMeasured("%s %s wants Python %s" % (name, versions[name], wanted))
    return "%s %s, lent to it" % (names[0], versions[names[0]]), GIVEN["backends"]


def _tool(*names):
    """Return the path of a build tool: of this place, else of those that are lent."""
    for name in names:
        lent = os.path.join(GIVEN.get("bin") or os.path.join(SCRATCH, "none"), name)
        path = command(name) or (lent if os.access(lent, os.X_OK) else None)
        if path:
            return path
    raise NotMeasured("this place has no %s" % " or ".join(names))


def _import_from(wheel):
    import zipfile

    out = os.path.join(SCRATCH, "out")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(out)
    code = "import sys; sys.path.insert(0, sys.argv[1]); import tiny; print(tiny.answer())"
    imported = python("-I", "-c", code, out)
    if "failed to map segment" in imported.err:
        raise NotMeasured("modules may not be loaded from the scratch folder: %s" % imported.said)
    return imported.ok and imported.out.strip() == "42", imported.said


def _complaint(ended):
    """Return the first line that names an error, with what CMake says below it, or what was said last."""
    lines = (ended.out + "\n" + ended.err).splitlines()
    for number, line in enumerate(lines):
        if "CMake Error" in line:
            below = [text.strip() for text in lines[number + 1 : number + 8] if text.strip()]
            return "CMake: " + " ".join(below[:3])
        if "ERROR:" in line or "error:" in line:
            return line.strip().replace(SCRATCH + os.sep, "")
    return ended.said


def _attempt(path, extra):
    for folder in ("dist", "build", "out"):
        shutil.rmtree(os.path.join(SCRATCH, folder), ignore_errors=True)
    environment = dict(extra)
    if path:
        environment["PYTHONPATH"] = path
    built = python("-s", "-B", "-c", BUILD, timeout=60, env=environment)
    dist = os.path.join(SCRATCH, "dist")
    wheels = os.listdir(dist) if os.path.isdir(dist) else []
    if not built.ok or not wheels:
        return False, _complaint(built)
    return _import_from(os.path.join(dist, wheels[0]))


def observe():
    compiler = os.path.basename(need("gcc", "cc", "clang"))
    names = ["scikit-build-core", "packaging", "pathspec"]
    if sys.version_info < (3, 11):
        names += ["tomli", "exceptiongroup", "typing-extensions"]
    whence, path = _lent("scikit_build_core.build", names)
    cmake, ninja = _tool("cmake"), _tool("ninja", "ninja-build", "make")
    write("tiny.c", SOURCE)
    write("CMakeLists.txt", CMAKE)
    write("pyproject.toml", PROJECT)
    search = os.pathsep.join([os.path.dirname(cmake), os.path.dirname(ninja), os.environ.get("PATH", "")])
    details = {"backend": whence, "cmake": cmake, "make": ninja}
    works, said = _attempt(path, {"PATH": search})
    if works:
        return "works", "built and imported by %s" % whence, details
    details["failed"] = said
    works, then = _attempt(path, {"PATH": search, "CC": compiler})
    details["with_CC"] = "works" if works else then
    if works:
        return "needs CC", "%s; with CC=%s it works" % (said, compiler), details
    return "fails", said, details
