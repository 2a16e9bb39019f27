"""Descriptions of terminals: where they lie, and whether ncurses finds them."""

import re

TERMINFO_FOLDERS = (
    "/etc/terminfo",
    "/lib/terminfo",
    "/usr/share/terminfo",
    "/usr/lib/terminfo",
    "/usr/local/share/terminfo",
)


def has_entry(folder, name):
    """Return whether a folder has the entry, under its first letter or that letter's code."""
    return any(os.path.exists(os.path.join(folder, first, name)) for first in (name[0], "%x" % ord(name[0])))


def finds(name, extra=None):
    """Return whether curses finds the terminal, in a process of its own, and what it said."""
    code = "import curses, sys; curses.setupterm(sys.argv[1], 1); print('found')"
    env = {"TERMINFO": None, "TERMINFO_DIRS": None}
    env.update(extra or {})
    child = python(ISOLATED, "-c", code, name, env=env)
    return child.ok and "found" in child.out, child.said


def search_paths():
    """Return the search paths in the file that holds ncurses, and that file."""
    import _curses

    own = [_curses.__file__] if getattr(_curses, "__file__", None) else []
    for path in mapped("tinfo") + mapped("ncurses") + own + mapped("libpython") + [REAL]:
        with open(path, "rb") as file:
            strings = set(re.findall(b"/[ -$&-~]*/terminfo[ -$&-~]*", file.read()))
        if strings:
            return sorted(text_of(string) for string in strings)[:10], path
    return [], None
