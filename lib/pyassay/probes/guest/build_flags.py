"""How were you built, by your own account? Run inside a foreign interpreter (2.7, 3.6 and newer); prints JSON.

Variables of sysconfig are what the build recorded, or what a distributor left of it: claims. The rest is asked
of the running process. Every fact is asked for by itself: one that fails is missing, the others are told.
"""
import sys

# Read from standard input, the script would import from the current folder first.
sys.path[:] = [folder for folder in sys.path if folder not in ("", ".")]

import json
import os
import sysconfig

VARIABLES = (
    "BOLT_APPLY_FLAGS",
    "CC",
    "CFLAGS",
    "CFLAGS_NODIST",
    "CONFIGURE_CFLAGS",
    "CONFIGURE_CFLAGS_NODIST",
    "CONFIGURE_LDFLAGS",
    "CONFIGURE_LDFLAGS_NODIST",
    "CONFIG_ARGS",
    "CPPFLAGS",
    "DEF_MAKE_ALL_RULE",
    "HAVE_COMPUTED_GOTOS",
    "LDFLAGS",
    "LDFLAGS_NODIST",
    "OPT",
    "PY_CFLAGS",
    "PY_CFLAGS_NODIST",
    "PY_CORE_CFLAGS",
    "PY_CORE_LDFLAGS",
    "PY_LDFLAGS_NODIST",
    "Py_DEBUG",
    "Py_ENABLE_SHARED",
    "Py_GIL_DISABLED",
    "Py_TAIL_CALL_INTERP",
    "USE_COMPUTED_GOTOS",
    "WITH_MIMALLOC",
    "WITH_PYMALLOC",
    "_Py_JIT",
    "_Py_TAIL_CALL_INTERP",
    "_Py_TIER2",
)
MAX_TEXT = 8000


def text(value):
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if value is None or isinstance(value, (bool, int)):
        return value
    return (u"%s" % (value,))[:MAX_TEXT]


def variables():
    known = sysconfig.get_config_vars()
    return dict((name, text(known[name])) for name in VARIABLES if known.get(name) not in (None, ""))


def has_jit():
    jit = getattr(sys, "_jit", None)
    if jit is None:
        return None
    return {"available": bool(jit.is_available()), "enabled": bool(jit.is_enabled())}


def gil_enabled():
    return sys._is_gil_enabled()


def allocated_blocks():
    # 0 where Python's own allocator was left out of the build.
    return sys.getallocatedblocks()


def allocator_libraries():
    found = set()
    with open("/proc/self/maps") as maps:
        for line in maps:
            name = os.path.basename(line.rstrip("\n"))
            for known in ("jemalloc", "tcmalloc", "mimalloc", "snmalloc"):
                if known in name:
                    found.add(name)
    return sorted(found)


def debug():
    return hasattr(sys, "gettotalrefcount")


def bytecode():
    """How many modules of the standard library have their bytecode beside them."""
    stdlib = os.path.dirname(os.path.realpath(os.__file__))
    tag = getattr(getattr(sys, "implementation", None), "cache_tag", None)
    sources = compiled = 0
    for folder in ("", "collections", "email", "encodings", "importlib", "json", "logging", "urllib"):
        here = os.path.join(stdlib, folder)
        try:
            names = os.listdir(here)
        except OSError:
            continue
        if tag:
            cache = os.path.join(here, "__pycache__")
            there = set(os.listdir(cache)) if os.path.isdir(cache) else set()
        else:
            there = set(names)
        for name in names:
            if name.endswith(".py"):
                sources += 1
                compiled += (name[:-3] + "." + tag + ".pyc" if tag else name + "c") in there
    return {"sources": sources, "compiled": compiled, "folder": text(stdlib)}


def of_module(module, name):
    def ask():
        __import__(module)
        found = getattr(sys.modules[module], name)
        return text(".".join(str(part) for part in found)) if isinstance(found, tuple) else text(found)

    return ask


def where(module):
    __import__(module)
    return text(getattr(sys.modules[module], "__file__", None) or "")


RUNNING = {
    "version": lambda: text(sys.version),
    "gil_enabled": gil_enabled,
    "jit": has_jit,
    "allocated_blocks": allocated_blocks,
    "allocator_libraries": allocator_libraries,
    "debug": debug,
    "bytecode": bytecode,
    "abi_flags": lambda: text(getattr(sys, "abiflags", "")),
}
LIBRARIES = {
    "sqlite3": ("_sqlite3", of_module("_sqlite3", "sqlite_version")),
    "zlib": ("zlib", of_module("zlib", "ZLIB_RUNTIME_VERSION")),
    "openssl": ("_ssl", of_module("_ssl", "OPENSSL_VERSION")),
    "expat": ("pyexpat", of_module("pyexpat", "EXPAT_VERSION")),
    "mpdecimal": ("_decimal", of_module("_decimal", "__libmpdec_version__")),
}


def libraries():
    found = {}
    for name, (module, ask) in LIBRARIES.items():
        try:
            found[name] = {"version": ask(), "module": where(module)}
        except Exception:
            found[name] = {"error": text(repr(sys.exc_info()[1]))[:200]}
    return found


RUNNING["libraries"] = libraries
answers = {}
failures = {}
for name, ask in RUNNING.items():
    try:
        answers[name] = ask()
    except Exception:
        failures[name] = text(repr(sys.exc_info()[1]))[:200]
try:
    declared = variables()
except Exception:
    declared = {}
    failures["variables"] = text(repr(sys.exc_info()[1]))[:200]
document = {"pyassay_build_flags": 1, "variables": declared, "running": answers, "failures": failures}
sys.stdout.write(json.dumps(document, sort_keys=True) + "\n")
sys.stdout.flush()
