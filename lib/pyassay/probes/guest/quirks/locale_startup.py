SETTINGS = (
    ("none", {"LC_ALL": None, "LC_CTYPE": None, "LANG": None}),
    ("LC_ALL=C", {"LC_ALL": "C"}),
    ("LANG=C", {"LC_ALL": None, "LC_CTYPE": None, "LANG": "C"}),
    ("LC_ALL=POSIX", {"LC_ALL": "POSIX"}),
    ("LANG=xx_YY.UTF-8 (there is none)", {"LC_ALL": None, "LC_CTYPE": None, "LANG": "xx_YY.UTF-8"}),
)
SHOW = "import sys; print(sys.getfilesystemencoding() + ' ' + str(sys.stdout.encoding) + ' ' + str(sys.stdin.encoding))"


def observe():
    details, bad = {}, []
    for name, setting in SETTINGS:
        started = python("-B", "-c", SHOW, env=dict(setting, PYTHONIOENCODING=None, PYTHONUTF8=None))
        if not started.ok:
            return "fails", "with %s: %s" % (name, started.said), details
        details[name] = started.out.strip()
        if started.err.strip():
            details[name + ": said"] = started.said
        if set(word.lower().replace("-", "") for word in started.out.split()) != set(["utf8"]):
            bad.append(name)
    if bad:
        return "ascii", "with %s: %s (files, output, input)" % (bad[0], details[bad[0]]), details
    return "utf8", "UTF-8 for names of files, output and input in all %d settings" % len(SETTINGS), details
