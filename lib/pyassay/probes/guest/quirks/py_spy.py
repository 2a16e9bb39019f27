import time

PROGRAM = """
import sys, time

def a_function_to_be_named():
    sys.stdout.write("ready\\n")
    sys.stdout.flush()
    time.sleep(20)

a_function_to_be_named()
"""


def observe():
    tool = os.path.join(GIVEN.get("bin", ""), "py-spy")
    if not (GIVEN.get("bin") and os.access(tool, os.X_OK)):
        tool = need("py-spy")
    version = run([tool, "--version"]).out.strip()
    process = subprocess.Popen([EXECUTABLE, "-B", write("program.py", PROGRAM)], stdout=subprocess.PIPE, preexec_fn=os.setsid)
    timer = threading.Timer(18, _kill_group, (process.pid,))
    timer.daemon = True
    timer.start()
    try:
        process.stdout.readline()
        time.sleep(0.05)
        dumped = run([tool, "dump", "--pid", str(process.pid)], timeout=12)
    finally:
        timer.cancel()
        _kill_group(process.pid)
        process.communicate()
    if "a_function_to_be_named" in dumped.out:
        return "works", "%s names the function that runs" % version
    everything = dumped.err + dumped.out
    for words in ("ermission denied", "Operation not permitted", "run as root", "administrator"):
        if words in everything:
            raise NotMeasured("%s may not look into another process here: %s" % (version, _cause(dumped)))
    return "fails", "%s: %s" % (version, _cause(dumped))


def _cause(ended):
    lines = [line.strip() for line in (ended.err + ended.out).splitlines() if "rror" in line]
    return (lines or [ended.said])[0]
