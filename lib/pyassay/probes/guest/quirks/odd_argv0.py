def observe():
    details, bad = {}, []
    for name in ("/dev/null", "a-name-that-is-not-on-path"):
        started = run([name, ISOLATED, "-c", "import os, sys; print(sys.prefix)"], executable=EXECUTABLE)
        details[name] = "starts with sys.prefix %s" % started.out.strip() if started.ok else first_line(started)
        if not started.ok:
            bad.append(name)
    if not bad:
        return "works", "it starts whatever it is called", details
    return "fails", "as %s: %s" % (bad[0], details[bad[0]]), details


def first_line(ended):
    # The last line of a start-up failure is a stack; the first says what is missing.
    return line_with(("Error", "Could not find"), ended.err) or line_with(("",), ended.err.strip()) or ended.said
