# What builds and tools take paths from; in other variables a path is a memory of the build.
USED = (
    "prefix exec_prefix BINDIR LIBDIR LIBPL LIBDEST INCLUDEDIR INCLUDEPY CONFINCLUDEDIR"
    " CONFINCLUDEPY SCRIPTDIR CC CXX LDSHARED BLDSHARED LDCXXSHARED LINKCC CFLAGS CPPFLAGS LDFLAGS LIBS"
).split()


def observe():
    import re
    import sysconfig

    dead = {}
    for name, value in sysconfig.get_config_vars().items():
        # The user's own folder is made when it is needed, and is no memory of the build.
        if not isinstance(value, str) or name == "userbase":
            continue
        for path in re.findall(r"(?<![\w.=])(/[A-Za-z0-9_.+-]+(?:/[A-Za-z0-9_.+-]+)+)", value):
            if not os.path.exists(path):
                dead.setdefault(name, set()).add(path)
        # A folder right below the root, such as /install, is one where nothing else can stand.
        if name in ("prefix", "exec_prefix") and not os.path.exists(value):
            dead.setdefault(name, set()).add(value)
    details = dict((name, sorted(paths)) for name, paths in dead.items())
    # What lies below the prefix is missing here, with a package of headers, and was not left behind there.
    own = BASE_PREFIX.rstrip("/") + "/"
    used = [name for name in USED if not all(path.startswith(own) for path in dead.get(name, ()))]
    if used:
        first = "%s names %s" % (used[0], sorted(dead[used[0]])[0])
        return "misleading", "%d variables, %d of them in use: %s" % (len(dead), len(used), first), details
    if dead:
        return "leftovers", "%d variables: %s" % (len(dead), ", ".join(sorted(dead)[:8])), details
    return "none", "no path that does not exist", details
