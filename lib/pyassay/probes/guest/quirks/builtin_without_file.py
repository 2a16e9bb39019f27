# Modules of the standard library that wrap a library of somebody else.
WRAPPING = (
    "_ssl _hashlib _sqlite3 _ctypes zlib _bz2 _lzma pyexpat readline _curses _uuid _dbm _tkinter _crypt"
)


def observe():
    import warnings

    warnings.simplefilter("ignore")
    builtin, files = [], []
    for name in WRAPPING.split():
        if name in sys.builtin_module_names:
            builtin.append(name)
            continue
        try:
            module = __import__(name)
        except Exception:  # another probe names what is missing
            continue
        (files if getattr(module, "__file__", None) else builtin).append(name)
    if not builtin and not files:
        raise NotMeasured("none of these modules is here: %s" % WRAPPING)
    details = {"builtin": builtin, "files": files, "all_builtin": sorted(sys.builtin_module_names)}
    counted = "%d of %d modules that wrap a library are built in" % (len(builtin), len(builtin) + len(files))
    seen = "%s; %d built-in modules in all" % (counted, len(sys.builtin_module_names))
    if not builtin:
        return "files", seen, details
    if "_ssl" in builtin or len(builtin) > len(files):
        return "builtin", seen, details
    return "few", "%s: %s" % (seen, ", ".join(builtin)), details
