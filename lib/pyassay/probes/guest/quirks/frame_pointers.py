# Functions of the C API that call others, so that each compiler makes a frame for them if it makes any.
SAMPLE = """
PyObject_Call PyObject_Str PyObject_Repr PyObject_GetIter PyObject_SetItem PyObject_DelItem PyObject_Dir
PyObject_RichCompare PyObject_Format PyObject_IsInstance PyObject_IsSubclass PyNumber_Long PyNumber_Float
PyNumber_Power PySequence_List PySequence_Tuple PySequence_Fast PySequence_Concat PyMapping_Keys PyIter_Next
PyList_Sort PyList_SetSlice PyTuple_GetSlice PyDict_Copy PyDict_Update PyDict_Items PySet_New
PyUnicode_Join PyUnicode_Split PyUnicode_Replace PyUnicode_Format PyUnicode_AsEncodedString PyUnicode_Decode
PyBytes_FromObject PyErr_NormalizeException PyErr_WriteUnraisable PyErr_WarnExplicit PyErr_NewException
PyImport_Import PyImport_ImportModule PyImport_AddModule PyModule_Create2 PyModule_GetName PyType_Ready
PyType_FromSpec PyRun_StringFlags Py_CompileStringExFlags PyEval_EvalCode PyFile_GetLine PyFile_WriteObject
PyLong_FromUnicodeObject PyFloat_FromString PyComplex_AsCComplex PyCodec_Encode PyCodec_Decode PyMarshal_ReadObjectFromString
""".split()
MARKS = {
    # mov rbp, rsp in both encodings; mov x29, sp and add x29, sp, #16 ... #48.
    "x86_64": (b"\x48\x89\xe5", b"\x48\x8b\xec"),
    "aarch64": (b"\xfd\x03\x00\x91", b"\xfd\x43\x00\x91", b"\xfd\x83\x00\x91", b"\xfd\xc3\x00\x91"),
}


def observe():
    import platform
    import sysconfig

    marks = MARKS.get(platform.machine())
    if not marks:
        raise NotMeasured("how a function begins is not known here for %s" % platform.machine())
    try:
        import ctypes
    except ImportError as error:
        raise NotMeasured("no ctypes to look at functions with: %s" % error)
    seen = framed = 0
    for name in SAMPLE:
        try:
            function = getattr(ctypes.pythonapi, name)
        except AttributeError:
            continue
        start = ctypes.cast(function, ctypes.c_void_p).value
        code = ctypes.string_at(start, 32)
        seen += 1
        framed += any(mark in code for mark in marks)
    flags = " ".join(str(sysconfig.get_config_var(name) or "") for name in ("PY_CFLAGS", "CFLAGS"))
    details = {"sampled": seen, "with": framed, "flag": "-fno-omit-frame-pointer" in flags}
    if seen < 10:
        raise NotMeasured("only %d functions of the sample are exported" % seen)
    line = "%d of %d sampled functions set up a frame pointer" % (framed, seen)
    if framed * 2 >= seen:
        return "kept", line, details
    return "omitted", line, details
