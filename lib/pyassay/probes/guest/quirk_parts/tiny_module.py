"""A module in C, small enough for any compiler, and whether what was built of it can be used."""

TINY_SOURCE = r"""
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


def tiny_works(folder):
    """Return whether the module in a folder can be imported and gives its answer, and what was said."""
    code = "import sys; sys.path.insert(0, sys.argv[1]); import tiny; print(tiny.answer())"
    imported = python(ISOLATED, "-c", code, folder)
    if "failed to map segment" in imported.err:
        raise NotMeasured("modules may not be loaded from the scratch folder: %s" % imported.said)
    return imported.ok and imported.out.strip() == "42", imported.said
