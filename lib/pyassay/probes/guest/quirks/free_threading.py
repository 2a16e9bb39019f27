def observe():
    import sysconfig

    # Through details the build is told from the state: an extension may have switched the lock on again.
    build = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
    asked = getattr(sys, "_is_gil_enabled", None)
    enabled = asked() if asked else True
    details = {"Py_GIL_DISABLED": build, "gil": enabled}
    if not build:
        return "gil", "built with the global interpreter lock", details
    if enabled:
        return "gil_switched_on", "a free-threaded build whose lock is on (PYTHON_GIL, or by default)", details
    return "free_threaded", "free-threaded; extensions need files for %s" % sysconfig.get_config_var("SOABI"), details
