# with: terminal


def trial(extra):
    """Return whether an accented letter can be typed and erased, and what was seen."""
    if sys.version_info[0] > 2:
        line, wanted = u"print('<' + ascii('\u00e9\u4e2d\x7f') + '>')\r", b"<'\\xe9'>"
    else:
        line, wanted = u"print '<' + repr(u'\u00e9\u4e2d\x7f') + '>'\r", b"<u'\\xe9'>"
    steps = [(b">>> ", line.encode("utf-8")), (b"\n<[^\n]*>|Error|\\.\\.\\. ", b"")]
    written, done = converse(PROMPT, steps, dict(ENVIRONMENT, LC_ALL="C.UTF-8", **extra))
    lines = text_of(written).strip().splitlines()
    if not done:
        raise NotMeasured("no answer in time: %s" % (lines[-1][:200] if lines else "nothing"))
    said = [line for line in lines if line.startswith(("<", "SyntaxError", "UnicodeError"))]
    return wanted in written, (said or lines)[-1]


def observe():
    kinds = [("basic", {"PYTHON_BASIC_REPL": "1"})]
    if sys.version_info >= (3, 13):
        kinds.append(("new", {}))
    trials = [(name, trial(extra)) for name, extra in kinds]
    details = dict((name, said) for name, (_, said) in trials)
    failed = [name for name, (right, _) in trials if not right]
    seen = "; ".join("%s prompt: %s" % (name, said) for name, (_, said) in trials)
    return ("fails" if failed else "works"), seen, details
