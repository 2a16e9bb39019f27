"""Which libraries do you use, and what version do they say they have? Run inside a foreign interpreter (2.7, 3.6 and newer).

Prints one JSON object per line, ASCII only, as soon as it is known: a module that crashes costs only what comes after it.
"""
import sys

# Read from standard input, the script would import from the current folder first.
sys.path[:] = [folder for folder in sys.path if folder not in ("", ".")]

import json


def text(value):
    if isinstance(value, bytes):
        return value.decode("ascii", "replace")
    return u"%s" % (value,)


def call(module, name):
    """Call a function of the library that an extension module was linked with: const char *name(void)."""
    import ctypes

    path = getattr(module, "__file__", None)
    function = getattr(ctypes.CDLL(path), name)
    function.restype = ctypes.c_char_p
    function.argtypes = []
    return text(function())


def cpython():
    version = "%d.%d.%d" % tuple(sys.version_info[:3])
    suffix = {"alpha": "a%d", "beta": "b%d", "candidate": "rc%d"}.get(sys.version_info[3])
    return None, version + (suffix % sys.version_info[4] if suffix else "")


def openssl():
    import _ssl

    return _ssl, _ssl.OPENSSL_VERSION


def sqlite():
    import _sqlite3

    return _sqlite3, _sqlite3.sqlite_version


def zlib():
    import zlib

    # Before 3.3 only the version of the header is told.
    return zlib, getattr(zlib, "ZLIB_RUNTIME_VERSION", None) or call(zlib, "zlibVersion")


def zlib_ng():
    import zlib

    return zlib, zlib.ZLIBNG_VERSION


def expat():
    import pyexpat

    return pyexpat, pyexpat.EXPAT_VERSION.replace("expat_", "")


def bzip2():
    try:
        import _bz2 as module
    except ImportError:
        import bz2 as module
    return module, call(module, "BZ2_bzlibVersion").split(",")[0]


def xz():
    import _lzma

    return _lzma, call(_lzma, "lzma_version_string")


def zstd():
    import _zstd

    return _zstd, _zstd.zstd_version


def ncurses():
    import _curses

    known = getattr(_curses, "ncurses_version", None)
    if known is not None:
        return _curses, "%d.%d.%d" % tuple(known)
    return _curses, call(_curses, "curses_version").replace("ncurses ", "")


def readline():
    import readline

    if "libedit" in (readline.__doc__ or ""):
        raise ValueError("it is libedit")
    known = getattr(readline, "_READLINE_RUNTIME_VERSION", None)
    if known is None:
        import ctypes

        known = ctypes.c_int.in_dll(ctypes.CDLL(readline.__file__), "rl_readline_version").value
    return readline, "%d.%d" % (known >> 8, known & 255)


def libffi():
    import _ctypes

    return _ctypes, call(_ctypes, "ffi_get_version")


def mpdecimal():
    import _decimal

    return _decimal, _decimal.__libmpdec_version__


def tcl():
    import _tkinter

    try:
        import tkinter
    except ImportError:
        import Tkinter as tkinter
    return _tkinter, tkinter.Tcl().eval("info patchlevel")


def gdbm():
    try:
        import _gdbm as module
    except ImportError:
        import gdbm as module
    version = ["%d" % part for part in module._GDBM_VERSION]
    return module, ".".join(version[:2] if version[2:] == ["0"] else version)


ASKED = (cpython, openssl, sqlite, zlib, zlib_ng, expat, bzip2, xz, zstd, ncurses, readline, libffi, mpdecimal, gdbm, tcl)

for ask in ASKED:
    answer = {"pyassay_library": ask.__name__}
    try:
        module, version = ask()
        answer["version"] = text(version)
        answer["file"] = text(getattr(module, "__file__", None) or "")
    except BaseException:
        answer["failure"] = text(repr(sys.exc_info()[1]))[:200]
    sys.stdout.write(json.dumps(answer, sort_keys=True) + "\n")
    sys.stdout.flush()
