def observe():
    if sys.version_info < (3, 10):
        raise NotApplicable("subprocess uses vfork from 3.10 on")
    import _posixsubprocess
    import sysconfig

    file = getattr(_posixsubprocess, "__file__", None)
    paths = [file] if file else mapped("libpython") or [REAL]
    found = False
    for path in paths:
        with open(path, "rb") as data:
            found = found or b"\0vfork\0" in data.read()
    details = {
        "HAVE_VFORK": sysconfig.get_config_var("HAVE_VFORK"),
        "posix_spawn": bool(getattr(subprocess, "_USE_POSIX_SPAWN", False)),
        "file": paths[0],
    }
    if found and getattr(subprocess, "_USE_VFORK", True):
        return "vfork", "%s calls vfork" % os.path.basename(paths[0]), details
    return "fork", "%s does not call vfork" % os.path.basename(paths[0]), details
