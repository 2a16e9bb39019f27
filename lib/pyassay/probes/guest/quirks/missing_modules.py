# From 3.10 on sys.stdlib_module_names tells; before: these, and those that were still there or came later.
BEFORE = """
abc aifc argparse array ast asynchat asyncio asyncore atexit audioop base64 bdb binascii binhex bisect
builtins bz2 cProfile calendar cgi cgitb chunk cmath cmd code codecs codeop collections colorsys
compileall concurrent configparser contextlib copy copyreg crypt csv ctypes curses datetime dbm decimal
difflib dis distutils doctest dummy_threading email encodings ensurepip enum errno faulthandler fcntl
filecmp fileinput fnmatch formatter fractions ftplib functools gc genericpath getopt getpass gettext glob
grp gzip hashlib heapq hmac html http imaplib imghdr imp importlib inspect io ipaddress itertools json
keyword lib2to3 linecache locale logging lzma mailbox mailcap marshal math mimetypes mmap modulefinder
multiprocessing netrc nis nntplib ntpath nturl2path numbers opcode operator optparse os ossaudiodev
parser pathlib pdb pickle pickletools pipes pkgutil platform plistlib poplib posix posixpath pprint
profile pstats pty pwd py_compile pyclbr pydoc pydoc_data pyexpat queue quopri random re readline reprlib
resource rlcompleter runpy sched secrets select selectors shelve shlex shutil signal site smtpd smtplib
sndhdr socket socketserver spwd sqlite3 sre_compile sre_constants sre_parse ssl stat statistics string
stringprep struct subprocess sunau symbol symtable sys sysconfig syslog tabnanny tarfile telnetlib
tempfile termios textwrap threading time timeit tkinter token tokenize trace traceback tracemalloc tty
turtle types typing unicodedata unittest urllib uu uuid venv warnings wave weakref webbrowser wsgiref
xdrlib xml xmlrpc zipapp zipfile zipimport zlib _bz2 _crypt _csv _ctypes _curses _curses_panel _datetime
_dbm _decimal _elementtree _gdbm _hashlib _heapq _json _lsprof _lzma _multiprocessing _pickle _random
_socket _sqlite3 _ssl _struct _tkinter
"""
CAME = {
    "contextvars": (3, 7),
    "dataclasses": (3, 7),
    "_queue": (3, 7),
    "_uuid": (3, 7),
    "_posixshmem": (3, 8),
}
CAME.update({"graphlib": (3, 9), "zoneinfo": (3, 9), "_zoneinfo": (3, 9)})
LEFT = {"dummy_threading": (3, 9)}
# Of other systems; and what opens a window or a browser, or prints, when it is imported.
ELSEWHERE = """
msilib msvcrt nt winreg winsound _msi _overlapped _winapi _wmi _scproxy _android_support _ios_support
_apple_support antigravity this idlelib turtledemo
""".split()
# Wrappers of libraries and devices that few programs use.
RARE = """
nis ossaudiodev spwd crypt _crypt dbm.gnu dbm.ndbm _gdbm _dbm tkinter _tkinter turtle lib2to3.pytree
""".split()
CODE = """
import importlib, sys, warnings
warnings.simplefilter("ignore")
for name in sys.argv[1:]:
    sys.stdout.write("\\n?%s\\n" % name)
    sys.stdout.flush()
    try:
        importlib.import_module(name)
    except BaseException as error:
        said = " ".join(str(error).split())[:200]
        sys.stdout.write("\\n!%s %s: %s\\n" % (name, type(error).__name__, said))
"""


def _expected():
    if hasattr(sys, "stdlib_module_names"):
        names = set(sys.stdlib_module_names)
    else:
        names = set(BEFORE.split()) | set(name for name, since in CAME.items() if sys.version_info >= since)
        names -= set(name for name, since in LEFT.items() if sys.version_info >= since)
    names |= set(["dbm.gnu", "dbm.ndbm", "xml.etree.ElementTree", "xml.parsers.expat", "curses.panel"])
    # Debian leaves the shells of these two in place when it takes their contents out.
    inner = {"distutils": "distutils.core", "lib2to3": "lib2to3.pytree"}
    names = set(inner.get(name, name) for name in names)
    return sorted(names - set(ELSEWHERE))


def observe():
    if sys.version_info[0] < 3:
        raise NotApplicable("there is no list of the modules of Python 2")
    left, missing, tried = _expected(), {}, 0
    while left and len(missing) < 200:
        ended = python("-I", "-B", "-c", CODE, *left, timeout=40)
        begun = [line[1:] for line in ended.out.splitlines() if line.startswith("?")]
        for line in ended.out.splitlines():
            if line.startswith("!"):
                name, _, why = line[1:].partition(" ")
                missing[name] = why
        if not begun:
            raise NotMeasured("the modules could not be tried: %s" % ended.said)
        tried += len(begun)
        left = left[len(begun) :]
        if not ended.ok:
            missing.setdefault(begun[-1], "the process ended: %s" % ended.said)
    seen = "%d of %d cannot be imported" % (len(missing), tried)
    if not missing:
        return "none", seen
    common = sorted(name for name in missing if name not in RARE)
    details = dict((name, missing[name]) for name in sorted(missing))
    if common:
        return "some", "%s: %s" % (seen, ", ".join(common + sorted(set(missing) - set(common)))), details
    return "rare", "%s: %s" % (seen, ", ".join(sorted(missing))), details
