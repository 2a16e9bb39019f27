def observe():
    try:
        import ctypes
    except ImportError as error:
        raise NotMeasured("no ctypes to make a mount namespace with: %s" % error)
    libc = ctypes.CDLL(None, use_errno=True)

    def hide():
        # As root a mount namespace suffices; anybody else needs a user namespace around it.
        new_namespace, new_user, private, recursive = 0x00020000, 0x10000000, 1 << 18, 1 << 14
        flags = new_namespace if os.geteuid() == 0 else new_namespace | new_user
        if libc.unshare(flags) and libc.unshare(new_namespace | new_user):
            os._exit(97)
        libc.mount(b"none", b"/", None, recursive | private, None)
        if libc.mount(b"none", b"/proc", b"tmpfs", 0, None):
            os._exit(97)

    code = "import os, sys; print('proc' if os.path.exists('/proc/self') else 'none', sys.prefix); import hashlib"
    started = run([EXECUTABLE, ISOLATED, "-B", "-c", code], preexec_fn=hide)
    if started.code == 97:
        raise NotMeasured("no right to hide /proc in a mount namespace here")
    if started.ok:
        if "none" not in started.out:
            raise NotMeasured("/proc is still there in the new mount namespace")
        return "works", "starts without /proc"
    return "fails", started.said
