def observe():
    try:
        import ctypes
        import ctypes.util
    except ImportError as error:
        raise NotMeasured("ctypes: %s" % error)
    found = dict((name, ctypes.util.find_library(name)) for name in ("c", "m", "pthread", "z", "crypto"))
    tools = [name for name in ("gcc", "cc", "ld", "objdump") if command(name)]
    tools += [path for path in ("/sbin/ldconfig",) if os.path.exists(path)]
    details = {"found": found, "tools": tools}
    if not found["c"]:
        return (
            "fails",
            "the C library itself is not found; here are: %s" % (", ".join(tools) or "no tools"),
            details,
        )
    try:
        ctypes.CDLL(found["c"])
    except OSError as error:
        return "fails", "%s cannot be loaded: %s" % (found["c"], error), details
    return "works", "c: %s; by one of %s" % (found["c"], ", ".join(tools) or "no tools"), details
