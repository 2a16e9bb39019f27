# with: terminal
import re

# As where no terminfo is installed, or when a terminal is newer than what is.
UNKNOWN = {"TERM": "terminal-of-tomorrow"}
WARNING = re.compile(r"[^\n]*(?:termcap|terminfo|dumb terminal|terminal type)[^\n]*", re.IGNORECASE)


def trial(extra):
    """Return works, warns or fails, and what was seen."""
    # The prompt that readline serves: from 3.13 on it is not the one that comes up by itself.
    env = dict(ENVIRONMENT, PYTHON_BASIC_REPL="1")
    env.update(extra)
    steps = [(b">>> ", b"print(12x\x7f3)\r"), (b"\n123\n|Error", b"")]
    written, done = converse(PROMPT, steps, env)
    text = text_of(written)
    warning = WARNING.search(text)
    said = warning.group(0).strip() if warning else ""
    if not done and ">>>" not in text:
        raise NotMeasured("no prompt came: %s" % (text.strip()[-200:] or "nothing"))
    edited = done and b"\n123\n" in written
    if not edited:
        return "fails", said or text.strip().splitlines()[-1]
    return ("warns" if said else "works"), said or "backspace erases, no warning"


def observe():
    answer, seen = trial({})
    unknown, said = trial(UNKNOWN)
    details = {"unknown_terminal": unknown, "said_at_unknown_terminal": said}
    return answer, "%s; at an unknown terminal: %s" % (seen, said), details
