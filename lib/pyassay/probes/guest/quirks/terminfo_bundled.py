import re

FOLDERS = (
    "/etc/terminfo",
    "/lib/terminfo",
    "/usr/share/terminfo",
    "/usr/lib/terminfo",
    "/usr/local/share/terminfo",
)


def entry(folder, name):
    """Return whether a folder has the entry, under its first letter or that letter's code."""
    return any(os.path.exists(os.path.join(folder, first, name)) for first in (name[0], "%x" % ord(name[0])))


def found(name, extra=None):
    """Return whether curses finds the terminal, in a process of its own, and what it said."""
    code = "import curses, sys; curses.setupterm(sys.argv[1], 1); print('found')"
    isolated = "-I" if sys.version_info[0] > 2 else "-E"
    env = {"TERMINFO": None, "TERMINFO_DIRS": None}
    env.update(extra or {})
    child = python(isolated, "-c", code, name, env=env)
    return child.ok and "found" in child.out, child.said


def baked():
    """Return the search paths in the file that holds ncurses, and that file."""
    import _curses

    own = [_curses.__file__] if getattr(_curses, "__file__", None) else []
    for path in mapped("tinfo") + mapped("ncurses") + own + mapped("libpython") + [REAL]:
        with open(path, "rb") as file:
            strings = set(re.findall(b"/[ -$&-~]*/terminfo[ -$&-~]*", file.read()))
        if strings:
            return sorted(text_of(string) for string in strings)[:10], path
    return [], None


def observe():
    bundle = os.path.join(BASE_PREFIX, "share", "terminfo")
    if os.path.realpath(bundle) in [os.path.realpath(folder) for folder in FOLDERS]:
        raise NotApplicable("%s belongs to the system" % bundle)
    if not os.path.isdir(bundle):
        return "none", "no %s" % bundle
    names = sorted(name for _, _, files in os.walk(bundle) for name in files)
    try:
        import curses  # noqa: F401
    except ImportError as error:
        raise NotMeasured("%d files in %s, but this Python has no curses: %s" % (len(names), bundle, error))
    paths, _ = baked()
    details = {"folder": bundle, "files": len(names), "search_paths": paths}
    # Only an entry that the system does not have shows whether the bundle is searched.
    only_here = [name for name in names if not any(entry(folder, name) for folder in FOLDERS)]
    if not only_here:
        raise NotMeasured("the system has all %d entries of %s as well" % (len(names), bundle))
    right, said = found(only_here[0])
    named = found(only_here[0], {"TERMINFO_DIRS": bundle})[0]
    details.update({"asked_for": only_here[0], "found_by_TERMINFO_DIRS": named})
    seen = "%d files in %s; %s: %s" % (len(names), bundle, only_here[0], said)
    return ("used" if right else "ignored"), seen, details
