"""A process of the interpreter under test for a debugger, a profiler or a signal."""

import contextlib
import time

# Says that it runs, then sleeps in a function whose name is looked for.
TARGET = """
import sys, time

def a_function_to_be_named():
    sys.stdout.write("ready\\n")
    sys.stdout.flush()
    time.sleep(25)

a_function_to_be_named()
"""


@contextlib.contextmanager
def target(program, timeout, **settings):
    """Give a process that runs a program and has said a line; it is killed after the timeout, and at the end."""
    settings.setdefault("preexec_fn", os.setsid)
    argv = [EXECUTABLE, "-B", write("program.py", program)]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, **settings)
    timer = threading.Timer(timeout, _kill_group, (process.pid,))
    timer.daemon = True
    timer.start()
    try:
        process.stdout.readline()
        # Asleep by then, not still on its way to it.
        time.sleep(0.05)
        yield process
    finally:
        timer.cancel()
        # A wrapper that has ended may have left the interpreter behind.
        _kill_group(process.pid)
        process.stdout.close()
        process.wait()
