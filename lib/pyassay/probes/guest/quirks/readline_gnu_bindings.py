import fcntl
import pty
import re
import select
import struct
import termios
import time

CHILD = u"""
import readline, sys
ask = input if sys.version_info[0] > 2 else raw_input
readline.parse_and_bind("tab: complete")
readline.parse_and_bind('"\\\\e[A": history-search-backward')
readline.set_completer(lambda text, number: None if number or not "alphabet".startswith(text) else "alphabet")
readline.add_history("first entry")
readline.add_history("second entry")
for number in range(2):
    print("got <%s>" % ask("? "))
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
        import readline  # noqa: F401
    except ImportError as error:
        raise NotApplicable("this Python has no readline: %s" % error)
    # From a file, so that standard input is the terminal.
    argv = [EXECUTABLE, "-s", "-B", write("bindings.py", CHILD)]
    steps = [
        (b"\\? ", b"alph\t\r"),
        (b"got <.*?>", b""),
        (b"\\? ", b"fir\x1b[A\r"),
        (b"got <.*?>", b""),
    ]
    written, done = converse(argv, steps, {"TERM": "xterm", "INPUTRC": "/dev/null"})
    got = [text_of(line) for line in re.findall(b"got <(.*?)>", written)]
    if not done:
        raise NotMeasured("no answer in time: %s" % (text_of(written).strip()[-200:] or "nothing"))
    completes, searches = got[0].strip() == "alphabet", got[1] == "first entry"
    seen = "tab after alph gave %r, arrow up after fir gave %r" % (str(got[0]), str(got[1]))
    details = {"completes": completes, "searches_history": searches}
    return {2: "understood", 1: "partly", 0: "ignored"}[completes + searches], seen, details
