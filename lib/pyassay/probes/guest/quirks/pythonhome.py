def observe():
    code = "import os, sys; print(sys.prefix)"
    wrong = os.path.join(SCRATCH, "no-such-tree")
    right = run([REAL, "-s", "-B", "-c", code], env={"PYTHONHOME": BASE_PREFIX})
    misled = run([REAL, "-s", "-B", "-c", code], env={"PYTHONHOME": wrong})
    shielded = run([REAL, "-E", "-s", "-B", "-c", code], env={"PYTHONHOME": wrong})
    details = {"right": right.said, "wrong": first_error(misled), "ignored with -E": shielded.said}
    if not right.ok:
        return "fails", "with PYTHONHOME=%s: %s" % (BASE_PREFIX, first_error(right)), details
    if not shielded.ok:
        return "not_shielded", "-E with a wrong PYTHONHOME: %s" % first_error(shielded), details
    if misled.ok:
        return "ignored", "a wrong PYTHONHOME changes nothing: sys.prefix is %s" % misled.out.strip(), details
    return "honoured", "a wrong one stops it (%s), -E ignores it" % first_error(misled), details


def first_error(ended):
    return line_with(("Error",), ended.err) or ended.said
