SYMBOLS = (
    "SSL_read EVP_DigestInit_ex sqlite3_open deflate XOpenDisplay ffi_call lzma_code BZ2_bzCompress readline"
    " Tcl_CreateInterp XML_Parse initscr uuid_generate mpd_add"
).split()


def observe():
    try:
        import ctypes
    except ImportError as error:
        raise NotMeasured("ctypes: %s" % error)

    class Where(ctypes.Structure):
        _fields_ = [
            ("file", ctypes.c_char_p),
            ("base", ctypes.c_void_p),
            ("name", ctypes.c_char_p),
            ("address", ctypes.c_void_p),
        ]

    everything = ctypes.CDLL(None)
    visible = {}
    for symbol in SYMBOLS:
        try:
            function = getattr(everything, symbol)
        except AttributeError:
            continue
        where = Where()
        address = ctypes.cast(function, ctypes.c_void_p)
        try:
            everything.dladdr(address, ctypes.byref(where))
        except AttributeError:
            pass
        path = text_of(where.file or b"")
        # An executable that is not position-independent lends its own address to a function of a library.
        visible[symbol] = (_defining(ctypes, symbol) or path) if _ours(path) else path
    if not visible:
        return "none", "none of %d symbols is visible" % len(SYMBOLS), {"visible": visible}
    own = sorted(symbol for symbol, path in visible.items() if _ours(path))
    if own:
        return (
            "own",
            "%d visible from the interpreter itself: %s" % (len(own), ", ".join(own)),
            {"visible": visible},
        )
    seen = ", ".join("%s of %s" % (name, os.path.basename(path)) for name, path in sorted(visible.items()))
    return "shared", seen, {"visible": visible}


def _defining(ctypes, symbol):
    """Return the loaded library, other than Python's own, that has the symbol."""
    for path in mapped(".so"):
        if not os.path.isfile(path) or _ours(path):
            continue
        try:
            getattr(ctypes.CDLL(path), symbol)
        except (AttributeError, OSError):
            continue
        # Its dependencies answer for it too: the one that is named like the symbol's library is not known.
        return path
    return None


def _ours(path):
    name = os.path.basename(path)
    return not name or name.startswith("libpython") or os.path.realpath(path) == REAL or path == EXECUTABLE
