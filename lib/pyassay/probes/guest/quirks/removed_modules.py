# The version of CPython that is the first without the module (PEP 594, PEP 632 and What's New).
REMOVED = {
    "_dummy_thread": (3, 9),
    "aifc": (3, 13),
    "asynchat": (3, 12),
    "asyncore": (3, 12),
    "audioop": (3, 13),
    "binhex": (3, 11),
    "cgi": (3, 13),
    "cgitb": (3, 13),
    "chunk": (3, 13),
    "crypt": (3, 13),
    "distutils": (3, 12),
    "dummy_threading": (3, 9),
    "formatter": (3, 10),
    "imghdr": (3, 13),
    "imp": (3, 12),
    "lib2to3": (3, 13),
    "mailcap": (3, 13),
    "nntplib": (3, 13),
    "parser": (3, 10),
    "pipes": (3, 13),
    "smtpd": (3, 12),
    "sndhdr": (3, 13),
    "sunau": (3, 13),
    "symbol": (3, 10),
    "telnetlib": (3, 13),
    "uu": (3, 13),
    "xdrlib": (3, 13),
}
CODE = """
import importlib, sys, warnings
warnings.simplefilter("ignore")
for name in sys.argv[1:]:
    try:
        module = importlib.import_module(name)
    except ImportError:
        sys.stdout.write("\\n!%s\\n" % name)
    else:
        sys.stdout.write("\\n=%s %s\\n" % (name, getattr(module, "__file__", None) or "built in"))
"""


def observe():
    if sys.version_info[0] < 3:
        raise NotApplicable("there is no list of the modules of Python 2")
    # Debian leaves the shells of these two in place when it takes their contents out.
    inner = {"distutils": "distutils.core", "lib2to3": "lib2to3.pytree"}
    names = sorted(REMOVED)
    ended = python("-I", "-B", "-c", CODE, *[inner.get(name, name) for name in names], timeout=20)
    if not ended.ok:
        raise NotMeasured("the modules could not be tried: %s" % ended.said)
    found = dict(line[1:].split(" ", 1) for line in ended.out.splitlines() if line.startswith("="))
    there = dict((name.split(".")[0], path) for name, path in found.items())
    early = [name for name in names if sys.version_info < REMOVED[name] and name not in there]
    kept = [name for name in names if sys.version_info >= REMOVED[name] and name in there]
    gone = [name for name in names if sys.version_info >= REMOVED[name] and name not in there]
    details = {"gone": gone, "gone_early": early, "kept": dict((name, there[name]) for name in kept)}
    version = "%d.%d" % sys.version_info[:2]
    if early:
        return "gone early", "CPython %s has, and this has not: %s" % (version, ", ".join(early)), details
    if kept:
        return "kept", "%s: %s" % (kept[0], there[kept[0]]), details
    later = len(names) - len(gone)
    return "as CPython", "%d modules are gone with %s, %d will be" % (len(gone), version, later), details
