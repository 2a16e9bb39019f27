LEFT_OUT = ("site-packages", "dist-packages", "test", "tests", "__pycache__", "idlelib", "turtledemo")
MOST_BYTES = 400 << 20
SHOW = """
import ssl, sqlite3, os, sys
print("PREFIX " + sys.prefix)
for entry in sys.path:
    print("PATH " + entry)
try:
    lines = open("/proc/self/maps").read().splitlines()
except Exception:
    lines = []
for line in lines:
    if len(line.split(None, 5)) == 6:
        print("MAP " + line.split(None, 5)[5])
"""


def observe():
    import sysconfig

    prefix = os.path.realpath(BASE_PREFIX)
    if prefix in ("/", "/usr") or not REAL.startswith(prefix + os.sep):
        raise NotApplicable("its files lie among those of the system (%s)" % prefix)
    new = os.path.join(SCRATCH, "moved", "elsewhere")
    left = [MOST_BYTES]
    place(REAL, os.path.join(new, os.path.relpath(REAL, prefix)), left)
    libraries = set(os.path.realpath(os.path.dirname(sysconfig.get_path(kind))) for kind in ("stdlib", "platstdlib"))
    for folder in sorted(libraries):
        if not (folder + os.sep).startswith(prefix + os.sep):
            raise NotApplicable("its standard library lies elsewhere (%s)" % folder)
        for name in sorted(os.listdir(folder)):
            path = os.path.join(folder, name)
            # Of a shared /usr/local/lib only what is Python's own; of any other tree its libraries, too.
            if os.path.isfile(path) and ".so" in name and (prefix != "/usr/local" or "python" in name):
                place(path, os.path.join(new, os.path.relpath(path, prefix)), left)
    for kind in ("stdlib", "platstdlib"):
        for folder, folders, files in os.walk(sysconfig.get_path(kind)):
            folders[:] = sorted(set(folders) - set(LEFT_OUT))
            folders[:] = [one for one in folders if not one.startswith("config-")]
            there = os.path.join(new, os.path.relpath(os.path.realpath(folder), prefix))
            for one in files:
                place(os.path.join(folder, one), os.path.join(there, one), left)
    moved = os.path.join(new, os.path.relpath(REAL, prefix))
    try:
        started = run([moved, ISOLATED, "-B", "-c", SHOW], timeout=30)
    except OSError as error:
        raise NotMeasured("nothing can be executed in the scratch folder: %s" % error)
    if not started.ok:
        # What the original cannot import either is no matter of the place.
        asked = python(ISOLATED, "-B", "-c", SHOW, timeout=30)
        if not asked.ok:
            raise NotMeasured("it does not import ssl and sqlite3 where it is, either: %s" % asked.said)
        return "fails", started.said
    seen = [line.split(" ", 1) for line in started.out.splitlines() if " " in line]
    old = sorted(set(path for kind, path in seen if (os.path.realpath(path) + os.sep).startswith(prefix + os.sep)))
    if old:
        return "old_tree", "from the new place it still uses %s" % old[0], {"old": old[:20]}
    return "works", "starts from another folder and imports ssl and sqlite3 from there"


def place(source, target, left):
    if os.path.lexists(target):
        return
    folder = os.path.dirname(target)
    if not os.path.isdir(folder):
        os.makedirs(folder)
    try:
        source = os.path.realpath(source)
        try:
            os.link(source, target)
        except OSError:
            left[0] -= os.path.getsize(source)
            if left[0] < 0:
                raise NotMeasured("the tree is on another file system and more than %d MiB" % (MOST_BYTES >> 20))
            shutil.copy2(source, target)
    except (IOError, OSError) as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise NotMeasured("no room for a copy of the tree: %s" % error)
        if error.errno not in (errno.ENOENT, errno.EACCES):
            raise
