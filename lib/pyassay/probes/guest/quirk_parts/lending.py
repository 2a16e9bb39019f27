"""What this interpreter lacks and is lent for the probe: build backends (GIVEN["backends"]) and tools (GIVEN["bin"])."""

import re


def backend(modules, names):
    """Return whence a backend comes, and what PYTHONPATH must be for it: empty for the interpreter's own.

    It is the first of the packages; NotMeasured when one of them is not lent, or is for newer versions of Python.
    """
    if python("-I", "-c", "import %s" % modules, timeout=20).ok:
        return "its own %s" % names[0], ""
    if not GIVEN.get("backends"):
        raise NotMeasured("there is no %s" % names[0])
    for name in names:
        need_lent(name)
    return "%s %s, lent to it" % (names[0], GIVEN["backend_versions"][names[0]]), GIVEN["backends"]


def need_lent(name):
    """NotMeasured when a package is not lent, or is for newer versions of Python."""
    versions = GIVEN.get("backend_versions", {})
    if name not in versions:
        raise NotMeasured("no %s is at hand" % name)
    least = re.search(r">=\s*(\d+)\.(\d+)", GIVEN.get("backend_requires_python", {}).get(name, ""))
    if least and sys.version_info[:2] < (int(least.group(1)), int(least.group(2))):
        raise NotMeasured("%s %s wants Python %s.%s" % (name, versions[name], least.group(1), least.group(2)))


def tool(*names):
    """Return the path of a build tool: of this place, else of those that are lent."""
    for name in names:
        lent = os.path.join(GIVEN.get("bin") or os.path.join(SCRATCH, "none"), name)
        path = command(name) or (lent if os.access(lent, os.X_OK) else None)
        if path:
            return path
    raise NotMeasured("this place has no %s" % " or ".join(names))
