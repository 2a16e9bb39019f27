KINDS = {
    "dbm.gnu": "gdbm",
    "gdbm": "gdbm",
    "dbm.sqlite3": "sqlite3",
    "dbm.dumb": "dumb",
    "dumbdbm": "dumb",
    "dbhash": "berkeley db",
}


def observe():
    import importlib

    three = sys.version_info[0] > 2
    there = {}
    for name in ("_gdbm", "_dbm", "dbm.sqlite3", "dbm.dumb") if three else ("gdbm", "dbm", "dumbdbm"):
        try:
            module = importlib.import_module(name)
        except ImportError as error:
            there[name] = "no: %s" % error
        else:
            there[name] = getattr(module, "library", "yes")
    opener = importlib.import_module("dbm" if three else "anydbm")
    whichdb = opener.whichdb if three else importlib.import_module("whichdb").whichdb
    path = os.path.join(SCRATCH, "base")
    base = opener.open(path, "n")
    base[b"key"] = b"value"
    base.close()
    kind = whichdb(path)
    base = opener.open(path, "r")
    same = base[b"key"] == b"value"
    base.close()
    seen = ", ".join("%s: %s" % (name, text) for name, text in sorted(there.items()))
    if not kind or not same:
        return "fails", "a new base cannot be read again; %s" % seen, there
    if kind in ("dbm.ndbm", "dbm"):
        library = there.get("_dbm", there.get("dbm", ""))
        answer = "berkeley db" if "Berkeley" in library else "gdbm compat" if "GNU" in library else "ndbm"
    else:
        answer = KINDS.get(kind, "ndbm")
    return answer, "a new base is one of %s; %s" % (kind, seen), there
