# with: elf


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
    wanting = [path for path in sorted(set([REAL, beside, library] + mapped("libpython"))) if wants_executable_stack(path)]
    if "x" in stack[0]:
        return "executable", "the stack of this process is %s" % stack[0], {"wanting": wanting}
    if wanting:
        return "library_wants_it", "%s asks for an executable stack" % wanting[0], {"wanting": wanting}
    return "protected", "the stack of this process is %s" % stack[0]


def wants_executable_stack(path):
    """Tell whether a 64-bit ELF file asks for an executable stack: PT_GNU_STACK with the flag X, or none at all."""
    try:
        elf = Elf(path)
    except (NoElf, IOError, OSError):
        return False
    segments = elf.segments() if elf.wide else []
    for segment in segments:
        if segment.kind == PT_GNU_STACK:
            return bool(segment.flags & 1)
    # What is cut off may be the very entry.
    return 0 < len(segments) == elf.segment_count
