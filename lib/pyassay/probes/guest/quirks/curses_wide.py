# with: terminal
import re

CHILD = u"""
import curses, locale, sys
locale.setlocale(locale.LC_ALL, "")
screen = curses.initscr()
try:
    screen.addstr(0, 0, "READY")
    screen.refresh()
    key = screen.get_wch()
finally:
    curses.endwin()
print("got <%s>" % ascii(key))
"""


def observe():
    try:
        import curses
    except ImportError as error:
        return "absent", "import curses: %s" % error
    if sys.version_info < (3, 3):
        raise NotApplicable("get_wch came with Python 3.3")
    version = tuple(getattr(curses, "ncurses_version", ()))
    details = {"ncurses": ".".join(map(str, version)), "files": []}
    if not hasattr(curses, "unget_wch"):
        return "narrow", "curses has no unget_wch", details
    import _curses  # noqa: F401

    details["files"] = mapped("ncurses", "tinfo")
    steps = [(b"READY", u"\u00e9".encode("utf-8")), (b"got <.*?>", b"")]
    argv = [EXECUTABLE, "-s", "-B", write("screen.py", CHILD)]
    written, done = converse(argv, steps, {"TERM": "xterm", "LC_ALL": "C.UTF-8"})
    if not done:
        lines = text_of(written).strip().splitlines()
        raise NotMeasured("the screen did not come up: %s" % (lines[-1] if lines else "no answer in time"))
    got = text_of(re.findall(b"got <(.*?)>", written)[-1])
    seen = "ncurses %s: typed e with acute, got %s" % (details["ncurses"] or "of unknown version", got)
    return ("wide" if got == "'\\xe9'" else "narrow"), seen, details
