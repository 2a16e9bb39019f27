# with: target_process

FAULT = """
import faulthandler, os, signal
faulthandler.enable()
os.kill(os.getpid(), signal.SIGSEGV)
"""


def observe():
    details, wrong = {}, []

    def expect(name, seen, right):
        details[name] = seen
        if not right:
            wrong.append("%s: %s" % (name, seen))

    code, err = _signalled(signal.SIGINT)
    expect("SIGINT", "exit status %s, %s" % (code, err), "KeyboardInterrupt" in err and code in (-signal.SIGINT, 1))
    code, err = _signalled(signal.SIGTERM)
    expect("SIGTERM", "exit status %s" % code, code == -signal.SIGTERM)
    shown = python("-c", "import signal; print(int(signal.getsignal(signal.SIGPIPE) == signal.SIG_IGN))", preexec_fn=_reset)
    expect("SIGPIPE ignored", shown.said, shown.out.strip() == "1")
    if sys.version_info >= (3, 3):
        fault = python("-c", FAULT, preexec_fn=_no_core)
        expect("faulthandler", fault.said, "Fatal Python error" in fault.err and fault.code == -signal.SIGSEGV)
    if wrong:
        return "differs", wrong[0], details
    return "as_documented", "SIGINT, SIGTERM, SIGPIPE and faulthandler do what the documentation says", details


def _signalled(number):
    def first():
        os.setsid()
        _reset()

    errors = tempfile.TemporaryFile()
    with target(TARGET, 6, preexec_fn=first, stderr=errors) as process:
        process.send_signal(number)
        process.wait()
    errors.seek(0)
    lines = [line for line in text_of(errors.read(OUTPUT_BYTES)).splitlines() if line.strip()]
    errors.close()
    return process.returncode, lines[-1] if lines else "nothing said"


def _reset():
    # What was ignored when we were started (nohup) stays ignored in a child.
    for name in ("SIGINT", "SIGTERM", "SIGPIPE"):
        signal.signal(getattr(signal, name), signal.SIG_DFL)


def _no_core():
    import resource

    _reset()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
