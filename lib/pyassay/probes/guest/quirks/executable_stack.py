def observe():
    try:
        import ctypes

        # The loader makes stacks executable for any library that wants it.
        for path in mapped("libpython"):
            ctypes.CDLL(path)
    except (ImportError, OSError):
        pass
    with open("/proc/self/maps", "rb") as file:
        lines = text_of(file.read()).splitlines()
    stack = [line.split()[1] for line in lines if line.endswith("[stack]")]
    if not stack:
        raise NotMeasured("/proc/self/maps names no stack")
    import sysconfig

    library = os.path.join(sysconfig.get_config_var("LIBDIR") or "", sysconfig.get_config_var("INSTSONAME") or "?")
    beside = os.path.join(BASE_PREFIX, "lib", os.path.basename(library))
    wanting = [path for path in sorted(set([REAL, beside, library] + mapped("libpython"))) if _wants(path)]
    if "x" in stack[0]:
        return "executable", "the stack of this process is %s" % stack[0], {"wanting": wanting}
    if wanting:
        return "library_wants_it", "%s asks for an executable stack" % wanting[0], {"wanting": wanting}
    return "protected", "the stack of this process is %s" % stack[0]


def _wants(path):
    """Tell whether a 64-bit ELF file asks for an executable stack: PT_GNU_STACK with the flag X, or none at all."""
    import struct

    try:
        with open(path, "rb") as file:
            head = file.read(64)
            if head[:5] != b"\x7fELF\2":
                return False
            order = "<" if head[5:6] == b"\1" else ">"
            offset, = struct.unpack(order + "Q", head[32:40])
            size, count = struct.unpack(order + "HH", head[54:58])
            file.seek(offset)
            table = file.read(size * count)
    except (IOError, OSError):
        return False
    for start in range(0, len(table) - 7, size or 1):
        kind, flags = struct.unpack(order + "II", table[start : start + 8])
        if kind == 0x6474E551:
            return bool(flags & 1)
    return bool(table) and len(table) == size * count
