"""Load extension modules, each in a process of its own. Run inside a foreign interpreter (2.7, 3.6 and newer).

A line ``MODULES = [[name, path], ...]`` is put before it; modules that are built in are added. Prints one JSON object, ASCII only.
"""
import sys

# Read from standard input, the script would import from the current folder first.
sys.path[:] = [folder for folder in sys.path if folder not in ("", ".")]

import json
import os
import signal

SECONDS_EACH = 20
MESSAGE_BYTES = 4000
BUILT_IN = "built in: "


def load(name, path):
    """Import one extension module from its file, or one that is built in."""
    if path.startswith(BUILT_IN):
        __import__(name)
        return
    if sys.version_info[0] < 3:
        import imp

        imp.load_dynamic(name, path)
        return
    import importlib.machinery
    import importlib.util

    loader = importlib.machinery.ExtensionFileLoader(name, path)
    spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    module = importlib.util.module_from_spec(spec)
    # What it imports on its way must not find the half of it that is there.
    sys.modules[name] = module
    loader.exec_module(module)


def message(error):
    said = "%s: %s" % (type(error).__name__, error)
    if not isinstance(said, bytes):
        said = said.encode("utf-8", "replace")
    return said[:MESSAGE_BYTES]


def attempt(name, path):
    """Return whether it loads, and what it said if not: a crash or a hang costs this process nothing."""
    inlet, outlet = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(inlet)
            null = os.open(os.devnull, os.O_RDWR)
            for stream in (0, 1, 2):
                os.dup2(null, stream)
            signal.alarm(SECONDS_EACH)
            try:
                load(name, path)
                code = 0
            except BaseException:
                os.write(outlet, message(sys.exc_info()[1]))
        finally:
            os._exit(code)
    os.close(outlet)
    said = b""
    while True:
        part = os.read(inlet, 65536)
        if not part:
            break
        said = (said + part)[:MESSAGE_BYTES]
    os.close(inlet)
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        return [False, "killed by signal %d" % os.WTERMSIG(status)]
    return [os.WEXITSTATUS(status) == 0, said.decode("utf-8", "replace")]


MODULES += [[name, BUILT_IN + name] for name in sorted(sys.builtin_module_names)]  # noqa: F821
results = [[path] + attempt(name, path) for name, path in MODULES]  # noqa: F821
sys.stdout.write(json.dumps({"pyassay_load_modules": 1, "results": results}, sort_keys=True) + "\n")
sys.stdout.flush()
