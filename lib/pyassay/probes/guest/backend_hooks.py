"""Call hooks of a build backend (PEP 517, PEP 660), as a frontend does, and time each.

Reads a JSON object from standard input and writes one to the file named by the first argument. The current
folder is the project's; each call is made in its turn, and one that fails does not end the others:

    {"backend": "flit_core.buildapi", "path": [], "umask": null,
     "calls": [{"hook": "build_wheel", "arguments": ["/tmp/out"]}]}
"""
import importlib
import json
import os
import sys
import time
import traceback

HOOKS = (
    "build_wheel",
    "build_sdist",
    "build_editable",
    "get_requires_for_build_wheel",
    "get_requires_for_build_sdist",
    "get_requires_for_build_editable",
    "prepare_metadata_for_build_wheel",
    "prepare_metadata_for_build_editable",
)


def used():
    """Return the CPU seconds of this process and its ended children."""
    times = os.times()
    return times[0] + times[1] + times[2] + times[3]


def last_words(error):
    lines = "".join(traceback.format_exception_only(type(error), error)).strip().splitlines()
    return " ".join(line.strip() for line in lines)[-400:]


def called(backend, call):
    hook = getattr(backend, call["hook"], None)
    if hook is None:
        # PEP 517: these two may be absent, and then ask for nothing.
        value = [] if call["hook"].startswith("get_requires") else None
        return {"value": value, "error": "" if value == [] else "it has no hook " + call["hook"]}
    began, cpu = time.perf_counter(), used()
    try:
        value, error = hook(*call.get("arguments", [])), ""
    except SystemExit as left:
        value, error = None, "it ended the process: %s" % (left,)
    except BaseException as fault:
        value, error = None, last_words(fault)
    # A list of requirements or the name of a file; whatever else it returns is shown.
    if isinstance(value, (list, tuple)):
        value = [str(one) for one in value]
    elif value is not None:
        value = str(value)
    return {
        "value": value,
        "error": error,
        "wall_s": time.perf_counter() - began,
        "cpu_s": used() - cpu,
        "modules": len(sys.modules),
    }


def main():
    asked = json.load(sys.stdin)
    # setuptools leaves its own words in sys.argv.
    answer = sys.argv[1]
    told = {"import_error": "", "hooks": [], "calls": []}
    if asked.get("umask") is not None:
        os.umask(asked["umask"])
    for place in reversed(asked.get("path", [])):
        sys.path.insert(0, os.path.abspath(place))
    name, _, attribute = asked["backend"].partition(":")
    began = time.perf_counter()
    try:
        backend = importlib.import_module(name)
        for part in attribute.split(".") if attribute else []:
            backend = getattr(backend, part)
    except BaseException as error:
        backend, told["import_error"] = None, last_words(error)
    told["import_s"] = time.perf_counter() - began
    if backend is not None:
        told["hooks"] = [hook for hook in HOOKS if hasattr(backend, hook)]
        told["calls"] = [called(backend, call) for call in asked["calls"]]
    told["modules"] = len(sys.modules)
    with open(answer, "w") as stream:
        json.dump(told, stream)


main()
