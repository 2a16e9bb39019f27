def observe():
    if sys.version_info < (3, 13):
        raise NotApplicable("CPython has had a JIT compiler since 3.13")
    state = getattr(sys, "_jit", None)
    if state is not None:
        if not state.is_available():
            return "absent", "sys._jit: not available"
        on = state.is_enabled()
        return ("enabled" if on else "available"), "sys._jit: available, %s" % ("enabled" if on else "not enabled")
    import sysconfig

    arguments = sysconfig.get_config_var("CONFIG_ARGS") or ""
    found = [word.strip("'\"") for word in arguments.split() if "enable-experimental-jit" in word]
    if not found or found[-1].endswith("=no"):
        return "absent", "not configured with --enable-experimental-jit"
    if found[-1].endswith("yes-off"):
        return "available", "configured with %s" % found[-1]
    if "interpreter" in found[-1]:
        return "absent", "configured with %s: an interpreter of the same steps, no compiler" % found[-1]
    return "enabled", "configured with %s" % found[-1]
