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
MESON = """
project('tiny', 'c')
py = import('python').find_installation(pure: false)
py.extension_module('tiny', 'tiny.c', install: true)
"""
PROJECT = """
[build-system]
requires = ["meson-python"]
build-backend = "mesonpy"
[project]
name = "tiny"
version = "1"
"""
BUILD = "import mesonpy, os; os.mkdir('dist'); mesonpy.build_wheel('dist')"


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


def observe():
    need("gcc", "cc", "clang")
    names = ["meson-python", "meson", "pyproject-metadata", "packaging"]
    whence, path = _lent("mesonpy, mesonbuild", names + (["tomli"] if sys.version_info < (3, 11) else []))
    ninja = _tool("ninja", "ninja-build")
    write("tiny.c", SOURCE)
    write("meson.build", MESON)
    write("pyproject.toml", PROJECT)
    # Meson itself runs in the interpreter under test.
    meson = write("tools/meson.py", "import sys\nfrom mesonbuild.mesonmain import main\nsys.exit(main())\n")
    environment = {"MESON": meson, "NINJA": ninja}
    if path:
        environment["PYTHONPATH"] = path
    built = python("-s", "-B", "-c", BUILD, timeout=60, env=environment)
    dist = os.path.join(SCRATCH, "dist")
    wheels = os.listdir(dist) if os.path.isdir(dist) else []
    details = {"backend": whence, "ninja": ninja}
    if not built.ok or not wheels:
        return "fails", _complaint(built), details
    works, said = _import_from(os.path.join(dist, wheels[0]))
    if not works:
        return "fails", "built, but not imported: %s" % said, details
    return "works", "built and imported by %s" % whence, details
