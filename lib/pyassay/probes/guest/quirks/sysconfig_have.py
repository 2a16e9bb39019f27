# What configure looks for, and which function of libc it is about.
NAMES = (
    ("HAVE_GETRANDOM", "getrandom"),
    ("HAVE_PREADV2", "preadv2"),
    ("HAVE_PWRITEV2", "pwritev2"),
    ("HAVE_CLOSE_RANGE", "close_range"),
    ("HAVE_SEM_CLOCKWAIT", "sem_clockwait"),
    ("HAVE_MEMFD_CREATE", "memfd_create"),
    ("HAVE_COPY_FILE_RANGE", "copy_file_range"),
    ("HAVE_EXPLICIT_BZERO", "explicit_bzero"),
    ("HAVE_EPOLL_CREATE1", "epoll_create1"),
    ("HAVE_ACCEPT4", "accept4"),
    ("HAVE_PIPE2", "pipe2"),
    ("HAVE_DUP3", "dup3"),
    ("HAVE_VFORK", "vfork"),
    ("HAVE_POSIX_SPAWN", "posix_spawn"),
)


def observe():
    import sysconfig

    try:
        import ctypes

        libc = ctypes.CDLL(None)
    except (ImportError, OSError) as error:
        raise NotMeasured("libc cannot be asked what it has: %s" % error)
    values = dict((name, sysconfig.get_config_var(name)) for name, _function in NAMES)
    asked = [(name, function) for name, function in NAMES if values[name] is not None]
    if not asked:
        raise NotMeasured("its sysconfig holds nothing of what configure found")
    missing = [name for name, function in asked if not values[name] and hasattr(libc, function)]
    details = {"values": values, "missing": missing}
    if missing:
        return "some_missing", "compiled without what this libc has: %s" % ", ".join(missing), details
    return "all_used", "all of %d that this libc has" % len(asked), details
