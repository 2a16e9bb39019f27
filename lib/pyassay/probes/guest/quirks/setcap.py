import struct

BIND, SEARCH = 10, 2
KEEP_CAPABILITIES, VERSION_3 = 8, 0x20080522


def observe():
    # Often not on the PATH of users.
    places = [command("setcap"), "/usr/sbin/setcap", "/sbin/setcap"]
    tools = [path for path in places if path and os.path.exists(path)]
    if not tools:
        raise NotMeasured("this place has no setcap")
    if os.geteuid() != 0:
        raise NotMeasured("only root can give a file capabilities")
    try:
        import ctypes
    except ImportError as error:
        raise NotMeasured("no ctypes to drop rights with: %s" % error)
    libc = ctypes.CDLL(None, use_errno=True)
    # A tree of its own around a copy of the executable: the original must not be marked.
    top = os.path.join(SCRATCH, "tree")
    inner = os.path.relpath(REAL, os.path.realpath(BASE_PREFIX))
    copy = os.path.join(top, os.path.join("bin", os.path.basename(REAL)) if inner.startswith("..") else inner)
    os.makedirs(os.path.dirname(copy))
    shutil.copy(REAL, copy)
    for name in ("lib", "lib64"):
        if os.path.isdir(os.path.join(BASE_PREFIX, name)):
            os.symlink(os.path.join(BASE_PREFIX, name), os.path.join(top, name))
    try:
        before = run([copy, "-E", "-s", "-B", "-c", "pass"])
    except OSError as error:
        raise NotMeasured("nothing can be executed in the scratch folder: %s" % error)
    # With the right to search, folders closed to others (a home folder) do not stand in the way.
    capabilities = "cap_net_bind_service,cap_dac_read_search+ep"
    given = run([tools[0], capabilities, copy])
    if not given.ok:
        raise NotMeasured("setcap: %s" % given.said)

    def as_nobody():
        libc.prctl(KEEP_CAPABILITIES, 1, 0, 0, 0)
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        header = ctypes.create_string_buffer(struct.pack("=Ii", VERSION_3, 0))
        rights = ctypes.create_string_buffer(struct.pack("=6I", 1 << SEARCH, 1 << SEARCH, 0, 0, 0, 0))
        if libc.capset(header, rights):
            os._exit(97)

    code = "print([line for line in open('/proc/self/status') if line.startswith('CapEff')][0].split()[1])"
    started = run([copy, "-E", "-s", "-B", "-c", code], preexec_fn=as_nobody)
    if started.code == 97:
        raise NotMeasured("no right to keep the capability to search folders")
    if started.ok:
        if not int(started.out, 16) >> BIND & 1:
            raise NotMeasured("file capabilities have no effect on this file system")
        return "works", "runs as nobody with CAP_NET_BIND_SERVICE"
    if not before.ok:
        raise NotMeasured("a copy of it does not start even without capabilities: %s" % before.said)
    return "fails", started.said
