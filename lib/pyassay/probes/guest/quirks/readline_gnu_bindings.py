# with: terminal
import re

CHILD = u"""
import readline, sys
ask = input if sys.version_info[0] > 2 else raw_input
readline.parse_and_bind("tab: complete")
readline.parse_and_bind('"\\\\e[A": history-search-backward')
readline.set_completer(lambda text, number: None if number or not "alphabet".startswith(text) else "alphabet")
readline.add_history("first entry")
readline.add_history("second entry")
for number in range(2):
    print("got <%s>" % ask("? "))
"""


def observe():
    imported("readline", "this Python has no readline")
    # From a file, so that standard input is the terminal.
    argv = [EXECUTABLE, "-s", "-B", write("bindings.py", CHILD)]
    steps = [
        (b"\\? ", b"alph\t\r"),
        (b"got <.*?>", b""),
        (b"\\? ", b"fir\x1b[A\r"),
        (b"got <.*?>", b""),
    ]
    written, done = converse(argv, steps, {"TERM": "xterm", "INPUTRC": "/dev/null"})
    got = [text_of(line) for line in re.findall(b"got <(.*?)>", written)]
    if not done:
        raise NotMeasured("no answer in time: %s" % (text_of(written).strip()[-200:] or "nothing"))
    completes, searches = got[0].strip() == "alphabet", got[1] == "first entry"
    seen = "tab after alph gave %r, arrow up after fir gave %r" % (str(got[0]), str(got[1]))
    details = {"completes": completes, "searches_history": searches}
    return {2: "understood", 1: "partly", 0: "ignored"}[completes + searches], seen, details
