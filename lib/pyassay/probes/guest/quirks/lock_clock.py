def observe():
    if sys.version_info < (3, 2):
        raise NotApplicable("locks have no timeouts before 3.2")
    files = mapped("libpython") or [REAL]
    imported = False
    for path in files:
        with open(path, "rb") as file:
            imported = imported or b"\0sem_clockwait\0" in file.read()
    import sysconfig

    configured = sysconfig.get_config_var("HAVE_SEM_CLOCKWAIT")
    details = {"HAVE_SEM_CLOCKWAIT": configured, "imported": imported, "file": files[0]}
    if imported and not _has():
        # Bound weakly: what libc lacks is done without.
        return "realtime", "%s would call sem_clockwait, but this libc has none" % os.path.basename(files[0]), details
    if imported:
        return "monotonic", "%s calls sem_clockwait" % os.path.basename(files[0]), details
    if not sysconfig.get_config_var("HAVE_SEM_TIMEDWAIT") and sysconfig.get_config_var("USE_SEMAPHORES") in (0, None):
        raise NotMeasured("it may not use semaphores at all")
    with open(files[0], "rb") as file:
        if b"\0sem_timedwait\0" not in file.read():
            return "monotonic", "%s uses condition variables, no semaphores" % os.path.basename(files[0]), details
    return "realtime", "%s calls sem_timedwait, which counts in the time of day" % os.path.basename(files[0]), details


def _has():
    try:
        import ctypes

        return hasattr(ctypes.CDLL(None), "sem_clockwait")
    except (ImportError, OSError):
        return True
