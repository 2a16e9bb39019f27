# with: terminal


def started(extra):
    """Return new or basic, and what came before the prompt."""
    # The new prompt runs what is typed inside frames of its own; in the basic one there is no frame above.
    question = b"import sys; print('ANSWER', 'NEW' if sys._getframe().f_back else 'BASIC')\r"
    steps = [(b">>> ", question), (b"ANSWER (?:NEW|BASIC)", b"")]
    written, done = converse(PROMPT, steps, dict(ENVIRONMENT, **extra))
    text = text_of(written)
    if not done:
        raise NotMeasured("no answer in time: %s" % (text.strip()[-200:] or "nothing"))
    before = " ".join(text.split(">>>")[0].split())
    return ("new" if b"ANSWER NEW" in written else "basic"), before


def observe():
    if sys.version_info < (3, 13):
        raise NotApplicable("the new prompt came with Python 3.13")
    first, before = started({})
    second, _ = started({"PYTHON_BASIC_REPL": "1"})
    details = {"by_default": first, "with_PYTHON_BASIC_REPL": second, "said": before}
    seen = "by itself %s, with PYTHON_BASIC_REPL %s" % (first, second)
    if before:
        seen += "; it says: %s" % before
    if first != "new":
        return "falls_back", seen, details
    return ("works" if second == "basic" else "no_way_back"), seen, details
