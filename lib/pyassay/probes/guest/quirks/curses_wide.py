import fcntl
import pty
import re
import select
import struct
import termios
import time

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


def shown(written):
    """Return what was written to a terminal without its control sequences; lines end by a line feed."""
    return re.sub(b"\x1b(?:\\[[0-9;?]*[A-Za-z@]|[()][A-Z0-9]|[=>78])|[\x00-\x09\x0b-\x1f]", b"", written)


def converse(argv, steps, env, timeout=10):
    """Type into a command on a terminal; return what it showed and whether every step was reached.

    Each step is a pattern that must appear after that of the step before, and what is then typed.
    """
    try:
        pid, terminal = pty.fork()
    except OSError as error:
        raise NotMeasured("no pseudo-terminals here: %s" % error)
    if pid == 0:
        try:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 120, 0, 0))
            os.chdir(SCRATCH)
            os.execve(argv[0], argv, clean(env))
        finally:
            os._exit(127)
    written, start, until = b"", 0, time.time() + timeout
    try:
        for pattern, typed in steps:
            while True:
                found = re.search(pattern, shown(written)[start:])
                if found:
                    break
                left = until - time.time()
                if left <= 0 or not select.select([terminal], [], [], left)[0]:
                    return shown(written), False
                try:
                    data = os.read(terminal, 65536)
                except OSError:
                    data = b""
                if not data:
                    return shown(written), False
                written += data
            start += found.end()
            # Typed before the line is edited, it would be the kernel that handles the erase key.
            ready = min(until, time.time() + 2)
            while typed and termios.tcgetattr(terminal)[3] & termios.ICANON and time.time() < ready:
                time.sleep(0.01)
            os.write(terminal, typed)
        return shown(written), True
    except OSError:
        return shown(written), False
    finally:
        for send in (os.killpg, os.kill):
            try:
                send(pid, signal.SIGKILL)
            except OSError:
                pass
        os.close(terminal)
        os.waitpid(pid, 0)

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
