"""Typing at a command on a terminal of its own."""

import fcntl
import pty
import re
import select
import struct
import termios
import time

# A terminal that everybody knows, no settings of anybody; colours would only be in the way of reading it.
ENVIRONMENT = {"TERM": "xterm", "INPUTRC": "/dev/null", "NO_COLOR": "1", "PYTHONDONTWRITEBYTECODE": "1"}
PROMPT = [EXECUTABLE, "-s"] + (["-q"] if sys.version_info[0] > 2 else [])


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
