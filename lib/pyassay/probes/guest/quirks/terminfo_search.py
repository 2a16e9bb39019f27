import re

TERMINALS = ("xterm", "xterm-256color", "screen-256color", "tmux-256color", "linux", "vt100")
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
    try:
        import curses  # noqa: F401
    except ImportError as error:
        raise NotApplicable("this Python has no curses: %s" % error)
    known = [name for name in TERMINALS if any(entry(folder, name) for folder in FOLDERS)]
    paths, holder = baked()
    details = {"search_paths": paths, "baked_into": holder, "terminals_here": known}
    if not known:
        right, said = found("xterm")
        if not right:
            raise NotMeasured("this place has no terminfo entries in %s: %s" % (", ".join(paths), said))
        return "all", "xterm, although this place has no terminfo entries", details
    results = [(name, found(name)) for name in known]
    missed = [name for name, (right, _) in results if not right]
    seen = "%d of %d terminals found; searched: %s" % (
        len(known) - len(missed), len(known), ", ".join(paths) or "unknown")
    if missed:
        seen += "; %s: %s" % (missed[0], dict(results)[missed[0]][1])
    return "all" if not missed else ("some" if len(missed) < len(known) else "none"), seen, details
