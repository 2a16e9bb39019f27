import struct

SAMPLE = 120


def observe():
    import sysconfig

    try:
        from importlib.util import MAGIC_NUMBER, cache_from_source
    except ImportError:
        raise NotApplicable("compiled files lie beside their sources before 3.2")
    top = sysconfig.get_path("stdlib")
    sources = []
    for folder in (top, os.path.join(top, "encodings"), os.path.join(top, "json"), os.path.join(top, "asyncio")):
        if os.path.isdir(folder):
            sources += [os.path.join(folder, name) for name in sorted(os.listdir(folder)) if name.endswith(".py")]
    if not sources:
        raise NotApplicable("no sources of the standard library in %s (an archive, or stripped)" % top)
    counts = {"valid": 0, "missing": 0, "stale": 0}
    stale = ""
    for source in sources[:: max(1, len(sources) // SAMPLE)]:
        state = _state(source, cache_from_source(source), MAGIC_NUMBER)
        counts[state] += 1
        if state == "stale":
            stale = source
    whole = sum(counts.values())
    line = "%d of %d sampled modules have a valid compiled file" % (counts["valid"], whole)
    if counts["stale"] > whole // 20:
        return "stale", "%s, %d an outdated one, such as %s" % (line, counts["stale"], stale), counts
    if counts["valid"] < whole // 2:
        return "absent", line, counts
    return "present", line, counts


def _state(source, cache, magic):
    try:
        with open(cache, "rb") as file:
            head = file.read(16)
    except (IOError, OSError):
        return "missing"
    if len(head) < 16 or head[:4] != magic:
        return "stale"
    if sys.version_info >= (3, 7):
        flags, modified, size = struct.unpack("<III", head[4:16])
        if flags & 1:
            # By hash: valid unless it is checked, and that is not the default.
            return "valid"
    else:
        modified, size = struct.unpack("<II", head[4:12])
    status = os.stat(source)
    same = modified == int(status.st_mtime) & 0xFFFFFFFF and size == status.st_size & 0xFFFFFFFF
    return "valid" if same else "stale"
