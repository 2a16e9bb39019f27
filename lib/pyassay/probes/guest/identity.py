"""Who are you? Run inside a foreign interpreter (2.7, 3.6 and newer); prints one JSON object, ASCII only.

Every fact is asked for by itself: one that fails is missing, the others are told.
"""
import sys

# Read from standard input, the script would import from the current folder first.
sys.path[:] = [folder for folder in sys.path if folder not in ("", ".")]

import json
import os
import platform
import sysconfig

VARIABLES = (
    "CONFIG_ARGS",
    "INSTSONAME",
    "LDLIBRARY",
    "LIBDIR",
    "MULTIARCH",
    "PYTHON_BUILD_STANDALONE",
    "Py_ENABLE_SHARED",
    "abs_srcdir",
    "prefix",
)


def text(value):
    """Return a value as text that JSON can hold: names on Linux are bytes, and may not be UTF-8."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if value is None or isinstance(value, (bool, int)):
        return value
    return u"%s" % (value,)


def version():
    info = sys.version_info
    suffix = {"alpha": "a%d", "beta": "b%d", "candidate": "rc%d"}.get(info[3])
    return "%d.%d.%d" % tuple(info[:3]) + (suffix % info[4] if suffix else "")


def implementation():
    if hasattr(sys, "implementation"):
        return sys.implementation.name
    return platform.python_implementation().lower()


def implementation_version():
    found = getattr(sys, "pypy_version_info", None)
    if found is None:
        found = getattr(getattr(sys, "implementation", None), "version", None)
    return "%d.%d.%d" % tuple(found[:3]) if found is not None else ""


def libc():
    try:
        return os.confstr("CS_GNU_LIBC_VERSION")
    except ValueError:
        # 2.7 does not know the name; 2 is its number in glibc.
        return os.confstr(2)


def site_folders():
    if sys.version_info[0] < 3 or not sys.flags.no_site:
        # Importing site would run it.
        return []
    import site

    return [text(folder) for folder in site.getsitepackages([sys.prefix, sys.exec_prefix])]


def variables():
    # A damaged sysconfig data file must not hide who asks.
    known = sysconfig.get_config_vars()
    return dict((name, text(known[name])) for name in VARIABLES if known.get(name) is not None)


def paths():
    return dict((name, text(folder)) for name, folder in sysconfig.get_paths().items())


FACTS = {
    "version": version,
    "version_line": lambda: sys.version,
    "implementation": implementation,
    "implementation_version": implementation_version,
    "abi_flags": lambda: getattr(sys, "abiflags", ""),
    "machine": platform.machine,
    "bits": lambda: 64 if sys.maxsize > 2 ** 32 else 32,
    "libc": libc,
    "compiler": platform.python_compiler,
    "build_name": lambda: platform.python_build()[0],
    "build_date": lambda: platform.python_build()[1],
    "executable": lambda: sys.executable,
    "prefix": lambda: sys.prefix,
    "exec_prefix": lambda: sys.exec_prefix,
    "base_prefix": lambda: getattr(sys, "base_prefix", sys.prefix),
    "paths": paths,
    "site_folders": site_folders,
    "variables": variables,
}

answers = {}
failures = {}
for name, ask in FACTS.items():
    try:
        answer = ask()
        answers[name] = answer if isinstance(answer, (dict, list)) else text(answer)
    except Exception:
        failures[name] = text(repr(sys.exc_info()[1]))[:200]
answers["failures"] = failures
sys.stdout.write(json.dumps({"pyassay_identity": 1, "facts": answers}, sort_keys=True) + "\n")
sys.stdout.flush()
