def observe():
    details, bad = {}, []
    for name in ("/dev/null", "a-name-that-is-not-on-path"):
        started = run([name, ISOLATED, "-c", "import os, sys; print(sys.prefix)"], executable=EXECUTABLE)
        details[name] = "starts with sys.prefix %s" % started.out.strip() if started.ok else _first(started)
        if not started.ok:
            bad.append(name)
    if not bad:
        return "works", "it starts whatever it is called", details
    return "fails", "as %s: %s" % (bad[0], details[bad[0]]), details


def _first(started):
    # The last line of a start-up failure is a stack; the first says what is missing.
    lines = [line.strip() for line in started.err.splitlines() if line.strip()]
    named = [line for line in lines if "Error" in line or "Could not find" in line]
    return (named or lines or [started.said])[0]
