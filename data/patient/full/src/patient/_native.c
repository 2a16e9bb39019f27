/* An extension of the project's own. It calls what a new glibc gives a new symbol version: stat (2.33, before
   that it was no symbol at all) and pthread_create, pthread_join (2.34, when libpthread went into libc). Built
   on a new system it therefore asks for that system's glibc, built on an old one it does not. */

#define _GNU_SOURCE
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <pthread.h>
#include <sys/stat.h>

static void *answer_of_thread(void *answer)
{
    *(long *)answer = 42;
    return NULL;
}

static PyObject *answer(PyObject *self, PyObject *unused)
{
    struct stat status;
    pthread_t thread;
    long found = 0;
    int error;

    (void)self;
    (void)unused;
    if (stat("/", &status) != 0)
        return PyErr_SetFromErrnoWithFilename(PyExc_OSError, "/");
    error = pthread_create(&thread, NULL, answer_of_thread, &found);
    if (error == 0)
        error = pthread_join(thread, NULL);
    if (error != 0) {
        errno = error;
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    return PyLong_FromLong(found);
}

static PyMethodDef methods[] = {
    {"answer", answer, METH_NOARGS, "Return 42, as a thread found it."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "_native", "An extension that needs the C library's newer symbols.", -1, methods,
};

PyMODINIT_FUNC PyInit__native(void)
{
    return PyModule_Create(&module);
}
