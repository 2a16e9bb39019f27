# Module, name, the version that documents it (for Linux), and what makes it possible: a function of libc, or a
# number of a system call that the kernel of x86-64 and aarch64 knows (the same on both from pidfd_open on).
WANTED = (
    ("os", "getrandom", (3, 6), "getrandom"),
    ("os", "preadv", (3, 7), "preadv"),
    ("os", "pwritev", (3, 7), "pwritev"),
    ("os", "RWF_NOWAIT", (3, 7), "preadv2"),
    ("os", "RWF_DSYNC", (3, 7), "pwritev2"),
    ("os", "posix_spawn", (3, 8), "posix_spawn"),
    ("os", "posix_spawnp", (3, 8), "posix_spawnp"),
    ("os", "memfd_create", (3, 8), "memfd_create"),
    ("os", "copy_file_range", (3, 8), "copy_file_range"),
    ("os", "pidfd_open", (3, 9), 434),
    ("os", "P_PIDFD", (3, 9), 434),
    ("os", "eventfd", (3, 10), "eventfd"),
    ("os", "splice", (3, 10), "splice"),
    ("os", "RWF_APPEND", (3, 10), "pwritev2"),
    ("os", "login_tty", (3, 11), "login_tty"),
    ("os", "unshare", (3, 12), "unshare"),
    ("os", "setns", (3, 12), "setns"),
    ("os", "timerfd_create", (3, 13), "timerfd_create"),
    ("os", "posix_openpt", (3, 13), "posix_openpt"),
    ("os", "getxattr", (3, 3), "getxattr"),
    ("os", "sched_setaffinity", (3, 3), "sched_setaffinity"),
    ("os", "posix_fallocate", (3, 3), "posix_fallocate"),
    ("os", "sendfile", (3, 3), "sendfile"),
    ("os", "getgrouplist", (3, 3), "getgrouplist"),
    ("os", "openpty", (2, 0), "openpty"),
    ("os", "forkpty", (2, 0), "forkpty"),
    ("os", "getloadavg", (2, 3), "getloadavg"),
    ("signal", "pidfd_send_signal", (3, 9), 424),
    ("signal", "sigtimedwait", (3, 3), "sigtimedwait"),
    ("time", "pthread_getcpuclockid", (3, 7), "pthread_getcpuclockid"),
    ("time", "clock_gettime", (3, 3), "clock_gettime"),
    ("time", "CLOCK_BOOTTIME", (3, 7), "clock_gettime"),
    ("time", "CLOCK_TAI", (3, 9), "clock_gettime"),
    ("select", "epoll", (2, 6), "epoll_create1"),
    ("select", "EPOLLEXCLUSIVE", (3, 6), "epoll_create1"),
    ("resource", "prlimit", (3, 4), "prlimit"),
    ("mmap", "MADV_DONTNEED", (3, 8), "madvise"),
    ("mmap", "MAP_POPULATE", (3, 10), "mmap"),
    ("fcntl", "F_ADD_SEALS", (3, 8), "memfd_create"),
    ("fcntl", "F_OFD_SETLK", (3, 9), "fcntl"),
)


def observe():
    import importlib

    try:
        import ctypes

        libc = ctypes.CDLL(None, use_errno=True)
    except (ImportError, OSError) as error:
        raise NotMeasured("libc cannot be asked what it has: %s" % error)
    possible, missing = [], []
    for module, name, since, means in WANTED:
        if sys.version_info[:2] < since or not _possible(libc, means):
            continue
        possible.append("%s.%s" % (module, name))
        try:
            if not hasattr(importlib.import_module(module), name):
                missing.append("%s.%s" % (module, name))
        except ImportError:
            missing.append("%s.%s" % (module, name))
    details = {"possible": len(possible), "missing": missing}
    if missing:
        line = "%d of %d that this kernel and libc could do are missing: %s"
        functions = [name for name in missing if not name.split(".")[1].isupper()]
        seen = line % (len(missing), len(possible), ", ".join(functions + [one for one in missing if one not in functions]))
        return "some_missing" if functions else "constants_missing", seen, details
    return "all_there", "all of %d that this kernel and libc could do" % len(possible), details


def _possible(libc, means):
    import ctypes

    if isinstance(means, str):
        return hasattr(libc, means) or hasattr(libc, means + "64")
    # With arguments that no call accepts: a kernel without it says ENOSYS.
    ctypes.set_errno(0)
    libc.syscall(ctypes.c_long(means), ctypes.c_long(-1), ctypes.c_long(-1), ctypes.c_long(-1), ctypes.c_long(-1))
    return ctypes.get_errno() != errno.ENOSYS
