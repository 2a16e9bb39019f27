# with: target_process

PROGRAM = """
import sys, time
sys.stdout.write("ready\\n")
sys.stdout.flush()
end = time.time() + 12
while time.time() < end:
    time.sleep(0.01)
"""


def observe():
    if sys.version_info < (3, 14):
        raise NotApplicable("sys.remote_exec came with 3.14")
    if not hasattr(sys, "remote_exec"):
        return "absent", "sys has no remote_exec"
    enabled = getattr(sys, "is_remote_debug_enabled", lambda: True)()
    if not enabled:
        return "absent", "switched off (--without-remote-debug, or PYTHON_DISABLE_REMOTE_DEBUG)"
    mark = os.path.join(SCRATCH, "mark")
    script = write("inject.py", "open(%r, 'w').close()\n" % mark)
    with target(PROGRAM, 12) as process:
        try:
            sys.remote_exec(process.pid, script)
        except (OSError, RuntimeError) as error:
            # The right that lacks may be the cause of a RuntimeError.
            chain = "%r %r %r" % (error, error.__cause__, error.__context__)
            if "Permission" in chain or "not permitted" in chain:
                raise NotMeasured("no right to look into another process here: %s" % error)
            return "fails", "%s: %s" % (type(error).__name__, error)
        end = time.time() + 8
        while time.time() < end and not os.path.exists(mark):
            time.sleep(0.02)
        if os.path.exists(mark):
            return "works", "a script is run in another process by sys.remote_exec"
        return "fails", "sys.remote_exec is accepted, but the script does not run"
